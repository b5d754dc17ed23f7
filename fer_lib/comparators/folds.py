"""Parts of the training faces that are held out where a system searches its settings: people kept together."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from fer_lib.errors import FerError

Fold = tuple[np.ndarray, np.ndarray]
"""Rows to learn from, rows that are held out."""


def divide(codes: np.ndarray, groups: np.ndarray | None, *, count: int, seed: int) -> list[Fold]:
    """Returns folds that keep each group together and each class' share; fewer than ``count`` where groups are few.

    Args:
        codes: classes from 0, shape (N,).
        groups: whose face each is, shape (N,); None where that is unknown.
        count: how many folds.
        seed: of the division.

    Raises:
        FerError: nothing can be held out: one person alone, or no two classes among the others.
    """
    groups = np.arange(len(codes)) if groups is None else groups
    people, largest = len(np.unique(groups)), int(np.bincount(codes).max())
    folds: list[Fold] = []
    if people > 1 and largest > 1:
        dividing = StratifiedGroupKFold(min(count, people, largest), shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # a class with fewer faces than folds is missing from some
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            folds = list(dividing.split(groups, codes, groups))
    folds = [(learnt, held_out) for learnt, held_out in folds if len(held_out) and len(np.unique(codes[learnt])) > 1]
    if not folds:
        raise FerError(
            f"Nothing can be searched on {len(codes)} training faces of {people} people, because the search holds out "
            "whole people and needs two classes among the others; give faces of more people."
        )
    return folds


def sample(codes: np.ndarray, size: int, *, seed: int) -> np.ndarray:
    """Returns ``size`` rows, ascending, with each class' share; all rows where there are no more."""
    rows = np.arange(len(codes))
    if len(rows) <= size:
        return rows
    return np.sort(train_test_split(rows, train_size=size, random_state=seed, stratify=codes)[0])
