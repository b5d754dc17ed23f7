"""Test the SVM: no test face influences a fit, the search is exact, and the printed equations hold."""

from __future__ import annotations

import warnings
from dataclasses import replace
from threading import Lock
from time import sleep
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC

from fer_lib.datasets.splits import search_folds
from fer_lib.errors import FerError
from fer_lib.settings import ResNet50SvmSettings, change
from fer_lib.svm import classifiers, equations, grid, kernel_machine
from fer_lib.svm.classifiers import Examples
from fer_lib.utils import parallel, safe_load

SETTINGS = ResNet50SvmSettings()
KERNELS = ("rbf", "linear", "poly")
LEARNERS = tuple(name for name in classifiers.NAMES if name != "class_priors")


def clusters(people: int = 12, *, classes: int = 3, views: int = 0, width: int = 10, seed: int = 0) -> Examples:
    """Make features of ``people`` subjects who each show every class twice; a subject's faces are near each other."""
    rng = np.random.default_rng(seed)
    centres, persons = rng.normal(0, 1.2, (classes, width)), rng.normal(0, 0.7, (people, width))
    groups, labels = (grid.ravel() for grid in np.meshgrid(np.arange(people), np.arange(2 * classes) % classes))
    scale = np.geomspace(0.01, 100, width)  # features of very unequal spread: the scaler matters
    originals = (centres[labels] + persons[groups] + rng.normal(0, 0.8, (len(labels), width))) * scale
    others = originals[:, np.newaxis] + rng.normal(0, 0.3, (len(labels), views, width)) * scale
    return Examples(
        originals.astype(np.float32),
        labels,
        groups,
        others.astype(np.float32) if views else None,
    )


@pytest.fixture(scope="module")
def people():
    return clusters()


@pytest.fixture(autouse=True)
def converged():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        yield


def folds_of(examples: Examples, count: int = 3) -> list[SimpleNamespace]:
    divide = StratifiedGroupKFold(count, shuffle=True, random_state=5).split(
        examples.originals, examples.labels, examples.groups
    )
    return [SimpleNamespace(train=train, test=test) for train, test in divide]


# --- examples ---------------------------------------------------------------------------------------------------------


def test_pictures_repeat_a_label_once_a_view():
    views = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    features, labels = Examples(views[:, 0], np.array([7, 8]), None, views).pictures()
    np.testing.assert_array_equal(features, np.arange(24).reshape(6, 4))
    np.testing.assert_array_equal(labels, [7, 7, 7, 8, 8, 8])


def test_without_views_the_pictures_are_the_faces_themselves(people):
    features, labels = people.pictures()
    assert features is people.originals
    assert labels is people.labels


def test_taken_rows_keep_their_own(people):
    with_views = clusters(4, views=2)
    rows = np.array([5, 1, 8])
    part = with_views.take(rows)
    for name in ("originals", "labels", "groups", "views"):
        np.testing.assert_array_equal(getattr(part, name), getattr(with_views, name)[rows])
    assert people.take(rows).views is None


def test_shapes_that_do_not_fit_are_named(people):
    with pytest.raises(ValueError, match="a label and a group for each face"):
        Examples(people.originals, people.labels[1:])
    with pytest.raises(ValueError, match="a label and a group for each face"):
        Examples(people.originals, people.labels, people.groups[1:])
    with pytest.raises(ValueError, match=r"views have shape .*; expected \(72, views, 10\)"):
        Examples(people.originals, people.labels, None, np.zeros((72, 3, 9)))


def test_pixels_are_the_faces_in_0_to_1():
    views = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    result = classifiers.pixels(views)
    assert result.shape == (2, 3, 20)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[1, 2], views[1, 2].ravel() / 255, rtol=1e-6)
    np.testing.assert_array_equal(classifiers.pixels(views[:, 0]), result[:, 0])


# --- the search -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_searchs_shared_kernels_answer_as_the_plain_machine(people, kernel):
    name = f"resnet50_svm_{kernel}"
    settings = change(SETTINGS, c_grid=(0.1, 10.0), gamma_grid=(0.3, 3.0))
    _, table = classifiers.search(name, people, settings=settings, seed=3)
    right = np.zeros(len(table))
    folds = search_folds(people.labels, people.groups, count=3, seed=3)
    for fold in folds:
        scaler = StandardScaler().fit(people.originals[fold.train])
        learnt, held_out = (scaler.transform(people.originals[rows]) for rows in (fold.train, fold.test))
        for place, candidate in enumerate(table.itertuples()):
            gamma = getattr(candidate, "gamma_multiple", 1.0) / (learnt.shape[1] * learnt.var())
            given = {"C": candidate.C, "gamma": gamma, "degree": getattr(candidate, "degree", 3)}
            plain = SVC(kernel=kernel, coef0=1.0, break_ties=True, **given)
            answers = plain.fit(learnt, people.labels[fold.train]).predict(held_out)
            right[place] += (answers == people.labels[fold.test]).sum()
    np.testing.assert_allclose(table["accuracy"], right / len(people))
    assert np.ptp(table["accuracy"]) > 0 or kernel == "linear"


class ScaledSVC(SVC):
    """SVC for GridSearchCV, as a user would write it to search gamma in multiples of each fold's own "scale"."""

    def __init__(self, C=1.0, gamma_multiple=1.0, kernel="rbf", coef0=1.0):
        super().__init__(C=C, kernel=kernel, coef0=coef0, break_ties=True)
        self.gamma_multiple = gamma_multiple

    def fit(self, X, y):
        self.gamma = self.gamma_multiple / (X.shape[1] * X.var())
        return super().fit(X, y)


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_the_search_is_the_plain_grid_searchs(people, kernel):
    grids = {"c_grid": (0.1, 1.0, 10.0), "gamma_grid": (0.1, 1.0, 3.0), "degree_grid": (3,)}
    settings = change(SETTINGS, **grids, grid_steps=0)
    best, table = classifiers.search(f"resnet50_svm_{kernel}", people, settings=settings, seed=1)
    searched = {"svc__C": settings.c_grid, "svc__gamma_multiple": settings.gamma_grid}
    folds = [(fold.train, fold.test) for fold in search_folds(people.labels, people.groups, count=3, seed=1)]
    pipeline = Pipeline([("scaler", StandardScaler()), ("svc", ScaledSVC(kernel=kernel))])
    plain = GridSearchCV(pipeline, searched, cv=folds).fit(people.originals.astype(np.float64), people.labels)
    expected = {name.removeprefix("svc__"): value for name, value in plain.best_params_.items()}
    assert best == expected | ({"degree": 3} if kernel == "poly" else {})
    sizes = [len(test) for _, test in folds]  # GridSearchCV's mean is of folds, ours of faces
    shares = [plain.cv_results_[f"split{place}_test_score"] for place in range(3)]
    np.testing.assert_allclose(table["accuracy"], np.average(shares, axis=0, weights=sizes))
    assert len(set(table["accuracy"])) > 2


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_search_and_a_fit_do_not_depend_on_the_number_of_cores(people, kernel, monkeypatch):
    monkeypatch.setattr(kernel_machine, "BLOCK_ROWS", 16)
    found = []
    for cores in (1, 4):
        monkeypatch.setattr(parallel, "cores", lambda cores=cores: cores)
        fitted = classifiers.fit(f"resnet50_svm_{kernel}", people, settings=SETTINGS)
        found.append((fitted.search, fitted.pipeline[-1].dual_coef_, classifiers.decision(fitted, people.originals)))
    pd.testing.assert_frame_equal(found[0][0], found[1][0], check_exact=True)
    for first, second in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_are_scikit_learns(kernel):
    rng = np.random.default_rng(0)
    learnt, held_out, labels = rng.normal(size=(40, 6)), rng.normal(size=(9, 6)), np.arange(40) % 3
    svc = classifiers.svm(kernel, SETTINGS).set_params(svc__gamma=0.2)[-1]
    among, across = classifiers.Kernels(svc, learnt, held_out)(0.2)
    plain = svc.fit(learnt, labels).decision_function(held_out)
    shared = SVC(kernel="precomputed", C=svc.C).fit(among, labels).decision_function(across)
    np.testing.assert_allclose(shared, plain, atol=1e-8)


def test_no_person_is_on_both_sides_and_every_face_is_held_out_once(people):
    folds = search_folds(people.labels, people.groups, count=3, seed=0)
    assert len(folds) == 3
    for fold in folds:
        assert not set(people.groups[fold.train]) & set(people.groups[fold.test])
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(people)))


def test_grouping_by_person_is_what_keeps_the_search_honest():
    """Labels depend on the subject only: a search that mixed a subject's faces would learn them."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 6)
    labels = rng.integers(0, 2, 30)[groups]
    features = rng.normal(size=(30, 20))[groups] + rng.normal(0, 0.05, (180, 20))
    _, mixed = classifiers.search("resnet50_svm_rbf", Examples(features, labels), settings=SETTINGS)
    _, apart = classifiers.search("resnet50_svm_rbf", Examples(features, labels, groups), settings=SETTINGS)
    assert mixed["accuracy"].max() > 0.95
    assert apart["accuracy"].max() < 0.8


def test_the_best_candidate_is_chosen_and_the_smallest_among_equals(people):
    best, table = classifiers.search(
        "resnet50_svm_rbf", people, settings=change(SETTINGS, c_grid=(100.0, 1.0, 10.0), grid_steps=0)
    )
    assert table["chosen"].sum() == 1
    chosen = table[table["chosen"]].iloc[0]
    assert chosen["accuracy"] == table["accuracy"].max()
    assert best == {"C": chosen["C"], "gamma_multiple": chosen["gamma_multiple"]}
    equals = table[table["accuracy"] == chosen["accuracy"]].sort_values(["C", "gamma_multiple"])
    assert (chosen["C"], chosen["gamma_multiple"]) == tuple(equals.iloc[0][["C", "gamma_multiple"]])
    assert ((table["lowest_fold"] <= table["accuracy"]) & (table["accuracy"] <= table["highest_fold"])).all()


@pytest.mark.parametrize(("name", "columns"), [("resnet50_svm_linear", {"C"}), ("resnet50_softmax", {"C"})])
def test_what_has_no_gamma_is_searched_over_c_alone(people, name, columns):
    best, table = classifiers.search(name, people, settings=SETTINGS)
    assert set(best) == columns
    assert "gamma_multiple" not in table
    assert len(table) == len(table["C"].unique())


def test_fewer_people_than_folds_make_fewer_folds():
    _, table = classifiers.search("resnet50_svm_rbf", clusters(2), settings=change(SETTINGS, search_folds=5))
    assert table["folds"].unique().tolist() == [2]


def test_one_person_alone_cannot_be_searched(people):
    alone = people.take(np.flatnonzero(people.groups == 0))
    with pytest.raises(FerError, match=r"6 training faces of 1 subjects and 3 classes, .* of more subjects"):
        classifiers.fit("resnet50_svm_rbf", alone, settings=SETTINGS)


def test_more_components_than_a_fold_has_pictures_are_refused(people):
    with pytest.raises(
        FerError, match=r"500 principal components are asked for, but a fold .* learns from \d+ pictures"
    ):
        classifiers.search("resnet50_svm_rbf", people, settings=SETTINGS, components=500)


def test_one_class_alone_cannot_be_learnt(people):
    angry = people.take(np.flatnonzero(people.labels == 0))
    with pytest.raises(FerError, match="1 classes"):
        classifiers.fit("resnet50_svm_rbf", angry, settings=SETTINGS)
    with pytest.raises(FerError, match="All 24 training faces are of one class"):
        classifiers.fit("pixels_svm", angry, settings=SETTINGS)


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_features_that_do_not_vary_teach_nothing_and_do_no_harm(people, name):
    """All faces alike: every answer is one class, whichever; nothing divides by their variance."""
    alike = replace(people, originals=np.ones_like(people.originals), views=None)
    fitted = classifiers.fit(name, alike, settings=SETTINGS)
    assert len(set(classifiers.predict(fitted, alike.originals))) == 1
    assert np.isfinite(classifiers.decision(fitted, alike.originals)).all()


@pytest.mark.parametrize("name", classifiers.NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_refused(people, name, value):
    spoilt = people.originals.copy()
    spoilt[3, 1] = value
    with pytest.raises(FerError, match=r"features of the training faces are not finite .* computed from\.$"):
        classifiers.fit(name, replace(people, originals=spoilt, views=None), settings=SETTINGS)
    views = clusters(views=2)
    views.views[2, 0, 1] = value  # the search does not see them, the fit does
    with pytest.raises(FerError, match="are not finite"):
        classifiers.fit(name, views, settings=change(SETTINGS, c_grid=(1,), gamma_grid=(1,)))


def test_a_class_that_a_fold_lacks_counts_as_missed():
    """Only one subject shows class 2: in the fold that tests her, no training face has it."""
    many = clusters(9, classes=2, seed=1)
    rng = np.random.default_rng(0)
    originals = np.concatenate([many.originals, many.originals[:4] + 1000 * rng.normal(size=(4, 10))])
    examples = Examples(originals, np.append(many.labels, [2] * 4), np.append(many.groups, [99] * 4))
    _, table = classifiers.search("resnet50_svm_rbf", examples, settings=SETTINGS)
    assert table["faces"].unique().tolist() == [len(examples)]
    assert table["accuracy"].max() <= 1 - 4 / len(examples)


def test_a_fold_learns_from_views_of_its_own_faces_alone_and_answers_for_untouched_ones():
    """Every other face's views show another class: one that is held out would be seen if its views were learnt."""
    examples = clusters(views=3)
    settings = change(SETTINGS, c_grid=(1.0,), gamma_grid=(1.0,))
    fold = search_folds(examples.labels, examples.groups, count=2, seed=0)[0]
    _, table = classifiers.search("resnet50_svm_rbf", examples, settings=settings, folds=[fold])
    given = classifiers.fit_with(
        "resnet50_svm_rbf", examples.take(fold.train), parameters={"C": 1.0, "gamma_multiple": 1.0}, settings=settings
    )
    right = classifiers.predict(given, examples.originals[fold.test]) == examples.labels[fold.test]
    assert table["accuracy"].tolist() == [right.mean()]
    assert (table["folds"].item(), table["faces"].item()) == (1, len(fold.test))
    spoilt = examples.views.copy()
    spoilt[fold.test] = np.random.default_rng(0).normal(size=spoilt[fold.test].shape)
    _, same = classifiers.search("resnet50_svm_rbf", replace(examples, views=spoilt), settings=settings, folds=[fold])
    pd.testing.assert_frame_equal(same, table)


def test_some_views_are_spread_evenly_over_all():
    examples = clusters(2, views=7)
    np.testing.assert_array_equal(examples.some_views(3).views, examples.views[:, [0, 3, 6]])
    assert examples.some_views(0).views is None
    for count in (7, 12):
        assert examples.some_views(count) is examples
    assert clusters(2).some_views(3).views is None


@pytest.mark.parametrize("views", [0, 2, 3])
def test_the_search_learns_from_as_many_views_as_the_settings_say(views, monkeypatch):
    examples, seen = clusters(views=3), []
    hits = classifiers._svc_hits
    monkeypatch.setattr(classifiers, "_svc_hits", lambda *a: seen.append(len(a[2][0])) or hits(*a))
    classifiers.search("resnet50_svm_rbf", examples, settings=change(SETTINGS, search_views=views, grid_steps=0))
    assert seen == [48 * max(views, 1)] * 3


# --- the grid ---------------------------------------------------------------------------------------------------------


def test_a_grid_widens_until_the_best_lies_inside():
    axes = {"C": (0.1, 1.0, 10.0), "gamma_multiple": (0.5, 1.0)}
    moved: dict = {}
    for highest in (100.0, 1000.0, 10000.0):
        axes = grid.widened(axes, {"C": axes["C"][-1], "gamma_multiple": 0.5}, moved=moved, most=3)
        assert axes["C"] == (0.1, 1.0, *[10.0**power for power in range(1, round(np.log10(highest)) + 1)])
    assert axes["gamma_multiple"] == (0.25, 0.5, 1.0)
    assert grid.widened(axes, {"C": 10000.0, "gamma_multiple": 0.5}, moved=moved, most=3) == axes
    assert grid.widened(axes, {"C": 1.0, "gamma_multiple": 0.5}, moved={}, most=3) == axes


def test_a_grid_of_one_value_stays_as_it_is():
    axes = {"C": (1.0,), "gamma_multiple": (1.0,), "degree": (2, 3)}
    assert grid.widened(axes, {"C": 1.0, "gamma_multiple": 1.0, "degree": 3}, moved={}, most=3) == axes


def test_an_axis_continues_by_its_outermost_factors():
    axes = grid.widened({"C": (0.5, 1.0, 3.0)}, {"C": 0.5}, moved={}, most=1)
    assert axes == {"C": (0.25, 0.5, 1.0, 3.0)}
    assert grid.widened({"C": (0.5, 1.0, 3.0)}, {"C": 3.0}, moved={}, most=1) == {"C": (0.5, 1.0, 3.0, 9.0)}
    assert grid.widened({"C": (0.01, 0.1)}, {"C": 0.01}, moved={}, most=1)["C"][0] == 0.001


def test_among_equals_one_inside_the_grid_wins():
    axes = {"C": (1.0, 10.0, 100.0), "gamma_multiple": (0.1, 1.0, 10.0)}
    totals = [5] * 9
    assert grid.candidates(axes)[grid.best_of(axes, totals, inside=True)] == {"C": 10.0, "gamma_multiple": 1.0}
    assert grid.best_of(axes, totals, inside=False) == 0
    totals[8] = 6
    assert grid.best_of(axes, totals, inside=True) == 8


@pytest.mark.parametrize("c", [(0.00001, 0.0001), (1000.0, 10000.0)])
def test_the_search_leaves_an_edge_that_is_no_optimum(c):
    """Labels are noisy, so that neither a tiny nor a huge C is best."""
    rng = np.random.default_rng(1)
    labels, groups = np.arange(120) % 2, np.arange(120) // 4
    examples = Examples(rng.normal(size=(120, 3)) + 0.8 * rng.normal(size=(2, 3))[labels], labels, groups)
    settings = change(SETTINGS, c_grid=c, gamma_grid=(1.0,))
    best, table = classifiers.search("resnet50_svm_rbf", examples, settings=settings)
    fixed, narrow = classifiers.search("resnet50_svm_rbf", examples, settings=change(settings, grid_steps=0))
    assert len(narrow) == 2 < len(table)
    assert table["accuracy"].max() >= narrow["accuracy"].max()
    assert sorted(table["C"]) == table["C"].to_list()
    assert set(c) < set(table["C"])
    assert grid.edges(table) == ()
    assert best["C"] not in (table["C"].min(), table["C"].max())
    assert fixed["C"] in c


def test_the_bound_ends_the_widening_and_the_edge_is_named(people):
    settings = change(SETTINGS, c_grid=(1e-12, 1e-11), gamma_grid=(1e-12, 1e-11), degree_grid=(2,), grid_steps=2)
    _, table = classifiers.search("resnet50_svm_poly", people, settings=settings)
    assert set(table["C"]) <= {float(f"1e{power}") for power in range(-14, -8)}
    assert len(table) == table["C"].nunique() * table["gamma_multiple"].nunique()
    assert table["chosen"].sum() == 1


def test_edges_are_named_by_parameter_and_side():
    table = pd.DataFrame({"C": [1.0, 1.0, 10.0, 10.0], "gamma_multiple": [0.1, 1.0, 0.1, 1.0]})
    assert grid.edges(table.assign(chosen=[False, False, True, False])) == ("C highest", "gamma_multiple lowest")
    table = pd.DataFrame({"C": [1.0, 10.0, 100.0], "gamma_multiple": 1.0, "chosen": [False, True, False]})
    assert grid.edges(table) == ()
    assert grid.edges(pd.DataFrame({"C": [1.0], "chosen": [True]})) == ()


@pytest.mark.parametrize("name", ["resnet50_svm_rbf", "resnet50_softmax"])
def test_scaler_and_components_of_a_fold_see_its_training_part_alone(people, name):
    fold, candidates = (
        search_folds(people.labels, people.groups, count=2, seed=0)[0],
        grid.candidates(classifiers._axes(name, SETTINGS)),
    )
    pipeline = classifiers.unfitted(name, SETTINGS, components=4)
    far = people.originals.copy()
    far[fold.test[1::2]] *= 1000  # a scaler or components that saw these would answer the others differently
    others = SimpleNamespace(train=fold.train, test=fold.test[::2])
    hits = classifiers._fold_hits(pipeline, people, others, candidates)
    both = classifiers._fold_hits(pipeline, Examples(far, people.labels), fold, candidates)
    wild = SimpleNamespace(train=fold.train, test=fold.test[1::2])
    np.testing.assert_array_equal(
        hits, np.subtract(both, classifiers._fold_hits(pipeline, Examples(far, people.labels), wild, candidates))
    )
    assert 0 < min(hits) < len(others.test)


# --- the fit ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_every_classifier_fits_predicts_and_decides(name):
    examples, unseen = clusters(views=3), clusters(seed=0)
    fitted = classifiers.fit(name, examples, settings=SETTINGS)
    predicted, values = classifiers.predict(fitted, unseen.originals), classifiers.decision(fitted, unseen.originals)
    assert fitted.name == name
    assert predicted.dtype == np.int64
    assert values.shape == (len(unseen), 3)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(fitted.classes, [0, 1, 2])
    np.testing.assert_array_equal(fitted.classes[values.argmax(axis=1)], predicted)
    accuracy = (predicted == unseen.labels).mean()
    assert accuracy == pytest.approx(1 / 3) if name == "class_priors" else accuracy > 0.8


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_two_classes_have_two_columns(name):
    examples = clusters(classes=2)
    fitted = classifiers.fit(name, examples, settings=SETTINGS)
    values = classifiers.decision(fitted, examples.originals)
    assert values.shape == (len(examples), 2)
    np.testing.assert_array_equal(values.argmax(axis=1), classifiers.predict(fitted, examples.originals))


def test_where_votes_tie_the_largest_decision_value_decides():
    rng = np.random.default_rng(0)
    labels = np.arange(140) % 7
    examples = Examples(rng.normal(size=(140, 4)) + 0.5 * rng.normal(size=(7, 4))[labels], labels)
    fitted, unseen = classifiers.fit("resnet50_svm_rbf", examples, settings=SETTINGS), rng.normal(size=(500, 4))
    predicted = classifiers.predict(fitted, unseen)
    np.testing.assert_array_equal(classifiers.decision(fitted, unseen).argmax(axis=1), predicted)
    fitted.pipeline[-1].break_ties = False  # scikit-learn's default: the first of the tied classes
    assert (classifiers.predict(fitted, unseen) != predicted).any()


def test_log_probabilities_of_the_softmax_are_such(people):
    values = classifiers.decision(classifiers.fit("resnet50_softmax", people, settings=SETTINGS), people.originals)
    np.testing.assert_allclose(np.exp(values).sum(axis=1), 1)


@pytest.mark.parametrize("faces", [20, 60])
def test_a_softmax_on_many_features_is_scikit_learns_own(faces):
    labels, rng = np.arange(faces) % 3, np.random.default_rng(0)
    examples = Examples(rng.normal(size=(faces, 40)) + rng.normal(size=(3, 40))[labels], labels)
    found = classifiers.fit_with("resnet50_softmax", examples, parameters={"C": 0.1}, settings=SETTINGS)
    plain = classifiers.softmax().set_params(logisticregression__C=0.1, logisticregression__tol=1e-8)
    plain.fit(examples.originals, labels)
    regression, expected = found.pipeline[-1], plain[-1]
    assert regression.coef_.shape == (3, 40)
    np.testing.assert_allclose(regression.coef_, expected.coef_, atol=1e-4)
    unseen = rng.normal(size=(50, 40))
    np.testing.assert_allclose(classifiers.decision(found, unseen), plain.predict_log_proba(unseen), atol=1e-3)


@pytest.mark.parametrize("name", LEARNERS)
def test_the_search_sees_the_faces_and_the_fit_their_views(name):
    examples = clusters(views=3)
    fitted = classifiers.fit(name, examples, settings=change(SETTINGS, search_views=0))
    alone = classifiers.fit(name, Examples(examples.originals, examples.labels, examples.groups), settings=SETTINGS)
    if fitted.search is not None:
        pd.testing.assert_frame_equal(fitted.search, alone.search)
    pictures = examples.views.reshape(-1, 10)
    np.testing.assert_allclose(fitted.pipeline[0].mean_, pictures.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alone.pipeline[0].mean_, examples.originals.mean(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_fitted_machine_is_a_plain_svc_with_what_was_found(people, kernel):
    fitted = classifiers.fit(f"resnet50_svm_{kernel}", people, settings=SETTINGS)
    svc, scaled = fitted.pipeline[-1], StandardScaler().fit_transform(people.originals)
    best = fitted.search[fitted.search["chosen"]].iloc[0]
    assert (svc.kernel, svc.C) == (kernel, best["C"])
    if kernel == "linear":
        assert fitted.parameters == {"C": best["C"]}
        return
    scale = SVC(gamma="scale").fit(scaled, people.labels)._gamma
    assert svc.gamma == pytest.approx(best["gamma_multiple"] * scale)
    searched = {name: best[name] for name in ("C", "gamma_multiple", "degree") if name in best}
    assert fitted.parameters == searched | {"gamma": svc.gamma}
    assert svc.degree == searched.get("degree", 3)


def test_the_pixel_machine_is_c_10_and_gamma_scale(people):
    fitted = classifiers.fit("pixels_svm", people, settings=SETTINGS)
    plain = SVC(C=10, gamma="scale").fit(StandardScaler().fit_transform(people.originals), people.labels)
    assert fitted.search is None
    np.testing.assert_allclose(fitted.pipeline[-1].dual_coef_, plain.dual_coef_, rtol=1e-3, atol=1e-3)


def test_principal_components_stand_between_scaler_and_machine(people):
    fitted = classifiers.fit("resnet50_svm_rbf", people, settings=SETTINGS, components=4, seed=2)
    assert fitted.pipeline[1].n_components == 4
    assert fitted.pipeline[1].random_state == 2
    assert fitted.pipeline[-1].n_features_in_ == 4


def test_the_same_seed_gives_the_same_machine(people):
    first, again = (classifiers.fit("resnet50_svm_rbf", people, settings=SETTINGS, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first.search, again.search)
    values = [classifiers.decision(fitted, people.originals) for fitted in (first, again)]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learn_has_the_fields_that_the_kernel_machine_fills_in(classes):
    """If this fails, `svm/kernel_machine.py` (`_hold`) must follow before pyproject.toml may allow the version."""
    people = clusters(classes=classes)
    given = SVC(gamma=0.1).fit(people.originals, people.labels)
    used = ["support_", "support_vectors_", "_n_support", "_dual_coef_", "dual_coef_", "_intercept_", "intercept_"]
    used += ["_num_iter", "n_iter_", "shape_fit_", "_gamma"]
    assert [name for name in used if name not in vars(given)] == []
    solution = kernel_machine.Solution(given.support_, np.abs(given.dual_coef_), given.intercept_, given.n_iter_)
    held = kernel_machine._hold(SVC(gamma=0.1), people.originals, people.labels, solution)
    assert set(vars(held)) == set(vars(given))


def test_fer2013_is_searched_on_a_stratified_part_and_learnt_whole():
    many = clusters(60)
    settings = change(SETTINGS, fer2013_search_faces=90, fer2013_components=5)
    fitted = classifiers.fit_fer2013("resnet50_svm_rbf", Examples(many.originals, many.labels), settings=settings)
    assert fitted.name == "resnet50_svm_rbf"
    assert fitted.search["faces"].unique().tolist() == [90]
    assert fitted.pipeline[0].n_samples_seen_ == 360
    assert fitted.pipeline[-1].n_features_in_ == 5
    whole = classifiers.fit_fer2013("resnet50_svm_rbf", many, settings=SETTINGS)
    assert whole.search["faces"].unique().tolist() == [360]
    assert whole.pipeline[-1].n_features_in_ == 10


@pytest.mark.parametrize("name", ["pixels_svm", "class_priors"])
def test_what_has_nothing_to_search_is_fitted_as_it_is(people, name):
    with pytest.raises(ValueError, match="no parameters to search"):
        classifiers.search(name, people, settings=SETTINGS)
    fitted = classifiers.fit_fer2013(name, people, settings=SETTINGS)
    assert (fitted.name, fitted.search) == (name, None)


def test_given_parameters_are_taken_without_a_search(people):
    fitted = classifiers.fit_with(
        "resnet50_svm_poly", people, parameters={"C": 7.0, "gamma_multiple": 2.0}, settings=SETTINGS
    )
    scaled = StandardScaler().fit_transform(people.originals)
    assert (fitted.name, fitted.search, fitted.pipeline[-1].C) == ("resnet50_svm_poly", None, 7.0)
    assert fitted.pipeline[-1].gamma == pytest.approx(2 / (10 * scaled.var()))


@pytest.mark.parametrize(("wrong", "right"), [("resnet50_svm_rbg", "resnet50_svm_rbf"), ("pixel_svm", "pixels_svm")])
def test_an_unknown_name_names_the_nearest(people, wrong, right):
    for act in (classifiers.fit, classifiers.search):
        with pytest.raises(FerError, match=f"no classifier '{wrong}' \\(did you mean '{right}'"):
            act(wrong, people, settings=SETTINGS)


# --- kernel machines --------------------------------------------------------------------------------------------------


def noisy(classes: int, count: int = 150, *, width: int = 6):
    """Float64 features in no order of classes that are not of equal size, and labels that do not start at 0."""
    rng = np.random.default_rng(classes)
    labels = rng.choice(np.arange(classes), count, p=np.arange(1, classes + 1) / sum(range(classes + 1)))
    return rng.normal(size=(count, width)) + 0.8 * rng.normal(size=(classes, width))[labels], labels + 3


def svc(kernel: str = "rbf", **options) -> SVC:
    return SVC(**{"C": 3.0, "kernel": kernel, "gamma": 0.2, "coef0": 1.0, "break_ties": True, **options})


@pytest.mark.parametrize("block", [7, 512])
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_machine_is_the_plain_svc(kernel, classes, block, monkeypatch):
    monkeypatch.setattr(kernel_machine, "BLOCK_ROWS", block)
    features, labels = noisy(classes)
    ours, plain = kernel_machine.fit(svc(kernel), features, labels), svc(kernel).fit(features, labels)
    assert type(ours) is SVC
    assert set(vars(ours)) == set(vars(plain))
    for name in ("support_", "n_support_", "support_vectors_", "n_iter_", "classes_", "class_weight_", "shape_fit_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name), err_msg=name)
    for name, value in vars(plain).items():
        assert type(getattr(ours, name)) is type(value), name
        assert getattr(value, "dtype", None) == getattr(getattr(ours, name), "dtype", None), name
    unseen = noisy(classes, 400)[0]
    expected = plain.decision_function(unseen)
    np.testing.assert_allclose(ours.decision_function(unseen), expected, atol=1e-5)  # the solver keeps float32
    np.testing.assert_array_equal(ours.predict(unseen), plain.predict(unseen))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_pairs_are_solved_as_libsvm_solves_them_together(classes):
    """On the very same kernel matrix nothing at all may differ."""
    features, labels = noisy(classes)
    kernel = kernel_machine.kernel_values(svc(), 0.2, kernel_machine.basis(svc(), features))
    together = SVC(C=3.0, kernel="precomputed").fit(kernel, labels)
    ours = kernel_machine.fit(svc(), features, labels)
    for name in ("support_", "n_support_", "dual_coef_", "intercept_", "n_iter_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(together, name), err_msg=name)


@pytest.mark.parametrize("block", [7, 512])
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("kernel", KERNELS)
def test_decision_values_are_scikit_learns(kernel, classes, block, monkeypatch):
    monkeypatch.setattr(kernel_machine, "BLOCK_ROWS", block)
    plain, unseen = svc(kernel).fit(*noisy(classes)), noisy(classes, 301)[0]
    values = kernel_machine.decision_values(plain, unseen)
    np.testing.assert_allclose(values, plain.decision_function(unseen), rtol=1e-9, atol=1e-9)
    assert kernel_machine.decision_values(plain, unseen[:0]).shape == ((0,) if classes == 2 else (0, classes))


def test_a_block_of_a_basis_is_what_scikit_learn_computes(monkeypatch):
    monkeypatch.setattr(kernel_machine, "BLOCK_ROWS", 7)
    first, second = noisy(3)[0], noisy(3, 20)[0]
    np.testing.assert_allclose(kernel_machine.basis(svc(), first, second), cdist(first, second) ** 2, atol=1e-12)
    among = kernel_machine.basis(svc(), first)
    np.testing.assert_allclose(among, cdist(first, first) ** 2, atol=1e-12)
    np.testing.assert_array_equal(np.diag(among), 0)
    np.testing.assert_allclose(kernel_machine.basis(svc("linear"), first), first @ first.T, atol=1e-12)


def test_no_more_kernels_are_held_than_allowed(monkeypatch):
    monkeypatch.setattr(kernel_machine, "KERNEL_BYTES", 250)
    monkeypatch.setattr(parallel, "cores", lambda: 8)
    beside, most, lock = [0], [0], Lock()

    def act(task):
        with lock:
            beside[0] += 1
            most[0] = max(most[0], beside[0])
        sleep(0.01)
        with lock:
            beside[0] -= 1
        return -task

    assert parallel.in_threads(act, range(12), most=kernel_machine.at_a_time(100)) == [-task for task in range(12)]
    assert most[0] <= 2
    parallel.in_threads(act, range(3), most=kernel_machine.at_a_time(1000))  # one that is larger still gets its turn
    with pytest.raises(ZeroDivisionError):
        parallel.in_threads(lambda task: 1 / task, [1, 0])


@pytest.mark.parametrize("classes", [2, 3])
def test_the_solver_leaves_a_plain_pipeline_that_is_saved_and_checked(classes, tmp_path):
    examples = clusters(classes=classes)
    given = {"C": 2.0, "gamma_multiple": 0.5}
    fitted = classifiers.fit_with("resnet50_svm_rbf", examples, parameters=given, settings=SETTINGS)
    scaled = fitted.pipeline[0].transform(examples.originals).astype(np.float64)
    plain = SVC(**fitted.pipeline[-1].get_params()).fit(scaled, examples.labels)
    unseen = clusters(20, classes=classes, seed=0).originals
    expected = plain.decision_function(fitted.pipeline[0].transform(unseen).astype(np.float64))
    expected = expected if classes > 2 else np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(
        classifiers.decision(fitted, unseen), expected, atol=5e-3
    )  # the solver's tolerance is 1e-3
    np.testing.assert_array_equal(classifiers.predict(fitted, unseen), fitted.pipeline.predict(unseen))
    skops.io.dump(fitted.pipeline, tmp_path / "svm.skops")
    again = safe_load.read_pipeline(tmp_path / "svm.skops")
    np.testing.assert_array_equal(again.decision_function(unseen), fitted.pipeline.decision_function(unseen))
    assert equations.check_fitted(fitted, examples)["holds"].all()


# --- variants ---------------------------------------------------------------------------------------------------------


def plain_variant(name: str, parameters: dict, features: np.ndarray):
    """Build the same classifier from scikit-learn alone."""
    given = {key: value for key, value in parameters.items() if key in ("C", "nu", "degree")}
    kernel = {"nu": "rbf"}.get(name, name.removesuffix("_ovr"))
    given |= {"kernel": kernel, "coef0": 0.0 if kernel == "sigmoid" else 1.0, "break_ties": True}
    given["gamma"] = parameters.get("gamma_multiple", 1.0) / (features.shape[1] * features.var())
    one = NuSVC(**given) if name == "nu" else SVC(**given)
    return OneVsRestClassifier(one) if name.endswith("_ovr") else one


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["poly", "sigmoid", "nu", "rbf_ovr", "linear_ovr"])
def test_a_variant_is_scikit_learns_own(kind, classes):
    examples, unseen = clusters(classes=classes), clusters(20, classes=classes, seed=0)
    parameters = {"nu": 0.2} if kind == "nu" else {"C": 2.0}
    parameters |= {} if kind.startswith("linear") else {"gamma_multiple": 0.3}
    parameters |= {"degree": 2} if kind == "poly" else {}
    name = f"resnet50_svm_{kind}"
    fitted = classifiers.fit_with(name, examples, parameters=parameters, settings=SETTINGS)
    scaler = StandardScaler().fit(examples.originals)
    scaled = scaler.transform(examples.originals).astype(np.float64)
    plain = plain_variant(kind, parameters, scaled).fit(scaled, examples.labels)
    asked = scaler.transform(unseen.originals).astype(np.float64)
    np.testing.assert_array_equal(classifiers.predict(fitted, unseen.originals), plain.predict(asked))
    expected = plain.decision_function(asked)
    expected = expected if classes > 2 else np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(classifiers.decision(fitted, unseen.originals), expected, atol=5e-3)
    np.testing.assert_array_equal(fitted.pipeline.predict(unseen.originals), plain.predict(asked))


@pytest.mark.parametrize("kind", ["poly", "sigmoid", "nu", "rbf_ovr", "linear_ovr"])
def test_the_search_of_a_variant_answers_as_the_plain_classifier(people, kind):
    settings = change(SETTINGS, c_grid=(0.1, 10.0), gamma_grid=(0.1, 1.0), degree_grid=(2, 4), grid_steps=0)
    fold = search_folds(people.labels, people.groups, count=3, seed=3)[0]
    best, table = classifiers.search(f"resnet50_svm_{kind}", people, settings=settings, folds=[fold])
    scaler = StandardScaler().fit(people.originals[fold.train])
    learnt, held_out = (scaler.transform(people.originals[rows]).astype(np.float64) for rows in (fold.train, fold.test))
    searched = [name for name in grid.PARAMETERS if name in table]
    assert set(best) == set(searched)
    assert searched == {
        "poly": ["C", "gamma_multiple", "degree"],
        "nu": ["nu", "gamma_multiple"],
        "linear_ovr": ["C"],
    }.get(kind, ["C", "gamma_multiple"])
    for candidate in table[[*searched, "accuracy"]].to_dict("records"):
        plain = plain_variant(kind, candidate, learnt).fit(learnt, people.labels[fold.train])
        right = (plain.predict(held_out) == people.labels[fold.test]).mean()
        assert candidate["accuracy"] == pytest.approx(right)


def test_a_nu_that_the_classes_do_not_allow_is_left_out():
    labels = np.repeat([0, 1, 2], [4, 36, 20])  # the first pair allows 2 · 4 / 40
    axes = classifiers._feasible({"nu": (0.01, 0.2, 0.21, 0.5), "gamma_multiple": (1.0,)}, labels)
    assert axes == {"nu": (0.01, 0.2), "gamma_multiple": (1.0,)}
    assert classifiers._feasible({"nu": (0.3, 0.5)}, labels) == {"nu": (0.1,)}
    rng = np.random.default_rng(0)
    examples = Examples(rng.normal(size=(60, 3)) + 3 * rng.normal(size=(3, 3))[labels], labels)
    fitted = classifiers.fit("resnet50_svm_nu", examples, settings=change(SETTINGS, nu_grid=(0.1, 0.2, 0.3)))
    assert fitted.parameters["nu"] in (0.1, 0.2)


def test_a_nu_that_divides_by_zero_has_no_hits():
    """Faces that are all alike leave no vector between the margins; SVC answers, NuSVC cannot be fitted."""
    alike, labels = np.zeros((6, 2)), np.arange(6) % 2
    with pytest.raises(ValueError, match="not finite"):
        NuSVC(nu=0.5, gamma=1.0).fit(alike, labels)
    for estimator, candidate, hits in ((NuSVC(), {"nu": 0.5}, 0), (SVC(), {"C": 1.0}, 3)):
        candidates = [candidate | {"gamma_multiple": 1.0}]
        assert classifiers._svc_hits(estimator, candidates, (alike, labels), (alike, labels)) == [hits]


# --- equations 2-12 ---------------------------------------------------------------------------------------------------


def svc_of(classes: int, kernel: str = "rbf", *, c: float = 2.0, seed: int = 0, weight=None):
    rng = np.random.default_rng(seed)
    labels = np.arange(120) % classes + 4
    features = rng.normal(size=(120, 5)) + 1.1 * rng.normal(size=(classes, 5))[labels - 4]
    svc = SVC(kernel=kernel, C=c, coef0=1.0, class_weight=weight, break_ties=classes > 2)
    return svc.fit(features, labels), features, labels


def checked(*args, **kwargs) -> pd.DataFrame:
    return equations.check(*args, **kwargs).set_index("equation")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("c", [0.05, 2.0, 100.0])
def test_the_printed_equations_hold_for_every_pair(kernel, classes, c):
    svc, features, labels = svc_of(classes, kernel, c=c)
    known = svc.classes_.tolist()
    for pair in {(known[0], known[1]), (known[-2], known[-1]), (known[0], known[-1])}:
        table = checked(svc, features, labels, pair=pair)
        assert table["holds"].all(), table[~table["holds"]]
        assert {"2", "6", "7", "8", "10", "3, 11"} <= set(table.index)
        assert ("12" in table.index) == (kernel == "rbf")


def test_the_dual_is_what_an_independent_solver_finds():
    _, features, labels = svc_of(2, c=1.5)
    rows = np.r_[0:40]
    small = SVC(C=1.5, gamma=0.1, tol=1e-6).fit(features[rows], labels[rows])
    solved = equations.pair_svm(small, features[rows], labels[rows], pair=(4, 5))
    found = minimize(
        solved.dual,
        np.full(40, 0.1),
        jac=lambda alphas: solved.signs * (solved.kernel @ (alphas * solved.signs)) - 1,
        bounds=[(0, 1.5)] * 40,
        constraints={"type": "eq", "fun": lambda alphas: alphas @ solved.signs, "jac": lambda alphas: solved.signs},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found.success
    assert solved.dual(solved.alphas) == pytest.approx(found.fun, rel=1e-5)
    np.testing.assert_allclose(solved.alphas, found.x, atol=1e-3)


def spoilt(field: str, change_it) -> pd.DataFrame:
    """The check of a svc one of whose fitted attributes was changed."""
    svc, features, labels = svc_of(3)
    setattr(svc, field, change_it(getattr(svc, field).copy()))
    return checked(svc, features, labels, pair=(4, 5))


def test_a_wrong_intercept_is_found():
    table = spoilt("intercept_", lambda values: values + 0.01)
    assert not table.loc[["10", "10 (mean)"], "holds"].any()


def test_alphas_that_do_not_balance_are_found():
    def one_up(values):
        values[0, 0] += 0.01
        return values

    assert not spoilt("dual_coef_", one_up).loc["7", "holds"]


def test_alphas_beyond_c_are_found():
    table = spoilt("dual_coef_", lambda values: values * 1.5)
    assert not table.loc["8", "holds"]


def test_alphas_that_are_not_optimal_are_found():
    table = spoilt("dual_coef_", lambda values: values * 0.8)  # feasible, but no minimum
    assert table.loc[["7", "8"], "holds"].all()
    assert not table.loc[["6", "6-9", "10"], "holds"].any()


def test_decisions_of_another_machine_are_found(monkeypatch):
    svc, features, labels = svc_of(3)
    monkeypatch.setattr(equations, "sigma", lambda svc: 1.0)
    table = checked(svc, features, labels)
    assert not table.loc[["3, 11", "12"], "holds"].any()


def test_class_weights_change_c():
    svc, features, labels = svc_of(3, c=0.5, weight={4: 1.0, 5: 3.0, 6: 1.0})
    solved = equations.pair_svm(svc, features, labels, pair=(4, 5))
    assert set(solved.penalties) == {0.5, 1.5}
    assert equations.check(svc, features, labels, pair=(5, 4))["holds"].all()


def test_sigma_is_one_over_the_root_of_two_gamma():
    svc, *_ = svc_of(2)
    assert 1 / (2 * equations.sigma(svc) ** 2) == pytest.approx(svc._gamma)


def test_slips_of_the_print_are_noted():
    table = checked(*svc_of(3))
    assert "should be x_i" in table.loc["12", "note"]
    assert "1 / (2 sigma^2)" in table.loc["12", "note"]
    assert "R^n" in table.loc["4, 5", "note"]


def test_a_fitted_pipeline_of_ours_obeys_the_equations():
    examples = clusters(views=3)
    fitted = classifiers.fit("resnet50_svm_rbf", examples, settings=SETTINGS)
    pictures, labels = examples.pictures()
    scaled = np.asarray(fitted.pipeline[:-1].transform(pictures), np.float64)
    assert equations.check(fitted.pipeline[-1], scaled, labels, pair=(1, 2))["holds"].all()


def test_other_faces_and_other_pairs_are_refused():
    svc, features, labels = svc_of(3)
    with pytest.raises(ValueError, match="not the features that the SVC was fitted on"):
        equations.check(svc, features + 1, labels)
    with pytest.raises(ValueError, match="expected two of the SVC's classes"):
        equations.check(svc, features, labels, pair=(4, 9))
