"""Can a printed number be right? Small functions on numbers alone; :mod:`fer_lib.audit.engine` asks them about papers.

A printed share stands for every value that rounds to it, both ends included, because papers round half up, half to even
or not at all. All counting is done with exact fractions.
"""

from __future__ import annotations

import functools
import logging
import math
import warnings
from collections.abc import Sequence
from fractions import Fraction

from scipy import optimize

NEAR = 2000
"""Faces: how far from a stated size other sizes are tried."""

SCALES = {"%": 100, "fraction": 1}
"""Units of shares: by what a share is multiplied in print."""


def decimals(value: str) -> int:
    """Returns how many decimals a printed number has: 2 of ``"98.60"``."""
    return len(value.partition(".")[2])


def rounded_from(value: str, unit: str) -> tuple[Fraction, Fraction]:
    """Returns the smallest and the largest share that are printed as ``value``, such as ``"98.60"``."""
    half = Fraction(1, 2 * 10 ** decimals(value))
    return (Fraction(value) - half) / SCALES[unit], (Fraction(value) + half) / SCALES[unit]


def reachable_counts(value: str, unit: str, faces: int, *, decisions: int = 1) -> range:
    """Returns the whole numbers k for which k of ``faces`` is printed as ``value``: empty where none is.

    The GRIM test (Brown and Heathers 2017, doi 10.1177/1948550616673876), for shares.

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        faces: how many the share is of.
        decisions: yes/no answers a face: 1 for categorical accuracy, the number of classes for Keras' binary accuracy.
    """
    low, high = rounded_from(value, unit)
    answers = decisions * faces
    return range(max(0, math.ceil(low * answers)), min(answers, math.floor(high * answers)) + 1)


def share_that_fits(value: str, unit: str, faces: int) -> float:
    """Returns which share of all values with these decimals is some count of so many faces: how much a misfit says."""
    values = 10 ** decimals(value) * SCALES[unit]
    return (min(faces, values) + 1) / (values + 1)


def sizes_with_wrong(value: str, unit: str, wrong: int, *, error: bool = False) -> tuple[int, int | None]:
    """Returns the least and the greatest sample size of which ``wrong`` wrong answers are printed as ``value``.

    All sizes between them are such sizes. The greatest is None where there is none: one wrong answer of ever so many
    is still printed as 100.0 %. Where no size fits, the least is above the greatest.

    Args:
        value: as printed; an accuracy, unless ``error``.
        unit: a key of ``SCALES``.
        wrong: one or more.
        error: whether ``value`` is an error.
    """
    low, high = rounded_from(value, unit)
    if not error:
        low, high = 1 - high, 1 - low
    if high <= 0:
        return 1, 0
    return max(wrong, math.ceil(wrong / high)), math.floor(wrong / low) if low > 0 else None


def nearest_sizes(value: str, unit: str, size: int, *, count: int = 2) -> list[int]:
    """Returns the sample sizes nearest to ``size`` of which some count is printed as ``value``, smallest first.

    Sizes further away than ``NEAR`` are not tried.
    """
    near = [size] if reachable_counts(value, unit, size) else []
    for step in range(1, NEAR):
        near += [other for other in (size - step, size + step) if other > 0 and reachable_counts(value, unit, other)]
        if len(near) >= count:
            break
    return sorted(near[:count])


def confident_balance(value: str, unit: str, faces: int, classes: int) -> range:
    """Returns what confident right minus confident wrong answers can be, where ``value`` is Keras' binary accuracy.

    A softmax output has at most one entry above 0.5. Without one, all but the true class' decision are right; with one,
    all decisions where it is the true class, and all but two where it is not. Over N faces and C classes the accuracy
    is therefore (C-1)/C + (right - wrong) / CN, where right and wrong count the faces with an entry above 0.5.
    """
    low, high = rounded_from(value, unit)
    never = Fraction(classes - 1, classes)
    first, last = math.ceil((low - never) * classes * faces), math.floor((high - never) * classes * faces)
    return range(max(-faces, first), min(faces, last) + 1)


def guessing_classes(value: str, unit: str, *, error: bool, most: int = 100) -> list[int]:
    """Returns the numbers of classes, 2 to ``most``, of which ``value`` is what guessing gives.

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        error: whether it is an error, (C-1)/C, rather than an accuracy, 1/C.
        most: classes to try.
    """
    low, high = rounded_from(value, unit)
    sizes = range(2, most + 1)
    return [size for size in sizes if low <= (1 - Fraction(1, size) if error else Fraction(1, size)) <= high]


def never_sure_classes(value: str, unit: str, *, most: int = 100) -> list[int]:
    """Returns the numbers of classes of which ``value`` is the binary accuracy, (C-1)/C, of a model never sure."""
    return guessing_classes(value, unit, error=True, most=most)


def least_binary(classes: int) -> Fraction:
    """Returns the least binary accuracy of a softmax: one entry above 0.5, and wrong, spoils two of C decisions."""
    return Fraction(classes - 2, classes)


def uniform_loss(classes: int) -> float:
    """Returns the cross-entropy, in nats, of an answer that gives every class the same probability: ln C."""
    return math.log(classes)


def prior_loss(class_faces: Sequence[int]) -> float:
    """Returns the least cross-entropy, in nats, of one answer for all faces: the entropy of the class shares."""
    total = sum(class_faces)
    return -sum(count / total * math.log(count / total) for count in class_faces if count)


def least_loss(accuracy: float) -> float:
    """Returns a bound under which no mean cross-entropy can lie at this accuracy, in nats: (1 - accuracy) ln 2.

    Where the largest probability is not the true class', the true class has at most one half.
    """
    return (1 - accuracy) * math.log(2)


def equal_confidence_loss(confidence: float, accuracy: float, classes: int) -> float:
    """Returns the cross-entropy, in nats, where the first choice of every face has the same probability.

    The classes not chosen share the rest equally; the first choice is right as often as ``accuracy`` says.
    """
    return -accuracy * math.log(confidence) - (1 - accuracy) * math.log((1 - confidence) / (classes - 1))


def implied_confidences(accuracy: float, loss: float, classes: int) -> list[float]:
    """Returns the confidences at which a model that is equally sure of every face has this accuracy and this loss.

    The loss is least where the model is as sure as it is right. Above that there is one solution on either side, the
    lower of which is lost where the model would be less sure than chance; below it there is none, and the model must be
    surer of its right answers than of its wrong ones.

    Args:
        accuracy: share of right answers, above 1/C and below 1.
        loss: mean cross-entropy in nats.
        classes: C.
    """
    if loss < equal_confidence_loss(accuracy, accuracy, classes):
        return []

    def excess(confidence: float) -> float:
        return equal_confidence_loss(confidence, accuracy, classes) - loss

    def excess_of_rest(log_rest: float) -> float:  # the same of ln(1 - confidence), for confidences of almost 1
        wrong = (1 - accuracy) * (log_rest - math.log(classes - 1))
        return -accuracy * math.log1p(-math.exp(log_rest)) - wrong - loss

    found = []
    if excess(1 / classes) >= 0:
        found.append(optimize.brentq(excess, 1 / classes, accuracy))
    least = -loss / (1 - accuracy)  # where the wrong answers alone have this loss
    found.append(1 - math.exp(optimize.brentq(excess_of_rest, least, math.log(1 - accuracy))))
    return found


@functools.lru_cache(maxsize=1000)
def consistent_share(value: str, unit: str, class_faces: tuple[int, ...], *, binary: bool = False) -> bool:
    """Returns whether ``mlscorecheck`` finds a share possible on one multiclass test set.

    Of its micro-averaged scores over one-against-rest problems, sensitivity is categorical accuracy, and accuracy is
    Keras' binary accuracy (Kovács and Fazekas 2023, arXiv 2310.12527).

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        class_faces: faces of each class.
        binary: whether it is read as binary accuracy.
    """
    from mlscorecheck.check.multiclass import check_1_testset_no_kfold_micro

    score, precision = _for_mlscorecheck(value, unit)
    found = check_1_testset_no_kfold_micro(
        testset=dict(enumerate(class_faces)), scores={"acc" if binary else "sens": score}, eps=precision
    )
    return not found["inconsistency"]


def consistent_fold_mean(value: str, unit: str, class_faces: Sequence[int], *, folds: int) -> bool:
    """Returns whether ``mlscorecheck`` finds a categorical accuracy possible as the mean over stratified folds.

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        class_faces: faces of each class in all folds together.
        folds: how many, divided as scikit-learn's StratifiedKFold does.
    """
    from mlscorecheck.check.multiclass import check_1_dataset_known_folds_mos_micro

    score, precision = _for_mlscorecheck(value, unit)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of the package's solver
        found = check_1_dataset_known_folds_mos_micro(
            dataset=dict(enumerate(class_faces)),
            folding={"n_folds": folds, "n_repeats": 1, "strategy": "stratified_sklearn"},
            # A wrong answer is one false alarm among the other classes, so that the specificity says nothing new; the
            # package (1.0.3) does not start without one.
            scores={"sens": score, "spec": 1 - (1 - score) / (len(class_faces) - 1)},
            eps=precision,
            numerical_tolerance=precision / 100,
            timeout=60,
            verbosity=0,
        )
    return not found["inconsistency"]


def _for_mlscorecheck(value: str, unit: str) -> tuple[float, float]:
    """A share and its rounding error, with the package's running commentary turned off."""
    logging.getLogger("mlscorecheck").setLevel(logging.WARNING)
    low, high = rounded_from(value, unit)
    return float(Fraction(value) / SCALES[unit]), float(high - low) / 2
