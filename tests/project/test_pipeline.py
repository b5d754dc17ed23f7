"""Run the whole chain by Snakemake in a copy of the project: killed, resumed, skipped; papermill elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from fer_lib import provenance
from fer_lib.datasets.synthetic import writers
from fer_lib.utils import packed

PROJECT = Path(__file__).parents[2]
TINY = """
description: The chain in miniature, for tests.
data: {source: generated, generated_faces: 120}
input_scale: {divisors: [255], learn_faces: 16, test_faces: 16, faces: 16}
resnet50_mlp: {weights: random_frozen, trunk_engine: openvino, epochs: 2, batch_size: 32}
baseline_cnn: {epochs: 1, batch_size: 32, convolution_filters: [4], dense_units: 8}
public_cnns: {names: [mini_xception], epochs: 1}
ckplus: {generated_subjects: 6, generated_photos: 8, train_per_class: 3, test_per_class: 1, repeats: 1, folds: 2,
         separations: [frames], three_parts: [2, 1, 1]}
expansion: {operations: [original, flip], cross_cut: none}
resnet50_svm: {weights: random_frozen, trunk_engine: openvino, fine_tune_on: nothing,
               kernels: [rbf], c_grid: [1], gamma_grid: [1], search_folds: 2, variants: [rbf, nu],
               fer2013_components: 8, fer2013_search_faces: 60, variants_fer2013_components: 8}
comparators: {weights: random_frozen, draws: 1, separations: [frames], reference: pixels_svm,
              ckplus_rows: {pixels_svm: {}, cspl_svm: {}}, fer2013_rows: {pixels_svm: {}, class_priors: {}}}
lenet: {corpora: [ckplus], orders: [unshuffled], n_kerns_grid: [[2, 3]], n_kerns: [2, 3], hidden_units: 8, n_epochs: 1,
        learning_rates: [0.05], batch_sizes: [7], batch_size: 7, seeds: 1, train_per_class: 2, held_out_per_class: 1}
depth_study: {blocks: [1], batch_norm: [true], steps: 2, batch_size: 4, record_every: 1, faces: 30}
"""


def environment(project: Path) -> dict[str, str]:
    ours = ("FER_OUTPUT", "FER_DATA", "FER_WEIGHTS", "FER_TRUNK", "FER_PROFILE")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"PYTHONPATH": str(project), "PYTHONWARNINGS": "ignore"}


def snakemake(project: Path, *words: str) -> list[str]:
    base = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete"]
    # not the notebooks' own seed, so that one that ignored its parameter would leave files of another name
    return [*base, "--nolock", *words, "--config", "profile=tiny", "seeds=1"]


def run(project: Path, *words: str) -> str:
    done = subprocess.run(
        snakemake(project, *words), cwd=project, env=environment(project), capture_output=True, text=True
    )
    # Snakemake lists every file of the library, after the notebook's own words
    words = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0, "\n".join(line for line in words if len(line) < 500)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("a copy") / "of the project"  # the blanks are on purpose
    copy.mkdir()
    for name in ("fer_lib", "notebooks", "workflow"):
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    (copy / "fer_lib" / "settings" / "profiles" / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def killed(project) -> Path:
    """The chain, killed without warning once the first epoch of notebook 03 is whole."""
    process = subprocess.Popen(
        snakemake(project), cwd=project, env=environment(project), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "epoch 1 of 2" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "epoch 1 of 2" in seen[-1], "".join(line for line in seen if len(line) < 500)
    return project


@pytest.fixture(scope="module")
def finished(killed) -> tuple[Path, str]:
    left = sorted(path.name for path in (killed / "results" / "tiny" / "notebooks").glob("0*.ipynb"))
    assert "03_resnet50_mlp_seed1.ipynb" not in left, "a notebook that was killed must not look whole"
    return killed, run(killed)


def test_a_killed_chain_resumes_at_its_last_epoch(finished):
    _, log = finished
    assert "resumed after epoch 1" in log
    assert "Job" in log
    assert "01_data_exploration" not in re.findall(r"^Job \d+: (\S+)$", log, re.M), "a whole notebook ran again"


def test_a_second_call_does_nothing(finished):
    assert "Nothing to be done" in run(finished[0])


def test_a_second_run_in_one_folder_says_so_and_touches_nothing(project, tmp_path):
    results = tmp_path / "results" / "tiny"
    results.mkdir(parents=True)
    given = {"cwd": project, "env": environment(project) | {"FER_OUTPUT": str(tmp_path)}}
    with FileLock(results / ".running"):
        done = subprocess.run(snakemake(project), capture_output=True, text=True, **given)
    assert done.returncode == 1
    assert f"Another run is writing into {results}: wait until it has ended" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in results.iterdir()] == [".running"]


def test_a_changed_profile_runs_again_what_depends_on_it(finished):
    project, _ = finished
    (project / "fer_lib" / "settings" / "profiles" / "tiny.yaml").write_text(
        TINY.replace("120", "121"), encoding="utf-8"
    )
    try:
        assert "02_preprocessing" in run(project, "-n")
    finally:
        (project / "fer_lib" / "settings" / "profiles" / "tiny.yaml").write_text(TINY, encoding="utf-8")


def test_every_table_and_figure_of_chen2023_is_there_with_its_provenance(finished):
    project, _ = finished
    results, figures = project / "results" / "tiny", project / "figures" / "tiny"
    named = ["figure1_examples", "figure2_model", "figure3_residual_block", "figure4_mlp"]
    named += ["figure5_loss_seed1", "figure6_accuracy_seed1"]
    for name in named:
        for ending in (".png", ".svg"):
            assert (figures / f"chen2023_{name}{ending}").stat().st_size > 500, name
    for name in ("table1", "table2"):
        for ending in (".csv", ".md"):
            assert (results / "tables" / f"chen2023_{name}{ending}").is_file()
    listed = [json.loads(path.read_text("utf-8"))["artifacts"] for path in (results / "provenance").glob("*.json")]
    names = {name for artifacts in listed for name in artifacts}
    for folder in (*(results / kind for kind in ("tables", "metrics", "histories", "predictions")), figures):
        for path in folder.iterdir():
            kind = "figures" if folder == figures else folder.name
            assert f"{kind}/{path.name}" in names, path
            assert provenance.made_by(results, f"{kind}/{path.name}"), path


def test_every_table_and_figure_of_liu2023_is_there_with_its_provenance(finished):
    project, _ = finished
    results, figures = project / "results" / "tiny", project / "figures" / "tiny"
    named = ["figure1_skip_connection", "expansion", "lenet_against_printed", "lenet_curves", "gradient_norms_seed1"]
    named += ["separations_seed1", "genki4k_roc_seed1", "genki4k_pose_seed1"]
    for name in named:
        for ending in (".png", ".svg"):
            assert (figures / f"liu2023_{name}{ending}").stat().st_size > 500, name
    tables = ["table1", "table2", "table4", "table5", "batch_sizes", "augmentation_counts", "misses", "divisions"]
    ours = ("fer2013", "genki4k", "equations", "table3_measured")
    for name in [*tables, *(f"{own}_seed1" for own in ours)]:
        for ending in (".csv", ".md"):
            assert (results / "tables" / f"liu2023_{name}{ending}").is_file(), name
    equations = (results / "tables" / "liu2023_equations_seed1.md").read_text(encoding="utf-8")
    assert "SYNTHETIC" in equations
    assert (results / "models" / "ckplus_svm_seed1" / "svm.skops").is_file()


def test_scores_are_computed_again_from_the_saved_answers_alone(finished, tmp_path):
    project, _ = finished
    for kind in ("results", "figures"):
        shutil.copytree(project / kind / "tiny", tmp_path / kind / "tiny")
    results, command = tmp_path / "results" / "tiny", [sys.executable, "workflow/score_again.py", "tiny"]
    given = {"cwd": project, "env": environment(project) | {"FER_OUTPUT": str(tmp_path)}}
    done = subprocess.run(command, capture_output=True, text=True, **given)
    assert done.returncode == 0, done.stderr
    assert "07_comparators_seed1: scores, against, fer2013, tested, leaders, panels from" in done.stdout
    again = [path for path in results.rglob("*.*") if path.parent.name in ("tables", "metrics")]
    assert len(again) > 50
    for path in again:  # by the same code, so to the same bytes
        assert path.read_bytes() == (project / "results" / "tiny" / path.relative_to(results)).read_bytes(), path.name
    made = json.loads((results / "provenance" / "04_resnet_svm_seed1.json").read_text(encoding="utf-8"))
    assert made["scored_again"]["answers"] == made["artifacts"]["predictions/liu2023_ckplus_seed1.npz"]
    assert "scored_again" not in provenance.made_by(
        project / "results" / "tiny", "tables/liu2023_separations_seed1.csv"
    )
    assert "computed again" in (results / "notebooks" / "04_resnet_svm_seed1.ipynb").read_text(encoding="utf-8")
    answers = packed.read(results / "predictions" / "liu2023_ckplus_seed1.npz")
    answers.loc[0, "predicted"] = (answers["predicted"][0] + 1) % 7
    packed.write(answers, results / "predictions" / "liu2023_ckplus_seed1.npz")
    done = subprocess.run(command, capture_output=True, text=True, **given)
    assert done.returncode == 2
    assert "is no longer what 04_resnet_svm_seed1 wrote" in done.stderr


@pytest.mark.parametrize("csv", [False, True])
def test_a_data_folder_without_some_corpora_leaves_their_notebooks_out(tmp_path, csv):
    writers.write_fer2013_csv(tmp_path / "data" / "fer2013", n=60, seed=5)
    said = "ckplus is not in the data folder: its results are left out."
    if csv:  # as CK+ goes round without the subjects: notebook 06 needs none
        rows = [f"{code},{' '.join(['7'] * 2304)},Training" for code in (0, 1, 2, 3, 4, 5, 6, 7)]
        (tmp_path / "data" / "ckextended.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))
        said = "ckplus in the data folder names no subjects: notebooks 04 and 07 are left out."
    given = ["--config", "profile=quick", "seeds=0", f"data_dir={tmp_path / 'data'}"]
    command = [*snakemake(PROJECT, "-n")[:-3], "--forceall", *given]
    done = subprocess.run(command, cwd=PROJECT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert said in done.stderr
    planned = re.findall(r"^(\w+)\s+\d+$", done.stdout + done.stderr, re.M)
    assert not {"resnet_svm", "comparators"} & set(planned)
    assert "resnet50_mlp" in planned
    assert ("lenet_study" in planned) == csv


def test_the_report_is_one_self_contained_page(finished):
    page = (finished[0] / "results" / "tiny" / "report.html").read_text(encoding="utf-8")
    assert "SYNTHETIC" in page
    assert "Table 2" in page
    assert page.count("data:image/png;base64") >= 4
    # a link to a cited source is followed by a click alone; nothing else may name an address
    assert not re.findall(r"""<(?!a\s)[^>]*(?:src|href)=["'](?:https?:)?//[^"']+""", page)
    assert not re.findall(r"@import|url\((?!['\"]?(?:data:|#))", page)


def test_no_result_names_a_folder_of_this_machine(finished):
    project, _ = finished
    for path in [*(project / "results").rglob("*"), *(project / "figures").rglob("*")]:
        if path.is_file() and path.suffix in (".json", ".md", ".csv", ".svg", ".html", ".ipynb"):
            assert str(project) not in path.read_text(encoding="utf-8"), path


def test_papermill_runs_a_notebook_from_any_folder_on_a_users_data(tmp_path):
    writers.write_fer2013_folders(tmp_path / "data" / "fer2013", n=120, seed=5)
    command = [
        sys.executable, "-m", "papermill", str(PROJECT / "notebooks" / "05_baseline_cnn.ipynb"), "out.ipynb",
        "-p", "epochs", "1", "-p", "data_dir", "data", "-p", "output_dir", "mine",
        "-y", "{changes: {convolution_filters: [4], dense_units: 8}}", "--no-progress-bar",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    made = provenance.read_values(tmp_path / "mine" / "results" / "smoke")["baseline_cnn_seed0"]["provenance"]
    assert made["settings"]["epochs"] == 1
    assert made["settings"]["convolution_filters"] == [4]
    assert made["data"]["fer2013"]["notes"]["layout"] == "prefixed folders"
    assert made["data"]["fer2013"]["synthetic"] is True


def test_a_profile_without_its_data_stops_with_one_sentence(tmp_path):
    command = [
        sys.executable, "-m", "papermill", str(PROJECT / "notebooks" / "01_data_exploration.ipynb"), "out.ipynb",
        "-p", "profile", "quick", "--no-progress-bar",
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name != "FER_DATA"}
    done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True)
    assert done.returncode != 0
    assert "FerError: This profile reads FER-2013 and no data folder was given; set FER_DATA" in done.stderr
    outputs = [o for c in nbformat.read(tmp_path / "out.ipynb", 4).cells for o in c.get("outputs", [])]
    (error,) = [output for output in outputs if output.output_type == "error"]
    assert error.traceback == [f"FerError: {error.evalue}"]  # no frames
