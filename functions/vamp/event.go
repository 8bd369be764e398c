package vamp

import (
	"regexp"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
)

// typeForm is what Vamp takes as the type of an event since 0.9.2.
var typeForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// parseEvent makes an event of what was published. Members that an event does
// not have are ignored, id among them, so that an event that was fetched can be
// published again.
func parseEvent(body []member, now event.Micros) (event.Event, error) {
	e := event.Event{Time: now}
	given, _, err := known(body, "tags", "value", "timestamp", "type", "version", "digest")
	if err != nil {
		return e, err
	}
	if e.Tags, err = publishedTags(given["tags"]); err != nil {
		return e, err
	}
	e.Stream = streamOf(e.Tags)
	if e.Type, err = publishedType(given["type"]); err != nil {
		return e, err
	}
	m := metadata{}
	if raw := given["timestamp"]; !absent(raw) {
		if e.Time, m.Timestamp, err = publishedTime(raw); err != nil {
			return e, err
		}
	}
	for name, text := range map[string]*string{"version": &m.Version, "digest": &m.Digest} {
		if raw := given[name]; !absent(raw) {
			if *text, err = scalarText(name, raw); err != nil {
				return e, err
			}
		}
	}
	e.Metadata = m.encode()
	e.Payload = []byte("{}")
	if raw := given["value"]; raw != nil {
		e.Payload = append(append([]byte(`{"value":`), raw...), '}')
	}
	return e, e.Check(now)
}

// publishedTags returns the tags of an event, each that has a colon behind its
// prefix.
func publishedTags(raw jsontext.Value) ([]string, error) {
	if absent(raw) {
		return nil, invalid("Can't find any value for path: /tags")
	}
	given, err := tagTexts(raw)
	if err != nil {
		return nil, err
	}
	if len(given) == 0 {
		return nil, invalid("Publishing an event without tags is not allowed.")
	}
	var tags []string
	for _, tag := range given {
		if head := prefix(tag); head != "" && !slices.Contains(tags, head) {
			tags = append(tags, head)
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// streamOf returns the stream for the events of some tags. Queries go by tags,
// and files are sorted by stream: so events about one thing lie side by side.
func streamOf(tags []string) string {
	for _, tag := range tags {
		if prefix(tag) != "" {
			return tag
		}
	}
	return event.DefaultStream
}

func publishedType(raw jsontext.Value) (string, error) {
	if absent(raw) {
		return event.DefaultType, nil
	}
	t, err := scalarText("the type", raw)
	switch {
	case err != nil:
		return "", err
	case t == "":
		return event.DefaultType, nil
	case !typeForm.MatchString(t):
		return "", invalid("Unsupported event type '%s', only alphanumerics, '-' and '_' are allowed.", shorten(t))
	}
	return t, nil
}

// timeForms are what java.time.OffsetDateTime reads.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"}

// publishedTime reads a timestamp, and returns its text where that says more
// than the time does.
func publishedTime(raw jsontext.Value) (event.Micros, string, error) {
	text, err := scalarText("the timestamp", raw)
	if err != nil {
		return 0, "", err
	}
	for _, form := range timeForms {
		t, err := time.Parse(form, text)
		if err != nil {
			continue
		}
		at, shown := event.ToMicros(t), t.Format(time.RFC3339Nano)
		if shown == at.String() {
			shown = ""
		}
		return at, shown, nil
	}
	return 0, "", invalid("Event timestamp cannot be parsed: '%s'.", shorten(text))
}
