"""Test the list of results folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fer_lib.cli import main
from fer_lib.report.runs import list_results, report
from fer_lib.utils.files import file_sha256

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_OUTPUT", raising=False)
    monkeypatch.chdir(tmp_path)


def ran(profile="quick", *, seed=0, value=0.62, folder="results", commit="0123456789abcdef", dirty=False, **facts):
    """Write the metrics of a run of notebook 05 with their provenance; return the metrics file."""
    results = Path(folder, profile)
    name = f"baseline_cnn_seed{seed}"
    ends = {"low": value - 0.02, "high": value + 0.02, "n": 3589}
    rows = [
        {"split": "testing", "metric": "categorical_accuracy", "value": value} | ends,
        {"split": "testing", "metric": "binary_accuracy", "value": 0.89, "low": 0.88, "high": 0.9, "n": 3589},
    ]
    for part in ("metrics", "provenance"):
        (results / part).mkdir(parents=True, exist_ok=True)
    file = results / "metrics" / f"{name}.json"
    file.write_text(json.dumps({"name": name, "synthetic": False, "values": {"scores": rows}}))
    made = {
        "run": f"05_baseline_cnn_seed{seed}",
        "notebook": "05_baseline_cnn",
        "profile": profile.split("/")[-1],
        "seed": seed,
        "data": {"fer2013": {"fingerprint": "ab", "synthetic": False}},
        "data_settings": {"test_split": "PrivateTest"},
        "code": {"commit": commit, "dirty": dirty},
        "written": f"2026-01-0{seed + 1}T00:00:00+00:00",
        "artifacts": {f"metrics/{name}.json": file_sha256(file)},
    }
    (results / "provenance" / f"05_baseline_cnn_seed{seed}.json").write_text(json.dumps(made | facts))
    return file


def test_a_folder_is_described_with_its_scores(capsys):
    ran(seed=0)
    ran(seed=1, value=0.6, commit="fedcba9876", dirty=True)
    ran("reference/paper", commit=None)
    first, second = list_results()
    assert (first.path, first.profiles, first.seeds) == (Path("results/quick"), ("quick",), (0, 1))
    assert first.commits == ("0123456", "fedcba9+changes")
    assert first.runs == ("05_baseline_cnn_seed0", "05_baseline_cnn_seed1")
    assert first.written == "2026-01-02T00:00:00+00:00"
    assert [(one.metric, one.value) for one in first.scores] == [
        ("categorical accuracy", 0.62),
        ("binary accuracy", 0.89),
        ("categorical accuracy", 0.6),
        ("binary accuracy", 0.89),
    ]
    assert (second.path, second.commits) == (Path("results/reference/paper"), ("unknown",))
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in ("profile quick", "commit 0123456, fedcba9+changes", "seeds 0, 1"):
        assert line in lines
    assert (
        "baseline_cnn_seed1 fedcba9+changes 1 Traditional CNN FER-2013, PrivateTest categorical accuracy "
        "60.00 [58.00, 62.00]" in lines
    )
    assert "Keras' BinaryAccuracy" in lines[-1]
    assert main(["runs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in found] == ["results/quick", "results/reference/paper"]
    assert found[0]["scores"][2] | {"commit": "fedcba9+changes", "seed": 1, "low": 0.58} == found[0]["scores"][2]


def test_changed_results_and_generated_faces_are_told():
    file = ran()
    file.write_text(file.read_text().replace("0.62", "0.99"))
    (one,) = list_results()
    assert (one.scores, one.synthetic) == ((), False)
    assert "scores   none yet" in report([one])
    ran(data={"fer2013": {"fingerprint": "ab", "synthetic": True}})
    assert report(list_results())[0] == "results  results/quick (SYNTHETIC: its faces were generated)"


@pytest.mark.parametrize("name", ["metrics/baseline_cnn_seed0.json", "provenance/05_baseline_cnn_seed0.json"])
def test_a_damaged_file_is_said_and_stops_nothing(name):
    ran()
    ran("paper")
    Path("results/quick", name).write_text("{")
    good, bad = list_results()
    assert len(good.scores) == 2
    assert bad.scores == ()
    assert name in bad.problems[0]
    assert any(line.startswith("problem") for line in report([bad]))


def test_other_folders_are_no_results(capsys):
    Path("results/notes").mkdir(parents=True)
    Path("results/quick/tables").mkdir(parents=True)
    Path("results/file.txt").touch()
    (one,) = list_results()
    assert one.path == Path("results/quick")
    assert report([one])[1].startswith("profile  unknown")
    shutil.rmtree("results")
    assert main(["runs"]) == 0
    assert "no results under results yet" in capsys.readouterr().out


def test_the_reference_is_read_as_it_is_committed():
    found = {one.path.name: one for one in list_results(PROJECT) if one.path.parent.name == "reference"}
    assert set(found) >= {"paper", "quick"}
    paper = found["paper"]
    assert paper.seeds == (0, 1, 2)
    assert not paper.problems
    measured = {(one.model, one.measured_on): one for one in paper.scores}
    assert measured["fer2013_svm_seed0", "GENKI-4K"].text() == "78.20 [76.89, 79.45] %"


def test_a_half_written_file_is_no_result(capsys):
    ran()
    for part in ("metrics", "provenance"):  # SIGKILL leaves such a file, and another process may see one for a moment
        Path("results", "quick", part, ".partial-x.json").touch()
    assert main(["runs"]) == 0
    out, _ = capsys.readouterr()
    assert "problem" not in out
    assert "62.00" in out
