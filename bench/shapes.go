package main

import (
	"fmt"
	"strconv"
)

// shape is a question, as each side is asked it.
type shape struct {
	name    string
	text    string   // Firn's query, behind "from INSTANCE"
	path    string   // of the JSON that it is about, "" for none; SQL finds what is there in the column value
	sql     string   // over the table events; ? stands for args
	args    []any    // of the SQL
	exact   string   // SQL for the answers' comparison, where the other only estimates; "" for the same
	columns []column // of the answer
}

// column is a value of an answer's rows, by the name that Firn gives it.
type column struct {
	name string
	kind kind
}

// kind says how values of two sides are compared.
type kind int

const (
	exact  kind = iota // texts and numbers
	moment             // RFC 3339 here, microseconds there
	within             // numbers within 1 %, which is what Firn's percentiles promise
)

// distinctByType is the place of the second question, which scans every row.
const distinctByType = 1

// shapes are the questions about a bucket.
func shapes(b *bucket) []shape {
	events := []column{{"stream_id", exact}, {"sequence_number", exact}, {"payload", exact}}
	const selected = `SELECT stream_id, sequence_number, payload::VARCHAR FROM events WHERE `
	return []shape{
		{"count by type",
			`| count as n by event_type`, "",
			`SELECT event_type, count(*) FROM events GROUP BY 1`, nil, "",
			[]column{{"event_type", exact}, {"n", exact}}},
		{"filter, group, count distinct streams",
			fmt.Sprintf(`%s = %s | count as n, countDistinct stream_id as streams by event_type`, b.filter.path, literal(b.filter.value)), b.filter.path,
			`SELECT event_type, count(*), count(DISTINCT stream_id) FROM events WHERE value = ? GROUP BY 1`, []any{b.filter.value}, "",
			[]column{{"event_type", exact}, {"n", exact}, {"streams", exact}}},
		{"count by hour",
			`| count as n by 1h`, "",
			`SELECT epoch_us(timestamp) // 3600000000 * 3600000000, count(*) FROM events GROUP BY 1`, nil, "",
			[]column{{"timestamp", moment}, {"n", exact}}},
		{"first three streams of a type",
			fmt.Sprintf(`type = %q | min timestamp as first by stream_id | sort first | limit 3`, b.kind), "",
			`SELECT stream_id, epoch_us(min(timestamp)) FROM events WHERE event_type = ? GROUP BY 1 ORDER BY 2, 1 LIMIT 3`, []any{b.kind}, "",
			[]column{{"stream_id", exact}, {"first", moment}}},
		{"last 100 of a stream",
			fmt.Sprintf(`stream = %q | sort sequence_number desc | limit 100 | nototal`, b.Stream), "",
			selected + `stream_id = ? ORDER BY sequence_number DESC LIMIT 100`, []any{b.Stream}, "", events},
		{"needle by an id in the payload",
			fmt.Sprintf(`%s = %s`, b.id, literal(b.Needle)), b.id,
			selected + `value = ?`, []any{b.Needle}, "", events},
		{"sum and p99 of a number",
			fmt.Sprintf(`| sum %[1]s as s, p99 %[1]s as p`, b.number), b.number,
			`SELECT sum(value), approx_quantile(value, 0.99) FROM events`, nil,
			`SELECT sum(value), quantile_disc(value, 0.99) FROM events`,
			[]column{{"s", exact}, {"p", within}}},
		{"substring of a text",
			fmt.Sprintf(`%s contains %q | count as n`, b.text, b.substring), b.text,
			`SELECT count(*) FROM events WHERE contains(value, ?)`, []any{b.substring}, "",
			[]column{{"n", exact}}},
	}
}

// literal writes a value for Firn's queries.
func literal(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}
