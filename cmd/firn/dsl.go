package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// dsl is a query in the JSON of the query language, as the command line can
// say it. Names and limits are left to the querier to check.
type dsl struct {
	From    from        `json:"from"`
	Where   []condition `json:"where,omitempty"`
	Select  []string    `json:"select,omitempty"`
	OrderBy []order     `json:"orderBy,omitempty"`
	Limit   *int        `json:"limit,omitempty"`
	Offset  *int        `json:"offset,omitempty"`
	Cursor  string      `json:"cursor,omitempty"`
	Reduce  *reduce     `json:"reduce,omitempty"`
}

type from struct {
	Instance string `json:"instance"`
	Stream   string `json:"stream,omitempty"`
}

type condition struct {
	Field    string          `json:"field"`
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value"`
}

type order struct {
	Field     string `json:"field"`
	Direction string `json:"direction"`
}

type reduce struct {
	Type    string   `json:"type"`
	Field   string   `json:"field,omitempty"`
	GroupBy []string `json:"groupBy,omitempty"`
}

// parseCondition reads "FIELD OPERATOR VALUE". The value is JSON where it can be
// read as such, else a string.
func parseCondition(s string) (condition, error) {
	field, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	operator, value, ok := strings.Cut(strings.TrimSpace(rest), " ")
	value = strings.TrimSpace(value)
	if !ok || value == "" {
		return condition{}, usage("--where %q: write 'FIELD OPERATOR VALUE', such as 'event_type eq login', 'payload.ms gt 250' or 'stream_id in [\"a\",\"b\"]'", s)
	}
	c := condition{Field: field, Operator: operator, Value: json.RawMessage(value)}
	if !json.Valid(c.Value) {
		if strings.ContainsRune(`["{`, rune(value[0])) {
			return condition{}, usage("--where %q: the value begins like JSON and is none: write a list as [\"a\",\"b\"], and a string that begins so in double quotes", s)
		}
		text, err := json.Marshal(value)
		if err != nil {
			return condition{}, fmt.Errorf("--where %q: %w", s, err)
		}
		c.Value = text
	}
	return c, nil
}

// parseOrder reads "FIELD", "FIELD:asc" or "FIELD:desc".
func parseOrder(s string) order {
	if field, ok := strings.CutSuffix(s, ":desc"); ok {
		return order{field, "desc"}
	}
	return order{strings.TrimSuffix(s, ":asc"), "asc"}
}

// parseReduce reads "count", "sum:FIELD" and so on.
func parseReduce(s string, groupBy []string) *reduce {
	kind, field, _ := strings.Cut(s, ":")
	return &reduce{Type: kind, Field: field, GroupBy: groupBy}
}
