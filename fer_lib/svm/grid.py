"""Grids of the SVM's search (liu2023, section 2.2.2), and how they widen while the best lies on an edge.

The paper names neither C nor sigma, so a search that is cut off says something about its grid, not about the SVM. Here
C and gamma move outwards, one step at a time, as long as the best candidate lies on their edge and the settings' bound
allows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

Axes = Mapping[str, tuple[float, ...]]
"""The values of each searched parameter, ascending. The first parameter varies slowest in :func:`candidates`."""
WIDENED = ("C", "gamma_multiple")
PARAMETERS = ("C", "nu", "gamma_multiple", "degree")


def candidates(axes: Axes) -> list[dict[str, float]]:
    """List every combination of the axes' values, ascending in the first parameter, then in the second, and so on."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def best_of(axes: Axes, totals: Sequence[float], *, inside: bool) -> int:
    """Find the place of the best of :func:`candidates`, given their numbers of hits.

    Of equally good ones the first wins. With ``inside`` one that lies on fewer edges of C and gamma goes before it:
    where the accuracy is flat up to an edge, nothing says that the grid is cut off there.
    """
    equals = np.flatnonzero(np.asarray(totals) == max(totals))
    if not inside:
        return int(equals[0])
    searched = {name: axes[name] for name in WIDENED if len(axes.get(name, ())) > 1}
    every = candidates(axes)
    on = [sum(every[place][name] in (values[0], values[-1]) for name, values in searched.items()) for place in equals]
    return int(equals[int(np.argmin(on))])


def widened(axes: Axes, best: Mapping[str, float], *, moved: dict[tuple[str, int], int], most: int) -> Axes:
    """Add one value beyond each edge of C and gamma that the best candidate lies on.

    The new value continues the axis by the factor between its two outermost values, so that decades stay decades.
    An axis of one value was not meant to be searched and stays as it is.

    Args:
        axes: the grid that was searched.
        best: its best candidate.
        moved: moves so far of each edge, which is (parameter, 0 for the lowest or -1 for the highest); it is updated.
        most: most moves of one edge.

    Returns:
        The wider grid; the same one if no edge is to move.
    """
    wider = dict(axes)
    for name, edge in product([name for name in WIDENED if len(axes.get(name, ())) > 1], (0, -1)):
        values = wider[name]
        if best[name] != axes[name][edge] or moved.get((name, edge), 0) >= most:
            continue
        inner = values[1] if edge == 0 else values[-2]
        beyond = float(f"{values[edge] * values[edge] / inner:.12g}")  # 0.001 and not 0.0010000000000000002
        wider[name] = (beyond, *values) if edge == 0 else (*values, beyond)
        moved[name, edge] = moved.get((name, edge), 0) + 1
    return wider


def edges(table: pd.DataFrame) -> tuple[str, ...]:
    """Name the edges of the searched grid that the chosen candidate lies on, such as ``("C highest",)``.

    Args:
        table: of :func:`fer_lib.svm.classifiers.search`: a column for each parameter, and ``chosen``.

    Returns:
        Parameter and ``"lowest"`` or ``"highest"``; parameters with one value have no edge.
    """
    chosen = table[table["chosen"]].iloc[0]
    found = []
    for name in [name for name in PARAMETERS if name in table]:
        bounds = {"lowest": table[name].min(), "highest": table[name].max()}
        if bounds["lowest"] < bounds["highest"]:
            found += [f"{name} {side}" for side, bound in bounds.items() if chosen[name] == bound]
    return tuple(found)
