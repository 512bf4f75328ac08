# The commands that the README names; CI runs `make test`. Every target works
# on all modules of go.work, since ./... does not reach a nested one.

GO      ?= go
MODULES := $(shell $(GO) list -m -f '{{.Dir}}')
# Slow machines: make test TIMEOUT=20m
TIMEOUT ?= 8m
COUNT   ?= 5
CHECKS  ?= 10000
FUZZTIME ?= 1m
SEEDS   ?= 10000
SOAK    ?= 1h

.PHONY: help demo build test test-go check vet laws model sim soak line atrest mutants fuzz bench bench-quick microbench jsgi hostile clients web interop attacks loc clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: bin/omni ## the command-line tool, in bin/

bin/omni: FORCE
	@mkdir -p bin
	cd cmd/omni && $(GO) build -o ../../bin/omni .
FORCE:

demo: build ## send the Go tree's source between two processes, twice
	bin/omni demo

test: ## all tests of all languages whose tools are here; says what it skips (OMNI_REQUIRE=all: a skip fails)
	@failed=; for t in test-go clients web; do $(MAKE) --no-print-directory $$t || failed="$$failed $$t"; done; \
	  [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

test-go: ## those of all Go modules alone, with the race detector
	@failed=; for m in $(MODULES); do echo "== $$m"; \
	  (cd $$m && $(GO) vet ./... && $(GO) test -race -shuffle=on -timeout $(TIMEOUT) ./...) || failed="$$failed $$m"; done; \
	  [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

# The platforms that the project builds for.
PLATFORMS := linux/amd64 linux/arm64 linux/386 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

vet: ## go vet for every platform; the root for js/wasm too
	@set -e; for p in $(PLATFORMS); do echo "== vet $$p"; for m in $(MODULES); do \
	  (cd $$m && GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet ./...); done; done
	@echo "== vet js/wasm"; GOOS=js GOARCH=wasm $(GO) vet ./...

check: vet ## formatting, staticcheck, vet everywhere, 32-bit tests, each benchmark once
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	@set -e; for m in $(MODULES); do echo "== staticcheck $$m"; (cd $$m && $(GO) run $(STATICCHECK) ./...); done
	GOARCH=386 CGO_ENABLED=0 $(GO) test -timeout $(TIMEOUT) ./...
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

laws: ## the laws on many more random programs (minutes)
	$(GO) test -timeout 60m ./rapid_test -rapid.checks=$(CHECKS)
	OMNI_MODEL=300000 $(GO) test -timeout 60m -run 'TestModel' -v ./mux
	OMNI_SEEDS=5000 $(GO) test -timeout 60m ./omni

model: ## every course of two small endpoints, to the end, and the numbers of states (10 min, 5 GB)
	OMNI_MODEL=full GOMEMLIMIT=6GiB $(GO) test -count=1 -timeout 60m -run 'TestModel$$' -v ./mux

sim: ## sessions in virtual time with faults: SEEDS new seeds, or SEED=n to replay one
	SEEDS=$(SEEDS) $(GO) test -race -count=1 -timeout 60m -v -run TestSim ./rapid_test/sim

soak: ## random load on real sockets with cuts, for SOAK; SEED=n for the same draws
	SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run TestSoak ./rapid_test/sim

line: ## a line of 100 Mbit/s in virtual time: windows beside fixed ones, latency beside a FIFO
	$(GO) test -count=1 -v -run 'WindowsFitTheLink|LatencyUnderBulk' ./mux

atrest: ## kill -9, full disks, changing files, 100,000 tiny files, a sparse file of 10 GiB (3 min)
	cd cmd/omni && OMNI_KILLS=200 OMNI_LARGE=1 $(GO) test -count=1 -timeout 20m -v -run 'AtAnyMoment|CleansUp|FullDisk|Chang|GotItsTime|TinyFiles|Sparse|Zeros|Staging' .

mutants: ## break the code on purpose: do the laws' tests notice?
	$(GO) run ./rapid_test/mutants

FUZZES := transport/FuzzFrame transport/FuzzWebSocket mux/FuzzReceive mux/FuzzFrames mux/FuzzHello mux/FuzzSession \
          mux/FuzzProgram mux/npm09/FuzzPeer adapters/FuzzCodecsDecode adapters/FuzzCodecsRoundTrip \
          adapters/jsgi/FuzzStream adapters/jsgi/FuzzGateway rapid_test/FuzzProgram cmd/omni/FuzzParseEntry

fuzz: ## each fuzz test for FUZZTIME
	@set -e; for f in $(FUZZES); do echo "== $$f"; \
	  (cd $${f%/*} && $(GO) test -run '^$$' -fuzz "^$${f##*/}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .); done

bin/bench: FORCE
	@mkdir -p bin
	cd bench && $(GO) build -o ../bin/bench .

bin/hostile: FORCE
	@mkdir -p bin
	cd hostile && $(GO) build -o ../bin/hostile .

hostile: bin/hostile ## hostile peers against this project, yamux, libp2p's yamux and smux: a table, and hostile/RESULTS.md (1 min)
	cd hostile && ../bin/hostile -out RESULTS.md

clients: ## the clients in JavaScript, Python and Rust: their tests, and omni conform against each
	clients/test.sh

web: build ## the page of omni serve, driven in headless Chromium
	cmd/omni/web/test/run.sh

interop: build ## every implementation against every other, over WebSocket and TCP: tables with throughput
	$(GO) run ./interop

bench: bin/bench ## beside what one would use instead, medians of 5: tables, bench/RESULTS.md and the plot (20 min)
	cd bench && ../bin/bench

bench-quick: bin/bench ## the most telling of these in two minutes: tables, and bench/RESULTS-quick.md
	cd bench && ../bin/bench -quick -out RESULTS-quick.md

attacks: ## every attack and fault of testdata/attacks.md, with its tests
	@awk -F'|' '/^\| [A-Z][0-9][0-9] /{printf "%s%s\n      tests: %s\n", $$2, $$3, $$5; \
	  gsub(" ", "", $$2); m = ""; c = "ls testdata/mutants | grep ^" $$2 "-"; while ((c | getline l) > 0) { sub(/[.]patch$$/, "", l); m = m " " l } close(c); \
	  if (m != "") printf "      mutants:%s\n", m}' testdata/attacks.md

jsgi: ## a gigabyte through the JSGI echo and back, by curl and by Go
	$(GO) run ./adapters/jsgi/examples upload

microbench: ## what the code costs, beside bare channels and io.Copy; -count for medians
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./omni ./mux ./transport

loc: ## code lines per package, without comments, blank lines and tests
	@for p in omni mux mux/npm09 transport adapters adapters/jsgi; do printf '%-10s ' $$p; \
	  ls $$p/*.go | grep -v _test.go | xargs cat | grep -vcE '^\s*(//.*)?$$'; done

clean: ## remove what was built
	rm -rf bin
