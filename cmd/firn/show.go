package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// usualFields are the columns of events when none are selected.
var usualFields = []string{"timestamp", "stream_id", "sequence_number", "event_type", "payload"}

// eventTable returns a table for events.
func eventTable(a *app, fields []string) *table {
	if fields == nil {
		fields = usualFields
	}
	return newTable(a.stdout, fields...)
}

// eventRow returns an event's values of the fields given, nil for the usual.
func eventRow(event json.RawMessage, fields []string) []string {
	if fields == nil {
		fields = usualFields
	}
	row := make([]string, len(fields))
	for i, f := range fields {
		row[i] = cell(lookup(event, f))
	}
	return row
}

// spellings are the names of fields that events bear under another one.
var spellings = map[string]string{
	"streamId": "stream_id", "eventType": "event_type", "sequenceNumber": "sequence_number", "ingestedAt": "ingested_at", "instance_id": "instanceId",
}

// lookup returns the value at a path, nil if there is none. As in the query
// language, a name that events do not have is one of the payload.
func lookup(value json.RawMessage, path string) json.RawMessage {
	name, rest, _ := strings.Cut(path, ".")
	if s, ok := spellings[name]; ok {
		name = s
	}
	if v := member(value, name); v != nil {
		return walk(v, rest)
	}
	return walk(member(value, "payload"), path)
}

func walk(value json.RawMessage, path string) json.RawMessage {
	for path != "" && value != nil {
		var name string
		name, path, _ = strings.Cut(path, ".")
		value = member(value, name)
	}
	return value
}

func member(value json.RawMessage, name string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return nil
	}
	return object[name]
}

// cell shows a value in a table: strings without their quotes, all else as JSON.
func cell(value json.RawMessage) string {
	var text string
	if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// printAggregation prints a reduction's result: one value, a list of values, or
// a table of groups.
func printAggregation(a *app, result json.RawMessage) error {
	var list []json.RawMessage
	if json.Unmarshal(result, &list) != nil {
		return a.printf("%s\n", shown(cell(result)))
	}
	if columns := groupColumns(list); columns != nil {
		t := newTable(a.stdout, columns...)
		for _, group := range list {
			row := make([]string, len(columns))
			for i, name := range columns {
				row[i] = cell(member(group, name))
			}
			if err := t.add(row...); err != nil {
				return err
			}
		}
		return t.flush()
	}
	for _, value := range list {
		if err := a.printf("%s\n", shown(string(value))); err != nil {
			return err
		}
	}
	return nil
}

// groupColumns returns the members of a list of objects in the order in which
// they appear, the last one of the first object last: the figure. It returns
// nil for a list of anything else.
func groupColumns(list []json.RawMessage) []string {
	var columns []string
	for i, value := range list {
		names, ok := memberNames(value)
		if !ok {
			return nil
		}
		if i == 0 {
			columns = names
			continue
		}
		for _, name := range names {
			if !slices.Contains(columns, name) {
				columns = slices.Insert(columns, len(columns)-1, name)
			}
		}
	}
	return columns
}

// memberNames returns the names of an object's members in their order.
func memberNames(value json.RawMessage) ([]string, bool) {
	dec := json.NewDecoder(bytes.NewReader(value))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	var names []string
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		names = append(names, name.(string))
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return nil, false
		}
	}
	return names, len(names) > 0
}
