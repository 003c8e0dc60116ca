# Everything here works from nothing but git, make and Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint format bench bench-tolerance oracles lock wheel clean

demo: $(VENV)/.core
	$(BIN)/python -m variegate.cli.demo demo

test: $(VENV)/.dev $(VENV)/.stores $(VENV)/.browser .venv-aws/.ready .venv-lambda/.ready
	$(BIN)/pytest -n auto --dist loadgroup

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Libraries written by others read what variegate wrote; see docs/labels.md. And Edge Impulse's own
# SDK sends what variegate sends.
oracles: $(VENV)/.dev .venv-oracles/.ready .venv-tools/.ready .venv-edge/.ready .venv-flags/.ready
	rm -rf .venv-oracles/work && mkdir .venv-oracles/work
	$(BIN)/python tests/oracles/write.py "$${VARIEGATE_DATA:-../shared/data}" .venv-oracles/work
	.venv-oracles/bin/python tests/oracles/read.py .venv-oracles/work
	FIFTYONE_DO_NOT_TRACK=1 .venv-tools/bin/python tests/oracles/tools.py .venv-oracles/work
	$(BIN)/python tests/oracles/flags.py "$${VARIEGATE_DATA:-../shared/data}" .venv-flags/bin/python
	EDGE_IMPULSE_PYTHON=$(CURDIR)/.venv-edge/bin/python $(BIN)/pytest tests/datasets/upload/test_edge_impulse_sdk.py

.venv-oracles/.ready: | $(BIN)/python
	$(BIN)/python -m venv .venv-oracles
	.venv-oracles/bin/python -m pip install --quiet --disable-pip-version-check \
	  supervision==0.31.2 datumaro==1.13.12 datasets==5.2.0
	touch $@

# FiftyOne, Label Studio's SDK and Edge Impulse's pin packages that the others need in other versions.
.venv-tools/.ready: | $(BIN)/python
	$(BIN)/python -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check \
	  fiftyone==1.22.1 label-studio-sdk==2.1.2
	touch $@

.venv-edge/.ready: | $(BIN)/python
	$(BIN)/python -m venv .venv-edge
	.venv-edge/bin/python -m pip install --quiet --disable-pip-version-check edgeimpulse==1.0.20
	touch $@

# What flags images by itself; apart from the others, whose packages it would change.
.venv-flags/.ready: | $(BIN)/python
	$(BIN)/python -m venv .venv-flags
	.venv-flags/bin/python -m pip install --quiet --disable-pip-version-check cleanvision==0.3.7
	touch $@

# All benchmarks, or some: make bench ONLY="whole_job labels"
bench: $(VENV)/.core $(VENV)/.stores .venv-lambda/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[aws,ray,serve]' 'moto[server,s3]>=5.2' \
	  azure-storage-blob pytest
	$(BIN)/python benchmarks/run.py $(ONLY)

# What the container image holds: the newest packages that pyproject.toml allows, and their digests.
LOCK := $(BIN)/uv --no-config pip compile --upgrade --quiet --generate-hashes --no-header --no-annotate \
  --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
  --no-emit-index-url
lock: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	cd deploy/kubernetes && \
	  ../../$(LOCK) requirements.in ../../pyproject.toml --extra ray -o requirements.lock && \
	  ../../$(LOCK) build-requirements.in -o build-requirements.lock

bench-tolerance: $(VENV)/.core
	$(BIN)/python benchmarks/run.py tolerance_search tolerance_comparison tolerance_models

# The wheel and the source archive, tried in empty environments of the Pythons that are here.
wheel: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	rm -rf dist && $(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/python tests/try_wheel.py dist

clean:
	rm -rf $(VENV) .venv-aws .venv-lambda .venv-oracles .venv-tools .venv-edge .venv-flags demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "variegate needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

# A second S3 and an Azure, written by others; tests that need them skip where there is no npm.
$(VENV)/.stores: | $(BIN)/python
	if command -v npm > /dev/null; then \
	  npm install --silent --no-audit --no-fund --prefix $(VENV)/stores s3rver@3.7.1 azurite@3.35.0; fi
	touch $@

# A headless Chromium, packed for npm; tests of pages skip where there is neither it nor another.
# axe-core looks for what keeps people from using a page.
$(VENV)/.browser: | $(BIN)/python
	if command -v npm > /dev/null && [ "$$(uname -sm)" = "Linux x86_64" ]; then \
	  npm install --silent --no-audit --no-fund --prefix $(VENV)/browser @sparticuz/chromium@153.0.0 axe-core@4.14.1 && \
	  node tests/unpack_browser.cjs $(VENV)/browser; fi
	touch $@

# sam pins much of what others need in newer versions: it has an environment of its own.
.venv-aws/.ready: | $(BIN)/python
	$(BIN)/python -m venv .venv-aws
	.venv-aws/bin/python -m pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0 parliament==1.6.4
	touch $@

# What Lambda's own interpreter has besides a function's files.
.venv-lambda/.ready: | $(BIN)/python
	$(BIN)/python -m venv .venv-lambda
	.venv-lambda/bin/python -m pip install --quiet --disable-pip-version-check awslambdaric==4.2.2 boto3
	touch $@

# torch first: what depends on it then takes the build that is there.
$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps torchvision==0.28.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.core
