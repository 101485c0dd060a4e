# The menu. What each entry does is Go, in ci/ and test/.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The toolchain of go.mod, also on a machine that sets GOTOOLCHAIN=local.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)

# For each package. A CI run may take 90 minutes in all; go test's own default of 10 minutes
# is too short for stories, and for fast tests on a busy machine.
TEST_TIMEOUT ?= 30m

# The folders of test/ whose stories take a cluster of their own, beside ./test itself. What each
# needs beside what every cluster runs is the set of that name in ci/supply; `make up` needs none.
STORIES := faults sources lifecycle
SETS ?=

##@ Look

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: images ## Start a cluster, install the chart, send load, and watch it scale
	@go run ./test/up

.PHONY: down
down: ## Remove the clusters of `make up` and of kept tests
	@go run ./ci down

##@ Test

# What `make test` makes, in this order.
EVERYTHING := images vet test-short check stories

.PHONY: test
test: export SETS := $(STORIES)
test: ## Everything, as CI runs it: the fast tests, known vulnerabilities, the stories on clusters
	@go run ./ci timed $(EVERYTHING)

.PHONY: test-short
test-short: ## All tests that need no cluster, the simulator's too
	go test -short -timeout $(TEST_TIMEOUT) ./...
	go -C test/sim test -timeout $(TEST_TIMEOUT) ./...
	@echo "Left out: the stories on clusters (make stories), known vulnerabilities (make check), the attacks on the renderer (make siege), the chart's promises when things break (make faults), faults planted in the chart (make mutants)."

.PHONY: stories
stories: SETS := $(STORIES)
stories: images ## The stories on clusters, one cluster at a time
	go test -count=1 -p 1 -timeout $(TEST_TIMEOUT) -v ./test $(STORIES:%=./test/%)

.PHONY: faults
faults: SETS := promises nodes
faults: images ## What docs/faults.md promises, broken one fault at a time under load, and the page rewritten: an hour, estimated
	go test -count=1 -p 1 -timeout 90m -v -run '^Test(Promises|EachRight)' ./test/promises/...

.PHONY: siege
siege: ## The attacks on the renderer, in its own cgroup, as root: six minutes
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run TestSiege ./test/renderer

.PHONY: mutants
mutants: ## Plant faults in the chart, one at a time, and report which fast test notices each
	go run ./test/mutants $(ARGS)

.PHONY: check
check: simulator ## Known vulnerabilities in every program that is built here
	@go run ./ci vulnerabilities $(SIMULATOR)

.PHONY: vet
vet: ## go vet of both modules
	go vet ./...
	go -C test/sim vet ./...

# The packages whose tests have a flag -update, and those tests of the chart that use it: the others
# take minutes. They come first, because they write into charts/, which others render.
GOLDEN = $(shell grep -rl --include=*_test.go 'flag.Bool."update"' $(1) | xargs -n 1 dirname | sort -u)
WRITING = $(shell awk '/^func Test/ {split($$2, name, /[^A-Za-z0-9_]/)} /[*]updateGolden/ {print name[1]}' test/chart/*_test.go | paste -s -d '|')

.PHONY: update
update: ## Rewrite every golden and generated file from what the code gives now
	go test -short -parallel 1 -run '^($(WRITING))$$' ./test/chart -update
	go test -short -p 1 -timeout $(TEST_TIMEOUT) $(patsubst %,./%,$(filter-out test/chart test/sim test/sim/%,$(call GOLDEN,ci test))) -update
	cd test/sim && go test -p 1 -timeout $(TEST_TIMEOUT) $(patsubst test/sim%,.%,$(call GOLDEN,test/sim)) -update

.PHONY: pictures
pictures: SETS := faults
pictures: images ## Take the pictures of the status page in docs/pictures anew, on a cluster: five minutes
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run 'TestObservability$$' ./test/faults -pictures

##@ Release

.PHONY: package
package: ## The chart's package in .artifacts: the same bytes for the same files
	@go run ./ci/pack

.PHONY: sign
sign: ## The package with its provenance: make sign KEY=NAME KEYRING=FILE
	@go run ./ci/pack sign --key "$(KEY)" --keyring "$(KEYRING)" --passphrase-file "$(PASSPHRASE_FILE)"

.PHONY: verify
verify: ## Who signed the package: make verify KEYRING=FILE
	@go run ./ci/pack verify --keyring "$(KEYRING)"

.PHONY: publish
publish: ## Push images and chart: make publish REGISTRY=ghcr.io/acme [KEY=NAME KEYRING=FILE] [FORCE=1]
	@go run ./ci/pack publish --registry "$(REGISTRY)" --key "$(KEY)" --keyring "$(KEYRING)" --passphrase-file "$(PASSPHRASE_FILE)" $(if $(FORCE),--force)

##@ Simulate

# The simulator is a module of its own: it pins the Kubernetes that it simulates.
SIMULATOR := .artifacts/simulator

.PHONY: simulate
simulate: simulator ## The HPA on virtual time: make simulate ARGS="--values my.yaml --trace flash-crowd"
	@$(SIMULATOR) --chart charts/holograph $(ARGS)

.PHONY: report
report: simulator ## Rewrite docs/simulation from what the simulator gives now
	@$(SIMULATOR) --chart charts/holograph --examples values-examples --report docs/simulation

.PHONY: bench
bench: SETS := bench
bench: images ## A step and a flash crowd against five policies on a cluster, added to docs/bench: make bench ARGS="--run 1", 45 minutes
	@go -C test/sim run ./bench $(ARGS)

.PHONY: simulator
simulator:
	@go -C test/sim build -o $(CURDIR)/$(SIMULATOR) .

##@ Supply

.PHONY: images
images: ## Obtain every tool and image: from the cache, a registry, or their Go modules
	@go run ./ci images $(SETS)

.PHONY: bump
bump: ## Another version of a foreign program, everywhere: make bump PROGRAM=prometheus VERSION=v3.14.0
	@go run ./ci bump "$(PROGRAM)" "$(VERSION)"
	@$(MAKE) --no-print-directory update

.PHONY: clean-cache
clean-cache: ## Empty the cache of tools and images
	@go run ./ci clean-cache
