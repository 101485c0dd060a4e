# The list of targets. Go programs in ci/ and test/ do the work.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The toolchain of go.mod, also on a machine that sets GOTOOLCHAIN=local.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)

# As the images are built, so that what they have in common with the tests is compiled once.
export GOFLAGS := -trimpath
export CGO_ENABLED := 0

# The timeout of each package. go test's own default of 10 minutes is too short for stories, and for
# fast tests on a busy machine.
TEST_TIMEOUT ?= 30m

# The folders of test/ whose stories have a cluster of their own, in addition to ./test itself. The set of that
# name in ci/supply has what each needs in addition to what every cluster has. `make up` needs no set.
# Sources is the last one, because most of what it needs is compiled, while the stories before it run.
STORIES := faults lifecycle sources
SETS ?=
LATER ?=

##@ Look

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: images ## Start a cluster, install the chart, send load, and watch it scale
	@go run ./test/up

.PHONY: down
down: ## Remove the clusters of `make up` and of kept tests
	@go run ./ci down

##@ Test

# `make vet` runs all of go vet: go test would run a part of it again.
VETTED := -vet=off

# The targets of `make test`, in this order. Before the stories, what only some of them need is not built yet and cannot be
# checked.
EVERYTHING := images vet test-short stories check

.PHONY: test
test: export LATER := $(STORIES)
test: ## Run everything that CI runs: fast tests, known vulnerabilities, stories on clusters
	@go run ./ci timed $(EVERYTHING)

.PHONY: test-short
# Rendering the chart then takes 15 % less CPU than with Go's default of 100.
test-short: export GOGC := 400
test-short: ## Run all tests that need no cluster, also those of the simulator
	go test $(VETTED) -short -timeout $(TEST_TIMEOUT) ./...
	go -C test/sim test $(VETTED) -timeout $(TEST_TIMEOUT) ./...
	@echo "Left out: the stories on clusters (make stories), known vulnerabilities (make check), the attacks on the renderer (make siege), the chart's promises when things break (make faults), faults planted in the chart (make mutants)."

.PHONY: stories
stories: LATER := $(STORIES)
# One at a time: two clusters keep two cores busy, and each story then takes 1.8 times as long.
stories: images ## Run the stories on clusters, one cluster at a time
	@go run ./ci stories $(VETTED) -count=1 -timeout=$(TEST_TIMEOUT) -v $(STORIES)

.PHONY: faults
faults: SETS := promises nodes
faults: images ## Inject each fault of docs/faults.md under load, rewrite that page, and take away each right: two hours, estimated
	go test $(VETTED) -count=1 -p 1 -timeout 150m -v -skip '^TestPage$$' ./test/promises/...

.PHONY: siege
siege: ## Attack the renderer in a cgroup of its own, as root: six minutes
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run TestSiege ./test/renderer

.PHONY: mutants
mutants: export GOGC := 400
mutants: ## Plant a fault in each line of what the defaults render, and report which fast test notices each: make mutants ARGS="-results FILE", hours, estimated
	go run ./test/mutants $(ARGS)

.PHONY: check
check: simulator ## Look for known vulnerabilities in every program that is built here
	@go run ./ci vulnerabilities $(SIMULATOR)

.PHONY: vet
vet: ## Run go vet on both modules
	go vet ./...
	go -C test/sim vet ./...

# GOLDEN are the packages whose tests have a flag -update. WRITING are the tests of the chart that use it: its other
# tests take minutes. WRITING run first, because they write into charts/, which other tests render.
GOLDEN = $(shell grep -rl --include=*_test.go 'flag.Bool."update"' $(1) | xargs -n 1 dirname | sort -u)
WRITING = $(shell awk '/^func Test/ {split($$2, name, /[^A-Za-z0-9_]/)} /[*]updateGolden/ {print name[1]}' test/chart/*_test.go | sort -u | paste -s -d '|')

.PHONY: update
update: ## Rewrite every golden and generated file from the present code
	go test -short -parallel 1 -run '^($(WRITING))$$' ./test/chart -update
	go test -short -p 1 -timeout $(TEST_TIMEOUT) $(patsubst %,./%,$(filter-out test/chart test/sim test/sim/%,$(call GOLDEN,ci test))) -update
	cd test/sim && go test -p 1 -timeout $(TEST_TIMEOUT) $(patsubst test/sim%,.%,$(call GOLDEN,test/sim)) -update

.PHONY: pictures
pictures: SETS := faults
pictures: images ## Take new pictures of the status page and the dashboard for docs/pictures, on a cluster: five minutes
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run 'TestObservability$$' ./test/faults -pictures

##@ Release

.PHONY: package
package: ## Make the chart's package in .artifacts: the same bytes for the same files
	@go run ./ci/pack

.PHONY: sign
sign: ## Make the package and its provenance: make sign KEY=NAME KEYRING=FILE
	@go run ./ci/pack sign --key "$(KEY)" --keyring "$(KEYRING)" --passphrase-file "$(PASSPHRASE_FILE)"

.PHONY: verify
verify: ## Check the package, and print who signed it: make verify KEYRING=FILE
	@go run ./ci/pack verify --keyring "$(KEYRING)"

.PHONY: publish
publish: ## Push images and chart: make publish REGISTRY=ghcr.io/acme [KEY=NAME KEYRING=FILE] [FORCE=1]
	@go run ./ci/pack publish --registry "$(REGISTRY)" --key "$(KEY)" --keyring "$(KEYRING)" --passphrase-file "$(PASSPHRASE_FILE)" $(if $(FORCE),--force)

##@ Simulate

# The simulator is a module of its own: it pins the Kubernetes that it simulates.
SIMULATOR := .artifacts/simulator

.PHONY: simulate
simulate: simulator ## Run the HPA on virtual time: make simulate ARGS="--values my.yaml --trace flash-crowd"
	@$(SIMULATOR) --chart charts/holograph $(ARGS)

.PHONY: report
report: simulator ## Rewrite docs/simulation with the present simulator
	@$(SIMULATOR) --chart charts/holograph --examples values-examples --report docs/simulation

.PHONY: bench
bench: SETS := bench
bench: images ## Compare five policies on a cluster, and add the run to docs/bench: make bench ARGS="--run 1", 45 minutes
	@go -C test/sim run ./bench $(ARGS)

.PHONY: scale
scale: SETS := scale
scale: images ## Measure fleets of thousands of pods and hundreds of autoscalers, for docs/scale: make scale ARGS="--run 1", an hour, estimated
	@go run ./test/scale $(ARGS)

.PHONY: simulator
simulator:
	@go -C test/sim build -o $(CURDIR)/$(SIMULATOR) .

##@ Supply

.PHONY: images
images: ## Obtain every tool and image: from the cache, a registry, or their Go modules
	@go run ./ci images $(SETS) $(LATER:%=--later=%)

.PHONY: bump
bump: ## Change the version of a foreign program everywhere: make bump PROGRAM=prometheus VERSION=latest
	@go run ./ci bump "$(PROGRAM)" "$(VERSION)"
	@$(MAKE) --no-print-directory update

.PHONY: clean-cache
clean-cache: ## Empty the cache of tools and images
	@go run ./ci clean-cache
