"""Test the figure of hypothesis 2: each accuracy in the right place, as a mark and a number, and legible."""

import numpy as np
import pandas as pd
import pytest
from test_figures import check_legible, check_small, words

from fer_lib.figures import hypotheses as figures

KINDS = ["training + test together", "test: frames at random", "test: sequences apart", "test: subjects apart"]
CLASSIFIERS = ("resnet50_svm_rbf", "resnet50_svm_linear", "resnet50_softmax", "pixels_svm", "class_priors")
NAMES = ["ResNet-50 + SVM (RBF)", "ResNet-50 + SoftMax", "pixels + SVM (RBF)"]


def together() -> pd.DataFrame:
    """Rows as ``protocol_scores.together`` returns them, with no two equal values."""
    rows = []
    for protocol, above in (("per class", 0.0), ("folds", 0.003)):
        for place, classifier in enumerate(CLASSIFIERS):
            for kind, lost in (("frames", 0.06), ("sequences", 0.3), ("subjects", 0.2)):
                tested = 0.17 + 10 * above if classifier == "class_priors" else 1 - lost - 0.007 * place + above
                row = {"protocol": protocol, "separation": kind, "classifier": classifier, "printed": 0.986}
                row |= {"testing": tested, "testing_low": tested - 0.04, "testing_high": min(1.0, tested + 0.03)}
                both = 0.8 + 0.2 * tested
                rows.append(row | {"together": both, "together_low": both - 0.008, "together_high": both + 0.006})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def drawn():
    return figures.hypothesis2(together(), synthetic=True)


def marks(ax) -> np.ndarray:
    """The points that a pointplot draws, (x, y)."""
    return np.array([point for line in ax.lines if line.get_marker() in "osD^" for point in line.get_xydata()])


def test_figure_is_whole_and_legible_and_small(drawn):
    check_legible(drawn)
    check_small(drawn)


def test_synthetic_is_said_where_asked_and_only_there(drawn):
    assert "SYNTHETIC" in words(drawn)
    assert "SYNTHETIC" not in words(figures.hypothesis2(together()))


def test_each_value_is_drawn_at_its_place_and_written_beside_it(drawn):
    for ax, protocol in zip(drawn.axes, ("per class", "folds"), strict=True):
        assert [tick.get_text() for tick in ax.get_yticklabels()] == NAMES
        written = {round(text.xy[1], 3): text.get_text() for text in ax.texts}
        own = together()[lambda rows, protocol=protocol: rows["protocol"] == protocol]
        values = {}
        for place, classifier in enumerate(("resnet50_svm_rbf", "resnet50_softmax", "pixels_svm")):
            tested = own[own["classifier"] == classifier].set_index("separation")
            four = [tested.loc["frames", "together"], *tested["testing"]]
            values |= {round(place + 0.2 * kind - 0.3, 3): value for kind, value in enumerate(four)}
        found = {round(y, 3): x for x, y in marks(ax)}
        assert found == pytest.approx(values)
        assert {place: text.split(" ")[0] for place, text in written.items()} == {
            place: f"{100 * value:.2f}" for place, value in values.items()
        }


def test_intervals_end_where_they_should(drawn):
    ends = [
        (np.nanmin(line.get_xdata()), np.nanmax(line.get_xdata()))
        for ax in drawn.axes
        for line in ax.lines
        if line.get_marker() in ("", "None", None) and len(line.get_xdata())
    ]
    row = together().query("protocol == 'folds' and classifier == 'pixels_svm' and separation == 'subjects'").iloc[0]
    assert any(np.allclose(pair, (row["testing_low"], row["testing_high"])) for pair in ends)
    # "together" uses only frames at random
    assert not any(np.allclose(pair, (row["together_low"], row["together_high"])) for pair in ends)


def test_the_printed_value_is_a_line_and_chance_a_dotted_one(drawn):
    for ax, chance in zip(drawn.axes, (0.17, 0.20), strict=True):
        levels = {line.get_linestyle(): line.get_xdata()[0] for line in ax.lines if line.get_label() == "_level"}
        assert levels == pytest.approx({"-": 0.986, ":": chance})
    assert "98.60 % as printed" in words(drawn)
    assert all(kind in words(drawn) for kind in [*KINDS, "chance: the most frequent class"])


def test_without_class_priors_or_with_one_separation_the_rest_is_drawn():
    rows = together()
    alone = figures.hypothesis2(rows[rows["classifier"] != "class_priors"])
    assert "chance" not in words(alone)
    random = figures.hypothesis2(rows[(rows["separation"] == "frames") & (rows["protocol"] == "folds")])
    check_legible(random)
    assert "apart" not in words(random)
    (ax,) = random.axes
    assert sorted({round(y % 1, 3) for _, y in marks(ax)}) == [0.1, 0.9]
    assert {round(text.xy[1] % 1, 3) for text in ax.texts} == {0.1, 0.9}
