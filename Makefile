# The menu. What each entry does is Go, in ci/ and test/.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The toolchain of go.mod, also on a machine that sets GOTOOLCHAIN=local.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)

# Under the 90 minutes that a CI run may take. go test's own default of 10 minutes
# holds for `go test ./test` too; this one leaves room for a slow machine.
TEST_TIMEOUT ?= 30m

# The packages whose stories take a cluster, one cluster and one package at a time.
STORIES := ./test ./test/faults ./test/sources ./test/lifecycle

# What they need beside what every cluster runs; `make up` goes without.
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

.PHONY: test
test: SETS += browser sources lifecycle
test: images ## Everything: the fast tests, known vulnerabilities, then the stories on a real cluster
	go vet ./...
	go -C test/sim vet ./...
	go test -short ./...
	go -C test/sim test ./...
	$(MAKE) check
	go test -count=1 -p 1 -timeout $(TEST_TIMEOUT) -v $(STORIES)

.PHONY: test-short
test-short: ## What needs no cluster
	go test -short ./...

.PHONY: check
check: simulator ## Known vulnerabilities in every program that is built here
	@go run ./ci vulnerabilities $(SIMULATOR)

.PHONY: update
update: ## Rewrite the golden files from what the code gives now
	go test -short ./test/chart ./test/doctor ./test/internal/timeline ./test/renderer/hologram ./ci/program -update

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
bench: images ## One spike against four policies on a cluster, measured beside the simulator: fifty minutes
	@go -C test/sim run ./bench $(ARGS)

.PHONY: simulator
simulator:
	@go -C test/sim build -o $(CURDIR)/$(SIMULATOR) .

##@ Supply

.PHONY: images
images: ## Obtain every tool and image: from the cache, a registry, or their Go modules
	@go run ./ci images $(SETS)

.PHONY: clean-cache
clean-cache: ## Empty the cache of tools and images
	@go run ./ci clean-cache
