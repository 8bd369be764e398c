#!/usr/bin/env bash
# Fails on Go files that are not formatted and on findings of go vet.
set -euo pipefail

unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
	echo "these files are not formatted; run gofmt -w on them:"
	echo "$unformatted"
	exit 1
fi
go vet ./...
