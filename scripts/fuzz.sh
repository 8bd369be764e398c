#!/usr/bin/env bash
# Runs every fuzz target of the module, each for the time given (5s by default):
# two packages at once, and the targets of each one after the other. Inputs that
# fail are kept in the package's testdata.
set -euo pipefail

# fuzz_package TIME LOG PACKAGE DIRECTORY runs a package's targets. At the end of
# its time the fuzzer sometimes reports its own deadline as a failure, without an
# input that fails: then again.
fuzz_package() {
	local time=$1 log=$2 package=$3 dir=$4 target
	for target in $(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do
		for _ in 1 2 3 4 5; do
			if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 50x "$package" </dev/null >"$log" 2>&1; then
				echo "$package $target: $(grep -o 'execs: [0-9]*' "$log" | tail -n 1)"
				continue 2
			fi
			if grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
				break
			fi
		done
		echo "$package $target FAILED:"
		cat "$log"
		return 1
	done
}
export -f fuzz_package

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... |
	while read -r package dir; do
		if grep -qs '^func Fuzz' "$dir"/*_test.go; then
			echo "$(mktemp "$logs/XXXXXX") $package $dir"
		fi
	done |
	xargs -P 2 -n 3 bash -c 'set -euo pipefail; fuzz_package "$0" "$@"' "${1:-5s}"
