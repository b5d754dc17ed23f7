"""How long it still takes, in words."""

from __future__ import annotations


def time_left(seconds: float) -> str:
    """Returns ``"about 12 s left"``, ``"about 3 min left"`` or ``"about 2 h 10 min left"``."""
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {hours} h {rest} min left"
