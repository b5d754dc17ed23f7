"""Figures of liu2023's LeNet study (section 3.2), and of the gradients of plain and residual networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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
    colors,
    legend_across,
    new_figure,
    seeds_of,
    styled,
)
from fer_lib.settings import LeNetSettings
from fer_lib.tables.format import setting_name
from fer_lib.tables.hypotheses import SWEEPS

PART_COLORS = {"validation": PALETTE[0], "test": PALETTE[1]}
NETWORK_COLORS = {"plain": PALETTE[1], "residual": PALETTE[0]}
NETWORK_WIDTHS = {"plain": 1.0, "residual": 2.4}  # points
NETWORK_LOOK: dict[str, Any] = {
    "hue": "network",
    "palette": NETWORK_COLORS,
    "size": "network",
    "sizes": NETWORK_WIDTHS,
}
ORDER_MARKERS = ("o", "^")
PRINTED: dict[str, Any] = {
    "marker": "D",
    "s": 24,
    "facecolors": "none",
    "linewidths": 1.3,
    "clip_on": False,
    "zorder": 3,
}
SMOOTHED = 15  # steps
WIDEST, NARROWEST = 4.5, 1.1  # points of the first and the last of lines that could hide one another
DASHES = ("", (4, 1.5), (1, 1), (6, 1.5, 1, 1.5), (2, 1), (8, 2), (3, 1, 1, 1, 1, 1))


@styled
def lenet_against_printed(results: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the errors of the hyper-parameter study, one mark for each training, next to the printed ones.

    Args:
        results: of ``lenet_study.run`` for one or several corpora: ``corpus``, ``sweep``, ``order``,
            the configuration, ``seed``, ``best_validation_error`` and ``test_error`` (fractions), ``classes``.
        synthetic: whether to mark the figure as made from generated faces.
    """
    corpora, orders = list(results["corpus"].unique()), list(results["order"].unique())
    note = (
        "Filled marks: single trainings; dashes: their median. Open marks: as printed. Dotted: error of guessing. "
        "Errors are drawn by their square roots, so that 2.5 % and 5 % can be told apart."
    )
    title = "liu2023, Tables 4 and 5 and section 3.2.2: errors printed and measured"
    figure = new_figure(2.2 * len(SWEEPS) + 0.5, title, note=note, synthetic=synthetic)
    figure.corpora, figure.seeds = tuple(corpora), seeds_of(results)
    grid = figure.subplots(len(SWEEPS), len(corpora), sharey=True, squeeze=False)
    for row, sweep in zip(grid, SWEEPS, strict=True):
        for ax, corpus in zip(row, corpora, strict=True):
            part = results[(results["corpus"] == corpus) & (results["sweep"] == sweep)]
            _study_panel(ax, part, sweep=sweep, orders=orders)
    for ax, corpus in zip(grid[0], corpora, strict=True):
        ax.set_title(CORPUS_NAMES.get(corpus, corpus), loc="left", weight="bold")
    for ax in grid[:, 0]:
        ax.set_ylabel("error (%)")
    legend_across(grid[0, 0], columns=1 + len(orders), handles=_study_handles(orders))
    return figure


@styled
def lenet_curves(histories: pd.DataFrame, *, settings: LeNetSettings | None = None, synthetic: bool = False) -> Figure:
    """Draw the validation error over the epochs for each row of the study: median and range of the seeds.

    Args:
        histories: of ``lenet_study.run`` for one or several corpora: ``corpus``, ``order``,
            ``learning_rate``, ``batch_size``, ``n_kerns``, ``seed``, ``epoch`` and ``validation_error`` (a fraction).
        settings: of the study; their base values define the rows of a sweep. None means the paper's.
        synthetic: whether to mark the figure as made from generated faces.
    """
    columns = list(histories[["corpus", "order"]].drop_duplicates().itertuples(index=False, name=None))
    note = (
        "Median and range over the seeds; a training that has stopped keeps its last error. Earlier lines of a legend "
        "are wider and lie under later ones, so that equal errors stay visible."
    )
    title = "liu2023, section 3.2: validation error over epochs"
    figure = new_figure(1.9 * len(SWEEPS) + 0.9, title, note=note, synthetic=synthetic)
    figure.corpora, figure.seeds = tuple(histories["corpus"].unique()), seeds_of(histories)
    heights = [1.6 if sweep == "batch_size" else 1.0 for sweep in SWEEPS]
    grid = figure.subplots(
        len(SWEEPS), len(columns), sharex=True, sharey=True, squeeze=False, height_ratios=heights
    )  # fmt: skip
    for row, (sweep, words) in zip(grid, SWEEPS.items(), strict=True):
        part = _sweep_rows(histories, settings or LeNetSettings(), sweep=sweep)
        part = part.assign(key=[setting_name(value) for value in part[sweep]])
        part = _carried_on(part, epochs=int(histories["epoch"].max()))
        keys = _in_order(part["key"])
        widths = dict(zip(keys, np.linspace(WIDEST, NARROWEST, len(keys)), strict=True))
        for ax, (corpus, order) in zip(row, columns, strict=True):
            shown = part[(part["corpus"] == corpus) & (part["order"] == order)]
            sns.lineplot(
                shown, x="epoch", y="validation_error", hue="key", hue_order=keys, palette=colors(keys),
                style="key", style_order=keys, dashes=DASHES[: len(keys)], size="key", size_order=keys, sizes=widths,
                estimator="median", errorbar=("pi", 100), legend=ax is row[-1], ax=ax,
            )  # fmt: skip
            ax.set(ylim=(-4, 104), ylabel="", xlabel="epoch")
        row[0].set_ylabel("error (%)")
        row[-1].legend(title=words, loc="center left", bbox_to_anchor=(1.02, 0.5), borderaxespad=0.0)
    for ax, (corpus, order) in zip(grid[0], columns, strict=True):
        ax.set_title(f"{CORPUS_NAMES.get(corpus, corpus)},\n{order}", loc="left", weight="bold")
    return figure


@styled
def gradient_norms(gradients: pd.DataFrame, losses: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the gradient's norm in each layer of plain and residual networks, and their loss.

    Args:
        gradients: ``network`` (``"plain"`` or ``"residual"``), ``layers`` (of the network), ``batch_norm`` (bool),
            ``step``, ``layer`` (1 nearest the face) and ``gradient_norm``; its first and last step are drawn.
        losses: ``network``, ``layers``, ``batch_norm``, ``step`` and ``loss`` (nats).
        synthetic: whether to mark the figure as made from generated faces.
    """
    kinds = list(gradients[["layers", "batch_norm"]].drop_duplicates().itertuples(index=False, name=None))
    kinds.sort(key=lambda kind: (not kind[1], kind[0]))
    note = (
        "Wide: residual, narrow: plain. Solid: at the first step, dashed: at the last. Layer 1 is nearest the face. A "
        "norm of zero is not drawn."
    )
    note += f" Loss: median of {SMOOTHED} steps; a single step's loss reaches {losses['loss'].max():.3g} nats."
    smooth = losses.groupby(["network", "layers", "batch_norm"])["loss"].transform(_smoothed)
    losses, top_loss = losses.assign(loss=smooth), 1.1 * smooth.quantile(0.99)
    title = "liu2023, section 2.2.1: gradients of plain and residual networks of equal depth"
    figure = new_figure(5.0, title, note=note, synthetic=synthetic)
    figure.corpora = ("fer2013",)
    top, bottom = figure.subplots(2, len(kinds), sharey="row", squeeze=False)
    for place, (layers, batch_norm) in enumerate(kinds):
        norms, falls = (
            frame[(frame["layers"] == layers) & (frame["batch_norm"] == batch_norm)] for frame in (gradients, losses)
        )
        _norms_panel(top[place], norms)
        look = {**NETWORK_LOOK, "legend": False}
        sns.lineplot(falls, x="step", y="loss", errorbar=("pi", 100), ax=bottom[place], **look)
        bottom[place].set(xlabel="step", ylabel="", ylim=(0.97 * smooth.min(), min(top_loss, 1.03 * smooth.max())))
        words = "batch norm" if batch_norm else "no batch norm"
        top[place].set_title(f"{layers} layers,\n{words}", loc="left", weight="bold", fontsize=9)
    top[0].set_ylabel("norm of the layer's gradient")
    bottom[0].set_ylabel("cross-entropy (nats)")
    lines = {
        name: Line2D([], [], color=color, linewidth=NETWORK_WIDTHS[name]) for name, color in NETWORK_COLORS.items()
    }
    lines |= {"first step": Line2D([], [], color=SOFT), "last step": Line2D([], [], color=SOFT, dashes=(4, 1.5))}
    legend_across(top[0], columns=4, handles=lines)
    return figure


def _sweep_rows(frame: pd.DataFrame, settings: LeNetSettings, *, sweep: str) -> pd.DataFrame:
    """Select a sweep's rows: their other settings have the study's base values."""
    base_batch = np.where(frame["corpus"] == "olivetti", settings.olivetti_batch_size, settings.batch_size)
    kerns = np.array([setting_name(value) for value in frame["n_kerns"]])
    at_base = {
        "learning_rate": frame["learning_rate"].to_numpy() == settings.learning_rate,
        "n_kerns": kerns == setting_name(settings.n_kerns),
        "batch_size": frame["batch_size"].to_numpy() == base_batch,
    }
    return frame[np.all([same for name, same in at_base.items() if name != sweep], axis=0)]


def _carried_on(histories: pd.DataFrame, *, epochs: int) -> pd.DataFrame:
    """Make all trainings as long as the longest by repeating their last error; errors are in per cent."""
    parts = []
    for (corpus, order, key), row in histories.groupby(["corpus", "order", "key"], sort=False):
        wide = row.pivot_table(index="epoch", columns="seed", values="validation_error")
        wide = wide.reindex(pd.RangeIndex(wide.index.min(), epochs + 1, name="epoch")).ffill()
        parts.append((100 * wide).reset_index().melt("epoch", value_name="validation_error"))
        parts[-1] = parts[-1].assign(corpus=corpus, order=order, key=key)
    return pd.concat(parts, ignore_index=True)


def _in_order(keys: Iterable[str]) -> list[str]:
    """Remove repeated settings, and sort them if they are whole numbers (batch sizes)."""
    found = list(dict.fromkeys(keys))
    return sorted(found, key=int) if all(key.isdigit() for key in found) else found


def _printed_errors() -> pd.DataFrame:
    """Read the printed errors: ``sweep``, ``key`` (the setting as printed), ``part`` and ``value`` in per cent."""
    printed = lenet_hypothesis.printed_errors().rename(columns={"setting": "key", "printed": "value"})
    chosen = printed[printed["key"].isin(["0.05", "[20,50]"])].assign(sweep="batch_size", key="56")
    frame = pd.concat([printed, chosen])[["sweep", "key", "part", "value"]]
    return frame.astype({"value": float})


def _study_panel(ax: Axes, results: pd.DataFrame, *, sweep: str, orders: Sequence[str]) -> None:
    printed = _printed_errors()
    printed = printed[printed["sweep"] == sweep]
    measured = results.assign(key=[setting_name(value) for value in results[sweep]])
    keys = _in_order([*measured["key"], *printed["key"]])
    slots = [(order, part) for order in orders for part in PART_COLORS]
    step = 0.8 / (len(slots) + 1)
    places = {key: place - 0.4 + step / 2 for place, key in enumerate(keys)}
    for (part, color), aside in zip(PART_COLORS.items(), (-0.4, 0.4), strict=True):
        shown = printed[printed["part"] == part]
        x = np.array([places[key] + aside * step for key in shown["key"]])
        ax.scatter(x, shown["value"], **PRINTED, edgecolors=color)
    for slot, (order, part) in enumerate(slots, start=1):
        shown = measured[measured["order"] == order]
        column = "test_error" if part == "test" else "best_validation_error"
        look: dict[str, Any] = {"marker": ORDER_MARKERS[orders.index(order)], "s": 14, "alpha": 0.55, "linewidths": 0}
        x = np.array([places[key] for key in shown["key"]]) + slot * step
        ax.scatter(x, 100 * shown[column], color=PART_COLORS[part], clip_on=False, **look)
        medians = 100 * shown.groupby("key")[column].median()
        middles = np.array([places[key] for key in medians.index]) + slot * step
        ax.hlines(medians, middles - 0.45 * step, middles + 0.45 * step, color=PART_COLORS[part], linewidth=1.6)
    _study_axes(ax, keys, label=SWEEPS[sweep], classes=results["classes"].unique())


def _study_axes(ax: Axes, keys: Sequence[str], *, label: str, classes: Iterable[int]) -> None:
    ax.set_yscale("function", functions=(lambda error: np.sqrt(np.maximum(error, 0)), np.square))
    ax.set(ylim=(0, 100), xlim=(-0.5, len(keys) - 0.5), xlabel=label)
    ax.yaxis.set_major_locator(FixedLocator([0, 2.5, 5, 10, 25, 50, 75, 100]))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xticks(range(len(keys)), keys)
    ax.tick_params(axis="x", length=0)
    ax.grid(visible=False, axis="x")
    for edge in range(1, len(keys)):
        ax.axvline(edge - 0.5, color=GRID, linewidth=0.8)
    for count in classes:
        level = 100 * (1 - 1 / count)
        ax.axhline(level, color=INK, linewidth=1.1, linestyle=":", zorder=1.5, label="_level")
        words = f"{count - 1}/{count} =\n{level:.1f} %"
        ax.annotate(
            words, (1.01, level), xycoords=("axes fraction", "data"), va="center", fontsize=8, annotation_clip=False
        )


def _study_handles(orders: Sequence[str]) -> dict[str, Line2D]:
    """Make the legend's handles, ordered for legends that fill column by column: validation above test."""
    handles = {}
    for kind, marker in (("printed", "D"), *zip(orders, ORDER_MARKERS, strict=False)):
        for part, color in PART_COLORS.items():
            face = "none" if kind == "printed" else color
            handles[f"{part}, {kind}"] = Line2D(
                [], [], linestyle="none", marker=marker, color=color, markerfacecolor=face, markersize=5
            )
    return handles


def _smoothed(losses: pd.Series) -> pd.Series:
    """Take the median of each loss and its neighbours: faces differ from step to step, and networks would overlap."""
    return losses.rolling(SMOOTHED, center=True, min_periods=1).median()


def _norms_panel(ax: Axes, norms: pd.DataFrame) -> None:
    ends = norms["step"].min(), norms["step"].max()
    shown = norms[norms["step"].isin(ends) & (norms["gradient_norm"] > 0)]
    sns.lineplot(
        shown.assign(when=np.where(shown["step"] == ends[0], "first", "last")), x="layer", y="gradient_norm",
        style="when", style_order=["first", "last"], dashes=["", (4, 1.5)], errorbar=("pi", 100), legend=False, ax=ax,
        **NETWORK_LOOK,
    )  # fmt: skip
    ax.set(yscale="log", xlabel="layer", ylabel="")
