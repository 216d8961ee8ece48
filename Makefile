# What is done with a working copy. `make` alone lists it. Every target sets up what it needs first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
export PYTHON
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/set-up-from-these-constraints
# The second pen and the wire's proof are C programs that the tests build; a real broker is part of what is tested.
FOR_TESTS := gcc libc6-dev mosquitto mosquitto-clients openssl postgresql iproute2 poppler-utils

# Schemas of AsyncAPI and FHIR are their makers': fetched by pinned digests as published, and kept out of the sources.
OFFICIAL := build/official/node_modules/@asyncapi/specs/package.json

HOURS ?= 20
SECONDS ?= 120
SEED ?= 1
JOBS ?= 2

.PHONY: help setup demo run test test-usb check trace bench campaign fuzz pythons defects kills coverage mutants soak generated licences vulnerabilities wheel clean system-for-tests system-for-demo

help:  ## lists the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## *(.*)/  make \1|\2/' | column -t -s '|'

setup: system-for-tests $(STAMP) $(OFFICIAL)  ## makes .venv with the pinned dependencies, and sees that the system has what the tests use

demo: system-for-demo $(STAMP)  ## plays a treatment on a simulated pen and proves its record; of limits: make demo STORY=limits; or on the pen in C: make demo PEN=c, not both
	@$(if $(and $(PEN),$(filter limits,$(STORY))),echo "STORY=limits exchanges the simulated pen's cartridge: it is played on no other pen. Leave PEN out or STORY." >&2; exit 2,true)
	$(if $(filter c,$(PEN)),$(MAKE) --silent --no-print-directory -C tests/c)
	@mkdir -p build
	$(BIN)/needlework demo --report build/demo.pdf --force $(if $(STORY),--story $(STORY)) $(if $(filter c,$(PEN)),--pen-program build/c/pen,$(if $(PEN),--pen $(PEN)))

run: $(STAMP)  ## station, broker, recorder and simulated pen with a live view, until Ctrl-C: make run [PEN=serial:///dev/ttyACM0]
	$(BIN)/needlework run $(if $(PEN),--pen $(PEN))

RESULTS := build/test-results.json

test: setup  ## every test but the long versions: make test [ARGS="-k name"]
ifdef ARGS
	$(BIN)/python -m pytest -m "not soak" $(ARGS)  # a part of the tests is no evidence
else
	@code=0; set -x; \
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not soak and (not system or unhurried)" --results=$(RESULTS) || code=$$?; \
	$(BIN)/python -m pytest -m "not soak and system and not unhurried" --results=$(RESULTS) --results-go-on || code=$$?; \
	exit $$code
endif

test-usb: $(STAMP)  ## treats on a USB bus in a machine without hardware: Debian's kernel in QEMU; skips where that is not to be had
	@$(BIN)/python tests/usb/run.py || { code=$$?; (( code == 77 )) || exit $$code; }  # 77: what it needs is not here

check: $(STAMP)  ## style, types, import contracts, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/mypy --strict docs/generate.py docs/defects_table.py docs/coverage_table.py docs/report_pictures.py docs/physics_pictures.py .ci/licences.py .ci/vulnerabilities.py
	$(BIN)/mypy --strict docs/safety/trace.py
	$(BIN)/mypy --strict plugin/pytest_needlework.py
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

trace: setup  ## holds the safety case against the tests: what a control names exists and, after `make test`, passed
	$(BIN)/python docs/safety/trace.py $(if $(STRICT),--results,--results-if-any) $(RESULTS)

bench: setup  ## measures, prints a table, writes benchmarks/results.md and benchmarks/results.json
	$(BIN)/python -m benchmarks

campaign: $(STAMP)  ## simulated hours under the safety invariants: make campaign [HOURS=20] [SEED=1] [JOBS=2]
	$(BIN)/needlework campaign --hours $(HOURS) --seed $(SEED) --jobs $(JOBS) --save build/campaign

fuzz: $(STAMP)  ## malformed input, guided by coverage, into firmware, host link and whatever else listens: make fuzz [SECONDS=120] [JOBS=2]
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --jobs $(JOBS)

pythons: system-for-tests  ## the unit tests on Python 3.12 and 3.13 where this machine has them; says which it had
	.ci/pythons 3.12 3.13

defects: $(STAMP)  ## plants every known defect, sees that each is caught, writes the table in docs/proving.md anew
	$(BIN)/python docs/defects_table.py

kills: setup  ## 200 rounds of kill -9 and power cuts over the record, and its planted defects; writes the tables in docs/reliability.md
	$(BIN)/python docs/reliability_table.py

coverage: $(STAMP)  ## plays every calibration procedure over 1 000 seeds, writes into docs/calibration.md how often it was right
	$(BIN)/python docs/coverage_table.py

mutants: $(STAMP)  ## changes envelope, alarms and machine in small ways and counts what the tests notice; half an hour
	rm -rf mutants
	$(BIN)/mutmut run --max-children $(JOBS)
	$(BIN)/mutmut export-cicd-stats
	cat mutants/mutmut-cicd-stats.json

soak: setup  ## the long versions of tests, campaign (1 000 h) and measurements, the mutants, known vulnerabilities; many hours
	$(BIN)/python -m pytest -m soak --timeout=1800 $(ARGS)
	$(MAKE) --no-print-directory pythons
	$(MAKE) --no-print-directory campaign HOURS=1000
	$(MAKE) --no-print-directory fuzz SECONDS=14400
	$(MAKE) --no-print-directory kills
	$(BIN)/python -m benchmarks --soak
	$(MAKE) --no-print-directory mutants
	$(MAKE) --no-print-directory vulnerabilities

generated: $(STAMP)  ## writes protocol document, C header, test vectors, the safety matrix, the pictures of reports and of the simulated physics anew from their sources
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/safety/trace.py --write
	$(BIN)/python docs/report_pictures.py
	$(BIN)/python docs/physics_pictures.py

licences: $(STAMP)  ## lists the licences of everything the product runs on; fails on one that does not fit
	$(BIN)/python .ci/licences.py

vulnerabilities: $(STAMP)  ## asks whether anything pinned has a known vulnerability; fails where that cannot be asked
	$(BIN)/python .ci/vulnerabilities.py $(SERVICE)

wheel: $(STAMP)  ## builds wheels and source archives, of the product and of its pytest plugin, into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m build --no-isolation --outdir dist plugin

clean:  ## takes away what was built and cached, not .venv
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

system-for-tests:
	@.ci/packages $(FOR_TESTS)

system-for-demo:
	@$(if $(filter c,$(PEN)),.ci/packages gcc libc6-dev,true)

# The stamp is younger than what it was made from, so the second time costs nothing.
$(STAMP): pyproject.toml constraints.txt
	@.ci/packages python3 python3-venv
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev,all]'
	@touch $@

$(OFFICIAL): .ci/official/package-lock.json | $(STAMP)
	mkdir -p build/official
	cp .ci/official/package*.json build/official/
	$(BIN)/npm ci --prefix build/official --ignore-scripts --no-audit --no-fund --silent
	@touch $@
