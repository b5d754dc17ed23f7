"""The figure of the comparators: accuracy against cost. It is returned, not written or shown."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from fer_lib.figures.style import INK, PALETTE, absent, new_figure, styled
from fer_lib.tables.comparators import Descriptions

COSTS = {
    "train_seconds": "training (seconds)",
    "faces_a_second": "faces answered in a second",
}
KINDS = {
    "pre-trained": ("o", PALETTE[0]),
    "from no weights": ("s", PALETTE[1]),
    "no network": ("^", PALETTE[2]),
}
PRIORS = "class_priors"  # they cost nothing, so they are drawn as a level without a mark
DIGIT = 6  # width and height of a digit in points
LEADER = {"arrowstyle": "-", "color": INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
TITLE = "Accuracy against cost of every comparator"


@styled
def costs(panels: Mapping[str, pd.DataFrame], descriptions: Descriptions, *, synthetic: bool = False) -> Figure:
    """Draw accuracy with its 95 % interval over the costs of training and classifying; a row of panels per corpus.

    Args:
        panels: test, such as ``"CK+, subjects apart"`` -> a frame with one row for each comparator: ``system`` (a
            row's name), ``accuracy``, ``low``, ``high`` (fractions), ``train_seconds``,
            ``faces_a_second`` and ``weights`` (``comparison_scores.panels``).
        descriptions: the rows' titles.
        synthetic: whether the faces were generated.
    """
    if not panels:
        return absent(TITLE, "Nothing to show yet: run notebook 07.", synthetic=synthetic)
    panels = {said: frame.assign(kind=frame["weights"].map(kind_of)) for said, frame in panels.items()}
    names = list(dict.fromkeys(name for frame in panels.values() for name in frame["system"] if name != PRIORS))
    numbers = {name: str(number) for number, name in enumerate(names, start=1)}
    note = (
        "Bars: 95 % intervals (CK+: over subjects; FER-2013: Wilson's). Dotted: class priors. Costs were "
        "measured where this was run, among whatever else ran there: less than a factor of two means little. "
        "*: in the style of the system that the paper names."
    )
    lines = (len(names) + 2) // 3
    figure = new_figure(2.9 * len(panels) + 0.17 * (lines + 1) + 0.1, TITLE, note=note, synthetic=synthetic)
    figure.corpora = ("ckplus", "fer2013")
    grid = figure.subplots(len(panels), len(COSTS), squeeze=False, sharex="col", sharey="row")
    for row, (said, frame) in zip(grid, panels.items(), strict=True):
        for ax, (cost, label) in zip(row, COSTS.items(), strict=True):
            _panel(ax, frame, cost=cost)
            ax.set_xlabel(label)
            ax.tick_params(labelbottom=True)
        row[0].set_ylabel("accuracy (%)")
        row[0].set_title(said, loc="left", weight="bold")
    used = {kind for frame in panels.values() for kind in frame["kind"]}
    marks = {kind: mark for kind, mark in KINDS.items() if kind in used}
    kinds = [Line2D([], [], linestyle="none", marker=shape, color=color) for shape, color in marks.values()]
    grid[0, 1].legend(
        kinds, marks, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.1, columnspacing=1
    )
    entries = [Line2D([], [], linestyle="none") for _ in names]
    titles = [f"{numbers[name]}  {descriptions[name]['title']}" for name in names]
    figure.legend(entries, titles, loc="outside lower left", ncols=3, fontsize=8, handlelength=0, handletextpad=0)
    figure.draw_without_rendering()  # computes the layout
    for row, frame in zip(grid, panels.values(), strict=True):
        for ax, cost in zip(row, COSTS, strict=True):
            _number(ax, frame, cost=cost, numbers=numbers)
    return figure


def kind_of(weights: str) -> str:
    """Classify a comparator by its weights into a key of ``KINDS``: pre-trained network, other network, none."""
    return {"no network": "no network", "none": "from no weights"}.get(weights.split(",")[0], "pre-trained")


def _panel(ax: Axes, frame: pd.DataFrame, *, cost: str) -> None:
    for level in frame.loc[frame["system"] == PRIORS, "accuracy"]:
        ax.axhline(100 * level, color=INK, linewidth=1.1, linestyle=":", zorder=1.5)
    frame = frame[(frame["system"] != PRIORS) & frame[cost].notna()]  # what learns nothing has no cost of training
    for kind, (shape, color) in KINDS.items():
        part = frame[frame["kind"] == kind]
        bounds = [100 * (part["accuracy"] - part["low"]), 100 * (part["high"] - part["accuracy"])]
        ax.errorbar(
            part[cost], 100 * part["accuracy"], yerr=bounds, linestyle="none", marker=shape, color=color, capsize=2,
            markersize=4.5, elinewidth=1,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _number(ax: Axes, frame: pd.DataFrame, *, cost: str, numbers: Mapping[str, str]) -> None:
    """Write each comparator's number next to its mark, clear of marks, bars and numbers if there is room.

    The layout must be computed before: the free places depend on the marks' distances on paper.
    """
    frame = frame[(frame["system"] != PRIORS) & frame[cost].notna()]  # what learns nothing has no cost of training
    points = 72 / ax.figure.dpi
    ends = {
        end: ax.transData.transform(list(zip(frame[cost], 100 * frame[end], strict=True))) * points
        for end in ("accuracy", "low", "high")
    }
    inside, taken = Bbox(ax.bbox.get_points() * points), []
    for (x, y), (_, low), (_, high) in zip(*ends.values(), strict=True):
        taken += [Bbox.from_extents(x - 3, y - 3, x + 3, y + 3), Bbox.from_extents(x - 1, low, x + 1, high)]
    places = zip(frame[cost], 100 * frame["accuracy"], strict=True)
    for name, place, (x, y) in zip(frame["system"], places, ends["accuracy"], strict=True):
        text, width = numbers[name], DIGIT * len(numbers[name])
        boxes = [
            Bbox.from_bounds(x + right, y + up - DIGIT / 2, width, DIGIT)
            for far in (4, 9, 15)
            for up in (6, -6, 0, 12, -12)
            for right in (far, -far - width)
        ]
        boxes = [box for box in boxes if inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)] or boxes
        free = min(boxes, key=lambda box: sum(box.overlaps(other) for other in taken))  # the first among equals
        taken.append(free)
        offset = (free.x0 - x, free.y0 + DIGIT / 2 - y)
        ax.annotate(
            text,
            place,
            xytext=offset,
            textcoords="offset points",
            va="center",
            fontsize=8,
            arrowprops=LEADER,
            zorder=1.8,
        )
