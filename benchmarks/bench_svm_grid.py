"""Benchmark the grid search of C and gamma with shared distances, against scikit-learn's GridSearchCV.

Both get the same features, folds, grid and cores. The grid has multiples of each fold's own gamma="scale", for which
the plain way needs a small subclass of SVC. Features are a fixed random projection of FER-2013's faces to 2,048 values
with ReLU: as wide as ResNet-50's and as costly to classify, without a trunk to run.
"""

import sys
import warnings

import numpy as np
from side_by_side import alternate, arguments, projected_fer2013, ratio, report, say
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fer_lib.datasets.splits import search_folds
from fer_lib.settings import ResNet50SvmSettings, change
from fer_lib.svm import classifiers
from fer_lib.utils import parallel

TARGET = 5
SETTINGS = change(ResNet50SvmSettings(), grid_steps=0)  # GridSearchCV does not widen its grid
GRID = {"svc__C": SETTINGS.c_grid, "svc__gamma_multiple": SETTINGS.gamma_grid}


class ScaledSVC(SVC):
    """SVC whose gamma is a multiple of "scale" on its training faces."""

    def __init__(self, C=1.0, gamma_multiple=1.0):
        super().__init__(C=C, break_ties=True)
        self.gamma_multiple = gamma_multiple

    def fit(self, features, labels):
        """Fit like any SVC."""
        self.gamma = self.gamma_multiple / (features.shape[1] * features.var())
        return super().fit(features, labels)


def plain_search(examples: classifiers.Examples, cores: int) -> GridSearchCV:
    """Run scikit-learn's search, without the final fit, which ours does not do either."""
    searched = search_folds(examples.labels, examples.groups, count=SETTINGS.search_folds, seed=0)
    folds = [(fold.train, fold.test) for fold in searched]
    pipeline = Pipeline([("scaler", StandardScaler()), ("svc", ScaledSVC())])
    search = GridSearchCV(pipeline, GRID, cv=folds, refit=False, n_jobs=cores)
    return search.fit(examples.originals.astype(np.float64), examples.labels)


def compare(examples: classifiers.Examples, cores: int, pairs: int) -> tuple[dict, dict]:
    """Time both on that many cores; give the ratio and both results, and stop if they disagree."""
    found, allowed = {}, parallel.cores
    parallel.cores = lambda: min(cores, allowed())

    def ours() -> None:
        found["ours"] = classifiers.search("resnet50_svm_rbf", examples, settings=SETTINGS)

    def usual() -> None:
        found["usual"] = plain_search(examples, cores)

    plain_search(examples.take(np.arange(0, len(examples), 5)), cores)  # starts scikit-learn's worker processes
    try:
        timed = alternate(ours, usual, pairs=pairs, warm_up=False)
    finally:
        parallel.cores = allowed
    return ratio(timed), agreement(*found["ours"], found["usual"])


def agreement(best: dict, table, plain: GridSearchCV) -> dict:
    """Compare both ways' accuracies and best parameters; exit if any of them differs."""
    names = [name.removeprefix("svc__") for name in GRID]
    sizes = [len(test) for _, test in plain.cv]
    shares = [plain.cv_results_[f"split{place}_test_score"] for place in range(len(sizes))]
    theirs = np.average(shares, axis=0, weights=sizes)  # weighs faces equally, GridSearchCV's mean folds
    where = [tuple(plain.cv_results_[f"param_svc__{name}"][place] for name in names) for place in range(len(theirs))]
    by_candidate = dict(zip(where, theirs, strict=True))
    for row in table.itertuples():
        if abs(by_candidate[row.C, row.gamma_multiple] - row.accuracy) > 1e-12:
            sys.exit(f"The accuracies differ at C = {row.C:g}, gamma = {row.gamma_multiple:g} · scale.")
    usual_best = {name: plain.best_params_[f"svc__{name}"] for name in names}
    if usual_best != best:
        sys.exit(f"The best parameters differ: {best} here, {usual_best} by GridSearchCV.")
    return {"best": best, "accuracy": round(float(table["accuracy"].max()), 6), "candidates_alike": len(table)}


def main() -> None:
    """Run the benchmark."""
    options = arguments(__doc__, pairs=3, faces=1000)
    warnings.filterwarnings("ignore", message="The least populated class")
    features, labels = projected_fer2013(options.data_dir, options.faces)
    examples = classifiers.Examples(features, labels)
    cores = parallel.cores()
    say(f"{len(features):,} faces, {features.shape[1]:,} features, {cores} cores")
    results, facts = {}, {}
    for number in sorted({1, cores}, reverse=True):
        name = f"both on {number} core{'s' * (number > 1)}"
        say(name)
        found, facts[name] = compare(examples, number, options.pairs)
        results[name] = found | {"target": TARGET}
    claim = "The search of C and gamma against GridSearchCV of the plain pipeline: same folds, best and accuracies."
    facts |= {"faces": len(features), "features": features.shape[1], "folds": SETTINGS.search_folds}
    facts |= {"real_faces": bool(options.data_dir), "c_grid": SETTINGS.c_grid, "gamma_grid": SETTINGS.gamma_grid}
    report("svm_grid", claim, results, options, **facts)


if __name__ == "__main__":
    main()
