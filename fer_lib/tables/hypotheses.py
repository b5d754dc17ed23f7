"""The tables that test the audit's hypotheses; the figures are in :mod:`fer_lib.figures.hypotheses`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any

import pandas as pd

from fer_lib.datasets.catalog import TITLES
from fer_lib.tables.base import Table
from fer_lib.tables.format import UNSURE, score_cell

NEAR = 0.015  # nats around a printed loss
AS_PRINTED = "as printed"  # trainings with the paper's own settings
HALF_DIGIT = 0.00005  # the printed accuracies are rounded to four decimals
REACH_NOTE = (
    "Binary accuracy is 6/7 + (sure right - sure wrong) / 7N for N faces; sure is an output above 0.5. The printed "
    "value needs that many more faces sure and right than sure and wrong. The epochs are those of all trainings here, "
    "whatever the weights of the trunk: of training for the training loss, of validation for the others."
)
SWEEPS = {"learning_rate": "learning rate", "n_kerns": "n-kerns", "batch_size": "batch size"}
NONE_TRAINED = "No row was trained that the paper prints an error of."
SHARE_NOTE = (
    "Errors in per cent: the median of the trainings (smallest to largest). In brackets: 95 % Wilson intervals of the "
    "share of trainings. The rows do not count as independent: section 3.2.2 says its one error of five batch sizes, "
    "and Table 4's row of learning rate 0.05 and Table 5's of [20,50] are the same trainings."
)
RUNS_NOTE = (
    "Section 3.2.2 says that ten samples of each class stand in a row, so that a batch of 20 holds two classes. All "
    "faces: each corpus class by class, before it is divided."
)


def hypothesis1(
    printed: pd.DataFrame, measured: pd.DataFrame, epochs: pd.DataFrame, *, synthetic: bool = False
) -> Table:
    """Compare the three printed accuracies with those measured, and with those of all epochs near the printed losses.

    Args:
        printed: ``split``, ``loss`` and ``accuracy`` as printed, and ``faces`` of the split.
        measured: scores of the paper's own reading: ``split``, ``metric``, ``value``, ``low`` and ``high``.
        epochs: of all trainings: ``training`` (such as ``"seed0"``, or ``"trunk_scaling_seed0"`` of a variant),
            ``part``, ``loss``, ``binary_accuracy`` and ``categorical_accuracy``.
        synthetic: whether the faces were generated.
    """
    found = measured.set_index(["split", "metric"])
    rows = []
    for row in printed.itertuples():
        part = "training" if row.split == "training" else "validation"
        near = epochs[(epochs["part"] == part) & ((epochs["loss"] - row.loss).abs() <= NEAR)]
        excess = [7 * row.faces * (row.accuracy + half - UNSURE) for half in (-HALF_DIGIT, HALF_DIGIT)]
        key = (row.split, "binary_accuracy")
        own = found.loc[key] if key in found.index else None
        rows.append(
            {
                "split": row.split,
                "loss, printed": f"{row.loss:.2f}",
                "accuracy, printed": f"{row.accuracy:.4f}",
                "binary, measured": "–" if own is None else score_cell(own),
                "faces": row.faces,
                "more sure-right than sure-wrong, for the printed": f"{ceil(excess[0])} to {floor(excess[1])}",
                "measured": "–" if own is None else f"{7 * row.faces * (own['value'] - UNSURE):.0f}",
                f"epochs with this loss ± {NEAR}": len(near),
                "of the trainings": _whose(near["training"]),
                "their binary accuracy": _between(near["binary_accuracy"]),
                "their categorical accuracy": _between(near["categorical_accuracy"]),
            }
        )
    title = "Hypothesis 1: the three printed accuracies, and what would reach them"
    return Table(pd.DataFrame(rows), title, synthetic, (REACH_NOTE,))


def _whose(trainings: pd.Series) -> str:
    """Count epochs by variant, over seeds: ``"as printed 3, trunk scaling 13"``."""
    variants = trainings.astype(str).str.replace(r"_?seed\d+$", "", regex=True).replace("", AS_PRINTED)
    counts = variants.str.replace("_", " ").value_counts().sort_index()
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "–"


def hypothesis3(
    rows: pd.DataFrame, tally: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Compare each printed error of liu2023's section 3.2 with all trainings of the same settings, for each corpus.

    Args:
        rows: of :func:`fer_lib.experiments.lenet_hypothesis.against_printed`.
        tally: of :func:`fer_lib.experiments.lenet_hypothesis.tally`; each corpus and order gets a sentence under the
            table.
        synthetic: whether the faces were generated.
        notes: more sentences under the table; empty ones are left out.
    """
    cells = [
        {
            "place": row["place"],
            "setting": f"{SWEEPS[row['sweep']]} {row['setting']}",
            "error": row["part"],
            "printed (%)": row["printed"],
            "trained on": f"{TITLES.get(row['corpus'], row['corpus'])}, {row['order']}, batch {row['batch_size']}",
            "measured (%)": f"{row['median']:.1f} ({row['min']:.1f} to {row['max']:.1f})",
            "at or below the printed": _share(row, "at_or_below"),
            "at or above it": _share(row, "at_or_above"),
            "the printed error is": row["verdict"],
        }
        for row in rows.to_dict("records")
    ]
    title = "Hypothesis 3: the printed errors of Tables 4 and 5 and of section 3.2.2 among the trainings"
    said = [
        sentence for sentence in (SHARE_NOTE if cells else NONE_TRAINED, *_tally_sentences(tally), *notes) if sentence
    ]
    return Table(pd.DataFrame(cells), title, synthetic, tuple(said))


def class_runs(runs: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Count the faces of a class in a row and the classes in a batch, as printed and in our corpora.

    Args:
        runs: of :func:`fer_lib.experiments.lenet_hypothesis.class_runs`.
        synthetic: whether the faces were generated.
    """
    batch = f"classes in a batch of {runs['batch_size'].iloc[0]}"
    spans = {
        name: [_span(*ends) for ends in zip(runs[f"{name}_min"], runs[f"{name}_max"], strict=True)]
        for name in ("in_a_row", "batch")
    }
    frame = pd.DataFrame(
        {
            "order of": runs["of"],
            "faces": [_count(count) for count in runs["faces"]],
            "classes": [_count(count) for count in runs["classes"]],
            "of a class in a row": spans["in_a_row"],
            batch: spans["batch"],
        }
    )
    return Table(frame, "liu2023, section 3.2.2: faces of a class in a row", synthetic, (RUNS_NOTE,))


def _tally_sentences(tally: pd.DataFrame) -> list[str]:
    """Summarise the comparison with the printed errors in one sentence for each corpus and order."""
    sentences = []
    for (corpus, order), own in tally.groupby(["corpus", "order"], sort=False):
        counts = own.set_index("part")
        both = counts.loc["both"]
        parts = [f"{row['inside']} of {row['printed']} {part}" for part, row in counts.drop("both").iterrows()]
        sentences.append(
            f"{TITLES.get(corpus, corpus)}, {order}: {both['inside']} of {both['printed']} printed errors lie within "
            f"the range of the trainings ({', '.join(parts)} errors). If the printed errors are exchanged among the "
            f"rows at random, {both['expected']:.1f} do on average, and as many or more in "
            f"{100 * both['as_many']:.3g} % of the draws. {both['reachable']} of {both['printed']} are counts of the "
            "held-out faces at the printed precision."
        )
    return sentences


def _between(values: pd.Series) -> str:
    return "–" if values.empty else f"{values.min():.4f} to {values.max():.4f}"


def _share(row: Mapping[str, Any], name: str) -> str:
    low, high = 100 * row[f"{name}_low"], 100 * row[f"{name}_high"]
    return f"{row[name]} of {row['runs']} [{low:.0f}, {high:.0f} %]"


def _count(value: Any) -> str:
    return "–" if pd.isna(value) else f"{value:,}"


def _span(low: Any, high: Any) -> str:
    return _count(low) if pd.isna(low) or low == high else f"{_count(low)} to {_count(high)}"
