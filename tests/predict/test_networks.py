"""Test networks from anywhere: class order, pixels, outputs, and one sentence for all that Keras refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from fer_lib.backend import keras
from fer_lib.cli import main
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.errors import FerError
from fer_lib.predict import models as saved_models, networks
from fer_lib.predict.models import MODEL_FILE

layers = keras.layers
ALPHABET = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def faces_of(count: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, height, width), dtype=np.uint8)


def network(*first, shape=(8, 8, 1), classes=7, activation="softmax", last=()):
    keras.utils.set_random_seed(1)
    body = [layers.Flatten(), layers.Dense(classes, activation=activation)]
    return keras.Sequential([keras.Input(shape), *first, *body, *last])


@pytest.fixture
def saved(tmp_path):
    def save(built):
        built.save(tmp_path / "mine.keras")
        return tmp_path / "mine.keras"

    return save


def scores_of(built, pixels):
    return np.asarray(built.predict_on_batch(pixels))


def check_scores(path, built, pixels, images, **given):
    """Check that a saved network answers as the built one does on the given pixels; return the loaded model."""
    model = saved_models.load(path, **given)
    frame = model.predict(images)
    found = frame[list(model.class_names)].to_numpy()
    np.testing.assert_allclose(found, scores_of(built, pixels), rtol=1e-3, atol=1e-6)
    return model


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("angry,disgust,fear,happy,neutral,sad,surprise", ALPHABET),
        ("Anger, disgusted,fearful,happiness,neutral,sadness,surprised", ALPHABET),
        ("['angry', \"disgust\", 'fear', 'happy', 'neutral', 'sad', 'surprise']", ALPHABET),
        ("smile,no smile", ("smile", "no smile")),
        ("contempt,Joy,bored", ("contempt", "happy", "bored")),
    ],
)
def test_class_names_are_understood(text, names):
    assert networks.class_names(text) == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected two or more names"),
        ("angry", "expected two or more names"),
        ("angry,,sad", "expected two or more names"),
        ("angry,anger,sad", "the class 'angry' twice"),
        ("angry,hapy", "did you mean 'happy'?"),
        ("suprise,sad", "did you mean 'surprise'?"),
        ("{'angry': 0, 'fear': 2, 'disgust': 1}", "give the names alone, in the order of their numbers"),
        ("0: sad,1: happy", "Found '0: sad' in --classes"),
    ],
)
def test_class_names_that_cannot_be_meant(text, words):
    with pytest.raises(FerError) as raised:
        networks.class_names(text)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_order_that_is_given_names_the_same_scores(saved):
    built = network()
    path, images = saved(built), faces_of(5)
    given = check_scores(path, built, images[..., None] / 255, images, classes=",".join(ALPHABET))
    assert given.class_names == ALPHABET
    assert given.reading.classes_from == "given"
    assumed = saved_models.load(path)
    assert assumed.class_names == CLASS_NAMES
    assert assumed.reading.classes_from == "assumed"
    assert assumed.predict(images)["sad"].equals(given.predict(images)["neutral"].rename("sad"))
    path.with_name(MODEL_FILE).write_text(json.dumps({"class_names": list(ALPHABET)}))
    card = saved_models.load(path)
    assert (card.class_names, card.reading.classes_from) == (ALPHABET, "card")
    assert saved_models.load(path, classes=",".join(CLASS_NAMES)).class_names == CLASS_NAMES


@pytest.mark.parametrize("names", ["angry", [], ["a", "a"], ["a", 3], 7])
def test_a_card_with_no_class_names_is_refused(saved, names):
    path = saved(network())
    path.with_name(MODEL_FILE).write_text(json.dumps({"class_names": names}))
    with pytest.raises(FerError, match="class"):
        saved_models.load(path)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"settings": {"scaling": ["unit"]}}, r"has the scaling \['unit'\]; expected one of unit"),
        ({"settings": {"scaling": None}}, "has the scaling None; expected one of unit"),
        ({"settings": ["unit"]}, "has no valid 'settings'"),
        ({"face_settings": {"size": "x"}}, "size is 'x', but input should be a valid integer"),
    ],
)
def test_a_card_with_wrong_values_is_one_sentence(saved, card, words):
    path = saved(network())
    path.with_name(MODEL_FILE).write_text(json.dumps(card))
    with pytest.raises(FerError, match=words):
        saved_models.load(path)


def test_the_wrong_number_of_classes(saved):
    path = saved(network(classes=8))
    with pytest.raises(FerError, match=r"FER-2013 has 7 classes .* name all 8 with --classes"):
        saved_models.load(path)
    with pytest.raises(FerError, match="--classes names 2 classes"):
        saved_models.load(path, classes="a,b")


# --- pixels -----------------------------------------------------------------------------------------------------------


def adapted(factor):
    layer = layers.Normalization(axis=None)
    layer.adapt(faces_of(20)[..., None].astype(np.float32) * factor)
    return layer


@pytest.mark.parametrize(
    ("first", "scaling", "origin"),
    [
        ([], "unit", "assumed"),
        ([layers.BatchNormalization], "unit", "assumed"),
        ([lambda: layers.Rescaling(1 / 255)], "raw", "network"),
        ([lambda: layers.Rescaling(1 / 127.5, offset=-1)], "raw", "network"),
        ([layers.RandomContrast, lambda: layers.Rescaling(1 / 255)], "raw", "network"),
        ([lambda: keras.Sequential([layers.Rescaling(1 / 255)])], "raw", "network"),
        ([lambda: adapted(1)], "raw", "network"),
        ([lambda: layers.Normalization(mean=127.5, variance=5000)], "raw", "network"),
        ([lambda: adapted(1 / 255)], "unit", "network"),
        ([lambda: layers.Rescaling(2, offset=-1)], "unit", "network"),
        ([lambda: layers.Rescaling(1.0, offset=-0.5)], "unit", "network"),
        ([lambda: layers.Rescaling(1.0, offset=-127.5)], "raw", "network"),
        ([lambda: layers.Rescaling(1.0)], "unit", "assumed"),
        ([lambda: layers.Rescaling(1.0), lambda: layers.Rescaling(1 / 255)], "raw", "network"),
        ([lambda: layers.Normalization(mean=0.0, variance=1.0)], "unit", "assumed"),
        ([lambda: layers.Normalization(mean=-0.1, variance=0.3)], "unit", "assumed"),  # adapted to -1 to 1
        ([lambda: layers.Conv2D(2, 3), lambda: layers.Rescaling(1 / 255)], "unit", "assumed"),
    ],
)
def test_a_network_that_scales_is_given_pixels_that_are_not_scaled(saved, first, scaling, origin):
    made = [make(0.1) if make is layers.RandomContrast else make() for make in first]
    built, images = network(*made), faces_of(5)
    pixels = images[..., None].astype(np.float32) / (1 if scaling == "raw" else 255)
    model = check_scores(saved(built), built, pixels, images)
    assert (model.reading.scaling, model.reading.scaling_from) == (scaling, origin)


def test_arithmetic_in_a_functional_network_is_a_scaling(saved):
    keras.utils.set_random_seed(1)
    face = keras.Input((8, 8, 3))
    maps = layers.Conv2D(3, 3)(face / 127.5 - 1.0)
    built = keras.Model(face, layers.Dense(7, activation="softmax")(layers.GlobalAveragePooling2D()(maps)))
    images = faces_of(3)
    model = check_scores(saved(built), built, np.stack([images] * 3, axis=-1).astype(np.float32), images)
    assert (model.reading.scaling, model.reading.scaling_from) == ("raw", "network")


@pytest.mark.parametrize(
    ("computed", "scaling", "origin"),
    [
        (lambda face: (face - 127.5) / 127.5, "raw", "network"),
        (lambda face: face - np.float32([103.9]), "raw", "network"),
        (lambda face: face * 2 - 1, "unit", "network"),
        (lambda face: (face - 0.5) * 2, "unit", "network"),
        (lambda face: 1 - face, "unit", "network"),
        (lambda face: layers.Multiply()([face, face]), "unit", "assumed"),
        (lambda face: face * 1.0, "unit", "assumed"),
    ],
)
def test_the_numbers_of_the_arithmetic_tell_the_pixels(saved, computed, scaling, origin):
    face = keras.Input((8, 8, 1))
    flat = layers.Flatten()(computed(face))
    model = saved_models.load(saved(keras.Model(face, layers.Dense(7, activation="softmax")(flat))))
    assert (model.reading.scaling, model.reading.scaling_from) == (scaling, origin)


def test_a_class_with_the_name_of_the_answers_column_is_refused(saved):
    path = saved(network(classes=2))
    with pytest.raises(FerError, match="has a class called 'label'"):
        saved_models.load(path, classes="label,other")
    path.with_name(MODEL_FILE).write_text(json.dumps({"class_names": ["other", "label"]}))
    with pytest.raises(FerError, match="has a class called 'label'"):
        saved_models.load(path)


def test_a_scaling_that_is_given_or_on_the_card_wins(saved):
    built, images = network(layers.Rescaling(1 / 255)), faces_of(3)
    path, raw = saved(built), images[..., None].astype(np.float32)
    given = check_scores(path, built, raw / 127.5 - 1, images, scaling="symmetric")
    assert (given.reading.scaling, given.reading.scaling_from) == ("symmetric", "given")
    path.with_name(MODEL_FILE).write_text(json.dumps({"settings": {"scaling": "unit"}}))
    card = check_scores(path, built, raw / 255, images)
    assert (card.reading.scaling, card.reading.scaling_from) == ("unit", "card")
    with pytest.raises(FerError, match="1 channel, but the scaling trunk has 3"):
        saved_models.load(path, scaling="trunk")


@pytest.mark.parametrize("shape", [(48, 48, 1), (48, 48, 3), (20, 30, 1), (97, 97, 3)])
def test_one_or_three_channels_of_any_size(saved, shape):
    built, images = network(shape=shape), faces_of(3, *shape[:2])
    pixels = np.repeat(images[..., None], shape[2], axis=-1) / np.float32(255)
    model = check_scores(saved(built), built, pixels, images)
    assert model.image_size == shape[:2]
    assert model.reading.channels == shape[2]


def test_a_network_of_any_size_gets_faces_of_48_pixels(saved):
    keras.utils.set_random_seed(1)
    built = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(7, 3), layers.GlobalAveragePooling2D(), layers.Softmax()]
    )
    images = faces_of(3, 48, 48)
    model = check_scores(saved(built), built, images[..., None] / np.float32(255), images)
    assert model.image_size == (48, 48)


def test_a_fixed_batch_and_many_faces(saved):
    keras.utils.set_random_seed(1)
    built = keras.Sequential(
        [keras.Input(batch_shape=(2, 8, 8, 1)), layers.Flatten(), layers.Dense(7, activation="softmax")]
    )
    images = faces_of(5)
    found = saved_models.load(saved(built)).predict(images)
    for row in (0, 4):
        pair = np.stack([images[row]] * 2)[..., None] / np.float32(255)
        np.testing.assert_allclose(found.iloc[row, 1:].to_numpy(float), scores_of(built, pair)[0], rtol=1e-3)
    many, built = faces_of(131), network()
    check_scores(saved(built), built, many[..., None] / np.float32(255), many)


# --- outputs ----------------------------------------------------------------------------------------------------------


def softmax(x):
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"activation": "softmax"}, "probabilities"),
        ({"activation": None, "last": [layers.Softmax]}, "probabilities"),
        ({"activation": None, "last": [lambda: layers.Activation("softmax", dtype="float32")]}, "probabilities"),
        ({"activation": "softmax", "last": [lambda: layers.Dropout(0.5)]}, "probabilities"),
        ({"activation": "softmax", "last": [lambda: layers.Rescaling(1.0)]}, "probabilities"),
        ({"activation": None}, "logits"),
        ({"activation": "linear", "last": [lambda: layers.Reshape((7,))]}, "logits"),
        ({"activation": None, "last": [lambda: layers.Rescaling(0.5)]}, "logits"),
        ({"activation": "sigmoid"}, "sigmoids"),
    ],
)
def test_outputs_are_told_and_logits_become_probabilities(saved, options, kind):
    built = network(activation=options["activation"], last=[make() for make in options.get("last", ())])
    images = faces_of(6)
    model = saved_models.load(saved(built))
    assert model.reading.outputs == kind
    outputs = scores_of(built, images[..., None] / np.float32(255))
    frame = model.predict(images)
    found = frame[list(CLASS_NAMES)].to_numpy()
    np.testing.assert_allclose(found, softmax(outputs) if kind == "logits" else outputs, rtol=1e-3)
    assert frame["label"].tolist() == [CLASS_NAMES[place] for place in outputs.argmax(axis=1)]
    assert model.score_kind == ("sigmoid" if kind == "sigmoids" else "probability")


def test_a_softmax_operation_is_seen(saved):
    face = keras.Input((8, 8, 1))
    built = keras.Model(face, keras.ops.softmax(layers.Dense(7)(layers.Flatten()(face))))
    assert saved_models.load(saved(built)).reading.outputs == "probabilities"


# --- what cannot be used ----------------------------------------------------------------------------------------------


def flat():
    return keras.Sequential([keras.Input((64,)), layers.Dense(7)])


def channels_first():
    return keras.Sequential([keras.Input((1, 8, 8)), layers.Flatten(), layers.Dense(7)])


def two_inputs():
    first, second = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    return keras.Model([first, second], layers.Dense(7)(layers.Flatten()(first + second)))


def two_outputs():
    face = keras.Input((8, 8, 1))
    flattened = layers.Flatten()(face)
    return keras.Model(face, [layers.Dense(7)(flattened), layers.Dense(1)(flattened)])


def maps():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(7, 3)])


class Unknown(layers.Layer):
    """A layer that the loader does not know."""


def unknown():
    return network(Unknown())


def of_a_lambda():
    return network(layers.Lambda(lambda x: x / 255))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (flat, "takes the input (None, 64)"),
        (channels_first, "then 1 or 3 channels"),
        (lambda: network(shape=(8, 8, 4)), "takes the input (None, 8, 8, 4)"),
        (two_inputs, "expected pictures"),
        (two_outputs, "expected one score for each class"),
        (maps, "expected one score for each class"),
        (unknown, "Could not locate class 'Unknown'"),
        (of_a_lambda, "safe mode"),
        (lambda: network(classes=1), "1 score a face"),
    ],
)
def test_every_network_that_cannot_be_used_is_one_sentence(saved, capsys, tmp_path, build, words):
    path = saved(build())
    photo = tmp_path / "face.png"
    Image.fromarray(faces_of(1, 32, 32)[0]).save(photo)
    assert main(["predict", str(photo), "--model", str(path), "--already-cropped"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fer-lib: error: mine.keras ")
    assert words in err
    assert err.count("\n") == 1


def test_a_network_that_fails_when_it_runs_is_one_sentence(saved, monkeypatch):
    model = saved_models.load(saved(network()))

    def fail(_):
        raise ValueError("Graph execution error:\n\nDetected at node x")

    monkeypatch.setattr(model.network, "predict_on_batch", fail)
    with pytest.raises(FerError, match=r"cannot be run on 8 x 8 pixels with 1 channel \(Graph execution error\)"):
        model.predict(faces_of(2))
    monkeypatch.setattr(model.network, "predict_on_batch", lambda batch: np.full((len(batch), 7), np.nan))
    with pytest.raises(FerError, match="not finite"):
        model.predict(faces_of(2))


def test_other_files_of_networks_say_what_to_do(tmp_path):
    (tmp_path / "old.h5").touch()
    with pytest.raises(FerError, match=r"keras\.models\.load_model\('old\.h5'\)\.save\('old\.keras'\)"):
        saved_models.load(tmp_path / "old.h5")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FerError, match="leave the option out"):
        saved_models.load(tmp_path / "folder", classes="a,b")


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_was_taken_and_why(saved, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved(network(layers.Rescaling(1 / 255), activation=None, shape=(48, 48, 1)))
    Image.fromarray(faces_of(1, 48, 48)[0]).save("face.png")
    asked = ["predict", "face.png", "--model", str(path), "--already-cropped"]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Class order: angry, disgust, fear, happy, sad, surprise, neutral (assumed)" in out
    assert f"--classes {','.join(ALPHABET)}): flow_from_directory" in out
    assert "0 to 255, not scaled (network): a Rescaling layer in the network scales them." in out
    assert "logits" in out
    assert main([*asked, "--json", "--classes", "anger,disgusted,fearful,happy,neutral,sad,surprised"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["class_order"] == list(ALPHABET)
    assert (one["class_order_from"], one["scaling"], one["scaling_from"]) == ("given", "raw", "network")
    assert (one["outputs"], one["score_kind"], one["outcome"]) == ("logits", "probability", "given as a crop")
    assert sum(one["scores"].values()) == pytest.approx(1)
    assert main([*asked, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["class_order_from"] == "assumed"
    assert "flow_from_directory" in one["class_order_why"]
    assert main([*asked, "--classes", "hapy,sad"]) == 2
    assert "did you mean 'happy'?" in capsys.readouterr().err
