"""Test accuracy over subjects: by hand, against brute force, and the coverage of its intervals."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from fer_lib.evaluation import clustered

SUBJECTS = np.array(["a", "a", "b", "c", "c", "c"])


def drawn(seed: int, *, subjects: int = 50, faces: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Answers whose rightness is a trait of the subject (0.7 on average), and the subjects."""
    rng = np.random.default_rng(seed)
    shares = rng.beta(1.4, 0.6, subjects)
    return rng.random(subjects * faces) < np.repeat(shares, faces), np.repeat(np.arange(subjects), faces)


@pytest.fixture(scope="module")
def simulated():
    """Intervals over subjects and over faces of 300 corpora of a true accuracy of 0.7."""
    over_subjects, over_faces = [], []
    for seed in range(300):
        correct, subjects = drawn(seed)
        over_subjects.append(clustered.clustered_accuracy(correct, subjects)[1:])
        wilson = stats.binomtest(int(correct.sum()), len(correct)).proportion_ci(0.95, method="wilson")
        over_faces.append((wilson.low, wilson.high))
    return np.array(over_subjects), np.array(over_faces)


# --- one model --------------------------------------------------------------------------------------------------------


def test_the_value_is_the_share_of_answers_not_the_mean_of_subjects():
    value, low, high = clustered.clustered_accuracy(np.array([1, 1, 0, 0, 0, 1], bool), SUBJECTS)
    assert value == 0.5
    assert 0 <= low < value < high <= 1


def test_trainings_count_each_answer_and_share_the_subjects():
    first, second = np.array([1, 1, 0, 0, 0, 1], bool), np.array([1, 1, 1, 0, 1, 1], bool)
    both = clustered.clustered_accuracy(np.stack([first, second]), SUBJECTS)
    assert both.value == 8 / 12
    flat = clustered.clustered_accuracy(np.concatenate([first, second]), np.tile(SUBJECTS, 2))
    assert both == flat
    # the same answers twice are no news: neither value nor interval moves
    assert clustered.clustered_accuracy(np.stack([first, first]), SUBJECTS) == clustered.clustered_accuracy(
        first, SUBJECTS
    )


def test_95_in_100_intervals_over_subjects_hold_the_true_accuracy(simulated):
    over_subjects, _ = simulated
    held = ((over_subjects[:, 0] <= 0.7) & (over_subjects[:, 1] >= 0.7)).mean()
    assert 0.91 <= held <= 0.98


def test_intervals_over_faces_are_too_narrow_and_miss_it(simulated):
    over_subjects, over_faces = simulated
    ratio = np.ptp(over_subjects, axis=1) / np.ptp(over_faces, axis=1)
    assert ratio.mean() > 1.3
    assert ((over_faces[:, 0] <= 0.7) & (over_faces[:, 1] >= 0.7)).mean() < 0.88


def test_where_subjects_do_not_matter_the_interval_is_that_over_faces():
    rng = np.random.default_rng(0)
    correct = rng.random(4000) < 0.8
    found = clustered.clustered_accuracy(correct, np.arange(4000))
    wilson = stats.binomtest(int(correct.sum()), 4000).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(found[1:], (wilson.low, wilson.high), atol=0.002)


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_is_not_certainty(right):
    """Twenty faces of four subjects: as sure as four independent answers, z² / (4 + z²)."""
    value, low, high = clustered.clustered_accuracy(np.full(20, right), np.repeat(np.arange(4), 5))
    assert value == right
    assert high - low == pytest.approx(0.489891, abs=1e-6)


def test_an_interval_never_ends_at_100_per_cent_while_a_face_is_wrong():
    """Sixteen subjects of whom one has one wrong face: a bootstrap's interval would end at 1."""
    correct, subjects = np.ones(84, bool), np.repeat(np.arange(16), 6)[:84]
    correct[0] = False
    value, low, high = clustered.clustered_accuracy(correct, subjects)
    assert low < value < high < 1
    assert clustered.clustered_accuracy(~correct, subjects) == pytest.approx((1 - value, 1 - high, 1 - low))


def test_the_accuracys_interval_by_hand():
    """Student's t of three subjects on the logit scale, with a jackknife and the subject that nobody saw."""
    hits, answers = np.array([1, 2, 1]), np.array([2, 2, 2])
    left = np.array([3 / 4, 2 / 4, 3 / 4])
    error = np.sqrt(2 / 3 * ((left - 4 / 6) ** 2).sum() + (clustered.UNSEEN_IN_SHARE / 3) ** 2)
    logit, reach = np.log(2), 4.302653 * error / (2 / 9)
    expected = [1 / (1 + np.exp(-(logit + side * reach))) for side in (-1, 1)]
    assert [float(end) for end in clustered.share_bounds(hits, answers)] == pytest.approx(expected)


def test_many_accuracies_at_once_are_those_one_by_one():
    rng = np.random.default_rng(7)
    answers = rng.integers(1, 6, (20, 9))
    hits = rng.binomial(answers, 0.9)
    hits[0] = answers[0]
    low, high = clustered.share_bounds(hits, answers)
    for row in range(20):
        assert (low[row], high[row]) == pytest.approx(
            tuple(map(float, clustered.share_bounds(hits[row], answers[row])))
        )
    assert high[0] == 1


# --- two models -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    first, subjects = drawn(1, subjects=12)
    second = first ^ (np.random.default_rng(2).random(len(first)) < 0.25)
    return first, second, subjects


def test_the_p_value_is_that_of_all_exchanges(pair):
    """Each of the 2^12 ways to exchange the models' answers subject by subject, counted."""
    first, second, subjects = pair
    gains = np.array([(first[subjects == who].astype(int) - second[subjects == who]).sum() for who in range(12)])
    sums = np.array(list(product((1, -1), repeat=12))) @ gains
    expected = (np.abs(sums) >= abs(gains.sum())).mean()
    found = clustered.compare_clustered(first, second, subjects)
    assert found["exchange_p"] == pytest.approx(expected, abs=1e-12)
    assert found["p_value"] >= found["exchange_p"]
    assert 0.01 < expected < 0.99  # the comparison above says something
    assert found["difference"] == pytest.approx(gains.sum() / len(first))
    assert (found["n"], found["n_subjects"]) == (len(first), 12)


def test_a_subject_whose_faces_all_agree_is_one_piece_of_evidence():
    """Forty faces of two subjects, all right by the first model alone: p is 1/2, however many faces there are."""
    subjects = np.repeat([0, 1], 20)
    found = clustered.compare_clustered(np.ones(40, bool), np.zeros(40, bool), subjects)
    assert (found["difference"], found["exchange_p"]) == (1, 0.5)
    assert (found["low"], found["high"]) == (-1, 1)  # with two subjects no difference can be excluded
    assert (found["only_first"], found["only_second"]) == (40, 0)


def test_more_frames_of_the_same_faces_are_no_news(pair):
    once = clustered.compare_clustered(*pair)
    often = clustered.compare_clustered(*(np.repeat(part, 10) for part in pair))
    for key in ("difference", "low", "high", "p_value", "n_subjects"):
        assert often[key] == pytest.approx(once[key]), key
    assert often["only_first"] == 10 * once["only_first"]


def test_the_comparison_is_antisymmetric(pair):
    first, second, subjects = pair
    one, other = (
        clustered.compare_clustered(first, second, subjects),
        clustered.compare_clustered(second, first, subjects),
    )
    assert (other["difference"], other["low"], other["high"]) == pytest.approx(
        (-one["difference"], -one["high"], -one["low"])
    )
    assert other["p_value"] == one["p_value"]


@pytest.mark.parametrize("subjects", [3, 6, 12, 20, 40])
def test_an_interval_excludes_0_exactly_if_its_p_value_is_below_0_05(subjects):
    rng, rejected = np.random.default_rng(subjects), 0
    for _ in range(40):
        shares = np.repeat(rng.beta(2, 0.5, (2, subjects)) * [[1], [0.75]], 3, axis=1)
        first, second = rng.random(shares.shape) < shares
        found = clustered.compare_clustered(first, second, np.repeat(np.arange(subjects), 3))
        assert found["low"] <= found["difference"] <= found["high"]
        assert (found["low"] <= 0 <= found["high"]) == (found["p_value"] >= 0.05)
        rejected += found["p_value"] < 0.05
    assert rejected == 0 if subjects < 6 else 0 < rejected < 40


def test_the_permutation_tests_ends_are_the_differences_that_it_just_does_not_reject():
    """Every subset of eight subjects, counted: one of 256 in forty may lie outside on each side."""
    rng = np.random.default_rng(3)
    gains, answers = rng.integers(-2, 4, 8), rng.integers(3, 6, 8)
    low, high = map(float, clustered.exchange_bounds(gains, answers))
    signs = np.array(list(product((1, -1), repeat=8)))

    def p_value(difference: float) -> float:
        left = gains - difference * answers
        return (np.abs(signs @ left) >= abs(left.sum()) - 1e-9).mean()

    for end, outwards in ((low, -1e-6), (high, 1e-6)):
        assert p_value(end) >= 0.05 > p_value(end + outwards)


def test_a_model_does_not_differ_from_itself(pair):
    first, _, subjects = pair
    found = clustered.compare_clustered(first, first, subjects)
    assert [found[key] for key in ("difference", "p_value")] == [0, 1]
    # as far as a share may be from 0 of which as many subjects as these showed nothing: z² / (n + z²)
    reach = 1.959964**2 / (len(set(subjects)) + 1.959964**2)
    assert (found["low"], found["high"]) == pytest.approx((-reach, reach), abs=1e-6)
    assert found["exchange_p"] == 1
    assert clustered.difference_between((first, subjects), (first, subjects)) == pytest.approx((0, -reach, reach))


def test_one_subject_says_little_of_others():
    alone = np.zeros(6, int)
    first, second = np.array([1, 1, 1, 1, 1, 0], bool), np.array([1, 1, 1, 0, 0, 0], bool)
    accuracy = clustered.clustered_accuracy(first, alone)
    assert accuracy.low < 0.2
    assert accuracy.high > 0.98
    found = clustered.compare_clustered(first, second, alone)
    assert found["difference"] == pytest.approx(1 / 3)
    assert found["high"] - found["low"] > 1.4


def test_p_values_of_equal_models_are_spread_evenly():
    """Two models of equal skill: one in twenty comparisons is below 0.05, not more."""
    values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        shares = np.repeat(rng.beta(1.4, 0.6, (2, 30)), 4, axis=1)
        first, second = rng.random((2, 120)) < shares
        values.append(clustered.compare_clustered(first, second, np.repeat(np.arange(30), 4))["p_value"])
    assert (np.array(values) < 0.05).mean() < 0.09
    assert 0.4 < np.mean(values) < 0.62


def test_pairing_sees_what_two_intervals_do_not():
    correct, subjects = drawn(3, subjects=100)
    better = correct.copy()
    better[np.flatnonzero(~correct)[::8]] = True
    found = clustered.compare_clustered(better, correct, subjects)
    assert found["low"] > 0
    assert found["p_value"] < 0.001
    one, other = (clustered.clustered_accuracy(answers, subjects) for answers in (better, correct))
    assert one.low < other.high


# --- two accuracies over different faces ------------------------------------------------------------------------------


def test_the_difference_over_the_same_faces_is_the_paired_one(pair):
    first, second, subjects = pair
    found = clustered.difference_between((first, subjects), (second, subjects))
    paired = clustered.compare_clustered(first, second, subjects)
    assert found.value == pytest.approx(paired["difference"])
    # the paired interval contains that of the permutation test as well
    assert paired["low"] <= found.low + 1e-12
    assert found.high <= paired["high"] + 1e-12
    assert found.low == pytest.approx(paired["low"]) or found.high == pytest.approx(paired["high"])


def test_the_difference_over_other_faces_of_other_subjects():
    (first, subjects), (second, others) = drawn(4), drawn(5, subjects=40)
    found = clustered.difference_between((first, subjects), (second, others + 30))
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.low < found.value < found.high
    widths = [np.ptp(clustered.clustered_accuracy(*one)[1:]) for one in ((first, subjects), (second, others))]
    assert max(widths) < found.high - found.low < 1.2 * sum(widths)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "groups", "words"),
    [
        (np.ones(3, bool), np.zeros(4, int), r"shape \(1, 3\), subjects \(4,\)"),
        (np.ones((2, 2, 2), bool), np.zeros(2, int), "expected"),
        (np.ones(0, bool), np.zeros(0, int), "no faces"),
        (np.ones(2, bool), np.array(["a", None], object), "no subject"),
        (np.array([0.5, 1.0]), np.zeros(2, int), "right .* or wrong"),
    ],
)
def test_answers_that_cannot_be_counted_are_refused(correct, groups, words):
    with pytest.raises(ValueError, match=words):
        clustered.clustered_accuracy(correct, groups)


def test_models_of_other_faces_cannot_be_paired(pair):
    first, second, subjects = pair
    with pytest.raises(ValueError, match="expected the same"):
        clustered.compare_clustered(first, second[:-1], subjects)
