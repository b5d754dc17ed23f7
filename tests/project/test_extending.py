"""Run the examples of docs/extending.md and docs/comparators.md as printed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_lib import training
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.settings import BaselineCnnSettings

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
COMPARATORS = PAGE.with_name("comparators.md")
CORPUS, NETWORK = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def defined(text: str) -> dict:
    names: dict = {"__name__": "example"}
    exec(compile(text, str(PAGE), "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("happy/b.png", "happy/a.png", "sad/c.png", "sad/d.png"):
        path = tmp_path / "example" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (48, 48), dtype=np.uint8)).save(path)
    return tmp_path


def test_the_example_corpus_is_the_same_from_a_folder_and_an_archive(folder):
    load = defined(CORPUS)["load"]
    faces = load(folder)
    assert isinstance(faces, FaceDataset)
    assert faces.labels.tolist() == [0, 0, 1, 1]
    archive = shutil.make_archive(str(folder / "packed"), "zip", folder / "example")
    assert load(archive).fingerprint == faces.fingerprint


def test_the_example_corpus_names_a_damaged_face_or_counts_it(folder):
    (folder / "example/sad/c.png").write_bytes(b"no picture")
    load = defined(CORPUS)["load"]
    with pytest.raises(FerError, match=r"sad/c\.png"):
        load(folder)
    faces = load(folder, skip_bad=True)
    assert (len(faces), sum(faces.notes["skipped"].values())) == (3, 1)
    assert faces.notes["count_deviations"] == {"faces": {"found": 3, "official": 4}}


def test_the_example_network_trains(folder):
    build, faces = defined(NETWORK)["build"], defined(CORPUS)["load"](folder)
    settings = BaselineCnnSettings(epochs=1, batch_size=4)
    model, history = training.train(
        lambda: build(settings, classes=2), settings, training=faces, validation=faces, seed=0
    )
    assert len(history) == 1
    np.testing.assert_allclose(training.predict(model, faces, settings=settings).sum(axis=1), 1, atol=1e-5)


def test_the_example_system_learns_and_answers():
    (text,) = re.findall(r"```python\n(import numpy.*?)```", COMPARATORS.read_text(encoding="utf-8"), re.DOTALL)
    faces = np.repeat(np.array([40, 200], np.uint8), 6)[:, None, None] * np.ones((12, 48, 48), np.uint8)
    comparator = defined(text)["MeanFaces"]().fit(faces, np.repeat([3, 5], 6))
    assert comparator.predict(faces[::4]).tolist() == [3, 3, 5]
    np.testing.assert_allclose(comparator.predict_proba(faces).sum(axis=1), 1)
