# The order of the notebooks and nothing else: one papermill job a notebook, one a seed for those that train.
# make replicate PROFILE=quick FER_DATA=<folder> SEEDS="0 1 2"; or snakemake --cores 2 --config profile=quick ...
# On a cluster: --workflow-profile workflow/profiles/slurm; what a job asks for there stands in workflow/resources.smk.

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, os.getcwd())  # the library of this folder

from fer_lib.datasets import sources
from fer_lib.errors import FerError
from fer_lib.settings import TRUNKS, WEIGHTS_NAMES, experiment, load_profile

PROFILE = config.get("profile", "smoke")
SEEDS = str(config.get("seeds", "0")).split()
BASELINE_SEEDS = str(config.get("baseline_seeds", " ".join(SEEDS))).split()  # of the traditional CNN
if odd := [seed for seed in SEEDS if not re.fullmatch(r"\d+", seed)]:
    raise WorkflowError(f"SEEDS has {odd[0]!r}: give whole numbers from 0 on, such as SEEDS=\"0 1 2\".")
if not set(BASELINE_SEEDS) <= set(SEEDS):
    raise WorkflowError(f"baseline_seeds {' '.join(BASELINE_SEEDS)} must be among the seeds {' '.join(SEEDS)}.")
DRAW_FACES = str(config.get("draw_faces", "yes")).lower() not in ("no", "false", "0")
RESULTS = str(Path(os.path.expanduser(os.environ.get("FER_OUTPUT", "")), "results", PROFILE))

# Paths travel in the environment, not as notebook parameters: an executed notebook names no machine's folder. The same
# environment reaches the jobs of a cluster, whose command line would garble a path's odd characters.
for key, variable in {"data_dir": "FER_DATA", "weights": "FER_WEIGHTS", "trunk": "FER_TRUNK"}.items():
    if value := str(config.get(key) or os.environ.get(variable, "")):
        is_path = variable == "FER_DATA" or (variable == "FER_WEIGHTS" and value not in WEIGHTS_NAMES)
        os.environ[variable] = str(Path(value).expanduser().resolve()) if is_path else value

if (trunk := os.environ.get("FER_TRUNK")) and trunk not in TRUNKS:
    raise WorkflowError(f"The trunk {trunk} is unknown: give one of {', '.join(TRUNKS)}.")

# not used by the shell commands: another data folder, other weights or another trunk make every notebook run again
SOURCES = [os.environ.get(name, "") for name in ("FER_DATA", "FER_WEIGHTS", "FER_TRUNK")]

if PROFILE == "smoke" and any(SOURCES):
    print("Profile smoke draws its faces and takes no data, weights or trunk: use quick or paper.", file=sys.stderr)

# What the profile names beside chen2023's own reading, of the first seed each, but for what changes nothing of it. And a
# corpus that the data folder does not hold is named, and the notebooks that cannot do without it are left out.
KNOWN = PROFILE != "smoke" and SOURCES[0]  # without a data folder the notebooks say what is missing, or draw faces
try:
    SETTINGS = load_profile(PROFILE)
    OWN = experiment(SETTINGS, "resnet50_mlp")
    VARIANTS = [name for name in SETTINGS.variants if experiment(SETTINGS, "resnet50_mlp", variant=name) != OWN]
    HELD = {
        name: not KNOWN or sources.find_corpus(SOURCES[0], name, missing_ok=True) is not None
        for name in ("ckplus", "genki4k", "olivetti")
    }
except FerError as error:  # one sentence, without the frames of other errors
    raise WorkflowError(str(error)) from None
for name in [name for name, held in HELD.items() if not held]:
    print(f"{name} is not in the data folder: its results are left out.", file=sys.stderr)
STUDIES = [f"04_resnet_svm_seed{seed}" for seed in SEEDS if HELD["ckplus"]]
STUDIES += [f"07_comparators_seed{SEEDS[0]}"] if HELD["ckplus"] else []
STUDIES += [f"06_lenet_study_seed{SEEDS[0]}"] if HELD["ckplus"] or HELD["olivetti"] else []

LIBRARY = sorted(str(path) for path in Path("fer_lib").rglob("*") if path.suffix in (".py", ".yaml", ".json", ".css"))

EXECUTE = (
    f"env {{resources.device}} bash workflow/execute.sh {sys.executable!r} {{input.notebook}} {{output.notebook:q}}"
    " {params.given}"
)


include: "workflow/resources.smk"
include: "workflow/one_run.smk"
include: "workflow/made_here.smk"


wildcard_constraints:
    seed=r"\d+",


rule all:
    input:
        f"{RESULTS}/report.html",


rule untrained:
    message: "{wildcards.name}"
    input:
        notebook="notebooks/{name}.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
    output:
        notebook=f"{RESULTS}/notebooks/{{name}}.ipynb",
    wildcard_constraints:
        name="01_data_exploration|02_preprocessing",
    priority: 1  # before anything trains: what is wrong with the data shows there
    params:
        given=f"-p profile {PROFILE} -p draw_faces {DRAW_FACES}",
        sources=SOURCES,
    resources:
        **resources_of("untrained"),
    shell:
        EXECUTE


rule resnet50_mlp:
    message: "03_resnet50_mlp, seed {wildcards.seed}"
    input:
        notebook="notebooks/03_resnet50_mlp.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
        before=f"{RESULTS}/notebooks/02_preprocessing.ipynb",
    output:
        notebook=f"{RESULTS}/notebooks/03_resnet50_mlp_seed{{seed}}.ipynb",
    params:
        given=lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed}",
        sources=SOURCES,
    resources:
        **resources_of("resnet50_mlp"),
    shell:
        EXECUTE


rule resnet50_mlp_variant:
    message: "03_resnet50_mlp, variant {wildcards.variant}, seed {wildcards.seed}"
    input:
        notebook="notebooks/03_resnet50_mlp.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
        before=f"{RESULTS}/notebooks/02_preprocessing.ipynb",
    output:
        notebook=f"{RESULTS}/notebooks/03_resnet50_mlp-{{variant}}_seed{{seed}}.ipynb",
    wildcard_constraints:
        variant=r"\w+",
    params:
        given=lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed} -p variant {wildcards.variant}",
        sources=SOURCES,
    resources:
        **resources_of("resnet50_mlp_variant"),
    shell:
        EXECUTE


rule baseline_cnn:
    message: "05_baseline_cnn, seed {wildcards.seed}"
    input:
        notebook="notebooks/05_baseline_cnn.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
        before=f"{RESULTS}/notebooks/03_resnet50_mlp_seed{{seed}}.ipynb",
    output:
        notebook=f"{RESULTS}/notebooks/05_baseline_cnn_seed{{seed}}.ipynb",
    params:
        given=lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed}",
        sources=SOURCES,
    resources:
        **resources_of("baseline_cnn"),
    shell:
        EXECUTE


rule resnet_svm:
    message: "04_resnet_svm, seed {wildcards.seed}"
    input:
        notebook="notebooks/04_resnet_svm.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
        before=f"{RESULTS}/notebooks/02_preprocessing.ipynb",
    output:
        notebook=f"{RESULTS}/notebooks/04_resnet_svm_seed{{seed}}.ipynb",
    params:
        given=lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed} -p draw_faces {DRAW_FACES}",
        sources=SOURCES,
    resources:
        **resources_of("resnet_svm"),
    shell:
        EXECUTE


rule lenet_study:
    message: "06_lenet_study"
    input:
        notebook="notebooks/06_lenet_study.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
        before=f"{RESULTS}/notebooks/02_preprocessing.ipynb",
    output:
        notebook=f"{RESULTS}/notebooks/06_lenet_study_seed{{seed}}.ipynb",
    params:
        given=lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed}",
        sources=SOURCES,
    resources:
        **resources_of("lenet_study"),
    shell:
        EXECUTE


rule comparators:
    message: "07_comparators"
    input:
        notebook="notebooks/07_comparators.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
        before=f"{RESULTS}/notebooks/04_resnet_svm_seed{{seed}}.ipynb",
    output:
        notebook=f"{RESULTS}/notebooks/07_comparators_seed{{seed}}.ipynb",
    params:
        given=lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed}",
        sources=SOURCES,
    resources:
        **resources_of("comparators"),
    shell:
        EXECUTE


rule report:
    message: "08_replication_report"
    input:
        explored=f"{RESULTS}/notebooks/01_data_exploration.ipynb",
        trained=expand(f"{RESULTS}/notebooks/03_resnet50_mlp_seed{{seed}}.ipynb", seed=SEEDS),
        variants=expand(f"{RESULTS}/notebooks/03_resnet50_mlp-{{variant}}_seed{SEEDS[0]}.ipynb", variant=VARIANTS),
        compared=expand(f"{RESULTS}/notebooks/05_baseline_cnn_seed{{seed}}.ipynb", seed=BASELINE_SEEDS),
        studies=expand(f"{RESULTS}/notebooks/{{study}}.ipynb", study=STUDIES),
        notebook="notebooks/08_replication_report.ipynb",
        profile=f"fer_lib/settings/profiles/{PROFILE}.yaml",
        library=LIBRARY,
    output:
        notebook=f"{RESULTS}/notebooks/08_replication_report.ipynb",
        html=f"{RESULTS}/report.html",
    params:
        given=f"-p profile {PROFILE} -y 'seeds: [{', '.join(SEEDS)}]'",
    resources:
        **resources_of("report"),
    shell:
        EXECUTE + f" && {sys.executable!r} -m fer_lib.report.page {{output.notebook:q}} {{output.html:q}}"
