# What a newcomer needs is `make run` and `make test`; both set up what they need.

GO ?= go

.PHONY: run build test full fuzzed tools check sim planted powerloss kill scale overload vuln functions local latency lint-infra fuzz bench microbench clean

# Serves an embedded folder bucket with a sample of real events.
run: build
	./firn serve --sample --bucket file://./firn-data

build:
	$(GO) build -o firn ./cmd/firn

# Everything that must pass: formatting, vet, all tests under the race
# detector (long ones shortened), and then, two at a time, these in full, the
# simulation, the mistakes that it must find, a short run of every fuzz target.
test: tools check lint-infra
	$(GO) test -race -short -timeout 20m ./...
	$(MAKE) -j2 --output-sync=target full sim planted fuzzed

# What -short shortens, in full.
full:
	$(GO) test ./querier ./localstack/cloud ./internal/contention
	$(GO) test ./compactor ./functions/vamp -run '^TestAMonth|^TestMemory|^TestLargePage'
	$(GO) test ./functions -run '^TestBombs'

fuzzed:
	scripts/fuzz.sh 2s

# More worlds of the simulation: make sim SEEDS=100000 FIRST=1
SEEDS ?= 2000
FIRST ?= 1
sim:
	$(GO) test ./internal/sim -run '^TestSeeds$$|^TestTheSameSeed' -timeout 24h -seeds $(SEEDS) -first $(FIRST)

# The mistakes that the simulation must find.
planted:
	$(GO) test -tags planted ./internal/sim -run '^TestPlanted' -v
	$(GO) test -tags planted ./layout/store -run '^TestPlanted' -v

# Longer killing of servers and compactors, on a folder and on S3: make kill TIME=10m
kill: tools
	$(GO) test ./cmd/firn -run '^TestKilled' -count=1 -v -timeout 24h -kill $(TIME)

# More losses of power on the folder: make powerloss SEEDS=20000 FIRST=1
powerloss:
	$(GO) test ./layout/store -run '^TestPowerLoss' -timeout 24h -v -seeds $(SEEDS) -first $(FIRST)

# A month of events in a folder, late ones included, compacted as a server does
# it: time, memory, bytes written, files of each day: make scale EVENTS=10000000
# BUCKET=/tmp/month keeps the folder.
scale:
	$(GO) test ./compactor -run '^TestAMonth' -count=1 -v -timeout 2h -events $(EVENTS) -bucket "$(abspath $(BUCKET))"

# A server far beyond what it can take, with figures, in virtual time.
overload:
	$(GO) test ./functions -run '^TestOverload$$' -count=1 -v

# Programs that tests run beside Firn.
tools:
	scripts/tools.sh

check:
	scripts/check.sh

# The functions as zips for AWS Lambda: make functions ARCH=amd64
ARCH ?= arm64
functions:
	scripts/functions.sh $(ARCH)

# The functions behind a gateway on this machine, with an S3 server, a queue and a
# schedule, without Docker.
local: tools
	scripts/functions.sh local
	$(GO) run ./localstack -functions build/local

# How long each function takes, cold and warm, and how large its package is.
latency: tools functions
	$(GO) test ./localstack/cloud -run '^TestLatency$$' -count=1 -v -latency 20

# The template by cfn-lint, and the scripts by shellcheck, where Python is there.
lint-infra:
	scripts/lint-infra.sh

# Known vulnerabilities in what Firn is built from.
vuln:
	scripts/vuln.sh

# Longer fuzzing: make fuzz TIME=10m
TIME ?= 1m
fuzz:
	scripts/fuzz.sh $(TIME)

# Firn beside its peers, in turns; a module of its own, which needs a C++ compiler:
# make bench EVENTS=10000000 ARGS='-only needle -keep /tmp/bench'
# The table also lies in build/bench.md, all figures in build/bench.json.
EVENTS ?= 1000000
bench: build
	mkdir -p build
	cd bench && $(GO) run . -events $(EVENTS) -out ../build/bench $(ARGS)

# The benchmarks of the packages.
microbench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Leaves the events in firn-data where they are.
clean:
	rm -f firn
