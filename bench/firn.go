package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/firnlog/firn/querier"
)

// firn asks a bucket within this process, as firn query does.
type firn struct {
	instance string
	engine   *querier.Engine
}

func newFirn(b *bucket) *firn {
	return &firn{b.name, querier.NewEngine(b.log)}
}

// ask runs a question's query.
func (f *firn) ask(ctx context.Context, s *shape) (*querier.Result, error) {
	q, err := querier.ParseText("from " + f.instance + " " + s.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.text, err)
	}
	return f.engine.Run(ctx, q)
}

// rows reads an answer.
func (s *shape) rows(r *querier.Result) (answer, error) {
	var all []map[string]any
	text := []byte(r.Aggregation)
	switch {
	case text == nil:
		for _, e := range r.Events {
			row, err := eventRow(e)
			if err != nil {
				return nil, err
			}
			all = append(all, row)
		}
	case text[0] == '[':
		if err := json.Unmarshal(text, &all); err != nil {
			return nil, err
		}
	case text[0] == '{':
		all = append(all, nil)
		if err := json.Unmarshal(text, &all[0]); err != nil {
			return nil, err
		}
	default: // one reduction alone answers its value
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, err
		}
		all = append(all, map[string]any{s.columns[0].name: v})
	}
	var out answer
	for _, members := range all {
		var row []any
		for _, c := range s.columns {
			v, err := cell(c, members[c.name])
			if err != nil {
				return nil, err
			}
			row = append(row, v)
		}
		out = append(out, row)
	}
	return out.sorted(), nil
}

// eventRow reads an event, with its payload as text.
func eventRow(e []byte) (map[string]any, error) {
	row := map[string]any{}
	if err := json.Unmarshal(e, &row); err != nil {
		return nil, err
	}
	var texts struct{ Payload json.RawMessage }
	err := json.Unmarshal(e, &texts)
	row["payload"] = string(texts.Payload)
	return row, err
}
