package cost

import (
	"reflect"
	"strconv"
)

// PricesOf says of where and when the default prices are, and what to do about it.
const PricesOf = "US East (N. Virginia), US dollars, 2026: CHECK THEM on the pages of AWS, they change and differ by region"

// Prices are what AWS asks, in US dollars. The tags are those of the command
// line, whose defaults are the prices of [PricesOf].
type Prices struct {
	Put            float64 `default:"0.005" help:"S3: 1,000 PUTs or LISTs."`
	Get            float64 `default:"0.0004" help:"S3: 1,000 GETs. DELETEs are free."`
	Storage        float64 `default:"0.023" help:"S3 Standard: a GB for a month."`
	Invocation     float64 `default:"0.20" help:"Lambda: a million invocations."`
	Compute        float64 `default:"0.0000133334" help:"Lambda on arm64: a GB for a second."`
	Gateway        float64 `default:"1.00" help:"HTTP API: a million requests, each begun 512 KB of a body one more."`
	Queue          float64 `default:"0.40" help:"SQS: a million requests, each begun 64 KB one more."`
	LogsIn         float64 `default:"0.50" help:"CloudWatch Logs: a GB taken in."`
	LogsStorage    float64 `default:"0.03" help:"CloudWatch Logs: a compressed GB for a month."`
	Stream         float64 `default:"0.04" help:"Kinesis on demand: a stream for an hour."`
	StreamIn       float64 `default:"0.08" help:"Kinesis on demand: a GB in, each record rounded up to 1 KB."`
	StreamOut      float64 `default:"0.04" help:"Kinesis on demand: a GB out."`
	Firehose       float64 `default:"0.029" help:"Firehose: a GB, each record rounded up to 5 KB."`
	FirehoseFormat float64 `default:"0.018" help:"Firehose: a GB converted to Parquet."`
}

// DefaultPrices are the prices of [PricesOf].
var DefaultPrices = defaults[Prices]()

// defaults returns the value that the tags give a struct of numbers and texts.
func defaults[T any]() (value T) {
	v := reflect.ValueOf(&value).Elem()
	for i := range v.NumField() {
		text := v.Type().Field(i).Tag.Get("default")
		if v.Field(i).Kind() == reflect.String {
			v.Field(i).SetString(text)
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err) // a tag is wrong
		}
		v.Field(i).SetFloat(n)
	}
	return value
}

// requests returns what n times r cost.
func (p *Prices) requests(n float64, r Requests) float64 {
	return n * (float64(r.Put+r.List)*p.Put + float64(r.Get)*p.Get) / 1000
}

// invocations returns what n invocations of so many seconds with so many GB cost.
func (p *Prices) invocations(n, seconds, gigabytes float64) float64 {
	return n * (p.Invocation/1e6 + seconds*gigabytes*p.Compute)
}
