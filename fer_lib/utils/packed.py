"""Keep a long frame of predictions, or arrays, in a small file: an ``.npz``, without pickle.

Of a frame, each column is an array. Whole numbers get the smallest type that holds them, other numbers float16: three
digits above 6e-5, 0 below 3e-8. Repeated words are numbered: a column of words ``part`` becomes the numbers ``part``
and the words ``part (words)``. NumPy alone reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

WORDS = " (words)"


def write(content: pd.DataFrame | Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write a frame or arrays to an ``.npz``; the same content gives the same bytes, in every run.

    Args:
        content: a frame with columns of numbers, of truth values, or of words without gaps; or arrays by name, which
            are written as they are.
        path: the file, with its ending.

    Raises:
        ValueError: a number is too large for float16, or a whole number or a word is missing.
    """
    arrays: dict[str, np.ndarray] = {}
    if isinstance(content, pd.DataFrame):
        for name, column in content.items():
            arrays |= _packed(str(name), column)
    else:
        arrays |= content
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read(path: str | Path) -> pd.DataFrame:
    """Read a frame that :func:`write` wrote; words and whole numbers are equal, other numbers to three digits.

    These are float64 again: pandas 3.1 says that a longer column of float16 has a standard deviation of 0.
    """
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    found = {name: one.astype(np.float64) if one.dtype.kind == "f" else one for name, one in found.items()}
    names = [name for name in found if not name.endswith(WORDS)]
    return pd.DataFrame({n: found[n + WORDS][found[n]] if n + WORDS in found else found[n] for n in names})


def read_answers(stem: str | Path) -> pd.DataFrame | None:
    """Read a model's answers from ``<stem>.npz``, or the CSV that earlier versions wrote; None if there is neither.

    Returns:
        A row for each face: ``label``, ``predicted`` (the position of the largest output) and the output for each
        class, all in the order of the file.
    """
    path = Path(stem)
    if (kept := path.with_name(f"{path.name}.npz")).is_file():
        return read(kept).drop(columns=["part", "face", "sure", "data"], errors="ignore")
    if not (kept := path.with_name(f"{path.name}.csv")).is_file():
        return None
    frame = pd.read_csv(kept).drop(columns=["face", "data"], errors="ignore")
    frame.insert(1, "predicted", frame.drop(columns="label").to_numpy().argmax(axis=1))
    return frame


def _packed(name: str, column: pd.Series) -> dict[str, np.ndarray]:
    """Convert one column to the arrays that keep it."""
    if column.dtype.kind != "f" and column.isna().any():
        raise ValueError(f"{name} has gaps; only a column of fractions may have some")
    if column.dtype.kind in "iub":
        values = column.to_numpy()
        return {name: values if values.dtype == bool else values.astype(_smallest(values))}
    if column.dtype.kind == "f":
        values = column.to_numpy(np.float64)
        if len(values) and np.nanmax(np.abs(values), initial=0) > np.finfo(np.float16).max:
            raise ValueError(f"{name} has numbers beyond float16's largest, {np.finfo(np.float16).max}")
        return {name: values.astype(np.float16)}
    codes, words = pd.factorize(column.astype(str), sort=True)
    return {name: codes.astype(_smallest(codes)), name + WORDS: np.asarray(words, dtype=np.str_)}


def _smallest(values: np.ndarray) -> np.dtype:
    if not len(values):
        return np.dtype(np.int8)
    return np.promote_types(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
