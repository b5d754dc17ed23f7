"""Test how batches are filled up."""

from __future__ import annotations

import numpy as np
import pytest

from fer_lib.utils.padding import filled


@pytest.mark.parametrize(
    ("rows", "count", "expected"), [(1, None, 1), (3, None, 4), (4, None, 4), (5, None, 8), (3, 6, 6)]
)
def test_the_last_row_is_repeated_up_to_a_count_or_a_power_of_two(rows, count, expected):
    batch = np.arange(rows * 2).reshape(rows, 2)
    full = filled(batch, count)
    assert len(full) == expected
    np.testing.assert_array_equal(full[:rows], batch)
    assert (full[rows:] == batch[-1]).all()
