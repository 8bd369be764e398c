# What a newcomer needs is `make run` and `make test`; both set up what they need.

GO ?= go

.PHONY: run build test tools check fuzz bench clean

# Serves an embedded folder bucket with a sample of real events.
run: build
	./firn serve --sample --bucket file://./firn-data

build:
	$(GO) build -o firn ./cmd/firn

# Everything that must pass: formatting, vet, all tests under the race
# detector, a short run of every fuzz target.
test: tools check
	$(GO) test -race -timeout 10m ./...
	scripts/fuzz.sh 5s

# Programs that tests run beside Firn.
tools:
	scripts/tools.sh

check:
	scripts/check.sh

# Longer fuzzing: make fuzz TIME=10m
TIME ?= 1m
fuzz:
	scripts/fuzz.sh $(TIME)

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Leaves the events in firn-data where they are.
clean:
	rm -f firn
