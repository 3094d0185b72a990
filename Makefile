# Mobula. `make demo` shows it, `make test` proves it, `make help` lists the rest.
SHELL := /bin/bash
BIN   := bin/mobula
GO    ?= go
# No VCS stamp: the same sources give the same binary, whatever the checkout.
BUILD := $(GO) build -buildvcs=false -trimpath -ldflags "-s -w"

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install what the demo needs into .cache (setup-test: what the tests need)
	@scripts/setup --what run

.PHONY: setup-test
setup-test:
	@scripts/setup --what test

.PHONY: build
build: ## build bin/mobula
	@mkdir -p bin
	$(BUILD) -o $(BIN) ./cmd/mobula

.PHONY: demo
demo: setup build ## run the house-price workflow on this machine and show it (DEMO_FLAGS=…)
	@exec $(BIN) demo $(DEMO_FLAGS)

.PHONY: test
test: setup-test build ## run every test
	$(GO) vet ./...
	$(GO) test -timeout 15m ./...
	cd internal/sdktest && $(GO) test ./...

.PHONY: notebooks
notebooks: setup build ## run the notebooks of SAMPLE=folder, unchanged (NOTEBOOK=4 for one; DATA=folder keeps the data there, KILL_EVERY=seconds kills the server)
	DATA=$(DATA) scripts/notebooks $(SAMPLE) $(NOTEBOOK)

.PHONY: bench
bench: setup-test build ## measure Mobula and its peers in one run (see docs/benchmarks.md)
	bench/run $(BENCH)

.PHONY: lint
lint: ## run golangci-lint with the rules and reasons of .golangci.yml
	@scripts/lint

.PHONY: generate
generate: ## generate internal/awsapi again
	$(GO) generate ./internal/awsapi

.PHONY: clean
clean: ## remove what the build made (not .cache)
	rm -rf bin
