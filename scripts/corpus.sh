#!/usr/bin/env bash
# Fuzzes every target of some packages (all by default) for the time given, and keeps
# of the inputs that reach code which none before did the smallest, as long as there
# are no more than 16, in the package's testdata/fuzz, where go test runs them as a part of every target.
#
#   scripts/corpus.sh [TIME [PACKAGE ...]]
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
packages=("${@:2}")
most=16
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT

go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' "${packages[@]:-./...}" |
	while read -r package dir; do
		targets=$(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p')
		[[ -n $targets ]] || continue
		go test -c -fuzz=. -o "$cache/test" "$package"
		for target in $targets; do
			found="$cache/$package/$target" kept="$dir/testdata/fuzz/$target"
			(cd "$dir" && "$cache/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzminimizetime 200x -test.fuzzcachedir "$cache/$package" </dev/null) >"$cache/log" 2>&1 ||
				grep -q 'context deadline exceeded' "$cache/log" || { cat "$cache/log"; exit 1; }
			[[ -d $found ]] || continue
			mkdir -p "$kept"
			room=$((most - $(find "$kept" -type f | wc -l)))
			find "$found" -type f -size -4k -printf '%s %p\n' | sort -n | awk -v room="$room" 'NR <= room' | while read -r _ file; do
				cp -n "$file" "$kept/"
			done
			echo "$package $target: $(find "$kept" -type f | wc -l) inputs kept"
		done
	done
