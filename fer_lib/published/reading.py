"""Read a record of printed numbers from a YAML file, or say in one sentence why it is not valid."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fer_lib.errors import FerError, nearest
from fer_lib.published.records import (
    CHECKS,
    SCALES,
    AtLeast,
    Experiment,
    FaceSet,
    Fills,
    Headline,
    Measured,
    NotMeasured,
    Product,
    Quoted,
    Record,
    SameFaces,
    SameMetric,
    Statement,
    Sum,
    Swapped,
    WrongCount,
    is_number,
    matching,
    statements_of,
)
from fer_lib.utils.files import read_yaml


def read(path: str | Path) -> Record:
    """Read and check a record.

    Raises:
        FerError: the file is missing, a folder, too large, not YAML or not a valid record; the message says what and
            where.
    """
    path = Path(path)
    if not path.is_file():
        found = "Not a file" if path.exists() else "No such file"
        raise FerError(f"{found}: {path} (expected a YAML file of printed numbers, see docs/audit.md).")
    return from_content(read_yaml(path), where=path.name)


def from_content(content: Any, *, where: str) -> Record:
    """Build a record from parsed YAML; ``where`` is the file's name for errors, raised as by :func:`read`."""
    if not isinstance(content, dict):
        raise FerError(f"{where} is not a record: expected a mapping with paper, title and statements.")
    try:
        record = TypeAdapter(Record).validate_python(content)
    except ValidationError as error:
        raise FerError(_sentence(error, content, where)) from None
    for problem in _problems(record):
        raise FerError(f"{where}: {problem}")
    return record


def _problems(record: Record) -> Iterator[str]:
    """Yield the faults of a record whose single parts are valid."""
    ids = [statement.id for statement in record.statements]
    names = [*ids, *(check.id for check in record.checks)]
    yield from (f"two parts have the id {name!r}; each needs its own." for name in names if names.count(name) > 1)
    for name, faces in record.sets.items():
        yield from _set_problems(name, faces, ids)
    for statement in record.statements:
        yield from _statement_problems(statement, record)
    for check in record.checks:
        unknown = [*_unknown(statements_of(check), ids, f"check {check.id}")]
        yield from unknown or _check_problems(check, record)
        if check.experiment:
            yield from _unknown([check.experiment], record.experiments, f"check {check.id}, experiment")
    parts: list[Measured | NotMeasured] = [*record.measured, *record.not_measured, *record.quoted]
    for part in parts:
        for pattern in part.ids:
            if not matching([pattern], record):
                yield f"{pattern!r} in measured, not_measured or quoted matches no statement{nearest(pattern, ids)}."
    for headline in record.headlines:
        known = [*(f"share of {name}" for name in ids), *(f"loss and accuracy of {name}" for name in ids), *names]
        yield from _unknown([headline.check], known, "headlines")


def _set_problems(name: str, faces: FaceSet, ids: list[str]) -> Iterator[str]:
    if faces.class_faces and (len(faces.class_faces), sum(faces.class_faces)) != (faces.classes, faces.faces):
        yield f"sets.{name}: class_faces should be {faces.classes} numbers that add up to {faces.faces:,}."
    fewest = min(faces.class_faces or (faces.faces // faces.classes,))
    if faces.folds == 1 or faces.folds > fewest:
        yield f"sets.{name}: {faces.folds} folds; expected 0 (none), or 2 to {fewest}, the faces of the smallest class."
    yield from _unknown(faces.stated_by, ids, f"sets.{name}.stated_by")
    if not (faces.stated_by or faces.because):
        yield f"sets.{name} needs stated_by, or because if the paper does not state its size."


def _statement_problems(statement: Statement, record: Record) -> Iterator[str]:
    yield from _unknown(statement.of, record.sets, f"statement {statement.id}, of")
    if statement.experiment:
        yield from _unknown([statement.experiment], record.experiments, f"statement {statement.id}, experiment")
    if statement.of and not is_number(statement.value):
        yield f"statement {statement.id}: {statement.value!r} is not a number, so it cannot be a share of a set."
    elif statement.of and statement.metric != "loss" and statement.unit not in SCALES:
        yield f"statement {statement.id}: the unit of a share must be % or fraction, not {statement.unit!r}."
    elif statement.of and float(statement.value) > SCALES.get(statement.unit, 1000):
        yield f"statement {statement.id}: {statement.value} {statement.unit} is more than a share or a loss can be."


def _check_problems(check: Any, record: Record) -> Iterator[str]:
    """Yield the statements of a check for which it has no answer."""
    about = [record[name] for name in statements_of(check)]
    whole = about if isinstance(check, (Sum, Product, Fills)) else []
    for statement in [record[check.wrong]] if isinstance(check, WrongCount) else whole:
        if not is_number(statement.value, whole=True) or not int(statement.value):
            yield f"check {check.id}: {statement.id} is {statement.value!r}; expected a whole number above 0."
    if isinstance(check, WrongCount):
        yield from _unknown(check.of, record.sets, f"check {check.id}, of")
    shares = {SameMetric: about, SameFaces: about}.get(type(check), [])
    shares = [record[check.share]] if isinstance(check, WrongCount) else shares
    for statement in shares:
        if statement.metric not in ("accuracy", "error") or not statement.of:
            yield f"check {check.id}: {statement.id} must be an accuracy or error with `of`."
    if isinstance(check, (Swapped, AtLeast)):
        scaled = {statement.unit in SCALES for statement in about}
        if not all(is_number(statement.value) for statement in about) or len(scaled) > 1:
            yield f"check {check.id}: expected numbers, either all shares or no shares."


def _unknown(names: Iterable[str], known: Iterable[str], where: str) -> Iterator[str]:
    known = list(known)
    for name in names:
        if name not in known:
            yield f"{where} names {name!r}, which does not exist{nearest(name, known)}."


def _sentence(error: ValidationError, content: dict[str, Any], where: str) -> str:
    """Describe the first of pydantic's errors in one sentence, with the count of the others."""
    first, more = error.errors()[0], error.error_count() - 1
    also = f" ({more} more like it)" if more else ""
    loc = first["loc"]  # for a check, its kind follows its number
    steps = [step for place, step in enumerate(loc) if not (loc[0] == "checks" and place == 2)] or ["?"]
    *parents, key = steps
    section = _named(parents, content)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        names = [field.name for field in dataclasses.fields(_kind(first["loc"]))]
        place = f" in {section}" if section else ""
        known = f"known keys: {', '.join(names)}{also}."
        return f"{where} has an unknown key {key!r}{place}{nearest(str(key), names)}; {known}"
    place = ".".join(part for part in (section, str(key)) if part)
    if first["type"] in ("missing", "missing_argument"):
        return f"{where} lacks the key {place!r}{also}."
    return f"{where}: {place} is {reprlib.repr(first['input'])}, but {first['msg'][0].lower()}{first['msg'][1:]}{also}."


def _named(steps: list[Any], content: Any) -> str:
    """Join the steps to a place, with the id of a part in place of its number."""
    words = []
    for step in steps:
        content = content[step] if isinstance(content, (dict, list)) and step in _keys(content) else None
        own = content.get("id") if isinstance(content, dict) and isinstance(step, int) else None
        words.append(str(own or step))
    return ".".join(words)


def _keys(content: dict | list) -> Iterable[Any]:
    return content if isinstance(content, dict) else range(len(content))


def _kind(steps: tuple[Any, ...]) -> type:
    """Find the class of a part of a record."""
    parts = {"statements": Statement, "sets": FaceSet, "experiments": Experiment}
    parts |= {"measured": Measured, "not_measured": NotMeasured, "quoted": Quoted, "headlines": Headline}
    if steps[0] == "checks" and len(steps) > 2:
        return CHECKS[steps[2]]
    return parts.get(steps[0], Record) if len(steps) > 1 else Record
