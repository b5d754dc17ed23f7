"""Number formats and display names that tables, figures and the report share."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_lib.datasets.catalog import TITLES
from fer_lib.settings.names import CLASSIFIERS

MODEL_NAMES = {
    "baseline_cnn": "Traditional CNN",
    "resnet50_mlp": "ResNet50 + MLP",
    "class_priors": "Class priors (always the training shares)",
}
SCORE_NAMES = {
    "loss": "loss (nats)",
    "categorical_accuracy": "categorical accuracy",
    "binary_accuracy": "binary accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
}
UNSURE = 6 / 7  # the binary accuracy, over seven classes, of a model that is never more than 50 % sure
SEPARATIONS = {"frames": "frames at random", "sequences": "sequences apart", "subjects": "subjects apart"}
PROTOCOLS = {"per class": "56 + 14 faces a class", "folds": "folds"}


def percent(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """Format a fraction in per cent with its interval: ``"97.14 [95.02, 98.61]"``; a dash for no value."""
    if not np.isfinite(value):
        return "–"
    bounds = f" [{100 * low:.2f}, {100 * high:.2f}]" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{100 * value:.2f}{bounds}"


def points(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """Format a difference of fractions in percentage points, signed: ``"+3.10 [+1.00, +5.20]"``."""
    if not np.isfinite(value):
        return "–"
    bounds = f" [{100 * low:+.2f}, {100 * high:+.2f}]" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{100 * value:+.2f}{bounds}"


def interval(value: float, low: float, high: float) -> str:
    """Format a value with its interval, ``"0.6420 [0.6262, 0.6575]"``, or alone if it has none; a dash for no value."""
    if not np.isfinite(value):
        return "–"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{value:.4f}"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def p_value(value: float) -> str:
    """Format a p-value with two digits: ``"0.034"``, ``"< 0.0001"``; a dash for none."""
    if not np.isfinite(value):
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def score_cell(row: Any) -> str:
    """Format a row of scores: the value with its interval, or mean ± s.d. of several seeds with the interval."""
    text = interval(row.value, row.low, row.high)
    spread = getattr(row, "spread", np.nan)
    return text if np.isnan(spread) else text.replace(f"{row.value:.4f}", f"{row.value:.4f} ± {spread:.4f}", 1)


def cell(value: object) -> str:
    """Format any value as a cell of a table: ``"yes"``, ``"1,000"``, ``"0.1235"``; a dash for no number."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return "–" if np.isnan(value) else f"{value:.4g}"
    return str(value)


def setting_name(value: Any) -> str:
    """Format a learning rate, a batch size or a pair of feature maps as liu2023 prints it: ``"[20,50]"``."""
    if isinstance(value, (str, tuple, list)):
        return feature_maps(value)
    return f"{value:g}"


def feature_maps(value: str | Sequence[int]) -> str:
    """Format the numbers of feature maps as liu2023 prints them, ``"[20,50]"``; the pair may be given as a string."""
    pair = ast.literal_eval(value) if isinstance(value, str) else value
    return "[{},{}]".format(*pair)


def classifier_name(name: str) -> str:
    """Look up the display name of a classifier; an unknown name is returned unchanged."""
    return CLASSIFIERS.get(name, name)


def transferred_name(name: str) -> str:
    """Name a model that is tested on another corpus: its display name, or the corpus that its SVM learnt from."""
    return f"SVM taught on {name}" if name in TITLES.values() else classifier_name(name)
