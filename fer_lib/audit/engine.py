"""Audit a paper: check whether its printed numbers are possible, and under which conditions.

The calculations are small functions of :mod:`fer_lib.audit.checks`. This module applies them to a record of printed
numbers (:mod:`fer_lib.published.records`) and puts the answers into words as findings. No paper is named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from fer_lib.audit import checks
from fer_lib.audit.declared import declared
from fer_lib.audit.findings import (
    CONDITIONAL,
    CONSISTENT,
    IMPOSSIBLE,
    UNCHECKED,
    VERDICTS,
    Finding,
    as_printed,
    even_classes,
    joined,
    listed,
    reachable,
    span,
)
from fer_lib.published.records import FaceSet, Record, Statement

CROSS_CHECKED = 50_000
"""Largest set, in answers (faces times questions a face), that ``mlscorecheck`` checks too: it tries every count."""


def audit(record: Record) -> list[Finding]:
    """Run every check on a record: findings in the order of its statements, then of its own checks."""
    found = [
        _share(statement, record) for statement in record.statements if statement.of and statement.metric != "loss"
    ]
    found += [_calibration(loss, accuracy, record) for loss, accuracy in loss_accuracy_pairs(record)]
    return found + [declared(check, record) for check in record.checks]


def verdict_of(name: str, found: Iterable[Finding]) -> str:
    """Find the gravest verdict about one statement (or announced result)."""
    verdicts = [finding.verdict for finding in found if name in finding.statements]
    return min(verdicts, key=VERDICTS.index, default=UNCHECKED)


def _share(statement: Statement, record: Record) -> Finding:
    """Check whether the printed share can be a whole number of faces (GRIM), in every reading of accuracy."""
    sets = {name: record.sets[name] for name in statement.of}
    in_folds = any(faces.folds for faces in sets.values())  # a mean over folds is only read as categorical
    readings = record.readings if statement.metric == "accuracy" and not in_folds else ("categorical",)
    answers = {
        (name, reading): reachable(statement, faces, reading) for name, faces in sets.items() for reading in readings
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
    """Choose "consistent" if one reading fits every stated size, "right only if" if any size fits or none is stated."""
    stated = [name for name, faces in sets.items() if faces.stated_by]
    if stated and any(all(answers[name, reading] for name in stated) for reading in readings):
        return CONSISTENT
    return CONDITIONAL if any(answers.values()) or not stated else IMPOSSIBLE


def _misfit(statement: Statement, sets: dict[str, FaceSet], answers: dict) -> Iterator[str]:
    """Where no stated size fits, name nearby sizes that do, and say how often a value fits by chance."""
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
        yield f"Sizes near by that can be: {listed(near)}."
    largest = max(faces.faces for faces in stated.values())
    chance = checks.share_that_fits(statement.value, statement.unit, largest)
    yield f"Of all values with these decimals {chance:.0%} fit {largest:,} faces.".replace("%", " %")


def _reading_sentence(
    statement: Statement, sets: dict[str, FaceSet], reading: str, answers: dict, *, alone: bool
) -> str:
    """Say which counts give the share: first of the sets whose size the paper states, then of the others."""
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
    if others:
        can_be = "the surely right can outnumber the surely wrong by" if reading == "binary" else "it can be"
        said.append(f"{'' if said else kind}of sizes that the paper does not state {can_be} {listed(others)}.")
    said = said or [f"{kind}no size that is tried here fits {as_printed(statement)}."]
    return " ".join(text[0].upper() + text[1:] for text in said)


def _can_be(statement: Statement, sets: dict[str, FaceSet], reading: str, answers: dict) -> str:
    shown = as_printed(statement)
    can = [_count_of(faces, answers[name, reading]) for name, faces in sets.items() if answers[name, reading]]
    missed = [faces for name, faces in sets.items() if not answers[name, reading]]
    plain = [f"{faces.faces:,}" for faces in missed if not faces.folds]
    cannot = [f"{listed(plain, last='or')} faces"] if plain else []
    cannot += [f"{faces.faces:,} faces in {faces.folds} folds" for faces in missed if faces.folds]
    if reading == "binary":
        can_be = f"the surely right (an output above 0.5) outnumber the surely wrong by {listed(can)}" if can else ""
        what = "no number of right decisions about"
    else:
        can_be, what = (f"{shown} can be {listed(can)}" if can else ""), "no number of right answers among"
        what = "no number of wrong answers among" if statement.metric == "error" else what
    none = f"{what} {listed(cannot, last='or')} rounds to {shown}" if cannot else ""
    return f"{joined(can_be, none)}."


def _count_of(faces: FaceSet, counts: bool | range) -> str:
    if faces.folds or isinstance(counts, bool):
        return f"the mean over {faces.folds} stratified folds of {faces.faces:,} faces"
    return f"{span(counts[0], counts[-1])} of {faces.faces:,}"


def _levels(statement: Statement, sets: dict[str, FaceSet], readings: Sequence[str]) -> Iterator[str]:
    """Say where the value is that of guessing, or of a model that is never sure.

    Guessing is among the classes of the sets. An error that fits only one number of classes is compared with that one.
    """
    error, known = statement.metric == "error", {faces.classes for faces in sets.values()}
    guessing = checks.guessing_classes(statement.value, statement.unit, error=error)
    told = guessing if error and len(guessing) == 1 else sorted(known & set(guessing))
    if told:
        what = "error" if error else "accuracy"
        yield f"It is the {what} of guessing among {listed(told, last='or')} classes."
    # the binary accuracy of a model that is never sure is (C-1)/C, as the error of guessing is
    never = checks.guessing_classes(statement.value, statement.unit, error=True) if "binary" in readings else []
    for classes in sorted(known & set(never)):
        yield (
            f"It is also {classes - 1}/{classes}, the binary accuracy of any model none of whose {classes} outputs "
            "exceeds 0.5, whatever it has learnt."
        )


def _cross_checked(statement: Statement, sets: dict[str, FaceSet], answers: dict) -> str:
    """Count the answers in which ``mlscorecheck`` agrees, of those that it was asked for: ``"4 of 4"``."""
    asked = [_agrees(statement, sets[name], reading, bool(counts)) for (name, reading), counts in answers.items()]
    agreed = [answer for answer in asked if answer is not None]
    return f"{sum(agreed)} of {len(agreed)}" if agreed else ""


def _agrees(statement: Statement, faces: FaceSet, reading: str, possible: bool) -> bool | None:
    """Check whether ``mlscorecheck`` gives the same answer; None where it is not asked."""
    if faces.folds:
        return None  # our own answer comes from the package
    if faces.faces * (faces.classes if reading == "binary" else 1) > CROSS_CHECKED:
        return None
    value = statement.value
    if statement.metric == "error":  # 2.5 % wrong is 97.5 % right, to the same decimals
        value = str(Decimal(checks.SCALES[statement.unit]) - Decimal(value))
    if reading == "binary" and Fraction(value) / checks.SCALES[statement.unit] < checks.least_binary(faces.classes):
        return None  # the package allows any yes/no answers, a softmax does not
    return possible == checks.consistent_share(
        value, statement.unit, faces.class_faces or even_classes(faces), binary=reading == "binary"
    )


def loss_accuracy_pairs(record: Record) -> Iterator[tuple[Statement, Statement]]:
    """Yield the loss and the accuracy of one model on one split, printed in one place, where both have ``of``."""
    for loss in record.statements:
        if loss.metric == "loss" and loss.of:
            key = (loss.model, loss.split, loss.place)
            for accuracy in record.statements:
                own = (accuracy.model, accuracy.split, accuracy.place)
                if accuracy.metric == "accuracy" and accuracy.of and own == key:
                    yield loss, accuracy


def sureness(accuracy: float, loss: float, classes: int) -> dict[str, str]:
    """Say how sure a model is that is equally sure of every face, at this categorical accuracy and loss in nats.

    Keys: ``sure`` and ``loss if as sure as right``, both in words.
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
    """Say which confidence would give this loss at this accuracy, if the accuracy is categorical."""
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
        said += f" At an accuracy of {as_printed(accuracy)} no mean cross-entropy is under {least:.3g} nats."
    elif 1 / faces.classes < share < 1:
        said += f" {_confidence_sentence(accuracy, share, nats, faces.classes)}"
    names = (loss.id, accuracy.id)
    return Finding(f"loss and accuracy of {loss.id}", names, verdict, said, experiment=accuracy.experiment)


def _confidence_sentence(accuracy: Statement, share: float, nats: float, classes: int) -> str:
    fair = checks.equal_confidence_loss(share, share, classes)
    if not (sure := checks.implied_confidences(share, nats, classes)):
        return (
            f"A model right for {as_printed(accuracy)}, equally sure of all faces, with the rest shared by the other "
            f"classes, has {fair:.2f} nats at least: here the right answers must be surer than the wrong ones, or the "
            "wrong ones have the true class as a near second."
        )
    ways = " or ".join(_sure(each) for each in sure)
    return (
        f"This loss excludes no accuracy. If {as_printed(accuracy)} of the faces are named rightly and the model is "
        f"equally sure of all, it is {ways} sure; as sure as it is right, it would have {fair:.2f} nats."
    )


def _sure(confidence: float) -> str:
    return f"{100 * confidence:.1f} %" if confidence < 0.999 else f"{100 * confidence:.3f} %"
