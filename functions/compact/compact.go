package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// margin is how long before the end of the invocation's time no more is begun. A
// step that is cut off is lost, and nothing but garbage for the sweeper.
const margin = 5 * time.Second

// function compacts a bucket. Its environment serves one invocation at a time.
type function struct {
	compactor *compactor.Compactor // keeps what sweeps read before: snapshots of a day
	logger    *slog.Logger
	stack     string // as metrics name it
}

func newFunction(log *commitlog.Log, logger *slog.Logger, stack string) *function {
	return &function{&compactor.Compactor{Log: log}, logger, stack}
}

// request is what the function is invoked with. The events of schedules have
// other members, which do not matter.
type request struct {
	Instances []string `json:"instances"` // ids or names; none means all
}

// report is the answer.
type report struct {
	Done       []done `json:"done"`
	Unfinished int    `json:"unfinished"` // instances for which there was no time
}

type done struct {
	Instance string `json:"instance"`
	compactor.Report
}

// run works until everything is done or the time is over, which is no failure: the
// next run goes on. Instances come in another order each time, so that none is
// always the last.
func (f *function) run(ctx context.Context, in request) (report, error) {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	out := report{Done: []done{}}
	ids, err := f.ids(work, in.Instances)
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	failed := []error{err}
	for _, id := range ids {
		if work.Err() != nil {
			out.Unfinished++
			continue
		}
		r, err := f.compactor.Run(work, id)
		out.Done = append(out.Done, done{id, r})
		if err != nil && work.Err() != nil {
			out.Unfinished++
			continue
		}
		failed = append(failed, fault.Wrap(err, "instance %s", id))
	}
	if len(in.Instances) == 0 && work.Err() == nil {
		if err := f.compactor.SweepCatalog(work); work.Err() == nil {
			failed = append(failed, err)
		}
	}
	f.measure(out)
	return out, errors.Join(failed...)
}

// ids returns the instances to work on.
func (f *function) ids(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return f.compactor.Log.IDs(ctx)
	}
	var ids []string
	for _, name := range names {
		inst, err := f.compactor.Log.Instance(ctx, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, inst.ID)
	}
	return ids, nil
}

// measure prints what alarms and the dashboard show, in CloudWatch's embedded
// metric format: the longest tail that was found, and for how many instances
// there was no time.
func (f *function) measure(out report) {
	var longest, events int64
	for _, d := range out.Done {
		longest, events = max(longest, d.Commits), events+d.Events
	}
	type metric struct{ Name, Unit string }
	f.logger.Info("compacted", "TailCommits", longest, "FoldedEvents", events, "Unfinished", out.Unfinished, "Stack", f.stack, "_aws", map[string]any{
		"Timestamp": time.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{"Namespace": "Firn", "Dimensions": [][]string{{"Stack"}}, "Metrics": []metric{
			{"TailCommits", "Count"}, {"FoldedEvents", "Count"}, {"Unfinished", "Count"}}}},
	})
}
