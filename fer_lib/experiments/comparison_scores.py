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
from fer_lib.datasets.splits import groups_of
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics, smiles as generalisation
from fer_lib.experiments import protocol_scores, protocols
from fer_lib.experiments.comparison import COST, COUNTED, WholeAnswers
from fer_lib.experiments.comparison_rows import AS_FIRST, Row, controls
from fer_lib.settings.comparators import EQUAL_REFERENCE

OWN_CLASSIFIER = "resnet50_svm_rbf"
OWN_SYSTEM = {"title": "ResNet-50 + SVM as in notebook 04", "weights": "as in notebook 04"}
FER2013 = "fer2013"
"""The word of a row that learns FER-2013 first, besides one that does not."""
APART = {"none": "from no weights", AS_FIRST: "from no weights, as before CK+"}
"""Maps the word after a row name's hyphen to the words of its title; other words are shown as they are."""
AGAINST = ["classifier", "protocol", "separation", "difference", "low", "high", "p_value", "at_chance", "holm"]
CONTROLLED = ["corpus", "system", "control", "protocol", "separation", "difference", "low", "high"]
CONTROLLED += ["only_first", "only_second", "p_value"]
"""Columns of :func:`controlled`."""
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
    :func:`fer_lib.experiments.protocol_scores.paired`, with ``classifier``, ``at_chance`` (:func:`at_chance`) and
    ``holm``: the p-value adjusted for the comparators of one protocol and separation, without those at chance.
    """
    others = [name for name in answers["classifier"].unique() if name != reference]
    frames = [
        protocol_scores.paired(answers, faces, first=name, second=reference).assign(classifier=name) for name in others
    ]
    if not frames:
        return pd.DataFrame(columns=AGAINST)
    scores = protocol_scores.scores(answers, faces)
    compared = pd.concat(frames, ignore_index=True).merge(_at_chance_by_name(scores, answers), how="left")
    counted = compared["p_value"].where(~compared["at_chance"])
    family = counted.groupby([compared["protocol"], compared["separation"]], sort=False)
    return compared.assign(holm=family.transform(metrics.holm))


def at_chance(low: float, labels: np.ndarray) -> bool:
    """Tell whether a system may be no better than the class priors: its interval contains or is below their accuracy.

    The class priors answer the most frequent class; their accuracy is its share of the tested faces. A system that may
    have learnt nothing asks no question of its own, so it belongs to no family of comparisons (Holm).

    Args:
        low: lower end of the 95 % interval of the system's accuracy.
        labels: labels of the tested faces, int, shape (N,).
    """
    return bool(low <= np.bincount(labels).max() / len(labels))


def equal_terms(
    rows: Sequence[Row], answers: pd.DataFrame, whole: WholeAnswers, faces: FaceDataset, test: FaceDataset
) -> pd.DataFrame:
    """Compare the rows that learnt FER-2013 first: one row per comparator, protocol and separation.

    Args:
        rows: the rows on CK+.
        answers: of :func:`fer_lib.experiments.comparison.run_ckplus`.
        whole: the answers on FER-2013, with those of the networks that the rows continue from.
        faces: CK+'s faces.
        test: FER-2013's test faces.

    Returns:
        The columns of ``protocol_scores.scores``; ``reference``, the row that all are compared with; ``difference``,
        ``difference_low``, ``difference_high``, ``p_value`` and ``holm`` against it, missing for itself; and
        ``fer2013``, the categorical accuracy on FER-2013 of the network that the row continues from. Empty if no row
        learnt FER-2013 first.
    """
    equal = {row.name: row.first for row in rows if row.first}
    if not equal:
        return pd.DataFrame()
    reference = EQUAL_REFERENCE if EQUAL_REFERENCE in equal else next(iter(equal))
    own = answers[answers["classifier"].isin(equal)]
    names = {"low": "difference_low", "high": "difference_high"}
    keys = ["classifier", "protocol", "separation"]
    compared = against(own, faces, reference).rename(columns=names)
    scores = protocol_scores.scores(own, faces)
    scores = scores.merge(compared[[*keys, "difference", *names.values(), "p_value", "holm"]], on=keys, how="left")
    learnt = {name: whole.probabilities[first.name]["testing"] for name, first in equal.items()}
    hits = {name: float((found.argmax(axis=1) == test.labels).mean()) for name, found in learnt.items()}
    return scores.assign(reference=reference, fer2013=scores["classifier"].map(hits))


def controlled(
    rows: Mapping[str, Sequence[Row]],
    answers: pd.DataFrame,
    whole: WholeAnswers,
    *,
    faces: FaceDataset,
    test: FaceDataset,
) -> pd.DataFrame:
    """Compare each row with its control, the same network without one part, on the same faces.

    Args:
        rows: maps ``"CK+"`` and ``"FER-2013"`` to their rows.
        answers: of :func:`fer_lib.experiments.comparison.run_ckplus`.
        whole: of :func:`fer_lib.experiments.comparison.run_whole`.
        faces: CK+'s faces.
        test: FER-2013's test faces.

    Returns:
        One row per pair and test: ``corpus``, ``system`` and ``control`` (rows' names), ``protocol`` and
        ``separation`` (empty on FER-2013), ``difference`` (system minus control), ``low``, ``high``, ``only_first``,
        ``only_second`` and ``p_value``.
    """
    frames = [
        protocol_scores.paired(answers, faces, first=row.name, second=control.name).assign(
            corpus="CK+", system=row.name, control=control.name
        )
        for row, control in controls(rows["CK+"])
    ]
    for row, control in controls(rows["FER-2013"]):
        with_it, without = (whole.probabilities[name]["testing"] for name in (row.name, control.name))
        told = {"corpus": "FER-2013", "system": row.name, "control": control.name, "protocol": "", "separation": ""}
        frames.append(pd.DataFrame([told | metrics.compare_paired(with_it, without, test.labels)]))
    return pd.concat(frames, ignore_index=True)[CONTROLLED] if frames else pd.DataFrame(columns=CONTROLLED)


def tested(answers: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Count the tested faces of each protocol and separation, the same for every comparator.

    Columns: ``protocol``, ``separation``, ``draws``, ``folds`` (of all draws), ``answers`` (a face that several draws
    test counts each time), ``faces`` and ``subjects`` (each once).
    """
    one = answers[answers["classifier"] == answers["classifier"].iloc[0]]
    subjects, rows = groups_of(faces, "subjects"), []
    for (protocol, separation), part in one.groupby(["protocol", "separation"], sort=False):
        counts = {"draws": part["draw"].nunique(), "folds": len(part[["draw", "fold"]].drop_duplicates())}
        counts |= {"answers": len(part), "faces": part["face"].nunique()}
        counts |= {"subjects": len(np.unique(subjects[part["face"].unique()]))}
        rows.append({"protocol": protocol, "separation": separation} | counts)
    return pd.DataFrame(rows)


def whole_scores(answers: WholeAnswers, faces: FaceDataset, *, reference: str) -> pd.DataFrame:
    """Score each comparator on ``"testing"``: a row each, with both accuracies and the difference to the reference.

    Columns: ``system``; ``categorical_accuracy`` and ``binary_accuracy``, each with ``_low`` and ``_high`` (Wilson's
    interval, and a bootstrap over faces); ``macro_f1`` likewise; ``difference``, ``difference_low``,
    ``difference_high`` and ``p_value`` (McNemar) of the categorical accuracy against the reference; ``at_chance``
    (:func:`at_chance`) and ``holm``, adjusted for the systems that are not.
    """
    rows, labels = [], faces.labels
    first = answers.probabilities[reference]["testing"]
    for name, found in answers.probabilities.items():
        scored = metrics.score(found["testing"], labels, faces.class_names).set_index("metric")
        row: dict[str, Any] = {"system": name}
        for metric in ("categorical_accuracy", "binary_accuracy", "macro_f1"):
            row |= {metric: scored.loc[metric, "value"]}
            row |= {f"{metric}_{bound}": scored.loc[metric, bound] for bound in ("low", "high")}
        compared = {} if name == reference else metrics.compare_paired(found["testing"], first, labels)
        names = {"difference": "difference", "low": "difference_low", "high": "difference_high", "p_value": "p_value"}
        row |= {said: compared.get(key, np.nan) for key, said in names.items()}
        rows.append(row | {"at_chance": at_chance(row["categorical_accuracy_low"], labels)})
    frame = pd.DataFrame(rows)
    return frame.assign(holm=metrics.holm(frame["p_value"].where(~frame["at_chance"])))


def leaders(
    scores: pd.DataFrame, answers: pd.DataFrame, whole: WholeAnswers, *, faces: FaceDataset, test: FaceDataset
) -> pd.DataFrame:
    """Compare the comparator of the highest accuracy with the runner-up, on CK+'s strictest test and on FER-2013.

    The two-sided test against the second alone holds its level, although the data chose both (Gutmann and Maymin 1987).

    Args:
        scores: of ``protocol_scores.scores``.
        answers: of :func:`fer_lib.experiments.comparison.run_ckplus`, perhaps with the paper's own model.
        whole: of :func:`fer_lib.experiments.comparison.run_whole`.
        faces: CK+'s faces.
        test: FER-2013's test faces.

    Returns:
        One row per test: ``corpus``, ``leader`` and ``runner_up`` (rows' names), ``difference``, ``low``, ``high``,
        ``p_value``. A corpus with fewer than two comparators is left out.
    """
    rows, columns = [], ["difference", "low", "high", "p_value"]
    last = scores.iloc[-1]
    strict = (scores["protocol"] == last["protocol"]) & (scores["separation"] == last["separation"])
    first = scores[strict].sort_values("accuracy", ascending=False, kind="stable")["classifier"].tolist()[:2]
    if len(first) == 2:
        own = answers[(answers["protocol"] == last["protocol"]) & (answers["separation"] == last["separation"])]
        compared = protocol_scores.paired(own, faces, first=first[0], second=first[1]).iloc[0]
        rows.append(["CK+", *first, *compared[columns]])
    hits = {
        name: (found["testing"].argmax(axis=1) == test.labels).mean() for name, found in whole.probabilities.items()
    }
    best = sorted(hits, key=lambda name: -hits[name])[:2]
    if len(best) == 2:
        pair = (whole.probabilities[name]["testing"] for name in best)
        found = metrics.compare_paired(next(pair), next(pair), test.labels)
        rows.append(["FER-2013", *best, *(found[column] for column in columns)])
    return pd.DataFrame(rows, columns=["corpus", "leader", "runner_up", *columns])


def predicted(answers: WholeAnswers, faces: FaceDataset) -> pd.DataFrame:
    """Tabulate each face's label and every comparator's answer, one row per face, to be saved."""
    found = {name: each["testing"].argmax(axis=1) for name, each in answers.probabilities.items()}
    return pd.DataFrame({"label": faces.labels} | found)


def smile_margins(answers: WholeAnswers, class_names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Compute the margin of happy over the best other expression for each face of ``"smiles"``, by row name, (M,).

    Comparators that give every face the same answer are left out, because their margins say nothing.
    """
    found = {name: each["smiles"] for name, each in answers.probabilities.items()}
    margins = {name: generalisation.happy_margins(shares, class_names) for name, shares in found.items() if len(shares)}
    return {name: margin for name, margin in margins.items() if np.ptp(margin) > 0}


def compact(probabilities: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Round probabilities to float16, whose step is 0.0005 near 1, to be saved in half the bytes.

    Args:
        probabilities: maps the name of the tested faces to a map from a row's name to probabilities (N, C).

    Returns:
        The same by ``"<faces>.<row>"``, such as ``"testing.vgg16"``.
    """
    return {
        f"{faces}.{name}": np.asarray(found, np.float16)
        for faces, by_row in probabilities.items()
        for name, found in by_row.items()
    }


def mean_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Compute the mean cost of a training, one row per comparator in their order."""
    return costs.groupby("system", sort=False)[COST[1:]].mean().reset_index()


def sizes(costs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack the counts of several corpora, without measured times: ``corpus``, ``system``, ``comparison.COUNTED``."""
    stacked = pd.concat([frame.assign(corpus=corpus) for corpus, frame in costs.items()], ignore_index=True)
    return stacked[["corpus", "system", *COUNTED]]


def described(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Describe each row by name, and the paper's own model, for the tables.

    Returns:
        ``title``: ends with an asterisk if the comparator is in the style of a source that gives too few details.
        ``weights``: the data of its network's pretraining; "no network" if it has none, "none, frozen at random" if its
        trunk keeps its random initial weights; FER-2013 and the budget if it learnt that first.

    Raises:
        FerError: two rows of one name have other titles or weights.
    """
    found = {protocols.OWN: OWN_SYSTEM}
    for row in rows:
        comparator, apart = row.create(), row.name.partition("-")[2]
        style = "*" if comparator.differs.startswith("in the style of") else ""
        words = [APART.get(apart, apart)] if apart and apart != FER2013 else []
        words += ["FER-2013 first"] if row.first else []
        title = ", ".join([f"{comparator.title}{style}", *words])
        described = {"title": title, "weights": _seen(row, comparator)}
        if found.setdefault(row.name, described) != described:
            raise FerError(
                f"The row {row.name} has other weights on FER-2013 than on CK+; distinguish the two by a hyphen and a "
                f"word, such as {row.name}-other."
            )
    return found


def _at_chance_by_name(scores: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Mark which systems are at chance: one row per protocol, separation and classifier."""
    labels = answers.groupby(protocol_scores.KEYS, sort=False)["label"].apply(np.asarray).rename("labels").reset_index()
    rows = scores[[*protocol_scores.KEYS, "low"]].merge(labels)
    found = [at_chance(low, part) for low, part in zip(rows["low"], rows["labels"], strict=True)]
    return rows[protocol_scores.KEYS].assign(at_chance=found)


def _seen(row: Row, comparator: Comparator) -> str:
    if not comparator.is_network:
        return "no network"
    if row.first:
        learnt = row.first.parameters
        epochs = f", epochs: {learnt['epochs']}" if "epochs" in learnt else ""
        return f"FER-2013, from none{epochs}" + (f", faces: {row.first.faces}" if row.first.faces else "")
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
        scores: ``protocol_scores.scores`` on CK+; the last of its protocols and separations is shown.
        whole: :func:`whole_scores` on FER-2013.
        costs: maps ``"CK+"`` and ``"FER-2013"`` to :func:`mean_costs`.
        descriptions: descriptions from :func:`described`.
    """
    strict = scores[["protocol", "separation"]].iloc[-1]
    ckplus = scores[(scores[["protocol", "separation"]] == strict).all(axis=1)].rename(columns={"classifier": "system"})
    metric = "categorical_accuracy"
    names = {metric: "accuracy", f"{metric}_low": "low", f"{metric}_high": "high"}
    found = {"CK+": ckplus, "FER-2013": whole.rename(columns=names)}
    rule = "frames at random" if strict["separation"] == "frames" else f"{strict['separation']} apart"
    said = {"CK+": f"CK+, {rule}"}
    merged = {
        said.get(corpus, corpus): each[["system", "accuracy", "low", "high"]].merge(costs[corpus], on="system")
        for corpus, each in found.items()
    }
    weights = {name: each["weights"] for name, each in descriptions.items()}
    return {title: frame.assign(weights=frame["system"].map(weights)) for title, frame in merged.items()}
