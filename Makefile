# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BUNDLES := $(wildcard published/*.bundle)
NAMES := $(notdir $(basename $(BUNDLES)))

# uv installs, from where pip is configured to look. With PIP_ARGS, options of pip, pip does: it takes twice as long.
PIP_ARGS ?=
PIP := $(BIN)/python -m pip install $(PIP_ARGS)
INSTALL := $(if $(PIP_ARGS),$(PIP),$(BIN)/python tools/install.py)
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX

.PHONY: setup demo figures published pages pictures test test-long lab viewer lock check baseline bench characteristics coverage
setup: $(READY)

# uv itself comes from the lock file, by pip. At the end what the first study would compile and look for is prepared.
# The stamp is written last: an interrupted installation is started again.
$(READY): requirements.lock weights.lock pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit('python is %d.%d, expected 3.11 to 3.13: name one, as in make setup PYTHON=python3.12' % v)"
	@echo "Installing into .venv. On Linux: 3 GB to download, 6 GB of disk, most of it CUDA, which torch comes with."
	$(PYTHON) -m venv --clear .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	$(PIP) --require-hashes -r .venv/uv.lock
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --require-hashes --no-deps --no-build-isolation -r weights.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q brats_al_utils
	$(BIN)/python -c "import matplotlib.font_manager"
	test ! -e .git || { git config filter.without-outputs.clean "$(PYTHON) brats_al_utils/show/saving.py" && \
		git config filter.without-outputs.smudge cat && git config filter.without-outputs.required true; }
	touch $@

# STUDY="--profile smoke --out DIR" is all of it in a minute or two; the tests run that.
STUDY ?= --profile demo
demo: setup
	$(BIN)/brats-al run $(STUDY)
	$(BIN)/brats-al report $(STUDY)

# Every table and figure of the studies that are published here: no images, no training. What has changed since the
# stamp is drawn again: all of them, or where only bundles have, these. So are those whose report was deleted.
DRAWN := outputs/published/.drawn
REPORTS := $(NAMES:%=outputs/published/%/report/index.html)
GONE := $(filter-out $(wildcard $(REPORTS)),$(REPORTS))
SOURCES := $(shell find brats_al_utils notebooks/[0-9]*.ipynb -type f ! -name '*.pyc' ! -name '* *')
figures: $(DRAWN)

.PHONY: $(GONE)
$(DRAWN): $(BUNDLES) $(SOURCES) $(GONE) | setup
	$(BIN)/brats-al figures $(if $(filter-out $(BUNDLES) $(GONE),$?),$(BUNDLES),$(sort $(filter %.bundle,$?) \
		$(GONE:outputs/%/report/index.html=%.bundle)))
	touch $@

# Those that git keeps: nothing else writes into figures/published, so that no study of a user's changes what git tracks.
published: figures
	rm -rf figures/published
	for name in $(NAMES); do mkdir -p figures/published/$$name && \
		cp outputs/published/$$name/figures/*.svg outputs/published/$$name/figures/*.csv figures/published/$$name || exit 1; done
	$(if $(filter published/open.bundle,$(BUNDLES)),$(BIN)/python tools/answers.py)
	$(if $(filter published/open.bundle,$(BUNDLES)),$(BIN)/python tools/copies.py \
		outputs/published/open/notebooks published/notebooks/open)

# Their reports as one site, in outputs/pages: .github/workflows/pages.yml puts it on a branch for GitHub's pages.
pages: figures
	rm -rf outputs/pages
	mkdir -p outputs/pages
	touch outputs/pages/.nojekyll
	for name in $(NAMES); do cp -r outputs/published/$$name/report outputs/pages/$$name || exit 1; done
	printf '<!doctype html><html lang="en"><title>brats-al</title><h1>Reports</h1><ul>' > outputs/pages/index.html
	printf '<li><a href="%s/index.html">%s</a></li>' $(foreach name,$(NAMES),$(name) $(name)) >> outputs/pages/index.html

# README's pictures, taken in a browser (chromium and chromedriver): of a published study's report, and of the desk.
PICTURED ?= lgg
pictures: figures
	$(BIN)/python tools/pictures.py outputs/published/$(PICTURED)/report/index.html docs/pictures

# Tests run in two processes, one thread each: two threads that wait for each other on busy cores take ten times as long.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: setup check
	$(PYTEST)

# These and the campaigns of minutes each: kills, a cluster, a benchmark, hundreds of patients, simulations.
test-long: setup
	$(PYTEST) -m ""

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# What the smoke study gives, for tests/test_regression.py.
baseline: setup
	rm -rf outputs/baseline
	$(BIN)/brats-al run --profile smoke --out outputs/baseline
	$(BIN)/python tests/test_regression.py outputs/baseline

# Speed beside the usual tools, in an environment of its own: theirs are in it, and .venv's packages by reference.
BENCH := $(subst .venv,.venv-bench,$(BIN))
BENCH_READY := .venv-bench/.ready
BENCH_PROFILE ?= demo
BENCH_OPTIONS ?=
BENCH_STUDY ?=

$(BENCH_READY): $(READY) benchmarks/requirements.txt
	$(BIN)/python -m venv --clear --without-pip .venv-bench
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
		> "$$($(BENCH)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/shared.pth"
	$(BIN)/python -m pip --python $(BENCH)/python install $(PIP_ARGS) --require-hashes --no-deps \
		-r benchmarks/requirements.txt
	touch $@

# The table and the plot are benchmarks/results/summary.csv and .svg; the study's overhead takes a whole demo.
# Quicker: BENCH_PROFILE=smoke BENCH_OPTIONS="--repetitions 1" BENCH_STUDY="--out DIR --seconds N", of a finished one.
bench: $(BENCH_READY)
	$(BIN)/python benchmarks/startup.py $(BENCH_OPTIONS)
	$(BENCH)/python benchmarks/training.py $(BENCH_OPTIONS)
	$(BENCH)/python benchmarks/preparation.py $(BENCH_OPTIONS)
	$(BIN)/python benchmarks/overhead.py --profile $(BENCH_PROFILE) $(BENCH_STUDY)
	$(BIN)/python benchmarks/summary.py

# How often each verdict is given when the truth is known: docs/operating_characteristics.csv and .md.
characteristics: setup
	$(BIN)/python -m brats_al_utils.beyond.population.operating docs

# How often an interval holds the truth: docs/coverage.csv and .md, in a quarter of an hour of one core.
coverage: setup
	$(BIN)/python tests/known_truth.py docs

# JupyterLab on loopback, with the token that it prints; its settings are those of notebooks/.lab.
# It refuses root unless it is told: in a container, everyone is root. With a proxy of SOCKS it would not start.
LAB = --LabApp.default_url /lab/tree/README.md --LabApp.app_settings_dir "$(CURDIR)/notebooks/.lab" \
	--ContentsManager.pre_save_hook brats_al_utils.show.saving.without_outputs \
	$(if $(filter 0,$(shell id -u)),--allow-root)
PROXIES = http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
lab: setup
	env $(foreach name,$(PROXIES),$(if $(filter socks%,$($(name))),-u $(name))) $(BIN)/jupyter lab --ip 127.0.0.1 --notebook-dir notebooks $(LAB)

# Volumes in 3-D in notebook 09.
viewer: setup
	$(INSTALL) --require-hashes --no-deps -r viewer.lock

# Resolves the lock file anew, for every platform and Python version that pyproject.toml names.
lock: setup
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --fork-strategy fewest --no-emit-index-url \
		--extra dev pyproject.toml --output-file requirements.lock --upgrade
