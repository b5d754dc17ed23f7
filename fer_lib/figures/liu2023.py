"""The figures of liu2023 and those of our argument about it. Functions return a figure; none writes or shows one.

With ``synthetic=True`` the title area says SYNTHETIC. The title has a figure number only if the paper has this figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from fer_lib.figures import diagrams
from fer_lib.figures.diagrams import LayerFacts
from fer_lib.figures.style import (
    GRID,
    INK,
    PALETTE,
    SOFT,
    WIDTH,
    absent,
    as_levels,
    as_runs,
    colors,
    curve_note,
    draw_curves,
    draw_intervals,
    drawing,
    face_rows,
    legend_above,
    legend_across,
    model_name,
    new_figure,
    styled,
)
from fer_lib.settings import LeNetSettings
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, setting_name, transferred_name
from fer_lib.tables.hypotheses import SWEEPS
from fer_lib.tables.liu2023 import NO_PHOTOS

PRINTED_ACCURACY = 0.986
PART_COLORS = {"validation": PALETTE[0], "test": PALETTE[1]}
NETWORK_COLORS = {"plain": PALETTE[1], "residual": PALETTE[0]}
ORDER_MARKERS = ("o", "^")
PRINTED: dict[str, Any] = {
    "marker": "D",
    "s": 24,
    "facecolors": "none",
    "linewidths": 1.3,
    "clip_on": False,
    "zorder": 3,
}
SUBJECT_NOTE = "Bars: 95 % intervals, bootstrap over subjects."
SMOOTHED = 15  # steps
APART = 1.4  # points of error between lines that would hide one another
DASHES = ("", (4, 1.5), (1, 1), (6, 1.5, 1, 1.5), (2, 1), (8, 2), (3, 1, 1, 1, 1, 1))


@styled
def skip_connection() -> Figure:
    """Redraw liu2023's Figure 1, "Skip (Shortcut) connection": equation 1, H(x) = F(x) + x."""
    shape: Any = ("H", "W", "C")  # letters in place of sizes
    layers = [("Weight layer", "trained"), ("ReLU", "none"), ("Weight layer", "trained")]
    block = diagrams.ResidualBlock(
        fork=LayerFacts("Layer", "the layer before", shape, 0, 0, "none"),
        main=tuple(LayerFacts(kind, kind, shape, 0, 0, state) for kind, state in layers),
        shortcut=(),
        add=LayerFacts("Add", "add", shape, 0, 0, "none"),
        after=LayerFacts("ReLU", "after", shape, 0, 0, "none"),
    )
    note = (
        "The layers fit F(x) = H(x) − x, the shortcut adds x again: H(x) = F(x) + x (equation 1). Where the layers "
        "contribute nothing, x passes unchanged, and so does the gradient on its way back (He et al. 2016)."
    )
    title = "liu2023, Figure 1: skip (shortcut) connection"
    return drawing(
        lambda ax: diagrams.draw_residual_block(ax, block, width=WIDTH - 0.2), title, note=note, synthetic=False
    )


@styled
def expanded_faces(images: np.ndarray, names: Sequence[str], *, synthetic: bool = False) -> Figure:
    """Draw all views of one training face (liu2023, section 2.1: "12 times", "cross-cut").

    Args:
        images: uint8, shape (V, H, W): the V views of one face, as ``augmentation.expand`` returns them.
        names: V names, as ``augmentation.view_names`` returns them, such as ``"flip+rotate:8, crop top left"``. If
            all operations have the same crops, operations are rows and crops are columns.
        synthetic: whether to mark the figure as made from a generated face.
    """
    faces = np.asarray(images) // 4 * 4 / 255  # 64 greys look the same in a smaller file
    split = [name.partition(", crop ")[::2] for name in names]
    operations, crops = (list(dict.fromkeys(part[place] for part in split)) for place in (0, 1))
    title = f"liu2023, section 2.1: {len(faces)} pictures of a training face"
    if len(crops) > 1 and len(operations) * len(crops) == len(faces):
        by_operation = faces.reshape(len(operations), len(crops), *faces.shape[1:])
        rows = dict(zip((name.replace("+", " + ") for name in operations), by_operation, strict=True))
        above = [name.replace(" ", "\n") for name in crops]
        return face_rows(rows, title, columns=len(crops), above=above, synthetic=synthetic)
    return _named_faces(faces, names, title=title, synthetic=synthetic)


@styled
def fine_tuning_curves(
    history: pd.DataFrame | Mapping | Sequence, *, model: str = "resnet50_softmax", synthetic: bool = False
) -> Figure:
    """Draw loss and accuracy over the epochs of fine-tuning (liu2023, section 1: "using expression data").

    Args:
        history: as for ``figures.chen2023.loss_curves``, with ``epoch``, ``loss``, ``categorical_accuracy`` and both
            with ``val_``; an empty frame if nothing was fine-tuned.
        model: a key of ``settings.names.CLASSIFIERS``.
        synthetic: whether to mark the figure as made from generated faces.
    """
    title = f"liu2023, section 1: fine-tuning of {model_name(model)}"
    if not len(history):
        return absent(title, "Nothing was fine-tuned: the trunk is as it was loaded.", synthetic=synthetic)
    runs = as_runs(history)
    figure = new_figure(3.3, title, note=curve_note(runs), synthetic=synthetic)
    panels = figure.subplots(1, 2)
    labels = {"loss": "cross-entropy (nats)", "categorical_accuracy": "categorical accuracy (share of faces)"}
    for ax, (metric, label) in zip(panels, labels.items(), strict=True):
        draw_curves(ax, runs, metric)
        ax.set_ylabel(label)
        legend_above(ax, columns=2)
    return figure


@styled
def separations(scores: pd.DataFrame, *, chance: float | None = None, synthetic: bool = False) -> Figure:
    """Draw the accuracy of each classifier by the separation of training and test faces.

    Args:
        scores: ``protocols.scores``: ``protocol``, ``separation``, ``classifier``, ``accuracy``, ``low``, ``high``.
        chance: accuracy of guessing, such as 1/6; None draws no line.
        synthetic: whether to mark the figure as made from generated faces.
    """
    protocols = scores["protocol"].unique()
    kinds = scores["separation"].map(lambda kind: SEPARATIONS.get(kind, kind))
    long = scores.assign(separation=as_levels(kinds), classifier=as_levels(scores["classifier"].map(model_name)))
    names = long["classifier"].cat.categories
    levels = [(PRINTED_ACCURACY, "as printed"), *([] if chance is None else [(chance, "chance")])]
    note = f"{SUBJECT_NOTE} Dotted: {' and '.join(f'{100 * level:.1f} % ({words})' for level, words in levels)}."
    title = "Accuracy by what is kept apart between training and test faces"
    figure = new_figure(0.42 * len(names) + 1.3, title, note=note, synthetic=synthetic)
    panels = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    for ax, protocol in zip(panels, protocols, strict=True):
        draw_intervals(ax, long[long["protocol"] == protocol], "accuracy", rows="classifier", hue="separation")
        for level, words in levels:
            if words == "chance" and protocol != "per class":
                continue  # the folds' classes differ in size, so guessing has another level there: the class priors
            ax.axvline(level, color=INK, linewidth=1.1, linestyle=":", zorder=1.5, label="_level")
        ax.set(xlim=(0, 1.02), xlabel="accuracy (share of test faces)", ylabel="")
        ax.set_title(PROTOCOLS.get(protocol, protocol), loc="left", pad=24, weight="bold")
    legend_across(panels[0], columns=3)
    return figure


@styled
def lenet_against_printed(results: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the errors of the hyper-parameter study, one mark for each training, next to the printed ones.

    Args:
        results: of ``lenet_study.run`` for one or several corpora: ``corpus``, ``sweep``, ``order``,
            the configuration, ``best_validation_error`` and ``test_error`` (fractions), ``classes``.
        synthetic: whether to mark the figure as made from generated faces.
    """
    corpora, orders = list(results["corpus"].unique()), list(results["order"].unique())
    note = (
        "Filled marks: single trainings; dashes: their median. Open marks: as printed. Dotted: error of guessing. "
        "Errors are drawn by their square roots, so that 2.5 % and 5 % can be told apart."
    )
    title = "liu2023, Tables 4 and 5 and section 3.2.2: errors printed and measured"
    figure = new_figure(2.2 * len(SWEEPS) + 0.5, title, note=note, synthetic=synthetic)
    grid = figure.subplots(len(SWEEPS), len(corpora), sharey=True, squeeze=False)
    for row, sweep in zip(grid, SWEEPS, strict=True):
        for ax, corpus in zip(row, corpora, strict=True):
            part = results[(results["corpus"] == corpus) & (results["sweep"] == sweep)]
            _study_panel(ax, part, sweep=sweep, orders=orders)
    for ax, corpus in zip(grid[0], corpora, strict=True):
        ax.set_title(CORPUS_NAMES.get(corpus, corpus), loc="left", pad=44, weight="bold")
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
        "Median and range of the seeds; a training that has stopped counts on with its last error. Lines are moved "
        f"apart by {APART:g} points each, in the legend's order, so that equal errors do not hide one another."
    )
    title = "liu2023, section 3.2: validation error over epochs"
    figure = new_figure(1.9 * len(SWEEPS) + 0.9, title, note=note, synthetic=synthetic)
    heights = [1.6 if sweep == "batch_size" else 1.0 for sweep in SWEEPS]
    grid = figure.subplots(
        len(SWEEPS), len(columns), sharex=True, sharey=True, squeeze=False, height_ratios=heights
    )  # fmt: skip
    for row, (sweep, words) in zip(grid, SWEEPS.items(), strict=True):
        part = _sweep_rows(histories, settings or LeNetSettings(), sweep=sweep)
        part = _carried_on(part.assign(key=[setting_name(value) for value in part[sweep]]))
        keys = _in_order(part["key"])
        middle = (len(keys) - 1) / 2
        aside = part["key"].map({key: APART * (middle - place) for place, key in enumerate(keys)})
        part = part.assign(validation_error=part["validation_error"] + aside)
        for ax, (corpus, order) in zip(row, columns, strict=True):
            shown = part[(part["corpus"] == corpus) & (part["order"] == order)]
            sns.lineplot(
                shown, x="epoch", y="validation_error", hue="key", hue_order=keys, palette=colors(keys),
                style="key", style_order=keys, dashes=DASHES[: len(keys)],
                estimator="median", errorbar=("pi", 100), linewidth=1.2, legend=ax is row[-1], ax=ax,
            )  # fmt: skip
            ax.set(ylim=(-APART * 3, 100 + APART * 3), ylabel="", xlabel="epoch")
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
    note = "Solid: at the first step, dashed: at the last. Layer 1 is nearest the face. A norm of zero is not drawn."
    note += f" Loss: median of {SMOOTHED} steps; a single step's loss reaches {losses['loss'].max():.3g} nats."
    smooth = losses.groupby(["network", "layers", "batch_norm"])["loss"].transform(_smoothed)
    losses, top_loss = losses.assign(loss=smooth), 1.1 * smooth.quantile(0.99)
    title = "liu2023, section 2.2.1: gradients of plain and residual networks of equal depth"
    figure = new_figure(5.0, title, note=note, synthetic=synthetic)
    top, bottom = figure.subplots(2, len(kinds), sharey="row", squeeze=False)
    for place, (layers, batch_norm) in enumerate(kinds):
        norms, falls = (
            frame[(frame["layers"] == layers) & (frame["batch_norm"] == batch_norm)] for frame in (gradients, losses)
        )
        _norms_panel(top[place], norms)
        look = {"hue": "network", "palette": NETWORK_COLORS, "legend": False}
        sns.lineplot(falls, x="step", y="loss", errorbar=("pi", 100), ax=bottom[place], **look)
        bottom[place].set(xlabel="step", ylabel="", ylim=(0.97 * smooth.min(), min(top_loss, 1.03 * smooth.max())))
        words = "batch norm" if batch_norm else "no batch norm"
        top[place].set_title(f"{layers} layers,\n{words}", loc="left", pad=24, weight="bold", fontsize=9)
    top[0].set_ylabel("norm of the layer's gradient")
    bottom[0].set_ylabel("cross-entropy (nats)")
    lines = {name: Line2D([], [], color=color) for name, color in NETWORK_COLORS.items()}
    lines |= {"first step": Line2D([], [], color=SOFT), "last step": Line2D([], [], color=SOFT, dashes=(4, 1.5))}
    legend_across(top[0], columns=4, handles=lines)
    return figure


@styled
def roc_curves(curves: Mapping[str, pd.DataFrame], *, synthetic: bool = False) -> Figure:
    """Draw the ROC curves of several models on GENKI-4K: smiles found against other faces taken for smiles.

    Args:
        curves: model -> ``roc.roc_curve``: ``false_positive_rate`` and ``true_positive_rate``.
        synthetic: whether to mark the figure as made from generated photos.
    """
    title = "liu2023, section 2.1: smiles of GENKI-4K, ROC curves"
    if not curves:
        return absent(title, NO_PHOTOS, synthetic=synthetic)
    names = {}
    for key, curve in curves.items():
        area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
        names[key] = f"{transferred_name(key)} (area {area:.3f})"
    note = "On the diagonal a model knows no more than a coin."
    figure = new_figure(4.4 + 0.2 * len(names), title, note=note, width=5.5, synthetic=synthetic)
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":")
    for (key, curve), color in zip(curves.items(), colors(names), strict=True):
        rates = curve["false_positive_rate"], curve["true_positive_rate"]
        ax.plot(*rates, color=color, label=names[key], drawstyle="steps-post")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="share of other photos taken for smiles", ylabel="share of smiles found")
    legend_above(ax, columns=1)
    return figure


@styled
def genki_by_pose(rows: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw accuracy and area under the ROC curve on GENKI-4K, over all photos and by groups such as pose.

    Args:
        rows: ``evaluation.smiles.smile_rows``: ``model``, ``group``; ``accuracy`` and ``auc``, each with ``_low`` and
            ``_high``.
        synthetic: whether to mark the figure as made from generated photos.
    """
    title = "liu2023, section 2.1: smiles of GENKI-4K, all photos and by group"
    if not len(rows):
        return absent(title, NO_PHOTOS, synthetic=synthetic)
    long = rows.assign(model=as_levels(rows["model"].map(transferred_name)), group=as_levels(rows["group"].astype(str)))
    groups, names = (long[column].cat.categories for column in ("group", "model"))
    note = "Bars: 95 % intervals over photos (accuracy: Wilson, area: DeLong). Dotted: a coin's area."
    body = len(groups) * (0.28 + 0.12 * len(names)) + 1.2
    figure = new_figure(body, title, note=note, synthetic=synthetic)
    panels = figure.subplots(1, 2, sharey=True)
    words = {"accuracy": "accuracy (share of photos)", "auc": "area under the ROC curve"}
    for ax, (measure, label) in zip(panels, words.items(), strict=True):
        shown = long.assign(low=long[f"{measure}_low"], high=long[f"{measure}_high"])
        draw_intervals(ax, shown, measure, rows="group", hue="model")
        ax.set(xlabel=label, ylabel="")
    panels[1].axvline(0.5, color=SOFT, linewidth=1, linestyle=":")
    panels[0].set_title(" ", pad=14 * -(-len(names) // 3) - 8)  # room for the legend
    legend_across(panels[0], columns=3)
    return figure


def _named_faces(faces: np.ndarray, names: Sequence[str], *, title: str, synthetic: bool) -> Figure:
    """Draw faces in 0–1 in rows of six, each under its name."""
    columns = 6
    rows = -(-len(faces) // columns)
    figure = new_figure(1.6 * rows, title, synthetic=synthetic)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in panels:
        ax.set_axis_off()
    for ax, face, name in zip(panels, faces, names, strict=False):
        ax.imshow(face, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_title(name.replace(", crop ", ",\n").replace("+", " +\n"), fontsize=8)
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


def _carried_on(histories: pd.DataFrame) -> pd.DataFrame:
    """Make all trainings of a row equally long by repeating their last error; errors are in per cent."""
    parts = []
    for (corpus, order, key), row in histories.groupby(["corpus", "order", "key"], sort=False):
        wide = row.pivot_table(index="epoch", columns="seed", values="validation_error").ffill()
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
        hue="network", palette=NETWORK_COLORS, style="when", style_order=["first", "last"], dashes=["", (4, 1.5)],
        errorbar=("pi", 100), linewidth=1.3, legend=False, ax=ax,
    )  # fmt: skip
    ax.set(yscale="log", xlabel="layer", ylabel="")
