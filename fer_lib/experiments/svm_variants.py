"""Compare "different SVM classifiers" with each other, the future work that liu2023 announces (section 4).

Kernels (RBF, linear, polynomial of a searched degree, sigmoid), the nu-SVC, and deciding one-vs-rest in place of
one-vs-one. Each learns from the same pictures, in the five folds with subjects apart and on FER-2013, and is compared
with the paper's RBF SVM on the same test faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import sample
from fer_lib.experiments import protocol_scores, protocols
from fer_lib.experiments.protocols import FOLDS, Division
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.svm import classifiers as svm
from fer_lib.utils.files import atomic_path, cached_frame

REFERENCE = "resnet50_svm_rbf"


def names(settings: ResNet50SvmSettings) -> list[str]:
    """List the variants that the settings ask for, by their keys of ``VARIANTS``, the paper's own first."""
    asked = [f"resnet50_svm_{kind}" for kind in settings.variants]
    return [*dict.fromkeys([REFERENCE, *asked])] if asked else []


def folds_of(found: Sequence[Division]) -> list[Division]:
    """Choose the first draw of the folds with subjects apart; an empty list if the settings leave it out."""
    return [each for each in found if (each.protocol, each.separation) == (FOLDS, "subjects")][:1]


def run(
    found: Sequence[Division],
    examples: svm.Examples,
    settings: ResNet50SvmSettings,
    *,
    seed: int = 0,
    checkpoints: Path,
) -> pd.DataFrame:
    """Train and test every variant in the folds with subjects apart, except those whose answers are saved already.

    Args:
        found: the divisions.
        examples: features of the faces and of their views, of which each classifier learns ``settings.variants_views``.
        settings: the variants and the grids.
        seed: seed of the search's folds.
        checkpoints: a folder for exactly this experiment.

    Returns:
        The answers in the form of :func:`fer_lib.experiments.protocols.run`; empty without variants or such folds.
    """
    learnt, frames = examples.some_views(settings.variants_views), []
    for division in folds_of(found):
        for number, fold in enumerate(division.folds):
            for name in names(settings):
                build = partial(protocols.answer, name, learnt, fold, settings=settings, seed=seed)
                where = {"protocol": division.protocol, "separation": division.separation, "draw": division.draw}
                answers = cached_frame(checkpoints / f"variant-{name}-{number}.csv", build)
                frames.append(answers.assign(fold=number, **where))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def compare(answers: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Compare each variant with the RBF SVM on the same test faces.

    Args:
        answers: of :func:`run`.
        faces: the faces.

    Returns:
        One row per variant: ``classifier``, ``accuracy``, ``low``, ``high``, ``training`` and ``views`` (accuracy),
        ``on_edge`` and ``fits``, ``chosen`` (the parameters of all fits, in words); and against the RBF SVM
        ``difference``, ``difference_low``, ``difference_high``, ``only_first``, ``only_second``, ``p_value`` (in its
        own row: NaN). Empty if there are no answers.
    """
    if answers.empty:
        return pd.DataFrame()
    scores = protocol_scores.scores(answers, faces).set_index("classifier")
    fits = protocol_scores.fits(answers).set_index("classifier")
    rows = []
    for name, score in scores.iterrows():
        row = {"classifier": name, **score[["accuracy", "low", "high"]], **fits.loc[name, ["training", "views"]]}
        row |= {"on_edge": int(fits.loc[name, "on_edge"]), "fits": int(fits.loc[name, "fits"])}
        row["chosen"] = _chosen(answers[answers["classifier"] == name])
        against = dict.fromkeys(("difference", "low", "high", "only_first", "only_second", "p_value"), np.nan)
        if name != REFERENCE:
            against = protocol_scores.paired(answers, faces, first=str(name), second=REFERENCE).iloc[0].to_dict()
        row |= {"difference": against["difference"], "p_value": against["p_value"]}
        row |= {"difference_low": against["low"], "difference_high": against["high"]}
        rows.append(row | {key: against[key] for key in ("only_first", "only_second")})
    return pd.DataFrame(rows)


def fer2013(
    learn: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    settings: ResNet50SvmSettings,
    *,
    seed: int = 0,
    checkpoints: Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every variant on a sample of FER-2013's training faces, and compare them on all its test faces.

    C, gamma, nu and the degree are searched on the faces that the variant then learns.

    Args:
        learn: features (N, D) and labels (N,) of the training faces.
        test: features (M, D) and labels (M,) of the test faces.
        settings: the variants, ``variants_fer2013_faces`` and ``variants_fer2013_components``.
        seed: of the sample, the folds and the principal components.
        checkpoints: a folder for exactly this experiment.

    Returns:
        The rows of :func:`fer_lib.experiments.protocol_scores.whole_test`, with ``training`` (accuracy on the faces
        that were learnt), ``learnt`` (their number), ``edge`` and ``chosen``; empty without variants. And the answers,
        a row for each test face: ``label``, and each variant's answer under its name.
    """
    rows = sample(learn[1], settings.variants_fer2013_faces, seed=seed)
    taught = svm.Examples(learn[0][rows], learn[1][rows])
    components, decisions, of_fits = settings.variants_fer2013_components, {}, []
    for name in names(settings):
        path = checkpoints / f"variant-{name}-fer2013.npz"
        if not path.is_file():
            fitted = svm.fit(name, taught, settings=settings, components=components, seed=seed)
            training = (svm.predict(fitted, taught.originals) == taught.labels).mean()
            kept = {"values": svm.decision(fitted, test[0]), "training": training, "edge": protocols.edge_of(fitted)}
            with atomic_path(path) as unfinished, open(unfinished, "wb") as file:
                np.savez(file, **kept, chosen=_chosen(pd.DataFrame([fitted.parameters])))
        with np.load(path, allow_pickle=False) as saved:
            decisions[name] = saved["values"]
            of_fits.append({key: saved[key].item() for key in ("training", "edge", "chosen")})
    answers = pd.DataFrame({"label": test[1]} | {name: values.argmax(axis=1) for name, values in decisions.items()})
    if not decisions:
        return pd.DataFrame(), answers
    scored = protocol_scores.whole_test(decisions, test[1]).join(pd.DataFrame(of_fits)).assign(learnt=len(taught))
    return scored, answers


def _chosen(answers: pd.DataFrame) -> str:
    """Format the choices of all fits, such as ``"C 1 to 10, γ 0.1"``."""
    said = []
    for name, symbol in {"C": "C", "nu": "ν", "gamma_multiple": "γ", "degree": "degree"}.items():
        values = answers[name].dropna() if name in answers else pd.Series(dtype=float)
        if len(values):
            low, high = values.min(), values.max()
            said.append(f"{symbol} {low:g}" if low == high else f"{symbol} {low:g} to {high:g}")
    return ", ".join(said)
