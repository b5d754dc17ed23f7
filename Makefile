# Two commands do everything: `make replicate` and `make test`. Each first installs what it needs into .venv.
# Tools are called as `.venv/bin/python -m TOOL`, so that nothing depends on an activated environment or on the
# console scripts, whose first line holds an absolute path.

#: PROFILE     smoke (generated faces, minutes), quick (few epochs) or paper (the papers' settings);
#:             default smoke, or paper where FER_DATA is given
#: FER_DATA    folder with your copies of fer2013, ckplus, genki4k, olivetti (each a folder, an archive or a file)
#: FER_OUTPUT  folder to write results and figures in; default this one
#: WEIGHTS     of the trunk: imagenet, none, random_frozen or a file; default what the profile says
#: TRUNK       what runs the frozen trunk: keras-float32, keras-bfloat16 (for a GPU), openvino-float32 or
#:             openvino-bfloat16 (for a CPU); default what the profile says
#: DRAW_FACES  no draws generated faces where figures would show real people's: for results that are published
#: SEEDS       seeds to run, such as SEEDS="0 1 2"; default 0
#: BASELINE_SEEDS  those of them that train the traditional CNN; default all of SEEDS
#: JOBS        notebooks that run at the same time; default 1, on a cluster 20
#: CLUSTER     slurm submits each notebook as a job of its own, by workflow/profiles/slurm; default this machine
#: GPUS        GPUs that a training asks a cluster for, 1 or 0; default 1 (smoke none)
#: PYTHON      the Python that makes .venv; default the first on the PATH that is 3.11, 3.12 or 3.13
#: BENCH       which of benchmarks/bench_*.py `make bench` runs, such as BENCH=csv_load; default all
#: PYTEST_FLAGS, LAB_FLAGS, BENCH_FLAGS, STRESS_FLAGS  passed on by `make test`, `make lab`, `make bench`, `make stress`
SEEDS ?= 0

PY := .venv/bin/python
STAMP := .venv/.installed
OUTPUT = $${FER_OUTPUT:+$$FER_OUTPUT/}
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# Real data asks for the real experiment; say so, because it takes far longer than smoke.
ifeq ($(strip $(PROFILE)),)
ifneq ($(strip $(FER_DATA)),)
override PROFILE := paper
PROFILE_NOTE := PROFILE is paper because FER_DATA is given; PROFILE=quick is the version of a few epochs.
else
override PROFILE := smoke
endif
endif
PROFILES := $(filter-out %schema,$(patsubst fer_lib/settings/profiles/%.yaml,%,$(sort $(wildcard fer_lib/settings/profiles/*.yaml))))

CLUSTERS := $(patsubst workflow/profiles/%/config.yaml,%,$(sort $(wildcard workflow/profiles/*/config.yaml)))

BENCHES := $(patsubst benchmarks/bench_%.py,%,$(sort $(wildcard benchmarks/bench_*.py)))

# TensorFlow's C++ start-up notes (oneDNN, CUDA probing) would bury the lines that matter. PYTHONHASHSEED is left alone
# on purpose: no result may depend on it, and fixing it here would hide one that does.
TF_CPP_MIN_LOG_LEVEL ?= 2
export TF_CPP_MIN_LOG_LEVEL

# Typed, not inherited: a cluster's own environment may well hold these two names.
$(foreach name,CLUSTER GPUS,$(if $(filter command,$(origin $(name))),,$(eval override $(name) :=)))

# What a user types reaches the shell in the environment, not as text, so that any character is safe. Make passes on by
# itself what was typed; these two also have defaults.
export PROFILE SEEDS

.DEFAULT_GOAL := help
.PHONY: help replicate test lab bench stress report install arguments FORCE
# The arguments are checked before minutes of installing, also under `make -j`.
.NOTPARALLEL:

help: ## say what there is to make (this text)
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 } \
	    /^#: / { vars = vars "\n  " substr($$0, 4) } END { print "\nVariables:" vars }' Makefile

replicate: arguments $(STAMP) ## run all notebooks of PROFILE; leave tables, figures and a report
	@$(call snakemake,)
	@printf '%s\n' "Report:  $(OUTPUT)results/$(PROFILE)/report.html" "Tables:  $(OUTPUT)results/$(PROFILE)" \
	    "Figures: $(OUTPUT)figures/$(PROFILE)"

# These in one process, all other tests beside them in another: two cores, half the time.
CHAIN := notebooks tests/project/test_smoke_results.py tests/project/test_pipeline.py tests/project/test_workflow.py tests/audit

test: $(STAMP) ## lint, then run every test and check every notebook's outputs
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(data_folder); $(if $(PYTEST_FLAGS),exec $(PY) -m pytest $(PYTEST_FLAGS);) \
	others=$$(mktemp); trap 'rm -f "$$others"' EXIT; \
	$(PY) -m pytest -q tests $(patsubst %,--ignore=%,$(filter tests/%,$(CHAIN))) >"$$others" 2>&1 & beside=$$!; \
	code=0; $(PY) -m pytest $(CHAIN) || code=$$?; wait $$beside || code=$$?; cat "$$others"; exit $$code

lab: $(STAMP) ## open the notebooks in JupyterLab
	@$(data_folder); $(PY) -m jupyterlab --notebook-dir=notebooks $(LAB_FLAGS)

bench: $(STAMP) ## measure every speed claim beside the usual way (BENCH names one; FER_DATA gives real faces)
	$(if $(filter-out $(BENCHES),$(BENCH)),$(error BENCH=$(BENCH) is no benchmark: give some of $(BENCHES)))
	@set -e; $(data_folder); export FER_DATA; for name in $(or $(BENCH),$(BENCHES)); do \
	    echo "== $$name"; $(PY) benchmarks/bench_$$name.py $(BENCH_FLAGS); done

stress: $(STAMP) ## kill, fill, lock and interrupt the chain; its results must stay the same (an hour)
	@$(PY) -m stress.run $(STRESS_FLAGS)

report: arguments $(STAMP) ## rebuild the report of PROFILE from the results at hand, training nothing
	@[ -d "$(OUTPUT)results/$(PROFILE)" ] || { printf '%s\n' \
	    "$(OUTPUT)results/$(PROFILE) does not exist: run \`make replicate PROFILE=$(PROFILE)\` first." >&2; exit 2; }
	@$(call snakemake,report --forcerun report --allowed-rules report)
	@printf '%s\n' "Report:  $(OUTPUT)results/$(PROFILE)/report.html"

install: $(STAMP) ## only install, into .venv (uv where it is on the PATH, else pip)

# Shells other than bash leave a leading ~ to us. The data folder becomes absolute, because notebooks run in theirs.
define home
case $${$(1)-} in '~/'*) $(1)=$$HOME/$${$(1)#??};; esac
endef
define data_folder
$(call home,FER_DATA); case $${FER_DATA-} in ''|/*) ;; *) FER_DATA=$$PWD/$$FER_DATA;; esac
endef

# Paths go by the environment: Snakemake would strip their quotes, read the rest as YAML, and hand it to a cluster's jobs
# through two more shells.
# --nolock: a run that was killed must go on with the same command, and the lock it leaves behind would forbid that.
define snakemake
$(data_folder); export FER_DATA; $(call home,WEIGHTS); [ -z "$${WEIGHTS-}" ] || export FER_WEIGHTS="$$WEIGHTS"; \
exec $(PY) -m snakemake $(1) --snakefile Snakefile --rerun-incomplete --nolock \
    $(if $(CLUSTER),--workflow-profile "workflow/profiles/$$CLUSTER" $(JOBS:%=--jobs %),--quiet host reason rules \
        --cores $(or $(JOBS),1)) \
    --config 'profile=$(PROFILE)' "seeds=$$SEEDS" $${BASELINE_SEEDS:+"baseline_seeds=$$BASELINE_SEEDS"} \
    $${TRUNK:+"trunk=$$TRUNK"} $${GPUS:+"gpus=$$GPUS"} $${DRAW_FACES:+"draw_faces=$$DRAW_FACES"}
endef

arguments:
	@for profile in $(PROFILES); do [ "$$profile" != "$$PROFILE" ] || exit 0; done; \
	printf '%s\n' "PROFILE=$$PROFILE is unknown: choose one of $(PROFILES)." >&2; exit 2
	@$(data_folder); [ -z "$${FER_DATA-}" ] || [ -e "$$FER_DATA" ] || { \
	    printf '%s\n' "FER_DATA=$$FER_DATA does not exist: give the folder that holds the corpora." >&2; exit 2; }
	@$(call home,WEIGHTS); case $${WEIGHTS-} in ''|imagenet|none|random_frozen) ;; *) [ -f "$$WEIGHTS" ] || { \
	    printf '%s\n' "WEIGHTS=$$WEIGHTS is no file: give imagenet, none, random_frozen or a weights file." >&2; \
	    exit 2; };; esac
	@case $${TRUNK-} in ''|keras-float32|keras-bfloat16|openvino-float32|openvino-bfloat16) ;; *) printf '%s\n' \
	    "TRUNK=$$TRUNK is unknown: give keras-float32, keras-bfloat16, openvino-float32 or openvino-bfloat16." >&2; \
	    exit 2;; esac
	@for cluster in '' $(CLUSTERS); do [ "$$cluster" != "$${CLUSTER-}" ] || exit 0; done; \
	printf '%s\n' "CLUSTER=$$CLUSTER is unknown: choose one of $(CLUSTERS), the folders of workflow/profiles." >&2; exit 2
	@for seed in $${BASELINE_SEEDS-}; do case " $$SEEDS " in *" $$seed "*) ;; *) printf '%s\n' \
	    "BASELINE_SEEDS=$$BASELINE_SEEDS must be among SEEDS=$$SEEDS." >&2; exit 2;; esac; done
	@case $${GPUS-} in ''|0|1) ;; *) printf '%s\n' "GPUS=$$GPUS must be 0 or 1: a training uses one." >&2; exit 2;; esac
	@case $${JOBS-} in *[!0-9]*|0) printf '%s\n' "JOBS=$$JOBS must be a number of notebooks, 1 or more." >&2; exit 2;; esac
	@$(if $(PROFILE_NOTE),echo '$(PROFILE_NOTE)',:)

# The stamp holds the folder that .venv was made in. Where that has moved or its Python has gone or changed, the stamp
# means nothing.
ifneq ($(shell [ "$$(cat $(STAMP) 2>/dev/null)" = "$$(pwd -P)" ] && $(PY) -c '$(FITS)' 2>/dev/null && echo good),good)
$(STAMP): FORCE
endif

# .venv/.installing marks an install under way; one that was interrupted may have left half a package that pip and uv
# take for a whole one, so .venv is then made anew, from its base Python in case .venv itself is activated.
$(STAMP): requirements.lock pyproject.toml
	@set -eu; busy=.venv/.installing; fail() { printf '%s\n' "$$*" >&2; exit 2; }; \
	if [ -e $$busy ] && kill -0 "$$(cat $$busy)" 2>/dev/null; then \
	    fail "Another make (process $$(cat $$busy)) is installing into .venv: wait for it, or remove .venv."; fi; \
	uv=; ! uv --version >/dev/null 2>&1 || uv=uv; \
	if [ -e $$busy ] || ! $(PY) -c '$(FITS)' 2>/dev/null || \
	    { [ -e $(STAMP) ] && [ "$$(cat $(STAMP))" != "$$(pwd -P)" ]; }; then \
	    $(call home,PYTHON); python=; bare=; \
	    if [ "$${PYTHON-}" ]; then set -- "$$PYTHON"; else set -- python3.11 python3.12 python3.13 python3 python; fi; \
	    for name; do \
	        "$$name" -c '$(FITS)' >/dev/null 2>&1 || continue; \
	        bare=$$name; [ "$$uv" ] || "$$name" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	        python=$$("$$name" -c 'import sys; print(sys._base_executable)'); break; \
	    done; \
	    [ "$$python" ] || [ -z "$$bare" ] || \
	        fail "$$bare has no venv module: install it (on Debian and Ubuntu the package python3-venv), or install uv."; \
	    [ "$$python" ] || [ -z "$${PYTHON:-}" ] || \
	        fail "PYTHON=$$PYTHON is not a Python that works here: name a Python 3.11, 3.12 or 3.13."; \
	    [ "$$python" ] || \
	        fail "No Python 3.11, 3.12 or 3.13 is on the PATH: install one, or name it with PYTHON=/path/to/python."; \
	    [ ! -e .venv ] || echo "Making .venv anew: it was left unfinished, has moved, or is not of Python 3.11 to 3.13."; \
	    rm -rf .venv; mkdir .venv; echo $$$$ >$$busy; \
	    if [ "$$uv" ]; then uv venv --quiet --allow-existing --seed --python "$$python" .venv; \
	    else "$$python" -m venv .venv; fi; \
	fi; \
	echo $$$$ >$$busy; \
	echo "Installing requirements.lock into .venv with $${uv:-pip} (4 GB; minutes the first time) ..."; \
	if [ "$$uv" ]; then set -- uv pip install --quiet --python $(PY); \
	else \
	    $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; \
	    set -- $(PY) -m pip install -qq --disable-pip-version-check; \
	fi; \
	{ "$$@" -r requirements.lock && "$$@" --no-deps --no-build-isolation -e .; } || { \
	    [ $$? -gt 128 ] || rm $$busy; \
	    fail "The install failed for the reason above; to go on from there, repeat the command."; }; \
	pwd -P >$(STAMP); rm $$busy
