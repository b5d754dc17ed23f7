"""Check whether a printed number is possible: small functions on plain numbers, which :mod:`fer_lib.audit` applies.

A printed share means any value that rounds to it, both ends of the interval included: papers round half up, half to
even or not at all. All counting uses exact fractions.
"""

from __future__ import annotations

import functools
import logging
import math
import warnings
from collections.abc import Sequence
from fractions import Fraction

from scipy import optimize

from fer_lib.published.records import SCALES

NEAR = 2000
"""How many faces above and below a stated size other sizes are tried."""


def decimals(value: str) -> int:
    """Count the decimals of a printed number: 2 for ``"98.60"``."""
    return len(value.partition(".")[2])


def rounded_from(value: str, unit: str) -> tuple[Fraction, Fraction]:
    """Compute the smallest and the largest share that round to ``value``, such as ``"98.60"``."""
    half = Fraction(1, 2 * 10 ** decimals(value))
    return (Fraction(value) - half) / SCALES[unit], (Fraction(value) + half) / SCALES[unit]


def reachable_counts(value: str, unit: str, faces: int) -> range:
    """Find the whole numbers k for which k of ``faces`` rounds to ``value``; an empty range where there is none.

    This is the GRIM test (Brown and Heathers 2017, doi 10.1177/1948550616673876) for shares.

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        faces: number of faces that the share is of.
    """
    low, high = rounded_from(value, unit)
    return range(max(0, math.ceil(low * faces)), min(faces, math.floor(high * faces)) + 1)


def share_that_fits(value: str, unit: str, faces: int) -> float:
    """Compute the fraction of all values with this many decimals that ``faces`` faces can produce.

    The smaller it is, the more a mismatch says.
    """
    values = 10 ** decimals(value) * SCALES[unit]
    return (min(faces, values) + 1) / (values + 1)


def sizes_with_wrong(value: str, unit: str, wrong: int, *, error: bool = False) -> tuple[int, int | None]:
    """Find the smallest and the largest sample size at which ``wrong`` wrong answers are printed as ``value``.

    All sizes between them fit too. The largest is None where there is no upper limit: one wrong answer among very many
    faces is still printed as 100.0 %. Where no size fits, the smallest is above the largest.

    Args:
        value: as printed; an accuracy unless ``error`` is true.
        unit: a key of ``SCALES``.
        wrong: number of wrong answers, one or more.
        error: whether ``value`` is an error rate.
    """
    low, high = rounded_from(value, unit)
    if not error:
        low, high = 1 - high, 1 - low
    if high <= 0:
        return 1, 0
    return max(wrong, math.ceil(wrong / high)), math.floor(wrong / low) if low > 0 else None


def nearest_sizes(value: str, unit: str, size: int) -> list[int]:
    """Find the two sample sizes nearest to ``size`` at which some count is printed as ``value``, smallest first.

    Sizes further away than ``NEAR`` are not tried.
    """
    near = [size] if reachable_counts(value, unit, size) else []
    for step in range(1, NEAR):
        near += [other for other in (size - step, size + step) if other > 0 and reachable_counts(value, unit, other)]
        if len(near) >= 2:
            break
    return sorted(near[:2])


def confident_balance(value: str, unit: str, faces: int, classes: int) -> range:
    """Find the possible numbers of confident right minus confident wrong answers behind a Keras binary accuracy.

    A softmax output has at most one entry above 0.5. If it has none, every decision is right except that about the true
    class. If it has one, all decisions are right where it is the true class, and all but two where it is not. Over N
    faces and C classes the accuracy is therefore (C-1)/C + (right - wrong) / CN, where right and wrong count the faces
    with an entry above 0.5.
    """
    low, high = rounded_from(value, unit)
    never = Fraction(classes - 1, classes)
    first, last = math.ceil((low - never) * classes * faces), math.floor((high - never) * classes * faces)
    return range(max(-faces, first), min(faces, last) + 1)


def guessing_classes(value: str, unit: str, *, error: bool) -> list[int]:
    """Find the numbers of classes, 2 to 100, for which guessing would be printed as ``value``.

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        error: whether ``value`` is an error rate, (C-1)/C, rather than an accuracy, 1/C.
    """
    low, high = rounded_from(value, unit)
    return [size for size in range(2, 101) if low <= (1 - Fraction(1, size) if error else Fraction(1, size)) <= high]


def least_binary(classes: int) -> Fraction:
    """Compute the lowest binary accuracy of a softmax: a wrong entry above 0.5 makes two of C decisions wrong."""
    return Fraction(classes - 2, classes)


def uniform_loss(classes: int) -> float:
    """Compute the cross-entropy, in nats, of an answer that gives every class the same probability: ln C."""
    return math.log(classes)


def prior_loss(class_faces: Sequence[int]) -> float:
    """Compute the lowest cross-entropy, in nats, of one answer for all faces: the entropy of the class shares."""
    total = sum(class_faces)
    return -sum(count / total * math.log(count / total) for count in class_faces if count)


def least_loss(accuracy: float) -> float:
    """Compute a lower bound of the mean cross-entropy, in nats, at this accuracy: (1 - accuracy) ln 2.

    Where another class than the true one has the largest probability, the true class has at most one half.
    """
    return (1 - accuracy) * math.log(2)


def equal_confidence_loss(confidence: float, accuracy: float, classes: int) -> float:
    """Compute the cross-entropy, in nats, of a model that gives its first choice the same probability on every face.

    The other classes share the rest equally. The share of faces whose first choice is right is ``accuracy``.
    """
    return -accuracy * math.log(confidence) - (1 - accuracy) * math.log((1 - confidence) / (classes - 1))


def implied_confidences(accuracy: float, loss: float, classes: int) -> list[float]:
    """Find the confidences at which a model that is equally sure of every face has this accuracy and this loss.

    The loss is lowest where the confidence equals the accuracy. A higher loss has one solution on either side; the
    smaller one does not exist where the model would be less sure than chance. A loss below the lowest has no solution:
    the model must then be surer of its right answers than of its wrong ones.

    Args:
        accuracy: share of right answers, above 1/C and below 1.
        loss: mean cross-entropy in nats.
        classes: C.
    """
    if loss < equal_confidence_loss(accuracy, accuracy, classes):
        return []

    def excess(confidence: float) -> float:
        return equal_confidence_loss(confidence, accuracy, classes) - loss

    def excess_of_rest(log_rest: float) -> float:  # excess at ln(1 - confidence) = log_rest, for confidences near 1
        wrong = (1 - accuracy) * (log_rest - math.log(classes - 1))
        return -accuracy * math.log1p(-math.exp(log_rest)) - wrong - loss

    found = []
    if excess(1 / classes) >= 0:
        found.append(optimize.brentq(excess, 1 / classes, accuracy))
    least = -loss / (1 - accuracy)  # here the wrong answers alone have this loss
    found.append(1 - math.exp(optimize.brentq(excess_of_rest, least, math.log(1 - accuracy))))
    return found


@functools.lru_cache(maxsize=1000)
def consistent_share(value: str, unit: str, class_faces: tuple[int, ...], *, binary: bool = False) -> bool:
    """Ask ``mlscorecheck`` whether a share is possible on one multiclass test set.

    In its micro-averaged scores over one-against-rest problems, sensitivity is categorical accuracy and accuracy is
    Keras' binary accuracy (Kovács and Fazekas 2023, arXiv 2310.12527).

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        class_faces: number of faces of each class.
        binary: whether to read ``value`` as binary accuracy.
    """
    from mlscorecheck.check.multiclass import check_1_testset_no_kfold_micro

    score, precision = _for_mlscorecheck(value, unit)
    found = check_1_testset_no_kfold_micro(
        testset=dict(enumerate(class_faces)), scores={"acc" if binary else "sens": score}, eps=precision
    )
    return not found["inconsistency"]


def consistent_fold_mean(value: str, unit: str, class_faces: Sequence[int], *, folds: int) -> bool:
    """Ask ``mlscorecheck`` whether a categorical accuracy is possible as the mean over stratified folds.

    Args:
        value: as printed.
        unit: a key of ``SCALES``.
        class_faces: number of faces of each class in all folds together.
        folds: number of folds, divided as scikit-learn's StratifiedKFold does.
    """
    from mlscorecheck.check.multiclass import check_1_dataset_known_folds_mos_micro

    score, precision = _for_mlscorecheck(value, unit)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # from the package's solver
        found = check_1_dataset_known_folds_mos_micro(
            dataset=dict(enumerate(class_faces)),
            folding={"n_folds": folds, "n_repeats": 1, "strategy": "stratified_sklearn"},
            # Each wrong answer is one false alarm among the other classes, so the specificity follows from the
            # sensitivity; the package (1.0.3) does not run without it.
            scores={"sens": score, "spec": 1 - (1 - score) / (len(class_faces) - 1)},
            eps=precision,
            numerical_tolerance=precision / 100,
            timeout=60,
            verbosity=0,
        )
    return not found["inconsistency"]


def _for_mlscorecheck(value: str, unit: str) -> tuple[float, float]:
    """Compute a share and its rounding error, and turn off the package's log messages."""
    logging.getLogger("mlscorecheck").setLevel(logging.WARNING)
    low, high = rounded_from(value, unit)
    return float(Fraction(value) / SCALES[unit]), float(high - low) / 2
