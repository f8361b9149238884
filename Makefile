# Every target sets up what it needs in .venv: Python 3.11 or newer and make are enough.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 5000
DATA ?=
DOCUMENT ?= openapi.json
ARGS ?=
# Modules stay compiled: some hundred processes start here, each in a third of the time.
unexport PYTHONDONTWRITEBYTECODE
# Every core takes tests, eight at most: a worker of the training tests holds more than a gigabyte. Of those without
# TensorFlow one more runs, since some wait: for a service to start or to end, or for a time to pass.
PYTEST := -m pytest --maxprocesses 8 --dist worksteal --numprocesses
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

BIN := $(VENV)/bin
UV := .venv-uv/bin/uv
INSTALL := $(UV) pip install --quiet --python
# As pip does, uv trusts whom the system trusts, and asks the index that pip is told of.
export UV_SYSTEM_CERTS ?= true
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-annotate \
	--custom-compile-command "make lock" pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help serve openapi client docs test test-page test-clients test-training test-ray lint format bench bench-smoke hostile hostile-smoke conformance train-smoke lock audit sbom clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+%?:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(VENV)/.service ## Start the service on HOST:PORT (127.0.0.1:5000)
	@exec $(BIN)/medidiagnose serve --host $(HOST) --port $(PORT)

test: $(VENV)/.dev ## Run the tests; those that need TensorFlow skip where it is absent
	$(BIN)/python $(PYTEST) $(WORKERS) $(ARGS)

test-page: $(VENV)/.dev $(VENV)/.browser ## Try the page in the system's Chromium (apt-get install chromium); skips where there is none
	$(BIN)/python $(PYTEST) logical tests/web $(ARGS)

test-training: $(VENV)/.dev $(VENV)/.jax ## Install TensorFlow and JAX and run the training tests
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -c "import tensorflow"
	$(BIN)/python $(PYTEST) logical tests/training $(ARGS)
	KERAS_BACKEND=jax $(BIN)/python $(PYTEST) logical tests/training/test_trainer.py tests/training/test_augmentation.py $(ARGS)

test-ray: .venv-ray/.installed ## Try scoring in bulk and Ray Serve on clusters of this machine, in an environment of its own
	PYTHONPATH=. .venv-ray/bin/python -m pytest tests/scoring tests/deploy/test_ray_serve.py $(ARGS)

lint: $(VENV)/.dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint Dockerfile && echo "Dockerfile: hadolint has nothing to say"; \
	else echo "hadolint is not published for this machine: the Dockerfile is left out"; fi

openapi: $(VENV)/.dev ## Write openapi.json and its examples anew, for what ships
	$(BIN)/python -m tests.examples
	$(BIN)/medidiagnose openapi > openapi.json

client: $(VENV)/.dev .venv-clients/.installed ## Write a Python client to build/client (DOCUMENT=openapi.json)
	@PYTHONPATH=. $(BIN)/python .ci/clients.py --document $(DOCUMENT)

test-clients: $(VENV)/.dev .venv-clients/.installed build/clients/.installed ## Make clients in Python and TypeScript, check and use them; needs Node
	PYTHONPATH=. $(BIN)/python .ci/clients.py

docs: $(VENV)/.docs ## Build the documentation as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.dev ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

BENCHMARKS ?= startup tuning routes forms liveness mixed growth compare

bench: $(VENV)/.dev $(VENV)/.training ## Measure speed and memory, also of other servers; needs wrk (BENCHMARKS="routes forms")
	@for part in $(BENCHMARKS); do echo "== $$part"; $(BIN)/python -m benchmarks.$$part || exit 1; done

bench-smoke: $(VENV)/.dev ## Run a short form of the benchmarks, without other servers
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.forms --seconds 1
	@if command -v wrk >/dev/null; then \
		$(BIN)/python -m benchmarks.liveness --seconds 1 && \
		$(BIN)/python -m benchmarks.compare --rounds 1 --seconds 1 --servers; \
	else echo "wrk is not installed: liveness and compare are left out"; fi

hostile: $(VENV)/.dev ## Send what means harm, hold connections, kill and stop under load: half an hour; fails where a bar is missed
	@status=0; for part in hostile connections storms; do $(BIN)/python -m benchmarks.$$part || status=1; done; exit $$status

SMOKE ?= hostile connections storms

hostile-smoke: $(VENV)/.dev ## The same in six minutes (SMOKE="hostile connections")
	@for part in $(SMOKE); do $(BIN)/python -m benchmarks.$$part --short || exit 1; done

conformance: $(VENV)/.dev .venv-schemathesis/.installed ## Compare the service with its OpenAPI document (ARGS=--short)
	PYTHONPATH=. $(BIN)/python .ci/conformance.py $(ARGS)

train-%: $(VENV)/.training ## Make a model from DATA: skin, xray, breast, heart-record, heart-image, heart-risk, disease, pictures
	$(BIN)/medidiagnose-train $* $(if $(DATA),--data $(DATA)) $(ARGS)

train-smoke: $(VENV)/.training ## Train on a few made-up pictures in under a minute
	$(BIN)/medidiagnose-train skin --smoke $(ARGS)

lock: $(UV) ## Renew the lock files within the bounds of pyproject.toml
	@mkdir -p build
	$(COMPILE) --upgrade --extra dev --extra docs --extra training-jax --extra ray-serve --output-file build/all.lock
	$(COMPILE) --constraints build/all.lock --upgrade --output-file requirements.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra dicom --output-file requirements-dicom.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra dicom --extra otel --output-file requirements-otel.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra dicom --extra ray-serve --output-file requirements-ray.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra dev --output-file requirements-dev.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra docs --output-file requirements-docs.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra training --output-file requirements-training.lock
	$(COMPILE) --constraints build/all.lock --upgrade --extra training-jax --output-file requirements-jax.lock

audit: $(VENV)/.dev ## Look for unsafe code and for known vulnerabilities of what is installed
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive app models schemas training .ci docker
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-audit
	$(INSTALL) .venv-audit --upgrade pip-audit
	$(BIN)/python .ci/vulnerabilities.py .venv-audit/bin/pip-audit requirements.lock requirements-otel.lock requirements-ray.lock requirements-jax.lock

sbom: $(UV) ## Write build/sbom.json (CycloneDX): what the image's environment holds, with licences
	@rm -rf .venv-sbom && mkdir -p build
	$(UV) venv --quiet --python $(PYTHON) .venv-sbom
	$(INSTALL) .venv-sbom cyclonedx-bom
	docker/install dependencies .venv-sbom/service >/dev/null
	docker/install service .venv-sbom/service >/dev/null
	.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.json .venv-sbom/service/bin/python

clean: ## Remove the environments, caches and build output
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What installs everything here, in a tenth of pip's time.
$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip --disable-pip-version-check --quiet install uv==0.13.9

# A stamp says what .venv holds, so that a second start installs nothing.
$(VENV)/bin/python: | $(UV)
	$(UV) venv --quiet --seed --python $(PYTHON) $(VENV)

# In an environment of its own, as nothing else needs its dependencies; read as a test, not shipped.
.venv-schemathesis/.installed: | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-schemathesis
	$(INSTALL) .venv-schemathesis schemathesis==4.32.5
	@touch $@

# The generator of Python clients, whose dependencies nothing else needs, what the client it makes imports, and NVIDIA's.
.venv-clients/.installed: Makefile | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-clients
	$(INSTALL) .venv-clients openapi-python-client==0.29.1 "tritonclient[http]==2.73.0"
	@touch $@

# For TypeScript and the linters of the document: exact versions, no script of a package runs.
build/clients/.installed: $(wildcard .ci/clients/package*.json) .ci/clients/.npmrc
	@mkdir -p build/clients && cp $^ build/clients
	npm ci --prefix build/clients --silent
	@touch $@

$(VENV)/.service: requirements.lock pyproject.toml | $(VENV)/bin/python $(UV)
	$(INSTALL) $(BIN)/python --requirement requirements.lock
	$(INSTALL) $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.service
	$(INSTALL) $(BIN)/python --requirement requirements-dev.lock
	@touch $@

# What drives a browser, and axe: for tests alone, and as large as the service, so in no lock.
$(VENV)/.browser: | $(VENV)/.dev
	$(INSTALL) $(BIN)/python playwright==1.65.2
	$(INSTALL) $(BIN)/python --no-deps axe-playwright-python==0.1.8
	@touch $@

# Ray weighs as much as TensorFlow, and the service runs without it.
.venv-ray/.installed: requirements-ray.lock requirements-dev.lock
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip --disable-pip-version-check --quiet install -r requirements-ray.lock -r requirements-dev.lock
	@touch $@

$(VENV)/.docs: requirements-docs.lock $(VENV)/.service
	$(INSTALL) $(BIN)/python --requirement requirements-docs.lock
	@touch $@

$(VENV)/.training: requirements-training.lock $(VENV)/.service
	$(INSTALL) $(BIN)/python --requirement requirements-training.lock
	@touch $@

$(VENV)/.jax: requirements-jax.lock $(VENV)/.training
	$(INSTALL) $(BIN)/python --requirement requirements-jax.lock
	@touch $@
