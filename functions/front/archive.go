package front

import (
	"context"
	"encoding/json"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Own is the instance of Firn's own events: what was done to instances, keys
// and events by whom. It is read like any other by those who have a grant on
// it, and written by Firn alone.
const Own = "_firn"

// archive records that an instance was created, updated or deleted. It comes
// behind the act, so an error here says that the act was done and is not
// recorded.
func (s *Service) archive(ctx context.Context, action string, inst catalog.Instance) error {
	settings := map[string]any{"id": inst.ID, "name": inst.Name, "description": inst.Description,
		"shards": inst.Shards, "retentionDays": inst.RetentionDays}
	return s.Record(ctx, action, "instances", inst.ID, settings)
}

// Record stores an audit event: that the caller did an action ("create",
// "update", "delete", …) on a thing of a kind ("instances", "keys", …), and what
// it is like now. Its stream is <kind>:<name>, its type archive, and its tags
// those that Vamp archives with (protocols of Vamp: archive since 0.8.5,
// archiving in its documents).
func (s *Service) Record(ctx context.Context, action, kind, name string, value any) error {
	payload, err := json.Marshal(map[string]any{"action": action, "kind": kind, "name": name, "value": value})
	if err != nil {
		return err
	}
	who, err := json.Marshal(map[string]string{"by": CallerOf(ctx).Name})
	if err != nil {
		return err
	}
	now := event.ToMicros(s.Now())
	b := commitlog.Batch{Events: []event.Event{{
		Stream: kind + ":" + name, Type: "archive", Time: now, Payload: payload, Metadata: who,
		Tags: []string{"archive", "archive:" + action, "archiving", "archiving:" + action, kind, kind + ":" + name},
	}}}
	// The client may leave now: what was done is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err = s.Log.Append(ctx, Own, b)
	if fault.Is(err, fault.NotFound) {
		if _, err = s.Log.CreateInstance(ctx, catalog.Instance{ID: Own, Name: Own}); err == nil || fault.Is(err, fault.Exists) {
			_, err = s.Log.Append(ctx, Own, b)
		}
	}
	return fault.Wrap(err, "the %s of %s %q was done, and could not be recorded", action, kind, name)
}
