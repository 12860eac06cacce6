# Every target makes .venv from requirements.lock when it is missing or older than the lock.
PYTHON ?= python3
BIN := .venv/bin
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: demo bench soak bounces containers test test-slow test-postgres15 lifecycle chaos check format lint types imports reference release-sql lock clean

demo: .venv/ready
	$(BIN)/outreach demo

# In the order of the folders: the long files first, so that no process waits for the others. Three on two cores: tests
# wait for servers half of their time.
test: .venv/ready
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slow and not lifecycle and not chaos"

# Real servers, workers and flow processes, ended in every way: half an hour on two cores, which wait half of the time.
lifecycle: .venv/ready
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m lifecycle

# The long random kill run: CHAOS_SEED repeats one, CHAOS_KILLS makes it longer.
chaos: .venv/ready
	$(BIN)/pytest -q -m chaos tests/chaos tests/sql tests/lifecycle

# The whole job over PostgREST, thousands of leads, outages, whole servers, pages in a real browser.
test-slow: .venv/ready
	$(BIN)/pytest -m slow

# The SQL on the oldest Postgres that Supabase runs: its programs, from Debian's package postgresql-15.
POSTGRES_15 ?= /usr/lib/postgresql/15/bin
test-postgres15: .venv/ready
	POSTGRES_BIN=$(POSTGRES_15) $(BIN)/pytest -q -n 2 --dist loadfile tests/sql

# How fast, how flat: half a quiet hour. ONLY=pace,start chooses, QUICK=1 tries it, OUT=FILE keeps it.
bench: .venv/bench
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(OUT),--out $(OUT))

# A day of 50 campaigns in 25 minutes (SOAK_MINUTES): is anything lost, does anything grow?
soak: .venv/ready
	$(BIN)/python -m benchmarks.soak

# How well bounces are read, and how fast: the mails of ../shared/bounces or of BOUNCES=FOLDER.
bounces: .venv/bounces
	$(if $(BOUNCES),BOUNCES=$(BOUNCES)) $(BIN)/python -m benchmarks.bounces

# The image built, and every service of compose.yaml run in containers: root, and Debian's buildah, podman, runc and
# debootstrap. BASE=IMAGE takes another base than debootstrap's.
containers: .venv/containers
	$(BIN)/python -m deployments.containers.trial
	$(BIN)/pytest -q tests/unit/test_containers.py

check: lint types imports test

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/mypy

imports: .venv/ready
	$(BIN)/lint-imports

# docs/reference.md and .env.example, from the settings, the command and the models.
reference: .venv/ready
	$(BIN)/python -m outreach.cli.reference

# One new migration with all functions of supabase/sql; BREAKS=1 when workers of the release before may not call them.
release-sql: .venv/ready
	$(BIN)/python -m outreach.store.release_sql $(if $(BREAKS),--breaks)

# Pins the whole tree with hashes, for every platform, without a registry's address.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-header --group dev pyproject.toml -o requirements.lock

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@: -c too, or pip looks at the newest of a package whose extra is asked for and finds no hash
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -c requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/containers: deployments/containers/requirements.txt .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -r deployments/containers/requirements.txt
	touch $@

.venv/bench: benchmarks/requirements.txt .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

# Without a registry the table says so, in place of the peer's figures.
.venv/bounces: benchmarks/requirements-bounces.txt .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements-bounces.txt || true
	touch $@

clean:
	rm -rf .venv .outreach
