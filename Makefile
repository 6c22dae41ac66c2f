# What a person types. Everything is set up at need, from a bare Debian 12 with python3, python3-venv and make:
# a virtual environment in .venv with the pinned and hashed dependencies of the lock files, and a .pth file in it that
# points here, so that what runs is always this tree, its twistd plugin included.
# Tests run in PROCESSES processes, one more than two processors have: many of them wait for programs they started.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCK_VENV := build/lock
PROCESSES ?= 3
PARALLEL := -n $(PROCESSES) --dist worksteal
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(LOCK_VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
	--strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

.DEFAULT_GOAL := help
.PHONY: help run test check faults model dovecot bench bench-access bench-logins lock clean
.DELETE_ON_ERROR:

help:  ## say what can be made
	@echo "make run      a mail server with two sample users on loopback ports (Ctrl-C stops it)"
	@echo "make test     linters, types and all tests"
	@echo "make faults   kills, losses of power and errors of the disk in full, with a table of them (an hour)"
	@echo "make model    100,000 random IMAP commands of three sessions, compared with a model"
	@echo "make dovecot  three minutes of load on one Maildir, by mailboxd and a Dovecot (which must be installed) at once"
	@echo "make bench    a table of speed and memory, beside a Postfix where one is installed (BENCH=--quick: short)"
	@echo "make bench-access  how fast mailboxes are read and changed, beside a Dovecot where one is installed (the same)"
	@echo "make bench-logins  logins per second by scheme, beside a Dovecot, and over an OpenLDAP server, where one is"
	@echo "              installed, and what other sessions feel of a thousand at once (the same)"
	@echo "make lock     pin the newest dependencies in requirements*.lock"
	@echo "make clean    remove what can be made again: .venv, build, caches (never mail, keys and users)"

run: $(VENV)/ready
	@trap : INT; $(BIN)/python -m mailbox_d.ctl.sample_site || [ $$? -eq 130 ]  # Ctrl-C is no failure

test: check
	$(BIN)/python -m pytest -rs $(PARALLEL) $(PYTEST)

check: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

faults: $(VENV)/ready-dev
	MAILBOXD_FAULTS_IN_FULL=1 $(BIN)/python -m pytest -rs $(PARALLEL) tests/faults $(PYTEST)

model: $(VENV)/ready-dev
	MAILBOXD_MODEL_COMMANDS=100000 $(BIN)/python -m pytest -rs -s tests/property/test_imap_model.py $(PYTEST)

dovecot: $(VENV)/ready-dev
	MAILBOXD_DOVECOT_SECONDS=180 $(BIN)/python -m pytest -rs -s tests/integration/test_dovecot.py \
		tests/integration/test_dovecot_live.py $(PYTEST)

bench: $(VENV)/ready
	$(BIN)/python -m bench $(BENCH)

bench-access: $(VENV)/ready
	$(BIN)/python -m bench.access $(BENCH)

bench-logins: $(VENV)/ready-dev  # the OpenLDAP server is that of the tests
	$(BIN)/python -m bench.logins $(BENCH)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	echo "$(CURDIR)" > "$$($@ -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mailboxd-checkout.pth"

$(VENV)/ready: requirements.lock | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	touch $@

$(VENV)/ready-dev: requirements-dev.lock | $(VENV)/ready
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	touch $@

lock: | $(LOCK_VENV)
	$(COMPILE) --upgrade --build-deps-for=wheel --output-file=requirements.lock setup.cfg
	$(COMPILE) --upgrade --build-deps-for=wheel --extra=dev --constraint=requirements.lock --output-file=requirements-dev.lock setup.cfg

$(LOCK_VENV):
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet pip-tools

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f twisted/plugins/dropin.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
