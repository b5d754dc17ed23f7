"""Test that the hypotheses' figures show their data completely and legibly, in the common style."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from test_figures import check_legible, check_small, history, levels, svg, words
from test_figures_liu2023 import offsets, study

from fer_lib import published
from fer_lib.experiments import lenet_hypothesis
from fer_lib.figures import hypotheses as figures, hypothesis1, input_scale
from fer_lib.published import template
from fer_lib.tables.format import MODEL_NAMES

MODELS = ("baseline_cnn", "resnet50_mlp")
PRINTED = {model: published.scores("chen2023", model, "accuracy") for model in MODELS}


def epochs(count: int, *seeds: int) -> pd.DataFrame:
    return pd.concat([history(count, seed).assign(seed=seed) for seed in seeds], ignore_index=True)


def priors(testing: float = 0.2449) -> pd.DataFrame:
    categorical = {"training": 0.2513, "validation": 0.2511, "testing": testing}
    rows = [(split, "categorical_accuracy", value) for split, value in categorical.items()]
    rows += [(split, "binary_accuracy", 6 / 7) for split in categorical]
    return pd.DataFrame(rows, columns=["split", "metric", "value"])


def loss_points(around: float) -> pd.DataFrame:
    names = ["ours, as printed", "trunk's own scaling", "random trunk"]
    rows = [
        (name, part, around + 0.01 * step, 0.86 - 0.0003 * step, 0.3 - 0.003 * step)
        for name in names
        for part in ("training", "validation")
        for step in range(-8, 8)
    ]
    return pd.DataFrame(rows, columns=["kind", "part", "loss", "binary_accuracy", "categorical_accuracy"])


def pairs() -> pd.DataFrame:
    values = {metric: published.scores("chen2023", "resnet50_mlp", metric) for metric in ("loss", "accuracy")}
    return pd.DataFrame(
        {"split": list(values["loss"]), **{name: list(cells.values()) for name, cells in values.items()}}
    )


def input_scales() -> tuple[pd.DataFrame, pd.DataFrame]:
    scales = [
        (name, divisor, centred, share / divisor**0.3, 0.9 / divisor**0.4, 0.3, 0.28, 0.32, 0.1)
        for name, share in (("given", 0.7), ("random", 0.4))
        for divisor in (255, 127.5, 64, 16, 4, 1)
        for centred in (False, True)
    ]
    names = ["trunk", "divisor", "centred", "variation", "after_batch_norm", "accuracy", "low", "high", "sure"]
    blocks = [
        "pixels",
        "conv1_conv",
        "conv1_bn",
        "pool1_pool",
        *(f"conv{n}_block{m}_out" for n in (2, 3) for m in (1, 2)),
    ]
    layers = [
        (name, divisor, centred, block, 0.3)
        for name in ("given", "random")
        for divisor, centred in ((255, False), (1, True))
        for block in blocks
    ]
    return pd.DataFrame(scales, columns=names), pd.DataFrame(layers, columns=[*names[:3], "layer", "variation"])


@pytest.fixture(scope="module")
def makers():
    few = {"baseline_cnn": epochs(3, 0), "resnet50_mlp": epochs(3, 0)}
    mixed = {"baseline_cnn": epochs(3, 0), "resnet50_mlp": epochs(50, 0, 1)}
    alone = {"baseline_cnn": None, "resnet50_mlp": epochs(50, 0, 1)}
    twenty = study(seeds=20)
    scales, layers = input_scales()
    return {
        "loss": lambda **s: hypothesis1.over_loss(loss_points(1.7), template.logs(), printed=pairs(), **s),
        "loss of few": lambda **s: hypothesis1.over_loss(loss_points(2.2), template.logs(), printed=pairs(), **s),
        "scale": lambda **s: input_scale.input_scale(scales, layers, **s),
        "few": lambda **s: hypothesis1.over_epochs(few, priors=priors(), printed=PRINTED, **s),
        "mixed": lambda **s: hypothesis1.over_epochs(mixed, priors=priors(), printed=PRINTED, **s),
        "alone": lambda **s: hypothesis1.over_epochs(alone, priors=None, printed=PRINTED, **s),
        "study": lambda **s: figures.hypothesis3(study(), **s),
        "study of twenty": lambda **s: figures.hypothesis3(twenty, **s),
        "study of one": lambda **s: figures.hypothesis3(study(("ckplus",), ("unshuffled",), 1), **s),
    }


NAMES = ["loss", "loss of few", "scale", "few", "mixed", "alone", "study", "study of twenty", "study of one"]


@pytest.fixture(scope="module")
def drawn(makers):
    return {name: make(synthetic=True) for name, make in makers.items()}


def test_names_are_complete(makers):
    assert set(NAMES) == set(makers)


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_whole_and_legible(drawn, name):
    check_legible(drawn[name])


@pytest.mark.parametrize("name", NAMES)
def test_png_is_small(drawn, name):
    check_small(drawn[name], most=350_000)  # twenty seeds with random errors have more ink than a real run


def test_synthetic_is_said_where_asked_and_only_there(drawn, makers):
    assert all("SYNTHETIC" in words(figure) for figure in drawn.values())
    assert not any("SYNTHETIC" in words(makers[name]()) for name in ("few", "study of one"))


def test_pyplot_style_and_random_numbers_stay_as_they_were(makers):
    before, open_before, random_before = dict(matplotlib.rcParams), plt.get_fignums(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in ("few", "study of one"):
        makers[name]()
    assert plt.get_fignums() == open_before
    assert dict(matplotlib.rcParams) == before
    assert np.array_equal(np.random.get_state()[1], random_before)  # noqa: NPY002


@pytest.mark.parametrize("name", ["few", "study of one"])
def test_svg_is_the_same_each_time(makers, name):
    assert svg(makers[name]()) == svg(makers[name]())


# hypothesis 1


def test_both_accuracies_of_both_parts_are_drawn_in_their_colours(drawn):
    run = history(3)
    for ax in drawn["few"].axes[::2]:
        curves = {tuple(np.round(line.get_ydata(), 9)): line for line in ax.lines if len(line.get_xdata()) == 3}
        assert len(curves) == 4
        for kind, color in hypothesis1.METRIC_COLORS.items():
            for prefix, solid in (("", True), ("val_", False)):
                line = curves[tuple(np.round(run[f"{prefix}{kind}_accuracy"], 9))]
                assert to_rgb(line.get_color()) == to_rgb(color)
                assert (line.get_linestyle() == "-") is solid


def test_several_seeds_are_their_mean_and_range(drawn):
    left = drawn["mixed"].axes[2]
    mean = epochs(50, 0, 1).groupby("epoch")["val_categorical_accuracy"].mean()
    assert any(len(line.get_ydata()) == 50 and np.allclose(line.get_ydata(), mean) for line in left.lines)
    assert "Mean and range of the seeds: Traditional CNN 1, ResNet50 + MLP 2." in words(drawn["mixed"]).replace(
        "\n", " "
    )
    assert "Mean and range" not in words(drawn["few"])


@pytest.mark.parametrize(("name", "place", "model"), [("few", 0, "baseline_cnn"), ("few", 1, "resnet50_mlp")])
def test_the_printed_accuracies_stand_at_their_split(drawn, name, place, model):
    left, right = drawn[name].axes[2 * place : 2 * place + 2]
    assert left.get_title(loc="left") == MODEL_NAMES[model]
    found = offsets(right, "D")
    values = [PRINTED[model][split] for split in ("training", "validation", "testing")]
    np.testing.assert_allclose(found, np.column_stack([range(3), values]))
    said = [text.get_text() for text in right.texts]
    assert {f"{value:.4f}" for value in values} <= set(said)
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["training", "validation", "testing"]


def test_sixths_fifths_and_the_priors_are_named_lines(drawn):
    left, right = drawn["few"].axes[:2]
    assert levels(right) == pytest.approx([0.2449, 0.2511, 5 / 7, 6 / 7, 6 / 7])
    assert levels(left) == pytest.approx([0.2449, 0.2511, 6 / 7])  # the priors; 6/7 and 5/7 are solid
    assert all(line.get_linestyle() == ":" for line in left.lines if line.get_label() == "_level")
    said = words(drawn["few"])
    for label in ("6/7 = 0.8571", "5/7 = 0.7143", "priors, binary:\n0.8571"):
        assert said.count(label) == 2, label
    for label in ("priors, categorical:\nvalidation 0.2511", "priors, categorical:\ntesting 0.2449"):
        assert said.count(label) == 2, label
    for ax in (left, right):
        solid = [
            path.vertices[0, 1] for lines in ax.collections for path in lines.get_paths() if len(path.vertices) == 2
        ]
        assert sorted(solid) == pytest.approx([5 / 7, 6 / 7])


def test_priors_that_agree_are_named_once_and_none_are_not_named():
    few = {"resnet50_mlp": epochs(3, 0)}
    alike = words(hypothesis1.over_epochs(few, priors=priors(0.2511), printed=PRINTED))
    assert "priors, categorical:\n0.2511" in alike
    without = hypothesis1.over_epochs(few, priors=None, printed=PRINTED)
    assert "priors, " not in words(without)
    assert levels(without.axes[1]) == pytest.approx([5 / 7, 6 / 7])


def test_a_model_that_has_not_run_is_left_out(drawn):
    assert len(drawn["alone"].axes) == 2
    assert "Traditional CNN" not in words(drawn["alone"])
    nothing = {"baseline_cnn": None, "resnet50_mlp": pd.DataFrame()}
    assert "not measured yet" in words(hypothesis1.over_epochs(nothing, priors=priors(), printed=PRINTED))


def test_both_models_have_the_whole_scale(drawn):
    for ax in drawn["mixed"].axes:
        low, high = ax.get_ylim()
        assert low <= 0 < 1 <= high < 1.2


# hypothesis 3


def panels(figure) -> dict[str, matplotlib.axes.Axes]:
    """The panels by their title, up to the printed errors."""
    return {ax.get_title(loc="left").split(" (")[0]: ax for ax in figure.axes if ax.get_title(loc="left")}


def test_each_printed_row_has_a_panel_with_its_printed_errors(drawn):
    found = panels(drawn["study"])
    assert len(found) == 11
    for (place, sweep, setting), printed in lenet_hypothesis.printed_errors().groupby(["place", "sweep", "setting"]):
        ax = found[f"{place}: {figures.SWEEPS[sweep]} {setting}"]
        values = {row.part: float(row.printed) for row in printed.itertuples()}
        lines = {line.get_color(): line.get_xdata()[0] for line in ax.lines if line.get_label() == "_printed"}
        assert lines == {figures.PARTS[part][1]: value for part, value in values.items()}
        assert ax.get_title(loc="left").endswith(f"(printed {' / '.join(printed['printed'])})")


def marks(ax, marker: str) -> np.ndarray:
    found = offsets(ax, marker)
    return found[np.lexsort(found.T)]


def test_every_training_is_a_mark_in_its_corpus_and_part(drawn):
    results = study()
    lines = [(corpus, order) for corpus in ("olivetti", "ckplus") for order in ("unshuffled", "shuffled")]
    for title, sweep, value, parts in (
        ("Table 4, row 2: learning rate 0.01", "learning_rate", 0.01, ("validation", "test")),
        ("Table 5, row 3: n-kerns [5,10]", "n_kerns", "[5,10]", ("validation", "test")),
        ("Section 3.2.2: batch size 20", "batch_size", 20, ("validation",)),
    ):
        ax = panels(drawn["study"])[title]
        own = results[(results["sweep"] == sweep) & (results[sweep] == value)]
        for part, marker in (("validation", "o"), ("test", "s")):
            found = offsets(ax, marker)
            assert len(found) == (len(own) if part in parts else 0)
            for line, (corpus, order) in enumerate(lines):
                here = own[(own["corpus"] == corpus) & (own["order"] == order)].sort_values("seed")
                band = found[np.round(found[:, 1]) == line] if len(found) else found
                errors = 100 * here[figures.PARTS[part][0]].to_numpy()
                if part in parts:
                    np.testing.assert_allclose(band[np.argsort(band[:, 1]), 0], errors)
                    assert (band[:, 1] < line).all() == (part == "validation")


def test_marks_of_one_row_do_not_lie_on_each_other(drawn):
    ax = panels(drawn["study of twenty"])["Section 3.2.2: batch size 1"]
    found = offsets(ax, "o")
    assert len(np.unique(found.round(9), axis=0)) == len(found) == 20 * 4


def test_chance_stands_in_the_row_of_its_corpus(drawn):
    ax = panels(drawn["study"])["Table 4, row 1: learning rate 0.1"]
    found = {}
    for lines in ax.collections:
        if lines.get_label() == "_chance":
            (x, low), (_, high) = lines.get_segments()[0]
            found[round((low + high) / 2)] = x
    assert found == {0: 97.5, 1: 97.5, 2: pytest.approx(600 / 7), 3: pytest.approx(600 / 7)}
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["Olivetti faces,\nunshuffled", "Olivetti faces,\nshuffled", "CK+,\nunshuffled", "CK+,\nshuffled"]
    assert ax.get_ylim() == (3.5, -0.5)


def test_what_was_not_trained_is_said():
    results = study()
    figure = figures.hypothesis3(results[results["batch_size"] != 1])
    assert words(figure).count("not trained here") == 1
    assert "not trained here" in [text.get_text() for text in panels(figure)["Section 3.2.2: batch size 1"].texts]
    assert "not trained here" not in words(figures.hypothesis3(results))


def test_the_printed_pairs_and_the_copies_are_on_both_axes_of_the_loss_figure(drawn):
    near, whole = drawn["loss"].axes
    assert near.get_ylim() == hypothesis1.NEAR
    assert whole.get_ylim() == (0, 1)
    for ax in (near, whole):
        points = np.concatenate([offsets.get_offsets() for offsets in ax.collections])
        for row in pairs().itertuples():
            assert np.isclose(points, (row.loss, row.accuracy)).all(axis=1).any()
        assert {text.get_text() for text in ax.texts} == {"training 0.8580", "validation 0.8581", "testing 0.8571"}
    stars = whole.collections[-2].get_offsets()
    assert np.isclose(np.asarray(stars)[:, 1], 0.2765).any()


def test_losses_far_from_the_printed_ones_widen_the_axis(drawn):
    assert drawn["loss of few"].axes[0].get_xlim()[1] > 2.2


def test_the_legend_names_the_kinds_that_are_drawn_and_no_other(drawn):
    said = set(words(drawn["loss"]).splitlines())
    assert {"ours, as printed", "trunk's own scaling", "random trunk"} <= said
    assert said.isdisjoint({"other settings", "all layers trained"})


def test_a_figure_without_trainings_says_what_to_run():
    empty = hypothesis1.over_loss(loss_points(1.7).iloc[:0], template.logs(), printed=pairs())
    assert "notebook 03" in words(empty)
