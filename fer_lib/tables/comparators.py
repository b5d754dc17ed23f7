"""The tables of the comparators: liu2023's Table 3 measured, FER-2013, GENKI-4K and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.experiments import protocols
from fer_lib.tables.base import Table
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, interval, p_value, percent, points
from fer_lib.tables.liu2023 import PAIRED_NOTE, SUBJECT_NOTE

if TYPE_CHECKING:
    from fer_lib.experiments.comparison_rows import Row

PAPER = "liu2023"
PRINTED = {
    "CNN+AD": "cnn_ad",
    "CSPL+SVM": "cspl_svm",
    "LBP+CNN": "lbp_cnn",
    "GB+DBNs+SAE": "gb_dbns_sae",
    "LBP/VAR+DBN": "lbp_var_dbn",
}
"""Table 3's rows, without blanks -> comparator."""
OWN_ROW = "Algorithms in this paper"
CHANCE = "at chance"
FAMILY_NOTE = (
    "Holm's p is adjusted for the comparators on the same faces. “At chance”: the comparator's interval of accuracy "
    "contains, or is below, that of the class priors; such a comparator is not counted. The brackets are not adjusted, "
    "so an interval without 0 may have a Holm's p of 0.05 or more."
)
Descriptions = Mapping[str, Mapping[str, str]]
"""A row's name -> its ``title`` and its ``weights``: :func:`fer_lib.experiments.comparison_scores.described`."""
STYLE_NOTE = (
    "*: in the style of the system that the paper names; `docs/decisions.md` and the table of the comparators say what "
    "was assumed. The paper does not say on which faces the numbers that it quotes were measured."
)
TERMS_NOTE = (
    "Every comparator learnt from the same faces, and answered for the same; notebook 04's own model, where it stands "
    "here, learnt from copies of them, and from FER-2013 first where its settings say so. “weights” is what a network "
    "had seen before: rows compare like with like where it is alike."
)


def sources(rows: Sequence[Row], descriptions: Descriptions, *, synthetic: bool = False) -> Table:
    """List the comparators with their source, weights, searched settings, and differences from the source."""
    cells = []
    for row in rows:
        comparator = row.create()
        cells.append(
            {
                "comparator": descriptions[row.name]["title"],
                "source": comparator.source or "–",
                "weights": descriptions[row.name]["weights"],
                "parameters": _parameters(row),
                "searched for it": comparator.tuning,
                "differs from its source": comparator.differs or "–",
            }
        )
    note = (
        "What is searched is searched inside the training faces alone; all other settings are those of the source or "
        "of this project."
    )
    return Table(pd.DataFrame(cells).drop_duplicates(), "The comparators", synthetic, (note,))


def table3(
    scores: pd.DataFrame,
    differences: pd.DataFrame,
    descriptions: Descriptions,
    *,
    reference: str,
    tested: pd.DataFrame | None = None,
    leaders: pd.DataFrame | None = None,
    synthetic: bool = False,
    notes: Sequence[str] = (),
) -> Table:
    """Build liu2023's Table 3 as published, measured with frames at random, and measured with subjects apart.

    Args:
        scores: ``protocol_scores.scores`` of all comparators; ``classifier`` is a row's name.
        differences: ``comparison_scores.against``.
        descriptions: the rows' titles and weights.
        reference: the row that all others are compared with.
        tested: ``comparison_scores.tested``; None in results of earlier versions.
        leaders: ``comparison_scores.leaders``, likewise.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    printed = published.printed_table(PAPER, "Table 3").set_index("row")["Accuracy"]
    by_system = {PRINTED[name.replace(" ", "")]: name for name in printed.index if name != OWN_ROW}
    names = list(scores["classifier"].unique())
    own = protocols.OWN if protocols.OWN in names else reference
    kinds = list(dict.fromkeys(zip(scores["protocol"], scores["separation"], strict=True)))
    strict = kinds[-1]  # the strictest separation is the last
    rows = []
    for name in _in_order(names, own, by_system):
        said = OWN_ROW if name == own else by_system.get(name)
        row: dict[str, Any] = {"comparator": descriptions[name]["title"], "published": printed[said] if said else "–"}
        for protocol, separation in kinds:
            found = _one(scores, classifier=name, protocol=protocol, separation=separation)
            row[column(protocol, separation)] = percent(found.accuracy, found.low, found.high)
        if name == reference:
            row |= {"minus the reference (points)": "reference", "Holm's p": "–"}
        else:
            against = _one(differences, classifier=name, protocol=strict[0], separation=strict[1])
            row["minus the reference (points)"] = points(against.difference, against.low, against.high)
            row["Holm's p"] = _holm(against)
        rows.append({**row, "weights": descriptions[name]["weights"]})
    said = (
        f"Accuracy in per cent over all draws{_drawn(scores, tested)}. {SUBJECT_NOTE} The last differences are of "
        f"“{column(*strict)}”, each comparator minus {descriptions[reference]['title']}, face by face. {FAMILY_NOTE}"
    )
    return Table(
        pd.DataFrame(rows),
        f"liu2023, Table 3, measured: every comparator on the same faces{_strictest(tested)}",
        synthetic,
        (said, *leader_note(leaders, "CK+", descriptions), STYLE_NOTE, TERMS_NOTE, *notes),
    )


def paired(differences: pd.DataFrame, descriptions: Descriptions, *, reference: str, synthetic: bool = False) -> Table:
    """Subtract the reference's accuracy from each comparator's, in every protocol and separation.

    Args:
        differences: ``comparison_scores.against``.
        descriptions: the rows' titles and weights.
        reference: the row that all others are compared with.
        synthetic: whether the faces were generated.
    """
    rows = [
        {
            "comparator": descriptions[row.classifier]["title"],
            "test faces": column(row.protocol, row.separation),
            "minus the reference (points)": points(row.difference, row.low, row.high),
            "of single draws": f"{points(row.difference_min)} to {points(row.difference_max)} ({row.draws})",
            "right only by it": row.only_first,
            "right only by the reference": row.only_second,
            "p": p_value(row.p_value),
            "Holm's p": _holm(row),
        }
        for row in differences.itertuples()
    ]
    said = f"The reference is {descriptions[reference]['title']}. {SUBJECT_NOTE} {PAIRED_NOTE} {FAMILY_NOTE}"
    return Table(pd.DataFrame(rows), "Each comparator against the reference, face by face", synthetic, (said,))


def equal_terms(scores: pd.DataFrame, descriptions: Descriptions, *, synthetic: bool = False) -> Table:
    """Build the table of the comparators that all learnt FER-2013 first, by one recipe and in one budget.

    Args:
        scores: ``comparison_scores.equal_terms``; empty if no row learnt FER-2013 first.
        descriptions: the rows' titles and weights.
        synthetic: whether the faces were generated.
    """
    title = "On equal terms: every network learnt FER-2013 from nothing, then CK+"
    if scores.empty:
        return Table(pd.DataFrame(), title, synthetic, ("No row of this run learns FER-2013 first.",))
    kinds = list(dict.fromkeys(zip(scores["protocol"], scores["separation"], strict=True)))
    reference, rows = scores["reference"].iloc[0], []
    for name in scores["classifier"].unique():
        strict = _one(scores, classifier=name, protocol=kinds[-1][0], separation=kinds[-1][1])
        row: dict[str, Any] = {
            "comparator": descriptions[name]["title"],
            "FER-2013, before (%)": percent(strict.fer2013),
        }
        for protocol, separation in kinds:
            found = _one(scores, classifier=name, protocol=protocol, separation=separation)
            row[f"CK+, {column(protocol, separation)} (%)"] = percent(found.accuracy, found.low, found.high)
        gap = points(strict.difference, strict.difference_low, strict.difference_high)
        row["minus the reference (points)"] = "reference" if name == reference else gap
        rows.append({**row, "Holm's p": p_value(strict.holm), "learnt before": descriptions[name]["weights"]})
    said = (
        "All start from random weights and see the same faces, in the same number of epochs, by the same recipe; "
        "ResNet-50 under the SVM and SoftMax is the one of “all layers trained” before CK+, frozen. VGG-16, which has "
        "no batch norms, learns FER-2013 at a tenth of the others' rate; LBP + CNN has a training of its own and "
        "searches its epochs. “FER-2013, before” "
        f"is the accuracy on FER-2013's test faces at that moment. {SUBJECT_NOTE} The last differences are of "
        f"“{column(*kinds[-1])}”, against {descriptions[reference]['title']}; Holm's p: adjusted for this table."
    )
    return Table(pd.DataFrame(rows), title, synthetic, (said,))


def controlled(rows: pd.DataFrame, descriptions: Descriptions, *, synthetic: bool = False) -> Table:
    """Build the table of each network against the same one without self-attention.

    Args:
        rows: ``comparison_scores.controlled``.
        descriptions: the rows' titles and weights.
        synthetic: whether the faces were generated.
    """
    cells = [
        {
            "network": descriptions[row.system]["title"],
            "control": descriptions[row.control]["title"],
            "test faces": f"{row.corpus}, {column(row.protocol, row.separation)}" if row.protocol else row.corpus,
            "network minus control (points)": points(row.difference, row.low, row.high),
            "right only by the network": row.only_first,
            "right only by the control": row.only_second,
            "p": p_value(row.p_value),
            "weights": descriptions[row.system]["weights"],
        }
        for row in rows.itertuples()
    ]
    said = (
        "A control is the same network without its attention block: the same faces, epochs, scaling, recipe and seed, "
        "and the same initial weights of all other layers. One seed: a difference also contains what another order of "
        "the faces would change. p: on CK+ each person's answers exchanged as a block, on FER-2013 McNemar's; both "
        "two-sided, exact and not adjusted."
    )
    return Table(pd.DataFrame(cells), "chen2023's announced self-attention against its control", synthetic, (said,))


def leader_note(leaders: pd.DataFrame | None, corpus: str, descriptions: Descriptions) -> tuple[str, ...]:
    """Say who leads on a corpus and by how much against the runner-up; no note if there is no such row.

    Args:
        leaders: ``comparison_scores.leaders``; None in results of earlier versions.
        corpus: ``"CK+"`` or ``"FER-2013"``.
        descriptions: the rows' titles.
    """
    if leaders is None:
        return ()
    notes = []
    for row in leaders[leaders["corpus"] == corpus].itertuples():
        first, second = (descriptions[name]["title"] for name in (row.leader, row.runner_up))
        said = "leads" if row.p_value < 0.05 else "has the highest accuracy, but a lead is not shown"
        gap = points(row.difference, row.low, row.high)
        notes.append(f"{first} {said}; minus the second, {second}, {gap} points, p {p_value(row.p_value)}.")
    return tuple(notes)


def fer2013(
    scores: pd.DataFrame,
    descriptions: Descriptions,
    *,
    reference: str,
    missing: Mapping[str, str] | None = None,
    leaders: pd.DataFrame | None = None,
    synthetic: bool = False,
    notes: Sequence[str] = (),
) -> Table:
    """Build the table of both accuracies of each comparator on FER-2013's test faces.

    Args:
        scores: ``comparison_scores.whole_scores``.
        descriptions: the rows' titles and weights.
        reference: the row that all others are compared with.
        missing: name of a row that could not be measured -> the reason, as a sentence.
        leaders: ``comparison_scores.leaders``; None in results of earlier versions.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    rows = [
        {
            "comparator": descriptions[row["system"]]["title"],
            "categorical accuracy (%)": _bounded(row, "categorical_accuracy"),
            "binary accuracy (%)": _bounded(row, "binary_accuracy"),
            "macro F1 (%)": _bounded(row, "macro_f1"),
            "minus the reference (points)": "reference"
            if row["system"] == reference
            else points(row["difference"], row["difference_low"], row["difference_high"]),
            "Holm's p": CHANCE if row.get("at_chance") else p_value(row["holm"]),
            "weights": descriptions[row["system"]]["weights"],
        }
        for row in scores.to_dict("records")
    ]
    said = (
        "In brackets: 95 % intervals, Wilson's for the categorical accuracy, else a bootstrap over faces; that of a "
        "difference contains McNemar's exact test. Holm's p: McNemar's p of the categorical accuracy. "
        f"{FAMILY_NOTE} Binary accuracy is "
        "Keras' name for the share of right yes/no decisions “output > 0.5”; an SVM's outputs are a softmax of its "
        "decision values and no calibrated probabilities."
    )
    absent = [
        f"{descriptions[name]['title']} is not measured: {sentence}" for name, sentence in (missing or {}).items()
    ]
    heading = "Every comparator that was trained on FER-2013, on its test faces"
    first = leader_note(leaders, "FER-2013", descriptions)
    return Table(pd.DataFrame(rows), heading, synthetic, (said, *first, *absent, *notes))


def smiles(rows: pd.DataFrame, descriptions: Descriptions, *, synthetic: bool = False) -> Table:
    """Score the comparators trained on FER-2013 on GENKI-4K's smiles, by their outputs for happy.

    Args:
        rows: ``evaluation.smiles.smile_rows``; ``model`` is a row's name; empty without GENKI-4K.
        descriptions: the rows' titles and weights.
        synthetic: whether the photos were generated.
    """
    shown = rows[rows["group"] == "all"] if len(rows) else rows
    frame = pd.DataFrame(
        {
            "comparator": [descriptions[name]["title"] for name in shown["model"]],
            "photos": shown["photos"].to_numpy(),
            "accuracy (%)": [percent(row.accuracy, row.accuracy_low, row.accuracy_high) for row in shown.itertuples()],
            "area under the ROC curve": [interval(row.auc, row.auc_low, row.auc_high) for row in shown.itertuples()],
        }
    )
    said = (
        "Smile: happy is the first choice; the curve goes by how far happy is ahead of the best other expression. In "
        "brackets: 95 % intervals over photos."
    )
    return Table(frame, "The comparators that learnt FER-2013, on GENKI-4K: smile or not", synthetic, (said,))


def sizes(costs: Mapping[str, pd.DataFrame], descriptions: Descriptions, *, synthetic: bool = False) -> Table:
    """Build the table of depth, parameters, multiply-adds and memory, counted in the fitted models.

    Args:
        costs: name of a corpus -> ``comparison_scores.mean_costs``.
        descriptions: the rows' titles and weights.
        synthetic: whether the faces were generated.
    """
    rows = [
        {
            "corpus": corpus,
            "comparator": descriptions[row.system]["title"],
            "depth": f"{row.depth:,.0f}",
            "parameters": f"{row.parameters:,.0f}",
            "multiply-adds a face (million)": f"{row.multiply_adds / 1e6:,.2f}",
            "weights (MB)": f"{row.weight_bytes / 1e6:,.2f}",
            "activations a face (MB)": f"{row.activation_bytes / 1e6:,.2f}",
        }
        for corpus, frame in costs.items()
        for row in frame.itertuples()
        if row.parameters
    ]
    said = (
        "Counted in the fitted models (`fer_lib/models/costs.py`), the mean of all trainings, in float32; a network's "
        "counts are the same on every machine. Depth: layers with weights on the longest way; an SVM or softmax "
        "regression, with its projection, counts as one. Parameters include moving averages and support vectors. "
        "Activations: the outputs of all layers for one face, which a step of training may keep. The computation of "
        "patterns or Gabor energies is not counted; the times are in the table of costs."
    )
    return Table(
        pd.DataFrame(rows), "Depth, parameters, multiply-adds and memory of the comparators", synthetic, (said,)
    )


def costs(costs: Mapping[str, pd.DataFrame], descriptions: Descriptions, *, synthetic: bool = False) -> Table:
    """Build the table of training times and of faces classified per second.

    Args:
        costs: name of a corpus -> ``comparison_scores.mean_costs``.
        descriptions: the rows' titles and weights.
        synthetic: whether the faces were generated.
    """
    rows = [
        {
            "corpus": corpus,
            "comparator": descriptions[row.system]["title"],
            "training faces": "–" if np.isnan(row.train_faces) else f"{row.train_faces:,.0f}",
            "training (seconds)": "–" if np.isnan(row.train_seconds) else f"{row.train_seconds:,.1f}",
            "faces answered in a second": f"{row.faces_a_second:,.0f}",
        }
        for corpus, frame in costs.items()
        for row in frame.itertuples()
    ]
    said = (
        "Measured where this was run, among whatever else ran there: the mean of all trainings; their order says more "
        "than the seconds. A comparator that learnt FER-2013 first took the seconds of that training besides."
    )
    if any(frame["train_faces"].isna().any() for frame in costs.values()):
        said += " –: it is used as it comes, and learns nothing."
    return Table(pd.DataFrame(rows), "What the comparators cost", synthetic, (said,))


def _drawn(scores: pd.DataFrame, tested: pd.DataFrame | None) -> str:
    """Say how many draws, test faces and people are behind each column."""
    if tested is None:
        drawn = scores.groupby("protocol", sort=False)["draws"].max()
        return f" ({', '.join(f'{PROTOCOLS.get(protocol, protocol)}: {count}' for protocol, count in drawn.items())})"
    counts = [
        f"“{column(row.protocol, row.separation)}”: {_counted(row.draws, 'draw')}"
        + (f" of {row.folds // row.draws} folds" if row.folds > row.draws else "")
        + f", {row.answers:,} answers about {row.faces:,} test faces of {_counted(row.subjects, 'person', 'people')}"
        for row in tested.itertuples()
    ]
    return f" ({'; '.join(counts)})"


def _strictest(tested: pd.DataFrame | None) -> str:
    """Say in a title how many faces and people the last column tests."""
    if tested is None:
        return ""
    last = list(tested.itertuples())[-1]
    said = f"{_counted(last.draws, 'draw')}, {last.faces:,} test faces of {_counted(last.subjects, 'person', 'people')}"
    return f" ({column(last.protocol, last.separation)}: {said})"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _in_order(names: Sequence[str], own: str, by_system: Mapping[str, str]) -> list[str]:
    """Sort names: first those of Table 3 in its order, then the others in their own."""
    first = [name for name in (*by_system, own) if name in names]
    return [*first, *(name for name in names if name not in first)]


def _parameters(row: Row) -> str:
    shown = {key: value for key, value in row.parameters.items() if key not in ("seed", "weights", "path")}
    return ", ".join(f"{key}: {value}" for key, value in shown.items()) or "–"


def column(protocol: str, separation: str) -> str:
    """Name the column of a protocol and separation, such as ``"subjects apart"``."""
    kind = SEPARATIONS[separation]
    return kind if protocol == protocols.PER_CLASS else f"{kind}, folds"


def _holm(row: Any) -> str:
    """Format Holm's p of a comparison, or say that the comparator is at chance."""
    return CHANCE if getattr(row, "at_chance", False) is True else p_value(row.holm)


def _one(frame: pd.DataFrame, **where: str) -> Any:
    found = frame[np.logical_and.reduce([frame[key] == value for key, value in where.items()])]
    return next(found.itertuples())


def _bounded(row: Mapping[str, Any], metric: str) -> str:
    return percent(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
