"""Test the job graph, each job's requests and SLURM: dry runs, and one job with stand-ins for SLURM's commands."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from fer_lib.settings import PROFILES, arguments, load_profile

PROJECT = Path(__file__).parents[2]
SLURM = PROJECT / "workflow" / "profiles" / "slurm"
OURS = (*arguments.VARIABLES.values(), "FER_OUTPUT", "CUDA_VISIBLE_DEVICES")
TRAININGS = ("03_", "04_", "05_", "07_comparators")

# Builds the job graph as `snakemake -n` does, and the command line that the SLURM plugin would make of each job.
PLAN = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

params = dict(run_uuid="run", slurm_logfile="log", comment_str="", account="", partition="", workdir="")
with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    planned = api.workflow(
        snakefile=Path("workflow/Snakefile"), resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(config=json.loads(sys.argv[1])),
    )
    planned.dag(DAGSettings(forceall=True)).execute_workflow(executor="dryrun")
    dag, jobs = planned._workflow.dag, {}
    for job in dag.jobs:
        needs = [Path(other.output[0]).stem for other in dag.dependencies[job]]
        jobs[Path(job.output[0]).stem if job.output else "all"] = found = {"needs": needs, "asks": []}
        for attempt in (1, 2, 3):
            job.attempt = attempt
            job.reset_params_and_resources()
            found["asks"].append(get_submit_command(job, params) + set_gres_string(job))
        found |= {"threads": job.threads, "device": job.resources.get("device"), "given": job.params.get("given")}
    print("PLAN", json.dumps(jobs))
"""


def environment(**extra: str) -> dict[str, str]:
    theirs = ("SBATCH_", "SLURM_", "SNAKEMAKE_")
    kept = {name: value for name, value in os.environ.items() if name not in OURS and not name.startswith(theirs)}
    return kept | {"PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore"} | extra


@functools.cache
def plan(profile: str, seeds: str = "0 1 2", *, folder: Path = PROJECT, devices: str = "", **config) -> dict[str, dict]:
    """List the inputs and requests of each job, by the name of its result."""
    given = {"profile": profile, "seeds": seeds, **config}
    command = [sys.executable, "-c", PLAN, json.dumps(given)]
    variables = environment(CUDA_VISIBLE_DEVICES=devices)
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.partition("PLAN ")[2])


def numbers(ask: str) -> dict[str, int]:
    """The minutes, megabytes, cores and GPUs of an sbatch command line."""
    names = {
        "minutes": r" -t (\d+)",
        "megabytes": r"--mem (\d+)",
        "cores": r"--cpus-per-task=(\d+)",
        "gpus": r"--gpus=(\d+)",
    }
    found = {name: re.search(pattern, ask) for name, pattern in names.items()}
    return {name: int(match.group(1)) for name, match in found.items() if match}


def ancestors(jobs: dict[str, dict], name: str) -> set[str]:
    return {name}.union(*(ancestors(jobs, other) for other in jobs[name]["needs"]))


# --- the job graph ----------------------------------------------------------------------------------------------------


def test_one_job_a_notebook_and_seed():
    trained = [
        f"{name}_seed{seed}" for name in ("03_resnet50_mlp", "04_resnet_svm", "05_baseline_cnn") for seed in "012"
    ]
    studies = ["06_lenet_study_seed0", "07_comparators_seed0"]
    once = ["01_data_exploration", "02_preprocessing", *studies, "08_replication_report", "report", "all"]
    variants = [f"03_resnet50_mlp-{name}_seed0" for name in load_profile("paper").variants if name != "float32_trunk"]
    assert sorted(plan("paper")) == sorted([*once, *trained, *variants])


def test_seeds_do_not_wait_for_each_other():
    jobs = plan("paper")
    for name in jobs:
        if seed := re.search(r"_seed(\d)$", name):
            others = {
                other for other in ancestors(jobs, name) if other[:-1].endswith("_seed") and other[-1] != seed.group(1)
            }
            assert others == set(), name


def test_the_report_waits_for_all():
    jobs = plan("paper")
    assert jobs["all"]["needs"] == ["report"]
    assert jobs["report"]["needs"] == ["08_replication_report"]
    assert ancestors(jobs, "all") == set(jobs)
    assert jobs["08_replication_report"]["given"] == "-p profile paper -y 'seeds: [0, 1, 2]'"


@pytest.mark.parametrize("profile", ["smoke", "paper"])
def test_weights_are_pretrained_on_request_before_anything_with_a_trunk(profile):
    assert not [name for name in plan(profile) if name.startswith("00_")]
    jobs = plan(profile, weights="pretrain")
    assert set(jobs) - set(plan(profile)) == {"00_pretraining_seed0"}
    waiting = {name for name in jobs if "00_pretraining_seed0" in ancestors(jobs, name)}
    assert waiting >= {name for name in jobs if name.startswith(("02_", "03_", "04_", "07_"))}
    assert "01_data_exploration" not in waiting
    assert jobs["00_pretraining_seed0"]["given"] == f"-p profile {profile} -p seed 0"


def test_the_traditional_cnn_may_have_fewer_seeds():
    jobs = plan("paper", baseline_seeds="1", trunk="openvino-bfloat16")
    assert [name for name in jobs if name.startswith("05_")] == ["05_baseline_cnn_seed1"]
    assert {f"03_resnet50_mlp_seed{seed}" for seed in "012"} <= set(jobs)
    # the frozen layers' other precision is a variant, and theirs no second run of the same
    assert set(jobs) ^ set(plan("paper")) >= {f"03_resnet50_mlp-{name}_trunk_seed0" for name in ("float32", "bfloat16")}
    assert set(jobs) - set(plan("paper")) == {"03_resnet50_mlp-float32_trunk_seed0"}
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--config", "seeds=0 1", "baseline_seeds=2"]
    done = subprocess.run(command, cwd=PROJECT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "BASELINE_SEEDS=2 must be among SEEDS=0 1." in done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the project whose profile `varied` names two variants and whose notebook 03 says what it was given."""
    folder = tmp_path_factory.mktemp("a copy") / "of the project"  # the blanks are on purpose
    for name in ("fer_lib", "notebooks", "workflow"):
        shutil.copytree(
            PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        )
    profile = yaml.safe_load((PROJECT / "fer_lib" / "settings" / "profiles" / "quick.yaml").read_text(encoding="utf-8"))
    profile["variants"] = {"trunk_scaling": {"scaling": "trunk"}, "from_scratch": {"weights": "none", "epochs": 1}}
    (folder / "fer_lib" / "settings" / "profiles" / "varied.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    cells = [
        nbformat.v4.new_code_cell('profile: str = ""\nseed: int = 0', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "import json, os\n"
            "names = ['FER_DATA', 'FER_WEIGHTS', 'FER_TRUNK', 'KERAS_BACKEND']\n"
            "print(json.dumps([profile, seed, *(os.environ.get(name) for name in names)]))"
        ),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "notebooks" / "03_resnet50_mlp.ipynb"
    )
    return folder


def test_a_variant_is_a_job_of_the_first_seed(copy):
    jobs = plan("varied", "1 2", folder=copy)
    assert [name for name in sorted(jobs) if "-" in name] == [
        "03_resnet50_mlp-from_scratch_seed1",
        "03_resnet50_mlp-trunk_scaling_seed1",
    ]
    variant = jobs["03_resnet50_mlp-from_scratch_seed1"]
    assert variant["given"] == "-p profile varied -p seed 1 -p variant from_scratch"
    assert variant["needs"] == ["02_preprocessing"]
    assert set(jobs["08_replication_report"]["needs"]) >= {name for name in jobs if "-" in name}


# --- what each job asks for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["smoke", "quick", "paper"])
def test_every_job_says_what_it_needs(profile):
    jobs = plan(profile)
    for name, job in jobs.items():
        if name != "all":  # which runs nothing
            asked = numbers(job["asks"][0])
            assert set(asked) >= {"minutes", "megabytes", "cores"}, name
            trains = profile != "smoke" and name.startswith(TRAININGS)
            assert asked.get("gpus", 0) == int(trains), name
            assert job["threads"] == 1, "threads would limit how many notebooks run side by side on one machine"


def test_larger_profiles_ask_for_more():
    smoke, quick, paper = (
        {name: numbers(job["asks"][0]) for name, job in plan(profile).items()}
        for profile in ("smoke", "quick", "paper")
    )
    for name in smoke.keys() - {"all"}:
        for what in ("minutes", "megabytes"):
            assert smoke[name][what] <= quick[name][what] <= paper[name][what], name
    assert quick["03_resnet50_mlp_seed0"]["minutes"] < paper["03_resnet50_mlp_seed0"]["minutes"]


def test_a_further_attempt_gets_half_as_much_again():
    for name, job in plan("paper").items():
        if name != "all":
            first, second, third = map(numbers, job["asks"])
            for what in ("minutes", "megabytes"):
                assert (second[what], third[what]) == (first[what] * 3 // 2, first[what] * 2), name
            assert (first["cores"], first.get("gpus")) == (third["cores"], third.get("gpus"))


def test_a_cluster_without_gpus_is_given_more_time():
    with_gpu, without = plan("paper"), plan("paper", gpus=0)
    asked, instead = (numbers(jobs["03_resnet50_mlp_seed0"]["asks"][0]) for jobs in (with_gpu, without))
    assert "gpus" not in instead
    assert instead["minutes"] > asked["minutes"]


def test_several_gpus_are_given_to_seeds_by_turns():
    jobs = plan("quick", devices="2,5")
    given = [jobs[f"03_resnet50_mlp_seed{seed}"]["device"] for seed in "012"]
    assert given == ["CUDA_VISIBLE_DEVICES=2", "CUDA_VISIBLE_DEVICES=5", "CUDA_VISIBLE_DEVICES=2"]
    for jobs in (plan("quick"), plan("quick", devices="3")):  # it stays as it is, as in a job that SLURM gave its GPU
        assert {job["device"] or "" for job in jobs.values()} == {""}


# --- SLURM ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_with_the_slurm_profile_needs_no_slurm():
    words = ["--workflow-profile", str(SLURM), "--forceall", "--config", "profile=paper", "seeds=0 1 2"]
    command = [sys.executable, "-m", "snakemake", "-n", *words]
    done = subprocess.run(command, cwd=PROJECT, env=environment(SBATCH_ACCOUNT="p_1"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "slurm_account=p_1, slurm_partition=," in done.stdout + done.stderr
    assert re.search(r"^resnet50_mlp +3$", done.stdout + done.stderr, re.M)


STAND_INS = {
    # runs the job at once, and calls it completed if it was
    "sbatch": """
printf '%s\\n' "$@" >'{log}'
for word; do case $word in --wrap=*) command=${{word#--wrap=}};; esac; done
SLURM_JOB_ID=7 sh -c "$command" >'{log}.out' 2>&1 && echo '7|COMPLETED' >'{log}.state' || echo '7|FAILED' >'{log}.state'
echo 7""",
    "srun": """
printf '%s ' "$@" >'{log}.srun'
while [ "${{1#-}}" != "$1" ]; do shift; done
exec "$@" """,
    # sacct names who cancelled a job, squeue does not
    "sacct": "[ ! -e '{log}.state' ] || sed 's/CANCELLED/CANCELLED by 1000/' '{log}.state'",
    "sacctmgr": "echo mine",
    "sinfo": "echo 'standard*'",
    "scontrol": "echo 'MinJobAge = 300 sec'; echo 'MaxArraySize = 1001'",
    "squeue": "[ ! -e '{log}.state' ] || cat '{log}.state'",
    "scancel": "",
}


@pytest.fixture
def slurm(tmp_path) -> Path:
    """Stand-ins for SLURM's commands in `bin`; `log` gets what sbatch was given, a word a line."""
    (tmp_path / "bin").mkdir()
    for name, text in STAND_INS.items():
        path = tmp_path / "bin" / name
        path.write_text("#!/bin/sh\n" + text.format(log=tmp_path / "log") + "\n")
        path.chmod(0o755)
    return tmp_path


def answer(slurm: Path, name: str, script: str) -> None:
    (slurm / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")


def submit(copy: Path, slurm: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run one job of the chain through the stand-ins, looking at it each second."""
    before = copy / "results" / "quick" / "notebooks" / "02_preprocessing.ipynb"
    before.parent.mkdir(parents=True, exist_ok=True)
    before.write_text("{}")
    before.with_name("03_resnet50_mlp_seed1.ipynb").unlink(missing_ok=True)
    words = ["--workflow-profile", "workflow/profiles/slurm", "--latency-wait", "5", "--retries", "0"]
    words += ["--slurm-init-seconds-before-status-checks", "1", "results/quick/notebooks/03_resnet50_mlp_seed1.ipynb"]
    words += ["--config", "profile=quick", "seeds=0 1", "trunk=keras-float32"]
    ours = environment(PATH=f"{slurm / 'bin'}:{os.environ['PATH']}", PYTHONPATH=str(copy), **variables)
    command = [sys.executable, "-m", "snakemake", *words]
    return subprocess.run(command, cwd=copy, env=ours, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("accounting", "remembered"), [(True, 300), (True, 60), (False, 300)])
def test_a_job_goes_through_slurm_with_its_resources_and_environment(copy, slurm, accounting, remembered):
    answer(slurm, "scontrol", f"echo 'MinJobAge = {remembered} sec'; echo 'MaxArraySize = 1001'")
    if not accounting:
        answer(slurm, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    elif remembered < 240:  # squeue forgets jobs too soon
        answer(slurm, "squeue", "exit 1")
    data = slurm / "my 'real' $data: #1"
    data.mkdir()
    given = {"KERAS_BACKEND": "jax", "FER_DATA": str(data), "FER_WEIGHTS": "none"}
    done = submit(copy, slurm, SBATCH_ACCOUNT="mine", SBATCH_PARTITION="gpu", **given)
    log = slurm / "log"
    assert done.returncode == 0, (done.stdout + done.stderr + Path(f"{log}.out").read_text())[-4000:]
    call = shlex.join(log.read_text().splitlines())
    assert "--export=ALL" in call
    assert numbers(call) == numbers(plan("quick")["03_resnet50_mlp_seed1"]["asks"][0])
    for words in ("-A mine", "-p gpu", "--comment rule_resnet50_mlp_wildcards_1"):
        assert words in call
    assert "--gpus=1 --nodes=1" in Path(f"{log}.srun").read_text()
    notebook = nbformat.read(copy / "results" / "quick" / "notebooks" / "03_resnet50_mlp_seed1.ipynb", as_version=4)
    printed = json.loads(notebook.cells[-1].outputs[0].text)
    assert printed == ["quick", 1, str(data), "none", "keras-float32", "jax"]


def test_a_cancelled_job_is_noticed(copy, slurm):
    answer(slurm, "sbatch", f"echo '7|CANCELLED' >'{slurm / 'log.state'}'; echo 7")
    done = submit(copy, slurm)
    assert done.returncode == 1
    assert "SLURM-job '7' failed, SLURM status is: 'CANCELLED'" in done.stdout + done.stderr


def test_what_cannot_be_meant_stops_with_one_sentence(copy):
    (copy / "mistaken.yaml").write_text("description: x\nresnet50_mlp: {epoch: 3}\n", encoding="utf-8")
    said = {"profile=mistaken.yaml": "has an unknown key 'epoch' in resnet50_mlp (did you mean 'epochs'?)"}
    said |= {
        "draw_face=no": "no argument 'draw_face' (did you mean 'draw_faces'?)",
        "seeds=0 b": "SEEDS is 'b'; give a whole number",
    }
    for given, sentence in said.items():
        command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--config", given]
        done = subprocess.run(command, cwd=copy, env=environment(PYTHONPATH=str(copy)), capture_output=True, text=True)
        assert done.returncode == 1
        assert sentence in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_profile_of_ones_own_names_its_results_but_no_folder(tmp_path):
    own = tmp_path / "my 'own' $folder" / "mine.yaml"
    own.parent.mkdir()
    shutil.copy(PROFILES / "quick.yaml", own)
    assert plan(str(own), "0")["01_data_exploration"]["given"] == "-p profile mine -p draw_faces True"
    assert arguments.read({"profile": str(own)}).environment() == {"FER_PROFILE": str(own)}


# --- one job of a notebook at a time ----------------------------------------------------------------------------------

STAND_IN = """#!/usr/bin/env bash
[ "$2" = papermill ] || exit 0
echo "$NAME starts" >>log
[ "$NAME" != first ] || read -r <gate
echo "$NAME ends" >>log
echo '{}' >"$4"
"""


@pytest.mark.skipif(shutil.which("flock") is None, reason="no flock, no lock")
def test_a_second_job_of_a_notebook_waits_for_the_first(tmp_path):
    python = tmp_path / "python"
    python.write_text(STAND_IN, encoding="utf-8")
    python.chmod(0o755)
    os.mkfifo(tmp_path / "gate")
    log = tmp_path / "log"
    command = [
        "bash",
        str(PROJECT / "workflow" / "execute.sh"),
        str(python),
        "source.ipynb",
        str(tmp_path / "03.ipynb"),
    ]

    def start(name: str) -> subprocess.Popen:
        return subprocess.Popen(command, cwd=tmp_path, env=environment(NAME=name), stderr=subprocess.PIPE, text=True)

    first = start("first")
    with (tmp_path / "gate").open("w", encoding="utf-8") as gate:  # opens as soon as the first job reads
        second = start("second")
        assert "another job still runs it" in second.stderr.readline()
        assert log.read_text(encoding="utf-8").splitlines() == ["first starts"]
        gate.write("go\n")
    assert [first.wait(60), second.wait(60)] == [0, 0]
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines == ["first starts", "first ends", "second starts", "second ends"]
