# make run    install into .venv if needed and run the main job: plan, proof, curve and pictures in out/
# make test   the tests          make slow       those it leaves out  make lint       style and types
# make notebooks  execute every notebook
# make prove  random feeders beside a global reference (PROVE_ARGS="--seeds 300:600" others than the first 300;
#             PROVE_ARGS="--questions --seeds 0:100" robust and opportunity questions)
# make bench  measurements (BENCH_ARGS="ROW ..." some, --resume the missing ones)          make bench-growth  larger cases
# make clean  remove what make made
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.PHONY: run test slow lint notebooks prove bench bench-growth clean

run: .venv/installed
	$(BIN)/igdt-planner demo --out out

test: .venv/installed-dev
	$(BIN)/python -m pytest -q -n 2 -m "not slow" $(PYTEST_ARGS)

slow: .venv/installed-dev
	$(BIN)/python -m pytest -q -n 2 -m slow $(PYTEST_ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

notebooks: .venv/installed-dev
	@for notebook in $(NOTEBOOKS); do \
		echo "executing $$notebook"; \
		$(BIN)/jupyter execute --timeout=1200 --kernel_name=python3 "$$notebook" || exit 1; \
	done

prove: .venv/installed-dev
	$(BIN)/python -m tests.prove $(PROVE_ARGS)

bench: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

bench-growth: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.growth $(BENCH_ARGS)

clean:
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is renewed whenever the wanted packages change. An environment without pip is a creation that failed half-way
# (Debian without python3-venv), so it is made again.
define environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
@echo "installing into .venv (a few minutes the first time)"
endef

.venv/installed: pyproject.toml constraints.txt
	$(environment)
	$(INSTALL) .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt
	$(environment)
	$(INSTALL) '.[dev]'
	@touch .venv/installed $@
