"""The style and the building blocks of all figures; :mod:`fer_lib.figures.chen2023` shows how they are used.

A figure has a title area as high as its words need, which marks generated faces. Legends and the names of levels are
outside the axes, where they cannot hide data.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator
from PIL import Image, PngImagePlugin
from sklearn.isotonic import isotonic_regression

from fer_lib.datasets.catalog import SYNTHETIC_MARK
from fer_lib.tables.format import MODEL_NAMES, classifier_name

INK, SOFT, GRID = "#222222", "#595959", "#E6E6E6"  # of text and lines, of notes, of grids and separators
WIDTH = 8.0  # inches; fits a notebook's column
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito, 2008
PARTS = {"training": PALETTE[0], "validation": PALETTE[1]}
METRIC_COLORS = {"categorical": PALETTE[0], "binary": PALETTE[1]}
STYLE = {
    "figure.dpi": 100,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
# Seaborn computes intervals from samples, but ours are known. Given low, value and high as three samples, it draws the
# value as their median and the interval as their range.
INTERVAL = {"estimator": "median", "errorbar": ("pi", 100)}


class PaperFigure(Figure):
    """A figure that a notebook shows once, as the value of its cell; pyplot would show it again, so it is not used.

    Attributes:
        description: the text above the axes, as alternative text for readers who cannot see the figure.
        corpora: the corpora to name in the last line (:mod:`fer_lib.figures.source`); empty names all that the run has
            used.
        seeds: the seeds of single trainings to name there, if one run has several.
        drawn: the settings that count the training faces it learnt from and those it was tested on, if it used only
            some; they are named there in place of whole parts.
        needs_source: whether :func:`with_source` adds a line; False for diagrams and for figures without results.
        source: that line, once it is there.
    """

    description = ""
    corpora: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    drawn: tuple[str, str] | None = None
    needs_source = True
    source = ""

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return figure_png(self), {"alt": self.description}


def figure_png(figure: Figure, *, text: Mapping[str, str] | None = None, **options: Any) -> bytes:
    """Draw a figure as a PNG of 256 colours: nobody sees the difference, and the file has half the size.

    Pillow's usual choice of colours, median cut, gives a rare one to its frequent neighbours: it drew a legend's yellow
    mark in orange. matplotlib's version is left out, because it would change committed pictures at each update.

    Args:
        figure: the figure.
        text: keyword -> text, stored as PNG text chunks, such as ``{"Description": "…"}``.
        **options: of ``Figure.savefig``, such as ``dpi``.
    """
    drawn, content, chunks = io.BytesIO(), io.BytesIO(), PngImagePlugin.PngInfo()
    figure.savefig(drawn, format="png", **options)
    for keyword, words in (text or {}).items():
        chunks.add_text(keyword, words)
    with Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(content, "PNG", dpi=picture.info["dpi"], pnginfo=chunks, optimize=True)
    return content.getvalue()


def styled(make: Callable[..., Figure]) -> Callable[..., Figure]:
    """Give a function's figure ``STYLE``; the caller's matplotlib settings neither matter nor change."""

    @functools.wraps(make)
    def styled(*args: object, **options: object) -> Figure:
        with style.context(["default", STYLE]):
            figure = make(*args, **options)
            figure.draw_without_rendering()  # ticks get their style at the first drawing, not when the axes are made
            figure.set_layout_engine("none")  # keep the places that this drawing found, instead of finding them again
        return figure

    return styled


def with_bounds(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Repeat each row three times, with its low, own and high value in ``column``; see ``INTERVAL``."""
    return pd.concat([table.assign(**{column: table[bound]}) for bound in ("low", column, "high")], ignore_index=True)


def model_name(model: str) -> str:
    """Name a model as short as a figure needs it: ``tables.format.MODEL_NAMES`` without the explanation in brackets."""
    return MODEL_NAMES[model].split(" (")[0] if model in MODEL_NAMES else classifier_name(model)


def colors(names: Sequence[str] | Mapping) -> list[str]:
    """Choose a colour for each name."""
    return [PALETTE[place % len(PALETTE)] for place in range(len(names))]


def markers(names: Sequence[str] | Mapping) -> list[str]:
    """Choose a marker for each name."""
    return ["osD^vPX"[place % 7] for place in range(len(names))]


def new_figure(
    body: float,
    title: str,
    *,
    width: float = WIDTH,
    note: str = "",
    synthetic: bool = False,
    constrained: bool = True,
    title_size: float = 11,
    caption: str = "",
) -> PaperFigure:
    """Make an empty figure of ``body`` inches below a title area that is as high as its lines need.

    ``note`` is drawn under the title; ``caption`` is only in the figure's description.
    """
    lines: list[tuple[str, float, str, str]] = [
        (line, title_size, "bold", INK) for line in textwrap.wrap(title, int(width * 118.8 / title_size))
    ]
    lines += [(SYNTHETIC_MARK, 10, "bold", PALETTE[1])] if synthetic else []
    lines += [(line, 8.5, "normal", SOFT) for line in textwrap.wrap(note, int(width * 14.5))]
    header = 0.12 + sum(1.45 * size / 72 for _, size, _, _ in lines)
    width, height = round(width, 2), round(body + header, 2)
    figure = PaperFigure(figsize=(width, height), layout="constrained" if constrained else None)
    said = [SYNTHETIC_MARK] * synthetic + [title] + [words for words in (note, caption) if words]
    figure.description = ". ".join(said).replace("?. ", "? ")
    FigureCanvasAgg(figure)
    if constrained:
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)
        engine.set(rect=(0, 0, 1, body / height), w_pad=0.08, h_pad=0.06)
    y = height - 0.08
    for line, size, weight, color in lines:
        figure.text(0.1 / width, y / height, line, fontsize=size, weight=weight, color=color, va="top")
        y -= 1.45 * size / 72
    return figure


def with_source(figure: Figure, words: str) -> Figure:
    """Write below a figure which faces, seeds and weights it comes from; do nothing where it says so already.

    The figure grows at its lower end, and everything in it keeps its size and place.
    """
    if not words or not isinstance(figure, PaperFigure) or figure.source or not figure.needs_source:
        return figure
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(words, int(width * 15.5))
    added = 0.1 + 1.45 * 8 / 72 * len(lines)
    share = height / (height + added)
    for axes in figure.axes:
        x, y, wide, high = axes.get_position(original=True).bounds
        axes.set_position((x, 1 - share + y * share, wide, high * share))
    for text in figure.texts:
        text.set_y(1 - share + text.get_position()[1] * share)
    for legend in figure.legends:
        x, y, wide, high = legend.get_bbox_to_anchor().transformed(figure.transFigure.inverted()).bounds
        legend.set_bbox_to_anchor((x, 1 - share + y * share, wide, high * share), transform=figure.transFigure)
    figure.set_size_inches(width, height + added)
    for line, words_of_it in enumerate(lines):
        place = (added - 0.02 - 1.45 * 8 / 72 * line) / (height + added)
        figure.text(0.1 / width, place, words_of_it, fontsize=8, color=SOFT, va="top")
    figure.source = words
    figure.description = f"{figure.description.rstrip('.')}. {words}"
    return figure


def absent(title: str, sentence: str, *, synthetic: bool = False) -> Figure:
    """Make a figure that contains only a sentence, for missing data."""
    figure = new_figure(0.6, title, synthetic=synthetic)
    figure.needs_source = False
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0, 0.5, sentence, va="center")
    return figure


@styled
def not_yet(what: str, notebooks: str = "notebooks 03 and 05") -> Figure:
    """Make a figure that names a missing result and the notebooks that produce it."""
    return absent(f"{what}: not measured yet", f"Run {notebooks} with this profile.")


def drawing(draw: Callable[[Axes], float], title: str, *, note: str) -> Figure:
    """Make a figure around a drawing in inches, as high as the drawing needs; it shows no faces and no results."""
    body = draw(Figure().add_axes((0, 0, 1, 1)))  # first only to measure its height
    figure = new_figure(body, title, note=note, constrained=False)
    figure.needs_source = False
    ax = figure.add_axes((0, 0, 1, body / figure.get_figheight()))
    ax.set(xlim=(-0.1, WIDTH - 0.1), ylim=(-body, 0))
    ax.set_axis_off()
    draw(ax)
    return figure


def face_rows(
    rows: Mapping[str, np.ndarray],
    title: str,
    *,
    columns: int,
    above: Sequence[str] = (),
    note: str = "",
    synthetic: bool = False,
) -> Figure:
    """Draw a grid of faces in 0–1; each row has shape (n, H, W) or (n, H, W, 3) and its name at the left."""
    left = 0.25 + 0.072 * max((len(line) for name in rows for line in name.split("\n")), default=0)
    cell = min(1.1 if len(rows) == 1 else 0.8, (WIDTH - left - 0.15) / columns, 5.6 / len(rows))
    body = cell * len(rows) + (0.3 + 0.14 * max(name.count("\n") for name in above) if above else 0.1)
    width = max(left + cell * columns + 0.15, 5)
    figure = new_figure(body, title, width=width, note=note, synthetic=synthetic, constrained=False)
    height = figure.get_figheight()
    ax = figure.add_axes((left / width, 0.08 / height, cell * columns / width, cell * len(rows) / height))
    side = next(iter(rows.values())).shape[1:3]
    gap = max(1, side[0] // 16)
    sheet = np.ones((len(rows), side[0] + gap, columns, side[1] + gap, 3))
    for row, faces in enumerate(rows.values()):
        for column, face in enumerate(faces):
            color = face if face.ndim == 3 else face[..., np.newaxis]
            sheet[row, gap // 2 : gap // 2 + side[0], column, gap // 2 : gap // 2 + side[1]] = np.clip(color, 0, 1)
    # one image instead of one axes per face: ten times as fast
    sheet = sheet.reshape(len(rows) * (side[0] + gap), -1, 3)
    ax.imshow(sheet, aspect="auto", interpolation="nearest", extent=(0, columns, len(rows), 0))
    ax.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
    ax.set_xticks(np.arange(len(above)) + 0.5, above)
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return figure


def references(ax: Axes, lines: Mapping[str, tuple[float, str]], *, size: tuple[float, float]) -> None:
    """Draw dotted levels with their names in the right margin; names of near levels are moved apart.

    Args:
        ax: the axes; their limits are set to include curves and levels.
        lines: label -> (level, colour).
        size: the axes' width and height in inches, roughly, to keep the names apart.
    """
    if not lines:
        return
    width, height = size
    levels = np.array([level for level, _ in lines.values()])
    low, high = min(ax.dataLim.y0, levels.min()), max(ax.dataLim.y1, levels.max())
    low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
    ax.set_ylim(low, high)
    order = np.argsort(levels, kind="stable")
    room = 0.31 / height  # the height of a name of two lines, as a share of the axes
    steps = room * np.arange(len(levels))
    # the smallest moves that keep the names in order, apart and inside the axes
    wanted = (levels[order] - low) / (high - low) - steps
    places = isotonic_regression(wanted, y_min=room / 2, y_max=1 - room / 2 - steps[-1]) + steps
    items = list(lines.items())
    for place, index in zip(places, order, strict=True):
        label, (level, color) = items[index]
        ax.axhline(level, color=color, linewidth=1.1, linestyle=":", zorder=1.5, label="_level")
        lead = {"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
        ax.annotate(
            label, xy=(1, level), xycoords=("axes fraction", "data"), xytext=(1 + 0.15 / width, place),
            textcoords="axes fraction", va="center", fontsize=8, color=color, arrowprops=lead, annotation_clip=False,
        )  # fmt: skip


def legend_above(ax: Axes, *, columns: int) -> None:
    """Put the legend between the title area and the axes, where it cannot hide data."""
    handles, labels = ax.get_legend_handles_labels()
    if legend := ax.get_legend():
        legend.remove()
    ax.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)


def legend_across(ax: Axes, *, columns: int, handles: Mapping[str, Artist] | None = None) -> None:
    """Put one legend above all axes and their titles, in place of the axes' own legends; axes shrink by its height.

    Args:
        ax: any axes of a figure with constrained layout.
        columns: entries per line.
        handles: label -> handle; None means those of ``ax``.
    """
    figure = ax.figure
    assert isinstance(figure, Figure)
    known, labels = ax.get_legend_handles_labels()
    shown = handles or dict(zip(labels, known, strict=True))
    for other in figure.axes:
        if former := other.get_legend():
            former.remove()
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    left, bottom, width, height = engine.get()["rect"]
    legend = figure.legend(
        shown.values(), shown.keys(), loc="upper left", bbox_to_anchor=(left, bottom, width, height), ncols=columns,
        borderaxespad=0.2,
    )  # fmt: skip
    own = legend.get_window_extent().height / figure.bbox.height
    engine.set(rect=(left, bottom, width, height - own))


def as_levels(names: pd.Series) -> pd.Categorical:
    """Make names a categorical, in order of first occurrence, so that each has the same place in every panel."""
    return pd.Categorical(names, categories=names.unique())


def draw_intervals(ax: Axes, table: pd.DataFrame, value: str, *, rows: str, hue: str) -> None:
    """Draw values with their intervals ``low`` to ``high``: a row for each level of ``rows``, a mark for each ``hue``.

    Both columns are categoricals.
    """
    lines, kinds = (list(table[column].cat.categories) for column in (rows, hue))
    sns.pointplot(
        with_bounds(table, value), x=value, y=rows, order=lines, hue=hue, hue_order=kinds, palette=colors(kinds),
        markers=markers(kinds), linestyle="none", capsize=0.08, markersize=4.5, err_kws={"linewidth": 1.3},
        dodge=0.2 * (len(kinds) - 1) or False, ax=ax, **INTERVAL,
    )  # fmt: skip
    for edge in range(1, len(lines)):
        ax.axhline(edge - 0.5, color=GRID, linewidth=0.8)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)


def as_runs(history: pd.DataFrame | Mapping | Sequence) -> pd.DataFrame:
    """Combine one or several histories into a DataFrame with a column ``seed``."""
    if isinstance(history, pd.DataFrame):
        return history if "seed" in history else history.assign(seed=0)
    named = history.items() if isinstance(history, Mapping) else enumerate(history)
    return pd.concat([run.assign(seed=seed) for seed, run in named], ignore_index=True)


def seeds_of(rows: pd.DataFrame) -> tuple[int, ...]:
    """List the seeds in a frame's column ``seed``."""
    return tuple(sorted(int(seed) for seed in rows["seed"].unique()))


def curve_note(runs: pd.DataFrame) -> str:
    """Write the note about curves of a history, with the number of seeds."""
    note = "Training: running mean of the epoch, in training mode; validation: at its end."
    seeds = runs["seed"].nunique()
    return note if seeds == 1 else f"{note} Mean and range of {seeds} seeds."


def draw_curves(ax: Axes, runs: pd.DataFrame, metric: str) -> None:
    """Draw a metric over the epochs, in training and validation; mean and range if there are several seeds."""
    columns = {"training": metric, "validation": f"val_{metric}"}
    parts = [runs[["epoch"]].assign(part=part, value=runs[column]) for part, column in columns.items()]
    epochs = int(runs["epoch"].max())
    few = epochs <= 12
    sns.lineplot(
        pd.concat(parts, ignore_index=True), x="epoch", y="value", hue="part", palette=PARTS, style="part",
        markers=["o", "s"] if few else False, dashes=["", (4, 1.5)], errorbar=("pi", 100), ax=ax,
    )  # fmt: skip
    epoch_axis(ax, epochs)


def epoch_axis(ax: Axes, epochs: int) -> None:
    """Give an axis of epochs (counted from 1) at most seven ticks, all on whole epochs."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, epochs) if epochs / step <= 6)
    ticks = np.arange(1, epochs + 1, step) if step <= 2 else np.union1d([1], np.arange(step, epochs + 1, step))
    ax.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    pad = max(0.03 * epochs, 0.15)
    ax.set(xlim=(1 - pad, epochs + pad), xlabel="epoch")
