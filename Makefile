# Two commands do everything: `make replicate` and `make test`. Each first installs its requirements into .venv.
# Tools are called as `.venv/bin/python -m TOOL`, so that no environment has to be active.

#: PROFILE     smoke (generated faces, minutes), quick (few epochs), paper (the papers' settings) or your own YAML file;
#:             default smoke, or paper where FER_DATA is given
#: FER_DATA    folder with your copies of fer2013, ckplus, genki4k, olivetti (each a folder, an archive or a file)
#: FER_OUTPUT  folder for results and figures; default this one
#: WEIGHTS     weights of the trunk: imagenet, none, random_frozen, a file, or pretrain (makes them first, from
#:             tiny-imagenet-200 in FER_DATA); default the profile's
#: TRUNK       engine and precision of the frozen trunk: keras-float32, keras-bfloat16 (for a GPU), openvino-float32 or
#:             openvino-bfloat16 (for a CPU); default the profile's
#: LABELS      ferplus, ferplus_votes, ferplus8 or ferplus8_votes: labels by the votes in fer2013new.csv; default fer2013
#: TEST_SPLIT  the part of FER-2013 to test on: PrivateTest or PublicTest; default the profile's, PrivateTest
#: SKIP_BAD    yes: leave damaged images out and count them, instead of stopping; default the profile's, no
#: DRAW_FACES  no: figures show generated faces instead of real people's, for results that you publish
#: SEEDS       seeds to run, such as SEEDS="0 1 2"; default 0
#: BASELINE_SEEDS  those of SEEDS that also train the traditional CNN; default all
#: JOBS        notebooks that run at the same time; default 1 (smoke 2), on a cluster 20
#: CLUSTER     slurm submits each notebook as a job, with workflow/profiles/slurm; default this computer
#: GPUS        GPUs that a training requests on a cluster, 1 or 0; default 1 (smoke none)
#: PYTHON      the Python that creates .venv; default the first on the PATH that is 3.11, 3.12 or 3.13
#: RESOLUTION  lowest: test with the lowest versions that pyproject.toml allows, in .venv-lowest; default the lock's
#: FER_STATE   folder for what tools keep besides results, such as Snakemake's records; default their usual places
#: BENCH       which of benchmarks/bench_*.py `make bench` runs, such as BENCH=csv_load; default all
#: JUNIT       folder for `make test`'s reports in JUnit's format, with the time of each test
#: PYTEST_FLAGS, LAB_FLAGS, BENCH_FLAGS, STRESS_FLAGS  passed on by `make test`, `make lab`, `make bench`, `make stress`

VENV = .venv$(if $(RESOLUTION),-$(RESOLUTION))
PY = $(VENV)/bin/python
STAMP = $(VENV)/.installed
UV = $$(uv --version >/dev/null 2>&1 && echo uv || echo $(PY) -m uv)
BENCHES := $(patsubst benchmarks/bench_%.py,%,$(sort $(wildcard benchmarks/bench_*.py)))
# Tests of one process; all other tests run in another, so that two cores halve the time.
CHAIN := notebooks tests/project tests/audit tests/figures tests/models tests/stress tests/tables

# Python may keep what it has compiled. Container images often forbid that, and then every notebook and every test's
# process compiles TensorFlow again, for ten seconds.
unexport PYTHONDONTWRITEBYTECODE
# Hide TensorFlow's start-up notes, which bury the lines that matter. PYTHONHASHSEED is unset: no result depends on it.
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Accept these only on the command line: a cluster's own environment may contain the same names.
$(foreach name,CLUSTER GPUS RESOLUTION,$(if $(filter command,$(origin $(name))),,$(eval override $(name) :=)))
# Make the data folder's path absolute, because notebooks run in their own folder.
data_folder = case $${FER_DATA:-/} in /*|'~'*) ;; *) export FER_DATA="$$PWD/$$FER_DATA";; esac

.DEFAULT_GOAL := help
.PHONY: help install replicate test lab bench stress report docs FORCE

help: ## print this text
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 } \
	    /^#: / { vars = vars "\n  " substr($$0, 4) } END { print "\nVariables:" vars }' Makefile

install: $(STAMP) ## only install, into .venv (with uv, which is installed there as well unless it is on the PATH)

replicate: $(STAMP) ## run all notebooks of PROFILE; write tables, figures and a report
	@exec $(PY) workflow/run.py

test: $(STAMP) ## lint and check types, then run every test and check every notebook's outputs
	@$(if $(RESOLUTION),,$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy --no-error-summary)
	@$(data_folder); $(if $(PYTEST_FLAGS),exec $(PY) -m pytest $(PYTEST_FLAGS);) \
	others=$$(mktemp); trap 'rm -f "$$others"' EXIT; \
	$(PY) -m pytest -q tests $(patsubst %,--ignore=%,$(filter tests/%,$(CHAIN))) $(if $(JUNIT),--junitxml='$(JUNIT)/others.xml') >"$$others" 2>&1 & other=$$!; \
	code=0; $(PY) -m pytest $(CHAIN) $(if $(JUNIT),--junitxml='$(JUNIT)/chain.xml') || code=$$?; wait $$other || code=$$?; cat "$$others"; exit $$code

lab: $(STAMP) ## open the notebooks in JupyterLab
	@$(data_folder); exec $(PY) workflow/lab.py $(LAB_FLAGS)

bench: $(STAMP) ## measure every speed claim against the usual way (BENCH names one; FER_DATA gives real faces)
	$(if $(filter-out $(BENCHES),$(BENCH)),$(error BENCH=$(BENCH) is no benchmark: give some of $(BENCHES)))
	@set -e; $(data_folder); for name in $(or $(BENCH),$(BENCHES)); do \
	    echo "== $$name"; $(PY) benchmarks/bench_$$name.py $(BENCH_FLAGS); done

stress: $(STAMP) ## kill, fill, lock and interrupt the chain; its results must stay the same (an hour and a half)
	@exec $(PY) -m pytest -m stress tests/stress $(STRESS_FLAGS)

report: $(STAMP) ## build the report of PROFILE again from the results that exist, training nothing
	@exec $(PY) workflow/run.py report

docs: $(STAMP) ## build the site of notebooks, docs and API in docs/_build/html
	@exec $(UV) run --quiet --isolated --locked --extra docs python -m sphinx -qW --keep-going \
	    -c docs -d docs/_build/doctrees . docs/_build/html

ifneq ($(shell RESOLUTION='$(RESOLUTION)' sh workflow/install.sh --check),yes)
$(STAMP): FORCE
endif
$(STAMP): uv.lock pyproject.toml
	@sh workflow/install.sh
