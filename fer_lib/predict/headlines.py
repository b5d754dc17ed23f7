"""Read the headline scores of a results folder: one or a few numbers that say how good each trained model is.

The scores come from ``metrics/*.json``; one without provenance is left out. Nothing here imports Keras.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_lib import provenance
from fer_lib.datasets.catalog import TITLES
from fer_lib.settings.names import CLASSIFIERS
from fer_lib.tables.format import MODEL_NAMES, percent

CATEGORICAL, BINARY, SMILES = "categorical accuracy", "binary accuracy", "smile or not, accuracy"
#: Facts of a run that a model and the scores must share, so that these are scores of this model.
_SAME = ("run", "seed", "settings_hash", "weights")
_SVM = "resnet50_svm_rbf"  # the classifier that notebook 04 saves
_SHORT = {title: name for name, title in TITLES.items()}


@dataclass(frozen=True)
class Headline:
    """One score with its 95 % interval.

    Attributes:
        result: name of the metrics, such as ``"baseline_cnn_seed0"``.
        model: name under which the run saves the scored model, if it saves it.
        title: name of the model for people.
        measured_on: the faces, such as ``"FER-2013, PrivateTest"``.
        metric: ``"categorical accuracy"``, ``"binary accuracy"`` (Keras') or ``"smile or not, accuracy"``.
        value: share of 1, with ``low`` and ``high``; an end is None if there is no interval.
        n: faces, or None if the result does not say it.
    """

    result: str
    model: str
    title: str
    measured_on: str
    metric: str
    value: float
    low: float | None
    high: float | None
    n: int | None

    def text(self) -> str:
        """Format the score in per cent with its interval."""
        low, high = (math.nan if end is None else end for end in (self.low, self.high))
        return f"{percent(self.value, low, high)} %"

    def sentence(self) -> str:
        """Say what was measured: ``"categorical accuracy 70.00 [68.48, 71.48] % on FER-2013, PrivateTest (3,589)"``."""
        return f"{self.metric} {self.text()} on {self.measured_on}" + (f" ({self.n:,})" if self.n else "")

    def plain(self) -> dict[str, Any]:
        """Give the score as plain values for JSON."""
        return dict(vars(self))


def of_results(values: Mapping[str, Mapping[str, Any]]) -> list[Headline]:
    """List the headline scores of metrics from :func:`fer_lib.provenance.read_values`, by name of the metrics."""
    found: list[Headline] = []
    for name, content in values.items():
        made, numbers = content["provenance"], content["values"]
        if not isinstance(numbers, Mapping):
            continue
        found += _tested(name, numbers, made)
        found += _notebook04(name, numbers, made) if made.get("notebook") == "04_resnet_svm" else ()
        found += _comparators(name, numbers, made) if made.get("notebook") == "07_comparators" else ()
    return found


def of_model(results: Path, name: str, made: Mapping[str, Any]) -> list[Headline]:
    """List the scores of a saved model: those with its name from the run that saved it, on the faces it learnt from.

    Args:
        results: a profile's results, such as ``results/paper``.
        name: name of the model.
        made: the model's provenance.
    """
    values = provenance.read_values(results)
    return [one for one in of_results(values) if one.model == name and _alike(made, values[one.result]["provenance"])]


def _alike(model: Mapping[str, Any], scores: Mapping[str, Any]) -> bool:
    if any(model.get(key) != scores.get(key) for key in _SAME):
        return False
    used = scores.get("data") or {}
    taught = model.get("data") or {}
    return all(facts.get("fingerprint") == used.get(corpus, {}).get("fingerprint") for corpus, facts in taught.items())


def _tested(name: str, numbers: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[Headline]:
    """Find both accuracies of chen2023's models on the test faces."""
    place = _test_faces(made)
    rows = [row for row in _rows(numbers, "scores") if row.get("split") == "testing"]
    family, _, variant = name.split("_seed")[0].partition("-")
    title = MODEL_NAMES.get(family, family) + (f", variant {variant}" if variant else "")
    for key, metric in (("categorical_accuracy", CATEGORICAL), ("binary_accuracy", BINARY)):
        for row in rows:
            if row.get("metric") == key:
                yield _headline(name, name, title, place, metric, row, "value", "n")


def _notebook04(name: str, numbers: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[Headline]:
    """Find the scores of the two SVMs that notebook 04 saves, on their own corpus and on GENKI-4K."""
    seed, place = made.get("seed"), _test_faces(made)
    titles = {corpus: f"SVM taught on {title}" for corpus, title in TITLES.items()}
    wanted = {"protocol": "folds", "separation": "subjects", "classifier": _SVM}
    for row in _rows(numbers, "scores"):
        if wanted.items() <= row.items():
            model = f"ckplus_svm_seed{seed}"
            yield _headline(name, model, titles["ckplus"], "CK+, subjects apart", CATEGORICAL, row, "accuracy", "faces")
    for row in _rows(numbers, "fer2013"):
        if row.get("model") == _SVM:
            model = f"fer2013_svm_seed{seed}"
            yield _headline(name, model, titles["fer2013"], place, CATEGORICAL, row, "accuracy", "faces")
    for row in _rows(numbers, "genki4k"):
        corpus = _SHORT.get(str(row.get("model")))
        if row.get("group") == "all" and corpus:
            model = f"{corpus}_svm_seed{seed}"
            yield _headline(name, model, titles[corpus], "GENKI-4K", SMILES, row, "accuracy", "photos")


def _comparators(name: str, numbers: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[Headline]:
    """Find both accuracies on FER-2013 of the systems of notebook 07, and their accuracy on GENKI-4K."""
    place = _test_faces(made)
    listed = numbers.get("systems") or {}
    for row in _rows(numbers, "fer2013"):
        system = str(row.get("system"))
        title = (listed.get(system) or {}).get("title", CLASSIFIERS.get(system, system))
        model = f"{system}_seed{made.get('seed')}"
        for key, metric in (("categorical_accuracy", CATEGORICAL), ("binary_accuracy", BINARY)):
            if row.get(key) is not None:
                yield _headline(name, model, title, place, metric, row, key, "faces")
    for row in _rows(numbers, "smiles"):
        if row.get("group") == "all":
            system = str(row.get("model"))
            title = (listed.get(system) or {}).get("title", CLASSIFIERS.get(system, system))
            model = f"{system}_seed{made.get('seed')}"
            yield _headline(name, model, title, "GENKI-4K", SMILES, row, "accuracy", "photos")


def _test_faces(made: Mapping[str, Any]) -> str:
    return f"FER-2013, {(made.get('data_settings') or {}).get('test_split', 'test faces')}"


def _rows(numbers: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = numbers.get(key)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _headline(
    result: str, model: str, title: str, place: str, metric: str, row: Mapping[str, Any], key: str, count: str
) -> Headline:
    low, high = (row.get(f"{key}_{end}", row.get(end)) for end in ("low", "high"))
    return Headline(result, model, title, place, metric, float(row[key]), low, high, row.get(count))
