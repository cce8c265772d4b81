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

fuzz: ## every fuzz target, half a minute each
	./scripts/fuzz.sh 30

lint: ## golangci-lint, if it is installed
	golangci-lint run

golden: ## rewrite golden files and the JSON Schema after a wanted change
	$(GO) test ./internal/mapping ./internal/console ./cmd/syncer -update

rootfs: ## the file system of the container image, in bin/rootfs
	rm -rf bin/rootfs
	./scripts/rootfs.sh bin/rootfs

demo: ## a whole syncer against simulators, once
	$(GO) run ./cmd/syncer demo --once

bench: ## measured figures, printed with both sides; ONLY=accept,walk chooses
	$(GO) run ./bench $(if $(ONLY),-only $(ONLY))

soak: ## the binary under load for an hour, or FOR=5m, and what grows meanwhile
	$(GO) run ./bench/soak -for $(or $(FOR),1h)

faults: ## the fault matrix: every simulator while networks and servers do their worst, in two or three minutes; ONLY=column/fault chooses
	cd e2e/faults && $(GO) run . $(if $(ONLY),-only '$(ONLY)')

crash: ## kills the binary 200 times, or KILLS=1000, at every point that can be reached; SEED=N repeats
	$(GO) run ./e2e/crash -kills $(or $(KILLS),200) $(if $(SEED),-seed $(SEED))

.PHONY: crash faults help build test race lint golden rootfs demo bench soak
