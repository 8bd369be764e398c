#!/usr/bin/env bash
# Installs the programs that the tests run beside Firn, each under a name with
# its version, where storetest looks for them. What is there stays.
set -euo pipefail

bin="${XDG_CACHE_HOME:-$HOME/.cache}/firn/bin"
mkdir -p "$bin"

# install PACKAGE VERSION builds a command and names it NAME-VERSION in $bin.
install() {
	local package=$1 version=$2
	local name=${package%/v[0-9]*} # go names a command so, too
	name=${name##*/}
	local target="$bin/$name-$version"
	if [[ -x $target ]]; then
		echo "$name $version is there: $target"
		return
	fi
	echo "building $name $version, a minute or so ..."
	local build
	build=$(mktemp -d "$bin/.build-XXXXXX")
	# shellcheck disable=SC2064 # the directory of now
	trap "rm -rf '$build'" EXIT
	GOBIN="$build" go install "$package@$version"
	mv "$build/$name" "$target"
	rm -rf "$build"
	echo "$name $version installed: $target"
}

# The S3 server of the everyday tests.
install github.com/versity/versitygw/cmd/versitygw v1.8.0

# The S3 server that carries out lifecycle rules, which takes some minutes to build.
# It is for tests only: the project is archived.
install github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c

# The NATS server that the ClusterCockpit door receives from.
install github.com/nats-io/nats-server/v2 v2.15.2
