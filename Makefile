# Every target sets up what it needs by itself: Python 3.11 or newer, make and the package registries are enough.
# `make help` lists the targets.
PYTHONS := python3.11 python3.12 python3.13 python3.14
PYTHON ?= $(or $(shell for each in $(PYTHONS); do command -v $$each && break; done),python3.11)
TOOLS  := .tools
UV     := $(TOOLS)/bin/uv
VENV   := .venv
BIN    := $(VENV)/bin
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE = copy
WORKERS ?= 3
.DEFAULT_GOAL := help

$(UV):
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

$(VENV)/.ready: requirements/dev.txt pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements/dev.txt
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What it takes to run, without what it takes to develop.
$(VENV)/.runnable: requirements/run.txt pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements/run.txt
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

.PHONY: install
install: $(VENV)/.ready ## set up .venv with everything for development

.PHONY: demo
demo: $(if $(wildcard $(VENV)/.ready),install,$(VENV)/.runnable) ## run the gateway against the built-in simulator and print commands to try
	@$(BIN)/gemgate demo || test $$? -eq 130 # Ctrl-C is how it ends

.PHONY: check
check: install ## formatting, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.docs check

.PHONY: dist
dist: install ## wheel, sdist, SBOM, checksums and statements in dist/; the packages installed and run in one line each
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/hatchling build -t sdist -t wheel
	$(BIN)/python -m tools.supply sbom dist/gemgate.cdx.json
	$(BIN)/python -m tools.release files dist
	$(BIN)/pytest -q -p no:cacheprovider tests/integration/test_release.py tests/integration/deploy/test_published.py \
		-m "soak or not soak" --timeout 900 --dist-folder dist

.PHONY: release
release: install ## a release in dist/, committed and tagged: make release VERSION=x.y.z
	$(BIN)/python -m tools.release prepare "$(VERSION)"
	$(MAKE) dist
	$(BIN)/python -m tools.release seal "$(VERSION)"

.PHONY: extension
extension: install ## the browser extension in dist/, as .xpi and .zip (docs/extension.md)
	$(BIN)/python -m tools.extension dist

.PHONY: audit
audit: install ## known vulnerabilities of what the lock names, and licences; fails when advisories cannot be had (OFFLINE=1)
	$(BIN)/python -m tools.supply audit $(if $(OFFLINE),--offline)

.PHONY: docs
docs: install ## the documentation as a site, in site/
	$(BIN)/python -m tools.docs site

.PHONY: docs-pages
docs-pages: install ## write the pages that come from the code again
	$(BIN)/python -m tools.docs pages

.PHONY: fmt
fmt: install ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test
test: install ## the whole test suite
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not soak and not agents"

.PHONY: agents
agents: install ## every command-line agent at work on a real task (npm and PyPI; about 2 GB in .clients)
	$(BIN)/pytest tests/agents -m agents $(if $(AGENTS),-k "$(AGENTS)")

.PHONY: soak
soak: install ## long evidence: the full numbers of every promise, by hand
	$(BIN)/pytest -m soak -s --timeout 7200

.PHONY: bench
bench: install ## ratios against baselines measured in the same run
	$(BIN)/python -m benchmarks

.PHONY: lock
lock: $(UV) ## resolve the requirement locks again (versions and hashes, no hosts)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras \
		pyproject.toml -o requirements/run.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras \
		--group dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt
	echo hatchling | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements/dev.txt - -o requirements/build.txt
	for group in clients-genai2 clients-aider clients-llm; do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--group $$group -o requirements/$$group.txt || exit 1; \
	done

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
