"""Test saved results: whole files with provenance, marks of generated faces, and the report's use of them."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import subprocess
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from fer_lib import artifacts, provenance, training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.imagenet_folders import ImageFolders
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics as evaluation
from fer_lib.experiments import public_cnns
from fer_lib.figures import source as source_line, style
from fer_lib.figures.faces import class_counts
from fer_lib.models import pretrained, weights_file
from fer_lib.report import chen2023 as report
from fer_lib.settings import (
    PROJECT,
    BaselineCnnSettings,
    DataSettings,
    ResNet50MlpSettings,
    ResNet50SvmSettings,
    change,
    experiment,
    settings_hash,
)
from fer_lib.tables import base as tables
from fer_lib.utils import packed
from fer_lib.utils.files import atomic_path, file_sha256, write_text

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
MLP = ResNet50MlpSettings(weights="random_frozen", epochs=2)
CNN = BaselineCnnSettings(epochs=2)
NO_WEIGHTS = {"origin": "none: random, frozen", "sha256": None, "tests_transfer_claim": False}
PARTS = ("training, evaluated", "validation", "testing", "testing, raw")


def some_faces(*, synthetic=True, seed=0) -> FaceDataset:
    rng = np.random.default_rng(seed)
    meta = pd.DataFrame({"label": np.arange(70) % 7, "split": ["Training"] * 42 + ["PrivateTest"] * 28})
    images = rng.integers(0, 256, (70, 4, 4), dtype=np.uint8)
    return FaceDataset(images, meta, CLASSES, "fer2013", synthetic, {"rows left out": 0})


def started(tmp_path, *, seed=0, faces=None, settings=MLP, weights=NO_WEIGHTS, variant="", **given) -> artifacts.Run:
    notebook = "05_baseline_cnn" if settings == CNN else "03_resnet50_mlp"
    run = artifacts.start(notebook, seed=seed, output_dir=str(tmp_path), **given)
    run.variant = variant  # as of a profile with variants
    run.uses(faces=some_faces() if faces is None else faces, settings=settings, weights=weights)
    return run


def simple_figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0], label="a line")
    return figure


def save_one_of_each(run: artifacts.Run) -> None:
    run.save_table(tables.Table(pd.DataFrame({"a": [1]}), "A table", run.synthetic), "one_table")
    run.save_values({"accuracy": 0.5}, "one_value")
    run.save_rows(pd.DataFrame({"epoch": [1], "loss": [0.25]}), "one_history", folder="histories")
    run.save_figure(simple_figure(), "one_figure")


def written(folder) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_json(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_run_builds_the_settings_of_an_experiment_for_its_variant(tmp_path):
    run = artifacts.start("03_resnet50_mlp", profile="paper", variant="from_scratch", output_dir=str(tmp_path))
    expected = experiment(run.settings, "resnet50_mlp", variant="from_scratch", epochs=3, changes={"batch_size": 8})
    assert run.experiment("resnet50_mlp", epochs=3, changes={"batch_size": 8}) == expected
    assert expected != experiment(run.settings, "resnet50_mlp", epochs=3, changes={"batch_size": 8})


CARD = {
    "format": 1,
    "network": "ResNet50",
    "scaling": "unit",
    "image_size": 48,
    "dtype": "float32",
    "recipe": {},
    "data": {"corpus": "tiny-imagenet", "fingerprint": "ab", "counts": {"training": 9}, "synthetic": True},
    "seed": 0,
    "code": {"commit": "0123456789abcdef", "dirty": False},
    "engine": None,
    "packages": {},
    "accuracy": {key: {"value": 0.4, "low": 0.3, "high": 0.5} for key in ("top1", "top5")} | {"images": 9},
}


def weights_with_card(folder, *, synthetic=False):
    path = write_text(folder / "own.weights.h5", "some weights")
    card = CARD | {"sha256": file_sha256(path), "data": CARD["data"] | {"synthetic": synthetic}}
    write_text(folder / "own.weights.json", json.dumps(card))
    return str(path)


def test_a_run_feeds_the_pixels_that_its_weights_expect_and_records_them(tmp_path):
    weights = weights_with_card(tmp_path)
    run = artifacts.start("03_resnet50_mlp", profile="paper", variant="trunk_scaling", output_dir=str(tmp_path / "out"))
    settings = run.experiment("resnet50_mlp", weights=weights)
    assert settings == experiment(run.settings, "resnet50_mlp", weights=weights)  # whose scaling is unit
    assert run.experiment("resnet50_svm", weights=weights).scaling == "unit"
    assert run.experiment("resnet50_svm", weights="imagenet").scaling == "trunk"
    run.uses(settings=settings, weights=pretrained.weights_origin(weights))
    made = run.provenance()
    assert made["settings"]["scaling"] == made["weights"]["card"]["scaling"] == "unit"
    write_text(tmp_path / "own.weights.h5", "other weights")
    with pytest.raises(FerError, match="is not the file that its card"):
        run.experiment("resnet50_svm", weights=weights)


@pytest.mark.parametrize("synthetic", [False, True])
def test_results_of_weights_from_generated_images_are_marked(tmp_path, synthetic):
    origin = pretrained.weights_origin(weights_with_card(tmp_path, synthetic=synthetic))
    run = started(tmp_path / "out", faces=some_faces(synthetic=False), weights=origin)
    assert run.synthetic is synthetic
    save_one_of_each(run)
    assert read_json(run.results / "metrics" / "one_value.json")["synthetic"] is synthetic
    note = tables.weights_note(origin)
    assert ("(SYNTHETIC images), SHA-256" in note) is synthetic
    assert "top-1 40.00 % [30.00, 50.00] of 9 validation images, seed 0, commit 0123456789ab." in note


# --- files and provenance ---------------------------------------------------------------------------------------------


def test_each_kind_of_result_goes_to_its_place_with_provenance(tmp_path):
    save_one_of_each(started(tmp_path))
    assert set(written(tmp_path)) == {
        "results/smoke/tables/one_table.csv",
        "results/smoke/tables/one_table.md",
        "results/smoke/metrics/one_value.json",
        "results/smoke/histories/one_history.csv",
        "figures/smoke/one_figure.png",
        "figures/smoke/one_figure.svg",
        "results/smoke/provenance/03_resnet50_mlp_seed0.json",
    }


def test_provenance_walks_back_to_code_settings_data_weights_and_machine(tmp_path):
    weights = tmp_path / "own.weights.h5"
    weights.write_bytes(b"some weights")
    settings, faces = change(MLP, weights=str(weights)), some_faces()
    run = started(tmp_path, seed=3, settings=settings, faces=faces, weights=pretrained.weights_origin(settings.weights))
    save_one_of_each(run)
    found = read_json(run.results / "provenance" / "03_resnet50_mlp_seed3.json")
    assert (found["notebook"], found["profile"], found["seed"]) == ("03_resnet50_mlp", "smoke", 3)
    assert set(found["code"]) == {"commit", "dirty"}
    assert found["settings"]["batch_size"] == 64
    assert found["settings"]["weights"] == "file own.weights.h5"
    assert found["settings_hash"] == settings_hash(settings)
    data = found["data"]["fer2013"]
    assert data["fingerprint"] == faces.fingerprint
    assert data["counts"] == {"Training": 42, "PrivateTest": 28}
    assert data["synthetic"] is True
    assert data["notes"] == {"rows left out": 0}
    assert data["crops"] == "already cropped"
    assert found["weights"]["sha256"] == file_sha256(weights)
    assert found["weights"]["origin"] == "file own.weights.h5"
    assert found["engine"]["backend"] == keras.backend.backend()
    assert found["engine"]["devices"]
    assert found["engine"]["precision"] == "float32"
    assert found["packages"]["keras"] == keras.__version__
    assert {"tensorflow", "numpy", "scikit-learn", "pandas"} <= set(found["packages"])
    assert re.fullmatch(r"3\.\d+\.\d+.*", found["python"])
    assert 0 <= found["seconds_since_start"] < 60
    assert found["machine"]["cores"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["written"])
    for name, digest in found["artifacts"].items():
        folder = run.figures.parent if name.startswith("figures/") else run.results
        assert file_sha256(folder / name.replace("figures/", "smoke/")) == digest
    assert len(found["artifacts"]) == 6


def test_results_name_their_provenance(tmp_path):
    run = artifacts.start("03_resnet50_mlp", seed=2, output_dir=str(tmp_path))
    run.variant = "from_scratch"  # as of a profile with variants
    save_one_of_each(run)
    file = "provenance/03_resnet50_mlp-from_scratch_seed2.json"
    assert read_json(run.results / "metrics" / "one_value.json")["provenance"] == file
    assert (run.results / "tables" / "one_table.md").read_text(encoding="utf-8").endswith(f"\nProvenance: `{file}`.\n")
    with Image.open(run.figures / "one_figure.png") as picture:
        assert picture.text["Provenance"] == file
    assert f">{file}<" in (run.figures / "one_figure.svg").read_text(encoding="utf-8")
    assert (run.results / file).is_file()


def test_provenance_is_whole_whatever_the_order_in_which_facts_become_known(tmp_path):
    run = artifacts.start("03_resnet50_mlp", output_dir=str(tmp_path))
    run.save_table(tables.Table(pd.DataFrame({"a": [1]}), "A table"), "early")
    run.uses(faces=some_faces(), settings=MLP, weights=NO_WEIGHTS)
    run.save_values({"accuracy": 0.5}, "late")
    found = provenance.made_by(run.results, "tables/early.csv")
    assert found["settings"]["batch_size"] == 64
    assert found["data"]["fer2013"]["fingerprint"] == some_faces().fingerprint


def test_a_result_without_provenance_is_not_read(tmp_path):
    run = started(tmp_path)
    run.save_values({"accuracy": 0.5}, "v")
    assert run.load_values("v")["v"]["provenance"]["seed"] == 0
    path = run.results / "metrics" / "v.json"
    whole = path.read_bytes()
    write_text(path, whole.decode().replace("0.5", "0.9"))
    assert run.load_values("v") == {}
    path.write_bytes(whole)
    assert list(run.load_values("v")) == ["v"]
    started(tmp_path).save_values({"accuracy": 0.7}, "other")  # the run is made again, and has not come to v yet
    assert list(run.load_values("*")) == ["other"]


def test_every_corpus_used_is_kept_and_one_of_generated_faces_marks_the_run(tmp_path):
    run = started(tmp_path)
    other = FaceDataset(some_faces().images, some_faces().meta, CLASSES, "ckplus")
    run.uses(faces=other)
    assert set(run.provenance()["data"]) == {"fer2013", "ckplus"}
    assert run.synthetic


@pytest.mark.parametrize(
    ("driver", "cards"),
    [
        ("echo 'NVIDIA H100 80GB HBM3'; echo 'Tesla T4'", ["NVIDIA H100 80GB HBM3", "Tesla T4"]),
        ("echo 'No devices were found'; exit 6", []),
        (None, []),
    ],
)
def test_graphics_cards_are_named_where_there_are_any(tmp_path, monkeypatch, driver, cards):
    if driver is not None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{driver}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if driver else str(tmp_path))
    provenance._gpus.cache_clear()
    assert started(tmp_path / "made").provenance()["machine"]["gpus"] == cards
    provenance._gpus.cache_clear()


def test_a_clean_and_a_changed_tree_are_told_apart(monkeypatch):
    answers = {"rev-parse": "c0ffee", "status": " M fer_lib/training.py"}
    monkeypatch.setattr(provenance, "_git", lambda command, *rest: answers[command])
    assert provenance.git_state() == {"commit": "c0ffee", "dirty": True}
    answers["status"] = ""
    assert provenance.git_state() == {"commit": "c0ffee", "dirty": False}


def test_outside_a_repository_there_is_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state() == {"commit": None, "dirty": None}
    monkeypatch.setattr(provenance, "CHECKOUT", None)  # installed from a wheel
    assert provenance.git_state() == {"commit": None, "dirty": None}


def test_results_and_figures_do_not_make_the_code_dirty(monkeypatch, tmp_path):
    def git(*words):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True, text=True)

    for variable in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # a hook that runs the tests sets them
        monkeypatch.delenv(variable, raising=False)
    write_text(tmp_path / "code.py", "x = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first", "--no-verify")
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    write_text(tmp_path / "results" / "smoke" / "a.csv", "1\n")
    write_text(tmp_path / "figures" / "a.svg", "<svg/>\n")
    assert provenance.git_state() == {"commit": git("rev-parse", "HEAD").stdout.strip(), "dirty": False}
    write_text(tmp_path / "code.py", "x = 2\n")
    assert provenance.git_state()["dirty"] is True


def test_no_file_names_a_folder_of_this_machine(tmp_path):
    weights = tmp_path / "secret" / "own.weights.h5"
    write_text(weights, "some weights")
    settings = change(MLP, weights=str(weights))
    run = started(tmp_path / "out", settings=settings, weights=pretrained.weights_origin(settings.weights))
    run.save_table(tables.all_settings(settings, title="t"), "settings")
    save_one_of_each(run)
    files = written(tmp_path / "out")
    assert len(files) == 9
    for name, content in files.items():
        assert str(tmp_path).encode() not in content, name
        assert str(PROJECT).encode() not in content, name
        assert b"secret" not in content, name


# --- marks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("synthetic", [True, False])
def test_generated_faces_mark_every_table_row_file_and_value(tmp_path, synthetic):
    run = started(tmp_path, faces=some_faces(synthetic=synthetic))
    save_one_of_each(run)
    files = written(run.results)
    for name in ("tables/one_table.csv", "tables/one_table.md", "histories/one_history.csv"):
        assert (b"SYNTHETIC" in files[name]) is synthetic, name
    value = run.load_values("one_value")["one_value"]
    assert value["synthetic"] is synthetic
    assert value["provenance"]["data"]["fer2013"]["synthetic"] is synthetic


def test_every_row_of_a_csv_bears_the_mark_and_saving_changes_no_frame(tmp_path):
    run, frame = started(tmp_path), pd.DataFrame({"epoch": [1, 2, 3]})
    run.save_rows(frame, "h", folder="histories")
    shown = run.save_table(tables.Table(frame, "t", synthetic=True), "t")
    assert list(frame.columns) == list(shown.frame.columns) == ["epoch"]
    assert (run.load_rows("h", folder="histories")["data"] == "SYNTHETIC").all()
    assert (pd.read_csv(run.results / "tables" / "t.csv")["data"] == tables.SYNTHETIC_MARK).all()


@pytest.mark.parametrize("synthetic", [True, False])
def test_arrays_are_kept_without_pickle_and_bear_the_mark(tmp_path, synthetic):
    run = started(tmp_path, faces=some_faces(synthetic=synthetic))
    shares = np.array([[0.25, 0.75]], np.float16)
    run.save_packed({"testing.vgg16": shares}, "shares")
    path = run.results / "predictions" / "shares.npz"
    with np.load(path, allow_pickle=False) as kept:
        assert kept.files == ["testing.vgg16", *(["SYNTHETIC"] if synthetic else [])]
        np.testing.assert_array_equal(kept["testing.vgg16"], shares)
        assert kept["testing.vgg16"].dtype == np.float16
    listed = read_json(run.results / run.provenance_file)["artifacts"]
    assert listed["predictions/shares.npz"] == file_sha256(path)
    first = path.read_bytes()
    run.save_packed({"testing.vgg16": shares}, "shares")
    assert path.read_bytes() == first, "the same arrays give the same file"


# --- contents ---------------------------------------------------------------------------------------------------------


def test_a_compact_file_is_marked_and_listed(tmp_path):
    run, frame = started(tmp_path), pd.DataFrame({"face": [0, 1], "happy": [0.125, 0.5]})
    run.save_packed(frame, "p")
    path = run.results / "predictions" / "p.npz"
    pd.testing.assert_frame_equal(packed.read(path).drop(columns="data"), frame, check_dtype=False)
    assert set(packed.read(path)["data"]) == {"SYNTHETIC"}
    assert list(frame.columns) == ["face", "happy"]
    made = read_json(run.results / run.provenance_file)
    assert made["artifacts"]["predictions/p.npz"] == file_sha256(path)
    real = started(tmp_path, faces=some_faces(synthetic=False))
    real.save_packed(frame, "p")
    assert "data" not in packed.read(path)


def test_rows_come_back_with_seven_digits(tmp_path):
    run = started(tmp_path, faces=some_faces(synthetic=False))
    frame = pd.DataFrame({"face": [0, 1], "happy": [0.123456789, 1e-9]})
    run.save_rows(frame, "p", folder="predictions")
    back = run.load_rows("p", folder="predictions")
    pd.testing.assert_frame_equal(back, frame, rtol=1e-6)
    assert back["face"].dtype == np.int64
    assert run.load_rows("absent", folder="predictions") is None
    faces = some_faces(synthetic=False)
    assert run.load_rows("p", folder="predictions", faces=faces) is not None
    others = dataclasses.replace(faces, images=faces.images + 1)
    assert run.load_rows("p", folder="predictions", faces=others) is None
    (run.results / run.provenance_file).unlink()
    assert run.load_rows("p", folder="predictions", faces=faces) is None


def test_packed_answers_come_back_unless_they_are_of_other_faces(tmp_path):
    faces = some_faces(synthetic=False)
    run = started(tmp_path, faces=faces)
    frame = pd.DataFrame({"face": [0, 300], "part": ["training", "testing"]})
    run.save_packed(frame, "p")
    back = run.load_packed("p", faces=faces)
    assert back["face"].tolist() == [0, 300]
    assert back["part"].tolist() == ["training", "testing"]
    others = dataclasses.replace(faces, images=faces.images + 1)
    assert run.load_packed("p", faces=others) is None
    assert run.load_packed("absent") is None


def test_a_named_index_is_kept_in_the_csv(tmp_path):
    frame = pd.DataFrame({"faces": [3]}, index=pd.Index(["Training"], name="split"))
    run = started(tmp_path, faces=some_faces(synthetic=False))
    run.save_table(tables.Table(frame, "t"), "t")
    assert (run.results / "tables" / "t.csv").read_text() == "split,faces\nTraining,3\n"


def test_frames_become_rows_and_missing_numbers_null(tmp_path):
    scores = pd.DataFrame({"metric": ["loss"], "value": [0.1 + 0.2], "low": [np.nan]})
    cells = pd.DataFrame([[1]], index=pd.Index(["a"], name="true"), columns=["a"])
    kept = artifacts.plain({"scores": scores, "confusion": cells, "faces": np.int64(3)})
    run = started(tmp_path)
    run.save_values(kept, "v")
    text = (run.results / "metrics" / "v.json").read_text()
    assert "NaN" not in text
    values = run.load_values("v")["v"]["values"]
    assert values["scores"] == [{"metric": "loss", "value": pytest.approx(0.3, abs=1e-14), "low": None}]
    assert values["confusion"] == [{"true": "a", "a": 1}]
    assert values["faces"] == 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bare_value_that_is_no_number_is_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        started(tmp_path).save_values({"loss": value}, "v")
    assert written(tmp_path) == {}


def test_values_that_do_not_belong_into_a_result_are_refused(tmp_path):
    with pytest.raises(TypeError, match="SimpleNamespace does not belong into a result"):
        started(tmp_path).save_values({"model": SimpleNamespace()}, "v")


def test_values_are_found_by_pattern_in_order_of_their_names(tmp_path):
    run = started(tmp_path)
    for name in ("cnn_seed1", "cnn_seed0", "other"):
        run.save_values({"x": 1}, name)
    assert list(run.load_values("cnn_seed*")) == ["cnn_seed0", "cnn_seed1"]
    assert set(run.load_values("*")) == {"cnn_seed0", "cnn_seed1", "other"}


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first, second = (started(tmp_path / name) for name in "ab")
    for run in (first, second):
        run.save_figure(simple_figure(), "f")
    for suffix in ("svg", "png"):
        assert (first.figures / f"f.{suffix}").read_bytes() == (second.figures / f"f.{suffix}").read_bytes()
    assert (first.figures / "f.png").read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in (first.figures / "f.svg").read_bytes()


def test_a_run_with_a_model_names_the_parts_that_it_uses_and_one_without_all():
    counts = {"Training": 42, "PublicTest": 7, "PrivateTest": 28}
    data = {"test_split": "PrivateTest", "validation_fraction": 0.2}
    run = {"data": {"fer2013": {"counts": counts}}, "data_settings": data}
    for settings, said in (
        ({"comparators": {"weights": "imagenet"}}, "42 Training + 28 PrivateTest"),
        ({"resnet50_mlp": {"test_scaling": "same"}}, "42 Training (20 % of it for validation) + 28 PrivateTest"),
        (data, "42 Training + 7 PublicTest + 28 PrivateTest"),
    ):
        assert source_line.in_words([{**run, "settings": settings}]) == f"Faces: FER-2013, {said}."
    study = {**run, "settings": {"resnet50_mlp": {"weights": "none"}, "input_scale": {"learn": 30, "test": 9}}}
    said = "Faces: FER-2013, 30 to learn from and 9 to test on, of 42 Training."
    assert source_line.in_words([study], drawn=("learn", "test")) == said
    assert source_line.in_words([study]) == "Faces: FER-2013, 42 Training + 28 PrivateTest."


def test_a_figure_names_its_faces_seed_and_weights(tmp_path):
    run = artifacts.start("03_resnet50_mlp", seed=3, output_dir=str(tmp_path))

    def source(figure=None, **options):
        return run.sourced(figure or style.new_figure(1, "F"), **options).source

    assert source() == "Seed 3."
    run.uses(faces=some_faces(), weights={"origin": "none: trained from scratch"})
    wanted = (
        "Faces: FER-2013 (SYNTHETIC), 42 Training + 28 PrivateTest. Seed 3. "
        "Weights of the trunk: none: trained from scratch."
    )
    run.uses(settings=run.settings.resnet50_mlp)
    assert "42 Training (20 % of it for validation) + 28 PrivateTest. Seed 3." in source()
    run.facts["settings"] = {"resnet50_svm": {"fine_tune_on": "fer2013"}}
    assert source().endswith("none: trained from scratch (fine-tuned on FER-2013).")
    for own, said in (
        ({"epochs": 10, "trainable_trunk": "last_four_layers"}, " (last layers fine-tuned on FER-2013)"),
        ({"epochs": 0}, ""),
        ({"trainable_trunk": "nothing"}, ""),
        ({"fine_tune_on": "nothing"}, ""),
    ):
        run.facts["settings"] = {"resnet50_svm": {"fine_tune_on": "fer2013", **own}}
        assert source() == wanted.removesuffix(".") + said + "."
    run.facts.pop("settings")
    counts = pd.DataFrame({"happy": [42, 28], "total": [42, 28]}, index=["Training", "PrivateTest"])
    assert run.save_figure(class_counts(counts), "counts").source == source() == wanted
    run.variant = "from_scratch"
    assert "Seed 3. Variant from_scratch. Weights" in source()


def test_a_figure_names_the_corpora_and_seeds_that_it_shows(tmp_path):
    run = artifacts.start("06_lenet_study", seed=3, output_dir=str(tmp_path))
    for corpus in ("ckplus", "olivetti", "fer2013"):
        run.uses(faces=dataclasses.replace(some_faces(), corpus=corpus))
    figure = style.new_figure(1, "F")
    figure.corpora, figure.seeds = ("ckplus", "olivetti"), (0, 1, 2)
    faces = "CK+ (SYNTHETIC), 42 Training + 28 PrivateTest; Olivetti faces (SYNTHETIC), 42 Training + 28 PrivateTest"
    assert run.sourced(figure).source == f"Faces: {faces}. Seed 3; trainings from seeds 0, 1, 2."
    other = style.new_figure(1, "F")
    other.corpora = ("genki4k",)  # not among the run's: all are named
    assert run.sourced(other).source == f"Faces: {faces}; FER-2013 (SYNTHETIC), 42 Training + 28 PrivateTest. Seed 3."


def test_a_figure_of_generated_faces_names_these_and_not_the_runs(tmp_path):
    run = artifacts.start("01_data_exploration", seed=0, output_dir=str(tmp_path))
    run.uses(faces=dataclasses.replace(some_faces(), corpus="ckplus", synthetic=False))
    saved = run.save_figure(style.new_figure(1, "F"), "f", shows=some_faces())
    assert saved.source == "Faces: FER-2013 (SYNTHETIC), 42 Training + 28 PrivateTest. Seed 0."


def test_a_reports_figure_names_the_seeds_of_the_results_it_shows():
    run = artifacts.Run("08_replication_report", "paper", None, None, PROJECT, PROJECT)
    corpus = {"fer2013": {"counts": {"Training": 28709}, "synthetic": False}}
    run.facts["made_from"] = {
        f"{model}_seed{seed}": {"seed": seed, "data": corpus, "weights": weights}
        for model, weights in {"resnet50_mlp": {"origin": "file a.h5"}, "baseline_cnn": None}.items()
        for seed in (1, 10)
    }

    def source(*names):
        return run.sourced(style.new_figure(1, "F"), *names).source

    assert source("baseline_cnn_seed*") == "Faces: FER-2013, 28,709 Training. Seeds 1, 10."
    for name, backend in (("resnet50_mlp_seed1", "jax"), ("resnet50_mlp_seed10", "tensorflow")):
        run.facts["made_from"][name]["engine"] = {"backend": backend}
    assert "Seeds 1, 10. Trained on 2 backends: jax, tensorflow. Weights" in source("resnet50_mlp*")
    made = {"seed": 0, "data": {"tiny-imagenet": {"counts": {"training": 9}}}}
    assert source_line.in_words([made]) == "Images: tiny-imagenet, 9 training. Seed 0."
    whole = "Faces: FER-2013, 28,709 Training. Seed 1. Weights of the trunk: file a.h5."
    assert source("resnet50_mlp_seed1") == whole
    assert source("nothing*") == ""


# --- whole files or nothing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, "the old content"])
def test_a_write_that_fails_leaves_what_was_there_and_no_partial(tmp_path, error, before):
    path = tmp_path / "new" / "a.weights.h5"
    if before is not None:
        write_text(path, before)

    def half_a_write():
        with atomic_path(path) as partial:
            partial.write_text("half")
            assert "".join(partial.suffixes) == ".weights.h5"  # writers choose the format by it
            raise error

    with pytest.raises(error):
        half_a_write()
    assert written(tmp_path) == ({} if before is None else {"new/a.weights.h5": before.encode()})


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        OSError("Unable to write (errno = 28, error message = 'No space left on device')"),  # as HDF5 says it
    ],
)
def test_a_full_or_closed_disk_is_a_sentence(tmp_path, error):
    def half_a_write():
        with atomic_path(tmp_path / "a.csv"):
            raise error

    with pytest.raises(FerError, match=r"a\.csv cannot be written \((No space|Read-only)[^)]*\): make room") as caught:
        half_a_write()
    assert caught.value._render_traceback_() == [f"FerError: {caught.value}"]
    assert written(tmp_path) == {}


def test_a_write_that_succeeds_replaces_the_file_and_is_readable_by_all(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    assert write_text(tmp_path / "a.txt", "naïve").read_text(encoding="utf-8") == "naïve"
    assert written(tmp_path) == {"a.txt": "naïve".encode()}
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_figure_that_cannot_be_drawn_leaves_nothing(tmp_path, monkeypatch):
    run, figure = started(tmp_path), simple_figure()

    def fails_halfway(drawn, **given):
        (drawn.write if hasattr(drawn, "write") else drawn.write_bytes)(b"half a picture")
        raise MemoryError

    monkeypatch.setattr(figure, "savefig", fails_halfway)
    with pytest.raises(MemoryError):
        run.save_figure(figure, "f")
    assert written(tmp_path) == {}


# --- start, checkpoints -----------------------------------------------------------------------------------------------


def test_a_run_writes_under_its_profile_in_the_folder_asked_for(tmp_path, monkeypatch):
    run = artifacts.start("01_data_exploration", profile="quick", output_dir=str(tmp_path))
    assert run.results == tmp_path / "results" / "quick"
    assert run.figures == tmp_path / "figures" / "quick"
    assert run.settings.data == DataSettings(source="folder")
    assert not run.synthetic
    monkeypatch.setenv("FER_OUTPUT", str(tmp_path / "elsewhere"))
    assert artifacts.start("01_data_exploration").results == tmp_path / "elsewhere" / "results" / "smoke"
    monkeypatch.delenv("FER_OUTPUT")
    assert artifacts.start("01_data_exploration").results == PROJECT / "results" / "smoke"


def test_an_unknown_profile_and_a_negative_seed_are_refused(tmp_path):
    with pytest.raises(FerError, match=r"no profile 'papre' \(did you mean 'paper'\?\)"):
        artifacts.start("03_resnet50_mlp", profile="papre", output_dir=str(tmp_path))
    with pytest.raises(FerError, match="seed is -1; it should be between 0 and 4294967295"):
        artifacts.start("03_resnet50_mlp", seed=-1, output_dir=str(tmp_path))
    assert written(tmp_path) == {}


def test_checkpoints_of_another_training_lie_in_another_folder(tmp_path, monkeypatch):
    own = started(tmp_path).checkpoints("resnet50_mlp", artifacts.start)
    assert own == started(tmp_path).checkpoints("resnet50_mlp", artifacts.start)
    assert own.parent == tmp_path / "results" / "smoke" / "checkpoints"
    others = {
        "settings": started(tmp_path, settings=change(MLP, learning_rate=0.01)),
        "epochs": started(tmp_path, settings=change(MLP, epochs=50)),
        "seed": started(tmp_path, seed=1),
        "faces": started(tmp_path, faces=some_faces(seed=1)),
        "weights": started(tmp_path, weights={**NO_WEIGHTS, "sha256": "0" * 64}),
        "split": started(tmp_path),
    }
    split = change(others["split"].settings.data, validation_split="unstratified_ceil")
    others["split"].settings = dataclasses.replace(others["split"].settings, data=split)
    named = {what: run.checkpoints("resnet50_mlp", artifacts.start).name for what, run in others.items()}
    keys = {what: name.rpartition("-")[2] for what, name in named.items()}
    keys["own"] = own.name.rpartition("-")[2]
    monkeypatch.setattr(artifacts.code_hash, "of", lambda *entries: "other code")
    keys["code"] = started(tmp_path).checkpoints("resnet50_mlp", artifacts.start).name.rpartition("-")[2]
    assert len(set(keys.values())) == 8, keys


def test_a_longer_training_continues_a_shorter_one_where_its_length_decides_nothing(tmp_path):
    def key(*entries, epochs):
        return started(tmp_path, settings=change(MLP, epochs=epochs)).checkpoints("resnet50_mlp", *entries)

    def scheduled():
        """A training whose learning rate ends with it."""

    for entry in (training.train, public_cnns.run):  # of notebooks 03 and 05
        assert entry.open_ended == ("epochs",)
        assert key(entry, epochs=50) == key(entry, epochs=60)
    scheduled.__module__ = training.__name__
    assert key(scheduled, epochs=50) != key(scheduled, epochs=60)
    fine = [dataclasses.replace(ResNet50SvmSettings(), epochs=epochs).fine_tuning for epochs in (50, 60)]
    assert fine[0] == fine[1]
    assert {"learning_rate", "weights", "batch_size"} <= set(fine[0])


def test_the_release_of_openvino_belongs_to_a_result_in_bfloat16_only(tmp_path, monkeypatch):
    def released(version, **trunk):
        with monkeypatch.context() as patch:
            patch.setattr(provenance.metadata, "version", lambda package: version)
            run = started(tmp_path, settings=change(MLP, **trunk))
            return run.checkpoints("m", artifacts.start), run.provenance().get("trunk")

    for trunk in ({}, {"trunk_engine": "openvino", "trunk_precision": "float32"}):
        assert released("2025.1.0", **trunk) == released("2026.4.1", **trunk)
        assert released("2026.4.1", **trunk)[1] is None
    trunk = {"trunk_engine": "openvino", "trunk_precision": "bfloat16"}
    assert released("2025.1.0", **trunk)[0] != released("2026.4.1", **trunk)[0]
    assert released("2026.4.1", **trunk)[1] == "OpenVINO 2026.4.1, bfloat16"
    assert provenance.varying_engine({"svm": {"c": 1}, "rows": {"trunk": "openvino-bfloat16"}}) is not None


def test_changes_of_the_data_reach_the_run_and_are_checked(tmp_path):
    run = artifacts.start("01_data_exploration", output_dir=str(tmp_path), data_changes={"test_split": "PublicTest"})
    assert run.settings.data.test_split == "PublicTest"
    assert run.provenance()["data_settings"]["test_split"] == "PublicTest"
    with pytest.raises(FerError, match=r"unknown key 'test_spilt' \(did you mean 'test_split'\?\)"):
        artifacts.start("01_data_exploration", output_dir=str(tmp_path), data_changes={"test_spilt": "PublicTest"})


def test_data_settings_in_the_environment_reach_runs_on_real_faces_and_changes_come_first(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_TEST_SPLIT", "PublicTest")
    monkeypatch.setenv("FER_SKIP_BAD", "yes")
    given = {"profile": "paper", "output_dir": str(tmp_path)}
    run = artifacts.start("01_data_exploration", **given, data_changes={"skip_bad": False})
    assert (run.settings.data.test_split, run.settings.data.skip_bad) == ("PublicTest", False)
    assert artifacts.start("01_data_exploration", output_dir=str(tmp_path)).settings.data.test_split == "PrivateTest"


def test_a_profile_may_be_a_file_and_its_results_bear_its_name(tmp_path):
    write_text(tmp_path / "mine.yaml", "description: my own\ndata: {source: generated}\n")
    run = artifacts.start("01_data_exploration", profile=str(tmp_path / "mine.yaml"), output_dir=str(tmp_path))
    assert (run.profile, run.results) == ("mine", tmp_path / "results" / "mine")
    assert run.settings.description == "my own"


def test_a_figure_says_which_faces_it_shows(tmp_path):
    run, shown = started(tmp_path, faces=some_faces(synthetic=False)), some_faces(seed=5)
    run.save_figure(simple_figure(), "f", shows=shown)
    found = read_json(run.results / run.provenance_file)
    assert found["shows"]["f"] == {"fingerprint": shown.fingerprint, "synthetic": True}
    assert found["data"]["fer2013"]["synthetic"] is False


# --- seeds and the report ---------------------------------------------------------------------------------------------


def keep_training(run: artifacts.Run, model: str, *, skill: float) -> pd.DataFrame:
    """Save results as notebooks 03 and 05 do, from invented outputs; return the scores."""
    faces = some_faces(synthetic=run.synthetic).part("PrivateTest")
    rng = np.random.default_rng([run.seed, len(model)])
    shares = rng.dirichlet(np.ones(7), len(faces))
    shares[np.arange(len(faces)), faces.labels] += skill
    shares /= shares.sum(axis=1, keepdims=True)
    columns = {"loss": [2.0, 1.8], "categorical_accuracy": [0.2, 0.3], "binary_accuracy": [0.84, 0.855]}
    columns |= {f"val_{name}": values for name, values in columns.items()}
    history = pd.DataFrame({"epoch": [1, 2], **columns, "seconds": [1.0, 1.0]})
    run.save_rows(history, f"{model}_seed{run.seed}", folder="histories")
    score = evaluation.score(shares, faces.labels, CLASSES)
    scores = tables.long_scores({"training": evaluation.history_scores(history), **dict.fromkeys(PARTS, score)})
    kept = {
        "scores": scores,
        "reliability": evaluation.reliability(shares, faces.labels),
        "confusion": evaluation.confusion(shares, faces.labels, CLASSES),
        "sureness": {name: evaluation.sureness(shares, faces.labels) for name in PARTS},
        "structure": {"trunk-parameters": 23587712},
    }
    run.save_values(artifacts.plain(kept), f"{model}_seed{run.seed}")
    run.save_packed(tables.answers({"testing": (faces, shares)}), f"{model}_seed{run.seed}_testing")
    return scores


def reporting(tmp_path, profile="smoke") -> report.Chen2023:
    return report.gather(artifacts.start("08_replication_report", profile=profile, output_dir=str(tmp_path)))


def every_table(results: report.Chen2023) -> dict[str, tables.Table]:
    names = ("runs_table", "glance_table", "table2", "raw_table", "sureness_table", "paired_table")
    audited = {"statements_table": results.audit("chen2023").statements_table()}
    return {name: getattr(results, name)() for name in names} | audited


def titles(figure: Figure) -> str:
    return " ".join([text.get_text() for text in figure.findobj(Text)])


def every_figure(results: report.Chen2023) -> list[Figure]:
    drawn = [results.recall_figure(), results.reliability_figure()]
    for model in report.TRAINED:
        drawn += [results.loss_figure(model), results.accuracy_figure(model)]
    return drawn


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    """A results folder of both models with two seeds each, and their scores by model and seed."""
    folder, scores = tmp_path_factory.mktemp("two_seeds"), {}
    for seed in (0, 1):
        scores["resnet50_mlp", seed] = keep_training(started(folder, seed=seed), "resnet50_mlp", skill=0.1 + seed / 10)
        cnn = artifacts.start("05_baseline_cnn", seed=seed, output_dir=str(folder))
        cnn.uses(faces=some_faces(), settings=CNN)
        scores["baseline_cnn", seed] = keep_training(cnn, "baseline_cnn", skill=1.0)
        cnn.save_values(artifacts.plain({"scores": scores["baseline_cnn", seed]}), f"class_priors_seed{seed}")
    cnn.save_values({"training-faces": 28709, "classes": 7}, "chen2023_data")
    return folder, scores


def test_scores_come_back_by_seed_as_they_were_saved(two_seeds):
    folder, scores = two_seeds
    found = artifacts.start("08_replication_report", output_dir=str(folder)).load_scores("resnet50_mlp")
    assert list(found) == [0, 1]
    for seed, frame in found.items():
        expected = scores["resnet50_mlp", seed]
        pd.testing.assert_frame_equal(frame, expected, check_dtype=False, rtol=1e-12)
    assert artifacts.start("x", output_dir=str(folder / "empty")).load_scores("resnet50_mlp") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": change(MLP, learning_rate=0.01)},
        {"settings": change(MLP, epochs=3)},
        {"faces": some_faces(seed=1)},
        {"weights": {**NO_WEIGHTS, "sha256": "0" * 64}},
    ],
    ids=["settings", "epochs", "faces", "weights"],
)
def test_seeds_that_were_not_run_alike_have_no_mean(tmp_path, changes):
    for run in (started(tmp_path), started(tmp_path, seed=1, **changes)):
        run.save_values(artifacts.plain({"scores": pd.DataFrame({"metric": ["loss"]})}), f"resnet50_mlp_seed{run.seed}")
    with pytest.raises(FerError, match=r"resnet50_mlp_seed1 differs .* delete metrics/resnet50_mlp_seed1\.json"):
        artifacts.start("08_replication_report", output_dir=str(tmp_path)).load_scores("resnet50_mlp")


def test_results_of_other_faces_or_another_test_part_are_not_set_beside_these(tmp_path):
    first = started(tmp_path)
    first.save_values(artifacts.plain({"scores": pd.DataFrame({"metric": ["loss"]})}), "resnet50_mlp_seed0")
    assert list(started(tmp_path).load_scores("resnet50_mlp")) == [0]
    assert started(tmp_path, faces=some_faces(seed=1)).load_scores("resnet50_mlp") == {}
    public = artifacts.start("05", output_dir=str(tmp_path), data_changes={"test_split": "PublicTest"})
    public.uses(faces=some_faces())
    assert public.load_scores("resnet50_mlp") == {}


@pytest.mark.parametrize("profile", ["smoke", "paper"])
def test_the_report_of_an_empty_folder_says_that_nothing_has_been_measured(tmp_path, profile):
    results = reporting(tmp_path, profile)
    assert results.heading == f"## Profile `{profile}`: nothing has been measured yet"
    made = every_table(results)
    for name in ("runs_table", "raw_table", "sureness_table", "paired_table"):
        assert "Nothing to show yet: run notebooks 03 and 05" in made[name].to_markdown(), name
    assert set(made["table2"].frame["Numbers"]) == {"published", "not measured yet"}
    assert "no seed yet" in made["table2"].title
    assert set(made["statements_table"].frame["measured"].str.partition(" (")[0]) == {"–", "not run yet"}
    for drawn in every_figure(results):
        assert "not measured yet" in titles(drawn)
    for name, table in made.items():
        results.run.save_table(table, name)


def test_the_report_of_generated_faces_is_whole_and_marked(two_seeds):
    results = reporting(two_seeds[0])
    assert results.synthetic
    assert results.heading.startswith("## SYNTHETIC · Profile `smoke`, generated faces")
    assert "do not test the paper's claim about transfer learning" in results.heading
    for name, table in every_table(results).items():
        assert table.heading.startswith("SYNTHETIC"), name
        assert len(table.frame), name
    for drawn in every_figure(results):
        assert "SYNTHETIC" in titles(drawn)
        assert "not measured yet" not in titles(drawn)


def test_the_report_names_every_training_and_what_it_came_from(two_seeds):
    frame = reporting(two_seeds[0]).runs_table().frame.set_index("result")
    assert list(frame.index) == ["resnet50_mlp_seed0", "resnet50_mlp_seed1", "baseline_cnn_seed0", "baseline_cnn_seed1"]
    assert set(frame["faces"]) == {"70 of fer2013 (SYNTHETIC)"}
    assert set(frame["fingerprint"]) == {some_faces().fingerprint[:12]}
    assert list(frame["weights"]) == ["none: random, frozen"] * 2 + ["–"] * 2
    assert list(frame["settings"]) == [settings_hash(MLP)] * 2 + [settings_hash(CNN)] * 2


def test_the_reports_table_2_is_the_mean_over_seeds(two_seeds):
    folder, scores = two_seeds
    table = reporting(folder).table2()
    assert "mean ± s.d. of 2 seeds" in table.title
    rows = table.frame.set_index(["Model", "Numbers"])
    assert rows.loc[("ResNet50 + MLP", "published"), "Testing accuracy"] == "0.8571"
    own = [
        frame[(frame["split"] == "testing") & (frame["metric"] == "loss")].iloc[0]
        for (model, _), frame in scores.items()
        if model == "resnet50_mlp"
    ]
    mean, spread = (take([row["value"] for row in own]) for take in (np.mean, partial(np.std, ddof=1)))
    columns = [[row[name] for row in own] for name in ("value", "low", "high")]
    ends = "[{:.4f}, {:.4f}]".format(*evaluation.mean_over_seeds(*columns))
    assert rows.loc[("ResNet50 + MLP", "measured, binary"), "Testing loss"] == f"{mean:.4f} ± {spread:.4f} {ends}"
    assert (table.frame["Model"].str.startswith("Class priors")).sum() == 2


def test_the_reports_statements_stand_beside_what_was_measured(two_seeds):
    frame = reporting(two_seeds[0]).audit("chen2023").statements_table().frame
    measured = {row.printed: row.measured for row in frame.itertuples()}
    assert measured["23587712"] == "23,587,712"
    assert measured["28709"] == "28,709"
    assert measured["64"] == "64"
    assert measured["50"] == "2"
    assert re.fullmatch(r"categorical: \d\d\.\d\d ± .* \[.*\]; binary: \d\d\.\d\d .*", measured["85.71"])
    shown = frame[frame["printed"] == "23587712"].iloc[0]
    assert (shown["place"], shown["possible?"]) == ("Section 2.2.1", "nothing to check it against")
    assert frame[frame["quantity"] == "GPU memory"]["measured"].item() == "– (it describes the paper's own machine)"
    shares = frame[frame["quantity"].str.startswith("share of the training")]["measured"].to_list()
    assert shares == ["– (it is the rest of the validation share)", "2"]


def test_the_report_pairs_both_models_on_the_same_faces(two_seeds):
    table = reporting(two_seeds[0]).paired_table()
    assert table.notes == (report.REPEATS_NOTE,)
    frame = table.frame
    assert list(frame["seed"]) == [0, 1]
    # the CNN's outputs were given the truth: it is right wherever the other is
    assert list(frame["right only by ResNet50 + MLP"]) == [0, 0]
    assert (frame["right only by CNN"] > 0).all()
    assert frame["ResNet50 + MLP minus CNN"].str.startswith("-").all()


def test_the_reports_files_name_the_results_they_were_made_from(two_seeds):
    folder, _ = two_seeds
    made_from = reporting(folder).run.provenance()["made_from"]
    metrics = folder / "results" / "smoke" / "metrics"
    assert set(made_from) == {path.stem for path in metrics.glob("*_seed*.json")}
    for name, facts in made_from.items():
        assert facts["sha256"] == file_sha256(metrics / f"{name}.json")
        assert facts["data"]["fer2013"]["fingerprint"] == some_faces().fingerprint
        assert f"seed{facts['seed']}" in name


def test_a_report_of_some_seeds_takes_no_others(two_seeds):
    run = artifacts.start("08_replication_report", seed=None, output_dir=str(two_seeds[0]))
    results = report.gather(run, seeds=[1])
    assert [list(frames) for frames in results.scores.values()] == [[1], [1], [1]]
    assert {facts["seed"] for facts in run.facts["made_from"].values()} == {1}
    assert "seed 1, 95 % intervals over faces" in results.table2().title
    assert list(results.paired_table().frame["seed"]) == [1]
    assert results.paired_table().notes == ()


def test_models_measured_on_other_faces_are_not_set_side_by_side(tmp_path):
    keep_training(started(tmp_path), "resnet50_mlp", skill=0.1)
    cnn = started(tmp_path, faces=some_faces(seed=1), settings=CNN)
    keep_training(cnn, "baseline_cnn", skill=0.1)
    with pytest.raises(FerError, match=r"not of the same faces \(\w+_seed0 differs\); run the notebooks again"):
        reporting(tmp_path)
    assert cnn.load_scores("resnet50_mlp") == {}  # a run leaves out what was measured on other faces
    assert list(cnn.load_scores("baseline_cnn")) == [0]


def test_results_of_another_test_part_are_not_of_the_same_faces(tmp_path):
    private, public = started(tmp_path), started(tmp_path)
    public.settings = dataclasses.replace(public.settings, data=change(public.settings.data, test_split="PublicTest"))
    keep_training(private, "resnet50_mlp", skill=0.1)
    assert list(private.load_scores("resnet50_mlp")) == [0]
    assert public.load_scores("resnet50_mlp") == {}


def test_raw_test_faces_have_a_row_of_their_own(two_seeds):
    folder, scores = two_seeds
    rows = reporting(folder).raw_table().frame.set_index(["model", "faces"])
    assert len(rows) == 3 * 3  # the class priors here are a copy of the CNN's scores
    losses = [
        frame[(frame["split"] == "testing, raw") & (frame["metric"] == "loss")]["value"].item()
        for (model, _), frame in scores.items()
        if model == "resnet50_mlp"
    ]
    assert rows.loc[("ResNet50 + MLP", "testing, raw"), "loss (nats)"] == f"{np.mean(losses):.4f}"


def test_a_report_of_one_model_alone_and_of_real_faces_works(tmp_path):
    imagenet = {"origin": "ImageNet (Keras)", "sha256": None, "tests_transfer_claim": True}
    real = some_faces(synthetic=False)
    run = started(tmp_path, profile="paper", faces=real, settings=change(MLP, weights="imagenet"), weights=imagenet)
    keep_training(run, "resnet50_mlp", skill=0.2)
    results = reporting(tmp_path, "paper")
    assert results.heading.startswith("## Profile `paper`, real faces")
    assert results.heading.endswith("trunk: ImageNet (Keras).")
    for name, table in every_table(results).items():
        assert "SYNTHETIC" not in table.to_markdown(), name
    assert "95 % intervals over faces" in results.table2().title
    assert "not measured yet" in set(results.table2().frame["Numbers"])
    assert "not measured yet" not in titles(results.recall_figure())
    assert "Traditional CNN, loss: not measured yet" in titles(results.loss_figure("baseline_cnn"))


def test_the_report_sets_variants_beside_the_papers_own_reading(tmp_path):
    keep_training(started(tmp_path), "resnet50_mlp", skill=0.1)
    other = change(MLP, scaling="trunk", epochs=7, trunk_precision="bfloat16")
    keep_training(started(tmp_path, settings=other, variant="trunk_scaling"), "resnet50_mlp-trunk_scaling", skill=0.9)
    results = reporting(tmp_path)
    frame = results.variants_table().frame.set_index("training")
    assert list(frame.index) == ["seed0", "trunk_scaling_seed0"]
    assert list(frame["scaling"]) == ["unit", "trunk"]
    assert list(frame["epochs"]) == [MLP.epochs, 7]
    assert list(frame["frozen layers in"]) == ["float32", "bfloat16"]
    losses = [float(cell.split(" [")[0]) for cell in frame["loss (nats)"]]
    assert losses[1] < losses[0]
    trunks = results.trunks_table()  # without the variant, whose precision differs too
    assert list(trunks.frame["pixels"]) == ["1/255"]
    assert not [note for note in trunks.notes if "pre-trained against" in note]
    # they are named among the trainings and never averaged with the paper's own
    assert "resnet50_mlp-trunk_scaling_seed0" in set(results.runs_table().frame["result"])
    assert list(results.scores["resnet50_mlp"]) == [0]
    assert "resnet50_mlp-trunk_scaling_seed0" in results.run.facts["made_from"]


def test_a_variant_may_divide_the_training_faces_in_another_way_but_not_test_others(tmp_path):
    keep_training(started(tmp_path), "resnet50_mlp", skill=0.1)
    split = started(tmp_path, variant="split", data_changes={"validation_split": "per_class_floor"})
    keep_training(split, "resnet50_mlp-split", skill=0.1)
    frame = reporting(tmp_path).variants_table().frame.set_index("training")
    assert list(frame["8:2"]) == ["by class", "by class, rounded down"]
    public = started(tmp_path, variant="public", data_changes={"test_split": "PublicTest"})
    keep_training(public, "resnet50_mlp-public", skill=0.1)
    with pytest.raises(FerError, match="resnet50_mlp-public_seed0 differs"):
        reporting(tmp_path)


def test_a_variant_has_data_settings_of_its_own_which_a_parameter_overrides(tmp_path):
    given = {"profile": "paper", "variant": "split_by_class", "output_dir": str(tmp_path)}
    assert artifacts.start("03_resnet50_mlp", **given).settings.data.validation_split == "per_class_floor"
    changed = artifacts.start("03_resnet50_mlp", **given, data_changes={"validation_split": "stratified"})
    assert changed.settings.data.validation_split == "stratified"
    with pytest.raises(FerError, match=r"no variant 'split_by_clas' \(did you mean 'split_by_class'"):
        artifacts.start("03_resnet50_mlp", profile="paper", variant="split_by_clas")


# --- pre-trained weights ----------------------------------------------------------------------------------------------


def test_pretrained_weights_are_those_of_the_same_results(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WEIGHTS", "pretrain")
    run = artifacts.start("03_resnet50_mlp", output_dir=str(tmp_path))
    with pytest.raises(FerError, match=r"There are no pre-trained weights in .*; run notebook 00_pretraining first"):
        run.experiment("resnet50_mlp")
    path = run.weights_file("ResNet50")
    path.parent.mkdir(parents=True)
    path.touch()
    assert run.experiment("resnet50_mlp").weights == str(path)
    assert run.experiment("resnet50_svm").weights == str(path)
    assert run.experiment("resnet50_mlp", weights="none").weights == "none"
    assert not hasattr(run.experiment("baseline_cnn"), "weights")


def test_the_card_of_pretrained_weights_says_what_they_come_from(tmp_path):
    run = artifacts.start("00_pretraining", output_dir=str(tmp_path))
    settings = run.experiment("pretraining")
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    images = ImageFolders(pixels, np.arange(4) % 2, pixels[:2], np.arange(2), ("a", "b"), ("A", "B"), "patterns", True)
    run.uses(faces=images, settings=settings)
    accuracy = evaluation.top_k(np.eye(2), images.val_labels)
    network = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = run.weights_file("ResNet50")
    weights_file.save(network, path, run.weights_card(settings, images=images, accuracy=accuracy))
    card = weights_file.read_card(path, network="ResNet50")
    assert (card["scaling"], card["image_size"], card["seed"]) == ("trunk", 32, 0)
    assert card["recipe"]["stages"] == [{"image_size": 32, "epochs": 3}]
    assert card["data"]["synthetic"]
    assert card["data"]["counts"] == {"training": 4, "validation": 2}
    assert card["accuracy"]["images"] == 2
