#!/usr/bin/env bash
# Asks govulncheck whether known vulnerabilities reach this code. It needs the
# vulnerability database (GOVULNDB, by default https://vuln.go.dev). Where that
# cannot be reached one is made from the module that the database itself is kept
# in, as the module proxy has it, and its date is said. Where neither can be had
# nothing is checked, and the last line says so.
#
# The status is 0 where nothing was found, 3 where vulnerabilities in modules reach
# this code, and 4 where nothing was checked. What is found in the standard library
# is told loudly and is no failure of this tree: build with a newer Go.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

db=${GOVULNDB:-https://vuln.go.dev}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/firn"

# made prints the URL of a database made from the newest version of its module.
made() {
	local about version dir out
	about=$(go mod download -json golang.org/x/vulndb@latest) || return 1
	version=$(sed -n 's/.*"Version": "\(.*\)".*/\1/p' <<<"$about")
	dir=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$about")
	out="$cache/vulndb-$version"
	echo "the database is that of golang.org/x/vulndb $version: what became known later is not in it" >&2
	if [[ ! -d $out ]]; then
		rm -rf "$out.new" && mkdir -p "$cache" || return 1
		go run "golang.org/x/vulndb/cmd/indexdb@$version" -vulns "$dir/data/osv" -out "$out.new" || return 1
		mv "$out.new" "$out"
	fi
	echo "file://$out"
}

unchecked() {
	echo "NOT CHECKED FOR VULNERABILITIES: $1" >&2
	exit 4
}

if [[ $db == http* ]] && ! curl -fsS --max-time 20 -o /dev/null "$db/index/db.json"; then
	db=$(made) || unchecked "neither $db nor the module golang.org/x/vulndb can be had"
fi
found=$(mktemp)
trap 'rm -f "$found"' EXIT
# Not by go run, which makes every status 1.
tool="$cache/bin/govulncheck-v1.8.0"
if [[ ! -x $tool ]]; then
	GOBIN="$cache/bin/vuln" go install golang.org/x/vuln/cmd/govulncheck@v1.8.0 && mv "$cache/bin/vuln/govulncheck" "$tool" ||
		unchecked "govulncheck cannot be built"
fi
"$tool" -db "$db" ./... >"$found"
status=$?
# Each finding with what it is in; the places that lead there can be asked for.
grep -vE '^ +#[0-9]+:|Example traces found' "$found"
((status == 0 || status == 3)) || unchecked "govulncheck failed with status $status"
if grep -q '^  Standard library' "$found"; then
	echo "VULNERABILITIES IN THE STANDARD LIBRARY of $(go env GOVERSION) reach this code: build with a newer Go" >&2
fi
if grep -q '^  Module: ' "$found"; then
	echo "VULNERABILITIES IN MODULES reach this code" >&2
	exit 3
fi
