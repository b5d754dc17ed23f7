"""The audit: can what a paper prints be right, and what would have to hold?

Each question is a small function of :mod:`fer_lib.audit_checks`; here they are put to a record of printed numbers
(:mod:`fer_lib.published.records`), and the answers become findings in words. Nothing here knows a paper by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fer_lib import audit_checks as checks
from fer_lib.published import records
from fer_lib.published.records import FaceSet, Record, Statement

CONSISTENT = "consistent"
CONDITIONAL = "right only if"
IMPOSSIBLE = "cannot be right as stated"
ANNOUNCED = "announced, not printed"
UNCHECKED = "nothing to check it against"
VERDICTS = (IMPOSSIBLE, CONDITIONAL, ANNOUNCED, CONSISTENT, UNCHECKED)
"""What a finding can say, the gravest first; the last is said of a number that no check is about."""

CROSS_CHECKED = 50_000
"""Answers (faces times questions a face) of a set up to which ``mlscorecheck`` is asked too: it tries every count."""


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


def audit(record: Record) -> list[Finding]:
    """Returns what every check finds in a record, in the order of its statements, then of its own checks."""
    found = [
        _share(statement, record) for statement in record.statements if statement.of and statement.metric != "loss"
    ]
    found += [_calibration(loss, accuracy, record) for loss, accuracy in loss_accuracy_pairs(record)]
    return found + [_declared(check, record) for check in record.checks]


def verdict_of(name: str, found: Iterable[Finding]) -> str:
    """Returns the gravest verdict about one statement (or announced result)."""
    verdicts = [finding.verdict for finding in found if name in finding.statements]
    return min(verdicts, key=VERDICTS.index, default=UNCHECKED)


def _share(statement: Statement, record: Record) -> Finding:
    """Can the printed share be a whole number of the faces that it may be of? (GRIM; every reading of accuracy)"""
    sets = {name: record.sets[name] for name in statement.of}
    in_folds = any(faces.folds for faces in sets.values())  # a mean of folds is asked about in its usual reading alone
    readings = record.readings if statement.metric == "accuracy" and not in_folds else ("categorical",)
    answers = {
        (name, reading): _reachable(statement, faces, reading) for name, faces in sets.items() for reading in readings
    }
    alone = len(readings) == 1
    said = [_reading_sentence(statement, sets, reading, answers, alone=alone) for reading in readings]
    said += [] if in_folds else _misfit(statement, sets, answers)
    said += _levels(statement, sets, readings)
    return Finding(
        f"share of {statement.id}",
        (statement.id,),
        _share_verdict(sets, readings, answers),
        " ".join(said),
        experiment=statement.experiment,
        cross_checked=_cross_checked(statement, sets, answers),
    )


def _share_verdict(sets: dict[str, FaceSet], readings: Sequence[str], answers: dict) -> str:
    """Consistent where one reading fits every size that the paper states; else some size, stated or not, must fit."""
    stated = [name for name, faces in sets.items() if faces.stated_by]
    if stated and any(all(answers[name, reading] for name in stated) for reading in readings):
        return CONSISTENT
    return CONDITIONAL if any(answers.values()) or not stated else IMPOSSIBLE


def _misfit(statement: Statement, sets: dict[str, FaceSet], answers: dict) -> Iterator[str]:
    """Where no stated size fits: which others near by do, and how seldom a value fits by chance."""
    stated = {name: faces for name, faces in sets.items() if faces.stated_by}
    if not stated or any(counts for (name, _), counts in answers.items() if name in stated):
        return
    near = sorted(
        {
            size
            for faces in stated.values()
            for size in checks.nearest_sizes(statement.value, statement.unit, faces.faces)
        }
    )
    if near:
        yield f"Sizes near by that can be: {_listed(near)}."
    largest = max(faces.faces for faces in stated.values())
    chance = checks.share_that_fits(statement.value, statement.unit, largest)
    yield f"Of all values with these decimals {chance:.0%} fit {largest:,} faces.".replace("%", " %")


def _reachable(statement: Statement, faces: FaceSet, reading: str) -> bool | range:
    """The counts (of binary accuracy: the balances of sure answers) that it can come from; of folds, whether any."""
    if reading == "binary":
        return checks.confident_balance(statement.value, statement.unit, faces.faces, faces.classes)
    if faces.folds:
        return checks.consistent_fold_mean(
            statement.value, statement.unit, faces.class_faces or _even(faces), folds=faces.folds
        )
    return checks.reachable_counts(statement.value, statement.unit, faces.faces)


def _reading_sentence(
    statement: Statement, sets: dict[str, FaceSet], reading: str, answers: dict, *, alone: bool
) -> str:
    """What the share can be of the sets whose size the paper states, then of the others."""
    least = [checks.least_binary(faces.classes) for faces in sets.values()]
    top = checks.rounded_from(statement.value, statement.unit)[1]
    if reading == "binary" and all(top < bound for bound in least):
        return f"Not as binary accuracy, which for a softmax is never under {min(least)} = {float(min(least)):.4f}."
    stated = {name: faces for name, faces in sets.items() if faces.stated_by}
    said = [_can_be(statement, stated, reading, answers)] if stated else []
    if kind := "" if alone else f"As {reading} accuracy: ":
        said = [kind + text for text in said]
    others = [
        f"{_count_of(faces, answers[name, reading])} ({faces.because})"
        for name, faces in sets.items()
        if name not in stated and answers[name, reading]
    ]
    said += [f"Of sizes that the paper does not state it can be {_listed(others)}."] if others else []
    said = said or [f"{kind}no size that is tried here fits {_shown(statement)}."]
    return " ".join(text[0].upper() + text[1:] for text in said)


def _can_be(statement: Statement, sets: dict[str, FaceSet], reading: str, answers: dict) -> str:
    shown = _shown(statement)
    can = [_count_of(faces, answers[name, reading]) for name, faces in sets.items() if answers[name, reading]]
    cannot = [
        f"{faces.faces:,}" + (f" in {faces.folds} folds" if faces.folds else "")
        for name, faces in sets.items()
        if not answers[name, reading]
    ]
    if reading == "binary":
        can_be = f"the surely right (an output above 0.5) outnumber the surely wrong by {_listed(can)}" if can else ""
        what = "no number of right decisions about"
    else:
        can_be, what = (f"{shown} can be {_listed(can)}" if can else ""), "no number of right answers among"
        what = "no number of wrong answers among" if statement.metric == "error" else what
    none = f"{what} {_listed(cannot, last='or')} faces rounds to {shown}" if cannot else ""
    return f"{_joined(can_be, none)}."


def _count_of(faces: FaceSet, counts: bool | range) -> str:
    if faces.folds:
        return f"the mean over {faces.folds} stratified folds of {faces.faces:,} faces"
    return f"{_span(counts[0], counts[-1])} of {faces.faces:,}"


def _levels(statement: Statement, sets: dict[str, FaceSet], readings: Sequence[str]) -> Iterator[str]:
    """Chance among these classes, or an error that is chance among one other number; a model that is never sure."""
    error, known = statement.metric == "error", {faces.classes for faces in sets.values()}
    guessing = checks.guessing_classes(statement.value, statement.unit, error=error)
    told = guessing if error and len(guessing) == 1 else sorted(known & set(guessing))
    if told:
        what = "error" if error else "accuracy"
        yield f"It is the {what} of guessing among {_listed(told, last='or')} classes."
    never = checks.never_sure_classes(statement.value, statement.unit) if "binary" in readings else []
    for classes in sorted(known & set(never)):
        yield (
            f"It is also {classes - 1}/{classes}, the binary accuracy of any model none of whose {classes} outputs "
            "exceeds 0.5, whatever it has learnt."
        )


def _cross_checked(statement: Statement, sets: dict[str, FaceSet], answers: dict) -> str:
    """``"4 of 4"``: how many of the questions that ``mlscorecheck`` is asked too it answers alike."""
    asked = [_agrees(statement, sets[name], reading, bool(counts)) for (name, reading), counts in answers.items()]
    asked = [answer for answer in asked if answer is not None]
    return f"{sum(asked)} of {len(asked)}" if asked else ""


def _agrees(statement: Statement, faces: FaceSet, reading: str, possible: bool) -> bool | None:
    """Whether ``mlscorecheck`` says the same; None where it is not asked."""
    if faces.folds:
        return None  # its answer is ours
    if faces.faces * (faces.classes if reading == "binary" else 1) > CROSS_CHECKED:
        return None
    value = statement.value
    if statement.metric == "error":  # 2.5 % wrong is 97.5 % right, to the same decimals
        value = str(Decimal(checks.SCALES[statement.unit]) - Decimal(value))
    if reading == "binary" and Fraction(value) / checks.SCALES[statement.unit] < checks.least_binary(faces.classes):
        return None  # the package allows any answers of seven yes/no questions, a softmax does not
    return possible == checks.consistent_share(
        value, statement.unit, faces.class_faces or _even(faces), binary=reading == "binary"
    )


def _even(faces: FaceSet) -> tuple[int, ...]:
    """Faces of each class, as even as can be: how they are divided does not matter to micro-averaged scores."""
    least, more = divmod(faces.faces, faces.classes)
    return tuple(least + (place < more) for place in range(faces.classes))


def loss_accuracy_pairs(record: Record) -> Iterator[tuple[Statement, Statement]]:
    """Yields the loss and the accuracy of one model on one part that stand in one place, each with ``of``."""
    for loss in record.statements:
        if loss.metric == "loss" and loss.of:
            key = (loss.model, loss.split, loss.place)
            for accuracy in record.statements:
                own = (accuracy.model, accuracy.split, accuracy.place)
                if accuracy.metric == "accuracy" and accuracy.of and own == key:
                    yield loss, accuracy


def sureness(accuracy: float, loss: float, classes: int) -> dict[str, str]:
    """Returns how sure a model equally sure of every face is, at this categorical accuracy and loss in nats, in words.

    Keys: ``sure`` and ``loss if as sure as right``.
    """
    if not 1 / classes < accuracy < 1:
        return {"sure": "–", "loss if as sure as right": "–"}
    sure = checks.implied_confidences(accuracy, loss, classes)
    fair = checks.equal_confidence_loss(accuracy, accuracy, classes)
    return {
        "sure": " or ".join(_sure(each) for each in sure) or "surer where right",
        "loss if as sure as right": f"{fair:.4f}",
    }


def _calibration(loss: Statement, accuracy: Statement, record: Record) -> Finding:
    """Which confidence would give this loss at this accuracy, if the accuracy is categorical?"""
    faces = record.sets[loss.of[0]]
    nats, share = float(loss.value), float(Fraction(accuracy.value) / checks.SCALES[accuracy.unit])
    levels = [f"ln {faces.classes} = {checks.uniform_loss(faces.classes):.4f}, a uniform guess"]
    if faces.class_faces:
        levels.append(f"{checks.prior_loss(faces.class_faces):.4f}, the entropy of the class shares")
    said = f"{loss.value} nats, beside {' and '.join(levels)}."
    most = min(Fraction(1), checks.rounded_from(accuracy.value, accuracy.unit)[1])
    least = checks.least_loss(float(most))
    half = 0.5 * 10 ** -checks.decimals(loss.value)
    verdict = IMPOSSIBLE if nats + half < least else CONSISTENT
    if verdict == IMPOSSIBLE:
        said += f" At an accuracy of {_shown(accuracy)} no mean cross-entropy is under {least:.3g} nats."
    elif 1 / faces.classes < share < 1:
        said += f" {_confidence_sentence(accuracy, share, nats, faces.classes)}"
    names = (loss.id, accuracy.id)
    return Finding(f"loss and accuracy of {loss.id}", names, verdict, said, experiment=accuracy.experiment)


def _confidence_sentence(accuracy: Statement, share: float, nats: float, classes: int) -> str:
    fair = checks.equal_confidence_loss(share, share, classes)
    if not (sure := checks.implied_confidences(share, nats, classes)):
        return (
            f"A model right for {_shown(accuracy)}, equally sure of all faces, with the rest shared by the other "
            f"classes, has {fair:.2f} nats at least: here the right answers must be surer than the wrong ones, or the "
            "wrong ones have the true class as a near second."
        )
    ways = " or ".join(_sure(each) for each in sure)
    return (
        f"A loss alone excludes no accuracy. If {_shown(accuracy)} of the faces are named rightly and the model is "
        f"equally sure of all, it is {ways} sure; as sure as it is right, it would have {fair:.2f} nats."
    )


def _sure(confidence: float) -> str:
    return f"{100 * confidence:.1f} %" if confidence < 0.999 else f"{100 * confidence:.3f} %"


def _declared(check: Any, record: Record) -> Finding:
    """The answer of one of the record's own checks."""
    verdict, says = _ANSWERS[type(check)](check, record)
    about = (check.id,) if isinstance(check, records.Announced) else records.statements_of(check)
    return Finding(check.id, about, verdict, says, explains=check.explains, experiment=check.experiment)


def _same(check: records.Same, record: Record) -> tuple[str, str]:
    stated = [record[name] for name in check.of]
    shown = _listed(dict.fromkeys(f"{_shown(each)} ({each.place})" for each in stated))
    if all(each.unit in checks.SCALES and records.is_number(each.value) for each in stated):
        spans = [checks.rounded_from(each.value, each.unit) for each in stated]
        alike = max(low for low, _ in spans) <= min(high for _, high in spans)
    else:
        alike = len({each.value for each in stated}) == 1
    return (CONSISTENT, f"Printed alike: {shown}.") if alike else (IMPOSSIBLE, f"One quantity, printed as {shown}.")


def _sum(check: records.Sum, record: Record) -> tuple[str, str]:
    parts, total = [_number(record[name]) for name in check.of], _number(record[check.gives])
    reckoned = " + ".join(f"{part:,}" for part in parts)
    if sum(parts) == total:
        return CONSISTENT, f"{reckoned} = {total:,}."
    return IMPOSSIBLE, f"{reckoned} = {sum(parts):,}, not the printed {total:,}."


def _product(check: records.Product, record: Record) -> tuple[str, str]:
    parts, total = [_number(record[name]) for name in check.of], _number(record[check.gives])
    product = 1
    for part in parts:
        product *= part
    reckoned = f"{' × '.join(f'{part:,}' for part in parts)} = {product:,}"
    if product == total:
        return CONSISTENT, f"{reckoned}."
    for times in check.times:
        if product * times == total:
            return CONDITIONAL, f"{reckoned}, of which the printed {total:,} is {times} times as many."
    tried = f", nor {_listed([str(times) for times in check.times], last='or')} times as many" if check.times else ""
    return (
        IMPOSSIBLE,
        f"{reckoned}, not the printed {total:,}{tried}; {total:,} is {total / product:.4g} times as many.",
    )


def _wrong_count(check: records.WrongCount, record: Record) -> tuple[str, str]:
    share, wrong = record[check.share], _number(record[check.wrong])
    sets, error = [record.sets[name] for name in check.of], share.metric == "error"
    least, most = checks.sizes_with_wrong(share.value, share.unit, wrong, error=error)
    fits = {faces.faces: least <= faces.faces and (most is None or faces.faces <= most) for faces in sets}
    each = [
        f"of {faces.faces:,} is {_percent(wrong, faces.faces, error=error)}" for faces in sets if faces.faces >= wrong
    ]
    what = f"{wrong} wrong {'answer' if wrong == 1 else 'answers'}"
    sizes = f"{least:,} faces or more" if most is None else f"{_span(least, most)} faces"
    needs = f"{_shown(share)} needs {sizes if most is None or least <= most else 'another number of wrong answers'}"
    says = f"With {what}, the share {_listed(each)}; {needs}." if each else f"With {what}, {needs}."
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
        return CONSISTENT, f"Printed alike in both places ({_listed(shown)})."
    if values[0] == values[1][::-1]:
        return IMPOSSIBLE, f"One configuration, and the two numbers change places ({_listed(shown)})."
    return IMPOSSIBLE, f"One configuration, and different numbers ({_listed(shown)})."


def _fills(check: records.Fills, record: Record) -> tuple[str, str]:
    batch = _number(record[check.batch])
    sizes = list(dict.fromkeys(_number(record[name]) for name in check.of))
    left = [size for size in sizes if size % batch]
    if not left:
        return CONSISTENT, f"Batches of {batch} fill {_listed(sizes)} faces."
    parts = [f"{size} faces fill {size // batch} and leave {size % batch} over" for size in left]
    others = [size for size in sizes if size not in left]
    also = f"; {_listed(others)} faces are filled" if others else ""
    return CONDITIONAL, f"Batches of {batch}: {_listed(parts)}{also}. Right only if a part of a batch counts."


def _at_least(check: records.AtLeast, record: Record) -> tuple[str, str]:
    bound = record[check.bound]
    low = Fraction(bound.value) / checks.SCALES.get(bound.unit, 1)
    said, holds = [], True
    for name in check.of:
        stated = record[name]
        value = Fraction(stated.value) / checks.SCALES.get(stated.unit, 1)
        most = checks.rounded_from(stated.value, stated.unit)[1] if stated.unit in checks.SCALES else value
        holds = holds and most >= low
        words = "is no less" if value >= low else "may be no less" if most >= low else "is less"
        said.append(f"{_shown(stated)} ({stated.place}) {words} than {_shown(bound)}")
    return CONSISTENT if holds else IMPOSSIBLE, f"{_listed(said)}."


def _same_metric(check: records.SameMetric, record: Record) -> tuple[str, str]:
    cannot = []
    for each in (record[name] for name in check.of):
        least = max(checks.least_binary(record.sets[name].classes) for name in each.of)
        if checks.rounded_from(each.value, each.unit)[1] < least:
            of = ", ".join(part for part in (each.column.lower(), each.model or "") if part)
            cannot.append(f"{_shown(each)} ({of or each.place}), under {float(least):.4f},")
    if not cannot or "binary" not in record.readings:
        return CONSISTENT, "All of these accuracies can be of one metric."
    return CONDITIONAL, (
        "Binary accuracy of a softmax over C classes is never under (C-2)/C. "
        f"So {_listed(cannot)} would be categorical: the table compares like with like only if all of them are."
    )


def _same_faces(check: records.SameFaces, record: Record) -> tuple[str, str]:
    """Is there one set of faces of which all of these accuracies can be, each in some reading?"""
    stated = [record[name] for name in check.of]
    ways, said = [], []
    for name in dict.fromkeys(name for each in stated for name in each.of if record.sets[name].stated_by):
        faces = record.sets[name]
        kinds = [[kind for kind in record.readings if _reachable(each, faces, kind)] for each in stated]
        ways.append(kinds)
        words = [
            f"{_shown(each)} ({each.model or each.place}) {_kinds(kind)}"
            for each, kind in zip(stated, kinds, strict=True)
        ]
        said.append(f"Of {faces.faces:,} faces {_listed(words)}.")
    if any(all("categorical" in kind for kind in kinds) for kinds in ways):
        return CONSISTENT, " ".join(said)
    if any(all(kinds) for kinds in ways):
        also = "Both are right only if not all of them are categorical, or the models were tested on different faces."
        return CONDITIONAL, " ".join([*said, also])
    return CONDITIONAL, " ".join([*said, "They are right only if the models were tested on different faces."])


def _kinds(readings: Sequence[str]) -> str:
    return f"can be {_listed(readings, last='or')} accuracy" if readings else "fits no reading"


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


def _number(statement: Statement) -> int:
    return int(statement.value)


def _shown(statement: Statement) -> str:
    return f"{statement.value} %" if statement.unit == "%" else statement.value


def _span(low: int, high: int) -> str:
    """``"3,076"`` or ``"-2 to 0"``."""
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _listed(parts: Iterable[Any], *, last: str = "and") -> str:
    """``"a, b and c"``."""
    words = [f"{part:,}" if isinstance(part, int) else str(part) for part in parts]
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _joined(*clauses: str) -> str:
    return "; ".join(clause for clause in clauses if clause)
