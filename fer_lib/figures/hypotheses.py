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
    METRIC_COLORS,
    PALETTE,
    SOFT,
    as_levels,
    as_runs,
    colors,
    curve_note,
    draw_intervals,
    epoch_axis,
    legend_across,
    markers,
    model_name,
    new_figure,
    not_yet,
    references,
    styled,
)
from fer_lib.tables.chen2023 import SPLITS
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, UNSURE, percent, setting_name
from fer_lib.tables.hypotheses import SWEEPS
from fer_lib.tables.liu2023 import HYPOTHESIS2

LOWEST = 5 / 7  # the binary accuracy, over seven classes, of a softmax that is sure of every face and always wrong
BOTH_PARTS = "training + test together"
LOSSES = (1.55, 1.9)  # nats; the printed ones are 1.68 to 1.78, the class priors have 1.81
NEAR = (0.8545, 0.8665)  # binary accuracies of these losses
# where the words of a printed pair are, in points from its mark, and which of their sides is there
PAIR_LABELS: dict[str, dict[str, tuple[tuple[float, float], Literal["left", "center", "right"]]]] = {
    "binary": {"training": ((8, 2), "left"), "validation": ((-8, 2), "right"), "testing": ((0, -14), "center")},
    "categorical": {
        "training": ((0, 13), "center"),
        "validation": ((-8, -12), "center"),
        "testing": ((0, -13), "center"),
    },
}
PRINTED: dict[str, Any] = {"color": INK, "linewidth": 1.2}
CHANCE: dict[str, Any] = {"color": SOFT, "linewidth": 1.2, "linestyle": ":"}
PART_DASHES = {"training": "", "validation": (4, 1.5)}
# part -> column in the study's results, colour, marker, dashes of its printed error, place within a corpus' row
PARTS: dict[str, tuple[str, str, str, Literal["-", "--"], float]] = {
    "validation": ("best_validation_error", PALETTE[0], "o", "-", -0.24),
    "test": ("test_error", PALETTE[1], "s", "--", 0.24),
}


@styled
def hypothesis1(
    histories: Mapping[str, pd.DataFrame | None],
    *,
    priors: pd.DataFrame | None,
    printed: Mapping[str, Mapping[str, float]],
    synthetic: bool = False,
) -> Figure:
    """Draw both accuracies over the epochs for each model of chen2023's Table 2, next to the printed ones.

    Hypothesis 1: the printed accuracy is Keras' binary accuracy (section 3, Figures 5 and 6, Table 2).

    Args:
        histories: model -> its epochs, of one or several seeds: ``epoch`` (from 1), ``categorical_accuracy``,
            ``binary_accuracy``, both with ``val_``, and ``seed`` if there are several. A model with None is left
            out.
        priors: scores of the model that always answers the training shares: ``split`` (``"validation"``,
            ``"testing"``), ``metric`` and ``value``; None if not measured.
        printed: model -> split -> the accuracy that the paper prints (``tables.printed_scores``).
        synthetic: whether to mark the figure as made from generated faces.
    """
    shown = {model: as_runs(frame) for model, frame in histories.items() if frame is not None and len(frame)}
    if not shown:
        return not_yet("Hypothesis 1, both accuracies over the epochs")
    title = "Hypothesis 1: is chen2023's printed accuracy Keras' binary accuracy?"
    figure = new_figure(2.7 * len(shown) + 0.4, title, note=_accuracy_note(shown), synthetic=synthetic)
    grid = figure.subplots(len(shown), 2, sharey="row", squeeze=False, width_ratios=(2.3, 1))
    levels = _levels(priors)
    for place, (model, runs) in enumerate(shown.items()):
        left, right = grid[place]
        _accuracy_panel(left, runs)
        _printed_panel(right, printed.get(model, {}), levels=levels)
        for ax in (left, right):
            ax.hlines((UNSURE, LOWEST), 0, 1, transform=ax.get_yaxis_transform(), color=SOFT, linewidth=1, zorder=1)
        for level, color in levels.values():
            left.axhline(level, color=color, linewidth=1.1, linestyle=":", zorder=1.5, label="_level")
        left.set_title(model_name(model), loc="left", pad=8 if place else 40, weight="bold")  # room for the legend
    legend_across(grid[0, 0], columns=2, handles=_accuracy_handles())
    return figure


@styled
def hypothesis1_curve(
    epochs: pd.DataFrame, logs: pd.DataFrame, *, printed: pd.DataFrame, synthetic: bool = False
) -> Figure:
    """Draw both accuracies over the loss, a point for each epoch of each training, next to the printed pairs.

    Hypothesis 1: a loss as high as the printed ones comes with a binary accuracy near 6/7, whatever the trunk, and with
    a categorical accuracy far below the printed one.

    Args:
        epochs: a row for each epoch and part: ``training`` (its name), ``part``, ``loss``, ``binary_accuracy`` and
            ``categorical_accuracy``.
        logs: of :func:`fer_lib.published.template.logs`.
        printed: ``split``, ``loss`` and ``accuracy`` as printed.
        synthetic: whether to mark the figure as made from generated faces.
    """
    if epochs.empty:
        return not_yet("Hypothesis 1, both accuracies over the loss", "notebook 03")
    names = list(epochs["training"].unique())
    note = (
        "Each mark is one epoch of one training of ResNet50 + MLP: filled in validation, hollow in training. Diamonds: "
        "the pairs as printed in Table 2. Stars: public copies of a similar notebook, with ImageNet's weights. The "
        "line is 6/7, the binary accuracy of a model that is never more than 50 % sure. Left: the axis that tells the "
        "printed values apart; right: the whole scale."
    )
    title = "Hypothesis 1: which accuracy comes with the printed losses?"
    figure = new_figure(4.2, title, note=note, synthetic=synthetic)
    panels = figure.subplots(1, 2)
    few = epochs["loss"].between(*LOSSES).mean() < 0.2  # trainings of a few epochs, far from the printed losses
    for ax, kind in zip(panels, ("binary", "categorical"), strict=True):
        _loss_panel(ax, epochs, logs, kind, printed)
        if not few:
            ax.set_xlim(LOSSES)
            _name_pairs(ax, printed, PAIR_LABELS[kind])
        ax.set_title(f"{kind} accuracy", loc="left", weight="bold", pad=8 + 13 * -(-(len(names) + 2) // 4))
    if not few:
        panels[0].set_ylim(NEAR)
    panels[1].set_ylim(0, 1)
    legend_across(panels[0], columns=4, handles=_loss_handles(names))
    return figure


@styled
def hypothesis2(together: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the accuracy on training and test faces together and on each kind of test faces, next to 98.60 %.

    "Together" uses the split with frames at random, which the paper describes. Chance is the accuracy, on these test
    faces, of always answering the most frequent training class; without ``class_priors`` no such line is drawn.

    Args:
        together: ``protocols.together``: ``protocol``, ``separation``, ``classifier``, ``printed``, and ``testing``
            and ``together``, each also with ``_low`` and ``_high``. Classifiers other than ``HYPOTHESIS2``
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
    panels[0].set_title(panels[0].get_title(loc="left"), loc="left", weight="bold", pad=38)
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
        results: ``lenet_study.run_all``'s results: ``corpus``, ``sweep``, ``order``, the configuration, ``seed``,
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
        ax.set_title(paper, loc="left", weight="bold", pad=24 if ax is panels[0] else 6)
    panels[-1].set_xlabel("accuracy (%)")
    measured = Line2D([], [], linestyle="none", marker="o", color=PALETTE[0])
    printed = Line2D([], [], linestyle="none", marker="D", markerfacecolor="white", markeredgecolor=INK)
    legend_across(
        panels[0], columns=2, handles={"measured": measured, "printed, in place of which it is quoted": printed}
    )
    return figure


def _loss_panel(ax: Axes, epochs: pd.DataFrame, logs: pd.DataFrame, kind: str, printed: pd.DataFrame) -> None:
    """Draw the epochs, the logs and the printed pairs of one accuracy over the loss."""
    column = f"{kind}_accuracy"
    names = list(epochs["training"].unique())
    for name, color, marker in zip(names, colors(names), markers(names), strict=True):
        for part, fill in (("training", "none"), ("validation", color)):
            own = epochs[(epochs["training"] == name) & (epochs["part"] == part)]
            look: dict[str, Any] = {"s": 14, "facecolors": fill, "edgecolors": color, "linewidths": 0.7, "alpha": 0.8}
            ax.scatter(own["loss"], own[column], marker=marker, **look)
    ax.scatter(logs["loss"], logs[column], marker="*", s=70, color=INK, zorder=3)
    ax.axhline(UNSURE, color=SOFT, linewidth=1, zorder=1, label="_level")
    ax.scatter(printed["loss"], printed["accuracy"], marker="D", s=42, facecolors="white", edgecolors=INK, zorder=4)
    ax.set(xlabel="loss (nats)", ylabel="")


def _name_pairs(
    ax: Axes,
    printed: pd.DataFrame,
    places: Mapping[str, tuple[tuple[float, float], Literal["left", "center", "right"]]],
) -> None:
    """Write split and accuracy next to each printed pair."""
    for row in printed.itertuples():
        place, side = places[row.split]
        ax.annotate(
            f"{row.split} {row.accuracy:.4f}", (row.loss, row.accuracy), xytext=place, textcoords="offset points",
            ha=side, va="center", fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3}, zorder=5,
        )  # fmt: skip


def _loss_handles(names: Sequence[str]) -> dict[str, Line2D]:
    looks = zip(names, colors(names), markers(names), strict=True)
    handles = {name: Line2D([], [], linestyle="none", marker=marker, color=color) for name, color, marker in looks}
    handles["printed"] = Line2D([], [], linestyle="none", marker="D", markerfacecolor="white", markeredgecolor=INK)
    return handles | {"public copies": Line2D([], [], linestyle="none", marker="*", markersize=9, color=INK)}


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


def _accuracy_panel(ax: Axes, runs: pd.DataFrame) -> None:
    """Draw both kinds of accuracy over the epochs, in training and validation."""
    curves = [
        runs[["epoch"]].assign(kind=kind, part=part, value=runs[f"{prefix}{kind}_accuracy"])
        for kind in METRIC_COLORS
        for part, prefix in (("training", ""), ("validation", "val_"))
    ]
    epochs = int(runs["epoch"].max())
    sns.lineplot(
        pd.concat(curves, ignore_index=True), x="epoch", y="value", hue="kind", palette=METRIC_COLORS, style="part",
        style_order=list(PART_DASHES), dashes=list(PART_DASHES.values()), markers=["o", "s"] if epochs <= 12 else False,
        errorbar=("pi", 100), legend=False, ax=ax,
    )  # fmt: skip
    epoch_axis(ax, epochs)
    ax.set(ylabel="accuracy")


def _printed_panel(ax: Axes, printed: Mapping[str, float], *, levels: Mapping[str, tuple[float, str]]) -> None:
    """Draw the paper's values, one column for each split, and name the levels at the right."""
    places = {split: place for place, split in enumerate(SPLITS) if split in printed}
    ax.scatter(
        list(places.values()), [printed[split] for split in places], marker="D", s=34, facecolors="white",
        edgecolors=INK, linewidths=1.3, zorder=3,
    )  # fmt: skip
    for split, place in places.items():
        ax.annotate(
            f"{printed[split]:.4f}", (place, printed[split]), xytext=(0, 7), textcoords="offset points", ha="center",
            fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    ax.update_datalim([(0, 0), (0, 1)])  # every panel has the whole scale
    references(ax, levels, size=(1.8, 2.2))
    ax.set(xlim=(-0.6, len(SPLITS) - 0.4))
    ax.set_xticks(range(len(SPLITS)), SPLITS, fontsize=8)
    ax.tick_params(axis="both", length=0, labelleft=False)
    ax.grid(visible=False, axis="x")
    ax.set_xlabel("as printed, Table 2")


def _levels(priors: pd.DataFrame | None) -> dict[str, tuple[float, str]]:
    """List the named levels: label -> (accuracy, colour)."""
    levels = {f"6/7 = {UNSURE:.4f}": (UNSURE, INK), f"5/7 = {LOWEST:.4f}": (LOWEST, INK)}
    if priors is None or not len(priors):
        return levels
    found = priors.set_index(["split", "metric"])["value"]
    for kind, color in METRIC_COLORS.items():
        values = {split: found.get((split, f"{kind}_accuracy")) for split in SPLITS[1:]}
        values = {split: float(value) for split, value in values.items() if value is not None}
        if len({f"{value:.4f}" for value in values.values()}) == 1:
            values = {"both": next(iter(values.values()))} if len(values) > 1 else values
        for split, value in values.items():
            where = "" if split == "both" else f"{split} "
            levels[f"priors, {kind}:\n{where}{value:.4f}"] = (value, color)
    return levels


def _accuracy_note(shown: Mapping[str, pd.DataFrame]) -> str:
    one = next(iter(shown.values()))
    seeds = {model_name(model): runs["seed"].nunique() for model, runs in shown.items()}
    said = f" Mean and range of the seeds: {', '.join(f'{name} {count}' for name, count in seeds.items())}."
    return (
        "Diamonds: accuracies as printed. Dotted: a model that always answers the training shares (priors). 6/7: the "
        "binary accuracy of any model that is never more than 50 % sure; 5/7: the lowest that a softmax over seven "
        f"classes can have. {curve_note(one[one['seed'] == one['seed'].iloc[0]])}"
        f"{said if max(seeds.values()) > 1 else ''}"
    )


def _accuracy_handles() -> dict[str, Line2D]:
    """Make the legend's handles: one column for each metric, training above validation."""
    return {
        f"{kind}, {part}": Line2D([], [], color=color, dashes=dashes or (None, None))
        for kind, color in METRIC_COLORS.items()
        for part, dashes in PART_DASHES.items()
    }


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
        color = colors(points["kind"].cat.categories)[points["kind"].cat.categories.get_loc(row.kind)]
        ax.annotate(
            percent(row.accuracy), (1.015, place), xycoords=("axes fraction", "data"), va="center",
            fontsize=8, color=color, annotation_clip=False,
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
