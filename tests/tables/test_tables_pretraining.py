"""Test the tables and the figure of the pre-training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from fer_lib.datasets.imagenet_folders import ImageFolders
from fer_lib.evaluation import metrics
from fer_lib.figures import pretraining as figures
from fer_lib.tables import pretraining as tables


def test_top_k_counts_the_largest_outputs_with_ties_as_argmax():
    outputs = np.array([[6.0, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [0] * 6, [0] * 6])
    found = metrics.top_k(outputs, np.array([0, 4, 0, 5]))
    assert found["top1"]["value"] == 0.5
    assert found["top5"]["value"] == 0.75
    assert (found["top1"]["low"], found["top1"]["high"]) == metrics.wilson(2, 4)
    assert found["top1"]["n"] == 4
    with pytest.raises(ValueError, match="not a number"):
        metrics.top_k(outputs * np.nan, np.array([0, 4, 0, 5]))


def test_the_accuracy_stands_beside_guessing():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 20, 500)
    table = tables.accuracy(metrics.top_k(rng.random((500, 20)), labels), classes=20, synthetic=True)
    assert table.frame["accuracy"].tolist() == ["top-1", "top-5"]
    assert table.frame["guessing"].tolist() == ["0.0500", "0.2500"]
    assert table.synthetic
    low, high = metrics.wilson(round(float(table.frame["share"][0][:6]) * 500), 500)
    assert table.frame["share"][0].endswith(f"[{low:.4f}, {high:.4f}]")


def test_images_are_counted_by_part():
    images = np.zeros((6, 8, 8, 3), np.uint8)
    corpus = ImageFolders(images, np.arange(6) % 3, images[:2], np.array([0, 2]), ("a", "b", "c"), ("A", "B", "C"), "x")
    frame = tables.images(corpus).frame.set_index("part")
    assert frame["images"].to_dict() == {"training": "6", "validation": "2"}
    assert frame["classes"].to_dict() == {"training": 3, "validation": 2}
    assert corpus.counts()["total"].to_dict() == {"training": 6, "validation": 2}


def test_the_linear_probe_shows_each_gain_where_there_is_one():
    scores = pd.DataFrame(
        [
            {"features": "pixels", "scaling": "unit", "accuracy": 0.3, "low": 0.28, "high": 0.32, "n": 100},
            {"features": "pretrained", "scaling": "trunk", "accuracy": 0.4, "low": 0.38, "high": 0.42, "n": 100},
        ]
    )
    paired = {"difference": 0.1, "low": 0.05, "high": 0.15}
    gains = pd.DataFrame([{"features": "pretrained", "scaling": "trunk", "over": "pixels", **paired}])
    frame = tables.linear_probe(scores, gains).frame
    assert frame["gain over raw pixels"].tolist() == ["", "+0.1000 [+0.0500, +0.1500]"]
    assert frame["categorical accuracy"][1] == "0.4000 [0.3800, 0.4200]"


def test_the_curves_mark_the_change_of_size():
    epochs = np.arange(1, 7)
    columns = {name: np.linspace(0.2, 0.6, 6) for name in ("loss", "top1", "top5", "val_loss", "val_top1", "val_top5")}
    history = pd.DataFrame({"epoch": epochs, "image_size": [32] * 4 + [48] * 2, **columns})
    figure = figures.curves(history, classes=200)
    assert "32 then 48 pixels" in figure.description
    assert len(figure.axes) == 3
    for ax in figure.axes:
        assert [text.get_text() for text in ax.findobj(Text) if text.get_text().endswith("px")] == ["48 px"]
        marks = [
            line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
        ]
        assert marks == [4.5]


def test_a_loss_that_would_flatten_the_rest_is_cut_off_and_said():
    columns = {name: np.linspace(0.2, 0.6, 6) for name in ("loss", "top1", "top5", "val_loss", "val_top1", "val_top5")}
    history = pd.DataFrame({"epoch": np.arange(1, 7), "image_size": 32, **columns})
    calm = figures.curves(history, classes=200)
    assert "cut off" not in calm.description
    history.loc[2, "val_loss"] = 70.0
    spiked = figures.curves(history, classes=200)
    assert "Losses above 0.7 nats, of passes with a high rate, are cut off." in spiked.description
    for figure in (calm, spiked):
        assert figure.axes[0].get_ylim()[1] < 1
