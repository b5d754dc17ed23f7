"""Test that a compact file is small, always the same, and read back without pickle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fer_lib.utils import packed


def frame(rows: int = 5000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "face": np.arange(rows),
            "part": np.where(np.arange(rows) < rows // 2, "training", "testing"),
            "label": rng.integers(0, 7, rows),
            "right": rng.random(rows) > 0.5,
            "value": rng.normal(size=rows),
        }
    )


def test_a_frame_is_read_back(tmp_path):
    before = frame()
    before.loc[3, "value"] = np.nan
    packed.write(before, tmp_path / "a.npz")
    after = packed.read(tmp_path / "a.npz")
    assert list(after) == list(before)
    for name in ("face", "part", "label", "right"):
        assert after[name].tolist() == before[name].tolist()
    np.testing.assert_allclose(after["value"], before["value"], rtol=1e-3, atol=1e-6)
    assert (after["value"].dtype, after["label"].dtype, after["face"].dtype) == (np.float64, np.uint8, np.uint16)


def test_a_long_column_keeps_its_standard_deviation(tmp_path):
    packed.write(frame(70_000), tmp_path / "a.npz")
    assert packed.read(tmp_path / "a.npz")["value"].std() == pytest.approx(1, abs=0.01)


def test_the_same_frame_gives_the_same_small_file(tmp_path):
    for name in ("a", "b"):
        packed.write(frame(), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.npz").stat().st_size < len(frame().to_csv(index=False)) / 4


def test_nothing_in_the_file_is_pickled(tmp_path):
    packed.write(frame(4), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} <= set("iubfU")


@pytest.mark.parametrize("values", [[-1, 5], [-300, 2], [0, 70000], []])
def test_whole_numbers_keep_their_values(values, tmp_path):
    packed.write(pd.DataFrame({"a": np.array(values, int)}), tmp_path / "a.npz")
    assert packed.read(tmp_path / "a.npz")["a"].tolist() == values


def test_a_number_beyond_float16_is_named(tmp_path):
    with pytest.raises(ValueError, match="C has numbers beyond float16's largest"):
        packed.write(pd.DataFrame({"C": [1e5]}), tmp_path / "a.npz")


@pytest.mark.parametrize("values", [pd.array([100_001, None], "Int64"), ["x", None, "z"]])
def test_a_gap_among_whole_numbers_or_words_is_refused(tmp_path, values):
    with pytest.raises(ValueError, match="a has gaps"):
        packed.write(pd.DataFrame({"a": values}), tmp_path / "a.npz")


def test_answers_are_read_alike_from_both_forms(tmp_path):
    shares = np.array([[0.40001, 0.40002, 0.19997], [0.1, 0.6, 0.3]])
    rows = pd.DataFrame(shares, columns=["angry", "happy", "sad"])
    rows.insert(0, "label", [2, 1])
    rows.insert(0, "face", [0, 1])
    rows.assign(data="SYNTHETIC").to_csv(tmp_path / "old.csv", index=False)
    told = {"part": "testing", "predicted": [1, 1], "sure": [False, True], "data": "SYNTHETIC"}
    packed.write(rows.assign(**told), tmp_path / "new.npz")
    old, new = (packed.read_answers(tmp_path / name) for name in ("old", "new"))
    assert sorted(old) == sorted(new) == ["angry", "happy", "label", "predicted", "sad"]
    for name in ("label", "predicted"):
        assert old[name].tolist() == new[name].tolist()
    np.testing.assert_allclose(old["angry"], new["angry"], atol=2e-4)
    assert packed.read_answers(tmp_path / "none") is None
