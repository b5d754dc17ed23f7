"""Test verdict and numbers of every finding of the audit, of both papers and of two invented records.

``audit_branches.yaml`` is a record that takes every way through the audit that the others do not. The sentences may be
reworded: only their numbers are compared, in order. Where a word decides, ``WORDS`` names it.

After a change ``python tests/audit/test_audit_findings.py`` writes the file again; read the difference before you
keep it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fer_lib import published
from fer_lib.audit import engine, findings
from fer_lib.published import reading

TESTS = Path(__file__).parent
EXPECTED = TESTS / "audit_findings.yaml"
FILES = {"example": TESTS.parents[1] / "docs" / "audit_example.yaml", "branches": TESTS / "audit_branches.yaml"}
RECORDS = [*published.papers(), *FILES]
NUMBER = re.compile(r"(?<!\w)-?\d+(?:[.,]\d+)*(?: %)?")
WORDS = [
    ("branches", "share of whole", ["categorical", "binary"], ["not as binary"]),
    ("branches", "share of none-right", ["not as binary"], []),
    ("branches", "share of odd-share", ["no number of right answers", "no number of right decisions"], ["near by"]),
    ("branches", "share of unstated", ["can be 80 of 90", "outnumber the surely wrong by 60 of 90"], ["no size"]),
    ("branches", "share of unstated-odd", ["no size that is tried"], ["near by"]),
    ("branches", "share of error", [], ["accuracy"]),
    ("branches", "share of error-odd", ["no number of wrong answers", "near by"], []),
    ("branches", "share of error-chance", ["error of guessing"], ["accuracy"]),
    ("branches", "share of chance", ["accuracy of guessing"], ["error"]),
    ("branches", "share of in-folds", ["mean over"], ["categorical", "binary"]),
    ("example", "share of folds-other", ["no number", "in 5 folds"], ["can be"]),
    ("branches", "loss and accuracy of odd-loss", ["excludes no accuracy"], ["surer"]),
    ("chen2023", "loss and accuracy of table2-cnn-train-loss", ["must be surer", "at least"], ["excludes no"]),
    ("liu2023", "tables-4-and-5", ["row 3: test error (%) 2.5", "row 1: validation error (%) 2.5"], ["different"]),
    ("branches", "swapped-so", ["change places"], ["different"]),
    ("branches", "swapped-other", ["different numbers"], ["change places"]),
    ("branches", "no-less", ["is no less"], ["may"]),
    ("branches", "perhaps-less", ["may be no less"], ["is no less"]),
    ("branches", "less", ["is less"], ["no less"]),
    ("branches", "product-right", [], ["not", "times"]),
    ("branches", "one-wrong-of-forty", ["1 wrong answer,"], []),
    ("branches", "all-right", ["200 faces or more"], []),
    ("branches", "one-metric", ["(accuracy, net)"], ["high"]),
    ("branches", "any-metric", ["can be of one metric"], []),
    ("branches", "same-faces", ["0.95 (high) can be categorical or binary accuracy"], ["only if", "no reading"]),
    ("branches", "other-faces", ["81.3 % (odd) can be binary", "81.3 % (odd) fits no reading", "both", "not all"], []),
    ("branches", "mixed-faces", ["0.30 (table 4, row 4) can be categorical accuracy", "they are", "not all"], []),
    ("branches", "promised", ["section 5", '"on videos too"'], []),
]  # fmt: skip
"""Words that a finding must contain, and words that it must not, in upper or lower case."""


def record_of(name: str):
    return reading.read(FILES[name]) if name in FILES else published.record(name)


@pytest.fixture(scope="module")
def found():
    """Findings of each record, by the name of the check."""
    return {name: {each.check: each for each in engine.audit(record_of(name))} for name in RECORDS}


def numbers(text: str) -> str:
    """Find all numbers in a text, in order, as they are written."""
    return " ".join(number.replace(" %", "%") for number in NUMBER.findall(text))


def outcome(finding: engine.Finding) -> dict[str, str]:
    """Extract the verdict, the numbers, and how often mlscorecheck agrees."""
    kept = {"verdict": finding.verdict, "numbers": numbers(f"{finding.says} {finding.explains}")}
    return {**kept, **({"cross_checked": finding.cross_checked} if finding.cross_checked else {})}


@pytest.mark.parametrize("name", RECORDS)
def test_the_audit_has_the_expected_verdicts_and_numbers(found, name):
    expected = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))[name]
    assert list(found[name]) == list(expected)
    for check, finding in found[name].items():
        assert outcome(finding) == expected[check], check


@pytest.mark.parametrize(("name", "check", "contains", "lacks"), WORDS)
def test_the_words_that_decide(found, name, check, contains, lacks):
    says = found[name][check].says.lower()
    assert [words for words in contains if words not in says] == []
    assert [words for words in lacks if words in says] == []


@pytest.mark.parametrize("name", RECORDS)
def test_a_finding_is_about_the_statements_that_its_check_names(found, name):
    record = record_of(name)
    checks = {check.id: check for check in record.checks}
    ids = {statement.id for statement in record.statements}
    for finding in found[name].values():
        assert len(set(finding.statements)) == len(finding.statements)
        if check := checks.get(finding.check):
            values = [value for value in vars(check).values() if isinstance(value, (str, tuple))]
            named = {each for value in values for each in ([value] if isinstance(value, str) else value)} & ids
            assert set(finding.statements) == ({check.id} if check.check == "announced" else named)
            assert (finding.explains, finding.experiment) == (check.explains, check.experiment)
            assert check.check != "texts" or finding.says == check.says
        else:
            first, last = record[finding.statements[0]], record[finding.statements[-1]]
            assert finding.check.removeprefix("share of ").removeprefix("loss and accuracy of ") == first.id
            assert (first.place, first.model, first.split) == (last.place, last.model, last.split)
            assert [first.metric, last.metric] == ["loss", "accuracy"] or finding.statements == (first.id,)
            assert (finding.explains, finding.experiment) == ("", last.experiment)


def test_numbers_and_lists_in_words():
    assert (findings.span(3076, 3076), findings.span(-2, 1000)) == ("3,076", "-2 to 1,000")
    assert findings.listed(["a", 1000, "c"]) == "a, 1,000 and c"
    assert (findings.listed([1, 2], last="or"), findings.listed(["a"]), findings.listed([])) == ("1 or 2", "a", "")
    assert (findings.joined("a", "b"), findings.joined("a", ""), findings.joined("", "b")) == ("a; b", "a", "b")
    assert numbers("98.60 %, -2 to 0 of 3,589 in FER-2013; (2,2), 6/7.") == "98.60% -2 0 3,589 2013 2,2 6 7"


def test_sureness_in_words():
    assert engine.sureness(0.8571, 1.78, 7) == {"sure": "17.4 % or 99.998 %", "loss if as sure as right": "0.6662"}
    assert engine.sureness(0.9613, 0.13, 7)["sure"] == "surer where right"
    for edge in (1 / 7, 1.0, 0.0):
        assert engine.sureness(edge, 1.0, 7) == {"sure": "–", "loss if as sure as right": "–"}


def test_the_gravest_verdict_about_a_statement_is_its_verdict(found):
    branches = found["branches"].values()
    assert engine.verdict_of("forty-faces", branches) == "cannot be right as stated"
    assert engine.verdict_of("in-folds", branches) == "consistent"
    assert engine.verdict_of("promised", branches) == "announced, not printed"
    assert engine.verdict_of("no such", branches) == "nothing to check it against"


def write() -> None:
    """Write the verdicts and numbers of all records, a finding a line where it fits."""
    lines = []
    for name in RECORDS:
        lines.append(f"{name}:")
        for finding in engine.audit(record_of(name)):
            content = {finding.check: outcome(finding)}
            text = yaml.safe_dump(content, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
            lines.append(f"  {text.strip()[1:-1]}")
    EXPECTED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
