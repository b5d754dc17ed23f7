"""Check a fitted SVM against liu2023's equations 2-12 (section 2.2.2).

The paper prints the dual of the soft-margin SVM for two classes. An SVM of seven classes consists of 21 such SVMs, one
per pair of classes; each is checked on its own faces. If the print has a slip, the row's note says so.

scikit-learn's solver (libsvm) keeps kernel values in single precision and stops once the optimality conditions hold
within its ``tol``; the tolerances here follow from these two facts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from fer_lib.svm.classifiers import Examples, Fitted

SINGLE = 4 * float(np.finfo(np.float32).eps)  # precision of the solver's kernel values and of the sums that it updates
DOUBLE = 1e-9  # of our own double-precision sums, relative to their largest term
PERTURBATIONS = 200
EIGENVALUE_FACES = 500  # whose kernel matrix is checked to be positive semidefinite


@dataclass(frozen=True)
class PairSvm:
    """SVM of one pair of classes: the alpha, y, x and b of equations 3-12.

    Attributes:
        alphas: alpha of each of the n faces of both classes, 0 unless the face is a support vector, shape (n,).
        signs: y, +1 or -1, shape (n,); scikit-learn's sign: with two classes the second is +1, with more the first.
        features: x, shape (n, D).
        kernel: K(x_i, x_j), shape (n, n).
        intercept: scikit-learn's b.
        penalties: C of each face (times its class weight), shape (n,).
    """

    alphas: np.ndarray
    signs: np.ndarray
    features: np.ndarray
    kernel: np.ndarray
    intercept: float
    penalties: np.ndarray

    @property
    def free(self) -> np.ndarray:
        """Mask of the faces with 0 < alpha < C; the solver sets the others to exactly 0 or C."""
        return (self.alphas > 0) & (self.alphas < self.penalties)

    @property
    def solver_rounding(self) -> float:
        """Largest error of the solver's sums over faces that its single-precision kernel values explain."""
        return SINGLE * max(1.0, float((np.abs(self.kernel) @ self.alphas).max()))

    def dual(self, alphas: np.ndarray) -> float:
        """Compute equation 6 at these alphas."""
        weighted = alphas * self.signs
        return float(0.5 * weighted @ self.kernel @ weighted - alphas.sum())

    def margins(self) -> np.ndarray:
        """Compute the sum of equation 3 for each face, without b, shape (n,)."""
        return self.kernel @ (self.alphas * self.signs)


def check(
    svc: SVC, features: np.ndarray, labels: np.ndarray, *, pair: tuple[int, int] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Measure, equation by equation, how far a fitted SVC deviates from the paper's equations.

    Args:
        svc: a fitted SVC with one of scikit-learn's named kernels.
        features: the features that it was fitted on (after the scaler), shape (N, D).
        labels: their labels, shape (N,).
        pair: the two labels whose SVM is checked; the first two by default.
        seed: seed of the random feasible changes of alpha.

    Returns:
        A DataFrame with one row per equation: ``equation``, ``says``, ``deviation`` (the largest), ``tolerance``,
        ``holds`` and ``note`` (a slip of the print, else empty).

    Raises:
        ValueError: the pair is not among the SVC's classes, or the faces are not those it was fitted on.
    """
    pair = pair or tuple(svc.classes_[:2])
    with threadpool_limits(1):  # as in fer_lib.svm.classifiers: the same numbers on any number of cores
        solved = pair_svm(svc, features, labels, pair=pair)
        rows = [
            *_kernel_rows(solved),
            *_dual_rows(solved, svc.tol, seed),
            *_intercept_rows(solved, svc.tol),
            *_decision_rows(svc, solved, pair),
        ]
    frame = pd.DataFrame(rows, columns=["equation", "says", "deviation", "tolerance", "note"])
    frame.insert(4, "holds", frame["deviation"] <= frame["tolerance"])
    return frame


def check_fitted(fitted: Fitted, examples: Examples) -> pd.DataFrame:
    """Run :func:`check` on the SVC of a fitted pipeline and the scaled features that it was fitted on."""
    pictures, labels = examples.pictures()
    return check(fitted.pipeline[-1], fitted.pipeline[:-1].transform(pictures).astype(np.float64), labels)


def pair_svm(svc: SVC, features: np.ndarray, labels: np.ndarray, *, pair: tuple[int, int]) -> PairSvm:
    """Extract the SVM of two classes from a fitted SVC's public attributes.

    scikit-learn keeps one row of alpha·y less than there are classes. For classes i < j, the values of class i's
    support vectors are in row j - 1 and those of class j's in row i.

    Args:
        svc: a fitted SVC.
        features: float, shape (N, D): what it was fitted on.
        labels: int, shape (N,).
        pair: two of its classes.

    Raises:
        ValueError: the pair is not among the SVC's classes, or the faces are not those it was fitted on.
    """
    classes = svc.classes_.tolist()
    if len(set(pair)) != 2 or not set(pair) <= set(classes):
        raise ValueError(f"pair is {pair}; expected two of the SVC's classes {classes}")
    if not np.array_equal(np.asarray(features)[svc.support_], svc.support_vectors_):
        raise ValueError("these are not the features that the SVC was fitted on")
    low, high = sorted(classes.index(label) for label in pair)
    support_labels = np.repeat(np.arange(len(classes)), svc.n_support_)
    weighted = np.zeros(len(labels))  # alpha · y
    for own, row in ((low, high - 1), (high, low)):
        columns = support_labels == own
        weighted[svc.support_[columns]] = svc.dual_coef_[row, columns]
    rows = np.flatnonzero(np.isin(labels, [classes[low], classes[high]]))
    first = np.asarray(labels)[rows] == classes[low]
    signs = np.where(first == (len(classes) > 2), 1.0, -1.0)
    kept = np.asarray(features, np.float64)[rows]
    return PairSvm(
        alphas=weighted[rows] * signs,
        signs=signs,
        features=kept,
        kernel=kernel_values(svc, kept, kept),
        intercept=float(svc.intercept_[_pair_place(low, high, len(classes))]),
        penalties=svc.C * np.where(first, svc.class_weight_[low], svc.class_weight_[high]),
    )


def kernel_values(svc: SVC, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute K(x, z) of a fitted SVC from its definition, shape (rows of first, rows of second).

    The radial basis function is exp(-gamma · |x - z|²): equation 12 with gamma = 1 / (2 sigma²).
    """
    gamma = _gamma(svc)
    if svc.kernel == "rbf":
        squares = (first**2).sum(axis=1)[:, np.newaxis] + (second**2).sum(axis=1) - 2 * first @ second.T
        return np.exp(-np.maximum(squares, 0) / (2 * sigma(svc) ** 2))
    given = {"linear": {}, "poly": {"gamma": gamma, "degree": svc.degree, "coef0": svc.coef0}}[svc.kernel]
    return pairwise_kernels(first, second, metric=svc.kernel, **given)


def sigma(svc: SVC) -> float:
    """Compute the paper's sigma (equation 12) of a fitted RBF SVM: 1 / sqrt(2 gamma), in units of the features."""
    return float(1 / np.sqrt(2 * _gamma(svc)))


def _gamma(svc: SVC) -> float:
    return float(svc._gamma)  # the number that "scale" became; scikit-learn has no public name for it


def _pair_place(low: int, high: int, classes: int) -> int:
    """Find the position of a pair among (0, 1), (0, 2), …, (1, 2), …"""
    return low * classes - low * (low + 1) // 2 + high - low - 1


def _kernel_rows(solved: PairSvm) -> Iterator[tuple]:
    rows = np.linspace(0, len(solved.alphas) - 1, min(EIGENVALUE_FACES, len(solved.alphas))).astype(int)
    lowest = float(np.linalg.eigvalsh(solved.kernel[np.ix_(rows, rows)])[0])
    scale = DOUBLE * float(np.abs(solved.kernel).max()) * len(rows)
    yield "2", "K is an inner product: no eigenvalue of its matrix is negative", max(0.0, -lowest), scale, ""
    signs = set(np.unique(solved.signs))
    note = "x_i is in R^n, where n is also the number of examples in eq. 4; there are N of them in eq. 5"
    yield "4, 5", "each y is +1 or -1, and both occur", float(signs != {-1.0, 1.0}), 0.0, note


def _dual_rows(solved: PairSvm, tolerance: float, seed: int) -> Iterator[tuple]:
    most = float(solved.penalties.max())
    now = solved.dual(solved.alphas)
    # the solver stops once each gradient is within the tolerance, so changing alpha by s may still gain s · tolerance
    steps = [(np.abs(moved - solved.alphas).sum(), solved.dual(moved)) for moved in _feasible(solved, seed)]
    gain = max([0.0, *(now - then - tolerance * size for size, then in steps)])
    says = f"no feasible change of alpha lowers the objective {now:.6g} ({len(steps)} drawn at random)"
    yield "6", says, gain, SINGLE * max(1.0, abs(now)), ""
    total = abs(float(solved.alphas @ solved.signs))
    yield "7", "alpha · y sums to 0", total, DOUBLE * most * len(solved.alphas), ""
    outside = float(np.maximum(-solved.alphas, solved.alphas - solved.penalties).max())
    yield "8", "every alpha is in 0…C", max(0.0, outside), DOUBLE * most, ""
    says = "the optimum's conditions (Karush, Kuhn, Tucker) hold as closely as the solver was asked to"
    yield "6-9", says, _optimality_gap(solved), tolerance + 2 * solved.solver_rounding, ""


def _intercept_rows(solved: PairSvm, tolerance: float) -> Iterator[tuple]:
    if not solved.free.any():
        yield "10", "no alpha lies within 0 < alpha < C: b is not given by eq. 10", 0.0, 0.0, ""
        return
    values = (solved.signs - solved.margins())[solved.free]
    off = float(np.abs(values - solved.intercept).max())
    says = f"each of the {len(values)} alphas within 0 < alpha < C gives scikit-learn's b"
    yield "10", says, off, tolerance + solved.solver_rounding, ""
    off = abs(float(values.mean()) - solved.intercept)
    yield "10 (mean)", "the mean of those values is scikit-learn's b", off, solved.solver_rounding, ""


def _decision_rows(svc: SVC, solved: PairSvm, pair: tuple[int, int]) -> Iterator[tuple]:
    ours = solved.margins() + solved.intercept
    theirs = _pairwise_decision(svc, solved.features, pair)
    off, scale = float(np.abs(ours - theirs).max()), DOUBLE * max(1.0, float(np.abs(theirs).max()))
    yield "3, 11", "the sum over the faces plus b is scikit-learn's decision value", off, scale, ""
    clear = np.abs(theirs) > scale
    wrong = float((np.sign(ours[clear]) != np.sign(theirs[clear])).sum())
    yield "11", "its sign is the class that scikit-learn votes for", wrong, 0.0, ""
    if svc.kernel == "rbf":
        note = "printed with z, which stands for nothing in the sum; it should be x_i. gamma is 1 / (2 sigma^2)"
        says = f"with K(x, x_i) = exp(-|x - x_i|^2 / (2 sigma^2)), sigma = {sigma(svc):.6g}, it is the same sum"
        yield "12", says, off, scale, note


def _pairwise_decision(svc: SVC, features: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Compute scikit-learn's decision values of one pair of classes, shape (n,)."""
    classes = svc.classes_.tolist()
    votes = copy.copy(svc).set_params(decision_function_shape="ovo", break_ties=False)
    values = votes.decision_function(features)
    low, high = sorted(classes.index(label) for label in pair)
    return values if values.ndim == 1 else values[:, _pair_place(low, high, len(classes))]


def _optimality_gap(solved: PairSvm) -> float:
    """Compute the largest violation of the optimality conditions, as libsvm's stopping rule does (m - M)."""
    pull = solved.signs - solved.margins()  # -y times the gradient
    low, high = solved.alphas <= 0, solved.alphas >= solved.penalties
    up = np.where(solved.signs > 0, ~high, ~low)
    down = np.where(solved.signs > 0, ~low, ~high)
    return max(0.0, float(pull[up].max() - pull[down].min()))


def _feasible(solved: PairSvm, seed: int) -> Iterator[np.ndarray]:
    """Draw alphas near the optimum that satisfy equations 7 and 8, by moving pairs of them along the constraint.

    alpha_i moves by y_i · s and alpha_j by -y_j · s, which keeps the sum of alpha · y; s is drawn between the bounds of
    both.
    """
    rng = np.random.default_rng(seed)
    for _ in range(PERTURBATIONS):
        alphas = solved.alphas.copy()
        for first, second in rng.choice(len(alphas), (5, 2)):
            if first == second:
                continue
            low, high = -np.inf, np.inf
            for face, direction in ((first, solved.signs[first]), (second, -solved.signs[second])):
                ends = -alphas[face] * direction, (solved.penalties[face] - alphas[face]) * direction
                low, high = max(low, min(ends)), min(high, max(ends))
            step = rng.uniform(low, high) if high > low else 0.0
            alphas[first] += solved.signs[first] * step
            alphas[second] -= solved.signs[second] * step
        yield alphas
