"""The answers of scikit-learn's SVC, sooner: its kernel computed by matrix products (liu2023, section 2.2.2).

libsvm computes every kernel value by a dot product of its own, and again for each pair of classes and each candidate of
a search. Here matrix products compute them in blocks, libsvm solves the same problems on them
(``kernel="precomputed"``), and what it finds is put into an ordinary SVC, which is saved, reloaded and checked like any
other. The problems are the same to the last bits of a double; libsvm itself keeps kernel values in single precision.

A machine of several classes is one machine a pair of classes, and the pairs do not know of each other. They are solved
side by side, on as many threads as there are cores. Every matrix product runs on one thread and has a shape that does
not depend on how many there are, and so neither do the results.

Memory: the kernel among the faces of each class is held as float32, as libsvm would hold it (572 MB for the 28,709
training faces of FER-2013). That of two classes is made when their turn comes, as float64, which libsvm asks for (at
most 1.2 GB, 590 MB on average), and as many at a time as ``KERNEL_BYTES`` allows. The whole matrix, 6.6 GB, is never
made, and nothing is written to disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from sklearn.base import clone
from sklearn.svm import SVC

from fer_lib.utils.parallel import in_threads

BLOCK_ROWS = 512  # of one matrix product: large enough for BLAS, small enough to stay in memory beside its neighbours
KERNEL_BYTES = 4 * 10**9  # of kernel matrices that are held at the same time
PAIR_CACHE_MEGABYTES = 200  # libsvm's own copy; more of it saves nothing where the values are there already


@dataclass(frozen=True)
class Solution:
    """What a solver found, in libsvm's order: support vectors class by class.

    Attributes:
        support: rows of the faces that are support vectors, shape (S,).
        weights: alpha · y, shape (classes - 1, S), as scikit-learn's ``dual_coef_`` of more than two classes.
        intercepts: a pair of classes each, (0, 1), (0, 2), …, in the same sign.
        iterations: of the solver, a pair each.
    """

    support: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray
    iterations: np.ndarray


class Kernels:
    """Kernel matrices of one fold for any gamma, from products or distances that are computed once.

    An SVC that gets them (``kernel="precomputed"``) solves the very problem that it would solve on the features; it
    only need not compute the same inner products for every candidate anew.
    """

    def __init__(self, machine: SVC, learnt: np.ndarray, held_out: np.ndarray) -> None:
        self.machine = machine
        self.among, self.across = basis(machine, learnt), basis(machine, held_out, learnt)

    def __call__(self, gamma: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the kernel among the learnt faces (n, n) and of the held-out with the learnt faces (m, n)."""
        return tuple(kernel_values(self.machine, gamma, products.copy()) for products in (self.among, self.across))

    @property
    def nbytes(self) -> int:
        """Of the matrices that one call returns."""
        return self.among.nbytes + self.across.nbytes


def at_a_time(each_bytes: int) -> int:
    """Returns how many tasks that hold kernel matrices of so many bytes may run at the same time."""
    return max(1, KERNEL_BYTES // max(1, each_bytes))


def basis(machine: SVC, first: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
    """Returns what the machine's kernel is a function of: squared distances for ``"rbf"``, else inner products.

    Args:
        machine: its ``kernel`` decides.
        first: float64, shape (n, D).
        second: float64, shape (m, D); ``first`` by default, of which only one half is computed.

    Returns:
        float64, shape (n, m), in blocks of rows side by side.
    """
    others = first if second is None else second
    out, norms = np.empty((len(first), len(others))), _norms(others)

    def fill(start: int) -> None:
        stop = start + BLOCK_ROWS if second is None else None
        rows, columns = slice(start, start + BLOCK_ROWS), slice(0, stop)
        _fill_basis(out[rows, columns], machine, first[rows], others[columns], norms[columns])
        if second is None:
            out[:start, rows] = out[rows, :start].T

    in_threads(fill, range(0, len(first), BLOCK_ROWS))
    if second is None and machine.kernel == "rbf":
        np.fill_diagonal(out, 0.0)
    return out


def kernel_values(machine: SVC, gamma: float, products: np.ndarray) -> np.ndarray:
    """Turns what :func:`basis` returned into kernel values, in place, and returns it."""
    if machine.kernel == "rbf":
        products *= -gamma
        return np.exp(products, out=products)
    if machine.kernel == "poly":
        products *= gamma
        products += machine.coef0
        products **= machine.degree
    return products


def fit(machine: SVC, features: np.ndarray, labels: np.ndarray) -> SVC:
    """Fits a machine whose ``gamma`` is a number (a linear one has none) and returns it.

    Args:
        machine: an SVC with the kernel ``"rbf"``, ``"linear"`` or ``"poly"`` and equal class weights.
        features: float64, shape (N, D).
        labels: of two classes at least, shape (N,).
    """
    return _hold(machine, features, labels, _solve(machine, features, labels))


def decision_values(machine: SVC, features: np.ndarray) -> np.ndarray:
    """Returns what ``decision_function`` of a fitted machine returns (one-vs-rest shaped), by matrix products.

    They differ from scikit-learn's in the last bits of a double alone.

    Returns:
        float64, shape (N, classes), or (N,) for two classes.
    """
    features, vectors = np.asarray(features, np.float64), machine.support_vectors_
    norms, counts = _norms(vectors), machine.n_support_

    def answer(start: int) -> np.ndarray:
        rows = features[start : start + BLOCK_ROWS]
        kernel = np.empty((len(rows), len(vectors)))
        _fill_basis(kernel, machine, rows, vectors, norms)
        return _pairwise(machine, kernel_values(machine, machine._gamma, kernel), counts)

    starts = range(0, len(features), BLOCK_ROWS)
    pairs = len(counts) * (len(counts) - 1) // 2
    values = np.concatenate([np.empty((0, pairs)), *in_threads(answer, starts)])
    return values[:, 0] if len(counts) == 2 else _one_vs_rest(values, len(counts))


def _norms(features: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", features, features)


def _fill_basis(out: np.ndarray, machine: SVC, first: np.ndarray, second: np.ndarray, norms: np.ndarray) -> None:
    """Writes a block of :func:`basis`; ``norms`` are those of ``second``."""
    np.matmul(first, second.T, out=out)
    if machine.kernel == "rbf":  # |x - z|² = |x|² - 2 x·z + |z|², as libsvm computes it
        out *= -2
        out += _norms(first)[:, np.newaxis]
        out += norms
        np.maximum(out, 0, out=out)


def _solve(machine: SVC, features: np.ndarray, labels: np.ndarray) -> Solution:
    """The very problems that libsvm makes of the pairs of classes, in its order of faces."""
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    within = [_class_kernel(machine, features[rows]) for rows in members]
    pairs = list(combinations(range(len(members)), 2))

    def solve(pair: tuple[int, int]) -> SVC:
        low, high = pair
        first, second = members[low], members[high]
        kernel = np.empty((len(first) + len(second),) * 2)
        kernel[: len(first), : len(first)], kernel[len(first) :, len(first) :] = within[low][0], within[high][0]
        np.fill_diagonal(kernel, np.concatenate([within[low][1], within[high][1]]))
        _fill_between(kernel[: len(first), len(first) :], machine, features, (first, second))
        kernel[len(first) :, : len(first)] = kernel[: len(first), len(first) :].T
        two = clone(machine).set_params(kernel="precomputed", cache_size=PAIR_CACHE_MEGABYTES, break_ties=False)
        return two.fit(kernel, np.repeat([0, 1], [len(first), len(second)]))

    sizes = {pair: sum(len(members[place]) for place in pair) for pair in pairs}
    by_size = sorted(pairs, key=sizes.get, reverse=True)  # the longest first: no core waits for it at the end
    solved = dict(zip(by_size, in_threads(solve, by_size, most=at_a_time(8 * max(sizes.values()) ** 2)), strict=True))
    return _joined(members, {pair: solved[pair] for pair in pairs})


def _class_kernel(machine: SVC, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel among the faces of a class, made once for all pairs, and its diagonal.

    libsvm keeps kernel values in single precision, but the diagonal in double.
    """
    kernel = kernel_values(machine, machine.gamma, basis(machine, features))
    return kernel.astype(np.float32), kernel.diagonal().copy()


def _fill_between(out: np.ndarray, machine: SVC, features: np.ndarray, pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Writes the kernel between the faces of two classes, given their rows, block by block."""
    first, others = pair[0], features[pair[1]]
    norms = _norms(others)
    for start in range(0, len(first), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        _fill_basis(out[rows], machine, features[first[rows]], others, norms)
        kernel_values(machine, machine.gamma, out[rows])


def _joined(members: list[np.ndarray], solved: dict[tuple[int, int], SVC]) -> Solution:
    """One solution out of those of all pairs, given each class' rows.

    scikit-learn turns the sign of a machine of two classes; libsvm's has the first class positive, as it is here.
    """
    weights = np.zeros((len(members) - 1, sum(map(len, members))))
    for (low, high), machine in solved.items():
        first, second = members[low], members[high]
        own = np.zeros(len(first) + len(second))
        own[machine.support_] = -machine.dual_coef_[0]
        weights[high - 1, first], weights[low, second] = own[: len(first)], own[len(first) :]
    support = np.concatenate([rows[weights[:, rows].any(axis=0)] for rows in members])
    intercepts = np.array([-machine.intercept_[0] for machine in solved.values()])
    iterations = np.array([machine.n_iter_[0] for machine in solved.values()])
    return Solution(support, weights[:, support], intercepts, iterations)


def _hold(machine: SVC, features: np.ndarray, labels: np.ndarray, solution: Solution) -> SVC:
    """Puts a solution into a machine.

    scikit-learn has no public way in. An ordinary fit on one face a class leaves every field that its version knows,
    with classes, gamma and widths as they will be; then the solution's own take their place.
    """
    classes, examples, codes = np.unique(labels, return_index=True, return_inverse=True)
    machine.fit(features[examples], labels[examples])
    sign = -1 if len(classes) == 2 else 1
    weights = np.ascontiguousarray(solution.weights, np.float64)
    machine.support_ = solution.support.astype(np.int32)
    machine.support_vectors_ = np.ascontiguousarray(features[solution.support], np.float64)
    machine._n_support = np.bincount(codes[solution.support], minlength=len(classes)).astype(np.int32)
    machine._dual_coef_, machine.dual_coef_ = weights, sign * weights
    machine._intercept_, machine.intercept_ = solution.intercepts, sign * solution.intercepts
    machine._num_iter = machine.n_iter_ = solution.iterations.astype(np.int32)
    machine.shape_fit_ = features.shape
    return machine


def _pairwise(machine: SVC, kernel: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Equation 11's sum for each pair of classes, shape (n, pairs), from the kernel with all support vectors."""
    edges = pairwise([0, *np.cumsum(counts)])
    parts = [kernel[:, start:stop] @ machine.dual_coef_[:, start:stop].T for start, stop in edges]
    pairs = combinations(range(len(counts)), 2)
    return np.stack([parts[low][:, high - 1] + parts[high][:, low] for low, high in pairs], axis=1) + machine.intercept_


def _one_vs_rest(values: np.ndarray, classes: int) -> np.ndarray:
    """scikit-learn's ``decision_function_shape="ovr"``: votes won, and the sums of values squeezed into ±1/3."""
    votes, sums = np.zeros((2, len(values), classes))
    for place, (low, high) in enumerate(combinations(range(classes), 2)):
        value = values[:, place]
        sums[:, low] += value
        sums[:, high] -= value
        votes[:, low] += value >= 0
        votes[:, high] += value < 0
    return votes + sums / (3 * (np.abs(sums) + 1))
