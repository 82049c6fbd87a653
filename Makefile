# Two commands matter: `make demo` (try it) and `make test` (trust it). `make help` lists the rest.
SHELL   := /bin/bash
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
PORT    ?= 8000
# The locks are complete, so nothing is resolved: pip would look at newer releases of an extra's package and refuse them.
LOCK     = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all:

.PHONY: help demo demo-reset test coverage test-fast test-servers check guards scan bench soak signals messages settings controls sbom lock blocklist clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Massar Account needs Python 3.11 or later: install the package python3 (Debian 12 has 3.11), or name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv module: install the package python3-venv."; exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: requirements/runtime.txt requirements/demo.txt | $(BIN)/python
	@echo "Installing the locked requirements (about ten seconds) ..."
	@$(LOCK) -r requirements/runtime.txt -r requirements/demo.txt
	@touch $@

$(VENV)/dev.stamp: requirements/runtime.txt requirements/demo.txt requirements/dev.txt | $(BIN)/python
	@echo "Installing the locked requirements for tests ..."
	@$(LOCK) -r requirements/runtime.txt -r requirements/demo.txt -r requirements/dev.txt
	@touch $@ $(VENV)/demo.stamp

# One package of these has no wheel: it is built here, with the setuptools that is locked above.
$(VENV)/servers.stamp: $(VENV)/dev.stamp requirements/servers.txt
	@echo "Installing the locked requirements for tests against real servers ..."
	@$(LOCK) --no-build-isolation --no-binary smpp.twisted3 -r requirements/servers.txt
	@touch $@

demo: $(VENV)/demo.stamp ## start the product on this machine, with a phone and a mailbox on screen
	@PYTHONPATH=src exec $(BIN)/python -m massar demo --port $(PORT)

demo-reset: $(VENV)/demo.stamp ## empty the demo's data
	@PYTHONPATH=src $(BIN)/python -m massar demo --reset

test: $(VENV)/dev.stamp ## every test on SQLite, what differs again on PostgreSQL, the browser
	@$(BIN)/python tests/run.py

coverage: $(VENV)/dev.stamp ## the same, and which lines of the product were not run
	@$(BIN)/python tests/run.py --coverage

test-fast: $(VENV)/dev.stamp ## the inner loop: laws, units and a journey of each kind, on SQLite, in a minute
	@$(BIN)/python tests/run.py --fast

test-servers: $(VENV)/servers.stamp ## against real servers from distribution packages
	@$(BIN)/python tests/run.py --servers

check: $(VENV)/dev.stamp ## style, types and the laws of the house
	@$(BIN)/python -m ruff check -q src tests bench examples
	@$(BIN)/python -m ruff format -q --check src tests bench examples
	@PYTHONPATH=src $(BIN)/lint-imports
	@$(BIN)/python -m mypy

bench: $(VENV)/dev.stamp ## measure: sign-ins, recovery, what sites ask (beside a peer), SAML, page weights
	@PYTHONPATH=src:. $(BIN)/python -m bench.run

soak: $(VENV)/dev.stamp ## a day of strangers at one account, at a driven clock, and its owner in it (options: SOAK="--hours 2 --postgres")
	@PYTHONPATH=src:. $(BIN)/python -m bench.soak $(SOAK)

signals: $(VENV)/dev.stamp ## does time tell who has an account: every page that answers strangers, on both databases (options: SIGNALS="--quick")
	@PYTHONPATH=src:. $(BIN)/python -m bench.signals $(SIGNALS)

guards: $(VENV)/dev.stamp ## take each guard of the product out in turn: does its test miss it? (a quarter of an hour)
	@$(BIN)/python tests/guards/run.py

scan: $(VENV)/dev.stamp ## other people's scanners: bandit, pip-audit, schemathesis, testssl, wapiti, ffuf (options: SCAN="tls")
	@PYTHONPATH=src:. $(BIN)/python -m tests.scans.run $(SCAN)

messages: $(VENV)/dev.stamp ## compile the catalogues in src/massar/locale/
	@for l in ar fr en; do $(BIN)/pybabel -q compile -i src/massar/locale/$$l/LC_MESSAGES/django.po -o src/massar/locale/$$l/LC_MESSAGES/django.mo -l $$l; done

settings: $(VENV)/dev.stamp ## write the page of all settings again
	@PYTHONPATH=src $(BIN)/python -m massar.config.reference > docs/operate/settings.md

controls: $(VENV)/dev.stamp ## run the tests that docs/security/controls.md names, and write that page again
	@mkdir -p build; $(BIN)/python -m pytest -q --junitxml=build/controls.xml $$($(BIN)/python -m tests.controls.page --tests); \
	  $(BIN)/python -m tests.controls.page build/controls.xml

sbom: $(VENV)/dev.stamp ## write build/sbom.json: what an installation is made of, as CycloneDX
	@mkdir -p build; $(BIN)/python -m tests.controls.sbom > build/sbom.json

blocklist: $(VENV)/dev.stamp ## make the list of common passwords again
	@PYTHONPATH=src $(BIN)/python -m massar.domain.policy.make_blocklist

lock: ## pin the requirements again (needs uv)
	@for f in runtime argon2 demo dev servers peers pkcs11 scan; do uv pip compile -q --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 requirements/$$f.in -o requirements/$$f.txt; done

clean: ## remove the environment and the data
	@rm -rf $(VENV) var build
