"""What `make stress` calls the same, and the page that shows its last figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from stress import run
from stress.chain import differences

CHANGES = {
    "value": ("results/smoke/metrics/a.json", '{"values": {"accuracy": 0.5}, "provenance": {"seconds": 1}}'),
    "cell": ("results/smoke/histories/a.csv", "loss,seconds\n0.5,1\n"),
    "words": ("results/smoke/tables/a.md", "| 0.5 |\n"),
}


@pytest.fixture
def pair(tmp_path):
    for name in ("first", "second"):
        for place, text in CHANGES.values():
            path = tmp_path / name / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace('s": 1', 's": 2').replace(",1", ",2") if name == "second" else text)
        picture = tmp_path / name / "figures" / "smoke" / "a.png"
        picture.parent.mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(picture, compress_level=9 if name == "first" else 1)
    return tmp_path / "first", tmp_path / "second"


def test_provenance_times_and_compression_may_differ(pair):
    assert differences(*pair) == []


@pytest.mark.parametrize("change", CHANGES)
def test_any_other_change_is_found(pair, change):
    place, _ = CHANGES[change]
    path = pair[1] / place
    path.write_text(path.read_text().replace("0.5", "0.6"))
    assert differences(*pair) == [place]


def test_a_pixel_and_a_missing_file_are_found(pair):
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(pair[1] / "figures" / "smoke" / "a.png")
    (pair[0] / "results" / "smoke" / "tables" / "a.md").unlink()
    assert differences(*pair) == ["figures/smoke/a.png", "results/smoke/tables/a.md: only one run left it"]


def test_the_page_shows_the_last_figures():
    page = run.PAGE.read_text(encoding="utf-8")
    kept = json.loads(run.KEPT.read_text(encoding="utf-8")) if run.KEPT.is_file() else {}
    assert run.filled(page, kept) == page
    assert list(kept) == [part for part in run.PARTS if part in kept]
