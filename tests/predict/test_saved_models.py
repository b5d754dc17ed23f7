"""Test saved models: same predictions after loading, bad files rejected, no foreign code executed."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.errors import FerError
from fer_lib.models import resnet50_svm
from fer_lib.predict import models as saved_models
from fer_lib.predict.models import MODEL_FILE, SVM_FILE, TRUNK_FILE, SavedModel
from fer_lib.settings import BaselineCnnSettings, FaceSettings, ResNet50SvmSettings, settings_dict
from fer_lib.svm import classifiers
from fer_lib.utils.files import file_sha256
from fer_lib.utils.pixels import network_input

layers = keras.layers
SETTINGS = ResNet50SvmSettings(search_folds=2, scaling="unit")
CLASSES = ("angry", "glad", "sad", "never seen")
LEARNERS = tuple(name for name in classifiers.NAMES if name.startswith("resnet50_"))


def faces_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8), dtype=np.uint8)


def trunk_of_channels(channels: int = 5) -> keras.Model:
    keras.utils.set_random_seed(0)
    face = keras.Input((8, 8, 3))
    maps = layers.Conv2D(channels, 3, strides=4, padding="same")(face)
    return keras.Model(face, maps, name=resnet50_svm.TRUNK)


@pytest.fixture(scope="module")
def trunk():
    return trunk_of_channels()


def model_with(trunk: keras.Model, name: str = "resnet50_svm_rbf", *, components: int = 0, classes: int = 3):
    labels = np.arange(60) % classes
    features = resnet50_svm.features(trunk, faces_of(60), settings=SETTINGS)
    examples = classifiers.Examples(features, labels, np.arange(60) // 2)
    fitted = classifiers.fit(name, examples, settings=SETTINGS, components=components)
    return SavedModel(trunk, CLASSES, fitted, settings_dict(SETTINGS), settings_dict(FaceSettings()), {"seed": 3})


@pytest.fixture(scope="module")
def model(trunk):
    return model_with(trunk)


@pytest.fixture(scope="module")
def saved_once(model, tmp_path_factory):
    return saved_models.save(tmp_path_factory.mktemp("model"), model)


@pytest.fixture
def saved(saved_once, tmp_path):
    """A copy of the saved folder, for tests that damage it."""
    return Path(shutil.copytree(saved_once, tmp_path / "model"))


def rewrite(folder: Path, **changes) -> None:
    """Change keys of model.json."""
    file = folder / MODEL_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def reseal(folder: Path) -> None:
    """Make model.json name the present files, as an attacker would."""
    rewrite(folder, sha256={name: file_sha256(folder / name) for name in (TRUNK_FILE, SVM_FILE)})


def refusal(path: Path) -> str:
    """Check that a model is refused with one sentence, and return it."""
    with pytest.raises(FerError) as raised:
        saved_models.load(path)
    assert "\n" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__cause__ is None
    return str(raised.value)


# --- whole models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("components", [0, 3])
def test_a_model_that_was_saved_answers_to_the_last_bit(trunk, tmp_path, name, components):
    model = model_with(trunk, name, components=components)
    again = saved_models.load(saved_models.save(tmp_path / "deep" / "folder", model))
    images = faces_of(7, seed=1)
    before, after = model.predict(images), again.predict(images)
    assert before.equals(after)
    features = resnet50_svm.features(trunk, images, settings=SETTINGS)
    assert [CLASSES.index(label) for label in after["label"]] == classifiers.predict(model.fitted, features).tolist()
    assert np.ptp(after[list(CLASSES[:3])].to_numpy()) > 0


def test_a_model_with_an_unknown_setting_is_refused(trunk, tmp_path):
    model = model_with(trunk, "resnet50_svm_rbf", components=0)
    odd = dataclasses.replace(model, settings={**model.settings, "svm_sloppy": True})
    with pytest.raises(FerError, match="svm_sloppy"):
        saved_models.load(saved_models.save(tmp_path / "odd", odd)).predict(faces_of(3))


def test_all_that_was_said_about_it_comes_back(model, saved_once):
    again = saved_models.load(saved_once)
    assert sorted(path.name for path in saved_once.iterdir()) == sorted([TRUNK_FILE, SVM_FILE, MODEL_FILE])
    assert again.class_names == model.class_names
    assert again.settings == model.settings
    assert again.face_settings == model.face_settings
    assert again.provenance == {"seed": 3}
    assert (again.fitted.name, again.fitted.parameters) == (model.fitted.name, model.fitted.parameters)
    assert again.image_size == (8, 8)


def test_two_classes_reload_too(trunk, tmp_path):
    model = model_with(trunk, classes=2)
    again = saved_models.load(saved_models.save(tmp_path, model))
    assert model.predict(faces_of(5)).equals(again.predict(faces_of(5)))
    assert (again.predict(faces_of(5))[["sad", "never seen"]] == -np.inf).all(axis=None)


def test_scores_say_what_they_are(trunk, model):
    assert model.score_kind == "decision value"
    frame = model.predict(faces_of(4))
    assert frame.columns.tolist() == ["label", *CLASSES]
    assert (frame["never seen"] == -np.inf).all()
    assert frame[list(CLASSES)].idxmax(axis=1).tolist() == frame["label"].tolist()
    softmax = model_with(trunk, "resnet50_softmax")
    assert softmax.score_kind == "probability"
    scores = softmax.predict(faces_of(4))[list(CLASSES)]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores["never seen"] == 0).all()


def test_no_faces_have_no_answers(model):
    assert model.predict(faces_of(0)).columns.tolist() == ["label", *CLASSES]
    assert len(model.predict(faces_of(0))) == 0


@pytest.mark.parametrize(
    "images", [np.zeros((2, 9, 8), np.uint8), np.zeros((2, 8, 8)), np.zeros((2, 8, 8, 3), np.uint8)]
)
def test_faces_of_another_kind_are_named(model, images):
    with pytest.raises(FerError, match=r"this model takes uint8 of shape \(N, 8, 8\)"):
        model.predict(images)


def test_saving_again_replaces_and_a_failure_keeps_the_old(trunk, model, saved, monkeypatch):
    other = model_with(trunk, "resnet50_svm_linear")
    with monkeypatch.context() as patch:
        patch.setattr(skops.io, "dump", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            saved_models.save(saved, other)
    assert not [path for path in saved.iterdir() if path.name.startswith(".partial")]
    saved_models.save(saved, other)
    assert saved_models.load(saved).fitted.name == "resnet50_svm_linear"


# --- whole networks ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    """A compiled network whose optimiser has a state."""
    keras.utils.set_random_seed(0)
    face = keras.Input((8, 8, 3))
    built = keras.Model(face, layers.Dense(7, activation="softmax")(layers.Flatten()(face)), name="small")
    built.compile("adam", "categorical_crossentropy")
    built.fit(faces_of(20)[..., np.newaxis].repeat(3, axis=3) / 255, np.eye(7)[np.arange(20) % 7], verbose=0)
    return built


@pytest.fixture
def taught():
    images = np.random.default_rng(1).integers(0, 256, (40, 48, 48), dtype=np.uint8)
    meta = pd.DataFrame({"label": np.arange(40) % 7, "split": "Training"})
    return FaceDataset(images, meta, CLASS_NAMES, "fer2013")


@pytest.fixture
def kept(trained, taught, tmp_path):
    facts = {"fer2013": {"fingerprint": "a"}, "genki4k": {"fingerprint": "b"}}
    settings = BaselineCnnSettings(scaling="trunk")
    provenance = {"seed": 3, "data": facts}
    folder = tmp_path / "kept"
    assert saved_models.keep_network(folder, trained, taught, settings=settings, provenance=provenance, row="x-1")
    return folder


@pytest.mark.parametrize("place", ["", "network.keras"])
def test_a_whole_network_in_a_folder_answers_as_before(kept, trained, place):
    model = saved_models.load(kept / place)
    assert (model.class_names, model.fitted, model.image_size) == (CLASS_NAMES, None, (8, 8))
    assert (model.reading.scaling, model.reading.scaling_from, model.reading.classes_from) == ("trunk", "card", "card")
    assert model.provenance == {"seed": 3, "data": {"fer2013": {"fingerprint": "a"}}}
    found = model.predict(faces_of(5))[list(CLASS_NAMES)].to_numpy()
    np.testing.assert_allclose(found, trained.predict_on_batch(network_input(faces_of(5), "trunk")), atol=1e-6)
    assert json.loads((kept / MODEL_FILE).read_text())["row"] == "x-1"


def test_the_state_of_the_optimiser_is_not_kept(kept, trained):
    assert getattr(keras.saving.load_model(kept / "network.keras"), "optimizer", None) is None
    assert trained.optimizer is not None


def test_the_faces_of_another_size_are_resized_for_the_check(trained, taught, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(SavedModel, "predict", lambda self, images: seen.append(images) or pd.DataFrame())
    monkeypatch.setattr(saved_models, "load", lambda path: SavedModel(trained, CLASS_NAMES))
    with pytest.raises(KeyError):  # no answer has the classes
        saved_models.keep_network(
            tmp_path, trained, taught, settings=BaselineCnnSettings(), provenance={"seed": 0, "data": {}}
        )
    assert seen[0].shape == (40, 8, 8)


def test_a_network_that_the_card_does_not_mean_is_refused(kept):
    with open(kept / "network.keras", "ab") as file:
        file.write(b" ")
    assert f"network.keras in {kept} is not the file that {MODEL_FILE} names" in refusal(kept)
    (kept / "network.keras").unlink()
    assert "lacks network.keras" in refusal(kept)


def test_a_folder_says_its_own_classes(kept):
    with pytest.raises(FerError, match="Found --classes for the folder"):
        saved_models.load(kept, classes="a,b,c,d,e,f,g")


# --- damaged and foreign models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [TRUNK_FILE, SVM_FILE, MODEL_FILE])
def test_a_missing_part_is_named(saved, name):
    (saved / name).unlink()
    assert f"lacks {name}" in refusal(saved)


@pytest.mark.parametrize("name", [TRUNK_FILE, SVM_FILE])
def test_parts_of_two_saves_are_not_mixed(saved, name):
    with open(saved / name, "ab") as file:
        file.write(b" ")
    assert f"{name} in {saved} is not the file that {MODEL_FILE} names" in refusal(saved)


@pytest.mark.parametrize("name", [TRUNK_FILE, SVM_FILE])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_part_is_named(saved, name, share):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(share * len(content))])
    reseal(saved)
    assert refusal(saved).startswith(f"{name} is damaged")


@pytest.mark.parametrize("text", ["", "{", "[]", '"model"', "[" * 100_000, "\x00"])
def test_json_that_is_none_is_named(saved, text):
    (saved / MODEL_FILE).write_text(text)
    assert MODEL_FILE in refusal(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("class_names", "angry"),
        ("sha256", {}),
        ("sha256", None),
        ("classifier", {"name": "resnet50_svm_rbf"}),
        ("classifier", {"name": "another", "parameters": {}}),
        ("settings", None),
        ("settings", {"pooling": "most"}),
        ("settings", {"pooli": "average"}),
        ("provenance", []),
    ],
)
def test_json_that_is_wrong_is_named(saved, key, value):
    rewrite(saved, **{key: value})
    said = refusal(saved)
    assert key in said or any(name in said for name in (value if isinstance(value, dict) else ())), said


def test_a_classifier_of_other_features_is_refused(saved):
    trunk_of_channels(6).save(saved / TRUNK_FILE)
    reseal(saved)
    assert "the trunk gives 6 features" in refusal(saved)
    assert "takes 5 features" in refusal(saved)


def test_a_classifier_of_more_classes_is_refused(saved):
    rewrite(saved, class_names=["angry", "glad"])
    assert "2 class names" in refusal(saved)


def test_a_network_in_the_trunks_place_is_refused(saved):
    network_of(5).save(saved / TRUNK_FILE)
    reseal(saved)
    assert "do not fit" in refusal(saved)


def test_an_unfitted_or_other_estimator_is_refused(saved):
    for planted in (make_pipeline(StandardScaler(), SVC()), StandardScaler(), SVC()):
        skops.io.dump(planted, saved / SVM_FILE)
        reseal(saved)
        assert "no fitted pipeline" in refusal(saved)


# --- malicious models -------------------------------------------------------------------------------------------------


class Planted:
    """An object that runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def plant(saved: Path, content: bytes) -> None:
    (saved / SVM_FILE).write_bytes(content)
    reseal(saved)


def change_schema(saved: Path, change_it) -> None:
    """Rewrite the schema of a skops file."""
    with zipfile.ZipFile(saved / SVM_FILE) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["schema.json"] = json.dumps(change_it(json.loads(members["schema.json"]))).encode()
    with zipfile.ZipFile(saved / SVM_FILE, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    reseal(saved)


def call_of(function, arguments: dict) -> dict:
    """Build the schema of an object that is created by calling a function."""
    kind = {
        "__class__": function.__name__,
        "__module__": function.__module__,
        "__loader__": "ConstructorFromReduceNode",
    }
    return {**arguments, **kind, "__id__": 1, "content": arguments}


def test_a_planted_pickle_is_not_run(saved, tmp_path):
    trace = tmp_path / "ran"
    content = pickle.dumps(Planted(trace))
    plant(saved, content)
    assert "is damaged or not written by this project" in refusal(saved)
    assert not trace.exists()
    pickle.loads(content)  # this pickle does what it threatens, so that its silence above means something
    assert trace.exists()


def test_a_planted_skops_file_is_not_run(saved, tmp_path):
    trace = tmp_path / "ran"
    skops.io.dump((f"touch {trace}",), saved / SVM_FILE)
    change_schema(saved, lambda arguments: call_of(os.system, arguments))
    foreign = skops.io.get_untrusted_types(file=saved / SVM_FILE)
    assert "system" in foreign[0]
    assert "which no classifier of this project is made of" in refusal(saved)
    assert not trace.exists()
    skops.io.load(saved / SVM_FILE, trusted=foreign)  # it does what it threatens
    assert trace.exists()


def test_a_planted_step_of_a_real_pipeline_is_not_run(model, saved, tmp_path):
    trace = tmp_path / "ran"
    pipeline = skops.io.loads(skops.io.dumps(model.fitted.pipeline))
    pipeline.steps.insert(0, ("hook", FunctionTransformer(os.system, kw_args={"command": f"touch {trace}"})))
    plant(saved, skops.io.dumps(pipeline))
    assert "which no classifier of this project is made of" in refusal(saved)
    assert not trace.exists()


def test_what_skops_trusts_but_we_do_not_write_is_refused(saved):
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(2).fit(np.eye(5), [0, 1, 0, 1, 2]))
    plant(saved, skops.io.dumps(forest))
    assert "RandomForestClassifier" in refusal(saved)


@pytest.mark.parametrize(
    ("node", "named"),
    [
        ({"__class__": "str", "__module__": "builtins", "__loader__": "FunctionNode"}, "FunctionNode"),
        ({"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"}, "builtins.eval"),
        (
            [{"deep": {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"}}],
            "subprocess.Popen",
        ),
    ],
)
def test_every_corner_of_the_file_is_read_before_anything_is_built(saved, monkeypatch, node, named):
    change_schema(saved, lambda schema: schema | {"corner": node})
    for function in ("load", "get_untrusted_types"):
        monkeypatch.setattr(skops.io, function, lambda *args, **kwargs: pytest.fail("built"))
    assert named in refusal(saved)


def test_a_lambda_in_a_network_is_not_run(saved, tmp_path):
    trace = tmp_path / "ran"
    command = f"touch {trace}"
    face = keras.Input((8, 8, 3))
    maps = layers.Lambda(lambda x: (__import__("os").system(command), x)[1], output_shape=(8, 8, 3))(face)
    keras.Model(face, maps, name=resnet50_svm.TRUNK).save(saved / TRUNK_FILE)
    trace.unlink(missing_ok=True)
    reseal(saved)
    assert "safe mode" in refusal(saved)
    assert not trace.exists()


# --- plain Keras networks ---------------------------------------------------------------------------------------------


def network_of(classes: int = 7) -> keras.Model:
    keras.utils.set_random_seed(1)
    face = keras.Input((8, 8, 3))
    x = layers.Dense(classes, activation="softmax")(layers.Flatten()(face))
    return keras.Model(face, x)


@pytest.fixture
def network(tmp_path):
    network_of().save(tmp_path / "best.keras")
    return tmp_path / "best.keras"


@pytest.mark.parametrize("scaling", [None, "trunk"])
def test_a_keras_file_answers_with_fer2013s_classes(network, scaling):
    if scaling:
        network.with_name(MODEL_FILE).write_text(json.dumps({"settings": {"scaling": scaling}}))
    model, images = saved_models.load(network), faces_of(150)
    frame = model.predict(images)
    assert model.score_kind == "probability"
    assert frame.columns.tolist() == ["label", *CLASS_NAMES]
    expected = np.asarray(network_of().predict_on_batch(network_input(images, scaling or "unit")))
    np.testing.assert_allclose(frame[list(CLASS_NAMES)], expected, rtol=1e-4, atol=1e-6)
    assert frame["label"].tolist() == [CLASS_NAMES[place] for place in expected.argmax(axis=1)]


def test_a_sidecar_names_other_classes(tmp_path):
    network_of(2).save(tmp_path / "smile.keras")
    assert "name all 2 with --classes" in refusal(tmp_path / "smile.keras")
    (tmp_path / MODEL_FILE).write_text(json.dumps({"class_names": ["smile", "no smile"]}))
    assert saved_models.load(tmp_path / "smile.keras").class_names == ("smile", "no smile")


def test_a_sidecar_of_another_scaling_is_refused(network):
    network.with_name(MODEL_FILE).write_text(json.dumps({"settings": {"scaling": "halves"}}))
    assert "halves" in refusal(network)


def test_a_trunk_alone_is_no_model(saved):
    assert f"{TRUNK_FILE} has the output" in refusal(saved / TRUNK_FILE)


def test_an_hdf5_file_of_that_name_is_refused(tmp_path):
    network_of().save(tmp_path / "old.h5")
    (tmp_path / "old.h5").rename(tmp_path / "old.keras")
    assert "not written by Keras 3" in refusal(tmp_path / "old.keras")


def test_nothing_and_anything_else_are_refused(tmp_path):
    assert "No such file or folder" in refusal(tmp_path / "none.keras")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({}))
    assert "pickles are never read" in refusal(tmp_path / "model.pkl")
