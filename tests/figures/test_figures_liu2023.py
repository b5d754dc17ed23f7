"""Test that liu2023's figures show their data completely and legibly, in the common style."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_figures import check_legible, check_small, levels, svg, words

from fer_lib import augmentation
from fer_lib.evaluation import smiles as generalisation
from fer_lib.figures import lenet, liu2023 as figures
from fer_lib.settings import ExpansionSettings, LeNetSettings
from fer_lib.settings.liu2023 import TWELVE_OPERATIONS
from fer_lib.tables.format import transferred_name

CLASSIFIERS = ("resnet50_svm_rbf", "resnet50_svm_linear", "resnet50_softmax", "class_priors")
CROPS = ("centre", "top left", "top right", "bottom left", "bottom right")


def scores() -> pd.DataFrame:
    rows = []
    for protocol, classifiers in (("per class", CLASSIFIERS), ("folds", CLASSIFIERS[::-1][:3])):
        for kind, lost in (("frames", 0.0), ("sequences", 0.15), ("subjects", 0.22)):
            for place, name in enumerate(classifiers):
                value = 0.97 - lost - 0.05 * place
                cells = {"protocol": protocol, "separation": kind, "classifier": name}
                rows.append({**cells, "accuracy": value, "low": value - 0.04, "high": value + 0.03, "draws": 1})
    return pd.DataFrame(rows)


def study(corpora=("ckplus", "olivetti"), orders=("unshuffled", "shuffled"), seeds=3) -> pd.DataFrame:
    """Trainings as ``lenet_study.run`` returns them; unshuffled small batches stay at chance."""
    settings, rng, rows = LeNetSettings(), np.random.default_rng(0), []
    for corpus in corpora:
        base = settings.olivetti_batch_size if corpus == "olivetti" else settings.batch_size
        classes = 40 if corpus == "olivetti" else 7
        sweeps = [("learning_rate", rate, base, "[20,50]") for rate in settings.learning_rates]
        sweeps += [("n_kerns", 0.05, base, kerns) for kerns in ("[20,50]", "[10,30]", "[5,10]")]
        sweeps += [("batch_size", 0.05, size, "[20,50]") for size in settings.batch_sizes]
        for order in orders:
            for sweep, rate, size, kerns in sweeps:
                for seed in range(seeds):
                    stuck = order == "unshuffled" and size < 40
                    error = 1 - 1 / classes if stuck else rng.integers(0, 8) / 49
                    cells = {"learning_rate": rate, "batch_size": size, "n_kerns": kerns, "seed": seed}
                    row = {"corpus": corpus, "sweep": sweep, "order": order, **cells, "classes": classes}
                    rows.append({**row, "best_validation_error": error, "test_error": min(1, error + 0.02)})
    return pd.DataFrame(rows)


def histories(**given) -> pd.DataFrame:
    """A history of each training, as long as its seed says."""
    rows = study(**given).drop_duplicates(["corpus", "order", "learning_rate", "batch_size", "n_kerns", "seed"])
    parts = []
    for row in rows.to_dict("records"):
        epochs = np.arange(1, 20 + 20 * row["seed"])
        start = 1 - 1 / row["classes"]
        errors = row["best_validation_error"] + (start - row["best_validation_error"]) * np.exp(-epochs / 8)
        parts.append(pd.DataFrame({"epoch": epochs, "validation_error": errors}).assign(**row))
    return pd.concat(parts, ignore_index=True)


def history() -> pd.DataFrame:
    epoch = np.arange(1, 11)
    columns = {"loss": 2 - epoch / 10, "categorical_accuracy": epoch / 20}
    return pd.DataFrame({"epoch": epoch, **columns, **{f"val_{name}": 0.9 * part for name, part in columns.items()}})


def gradients() -> tuple[pd.DataFrame, pd.DataFrame]:
    norms, losses = [], []
    for network in ("plain", "residual"):
        for layers in (20, 56):
            for batch_norm in (True, False):
                kind = {"network": network, "layers": layers, "batch_norm": batch_norm}
                lost = 0.0 if network == "residual" else 0.02 if batch_norm else 0.2
                for step in (0, 10, 300):
                    losses.append({**kind, "step": step, "loss": 1.9 - step / 400})
                    for layer in range(1, layers):
                        norm = 10 ** (-lost * (layers - layer) - step / 600)
                        norms.append({**kind, "step": step, "layer": layer, "gradient_norm": norm})
    return pd.DataFrame(norms), pd.DataFrame(losses)


def smiles() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    labels, yaw = rng.random(900) < 0.54, rng.normal(0, 0.2, 900)
    frames = []
    for place, name in enumerate(CLASSIFIERS):
        values = rng.normal(0, 1, 900) + labels * (2 - 0.5 * place)
        found = generalisation.smile_scores(values - 1, labels, generalisation.pose_terciles(yaw))
        frames.append(found.assign(model=name))
    return pd.concat(frames, ignore_index=True)


def curves() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    labels = rng.random(500) < 0.5
    values = {name: rng.normal(0, 1, 500) + labels * (2 - place) for place, name in enumerate(CLASSIFIERS[:2])}
    return {name: generalisation.roc_curve(value, labels) for name, value in values.items()}


def expanded(face: np.ndarray, settings: ExpansionSettings, **said):
    return figures.expanded_faces(augmentation.expand(face, settings)[0], augmentation.view_names(settings), **said)


@pytest.fixture(scope="module")
def makers():
    """Every function with realistic arguments, some twice."""
    # noisier than any face, for the size of a PNG
    noise = np.random.default_rng(0).normal(128, 25, (1, 48, 48)).clip(0, 255).astype(np.uint8)
    sixty, seventeen = ExpansionSettings(), ExpansionSettings(cross_cut="originals")
    norms, losses = gradients()
    return {
        "skip": lambda: figures.skip_connection(),
        "expanded": lambda **s: expanded(noise, sixty, **s),
        "mixed": lambda **s: expanded(noise, seventeen, **s),
        "fine-tuning": lambda **s: figures.fine_tuning_curves(history(), **s),
        "fine-tuning of none": lambda **s: figures.fine_tuning_curves(pd.DataFrame(), **s),
        "separation": lambda **s: figures.separations(scores(), chance=1 / 6, **s),
        "study": lambda **s: lenet.lenet_against_printed(study(), **s),
        "study of one": lambda **s: lenet.lenet_against_printed(study(("ckplus",), ("unshuffled",), 1), **s),
        "histories": lambda **s: lenet.lenet_curves(histories(), **s),
        "gradients": lambda **s: lenet.gradient_norms(norms, losses, **s),
        "roc": lambda **s: figures.roc_curves(curves(), **s),
        "no photos": lambda **s: figures.roc_curves({}, **s),
        "pose": lambda **s: figures.genki_by_pose(smiles(), **s),
    }


NAMES = [
    "skip", "expanded", "mixed", "fine-tuning", "fine-tuning of none", "separation", "study", "study of one",
    "histories", "gradients", "roc", "no photos", "pose",
]  # fmt: skip


@pytest.fixture(scope="module")
def drawn(makers):
    """Each figure once, marked SYNTHETIC; the drawing has no numbers to mark."""
    return {name: make() if name == "skip" else make(synthetic=True) for name, make in makers.items()}


def test_names_are_complete(makers):
    assert set(NAMES) == set(makers)


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_whole_and_legible(drawn, name):
    check_legible(drawn[name])


@pytest.mark.parametrize("name", NAMES)
def test_png_is_small(drawn, name):
    check_small(drawn[name])


def test_synthetic_is_said_where_asked_and_only_there(drawn, makers):
    assert all("SYNTHETIC" in words(figure) for name, figure in drawn.items() if name != "skip")
    assert not any(
        "SYNTHETIC" in words(makers[name]()) for name in ("skip", "mixed", "separation", "study of one", "roc")
    )


def test_pyplot_and_style_stay_as_they_were(makers):
    before, open_before = dict(matplotlib.rcParams), plt.get_fignums()
    for name in ("skip", "separation", "gradients"):
        makers[name]()
    assert plt.get_fignums() == open_before
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["skip", "separation", "pose"])
def test_svg_is_the_same_each_time(makers, name):
    assert svg(makers[name]()) == svg(makers[name]())


def test_the_skip_connection_is_the_papers_figure_1_and_equation_1(drawn):
    said = words(drawn["skip"])
    assert "liu2023, Figure 1: skip (shortcut) connection" in said
    assert "H(x) = F(x) + x" in said
    assert "F(x) + x:  H×W×C" in said
    assert said.count("Weight layer") == 2


def test_expanded_faces_stand_under_their_names(drawn):
    said = words(drawn["expanded"]).split("\n")
    assert "flip + rotate:8" in said
    assert {"centre", "top", "bottom", "left", "right"} <= set(said)
    assert "liu2023, section 2.1: 60 pictures of a training face" in said
    assert "original,\nbottom right" in words(drawn["mixed"])


def test_expanded_faces_are_not_mixed_up():
    """A face whose grey level is its number: rows are operations, columns crops."""
    names = [f"{operation}, crop {crop}" for operation in TWELVE_OPERATIONS[:3] for crop in CROPS[:2]]
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 16, 16), np.uint8) * 40
    sheet = np.asarray(figures.expanded_faces(images, names).axes[0].images[0].get_array())
    greys = [[round(255 * sheet[17 * row + 8, 17 * column + 8, 0]) // 40 for column in range(2)] for row in range(3)]
    assert greys == [[0, 1], [2, 3], [4, 5]]


def test_fine_tuning_is_the_history_and_says_where_there_was_none(drawn):
    run = history()
    for ax, metric in zip(drawn["fine-tuning"].axes, ("loss", "categorical_accuracy"), strict=True):
        found = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 10]
        np.testing.assert_allclose(found, [run[metric], run[f"val_{metric}"]])
    assert "ResNet-50 + SoftMax" in words(drawn["fine-tuning"])
    assert "Nothing was fine-tuned" in words(drawn["fine-tuning of none"])


def test_an_absent_corpus_is_named(drawn):
    assert "holds no GENKI-4K" in words(drawn["no photos"])
    assert "holds no GENKI-4K" in words(figures.genki_by_pose(smiles().iloc[:0]))


def marks(ax) -> np.ndarray:
    """The points that a pointplot draws, (x, y)."""
    return np.array([point for line in ax.lines if line.get_marker() in "osD^vPX" for point in line.get_xydata()])


def test_separation_draws_value_and_interval_at_its_classifier(drawn):
    left, right = drawn["separation"].axes
    names = [tick.get_text() for tick in right.get_yticklabels()] or [
        tick.get_text() for tick in left.get_yticklabels()
    ]
    assert names == ["ResNet-50 + SVM (RBF)", "ResNet-50 + SVM (linear)", "ResNet-50 + SoftMax", "Class priors"]
    # the first classifier has no folds; the others keep their rows
    for ax, protocol in ((left, "per class"), (right, "folds")):
        table = scores()[scores()["protocol"] == protocol]
        for row in table.itertuples():
            near = marks(ax)[np.isclose(marks(ax)[:, 0], row.accuracy)]
            assert (np.round(near[:, 1]) == CLASSIFIERS.index(row.classifier)).any(), row
            ends = [line.get_xdata() for line in ax.lines if line.get_marker() in ("", "None", None)]
            assert any(np.isclose(np.nanmin(x), row.low) and np.isclose(np.nanmax(x), row.high) for x in ends if len(x))


def test_separation_shows_the_printed_accuracy_and_chance(drawn):
    said = words(drawn["separation"])
    assert "98.6 % (as printed) and 16.7 % (chance)" in said.replace("\n", " ")
    levels = [
        sorted(line.get_xdata()[0] for line in ax.lines if line.get_label() == "_level")
        for ax in drawn["separation"].axes
    ]
    # the folds' classes differ in size, so one in six is not their level of guessing
    assert levels == [pytest.approx([1 / 6, 0.986]), pytest.approx([0.986])]
    alone = figures.separations(scores())
    assert "chance" not in words(alone)


def offsets(ax, marker: str) -> np.ndarray:
    """Places of the scattered marks of one shape: D printed, o unshuffled, ^ shuffled."""
    shape = matplotlib.markers.MarkerStyle(marker)
    path = shape.get_path().transformed(shape.get_transform()).vertices
    found = [dots.get_offsets() for dots in ax.collections if len(dots.get_offsets()) and _same(dots, path)]
    return np.concatenate(found) if found else np.empty((0, 2))


def _same(dots, path: np.ndarray) -> bool:
    own = dots.get_paths()[0].vertices
    return own.shape == path.shape and np.allclose(own, path)


def test_study_draws_the_printed_errors_at_their_setting(drawn):
    grid = np.reshape(drawn["study"].axes, (3, 2))
    expected = {
        0: {(0, 97.5), (0, 82.4), (1, 5), (1, 2.5), (2, 15), (2, 5)},  # 0.1, 0.05, 0.01
        1: {(0, 2.5), (0, 5), (1, 5), (2, 5), (2, 7.5)},
        2: {*((place, 97.5) for place in range(5)), (5, 5), (5, 2.5)},
    }
    for row, places in expected.items():
        for ax in grid[row]:
            found = {(int(np.round(x)), float(y)) for x, y in offsets(ax, "D")}
            assert found == places
    assert [tick.get_text() for tick in grid[2, 0].get_xticklabels()] == ["1", "2", "5", "10", "20", "56"]
    assert [tick.get_text() for tick in grid[0, 0].get_xticklabels()] == ["0.1", "0.05", "0.01"]


def test_study_draws_each_training_and_the_chance_of_its_corpus(drawn):
    grid, results = np.reshape(drawn["study"].axes, (3, 2)), study()
    for row, sweep in enumerate(lenet.SWEEPS):
        for column, corpus in enumerate(("ckplus", "olivetti")):
            ax = grid[row, column]
            shown = results[(results["corpus"] == corpus) & (results["sweep"] == sweep)]
            for order, marker in (("unshuffled", "o"), ("shuffled", "^")):
                own = shown[shown["order"] == order]
                errors = 100 * np.concatenate([own["best_validation_error"], own["test_error"]])
                np.testing.assert_allclose(np.sort(offsets(ax, marker)[:, 1]), np.sort(errors))
            assert levels(ax) == [pytest.approx(100 * 6 / 7) if corpus == "ckplus" else pytest.approx(97.5)]
    assert "39/40 =\n97.5 %" in words(drawn["study"])


def test_curves_belong_to_their_sweep_and_carry_on(drawn):
    grid = np.reshape(drawn["histories"].axes, (3, 4))
    counts = [[len([line for line in ax.lines if len(line.get_xdata())]) for ax in row] for row in grid]
    assert counts == [[3] * 4, [3] * 4, [6, 6, 7, 7]]  # Olivetti's own batch size of 40 is the seventh
    longest = max(len(line.get_xdata()) for line in grid[0, 0].lines)
    assert longest == 59
    frame = histories()
    own = frame[(frame["corpus"] == "ckplus") & (frame["order"] == "shuffled") & (frame["learning_rate"] == 0.1)]
    last = own.sort_values("epoch").groupby("seed")["validation_error"].last()
    first_line = next(line for line in grid[0, 1].lines if len(line.get_xdata()))
    assert first_line.get_ydata()[-1] == pytest.approx(100 * last.median())
    drawn_lines = [line for line in grid[0, 1].lines if len(line.get_xdata())]
    widths = [line.get_linewidth() for line in drawn_lines]
    assert widths == sorted(set(widths), reverse=True)  # so that a line shows beside the equal one above it
    assert {line.get_xdata()[-1] for line in drawn_lines} == {frame["epoch"].max()}


def test_gradients_are_drawn_at_the_first_and_the_last_step(drawn):
    top = drawn["gradients"].axes[:4]
    norms, _ = gradients()
    for ax, (layers, batch_norm) in zip(top, [(20, True), (56, True), (20, False), (56, False)], strict=True):
        assert ax.get_yscale() == "log"
        assert len(ax.lines) == 4
        own = norms[(norms["layers"] == layers) & (norms["batch_norm"] == batch_norm)]
        for network in ("plain", "residual"):
            for step in (0, 300):
                expected = own[(own["network"] == network) & (own["step"] == step)]["gradient_norm"].to_numpy()
                assert any(np.allclose(line.get_ydata(), expected) for line in ax.lines)
    assert "56 layers,\nno batch norm" in words(drawn["gradients"])


def test_a_gradient_of_zero_is_left_out_of_the_logarithmic_scale():
    norms, losses = gradients()
    norms.loc[norms["layer"] == 1, "gradient_norm"] = 0.0
    ax = lenet.gradient_norms(norms, losses).axes[0]
    assert min(line.get_xdata().min() for line in ax.lines) == 2


def test_roc_curves_say_their_area(drawn):
    for name, curve in curves().items():
        area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
        assert f"{transferred_name(name)} (area {area:.3f})" in words(drawn["roc"])


def test_pose_draws_accuracy_and_area_of_every_group(drawn):
    rows, panels = smiles(), drawn["pose"].axes
    groups = list(rows["group"].astype(str).unique())
    for ax, measure in zip(panels, ("accuracy", "auc"), strict=True):
        for row in rows.to_dict("records"):
            near = marks(ax)[np.isclose(marks(ax)[:, 0], row[measure])]
            assert (np.round(near[:, 1]) == groups.index(str(row["group"]))).any()
