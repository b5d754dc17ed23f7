"""The figures that test the audit's hypotheses. Functions return a figure; none writes or shows one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from fer_lib.datasets.catalog import NAMES as CORPUS_NAMES
from fer_lib.experiments import lenet_hypothesis
from fer_lib.figures.style import (
    GRID,
    INK,
    PALETTE,
    SOFT,
    as_levels,
    colors,
    draw_intervals,
    legend_across,
    markers,
    model_name,
    new_figure,
    not_yet,
    seeds_of,
    styled,
)
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, percent, setting_name
from fer_lib.tables.hypotheses import SWEEPS
from fer_lib.tables.liu2023 import HYPOTHESIS2

BOTH_PARTS = "training + test together"
PRINTED: dict[str, Any] = {"color": INK, "linewidth": 1.2}
CHANCE: dict[str, Any] = {"color": SOFT, "linewidth": 1.2, "linestyle": ":"}
# part -> column in the study's results, colour, marker, dashes of its printed error, place within a corpus' row
PARTS: dict[str, tuple[str, str, str, Literal["-", "--"], float]] = {
    "validation": ("best_validation_error", PALETTE[0], "o", "-", -0.24),
    "test": ("test_error", PALETTE[1], "s", "--", 0.24),
}


@styled
def hypothesis2(together: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the accuracy on training and test faces together and on each kind of test faces, next to 98.60 %.

    "Together" uses the split with frames at random, which the paper describes. Chance is the accuracy, on these test
    faces, of always answering the most frequent training class; without ``class_priors`` no such line is drawn.

    Args:
        together: ``protocol_scores.together``: ``protocol``, ``separation``, ``classifier``, ``printed``, and
            ``testing`` and ``together``, each also with ``_low`` and ``_high``. Classifiers other than ``HYPOTHESIS2``
            and ``class_priors`` are left out.
        synthetic: whether to mark the figure as made from generated faces.
    """
    printed, long = together["printed"].iloc[0], _as_points(together)
    protocols, names = long["protocol"].unique(), long["classifier"].cat.categories
    title = "Hypothesis 2: is liu2023's 98.60 % of training and test pictures together?"
    note = (
        "Bars: 95 % intervals over subjects, all draws and folds together. At the right: the values in per "
        "cent. Training + test together: of the divisions with frames at random."
    )
    figure = new_figure(len(protocols) * (0.64 * len(names) + 0.4) + 0.9, title, note=note, synthetic=synthetic)
    figure.corpora = ("ckplus",)
    panels = figure.subplots(len(protocols), 1, sharex=True, squeeze=False)[:, 0]
    priors = together[(together["classifier"] == "class_priors") & (together["separation"] == "frames")]
    chances = priors.set_index("protocol")["testing"].to_dict()
    for ax, protocol in zip(panels, protocols, strict=True):
        _parts_panel(ax, long[long["protocol"] == protocol])
        ax.axvline(printed, zorder=1.5, label="_level", **PRINTED)
        if protocol in chances:
            ax.axvline(chances[protocol], zorder=1.5, label="_level", **CHANCE)
        ax.set(xlim=(0, 1.02), xlabel="", ylabel="")
        ax.set_title(PROTOCOLS.get(protocol, protocol), loc="left", weight="bold", pad=6)
    panels[-1].set_xlabel("accuracy (share of faces)")
    lines = {f"{percent(printed)} % as printed": Line2D([], [], **PRINTED)}
    lines |= {"chance: the most frequent class": Line2D([], [], **CHANCE)} if chances else {}
    legend_across(panels[0], columns=3, handles=_parts_handles(long["kind"].cat.categories) | lines)
    return figure


@styled
def hypothesis3(results: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the errors of every training next to each printed row of liu2023's Tables 4 and 5 and section 3.2.2.

    Hypothesis 3: the printed errors come from forty classes, as the Olivetti faces are, not from seven expressions.

    Args:
        results: ``lenet_study.run``'s results: ``corpus``, ``sweep``, ``order``, the configuration, ``seed``,
            ``best_validation_error``, ``test_error`` (fractions) and ``classes``.
        synthetic: whether to mark the figure as made from generated faces.
    """
    lines = _corpus_lines(results)
    rows = list(lenet_hypothesis.printed_errors().groupby(["place", "sweep", "setting"], sort=False))
    tables = [row for row in rows if row[0][1] != "batch_size"]
    sizes = [row for row in rows if row[0][1] == "batch_size"]
    count = max(len(tables), len(sizes))
    note = (
        "Each mark is one training; its height in its band is its seed. Lines from top to bottom: the printed errors, "
        "which stand in brackets too (validation / test). Dotted: error of guessing. Errors are drawn by their square "
        "roots, so that 2.5 % and 5 % can be told apart."
    )
    title = "Hypothesis 3: liu2023's printed errors (section 3.2) among those measured"
    figure = new_figure((0.31 * len(lines) + 0.42) * count + 0.6, title, note=note, synthetic=synthetic)
    figure.corpora, figure.seeds = tuple(results["corpus"].unique()), seeds_of(results)
    grid = figure.subplots(count, 2, sharex=True, sharey=True, squeeze=False)
    for column, group in enumerate((tables, sizes)):
        for ax, (row, printed) in zip(grid[:, column], group, strict=False):
            _errors_panel(ax, results, lines=lines, row=row, printed=printed.set_index("part")["printed"])
        last = grid[len(group) - 1, column]
        last.tick_params(labelbottom=True)
        last.set_xlabel("error (%)", visible=True)
    for ax in grid[len(sizes) :, 1]:
        ax.set_axis_off()
    handles = _error_handles()
    grid[-1, -1].legend(handles.values(), handles.keys(), loc="lower left", borderaxespad=0.0)
    return figure


@styled
def hypothesis4(quotes: Mapping[str, pd.DataFrame], *, synthetic: bool = False) -> Figure:
    """Draw the accuracy that we suggest to quote for each paper, with its interval, next to the printed one.

    Args:
        quotes: paper -> rows with ``name``, ``printed``, ``value``, ``low`` and ``high`` in per cent; rows without a
            printed value are left out, and papers without a row.
        synthetic: whether to mark the figure as made from generated faces.
    """
    shown = {paper: rows.dropna(subset=["printed"]).reset_index(drop=True) for paper, rows in quotes.items()}
    shown = {paper: rows for paper, rows in shown.items() if len(rows)}
    if not shown:
        return not_yet("Hypothesis 4, what to quote instead")
    note = "Bars: 95 % intervals; of several seeds, that of their mean. At the right: the measured values."
    heights = [len(rows) for rows in shown.values()]
    title = "Hypothesis 4: what to quote instead of the printed accuracies"
    figure = new_figure(0.42 * sum(heights) + 0.55 * len(shown) + 0.5, title, note=note, synthetic=synthetic)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (paper, rows) in zip(panels, shown.items(), strict=True):
        _quotes_panel(ax, rows)
        ax.set_title(paper, loc="left", weight="bold", pad=6)
    panels[-1].set_xlabel("accuracy (%)")
    measured = Line2D([], [], linestyle="none", marker="o", color=PALETTE[0])
    printed = Line2D([], [], linestyle="none", marker="D", markerfacecolor="white", markeredgecolor=INK)
    legend_across(
        panels[0], columns=2, handles={"measured": measured, "printed, in place of which it is quoted": printed}
    )
    return figure


def _quotes_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw the measured values with their intervals, the printed ones, and at the right the measured numbers."""
    names = ["\n".join(textwrap.wrap(name, 34)) for name in rows["name"]]
    table = rows.assign(name=as_levels(pd.Series(names)), kind=as_levels(pd.Series(["measured"] * len(rows))))
    draw_intervals(ax, table, "value", rows="name", hue="kind")
    ax.scatter(rows["printed"], range(len(rows)), marker="D", s=44, facecolors="none", edgecolors=INK, zorder=3)
    for place, value in enumerate(rows["value"]):
        ax.annotate(
            f"{value:.2f}", (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=8,
            annotation_clip=False,
        )  # fmt: skip
    if legend := ax.get_legend():
        legend.remove()
    ax.grid(visible=True, axis="x")
    ax.set(xlim=(0, 102), ylim=(len(rows) - 0.5, -0.5), xlabel="", ylabel="")


def _as_points(together: pd.DataFrame) -> pd.DataFrame:
    """Build a row for each mark: ``protocol``, ``classifier``, ``kind``, ``accuracy``, ``low``, ``high``."""
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


def _parts_panel(ax: Axes, points: pd.DataFrame) -> None:
    """Draw the marks of a protocol, and each value as a number at the right."""
    draw_intervals(ax, points, "accuracy", rows="classifier", hue="kind")
    ax.grid(visible=True, axis="x")
    kinds = len(points["kind"].cat.categories)
    places = points["classifier"].cat.codes + 0.2 * (points["kind"].cat.codes - (kinds - 1) / 2)  # dodged as marks
    for row, place in zip(points.itertuples(), places, strict=True):
        ax.annotate(
            percent(row.accuracy), (1.015, place), xycoords=("axes fraction", "data"), va="center",
            fontsize=8, annotation_clip=False,
        )  # fmt: skip


def _parts_handles(kinds: pd.Index) -> dict[str, Line2D]:
    looks = zip(kinds, colors(kinds), markers(kinds), strict=True)
    return {name: Line2D([], [], linestyle="none", marker=marker, color=color) for name, color, marker in looks}


def _corpus_lines(results: pd.DataFrame) -> list[tuple[str, str]]:
    """List corpora and orders, one for each line of a panel, with the Olivetti faces first."""
    lines = results[["corpus", "order"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(lines, key=lambda line: line[0] != "olivetti")


def _errors_panel(
    ax: Axes, results: pd.DataFrame, *, lines: Sequence[tuple[str, str]], row: tuple[str, str, str], printed: pd.Series
) -> None:
    """Draw one printed row: the trainings of each corpus and order, the printed errors, and the error of guessing."""
    place, sweep, setting = row
    parts = {part: PARTS[part] for part in printed.index}
    own = results[(results["sweep"] == sweep) & (results[sweep].map(setting_name) == setting)]
    for line, (corpus, order) in enumerate(lines):
        shown = own[(own["corpus"] == corpus) & (own["order"] == order)].sort_values("seed")
        seeds = np.linspace(-0.16, 0.16, len(shown)) if len(shown) > 1 else np.zeros(len(shown))
        for column, color, marker, _, aside in parts.values():
            look = {"marker": marker, "s": 16, "alpha": 0.6, "linewidth": 0, "legend": False, "clip_on": False}
            sns.scatterplot(x=100 * shown[column], y=line + aside + seeds, color=color, ax=ax, **look)
        classes = results.loc[results["corpus"] == corpus, "classes"].iloc[0]
        chance = 100 * (1 - 1 / classes)
        ax.vlines(chance, line - 0.5, line + 0.5, color=INK, linewidth=1.3, linestyle=":", label="_chance", zorder=1.5)
        if line:
            ax.axhline(line - 0.5, color=GRID, linewidth=0.8)
    for part, value in printed.items():
        _, color, _, dashes, _ = parts[part]
        ax.axvline(float(value), color=color, linewidth=1.4, linestyle=dashes, label="_printed", zorder=1.2)
    if own.empty:
        ax.text(0.5, 0.5, "not trained here", transform=ax.transAxes, ha="center", va="center", color=SOFT)
    names = [f"{CORPUS_NAMES.get(corpus, corpus)},\n{order}" for corpus, order in lines]
    _error_axes(ax, names)
    ax.set_title(f"{place}: {SWEEPS[sweep]} {setting} (printed {' / '.join(printed)})", loc="left", fontsize=8.5)


def _error_axes(ax: Axes, names: Sequence[str]) -> None:
    ax.set_xscale("function", functions=(lambda error: np.sqrt(np.maximum(error, 0)), np.square))
    ax.set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5), xlabel="", ylabel="")
    ax.xaxis.set_major_locator(FixedLocator([0, 2.5, 5, 10, 25, 50, 75, 100]))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def _error_handles() -> dict[str, Line2D]:
    handles = {}
    for part, (_, color, marker, dashes, _) in PARTS.items():
        handles[f"{part}, measured"] = Line2D([], [], linestyle="none", marker=marker, color=color, alpha=0.8)
        handles[f"{part}, printed"] = Line2D([], [], color=color, linestyle=dashes)
    return {**handles, "guessing": Line2D([], [], color=INK, linestyle=":")}
