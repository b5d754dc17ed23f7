"""Test images that are too many for memory: checked when they are read back, never half written."""

import json

import numpy as np
import pytest

from fer_lib.datasets.readers.mapped import mapped
from fer_lib.errors import FerError

KEY = {"corpus": "objects", "content": "abc"}
IMAGES = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("FER_CACHE", raising=False)
    return tmp_path / ".fer-cache"


def read(tmp_path, built, **options):
    def build(append):
        built.append(1)
        for start in range(0, 70, 9):
            append(IMAGES[start : start + 9])
        return {"counts": (1, 2)}

    return mapped(tmp_path, options.pop("key", KEY), (8, 8, 3), build, **options)


def test_the_images_are_a_map_that_is_made_once(tmp_path, cache):
    built = []
    for _ in range(2):
        found = read(tmp_path, built)
        np.testing.assert_array_equal(found.images, IMAGES)
        assert isinstance(found.images, np.memmap)
        assert not found.images.flags.writeable
        assert found.facts == {"counts": [1, 2]}
    assert len(built) == 1
    assert (cache / ".gitignore").read_text() == "*\n"
    read(tmp_path, built, key=KEY | {"content": "abd"})
    assert len(built) == 2


def test_any_array_reader_reads_the_file(tmp_path, cache):
    read(tmp_path, [])
    np.testing.assert_array_equal(np.load(next(cache.glob("*.npy"))), IMAGES)


def test_without_a_cache_nothing_is_left(tmp_path, cache):
    built = []
    for _ in range(2):
        found = read(tmp_path, built, cache=False)
        np.testing.assert_array_equal(found.images, IMAGES)
        assert found.facts == {"counts": [1, 2]}
    assert len(built) == 2
    assert not cache.exists()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)


def another_key(path):
    whole = json.loads(path.read_text())
    whole["stored"] = whole["stored"].replace("abc", "abd")
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("npy", cut),
        ("npy", flip),
        ("npy", lambda path: path.write_bytes(b"")),
        ("npy", lambda path: path.unlink()),
        ("json", another_key),
        ("json", lambda path: path.write_text("{}")),
        ("json", lambda path: path.write_text("")),
        ("json", lambda path: path.unlink()),
    ],
)
def test_a_damaged_pair_is_built_again(tmp_path, cache, suffix, damage):
    built = []
    read(tmp_path, built)
    damage(next(cache.glob(f"*.{suffix}")))
    np.testing.assert_array_equal(read(tmp_path, built).images, IMAGES)
    np.testing.assert_array_equal(read(tmp_path, built).images, IMAGES)
    assert len(built) == 2


def test_an_error_while_building_leaves_nothing(tmp_path, cache):
    def build(append):
        append(IMAGES[:5])
        raise FerError("The corpus is faulty.")

    for use in (True, False):
        with pytest.raises(FerError, match="faulty"):
            mapped(tmp_path, KEY, (8, 8, 3), build, cache=use)
    assert [path.name for path in cache.iterdir()] == [".gitignore"]


@pytest.mark.parametrize(("use", "words"), [(True, "cannot be written"), (False, "do not fit into the temporary")])
def test_a_full_disk_is_said_in_a_sentence(tmp_path, cache, use, words):
    def build(append):
        raise OSError(28, "No space left on device")

    with pytest.raises(FerError, match=rf"{words}.*No space left on device"):
        mapped(tmp_path, KEY, (8, 8, 3), build, cache=use)
