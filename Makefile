# Coop. What you need: Go 1.26 and a C compiler. Everything else these targets
# need is fetched by the Go tool, pinned in go.sum and tools/go.sum.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
SEEDS   ?= 200
FUZZ    ?= 20s
RULES   ?= .
PAGE    ?= true
BENCH   ?=

.PHONY: build run demo test check lint race small sim fuzz mutate bench clean

build: bin/coop ## build the program

bin/coop: FORCE
	@command -v gcc >/dev/null || command -v cc >/dev/null || { echo "coop needs a C compiler (Debian: apt-get install gcc libc6-dev)"; exit 1; }
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/coop ./cmd/coop

FORCE:

run: demo ## build and play the story of the demo

demo: build ## three people found a co-op on three computers, here, in under a minute
	./bin/coop demo

test: ## all tests of the project
	$(GO) test -timeout 20m ./...

check: lint small race test ## all that CI runs; the test runner's summary comes last

lint:
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run gofmt -w on the files above"; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...

race: ## the packages with goroutines, under the race detector
	$(GO) test -race -short -timeout 20m ./crdt/table ./node/... ./sync/p2p ./ui/...

small: ## every other target that is named anywhere, in small, each with an end
	timeout 120 $(MAKE) run
	timeout 120 $(MAKE) sim SEEDS=2
	timeout 120 $(MAKE) bench BENCH='-small -runs 2'
	timeout 240 $(MAKE) mutate RULES='a key of small order' PAGE=false
	timeout 480 $(MAKE) fuzz FUZZ=1x

sim: ## SEEDS simulated co-ops of 30 days each
	$(GO) test ./sync/simnet -run Seeds -seeds $(SEEDS) -days 30 -timeout 60m

fuzz: ## every decoder of foreign bytes, FUZZ each
	@for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$f); do \
			echo "== $$name in $$(dirname $$f)"; \
			$(GO) test $$(dirname $$f) -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ) -fuzzminimizetime 50x || exit 1; \
		done; \
	done

mutate: ## break every rule, or those that match RULES, once; a test must notice each. Writes docs/mutations.md
	$(GO) test . -run 'TestMutations$$' -mutate '$(RULES)' -mutate-page=$(PAGE) -count 1 -timeout 60m

bench: ## one JSON line a measurement; BENCH=-small shows only that each works
	$(GO) run ./cmd/bench $(BENCH)

clean:
	rm -rf bin
