#!/usr/bin/env bash
# Deploys infra/template.yaml to a LocalStack that runs (docker compose -f
# localstack/localstack.yaml up). It needs samlocal (pip install
# aws-sam-cli-local), and is not run by the tests. WebSocket APIs and function
# URLs depend on the edition of LocalStack.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$(go env GOARCH)
scripts/functions.sh "$arch"
cd infra
samlocal build
samlocal deploy --stack-name firn --resolve-s3 --capabilities CAPABILITY_IAM --no-confirm-changeset \
	--parameter-overrides "Architecture=${arch/amd64/x86_64}"
