"""Solve scikit-learn's SVC faster by computing its kernel with matrix products (liu2023, section 2.2.2).

libsvm computes every kernel value with a separate dot product, and repeats this for each pair of classes and each
candidate of a search. Here matrix products compute the values in blocks, libsvm solves the same problems on them
(``kernel="precomputed"``), and the solution is put into an ordinary SVC, which can be saved, reloaded and checked like
any other. The problems are the same to the last bits of a double; libsvm itself keeps kernel values in single
precision.

An SVC of several classes consists of one SVM per pair of classes, and the pairs are independent. They are solved side
by side, on as many threads as there are cores. Every matrix product runs on one thread and has a shape that does not
depend on the number of threads, so neither do the results.

Memory: the kernel among the faces of each class is kept as float32, as libsvm would keep it (572 MB for the 28,709
training faces of FER-2013). The kernel of a pair of classes is computed when the pair is solved, as float64, which
libsvm requires (at most 1.2 GB, 590 MB on average), and for as many pairs at a time as ``KERNEL_BYTES`` allows. The
whole matrix, 6.6 GB, is never computed, and nothing is written to disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from sklearn.base import clone
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.svm import SVC

from fer_lib.utils.parallel import in_threads

BLOCK_ROWS = 512  # rows of one matrix product: many enough for BLAS, few enough to fit several into memory
KERNEL_BYTES = 4 * 10**9  # most memory of the kernel matrices in use at the same time
PAIR_CACHE_MEGABYTES = 200  # libsvm's own cache; a larger one saves nothing, because the values are computed already


@dataclass(frozen=True)
class Solution:
    """Solution of an SVC in libsvm's order: support vectors class by class.

    Attributes:
        support: rows of the faces that are support vectors, shape (S,).
        weights: alpha · y, shape (classes - 1, S), like scikit-learn's ``dual_coef_`` of more than two classes.
        intercepts: one per pair of classes, (0, 1), (0, 2), …, with the same sign.
        iterations: the solver's iterations, one number per pair.
    """

    support: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray
    iterations: np.ndarray


class Kernels:
    """Kernel matrices of one fold for any gamma, from inner products or distances that are computed once.

    An SVC that gets them (``kernel="precomputed"``) solves the same problem as on the features, without computing the
    same inner products again for every candidate.
    """

    def __init__(self, svc: SVC, learnt: np.ndarray, held_out: np.ndarray) -> None:
        self.svc = svc
        self.among, self.across = basis(svc, learnt), basis(svc, held_out, learnt)

    def __call__(self, gamma: float, degree: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Compute the kernel among the training faces (n, n) and of the held-out with the training faces (m, n).

        ``degree`` is that of a polynomial kernel, by default the SVC's own.
        """
        svc = self.svc if degree is None else clone(self.svc).set_params(degree=degree)
        among, across = (kernel_values(svc, gamma, each.copy()) for each in (self.among, self.across))
        return among, across

    @property
    def nbytes(self) -> int:
        """Bytes of the two matrices that one call returns."""
        return self.among.nbytes + self.across.nbytes


def at_a_time(each_bytes: int) -> int:
    """Compute how many tasks may run at the same time if each needs ``each_bytes`` of kernel matrices."""
    return max(1, KERNEL_BYTES // max(1, each_bytes))


def basis(svc: SVC, first: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
    """Compute the input of the SVC's kernel function: squared distances for ``"rbf"``, else inner products.

    The rows are computed in blocks, several side by side.

    Args:
        svc: SVC whose ``kernel`` decides which of the two.
        first: float64, shape (n, D).
        second: float64, shape (m, D); ``first`` by default, and then only one half is computed.

    Returns:
        float64, shape (n, m).
    """
    others = first if second is None else second
    out, norms = np.empty((len(first), len(others))), _norms(others)

    def fill(start: int) -> None:
        stop = start + BLOCK_ROWS if second is None else None
        rows, columns = slice(start, start + BLOCK_ROWS), slice(0, stop)
        _fill_basis(out[rows, columns], svc, first[rows], others[columns], norms[columns])
        if second is None:
            out[:start, rows] = out[rows, :start].T

    in_threads(fill, range(0, len(first), BLOCK_ROWS))
    if second is None and svc.kernel == "rbf":
        np.fill_diagonal(out, 0.0)
    return out


def kernel_values(svc: SVC, gamma: float, products: np.ndarray) -> np.ndarray:
    """Turn the result of :func:`basis` into kernel values, in place, and return it."""
    if svc.kernel == "rbf":
        products *= -gamma
        return np.exp(products, out=products)
    if svc.kernel == "poly":
        products *= gamma
        products += svc.coef0
        products **= svc.degree
    if svc.kernel == "sigmoid":
        products *= gamma
        products += svc.coef0
        np.tanh(products, out=products)
    return products


def fit_one_vs_rest(machine: OneVsRestClassifier, features: np.ndarray, labels: np.ndarray) -> OneVsRestClassifier:
    """Fit one SVC for each class against all others with :func:`fit`, and return the classifier that contains them.

    scikit-learn's own fit would compute the same kernel values again for every class. Two classes need one SVC.
    """
    machine.label_binarizer_ = LabelBinarizer().fit(labels)
    machine.classes_ = machine.label_binarizer_.classes_
    columns = machine.label_binarizer_.transform(labels).T
    machine.estimators_ = [fit(clone(machine.estimator), features, column) for column in columns]
    machine.n_features_in_ = features.shape[1]
    return machine


def fit(svc: SVC, features: np.ndarray, labels: np.ndarray) -> SVC:
    """Fit an SVC whose ``gamma`` is a number (a linear SVC has none) and return it.

    Args:
        svc: an SVC or NuSVC with the kernel ``"rbf"``, ``"linear"``, ``"poly"`` or ``"sigmoid"`` and equal class
            weights.
        features: float64, shape (N, D).
        labels: labels of at least two classes, shape (N,).
    """
    return _hold(svc, features, labels, _solve(svc, features, labels))


def decision_values(svc: SVC, features: np.ndarray) -> np.ndarray:
    """Compute ``decision_function`` of a fitted SVC (one-vs-rest) with matrix products.

    The values differ from scikit-learn's only in the last bits of a double.

    Returns:
        float64, shape (N, classes), or (N,) for two classes.
    """
    features, vectors = np.asarray(features, np.float64), svc.support_vectors_
    norms, counts = _norms(vectors), svc.n_support_

    def answer(start: int) -> np.ndarray:
        rows = features[start : start + BLOCK_ROWS]
        kernel = np.empty((len(rows), len(vectors)))
        _fill_basis(kernel, svc, rows, vectors, norms)
        return _pairwise(svc, kernel_values(svc, svc._gamma, kernel), counts)

    starts = range(0, len(features), BLOCK_ROWS)
    pairs = len(counts) * (len(counts) - 1) // 2
    values = np.concatenate([np.empty((0, pairs)), *in_threads(answer, starts)])
    return values[:, 0] if len(counts) == 2 else _one_vs_rest(values, len(counts))


def _norms(features: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", features, features)


def _fill_basis(out: np.ndarray, svc: SVC, first: np.ndarray, second: np.ndarray, norms: np.ndarray) -> None:
    """Compute one block of :func:`basis` into ``out``; ``norms`` are those of ``second``."""
    np.matmul(first, second.T, out=out)
    if svc.kernel == "rbf":  # |x - z|² = |x|² - 2 x·z + |z|², as libsvm computes it
        out *= -2
        out += _norms(first)[:, np.newaxis]
        out += norms
        np.maximum(out, 0, out=out)


def _solve(svc: SVC, features: np.ndarray, labels: np.ndarray) -> Solution:
    """Solve the same problem for each pair of classes as libsvm, with the faces in its order."""
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    within = [_class_kernel(svc, features[rows]) for rows in members]
    pairs = list(combinations(range(len(members)), 2))

    def solve(pair: tuple[int, int]) -> SVC:
        low, high = pair
        first, second = members[low], members[high]
        kernel = np.empty((len(first) + len(second),) * 2)
        kernel[: len(first), : len(first)], kernel[len(first) :, len(first) :] = within[low][0], within[high][0]
        np.fill_diagonal(kernel, np.concatenate([within[low][1], within[high][1]]))
        _fill_between(kernel[: len(first), len(first) :], svc, features, (first, second))
        kernel[len(first) :, : len(first)] = kernel[: len(first), len(first) :].T
        two = clone(svc).set_params(kernel="precomputed", cache_size=PAIR_CACHE_MEGABYTES, break_ties=False)
        return two.fit(kernel, np.repeat([0, 1], [len(first), len(second)]))

    sizes = {pair: sum(len(members[place]) for place in pair) for pair in pairs}
    by_size = sorted(
        pairs, key=sizes.__getitem__, reverse=True
    )  # the longest first, so that no core waits for it at the end
    solved = dict(zip(by_size, in_threads(solve, by_size, most=at_a_time(8 * max(sizes.values()) ** 2)), strict=True))
    return _joined(members, {pair: solved[pair] for pair in pairs})


def _class_kernel(svc: SVC, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the kernel among the faces of a class, once for all pairs, and its diagonal.

    libsvm keeps kernel values in single precision, but the diagonal in double.
    """
    kernel = kernel_values(svc, svc.gamma, basis(svc, features))
    return kernel.astype(np.float32), kernel.diagonal().copy()


def _fill_between(out: np.ndarray, svc: SVC, features: np.ndarray, pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Compute the kernel between the faces of two classes, given their rows, block by block into ``out``."""
    first, others = pair[0], features[pair[1]]
    norms = _norms(others)
    for start in range(0, len(first), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        _fill_basis(out[rows], svc, features[first[rows]], others, norms)
        kernel_values(svc, svc.gamma, out[rows])


def _joined(members: list[np.ndarray], solved: dict[tuple[int, int], SVC]) -> Solution:
    """Join the solutions of all pairs into one, given the rows of each class.

    scikit-learn flips the sign of an SVC of two classes; in libsvm, and here, the first class is positive.
    """
    weights = np.zeros((len(members) - 1, sum(map(len, members))))
    for (low, high), svc in solved.items():
        first, second = members[low], members[high]
        own = np.zeros(len(first) + len(second))
        own[svc.support_] = -svc.dual_coef_[0]
        weights[high - 1, first], weights[low, second] = own[: len(first)], own[len(first) :]
    support = np.concatenate([rows[weights[:, rows].any(axis=0)] for rows in members])
    intercepts = np.array([-svc.intercept_[0] for svc in solved.values()])
    iterations = np.array([svc.n_iter_[0] for svc in solved.values()])
    return Solution(support, weights[:, support], intercepts, iterations)


def _hold(svc: SVC, features: np.ndarray, labels: np.ndarray, solution: Solution) -> SVC:
    """Put a solution into an SVC.

    scikit-learn has no public way to do this. An ordinary fit on one face per class creates every field that the
    installed version has, with the right classes, gamma and widths; the solution's values then replace the fitted ones.
    """
    classes, examples, codes = np.unique(labels, return_index=True, return_inverse=True)
    svc.fit(features[examples], labels[examples])
    sign = -1 if len(classes) == 2 else 1
    weights = np.ascontiguousarray(solution.weights, np.float64)
    svc.support_ = solution.support.astype(np.int32)
    svc.support_vectors_ = np.ascontiguousarray(features[solution.support], np.float64)
    svc._n_support = np.bincount(codes[solution.support], minlength=len(classes)).astype(np.int32)
    svc._dual_coef_, svc.dual_coef_ = weights, sign * weights
    svc._intercept_, svc.intercept_ = solution.intercepts, sign * solution.intercepts
    svc._num_iter = svc.n_iter_ = solution.iterations.astype(np.int32)
    svc.shape_fit_ = features.shape
    return svc


def _pairwise(svc: SVC, kernel: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute equation 11's sum for each pair of classes, shape (n, pairs), from the kernel with support vectors."""
    edges = pairwise([0, *np.cumsum(counts)])
    parts = [kernel[:, start:stop] @ svc.dual_coef_[:, start:stop].T for start, stop in edges]
    pairs = combinations(range(len(counts)), 2)
    return np.stack([parts[low][:, high - 1] + parts[high][:, low] for low, high in pairs], axis=1) + svc.intercept_


def _one_vs_rest(values: np.ndarray, classes: int) -> np.ndarray:
    """Compute scikit-learn's ``decision_function_shape="ovr"``: votes won plus the summed values squeezed into ±1/3."""
    votes, sums = np.zeros((2, len(values), classes))
    for place, (low, high) in enumerate(combinations(range(classes), 2)):
        value = values[:, place]
        sums[:, low] += value
        sums[:, high] -= value
        votes[:, low] += value >= 0
        votes[:, high] += value < 0
    return votes + sums / (3 * (np.abs(sums) + 1))
