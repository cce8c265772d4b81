.DEFAULT_GOAL := help
GO ?= go

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## the binary, in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/syncer ./cmd/syncer

test: ## all tests
	$(GO) test ./...

race: ## all tests under the race detector
	$(GO) test -race ./...

lint: ## golangci-lint, if it is installed
	golangci-lint run

golden: ## rewrite golden files and the JSON Schema after a wanted change
	$(GO) test ./internal/mapping ./internal/console ./cmd/syncer -update

rootfs: ## the file system of the container image, in bin/rootfs
	rm -rf bin/rootfs
	./scripts/rootfs.sh bin/rootfs

demo: ## a whole syncer against simulators, once
	$(GO) run ./cmd/syncer demo --once

bench: ## measured figures, printed with both sides
	$(GO) run ./bench

.PHONY: help build test race lint golden rootfs demo bench
