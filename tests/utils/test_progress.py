"""Test the format of the remaining time."""

import pytest

from fer_lib.utils.progress import time_left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (89.4, "89 s"), (90, "2 min"), (5369, "89 min"), (5400, "1 h 30 min"), (7200, "2 h 0 min")],
)
def test_seconds_minutes_and_hours(seconds, words):
    assert time_left(seconds) == f"about {words} left"
