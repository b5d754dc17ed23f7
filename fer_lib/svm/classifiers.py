"""Train liu2023's SVM on features (sections 2.2.2 and 3.1), and the classifiers that it is compared with.

Every classifier is a scikit-learn pipeline with its scaler inside, so that nothing of a test face reaches a fit. The
search tries the penalty C and the kernel width gamma in folds of the training faces that keep each subject's faces
together, and widens its grid while the best lies on an edge (:mod:`fer_lib.svm.grid`). A fold learns from as many views
of its training faces as ``search_views`` says, or from the untouched faces, and always answers for untouched faces. The
pipeline is then fitted on every view of all training faces. No view of a face is ever in two folds. The paper names
neither C nor sigma.

Each matrix product runs on one thread, and several products run side by side (:mod:`fer_lib.svm.kernel_machine`). So
results do not depend on the number of cores, and no thread of a small product waits for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC
from threadpoolctl import threadpool_limits

from fer_lib.datasets.splits import Fold, sample, search_folds
from fer_lib.errors import FerError, nearest
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.settings.names import CLASSIFIERS as NAMES, VARIANTS
from fer_lib.svm import grid, kernel_machine
from fer_lib.svm.kernel_machine import Kernels, at_a_time
from fer_lib.utils.parallel import in_threads

SEARCHED = (*VARIANTS, "resnet50_softmax")
POLY_DEGREE, POLY_OFFSET = 3, 1.0  # (gamma x·z + 1)^d: without the 1, gamma and C would be one parameter
# 2,048 standardised features separate a few hundred faces by themselves, so the best C of a softmax lies decades below
# that of an SVM; a comparison of the two is fair only if the grid includes it
SOFTMAX_C_GRID = (0.0001, 0.001, 0.01, 0.1, 1.0)
PIXELS_C = 10.0
CACHE_MEGABYTES = 1000


@dataclass(frozen=True)
class Examples:
    """Features and labels of faces, for training or for a division into folds.

    Attributes:
        originals: features of the untouched faces, float, shape (N, D). Every test uses these.
        labels: int, shape (N,).
        groups: subject of each face, shape (N,): the search keeps each group in one fold. None if unknown.
        views: features of all views, float, shape (N, V, D). The final fit uses these, and so does the search if the
            settings say so; None fits on ``originals``.
    """

    originals: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None
    views: np.ndarray | None = None

    def __post_init__(self) -> None:
        count, width = self.originals.shape
        if len(self.labels) != count or (self.groups is not None and len(self.groups) != count):
            raise ValueError(f"{count} faces, {len(self.labels)} labels; expected a label and a group for each face")
        if self.views is not None and (self.views.ndim != 3 or self.views.shape[::2] != (count, width)):
            raise ValueError(f"views have shape {self.views.shape}; expected ({count}, views, {width})")

    def __len__(self) -> int:
        return len(self.originals)

    def take(self, rows: np.ndarray) -> Examples:
        """Select rows, in the given order."""
        groups = None if self.groups is None else np.asarray(self.groups)[rows]
        views = None if self.views is None else self.views[rows]
        return Examples(self.originals[rows], self.labels[rows], groups, views)

    def some_views(self, count: int) -> Examples:
        """Keep ``count`` views of each face, evenly spread over all; none if ``count`` is 0, all if there are fewer."""
        if self.views is None or count >= self.views.shape[1]:
            return self
        places = np.linspace(0, self.views.shape[1] - 1, count).round().astype(int)
        return replace(self, views=self.views[:, places] if count else None)

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Flatten the views for a fit: features (N·V, D) and labels (N·V,), each label once per view."""
        if self.views is None:
            return self.originals, self.labels
        return self.views.reshape(-1, self.views.shape[2]), np.repeat(self.labels, self.views.shape[1])


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier with the parameters that the search chose.

    Attributes:
        name: a key of ``NAMES`` or ``VARIANTS``.
        pipeline: the fitted scikit-learn pipeline.
        parameters: those of ``C``, ``nu``, ``gamma``, ``gamma_multiple`` and ``degree`` that the classifier has.
        search: the table of :func:`search`; None if nothing was searched.
    """

    name: str
    pipeline: Pipeline
    parameters: Mapping[str, float]
    search: pd.DataFrame | None = None

    @property
    def classes(self) -> np.ndarray:
        """Labels that the classifier can predict, ascending: the columns of :func:`decision`."""
        return self.pipeline.classes_


def svm(kind: str, settings: ResNet50SvmSettings, *, components: int = 0, seed: int = 0) -> Pipeline:
    """Build an unfitted SVM: scaler, principal components if ``components`` is not 0, SVC.

    If two classes win equally many pairwise votes, the larger decision value decides, so that the predicted class is
    always that of the largest decision value. C is the first of the settings' grid until the search sets it.

    Args:
        kind: a kernel (``"rbf"``, ``"linear"``, ``"poly"``, ``"sigmoid"``), which decides between each pair of classes;
            with ``_ovr`` between each class and all others; or ``"nu"``, an RBF kernel whose margin nu bounds, not C.
        settings: the grids.
        components: number of principal components.
        seed: of the principal components.
    """
    kernel = "rbf" if kind == "nu" else kind.removesuffix("_ovr")
    options = {
        "kernel": kernel,
        "gamma": "scale",
        "degree": POLY_DEGREE,
        "coef0": 0.0 if kernel == "sigmoid" else POLY_OFFSET,
        "cache_size": CACHE_MEGABYTES,
        "decision_function_shape": "ovr",
        "break_ties": True,
    }
    classifier = NuSVC(nu=settings.nu_grid[0], **options) if kind == "nu" else SVC(C=settings.c_grid[0], **options)
    reduction = [PCA(components, svd_solver="randomized", random_state=seed)] if components else []
    last = OneVsRestClassifier(classifier) if kind.endswith("_ovr") else classifier
    return make_pipeline(StandardScaler(), *reduction, last)


def softmax(*, components: int = 0, seed: int = 0) -> Pipeline:
    """Build an unfitted softmax for the same features: scaler, principal components, multinomial regression."""
    reduction = [PCA(components, svd_solver="randomized", random_state=seed)] if components else []
    regression = LogisticRegression(C=SOFTMAX_C_GRID[0], max_iter=2000)
    return make_pipeline(StandardScaler(), *reduction, regression)


def pixels_svm() -> Pipeline:
    """Build the baseline that every other classifier must beat: an RBF SVM on raw pixels (see :func:`pixels`)."""
    return make_pipeline(StandardScaler(), SVC(C=PIXELS_C, cache_size=CACHE_MEGABYTES, break_ties=True))


def pixels(images: np.ndarray) -> np.ndarray:
    """Flatten uint8 faces (N, H, W) or views (N, V, H, W) to float32 features (N, H·W) or (N, V, H·W) in 0-1."""
    return images.reshape(*images.shape[:-2], -1).astype(np.float32) / np.float32(255)


def unfitted(name: str, settings: ResNet50SvmSettings, *, components: int = 0, seed: int = 0) -> Pipeline:
    """Build the unfitted pipeline of a name of ``NAMES`` or ``VARIANTS``; raise FerError with the nearest name."""
    if name in VARIANTS:
        return svm(name.removeprefix("resnet50_svm_"), settings, components=components, seed=seed)
    if name == "resnet50_softmax":
        return softmax(components=components, seed=seed)
    if name == "pixels_svm":
        return pixels_svm()
    if name == "class_priors":
        return make_pipeline(DummyClassifier(strategy="prior"))
    raise FerError(f"There is no classifier {name!r}{nearest(name, NAMES)}; give one of {', '.join(NAMES)}.")


def search(
    name: str,
    examples: Examples,
    *,
    settings: ResNet50SvmSettings,
    components: int = 0,
    seed: int = 0,
    folds: Sequence[Fold] = (),
) -> tuple[dict[str, float], pd.DataFrame]:
    """Grid search: try every C and gamma on folds of the training faces that keep each group together.

    A fold learns from ``settings.search_views`` views of its training faces (0: from the faces themselves) and answers
    for its held-out faces, untouched. Its scaler, components and gamma (a multiple of 1 / (D · variance),
    scikit-learn's ``"scale"``) come from its own training part. If there are fewer groups than
    ``settings.search_folds``, each group is a fold. If a fold's training part lacks a class, every candidate misses the
    test faces of that class. While the best candidate lies on an edge of C or gamma, that edge moves outwards, but
    ``settings.grid_steps`` times at most. Of equally accurate candidates the one with the smallest C wins, then the one
    with the smallest gamma; if the grid may widen, those inside it go before those on its edges.

    The distances of a fold are computed once for all candidates, and each kernel matrix once for all C; the predictions
    are those of a plain SVC. Kernel widths are tried side by side on as many threads as there are cores.

    Args:
        name: one of ``SEARCHED``.
        examples: the faces.
        settings: the grids, the folds and the views.
        components: principal components between scaler and classifier; 0 keeps all features.
        seed: seed of the folds and of the principal components.
        folds: divisions of ``examples`` to search on in place of such folds.

    Returns:
        The best parameters (``C`` or ``nu``, ``gamma_multiple`` and ``degree`` if the kernel has them), and a DataFrame
        with one row per candidate: the parameters, ``accuracy`` (share of all held-out faces classified correctly),
        ``lowest_fold`` and ``highest_fold`` (accuracy), ``folds``, ``faces`` and ``chosen``.

    Raises:
        FerError: nothing can be held out (only one subject or one class), a feature is not finite, or a fold has fewer
            pictures than there shall be components.
        ValueError: the classifier has no parameters to search.
    """
    pipeline = unfitted(name, settings, components=components, seed=seed)
    examples = examples.some_views(settings.search_views)
    if not np.isfinite(examples.originals).all() or not np.isfinite(examples.pictures()[0]).all():
        raise _not_finite()
    if name not in SEARCHED:
        raise ValueError(f"{name} has no parameters to search; expected one of {SEARCHED}")
    folds = folds or search_folds(examples.labels, examples.groups, count=settings.search_folds, seed=seed)
    fewest = min(len(examples.take(fold.train).pictures()[1]) for fold in folds)
    if components > min(fewest, examples.originals.shape[1]):
        raise FerError(
            f"{components} principal components are asked for, but a fold of the search learns from {fewest} pictures "
            f"of {examples.originals.shape[1]} features; lower the components in the profile, or take more faces."
        )
    axes, moved = _feasible(_axes(name, settings), examples.labels), dict[tuple[str, int], int]()
    hits: dict[tuple[float, ...], np.ndarray] = {}  # by a candidate's values: of each fold
    while True:
        new = [each for each in grid.candidates(axes) if tuple(each.values()) not in hits]
        with threadpool_limits(1):
            counted = np.array([_fold_hits(pipeline, examples, fold, new) for fold in folds])
        hits |= {tuple(each.values()): counted[:, place] for place, each in enumerate(new)}
        candidates = grid.candidates(axes)
        totals = [hits[tuple(each.values())].sum() for each in candidates]
        best = grid.best_of(axes, totals, inside=settings.grid_steps > 0)
        wider = grid.widened(axes, candidates[best], moved=moved, most=settings.grid_steps)
        if wider == axes:
            break
        axes = wider
    every = np.array([hits[tuple(each.values())] for each in candidates]).T
    return candidates[best], _search_table(candidates, every, folds=folds, best=best)


def fit(name: str, examples: Examples, *, settings: ResNet50SvmSettings, components: int = 0, seed: int = 0) -> Fitted:
    """Search in folds of the faces, then fit on every view of them (on the faces themselves without views).

    Args:
        name: a key of ``NAMES`` or ``VARIANTS``. ``"pixels_svm"`` (C = 10) and ``"class_priors"`` have no parameters to
            search.
        examples: the training faces; for ``"pixels_svm"`` their features are :func:`pixels`.
        settings: the grids and the number of folds of the search.
        components: principal components between scaler and classifier; 0 keeps all features.
        seed: seed of the search's folds and of the principal components.

    Raises:
        FerError: the search has nothing to hold out, or all training faces are of one class.
    """
    return _search_and_fit(name, examples, examples, settings=settings, components=components, seed=seed)


def fit_fer2013(name: str, examples: Examples, *, settings: ResNet50SvmSettings, seed: int = 0) -> Fitted:
    """Search on ``settings.fer2013_search_faces`` of the faces, drawn by class, then fit on all faces.

    FER-2013 does not name its subjects, so the search's folds cannot keep their faces together. If
    ``settings.fer2013_components`` is not 0, the pipeline reduces the features to as many principal components. One fit
    of the exact kernel on the 28,709 training faces with all 2,048 features takes about three minutes on two busy CPU
    cores and at most 4.4 GB of memory, 3 GB of it kernel matrices (:mod:`fer_lib.svm.kernel_machine`);
    :func:`decision` of 3,589 faces takes about 20 seconds.
    """
    searched = examples.take(sample(examples.labels, settings.fer2013_search_faces, seed=seed))
    components = settings.fer2013_components
    return _search_and_fit(name, searched, examples, settings=settings, components=components, seed=seed)


def fit_with(
    name: str,
    examples: Examples,
    *,
    parameters: Mapping[str, float],
    settings: ResNet50SvmSettings,
    components: int = 0,
    seed: int = 0,
) -> Fitted:
    """Fit on every view with the given ``C`` and ``gamma_multiple``, without a search.

    An SVM is a plain SVC that :func:`fer_lib.svm.kernel_machine.fit` solved.

    Args:
        name: a key of ``NAMES`` or ``VARIANTS``.
        examples: the training faces.
        parameters: ``C`` and ``gamma_multiple``, if the classifier has them.
        settings: settings of the classifier.
        components: principal components between scaler and classifier; 0 keeps all features.
        seed: seed of the principal components.

    Raises:
        FerError: all training faces are of one class, or a feature is not finite.
    """
    pictures, labels = examples.pictures()
    if not np.isfinite(pictures).all():
        raise _not_finite()
    *steps, (last, estimator) = unfitted(name, settings, components=components, seed=seed).steps
    if len(np.unique(labels)) < 2 and not isinstance(estimator, DummyClassifier):
        raise FerError(
            f"All {len(examples)} training faces are of one class; a classifier needs faces of at least two classes."
        )
    found = dict(parameters)
    with threadpool_limits(1):
        seen = np.asarray(Pipeline(steps).fit_transform(pictures) if steps else pictures, np.float64)
        inner = _inner(estimator)
        if isinstance(inner, (SVC, NuSVC)) and inner.kernel != "linear":
            found["gamma"] = found.setdefault("gamma_multiple", 1.0) * _gamma_scale(seen)
        inner.set_params(**{key: found[key] for key in ("C", "nu", "gamma", "degree") if key in found})
        if isinstance(estimator, OneVsRestClassifier):
            kernel_machine.fit_one_vs_rest(estimator, seen, labels)
        elif isinstance(estimator, (SVC, NuSVC)):
            kernel_machine.fit(estimator, seen, labels)
        elif isinstance(estimator, LogisticRegression):
            _fit_regression(estimator, seen, labels)
        else:
            estimator.fit(seen, labels)
    return Fitted(name, Pipeline([*steps, (last, estimator)]), found)


def predict(fitted: Fitted, features: np.ndarray) -> np.ndarray:
    """Predict labels, int64 of shape (N,), from features (N, D)."""
    classifier = fitted.pipeline[-1]
    if isinstance(classifier, OneVsRestClassifier) or getattr(classifier, "break_ties", False):  # as scikit-learn does
        return fitted.classes[decision(fitted, features).argmax(axis=1)].astype(np.int64)
    return fitted.pipeline.predict(features).astype(np.int64)


def decision(fitted: Fitted, features: np.ndarray) -> np.ndarray:
    """Compute decision values, float64 (N, classes); the largest of a face is its predicted class.

    For an SVM of pairs they are pairwise votes won, plus the pairwise decision values squeezed into ±1/3; for
    one-vs-rest the decision value of each class; for two classes the decision value and its negative. For the other
    classifiers they are log-probabilities. Columns are
    ``fitted.classes``. If you need labels as well, take the argmax instead of calling :func:`predict`, which repeats
    the work.
    """
    last = fitted.pipeline[-1]
    if not isinstance(_inner(last), (SVC, NuSVC)):
        return np.asarray(fitted.pipeline.predict_log_proba(features), np.float64)
    seen = fitted.pipeline[:-1].transform(features)
    if isinstance(last, OneVsRestClassifier):
        each = [kernel_machine.decision_values(one, seen) for one in last.estimators_]
        values = np.stack(each, axis=1) if len(each) > 1 else each[0]
    else:
        values = kernel_machine.decision_values(last, seen)
    return values if values.ndim == 2 else np.stack([-values, values], axis=1)


def _search_and_fit(
    name: str, searched: Examples, examples: Examples, *, settings: ResNet50SvmSettings, components: int, seed: int
) -> Fitted:
    """Search on ``searched`` if the classifier has parameters to search, then fit on ``examples``."""
    options: dict[str, Any] = {"settings": settings, "components": components, "seed": seed}
    unfitted(name, settings)  # reject an unknown name before computing anything
    if name not in SEARCHED:
        return fit_with(name, examples, parameters={}, **options)
    parameters, table = search(name, searched, **options)
    return replace(fit_with(name, examples, parameters=parameters, **options), search=table)


def _axes(name: str, settings: ResNet50SvmSettings) -> grid.Axes:
    """Build the grid that the search of a classifier starts from."""
    if name == "resnet50_softmax":
        return {"C": SOFTMAX_C_GRID}
    kind = name.removeprefix("resnet50_svm_").removesuffix("_ovr")
    axes = {"nu": tuple(sorted(settings.nu_grid))} if kind == "nu" else {"C": tuple(sorted(settings.c_grid))}
    if kind != "linear":
        axes["gamma_multiple"] = tuple(sorted(settings.gamma_grid))
    if kind == "poly":
        axes["degree"] = tuple(sorted(settings.degree_grid))
    return axes


def _feasible(axes: grid.Axes, labels: np.ndarray) -> grid.Axes:
    """Leave out every nu that some pair of classes does not allow: 2 · the smaller / (the smaller + the larger)."""
    if "nu" not in axes:
        return axes
    counts = np.unique(labels, return_counts=True)[1]
    most = 2 * counts.min() / (counts.min() + counts.max())
    return {**axes, "nu": tuple(nu for nu in axes["nu"] if nu <= most) or (most / 2,)}


def _search_table(
    candidates: list[dict[str, float]], hits: np.ndarray, *, folds: Sequence[Fold], best: int
) -> pd.DataFrame:
    """Tabulate the hits, shape (folds, candidates), as :func:`search` returns them."""
    sizes = np.array([len(fold.test) for fold in folds])
    table = pd.DataFrame(candidates)
    table["accuracy"] = hits.sum(axis=0) / sizes.sum()
    shares = hits / sizes[:, np.newaxis]
    table["lowest_fold"], table["highest_fold"] = shares.min(axis=0), shares.max(axis=0)
    table["folds"], table["faces"] = len(folds), int(sizes.sum())
    table["chosen"] = np.arange(len(table)) == best
    return table


def _fold_hits(pipeline: Pipeline, examples: Examples, fold: Fold, candidates: list[dict[str, float]]) -> list[int]:
    """Count the held-out faces of a fold that each candidate classifies correctly."""
    before = clone(pipeline[:-1])
    pictures, labels = examples.take(fold.train).pictures()
    training = np.asarray(before.fit_transform(pictures), np.float64)
    held_out = np.asarray(before.transform(examples.originals[fold.test]), np.float64)
    truth = examples.labels[fold.test]
    if not isinstance(_inner(pipeline[-1]), (SVC, NuSVC)):
        axes = _span(training)
        training, held_out = _along(axes, training), _along(axes, held_out)
        models = [clone(pipeline[-1]).set_params(**candidate) for candidate in candidates]
        return [int((model.fit(training, labels).predict(held_out) == truth).sum()) for model in models]
    return _svc_hits(pipeline[-1], candidates, (training, labels), (held_out, truth))


def _fit_regression(regression: LogisticRegression, features: np.ndarray, labels: np.ndarray) -> None:
    """Fit a regression on features (N, D) along the axes of :func:`_span`; its coefficients are those of D features."""
    axes = _span(features)
    regression.fit(_along(axes, features), labels)
    if axes is not None:
        regression.coef_ = regression.coef_ @ axes.T
        regression.n_features_in_ = features.shape[1]


def _span(features: np.ndarray) -> np.ndarray | None:
    """Compute orthonormal axes (D, N) of the space that N faces' features (N, D) span; None if N is not below D.

    With a squared penalty, a regression's best coefficients lie in this space. So N coordinates give the same fit as
    D features, in a fraction of the time.
    """
    return np.linalg.qr(features.T)[0] if len(features) < features.shape[1] else None


def _along(axes: np.ndarray | None, features: np.ndarray) -> np.ndarray:
    return features if axes is None else features @ axes


def _svc_hits(
    last: BaseEstimator,
    candidates: list[dict[str, float]],
    taught: tuple[np.ndarray, np.ndarray],
    asked: tuple[np.ndarray, np.ndarray],
) -> list[int]:
    """Do the work of :func:`_fold_hits` for an SVC, from the features and labels of both parts of a fold.

    A nu that the fold's classes do not allow has no hits, nor has one that libsvm divides by zero with: if no vector
    lies between the margins, its scale is 0.
    """
    kernels, scale = Kernels(_inner(last), taught[0], asked[0]), _gamma_scale(taught[0])
    hits = np.zeros(len(candidates), int)
    widths: dict[tuple[float | None, ...], list[int]] = {}  # each kernel matrix is computed once for all C
    for place, candidate in enumerate(candidates):
        key = (candidate.get("gamma_multiple"), candidate.get("degree"))
        widths.setdefault(key if key != (None, None) else (None, place), []).append(place)

    def count(places: list[int]) -> None:
        first = candidates[places[0]]
        degree = int(first["degree"]) if "degree" in first else None
        among, across = kernels(first.get("gamma_multiple", 1.0) * scale, degree)
        for place in places:
            solved = clone(last)
            margin = {name: candidates[place][name] for name in ("C", "nu") if name in candidates[place]}
            _inner(solved).set_params(kernel="precomputed", **margin)
            try:
                hits[place] = (solved.fit(among, taught[1]).predict(across) == asked[1]).sum()
            except ValueError as error:
                if not any(words in str(error) for words in ("infeasible", "are not finite")):
                    raise

    in_threads(count, widths.values(), most=at_a_time(kernels.nbytes))
    return hits.tolist()


def _inner(estimator: BaseEstimator) -> Any:
    """Return the SVC of a classifier one-vs-rest, any other classifier itself."""
    return estimator.estimator if isinstance(estimator, OneVsRestClassifier) else estimator


def _not_finite() -> FerError:
    return FerError(
        "Some features of the training faces are not finite (NaN or infinity); check the weights and the faces that "
        "they were computed from."
    )


def _gamma_scale(features: np.ndarray) -> float:
    """Compute scikit-learn's ``gamma="scale"`` of the kernel's input: 1 / (D · variance), 1 if nothing varies."""
    variance = float(np.asarray(features, np.float64).var())
    return 1 / (features.shape[1] * variance) if variance else 1.0
