# `make` alone lists what there is. CI runs `make test`, nothing else.

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests dashboard run test release test-dashboard test-postman test-clients test-worker-clients test-postgres environments drill measure-dashboard bench-small deny sbom fmt lint schema docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## check, and as root install, what the others need
	@scripts/setup

setup-tests: ## the same for the tests
	@scripts/setup tests

dashboard: ## build the dashboard into static/dist (needs Node)
	scripts/dashboard

# Code 3 says that there is no Node: then there is no dashboard, and the script has said so.
run: setup ## build the program and run a demo cluster
	scripts/dashboard || test $$? = 3
	cargo build --profile demo
	HOROLOG_PG_BIN="$$(scripts/setup postgres)" target/demo/horolog demo

test: setup-tests ## everything that CI checks: format, lints, tests
	scripts/test

# First the dashboard, then the program that embeds it: in the other order the browser would see the previous one.
test-dashboard: ## drive the dashboard with a real browser; screenshots go to target/screenshots
	scripts/dashboard || test $$? = 3
	cargo build
	scripts/dashboard e2e

test-postman: ## run the Postman collection against a node
	cargo build
	scripts/postman

test-clients: ## try other people's GraphQL clients, and the audit of GraphQL over HTTP, on a node
	cargo build
	scripts/clients

test-worker-clients: ## try the clients for workers on a cluster
	cargo build
	scripts/worker-clients

VERSION ?= 18

test-postgres: ## the tests that depend on PostgreSQL, with another version (VERSION=14, 17 or 18)
	scripts/test-postgres $(VERSION) || test $$? = 3

environments: ## what people install it on: no root, systemd, a Debian package, Docker, Patroni, a restore, PostgreSQL 14 and 18
	cargo build --features otel,fault-injection
	scripts/newcomer-drill || test $$? = 3
	scripts/systemd-drill || test $$? = 3
	scripts/deb-drill || test $$? = 3
	scripts/restore-drill || test $$? = 3
	scripts/docker-drill || test $$? = 3
	scripts/patroni-drill || test $$? = 3
	scripts/test-postgres 14 || test $$? = 3
	scripts/test-postgres 18 || test $$? = 3

drill: ## failover drills: what CI runs of them
	cargo build --features otel,fault-injection
	scripts/drills

measure-dashboard: ## first loads and scrolling with 100,000 jobs (HOROLOG_JOBS), in a release build
	scripts/dashboard
	cargo build --release
	HOROLOG_BIN=$(CURDIR)/target/release/horolog scripts/dashboard budget

bench-small: ## run every benchmark small, to see that it works; its figures say nothing
	cargo build
	cargo test -p horolog-loadtest --test benchmarks -- --include-ignored

fmt: ## format the sources
	cargo fmt

release: ## make the files of a release in target/release-artifacts
	scripts/release

deny: ## licences, banned crates, sources and advisories of the dependencies
	scripts/deny

sbom: ## write the bill of materials (CycloneDX) to target/horolog.cdx.json
	scripts/sbom

lint: ## clippy as strict as in CI
	cargo clippy --workspace --all-targets --features otel,fault-injection -- -D warnings

# By way of a file of its own: a failed build must not leave an empty schema.
schema: ## write the GraphQL schema to schema.graphql
	cargo run -q -- schema > target/schema.graphql
	mv target/schema.graphql schema.graphql

docs: ## build the book into target/book and check its links
	scripts/docs
