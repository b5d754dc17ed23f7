"""Test that the issue forms have the parts that GitHub requires; it silently hides a form that lacks one."""

from pathlib import Path

import pytest
import yaml

PROJECT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())
FOLDER = PROJECT / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(path.name for path in FOLDER.glob("*.yml") if path.name != "config.yml")


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_valid(name):
    form = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in asked} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert all(part["attributes"]["label"] for part in asked)
    assert len({part["id"] for part in asked}) == len(asked)
    assert all(part["attributes"]["value"] for part in form["body"] if part["type"] == "markdown")
    assert any(part.get("validations", {}).get("required") for part in asked)


def test_a_printed_number_is_reported_with_paper_place_number_and_reason():
    form = yaml.safe_load((FOLDER / "printed_number.yml").read_text(encoding="utf-8"))
    required = [part["id"] for part in form["body"] if part.get("validations", {}).get("required")]
    assert required == ["paper", "place", "number", "why"]
