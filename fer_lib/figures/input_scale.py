"""The figure of chen2023's input scale (notebook 02). Functions return a figure; none writes or shows one."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from fer_lib.figures.style import as_levels, colors, legend_across, new_figure, styled
from fer_lib.tables.input_scale import scale_name

DASHES = {False: "", True: (4, 1.5)}
MARKERS = {False: "o", True: "s"}
MEASURES = {
    "variation": "variation of\nthe features (%)",
    "after_batch_norm": "left after the\nbatch norm (%)",
    "accuracy": "accuracy of a\nlinear probe (%)",
    "sure": "its answers\nabove 0.5 (%)",
}


@styled
def input_scale(found: pd.DataFrame, layers: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw features, batch norm and linear probe over the scale of the input, and the variation layer by layer.

    Args:
        found: of :func:`fer_lib.experiments.input_scale.measure`.
        layers: of :func:`fer_lib.experiments.input_scale.by_layer`.
        synthetic: whether to mark the figure as made from generated faces.
    """
    names = list(found["trunk"].unique())
    note = (
        "Variation: deviations from the mean over faces, as a share of the norm. Batch norm: the head's first, without "
        "the dropout before it; its epsilon is 0.001. The probe standardises the features itself. 1/255 is our reading "
        "of chen2023's pixel normalization; the weights were trained on the scale 1 with ImageNet's mean subtracted. "
        "Bars: 95 % intervals."
    )
    title = "What a frozen ResNet50 keeps of the differences between faces"
    figure = new_figure(5.2, title, note=note, synthetic=synthetic)
    figure.drawn = ("learn_faces", "test_faces")
    grid = figure.add_gridspec(2, len(MEASURES), height_ratios=(1, 1.15))
    panels = [figure.add_subplot(grid[0, place]) for place in range(len(MEASURES))]
    for ax, (column, label) in zip(panels, MEASURES.items(), strict=True):
        _scale_panel(ax, found, column, names)
        ax.set_title(label, loc="left", pad=8)
    _layers_panel(figure.add_subplot(grid[1, :]), layers, names)
    legend_across(panels[0], columns=4, handles=_handles(names))
    return figure


def _scale_panel(ax: Axes, found: pd.DataFrame, column: str, names: list[str]) -> None:
    """Draw a measure over the divisor, from the paper's scale at the left to the pixels' own at the right."""
    for name, color in zip(names, colors(names), strict=True):
        for centred, own in found[found["trunk"] == name].groupby("centred"):
            own = own.sort_values("divisor", ascending=False)
            dashes = DASHES[bool(centred)] or (None, None)
            look: dict[str, Any] = {"color": color, "marker": MARKERS[bool(centred)], "dashes": dashes}
            ax.plot(own["divisor"], 100 * own[column], **look)
            if column == "accuracy":
                ax.vlines(own["divisor"], 100 * own["low"], 100 * own["high"], color=color, linewidth=1)
    divisors = sorted(found["divisor"].unique())
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(divisors))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([scale_name(divisor, False) for divisor in divisors], rotation=90)
    ax.invert_xaxis()
    ax.set_ylim(0, 1.05 * ax.dataLim.y1)
    ax.set_xlabel("pixels times")


def _layers_panel(ax: Axes, layers: pd.DataFrame, names: list[str]) -> None:
    """Draw the variation after each block; colours and dashes are those of the other panels."""
    table = layers.assign(layer=as_levels(layers["layer"]), variation=100 * layers["variation"])
    sns.lineplot(
        table, x="layer", y="variation", hue="trunk", hue_order=names, palette=colors(names), style="centred",
        style_order=list(DASHES), dashes=list(DASHES.values()), markers=list(MARKERS.values()), legend=False, ax=ax,
    )  # fmt: skip
    scales = " and ".join(scale_name(*pair) for pair in layers[["divisor", "centred"]].drop_duplicates().to_numpy())
    ax.set_title(f"variation after each block (%), pixels times {scales}", loc="left", pad=8)
    ax.set_ylim(bottom=0)
    ax.set(xlabel="", ylabel="")
    places = range(table["layer"].cat.categories.size)
    ax.set_xticks(list(places), [name.removesuffix("_out") for name in table["layer"].cat.categories], rotation=90)


def _handles(names: list[str]) -> dict[str, Line2D]:
    """Make the legend's handles: a colour for each trunk, a dash for the mean."""
    handles = {f"{name} trunk": Line2D([], [], color=color) for name, color in zip(names, colors(names), strict=True)}
    for centred, words in ((False, "mean kept"), (True, "mean subtracted")):
        handles[words] = Line2D([], [], color="grey", marker=MARKERS[centred], dashes=DASHES[centred] or (None, None))
    return handles
