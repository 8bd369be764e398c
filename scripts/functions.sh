#!/usr/bin/env bash
# Builds the functions as infra/template.yaml deploys them, and prints the sizes
# of their packages.
#
#   scripts/functions.sh arm64    build/NAME.zip (or amd64)
#   scripts/functions.sh local    build/local/NAME, for this machine
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:-arm64}
functions=(ingest query tail socket compact)
flags=(-tags lambda.norpc -trimpath -ldflags "-s -w")
packages=("${functions[@]/#/./functions/}")

if [[ $arch == local ]]; then
	mkdir -p build/local
	go build "${flags[@]}" -o build/local "${packages[@]}"
	exit
fi
mkdir -p build
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build "${flags[@]}" -o "$out" "${packages[@]}"
for name in "${functions[@]}"; do
	go run scripts/zip.go "$out/$name" "build/$name.zip"
	printf '%-8s %9d bytes, %8d zipped\n' "$name" "$(wc -c <"$out/$name")" "$(wc -c <"build/$name.zip")"
done
