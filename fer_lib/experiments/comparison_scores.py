"""Turn the comparators' predictions into scores, paired tests, costs and display names.

:mod:`fer_lib.experiments.comparison` trains the comparators and collects their answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.comparators.base import Comparator
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation import metrics, smiles as generalisation
from fer_lib.experiments import protocols
from fer_lib.experiments.comparison import COST, Row, WholeAnswers

OWN_CLASSIFIER = "resnet50_svm_rbf"
OWN_SYSTEM = {"title": "ResNet-50 + SVM as in notebook 04", "weights": "as in notebook 04"}
APART = {"none": "from no weights"}
"""Maps the word after a row name's hyphen to the words of its title; other words are shown as they are."""
AGAINST = ["classifier", "protocol", "separation", "difference", "low", "high", "p_value", "holm"]
FROZEN = ("resnet50_svm", "resnet50_softmax")
"""Comparators whose trunk never trains, whatever its weights."""


def with_own(answers: pd.DataFrame, own: pd.DataFrame | None) -> pd.DataFrame:
    """Put the paper's own model in front of the answers, if notebook 04 tested it on the same faces.

    Args:
        answers: answers from :func:`fer_lib.experiments.comparison.run_ckplus`.
        own: notebook 04's predictions with the same seed; None if it has not run.
    """
    where = ["protocol", "separation", "draw", "fold"]
    if own is None:
        return answers
    own = own[own["classifier"] == OWN_CLASSIFIER]
    asked = answers[[*where, "face", "label"]].drop_duplicates()
    same = asked.merge(own[[*where, "face", "label", "predicted"]], how="left")
    if same["predicted"].isna().any():
        return answers
    same = same.assign(predicted=same["predicted"].astype(answers["predicted"].dtype), classifier=protocols.OWN)
    return pd.concat([same[answers.columns], answers], ignore_index=True)


def against(answers: pd.DataFrame, faces: FaceDataset, reference: str) -> pd.DataFrame:
    """Compare each comparator with the reference on the same faces: one row per comparator, protocol and separation.

    The difference is the comparator's accuracy minus the reference's. Columns are those of
    :func:`fer_lib.experiments.protocols.paired`, with ``classifier`` and ``holm``: the p-value adjusted for all
    comparators of one protocol and separation.
    """
    others = [name for name in answers["classifier"].unique() if name != reference]
    frames = [protocols.paired(answers, faces, first=name, second=reference).assign(classifier=name) for name in others]
    if not frames:
        return pd.DataFrame(columns=AGAINST)
    compared = pd.concat(frames, ignore_index=True)
    family = compared.groupby(["protocol", "separation"], sort=False)["p_value"]
    return compared.assign(holm=family.transform(metrics.holm))


def whole_scores(answers: WholeAnswers, faces: FaceDataset, *, asked: str, reference: str) -> pd.DataFrame:
    """Score each comparator on the tested faces, one row each: both accuracies and the difference to the reference.

    Columns: ``system``; ``categorical_accuracy`` and ``binary_accuracy``, each with ``_low`` and ``_high`` (Wilson's
    interval, and a bootstrap over faces); ``macro_f1`` likewise; ``difference``, ``difference_low``,
    ``difference_high`` and ``p_value`` (McNemar) of the categorical accuracy against the reference; ``holm``.
    """
    rows, labels = [], faces.labels
    first = answers.probabilities[reference][asked]
    for name, found in answers.probabilities.items():
        scored = metrics.score(found[asked], labels, faces.class_names).set_index("metric")
        row: dict[str, Any] = {"system": name}
        for metric in ("categorical_accuracy", "binary_accuracy", "macro_f1"):
            row |= {metric: scored.loc[metric, "value"]}
            row |= {f"{metric}_{bound}": scored.loc[metric, bound] for bound in ("low", "high")}
        compared = {} if name == reference else metrics.compare_paired(found[asked], first, labels)
        names = {"difference": "difference", "low": "difference_low", "high": "difference_high", "p_value": "p_value"}
        rows.append(row | {said: compared.get(key, np.nan) for key, said in names.items()})
    frame = pd.DataFrame(rows)
    return frame.assign(holm=metrics.holm(frame["p_value"]))


def predicted(answers: WholeAnswers, faces: FaceDataset, *, asked: str = "testing") -> pd.DataFrame:
    """Tabulate each face's label and every comparator's answer, one row per face, to be saved."""
    labels = {"label": faces.labels}
    return pd.DataFrame(labels | {name: found[asked].argmax(axis=1) for name, found in answers.probabilities.items()})


def smile_margins(
    answers: WholeAnswers, class_names: tuple[str, ...], *, asked: str = "smiles"
) -> dict[str, np.ndarray]:
    """Compute the margin of happy over the best other expression for each tested face, by row name, shape (M,).

    Comparators that give every face the same answer are left out, because their margins say nothing.
    """
    found = {name: each[asked] for name, each in answers.probabilities.items()}
    margins = {name: generalisation.happy_margins(shares, class_names) for name, shares in found.items() if len(shares)}
    return {name: margin for name, margin in margins.items() if np.ptp(margin) > 0}


def mean_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Compute the mean cost of a training, one row per comparator in their order."""
    return costs.groupby("system", sort=False)[COST[1:]].mean().reset_index()


def described(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Describe each row by name, and the paper's own model, for the tables.

    Returns:
        ``title``: ends with an asterisk if the comparator is in the style of a source that gives too few details.
        ``weights``: the data of its network's pretraining; "no network" if it has none, "none, frozen at random" if its
        trunk keeps its random initial weights.
    """
    found = {protocols.OWN: OWN_SYSTEM}
    for row in rows:
        comparator, apart = row.create(), row.name.partition("-")[2]
        style = "*" if comparator.differs.startswith("in the style of") else ""
        title = f"{comparator.title}{style}" + (f", {APART.get(apart, apart)}" if apart else "")
        found[row.name] = {"title": title, "weights": _seen(comparator)}
    return found


def _seen(comparator: Comparator) -> str:
    if not comparator.is_network:
        return "no network"
    never_trains = comparator.name in FROZEN or getattr(comparator, "weights", "") == "random_frozen"
    return comparator.pretrained + (", frozen at random" if never_trains and comparator.pretrained == "none" else "")


def panels(
    scores: pd.DataFrame,
    whole: pd.DataFrame,
    costs: Mapping[str, pd.DataFrame],
    descriptions: Mapping[str, Mapping[str, str]],
) -> dict[str, pd.DataFrame]:
    """Build the panels of the cost figure: map a title to one row per comparator with accuracy, cost and weights.

    Args:
        scores: ``protocols.scores`` on CK+; the last of its protocols and separations is shown.
        whole: :func:`whole_scores` on FER-2013.
        costs: maps ``"CK+"`` and ``"FER-2013"`` to :func:`mean_costs`.
        descriptions: descriptions from :func:`described`.
    """
    strict = scores[["protocol", "separation"]].iloc[-1]
    ckplus = scores[(scores[["protocol", "separation"]] == strict).all(axis=1)].rename(columns={"classifier": "system"})
    metric = "categorical_accuracy"
    names = {metric: "accuracy", f"{metric}_low": "low", f"{metric}_high": "high"}
    found = {"CK+": ckplus, "FER-2013": whole.rename(columns=names)}
    said = {"CK+": f"CK+, {strict['separation']} apart" if strict["separation"] != "frames" else "CK+, paper's split"}
    merged = {
        said.get(corpus, corpus): each[["system", "accuracy", "low", "high"]].merge(costs[corpus], on="system")
        for corpus, each in found.items()
    }
    weights = {name: each["weights"] for name, each in descriptions.items()}
    return {title: frame.assign(weights=frame["system"].map(weights)) for title, frame in merged.items()}
