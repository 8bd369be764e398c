package cost

import (
	"fmt"
	"math"
)

// appends returns what it costs to take events in.
func (f *Figures) appends(p *Prices) []Line {
	n, commits := f.Events/f.Batch, f.commits()
	ms := f.AppendMS
	if f.Way == "queue" {
		ms = queuedMS
	}
	writers := max(f.Instances*f.Shards, n*ms/1000/(hours*3600)) // environments that are busy at once
	lines := []Line{{"appends: S3", fmt.Sprintf("%s commits, a PUT each", count(commits)),
		p.requests(commits, WarmAppend) + p.requests(writers*hours, HourlyLook) + p.requests(commits/AskEvery, Question)}}
	if f.Way == "server" {
		return lines
	}
	requests := n * math.Ceil(f.bytes()/(512<<10))
	lines = append(lines, Line{"appends: gateway and function", fmt.Sprintf("%s requests of %v ms with %v GB", count(n), ms, ingestGB),
		requests*p.Gateway/1e6 + p.invocations(n, ms/1000, ingestGB)})
	if f.Way == "queue" {
		messages := n * math.Ceil(f.bytes()/(64<<10)) * 1.2 // sent, and received and deleted by tens
		lines = append(lines, Line{"appends: queue", fmt.Sprintf("%s requests, %s invocations", count(messages), count(commits)),
			messages*p.Queue/1e6 + p.invocations(commits, takenMS/1000, ingestGB)})
	}
	return lines
}

// compaction returns what the compactor costs.
func (f *Figures) compaction(p *Prices) Line {
	runs := hours * 60 / f.CompactMinutes
	looks := runs * f.Instances
	steps := max(min(looks, f.commits()), f.raw()*1e9/FoldBytes)
	dollars := p.requests(looks, IdleRun) + p.requests(steps, FoldStep) + p.requests(f.commits(), Requests{Get: 1}) + p.requests(steps/MergeFiles, MergeStep)
	dollars += p.invocations(runs, idleSeconds*f.Instances, compactGB) + f.raw()*1000/f.CompactMB*compactGB*p.Compute
	return Line{"compaction", fmt.Sprintf("%s runs, %s steps, a GET for each commit", count(runs), count(steps)), dollars}
}

// storage returns what the stored events cost.
func (f *Figures) storage(p *Prices) Line {
	stored := f.raw() * f.Stored * f.months()
	return Line{"storage", fmt.Sprintf("%.4g GB of %.3g months", stored, f.months()), stored * p.Storage}
}

// queries returns what it costs to ask.
func (f *Figures) queries(p *Prices) Line {
	requests := p.requests(f.Queries*f.Shards, WarmView) + p.requests(f.Queries, Requests{Get: int64(math.Round(f.QueryGets))})
	cloud := f.Queries*p.Gateway/1e6 + p.invocations(f.Queries, f.QueryMS/1000, queryGB)
	if f.Way == "server" {
		cloud = 0
	}
	return Line{"queries", fmt.Sprintf("%s of %v GETs and %v LISTs", count(f.Queries), f.QueryGets, f.Shards), requests + cloud}
}

// logs returns what CloudWatch Logs takes for the same events, compressed as
// Firn's are.
func (f *Figures) logs(p *Prices) float64 {
	in := f.Events * (f.EventBytes + logsExtra) / 1e9
	return in*p.LogsIn + in*f.Stored*f.months()*p.LogsStorage
}

// kinesis returns what a stream and its delivery as Parquet take for the same
// events, each a record of its own.
func (f *Figures) kinesis(p *Prices) float64 {
	in := f.Events * math.Ceil(f.EventBytes/1024) * 1024 / 1e9
	delivered := f.Events * math.Ceil(f.EventBytes/5120) * 5120 / 1e9
	return hours*p.Stream + in*p.StreamIn + f.raw()*p.StreamOut + delivered*(p.Firehose+p.FirehoseFormat) + f.storage(p).Dollars
}

// count writes a number for people.
func count(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " billion"}, {1e6, " million"}, {1e3, " thousand"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.4g%s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.4g", n)
}
