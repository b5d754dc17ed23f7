"""Every word of the audit: of both papers, of an invented one and of a record that takes all other ways through it.

After a change: ``python tests/test_audit_findings.py`` writes them anew; read what changed before it is kept.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fer_lib import published
from fer_lib.audit import engine
from fer_lib.published import reading

TESTS = Path(__file__).parent
EXPECTED = TESTS / "audit_findings.yaml"
RECORDS = {
    "chen2023": lambda: published.record("chen2023"),
    "liu2023": lambda: published.record("liu2023"),
    "example": lambda: reading.read(TESTS.parent / "docs" / "audit_example.yaml"),
    "branches": lambda: reading.read(TESTS / "audit_branches.yaml"),
}


def said(name: str) -> dict[str, dict[str, str]]:
    """Returns of each check the verdict, the words, and how often mlscorecheck answers alike."""
    record = RECORDS[name]()
    return {
        found.check: {
            "about": ", ".join(found.statements), "verdict": found.verdict, "says": found.says,
            **{key: value for key in ("explains", "experiment", "cross_checked") if (value := getattr(found, key))},
        }
        for found in engine.audit(record)
    }  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_the_audit_says_what_was_read_and_kept(name):
    expected = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))[name]
    found = said(name)
    assert list(found) == list(expected)
    for check, words in found.items():
        assert words == expected[check], check


def test_sureness_in_words():
    assert engine.sureness(0.8571, 1.78, 7) == {"sure": "17.4 % or 99.998 %", "loss if as sure as right": "0.6662"}
    assert engine.sureness(0.9613, 0.13, 7)["sure"] == "surer where right"
    for edge in (1 / 7, 1.0, 0.0):
        assert engine.sureness(edge, 1.0, 7) == {"sure": "–", "loss if as sure as right": "–"}


def test_the_gravest_verdict_about_a_statement_is_its_verdict():
    found = engine.audit(RECORDS["branches"]())
    assert engine.verdict_of("forty-faces", found) == "cannot be right as stated"
    assert engine.verdict_of("in-folds", found) == "consistent"
    assert engine.verdict_of("promised", found) == "announced, not printed"
    assert engine.verdict_of("no such", found) == "nothing to check it against"


if __name__ == "__main__":
    EXPECTED.write_text(
        yaml.safe_dump({name: said(name) for name in RECORDS}, sort_keys=False, allow_unicode=True, width=118),
        encoding="utf-8",
    )
