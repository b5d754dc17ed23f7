"""What `make stress` calls the same, and the page that shows its last figures."""

from __future__ import annotations

import json
from collections import Counter

import nbformat
import numpy as np
import pytest
from PIL import Image

from stress import faults, kills, run
from stress.chain import Chain, differences, finished

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


@pytest.mark.parametrize(
    ("status", "said", "harm"),
    [
        (1, "x\nresults/smoke cannot be written (full): give another folder.\n", []),
        (0, "results/smoke cannot be written (full): give another folder.", ["no clear end"]),
        (1, "KeyError: 'x'", ["no clear end"]),
        (1, "Traceback (most recent call last)\nOSError: No space left on device", ["traceback"]),
    ],
)
def test_a_run_that_cannot_go_on_must_fail_with_a_sentence(status, said, harm):
    assert faults._refused(status, said)["harm"] == harm


def test_a_sentence_keeps_no_machines_folder():
    assert faults.without_folders("/tmp/a/results/smoke/tables/x.csv is") == "results/smoke/tables/x.csv is"
    assert faults.without_folders("OSError: /tmp/cache/x.csv is") == "OSError: x.csv is"


def test_rounds_go_on_until_the_kills_are_enough_and_every_stage_was_hit(tmp_path, monkeypatch):
    monkeypatch.setattr(kills, "durations", lambda *_, **__: {"01_a": 1.0, "02_b": 1.0})
    monkeypatch.setattr(Chain, "copied", lambda self, folder: self)

    def found(*rounds: dict[str, int]) -> dict:
        taken = [Counter({(stage, "all"): count for stage, count in each.items()}) for each in rounds]
        monkeypatch.setattr(kills, "disturb", lambda *_, **__: taken.pop(0))
        return kills.run(tmp_path, Chain(), each=13)

    assert found({"01_a": 20, "02_b": 5})["rounds"] == 1
    enough = found({"01_a": 12}, {"01_a": 12}, {"01_a": 3}, {"02_b": 1})
    assert (enough["rounds"], enough["kills"], enough["harm"]) == (4, 28, [])
    never = found(*[{"01_a": 6}] * kills.ROUNDS)
    assert never["harm"] == ["02_b was not hit"]
    assert found(*[{"01_a": 1, "02_b": 1}] * kills.ROUNDS)["harm"] == ["fewer than 25 kills"]


def test_a_difference_after_any_round_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(kills, "durations", lambda *_, **__: {"01_a": 1.0})
    monkeypatch.setattr(kills, "disturb", lambda *_, **__: Counter({("01_a", "all"): 1}))
    monkeypatch.setattr(kills, "differences", lambda _, struck: ["a.json"] if struck.name == "killed2" else [])
    monkeypatch.setattr(Chain, "copied", lambda self, folder: self)
    found = kills.run(tmp_path, Chain(), each=3)
    assert (found["rounds"], found["results that differ"]) == (3, ["a.json (round 2)"])


def test_harm_fails_the_run_and_what_cannot_be_tried_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "KEPT", tmp_path / "results.json")
    monkeypatch.setattr(run, "PAGE", tmp_path / "page.md")
    run.PAGE.write_text("<!-- stress: x -->\n<!-- /stress -->")

    def refuse(*_, **__):
        raise PermissionError("only root can mount a small disk")

    monkeypatch.setattr(faults, "read_only", refuse)
    monkeypatch.setattr(faults, "fuzz", lambda examples: {"files damaged": examples, "harm": ["pytest"]})
    assert run.main(["--part", "read_only"]) == 0
    assert run.main(["--part", "fuzz"]) == 1
    page = run.PAGE.read_text()
    assert "| read_only (smoke) | not tried: only root can mount a small disk |" in page
    assert "harm" not in page
    assert list(json.loads(run.KEPT.read_text())) == ["fuzz", "read_only"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Chain:
    """The chain as far as notebook 01, cut after its first table: a short sample of what `make stress` does to all."""
    cut = Chain(until="01_data_exploration").copied(tmp_path_factory.mktemp("stress") / "cut")
    path = cut.project / "notebooks" / "01_data_exploration.ipynb"
    notebook = nbformat.read(path, 4)
    last = next(place for place, cell in enumerate(notebook.cells) if "run.save_table" in cell.source)
    notebook.cells = notebook.cells[: last + 1]
    nbformat.write(notebook, path)
    return cut


@pytest.fixture(scope="module")
def quiet(chain, tmp_path_factory):
    """The results of an undisturbed run."""
    output = tmp_path_factory.mktemp("quiet")
    finished(chain.start(output))
    assert len(list(output.glob("results/smoke/tables/*.csv"))) == 1
    return output


def untroubled(found: dict) -> bool:
    return not any(found.get(name) for name in run.HARM)


def test_a_full_disk_ends_the_run_with_a_sentence_and_a_larger_one_lets_it_go_on(chain, quiet, tmp_path):
    try:
        found = faults.full_disk(tmp_path, quiet, chain, size="256k")
    except PermissionError as error:
        pytest.skip(str(error))
    assert untroubled(found), found


def test_a_folder_that_cannot_be_written_ends_the_run_with_a_sentence(chain, tmp_path):
    try:
        found = faults.read_only(tmp_path, chain)
    except PermissionError as error:
        pytest.skip(str(error))
    assert untroubled(found), found
    assert "cannot be written" in found["says"]


def test_a_jumping_clock_changes_no_result(chain, quiet, tmp_path):
    found = faults.jumping_clock(tmp_path, quiet, chain)
    assert untroubled(found), found


def test_ctrl_c_ends_the_run_with_a_sentence_and_it_goes_on(chain, quiet, tmp_path):
    output = tmp_path / "output"
    found = faults.interrupted(lambda: chain.start(output), stage=1, seconds=2, ends=(1,))  # Snakemake's own, no make
    assert untroubled(found), found
    assert differences(quiet, output) == []


def test_two_runs_at_once_do_not_mix(chain, quiet, tmp_path):
    found = faults.two_at_once(tmp_path, quiet, chain)
    assert untroubled(found), found
    assert "Another run is writing" in found["says"]
