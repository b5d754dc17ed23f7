"""Test the audit's checks on hand-computed numbers, published worked examples and against mlscorecheck."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fer_lib.audit import checks
from fer_lib.evaluation import metrics
from fer_lib.published.records import SCALES

PRIVATE_TEST = (491, 55, 528, 879, 594, 416, 626)


def fits(value: str, sizes: tuple[int, ...], unit: str = "%") -> list[int]:
    return [size for size in sizes if checks.reachable_counts(value, unit, size)]


def test_the_worked_example_of_brown_and_heathers():
    """Brown and Heathers 2017: of 28 whole-number answers no mean is 5.19; 5.18 and 5.21 are."""
    means = {count / 28 for count in range(28 * 7 + 1)}
    for printed in ("5.18", "5.19", "5.21"):
        # 5.19 = 5 + 0.19: the mean of 28 whole numbers is a whole number and some 28ths
        found = checks.reachable_counts("0." + printed[2:], "fraction", 28)
        assert bool(found) is any(f"{mean:.2f}" == printed for mean in means) is (printed != "5.19")


def test_no_98_49_or_56_faces_give_98_60_per_cent():
    assert fits("98.60", (98, 49, 56)) == []
    assert fits("98.6", (98, 49, 56)) == []
    assert fits("98.60", (490, 500)) == [500]
    assert fits("98.6", (490,)) == [490]


def test_seven_wrong_answers_give_98_6_of_483_to_518_faces_and_98_60_of_499_to_501():
    assert checks.sizes_with_wrong("98.6", "%", 7) == (483, 518)
    assert checks.sizes_with_wrong("98.60", "%", 7) == (499, 501)


LENETS_ERRORS = [("97.5", [40]), ("2.5", [40]), ("7.5", [40]), ("82.4", [])]
FEWER_DECIMALS = [("5", [40, 56, 98]), ("15", [40, 98]), ("5.0", [40]), ("15.0", [40])]


@pytest.mark.parametrize(("value", "expected"), LENETS_ERRORS + FEWER_DECIMALS)
def test_the_lenets_errors_fit_forty_faces_or_none_and_fewer_decimals_fit_more(value, expected):
    assert fits(value, (40, 49, 56, 98)) == expected


def test_each_validation_accuracy_fits_one_of_the_two_roundings_of_8_to_2():
    assert fits("0.6314", (5741, 5742), "fraction") == [5741]
    assert fits("0.8581", (5741, 5742), "fraction") == [5742]
    for faces in (5741, 5742):
        assert checks.reachable_counts("0.8581", "fraction", 7 * faces)


@pytest.mark.parametrize(
    ("printed", "faces", "expected"),
    [
        ("97.5", 40, True),
        ("2.5", 40, True),
        ("82.4", 40, False),  # 33 of 40 are 82.5
        ("82.4", 17, True),  # 14 of 17
        ("97.5", 42, False),
        ("2.5", 42, False),  # 1 of 42 is 2.4
        ("2.4", 42, True),
        ("5", 42, True),  # 2 of 42 are 4.8, 5 without decimals
        ("5.0", 42, False),
        ("97.5", 49, False),
        ("7.5", 56, False),
        ("100", 3, True),
        ("0", 3, True),
        ("110", 40, False),  # 44 of 40 there are not
        ("12.5", 8, True),
        ("12", 8, True),  # a half rounds either way
        ("13", 8, True),
        ("14", 8, False),
    ],
)
def test_what_a_count_of_faces_can_be_printed_as(printed, faces, expected):
    assert bool(checks.reachable_counts(printed, "%", faces)) is expected


def test_a_rounded_number_stands_for_both_ends_of_its_interval():
    assert checks.rounded_from("2.5", "%") == (Fraction(245, 10000), Fraction(255, 10000))
    assert checks.rounded_from("5", "%") == (Fraction(45, 1000), Fraction(55, 1000))
    assert checks.reachable_counts("0.5", "fraction", 20) == range(9, 12)  # 0.45, 0.5 and 0.55
    assert checks.reachable_counts("100", "%", 7) == range(7, 8)
    assert checks.reachable_counts("0.00", "fraction", 7) == range(0, 1)


@given(st.integers(1, 400), st.integers(0, 400), st.integers(0, 4))
def test_what_was_rounded_is_reachable_and_what_is_reachable_was_rounded(faces, count, places):
    count = min(count, faces)
    quantum = Decimal(1).scaleb(-places)
    value = str((Decimal(100 * count) / faces).quantize(quantum))
    found = checks.reachable_counts(value, "%", faces)
    assert count in found
    for other in found:
        assert abs(Decimal(100 * other) / faces - Decimal(value)) <= quantum / 2 + Decimal("1e-20")
    assert found[0] == 0 or abs(Decimal(100 * (found[0] - 1)) / faces - Decimal(value)) > quantum / 2


def test_the_sizes_near_by_are_the_nearest():
    assert checks.nearest_sizes("98.60", "%", 98) == [143, 214]
    assert checks.nearest_sizes("97.5", "%", 40) == [40, 79]
    every = [size for size in range(1, 400) if checks.reachable_counts("97.5", "%", size)]
    assert checks.nearest_sizes("97.5", "%", 56) == sorted(sorted(every, key=lambda n: (abs(n - 56), n))[:2])


@given(st.integers(1, 30), st.integers(1, 400), st.booleans())
def test_sizes_with_so_many_wrong_are_those_of_which_the_share_is_printed_so(wrong, faces, error):
    share = Decimal(wrong if error else max(faces - wrong, 0)) * 100 / faces
    value = str(share.quantize(Decimal("0.1")))
    least, most = checks.sizes_with_wrong(value, "%", wrong, error=error)
    assert faces < wrong or least <= faces <= (most or faces)
    for size in range(max(wrong, least - 2), least + 3):
        fits = (wrong if error else size - wrong) in checks.reachable_counts(value, "%", size)
        assert fits is (least <= size and (most is None or size <= most))


def test_there_may_be_no_greatest_size_or_no_size_at_all():
    assert checks.sizes_with_wrong("0.0", "%", 1, error=True) == (2000, None)
    assert checks.sizes_with_wrong("100.00", "%", 1) == (20_000, None)
    least, most = checks.sizes_with_wrong("100.5", "%", 1)
    assert least > most


@pytest.mark.parametrize(("value", "faces"), [("82.4", 40), ("0.8581", 5742), ("5", 49), ("5", 300)])
def test_the_share_of_values_that_fit_is_counted(value, faces):
    unit = "fraction" if value.startswith("0") else "%"
    places = checks.decimals(value)
    values = [f"{number / 10**places:.{places}f}" for number in range(SCALES[unit] * 10**places + 1)]
    fits = [bool(checks.reachable_counts(each, unit, faces)) for each in values]
    assert checks.share_that_fits(value, unit, faces) == pytest.approx(sum(fits) / len(fits), abs=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(1, 60), st.floats(0.1, 30))
def test_binary_accuracy_is_the_identity_in_confident_answers(seed, classes, faces, sharpness):
    """(C-1)/C + (confident right - confident wrong) / CN, against Keras' definition, on random softmax outputs."""
    rng = np.random.default_rng(seed)
    powers = np.exp(sharpness * rng.normal(size=(faces, classes)))
    outputs, labels = powers / powers.sum(axis=1, keepdims=True), rng.integers(classes, size=faces)
    kept = metrics.sureness(outputs, labels)
    direct = metrics.binary_hits(outputs, labels).mean()
    assert direct == pytest.approx(kept["binary_accuracy"], abs=1e-12)
    assert direct >= float(checks.least_binary(classes)) - 1e-12
    balance = kept["sure_right"] - kept["sure_wrong"]
    assert balance in checks.confident_balance(f"{direct:.6f}", "fraction", faces, classes)


def test_the_printed_test_accuracy_leaves_two_to_none_more_confident_wrong_answers():
    assert checks.confident_balance("0.8571", "fraction", 3589, 7) == range(-2, 1)
    assert not checks.confident_balance("0.6314", "fraction", 5741, 7)
    assert checks.least_binary(7) == Fraction(5, 7)


def test_chance_levels():
    assert checks.guessing_classes("97.5", "%", error=True) == [40]
    assert checks.guessing_classes("14.29", "%", error=False) == [7]
    assert checks.guessing_classes("82.4", "%", error=True) == []
    assert checks.guessing_classes("0.8571", "fraction", error=True) == [7]
    assert checks.guessing_classes("0.6420", "fraction", error=True) == []


def test_losses_that_need_no_model():
    assert checks.uniform_loss(7) == pytest.approx(1.9459, abs=5e-5)
    assert checks.prior_loss(PRIVATE_TEST) == pytest.approx(1.8147, abs=5e-5)
    assert checks.prior_loss([5, 5, 0]) == pytest.approx(math.log(2))


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(1, 60), st.floats(0.1, 30))
def test_no_loss_is_under_the_bound_of_its_accuracy(seed, classes, faces, sharpness):
    rng = np.random.default_rng(seed)
    powers = np.exp(sharpness * rng.normal(size=(faces, classes)))
    outputs, labels = powers / powers.sum(axis=1, keepdims=True), rng.integers(classes, size=faces)
    accuracy = float((outputs.argmax(axis=1) == labels).mean())
    assert metrics.cross_entropies(outputs, labels).mean() >= checks.least_loss(accuracy) - 1e-9


@given(st.floats(0.2, 0.99), st.floats(0.01, 3), st.integers(6, 40))
def test_the_implied_confidences_have_the_loss_that_implies_them(accuracy, excess, classes):
    fair = checks.equal_confidence_loss(accuracy, accuracy, classes)
    found = checks.implied_confidences(accuracy, fair + excess, classes)
    assert found == sorted(found)
    assert len(found) == 1 + (fair + excess <= checks.uniform_loss(classes))
    for confidence in found:
        if confidence < 1 - 1e-12:
            assert checks.equal_confidence_loss(confidence, accuracy, classes) == pytest.approx(fair + excess, abs=1e-3)
    assert found[-1] > accuracy
    assert len(found) == 1 or found[0] < accuracy


def test_the_papers_model_would_be_right_for_86_per_cent_and_sure_of_17():
    low, high = checks.implied_confidences(0.8571, 1.78, 7)
    assert low == pytest.approx(0.1745, abs=5e-5)
    assert high == pytest.approx(0.99998, abs=5e-6)
    assert checks.implied_confidences(0.9613, 0.13, 7) == []
    assert len(checks.implied_confidences(0.6420, 1.98, 7)) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 150), st.integers(2, 7), st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_mlscorecheck_agrees(faces, classes, share, places, binary):
    value = str((Decimal(share) / 10**6).quantize(Decimal(1).scaleb(-places)))
    classes = min(classes, faces)
    class_faces = tuple(np.bincount(np.arange(faces) % classes).tolist())
    answers = checks.reachable_counts(value, "fraction", faces * (classes if binary else 1))
    assert checks.consistent_share(value, "fraction", class_faces, binary=binary) is bool(answers)


def test_a_mean_of_folds_is_asked_of_mlscorecheck():
    """Five folds of ten faces: the mean of their accuracies is a multiple of 0.02."""
    for value, possible in (("0.86", True), ("0.87", False), ("0.860", True), ("0.870", False)):
        assert checks.consistent_fold_mean(value, "fraction", (25, 25), folds=5) is possible
