#!/usr/bin/env bash
# Checks infra/template.yaml with cfn-lint, which is installed once into a
# virtual environment in the user's cache directory.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.41.0
if ! command -v python3 >/dev/null; then
	echo "NOT CHECKED with cfn-lint: python3 is not installed" >&2
	[[ -z ${CI:-} ]] # a failure in CI
	exit
fi
venv="${XDG_CACHE_HOME:-$HOME/.cache}/firn/cfn-lint-$version"
if [[ ! -x $venv/bin/cfn-lint ]]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" --quiet install "cfn-lint==$version"
fi
"$venv/bin/cfn-lint" infra/template.yaml
