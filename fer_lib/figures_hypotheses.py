"""Figures of what would explain a printed number. Functions return a figure; none writes or shows one."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fer_lib.diagrams import INK, SOFT
from fer_lib.figure_style import (
    as_levels,
    colors,
    draw_intervals,
    legend_across,
    markers,
    model_name,
    new_figure,
    styled,
)
from fer_lib.tables_liu2023 import HYPOTHESIS2, PROTOCOLS, SEPARATIONS, percent

BOTH_PARTS = "training + test together"
PRINTED_LINE = {"color": INK, "linewidth": 1.2}
CHANCE_LINE = {"color": SOFT, "linewidth": 1.2, "linestyle": ":"}


@styled
def hypothesis2_figure(together: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Returns the accuracy on training and test faces together and on each kind of test faces, beside 98.60 %.

    "Together" is of the division with frames at random, as the paper words its own. Chance is what always answering the
    most frequent training class gets right of those test faces; without ``class_priors`` no such line is drawn.

    Args:
        together: ``protocols.together``: ``protocol``, ``separation``, ``classifier``, ``printed``, and ``testing``
            and ``together``, each also with ``_low`` and ``_high``. Classifiers beside ``HYPOTHESIS2`` and
            ``class_priors`` are left out.
        synthetic: whether to say that the faces were generated.
    """
    printed, long = together["printed"].iloc[0], _as_points(together)
    protocols, names = long["protocol"].unique(), long["classifier"].cat.categories
    title = "Hypothesis 2: is liu2023's 98.60 % of training and test pictures together?"
    note = (
        "Bars: 95 % intervals, bootstrap over subjects, all draws and folds together. At the right: the values in per "
        "cent. Training + test together: of the divisions with frames at random."
    )
    figure = new_figure(len(protocols) * (0.64 * len(names) + 0.4) + 0.9, title, note=note, synthetic=synthetic)
    panels = figure.subplots(len(protocols), 1, sharex=True, squeeze=False)[:, 0]
    priors = together[(together["classifier"] == "class_priors") & (together["separation"] == "frames")]
    chances = priors.set_index("protocol")["testing"].to_dict()
    for ax, protocol in zip(panels, protocols, strict=True):
        _panel(ax, long[long["protocol"] == protocol])
        ax.axvline(printed, zorder=1.5, label="_level", **PRINTED_LINE)
        if protocol in chances:
            ax.axvline(chances[protocol], zorder=1.5, label="_level", **CHANCE_LINE)
        ax.set(xlim=(0, 1.02), xlabel="", ylabel="")
        ax.set_title(PROTOCOLS.get(protocol, protocol), loc="left", weight="bold", pad=6)
    panels[0].set_title(panels[0].get_title(loc="left"), loc="left", weight="bold", pad=38)
    panels[-1].set_xlabel("accuracy (share of faces)")
    lines = {f"{percent(printed)} % as printed": Line2D([], [], **PRINTED_LINE)}
    lines |= {"chance: the most frequent class": Line2D([], [], **CHANCE_LINE)} if chances else {}
    legend_across(panels[0], columns=3, handles=_handles(long["kind"].cat.categories) | lines)
    return figure


def _as_points(together: pd.DataFrame) -> pd.DataFrame:
    """A row a mark: ``protocol``, ``classifier``, ``kind`` (both categoricals), ``accuracy``, ``low`` and ``high``."""
    shown = together[together["classifier"].isin(HYPOTHESIS2)]
    random = shown[shown["separation"] == "frames"]
    rows = [(BOTH_PARTS, "together", random)]
    rows += [(f"test: {words}", "testing", shown[shown["separation"] == kind]) for kind, words in SEPARATIONS.items()]
    parts = []
    for words, part, own in rows:
        values = {"accuracy": own[part], "low": own[f"{part}_low"], "high": own[f"{part}_high"]}
        parts.append(own[["protocol", "classifier"]].assign(kind=words, **values))
    long = pd.concat(parts, ignore_index=True)
    return long.assign(kind=as_levels(long["kind"]), classifier=as_levels(long["classifier"].map(model_name)))


def _panel(ax: Axes, points: pd.DataFrame) -> None:
    """Draws the marks of a protocol, and at the right of each its value in figures."""
    draw_intervals(ax, points, "accuracy", rows="classifier", hue="kind")
    ax.grid(visible=True, axis="x")
    kinds = len(points["kind"].cat.categories)
    places = points["classifier"].cat.codes + 0.2 * (points["kind"].cat.codes - (kinds - 1) / 2)  # as marks are dodged
    for row, place in zip(points.itertuples(), places, strict=True):
        color = colors(points["kind"].cat.categories)[points["kind"].cat.categories.get_loc(row.kind)]
        ax.annotate(
            percent(row.accuracy), (1.015, place), xycoords=("axes fraction", "data"), va="center",
            fontsize=8, color=color, annotation_clip=False,
        )  # fmt: skip


def _handles(kinds: pd.Index) -> dict[str, Line2D]:
    looks = zip(kinds, colors(kinds), markers(kinds), strict=True)
    return {name: Line2D([], [], linestyle="none", marker=marker, color=color) for name, color, marker in looks}
