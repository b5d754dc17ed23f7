"""The benchmarks: each says what it measures; those that are cheap run on a few generated faces and leave a JSON."""

import ast
import json
import os
import subprocess
import sys

import pytest

from fer_lib.settings import PROJECT

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


@pytest.mark.parametrize("name", ["bench_csv_load", "bench_jpeg_load", "bench_mtcnn", "bench_startup"])
def test_help_says_the_options(name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--pairs" in done.stdout
    assert "--data-dir" in done.stdout


@pytest.mark.parametrize(
    ("name", "comparisons", "facts"),
    [
        ("csv_load", {"parse", "load"}, {"faces": 50, "synthetic": True}),
        ("jpeg_load", {"zip", "folder"}, {"faces": 50, "synthetic": True, "greatest_difference": 0}),
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


def test_committed_results_are_of_benchmarks_that_exist_and_name_no_folder():
    for path in (FOLDER / "results").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert f"bench_{json.loads(text)['benchmark']}" in BENCHMARKS
        assert str(PROJECT) not in text
        assert "/home/" not in text
