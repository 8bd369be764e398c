package event

import "github.com/firnlog/firn/layout/fault"

// Bounds of one event and of one request. Every decoder and every dialect
// holds them; [Event.Check] checks an event that was built in another way.
//
//	what                    bound                   kind of the error
//	stream_id, event_type   1 … MaxName bytes       Invalid
//	id                      1 … MaxID bytes         Invalid
//	tags                    MaxTags of MaxTag bytes Invalid
//	nesting of the payload
//	and of the metadata     MaxDepth levels         Invalid
//	timestamp               MinTime … now+MaxAhead  Invalid
//	whole event             MaxEventBytes           Limit
//	events of one request   MaxBatch                Limit
const (
	MaxName       = 512     // bytes of a stream id or an event type
	MaxID         = 256     // bytes of a client's event id
	MaxTags       = 64      // tags of an event, doubles counted
	MaxTag        = 256     // bytes of a tag
	MaxDepth      = 128     // objects and arrays inside each other; {} is one level
	MaxEventBytes = 8 << 20 // of an event as [Event.Size] counts
	MaxBatch      = 50_000  // events of one request

	MaxAhead Micros = 86400_000000 // a day: how far timestamps may lie ahead of the clock
)

// What stands in an event whose client leaves the member out.
const (
	DefaultStream = "default"
	DefaultType   = "event"
)

// Check returns an error unless the event, as a client gave it, lies within
// the bounds; now is the time of its arrival. It does not parse the payload and
// the metadata, which must be valid JSON, the metadata an object.
func (e *Event) Check(now Micros) error {
	if err := CheckName("stream_id", e.Stream); err != nil {
		return err
	}
	if err := CheckName("event_type", e.Type); err != nil {
		return err
	}
	if e.ID != "" {
		if err := checkText("id", e.ID, MaxID); err != nil {
			return err
		}
	}
	if err := checkTags(e.Tags); err != nil {
		return err
	}
	if err := checkArrival(e.Time, now); err != nil {
		return err
	}
	if n := e.Size(); n > MaxEventBytes {
		return fault.New(fault.Limit, "the event has %d bytes, the limit is %d", n, MaxEventBytes)
	}
	if tooDeep(e.Payload) {
		return deepError("payload")
	}
	if tooDeep(e.Metadata) {
		return deepError("metadata")
	}
	return nil
}

func checkTags(tags []string) error {
	if len(tags) > MaxTags {
		return fault.New(fault.Invalid, "%d tags are given, the limit is %d", len(tags), MaxTags)
	}
	for _, tag := range tags {
		if err := checkText("a tag", tag, MaxTag); err != nil {
			return err
		}
	}
	return nil
}

func checkArrival(t, now Micros) error {
	if t < MinTime || t > MaxTime {
		return fault.New(fault.Invalid, "the timestamp is out of range: Firn takes the years 1 to 9999")
	}
	if t > now+MaxAhead {
		return fault.New(fault.Invalid, "the timestamp %s lies more than a day ahead: the time here is %s", t, now)
	}
	return nil
}

func deepError(what string) error {
	return fault.New(fault.Invalid, "%s is nested deeper than %d levels", what, MaxDepth)
}
