# PY=/path/to/python3.12 chooses the interpreter; with uv on PATH the installation is quicker.
CANDIDATES := $(PY) python3.12 python3.13 python3.14 python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
STAMP := .venv/.stamp

PINNED := constraints.txt

PEER := .venv-peer
PEER_PACKAGES := 'pymc-marketing==1.3.0' 'numpy<2.5' nutpie

.PHONY: demo picture env test test-slow calibration fuzz audit check bench peer lock clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo       install into .venv, run the demo, print where its report is"
	@echo "make picture    the demo once more, and its first screen into docs/report.png; needs Chromium"
	@echo "make env        install into .venv and do nothing else; the targets below do it where it is needed"
	@echo "make test       all tests but the slow ones"
	@echo "make test-slow  simulation-based calibration, long verification, the demo from a wheel"
	@echo "make calibration  intervals against what comes, in thousands of made-up worlds; into docs/calibration.md"
	@echo "make fuzz       thousands of cases of bad input and surroundings, and their totals for docs/reliability.md"
	@echo "make audit      licences of what is installed, and known vulnerabilities of what is pinned; needs the network"
	@echo "make check      lint, formatting, types, layers; each problem with its file and line"
	@echo "make bench      speed, as ratios, each checked for equal results first"
	@echo "make peer       PyMC-Marketing in an environment of its own, for make bench to compare with"
	@echo "make lock       resolve all packages anew and pin them in constraints.txt"
	@echo "make clean      remove environments and caches; outputs/ stays"

demo: $(STAMP)
	@$(BIN)/clvsim run experiment=demo

picture: $(STAMP)
	@folder=$$(mktemp -d) && $(BIN)/clvsim run experiment=demo out=$$folder/demo && $(BIN)/python docs/picture.py $$folder/demo; \
	    rm -rf $$folder

env: $(STAMP)

# Two workers on two cores: BLAS with threads of its own would only be in the way.
test test-slow: export OPENBLAS_NUM_THREADS = 1

test: $(STAMP)
	@$(BIN)/pytest -n 2 --dist loadfile

test-slow: $(STAMP)
	@$(BIN)/pytest -n 2 --dist loadfile -m slow

# Goes on where it was interrupted.
calibration: export OPENBLAS_NUM_THREADS = 1

calibration: $(STAMP)
	@$(BIN)/python -m tests.calibration.record
	@$(BIN)/pytest -n 0 -m slow tests/calibration/test_calibration_futures.py tests/calibration/test_calibration_chain.py

fuzz: $(STAMP)
	@$(BIN)/python -m tests.fuzz

# The scanner is no dependency of ours: it comes into a folder that goes again.
audit: $(STAMP)
	@$(BIN)/python -m tests.licences
	@set -eu; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	if [ -n "$(UV)" ]; then \
	    "$(UV)" venv -q --python $(BIN)/python "$$folder/venv" && \
	        "$(UV)" pip install -q --python "$$folder/venv/bin/python" pip-audit || unreachable=1; \
	else \
	    $(BIN)/python -m venv "$$folder/venv" && \
	        "$$folder/venv/bin/python" -m pip install -q --disable-pip-version-check pip-audit || unreachable=1; \
	fi; \
	if [ -n "$${unreachable:-}" ]; then \
	    echo "known vulnerabilities: not looked up, since pip-audit cannot be installed; is there a network?" >&2; exit 1; \
	fi; \
	"$$folder/venv/bin/pip-audit" --strict --progress-spinner off --no-deps --disable-pip -r $(PINNED)

check: $(STAMP)
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/ty check --no-progress --output-format concise
	@report=$$($(BIN)/lint-imports --no-logo) || { echo "$$report"; exit 1; }

bench: $(STAMP)
	@$(BIN)/python benchmarks/run.py

# It does not go with our NumPy. nutpie, which its sampler takes where it is there, makes it faster.
peer: $(PEER)/.stamp

$(PEER)/.stamp: | $(STAMP)
	@set -eu; if [ -n "$(UV)" ]; then \
	    "$(UV)" venv -q --clear --python $(BIN)/python $(PEER); \
	    "$(UV)" pip install -q --python $(PEER)/bin/python $(PEER_PACKAGES); \
	else \
	    $(BIN)/python -m venv --clear $(PEER); \
	    $(PEER)/bin/python -m pip install -q --disable-pip-version-check $(PEER_PACKAGES); \
	fi
	@touch $@

# Nothing but name==version: addresses belong to a machine. Both resolve without installing.
PINS := import json, re, sys; pins = [p["metadata"] for p in json.load(sys.stdin)["install"]]; \
	names = {re.sub(r"[-_.]+", "-", p["name"]).lower(): p["version"] for p in pins}; \
	print(*(f"{name}=={names[name]}" for name in sorted(names) if name != "clvsim"), sep="\n")

lock: $(STAMP)
	@rm -f .constraints.new
ifdef UV
	@"$(UV)" pip compile -q --no-header --no-annotate --python $(BIN)/python --extra dev pyproject.toml > .constraints.new
else
	@$(BIN)/python -m pip install -q --disable-pip-version-check --dry-run --ignore-installed --report - '.[dev]' \
	    > .constraints.json && $(BIN)/python -c '$(PINS)' < .constraints.json > .constraints.new; rm -f .constraints.json
endif
	@test -s .constraints.new && ! grep -qvE '^[A-Za-z0-9._-]+==[A-Za-z0-9.+]+$$' .constraints.new && mv .constraints.new constraints.txt
	@git diff --stat -- constraints.txt; echo "now: make test"

clean:
	@rm -rf .venv $(PEER) .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find clvsim tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Without uv the interpreter needs its venv and ensurepip (Debian packages them apart).
SUITS := import sys; sys.version_info[:2] in ((3, 12), (3, 13), (3, 14)) or sys.exit(1); $(if $(UV),,import venv, ensurepip)

$(STAMP): pyproject.toml constraints.txt
	@set -eu; python=; \
	for one in $(CANDIDATES); do \
	    if "$$one" -c '$(SUITS)' >/dev/null 2>&1; then python=$$one; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "clvsim needs Python 3.12 to 3.14 with venv, or uv: make PY=/path/to/python3.12" >&2; exit 1; \
	fi; \
	fresh=; $(BIN)/python -c '$(SUITS)$(if $(UV),,; import pip)' >/dev/null 2>&1 || fresh=--clear; \
	echo "installing into .venv ($$("$$python" --version))" >&2; \
	if [ -n "$(UV)" ]; then \
	    [ -z "$$fresh" ] || "$(UV)" venv -q --clear --python "$$python" .venv; \
	    "$(UV)" pip install -q --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	    [ -z "$$fresh" ] || "$$python" -m venv --clear .venv; \
	    $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@
