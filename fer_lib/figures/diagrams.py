"""Draw networks from built Keras models: chen2023's Figures 2, 3 and 4.

Each ``draw_`` function draws on axes whose data unit is one inch and returns the height it took below ``y = 0``;
``fer_lib.figures.chen2023`` makes the figure around it. Layers are recognised by their class' name, so that Keras need
not be imported.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from fer_lib.errors import FerError, nearest
from fer_lib.figures.style import INK, SOFT

if TYPE_CHECKING:
    import keras

SMALL = 8  # points; nothing in a figure is smaller
STATES = {
    "trained": ("#FBD9A5", "trained"),
    "partly": ("#FBD9A5", "partly trained"),
    "frozen": ("#B9D6EE", "frozen"),
    "none": ("#F1F1F1", "no parameters"),
}
SHORT_KINDS = {"InputLayer": "Input", "BatchNormalization": "BatchNorm", "ZeroPadding2D": "ZeroPad"}
ACTIVATIONS = {"relu": "ReLU", "softmax": "Softmax"}
ROW, BOX = 0.32, 0.24  # inches from one row of the layer list to the next, and of a row's box


@dataclass(frozen=True)
class LayerFacts:
    """The facts of one Keras layer that a drawing shows.

    Attributes:
        kind: the layer's class with its main setting, such as ``"Conv 3×3"``.
        name: its name in the model.
        shape: its output's shape without the batch, such as ``(2, 2, 2048)``.
        parameters: number of its weights.
        trained: number of weights that the optimiser changes.
        state: a key of ``STATES``.
        members: for a nested network, its layers with weights and how many of these train; else (0, 0).
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    parameters: int
    trained: int
    state: str
    members: tuple[int, int] = (0, 0)


def read_layer(layer: keras.Layer) -> LayerFacts:
    """Read the facts of a layer of a built model; a nested network counts as one layer."""
    inner = [member for member in getattr(layer, "layers", []) if member.weights]
    trained = sum(_size(weight) for weight in layer.trainable_weights)
    parameters = layer.count_params()
    moving = [member for member in inner if member.trainable_weights]
    if not parameters:
        state = "none"
    elif not trained:
        state = "frozen"
    else:
        state = "partly" if len(moving) < len(inner) else "trained"
    shape = tuple(layer.output.shape[1:])
    return LayerFacts(_kind(layer), layer.name, shape, parameters, trained, state, (len(inner), len(moving)))


def sizes(shape: Sequence[int]) -> str:
    """Format a shape as chen2023 writes it: ``(2, 2, 2048)`` is ``"2×2×2048"``."""
    return "×".join(str(size) for size in shape)


def draw_model(ax: Axes, model: keras.Model, *, width: float) -> float:
    """Draw a model: above, the shapes that the data take; below, every layer with its shape and parameters."""
    facts = [read_layer(layer) for layer in model.layers]
    if facts[0].kind != "Input":  # a Sequential model does not list its input as a layer
        facts.insert(0, LayerFacts("Input", model.inputs[0].name, tuple(model.inputs[0].shape[1:]), 0, 0, "none"))
    bottom = _draw_shapes(ax, facts, width=width) - 0.3
    bottom = _draw_list(ax, facts, width=width, top=bottom) - 0.28
    _draw_legend(ax, [fact.state for fact in facts], left=0.05, y=bottom)
    return 0.15 - bottom


def draw_residual_block(ax: Axes, block: ResidualBlock, *, width: float) -> float:
    """Draw a residual block from its input x at the top to its output at the bottom, as He et al. 2016 do."""
    main_x, short_x, box_width, step = 0.39 * width, 0.8 * width, 2.9, 0.53
    y = -0.12
    ax.text(main_x, y, f"x:  {sizes(block.fork.shape)}", ha="center", va="center", fontsize=10, weight="bold")
    ax.text(main_x + 0.75, y, f"from {block.fork.name}", ha="left", va="center", fontsize=SMALL, color=SOFT)
    split = y - 0.3
    _line(ax, (main_x, y - 0.12), (main_x, split))
    previous = split
    for number, fact in enumerate(block.main):
        centre = split - 0.4 - number * step
        _arrow(ax, (main_x, previous), (main_x, centre + 0.19))
        _labelled_box(ax, fact, at=(main_x, centre), width=box_width)
        previous = centre - 0.19
    plus = previous - 0.4
    _arrow(ax, (main_x, previous), (main_x, plus + 0.15))
    _bracket(ax, "F(x)", x=main_x - box_width / 2 - 0.15, top=split - 0.19, bottom=previous - 0.02)
    _draw_shortcut(ax, block, columns=(main_x, short_x), ends=(split, plus))
    ax.plot(main_x, plus, marker="o", markersize=20, color="white", markeredgecolor=INK, markeredgewidth=1.2)
    ax.text(main_x, plus - 0.012, "+", ha="center", va="center", fontsize=14)
    total = "F(x) + W·x" if block.shortcut else "F(x) + x"
    ax.text(main_x - 0.28, plus, f"{total}:  {sizes(block.add.shape)}", ha="right", va="center", weight="bold")
    end = plus - 0.62
    _arrow(ax, (main_x, plus - 0.15), (main_x, end + 0.19))
    _labelled_box(ax, block.after, at=(main_x, end), width=box_width)
    _arrow(ax, (main_x, end - 0.19), (main_x, end - 0.45))
    _draw_legend(ax, [fact.state for fact in block.facts], left=0.05, y=end - 0.62)
    return 0.77 - end


def draw_mlp(ax: Axes, model: keras.Model, *, width: float) -> float:
    """Draw the multi-layer perceptron: a column for each block that ends with a dense layer, then the output layers."""
    entry, blocks, output = split_mlp(model)
    columns = [*blocks, output] if output else blocks
    pitch = width / max(len(columns), 4)
    box_width, step, first = pitch - 0.45, 0.58, -0.75
    centres = [0.12 + box_width / 2 + pitch * number for number in range(len(columns))]
    lowest = first - step * (max(len(block) for block in blocks) - 1)
    ax.text(centres[0], -0.1, f"{sizes(entry.shape)} features", ha="center", va="center", weight="bold")
    ax.text(centres[0], -0.26, f"from {entry.name}", ha="center", va="center", fontsize=SMALL, color=SOFT)
    for number, block in enumerate(columns):
        x = centres[number]
        if number:
            # from the bottom of a column to the top of the next, rising between the two
            foot, rise, low, high = centres[number - 1], x - pitch / 2, lowest - 0.33, first + 0.49
            _line(ax, (foot, lowest - 0.19), (foot, low), (rise, low), (rise, high), (x, high))
            _arrow(ax, (x, high), (x, first + 0.19))
            ax.text(x, -0.1, sizes(blocks[number - 1][-1].shape), ha="center", va="center", weight="bold")
        else:
            _arrow(ax, (x, -0.34), (x, first + 0.19))
        for place, fact in enumerate(block):
            _labelled_box(ax, fact, at=(x, first - step * place), width=box_width)
            if place:
                _arrow(ax, (x, first - step * (place - 1) - 0.19), (x, first - step * place + 0.19))
        if number < len(blocks):
            ax.text(x, lowest - 0.47, f"block {number + 1}", ha="center", va="center", fontsize=9, color=SOFT)
    if output:
        x, end = centres[-1], first - step * (len(output) - 1)
        _arrow(ax, (x, end - 0.19), (x, end - 0.5))
        ax.text(x, end - 0.6, f"{sizes(output[-1].shape)} probabilities", ha="center", va="center", weight="bold")
    states = [fact.state for block in columns for fact in block]
    _draw_legend(ax, states, left=0.05, y=lowest - 0.82)
    return 0.97 - lowest


@dataclass(frozen=True)
class ResidualBlock:
    """The layers of one residual block, followed through the Keras graph.

    Attributes:
        fork: the layer whose output is x.
        main: the layers that compute F(x), first to last.
        shortcut: the layers on the shortcut; none if it is the identity.
        add: the addition.
        after: the layer that gets the sum.
    """

    fork: LayerFacts
    main: tuple[LayerFacts, ...]
    shortcut: tuple[LayerFacts, ...]
    add: LayerFacts
    after: LayerFacts

    @property
    def facts(self) -> tuple[LayerFacts, ...]:
        """The layers that the drawing shows as boxes."""
        return (*self.main, *self.shortcut, self.after)


def find_residual_block(trunk: keras.Model, block: str) -> ResidualBlock:
    """Find a residual block by name, such as ``"conv5_block3"``; both branches lead from its addition back to the fork.

    Raises:
        FerError: the network has no addition of that name.
    """
    blocks = [layer.name.removesuffix("_add") for layer in trunk.layers if layer.name.endswith("_add")]
    if block not in blocks:
        raise FerError(
            f"{trunk.name} has no residual block {block!r}{nearest(block, blocks)}; its blocks are {blocks}."
        )
    maker = {id(layer.output): layer for layer in trunk.layers}
    add = trunk.get_layer(f"{block}_add")
    first, second = (list(_chain_back(maker, tensor)) for tensor in add.input)
    fork = next(layer for layer in first if layer in second)
    branches = [branch[: branch.index(fork)][::-1] for branch in (first, second)]
    shortcut, main = (tuple(read_layer(layer) for layer in branch) for branch in sorted(branches, key=len))
    after = next(layer for layer in trunk.layers if any(tensor is add.output for tensor in _inputs(layer)))
    return ResidualBlock(read_layer(fork), main, shortcut, read_layer(add), read_layer(after))


def split_mlp(model: keras.Model) -> tuple[LayerFacts, list[list[LayerFacts]], list[LayerFacts]]:
    """Split a model: the layer before the MLP, the MLP's blocks (each ends with a dense layer), the output layers.

    The MLP is everything after the first dense layer: chen2023 feeds the 32 values of that layer to it (section 2.2.2).

    Raises:
        FerError: the model has fewer than two dense layers.
    """
    facts = [read_layer(layer) for layer in model.layers]
    dense = [place for place, fact in enumerate(facts) if fact.kind.startswith("Dense")]
    if len(dense) < 2:
        raise FerError(f"{model.name} has {len(dense)} dense layers; a multi-layer perceptron after one needs two.")
    blocks = [facts[start + 1 : end + 1] for start, end in itertools.pairwise(dense)]
    return facts[dense[0]], blocks, facts[dense[-1] + 1 :]


def _size(weight: keras.Variable) -> int:
    count = 1
    for size in weight.shape:
        count *= size
    return count


def _kind(layer: keras.Layer) -> str:
    name = type(layer).__name__
    if hasattr(layer, "layers"):
        return f"{len(layer.layers)} layers"
    if name == "Activation":
        return _activation(layer)
    if name == "Dropout":
        return f"Dropout {layer.rate:g}"
    if name.startswith("Conv"):
        return f"Conv {sizes(layer.kernel_size)}" + _suffix(layer)
    if "Pooling" in name and hasattr(layer, "pool_size"):
        return f"{name.split('Pooling')[0].replace('Average', 'Avg')}Pool {sizes(layer.pool_size)}"
    if name == "Dense":
        return name + _suffix(layer)
    return SHORT_KINDS.get(name, name)


def _suffix(layer: keras.Layer) -> str:
    activation = _activation(layer)
    return "" if activation == "linear" else f" + {activation}"


def _activation(layer: keras.Layer) -> str:
    name = getattr(layer.activation, "__name__", "activation")
    return ACTIVATIONS.get(name, name)


def _inputs(layer: keras.Layer) -> list:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _chain_back(maker: dict[int, keras.Layer], tensor: object) -> Iterator[keras.Layer]:
    """Yield the layers before a tensor, nearest first, up to the first that does not have exactly one input."""
    while id(tensor) in maker:
        layer = maker[id(tensor)]
        yield layer
        before = _inputs(layer)
        if len(before) != 1 or before[0] is tensor:  # an addition, or the network's input
            return
        tensor = before[0]


def _draw_shapes(ax: Axes, facts: Sequence[LayerFacts], *, width: float) -> float:
    """Draw each new output shape in turn and, above the arrow to it, the layer that makes it."""
    stages = [facts[0]]
    for before, fact in itertools.pairwise(facts):
        # a dense layer is always a stage of its own, even if it keeps the length as those of the MLP do
        if fact.shape != before.shape or fact.kind.startswith("Dense"):
            stages.append(fact)
    largest = max(size for fact in stages for size in fact.shape[:-1] or (1,))
    per_row, height = 10, 1.3
    for start in range(0, len(stages), per_row):
        row = stages[start : start + per_row]
        pitch = width / max(len(row), 4)
        named = 0.068 * max(len(fact.name) for fact in row) < pitch  # room for names above the arrows
        middle, reach = -0.78 - height * (start // per_row), 0.0
        for place, fact in enumerate(row):
            x = pitch * (place + 0.5)
            half = _draw_shape(ax, fact.shape, (x, middle), largest=largest)
            ax.text(x, middle - 0.5, sizes(fact.shape), ha="center", va="center", weight="bold", fontsize=SMALL)
            if place:
                _arrow(ax, (reach + 0.06, middle), (x - half - 0.06, middle))
                label = f"{fact.kind}\n{fact.name}" if named else fact.kind.replace(" + ", "\n+ ")
                ax.text(x - pitch / 2, middle + 0.42, label, ha="center", va="bottom", fontsize=SMALL, color=SOFT)
            reach = x + half
    return middle - 0.58


def _draw_shape(ax: Axes, shape: Sequence[int], centre: tuple[float, float], *, largest: int) -> float:
    """Draw a stack of maps as a cuboid or a vector as a bar, and return half its width in inches."""
    (x, y), values = centre, shape[-1]
    # not to scale, or small maps would vanish (48 : 2): sides are powers of heights, widths and channels
    if len(shape) == 1:
        half = min(0.36, 0.14 * values**0.12)
        ax.add_patch(Rectangle((x - 0.05, y - half), 0.1, 2 * half, facecolor="#D9D9D9", edgecolor=INK, linewidth=0.9))
        return 0.05
    side = 0.42 * (shape[0] / largest) ** 0.35
    depth = 0.018 * values**0.32
    left, bottom = x - (side + depth) / 2, y - (side + depth) / 2
    corners = [(left, bottom), (left + side, bottom), (left + side, bottom + side), (left, bottom + side)]
    back = [(px + depth, py + depth) for px, py in corners]
    style: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.9, "joinstyle": "round"}
    ax.add_patch(Polygon(corners, facecolor="#F1F1F1", **style))
    ax.add_patch(Polygon([corners[3], corners[2], back[2], back[3]], facecolor="#E2E2E2", **style))
    ax.add_patch(Polygon([corners[1], back[1], back[2], corners[2]], facecolor="#C9C9C9", **style))
    return (side + depth) / 2


def _draw_list(ax: Axes, facts: Sequence[LayerFacts], *, width: float, top: float) -> float:
    """Draw the layers top-down, in two columns if there are many, and return the y where they end."""
    cells = [(fact.kind, fact.name, sizes(fact.shape), _count(fact)) for fact in facts]
    longest = [max(len(line[place]) for line in cells) for place in range(4)]
    # inches from a box's left edge to kind, name, shape and the end of the parameters; bold letters are wider
    steps = [0.16, 0.076 * longest[0] + 0.08, 0.064 * longest[1] + 0.08, 0.071 * (longest[2] + longest[3]) + 0.1]
    places = np.cumsum(steps)
    gap = 0.3
    half = (width - gap) / 2
    columns = 2 if len(facts) > 8 and places[-1] + 0.12 <= half else 1
    wide = half if columns == 2 else min(width, places[-1] + 0.5)
    places[-1] = wide - 0.12
    lines = [1 + bool(fact.members[0]) for fact in facts]
    rows = -(-sum(lines) // columns)
    column, row = 0, 0
    for fact, texts, height in zip(facts, cells, lines, strict=True):
        if row and row + height > rows and column + 1 < columns:
            column, row = column + 1, 0
        left = column * (wide + gap)
        y = top - 0.34 - ROW * row
        if not row:
            heads = ("layer", "name", "output", "parameters")
            _list_line(ax, heads, places=left + places, y=top - 0.04, color=SOFT)
        else:
            _arrow(ax, (left + 0.2, y + ROW - BOX / 2), (left + 0.2, y + BOX / 2), size=5)
        tall = BOX + ROW * (height - 1)
        _box(ax, fact.state, corner=(left + 0.02, y + BOX / 2 - tall), size=(wide - 0.04, tall))
        _list_line(ax, texts, places=left + places, y=y, color=INK)
        if height > 1:
            ax.text(left + 0.16, y - 0.26, _members(fact), ha="left", va="center", fontsize=SMALL, color=INK)
        row += height
    return top - 0.34 - ROW * (rows - 1) - BOX / 2


def _list_line(ax: Axes, texts: Sequence[str], *, places: Sequence[float] | np.ndarray, y: float, color: str) -> None:
    for number, (place, text) in enumerate(zip(places, texts, strict=True)):
        align, weight = "right" if number == 3 else "left", "normal" if number else "bold"
        ax.text(place, y, text, ha=align, va="center", fontsize=SMALL, color=color, weight=weight)


def _count(fact: LayerFacts) -> str:
    return f"{fact.parameters:,}" if fact.parameters else "–"


def _members(fact: LayerFacts) -> str:
    weighted, moving = fact.members
    if fact.state == "partly":
        return f"{moving} of its {weighted} layers with weights train: {fact.trained:,} parameters"
    return f"{'all' if moving else 'none'} of its {weighted} layers with weights train"


def _labelled_box(ax: Axes, fact: LayerFacts, *, at: tuple[float, float], width: float) -> None:
    x, y = at
    _box(ax, fact.state, corner=(x - width / 2, y - 0.19), size=(width, 0.38))
    ax.text(x, y + 0.085, f"{fact.kind}", ha="center", va="center", fontsize=9, weight="bold")
    count = f"  ·  {fact.parameters:,} parameters" if fact.parameters else ""
    ax.text(x, y - 0.085, f"{sizes(fact.shape)}{count}", ha="center", va="center", fontsize=SMALL)


def _draw_shortcut(ax: Axes, block: ResidualBlock, *, columns: tuple[float, float], ends: tuple[float, float]) -> None:
    """Draw the shortcut; ``columns``: x of main branch and shortcut, ``ends``: y of fork and addition."""
    (main_x, short_x), (split, plus) = columns, ends
    _line(ax, (main_x, split), (short_x, split))
    middle = (split + plus) / 2
    previous = split
    for number, fact in enumerate(block.shortcut):
        centre = middle + 0.29 * (len(block.shortcut) - 1) - 0.58 * number
        _arrow(ax, (short_x, previous), (short_x, centre + 0.19))
        _labelled_box(ax, fact, at=(short_x, centre), width=2.2)
        previous = centre - 0.19
    _line(ax, (short_x, previous), (short_x, plus))
    _arrow(ax, (short_x, plus), (main_x + 0.15, plus))
    if block.shortcut:
        words, y = "projection W·x: fits x to the size of F(x)", plus + 0.12
        ax.text(short_x - 0.1, y, words, ha="right", va="center", fontsize=SMALL, color=SOFT)
    else:
        ax.text(short_x + 0.1, middle, "x\nidentity shortcut,\nno layer", ha="left", va="center", color=SOFT)


def _draw_legend(ax: Axes, states: Sequence[str], *, left: float, y: float) -> None:
    shown = {*states, "frozen"} if "partly" in states else set(states)
    for state, (_, words) in STATES.items():
        if state in shown:
            _box(ax, state, corner=(left, y - 0.07), size=(0.22, 0.14))
            ax.text(left + 0.29, y, words, ha="left", va="center", fontsize=SMALL)
            left += 0.55 + 0.068 * len(words)


def _box(ax: Axes, state: str, *, corner: tuple[float, float], size: tuple[float, float]) -> None:
    style = "round,pad=0,rounding_size=0.05"
    color, _ = STATES[state]
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, facecolor=color, edgecolor=INK, linewidth=0.8))
    if state == "partly":  # a stripe at the left edge, because words on hatching are hard to read
        stripe = FancyBboxPatch(
            corner, 0.08, size[1], boxstyle=style, facecolor=STATES["frozen"][0], edgecolor=INK, linewidth=0.8
        )
        ax.add_patch(stripe)


def _line(ax: Axes, *points: tuple[float, float]) -> None:
    ax.plot(*zip(*points, strict=True), color=INK, linewidth=1.1, solid_capstyle="round", zorder=0.5)


def _arrow(ax: Axes, *ends: tuple[float, float], size: float = 9) -> None:
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": size}
    ax.annotate("", xy=ends[1], xytext=ends[0], arrowprops=arrow)


def _bracket(ax: Axes, words: str, *, x: float, top: float, bottom: float) -> None:
    ax.plot([x, x - 0.1, x - 0.1, x], [top, top, bottom, bottom], color=SOFT, linewidth=1.1)
    ax.text(x - 0.2, (top + bottom) / 2, words, ha="right", va="center", fontsize=11, weight="bold")
