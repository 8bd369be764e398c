#!/usr/bin/env bash
# Deploys infra/template.yaml to a LocalStack that runs (docker compose -f
# localstack/localstack.yaml up). It needs samlocal (pip install
# aws-sam-cli-local aws-sam-cli). WebSocket APIs, HTTP APIs and function URLs
# depend on the edition of LocalStack. The tests run it with --dry-run only.
#
#   localstack/deploy.sh             builds the functions and deploys
#   localstack/deploy.sh --dry-run   prints what it would run
set -euo pipefail
cd "$(dirname "$0")/.."

run=()
case ${1:-} in
--dry-run) run=(echo) ;;
"")
	if ! command -v samlocal >/dev/null; then
		echo "samlocal is not installed: pip install aws-sam-cli-local aws-sam-cli" >&2
		exit 1
	fi
	;;
*)
	echo "usage: localstack/deploy.sh [--dry-run]" >&2
	exit 2
	;;
esac

arch=$(go env GOARCH)
"${run[@]}" scripts/functions.sh "$arch"
"${run[@]}" samlocal deploy --template-file infra/template.yaml --stack-name firn --resolve-s3 --capabilities CAPABILITY_IAM \
	--no-confirm-changeset --region us-east-1 --parameter-overrides "Architecture=${arch/amd64/x86_64}"
