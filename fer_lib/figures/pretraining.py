"""The figure of the pre-training. The function returns a figure; it neither writes nor shows it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from fer_lib.datasets import imagenet_folders
from fer_lib.figures.style import GRID, SOFT, draw_curves, legend_above, new_figure, styled

CUT = 1.2  # of the highest training loss: a validation loss above it would flatten all the rest


@styled
def curves(history: pd.DataFrame, *, classes: int, synthetic: bool = False) -> Figure:
    """Draw loss, top-1 and top-5 accuracy over the epochs, in training and validation.

    Args:
        history: the history of :func:`fer_lib.experiments.pretraining.train`; a line marks each change of the images'
            size.
        classes: number of classes, for the title.
        synthetic: whether to mark the figure as made from generated images.
    """
    history = history.assign(seed=0)
    highest = CUT * history["loss"].max()
    sizes = history["image_size"].drop_duplicates()
    stages = " then ".join(f"{size}" for size in sizes)
    note = (
        "Training: running mean over the epoch, of augmented images; validation: whole images, after the epoch. A "
        "vertical line: larger images from here on."
    )
    if history["val_loss"].max() > highest:
        note += f" Losses above {highest:.1f} nats, of passes with a high rate, are cut off."
    title = f"Pre-training on {classes} classes at {stages} pixels"
    figure = new_figure(3.3, title, note=note, synthetic=synthetic)
    figure.corpora = (imagenet_folders.CORPUS, imagenet_folders.FOLDERS)
    labels = {"loss": "cross-entropy (nats)", "top1": "top-1 accuracy", "top5": "top-5 accuracy"}
    for ax, (metric, label) in zip(figure.subplots(1, 3), labels.items(), strict=True):
        draw_curves(ax, history, metric)
        for place in sizes.index[1:]:
            ax.axvline(history["epoch"][place] - 0.5, color=GRID, linewidth=1.2, zorder=0)
            ax.text(
                history["epoch"][place] - 0.4, 0.98, f"{sizes[place]} px",
                transform=ax.get_xaxis_transform(), va="top", fontsize=8, color=SOFT,
            )  # fmt: skip
        ax.set_ylabel(label)
        ax.set_ylim(0, min(highest, 1.1 * history[["loss", "val_loss"]].max(axis=None)) if metric == "loss" else 1)
        legend_above(ax, columns=2)
    return figure
