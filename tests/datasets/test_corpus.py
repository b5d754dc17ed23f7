"""Test the corpora that a profile asks for: where generated ones are kept."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fer_lib.datasets import corpus
from fer_lib.datasets.readers import locate
from fer_lib.datasets.synthetic import faces, geometry, people, render, writers
from fer_lib.errors import FerError
from fer_lib.settings import CkPlusSettings, DataSettings, PretrainingSettings
from fer_lib.utils import code_hash


def drawn_folder() -> str:
    """Name the folder of a generated corpus without drawing it."""
    return corpus._drawn("olivetti", 2, lambda folder: folder.mkdir(parents=True)).name


@pytest.mark.parametrize("module", [render, geometry, people, faces, writers])
def test_editing_a_module_that_draws_gives_a_new_corpus(tmp_path, monkeypatch, module):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    before, meaning = drawn_folder(), code_hash._meaning

    def edited(path: Path) -> str:
        return meaning(path) + ("\nEDITED = 1\n" if path == Path(module.__file__) else "")

    monkeypatch.setattr(code_hash, "_meaning", edited)
    assert drawn_folder() != before


def test_images_for_pretraining_are_generated_or_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_DATA", raising=False)
    settings = PretrainingSettings(generated_images=8, stored_size=32)
    images = corpus.load_imagenet(settings, DataSettings(source="generated"))
    assert images.synthetic
    assert images.images.shape == (16, 32, 32, 3)
    assert images.val_labels.tolist() == [0, 0, 1, 1]
    drawn = next((tmp_path / "cache" / "generated").glob("imagenet-2x8+2-*/"))
    for source in ("generated", "folder"):
        again = corpus.load_imagenet(settings, DataSettings(source=source), str(drawn))
        assert again.fingerprint == images.fingerprint
    with pytest.raises(FerError, match="Pre-training reads labelled images and no data folder was given"):
        corpus.load_imagenet(settings, DataSettings(source="folder"))


def test_a_corpus_that_was_drawn_is_not_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    assert drawn_folder() == drawn_folder()


def test_two_runs_that_start_at_once_draw_a_corpus_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    begun, calls = threading.Event(), []

    def write(folder):
        calls.append(folder)
        folder.mkdir(parents=True)
        begun.set()
        time.sleep(0.3)
        (folder / "faces").touch()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(corpus._drawn, "olivetti", 2, write)
        begun.wait()
        second = pool.submit(corpus._drawn, "olivetti", 2, write)
        assert (second.result() / "faces").is_file()
    assert calls == [first.result()]


def test_a_corpus_that_was_half_drawn_is_drawn_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))

    def write(folder, *, killed=False):
        folder.mkdir(parents=True)
        (folder / ("half" if killed else "whole")).touch()
        if killed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corpus._drawn("olivetti", 2, lambda folder: write(folder, killed=True))
    assert [file.name for file in corpus._drawn("olivetti", 2, write).iterdir()] == ["whole"]


LOADS = {
    "fer2013": lambda folder: corpus.load_fer2013(DataSettings(source="folder"), folder),
    "ckplus": lambda folder: corpus.load_ckplus(CkPlusSettings(), DataSettings(source="folder"), folder),
    "genki4k": lambda folder: corpus.load_genki4k(CkPlusSettings(), DataSettings(source="folder"), folder),
    "olivetti": lambda folder: corpus.load_olivetti(DataSettings(source="folder"), folder),
}


@pytest.mark.parametrize("name", LOADS)
def test_each_folder_is_asked_for_a_corpus_once(tmp_path, monkeypatch, name):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    writers.write_fer2013_csv(tmp_path / "fer2013", n=70, seed=1)
    writers.write_ckplus(tmp_path / "ckplus", subjects=4, seed=1)
    writers.write_genki4k(tmp_path / "genki4k", n=4, seed=1)
    writers.write_olivetti(tmp_path / "olivetti", people=2, seed=1)
    asked, candidates = [], locate.candidates

    def spy(folder, corpus_name):
        asked.append((folder, corpus_name))
        return candidates(folder, corpus_name)

    monkeypatch.setattr(locate, "candidates", spy)
    assert len(LOADS[name](str(tmp_path)))
    assert asked == [(tmp_path, name), (tmp_path / name, name)]


def test_a_missing_corpus_is_empty_or_an_error(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert not len(LOADS["genki4k"](str(tmp_path)))
    assert not len(corpus.load_olivetti(DataSettings(), str(tmp_path), missing_ok=True))
    for name in ("fer2013", "ckplus", "olivetti"):
        with pytest.raises(FerError, match=f"'{name}' is not in"):
            LOADS[name](str(tmp_path))


def test_what_is_accepted_and_what_is_found_besides_holds_for_every_corpus(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    writers.write_olivetti(tmp_path / "olivetti", people=2, seed=1)
    shutil.copytree(tmp_path / "olivetti", tmp_path / "olivetti-copy")
    faces = LOADS["olivetti"](str(tmp_path))
    assert "olivetti-copy" in " ".join(faces.notes["remarks"])
    seen = []
    load = corpus.olivetti.load
    monkeypatch.setattr(corpus.olivetti, "load", lambda path, **options: seen.append(options) or load(path, **options))
    corpus.load_olivetti(DataSettings(source="folder", skip_bad=True), str(tmp_path))
    assert seen == [{"skip_bad": True}]
