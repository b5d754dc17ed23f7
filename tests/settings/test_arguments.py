"""Test the arguments of a run, from Snakemake's configuration and from make: one sentence for each mistake."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from fer_lib.errors import FerError
from fer_lib.settings import PROFILES, PROJECT, arguments, load_profile

RUN = [sys.executable, str(PROJECT / "workflow" / "run.py")]


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    for name in (*arguments.VARIABLES.values(), "FER_OUTPUT"):
        monkeypatch.delenv(name, raising=False)


def test_without_arguments_the_smoke_profile_runs_with_seed_0():
    asked = arguments.read({})
    assert (asked.profile, asked.seeds, asked.baseline_seeds, asked.gpus) == ("smoke", ("0",), ("0",), 1)
    assert asked.draw_faces
    assert asked.file == PROFILES / "smoke.yaml"
    assert asked.environment() == {}


def test_the_configuration_goes_before_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.h5").touch()
    monkeypatch.setenv("FER_SEEDS", "5")
    monkeypatch.setenv("FER_WEIGHTS", "~/w.h5")
    monkeypatch.setenv("FER_PROFILE", "quick")
    given = {"seeds": 3, "draw_faces": "no", "gpus": 0, "data_dir": str(tmp_path), "trunk": "keras-bfloat16"}
    asked = arguments.read(given)
    assert (asked.profile, asked.seeds, asked.draw_faces, asked.gpus) == ("quick", ("3",), False, 0)
    expected = {"FER_DATA": str(tmp_path), "FER_WEIGHTS": str(tmp_path / "w.h5"), "FER_TRUNK": "keras-bfloat16"}
    assert asked.environment() == expected
    assert arguments.read({"profile": "smoke"}).seeds == ("5",)


def test_data_settings_reach_every_notebook_by_the_environment(monkeypatch):
    asked = arguments.read({"skip_bad": "on", "test_split": "PublicTest", "labels": "ferplus"})
    assert asked.data_changes == {"skip_bad": True, "test_split": "PublicTest", "labels": "ferplus"}
    assert asked.sources == ["", "", "", "skip_bad=True", "test_split=PublicTest", "labels=ferplus"]
    assert arguments.read({}).sources == ["", "", ""]  # as in earlier versions: nothing reruns
    for name, value in asked.environment().items():
        monkeypatch.setenv(name, value)
    assert arguments.data_from_environment(load_profile("paper")) == asked.data_changes
    assert arguments.data_from_environment(load_profile("smoke")) == {}
    monkeypatch.setenv("FER_SKIP_BAD", "no")
    assert arguments.read({}).data_changes["skip_bad"] is False
    monkeypatch.setenv("FER_TEST_SPLIT", "test")
    with pytest.raises(FerError, match="FER_TEST_SPLIT=test is unknown"):
        arguments.data_from_environment(load_profile("paper"))


@pytest.mark.parametrize("word", ["no", "No", "off", "n", "0", "FALSE", " f "])
def test_a_word_for_no_draws_no_real_face(word):
    assert arguments.read({"draw_faces": word}).draw_faces is False


def test_seeds_are_numbers_and_not_their_digits():
    for given in ("0 010 10", "0,10", "[0, 10]", "0 1e1"):
        assert arguments.read({"seeds": given}).seeds == ("0", "10")


def test_weights_to_pretrain_are_a_name_and_no_file():
    asked = arguments.read({"weights": "pretrain"})
    assert asked.weights == "pretrain"
    assert asked.environment()["FER_WEIGHTS"] == "pretrain"
    assert arguments.read({"weights": "None"}).weights == "none"  # as -p weights None in a notebook


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"profile": "papr"}, r"no profile 'papr' \(did you mean 'paper'\?\); give one of paper, quick, smoke"),
        ({"profile": 'it\'s "x" $HOME'}, "no profile"),
        ({"data_dir": "no such folder"}, "FER_DATA=no such folder: no such file or folder"),
        (
            {"weights": "w.h5"},
            "WEIGHTS=w.h5: no such file; give imagenet, none, random_frozen, pretrain or a weights file",
        ),
        ({"trunk": "keras"}, "TRUNK is 'keras'.*give one of keras-float32"),
        ({"test_split": "PublicTst"}, r"TEST_SPLIT=PublicTst is unknown \(did you mean 'PublicTest'\?\): give one of"),
        ({"labels": "fer+"}, "LABELS=fer\\+ is unknown.*: give one of fer2013, ferplus, ferplus_votes"),
        ({"skip_bad": "perhaps"}, "SKIP_BAD is 'perhaps'; give yes or no"),
        ({"gpus": 4}, "GPUS=4 is unknown: give one of 0, 1"),
        ({"seeds": "a b"}, "SEEDS is 'a'; give a whole number"),
        ({"seeds": "-1"}, "SEEDS is '-1'; give a whole number"),
        ({"seeds": " "}, "SEEDS is empty; give whole numbers"),
        ({"draw_faces": "never"}, "DRAW_FACES is 'never'; give yes or no"),
        ({"draw_faces": ""}, "DRAW_FACES is ''; give yes or no"),
        (
            {"draw_face": "no"},
            r"no argument 'draw_face' \(did you mean 'draw_faces'\?\); give some of profile",
        ),
        ({"FER_DATA": "data"}, "There is no argument 'FER_DATA'; give some of profile, seeds"),
        ({"baseline_seeds": "0 3"}, "BASELINE_SEEDS=0 3 must be among SEEDS=0"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(given, words):
    with pytest.raises(FerError, match=words) as error:
        arguments.read(given)
    assert "\n" not in str(error.value)


def test_braces_in_a_profiles_path_are_refused(tmp_path):
    (tmp_path / "{a}").mkdir()
    (tmp_path / "{a}" / "mine.yaml").write_text("description: my own\n", encoding="utf-8")
    with pytest.raises(FerError, match="has braces in its path"):
        arguments.read({"profile": str(tmp_path / "{a}" / "mine.yaml")})


def run(*words: str, **given: str) -> subprocess.CompletedProcess:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    variables = kept | {"PYTHONPATH": str(PROJECT)} | given
    return subprocess.run([*RUN, *words], cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CLUSTER": "pbs"}, "CLUSTER=pbs is unknown: give one of slurm."),
        ({"JOBS": "many"}, "JOBS is 'many'; give the number of notebooks that run at the same time, 1 or more."),
        ({"JOBS": "0"}, "JOBS is '0'; give the number of notebooks that run at the same time, 1 or more."),
        ({"DRAW_FACES": ""}, "DRAW_FACES is ''; give yes or no."),
        ({"MAKEFLAGS": "w -- DRAW_FACE=no"}, "make has no variable DRAW_FACE (did you mean 'DRAW_FACES'?)"),
        (
            {"MAKEFLAGS": " -- SEEDS=0\\ 1 draw_faces=no"},
            "make has no variable draw_faces (did",
        ),
        (
            {"LABELS": "votes"},
            "LABELS=votes is unknown (did you mean 'ferplus_votes'?): give one of fer2013, ferplus, ferplus_votes, "
            "ferplus8, ferplus8_votes.",
        ),
        ({"PROFILE": "papr"}, "There is no profile 'papr'"),
    ],
)
def test_make_stops_with_one_sentence(given, said):
    done = run(**given)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_what_make_was_given_and_other_programs_read_is_no_fault():
    flags = r"kw -j2 --jobserver-auth=3,4 -- FER_DATA=it's\ here KERAS_BACKEND=jax SBATCH_ACCOUNT=mine SEEDS=0\ 1"
    given = {"MAKEFLAGS": flags, "SEEDS": "0 1", "FER_DATA": "it's here", "PROFILE": "", "DRAW_FACES": "no"}
    found = {"FER_SEEDS": "0 1", "FER_DATA": "it's here", "FER_DRAW_FACES": "no"}
    assert arguments.from_make(given) == found
    assert arguments.from_make({}) == {}


def test_every_variable_that_the_makefile_describes_is_known():
    lines = re.findall(r"^#: ([A-Z][A-Z_, ]*?)  ", (PROJECT / "Makefile").read_text("utf-8"), re.M)
    described = [name for line in lines for name in line.split(", ")]
    flags = " ".join(f"{name}=x" for name in described)
    assert len(described) > 20
    arguments.from_make({"MAKEFLAGS": f" -- {flags}"})
    for name in described:
        with pytest.raises(FerError, match=f"make has no variable {name}S"):
            arguments.from_make({"MAKEFLAGS": f" -- {name}S=x"})


def test_real_data_means_the_paper_profile_and_a_report_needs_results(tmp_path):
    done = run("report", FER_DATA=str(tmp_path), FER_OUTPUT=str(tmp_path / "my out"))
    assert "PROFILE is paper because FER_DATA is given" in done.stdout
    assert f"No such folder: {tmp_path}/my out/results/paper; run `make replicate PROFILE=paper` first" in done.stderr
    done = run("report", FER_DATA=str(tmp_path), PROFILE="quick", FER_OUTPUT=str(tmp_path / "my out"))
    assert done.stdout == ""
    assert "results/quick" in done.stderr
