package codebolt

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// operation carries out a request; an answer beside an error is shown with it.
type operation func(d *Server, ctx context.Context, loan *front.Loan, params jsontext.Value) (answer, error)

// operations by the type of the request.
var operations = map[string]operation{
	"eventLog.createInstance":   (*Server).createInstance,
	"eventLog.getInstance":      (*Server).getInstance,
	"eventLog.listInstances":    (*Server).listInstances,
	"eventLog.updateInstance":   (*Server).updateInstance,
	"eventLog.deleteInstance":   (*Server).deleteInstance,
	"eventLog.appendEvent":      (*Server).appendEvent,
	"eventLog.appendEvents":     (*Server).appendEvents,
	"eventLog.queryEvents":      (*Server).queryEvents,
	"eventLog.getInstanceStats": (*Server).instanceStats,
}

// names of the operations, for messages.
const names = "eventLog.createInstance, getInstance, listInstances, updateInstance, deleteInstance, appendEvent, appendEvents, queryEvents and getInstanceStats"

// createInstance answers with the instance that is there already beside the
// error that it exists, so that a program that makes its instance each time it
// starts goes on with that one.
func (d *Server) createInstance(ctx context.Context, _ *front.Loan, raw jsontext.Value) (answer, error) {
	var name, description string
	var g ignored
	err := object("params", paramsOf(raw), &g, func(member string, v jsontext.Value) (bool, error) {
		switch member {
		case "name":
			return true, setText("params.name", v, &name)
		case "description":
			return true, setText("params.description", v, &description)
		}
		return false, nil
	})
	if err != nil {
		return answer{}, err
	}
	if name == "" {
		return answer{}, fault.New(fault.Invalid, "params.name is missing: an instance has a name")
	}
	spec := d.spec(ctx, name)
	spec.Description = description
	made, err := d.CreateInstance(ctx, spec)
	if err != nil && (!fault.Is(err, fault.Exists) || made.ID == "") {
		return answer{}, err
	}
	return answer{instanceData(made), g.note()}, err
}

func (d *Server) getInstance(ctx context.Context, _ *front.Loan, raw jsontext.Value) (answer, error) {
	var g ignored
	ref, err := onlyInstance(raw, &g)
	if err != nil {
		return answer{}, err
	}
	inst, err := d.Instance(ctx, ref, front.CanQuery, front.CanAdmin)
	if err != nil {
		return answer{}, err
	}
	return answer{instanceData(inst), g.note()}, nil
}

func (d *Server) listInstances(ctx context.Context, _ *front.Loan, raw jsontext.Value) (answer, error) {
	var g ignored
	none := func(string, jsontext.Value) (bool, error) { return false, nil }
	if err := object("params", paramsOf(raw), &g, none); err != nil {
		return answer{}, err
	}
	all, err := d.Instances(ctx)
	if err != nil {
		return answer{}, err
	}
	shown := make([]instanceJSON, 0, len(all))
	for _, i := range all {
		shown = append(shown, showInstance(i))
	}
	return answer{encode(map[string]any{"instances": shown}), g.note()}, nil
}

// updateInstance with nothing to change answers with the instance as it is.
func (d *Server) updateInstance(ctx context.Context, _ *front.Loan, raw jsontext.Value) (answer, error) {
	var ref string
	var u commitlog.Update
	var g ignored
	err := object("params", paramsOf(raw), &g, func(member string, v jsontext.Value) (bool, error) {
		switch member {
		case "instanceId":
			return true, setText("params.instanceId", v, &ref)
		case "name":
			u.Name = new(string)
			return true, setText("params.name", v, u.Name)
		case "description":
			u.Description = new(string)
			return true, setText("params.description", v, u.Description)
		}
		return false, nil
	})
	if err == nil && ref == "" {
		err = errNoInstance
	}
	if err != nil {
		return answer{}, err
	}
	inst, err := d.Instance(ctx, ref, front.CanAdmin)
	if err == nil && (u.Name != nil || u.Description != nil) {
		inst, err = d.UpdateInstance(ctx, inst.ID, u)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{instanceData(inst), g.note()}, nil
}

func (d *Server) deleteInstance(ctx context.Context, _ *front.Loan, raw jsontext.Value) (answer, error) {
	var g ignored
	ref, err := onlyInstance(raw, &g)
	if err != nil {
		return answer{}, err
	}
	inst, err := d.DeleteInstance(ctx, ref)
	if err != nil {
		return answer{}, err
	}
	return answer{instanceData(inst), g.note()}, nil
}

// queryEvents reads the query itself strictly, so that a misspelt condition does
// not find everything.
func (d *Server) queryEvents(ctx context.Context, loan *front.Loan, raw jsontext.Value) (answer, error) {
	var dsl jsontext.Value
	var g ignored
	err := object("params", paramsOf(raw), &g, func(member string, v jsontext.Value) (bool, error) {
		if member != "query" {
			return false, nil
		}
		dsl = v
		return true, nil
	})
	if err != nil {
		return answer{}, err
	}
	if dsl == nil {
		return answer{}, fault.New(fault.Invalid, "params.query is missing")
	}
	q, err := querier.Parse(dsl)
	if err != nil {
		return answer{}, fault.Wrap(err, "params.query")
	}
	res, err := d.Query(ctx, q)
	if err != nil {
		return answer{}, err
	}
	size := len(res.Aggregation)
	for _, e := range res.Events {
		size += len(e)
	}
	if err := loan.Grow(ctx, 2*int64(size)); err != nil { // for the data, and for the reply around it
		return answer{}, err
	}
	return answer{append(res.AppendJSON([]byte(`{"result":`)), '}'), g.note()}, nil
}

// instanceStats counts an instance's events, which costs no scan of what is
// compacted.
func (d *Server) instanceStats(ctx context.Context, _ *front.Loan, raw jsontext.Value) (answer, error) {
	var g ignored
	ref, err := onlyInstance(raw, &g)
	if err != nil {
		return answer{}, err
	}
	inst, err := d.Instance(ctx, ref, front.CanQuery)
	if err != nil {
		return answer{}, err
	}
	q := querier.New(inst.ID)
	q.Limit = 0
	res, err := d.Query(ctx, q)
	if err != nil {
		return answer{}, err
	}
	stats := struct {
		InstanceID string `json:"instanceId"`
		Name       string `json:"name"`
		EventCount int64  `json:"eventCount"`
		CreatedAt  string `json:"createdAt"`
		UpdatedAt  string `json:"updatedAt"`
	}{inst.ID, inst.Name, res.Total, inst.CreatedAt.String(), inst.UpdatedAt.String()}
	return answer{encode(stats), g.note()}, nil
}

// encode returns v as JSON. It is for values of this package that always encode.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
