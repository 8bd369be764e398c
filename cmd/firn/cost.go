package main

import (
	"context"
	"math"

	"github.com/firnlog/firn/internal/cost"
)

type costCmd struct {
	cost.Figures
	Prices cost.Prices `embed:"" prefix:"price-" group:"Prices"`
}

// Help implements [kong.HelpProvider].
func (costCmd) Help() string {
	return `Reckons what a month costs on AWS: the requests that Firn's tests pin, times
prices, by the same arithmetic as docs/cost.md. It asks nobody and needs no bucket.
The prices are those of ` + cost.PricesOf + `;
each has a flag.

    firn cost --events 20e6 --event-bytes 800 --batch 50
    firn cost --events 1e9 --way queue --shards 4 --retention-days 365 -o json`
}

// Run prints the bill.
func (c *costCmd) Run(_ context.Context, a *app) error {
	if err := c.Figures.Check(); err != nil {
		return err
	}
	bill := cost.Reckon(c.Figures, c.Prices)
	if a.json() {
		return a.printJSON(struct {
			cost.Bill
			Prices string `json:"prices"`
		}{bill, a.pricesNote(c.Prices)})
	}
	t := newTable(a.stdout, "a month", "US $", "")
	for _, l := range append(bill.Lines, cost.Line{What: "together", Dollars: bill.Total},
		cost.Line{What: "for a million events", Dollars: bill.PerMillion},
		cost.Line{What: "CloudWatch Logs, without queries", Dollars: bill.Logs},
		cost.Line{What: "Kinesis, Firehose and S3, without queries", Dollars: bill.Kinesis}) {
		if err := t.add(l.What, cost.Dollars(math.Max(l.Dollars, 0)), l.How); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	return a.printf("\nPrices: %s.\nArithmetic, not a measured bill: docs/cost.md says what it assumes and leaves out.\n", a.pricesNote(c.Prices))
}

// pricesNote says whose the prices are.
func (a *app) pricesNote(p cost.Prices) string {
	if p == cost.DefaultPrices {
		return cost.PricesOf
	}
	return "partly yours; the others are those of " + cost.PricesOf
}
