.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORPUS ?= demo/corpus
MINUTES ?= 20
TARGETS ?=
ARGS ?=
STAMP := $(VENV)/.installed

.PHONY: help setup system store demo test check fix fuzz clean bench bench-segmentation bench-reliability cluster-test bench-scaling

help: ## show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(STAMP) ## make .venv with all that is pinned in constraints.txt

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 setup")'
	@echo "setting up $(VENV): about 7 GB of packages, which takes minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --constraint constraints.txt --editable '.[fast,s3,train,test]'
	touch $@

demo: setup ## run the main job on real text (or CORPUS=folder)
	@BIN="$(BIN)" CORPUS="$(CORPUS)" sh jobs/demo.sh

system: # what tests of the report and of faults need; those skip where it cannot be had
	@command -v chromedriver > /dev/null && command -v fusermount3 > /dev/null \
	|| { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	--no-install-recommends chromium chromium-driver fonts-dejavu-core fuse3; } > /dev/null 2>&1 \
	|| echo "no chromium and chromedriver, or no fuse3: tests in a browser or of faults will skip"

store: build/store/versitygw # the server that tests of object stores need; two minutes, once

build/store/versitygw:
	@mkdir -p $(@D)
	@GOBIN=$(CURDIR)/$(@D) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 > $(@D)/log 2>&1 \
	|| echo "no Go, or no versitygw: tests of object stores will skip"

test: setup system store ## all that CI runs: ruff, mypy, every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

cluster-test: setup ## prepare on Flink, Spark and Prism, with parts killed (or ARGS="flink"); needs root
	@command -v curl > /dev/null && command -v ip > /dev/null && command -v go > /dev/null \
	|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends curl iproute2 golang-go; }
	$(BIN)/python -m tests.clusters $(ARGS)

check: setup ## ruff, mypy and the fast tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not slow'

fix: setup ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: setup ## fuzz all of tests/fuzz (or TARGETS="readers verify") for MINUTES of CPU time each
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(TARGETS) --minutes $(MINUTES)

clean: ## remove what make made
	rm -rf $(VENV) demo build *.egg-info

bench: setup ## speed and memory of prepare beside other tools (ARGS="--mb 64 256")
	$(BIN)/python -m benchmarks.speed $(ARGS)
	$(BIN)/python -m benchmarks.parts
	$(BIN)/python -m benchmarks.loading

bench-segmentation: setup ## quality and speed of segmentation on gold from packages' markup
	$(BIN)/python -m benchmarks.segmentation

bench-reliability: setup system ## what is lost to faults, at seeded moments and at every step
	$(BIN)/python -m benchmarks.reliability

bench-scaling: setup ## plan 200,000 chunks (ARGS="--chunks N"), commit made-up records, kill, resume, finish
	$(BIN)/python -m benchmarks.scaling --folder /dev/shm $(ARGS)
