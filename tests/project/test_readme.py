"""Test README and docs/using.md: commands work; verdicts and docs/results.md agree with the committed tables."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from papermill.inspection import inspect_notebook
from statsmodels.stats import proportion

from fer_lib import provenance
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.published import template
from fer_lib.report import results, results_cells
from fer_lib.utils import packed

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
USING = (PROJECT / "docs" / "using.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README + USING, re.S)
COMMANDS = list(dict.fromkeys(line for block in BLOCKS for line in block.splitlines() if line.strip()))
# commands that other tests run or that a test must not run, and the test that replaces each
ELSEWHERE = {
    "make test": "CI runs it",
    ".venv/bin/python -m pytest --nbval notebooks": "make test runs it",
    "uv sync --locked --inexact --extra gpu": (
        "downloads CUDA; tests/project/test_packaging.py checks that the extra and the lock go together"
    ),
    ".venv/bin/fer-lib data fetch fer2013 --to data": "tests/datasets/test_fetch.py, with kagglehub replaced",
    ".venv/bin/fer-lib data fetch genki4k --to data": "tests/datasets/test_fetch.py, from a local server",
    next(command for command in COMMANDS if "--workflow-profile" in command): "tests/project/test_workflow.py",
    ".venv/bin/fer-lib compare results/paper results/reference/paper --within-intervals": (
        "tests/report/test_compare.py; results/paper is a user's run"
    ),
    ".venv/bin/fer-lib weights own.weights.h5": "tests/cli/test_cli.py",
    ".venv/bin/fer-lib weights own.weights.h5 --json": "tests/cli/test_cli.py",
    ".venv/bin/fer-lib audit": "tests/audit/test_audit.py",
    ".venv/bin/fer-lib audit docs/audit_example.yaml": "tests/audit/test_audit.py",
    ".venv/bin/fer-lib predict photo.jpg --annotate drawn": "tests/predict/test_packaged.py",
    ".venv/bin/fer-lib predict group.jpg --all-faces --model results/paper/models/ckplus_svm_seed0": (
        "tests/predict/test_prediction.py"
    ),
    ".venv/bin/fer-lib predict album --recursive --json > album.json": "tests/predict/test_prediction.py",
    ".venv/bin/fer-lib predict crops --already-cropped": "tests/predict/test_prediction.py",
    ".venv/bin/fer-lib models": "tests/predict/test_shelf.py",
    ".venv/bin/fer-lib models --json": "tests/predict/test_shelf.py",
    ".venv/bin/fer-lib predict clip.mp4 --every 0.5 --csv out.csv": "tests/predict/test_video.py",
    ".venv/bin/fer-lib export mine.keras --to litert": "tests/predict/test_export.py",
    ".venv/bin/fer-lib export mine.keras --to onnx --out mine.onnx": "tests/predict/test_export.py",
    ".venv/bin/fer-lib evaluate faces --model mine.keras --classes "
    "angry,disgust,fear,happy,neutral,sad,surprise": "tests/predict/test_evaluation.py",
    ".venv/bin/fer-lib evaluate data/fer2013.csv --json > scores.json": "tests/predict/test_evaluation.py",
    ".venv/bin/fer-lib train faces --out own_model": "tests/predict/test_own_training.py",
    ".venv/bin/fer-lib train faces --network baseline_cnn --epochs 20 --validation 0.25 --seed 1 --out small_model": (
        "tests/predict/test_own_training.py"
    ),
    ".venv/bin/fer-lib predict photo.jpg --model own_model": "tests/predict/test_own_training.py",
    ".venv/bin/fer-lib runs": "tests/report/test_runs.py",
    ".venv/bin/fer-lib runs --json": "tests/report/test_runs.py",
    ".venv/bin/fer-lib predict photo.jpg --model mine.keras --classes "
    "angry,disgust,fear,happy,neutral,sad,surprise": "tests/predict/test_networks.py",
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
        assert "workflow/run.py" in done.stdout
    documented = set(re.findall(r"^#: ([A-Z_]+)", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    given = {word.split("=")[0] for word in shlex.split(command)[2:]}
    assert {name for name in given if not name.startswith("SBATCH_")} <= documented


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


# --- its numbers ------------------------------------------------------------------------------------------------------

TABLES = PROJECT / "results" / "reference" / "paper" / "tables"
BEFORE, _, AFTER = README.split("* **chen2023**")[1].split("## Two commands")[0].partition("<img")
VERDICTS = " ".join((BEFORE + AFTER.split("/>")[0].split(">", 1)[1]).split())


def rows(name: str) -> list[list[str]]:
    """Read a committed table of the paper profile, its head first."""
    with open(TABLES / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def first(text: str) -> float:
    return float(text.split(" ")[0])


def test_the_readme_is_short_and_shows_a_committed_figure():
    assert len(README.encode()) <= 9 * 1024
    shown = re.search(r'<img [^>]*src="(figures/reference/paper/\w+\.png)"', README)
    assert shown
    assert (PROJECT / shown.group(1)).is_file()
    assert shown.start() < README.index("## Two commands")


def test_the_picture_is_told_in_words_with_the_tables_numbers():
    """Readers who cannot see it, or see it small, get its numbers from the alternative text."""
    told = " ".join(re.search(r'<img alt="([^"]*)"', README).group(1).split())
    for name, printed, categorical, binary, *_ in rows("chen2023_glance")[1:]:
        values = [f"categorical {100 * first(categorical):.1f} %", f"binary {100 * first(binary):.1f} %"]
        values += [f"printed {100 * first(printed):.2f} %"] if printed != "–" else []
        assert f"{name.split(' (')[0]}: {', '.join(values)}" in told
    assert len(re.findall(r"\d+\.\d+", told)) == 8


def test_the_verdicts_are_those_of_the_committed_tables():
    """Every number of the two verdicts is known here, and is in a table or follows from its meaning."""
    glance = {row[0]: row for row in rows("chen2023_glance")}
    network, cnn = glance["ResNet50 + MLP"], glance["Traditional CNN"]
    priors = next(row for name, row in glance.items() if name.startswith("Class priors"))
    head, *body = rows("chen2023_hypothesis1")
    hypothesis1 = {row[0]: dict(zip(head, row, strict=True)) for row in body}
    quotes = {row[1]: first(row[2]) for row in rows("liu2023_quotes")[1:]}
    headlines = {row[0]: row for row in rows("liu2023_audit_headlines")}
    logs = template.logs()
    log = logs[(logs["part"] == "validation") & logs["categorical_accuracy"].notna()].iloc[0]
    held = {
        f"its accuracy of {network[1]} equals 6/7": f"{6 / 7:.4f}" == network[1],
        "has {:.4f} in that metric": network[3],
        "names only {:.1f} % of": 100 * first(network[2]),
        '"happy": {:.1f} %)': 100 * first(priors[2]),
        "may compare two metrics": abs(first(cnn[2]) - float(cnn[1])) < 0.03,
        "0.8580 in training and 0.8581 in validation, more than our model ends with": all(
            float(hypothesis1[split]["accuracy, printed"]) == printed > first(hypothesis1[split]["binary, measured"])
            for split, printed in (("training", 0.8580), ("validation", 0.8581))
        ),
        "losses down to 1.68; ours ends near {:.2f}, class": first(network[5]),
        "class priors at {:.2f}.": first(priors[5]),
        "binary accuracies near the printed ones and categorical ones of 30 to 37 %": all(
            abs(float(end) - float(row["accuracy, printed"])) < 0.005
            for row in hypothesis1.values()
            for end in row["their binary accuracy"].split(" to ")
        )
        and all(float(row["their categorical accuracy"].split(" to ")[1]) < 0.4 for row in hypothesis1.values()),
        "names {:.1f} % of the faces correctly if no subject": quotes["CK+, five folds, people kept apart"],
        "with frames at random, our model of liu2023 names {:.1f} %": quotes["CK+, five folds, frames at random"],
        "reach {:.1f} %.": quotes["the same faces without a network, raw pixels + SVM"],
        "among the paper's 98 test faces rounds to the printed 98.60 %": (
            "No number of right answers among 98" in headlines["98.60 % (Table 3, row 6 · Accuracy (%))"][3]
            and not any(f"{100 * right / 98:.2f}" == "98.60" for right in range(99))
        ),
        "50 % sure": True,
        "ends at {:.4f} and": log["binary_accuracy"],
        "names {:.1f} % of the validation faces": 100 * log["categorical_accuracy"],
    }
    said = []
    for pattern, value in held.items():
        words = (
            pattern if isinstance(value, bool) else pattern.format(first(value) if isinstance(value, str) else value)
        )
        assert words in VERDICTS, words
        assert value, words
        said += re.findall(r"\d+\.\d+", words)
    assert sorted(re.findall(r"\d+\.\d+", VERDICTS)) == sorted(said)


def test_the_page_of_results_is_what_the_module_writes():
    """`python -m fer_lib.report.results` writes it again."""
    assert (PROJECT / "docs" / "results.md").read_text(encoding="utf-8") == results.page()


def test_the_page_of_results_says_in_words_what_its_tables_show():
    """The claims of fer_lib/report/results.md that are words, not numbers."""
    folds = {row[0]: row[4] for row in rows("liu2023_separations_seed0")}
    assert first(folds["pixels + SVM (RBF)"]) > first(folds["ResNet-50 + SVM (RBF)"])  # "more than ResNet-50 + SVM"
    variants = {row[0]: first(row[6]) for row in rows("chen2023_variants")[1:]}
    assert variants["random_frozen_seed0"] > variants["seed0"]  # "does better at 1/255 than the trained one"
    table3 = rows("liu2023_table3_measured_seed0")[1:]
    assert max(table3, key=lambda row: first(row[3]))[0] == "CSPL + SVM*"  # "has the highest accuracy"
    assert first(next(row for row in table3 if row[0].startswith("raw pixels"))[2]) >= 94  # "among them"
    on_fer2013 = {row[0]: row for row in rows("comparators_fer2013_seed0")}
    assert float(on_fer2013["ResNet50 + self-attention + MLP"][5]) > 0.05  # "no more than the SVM on the frozen trunk"
    answers = pd.read_csv(TABLES.parent / "predictions" / "liu2023_ckplus_seed0.csv")
    own = answers[(answers["classifier"] == "resnet50_svm_rbf") & (answers["protocol"] == "per class")]
    right = (own["predicted"] == own["label"]).groupby([own["separation"], own["draw"]]).mean()
    for separation in ("frames", "subjects"):
        assert right[separation].idxmax() == 0  # "This one draw is that model's best of five"
    raw = next(row for row in rows("chen2023_raw_testing") if row[:2] == ["ResNet50 + MLP", "testing, raw"])
    assert first(raw[2]) - 1.78 > 0.5  # "far too much"
    gaps = {row[0]: float(row[-1]) for row in rows("resnet50_mlp-trunk_scaling_seed0_readings")[1:]}
    assert min(gaps["raw pixels, 0-255"], gaps["reduced to half and enlarged"]) > 0.1  # "by as much as in the paper"
    assert sorted(gaps.values())[-3] < 0.02  # "all others"
    learnt = packed.read(TABLES.parent / "predictions" / "resnet50_mlp_seed0_testing.npz")["predicted"]
    assert learnt.value_counts(normalize=True).iloc[0] > 0.95  # "answers nearly the same for every face"
    tuned = next(row for row in rows("liu2023_fer2013_seed0") if row[0].startswith("ResNet-50 + SVM"))
    bounds = [re.findall(r"\d+\.\d+", each)[1:] for each in (on_fer2013["VGG-16 + SoftMax"][1], tuned[1])]
    assert float(bounds[0][0]) < float(bounds[1][1])  # "the two are not told apart"
    hypothesis1 = {row[0]: row for row in rows("chen2023_hypothesis1")}
    for split, inside in (
        ("training", False),
        ("validation", False),
        ("testing", True),
    ):  # "only that of the test faces"
        measured = re.findall(r"0\.\d+", hypothesis1[split][3])
        low, high = measured[2:] if len(measured) == 4 else [measured[0]] * 2
        assert (float(low) <= float(hypothesis1[split][2]) <= float(high)) == inside
    cnn = {row[1]: row for row in rows("chen2023_table2") if row[0] == "Traditional CNN"}
    for column in (4, 6):  # losses: "are above ours"
        high = float(re.findall(r"\d+\.\d+", cnn["measured, categorical"][column])[2])
        assert float(cnn["published"][column]) > high
    page = " ".join(results.page().split())
    assert float(cnn["published"][3]) > float(re.search(r"all three seeds' [\d.]+ to (0\.\d+)", page)[1])
    apart, error = re.search(
        r"are ([\d.]+) nats apart.*? standard error of this difference is ([\d.]+) nats", page
    ).groups()
    assert float(hypothesis1["testing"][1]) - float(hypothesis1["validation"][1]) == pytest.approx(float(apart))
    assert float(apart) > 9 * float(error)  # "probably treated otherwise"
    low, high = re.search(r"trunk is \S+ \[(\S+), (\S+)\] points ahead", page).groups()
    assert 0 < float(low) < 1 < float(high)  # "there these runs support the paper's "about 1 %""
    made = provenance.made_by(TABLES.parent, "tables/comparators_fer2013_seed0.csv")
    given = made["settings"]["comparators"]
    assert given["fer2013_rows"]["resnet50_modern"]["epochs"] == 50
    assert given["fer2013_epochs"] == 10
    assert made["machine"]["gpus"]
    errors = {(row[0], row[1]): row[2] for row in rows("liu2023_batch_sizes")[1:]}
    for corpus, guessing in (("CK+", 83.3), ("Olivetti faces", 97.5)):
        for size in ("1", "2", "5", "10"):  # "at guessing or within a face of it"
            assert abs(first(errors[size, f"{corpus}, unshuffled"]) - guessing) <= 2.5
        assert first(errors["1", f"{corpus}, shuffled"]) == guessing
        assert {first(errors[size, f"{corpus}, shuffled"]) for size in ("5", "10", "20")} <= {2.4, 2.5}
    own = [dict(zip(rows("liu2023_tutorial")[0], row, strict=True)) for row in rows("liu2023_tutorial")[1:]]
    for row in own:  # validation / test / epoch
        for name in ("printed", "within 50 epochs", "within 200 epochs"):
            row[name] = [float(part.replace("–", "nan")) for part in row[name].split(" / ")]
        row["found"] = [row["within 50 epochs"], row["within 200 epochs"]]
    stuck = [row for row in own if row["place"] == "Section 3.2.2" and "unturned" not in row["arithmetic"]]
    assert len(stuck) == 10  # "for all five, in both arithmetics of the program itself"
    assert all(found[0] == row["printed"][0] == 97.5 for row in stuck for found in row["found"])
    for number in (1, 2, 3):  # "at an epoch that is at most four from the printed one"
        fifth = [row for row in own if row["place"] == f"Table 5, row {number}"]
        near = [found for row in fifth for found in row["found"] if found[:2] == row["printed"][:2]]
        assert min(abs(found[2] - fifth[0]["printed"][2]) for found in near) <= 4
        fourth = [row for row in own if row["place"] == f"Table 4, row {number}"]
        exchanged = [found[1::-1] == row["printed"][:2] for row in fourth for found in row["found"]]
        assert any(exchanged) == (number > 1)  # "if its two headings are exchanged"
        assert not any(found[:2] == row["printed"][:2] for row in fourth for found in row["found"])
    second = [row for row in own if row["place"] == "Table 4, row 2"]
    assert not any(row["found"][0][1::-1] == row["printed"][:2] for row in second)  # "within 200 epochs, not 50"
    assert not any(82.4 in found for row in own for found in row["found"])
    third = next(row for row in own if row["place"] == "Table 4, row 3")["printed"]
    epochs = pd.read_csv(TABLES.parent / "histories" / "lenet_tutorial_epochs.csv")
    epochs = epochs[(epochs["epoch"] == 50) & (epochs["arithmetic"] == "float64") & (epochs["n_kerns"] == "[20,50]")]
    ends = epochs[epochs["batch_size"] == 40].set_index("learning_rate")[["validation", "test"]]
    assert ends.loc[0.05].tolist() == third[:2]  # "Table 4's third row as printed"
    assert not set(ends.loc[0.01]) & set(second[0]["printed"][:2])  # "But then the second row has"
    largest = next(row for row in own if row["setting"] == "[20,50]" and row["arithmetic"] == "float32")
    assert largest["found"][1][0] > 50  # "diverges"
    misses = {row[1]: row[6] for row in rows("liu2023_hypothesis2_seed0")[1:] if row[0].startswith("pixels")}
    assert set(misses) == {"56 + 14 faces a class", "folds"}


def test_the_heads_show_what_the_page_says_of_their_first_dropout():
    found = {
        row[2].split(",")[0]: row for row in rows("chen2023_input_scale_heads")[1:] if row[:2] == ["given", "1/255"]
    }
    span = {name: [float(end) for end in re.findall(r"[\d.]+", row[4])[1:]] for name, row in found.items()}
    printed = "as printed"
    assert (found[printed][6], found[printed][5]) == (
        "0.00",
        "85.71",
    )  # "it is never sure, and its binary accuracy is 6/7"
    assert span[printed][0] < 25.75 < span[printed][1]  # "next to nothing"
    for name in ("without its first dropout", "features standardised before the dropout"):
        assert span[name][0] > span[printed][1]
    assert span["batch norm's epsilon 1e-9"][1] < 30  # "with a millionth of that the head learns no more"
    readme = " ".join((PROJECT / "README.md").read_text(encoding="utf-8").split())
    assert "the head's first dropout drowns the rest" in readme
    near = {row[0]: row[-1] for row in rows("chen2023_hypothesis1")[1:]}
    ends = [float(end) for part in ("training", "validation") for end in near[part].split(" to ")]
    assert (int(100 * min(ends)), math.ceil(100 * max(ends))) == (30, 37)  # "categorical ones of 30 to 37 %"


def test_what_the_page_calls_not_run_has_no_table():
    section = results.page().split("## What is built but not run yet")[1].split("\n## ")[0]
    named = re.findall(r"`(\w+)`", section)
    assert len(named) == 3
    assert [name for name in named if (TABLES / f"{name}.csv").exists()] == []
    used = {
        name: made["provenance"]["weights"]["sha256"]
        for name, made in provenance.read_values(TABLES.parent).items()
        if re.fullmatch(r"(resnet50_(mlp|svm)|comparators)_seed\d", name)
    }
    new = json.loads((TABLES.parent / "metrics" / "pretraining_seed0.json").read_text("utf-8"))["values"]["sha256"]
    assert {name.rpartition("_")[0] for name, digest in used.items() if digest not in new.values()} == {
        "resnet50_svm",
        "comparators",
    }  # "liu2023's trainings from our pre-training's weights", and no other


def test_bfloat16_is_compared_with_float32_face_by_face():
    page = " ".join(results.page().split())
    said = (
        r"the difference is (\S+) nats \[(\S+), (\S+)\], standard error (\S+), "
        r"over faces: for this seed float32 (.*?) bfloat16"
    )
    values = provenance.read_values(TABLES.parent)
    precisions = {name: made["provenance"]["settings"].get("trunk_precision") for name, made in values.items()}
    own = {precisions[f"resnet50_mlp_seed{seed}"] for seed in range(3)}
    assert len(own) == 1
    other = {"float32": "bfloat16", "bfloat16": "float32"}[own.pop()]
    told = re.search(said, page)
    assert (told is not None) == (f"resnet50_mlp-{other}_trunk_seed0" in values)
    if told is None:
        return
    assert precisions[f"resnet50_mlp-{other}_trunk_seed0"] == other
    *numbers, words = told.groups()
    apart, low, high, error = map(float, numbers)
    assert (apart - low, high - apart) == pytest.approx((1.96 * error, 1.96 * error), abs=2e-4)
    assert words == ("cannot be told from" if low <= 0 <= high else "differs from")


def test_a_table_that_is_wider_than_github_shows_is_an_error():
    assert (
        results_cells.table(["a", "b"], [["x", "0.5 [0.1, 0.9]"]])
        == "| a | b |\n| --- | --- |\n| x | 0.5<br>[0.1, 0.9] |"
    )
    with pytest.raises(FerError, match=r"\d+ pixels wide"):
        results_cells.table(["a"], [["x" * 120]])
    with pytest.raises(FerError, match="No such file"):
        results.page(PROJECT / "docs")


# --- its files --------------------------------------------------------------------------------------------------------

INVENTED = ("fer_lib/comparators/mean_faces.py",)  # the example of docs/comparators.md
DOCUMENTS = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), *(PROJECT / "notebooks").glob("*.ipynb")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_it_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(cell["source"] for cell in nbformat.reads(text, 4).cells if cell["cell_type"] == "markdown")
    for name in re.findall(r"`((?:notebooks|fer_lib|docs|tests|workflow|benchmarks)/[\w./]*)`", text):
        assert (PROJECT / name).exists() or name in INVENTED, name


def test_numbers_of_the_model_card_stand_in_the_tables_that_it_names():
    card = (PROJECT / "docs" / "model_card.md").read_text(encoding="utf-8")
    tables = {
        name: (PROJECT / "results" / "reference" / "paper" / "tables" / f"{name}.md").read_text(encoding="utf-8")
        for name in set(re.findall(r"liu2023_\w+_seed0", card))
    }
    card = re.sub(r"<!-- own_network -->.*<!-- /own_network -->", "", card, flags=re.S)  # made of its model.json
    quoted = re.findall(r"\d+\.\d+ \[\d+\.\d+, \d+\.\d+\]", card)
    assert len(quoted) >= 7
    missing = [number for number in quoted if not any(number in table for table in tables.values())]
    assert not missing


def test_the_model_card_says_of_turned_heads_and_missing_faces_what_the_photos_show():
    """Newcombe's interval of the difference between the first and the last third by yaw, and its z."""
    card = " ".join((PROJECT / "docs" / "model_card.md").read_text(encoding="utf-8").split())
    values = json.loads((PROJECT / "results/reference/paper/metrics/resnet50_svm_seed0.json").read_text("utf-8"))
    smiles = pd.DataFrame(values["values"]["genki4k"])
    for _, part in smiles[smiles["group"].str.startswith("yaw")].groupby("model", sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        right = [round(row["accuracy"] * row["photos"]) for row in (first, last)]
        photos = [first["photos"], last["photos"]]
        low, high = proportion.confint_proportions_2indep(right[0], photos[0], right[1], photos[1], method="newcomb")
        z, _ = proportion.proportions_ztest(right, photos)
        gap = 100 * (first["accuracy"] - last["accuracy"])
        said = f"{gap:.2f} (points )?\\[{100 * low:+.2f}, \\{100 * high:+.2f}\\] \\(z = {z:.2f}\\)"
        assert re.search(said, card), said
        assert low < 0 < high  # "no loss of accuracy is shown"
    without = smiles[smiles["group"] == "MTCNN: no face"]
    smiling = without["smiles"] / without["photos"]
    assert (without["accuracy_high"] < smiling).all()  # "worse than always answering smile"
    assert f"{without['smiles'].iloc[0]:.0f} of them are smiles" in card
