"""Test that figures show their data completely and legibly and leave pyplot and the style settings unchanged."""

import io

import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.figures import chen2023 as figures, diagrams, faces, style
from fer_lib.models import baseline_cnn, resnet50_mlp
from fer_lib.settings import BaselineCnnSettings, ResNet50MlpSettings
from fer_lib.tables.format import MODEL_NAMES

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LOSSES = {"training": 1.71, "validation": 1.68}
ACCURACIES = {"training": 0.8580, "validation": 0.8581}
PRINTED = {"baseline_cnn": 0.6420, "resnet50_mlp": 0.8571}


@pytest.fixture(scope="module")
def model():
    return resnet50_mlp.build(ResNet50MlpSettings(weights="random_frozen"))


@pytest.fixture(scope="module")
def trunk(model):
    return model.get_layer("resnet50")


@pytest.fixture(scope="module")
def cnn():
    return baseline_cnn.build(BaselineCnnSettings())


@pytest.fixture(scope="module")
def noise():
    """Faces of noise, the worst case for the size of a PNG; the last class has fewer faces than a row."""
    labels = np.repeat(np.arange(7), [9, 8, 9, 9, 9, 9, 3])
    meta = pd.DataFrame({"label": labels, "split": np.where(np.arange(56) % 2, "Training", "PrivateTest")})
    images = np.random.default_rng(0).integers(0, 256, (56, 48, 48), dtype=np.uint8)
    return FaceDataset(images, meta, CLASSES, "fer2013")


@pytest.fixture(scope="module")
def outputs():
    """Labels of 400 faces, none of them neutral, and the probabilities of three models."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 6, 400)
    logits = rng.normal(0, 1, (2, 400, 7))
    logits[:, np.arange(400), labels] += np.array([[0.5], [2.0]])
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    priors = metrics.class_priors(labels, 400)
    return labels, {"resnet50_mlp": shares[0], "baseline_cnn": shares[1], "class_priors": priors}


def history(epochs, seed=0):
    rng, epoch = np.random.default_rng(seed), np.arange(1, epochs + 1)
    fall = np.exp(-epoch / 6)
    loss, accuracy = 1.72 + 0.7 * fall, 0.34 - 0.15 * fall
    columns = {"loss": loss, "categorical_accuracy": accuracy, "binary_accuracy": 0.8571 - 0.02 * fall}
    columns |= {f"val_{name}": values + rng.normal(0, 0.002, epochs) for name, values in columns.items()}
    return pd.DataFrame({"epoch": epoch, **columns})


def scores_of(categorical, binary, reach=0.02) -> pd.DataFrame:
    """Build scores of the test faces; those of another split must not be drawn."""
    rows = [("testing", "categorical_accuracy", categorical), ("testing", "binary_accuracy", binary)]
    rows += [
        ("testing", "loss", 1.7),
        ("validation", "categorical_accuracy", 0.5),
        ("validation", "binary_accuracy", 0.9),
    ]
    frame = pd.DataFrame(rows, columns=["split", "metric", "value"])
    return frame.assign(low=frame["value"] - reach, high=frame["value"] + reach)


@pytest.fixture(scope="module")
def measured():
    """Scores of three models; the last is like real class priors, whose rounded interval may exclude the value."""
    priors = scores_of(0.2449, 6 / 7, reach=-1e-12)
    return {
        "baseline_cnn": scores_of(0.6218, 0.8948),
        "resnet50_mlp": scores_of(0.2860, 0.8573),
        "class_priors": priors,
    }


@pytest.fixture(scope="module")
def makers(model, trunk, cnn, noise, outputs, measured):
    """Every function with realistic arguments, some twice."""
    labels, models = outputs
    means = np.stack([noise.images[noise.labels == label].mean(axis=0) for label in range(7)])
    steps = {"rotation ±15°": noise.images[:8], "all, normalised": noise.images[:8] / 255}
    return {
        "faces": lambda **s: faces.example_faces(noise, **s),
        "counts": lambda **s: faces.class_counts(noise.counts(), **s),
        "means": lambda **s: faces.mean_faces(means, CLASSES, **s),
        "steps": lambda **s: faces.preprocessing_steps(noise.images[:8], steps, **s),
        "model": lambda: figures.model_structure(model),
        "cnn": lambda: figures.model_structure(cnn),
        "identity": lambda: figures.residual_block(trunk),
        "projection": lambda: figures.residual_block(trunk, block="conv2_block1"),
        "mlp": lambda: figures.mlp_structure(model),
        "loss": lambda **s: figures.loss_curves(history(3), published=LOSSES, **s),
        "loss of seeds": lambda **s: figures.loss_curves(
            {seed: history(50, seed) for seed in range(3)}, published=LOSSES, model="baseline_cnn", **s
        ),
        "accuracy": lambda **s: figures.accuracy_curves(history(50), published=ACCURACIES, **s),
        "confusion": lambda **s: figures.confusion_matrix(
            metrics.confusion(models["baseline_cnn"], labels, CLASSES), title="Traditional CNN, test faces", **s
        ),
        "reliability": lambda **s: figures.reliability_curves(
            {name: metrics.reliability(shares, labels) for name, shares in models.items()}, **s
        ),
        "recalls": lambda **s: figures.recalls(
            {name: metrics.score(shares, labels, CLASSES) for name, shares in models.items()}, **s
        ),
        "glance": lambda **s: figures.glance(measured, printed=PRINTED, **s),
        "glance of extremes": lambda **s: figures.glance(
            {"baseline_cnn": scores_of(1.0, 6 / 7, 0), "resnet50_mlp": scores_of(0.04, 1.0, 0)}, printed=PRINTED, **s
        ),
    }


NAMES = [
    "faces", "counts", "means", "steps", "model", "cnn", "identity", "projection", "mlp", "loss", "loss of seeds",
    "accuracy", "confusion", "reliability", "recalls", "glance", "glance of extremes",
]  # fmt: skip
DRAWINGS = ("model", "cnn", "identity", "projection", "mlp")


@pytest.fixture(scope="module")
def drawn(makers):
    """Each figure once, marked SYNTHETIC; a drawing of a network has no numbers to mark."""
    return {name: make() if name in DRAWINGS else make(synthetic=True) for name, make in makers.items()}


def shown_texts(figure):
    """List the texts that are drawn; ticks beyond the ends of an axis exist but are not drawn."""
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    hidden |= {tick.label1, tick.label2}
    texts = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in texts if text.get_text().strip() and text not in hidden]


def words(figure):
    return "\n".join(text.get_text() for text in shown_texts(figure))


def test_names_are_complete(makers):
    assert set(NAMES) == set(makers)


def check_legible(figure):
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() <= 8
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts = shown_texts(figure)
    boxes = [Text.get_window_extent(text, renderer) for text in texts]  # an annotation's box without its arrow
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        assert inside, f"{text.get_text()!r} is cut off"
        assert text.get_fontsize() >= 8, f"{text.get_text()!r} is too small"
    for place, box in enumerate(boxes):
        for other in range(place):
            # a box is a little larger than its ink, so that two lines may touch
            across = min(box.x1, boxes[other].x1) - max(box.x0, boxes[other].x0)
            down = min(box.y1, boxes[other].y1) - max(box.y0, boxes[other].y0)
            assert min(across, down) < 2, f"{texts[place].get_text()!r} lies over {texts[other].get_text()!r}"


def check_small(figure, most=300_000):
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    assert 5_000 < content.tell() < most


def svg(figure) -> bytes:
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "fer"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_whole_and_legible(drawn, name):
    check_legible(drawn[name])


def test_png_text_is_stored_and_leaves_the_pixels_alone(makers):
    said = {"Description": "Loss over the epochs", "Source": "chen2023, Figure 5 – ±1"}
    with Image.open(io.BytesIO(style.figure_png(makers["loss"]()))) as plain:
        assert not plain.text
        pixels = np.asarray(plain)
    with Image.open(io.BytesIO(style.figure_png(makers["loss"](), text=said))) as marked:
        assert marked.text == said
        assert np.array_equal(np.asarray(marked), pixels)


def test_a_picture_has_few_colours_and_looks_the_same(makers):
    figure, full = makers["accuracy"](), io.BytesIO()
    figure.savefig(full, format="png")
    shown, _ = figure._repr_png_()
    with Image.open(io.BytesIO(shown)) as small, Image.open(full) as large:
        assert (small.mode, small.size) == ("P", large.size)
        apart = np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(large.convert("RGB"), int))
    assert apart.max() < 24
    assert len(shown) < 0.7 * len(full.getvalue())


@pytest.mark.parametrize("name", NAMES)
def test_png_is_small(drawn, name):
    check_small(drawn[name])


def test_synthetic_is_said_where_asked_and_only_there(drawn, makers):
    assert all("SYNTHETIC" in words(figure) for name, figure in drawn.items() if name not in DRAWINGS)
    plain = [*DRAWINGS, "faces", "counts", "loss", "accuracy", "confusion"]
    assert not any("SYNTHETIC" in words(makers[name]()) for name in plain)


def test_generated_faces_are_said_to_be_without_asking(noise):
    generated = FaceDataset(noise.images, noise.meta, CLASSES, "synthetic", synthetic=True)
    assert "SYNTHETIC" in words(faces.example_faces(generated))


@pytest.mark.parametrize(
    ("name", "number"), [("faces", 1), ("model", 2), ("identity", 3), ("mlp", 4), ("loss", 5), ("accuracy", 6)]
)
def test_title_bears_the_papers_number(drawn, name, number):
    assert f"chen2023, Figure {number}:" in words(drawn[name])


SOURCE = "Faces: FER-2013, 28,709 Training + 3,589 PublicTest + 3,589 PrivateTest. Seeds 0, 1, 2. " * 2


@pytest.mark.parametrize("name", ["loss", "confusion", "recalls", "faces"])
def test_a_source_line_adds_to_the_lower_end_and_moves_nothing(makers, name):
    plain, figure = makers[name](), makers[name]()
    height = plain.get_figheight()
    plain.draw_without_rendering()  # axes with a fixed aspect find their place when drawn
    before = [ax.get_position().bounds for ax in plain.axes]
    assert style.with_source(figure, SOURCE) is figure
    figure.draw_without_rendering()
    grown = figure.get_figheight()
    after = [ax.get_position().bounds for ax in figure.axes]
    inches = [(x, height - (y + high) * height, wide, high * height) for x, y, wide, high in before]
    assert [(x, grown - (y + high) * grown, wide, high * grown) for x, y, wide, high in after] == [
        pytest.approx(place, abs=1e-6) for place in inches
    ]
    lines = [text.get_text() for text in figure.texts[len(plain.texts) :]]
    assert " ".join(lines) == SOURCE.strip()
    assert SOURCE in figure.description
    check_legible(figure)
    assert style.with_source(figure, "Faces: others.").get_figheight() == grown


def test_a_source_line_leaves_the_names_below_the_axes_in_their_place():
    figures = [style.new_figure(3, "Title"), style.new_figure(3, "Title")]
    for figure in figures:
        figure.subplots(1, 2)
        marks = [Line2D([], [], linestyle="none") for _ in range(12)]
        figure.legend(marks, [f"name {number}" for number in range(12)], loc="outside lower left", ncols=3, fontsize=8)
        figure.draw_without_rendering()
    plain, figure = figures
    style.with_source(figure, SOURCE)
    check_legible(figure)
    places = [one.legends[0].get_window_extent().y0 - one.bbox.height for one in (plain, figure)]
    assert places[0] == pytest.approx(places[1], abs=1)  # from the top


@pytest.mark.parametrize("name", ["model", "identity", "mlp"])
def test_diagrams_and_figures_without_results_have_no_source_line(makers, name):
    for figure in (makers[name](), style.not_yet("The loss")):
        assert style.with_source(figure, SOURCE).source == ""


def test_another_model_does_not_pass_for_the_papers_figure(drawn):
    assert "Traditional CNN: loss" in words(drawn["loss of seeds"])
    assert "Traditional CNN: the structure" in words(drawn["cnn"])


def test_names_are_stated_once_and_short_in_figures(drawn):
    assert style.model_name("class_priors") == "Class priors"
    assert MODEL_NAMES["class_priors"].startswith("Class priors (")
    assert style.model_name("resnet50_svm_rbf") == "ResNet-50 + SVM (RBF)"
    assert style.model_name("anything else") == "anything else"
    assert "always the training shares" not in words(drawn["recalls"])


def marks(figure, marker):
    """List the x of every mark of a kind, from the top down."""
    lines = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return [line.get_xdata()[0] for line in sorted(lines, key=lambda line: line.get_ydata()[0])]


def test_the_glance_shows_both_accuracies_the_printed_one_and_six_sevenths(makers):
    figure = makers["glance"]()
    assert marks(figure, "o") == pytest.approx([62.18, 28.60, 24.49])
    assert marks(figure, "s") == pytest.approx([89.48, 85.73, 600 / 7])
    assert marks(figure, "D") == pytest.approx([64.20, 85.71])
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "_level"]
    assert line.get_xdata() == pytest.approx([600 / 7, 600 / 7])
    bars = [path.vertices[:, 0] for each in figure.axes[0].collections for path in each.get_paths()]
    assert any(np.allclose(bar, [60.18, 64.18]) for bar in bars)
    said = words(figure)
    for word in ("62.2", "28.6", "24.5", "89.5", "64.20", "85.71", "categorical, measured", "6/7 = 85.7 %"):
        assert word in said, word
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [
        "Traditional CNN", "ResNet50 + MLP", "Class priors",
    ]  # fmt: skip


def test_the_glance_is_one_row_wide_with_its_numbers_as_text(makers):
    figure = makers["glance"]()
    with Image.open(io.BytesIO(style.figure_png(figure, dpi=150))) as picture:
        assert picture.width == 1200
        assert picture.height < 450
    assert min(text.get_fontsize() for text in shown_texts(figure)) >= 11
    for numbers in (
        "Traditional CNN: categorical 62.2 %, binary 89.5 %, printed 64.20 %.",
        "ResNet50 + MLP: categorical 28.6 %, binary 85.7 %, printed 85.71 %.",
        "Class priors: categorical 24.5 %, binary 85.7 %.",
    ):
        assert numbers in figure.description


def test_what_is_not_measured_is_named():
    assert "Recall: not measured yet" in words(style.not_yet("Recall"))


def test_pyplot_and_style_stay_as_they_were(makers):
    before, open_before = dict(matplotlib.rcParams), plt.get_fignums()
    for name in ("faces", "identity", "loss", "confusion"):
        makers[name]()
    assert plt.get_fignums() == open_before
    assert dict(matplotlib.rcParams) == before


def test_style_does_not_depend_on_the_callers(makers):
    plain = makers["loss"]()
    with matplotlib.rc_context({"font.size": 20, "axes.grid": False, "xtick.labelsize": 3}):
        assert makers["loss"]()._repr_png_() == plain._repr_png_()


@pytest.mark.parametrize("name", ["faces", "identity", "loss", "confusion"])
def test_svg_is_the_same_each_time(makers, name):
    assert svg(makers[name]()) == svg(makers[name]())


def test_example_faces_are_the_datasets_and_follow_the_seed(noise):
    sheets = [faces.example_faces(noise, seed=seed).axes[0].images[0].get_array() for seed in (0, 0, 1)]
    assert np.array_equal(sheets[0], sheets[1])
    assert not np.array_equal(sheets[0], sheets[2])
    sheet = np.asarray(sheets[0]).reshape(7, 51, 6, 51, 3)
    drawn_faces = np.rint(255 * sheet[:, 1:49, :, 1:49, 0]).transpose(0, 2, 1, 3)
    for label in range(7):
        known = {image.tobytes() for image in noise.images[noise.labels == label]}
        found = [face.astype(np.uint8).tobytes() in known for face in drawn_faces[label]]
        assert found == [True] * 6 if label < 6 else [True] * 3 + [False] * 3
    assert (drawn_faces[6, 3:] == 255).all()


def test_class_counts_writes_each_number(noise):
    counts = noise.counts()
    bars = [float(bar.get_width()) for group in faces.class_counts(counts).axes[0].containers for bar in group]
    assert bars == [float(value) for value in counts.drop(columns="total").to_numpy().ravel()]


def test_preprocessing_states_ranges(drawn):
    assert "all, normalised\nvalues 0 to 1" in words(drawn["steps"])
    assert "raw\nvalues 0 to 255" in words(drawn["steps"])


def test_model_structure_reads_the_model(drawn, model, cnn):
    said = words(drawn["model"])
    for expected in ("23,587,712", "48×48×3", "2×2×2048", "8192", "262,176", f"{model.count_params():,} parameters"):
        assert expected in said
    assert "2 of its 106 layers with weights train: 1,054,720 parameters" in said
    assert all(layer.name in said.split("\n") for layer in model.layers)
    assert all(layer.name in words(drawn["cnn"]).split("\n") for layer in cnn.layers)


def test_model_structure_makes_room_for_long_names():
    layers = keras.layers
    sequential = keras.Sequential(
        [
            layers.Input((32, 32, 1)),
            layers.Conv2D(6, 5, activation="tanh", name="first_convolution_of_the_study"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(84, activation="relu"),
            layers.Dense(7, activation="softmax"),
        ],
        name="lenet",
    )
    figure = figures.model_structure(sequential)
    check_legible(figure)
    for expected in ("32×32×1", "Conv 5×5 + tanh", "AvgPool 2×2", "99,619 parameters, of which 99,619 train."):
        assert expected in words(figure)
    check_legible(figures.mlp_structure(sequential))


def test_model_structure_follows_what_trains(model, trunk):
    facts = diagrams.read_layer(trunk)
    assert (facts.state, facts.members) == ("partly", (106, 2))
    resnet50_mlp.freeze(trunk, "nothing")
    try:
        assert diagrams.read_layer(trunk).state == "frozen"
        assert "none of its 106 layers with weights train" in words(figures.model_structure(model))
    finally:
        resnet50_mlp.freeze(trunk, "last_four_layers")


def test_residual_blocks_are_followed_through_the_graph(trunk, drawn):
    identity = diagrams.find_residual_block(trunk, "conv5_block3")
    parts = ["1_conv", "1_bn", "1_relu", "2_conv", "2_bn", "2_relu", "3_conv", "3_bn"]
    assert [fact.name for fact in identity.main] == [f"conv5_block3_{part}" for part in parts]
    assert identity.shortcut == ()
    assert (identity.fork.name, identity.after.name) == ("conv5_block2_out", "conv5_block3_out")
    projection = diagrams.find_residual_block(trunk, "conv2_block1")
    assert [fact.name for fact in projection.shortcut] == ["conv2_block1_0_conv", "conv2_block1_0_bn"]
    assert sum(fact.kind.startswith("Conv") for fact in projection.main) == 3
    assert projection.fork.name == "pool1_pool"
    for expected in ("F(x)", "F(x) + x:  2×2×2048", "x:  2×2×2048", "identity", "2×2×512  ·  2,359,808 parameters"):
        assert expected in words(drawn["identity"])
    assert "F(x) + W·x:  12×12×256" in words(drawn["projection"])


def test_all_sixteen_blocks_are_found(trunk):
    names = [layer.name.removesuffix("_add") for layer in trunk.layers if layer.name.endswith("_add")]
    found = {name: diagrams.find_residual_block(trunk, name) for name in names}
    assert len(found) == 16
    assert [name for name, block in found.items() if block.shortcut] == [f"conv{stage}_block1" for stage in range(2, 6)]


def test_unknown_block_is_named(trunk):
    with pytest.raises(FerError, match="did you mean 'conv5_block3'"):
        figures.residual_block(trunk, block="conv5_blok3")


def test_mlp_has_three_blocks_that_end_dense(model, drawn):
    entry, blocks, output = diagrams.split_mlp(model)
    assert (entry.name, entry.shape) == ("feature_dense", (32,))
    assert [[fact.kind for fact in block] for block in blocks] == [["BatchNorm", "ReLU", "Dropout 0.5", "Dense"]] * 3
    assert [block[-1].shape for block in blocks] == [(32,), (32,), (7,)]
    assert [fact.name for fact in output] == ["probabilities"]
    assert "32  ·  1,056 parameters" in words(drawn["mlp"])


def levels(ax):
    """The heights of the dotted reference lines."""
    return sorted(line.get_ydata()[0] for line in ax.lines if line.get_label() == "_level")


def test_published_values_are_levels(drawn):
    assert levels(drawn["loss"].axes[0]) == [1.68, 1.71]
    assert "paper, training\n1.71" in words(drawn["loss"])
    categorical, binary = drawn["accuracy"].axes
    assert levels(categorical) == [0.8580, 0.8581]
    assert levels(binary) == [6 / 7, 0.8580, 0.8581]
    assert "6/7 = 0.8571" in words(drawn["accuracy"])


def test_curves_are_the_history():
    run = history(3)
    ax = figures.loss_curves(run).axes[0]
    assert levels(ax) == []
    curves = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(curves, [run["loss"], run["val_loss"]])
    assert ax.get_xticks().tolist() == [1, 2, 3]


def test_level_without_published_values():
    categorical, binary = figures.accuracy_curves(history(1)).axes
    assert levels(categorical) == []
    assert levels(binary) == [6 / 7]


def test_seeds_are_a_mean_and_a_range():
    runs = [history(20, seed) for seed in range(3)]
    ax = figures.loss_curves(runs).axes[0]
    mean = np.mean([run["val_loss"] for run in runs], axis=0)
    assert any(len(line.get_ydata()) == 20 and np.allclose(line.get_ydata(), mean) for line in ax.lines)
    long = pd.concat([run.assign(seed=seed) for seed, run in enumerate(runs)])
    assert figures.loss_curves(long)._repr_png_() == figures.loss_curves(runs)._repr_png_()
    assert "Mean and range of 3 seeds" in words(figures.loss_curves(long))


def test_ticks_are_whole_epochs(drawn):
    assert drawn["loss of seeds"].axes[0].get_xticks().tolist() == [1, 10, 20, 30, 40, 50]


def test_confusion_matrix_writes_counts_and_colours_shares():
    cells = pd.DataFrame([[3, 1], [0, 1200]], index=["a", "b"], columns=["a", "b"])
    figure = figures.confusion_matrix(cells)
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "1", "0", "1,200"]
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array().ravel(), [0.75, 0.25, 0, 1])


def test_reliability_draws_the_given_intervals(outputs):
    labels, models = outputs
    curve = metrics.reliability(models["baseline_cnn"], labels)
    ax = figures.reliability_curves({"baseline_cnn": curve}).axes[0]
    line = next(line for line in ax.lines if len(line.get_xdata()) == len(curve) and line.get_marker() == "o")
    np.testing.assert_allclose(line.get_ydata(), curve["accuracy"])
    ends = [segment[:, 1] for bars in ax.collections for segment in bars.get_segments()]
    np.testing.assert_allclose(np.sort(ends, axis=1), curve[["low", "high"]])


def test_recalls_draw_the_given_intervals_and_leave_empty_classes_out(outputs):
    labels, models = outputs
    scores = metrics.score(models["baseline_cnn"], labels, CLASSES)
    recall = scores[scores["metric"].str.startswith("recall_")].dropna()
    figure = figures.recalls({"baseline_cnn": scores})
    drawn = [line.get_xdata() for line in figure.axes[0].lines]
    for _, row in recall.iterrows():
        assert any(np.isclose(xs, row["value"]).any() for xs in drawn)
        assert any(np.isclose(np.nanmin(xs), row["low"]) and np.isclose(np.nanmax(xs), row["high"]) for xs in drawn)
    assert len(recall) == 6
    assert "neutral" in words(figure)
