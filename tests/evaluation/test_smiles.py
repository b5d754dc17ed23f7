"""Test ROC areas against independent ones and against printed ones, and the scores of smile detection."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from fer_lib.evaluation import smiles


def leaning(count: int, *, skill: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that lean to the label by ``skill``, and the labels, of which 54 in 100 are smiles."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.54
    return rng.normal(0, 1, count) + skill * labels, labels


def test_area_is_what_sklearn_computes_ties_included():
    values, labels = leaning(500)
    for given_scores in (values, np.round(values), -values):
        found = smiles.roc_auc(given_scores, labels)
        assert found["value"] == pytest.approx(metrics.roc_auc_score(labels, given_scores))
        assert found["low"] < found["value"] < found["high"]
        assert found["n"] == 500


def test_delongs_variance_by_hand():
    """Positives 1, 3, 4 and negatives 0, 2: shares below 1/2, 1, 1; above 1, 2/3; variances 1/12 / 3 and 1/18 / 2."""
    found = smiles.roc_auc(np.array([1.0, 3, 4, 0, 2]), np.array([1, 1, 1, 0, 0]))
    assert found["value"] == pytest.approx(5 / 6)
    spread = 1.959964 * np.sqrt(1 / 36 + 1 / 36) / (5 / 36)
    logit = np.log(5)
    expected = [1 / (1 + np.exp(-(logit + sign * spread))) for sign in (-1, 1)]
    assert [found["low"], found["high"]] == pytest.approx(expected, abs=1e-6)


def delong_by_definition(found: list[int], passed: list[int]) -> tuple[Fraction, Fraction]:
    """The area and its variance from all pairs (DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845)."""
    wins = [[Fraction(int(a > b)) + Fraction(int(a == b), 2) for b in passed] for a in found]
    below = [sum(row) / len(passed) for row in wins]
    above = [sum(column) / len(found) for column in zip(*wins, strict=True)]
    area = sum(below) / len(found)
    parts = [sum((share - area) ** 2 for share in part) / (len(part) - 1) / len(part) for part in (below, above)]
    return area, sum(parts)


def test_area_and_standard_error_of_hanley_and_mcneils_readings():
    """Hanley and McNeil, Radiology 143 (1982) 29-36, Table I: 109 computed tomographic images rated in five steps.

    The paper gives an area of 0.893. Stata's manual ("roctab") gives for the same readings, by DeLong's method, an area
    of 0.8932, a standard error of 0.0307 and a plain 95 % interval from 0.83295 to 0.95339.
    """
    normal, abnormal = ([step for step, count in enumerate(counts) for _ in range(count)]
                        for counts in ((33, 6, 6, 11, 2), (3, 2, 2, 11, 33)))  # fmt: skip
    area, variance = delong_by_definition(abnormal, normal)
    error = float(variance) ** 0.5
    assert (round(float(area), 4), round(error, 4)) == (0.8932, 0.0307)
    plain = float(area) + np.array([-1, 1]) * stats.norm.ppf(0.975) * error
    assert plain.round(5).tolist() == [0.83295, 0.95339]
    found = smiles.roc_auc(np.array([*abnormal, *normal], float), np.arange(109) < 51)
    assert found["value"] == pytest.approx(float(area), abs=1e-12)
    logits = np.log([found[bound] / (1 - found[bound]) for bound in ("low", "value", "high")])
    of_the_logit = error / float(area * (1 - area))  # by the delta method
    np.testing.assert_allclose(np.diff(logits), stats.norm.ppf(0.975) * of_the_logit)


def test_95_in_100_intervals_hold_the_true_area():
    true = stats.norm.cdf(1.5 / np.sqrt(2))
    found = [smiles.roc_auc(*leaning(120, skill=1.5, seed=seed)) for seed in range(400)]
    held = np.mean([one["low"] <= true <= one["high"] for one in found])
    assert 0.92 <= held <= 0.98


def test_no_mistake_is_not_certainty_and_one_class_has_no_area():
    perfect = smiles.roc_auc(np.array([0.0, 1, 2, 3]), np.array([0, 0, 1, 1]))
    assert (perfect["value"], perfect["high"]) == (1, 1)
    assert perfect["low"] == pytest.approx(0.342380, abs=1e-6)  # 2 / (2 + z²)
    alone = smiles.roc_auc(np.array([0.0, 1]), np.array([1, 1]))
    assert np.isnan([alone["value"], alone["low"], alone["high"]]).all()


def test_an_area_by_a_single_positive_is_hardly_known():
    scores, labels = np.arange(101.0), np.arange(101) == 90
    for found in (smiles.roc_auc(scores, labels), smiles.roc_auc(-scores, ~labels)):
        assert found["value"] == pytest.approx(0.9)
        assert found["low"] < 0.25
        assert found["high"] > 0.95


def test_roc_curve_runs_from_corner_to_corner_and_has_the_area():
    values, labels = leaning(300)
    curve = smiles.roc_curve(values, labels)
    assert curve.iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(smiles.roc_auc(values, labels)["value"])


def test_pose_terciles_are_thirds_of_the_turn_to_either_side():
    yaw = np.radians([-30.0, -20, -2, 0, 1, 3, 10, 12, 40, np.nan])
    thirds = smiles.pose_terciles(yaw)
    assert thirds.codes.tolist() == [2, 2, 0, 0, 0, 1, 1, 1, 2, -1]
    assert list(thirds.categories) == ["yaw to 2.7°", "yaw 2.7° to 14.7°", "yaw above 14.7°"]
    assert not any("|" in name for name in thirds.categories)  # which would end a cell of a Markdown table


def test_smile_scores_of_all_photos_and_of_each_group():
    values, labels = leaning(600)
    groups = np.where(np.arange(600) < 200, "near", "far")
    found = smiles.smile_scores(values - 0.5, labels, groups).set_index("group")
    assert list(found.index) == ["all", "far", "near"]
    assert found["photos"].to_list() == [600, 400, 200]
    for name, inside in {"all": np.ones(600, bool), "near": groups == "near"}.items():
        right = int(((values > 0.5) == labels)[inside].sum())
        wilson = stats.binomtest(right, int(inside.sum())).proportion_ci(method="wilson")
        cells = found.loc[name, ["accuracy", "accuracy_low", "accuracy_high"]].to_list()
        assert cells == pytest.approx([right / inside.sum(), wilson.low, wilson.high])
        assert found.loc[name, "auc"] == pytest.approx(metrics.roc_auc_score(labels[inside], values[inside]))
        assert found.loc[name, "smiles"] == labels[inside].sum()


def test_a_smile_is_a_margin_above_zero():
    margins, labels = np.array([0.4, 0.1, 0.0, -0.4]), np.array([1, 0, 1, 0])
    found = smiles.smile_scores(margins, labels, np.array(["near"] * 4)).iloc[0]
    assert found["accuracy"] == pytest.approx(2 / 4)
    area = smiles.roc_auc(margins, labels)
    assert found[["auc", "auc_low", "auc_high"]].to_list() == [area["value"], area["low"], area["high"]]
    assert 0 < area["low"] < area["value"] == 0.75 < area["high"] < 1
    assert smiles.roc_auc(margins, np.ones(4))["n"] == 4  # no area where nobody is serious


@pytest.mark.parametrize(
    ("values", "labels", "words"),
    [
        (np.zeros(2), np.zeros(3), r"shape \(2,\), labels \(3,\)"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "expected"),
        (np.array([]), np.array([]), "no photos"),
        (np.array([0.0, np.nan]), np.array([0, 1]), "not a number"),
    ],
)
def test_smiles_that_cannot_be_scored_are_refused(values, labels, words):
    with pytest.raises(ValueError, match=words):
        smiles.roc_auc(values, labels)
    with pytest.raises(ValueError, match=words):
        smiles.smile_scores(values, labels, np.zeros(len(values)))
