package cost

import (
	"math"

	"github.com/firnlog/firn/layout/fault"
)

// Figures are somebody's own. The tags are those of the command line.
type Figures struct {
	Events         float64 `default:"100e6" help:"Events a month."`
	EventBytes     float64 `default:"500" help:"Bytes of an event as JSON."`
	Batch          float64 `default:"100" help:"Events of an append."`
	StreamsOfBatch float64 `default:"1" help:"Streams of an append: with several shards each may lie in another one, and each shard is a PUT."`
	Way            string  `enum:"direct,queue,server" default:"direct" help:"How appends come: direct to the function, by the queue, or to a firn serve of yours, whose machine is not in the bill."`
	Gather         float64 `default:"0" help:"Appends that share a commit; 0 takes 1 for direct, 500 for queue and 10 for server."`
	Instances      float64 `default:"1" help:"Instances, among which all the rest is spread."`
	Shards         float64 `default:"1" help:"Shards of each instance."`
	RetentionDays  float64 `default:"0" help:"Days that events are kept; 0 keeps them, and the bill is that of the twelfth month."`
	Queries        float64 `default:"10000" help:"Queries a month."`
	QueryGets      float64 `default:"20" help:"GETs of a query: its answer's stats say how many."`
	CompactMinutes float64 `default:"5" help:"Minutes between two runs of the compactor."`
	// What is assumed where it depends on the data.
	Stored    float64 `default:"0.2" help:"Bytes of stored Parquet for each byte of JSON."`
	AppendMS  float64 `default:"50" help:"Milliseconds of ingest for an append, 15 where it goes on the queue."`
	QueryMS   float64 `default:"200" help:"Milliseconds of query for a query."`
	CompactMB float64 `default:"10" help:"MB of JSON that the compactor folds and merges in a second."`
}

// DefaultFigures are the figures that the command line has without flags.
var DefaultFigures = defaults[Figures]()

// Check returns an error for figures that mean nothing.
func (f *Figures) Check() error {
	for name, v := range map[string]float64{"event-bytes": f.EventBytes, "batch": f.Batch, "streams-of-batch": f.StreamsOfBatch, "instances": f.Instances,
		"shards": f.Shards, "compact-minutes": f.CompactMinutes, "compact-mb": f.CompactMB} {
		if !(v > 0) || math.IsInf(v, 0) {
			return fault.New(fault.Invalid, "%s %v: give more than 0", name, v)
		}
	}
	for name, v := range map[string]float64{"events": f.Events, "gather": f.Gather, "retention-days": f.RetentionDays, "queries": f.Queries,
		"query-gets": f.QueryGets, "stored": f.Stored, "append-ms": f.AppendMS, "query-ms": f.QueryMS} {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fault.New(fault.Invalid, "%s %v: give 0 or more", name, v)
		}
	}
	return nil
}

// Sizes of the functions in GB, as infra/template.yaml has them, and what else
// is assumed.
const (
	hours       = 730.0 // of a month
	ingestGB    = 1.0
	queryGB     = 1769.0 / 1024
	compactGB   = 2.0
	idleSeconds = 1.0  // of a run of the compactor over one instance
	queuedMS    = 15.0 // of ingest to put an append on the queue
	takenMS     = 200.0
	logsExtra   = 26.0 // bytes that CloudWatch Logs adds to an event
)

// Line is one position of a bill, in US dollars a month.
type Line struct {
	What    string  `json:"what"`
	How     string  `json:"how"` // what it is made of
	Dollars float64 `json:"dollars"`
}

// Bill is what a month costs.
type Bill struct {
	Lines      []Line  `json:"lines"`
	Total      float64 `json:"total"`
	PerMillion float64 `json:"per_million_events"` // of Total
	Logs       float64 `json:"cloudwatch_logs"`    // the same events there, without queries
	Kinesis    float64 `json:"kinesis_firehose"`   // the same events that way into Parquet on S3, without queries
}

// Reckon returns the bill for somebody's figures.
func Reckon(f Figures, p Prices) Bill {
	var b Bill
	b.Lines = append(f.appends(&p), f.compaction(&p), f.storage(&p), f.queries(&p))
	for _, l := range b.Lines {
		b.Total += l.Dollars
	}
	if f.Events > 0 {
		b.PerMillion = b.Total / f.Events * 1e6
	}
	b.Logs, b.Kinesis = f.logs(&p), f.kinesis(&p)
	return b
}

// gathered returns how many appends share a commit.
func (f *Figures) gathered() float64 {
	if f.Gather > 0 {
		return f.Gather
	}
	return map[string]float64{"direct": 1, "queue": 500, "server": 10}[f.Way]
}

// commits returns the commits of a month.
func (f *Figures) commits() float64 {
	return f.Events / f.Batch / f.gathered() * min(f.Shards, max(f.StreamsOfBatch, 1))
}

// bytes returns the bytes of an append.
func (f *Figures) bytes() float64 { return f.Batch * f.EventBytes }

// months returns for how many months' events are stored.
func (f *Figures) months() float64 {
	if f.RetentionDays == 0 {
		return 12
	}
	return f.RetentionDays * 24 / hours
}

// raw returns the GB of JSON of a month.
func (f *Figures) raw() float64 { return f.Events * f.EventBytes / 1e9 }
