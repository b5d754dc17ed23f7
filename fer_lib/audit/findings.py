"""What the audit's checks answer with: verdicts, findings, and the words that they share."""

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
"""What a finding can say, the gravest first; the last is said of a number that no check is about."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes:
        check: its name.
        statements: ids of the statements that it is about.
        verdict: one of ``VERDICTS``.
        says: what follows from the numbers.
        explains: what would explain it, where the record says so.
        experiment: the name of the experiment that tests the explanation.
        cross_checked: what ``mlscorecheck`` was asked and answered alike, such as ``"4 of 4"``; empty where it has no
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
    """Returns the counts (for binary accuracy, balances of sure answers) it can come from; for folds: any."""
    if reading == "binary":
        return checks.confident_balance(statement.value, statement.unit, faces.faces, faces.classes)
    if faces.folds:
        return checks.consistent_fold_mean(
            statement.value, statement.unit, faces.class_faces or even_classes(faces), folds=faces.folds
        )
    return checks.reachable_counts(statement.value, statement.unit, faces.faces)


def even_classes(faces: FaceSet) -> tuple[int, ...]:
    """Returns the faces of each class, as even as can be: micro-averaged scores do not depend on how they divide."""
    least, more = divmod(faces.faces, faces.classes)
    return tuple(least + (place < more) for place in range(faces.classes))


def number(statement: Statement) -> int:
    """Returns a printed count."""
    return int(statement.value)


def as_printed(statement: Statement) -> str:
    """Returns a value as it stands in the paper: ``"98.60 %"``."""
    return f"{statement.value} %" if statement.unit == "%" else statement.value


def span(low: int, high: int) -> str:
    """Returns ``"3,076"`` or ``"-2 to 0"``."""
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def listed(parts: Iterable[Any], *, last: str = "and") -> str:
    """Returns ``"a, b and c"``."""
    words = [f"{part:,}" if isinstance(part, int) else str(part) for part in parts]
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def joined(*clauses: str) -> str:
    """Returns what is not empty of these clauses, with semicolons between."""
    return "; ".join(clause for clause in clauses if clause)
