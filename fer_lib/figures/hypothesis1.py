"""Figures of hypothesis 1: the accuracy that chen2023 prints is Keras' binary accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from fer_lib.figures.style import (
    INK,
    METRIC_COLORS,
    PALETTE,
    SOFT,
    as_runs,
    curve_note,
    epoch_axis,
    legend_across,
    model_name,
    new_figure,
    not_yet,
    references,
    styled,
)
from fer_lib.tables.chen2023 import SPLITS
from fer_lib.tables.format import UNSURE

LOWEST = 5 / 7  # the binary accuracy, over seven classes, of a softmax that is sure of every face and always wrong
LOSSES = (1.55, 1.9)  # nats; the printed ones are 1.68 to 1.78, the class priors have 1.81
NEAR = (0.8545, 0.8665)  # binary accuracies of these losses
# where the words of a printed pair are, in points from its mark, and which of their sides is there
PAIR_LABELS: dict[str, dict[str, tuple[tuple[float, float], Literal["left", "center", "right"]]]] = {
    "binary": {"training": ((6, 16), "left"), "validation": ((-8, 2), "right"), "testing": ((0, -14), "center")},
    "categorical": {
        "training": ((0, 13), "center"),
        "validation": ((-8, -12), "center"),
        "testing": ((0, -13), "center"),
    },
}
OWN = "ours, as printed"
KINDS = {  # of trainings -> colour and mark; the diamond is that of the printed pairs
    OWN: (PALETTE[0], "o"),
    "other settings": (PALETTE[1], "s"),
    "all layers trained": (PALETTE[2], "v"),
    "random trunk": (PALETTE[3], "^"),
    "trunk's own scaling": (PALETTE[4], "P"),
}
PART_DASHES = {"training": "", "validation": (4, 1.5)}


@styled
def over_epochs(
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
        printed: model -> split -> the accuracy that the paper prints (``published.scores``).
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
            if color != INK:
                left.axhline(level, color=color, linewidth=1.1, linestyle=":", zorder=1.5, label="_level")
        left.set_title(model_name(model), loc="left", pad=8, weight="bold")
    legend_across(grid[0, 0], columns=2, handles=_accuracy_handles())
    return figure


@styled
def over_loss(epochs: pd.DataFrame, logs: pd.DataFrame, *, printed: pd.DataFrame, synthetic: bool = False) -> Figure:
    """Draw both accuracies over the loss, a point for each epoch of each training, next to the printed pairs.

    Hypothesis 1: a loss as high as the printed ones comes with a binary accuracy near 6/7, whatever the trunk, and with
    a categorical accuracy far below the printed one.

    Args:
        epochs: a row for each epoch and part: ``kind`` (of the training, one of ``KINDS``), ``part``, ``loss``,
            ``binary_accuracy`` and ``categorical_accuracy``.
        logs: of :func:`fer_lib.published.template.logs`.
        printed: ``split``, ``loss`` and ``accuracy`` as printed.
        synthetic: whether to mark the figure as made from generated faces.
    """
    if epochs.empty:
        return not_yet("Hypothesis 1, both accuracies over the loss", "notebook 03")
    note = (
        "Each mark is one epoch of one of our trainings of ResNet50 + MLP, with the printed settings or as a variant: "
        "filled in validation, hollow in training. Other settings: one of them changed, the trunk frozen, pixels "
        "divided by 255. Diamonds: the pairs printed in Table 2, of training, validation and "
        "test faces. Stars: public copies of a similar notebook, with ImageNet's weights. The line is 6/7, the binary "
        "accuracy of a model that is never more than 50 % sure."
    )
    few = epochs["loss"].between(*LOSSES).mean() < 0.2  # trainings of a few epochs, far from the printed losses
    if not few:
        inside = epochs["loss"].between(*LOSSES)
        near = inside & epochs["binary_accuracy"].between(*NEAR)
        note += (
            f" The left axis is {round(1 / (NEAR[1] - NEAR[0]))} times finer than the right one. {(~near).sum()} marks "
            f"are outside the left panel, {(~inside).sum()} outside the right one."
        )
    title = "Hypothesis 1: which accuracy comes with the printed losses?"
    figure = new_figure(4.2, title, note=note, synthetic=synthetic)
    panels = figure.subplots(1, 2)
    for ax, kind in zip(panels, ("binary", "categorical"), strict=True):
        _loss_panel(ax, epochs, logs, kind, printed)
        if not few:
            ax.set_xlim(LOSSES)
            _name_pairs(ax, printed, PAIR_LABELS[kind])
        ax.set_title(f"{kind} accuracy", loc="left", weight="bold", pad=8)
    if not few:
        panels[0].set_ylim(NEAR)
    panels[1].set_ylim(0, 1)
    legend_across(panels[0], columns=4, handles=_loss_handles(epochs["kind"]))
    return figure


def _loss_panel(ax: Axes, epochs: pd.DataFrame, logs: pd.DataFrame, kind: str, printed: pd.DataFrame) -> None:
    """Draw the epochs, the logs and the printed pairs of one accuracy over the loss."""
    column = f"{kind}_accuracy"
    for name, (color, marker) in reversed(KINDS.items()):  # the paper's own reading above its variants
        for part, fill in (("training", "none"), ("validation", color)):
            own = epochs[(epochs["kind"] == name) & (epochs["part"] == part)]
            look: dict[str, Any] = {"s": 14, "facecolors": fill, "edgecolors": color, "linewidths": 0.7, "alpha": 0.8}
            ax.scatter(own["loss"], own[column], marker=marker, **look)
    ax.scatter(logs["loss"], logs[column], marker="*", s=70, color=INK, zorder=3)
    if kind == "binary":
        ax.axhline(UNSURE, color=SOFT, linewidth=1, zorder=1, label="_level")
    ax.scatter(printed["loss"], printed["accuracy"], marker="D", s=42, facecolors="white", edgecolors=INK, zorder=4)
    ax.set(xlabel="loss (nats)", ylabel="share of yes/no decisions" if kind == "binary" else "share of faces")


def _name_pairs(
    ax: Axes,
    printed: pd.DataFrame,
    places: Mapping[str, tuple[tuple[float, float], Literal["left", "center", "right"]]],
) -> None:
    """Write split and accuracy next to each printed pair, over the marks but hiding few of them."""
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for row in printed.itertuples():
        place, side = places[row.split]
        ax.annotate(
            f"{row.split} {row.accuracy:.4f}", (row.loss, row.accuracy), xytext=place, textcoords="offset points",
            ha=side, va="center", fontsize=8, path_effects=halo, zorder=5,
        )  # fmt: skip


def _loss_handles(kinds: pd.Series) -> dict[str, Line2D]:
    handles = {
        kind: Line2D([], [], linestyle="none", marker=marker, color=color)
        for kind, (color, marker) in KINDS.items()
        if (kinds == kind).any()
    }
    handles["printed"] = Line2D([], [], linestyle="none", marker="D", markerfacecolor="white", markeredgecolor=INK)
    return handles | {"public copies": Line2D([], [], linestyle="none", marker="*", markersize=9, color=INK)}


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
        below = any(0.005 < level - printed[split] < 0.1 for level, _ in levels.values())  # a level runs just above
        ax.annotate(
            f"{printed[split]:.4f}", (place, printed[split]), xytext=(0, -14 if below else 7),
            textcoords="offset points", ha="center",
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
        "Diamonds: accuracies as printed. Coloured and dotted: a model that always answers the training shares "
        "(priors). 6/7: the binary accuracy of any model that is never more than 50 % sure; 5/7: the lowest that a "
        f"softmax over seven classes can have. {curve_note(one[one['seed'] == one['seed'].iloc[0]])}"
        f"{said if max(seeds.values()) > 1 else ''}"
    )


def _accuracy_handles() -> dict[str, Line2D]:
    """Make the legend's handles: one column for each metric, training above validation."""
    return {
        f"{kind}, {part}": Line2D([], [], color=color, dashes=dashes or (None, None))
        for kind, color in METRIC_COLORS.items()
        for part, dashes in PART_DASHES.items()
    }
