"""Test metrics against independent ones, intervals against hand-computed ones, and binary accuracy's parts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from fer_lib.backend import keras
from fer_lib.evaluation import metrics as evaluation

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TRAINING_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # of FER-2013
PRIVATE_TEST_COUNTS = (491, 55, 528, 879, 594, 416, 626)


def guesses(count: int, *, skill: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Softmax outputs that lean to the true class by ``skill`` logits, and the labels of unequal classes."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(7, count, p=np.array(TRAINING_COUNTS) / sum(TRAINING_COUNTS))
    logits = rng.normal(0, 1.5, (count, 7))
    logits[np.arange(count), labels] += skill
    return softmax(logits), labels


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def certain(*predicted: int, classes: int = 3, confidence: float = 0.9) -> np.ndarray:
    """Outputs that give ``confidence`` to the class named and share out the rest."""
    rest = (1 - confidence) / (classes - 1)
    return np.full((len(predicted), classes), rest) + (confidence - rest) * np.eye(classes)[list(predicted)]


def scores(probabilities, labels, names=CLASSES) -> pd.DataFrame:
    return evaluation.score(probabilities, labels, names).set_index("metric")


@pytest.fixture(scope="module")
def guessed():
    return guesses(700)


@pytest.fixture(scope="module")
def scored(guessed):
    return scores(*guessed)


@st.composite
def outputs_and_labels(draw, classes=(2, 8)):
    count, width = draw(st.integers(1, 25)), draw(st.integers(*classes))
    seed, spread = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.3, 2.0, 8.0]))
    rng = np.random.default_rng(seed)
    return softmax(rng.normal(0, spread, (count, width))), rng.integers(0, width, count)


# --- values -----------------------------------------------------------------------------------------------------------


def test_accuracies_and_loss_are_what_keras_computes(guessed, scored):
    probabilities, labels = guessed
    truth = np.eye(7, dtype=np.float32)[labels]
    for metric, own in [
        ("categorical_accuracy", keras.metrics.CategoricalAccuracy()),
        ("binary_accuracy", keras.metrics.BinaryAccuracy()),
        ("loss", keras.metrics.CategoricalCrossentropy()),
    ]:
        own.update_state(truth, probabilities.astype(np.float32))
        assert scored.loc[metric, "value"] == pytest.approx(float(own.result()), abs=2e-6), metric


def test_f1_balanced_accuracy_and_recalls_are_what_sklearn_computes(guessed, scored):
    probabilities, labels = guessed
    predicted = probabilities.argmax(axis=1)
    assert scored.loc["macro_f1", "value"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert scored.loc["balanced_accuracy", "value"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    recalls = metrics.recall_score(labels, predicted, average=None)
    np.testing.assert_allclose(scored.loc[[f"recall_{name}" for name in CLASSES], "value"], recalls)


def test_every_metric_says_how_many_faces_and_which_interval(guessed, scored):
    counts = np.bincount(guessed[1], minlength=7)
    assert list(scored.loc[[f"recall_{name}" for name in CLASSES], "n"]) == counts.tolist()
    assert set(scored["n"].iloc[:5]) == {700}
    kinds = {"loss": "bootstrap", "categorical_accuracy": "wilson", "binary_accuracy": "bootstrap"}
    assert {metric: scored.loc[metric, "interval"] for metric in kinds} == kinds
    assert scored.loc["recall_happy", "interval"] == "wilson"


def test_a_class_without_faces_has_no_recall_and_does_not_count():
    labels, probabilities = np.array([0, 0, 1, 1]), certain(0, 0, 1, 0)
    result = scores(probabilities, labels, ("a", "b", "c"))
    assert np.isnan(result.loc["recall_c", ["value", "low", "high"]].to_numpy(float)).all()
    assert result.loc["recall_c", "n"] == 0
    assert result.loc["balanced_accuracy", "value"] == pytest.approx((1 + 0.5) / 2)
    assert result.loc["macro_f1", "value"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_loss_of_an_impossible_truth_is_finite_and_keras_own():
    probabilities, labels = np.array([[1.0, 0.0], [0.25, 0.75]]), np.array([1, 1])
    losses = evaluation.cross_entropies(probabilities, labels)
    np.testing.assert_allclose(losses, [-np.log(keras.config.epsilon()), -np.log(0.75)])


def test_shuffled_labels_lower_the_accuracy_to_chance():
    probabilities, labels = guesses(3000, skill=3)
    shuffled = np.random.default_rng(1).permutation(labels)
    right, wrong = (scores(probabilities, truth).loc["categorical_accuracy"] for truth in (labels, shuffled))
    assert wrong["high"] < right["low"]
    shares = np.bincount(labels, minlength=7) * np.bincount(probabilities.argmax(axis=1), minlength=7) / 3000**2
    assert wrong["low"] < shares.sum() < wrong["high"]


# --- intervals --------------------------------------------------------------------------------------------------------


def test_wilson_interval_of_eight_in_ten_by_hand():
    result = scores(certain(*[0] * 10), np.array([0] * 8 + [1] * 2), ("a", "b", "c")).loc["categorical_accuracy"]
    # z = 1.959964: (0.8 + z²/20 ± z·sqrt(0.016 + z²/400)) / (1 + z²/10)
    assert (result["value"], result["low"], result["high"]) == pytest.approx((0.8, 0.490163, 0.943317), abs=1e-6)


def test_wilson_intervals_stay_within_0_and_1():
    none = scores(certain(*[0] * 5), np.ones(5, int), ("a", "b", "c")).loc["categorical_accuracy"]
    assert (none["value"], none["low"]) == (0, pytest.approx(0, abs=1e-12))
    assert none["high"] == pytest.approx(0.434482, abs=1e-6)  # z² / (5 + z²)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_of_newcombe_1998(hits, count, low, high):
    """Newcombe, Statistics in Medicine 17 (1998) 857-872, Table I: the score method without continuity correction."""
    outputs, labels = certain(*[0] * count), np.array([0] * hits + [1] * (count - hits))
    found = scores(outputs, labels, ("a", "b", "c")).loc["categorical_accuracy"]
    assert [round(found[bound], 4) for bound in ("low", "high")] == [low, high]
    own = proportion_confint(hits, count, method="wilson")
    np.testing.assert_allclose([found["low"], found["high"]], own, atol=1e-12)


def test_every_interval_holds_its_value(scored):
    assert (scored["low"] < scored["value"]).all()
    assert (scored["value"] < scored["high"]).all()


def test_bootstrap_interval_of_the_loss_is_the_normal_one_for_many_faces():
    probabilities, labels = guesses(4000, seed=2)
    losses = evaluation.cross_entropies(probabilities, labels)
    expected = losses.mean() + np.array([-1.96, 1.96]) * losses.std(ddof=1) / np.sqrt(4000)
    found = scores(probabilities, labels).loc["loss", ["low", "high"]].to_numpy(float)
    np.testing.assert_allclose(found, expected, atol=0.1 * np.ptp(expected))


def test_classes_keep_their_sizes_in_the_bootstrap():
    """A class of one face, got right: no resample may lose it, or the mean over classes would jump."""
    labels = np.array([0] * 50 + [1])
    result = scores(certain(*[0] * 50, 1), labels, ("a", "b", "c"))
    for metric in ("balanced_accuracy", "macro_f1"):
        assert result.loc[metric, ["value", "low", "high"]].to_list() == [1, 1, 1]
    half = scores(certain(*[0] * 25, *[2] * 25, 1), labels, ("a", "b", "c")).loc["balanced_accuracy"]
    assert half["value"] == pytest.approx(0.75)
    assert (half["low"], half["high"]) == pytest.approx((0.75 - 0.07, 0.75 + 0.07), abs=0.015)  # 1.96·√(¼/50)/2


def test_intervals_narrow_with_the_root_of_the_faces():
    wide, narrow = (scores(*guesses(count, seed=3)) for count in (300, 4800))
    for metric in ("loss", "categorical_accuracy", "binary_accuracy", "macro_f1", "balanced_accuracy"):
        ratio = np.ptp(wide.loc[metric, ["low", "high"]]) / np.ptp(narrow.loc[metric, ["low", "high"]])
        assert 2.5 < ratio < 6, metric


def test_intervals_are_the_same_each_time(guessed, scored):
    pd.testing.assert_frame_equal(scores(*guessed), scored)


# --- class priors and binary accuracy ---------------------------------------------------------------------------------


def test_class_priors_on_the_real_counts_of_fer2013():
    training, testing = (np.repeat(np.arange(7), counts) for counts in (TRAINING_COUNTS, PRIVATE_TEST_COUNTS))
    priors = evaluation.class_priors(training, len(testing))
    assert priors.shape == (3589, 7)
    np.testing.assert_allclose(priors[0] * 28709, TRAINING_COUNTS)
    result = scores(priors, testing)
    assert round(100 * result.loc["categorical_accuracy", "value"], 2) == 24.49
    assert result.loc["binary_accuracy", "value"] == pytest.approx(6 / 7, abs=1e-12)
    assert result.loc["binary_accuracy", "low"] == result.loc["binary_accuracy", "high"]
    assert f"{result.loc['binary_accuracy', 'value']:.4f}" == "0.8571"  # what the paper prints
    assert round(result.loc["loss", "value"], 3) == 1.815


@settings(max_examples=150, deadline=None)
@given(outputs_and_labels())
def test_sureness_accounts_for_binary_accuracy(pair):
    probabilities, labels = pair
    found = evaluation.sureness(probabilities, labels)
    assert found["binary_accuracy"] == pytest.approx(evaluation.binary_hits(probabilities, labels).mean(), abs=1e-12)
    assert found["sure_right"] + found["sure_wrong"] == (probabilities > 0.5).any(axis=1).sum()


@settings(max_examples=100, deadline=None)
@given(outputs_and_labels(classes=(7, 7)))
def test_a_softmax_of_seven_never_scores_under_five_sevenths(pair):
    hits = evaluation.binary_hits(*pair).mean(axis=1)
    assert hits.min() >= 5 / 7 - 1e-12


def test_the_worst_softmax_scores_exactly_five_sevenths_and_the_best_one():
    sure = certain(0, 1, 2, classes=7)
    assert evaluation.binary_hits(sure, np.array([1, 2, 3])).mean() == pytest.approx(5 / 7)
    assert evaluation.binary_hits(sure, np.array([0, 1, 2])).all()


def test_exactly_one_half_is_a_no_as_keras_counts():
    probabilities, labels = np.array([[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]], np.float32), np.array([0, 1, 0])
    assert evaluation.binary_hits(probabilities, labels).tolist() == [[False, True], [True, False], [True, True]]
    own = keras.metrics.BinaryAccuracy()
    own.update_state(np.eye(2, dtype=np.float32)[labels], probabilities)
    assert evaluation.binary_hits(probabilities, labels).mean() == pytest.approx(float(own.result()))


def test_sureness_of_a_constructed_case():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    found = evaluation.sureness(probabilities, np.array([0, 1, 0, 2]))  # exactly 0.5 is not sure
    assert found == {
        "faces": 4,
        "sure_right": 2,
        "sure_wrong": 1,
        "largest_output": 0.8,
        "binary_accuracy": pytest.approx(2 / 3 + 1 / 12),
    }


# --- confusion, calibration -------------------------------------------------------------------------------------------


def test_confusion_has_true_rows_and_predicted_columns():
    cells = evaluation.confusion(certain(0, 1, 1, 0), np.array([0, 0, 1, 1]), ("a", "b", "c"))
    assert (cells.index.name, cells.columns.name) == ("true", "predicted")
    assert cells.to_numpy().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    one_wrong = evaluation.confusion(certain(2), np.array([0]), ("a", "b", "c"))
    assert one_wrong.loc["a", "c"] == 1


def test_reliability_and_its_error_on_a_constructed_case():
    sure, unsure = certain(0, 0, 0, 0, confidence=0.95), certain(1, 1, confidence=0.55)
    labels = np.array([0, 0, 0, 2, 1, 2])
    curve = evaluation.reliability(np.concatenate([sure, unsure]), labels)
    np.testing.assert_allclose(curve[["confidence", "accuracy", "faces"]], [[0.55, 0.5, 2], [0.95, 0.75, 4]])
    wilson = stats.binomtest(3, 4).proportion_ci(method="wilson")
    np.testing.assert_allclose(curve.loc[1, ["low", "high"]].to_numpy(float), [wilson.low, wilson.high])
    assert evaluation.calibration_error(curve) == pytest.approx((2 * 0.05 + 4 * 0.2) / 6)


def test_a_bin_holds_its_upper_edge_and_the_last_holds_1():
    at_edge, above = [0.5, 0.3, 0.2], [0.5001, 0.3, 0.1999]
    curve = evaluation.reliability(np.array([at_edge, above, [1.0, 0.0, 0.0]]), np.zeros(3, int))
    assert list(curve["confidence"]) == [0.5, 0.5001, 1.0]
    assert list(evaluation.reliability(np.array([at_edge, [0.45, 0.3, 0.25]]), np.zeros(2, int))["faces"]) == [2]


def test_reliability_holds_each_face_in_the_bin_of_its_confidence(guessed):
    outputs, labels = guessed
    largest, right = outputs.max(axis=1), outputs.argmax(axis=1) == labels
    inside = [(largest > place / 10) & (largest <= (place + 1) / 10) for place in range(10)]
    rows = [(largest[each].mean(), right[each].mean(), each.sum()) for each in inside if each.any()]
    curve = evaluation.reliability(outputs, labels)
    np.testing.assert_allclose(curve[["confidence", "accuracy", "faces"]], rows)
    assert evaluation.reliability(np.full((3, 20), 0.05), np.zeros(3, int))["faces"].to_list() == [3]  # the first bin


def test_every_score_says_of_how_many_faces_it_is_and_what_its_interval_is(scored, guessed):
    _, labels = guessed
    overall = {"loss": "bootstrap", "macro_f1": "bootstrap", "balanced_accuracy": "bootstrap"}
    overall |= {"categorical_accuracy": "wilson", "binary_accuracy": "bootstrap"}
    assert scored.loc[list(overall), "interval"].to_dict() == overall
    assert set(scored.loc[list(overall), "n"]) == {len(labels)}
    recalls = scored[scored.index.str.startswith("recall_")]
    assert set(recalls["interval"]) == {"wilson"}
    assert recalls["n"].to_list() == np.bincount(labels, minlength=7).tolist()
    alike = scores(np.tile(certain(0, classes=7), (9, 1)), np.zeros(9, int))  # nothing varies
    assert alike.loc["loss", "interval"] == "bootstrap"


# --- paired comparison ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paired():
    """Two models on 40 faces of class 0: 20 both right, 10 both wrong, 8 right by the first only, 2 by the second."""
    first = certain(*[0] * 20, *[1] * 10, *[0] * 8, *[1] * 2)
    second = certain(*[0] * 20, *[2] * 10, *[1] * 8, *[0] * 2)
    return first, second, np.zeros(40, int)


def test_mcnemar_by_hand(paired):
    found = evaluation.compare_paired(*paired)
    assert (found["only_first"], found["only_second"]) == (8, 2)
    assert found["difference"] == pytest.approx(6 / 40)
    assert found["p_value"] == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert found["low"] < 6 / 40 < found["high"]


def test_mcnemar_of_fagerland_lydersen_and_laake_2013():
    """BMC Medical Research Methodology 13:91, Table 1: airways of 21 children before and after transplantation.

    Of them 1 is hyper-responsive both times, 1 before alone, 7 after alone, 12 never. The exact conditional test gives
    p = 0.070: twice the chance of at most one head in eight tosses.
    """
    first = certain(0, 0, *[1] * 7, *[1] * 12)
    second = certain(0, 1, *[0] * 7, *[1] * 12)
    found = evaluation.compare_paired(first, second, np.zeros(21, int))
    assert (found["only_first"], found["only_second"]) == (1, 7)
    assert found["p_value"] == pytest.approx(float(2 * Fraction(1 + 8, 2**8)))
    assert round(found["p_value"], 3) == 0.070


def test_mcnemar_of_equally_many_on_both_sides_is_1():
    """The two tails then overlap: twice one of them is more than 1."""
    found = evaluation.compare_paired(certain(0, 0, 1, 1), certain(1, 1, 0, 0), np.zeros(4, int))
    assert found["p_value"] == 1


def test_the_comparison_is_antisymmetric(paired):
    first, second, labels = paired
    one, other = evaluation.compare_paired(first, second, labels), evaluation.compare_paired(second, first, labels)
    assert other["difference"] == pytest.approx(-one["difference"])
    assert (other["low"], other["high"]) == (pytest.approx(-one["high"]), pytest.approx(-one["low"]))
    assert (other["only_first"], other["only_second"]) == (2, 8)
    assert other["p_value"] == pytest.approx(one["p_value"])


def test_a_model_does_not_differ_from_itself(paired):
    first, _, labels = paired
    found = evaluation.compare_paired(first, first, labels)
    assert found == {"difference": 0, "low": 0, "high": 0, "only_first": 0, "only_second": 0, "p_value": 1}


def test_pairing_sees_more_than_two_separate_intervals():
    """Two models that err on the same faces but 15: the paired interval leaves out 0, the Wilson ones overlap."""
    labels = np.zeros(1000, int)
    first, second = certain(*[0] * 630, *[1] * 370), certain(*[0] * 615, *[1] * 385)
    found = evaluation.compare_paired(first, second, labels)
    assert found["low"] > 0
    assert found["p_value"] < 0.001
    alone = [scores(outputs, labels, ("a", "b", "c")).loc["categorical_accuracy"] for outputs in (first, second)]
    assert alone[0]["low"] < alone[1]["high"]


# --- several comparisons ----------------------------------------------------------------------------------------------


def by_definition(p_values: list[Fraction]) -> list[Fraction]:
    """Holm 1979 (Scandinavian Journal of Statistics 6, 65-70), in exact numbers: the k-th smallest of K hypotheses is
    rejected where it and each smaller one is at most alpha / (K - k + 1); the adjusted p is the smallest such alpha."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [Fraction(0)] * len(p_values), Fraction(0)
    for rank, place in enumerate(order):
        largest = max(largest, (len(order) - rank) * p_values[place])
        adjusted[place] = min(Fraction(1), largest)
    return adjusted


def test_holm_of_the_textbook_example():
    """Wikipedia, "Holm-Bonferroni method", Example: of p = 0.01, 0.04, 0.03 and 0.005, at 0.05 the first and the last
    are rejected. By hand: 4 x 0.005 = 0.02, 3 x 0.01 = 0.03, 2 x 0.03 = 0.06, and 0.04 may not be below that."""
    found = evaluation.holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    assert (found <= 0.05).tolist() == [True, False, False, True]


@settings(max_examples=8, deadline=None)  # the library takes some hundredths of a second a call
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=7))
def test_holm_is_its_definition_in_exact_numbers(thousandths):
    exact = by_definition([Fraction(value, 1000) for value in thousandths])
    np.testing.assert_allclose(
        evaluation.holm(np.array(thousandths) / 1000), [float(value) for value in exact], atol=1e-12
    )


def test_holm_leaves_rows_without_a_test_alone():
    np.testing.assert_allclose(evaluation.holm([np.nan, 0.02, np.nan, 0.03]), [np.nan, 0.04, np.nan, 0.04])
    assert evaluation.holm([0.3]).tolist() == [0.3]
    assert np.isnan(evaluation.holm([np.nan])).all()
    assert evaluation.holm([]).shape == (0,)
    given_values = np.array([0.02, 0.03])
    evaluation.holm(given_values)
    assert given_values.tolist() == [0.02, 0.03]


# --- errors, history --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        (np.full((2, 3), np.nan), np.zeros(2, int), "not a number"),
        (np.array([[np.inf, 0, 0]]), np.zeros(1, int), "not a number"),
        (np.ones((2, 3)) / 3, np.zeros(3, int), r"shape \(2, 3\); expected \(3, 3\)"),
        (np.ones((2, 4)) / 4, np.zeros(2, int), r"shape \(2, 4\); expected \(2, 3\)"),
        (np.ones(3), np.zeros(3, int), r"shape \(3,\)"),
        (np.ones((0, 3)), np.zeros(0, int), "no faces"),
    ],
)
def test_outputs_that_cannot_be_scored_are_refused(probabilities, labels, words):
    with pytest.raises(ValueError, match=words):
        evaluation.score(probabilities, labels, ("a", "b", "c"))
    with pytest.raises(ValueError, match=words):
        evaluation.confusion(probabilities, labels, ("a", "b", "c"))


def test_models_of_other_faces_cannot_be_paired(paired):
    first, second, labels = paired
    with pytest.raises(ValueError, match="shape"):
        evaluation.compare_paired(first, second[:-1], labels)
    with pytest.raises(ValueError, match="not a number"):
        evaluation.compare_paired(first, second * np.nan, labels)


def test_history_scores_are_the_last_epochs_without_intervals():
    history = pd.DataFrame(
        {"epoch": [1, 2], "loss": [2.0, 1.5], "categorical_accuracy": [0.2, 0.4], "binary_accuracy": [0.84, 0.86]}
    ).assign(val_loss=9.0)
    result = evaluation.history_scores(history).set_index("metric")
    assert result["value"].to_dict() == {"loss": 1.5, "categorical_accuracy": 0.4, "binary_accuracy": 0.86}
    assert result[["low", "high"]].isna().all(axis=None)
    assert set(result["interval"]) == {"none: fit's last epoch"}
    assert list(evaluation.history_scores(history).columns) == list(scores(*guesses(20)).reset_index().columns)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 7), (7, 7), (2_050, 3_589)])
def test_wilsons_interval_is_scipys(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert evaluation.wilson(hits, n) == pytest.approx(tuple(expected), abs=1e-12)
    assert 0 <= evaluation.wilson(hits, n)[0] <= evaluation.wilson(hits, n)[1] <= 1


def test_a_unit_is_active_that_any_face_sets_off():
    units = np.array([[0.0, 0.2, 0.0], [0.0, 0.0, 1e-9]])
    assert evaluation.active_units(units) == {"units": 3, "active": 2}


# --- several seeds ----------------------------------------------------------------------------------------------------


def test_the_interval_of_a_mean_over_seeds_by_hand():
    """Student's t of three seeds (4.302653) squared and added to the mean distance of their own ends."""
    values, low, high = np.array([1.0, 1.1, 1.5]), np.array([0.8, 1.0, 1.2]), np.array([1.1, 1.3, 1.8])
    spread = 4.302653 * values.std(ddof=1) / np.sqrt(3)
    found = evaluation.mean_over_seeds(values, low, high)
    assert found == pytest.approx((1.2 - np.hypot(spread, 0.2), 1.2 + np.hypot(spread, 0.2)))
    table = np.stack([values, values + 1]), np.stack([low, low + 1]), np.stack([high, high + 1])
    ends = evaluation.mean_over_seeds(*table, axis=1)
    np.testing.assert_allclose(ends, [[found[0], found[0] + 1], [found[1], found[1] + 1]])


def test_the_interval_of_a_mean_share_stays_inside_0_and_1_and_is_a_seeds_own_if_all_agree():
    low, high = evaluation.mean_over_seeds([0.97, 0.99], [0.96, 0.98], [0.98, 0.995], share=True)
    assert 0 < low < 0.98 < high < 1
    alike = evaluation.mean_over_seeds([0.9] * 3, [0.85] * 3, [0.93] * 3, share=True)
    assert alike == pytest.approx((0.85, 0.93))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 400))
def test_a_paired_interval_excludes_0_exactly_if_mcnemars_p_is_below_0_05(only_first, only_second, neither):
    labels = np.zeros(only_first + only_second + neither, int)
    if not len(labels):
        return
    first = certain(*[0] * only_first, *[1] * only_second, *[1] * neither)
    second = certain(*[1] * only_first, *[0] * only_second, *[2] * neither)
    found = evaluation.compare_paired(first, second, labels)
    assert found["low"] <= found["difference"] + 1e-12
    assert found["difference"] <= found["high"] + 1e-12
    assert (found["low"] <= 0 <= found["high"]) == (found["p_value"] >= 0.05)
