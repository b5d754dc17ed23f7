"""Test that model and weights files which claim too much or reach outside themselves are rejected early."""

import json
import tomllib
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import skops.io
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fer_lib.backend import keras
from fer_lib.comparators import fer_package
from fer_lib.errors import FerError
from fer_lib.models import pretrained
from fer_lib.utils import safe_load
from fer_lib.utils.safe_load import refuse_oversized


def zip_of_zeros(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(300_000))
        archive.writestr("config.json", bytes(300_000))


def h5_of_nothing(path):
    """Write a file that claims two terabytes of zeros and stores none."""
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", shape=(2**39,), dtype="float32", chunks=(2**20,))


def h5_of_another_file(path):
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink("secret.h5", "/")


def h5_with_a_link(path):
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.SoftLink("/nowhere")


def h5_of_any_bytes(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/0", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def h5_of_a_view(path):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "data", shape=(4,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("layers", layout)


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(safe_load, "MODEL_LIMIT", 500_000)


READERS = {
    "trunk.keras": safe_load.read_network,
    "svm.skops": safe_load.read_pipeline,
    "arrays.npz": safe_load.read_arrays,
    "weights.keras": lambda path: pretrained.load_trunk_weights(None, path),
    "weights.h5": lambda path: pretrained.load_trunk_weights(None, path),
    "own.weights.h5": lambda path: pretrained.load_trunk_weights(None, path),
    "emotion_model.hdf5": fer_package.read_network,
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_what_claims_too_much(tmp_path, small_limit, name):
    path = tmp_path / name
    zip_of_zeros(path) if name.endswith(("keras", "skops", "npz")) else h5_of_nothing(path)
    assert path.stat().st_size < 20_000
    with pytest.raises(FerError, match=rf"{name} states .* nothing of it was loaded: do not trust this file\.$"):
        READERS[name](path)


@pytest.mark.parametrize("make", [h5_of_another_file, h5_with_a_link, h5_of_any_bytes, h5_of_a_view])
def test_a_file_that_points_elsewhere_is_refused(tmp_path, make):
    path = tmp_path / "own.weights.h5"
    make(path)
    with pytest.raises(FerError, match=r"own\.weights\.h5 points to data elsewhere \(/?layers.*do not trust"):
        READERS[path.name](path)


def test_an_honest_file_of_the_largest_size_passes(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/0"] = np.zeros(1000, np.float32)
    whole = (tmp_path / "a.h5").stat().st_size + 4000
    monkeypatch.setattr(safe_load, "MODEL_LIMIT", whole)
    refuse_oversized(tmp_path / "a.h5")
    monkeypatch.setattr(safe_load, "MODEL_LIMIT", whole - 1)
    with pytest.raises(FerError, match="states 0 GiB"):
        refuse_oversized(tmp_path / "a.h5")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n and no more", b"anything"])
def test_damage_is_left_to_the_reader(tmp_path, content):
    (tmp_path / "a.keras").write_bytes(content)
    refuse_oversized(tmp_path / "a.keras")
    refuse_oversized(tmp_path / "missing.keras")


# --- files of other versions ------------------------------------------------------------------------------------------

KINDS = [SVC(kernel="linear"), SVC(gamma=0.1), LogisticRegression(), DummyClassifier(strategy="prior")]


@pytest.mark.parametrize("classifier", KINDS, ids=str)
@pytest.mark.parametrize("count", [np.int64, int])
def test_a_classifier_of_each_kind_is_read_with_the_counter_of_any_version(tmp_path, classifier, count):
    """Before 1.8 scikit-learn's scaler counts in NumPy's integers, from then on in Python's."""
    faces, labels = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 3
    written = make_pipeline(StandardScaler(), PCA(2), classifier).fit(faces, labels)
    written[0].n_samples_seen_ = count(30)
    skops.io.dump(written, tmp_path / "svm.skops")
    read = safe_load.read_pipeline(tmp_path / "svm.skops")
    assert type(read[0].n_samples_seen_) is count
    np.testing.assert_array_equal(read.predict(faces), written.predict(faces))


SAVED = Path(__file__).parent / "saved_classifiers"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("version", ["1.7", "1.9"])
def test_a_file_that_another_version_of_scikit_learn_wrote_gives_the_answers_it_gave_there(version, monkeypatch):
    monkeypatch.syspath_prepend(str(SAVED))
    import write

    expected = json.loads(write.EXPECTED.read_text(encoding="utf-8"))[version]
    features, _ = write.faces()
    file = SAVED / f"scikit-learn-{version}.skops"
    with zipfile.ZipFile(file) as archive:
        assert expected["scikit-learn"] in archive.read("schema.json").decode()
    read = safe_load.read_pipeline(file)
    assert read.predict(features).tolist() == expected["labels"]
    np.testing.assert_allclose(read.decision_function(features), expected["decision"], rtol=1e-9, atol=1e-12)


def test_the_locked_scikit_learn_is_one_of_those_whose_files_are_read():
    locked = tomllib.loads((Path(__file__).parents[2] / "uv.lock").read_text(encoding="utf-8"))["package"]
    (version,) = [each["version"] for each in locked if each["name"] == "scikit-learn"]
    minor = ".".join(version.split(".")[:2])
    assert (SAVED / f"scikit-learn-{minor}.skops").is_file(), "run tests/utils/saved_classifiers/write.py"


def tiny() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])


def written_by(path, version, *, unknown_argument=True):
    """Write a network as another version of Keras would: its own number, and an argument that others refuse."""
    whole = path.with_name("whole.keras")
    tiny().save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "metadata.json":
                content = json.dumps({**json.loads(content), "keras_version": version}).encode()
            if name == "config.json" and unknown_argument:
                content = content.replace(b'"units": 2', b'"units": 2, "of_a_later_version": null')
            target.writestr(name, content)
    return path


def test_a_file_of_a_newer_keras_says_so(tmp_path):
    with pytest.raises(FerError) as error:
        safe_load.read_network(written_by(tmp_path / "a.keras", "99.1.2"))
    said = f"a.keras was written by Keras 99.1.2; this is {keras.__version__}: upgrade Keras"
    assert str(error.value).startswith(said)


def test_a_file_of_a_newer_keras_that_fits_is_read(tmp_path):
    path = written_by(tmp_path / "a.keras", "99.1.2", unknown_argument=False)
    assert safe_load.read_network(path).count_params() == tiny().count_params()


@pytest.mark.parametrize("version", ["3.0.0", keras.__version__, "newer", 7, "99.1\n<b>"])
def test_another_file_that_cannot_be_read_is_called_damaged(tmp_path, version):
    with pytest.raises(FerError, match=r"a\.keras is damaged, or contains"):
        safe_load.read_network(written_by(tmp_path / "a.keras", version))


# --- all weights or none ----------------------------------------------------------------------------------------------


def same(network, weights) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(network.get_weights(), weights, strict=True))


def test_a_failure_in_the_middle_leaves_the_weights_as_they_were(tmp_path, monkeypatch):
    network, path = tiny(), tmp_path / "own.weights.h5"
    before = network.get_weights()
    network.save_weights(path)
    monkeypatch.setattr(keras.layers.BatchNormalization, "load_own_variables", lambda layer, store: 1 / 0)
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever Keras makes of it
        safe_load.load_weights(network, path)
    assert same(network, before)


def test_weights_that_are_passed_over_are_noticed(tmp_path, monkeypatch):
    network, path = tiny(), tmp_path / "own.weights.h5"
    before = network.get_weights()
    network.save_weights(path)
    monkeypatch.setattr(keras.layers.BatchNormalization, "load_own_variables", lambda layer, store: None)
    with pytest.raises(ValueError, match=r"it has 2 of 6 arrays, and none for .*batch_normalization.*gamma"):
        safe_load.load_weights(network, path)
    assert same(network, before)
