"""Digests of the data that a figure draws, which no font and no rasteriser changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Text

DECIMALS = 6  # the last bits of computed values differ between processors


def digests(figure: Figure) -> dict[str, str]:
    """Compute a figure's two digests, each of 16 hexadecimal digits.

    Returns:
        ``"Drawn data"`` covers all values, words, limits and names of levels in data coordinates, to six decimals.
        ``"Drawn parts"`` covers the kinds of marks of each axes, and the axes' names, without numbers: a figure of
        other values has the same, one that lacks a curve or a panel has another.
    """
    axes = [(ax, sorted(_marks(ax), key=lambda mark: mark.zorder)) for ax in figure.axes]
    words = [text.get_text() for text in figure.texts]
    data = [words, [[_frame(ax), [_values(mark) for mark in marks]] for ax, marks in axes]]
    parts = [
        [_without_numbers(_names(ax)), sorted(Counter(type(mark).__name__ for mark in marks).items())]
        for ax, marks in axes
    ]
    return {"Drawn data": _digest(data), "Drawn parts": _digest(parts)}


def _marks(ax: Axes) -> Iterator[Artist]:
    for kind in (ax.lines, ax.patches, ax.collections, ax.images, ax.texts):
        yield from kind


def _names(ax: Axes) -> list[str]:
    names = [ax.get_title(), ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()]
    if legend := ax.get_legend():
        names += [text.get_text() for text in legend.texts]
    return names


def _without_numbers(names: list[str]) -> list[str]:
    return [re.sub(r"\d+", "#", name) for name in names]


def _frame(ax: Axes) -> list[Any]:
    """List names, limits and the levels of axes; ticks that are numbers depend on the room that fonts leave."""
    levels = [tick.get_text() for axis in (ax.xaxis, ax.yaxis) for tick in axis.get_ticklabels()]
    limits = [_rounded(limit) for limit in (ax.get_xlim(), ax.get_ylim())]
    return [_names(ax), limits, [level for level in levels if re.search("[A-Za-z]", level)]]


def _values(mark: Artist) -> list[Any]:
    if isinstance(mark, Text):
        return [mark.get_text()]
    if isinstance(mark, Line2D):
        return [_rounded(mark.get_xydata())]
    if isinstance(mark, AxesImage):
        return [_rounded(mark.get_array()), _rounded(mark.get_extent())]
    if isinstance(mark, Collection):
        colors = mark.get_array()
        paths = [_rounded(path.vertices) for path in mark.get_paths()]
        return [paths, _rounded(mark.get_offsets()), None if colors is None else _rounded(colors)]
    if isinstance(mark, Patch) and not isinstance(mark, FancyArrowPatch):  # an arrow's path depends on the resolution
        return [_rounded(mark.get_patch_transform().transform(mark.get_path().vertices))]
    return []


def _rounded(values: Any) -> list:
    """Round to :data:`DECIMALS`; what is masked or missing becomes None."""
    array: np.ndarray = np.asarray(np.ma.filled(np.ma.asarray(values, dtype=float), np.nan))
    rounded = (np.round(array, DECIMALS) + 0.0).astype(object)
    rounded[~np.isfinite(array)] = None
    return rounded.tolist()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, allow_nan=False).encode()).hexdigest()[:16]
