"""Select patches of a face that tell expressions apart: common and specific ones (Zhong et al. 2012).

Their multi-task sparse learning takes or leaves a patch as a whole, for all expressions at once. scikit-learn's
MultiTaskLasso takes or leaves a *column* for all tasks. Each patch's histogram is therefore first reduced to a few
columns: the predictions of ridge regressions from its bins to each expression against the rest, each face predicted by
a regression that was trained without its fold. A patch's weight is the Frobenius norm of its columns' weights over all
tasks; a patch is left out if all of its columns are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Lasso, MultiTaskLasso, MultiTaskLassoCV, Ridge
from threadpoolctl import threadpool_limits

from fer_lib.datasets.splits import Fold, search_folds

RIDGE = 0.1  # for each face, for standardised bins
PENALTIES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01)  # shares of the smallest penalty that leaves every patch out
SPECIFIC_PENALTY = 0.1  # the same share for each expression's own lasso; not searched
FOLDS = 3
SOLVER = {"max_iter": 5000, "tol": 1e-3}


@dataclass(frozen=True)
class Patches:
    """The selected patches.

    Attributes:
        common: numbers of the patches for all expressions, the largest weight first.
        specific: the same for each expression, beyond the common ones.
    """

    common: np.ndarray
    specific: tuple[np.ndarray, ...]

    @property
    def union(self) -> np.ndarray:
        """All selected patches, ascending."""
        return np.unique(np.concatenate([self.common, *self.specific]))


def select(
    histograms: np.ndarray, codes: np.ndarray, *, groups: np.ndarray | None, most: tuple[int, int], seed: int
) -> Patches:
    """Select patches with the largest of the eight ``PENALTIES`` within a standard error of the best.

    Args:
        histograms: float, shape (N, patches, bins).
        codes: classes from 0, shape (N,).
        groups: the subject of each face, shape (N,), kept together in the three folds; None if unknown.
        most: the largest numbers of common patches (one or more) and of specific patches for each expression.
        seed: fixes the folds.

    Raises:
        FerError: nothing can be held out.
    """
    targets = np.eye(codes.max() + 1)[codes]
    folds = search_folds(codes, groups, count=FOLDS, seed=seed)
    with threadpool_limits(1):
        answers = _standardised(discriminants(histograms, targets, folds=folds))
        weights = _common_weights(answers, targets, folds)
        strengths = np.linalg.norm(weights, axis=(1, 2))
        if not strengths.any():
            strengths[:] = 1  # no patch is informative
        common = _strongest(strengths, most[0])
        explained = np.einsum("npc,pct->nt", answers[:, common], weights[common])
        left = targets - targets.mean(axis=0) - explained
        specific = [_specific(answers[:, :, task], left[:, task], common, most[1]) for task in range(left.shape[1])]
    return Patches(common, tuple(specific))


def discriminants(histograms: np.ndarray, targets: np.ndarray, *, folds: Sequence[Fold]) -> np.ndarray:
    """Predict each expression from each patch alone: float64 (N, patches, expressions).

    Args:
        histograms: float, shape (N, patches, bins).
        targets: 1 for a face's expression, else 0, shape (N, expressions).
        folds: a face is predicted from the faces of its fold's training part. Faces that no fold holds out get 0.
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


def _common_weights(answers: np.ndarray, targets: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """Fit the multi-task lasso; return its weights, shape (patches, columns, tasks)."""
    columns = answers.reshape(len(answers), -1)
    centred = targets - targets.mean(axis=0)
    largest = np.linalg.norm(columns.T @ centred, axis=1).max() / len(columns)
    penalties = np.array(PENALTIES) * (largest or 1.0)  # any penalty will do if no patch is informative
    divided = [(fold.train, fold.test) for fold in folds]
    searched = MultiTaskLassoCV(alphas=penalties, cv=divided, **SOLVER).fit(columns, targets)
    errors = searched.mse_path_.mean(axis=1)  # penalties descend
    spread = searched.mse_path_.std(axis=1)[errors.argmin()] / np.sqrt(max(1, len(folds) - 1))
    chosen = int(np.flatnonzero(errors <= errors.min() + spread)[0])
    lasso = MultiTaskLasso(alpha=searched.alphas_[chosen], **SOLVER).fit(columns, targets)
    return lasso.coef_.T.reshape(*answers.shape[1:], -1)


def _specific(answers: np.ndarray, left: np.ndarray, common: np.ndarray, most: int) -> np.ndarray:
    """Select the patches that best explain the residuals of one expression after the common patches.

    Args:
        answers: the predictions of this expression from each patch, shape (N, patches).
        left: the residuals, shape (N,).
        common: the patches to leave out.
        most: the largest number of patches.
    """
    others = np.setdiff1d(np.arange(answers.shape[1]), common)
    if not most or not len(others):
        return np.zeros(0, int)
    largest = np.abs(answers[:, others].T @ left).max() / len(left)
    weights = Lasso(alpha=SPECIFIC_PENALTY * (largest or 1.0), **SOLVER).fit(answers[:, others], left).coef_
    return others[_strongest(np.maximum(weights, 0), most)]


def _strongest(strengths: np.ndarray, most: int) -> np.ndarray:
    """Find the positions of the largest values that are not 0, the largest first."""
    order = np.argsort(-strengths, kind="stable")[:most]
    return order[strengths[order] > 0]


def _standardised(answers: np.ndarray) -> np.ndarray:
    spread = answers.std(axis=0)
    return (answers - answers.mean(axis=0)) / np.where(spread > 0, spread, 1)
