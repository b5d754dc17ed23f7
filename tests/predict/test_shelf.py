"""Test the list of models and the rule for the default of ``fer-lib predict``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from fer_lib.cli import main
from fer_lib.errors import FerError
from fer_lib.predict.headlines import SMILES, of_results
from fer_lib.predict.shelf import ORDER, Kept, find_model, list_models, ranked, table
from fer_lib.provenance import read_values
from fer_lib.utils.files import file_sha256

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
WEIGHTS = {"origin": "file own.weights.h5", "sha256": "ab"}


def made_by(corpora, *, notebook="04_resnet_svm", seed=0, synthetic=False):
    data = {name: {"fingerprint": name, "synthetic": synthetic} for name in corpora}
    return {
        "run": f"{notebook}_seed{seed}",
        "notebook": notebook,
        "seed": seed,
        "settings_hash": "1",
        "weights": WEIGHTS,
        "data": data,
        "data_settings": {"test_split": "PrivateTest"},
    }


def keep(name, corpora, *, profile="paper", **facts):
    """Write the card of a model that a run saved; a name in .keras is a file with its card next to it."""
    path = Path("results", profile, "models", name)
    folder = path.parent if name.endswith(".keras") else path
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith(".keras"):
        path.touch()
    card = {"class_names": CLASSES, "provenance": made_by(corpora, **facts)}
    (folder / "model.json").write_text(json.dumps(card))
    return path


def measured(values, name="resnet50_svm_seed0", *, profile="paper", made=None):
    """Write metrics with their provenance."""
    results = Path("results", profile)
    file = results / "metrics" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"name": name, "synthetic": False, "values": values}))
    made = made or made_by(["ckplus", "fer2013", "genki4k"])
    (results / "provenance").mkdir(exist_ok=True)
    content = made | {"artifacts": {f"metrics/{name}.json": file_sha256(file)}}
    (results / "provenance" / f"{made['run']}.json").write_text(json.dumps(content))


SVM = {
    "scores": [
        {"protocol": "folds", "separation": "subjects", "classifier": "resnet50_svm_rbf"}
        | {"accuracy": 0.8, "low": 0.75, "high": 0.85, "faces": 900},
        {"protocol": "folds", "separation": "frames", "classifier": "resnet50_svm_rbf"}
        | {"accuracy": 0.99, "low": 0.98, "high": 1.0, "faces": 900},
    ],
    "fer2013": [{"model": "resnet50_svm_rbf", "accuracy": 0.57, "low": 0.55, "high": 0.59, "faces": 3589}],
    "genki4k": [
        {"model": "CK+", "group": "all", "photos": 4000, "accuracy": 0.7, "accuracy_low": 0.68, "accuracy_high": 0.72},
        {"model": "FER-2013", "group": "all", "photos": 4000}
        | {"accuracy": 0.78, "accuracy_low": 0.77, "accuracy_high": 0.79},
        {"model": "CK+", "group": "yaw to 4.5°", "photos": 9, "accuracy": 0.1}
        | {"accuracy_low": 0.0, "accuracy_high": 0.2},
    ],
}


def test_models_are_listed_with_the_scores_of_their_own_run(capsys):
    keep("ckplus_svm_seed0", ["ckplus", "fer2013"])
    keep("fer2013_svm_seed0", ["fer2013"])
    measured(SVM)
    first, second = list_models()
    assert [one.path.name for one in (first, second)] == ["fer2013_svm_seed0", "ckplus_svm_seed0"]
    assert (first.corpus, first.profile, first.weights, first.seed) == ("fer2013", "paper", "file own.weights.h5", 0)
    assert first.classes == tuple(CLASSES)
    assert [(one.measured_on, one.value, one.low, one.high) for one in first.scores] == [
        ("FER-2013, PrivateTest", 0.57, 0.55, 0.59),
        ("GENKI-4K", 0.78, 0.77, 0.79),
    ]
    assert [(one.measured_on, one.value) for one in second.scores] == [("CK+, subjects apart", 0.8), ("GENKI-4K", 0.7)]
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    for words in ("57.00 [55.00, 59.00]", "smile or not, accuracy", "78.20 %", "69.80 %", "default"):
        assert words in out
    assert main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["path"] == "results/paper/models/fer2013_svm_seed0"
    assert found[0]["scores"][0]["metric"] == "categorical accuracy"


@pytest.mark.parametrize("key", ["seed", "settings_hash", "weights", "run"])
def test_scores_of_another_run_are_not_the_models(key):
    path = keep("fer2013_svm_seed0", ["fer2013"])
    measured(SVM)
    card = json.loads((path / "model.json").read_text())
    card["provenance"][key] = "other"
    (path / "model.json").write_text(json.dumps(card))
    assert list_models()[0].scores == ()


def test_scores_on_other_faces_or_without_provenance_are_not_the_models():
    keep("fer2013_svm_seed0", ["fer2013"])
    made = made_by(["fer2013"])
    made["data"]["fer2013"]["fingerprint"] = "another copy"
    measured(SVM, made=made)
    assert list_models()[0].scores == ()
    measured(SVM)
    assert list_models()[0].scores
    Path("results/paper/provenance/04_resnet_svm_seed0.json").unlink()
    assert list_models()[0].scores == ()


def test_both_accuracies_of_a_network_are_told_apart(capsys):
    made = made_by(["fer2013"], notebook="05_baseline_cnn", seed=1)
    keep("baseline_cnn_seed1.keras", ["fer2013"], notebook="05_baseline_cnn", seed=1)
    ends = {"low": 0.6, "high": 0.64, "n": 3589}
    rows = [
        {"split": "testing", "metric": "categorical_accuracy", "value": 0.62} | ends,
        {"split": "testing", "metric": "binary_accuracy", "value": 0.89} | ends,
        {"split": "training", "metric": "categorical_accuracy", "value": 1.0} | ends,
    ]
    measured({"scores": rows}, "baseline_cnn_seed1", made=made)
    (one,) = list_models()
    assert [(score.metric, score.value) for score in one.scores] == [
        ("categorical accuracy", 0.62),
        ("binary accuracy", 0.89),
    ]
    assert one.accuracy == 0.62
    assert "Keras' BinaryAccuracy" in table([one])[-1]


def test_the_order_of_the_corpora_is_the_references_on_unknown_people():
    assert list(ORDER) == ["fer2013", "ckplus"]
    found = of_results(read_values(REFERENCE / "paper"))
    smiles = {one.model: one for one in found if one.metric == SMILES and one.result == "resnet50_svm_seed0"}
    scores = [smiles[f"{corpus}_svm_seed0"] for corpus in ORDER]
    assert scores[0].low > scores[1].high
    for corpus, score in zip(ORDER, scores, strict=True):
        assert f"{100 * score.value:.2f} % of GENKI-4K's photos" in ORDER[corpus]


def kept(name, corpus="fer2013", profile="paper", accuracy=None, **facts):
    from fer_lib.predict.headlines import CATEGORICAL, Headline

    on = {"fer2013": "FER-2013, PrivateTest", "ckplus": "CK+, subjects apart"}.get(corpus, "x")
    scores = () if accuracy is None else (Headline("r", name, name, on, CATEGORICAL, accuracy, None, None, 9),)
    return Kept(Path(name), corpus=corpus, profile=profile, scores=scores, **{"synthetic": False, **facts})


def test_the_rule_in_its_whole_order():
    right = [
        kept("a", accuracy=0.7),
        kept("b", accuracy=0.6),
        kept("c", accuracy=0.6, reference=True, seed=0),
        kept("d", accuracy=0.6, reference=True, seed=1),
        kept("e"),
        kept("f", profile="quick", accuracy=0.9),
        kept("g", profile="mine", accuracy=0.95),
        kept("h", profile="smoke", accuracy=0.99),
        kept("i", "ckplus", accuracy=0.99),
        kept("j", "other", accuracy=1.0),
        kept("k", synthetic=None),
        kept("l", synthetic=True, accuracy=1.0),
        kept("m", problem="its card is damaged"),
    ]
    for some in [*permutations(right[:5]), right[::-1], right[6:] + right[:6]]:
        assert [one.path.name for one in ranked(some)] == sorted(one.path.name for one in some)


def test_the_default_is_for_unknown_people_and_not_the_papers_own_corpus(monkeypatch, tmp_path):
    with pytest.raises(FerError, match="There is no model under"):
        find_model()
    cnn = keep("unknown.keras", [])
    assert find_model() == cnn
    smoke = keep("fer2013_svm_seed0", ["fer2013"], profile="smoke", synthetic=True)
    assert find_model() == cnn
    own = keep("ckplus_svm_seed0", ["ckplus"], profile="quick")
    assert find_model() == own
    best = keep("fer2013_svm_seed3", ["fer2013"], profile="reference/quick", seed=3)
    assert find_model() == best
    assert [one.path for one in list_models()] == [best, own, cnn, smoke]
    (tmp_path / "results/paper/models/.partial-x").mkdir()
    (tmp_path / "results/paper/models/notes.md").touch()
    assert len(list_models()) == 4
    monkeypatch.chdir(tmp_path.parent)
    assert find_model(tmp_path) == tmp_path / best
    monkeypatch.setenv("FER_OUTPUT", str(tmp_path))
    assert find_model() == tmp_path / best


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"provenance": 1, "class_names": 2}', '{"provenance": {"data": {"a": 1}}}']
)
def test_a_damaged_card_is_said_and_stops_nothing(text, capsys):
    keep("fer2013_svm_seed0", ["fer2013"])
    bad = keep("a", ["fer2013"])
    (bad / "model.json").write_text(text)
    assert [one.path.name for one in list_models()] == ["fer2013_svm_seed0", "a"]
    assert main(["models"]) == 0
    assert bool(list_models()[1].problem) == (not text.startswith("{"))


def test_without_models_the_list_says_where_they_come_from(capsys):
    assert main(["models"]) == 0
    assert "none of `fer-lib train` in this folder; notebooks 04, 05 and 07 save some" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def own_model(folder, corpus="own faces", *, faces=50, **more):
    """Write the card that ``fer-lib train`` leaves in a folder when it has finished."""
    held_out = {"faces": faces, "training_faces": 200}
    if faces:
        held_out |= {"categorical_accuracy": [0.92, 0.81, 0.97], "balanced_accuracy": [0.9, 0.8, 0.96], "recall": {}}
    made = {"seed": 4, "weights": {"origin": "none"}, "data": {corpus: {"synthetic": False}}}
    card = {"class_names": ["happy", "sad"], "provenance": made, "training": {"epochs": 3}, "held_out": held_out}
    Path(folder).mkdir(parents=True)
    (Path(folder) / "model.json").write_text(json.dumps(card | more))
    return Path(folder)


def test_what_train_has_written_is_listed_with_its_held_out_scores(capsys):
    own_model("own_model")
    own_model("without", faces=0)
    own_model("deeper/down")  # not a folder of this one
    (own_model("unfinished") / "training.json").write_text("{}")
    Path("other").mkdir()
    Path("other/model.json").write_text('{"class_names": ["a", "b"]}')
    Path("broken").mkdir()
    Path("broken/model.json").write_text("{")
    first, second = list_models()
    assert (first.path, first.corpus, first.profile) == (Path("own_model"), "own faces", "fer-lib train")
    assert (first.seed, first.weights, first.synthetic, first.classes) == (4, "none", False, ("happy", "sad"))
    assert [(one.measured_on, one.metric, one.value, one.low, one.high, one.n) for one in first.scores] == [
        ("faces held out", "categorical accuracy", 0.92, 0.81, 0.97, 50),
        ("faces held out", "balanced accuracy", 0.9, 0.8, 0.96, 50),
    ]
    assert (second.path, second.scores) == (Path("without"), ())
    assert find_model() == Path("own_model")
    assert main(["models"]) == 0
    assert "categorical accuracy 92.00 [81.00, 97.00]" in " ".join(capsys.readouterr().out.split())


def test_a_held_out_score_is_no_score_on_test_faces():
    own = own_model("own_model", "fer2013")
    paper = keep("fer2013_svm_seed0", ["fer2013"])
    measured(SVM)
    assert [one.path for one in list_models()] == [paper, own]  # though 0.92 is more than 0.57
    assert list_models()[1].accuracy is None


def test_trainings_are_found_where_they_are_written_and_only_once(monkeypatch, tmp_path):
    own_model("here/own_model")
    own_model("output/second")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("FER_OUTPUT", str(tmp_path / "output"))
    assert [one.path for one in list_models()] == [tmp_path / "output" / "second", Path("own_model")]
    monkeypatch.setenv("FER_OUTPUT", str(tmp_path / "here"))
    assert [one.path.name for one in list_models()] == ["own_model"]
    assert [one.path.name for one in list_models(tmp_path / "output")] == ["second"]


def test_listing_imports_no_network():
    program = "import sys\nfrom fer_lib.cli import main\nmain(['models'])\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"keras", "tensorflow", "jax", "torch", "openvino", "mtcnn"} & set(done.stdout.split())


def test_the_manual_has_the_rule():
    text = (Path(__file__).parents[2] / "docs" / "using.md").read_text(encoding="utf-8")
    rule = text.split("### Which model answers")[1].split("###")[0]
    for words in ("78.20", "69.80"):
        assert re.search(re.escape(words), rule)
