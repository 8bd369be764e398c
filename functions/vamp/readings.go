package vamp

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// defaultWindow is how old the newest value may be where the request does not
// say.
const defaultWindow = 120 * time.Second

// readings are the paths at which Vamp shows the newest value of some tags. In
// tags, {name} stands for the part of the path.
var readings = map[string][]string{
	"/metrics/gateways/{gateway}/{metric}":                                                          {"gateways:{gateway}", "metrics:{metric}"},
	"/metrics/gateways/{gateway}/routes/{route}/{metric}":                                           {"gateways:{gateway}", "routes:{route}", "metrics:{metric}"},
	"/metrics/deployments/{deployment}/clusters/{cluster}/ports/{port}/{metric}":                    {"gateways:{deployment}/{cluster}/{port}", "metrics:{metric}"},
	"/metrics/deployments/{deployment}/clusters/{cluster}/services/{service}/ports/{port}/{metric}": {"gateways:{deployment}/{cluster}/{port}", "routes:{deployment}/{cluster}/{service}", "metrics:{metric}"},

	"/health/gateways/{gateway}":                                             {"gateways:{gateway}", "health"},
	"/health/gateways/{gateway}/routes/{route}":                              {"gateways:{gateway}", "routes:{route}", "health"},
	"/health/deployments/{deployment}":                                       {"deployments:{deployment}", "health"},
	"/health/deployments/{deployment}/clusters/{cluster}":                    {"deployments:{deployment}", "clusters:{cluster}", "health"},
	"/health/deployments/{deployment}/clusters/{cluster}/services/{service}": {"deployments:{deployment}", "clusters:{cluster}", "services:{service}", "health"},
}

var readingParts = []string{"gateway", "metric", "route", "deployment", "cluster", "port", "service"}

// newest answers the value of the newest event with the tags as a bare number,
// and 404 if there is none within the window, which the parameter window gives in
// seconds, or its value is no number.
func (d *door) newest(tags []string) operation {
	return func(w http.ResponseWriter, r *http.Request, instance string) error {
		window := defaultWindow
		if n, err := strconv.ParseInt(r.URL.Query().Get("window"), 10, 32); err == nil && n >= 0 {
			window = time.Duration(n) * time.Second
		}
		var names []string
		for _, part := range readingParts {
			names = append(names, "{"+part+"}", r.PathValue(part))
		}
		fill := strings.NewReplacer(names...)
		var q query
		for _, tag := range tags {
			q.tags = append(q.tags, fill.Replace(tag))
		}
		value, err := d.last(r.Context(), instance, &q, window)
		if err != nil {
			return err
		}
		d.respond(w, r, http.StatusOK, []byte(value))
		return nil
	}
}

// last returns the newest value that a query finds within a window, as a number
// with a fraction.
func (d *door) last(ctx context.Context, instance string, q *query, window time.Duration) (string, error) {
	now := event.ToMicros(d.Now())
	find := &querier.Query{Instance: instance, Limit: 1, Select: shown, NoTotal: true,
		OrderBy: []querier.Order{{Field: querier.Timestamp, Desc: true}, {Field: querier.Place, Desc: true}},
		Where: append(q.filter(), querier.Predicate{Field: querier.Timestamp, Operator: querier.Between,
			Values: []querier.Value{querier.Text((now - event.Micros(window.Microseconds())).String()), querier.Text(now.String())}})}
	res, err := d.Query(ctx, find)
	if err != nil {
		return "", err
	}
	if len(res.Events) == 0 {
		return "", fault.New(fault.NotFound, "there is no event with these tags in the last %s", window)
	}
	v, err := parseStored(res.Events[0], instance)
	if err != nil {
		return "", err
	}
	number := string(v.value)
	if v.value.Kind() == '"' {
		number = text(v.value) // some workflows publish numbers as texts
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f-f != 0 { // infinities and NaN, which JSON has not
		return "", fault.New(fault.NotFound, "the newest value is no number")
	}
	out := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(out, ".") {
		out += ".0"
	}
	return out, nil
}

// counters are what Vamp counts of its own events, by their tags.
var counters = []struct{ name, tag string }{
	{"escalation-count", "sla:escalate"},
	{"de-escalation-count", "sla:deescalate"},
	{"deployed-services", "synchronization:deployed"},
	{"redeployed-services", "synchronization:redeploy"},
	{"undeployed-services", "synchronization:undeployed"},
	{"scheduled-workflows", "scheduled"},
	{"unscheduled-workflows", "unscheduled"},
}

// stats answers with the part of Vamp's statistics that comes from events.
func (d *door) stats(w http.ResponseWriter, r *http.Request, instance string) error {
	b := []byte(`{"pulse":{`)
	for i, c := range counters {
		q := query{tags: []string{c.tag}}
		n, err := d.count(r.Context(), instance, q.filter())
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(appendText(b, c.name), ':'), n, 10)
	}
	d.respond(w, r, http.StatusOK, append(b, "}}"...))
	return nil
}
