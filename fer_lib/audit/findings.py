"""Verdicts and findings of the audit, and helpers that put numbers and lists into words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fer_lib.audit import checks
from fer_lib.published.records import FaceSet, Statement

CONSISTENT = "consistent"
CONDITIONAL = "right only if"
IMPOSSIBLE = "cannot be right as stated"
ANNOUNCED = "announced, not printed"
UNCHECKED = "nothing to check it against"
VERDICTS = (IMPOSSIBLE, CONDITIONAL, ANNOUNCED, CONSISTENT, UNCHECKED)
"""All verdicts, the gravest first; the last one is for a number that no check is about."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: name of the check.
        statements: ids of the statements that it is about.
        verdict: one of ``VERDICTS``.
        says: the conclusion from the numbers, in sentences.
        explains: a possible explanation, where the record gives one.
        experiment: name of the experiment that tests the explanation.
        cross_checked: in how many of its answers ``mlscorecheck`` agrees, such as ``"4 of 4"``; empty where it has no
            such check.
    """

    check: str
    statements: tuple[str, ...]
    verdict: str
    says: str
    explains: str = ""
    experiment: str = ""
    cross_checked: str = ""


def reachable(statement: Statement, faces: FaceSet, reading: str) -> bool | range:
    """Find the counts behind a share (binary accuracy: balances of sure answers); for folds, whether any fits."""
    if reading == "binary":
        return checks.confident_balance(statement.value, statement.unit, faces.faces, faces.classes)
    if faces.folds:
        return checks.consistent_fold_mean(
            statement.value, statement.unit, faces.class_faces or even_classes(faces), folds=faces.folds
        )
    return checks.reachable_counts(statement.value, statement.unit, faces.faces)


def even_classes(faces: FaceSet) -> tuple[int, ...]:
    """Divide the faces over the classes as evenly as possible; micro-averaged scores do not depend on it."""
    least, more = divmod(faces.faces, faces.classes)
    return tuple(least + (place < more) for place in range(faces.classes))


def number(statement: Statement) -> int:
    """Read a printed count."""
    return int(statement.value)


def as_printed(statement: Statement) -> str:
    """Format a value as the paper prints it: ``"98.60 %"``."""
    return f"{statement.value} %" if statement.unit == "%" else statement.value


def span(low: int, high: int) -> str:
    """Format a range: ``"3,076"`` or ``"-2 to 0"``."""
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def listed(parts: Iterable[Any], *, last: str = "and") -> str:
    """Join words into a list: ``"a, b and c"``."""
    words = [f"{part:,}" if isinstance(part, int) else str(part) for part in parts]
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def joined(*clauses: str) -> str:
    """Join the non-empty clauses with semicolons."""
    return "; ".join(clause for clause in clauses if clause)
