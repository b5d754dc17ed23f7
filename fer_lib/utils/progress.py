"""Progress bars, and the time left in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


def time_left(seconds: float) -> str:
    """Say how long it still takes: ``"about 12 s left"``, ``"about 3 min left"`` or ``"about 2 h 10 min left"``."""
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {hours} h {rest} min left"


@contextmanager
def bar(
    name: str, total: int | None, *, unit: str = "pictures", progress: bool = True
) -> Iterator[Callable[[int], object]]:
    """Show a progress bar on stderr and yield the function that moves it.

    Nothing is shown without a terminal or under ``CI``.

    Args:
        name: in front of the bar.
        total: how much there is to do; None where that is unknown.
        unit: what is counted; ``"B"`` is shown as kB, MB and so on.
        progress: whether to show the bar at all; a caller that is called for one picture at a time says False.
    """
    shown = progress and sys.stderr.isatty() and not os.environ.get("CI")
    with tqdm(total=total, unit=unit, unit_scale=unit == "B", desc=name, disable=not shown) as moving:
        yield moving.update
