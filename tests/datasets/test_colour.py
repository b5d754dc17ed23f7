"""Test faces in colour: generated, read from folders, moved, scaled and refused where only grey is read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest

from fer_lib import training
from fer_lib.augmentation import random_affine
from fer_lib.comparators import pixels_svm
from fer_lib.datasets import corpus, fer2013, quality
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic import writers
from fer_lib.datasets.synthetic.colours import coloured
from fer_lib.errors import FerError
from fer_lib.models import baseline_cnn
from fer_lib.settings import BaselineCnnSettings, DataSettings
from fer_lib.training import FaceBatches
from fer_lib.utils.pixels import grey, network_input

RGB = DataSettings(channels="rgb")

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return writers.write_fer2013_folders(tmp_path_factory.mktemp("colour") / "faces", n=70, seed=1, colour=True)


def test_colours_keep_the_brightness_and_follow_the_seed():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16), dtype=np.uint8)
    found = coloured(images, 3)
    assert found.shape == (5, 16, 16, 3)
    assert np.abs(grey(found).astype(int) - images).mean() < 16
    assert np.corrcoef(grey(found).ravel(), images.ravel())[0, 1] > 0.99
    assert (found[..., 0].mean(axis=(1, 2)) > found[..., 2].mean(axis=(1, 2))).all()  # skin is redder than blue
    assert (found == coloured(images, 3)).all()
    assert (found != coloured(images, 4)).any()
    assert (coloured(images[:2], 3) == found[:2]).all()  # a face does not depend on the others


def test_a_folder_in_colour_is_read_in_colour_with_its_channels_in_order(folder):
    faces = corpus.load_fer2013(RGB, str(folder))
    assert faces.images.shape == (70, 48, 48, 3)
    assert (faces.corpus, faces.class_names, faces.synthetic) == ("colour", CLASS_NAMES, True)
    assert (faces.notes["layout"], faces.notes["count_deviations"]) == ("prefixed folders", {})
    for row in (0, 37):
        picture = cv2.imread(str(folder / faces.meta["source"][row]), cv2.IMREAD_COLOR)
        assert (faces.images[row] == picture[..., ::-1]).all()
    again = corpus.load_fer2013(RGB, str(folder))  # from the cache
    assert again.fingerprint == faces.fingerprint
    plain = corpus.load_fer2013(DataSettings(), str(folder))
    assert (plain.images.shape, plain.corpus) == ((70, 48, 48), "fer2013")
    by_name = dict(zip(plain.meta["source"], plain.images, strict=True))
    same = np.array([by_name[source] for source in faces.meta["source"]])
    assert np.abs(grey(faces.images).astype(int) - same).max() <= 1


def test_pictures_of_any_size_become_48_pixels(tmp_path):
    rng = np.random.default_rng(0)
    for part, sizes in {"train": [(100, 100), (64, 96)], "test": [(48, 48)]}.items():
        for name in CLASS_NAMES:
            for number, size in enumerate(sizes):
                writers.write_image(
                    tmp_path / part / name / f"{number}.png", rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                )
    faces = corpus.load_fer2013(RGB, str(tmp_path))
    assert faces.images.shape == (21, 48, 48, 3)
    assert faces.counts()["total"].to_dict() == {"Training": 14, "Test": 7}
    with pytest.raises(FerError, match="100 x 100 pixels rather than 48 x 48"):
        corpus.load_fer2013(DataSettings(), str(tmp_path))


def test_generated_faces_are_in_colour_where_asked():
    faces = corpus.load_fer2013(DataSettings(source="generated", generated_faces=70, channels="rgb"))
    assert (faces.images.shape, faces.synthetic) == ((70, 48, 48, 3), True)
    assert faces.images[..., 0].mean() > faces.images[..., 2].mean() + 5


def test_what_has_no_colours_is_refused_in_one_sentence(tmp_path):
    writers.write_fer2013_csv(tmp_path / "csv", n=70, seed=1)
    with pytest.raises(FerError, match=r"is FER-2013 as csv, whose faces are grey; give folders .* or set channels to"):
        corpus.load_fer2013(RGB, str(tmp_path / "csv"))
    with pytest.raises(FerError, match=r"channels is rgb and labels is ferplus"):
        corpus.load_fer2013(DataSettings(channels="rgb", labels="ferplus"), str(tmp_path / "csv"))


def test_networks_see_three_channels_and_comparators_say_that_they_do_not(folder):
    faces = fer2013.load(folder, colour=True).part("Training")
    settings = BaselineCnnSettings(batch_size=8)
    inputs, _ = FaceBatches(faces, settings, augment_with=(0, 0))[0]
    assert inputs.shape == (8, 48, 48, 3)
    assert (np.ptp(inputs, axis=-1) > 0.02).mean() > 0.5
    still = random_affine(
        faces.images[:3], np.random.default_rng(0), width_shift_range=0, height_shift_range=0, rotation_range=0
    )
    assert np.abs(still - faces.images[:3]).max() < 1e-3
    assert (network_input(faces.images[:3], "raw") == faces.images[:3]).all()
    with pytest.raises(FerError, match="comparators read grey faces"):
        pixels_svm.Comparator().fit(faces.images, faces.labels, None)
    assert quality.near_duplicates(fer2013.load(folder, colour=True)).columns[0] == "split"


def test_a_network_learns_what_only_the_colours_tell():
    rng, labels = np.random.default_rng(0), np.arange(140) % 7
    angles = 2 * np.pi * labels / 7
    blue, red = 60 * np.sin(angles), 40 * np.cos(angles)
    tint = np.stack([red, -(0.299 * red + 0.114 * blue) / 0.587, blue], axis=1)  # changes no brightness
    images = (rng.integers(90, 160, (140, 48, 48, 1)) + tint[:, None, None, :].round()).astype(np.uint8)
    meta = pd.DataFrame({"label": labels, "split": "Training"})
    coloured_faces = FaceDataset(images, meta, CLASS_NAMES, "tinted", synthetic=True)
    grey_faces = replace(coloured_faces, images=grey(images))
    settings = BaselineCnnSettings(
        epochs=12,
        batch_size=14,
        convolution_filters=(8, 8),
        dense_units=16,
        learning_rate=0.01,
        normalization_momentum=0.8,
    )
    right = {}
    for name, faces in {"colour": coloured_faces, "grey": grey_faces}.items():
        build = partial(baseline_cnn.build, settings)
        model, _ = training.train(
            build, settings, training=faces.take(range(70)), validation=faces.take(range(70, 140))
        )
        outputs = training.predict(model, faces.take(range(70, 140)), settings=settings)
        right[name] = (outputs.argmax(axis=1) == labels[70:]).mean()
    assert right["colour"] > 0.9
    assert right["grey"] < 0.35


def test_faces_that_may_be_published_are_in_colour_too(folder):
    faces = fer2013.load(folder, colour=True)
    assert corpus.faces_to_draw(faces, draw_faces=True) is faces
