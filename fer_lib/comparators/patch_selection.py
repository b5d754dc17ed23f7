"""Which patches of a face tell expressions apart: common ones for all, specific ones for each (Zhong et al. 2012).

Their multi-task sparse learning takes or leaves a patch as a whole, for all expressions at once. scikit-learn's
MultiTaskLasso takes or leaves a *column* for all tasks. A patch's histogram becomes few columns first: the answers of a
ridge regression from its bins alone to each expression against the rest, each face answered by a regression that saw
nobody of its fold. A patch's weight is the Frobenius norm of its columns' weights over all tasks; a patch whose columns
are all left out is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Lasso, MultiTaskLasso, MultiTaskLassoCV, Ridge
from threadpoolctl import threadpool_limits

from fer_lib.datasets.splits import Fold, search_folds

RIDGE = 0.1  # a face, for standardised bins
PENALTIES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01)  # shares of the smallest that leaves every patch out
SPECIFIC_PENALTY = 0.1  # the same share, of each expression's own lasso; not searched
FOLDS = 3
SOLVER = {"max_iter": 5000, "tol": 1e-3}


@dataclass(frozen=True)
class Patches:
    """Patches that were selected.

    Attributes:
        common: numbers of the patches for all expressions, the weightiest first.
        specific: the same for each expression, beyond the common ones.
        penalty: of the multi-task lasso, as a share of the smallest that leaves every patch out.
    """

    common: np.ndarray
    specific: tuple[np.ndarray, ...]
    penalty: float

    @property
    def union(self) -> np.ndarray:
        """All of them, ascending."""
        return np.unique(np.concatenate([self.common, *self.specific]))


def select(
    histograms: np.ndarray, codes: np.ndarray, *, groups: np.ndarray | None, most: tuple[int, int], seed: int
) -> Patches:
    """Selects patches; of the eight ``PENALTIES`` it takes the largest within a standard error of the best.

    Args:
        histograms: float, shape (N, patches, bins).
        codes: classes from 0, shape (N,).
        groups: whose face each is, shape (N,), kept together in the three folds; None where that is unknown.
        most: common patches (one or more), and specific patches for each expression, at most.
        seed: of the folds.

    Raises:
        FerError: nothing can be held out.
    """
    targets = np.eye(codes.max() + 1)[codes]
    folds = search_folds(codes, groups, count=FOLDS, seed=seed)
    with threadpool_limits(1):
        answers = _standardised(discriminants(histograms, targets, folds=folds))
        weights, penalty = _common_weights(answers, targets, folds)
        strengths = np.linalg.norm(weights, axis=(1, 2))
        if not strengths.any():
            strengths[:] = 1  # no patch tells anything
        common = _strongest(strengths, most[0])
        explained = np.einsum("npc,pct->nt", answers[:, common], weights[common])
        left = targets - targets.mean(axis=0) - explained
        specific = [_specific(answers[:, :, task], left[:, task], common, most[1]) for task in range(left.shape[1])]
    return Patches(common, tuple(specific), penalty)


def discriminants(histograms: np.ndarray, targets: np.ndarray, *, folds: Sequence[Fold]) -> np.ndarray:
    """Returns what each patch alone says of each expression, float64 (N, patches, expressions).

    Args:
        histograms: float, shape (N, patches, bins).
        targets: 1 for a face's expression, else 0, shape (N, expressions).
        folds: a face is answered for by what was learnt from the others' part. Faces that no fold holds out get 0.
    """
    out = np.zeros((len(targets), histograms.shape[1], targets.shape[1]))
    for learnt, held_out in ((fold.train, fold.test) for fold in folds):
        for patch in range(histograms.shape[1]):
            bins = histograms[:, patch].astype(np.float64)
            middle, spread = bins[learnt].mean(axis=0), bins[learnt].std(axis=0)
            bins = (bins - middle) / np.where(spread > 0, spread, 1)
            regression = Ridge(alpha=RIDGE * len(learnt)).fit(bins[learnt], targets[learnt])
            out[held_out, patch] = regression.predict(bins[held_out])
    return out


def _common_weights(answers: np.ndarray, targets: np.ndarray, folds: Sequence[Fold]) -> tuple[np.ndarray, float]:
    """Returns the multi-task lasso's weights, shape (patches, columns, tasks), and its penalty as a share."""
    columns = answers.reshape(len(answers), -1)
    centred = targets - targets.mean(axis=0)
    largest = np.linalg.norm(columns.T @ centred, axis=1).max() / len(columns)
    penalties = np.array(PENALTIES) * (largest or 1.0)  # any penalty will do where no patch tells anything
    divided = [(fold.train, fold.test) for fold in folds]
    searched = MultiTaskLassoCV(alphas=penalties, cv=divided, **SOLVER).fit(columns, targets)
    errors = searched.mse_path_.mean(axis=1)  # penalties descend
    spread = searched.mse_path_.std(axis=1)[errors.argmin()] / np.sqrt(max(1, len(folds) - 1))
    chosen = int(np.flatnonzero(errors <= errors.min() + spread)[0])
    lasso = MultiTaskLasso(alpha=searched.alphas_[chosen], **SOLVER).fit(columns, targets)
    return lasso.coef_.T.reshape(*answers.shape[1:], -1), PENALTIES[chosen]


def _specific(answers: np.ndarray, left: np.ndarray, common: np.ndarray, most: int) -> np.ndarray:
    """Returns the patches that explain best what the common ones leave of one expression.

    Args:
        answers: what each patch says of this expression, shape (N, patches).
        left: of the task, shape (N,).
        common: these are left out.
        most: patches at most.
    """
    others = np.setdiff1d(np.arange(answers.shape[1]), common)
    if not most or not len(others):
        return np.zeros(0, int)
    largest = np.abs(answers[:, others].T @ left).max() / len(left)
    weights = Lasso(alpha=SPECIFIC_PENALTY * (largest or 1.0), **SOLVER).fit(answers[:, others], left).coef_
    return others[_strongest(np.maximum(weights, 0), most)]


def _strongest(strengths: np.ndarray, most: int) -> np.ndarray:
    """Returns the places of the largest that are not 0, the largest first."""
    order = np.argsort(-strengths, kind="stable")[:most]
    return order[strengths[order] > 0]


def _standardised(answers: np.ndarray) -> np.ndarray:
    spread = answers.std(axis=0)
    return (answers - answers.mean(axis=0)) / np.where(spread > 0, spread, 1)
