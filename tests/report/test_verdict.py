"""Test the report's opening in words, and this run's comparison with the reference."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fer_lib import artifacts
from fer_lib.report import chen2023, liu2023, verdict

PROJECT = Path(__file__).parents[2]
REFERENCE = PROJECT / "results" / "reference"


def gathered(folder: Path, profile: str):
    run = artifacts.start("08_replication_report", profile=profile, seed=None, output_dir=str(folder))
    return run, chen2023.gather(run), liu2023.gather(run)


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """A user's run whose results are those of the reference."""
    folder = tmp_path_factory.mktemp("paper")
    for kind in ("metrics", "provenance", "predictions", "histories", "tables"):
        shutil.copytree(REFERENCE / "paper" / kind, folder / "results" / "paper" / kind)
    return folder


def test_the_opening_says_what_the_results_show(paper):
    _, chen, liu = gathered(paper, "paper")
    title, on_chen, on_liu, this_run, *facts = verdict.opening(chen, liu).split("\n\n")
    assert (title, this_run) == ("## Profile `paper`, real faces", "### This run")
    assert on_chen.startswith(
        "**chen2023** prints a test accuracy of 0.8571 for ResNet50 + MLP and 0.6420 for the trad"
    )
    assert "may compare two metrics" in on_chen
    assert "0.8571 is nearer to the binary accuracy and 0.6420 is nearer to the categorical accuracy" in on_chen
    glance = chen.glance_table().frame
    for cell in glance["categorical accuracy, measured"]:
        assert f" {100 * float(cell.split(' ')[0]):.1f} % of the test faces" in on_chen
    for cell in glance["binary accuracy, measured"]:
        assert f"a binary accuracy of {cell.split(' ')[0]}" in on_chen
    separations = liu.ckplus_tables()[0].frame.set_index("classifier")
    for column in ("56 + 14 faces a class: frames at random", "folds: subjects apart"):
        assert f"{float(separations.loc['ResNet-50 + SVM (RBF)', column].split(' ')[0]):.1f} %" in on_liu
    assert "not ImageNet's" in " ".join(facts)


def test_where_nothing_is_measured_the_opening_says_which_notebooks_to_run(tmp_path):
    _, chen, liu = gathered(tmp_path, "smoke")
    words = verdict.opening(chen, liu)
    assert "run notebooks 03 and 05" in words
    assert "run notebook 04" in words
    assert "nearer" not in words


def test_generated_faces_judge_no_paper(paper):
    _, chen, liu = gathered(paper, "paper")
    for content in chen.values.values():
        content["synthetic"] = True
    words = verdict.opening(chen, liu)
    assert "\n\nSYNTHETIC: " in words
    assert "say nothing about the papers" in words
    assert not re.search("nearer|may compare|whom it has not seen", words)


def test_the_run_stands_next_to_the_reference_of_its_profile(paper):
    (table,) = verdict.beside_reference(*gathered(paper, "paper"))
    # the reference has the intervals of the code that made it
    values = [[re.match(r"[-+\d.]+", cell)[0] for cell in table.frame[column]] for column in ("this run", "reference")]
    assert values[0] == values[1]
    assert len(table.frame) == 3 * 2 + 3 * 3
    assert "results/reference/paper" in table.notes[0]


def test_the_reference_is_not_compared_with_itself_nor_a_profile_without_one(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "paper").symlink_to(REFERENCE / "paper")
    assert verdict.beside_reference(*gathered(tmp_path, "paper")) == []
    assert verdict.beside_reference(*gathered(tmp_path, "smoke")) == []


def test_one_line_compares_a_run_with_the_reference(paper, tmp_path):
    assert verdict.compared(paper / "results" / "paper", tmp_path / "none") == ""
    line = verdict.compared(paper / "results" / "paper", REFERENCE / "paper")
    assert re.fullmatch(r"Compared with .*reference/paper: (\d+) of \1 shared results are equal; .*\.", line)
    assert "\n" not in line
    assert verdict.compared(tmp_path, REFERENCE / "paper").startswith("Not compared with ")
