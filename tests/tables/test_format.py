"""Test the formats of numbers and the display names."""

from __future__ import annotations

import numpy as np
import pytest

from fer_lib.settings.names import CLASSIFIERS, VARIANTS
from fer_lib.svm import classifiers
from fer_lib.tables.format import (
    cell,
    classifier_name,
    interval,
    p_value,
    percent,
    points,
    setting_name,
    transferred_name,
)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.642, 0.62621, 0.65749), "0.6420 [0.6262, 0.6575]"),
        ((0.5, np.nan, np.nan), "0.5000"),
        ((0.5, 0.4, np.nan), "0.5000"),
        ((np.nan, 0.1, 0.2), "–"),
        ((-0.01, -0.02, 0.0), "-0.0100 [-0.0200, 0.0000]"),
    ],
)
def test_interval_keeps_four_decimals(numbers, text):
    assert interval(*numbers) == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (percent(0.98599, 0.9, 1), "98.60 [90.00, 100.00]"),
        (percent(0.5), "50.00"),
        (percent(np.nan), "–"),
        (points(-0.001, -0.02, 0.018), "-0.10 [-2.00, +1.80]"),
        (points(np.nan), "–"),
        (p_value(0.5), "0.5"),
        (p_value(0.00009), "< 0.0001"),
        (p_value(np.nan), "–"),
        (setting_name(0.05), "0.05"),
        (setting_name(np.int64(20)), "20"),
        (setting_name((20, 50)), "[20,50]"),
    ],
)
def test_cells_are_written_as_the_paper_does(made, text):
    assert made == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (np.False_, "no"), (1000, "1,000"), (0.123456, "0.1235"), (np.nan, "–"), ("as it is", "as it is")],
)
def test_any_value_becomes_a_cell(value, text):
    assert cell(value) == text


def test_every_classifier_has_a_display_name_and_other_names_stay():
    assert set(classifiers.SEARCHED) <= {*CLASSIFIERS, *VARIANTS}
    assert classifier_name("pixels_svm") == "pixels + SVM (RBF)"
    assert classifier_name("cnn_ad") == "cnn_ad"
    assert transferred_name("FER-2013") == "SVM taught on FER-2013"
    assert transferred_name("resnet50_softmax") == "ResNet-50 + SoftMax"
