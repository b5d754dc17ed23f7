"""Test the corpora that a profile asks for: where generated ones are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_lib.datasets import corpus
from fer_lib.datasets.synthetic import faces, geometry, people, render, writers
from fer_lib.utils import code_hash


def drawn_folder() -> str:
    """Name the folder of a generated corpus without drawing it."""
    return corpus._generated("olivetti", 2, lambda folder: folder.mkdir(parents=True)).name


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
    images = corpus.load_imagenet(side=16, generated=(3, 4, 2))
    assert images.synthetic
    assert images.images.shape == (12, 16, 16, 3)
    assert images.val_labels.tolist() == [0, 0, 1, 1, 2, 2]
    drawn = next((tmp_path / "cache" / "generated").glob("imagenet-3x4+2-*/"))
    assert corpus.load_imagenet(str(drawn), side=16).fingerprint == images.fingerprint


def test_a_corpus_that_was_drawn_is_not_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    assert drawn_folder() == drawn_folder()
