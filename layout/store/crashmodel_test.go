//go:build unix

package store_test

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/fault"
)

// crashOp is an operation on one key, as its client sees it.
type crashOp struct {
	key  string
	kind crashKind
	body string // of a put; the value of a tag
}

type crashKind int

const (
	found     crashKind = iota // what was there when the power came back
	create                     // put if absent
	overwrite                  // put always
	remove
	read // by get or list; no body: nothing is there
	tag
)

// crashAnswer is what the client was told.
type crashAnswer struct {
	outcome crashOutcome
	body    string // of a read
}

type crashOutcome int

const (
	done    crashOutcome = iota
	exists               // a put met an object
	nothing              // surely not done
	unknown              // nobody can tell
)

// outcome returns what an error says of a write.
func outcome(err error) crashOutcome {
	switch fault.KindOf(err) {
	case fault.Exists:
		return exists
	case fault.Unknown:
		return unknown
	}
	if err == nil {
		return done
	}
	return nothing
}

// object is the model of one key: its state is the body there, "" for none. A
// crash may take back nothing but what has the outcome unknown, so that the
// history until the crash and what was found after it must have an order that
// explains all answers.
var object = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{""} },
	Step: func(state, input, output any) []any {
		return stepObject(state.(string), input.(crashOp), output.(crashAnswer))
	},
}).ToModel()

// stepObject returns the states that a key may be in after an operation; none
// when it cannot have had that answer.
func stepObject(state string, o crashOp, a crashAnswer) []any {
	after := state
	switch {
	case o.kind == found || o.kind == overwrite || o.kind == create && state == "":
		after = o.body
	case o.kind == remove:
		after = ""
	}
	switch {
	case a.outcome == nothing:
		return []any{state}
	case a.outcome == unknown:
		return []any{state, after}
	case a.outcome == exists && state == "",
		a.outcome == done && o.kind == create && state != "",
		o.kind == read && a.body != state:
		return nil
	case a.outcome == exists:
		return []any{state}
	}
	return []any{after}
}

// explained checks the history of one key.
func explained(key string, history []porcupine.Operation) error {
	history = withoutDoubtfulAbsence(history)
	if porcupine.CheckOperations(object, history) {
		return nil
	}
	text := ""
	for _, h := range history {
		text += fmt.Sprintf("\n%3d … %3d  %+v -> %+v", h.Call, h.Return, h.Input, h.Output)
	}
	return fmt.Errorf("no order of the operations at %s explains what was told and found:%s", key, text)
}

// withoutDoubtfulAbsence leaves out reads that found nothing where a deletion
// was never answered: what is shown is durable, but that nothing is shown need
// not be.
func withoutDoubtfulAbsence(history []porcupine.Operation) []porcupine.Operation {
	if !slices.ContainsFunc(history, func(h porcupine.Operation) bool {
		return h.Input.(crashOp).kind == remove && h.Output.(crashAnswer).outcome == unknown
	}) {
		return history
	}
	return slices.DeleteFunc(slices.Clone(history), func(h porcupine.Operation) bool {
		last := h.Return == afterCrash
		return !last && h.Input.(crashOp).kind == read && h.Output.(crashAnswer).body == ""
	})
}

// afterCrash is the time of what was found in the end, in the history's count.
const afterCrash = 1 << 40
