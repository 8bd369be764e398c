package cost

import (
	"fmt"
	"strings"
)

// Dollars writes an amount for people.
func Dollars(d float64) string {
	switch {
	case d >= 100:
		return fmt.Sprintf("%.0f", d)
	case d >= 0.1 || d == 0:
		return fmt.Sprintf("%.2f", d)
	}
	return fmt.Sprintf("%.2g", d)
}

// Tables returns the tables of docs/cost.md in Markdown, by their names there.
func Tables() map[string]string {
	return map[string]string{"requests": requestsTable(), "prices": pricesTable(), "million": millionTable(), "months": monthsTable()}
}

func requestsTable() string {
	t := rows("operation", "PUT", "LIST", "GET", "pinned in")
	add := func(what string, r Requests, gets, where string) {
		t.add(what, fmt.Sprint(r.Put), fmt.Sprint(r.List), fmt.Sprint(r.Get)+gets, "`"+where+"`")
	}
	const commitlog, compact = "layout/commitlog/cost_test.go", "functions/compact/cost_test.go"
	add("append, warm: any number of events, and in one process of clients at once, for each shard", WarmAppend, "", commitlog)
	add("and for the first of an hour in each process", HourlyLook, "", commitlog)
	add("view of a query, warm, for each shard", WarmView, ", and 1 for each new commit", commitlog)
	add("run of the compactor over an instance with nothing to do, warm", IdleRun, "", compact)
	add("and for each fold of up to 32 MB", FoldStep, ", and 1 for each commit", compact)
	add(fmt.Sprintf("and for each merge of %d files", MergeFiles), MergeStep, "", compact)
	add(fmt.Sprintf("a function that asks for compaction, at most every %d commits of a shard", AskEvery), Question, "", "functions/internal/compaction")
	return t.String()
}

func pricesTable() string {
	p := DefaultPrices
	t := rows("what", "price")
	line := func(what, format string, prices ...any) { t.add(what, fmt.Sprintf(format, prices...)) }
	line("S3 Standard: PUT, LIST", "%v per 1,000", p.Put)
	line("S3 Standard: GET", "%v per 1,000; DELETE is free", p.Get)
	line("S3 Standard: storage", "%v per GB and month", p.Storage)
	line("Lambda, arm64", "%.2f per million invocations, %.10f per GB and second", p.Invocation, p.Compute)
	line("API Gateway, HTTP API", "%.2f per million requests of 512 KB", p.Gateway)
	line("SQS, standard", "%.2f per million requests of 64 KB", p.Queue)
	line("CloudWatch Logs", "%.2f per GB taken in, %v per compressed GB and month", p.LogsIn, p.LogsStorage)
	line("Kinesis Data Streams on demand", "%v per hour and stream, %v per GB in, each record rounded up to 1 KB, %v per GB out", p.Stream, p.StreamIn, p.StreamOut)
	line("Firehose to S3 with conversion to Parquet", "%v + %v per GB, each record rounded up to 5 KB", p.Firehose, p.FirehoseFormat)
	return t.String()
}

// millionTable compares the ways in for one million events, compaction and all:
// with nothing else in the bill, storage and the compactor's idle runs left out.
func millionTable() string {
	t := rows("way", "appends: S3", "gateway, function, queue", "folding", "together")
	for _, w := range []struct {
		name         string
		way          string
		batch, group float64
	}{{"one event each, directly", "direct", 1, 1}, {"batches of 100, directly", "direct", 100, 1}, {"one event each by the queue, 500 to a commit", "queue", 1, 500},
		{"`firn serve` on a machine of yours, 100 events in a group", "server", 1, 100}} {
		f := DefaultFigures
		f.Events, f.Way, f.Batch, f.Gather = 1e6, w.way, w.batch, w.group
		lines := f.appends(&DefaultPrices)
		s3, cloud := lines[0].Dollars, 0.0
		for _, l := range lines[1:] {
			cloud += l.Dollars
		}
		fold := DefaultPrices.requests(f.commits(), Requests{Get: 1})
		t.add(w.name, Dollars(s3), Dollars(cloud), Dollars(fold), "**"+Dollars(s3+cloud+fold)+"**")
	}
	f := DefaultFigures
	f.Events, f.RetentionDays = 1e6, 1
	once := DefaultPrices
	once.Stream, once.Storage, once.LogsStorage = 0, 0, 0
	t.add("CloudWatch Logs, taking in", "", "", "", "**"+Dollars(f.logs(&once))+"**")
	t.add("Kinesis on demand and Firehose, beside the stream's hours", "", "", "", "**"+Dollars(f.kinesis(&once))+"**")
	return t.String()
}

// monthsTable shows the bill at three scales.
func monthsTable() string {
	t := rows("", "1 million", "100 million", "10 billion")
	var bills []Bill
	for _, events := range []float64{1e6, 100e6, 10e9} {
		f := DefaultFigures
		f.Events = events
		if events > 1e9 {
			f.Shards = 4
		}
		bills = append(bills, Reckon(f, DefaultPrices))
	}
	line := func(what, mark string, of func(Bill) float64) {
		cells := []string{mark + what + mark}
		for _, b := range bills {
			cells = append(cells, mark+Dollars(of(b))+mark)
		}
		t.add(cells...)
	}
	for i, l := range bills[0].Lines {
		line(l.What, "", func(b Bill) float64 { return b.Lines[i].Dollars })
	}
	line("Firn", "**", func(b Bill) float64 { return b.Total })
	line("CloudWatch Logs, without queries", "", func(b Bill) float64 { return b.Logs })
	line("Kinesis on demand, Firehose and S3, without queries", "", func(b Bill) float64 { return b.Kinesis })
	return t.String()
}

// markdown is a table.
type markdown struct{ strings.Builder }

func rows(header ...string) *markdown {
	t := &markdown{}
	t.add(header...)
	t.WriteString("|" + strings.Repeat(" --- |", len(header)) + "\n")
	return t
}

func (t *markdown) add(cells ...string) { t.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
