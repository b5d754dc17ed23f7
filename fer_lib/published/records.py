"""The shape of a record of printed numbers: what a file such as ``chen2023.yaml`` may say.

``docs/audit.md`` explains each part with an example; :mod:`fer_lib.published.reading` reads and checks a file, and
:mod:`fer_lib.audit.engine` asks the questions.
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

Count = Annotated[int, Field(gt=0, le=10**7, strict=True)]
Words = Annotated[str, Field(max_length=2000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Statement:
    """One printed number.

    Attributes:
        id: its name in the record.
        place: section, or table and row.
        column: of the table.
        quantity: what it is.
        value: as printed, a string, so that its decimals are kept.
        unit: such as ``%``, ``fraction`` or ``faces``.
        states: the sentence or cell it stands in, shortened.
        corpus: which faces the sentence, or the heading over it, says it is of.
        model: where it is a score: whose.
        split: where it is a score: of which part.
        metric: where it is a score: which.
        of: names of the ``sets`` that it may be a share of.
        experiment: a key of ``experiments`` that tests what would explain it.
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
    """Faces that shares are of.

    Attributes:
        faces: how many.
        classes: of how many classes.
        class_faces: how many of each class, where that is known.
        folds: in how many stratified folds they are tested, where the share is the folds' mean.
        stated_by: statements that say how many; none where the paper does not say.
        because: why they are tried, where the paper does not say; or where the faces of each class come from.
    """

    faces: Count
    classes: Annotated[int, Field(ge=2, le=1000, strict=True)]
    class_faces: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = ()
    folds: Annotated[int, Field(ge=0, le=1000, strict=True)] = 0
    stated_by: tuple[str, ...] = ()
    because: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Experiment:
    """What was run to test an explanation.

    Attributes:
        question: what it asks.
        run: the command that runs it.
        shown: where its result stands.
    """

    question: str
    run: str
    shown: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Check:
    """What all checks of several statements share.

    Attributes:
        id: its name in the record.
        explains: what would explain what it finds: ours, not the paper's.
        experiment: a key of ``experiments`` that tests the explanation.
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
    """A sum. ``of``: its parts; ``gives``: what is printed as their sum."""

    check: Literal["sum"]
    of: Ids
    gives: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Product(Check):
    """A product. ``of``: its factors; ``gives``: what is printed for it; ``times``: factors that may be hidden."""

    check: Literal["product"]
    of: Ids
    gives: str
    times: tuple[Count, ...] = ()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WrongCount(Check):
    """A share and the wrong answers behind it. ``share``, ``wrong``: as printed; ``of``: sets that it may be of."""

    check: Literal["wrong_count"]
    share: str
    wrong: str
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Swapped(Check):
    """Two results of one configuration in two tables. ``first``, ``second``: both pairs, in the same order."""

    check: Literal["swapped"]
    first: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]
    second: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Fills(Check):
    """Batches and the faces that should fill them. ``batch``: its printed size; ``of``: printed numbers of faces."""

    check: Literal["fills"]
    batch: str
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AtLeast(Check):
    """A bound that the text gives. ``of``: the numbers; ``bound``: what none of them should be under."""

    check: Literal["at_least"]
    of: Ids
    bound: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SameMetric(Check):
    """Accuracies that readers compare: can all be of one metric? ``of``: the accuracies."""

    check: Literal["same_metric"]
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SameFaces(Check):
    """Accuracies on what readers take for the same faces. ``of``: the accuracies."""

    check: Literal["same_faces"]
    of: Ids


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Texts(Check):
    """Sentences that do not fit together, for which there is nothing to reckon: the verdict is the record's own.

    Attributes:
        places: where the sentences stand.
        says: what they say, and what follows.
        of: statements that they bear on, where there are any.
        verdict: ours.
    """

    check: Literal["texts"]
    places: Ids
    says: str
    of: tuple[str, ...] = ()
    verdict: Verdict


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Announced(Check):
    """A result that the text promises and no place prints.

    Attributes:
        place: where it is promised.
        quantity: what it is.
        states: the sentence that promises it.
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
    """Which result of ours corresponds to some statements. In every text ``{id}`` or another field may stand.

    Attributes:
        ids: of the statements; ``*`` stands for any characters.
        file: of the metrics folder, without its seed, such as ``resnet50_mlp``.
        at: where in the file: keys parted by slashes, such as ``values/scores``.
        where: what the row has, where there are rows.
        value: key of the value.
        bounds: keys of the lower and the upper end of its 95 % interval.
        over_seeds: keys of the least and the greatest value of several seeds, where there is no interval.
        scale: by what it is multiplied to have the statement's unit.
        name: what it is called where a statement has several.
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
    """What a reader should quote in place of some statements, and ``because`` of what."""

    because: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Headline:
    """A finding for readers in a hurry: the name of its ``check``, and what follows ``in_short``."""

    check: str
    in_short: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NotMeasured:
    """Why nothing of ours corresponds to some statements: ``ids`` as in :class:`Measured`, and ``because``."""

    ids: Ids
    because: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Record:
    """Every number that a paper prints.

    Attributes:
        paper: its short name.
        title: of the paper; ``author``, ``venue`` and ``doi`` where they are known.
        note: a sentence that every audit of it shows.
        readings: what the paper's word "accuracy" can mean.
        sets: of faces, by name.
        statements: in the order they are printed.
        checks: of several statements together.
        experiments: by name.
        measured: what of ours corresponds to which statement.
        not_measured: to which nothing does.
        quoted: what an honest reading gives in place of the paper's claims.
        headlines: the findings that say most.
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
        """What can be measured: what is printed, then what is announced and not printed."""
        return (*self.statements, *(check for check in self.checks if isinstance(check, Announced)))

    def __getitem__(self, name: str) -> Statement:
        """The statement with this id."""
        return next(statement for statement in self.statements if statement.id == name)


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a record; ``schema.json`` beside this file is it, kept in step by a test."""
    schema = TypeAdapter(Record).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def matching(ids: Iterable[str], record: Record) -> list[Statement | Announced]:
    """Returns the record's subjects whose id is, or fits, one of ``ids``."""
    patterns = list(ids)
    return [each for each in record.subjects if any(fnmatchcase(each.id, pattern) for pattern in patterns)]


def statements_of(check: Any) -> tuple[str, ...]:
    """Returns the ids of the statements that a check is about, each once."""
    named: list[str] = []
    for field in ("share", "wrong", "batch", "of", "first", "second", "gives", "bound"):
        value = getattr(check, field, ())
        if field == "of" and isinstance(check, WrongCount):
            continue  # sets
        named += [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(named))


def is_number(value: str, *, whole: bool = False) -> bool:
    """Returns whether a printed value is a plain number, or a whole one: digits, with decimals or without."""
    return re.fullmatch(r"\d+" if whole else r"\d+(\.\d+)?", value) is not None
