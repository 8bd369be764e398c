// Package catalog keeps the list of all instances and their settings, as the
// newest object of one chain.
package catalog

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// State is where an instance is in its life. The order is active, deleting,
// deleted, and with a further creation active again.
type State string

// The states of an instance.
const (
	Active   State = "active"
	Deleting State = "deleting" // drop commits are being written to its shards
	Deleted  State = "deleted"  // every shard bears its drop commit
)

// MaxShards bounds the shards of an instance.
const MaxShards = 256

// MaxText bounds names and descriptions, in bytes.
const MaxText = 1024

// MaxRetention bounds the days that events can be kept: some 9,000 years.
const MaxRetention = 3_300_000

// MaxEventAge bounds the greatest age of events that can be set: some 68 years
// in seconds.
const MaxEventAge = 1<<31 - 1

// Instance is a named container of streams with its settings.
type Instance struct {
	ID            string       `json:"id"` // a slug, see CheckID
	Name          string       `json:"name"`
	Description   string       `json:"description,omitempty"`
	Shards        int          `json:"shards"`                   // 1 … MaxShards, fixed at creation
	FormerShards  int          `json:"former_shards,omitempty"`  // the most that an earlier life had
	RetentionDays int          `json:"retention_days,omitempty"` // 0 keeps events for ever
	VisibleFrom   event.Micros `json:"visible_from,omitempty"`   // what an earlier, shorter retention hid stays hidden
	// MaxEventAgeSeconds is how old an event may be when it comes, 0 for any age.
	MaxEventAgeSeconds int `json:"max_event_age_seconds,omitempty"`

	// Secret is what the instance's cursors are signed with: random, made with the
	// instance and kept for all its lives. It MUST NOT be shown to anyone.
	Secret string `json:"secret,omitempty"`

	State      State        `json:"state"`
	Generation int64        `json:"generation"` // 1, 2, 3, …: how often the id was created
	CreatedAt  event.Micros `json:"created_at"`
	UpdatedAt  event.Micros `json:"updated_at"`
}

// HiddenBefore returns the time before which the instance's events are hidden
// at the time now: what retention has passed, to the second.
func (i *Instance) HiddenBefore(now event.Micros) event.Micros {
	from := event.MinTime
	if i.VisibleFrom != 0 {
		from = i.VisibleFrom
	}
	if i.RetentionDays > 0 {
		const second = 1_000_000
		from = max(from, (now/second-event.Micros(i.RetentionDays)*86400)*second)
	}
	return from
}

// Answers reports whether the instance is spoken of by a text: its id or its name. No
// two active ones answer to the same.
func (i *Instance) Answers(idOrName string) bool { return i.ID == idOrName || i.Name == idOrName }

// TooOld reports whether an event of the time t comes too late at the time now.
func (i *Instance) TooOld(t, now event.Micros) bool {
	const second = 1_000_000
	return i.MaxEventAgeSeconds > 0 && t < now-event.Micros(i.MaxEventAgeSeconds)*second
}

var idForm = regexp.MustCompile(`^_?[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$`)

// Check returns an error of kind Invalid unless the settings are ones that an
// instance can have.
func (i *Instance) Check() error {
	if err := CheckID(i.ID); err != nil {
		return err
	}
	switch {
	case i.Name == "" || len(i.Name) > MaxText || !printable(i.Name):
		return fault.New(fault.Invalid, "an instance's name has 1 to %d bytes of text without control characters", MaxText)
	case len(i.Description) > MaxText || !utf8.ValidString(i.Description):
		return fault.New(fault.Invalid, "an instance's description has at most %d bytes of text", MaxText)
	case i.Shards < 1 || i.Shards > MaxShards:
		return fault.New(fault.Invalid, "an instance has 1 to %d shards, not %d", MaxShards, i.Shards)
	case i.RetentionDays < 0 || i.RetentionDays > MaxRetention:
		return fault.New(fault.Invalid, "retention is a number of days up to %d, or 0 to keep events for ever, not %d", MaxRetention, i.RetentionDays)
	case i.MaxEventAgeSeconds < 0 || i.MaxEventAgeSeconds > MaxEventAge:
		return fault.New(fault.Invalid, "the greatest age of events is a number of seconds up to %d, or 0 for any age, not %d", MaxEventAge, i.MaxEventAgeSeconds)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// CheckID returns an error of kind Invalid unless id is a slug: 1 to 63 of the
// characters a-z, 0-9, dot, underscore and hyphen, a letter or digit at both ends, no two
// dots in a row. Ids that begin with an underscore are Firn's own; front doors make none.
func CheckID(id string) error {
	if idForm.MatchString(id) && !strings.Contains(id, "..") {
		return nil
	}
	return fault.New(fault.Invalid, "%q is no instance id: use 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends and no two dots in a row", shorten(id))
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
