"""Test that model and weights files which claim too much or reach outside themselves are rejected early."""

import zipfile

import h5py
import numpy as np
import pytest

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
