"""Test that only what may be published is copied into the reference, and all of it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imsave

from fer_lib import provenance
from fer_lib.errors import FerError

FILE = Path(__file__).parents[2] / "workflow" / "keep_reference.py"


@pytest.fixture
def keep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("FER_DATA", str(tmp_path / "data"))
    spec = importlib.util.spec_from_file_location("keep_reference", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_run(folder: Path, name: str, *, cell: str = "seed = 0", **changes) -> None:
    """Write a run with a table and a figure in both formats."""
    results, files = folder / "results" / "paper", {}
    for file in ("tables/a.csv", "figures/a.png", "figures/a.svg"):
        path = folder / "figures" / "paper" / file[8:] if file.startswith("figures") else results / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file, encoding="utf-8")
        files[file] = hashlib.sha256(file.encode()).hexdigest()
    made = {"run": name, "code": {"commit": "abc", "dirty": False}, "artifacts": files} | changes
    for kind, content in (("provenance", made), ("notebooks", {"cells": [{"source": cell}]})):
        (results / kind).mkdir(parents=True, exist_ok=True)
        notebook = kind == "notebooks"
        path = results / kind / (f"{name.removesuffix('_seed0')}.ipynb" if notebook else f"{name}.json")
        path.write_text(json.dumps(content), encoding="utf-8")


def test_tables_png_figures_notebook_and_provenance_are_copied(keep, tmp_path, capsys):
    write_run(tmp_path / "out", "01_data_seed0", shows={"a": {"synthetic": True}})
    keep.main("paper")
    kept = tmp_path / "results" / "reference" / "paper"
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*.*")) == [
        "notebooks/01_data.ipynb",
        "provenance/01_data_seed0.json",
        "tables/a.csv",
    ]
    assert [path.name for path in (tmp_path / "figures" / "reference" / "paper").iterdir()] == ["a.png"]
    for name in ("tables/a.csv", "figures/a.png"):
        assert provenance.made_by(kept, name)["run"] == "01_data_seed0"
    assert capsys.readouterr().out == "01_data_seed0: 2 results\n"


def test_what_an_earlier_run_alone_has_left_is_deleted(keep, tmp_path):
    write_run(tmp_path / "out", "01_data_seed0")
    write_run(tmp_path / "out", "02_more_seed0")
    keep.main("paper")
    kept = tmp_path / "results" / "reference" / "paper"
    for name, added in (("01_data_seed0", ["tables/old.csv"]), ("02_more_seed0", ["tables/shared.csv"])):
        made = json.loads((kept / "provenance" / f"{name}.json").read_text("utf-8"))
        made["artifacts"] |= dict.fromkeys([*added, "tables/shared.csv"], "0")
        (kept / "provenance" / f"{name}.json").write_text(json.dumps(made), encoding="utf-8")
    for file in ("old.csv", "shared.csv", "not_listed.csv"):
        (kept / "tables" / file).write_text("x", encoding="utf-8")
    keep.main("paper", "01_data_seed0")
    assert sorted(path.name for path in (kept / "tables").iterdir()) == ["a.csv", "not_listed.csv", "shared.csv"]


@pytest.mark.parametrize(
    ("name", "pictures"), [("01_a", True), ("03_a_seed0", True), ("03_a_seed1", False), ("03_a-b_seed0", False)]
)
def test_one_notebook_of_each_kind_keeps_its_pictures(keep, tmp_path, name, pictures):
    write_run(tmp_path / "out", name)
    executed = keep.notebook(tmp_path / "out" / "results" / "paper", name)
    words, picture = {"data": {"text/plain": "7"}}, {"data": {"image/png": "iVBO", "text/plain": "<Image>"}}
    executed.write_text(json.dumps({"cells": [{"outputs": [words, picture]}, {"source": ""}]}), encoding="utf-8")
    keep.main("paper")
    kept = json.loads((Path("results/reference/paper/notebooks") / executed.name).read_text("utf-8"))
    assert kept["cells"][1] == {"source": ""}
    assert kept["cells"][0]["outputs"] == [words, picture if pictures else {"data": {"text/plain": keep.LEFT_OUT}}]


def test_a_picture_that_the_reference_has_is_not_kept_of_a_variant(keep, tmp_path):
    pictures = tmp_path / "out" / "figures" / "paper"
    for name, value in (("05_cnn_seed0", 0.0), ("05_cnn-wide_seed0", 0.0), ("05_cnn-deep_seed0", 0.5)):
        variant = name[6:].removesuffix("_seed0")
        drawn = pictures / f"cnn{variant}.png"
        write_run(tmp_path / "out", name)
        imsave(drawn, np.full((4, 4), value), vmin=0, vmax=1, metadata={"Title": name})
        path = tmp_path / "out" / "results" / "paper" / "provenance" / f"{name}.json"
        made = json.loads(path.read_text("utf-8"))
        made["artifacts"] = {f"figures/{drawn.name}": hashlib.sha256(drawn.read_bytes()).hexdigest()}
        path.write_text(json.dumps(made), encoding="utf-8")
        keep.main("paper", name)
    kept = tmp_path / "figures" / "reference" / "paper"
    assert sorted(path.name for path in kept.iterdir()) == ["cnn-deep.png", "cnn.png"]
    folder = tmp_path / "results" / "reference" / "paper"
    assert provenance.made_by(folder, "figures/cnn-deep.png")["run"] == "05_cnn-deep_seed0"
    assert json.loads((folder / "provenance" / "05_cnn-wide_seed0.json").read_text("utf-8"))["artifacts"] == {}


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_the_report_of_the_result_alone_is_kept(keep, tmp_path, profile):
    write_run(tmp_path / "out", "08_replication_report")
    results = tmp_path / "out" / "results"
    (results / "paper" / "report.html").write_text("<p>", encoding="utf-8")
    (results / "paper").rename(results / profile)
    if profile != "paper":
        (tmp_path / "out" / "figures" / "paper").rename(tmp_path / "out" / "figures" / profile)
    keep.main(profile)
    assert Path("results", "reference", profile, "report.html").exists() == (profile == "paper")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"code": {"commit": "abc", "dirty": True}}, "its code is no commit"),
        ({"code": {"commit": "", "dirty": False}}, "its code is no commit"),
        ({"code": {"commit": "abc", "dirty": None}}, "its code is no commit"),
        ({"scored_again": {"code": {"commit": "abc", "dirty": True}}}, "its code is no commit"),
        ({"shows": {"a": {"synthetic": False}}}, "real people's faces are in a; run it with DRAW_FACES=no"),
        ({"shows": {"a": {"synthetic": "yes"}}}, "real people's faces are in a"),
        ({"cell": "data_dir = '{data}'"}, "its notebook names .*data; give folders by the environment"),
    ],
)
def test_what_must_not_be_published_stops_all(keep, tmp_path, fault, words):
    fault = {key: value.format(data=tmp_path / "data") if key == "cell" else value for key, value in fault.items()}
    write_run(tmp_path / "out", "01_data_seed0")
    write_run(tmp_path / "out", "02_more_seed0", **fault)
    with pytest.raises(FerError, match=f"^02_more_seed0 is not copied, nor any other run: {words}"):
        keep.main("paper")
    assert not (tmp_path / "results").exists()


def test_a_run_that_is_not_there_is_named(keep, tmp_path):
    write_run(tmp_path / "out", "01_data_seed0")
    with pytest.raises(FerError, match=r"There is no run 03 in .*; there are 01_data_seed0"):
        keep.main("paper", "03")
    with pytest.raises(FerError, match=r"No runs in .*provenance; give the name of a profile that has run"):
        keep.main("quick")
