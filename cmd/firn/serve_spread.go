package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/querier"
)

// spreadFlags say how large queries are spread over other servers.
type spreadFlags struct {
	Workers      []string `sep:"," placeholder:"URL" env:"FIRN_WORKERS" help:"Servers on the same bucket that help with large queries, such as http://10.0.0.7:7480; several with commas between."`
	WorkerShares int      `name:"worker-shares" default:"16" placeholder:"N" env:"FIRN_WORKER_SHARES" help:"Shares of a query that they do at once (${default})."`
	SpreadMB     int64    `name:"spread-mb" default:"256" placeholder:"MB" env:"FIRN_SPREAD_MB" help:"Data files to go through, in MB, from which on a query is spread (${default}). A share is a quarter of that."`
}

// spread returns an engine like the one given over a log that asks the workers for
// help, if there are any, and counts that in the metrics given.
func (f *spreadFlags) spread(engine *querier.Engine, log *commitlog.Log, metrics prometheus.Registerer) (*querier.Engine, error) {
	if f.WorkerShares < 1 || f.SpreadMB < 1 || f.SpreadMB > 1<<30 {
		return nil, usage("--worker-shares and --spread-mb are numbers, 1 or more")
	}
	if len(f.Workers) == 0 {
		return engine, nil
	}
	servers, err := shares.NewHTTP(f.Workers)
	if err != nil {
		return nil, usage("--workers: %v", err)
	}
	fan := querier.FanOut{Transport: shares.Transport(log, servers), Workers: f.WorkerShares, MinBytes: f.SpreadMB << 20}
	return engine.WithFanOut(shares.Metered(fan, metrics)), nil
}
