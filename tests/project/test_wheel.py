"""Test the wheel: built, installed into an environment of its own and used from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import cv2
import pytest

from fer_lib.datasets.synthetic.people import activations, sample_identities, studio_conditions
from fer_lib.datasets.synthetic.render import render_faces

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of what is packed, so that no build folder is left among the sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "fer_lib", source / "fer_lib", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(built), str(source)], check=True)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The `bin` of an environment that has the wheel, and sees the packages of the present one behind it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # a path file inside a path file is not read: the editable install of these sources stays out
    (site / "present.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


@pytest.fixture
def run(installed, tmp_path):
    def run(*words: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "PYTHON"))}
        variables = kept | {"PATH": f"{installed}:{os.environ['PATH']}", "FER_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def test_the_wheel_contains_the_package_and_its_data_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = {path for path in (ROOT / "fer_lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {str(path.relative_to(ROOT)) for path in tracked}


def test_the_command_works_from_an_empty_folder(run, installed, tmp_path):
    where = run(str(installed / "python"), "-c", "import fer_lib; print(fer_lib.__file__)")
    assert where.startswith(str(installed.parent))
    fer_lib = str(installed / "fer-lib")
    assert run(fer_lib, "--version").startswith("fer-lib ")
    assert "Table 2" in run(fer_lib, "audit")
    assert "SYNTHETIC" in run(fer_lib, "data", "synth", "generated", "--faces", "70")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generated"]


def test_a_photo_is_answered_from_the_wheel_alone(run, installed, tmp_path):
    conditions = studio_conditions(1, scale=0.8)
    face = render_faces(sample_identities(5, 1).take([4]), activations(["happy"], 1.0), conditions=conditions, size=160)
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.copyMakeBorder(face[0], 30, 50, 10, 30, cv2.BORDER_REPLICATE))
    (answer,) = json.loads(run(str(installed / "fer-lib"), "predict", "photo.png", "--json"))
    assert Path(answer["model"]).is_relative_to(installed.parent)
    assert (answer["outcome"], answer["score_kind"]) == ("found", "calibrated probability")
    assert answer["model_scores"][0]["measured_on"] == "FER-2013, PrivateTest"


def test_a_notebook_writes_into_the_current_folder(run, installed, tmp_path):
    notebook = str(ROOT / "notebooks" / "01_data_exploration.ipynb")
    run(str(installed / "python"), "-m", "papermill", notebook, "out.ipynb", "--kernel", "python3", "--no-progress-bar")
    made = next((tmp_path / "results" / "smoke").glob("provenance/*.json"))
    assert json.loads(made.read_text(encoding="utf-8"))["code"] == {"commit": None, "dirty": None}
    assert not (installed.parent / "results").exists()
