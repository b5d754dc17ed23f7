"""Test the reader of notebook parameters: no value draws a real face unasked, and each fault is one sentence."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import given, settings, strategies as st

from fer_lib import artifacts
from fer_lib.datasets import corpus
from fer_lib.errors import FerError
from fer_lib.settings import PROJECT, Profile, load_profile, parameters

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
REAL, GENERATED = SimpleNamespace(synthetic=False), SimpleNamespace(synthetic=True)
SECTIONS = [field.name for field in fields(Profile) if field.name not in ("description", "data", "variants")]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=4)
    | st.sampled_from(["no", "off", "None", "true", "smoke", "{epochs: 5}", "{a: [", "- 1", "0 1", "~", "..", "*"])
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(SCALARS, each, max_size=3))


def cells(path: Path) -> list:
    """Read the code cells, without the one for Colab and Kaggle, which runs only by hand."""
    every = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [cell for cell in every if "hosted" not in cell.metadata.get("tags", [])]


def defaults(path: Path) -> dict:
    """Execute a notebook's parameters cell."""
    namespace: dict = {}
    for cell in cells(path):
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, namespace)
    return namespace


def values(path: Path) -> dict:
    namespace = defaults(path)
    return {name: namespace[name] for name in namespace["__annotations__"]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_checks_its_parameters_before_anything_else(path):
    sources = [cell.source for cell in cells(path)]
    place = next(number for number, cell in enumerate(cells(path)) if "parameters" in cell.metadata.get("tags", []))
    assert sources[place + 1].startswith(f'run = artifacts.start("{path.stem}", globals())')
    for before in sources[:place]:
        assert re.fullmatch(r"((from \S+ )?import [\w., ]+(\n|$)|\n)+", before), "only imports come before"
    for line in sources[place].splitlines():
        assert re.match(r"\w+: (bool|int|str|dict|list) = \S.*  # \S", line), "a kind, a default and what it is"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_defaults_stay_as_they_are(path, tmp_path):
    namespace = defaults(path) | {"output_dir": str(tmp_path)}
    given = {name: namespace[name] for name in namespace["__annotations__"]}
    run = artifacts.start(path.stem, namespace)
    assert {name: namespace[name] for name in given} == given
    assert run.seed == given.get("seed")
    assert run.settings == load_profile("smoke")


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("bool", "no", False),
        ("bool", "OFF", False),
        ("bool", " False ", False),
        ("bool", 0, False),
        ("bool", "yes", True),
        ("bool", 1.0, True),
        ("int", 1e3, 1000),
        ("int", "1e3", 1000),
        ("int", "010", 10),
        ("str", 2013, "2013"),
        ("str", Path("a/b"), str(Path("a/b"))),
        ("dict", "{dropout_rate: 0.5, skip_bad: no}", {"dropout_rate": 0.5, "skip_bad": False}),
        ("dict", "", {}),
        ("list", "0 1, 2", [0, 1, 2]),
        ("list", [0, 0, "3"], [0, 3]),
        ("list", 7, [7]),
    ],
)
def test_a_value_of_another_type_is_read(kind, value, found):
    read = parameters.READERS[kind]("given", value)
    assert read == found
    assert type(read) is type(found)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("draw_faces", "never", "draw_faces is 'never'; give yes or no."),
        ("draw_faces", None, "draw_faces is None; give yes or no."),
        ("draw_faces", 2, "draw_faces is 2; give yes or no."),
        ("seed", 1.5, "seed is 1.5; give a whole number, 0 or more."),
        ("seed", float("nan"), "seed is not a number; give a whole number, 0 or more."),
        ("seed", True, "seed is True; give a whole number, 0 or more."),
        ("seed", 2**32, "seed is 4294967296; it should be between 0 and 4294967295."),
        ("data_dir", None, "data_dir is None; give text (with papermill: -r data_dir <text>), or leave it out."),
        ("data_dir", "a\0b", "data_dir is 'a\\x00b'; it has a character that no file's name can have."),
        ("changes", "{a: [", "changes is '{a: [', which cannot be read (while parsing"),
        ("changes", "dropout_rate=0.5", "changes is 'dropout_rate=0.5'; give settings by name, such as {epochs: 5}."),
        ("changes", {1: 2}, "changes is {1: 2}; give settings by name, such as {epochs: 5}."),
        ("changes", "no", "changes is 'no'; give settings by name, such as {epochs: 5}."),
        ("changes", "[]", "changes is '[]'; give settings by name, such as {epochs: 5}."),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(name, value, said):
    with pytest.raises(FerError) as error:
        artifacts.start("04_resnet_svm", defaults(PROJECT / "notebooks" / "04_resnet_svm.ipynb") | {name: value})
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_keras_word_for_random_weights_is_not_the_profiles_own():
    namespace = defaults(PROJECT / "notebooks" / "03_resnet50_mlp.ipynb") | {"weights": None}
    parameters.read(namespace)
    assert namespace["weights"] == "none"


def test_a_parameter_that_papermill_only_warns_about_is_an_error():
    namespace = defaults(PROJECT / "notebooks" / "04_resnet_svm.ipynb")
    namespace |= {"draw_face": False, "In": ["import os", "# Parameters\ndraw_face = False\n"]}
    with pytest.raises(
        FerError, match=r"no parameter 'draw_face' \(did you mean 'draw_faces'\?\); the notebook has prof"
    ):
        parameters.read(namespace)


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(NOTEBOOKS), data=st.data())
def test_no_value_draws_a_face_unasked_or_leaves_a_traceback(path, data):
    namespace = defaults(path)
    name = data.draw(st.sampled_from(sorted(namespace["__annotations__"])))
    value = namespace[name] = data.draw(VALUES)
    try:
        run = artifacts.start(path.stem, namespace)
        for section in SECTIONS:
            run.experiment(section, changes=namespace.get("changes"))
    except FerError:
        return
    if "draw_faces" in namespace and namespace["draw_faces"] is not False:
        assert namespace["draw_faces"] is True
        meant = value if name == "draw_faces" else True
        assert meant is True or meant == 1 or str(meant).strip().lower() in ("1", "on", "t", "true", "y", "yes")


def test_the_guard_itself_takes_no_text_for_true():
    assert corpus.faces_to_draw(REAL, True) is REAL
    assert corpus.faces_to_draw(GENERATED, False) is GENERATED
    for value in ("no", "", 0, None):
        with pytest.raises(TypeError, match="expected True or False"):
            corpus.faces_to_draw(REAL, value)
