"""The figures of liu2023 and those of our argument about it. Functions return a figure; none writes or shows one.

With ``synthetic=True`` the title area says SYNTHETIC. The title has a figure number only if the paper has this figure.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_lib.experiments.protocol_scores import printed_accuracy
from fer_lib.figures import diagrams
from fer_lib.figures.diagrams import LayerFacts
from fer_lib.figures.style import (
    INK,
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
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, transferred_name
from fer_lib.tables.liu2023 import NO_PHOTOS

LINES = ("-", "--", "-.", (0, (1, 1)))
SUBJECT_NOTE = "Bars: 95 % intervals over subjects (Student's t, jackknife)."


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
    return drawing(lambda ax: diagrams.draw_residual_block(ax, block, width=WIDTH - 0.2), title, note=note)


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
def fine_tuning_curves(history: pd.DataFrame | Mapping | Sequence, *, synthetic: bool = False) -> Figure:
    """Draw loss and accuracy over the epochs of fine-tuning (liu2023, section 1: "using expression data").

    Args:
        history: as for ``figures.chen2023.loss_curves``, with ``epoch``, ``loss``, ``categorical_accuracy`` and both
            with ``val_``; an empty frame if nothing was fine-tuned.
        synthetic: whether to mark the figure as made from generated faces.
    """
    title = f"liu2023, section 1: fine-tuning of {model_name('resnet50_softmax')}"
    if not len(history):
        return absent(title, "Nothing was fine-tuned: the trunk is as it was loaded.", synthetic=synthetic)
    runs = as_runs(history)
    figure = new_figure(3.3, title, note=curve_note(runs), synthetic=synthetic)
    figure.corpora = ("fer2013",)
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
        scores: ``protocol_scores.scores``: ``protocol``, ``separation``, ``classifier``, ``accuracy``, ``low``,
        ``high``.
        chance: accuracy of guessing, such as 1/6; None draws no line.
        synthetic: whether to mark the figure as made from generated faces.
    """
    protocols = scores["protocol"].unique()
    kinds = scores["separation"].map(lambda kind: SEPARATIONS.get(kind, kind))
    long = scores.assign(separation=as_levels(kinds), classifier=as_levels(scores["classifier"].map(model_name)))
    names = long["classifier"].cat.categories
    levels = [(printed_accuracy(), "as printed"), *([] if chance is None else [(chance, "chance")])]
    note = f"{SUBJECT_NOTE} Dotted: {' and '.join(f'{100 * level:.1f} % ({words})' for level, words in levels)}."
    title = "Accuracy by what is kept apart between training and test faces"
    figure = new_figure(0.42 * len(names) + 1.3, title, note=note, synthetic=synthetic)
    figure.corpora = ("ckplus",)
    panels = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    for ax, protocol in zip(panels, protocols, strict=True):
        draw_intervals(ax, long[long["protocol"] == protocol], "accuracy", rows="classifier", hue="separation")
        for level, words in levels:
            if words == "chance" and protocol != "per class":
                continue  # the folds' classes differ in size, so guessing has another level there: the class priors
            ax.axvline(level, color=INK, linewidth=1.1, linestyle=":", zorder=1.5, label="_level")
        ax.set(xlim=(0, 1.02), xlabel="accuracy (share of test faces)", ylabel="")
        ax.set_title(PROTOCOLS.get(protocol, protocol), loc="left", weight="bold")
    legend_across(panels[0], columns=3)
    return figure


@styled
def roc_curves(curves: Mapping[str, pd.DataFrame], *, synthetic: bool = False) -> Figure:
    """Draw the ROC curves of several models on GENKI-4K: smiles found against other faces taken for smiles.

    Args:
        curves: model -> ``evaluation.smiles.roc_curve``: ``false_positive_rate`` and ``true_positive_rate``.
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
    figure.corpora = ("genki4k",)
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":")
    for (key, curve), color, dashes in zip(curves.items(), colors(names), itertools.cycle(LINES)):
        rates = curve["false_positive_rate"], curve["true_positive_rate"]
        ax.plot(*rates, color=color, linestyle=dashes, label=names[key], drawstyle="steps-post")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="share of other photos taken for smiles", ylabel="share of smiles found")
    legend_above(ax, columns=1)
    return figure


@styled
def genki_by_pose(rows: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw accuracy and area under the ROC curve on GENKI-4K, over all photos and by groups such as pose.

    Args:
        rows: ``evaluation.smiles.smile_rows``: ``model``, ``group``, ``photos``; ``accuracy`` and ``auc``, each with
            ``_low`` and ``_high``.
        synthetic: whether to mark the figure as made from generated photos.
    """
    title = "liu2023, section 2.1: smiles of GENKI-4K, all photos and by group"
    if not len(rows):
        return absent(title, NO_PHOTOS, synthetic=synthetic)
    groups = rows["group"].astype(str) + rows["photos"].map("\n(photos: {:,})".format)
    long = rows.assign(model=as_levels(rows["model"].map(transferred_name)), group=as_levels(groups))
    groups, names = (long[column].cat.categories for column in ("group", "model"))
    note = "Bars: 95 % intervals over photos (accuracy: Wilson, area: DeLong). Dotted: a coin's area."
    body = len(groups) * (0.28 + 0.12 * len(names)) + 1.2
    figure = new_figure(body, title, note=note, synthetic=synthetic)
    figure.corpora = ("genki4k",)
    panels = figure.subplots(1, 2, sharey=True)
    words = {"accuracy": "accuracy (share of photos)", "auc": "area under the ROC curve"}
    for ax, (measure, label) in zip(panels, words.items(), strict=True):
        shown = long.assign(low=long[f"{measure}_low"], high=long[f"{measure}_high"])
        draw_intervals(ax, shown, measure, rows="group", hue="model")
        ax.set(xlabel=label, ylabel="")
    panels[1].axvline(0.5, color=SOFT, linewidth=1, linestyle=":")
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
