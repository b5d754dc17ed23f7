"""The figures of chen2023 and those of our argument about it. Functions return a figure; none writes or shows one.

With ``synthetic=True`` the title area says SYNTHETIC. The title has a figure number only if the paper has this figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from fer_lib.evaluation.metrics import calibration_error
from fer_lib.figures import diagrams
from fer_lib.figures.style import (
    GRID,
    INK,
    INTERVAL,
    METRIC_COLORS,
    PARTS,
    SOFT,
    WIDTH,
    as_runs,
    colors,
    curve_note,
    draw_curves,
    drawing,
    legend_above,
    markers,
    model_name,
    new_figure,
    references,
    styled,
    with_bounds,
)
from fer_lib.tables.format import UNSURE

if TYPE_CHECKING:
    import keras

GLANCE_SIZE = 13  # points; the README's picture has to be legible on a phone, at a third of its size
GLANCE_MARKS = {"categorical": "o", "binary": "s"}


@styled
def model_structure(model: keras.Model) -> Figure:
    """Draw chen2023's Figure 2: the shapes that a face passes through, and the layers of a built model.

    Layers, shapes, parameters and trainable parts are read from the model itself, so the figure shows what runs.

    Args:
        model: a built Keras model; a network inside it, such as the trunk, is drawn as one layer.
    """
    total = model.count_params()
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    note = f"{total:,} parameters, of which {trained:,} train"
    note += "; a batch norm's moving mean and variance never do." if trained < total else "."
    title = _numbered(2, "the structure of the model", model.name)
    return drawing(lambda ax: diagrams.draw_model(ax, model, width=WIDTH - 0.2), title, note=note)


@styled
def residual_block(trunk: keras.Model, *, block: str = "conv5_block3") -> Figure:
    """Draw chen2023's Figure 3: a residual block, with its branches followed through the Keras graph.

    Args:
        trunk: the ResNet itself, such as ``model.get_layer("resnet50")``.
        block: the block's name; ``"conv5_block3"`` has an identity shortcut, ``"conv2_block1"`` a projection.

    Raises:
        FerError: the network has no such block; the message names the nearest.
    """
    found = diagrams.find_residual_block(trunk, block)
    convolutions = sum(fact.kind.startswith("Conv") for fact in found.main)
    shortcut = "a projection" if found.shortcut else "the identity"
    note = f"{convolutions} convolutions on the way of F(x); the shortcut is {shortcut} (He et al. 2016)."
    title = f"chen2023, Figure 3: residual block {block} of {trunk.name}"
    return drawing(lambda ax: diagrams.draw_residual_block(ax, found, width=WIDTH - 0.2), title, note=note)


@styled
def mlp_structure(model: keras.Model) -> Figure:
    """Draw chen2023's Figure 4: the multi-layer perceptron, from its first batch norm to the softmax.

    Args:
        model: the built model of section 2.2; the MLP is everything after its first dense layer.

    Raises:
        FerError: the model has fewer than two dense layers.
    """
    _, blocks, _ = diagrams.split_mlp(model)
    note = f"Each of the {len(blocks)} blocks ends with a dense layer: the paper's “completely linked layers”."
    title = _numbered(4, "the multi-layer perceptron", model.name)
    return drawing(lambda ax: diagrams.draw_mlp(ax, model, width=WIDTH - 0.2), title, note=note)


@styled
def loss_curves(
    history: pd.DataFrame | Mapping | Sequence,
    *,
    published: Mapping[str, float] | None = None,
    model: str = "resnet50_mlp",
    synthetic: bool = False,
) -> Figure:
    """Draw chen2023's Figure 5: training and validation loss in nats over the epochs.

    Args:
        history: a DataFrame with ``epoch``, ``loss`` and ``val_loss`` (nats), and ``seed`` if it has several runs; or
            several DataFrames in a list or in a mapping by seed. Several runs are drawn as their mean and range.
        published: part -> loss as the paper prints it, such as ``{"training": 1.71, "validation": 1.68}``.
        model: a key of ``tables.format.MODEL_NAMES``; the paper's figure shows ``"resnet50_mlp"``.
        synthetic: whether to mark the figure as made from generated faces.
    """
    runs = as_runs(history)
    title = _numbered(5, "loss during training and validation", model)
    figure = new_figure(3.6, title, note=curve_note(runs), synthetic=synthetic)
    ax = figure.subplots()
    draw_curves(ax, runs, "loss")
    references(ax, _printed(published, "{:.2f}"), size=(6.2, 2.7))
    ax.set_ylabel("cross-entropy (nats)")
    legend_above(ax, columns=2)
    return figure


@styled
def accuracy_curves(
    history: pd.DataFrame | Mapping | Sequence,
    *,
    published: Mapping[str, float] | None = None,
    model: str = "resnet50_mlp",
    synthetic: bool = False,
) -> Figure:
    """Draw chen2023's Figure 6 twice: categorical accuracy and Keras' binary accuracy over the epochs.

    The paper does not say which accuracy it prints, so both panels show its values.

    Args:
        history: as for ``loss_curves``, with ``categorical_accuracy``, ``binary_accuracy`` and both with ``val_``.
        published: part -> accuracy as the paper prints it, such as ``{"training": 0.8580, "validation": 0.8581}``.
        model: a key of ``tables.format.MODEL_NAMES``; the paper's figure shows ``"resnet50_mlp"``.
        synthetic: whether to mark the figure as made from generated faces.
    """
    runs = as_runs(history)
    note = f"6/7: the binary accuracy of any model that is never more than 50 % sure. {curve_note(runs)}"
    title = _numbered(6, "accuracy during training and validation", model)
    figure = new_figure(3.7, title, note=note, synthetic=synthetic)
    panels = figure.subplots(1, 2)
    labels = {"categorical_accuracy": "share of faces", "binary_accuracy": "share of yes/no decisions"}
    for ax, (metric, label) in zip(panels, labels.items(), strict=True):
        draw_curves(ax, runs, metric)
        level = {f"6/7 = {UNSURE:.4f}": (UNSURE, INK)} if metric == "binary_accuracy" else {}
        references(ax, {**level, **_printed(published, "{:.4f}")}, size=(2.4, 2.4))
        ax.set_ylabel(label)
        legend_above(ax, columns=2)
        name = "categorical accuracy" if metric == "categorical_accuracy" else "Keras' binary accuracy"
        ax.set_title(name, loc="left", pad=24, weight="bold")
    coarse, fine = (np.ptp(ax.get_ylim()) for ax in panels)
    if coarse >= 2 * fine:
        panels[1].set_title(
            f"Keras' binary accuracy (axis {coarse / fine:.0f}× finer)", loc="left", pad=24, weight="bold"
        )
    return figure


@styled
def confusion_matrix(confusion: pd.DataFrame, *, title: str = "Confusion matrix", synthetic: bool = False) -> Figure:
    """Draw a confusion matrix: numbers of faces, coloured by their share of the true class.

    Args:
        confusion: ``metrics.confusion``: faces per true class (rows) and predicted class (columns).
        title: names the model and the split.
        synthetic: whether to mark the figure as made from generated faces.
    """
    cells = confusion.to_numpy()
    shares = confusion / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    note = f"{cells.sum():,.0f} faces. Numbers: faces; colour: share of the true class's faces."
    figure = new_figure(0.55 * len(cells) + 1.0, title, note=note, width=7, synthetic=synthetic)
    ax = figure.subplots()
    texts = confusion.map("{:,.0f}".format)
    bar = {"label": "share of the true class's faces"}
    sns.heatmap(shares, annot=texts, fmt="", cmap="Blues", vmin=0, vmax=1, linewidths=1, cbar_kws=bar, ax=ax)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.tick_params(axis="x", rotation=0 if len(cells) <= 8 else 45, length=0)
    ax.tick_params(axis="y", rotation=0, length=0)
    return figure


@styled
def reliability_curves(curves: Mapping[str, pd.DataFrame], *, synthetic: bool = False) -> Figure:
    """Draw reliability curves: accuracy by confidence, and below it the number of faces.

    Args:
        curves: model -> ``metrics.reliability``: ``confidence``, ``accuracy`` with its 95 % interval ``low`` and
            ``high``, and ``faces``, one row for each bin of the largest output.
        synthetic: whether to mark the figure as made from generated faces.
    """
    names = {
        key: f"{model_name(key)} (calibration error {calibration_error(curve):.3f})" for key, curve in curves.items()
    }
    long = pd.concat([curve.assign(model=names[key]) for key, curve in curves.items()], ignore_index=True)
    look = {"hue": "model", "palette": colors(names), "style": "model", "dashes": False, "markers": markers(names)}
    note = "Bars: 95 % Wilson intervals. On the diagonal a model is as often right as it claims."
    figure = new_figure(5.6, "Reliability of the largest output, test faces", note=note, width=7, synthetic=synthetic)
    top, bottom = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    top.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":")
    sns.lineplot(
        with_bounds(long, "accuracy"), x="confidence", y="accuracy", ax=top, **look, **INTERVAL,
        err_style="bars", err_kws={"capsize": 3},
    )  # fmt: skip
    sns.lineplot(long, x="confidence", y="faces", ax=bottom, legend=False, **look)
    top.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy (share of faces right)")
    # logarithmic: a bin of one face has a wide interval, and would be invisible next to thousands
    bottom.set(xlabel="confidence (mean largest output of the bin)", ylabel="faces", yscale="log")
    bottom.set_ylim(0.6, 2.5 * long["faces"].max())
    bottom.yaxis.set_major_locator(FixedLocator((10.0 ** np.arange(6)).tolist()))
    bottom.yaxis.set_minor_locator(NullLocator())
    bottom.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    legend_above(top, columns=1)
    return figure


@styled
def recalls(scores: Mapping[str, pd.DataFrame], *, synthetic: bool = False) -> Figure:
    """Draw the recall of each class with its 95 % Wilson interval, the models side by side.

    Args:
        scores: model -> ``metrics.score``; its rows ``recall_<class>`` are drawn.
        synthetic: whether to mark the figure as made from generated faces.
    """
    rows = []
    for key, table in scores.items():
        recall = table[table["metric"].str.startswith("recall_")]
        rows.append(recall.assign(model=model_name(key), **{"class": recall["metric"].str.removeprefix("recall_")}))
    long = pd.concat(rows, ignore_index=True)
    names, classes = [model_name(key) for key in scores], list(dict.fromkeys(long["class"]))
    body = len(classes) * (0.22 + 0.14 * len(names)) + 0.9
    title = "Recall of each class, test faces"
    figure = new_figure(body, title, note="Bars: 95 % Wilson intervals.", synthetic=synthetic)
    ax = figure.subplots()
    sns.pointplot(
        with_bounds(long, "value"), x="value", y="class", order=classes, hue="model", hue_order=names,
        palette=colors(names), markers=markers(names), linestyle="none", capsize=0.08, markersize=5,
        err_kws={"linewidth": 1.4}, dodge=0.18 * (len(names) - 1) or False, ax=ax, **INTERVAL,
    )  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), xlabel="recall (share of the class's faces found)", ylabel="class")
    for edge in range(1, len(classes)):
        ax.axhline(edge - 0.5, color=GRID, linewidth=0.8)
    ax.grid(visible=False, axis="y")
    legend_above(ax, columns=len(names))
    return figure


@styled
def glance(measured: Mapping[str, pd.DataFrame], *, printed: Mapping[str, float], synthetic: bool = False) -> Figure:
    """Draw both accuracies of each model on the test faces, with the printed one above them: the README's picture.

    Its words are few and large. The rest is in its description, which is the caption in the report.

    Args:
        measured: model -> scores: ``split``, ``metric``, ``value``, ``low`` and ``high``; the rows of both accuracies
            on the split ``"testing"`` are drawn.
        printed: model -> the accuracy on the test faces as the paper prints it.
        synthetic: whether to mark the figure as made from generated faces.
    """
    testing = {
        model: scores[scores["split"] == "testing"].set_index("metric")[["value", "low", "high"]] * 100
        for model, scores in measured.items()
    }
    figure = new_figure(
        0.5 * len(measured) + 0.92, "Which accuracy does chen2023 print?", synthetic=synthetic, title_size=14,
        caption=_glance_caption(testing, printed),
    )  # fmt: skip
    ax = figure.subplots()
    ax.axvline(100 * UNSURE, color=SOFT, linewidth=1.2, zorder=1, label="_level")
    for place, (model, scores) in enumerate(testing.items()):
        _glance_row(ax, place, scores, printed.get(model))
        if place:
            ax.axhline(place - 0.5, color=GRID, linewidth=0.8)
    ax.annotate(
        "6/7 = 85.7 %: never more than 50 % sure", (1, 1), xytext=(0, 3), xycoords="axes fraction",
        textcoords="offset points", ha="right", va="bottom", fontsize=GLANCE_SIZE - 2, color=SOFT,
    )  # fmt: skip
    ax.set(xlim=(0, 100), ylim=(len(measured) - 0.5, -0.5))
    ax.set_yticks(range(len(measured)), [model_name(model) for model in measured], fontsize=GLANCE_SIZE)
    ax.set_xlabel("accuracy on the test faces (%), 95 % intervals", fontsize=GLANCE_SIZE - 1)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=GLANCE_SIZE - 1)
    ax.grid(visible=False, axis="y")
    looks = {f"{kind}, measured": (GLANCE_MARKS[kind], color, color) for kind, color in METRIC_COLORS.items()}
    handles = [
        Line2D([], [], linestyle="none", marker=marker, mfc=fill, mec=edge, markersize=8, label=name)
        for name, (marker, fill, edge) in {**looks, "printed": ("D", "white", INK)}.items()
    ]
    ax.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1, 1.12), ncols=3, fontsize=GLANCE_SIZE, handletextpad=0.1,
        columnspacing=1.2, borderaxespad=0,
    )  # fmt: skip
    return figure


def _glance_caption(testing: Mapping[str, pd.DataFrame], printed: Mapping[str, float]) -> str:
    """Write the figure's numbers as text, and the explanations that it has no room for."""
    rows = []
    for model, scores in testing.items():
        numbers = [f"{kind} {scores.loc[f'{kind}_accuracy', 'value']:.1f} %" for kind in METRIC_COLORS]
        numbers += [f"printed {100 * printed[model]:.2f} %"] if model in printed else []
        rows.append(f"{model_name(model)}: {', '.join(numbers)}.")
    return (
        f"Accuracy on the test faces. {' '.join(rows)} Line: 6/7, the binary accuracy of any model that is never more "
        "than 50 % sure. Bars: 95 % intervals over faces; of several seeds, that of their mean, over seeds and faces."
    )


def _glance_row(ax: Axes, place: int, scores: pd.DataFrame, printed: float | None) -> None:
    """Draw a model's two accuracies with their numbers on the outer sides, and above them the printed one."""
    drawn = {kind: scores.loc[f"{kind}_accuracy"] for kind in METRIC_COLORS}
    line = place if printed is None else place + 0.22
    right = max(drawn, key=lambda kind: drawn[kind]["value"])
    for kind, (value, low, high) in drawn.items():
        color = METRIC_COLORS[kind]
        ax.errorbar(
            value, line, xerr=[[max(value - low, 0)], [max(high - value, 0)]], color=color,
            marker=GLANCE_MARKS[kind], markersize=8, capsize=4, linewidth=2,
        )  # fmt: skip
        beyond = kind == right or low < 12  # no room on the left
        ax.annotate(
            f"{value:.1f}", (high if beyond else low, line), xytext=(8 if beyond else -8, 0), va="center",
            textcoords="offset points", ha="left" if beyond else "right", fontsize=GLANCE_SIZE, color=color,
        )  # fmt: skip
    if printed is not None:
        ax.plot(100 * printed, place - 0.24, "D", markersize=8, markerfacecolor="white", markeredgecolor=INK)
        ax.annotate(
            f"{100 * printed:.2f}", (100 * printed, place - 0.24), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=GLANCE_SIZE,
        )  # fmt: skip


def _numbered(number: int, what: str, model: str) -> str:
    """Write a title; only the paper's own model gets the number of the paper's figure."""
    if model == "resnet50_mlp":
        return f"chen2023, Figure {number}: {what}"
    return f"{model_name(model)}: {what} (as chen2023, Figure {number})"


def _printed(published: Mapping[str, float] | None, form: str) -> dict[str, tuple[float, str]]:
    """Turn the paper's values into reference lines: label -> (value, colour of its part)."""
    values = {part: float(value) for part, value in (published or {}).items()}
    return {f"paper, {part}\n{form.format(value)}": (value, PARTS.get(part, SOFT)) for part, value in values.items()}
