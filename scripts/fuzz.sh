#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, each for the time
# given (5s by default). Inputs that fail are kept in the package's testdata.
set -euo pipefail

time=${1:-5s}
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... |
	while read -r package dir; do
		targets=$(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p')
		for target in $targets; do
			echo "fuzzing $package $target for $time"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null
		done
	done
