"""Checks of several printed numbers together, declared in a record: each gives a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from fer_lib.audit import checks
from fer_lib.audit.findings import (
    ANNOUNCED,
    CONDITIONAL,
    CONSISTENT,
    IMPOSSIBLE,
    Finding,
    as_printed,
    listed,
    number,
    reachable,
    span,
)
from fer_lib.published import records
from fer_lib.published.records import SCALES, Record


def declared(check: Any, record: Record) -> Finding:
    """Run one of the record's own checks."""
    verdict, says = _ANSWERS[type(check)](check, record)
    about = (check.id,) if isinstance(check, records.Announced) else records.statements_of(check)
    return Finding(check.id, about, verdict, says, explains=check.explains, experiment=check.experiment)


def _same(check: records.Same, record: Record) -> tuple[str, str]:
    stated = [record[name] for name in check.of]
    shown = listed(dict.fromkeys(f"{as_printed(each)} ({each.place})" for each in stated))
    if all(each.unit in SCALES and records.is_number(each.value) for each in stated):
        spans = [checks.rounded_from(each.value, each.unit) for each in stated]
        alike = max(low for low, _ in spans) <= min(high for _, high in spans)
    else:
        alike = len({each.value for each in stated}) == 1
    return (CONSISTENT, f"Printed alike: {shown}.") if alike else (IMPOSSIBLE, f"One quantity, printed as {shown}.")


def _sum(check: records.Sum, record: Record) -> tuple[str, str]:
    parts, total = [number(record[name]) for name in check.of], number(record[check.gives])
    reckoned = " + ".join(f"{part:,}" for part in parts)
    if sum(parts) == total:
        return CONSISTENT, f"{reckoned} = {total:,}."
    return IMPOSSIBLE, f"{reckoned} = {sum(parts):,}, not the printed {total:,}."


def _product(check: records.Product, record: Record) -> tuple[str, str]:
    parts, total = [number(record[name]) for name in check.of], number(record[check.gives])
    product = 1
    for part in parts:
        product *= part
    reckoned = f"{' × '.join(f'{part:,}' for part in parts)} = {product:,}"
    if product == total:
        return CONSISTENT, f"{reckoned}."
    for times in check.times:
        if product * times == total:
            return CONDITIONAL, f"{reckoned}, of which the printed {total:,} is {times} times as many."
    tried = f", nor {listed([str(times) for times in check.times], last='or')} times as many" if check.times else ""
    return (
        IMPOSSIBLE,
        f"{reckoned}, not the printed {total:,}{tried}; {total:,} is {total / product:.4g} times as many.",
    )


def _wrong_count(check: records.WrongCount, record: Record) -> tuple[str, str]:
    share, wrong = record[check.share], number(record[check.wrong])
    sets, error = [record.sets[name] for name in check.of], share.metric == "error"
    least, most = checks.sizes_with_wrong(share.value, share.unit, wrong, error=error)
    fits = {faces.faces: least <= faces.faces and (most is None or faces.faces <= most) for faces in sets}
    each = [
        f"of {faces.faces:,} is {_percent(wrong, faces.faces, error=error)}" for faces in sets if faces.faces >= wrong
    ]
    what = f"{wrong} wrong {'answer' if wrong == 1 else 'answers'}"
    sizes = f"{least:,} faces or more" if most is None else f"{span(least, most)} faces"
    needs = f"{as_printed(share)} needs {sizes if most is None or least <= most else 'another number of wrong answers'}"
    says = f"With {what}, the share {listed(each)}; {needs}." if each else f"With {what}, {needs}."
    stated = [fits[faces.faces] for faces in sets if faces.stated_by]
    if stated and all(stated):
        return CONSISTENT, says
    return (CONDITIONAL if any(fits.values()) else IMPOSSIBLE), says


def _percent(wrong: int, faces: int, *, error: bool) -> str:
    return f"{100 * (wrong if error else faces - wrong) / faces:.2f} %"


def _swapped(check: records.Swapped, record: Record) -> tuple[str, str]:
    first, second = ([record[name] for name in names] for names in (check.first, check.second))
    shown = [f"{each.place}: {each.column or each.quantity} {each.value}" for each in (*first, *second)]
    values = [[Fraction(each.value) for each in pair] for pair in (first, second)]
    if values[0] == values[1]:
        return CONSISTENT, f"Printed alike in both places ({listed(shown)})."
    if values[0] == values[1][::-1]:
        return IMPOSSIBLE, f"One configuration, and the two numbers change places ({listed(shown)})."
    return IMPOSSIBLE, f"One configuration, and different numbers ({listed(shown)})."


def _fills(check: records.Fills, record: Record) -> tuple[str, str]:
    batch = number(record[check.batch])
    sizes = list(dict.fromkeys(number(record[name]) for name in check.of))
    left = [size for size in sizes if size % batch]
    if not left:
        return CONSISTENT, f"Batches of {batch} fill {listed(sizes)} faces."
    parts = [f"{size} faces fill {size // batch} and leave {size % batch} over" for size in left]
    others = [size for size in sizes if size not in left]
    also = f"; {listed(others)} faces are filled" if others else ""
    return CONDITIONAL, f"Batches of {batch}: {listed(parts)}{also}. Right only if a part of a batch counts."


def _at_least(check: records.AtLeast, record: Record) -> tuple[str, str]:
    bound = record[check.bound]
    low = Fraction(bound.value) / SCALES.get(bound.unit, 1)
    said, holds = [], True
    for name in check.of:
        stated = record[name]
        value = Fraction(stated.value) / SCALES.get(stated.unit, 1)
        most = checks.rounded_from(stated.value, stated.unit)[1] if stated.unit in SCALES else value
        holds = holds and most >= low
        words = "is no less" if value >= low else "may be no less" if most >= low else "is less"
        said.append(f"{as_printed(stated)} ({stated.place}) {words} than {as_printed(bound)}")
    return CONSISTENT if holds else IMPOSSIBLE, f"{listed(said)}."


def _same_metric(check: records.SameMetric, record: Record) -> tuple[str, str]:
    cannot = []
    for each in (record[name] for name in check.of):
        least = max(checks.least_binary(record.sets[name].classes) for name in each.of)
        if checks.rounded_from(each.value, each.unit)[1] < least:
            of = ", ".join(part for part in (each.column.lower(), each.model or "") if part)
            cannot.append(f"{as_printed(each)} ({of or each.place}), under {float(least):.4f},")
    if not cannot or "binary" not in record.readings:
        return CONSISTENT, "All of these accuracies can be of one metric."
    return CONDITIONAL, (
        "Binary accuracy of a softmax over C classes is never under (C-2)/C. "
        f"So {listed(cannot)} would be categorical: the table compares like with like only if all of them are."
    )


def _same_faces(check: records.SameFaces, record: Record) -> tuple[str, str]:
    """Look for one set of faces that all of these accuracies can be of, each in some reading."""
    stated = [record[name] for name in check.of]
    ways, said = [], []
    for name in dict.fromkeys(name for each in stated for name in each.of if record.sets[name].stated_by):
        faces = record.sets[name]
        kinds = [[kind for kind in record.readings if reachable(each, faces, kind)] for each in stated]
        ways.append(kinds)
        words = [
            f"{as_printed(each)} ({each.model or each.place}) {_kinds(kind)}"
            for each, kind in zip(stated, kinds, strict=True)
        ]
        said.append(f"Of {faces.faces:,} faces {listed(words)}.")
    if any(all("categorical" in kind for kind in kinds) for kinds in ways):
        return CONSISTENT, " ".join(said)
    if any(all(kinds) for kinds in ways):
        they = "Both" if len(stated) == 2 else "They"
        also = (
            f"{they} are right only if not all of them are categorical, or the models were tested on different faces."
        )
        return CONDITIONAL, " ".join([*said, also])
    return CONDITIONAL, " ".join([*said, "They are right only if the models were tested on different faces."])


def _kinds(readings: Sequence[str]) -> str:
    return f"can be {listed(readings, last='or')} accuracy" if readings else "fits no reading"


def _texts(check: records.Texts, record: Record) -> tuple[str, str]:
    return check.verdict, check.says


def _announced(check: records.Announced, record: Record) -> tuple[str, str]:
    return ANNOUNCED, f'{check.place} says "{check.states}"; no place prints it.'


_ANSWERS: dict[type, Callable[[Any, Record], tuple[str, str]]] = {
    records.Same: _same,
    records.Sum: _sum,
    records.Product: _product,
    records.WrongCount: _wrong_count,
    records.Swapped: _swapped,
    records.Fills: _fills,
    records.AtLeast: _at_least,
    records.SameMetric: _same_metric,
    records.SameFaces: _same_faces,
    records.Texts: _texts,
    records.Announced: _announced,
}
