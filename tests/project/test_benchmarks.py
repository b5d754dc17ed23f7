"""Test the benchmarks: each has a description; the cheap ones run on a few generated faces and write a JSON."""

import ast
import json
import os
import subprocess
import sys

import pytest

from fer_lib.settings import PROJECT
from fer_lib.tables.format import percent

FOLDER = PROJECT / "benchmarks"
BENCHMARKS = sorted(path.stem for path in FOLDER.glob("bench_*.py"))


def run(name, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "FER_DATA": ""}
    return subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_what_it_measures_and_runs_nothing_when_imported(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.If)
    assert all(isinstance(node, allowed) for node in tree.body)
    assert any(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in tree.body)
    assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


@pytest.mark.parametrize("name", ["bench_csv_load", "bench_mtcnn"])
def test_help_says_the_options(name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--pairs" in done.stdout
    assert "--data-dir" in done.stdout


@pytest.mark.parametrize(
    ("name", "comparisons", "facts"),
    [
        ("csv_load", {"parse", "load"}, {"faces": 50, "synthetic": True}),
    ],
)
def test_a_run_on_generated_faces_leaves_its_json(tmp_path, name, comparisons, facts):
    done = run(f"bench_{name}", "--faces", "50", "--pairs", "2", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert content["benchmark"] == name
    assert content["claim"] in done.stdout
    assert set(content["results"]) == comparisons
    for found in content["results"].values():
        assert found["pairs"] == 2
        assert 0 < found["lowest"] <= found["median"] <= found["highest"]
        assert min(found["ours_seconds"], found["usual_seconds"]) > 0
    assert {key: content["facts"][key] for key in facts} == facts
    assert content["facts"]["threads"] >= 1
    assert content["machine"]["cores"] >= 1
    assert str(tmp_path) not in json.dumps(content)


def test_packages_are_compared_on_the_same_crops_and_those_left_out_are_named(tmp_path):
    from fer_lib.backend import keras
    from fer_lib.datasets.fer2013 import CLASS_NAMES
    from fer_lib.models import compact, openvino_graph

    face = keras.Input((40, 40, 1))
    network = keras.Model(face, keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(face)))
    facts = compact.Compact(CLASS_NAMES, face=48, size=40)
    ours = compact.write(tmp_path / "ours", openvino_graph.convert(network), facts)
    done = run("bench_packages", "--model", str(ours), "--faces", "20", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "packages.json").read_text(encoding="utf-8"))
    mine = next(row for row in content["systems"] if row["system"] == "ours")
    assert mine["faces"] == 20
    assert mine["faces_a_second"] > 0
    assert 0 < mine["first_answer_s"] < 60
    assert {"rmn", "deepface", "emotiefflib"} <= set(content["left_out"])
    assert content["facts"]["synthetic"]
    assert str(tmp_path) not in json.dumps(content)


def test_committed_results_are_of_benchmarks_that_exist_and_name_no_folder():
    for path in (FOLDER / "results").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert f"bench_{json.loads(text)['benchmark']}" in BENCHMARKS
        assert str(PROJECT) not in text
        assert "/home/" not in text


def test_the_page_on_performance_has_the_committed_numbers(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import summary

    page = summary.PAGE.read_text(encoding="utf-8")
    assert summary.filled(page) == page, "run python benchmarks/summary.py"
    for path in (FOLDER / "results").glob("*.json"):
        for found in json.loads(path.read_text(encoding="utf-8")).get("results", {}).values():
            assert f"**{found['median']:.2f}**" in page


def test_the_model_card_has_the_numbers_of_the_network_and_of_other_packages(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import summary

    page = summary.MODEL_CARD.read_text(encoding="utf-8")
    assert summary.filled(page) == page, "run python benchmarks/summary.py"
    card = json.loads((summary.NETWORK / "model.json").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in summary.NETWORK.iterdir()) / 1e6
    wanted = [f"{size:.2f} MB", f"{card['temperature']:.3f}", f"{card['calibration_error']:.4f}", card["storage"]]
    made = card["provenance"]
    wanted += [f"{made['settings']['epochs']} epochs", f"commit {made['code']['commit'][:7]}, seed {made['seed']}"]
    wanted.append(f"the best epoch on PublicTest was {made['epoch']}")
    first = json.loads((FOLDER / "results" / "first_answer.json").read_text(encoding="utf-8"))["results"]["wall clock"]
    wanted += [
        f"takes {first['ours_seconds']:.1f} seconds from",
        f"and {first['median']:.1f} times as long by the same",
    ]
    assert [words for words in wanted if words not in " ".join(page.split())] == []
    readme = " ".join((PROJECT / "README.md").read_text(encoding="utf-8").split())
    ends = ("of PrivateTest's faces", "of those that are not in its training part", "of GENKI-4K's photos")
    for score, end in zip(card["scores"], ends, strict=True):
        assert f"for {percent(score['value'], score['low'], score['high'])} % {end}" in readme


def test_the_page_on_using_has_the_committed_ratios_of_the_backends():
    found = json.loads((FOLDER / "results" / "backends.json").read_text(encoding="utf-8"))["results"]
    jax, torch, small_jax, small_torch = (
        f"{found[f'tensorflow, not {backend}: {network}']['median']:.1f}"
        for network in ("traditional CNN", "small")
        for backend in ("jax", "torch")
    )
    page = " ".join((PROJECT / "docs" / "using.md").read_text(encoding="utf-8").split())
    assert f"takes {jax} times as long on JAX as on TensorFlow, and {torch} times on torch" in page
    assert f"of the profile `smoke`, {small_jax} and {small_torch} times" in page


def test_the_page_on_reliability_has_the_coverage_and_the_intervals_in_use_hold_their_level(monkeypatch):
    """The rule of the simulation: the truth in 95 % of all draws, and in 93 % in nineteen of twenty scenarios."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import summary

    page = summary.RELIABILITY.read_text(encoding="utf-8")
    assert summary.filled(page) == page, "run python benchmarks/summary.py"
    methods = json.loads((FOLDER / "results" / "interval_coverage.json").read_text(encoding="utf-8"))["methods"]
    for what, rows in methods.items():
        assert {row["group"] for row in rows} == {row["group"] for row in rows if row["used"]}
        for group in {row["group"] for row in rows}:
            same = [row for row in rows if row["group"] == group]
            used = next(row for row in same if row["used"])
            assert used["held"] >= 0.95, (what, group)
            assert used["below_93"] <= 0.05 or (what, group) == ("difference", "checked on")  # the page says so
    checked = next(row for row in methods["difference"] if row["used"] and row["group"] == "checked on")
    assert (checked["scenarios"], round(24 * checked["below_93"]), round(checked["lowest"], 2)) == (24, 3, 0.92)
    accuracy = {row["method"]: row for row in methods["accuracy"] if row["group"] == "chosen on"}
    assert accuracy["percentile bootstrap over subjects"]["held"] < 0.93  # "too narrow"
    assert accuracy["BCa bootstrap over subjects"]["held"] < 0.95


def test_the_arithmetic_of_a_face_counts_the_taps_that_meet_a_pixel(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import trunk_work

    face = trunk_work.keras.Input((2, 2, 5))
    network = trunk_work.keras.Model(face, trunk_work.layers.Conv2D(3, 3, padding="same")(face))
    # each of four outputs sees all four inputs, of nine taps
    assert trunk_work.operations_a_face(network) == pytest.approx(2 * 16 * 5 * 3 / 1e9)
    wide = trunk_work.keras.Input((6, 6, 1))
    network = trunk_work.keras.Model(wide, trunk_work.layers.Conv2D(1, 3, strides=2)(wide))
    assert trunk_work.operations_a_face(network) == pytest.approx(2 * 4 * 9 / 1e9)
