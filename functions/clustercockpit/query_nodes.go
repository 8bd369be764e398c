package clustercockpit

import (
	"context"
	"maps"
	"slices"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// allNodes reads the events named in for-all-nodes in one scan. It returns one
// query for each host, in order, and name, and the list that answers it.
func (rd *reading) allNodes(ctx context.Context) ([]eventsQuery, [][]series, error) {
	inst, err := rd.instance(ctx, rd.req.Cluster, eventKind, front.CanQuery)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	ask := querier.New(inst.ID)
	ask.Where = []querier.Predicate{text(querier.Type, querier.In, rd.req.ForAllNodes...)}
	rd.between(ask)
	ask.OrderBy = []querier.Order{{Field: querier.Timestamp}}
	byHost := map[string]map[string][]shownEvent{}
	_, err = rd.read(ctx, ask, 0, func(e storedEvent) {
		if byHost[e.Stream] == nil {
			byHost[e.Stream] = map[string][]shownEvent{}
		}
		byHost[e.Stream][e.Type] = append(byHost[e.Stream][e.Type], e.show(eventKind, rd.req.WithTags))
	})
	if err != nil {
		return nil, nil, err
	}
	names := distinct(rd.req.ForAllNodes)
	if n := len(byHost)*len(names) + len(rd.req.Queries); n > MaxSeries {
		return nil, nil, fault.New(fault.Limit, "with for-all-nodes the answer has %d lists of events, the limit is %d", n, MaxSeries)
	}
	var asked []eventsQuery
	var results [][]series
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		for _, name := range names {
			list := rd.empty()
			list.Data = byHost[host][name]
			asked = append(asked, eventsQuery{Event: name, Host: host})
			results = append(results, []series{list})
		}
	}
	return asked, results, nil
}

// distinct returns the names in their order without doubles.
func distinct(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
