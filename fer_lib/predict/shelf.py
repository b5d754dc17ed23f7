"""List the trained models, those of the runs and of ``fer-lib train``, and choose the default of ``fer-lib predict``.

The default is the best model that was trained for unknown people, by :func:`ranked`. Nothing here imports Keras: a
model's ``model.json`` and the metrics of the run that saved it say everything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from fer_lib.datasets.catalog import TITLES
from fer_lib.errors import FerError
from fer_lib.predict import headlines, packaged
from fer_lib.predict.headlines import BINARY, CATEGORICAL, Headline
from fer_lib.predict.photo_files import shown
from fer_lib.predict.training_request import REQUEST
from fer_lib.utils import bundle

CARD = "model.json"  # in a model's folder, or next to a .keras file
PATTERNS = ("results/*/models/*", "results/reference/*/models/*")
#: The corpora that models are trained on, best for unknown people first, with the reason for each place. GENKI-4K's
#: photos show people that no model was trained on; tests/predict/test_shelf.py compares this order with the reference.
ORDER = {
    "fer2013": (
        "it shows people from the web; the reference's SVM taught on it is right for 78.20 % of GENKI-4K's photos, "
        "smile or not"
    ),
    "ckplus": (
        "it shows some hundred people in a laboratory who posed; the reference's SVM taught on it is right for 69.80 % "
        "of GENKI-4K's photos"
    ),
}
PACKAGED = "with the package"
TRAINED = "fer-lib train"
_PROFILES = ("paper", "quick")  # before a profile of one's own; smoke, which learns from generated faces, is last
_HEADERS = ("", "model", "trained on", "classes", "profile", "weights", "measured on", "score (%) [95 % interval]")


@dataclass(frozen=True)
class Kept:
    """One saved model, as its card and its run describe it.

    Attributes:
        path: the model's folder or ``.keras`` file.
        corpus: the corpus that its classes were learnt from, such as ``"fer2013"``; empty if the card does not say it.
        synthetic: whether any of its training faces was generated; None if the card does not say it.
        classes: names in label order; empty if the card does not say them.
        profile: name of the results folder, :data:`PACKAGED` or :data:`TRAINED`.
        reference: whether it is one of the reference's.
        seed: seed of its run; None if the card does not say it.
        weights: origin of the pre-trained weights; None if the card names none.
        scores: headline scores of the run that saved it, or on the faces that ``fer-lib train`` held out.
        problem: one sentence, if its card cannot be read.
    """

    path: Path
    corpus: str = ""
    synthetic: bool | None = None
    classes: tuple[str, ...] = ()
    profile: str = ""
    reference: bool = False
    seed: int | None = None
    weights: str | None = None
    scores: tuple[Headline, ...] = ()
    problem: str | None = None

    @property
    def accuracy(self) -> float | None:
        """Its categorical accuracy on test faces of its own corpus."""
        own = TITLES.get(self.corpus, self.corpus)
        found = (one.value for one in self.scores if one.metric == CATEGORICAL and one.measured_on.startswith(own))
        return next(found, None)

    @property
    def trained_on(self) -> str:
        """Title of the corpus, marked where the faces were generated."""
        title = TITLES.get(self.corpus, self.corpus) or "unknown"
        return f"SYNTHETIC ({title})" if self.synthetic else title

    def plain(self) -> dict[str, Any]:
        """Give the same facts as plain values for JSON."""
        facts = {**vars(self), "path": str(self.path), "classes": list(self.classes)}
        return facts | {"scores": [one.plain() for one in self.scores]}


def list_models(root: str | Path = "") -> list[Kept]:
    """List the models under ``results/*/models`` and ``results/reference/*/models``, the default first.

    The network that comes with the package, if there is one, is among them, and the models that ``fer-lib train`` wrote
    into folders of the same folder or of the current one.

    Args:
        root: the folder that contains ``results``; ``""`` means ``$FER_OUTPUT``, else the current folder.
    """
    here = [Path(root).expanduser()] if root else [Path(os.environ.get("FER_OUTPUT") or ".").expanduser(), Path()]
    places = sorted({path for pattern in PATTERNS for path in here[0].glob(pattern)})
    models = [path for path in places if not path.name.startswith(".") and (path.is_dir() or path.suffix == ".keras")]
    own = {folder.resolve(): folder for place in here[::-1] for folder in _trained(place)}
    found = [*(_described(path) for path in models), *(_described(path, trained=True) for path in own.values())]
    return ranked([*([packed] if (packed := _packaged()) else []), *found])


def ranked(models: Sequence[Kept]) -> list[Kept]:
    """Sort models for unknown people, best first; docs/using.md has the same rule in words.

    1. Models with a readable card that names real faces come before models of generated or unknown faces.
    2. The corpora have the order of :data:`ORDER`; other corpora come after them.
    3. Of one corpus, the network that comes with the package is before all models that did not measure a higher
       categorical accuracy on test faces of that corpus, and after those that did.
    4. The profile ``paper`` comes before ``quick``, a profile of one's own comes next, and ``smoke`` is last.
    5. The higher categorical accuracy on test faces of the own corpus comes first; models without one come last.
    6. One's own models come before the reference's, then the lower seed, then the path by the alphabet.
    """
    corpora, profiles = list(ORDER), list(_PROFILES)
    own = next((model for model in models if model.profile == PACKAGED), None)

    def key(model: Kept) -> tuple:
        corpus = corpora.index(model.corpus) if model.corpus in corpora else len(corpora)
        profile = profiles.index(model.profile) if model.profile in profiles else len(profiles)
        accuracy = -1.0 if model.accuracy is None else model.accuracy
        seed = float("inf") if model.seed is None else model.seed
        unsure = (bool(model.problem), {False: 0, None: 1, True: 2}[model.synthetic])
        rivals = own is not None and model is not own and model.corpus == own.corpus
        beaten = rivals and own is not None and accuracy <= (own.accuracy or 0)
        return (
            unsure,
            corpus,
            beaten,
            model is own,
            profile + (model.profile == "smoke"),
            -accuracy,
            model.reference,
            seed,
            str(model.path),
        )

    return sorted(models, key=key)


def find_model(root: str | Path = "") -> Path:
    """Find the default model of ``fer-lib predict``: the first one of :func:`list_models`.

    Args:
        root: as in :func:`list_models`.

    Raises:
        FerError: there is no model.
    """
    found = list_models(root)
    if not found:
        raise FerError(
            "There is no model under results/*/models of this folder, and none of fer-lib train in it. Run notebook "
            "04_resnet_svm, 05_baseline_cnn or 07_comparators, or name a model's folder or .keras file with --model."
        )
    return found[0].path


def table(models: Sequence[Kept]) -> list[str]:
    """Format the models as the lines of a table, the default first; binary accuracy is always named as such."""
    rows = []
    for number, model in enumerate(models):
        classes = ", ".join(model.classes) or "not in the card"
        facts = ["default" if not number else "", shown(model.path), model.trained_on, classes, model.profile]
        facts.append(model.weights or "none named")
        scores = [(one.measured_on, _score_words(one)) for one in model.scores] or [("", model.problem or "no score")]
        rows += [[*facts, *scores[0]], *([""] * len(facts) + list(score) for score in scores[1:])]
    widths = [None, None, None, 24, None, 24, 24, 44]
    lines = tabulate(rows, headers=_HEADERS, disable_numparse=True, maxcolwidths=widths).splitlines()
    lines += [
        "",
        "The first is the default of fer-lib predict: the best for unknown people, by the rule in docs/using.md.",
    ]
    lines += [f"{TITLES[corpus]}: {reason}." for corpus, reason in ORDER.items()]
    if any(one.metric == BINARY for model in models for one in model.scores):
        lines.append("Binary accuracy is Keras' BinaryAccuracy; with seven classes it is 85.71 without any knowledge.")
    return lines


def _score_words(score: Headline) -> str:
    return f"{score.metric} {score.text().removesuffix(' %')}"


def _packaged() -> Kept | None:
    """Describe the network that comes with the package by its card; None if there is none."""
    try:
        card = packaged.card()
        if card is None:
            return None
        data = _mapping(card.provenance, "data")
        scores = packaged.scores_of(card)
    except FerError as error:
        return Kept(packaged.FOLDER, profile=PACKAGED, problem=str(error))
    return Kept(
        packaged.FOLDER,
        corpus=", ".join(sorted(data)),
        synthetic=any(bool(facts.get("synthetic", True)) for facts in data.values()) if data else None,
        classes=card.class_names,
        profile=PACKAGED,
        seed=card.provenance.get("seed"),
        weights="none, trained from scratch",
        scores=scores,
    )


def _trained(place: Path) -> list[Path]:
    """Find the folders in a place that ``fer-lib train`` has finished."""
    return [card.parent for card in sorted(place.glob(f"*/{CARD}")) if _is_of_training(card)]


def _is_of_training(card: Path) -> bool:
    try:
        content = bundle.read_json(card)
    except FerError:  # a file of that name in a folder of any kind
        return False
    finished = not card.with_name(REQUEST).exists()
    return finished and {"training", "held_out"} <= set(content)


def _described(path: Path, *, trained: bool = False) -> Kept:
    """Read the card and the scores of a model at ``results/<profile>/models/<name>``, or of ``fer-lib train``."""
    results = path.parent.parent
    place: dict[str, Any] = {"profile": results.name, "reference": results.parent.name == "reference"}
    if trained:
        place = {"profile": TRAINED}
    card = path / CARD if path.is_dir() else path.with_name(CARD)
    try:
        content = bundle.read_json(card) if card.is_file() else {}
        made = _mapping(content, "provenance")
        scores = _held_out(content, path.name) if trained else headlines.of_model(results, path.stem, made)
    except FerError as error:
        return Kept(path, problem=str(error), **place)
    data = {name: facts for name, facts in _mapping(made, "data").items() if isinstance(facts, Mapping)}
    # those of a comparator, which may start from others than its run's ResNet-50
    origin = content.get("pretrained", _mapping(made, "weights").get("origin"))
    names, seed = content.get("class_names"), made.get("seed")
    return Kept(
        path,
        corpus=_corpus(path.name, list(data)),
        synthetic=any(bool(facts.get("synthetic", True)) for facts in data.values()) if data else None,
        classes=tuple(map(str, names)) if isinstance(names, list) else (),
        seed=seed if isinstance(seed, int) else None,
        weights=None if origin is None else str(origin),
        scores=tuple(scores),
        **place,
    )


def _held_out(content: Mapping[str, Any], name: str) -> list[Headline]:
    """List the scores on the faces that ``fer-lib train`` held out; they are no test faces of a corpus."""
    held_out = _mapping(content, "held_out")
    found = []
    for key, metric in {"categorical_accuracy": CATEGORICAL, "balanced_accuracy": "balanced accuracy"}.items():
        row = held_out.get(key)
        if isinstance(row, list) and len(row) == 3 and isinstance(row[0], float):
            value, low, high = row
            found.append(
                Headline("train", name, name, "faces held out", metric, value, low, high, held_out.get("faces"))
            )
    return found


def _corpus(name: str, data: Sequence[str]) -> str:
    """Name the corpus that a model's classes were learnt from: the one in its name, or else the only one."""
    named = [corpus for corpus in data if name.startswith(f"{corpus}_")]
    return (named or list(data) if len(named or data) == 1 else [", ".join(sorted(data))])[0]


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key)
    return found if isinstance(found, Mapping) else {}
