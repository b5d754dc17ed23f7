"""Test a model's folder: all kinds of parts are read back, interrupted saves never mix, foreign files are not read."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.utils import bundle

INDEX = "thing.json"


def parts_of(seed: int = 0) -> dict[str, bundle.Part]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(12, 3))
    face = keras.Input((3,))
    network = keras.Model(face, keras.layers.Dense(2)(face))
    pipeline = make_pipeline(StandardScaler(), SVC()).fit(features, np.arange(12) % 2)
    return {"edges": rng.normal(size=4), "network": network, "svm": pipeline, "chosen": np.arange(3)}


def load(folder) -> tuple[dict, dict[str, bundle.Part]]:
    content = bundle.read_index(folder, INDEX)
    return content, bundle.read_parts(folder, INDEX, content)


def test_every_kind_of_part_comes_back(tmp_path):
    parts = parts_of()
    folder = bundle.save(tmp_path / "deep" / "folder", INDEX, {"name": "größe", "shape": (2, 3)}, parts)
    content, again = load(folder)
    assert (content["name"], content["shape"]) == ("größe", [2, 3])
    assert sorted(path.name for path in folder.iterdir()) == ["arrays.npz", "network.keras", "svm.skops", INDEX]
    assert set(again) == set(parts)
    np.testing.assert_array_equal(again["edges"], parts["edges"])
    np.testing.assert_array_equal(again["chosen"], parts["chosen"])
    inputs = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_array_equal(again["network"].predict_on_batch(inputs), parts["network"].predict_on_batch(inputs))
    np.testing.assert_array_equal(again["svm"].decision_function(inputs), parts["svm"].decision_function(inputs))


def test_without_arrays_there_is_no_file_of_them(tmp_path):
    parts = parts_of()
    bundle.save(tmp_path, INDEX, {}, {"svm": parts["svm"]})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["svm.skops", INDEX]
    assert list(load(tmp_path)[1]) == ["svm"]


def test_an_interrupted_save_over_another_is_refused(tmp_path, monkeypatch):
    bundle.save(tmp_path, INDEX, {}, parts_of())
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "write_text", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bundle.save(tmp_path, INDEX, {}, parts_of(seed=1))
    with pytest.raises(FerError, match=f"is not the file that {INDEX} names"):
        load(tmp_path)


@pytest.mark.parametrize("name", [INDEX, "arrays.npz", "network.keras", "svm.skops"])
def test_a_missing_file_is_named(tmp_path, name):
    bundle.save(tmp_path, INDEX, {}, parts_of())
    (tmp_path / name).unlink()
    with pytest.raises(FerError, match=f"lacks {name}"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["../arrays.npz", "part.pkl", "part", "/etc/hostname", "other.npz"])
def test_an_index_cannot_name_other_files(tmp_path, name):
    (tmp_path / INDEX).write_text(json.dumps({"sha256": {name: "0"}}))
    with pytest.raises(FerError, match="no valid 'sha256'"):
        load(tmp_path)


def planted(folder, write) -> None:
    """Write another ``arrays.npz`` and name it in the index, as an attacker would."""
    with zipfile.ZipFile(folder / bundle.ARRAYS_FILE, "w") as archive, archive.open("a.npy", "w") as file:
        write(file)
    digests = {bundle.ARRAYS_FILE: bundle.file_sha256(folder / bundle.ARRAYS_FILE)}
    (folder / INDEX).write_text(json.dumps({"sha256": digests}))


@pytest.mark.parametrize(
    "write",
    [
        lambda file: np.lib.format.write_array(file, np.array([{}], dtype=object), allow_pickle=True),
        lambda file: file.write(b"\x93NUMPY\x01\x00 and no more"),
    ],
)
def test_planted_arrays_are_refused(tmp_path, write):
    planted(tmp_path, write)
    with pytest.raises(FerError, match=r"arrays\.npz is damaged or not written by this project"):
        load(tmp_path)


def test_another_format_in_the_place_of_arrays_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    (tmp_path / "a.npy").rename(tmp_path / bundle.ARRAYS_FILE)
    (tmp_path / INDEX).write_text(
        json.dumps({"sha256": {bundle.ARRAYS_FILE: bundle.file_sha256(tmp_path / bundle.ARRAYS_FILE)}})
    )
    with pytest.raises(FerError, match=r"arrays\.npz is damaged"):
        load(tmp_path)
