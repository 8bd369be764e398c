package main

import (
	"log/slog"
)

const description = `Firn is an event log on object storage: one bucket holds everything.

Begin with a server on a folder, and append and query from another terminal:

  firn serve --bucket file://./firn-data --sample
  firn append my-log events.ndjson --create --server http://127.0.0.1:7480
  firn query wikipedia --reduce count --group-by event_type --server http://127.0.0.1:7480

The commands work straight on a bucket just as well: give --bucket instead of --server.`

// cli is the command line. Every flag that has an environment variable is a
// setting of the config file too, under the flag's name.
type cli struct {
	globals

	Serve     serveCmd     `cmd:"" help:"Run the server on a bucket, with the compactor beside it."`
	Append    appendCmd    `cmd:"" help:"Append events from NDJSON files, standard input or the command line."`
	Query     queryCmd     `cmd:"" help:"Ask for events, or for figures over them."`
	Tail      tailCmd      `cmd:"" help:"Show events as they are appended."`
	Export    exportCmd    `cmd:"" help:"Write the events of an instance into a file."`
	Import    importCmd    `cmd:"" help:"Append the events of files, each file once."`
	Instances instancesCmd `cmd:"" help:"List, make, change and delete instances."`
	Keys      keysCmd      `cmd:"" help:"Make, list, rotate and revoke API keys."`
	Compact   compactCmd   `cmd:"" help:"Fold, merge and sweep instances once."`
	Erase     eraseCmd     `cmd:"" help:"Have events forgotten, for ever."`
	Verify    verifyCmd    `cmd:"" help:"Read a bucket and check everything in it against everything else."`
	Cost      costCmd      `cmd:"" help:"Reckon what a month costs on AWS."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// globals are the flags of all commands.
type globals struct {
	Bucket   string     `placeholder:"URL" env:"FIRN_BUCKET" help:"Bucket with the events: file:///PATH, file://./PATH, or s3://BUCKET/PREFIX?region=R&endpoint=URL&path-style=true."`
	Server   string     `placeholder:"URL" env:"FIRN_SERVER" help:"Server to talk to instead of a bucket, such as http://127.0.0.1:7480."`
	Key      string     `placeholder:"KEY" env:"FIRN_KEY" help:"API key or token to show the server. The environment is a better place for it than the command line, which others on the machine can read."`
	Output   string     `short:"o" enum:"table,json,ndjson,csv,arrow" default:"table" env:"FIRN_OUTPUT" help:"table for people, json for programs; of query also ndjson, csv, or arrow for an Arrow IPC stream."`
	LogLevel slog.Level `default:"info" env:"FIRN_LOG_LEVEL" help:"Least level that is logged: debug, info, warn or error."`
	Config   string     `placeholder:"FILE" env:"FIRN_CONFIG" help:"YAML file with settings, by default ./firn.yaml or else firn/config.yaml in the user's config directory. Flags go before environment variables, and these before the file."`
}
