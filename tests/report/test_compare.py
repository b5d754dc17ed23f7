"""Test the comparison of two folders of results: equal values, reported differences and their size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_lib import cli
from fer_lib.errors import FerError
from fer_lib.report.compare import KINDS, compare, tolerances

METRICS = {"name": "m", "values": {"scores": [{"metric": "loss", "value": 1.78, "low": 1.7, "high": 1.9, "faces": 10}]}}


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        Image.fromarray(content).save(path)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def pair(tmp_path):
    """Two equal folders of one profile's results and figures."""
    for name in ("mine", "theirs"):
        folder = tmp_path / name
        write(folder, "results/paper/tables/a.csv", 'model,accuracy,note\ncnn,"0.62 [0.60, 0.64]",printed 0.64\n')
        write(folder, "results/paper/tables/a.md", "| model | accuracy |\n|:--|:--|\n| cnn | 0.62 [0.60, 0.64] |\n")
        write(folder, "results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,10\n2,2.25,11\n")
        write(folder, "results/paper/metrics/m.json", METRICS | {"provenance": {"written": name}})
        write(folder, "results/paper/predictions/p.csv", "face,label,predicted\n1,0,3\n")
        write(folder, "results/paper/provenance/a.json", {"written": name})
        write(folder, "results/paper/tables/comparators_cost_seed0.csv", f"system,seconds\nx,{len(name)}\n")
        write(folder, "figures/paper/f.png", np.zeros((4, 5, 3), np.uint8))
        write(folder, "figures/paper/f.svg", name)
    return tmp_path / "mine", tmp_path / "theirs"


def only(found):
    assert len(found.differences) == 1, found.differences
    return found.differences[0]


def test_equal_results_are_equal_whatever_their_provenance_times_and_svg(pair):
    write(pair[1], "results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,20\n2,2.25,31\n")
    table = pair[1] / "results/paper/tables/a.md"
    table.write_text(table.read_text() + "\nProvenance: `provenance/03_resnet50_mlp_seed0.json`.\n")
    for folder, speed in zip(pair, ("1,957", "942"), strict=True):
        write(folder, "results/paper/tables/claims.csv", f'claim,here\nefficiency,"{speed} faces a second of 48"\n')
    found = compare(*pair)
    assert (found.compared, found.differences) == (7, [])
    assert "7 of 7 shared results are equal" in found.summary()
    write(pair[1], "results/paper/tables/claims.csv", "claim,here\nefficiency,942 faces a second of 32\n")
    assert "48" in only(compare(*pair)).text


@pytest.mark.parametrize(
    ("name", "content", "kind", "said"),
    [
        ("results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,10\n2,2.26,11\n", "numbers", "2.25 / 2.26"),
        ("results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,10\n", "layout", "row 2 (2)"),
        ("results/paper/predictions/p.csv", "face,label,predicted\n1,0,4\n", "numbers", "3 / 4"),
        ("results/paper/predictions/p.csv", "face,label,answer\n1,0,3\n", "wording", "predicted / answer"),
        ("results/paper/predictions/p.csv", "face,label,predicted\n1,0,\n", "numbers", "other numbers"),
        ("results/paper/metrics/m.json", {"name": "m", "values": {"scores": []}}, "layout", "/values/scores[1]"),
        ("results/paper/metrics/m.json", {"name": "n", "values": METRICS["values"]}, "wording", "/name: m / n"),
        (
            "results/paper/tables/a.md",
            "| system | accuracy |\n|:----|:--|\n| cnn | 0.62 [0.60, 0.64] |\n",
            "wording",
            "",
        ),
        (
            "results/paper/tables/a.csv",
            'model,accuracy,note\ncnn,"0.62 [0.60, 0.64]",printed 0.65\n',
            "numbers",
            "0.65",
        ),
        ("results/paper/tables/a.csv", 'model,accuracy,note\ncnn,"0.62 [0.60, 0.64]",said 0.64\n', "wording", "said"),
        ("results/paper/tables/a.csv", b"\xff\xfe".decode("latin-1"), "layout", ""),
        ("results/paper/metrics/m.json", "{", "layout", "cannot be read"),
        ("figures/paper/f.png", np.full((4, 5, 3), 3, np.uint8), "pixels", "100.00% of the pixels differ, by up to 3"),
        ("figures/paper/f.png", np.zeros((4, 6, 3), np.uint8), "pixels", "5×4 and 6×4"),
        ("figures/paper/f.png", "no picture", "pixels", "not a readable image"),
    ],
)
def test_each_difference_is_named_with_its_kind_and_size(pair, name, content, kind, said):
    write(pair[1], name, content)
    found = only(compare(*pair))
    assert found.kind == kind
    assert Path(found.name).name == Path(name).name
    assert said in found.text


ARRAYS = {"share": np.array([[0.25, 0.75], [np.nan, np.inf]], np.float16), "part": np.array([0, 1], np.uint8)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"share": ARRAYS["share"] + np.float16(0.25)}, ("numbers", "2 places differ, by up to 0.5 of the larger")),
        ({"share": np.zeros((2, 2), np.float16)}, ("numbers", "4 places differ, other numbers, in share")),
        ({"share": np.zeros(3)}, ("layout", "1 arrays have another shape")),
        ({"more": np.zeros(1)}, ("layout", "the first more")),
        ({"part (words)": np.array(["a", "c"])}, ("layout", "other words in part")),
    ],
)
def test_arrays_are_compared_by_name_shape_and_value(pair, changed, said):
    words = {"part (words)": np.array(["a", "b"])}
    for folder, content in zip(pair, ({}, changed), strict=True):
        folder = folder / "results/paper/predictions"
        np.savez_compressed(folder / "answers.npz", **{**ARRAYS, **words, **content})
    found = [one for one in compare(*pair).differences if one.name == "predictions/answers.npz"]
    if said is None:
        assert found == []
    else:
        assert found[0].kind == said[0]
        assert said[1] in found[0].text
        assert len([one for one in compare(*pair, rtol=0.5).differences if one.name.endswith("npz")]) == (
            0 if "by up to" in said[1] else 1
        )


def test_a_damaged_file_of_arrays_is_named(pair):
    for folder, content in zip(pair, (b"not a zip", b"nor this"), strict=True):
        folder = folder / "results/paper/predictions"
        (folder / "answers.npz").write_bytes(content)
    assert [one.kind for one in compare(*pair).differences if one.name.endswith("npz")] == ["layout"]


def test_a_file_that_one_lacks_is_named(pair):
    (pair[0] / "results/paper/predictions/p.csv").unlink()
    found = compare(*pair)
    assert only(found).kind == "only one has it"
    assert "second" in only(found).text
    assert found.compared == 5


def test_the_tolerance_is_relative_to_the_larger_number(pair):
    write(pair[1], "results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,10\n2,2.2,11\n")
    assert compare(*pair, rtol=0.05 / 2.25 * 1.001).differences == []
    assert only(compare(*pair, rtol=0.05 / 2.25 * 0.999)).kind == "numbers"


def test_each_kind_of_result_has_its_own_tolerance(pair):
    write(pair[1], "results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,10\n2,2.2501,11\n")
    write(pair[1], "results/paper/predictions/p.csv", "face,label,predicted\n1,0,3.0001\n")
    assert [one.name for one in compare(*pair, rtol=tolerances("1e-3")).differences] == []
    found = compare(*pair, rtol=tolerances("histories=1e-3, tables=1e-2"))
    assert only(found).name == "predictions/p.csv"
    assert len(compare(*pair, rtol=tolerances("tables=1e-2")).differences) == 2


def test_tolerances_are_read_from_words():
    assert tolerances("1e-6") == dict.fromkeys(KINDS, 1e-6)
    assert tolerances("tables=.5,metrics=1E-3") == {**dict.fromkeys(KINDS, 0.0), "tables": 0.5, "metrics": 0.001}
    for wrong, said in {"tabels=1": "'tabels'.*tables", "tables=x": "'x'", "figures=1": "for some of tables"}.items():
        with pytest.raises(FerError, match=said):
            tolerances(wrong)
    for wrong in ("", "tables=", "1e-3,tables=1", "tables=nan", "inf"):
        with pytest.raises(FerError, match="tolerance"):
            tolerances(wrong)


def drawn(folder, digest, value):
    from PIL import PngImagePlugin

    text = PngImagePlugin.PngInfo()
    if digest:
        text.add_text("Drawn data", digest)
    Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(folder / "figures/paper/f.png", pnginfo=text)


@pytest.mark.parametrize(
    ("digests", "kind"), [(("a", "a"), "drawing"), (("a", "b"), "pixels"), (("a", ""), "pixels"), (("", ""), "pixels")]
)
def test_other_pixels_of_the_same_data_are_told_apart(pair, digests, kind):
    for folder, digest, value in zip(pair, digests, (0, 9), strict=True):
        drawn(folder, digest, value)
    found = compare(*pair)
    assert only(found).kind == kind
    assert bool(found.failing(numbers_only=True)) == (kind == "pixels")
    assert found.failing() == found.differences
    assert ("draw the same data in other pixels" in found.summary()) == (kind == "drawing")


def test_the_digest_is_the_one_that_figures_are_saved_with(tmp_path):
    from matplotlib.figure import Figure

    from fer_lib.figures import drawn as digests
    from fer_lib.report import compare as module

    assert module._DRAWN in digests.digests(Figure())


def test_an_infinite_or_missing_number_is_within_no_tolerance(pair):
    write(pair[1], "results/paper/histories/h.csv", "epoch,loss,seconds\n1,2.5,10\n2,nan,11\n")
    assert only(compare(*pair, rtol=0.99)).kind == "numbers"


@pytest.mark.parametrize(
    ("value", "low", "high", "kind"),
    [(1.85, 1.75, 1.95, "inside intervals"), (1.85, 1.79, 1.95, "numbers"), (1.95, 1.7, 2.1, "numbers")],
)
def test_estimates_inside_each_others_interval_are_told_apart(pair, value, low, high, kind):
    row = {"metric": "loss", "value": value, "low": low, "high": high, "faces": 10}
    write(pair[1], "results/paper/metrics/m.json", {"name": "m", "values": {"scores": [row]}})
    found = compare(*pair)
    assert only(found).kind == kind
    assert bool(found.failing(within_intervals=True)) == (kind == "numbers")


@pytest.mark.parametrize(
    ("cell", "kind"),
    [("0.63 [0.61, 0.65]", "inside intervals"), ("0.65 [0.61, 0.67]", "numbers"), ("0.61 [0.63, 0.67]", "numbers")],
)
def test_intervals_in_brackets_count_too(pair, cell, kind):
    write(pair[1], "results/paper/tables/a.csv", f'model,accuracy,note\ncnn,"{cell}",printed 0.64\n')
    assert only(compare(*pair)).kind == kind


def test_a_count_has_no_interval_and_is_not_excused_by_its_neighbours(pair):
    row = METRICS["values"]["scores"][0] | {"faces": 11}
    write(pair[1], "results/paper/metrics/m.json", {"name": "m", "values": {"scores": [row]}})
    assert only(compare(*pair)).kind == "numbers"


def test_profile_folders_take_their_figures_along_and_may_have_other_names(pair):
    mine, theirs = pair
    reference = theirs / "results" / "reference" / "paper"
    reference.parent.mkdir()
    (theirs / "results" / "paper").rename(reference)
    (theirs / "figures" / "reference").mkdir()
    (theirs / "figures" / "paper").rename(theirs / "figures" / "reference" / "paper")
    found = compare(mine / "results" / "paper", reference)
    assert (found.compared, found.differences) == (6, [])


def test_several_profiles_are_compared_by_name(pair):
    for folder in pair:
        write(folder, "results/quick/tables/b.csv", "a\n1\n")
    write(pair[1], "results/quick/tables/b.csv", "a\n2\n")
    assert only(compare(*pair)).name == "quick/tables/b.csv"
    with pytest.raises(FerError, match="paper, quick"):
        compare(pair[0], pair[1] / "results" / "quick")


def test_folders_without_results_are_one_sentence(pair, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FerError, match="contains no results"):
        compare(pair[0], tmp_path / "empty")
    with pytest.raises(FerError, match="No such folder"):
        compare(pair[0], tmp_path / "absent")
    with pytest.raises(FerError, match="tolerance"):
        compare(*pair, rtol=-1.0)


def test_the_command_prints_the_differences_and_says_by_its_status_whether_there_are_any(pair, capsys):
    words = ["compare", *map(str, pair)]
    assert cli.main(words) == 0
    write(pair[1], "results/paper/predictions/p.csv", "face,label,answer\n1,0,3\n")
    capsys.readouterr()
    assert cli.main(words) == 1
    assert "predictions/p.csv: wording: heading 3: predicted / answer" in capsys.readouterr().out
    assert cli.main([*words, "--numbers-only"]) == 0
    capsys.readouterr()
    assert cli.main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["differences"][0]["kind"] == "wording"
    assert cli.main([*words, "--rtol", "2"]) == 2
    assert cli.main([*words, "--rtol", "tabels=0.1"]) == 2
    assert cli.main([*words, "--rtol", "tables=0.1,metrics=0", "--numbers-only"]) == 0
