"""Test how the scores of several fine-tunings are put together in the report."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fer_lib.evaluation import metrics
from fer_lib.report import liu2023, liu2023_seeds
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.tables import liu2023 as liu2023_tables

OWN, SOFTMAX = "resnet50_svm_rbf", "resnet50_softmax"
SEEDS = (0, 1, 2)


def around(value: float, *names: str) -> dict[str, float]:
    return dict(zip(names, (value, value - 0.05, value + 0.04), strict=True))


def frames_of(seed: int) -> dict[str, pd.DataFrame]:
    """All frames of one seed; each seed is two points better than the one before."""
    better = 0.02 * seed
    wheres = [("per class", "frames"), ("per class", "subjects"), ("folds", "subjects")]
    scores = [
        {"protocol": protocol, "separation": separation, "classifier": name, "draws": 5, "faces": 420, "wrong": 40}
        | {"accuracy_min": 0.5, "accuracy_max": 0.9}
        | around(level + better, "accuracy", "low", "high")
        for protocol, separation in wheres
        for name, level in ((OWN, 0.8), (SOFTMAX, 0.7), ("resnet50_svm_linear", 0.6))
    ]
    gains = [
        {"protocol": protocol, "separation": separation, "p_value": 0.04}
        | around(0.01 + better, "difference", "low", "high")
        for protocol, separation in wheres
    ]
    gap = dict.fromkeys(("difference", "difference_low", "difference_high", "p_value"), np.nan)
    whole = [
        {"model": SOFTMAX, "faces": 100, "wrong": 50, **around(0.5, "accuracy", "low", "high"), **gap},
        {"model": OWN, "faces": 100, "wrong": 50, **around(0.5 + better, "accuracy", "low", "high"), "p_value": 0.2}
        | around(better, "difference", "difference_low", "difference_high"),
    ]
    smiles = [
        {"model": "CK+", "group": group, "photos": 9, "smiles": 5}
        | around(0.7 + better, "accuracy", "accuracy_low", "accuracy_high")
        | around(0.8 + better, "auc", "auc_low", "auc_high")
        for group in ("all", "yaw to 4.1°")
    ]
    return {
        name: pd.DataFrame(rows)
        for name, rows in zip(liu2023_seeds.FRAMES, (scores, gains, whole, smiles), strict=True)
    }


def by_seed(name: str) -> dict[int, pd.DataFrame]:
    return {seed: frames_of(seed)[name] for seed in SEEDS}


@pytest.mark.parametrize("name", liu2023_seeds.FRAMES)
def test_each_score_is_the_mean_over_seeds_with_its_own_interval(name):
    means = liu2023_seeds.mean(by_seed(name), name)
    first = frames_of(0)[name]
    assert list(means) == [column for column in first if column != "p_value"]  # of one seed alone
    keys, scores = liu2023_seeds.FRAMES[name]
    assert means[keys].to_numpy().tolist() == first[keys].to_numpy().tolist()
    for score in scores:
        stacked = [np.array([frames_of(seed)[name][column].iloc[-1] for seed in SEEDS])
                   for column in (score.value, score.low, score.high)]  # fmt: skip
        last = means.iloc[-1]
        assert last[score.value] == pytest.approx(stacked[0].mean())
        assert (last[score.low], last[score.high]) == pytest.approx(
            metrics.mean_over_seeds(*stacked, share=score.share)
        )


def test_a_single_seed_stays_as_it_is():
    pd.testing.assert_frame_equal(liu2023_seeds.mean({4: frames_of(0)["scores"]}, "scores"), frames_of(0)["scores"])


def test_seeds_whose_rows_are_in_another_order_are_matched_by_name():
    frames = by_seed("scores")
    frames[1] = frames[1].iloc[::-1]
    pd.testing.assert_frame_equal(liu2023_seeds.mean(frames, "scores"), liu2023_seeds.mean(by_seed("scores"), "scores"))


def test_the_table_shows_every_seed_and_the_mean():
    table = liu2023_seeds.table({name: by_seed(name) for name in liu2023_seeds.FRAMES}, synthetic=True).frame
    assert list(table) == ["test", "score", "seed 0", "seed 1", "seed 2", "mean"]
    first = table.iloc[0]
    assert first["test"] == "ResNet-50 + SVM (RBF), 56 + 14 faces a class: frames at random"
    assert first[["seed 0", "seed 1", "seed 2"]].to_list() == ["80.00", "82.00", "84.00"]
    assert first["mean"].startswith("82.00 [")
    assert not table["test"].str.contains("linear").any()  # only the models of the glance
    tests = table["test"].to_list()
    assert tests.count("SVM taught on CK+, GENKI-4K") == 2  # accuracy and area, over all photos
    gain = table[(table["test"] == "ResNet-50 + SVM (RBF), FER-2013") & table["score"].str.startswith("minus")]
    assert gain["seed 1"].to_list() == ["+2.00"]
    area = table[table["score"] == "area under the ROC curve"].iloc[0]
    assert area["seed 2"] == "0.8400"
    assert area["mean"].startswith("0.8200 [")


def content(seed: int) -> dict:
    made = {
        "data": {"ckplus": {"notes": {}}},
        "weights": {"kind": "none", "frozen": False},
        "settings": {},
        "seed": seed,
    }
    values = {name: frame.replace({np.nan: None}).to_dict("records") for name, frame in frames_of(seed).items()}
    return {"values": values, "provenance": made, "synthetic": True}


@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
def test_the_report_quotes_the_mean_of_all_seeds(seeds, monkeypatch):
    monkeypatch.setattr(liu2023, "weights_note", lambda weights, *, model: "its weights")
    run = SimpleNamespace(settings=SimpleNamespace(resnet50_svm=ResNet50SvmSettings()))
    report = liu2023.Liu2023(run, {seed: content(seed) for seed in seeds}, {}, {})
    glance, claims = report.glance_table(), report.claims_table().to_markdown()
    cell = glance.frame.iloc[0]["frames at random (%)"]
    several = len(seeds) > 1
    assert cell.startswith("82.00 [" if several else "80.00 [75.00, 84.00]")
    assert ("mean of seeds 0, 1, 2" in glance.title) == several
    assert ("82.00 [" in claims) == several
    fer2013 = report.fer2013_tables()[0].to_markdown()
    assert "52.00" not in fer2013  # with the p-value of its seed
    assert ("Of seed 0 alone." in fer2013) == several
    assert len(report._over_seeds()) == several
    separations = report._or_not_yet(liu2023_tables.separations, "scores").to_markdown()
    assert ("is the mean of seeds 0, 1, 2" in separations) == ("82.00 [" in separations) == several
