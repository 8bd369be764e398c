#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, each for the time
# given (5s by default). Inputs that fail are kept in the package's testdata.
set -euo pipefail

time=${1:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz PACKAGE TARGET runs one target. At the end of its time the fuzzer sometimes
# reports its own deadline as a failure, without an input that fails: then again.
fuzz() {
	local run=(go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1")
	for _ in 1 2 3 4 5; do
		"${run[@]}" </dev/null 2>&1 | tee "$log" && return
		if grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
			return 1
		fi
	done
	return 1
}

go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... |
	while read -r package dir; do
		targets=$(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p')
		for target in $targets; do
			echo "fuzzing $package $target for $time"
			fuzz "$package" "$target"
		done
	done
