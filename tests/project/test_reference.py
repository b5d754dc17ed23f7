"""Test the committed reference: every result has its provenance, and today's notebooks would write it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from fer_lib import artifacts, provenance
from fer_lib.report import chen2023
from fer_lib.settings import load_profile

PROJECT = Path(__file__).parents[2]
REFERENCE = PROJECT / "results" / "reference"
PROFILES = sorted(path.name for path in REFERENCE.iterdir())
KINDS = {"save_table": "tables", "save_values": "metrics", "save_figure": "figures", "save_packed": "predictions"}


def results(profile: str) -> list[str]:
    """List the committed results of a profile, such as ``"tables/chen2023_table2.csv"``."""
    folder = REFERENCE / profile
    files = [path for kind in ("tables", "metrics", "histories", "predictions") for path in (folder / kind).glob("*")]
    figures = [f"figures/{path.name}" for path in provenance.figures_of(folder).glob("*")]
    return sorted([*(path.relative_to(folder).as_posix() for path in files), *figures])


def patterns() -> set[str]:
    """List what the notebooks write, as regular expressions of ``<kind>/<name>``, read from their cells."""
    found = set()
    for path in sorted((PROJECT / "notebooks").glob("0*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        tree = ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
        assigned = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in SAVES:
                name = call.args[1]
                pattern = expression(assigned[name.id] if isinstance(name, ast.Name) else name, assigned)
                folder = [ast.literal_eval(word.value) for word in call.keywords if word.arg == "folder"]
                found.add(f"{KINDS.get(call.func.attr) or folder[0]}/{pattern}")
    return found


SAVES = {*KINDS, "save_rows"}


def expression(node: ast.expr, assigned: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(expression(part, assigned) for part in node.values)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        known = assigned.get(node.value.id)
        return expression(known, assigned) if isinstance(known, ast.JoinedStr) else r"[\w-]*"
    raise AssertionError(f"a result's name is {ast.unparse(node)}: write it as a string or an f-string of names")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_committed_result_has_its_provenance(profile):
    names = results(profile)
    assert len(names) > 100
    assert [name for name in names if provenance.made_by(REFERENCE / profile, name) is None] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_the_provenance_lists_no_result_that_is_gone(profile):
    listed = set()
    for path in (REFERENCE / profile / "provenance").glob("*.json"):
        made = json.loads(path.read_text(encoding="utf-8"))
        listed |= set(made["artifacts"])
        assert made["run"] == path.stem
        assert made["code"]["commit"]
        assert made["code"]["dirty"] is False
    assert listed == set(results(profile))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_committed_result_is_one_that_todays_notebooks_write(profile):
    known = [re.compile(f"{pattern}\\.[a-z]+") for pattern in patterns()]
    assert len(known) > 60
    assert [name for name in results(profile) if not any(one.fullmatch(name) for one in known)] == []


def test_the_tables_of_the_settings_have_settings_in_their_provenance():
    for name in ("tables/chen2023_table1.csv", "tables/liu2023_table2.csv"):
        made = provenance.made_by(REFERENCE / "paper", name)
        assert made["settings"], name
        assert made["data"], name


def test_the_figure_of_what_to_quote_names_what_each_paper_is_quoted_from():
    run = artifacts.Run("08_replication_report", "paper", load_profile("paper"), None, REFERENCE / "paper", REFERENCE)
    results = chen2023.gather(run)
    source = chen2023.quotes_figure(results.audit("chen2023"), results.audit("liu2023")).source
    first, second = source.split(" For liu2023, ")
    assert first.startswith("For chen2023, faces: FER-2013, 28,709 Training (20 % of it for validation) + 3,589 Priv")
    assert "CK+" not in first
    assert second.startswith("faces: CK+, 927 all; FER-2013")
    assert "backends" not in second


def test_a_run_leaves_nothing_that_git_would_take_for_the_project():
    names = ["results/paper/tables/a.csv", "figures/paper/a.png", "results/reference/paper/tables/a.csv"]
    names += ["results/reference/paper/predictions/a.npz"]
    done = subprocess.run(["git", "check-ignore", *names], cwd=PROJECT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("not a git repository")
    assert done.stdout.split() == names[:2]


def test_the_data_card_has_the_scores_and_checksums_of_the_weights():
    card = " ".join((PROJECT / "docs" / "data_cards.md").read_text(encoding="utf-8").split())
    values = json.loads((REFERENCE / "paper" / "metrics" / "pretraining_seed0.json").read_text())["values"]
    for name, row in values["accuracy"].items():
        share, low, high = (100 * row[key] for key in ("value", "low", "high"))
        assert f"{name.replace('top', 'top-')} {share:.2f} % [{low:.2f}, {high:.2f}]" in card
    for file, digest in values["sha256"].items():
        assert f"`{digest}` ({'float16' if 'float16' in file else 'float32'}, " in card
    shares = {(row["features"], row["scaling"]): f"{100 * row['accuracy']:.2f}" for row in values["linear_probe"]}
    for words, feature, scaling in (
        ("names {} % of PrivateTest rightly with the scaling", "pretrained", "trunk"),
        ("and {} % at 1/255 (", "pretrained", "unit"),
        ("random weights {} and", "random", "trunk"),
        ("and {} %, on raw", "random", "unit"),
        ("raw pixels {} %.", "pixels", "unit"),
    ):
        assert words.format(shares[feature, scaling]) in card
    gains = {(row["scaling"], row["over"]): row for row in values["gains"] if row["features"] == "pretrained"}
    assert {key for key, row in gains.items() if row["low"] <= 0} == {("unit", "random")}
    weak = [100 * gains["unit", "random"][name] for name in ("difference", "low", "high")]
    assert "the gain over random weights is {:+.2f} [{:+.2f}, {:+.2f}] points".format(*weak) in card
    history = pd.read_csv(REFERENCE / "paper" / "histories" / "pretraining_seed0.csv")
    assert history.groupby("image_size")["epoch"].count().to_dict() == {32: 20, 48: 16}
    assert f"names {100 * history['top1'].iloc[-1]:.1f} % of its training images rightly" in card
    assert values["accuracy"]["top1"]["low"] > 0.4  # "is reached"
