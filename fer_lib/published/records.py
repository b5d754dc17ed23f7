"""Data classes of a record of printed numbers: the keys and values of a file such as ``chen2023.yaml``.

``docs/audit.md`` explains each part with an example. :mod:`fer_lib.published.reading` reads and checks a file, and
:mod:`fer_lib.audit` audits it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from fer_lib.settings.common import STRICT

Id = Annotated[str, Field(pattern="^[a-z0-9]+([-_][a-z0-9]+)*$")]
Ids = Annotated[tuple[str, ...], Field(min_length=1)]
Reading = Literal["categorical", "binary"]
Verdict = Literal["consistent", "right only if", "cannot be right as stated"]

SCALES = {"%": 100, "fraction": 1}
"""Units of shares, each with the factor by which a share is multiplied in print."""

Count = Annotated[int, Field(gt=0, le=10**7, strict=True)]
Words = Annotated[str, Field(max_length=2000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Statement:
    """One printed number.

    Attributes:
        id: name of the statement in the record.
        place: section, or table and row.
        column: column of the table.
        quantity: name of the quantity, such as accuracy or batch size.
        value: as printed, a string, so that its decimals are kept.
        unit: such as ``%``, ``fraction`` or ``faces``.
        states: the sentence or cell that contains it, shortened.
        corpus: faces that it is about, as named in the sentence or in the heading over it.
        model: for a score: the model.
        split: for a score: the split.
        metric: for a score: the metric.
        of: names of the ``sets`` that it may be a share of.
        experiment: a key of ``experiments``: the one that tests a possible explanation.
    """

    id: Id
    place: Words
    column: Words = ""
    quantity: Words
    value: Annotated[str, Field(max_length=30)]
    unit: Words
    states: Words
    corpus: str | None = None
    model: str | None = None
    split: str | None = None
    metric: Literal["accuracy", "error", "loss"] | None = None
    of: tuple[str, ...] = ()
    experiment: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FaceSet:
    """A set of faces that a share may be of.

    Attributes:
        faces: number of faces.
        classes: number of classes.
        class_faces: number of faces of each class, where known.
        folds: number of stratified folds, where the share is the mean over folds.
        stated_by: statements that give the number of faces; empty where the paper does not state it.
        because: reason to try this size, where the paper does not state it; or source of ``class_faces``.
    """

    faces: Count
    classes: Annotated[int, Field(ge=2, le=1000, strict=True)]
    class_faces: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = ()
    folds: Annotated[int, Field(ge=0, le=1000, strict=True)] = 0
    stated_by: tuple[str, ...] = ()
    because: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Experiment:
    """An experiment that tests an explanation.

    Attributes:
        run: the command that runs it.
        shown: where its result is shown.
        question: the question it answers, for readers of the record.
    """

    run: str
    shown: str
    question: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Check:
    """Fields of every check of several statements.

    Attributes:
        id: name of the check in the record.
        explains: a possible explanation of the finding: ours, not the paper's.
        experiment: a key of ``experiments``: the one that tests the explanation.
    """

    id: Id
    explains: str = ""
    experiment: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Same(Check):
    """One quantity that is printed several times. ``of``: its statements."""

    check: Literal["same"]
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Sum(Check):
    """A sum. ``of``: its parts; ``gives``: the printed sum."""

    check: Literal["sum"]
    of: Ids
    gives: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Product(Check):
    """A product. ``of``: its factors; ``gives``: the printed product; ``times``: further factors to try."""

    check: Literal["product"]
    of: Ids
    gives: str
    times: tuple[Count, ...] = ()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WrongCount(Check):
    """A share and its number of wrong answers. ``share``, ``wrong``: statements; ``of``: sets that it may be of."""

    check: Literal["wrong_count"]
    share: str
    wrong: str
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Swapped(Check):
    """Two results of one configuration, printed in two tables. ``first``, ``second``: the pairs, in the same order."""

    check: Literal["swapped"]
    first: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]
    second: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Fills(Check):
    """Batches and the faces that should fill them. ``batch``: the printed batch size; ``of``: numbers of faces."""

    check: Literal["fills"]
    batch: str
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AtLeast(Check):
    """A lower bound that the text gives. ``of``: the numbers; ``bound``: the bound."""

    check: Literal["at_least"]
    of: Ids
    bound: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SameMetric(Check):
    """Accuracies that readers compare, and which should be of one metric. ``of``: the accuracies."""

    check: Literal["same_metric"]
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SameFaces(Check):
    """Accuracies that seem to be on the same faces. ``of``: the accuracies."""

    check: Literal["same_faces"]
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Texts(Check):
    """Sentences that do not fit together. There is nothing to compute: the record itself gives the verdict.

    Attributes:
        places: places of the sentences.
        says: a summary of the sentences and the conclusion.
        of: statements that they affect, if any.
        verdict: our verdict.
    """

    check: Literal["texts"]
    places: Ids
    says: str
    of: tuple[str, ...] = ()
    verdict: Verdict


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Announced(Check):
    """A result that the text announces and the paper does not print.

    Attributes:
        place: where it is announced.
        quantity: name of the quantity.
        states: the sentence that announces it.
    """

    check: Literal["announced"]
    place: str
    quantity: str
    states: str


AnyCheck = Annotated[
    Same | Sum | Product | WrongCount | Swapped | Fills | AtLeast | SameMetric | SameFaces | Texts | Announced,
    Field(discriminator="check"),
]
CHECKS = {
    get_args(get_type_hints(kind)["check"])[0]: kind
    for kind in (Same, Sum, Product, WrongCount, Swapped, Fills, AtLeast, SameMetric, SameFaces, Texts, Announced)
}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Measured:
    """The result of ours that corresponds to some statements.

    Any text may contain ``{id}`` or another field of the statement in braces.

    Attributes:
        ids: ids of the statements; ``*`` matches any characters.
        file: name in the metrics folder, without its seed, such as ``resnet50_mlp``.
        at: place in the file: keys separated by slashes, such as ``values/scores``.
        where: keys and values that select the row, where the place is a table.
        value: key of the value.
        bounds: keys of the lower and the upper end of its 95 % interval.
        over_seeds: keys of the smallest and the largest value of several seeds, where there is no interval.
        scale: factor that converts it to the statement's unit.
        name: label, where a statement has several results.
    """

    ids: Ids
    file: str
    at: str = "values"
    where: dict[str, Any] = Field(default_factory=dict)
    value: str
    bounds: tuple[str, ...] = ()
    over_seeds: tuple[str, ...] = ()
    scale: float = 1
    name: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Quoted(Measured):
    """A result that readers should quote in place of some statements, and the reason (``because``).

    ``{test part}`` in its ``name`` stands for the part of FER-2013 that the results were tested on.
    """

    because: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Headline:
    """A finding for the short table: the name of its ``check``, and the conclusion ``in_short``."""

    check: str
    in_short: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NotMeasured:
    """Statements without a result of ours: ``ids`` as in :class:`Measured`, and the reason (``because``)."""

    ids: Ids
    because: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Record:
    """All printed numbers of a paper.

    Attributes:
        paper: short name of the paper.
        title: title of the paper; ``author``, ``venue`` and ``doi`` where they are known.
        note: a sentence that every audit of the paper shows.
        readings: possible meanings of the paper's word "accuracy".
        sets: sets of faces, by name.
        statements: printed numbers, in the order of the paper.
        checks: checks of several statements together.
        experiments: experiments by name.
        measured: our results, and the statements that they correspond to.
        not_measured: statements without a result of ours.
        quoted: results to quote in place of the paper's claims.
        headlines: the most telling findings.
    """

    paper: Id
    title: str
    author: str = ""
    venue: str = ""
    doi: str = ""
    note: str = ""
    readings: Annotated[tuple[Reading, ...], Field(min_length=1)] = ("categorical",)
    sets: dict[Id, FaceSet] = Field(default_factory=dict)
    statements: Annotated[tuple[Statement, ...], Field(min_length=1)]
    checks: tuple[AnyCheck, ...] = ()
    experiments: dict[str, Experiment] = Field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    not_measured: tuple[NotMeasured, ...] = ()
    quoted: tuple[Quoted, ...] = ()
    headlines: tuple[Headline, ...] = ()

    @property
    def subjects(self) -> tuple[Statement | Announced, ...]:
        """Everything that can be measured: first the printed numbers, then the announced results."""
        return (*self.statements, *(check for check in self.checks if isinstance(check, Announced)))

    def __getitem__(self, name: str) -> Statement:
        """Find the statement with this id."""
        return next(statement for statement in self.statements if statement.id == name)


def json_schema() -> dict[str, Any]:
    """Build the JSON Schema of a record; a test keeps ``schema.json`` next to this file equal to it."""
    schema = TypeAdapter(Record).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def matching(ids: Iterable[str], record: Record) -> list[Statement | Announced]:
    """Find the statements and announced results whose id is, or matches, one of ``ids``."""
    patterns = list(ids)
    return [each for each in record.subjects if matches(each, patterns)]


def matches(subject: Statement | Announced, ids: Iterable[str]) -> bool:
    """Ask whether the id of a statement or an announced result is, or matches, one of ``ids``."""
    return any(fnmatchcase(subject.id, pattern) for pattern in ids)


def statements_of(check: Any) -> tuple[str, ...]:
    """List the ids of the statements that a check is about, each once."""
    named: list[str] = []
    for field in ("share", "wrong", "batch", "of", "first", "second", "gives", "bound"):
        value = getattr(check, field, ())
        if field == "of" and isinstance(check, WrongCount):
            continue  # these are sets
        named += [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(named))


def is_number(value: str, *, whole: bool = False) -> bool:
    """Check that a printed value is a plain number: digits with or without decimals, or only digits (``whole``)."""
    return re.fullmatch(r"\d+" if whole else r"\d+(\.\d+)?", value) is not None
