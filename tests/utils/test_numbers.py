"""Test that numbers come back from a table as they were written, to the last bit: that of pandas before 3.1 did not."""

from __future__ import annotations

import numpy as np
import pandas as pd


def test_a_table_gives_back_the_bits_that_it_was_given(tmp_path):
    draw = np.random.default_rng(0)
    numbers = np.concatenate([draw.random(20_000), draw.normal(size=20_000) * 10.0 ** draw.integers(-300, 300, 20_000)])
    pd.DataFrame({"a": numbers}).to_csv(tmp_path / "a.csv", index=False)
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "a.csv")["a"], numbers)
