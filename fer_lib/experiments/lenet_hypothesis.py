"""Hypothesis H3: liu2023's Tables 4 and 5 (section 3.2) come from a set of forty classes, such as forty people's faces.

The errors that the paper prints are placed among those that :mod:`fer_lib.experiments.lenet_study` measures from
several initial weights on each corpus. Nothing here trains; ``results`` is what
:func:`fer_lib.experiments.lenet_study.run_all` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.audit.checks import reachable_counts, rounded_from
from fer_lib.datasets.catalog import TITLES
from fer_lib.evaluation import metrics

if TYPE_CHECKING:
    from fer_lib.experiments.lenet_training import Parts

PAPER = "liu2023"
TABLES = {"learning_rate": ("Table 4", "Learning-rate"), "n_kerns": ("Table 5", "n-kerns")}
# a part of the held-out faces to the columns of its error and of the number of its faces
MEASURED = {"validation": ("best_validation_error", "validation_faces"), "test": ("test_error", "test_faces")}

PRINTED = ["place", "sweep", "setting", "part", "printed"]
COLUMNS = [
    *PRINTED, "corpus", "order", "batch_size", "runs", "min", "median", "max",
    *(f"{name}{ending}" for name in ("at_or_below", "at_or_above") for ending in ("", "_share", "_low", "_high")),
    "measured", "inside", "faces", "reachable", "chance", "verdict",
]  # fmt: skip


def printed_errors() -> pd.DataFrame:
    """Returns every error that the study's tables and section 3.2.2 print, a row each, in per cent.

    Columns: ``place`` (table and row, or section), ``sweep`` (of :func:`fer_lib.experiments.lenet_study.rows`),
    ``setting`` (the value that the row sweeps) and ``printed``, both strings as printed, and ``part``
    (``"validation"`` or ``"test"``). The 97.5 % of section 3.2.2 is said of five batch sizes and stands once for each.
    """
    rows = []
    for sweep, (table, head) in TABLES.items():
        for number, row in enumerate(published.printed_table(PAPER, table).to_dict("records"), start=1):
            place = f"{table}, row {number}"
            rows += [(place, sweep, row[head], part, row[f"{part.capitalize()} error"]) for part in MEASURED]
    statements = published.load(PAPER).set_index("id")["value"]
    tried = statements[statements.index.str.fullmatch(r"section322-batch-\d+")]
    stuck = statements["section322-validation-error"]
    rows += [("Section 3.2.2", "batch_size", size, "validation", stuck) for size in tried]
    return pd.DataFrame(rows, columns=PRINTED)


def against_printed(results: pd.DataFrame) -> pd.DataFrame:
    """Returns each printed error beside the trainings of its row, for each corpus and order of the faces.

    A row that the study did not train (a profile may leave out batch sizes) is left out.

    Args:
        results: a row a training: ``corpus``, ``sweep``, ``order``, the configuration, ``seed``,
            ``best_validation_error``, ``test_error`` (fractions), ``validation_faces``, ``test_faces``, ``classes``.

    Returns:
        The columns of :func:`printed_errors`; ``corpus``, ``order``, ``batch_size`` (trained with) and ``runs``; the
        measured errors' ``min``, ``median`` and ``max``, in per cent; how many runs are ``at_or_below`` and
        ``at_or_above`` the printed error, at its precision, both also with their ``_share`` and its 95 % Wilson
        interval, ``_low`` and ``_high``; ``measured``: how many runs have the very error; ``inside``: whether it lies
        within the runs' range; ``faces``; ``reachable``: whether some count of them is printed so;
        ``chance``: the error of guessing in per cent; ``verdict``: all this in words.
    """
    groups = results.groupby(["corpus", "order", "sweep"], sort=False)
    rows = []
    for error in printed_errors().to_dict("records"):
        for (corpus, order, sweep), trainings in groups:
            here = trainings[sweep].map(_setting) == error["setting"]
            if sweep == error["sweep"] and here.any():
                rows.append({**error, "corpus": corpus, "order": order, **_placed(error, trainings[here])})
    return pd.DataFrame(rows, columns=COLUMNS)


def tally(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns, for each corpus and order, how the printed errors lie: a row for validation, for test, for both.

    Columns: ``corpus``, ``order``, ``part`` (``"both"`` too), ``printed`` (errors there are), ``inside`` (within the
    range of the trainings), ``measured`` (the error of at least one), ``reachable`` (counts of the held-out faces).

    Args:
        rows: of :func:`against_printed`.
    """
    found = []
    for (corpus, order), own in rows.groupby(["corpus", "order"], sort=False):
        for part in (*MEASURED, "both"):
            shown = own if part == "both" else own[own["part"] == part]
            counts = {"inside": shown["inside"], "measured": shown["measured"] > 0, "reachable": shown["reachable"]}
            sums = {name: int(values.sum()) for name, values in counts.items()}
            found.append({"corpus": corpus, "order": order, "part": part, "printed": len(shown), **sums})
    return pd.DataFrame(found, columns=["corpus", "order", "part", "printed", "inside", "measured", "reachable"])


def class_runs(parts: Mapping[str, Parts]) -> pd.DataFrame:
    """Returns how many faces of a class stand in a row, beside section 3.2.2's "10 samples of each class".

    A row for what the paper says, then two a corpus: of all its faces, class by class, and of those that train, in the
    order of the unshuffled epochs. Columns: ``of``; ``faces`` and ``classes``; ``in_a_row_min``, ``in_a_row_max``;
    ``batch_size``, which the paper says this of; ``batch_min`` and ``batch_max``: how many classes such a batch has.

    Args:
        parts: of :func:`fer_lib.experiments.lenet_study.load_parts`.
    """
    said = published.load(PAPER).set_index("id")["value"]
    names = ("section322-in-a-row", "section322-batch-of-two", "section322-classes")
    in_a_row, size, classes = (int(said[name]) for name in names)
    row = {"of": "the paper, section 3.2.2", "in_a_row_min": in_a_row, "in_a_row_max": in_a_row}
    rows = [{**row, "batch_min": classes, "batch_max": classes}]
    for corpus, each in parts.items():
        held = [part.labels for part in (each.training, each.validation, each.test)]
        orders = {"all faces": np.sort(np.concatenate(held)), "training": each.training.labels}
        name = TITLES.get(corpus, corpus)
        rows += [{"of": f"{name}, {which}", **_runs(labels, size)} for which, labels in orders.items()]
    counts = ["faces", "classes", "in_a_row_min", "in_a_row_max", "batch_size", "batch_min", "batch_max"]
    frame = pd.DataFrame(rows, columns=["of", *counts]).assign(batch_size=size)
    return frame.astype(dict.fromkeys(counts, "Int64"))


def printed_batch(results: pd.DataFrame) -> str:
    """Returns what the row that Tables 4 and 5 share gives with the batch size that they print, where it was not used.

    On Olivetti faces the rows of both tables are trained with the tutorial program's batch size; section 3.2.2's sweep
    has the printed one as well. Returns an empty string where there is no such training.
    """
    statements = published.load(PAPER).set_index("id")["value"]
    size, rate = statements["section324-batch-size"], statements["section324-learning-rate"]
    swept = results[(results["sweep"] == "batch_size") & (results["batch_size"].map(_setting) == size)]
    used = results[results["sweep"] == "learning_rate"].groupby("corpus")["batch_size"].first()
    sentences = []
    for (corpus, order), own in swept.groupby(["corpus", "order"], sort=False):
        if corpus not in used or _setting(used[corpus]) == size:
            continue
        spans = [f"{part} {_span(100 * own[column])} %" for part, (column, _) in MEASURED.items()]
        sentences.append(
            f"{TITLES.get(corpus, corpus)}, {order}, with the printed batches of {size} in place of "
            f"{_setting(used[corpus])}, learning rate {rate}: {', '.join(spans)}."
        )
    return " ".join(sentences)


def _setting(value: Any) -> str:
    """A swept value as the paper prints it: ``"0.05"``, ``"56"``, ``"[20,50]"``."""
    return value if isinstance(value, str) else f"{value:g}"


def _placed(error: Mapping[str, str], trainings: pd.DataFrame) -> dict[str, Any]:
    """One printed error among the trainings of its row: the columns that :func:`against_printed` adds."""
    column, held_out = MEASURED[error["part"]]
    faces = int(trainings[held_out].iloc[0])
    found = [Fraction(100 * round(share * faces), faces) for share in trainings[column]]
    low, high = (100 * bound for bound in rounded_from(error["printed"], "%"))
    below, above = sum(value <= high for value in found), sum(value >= low for value in found)
    runs, percent = len(found), np.array([float(value) for value in found])
    row = {
        "batch_size": int(trainings["batch_size"].iloc[0]),
        "runs": runs,
        "min": percent.min(),
        "median": float(np.median(percent)),
        "max": percent.max(),
        **_share("at_or_below", below, runs),
        **_share("at_or_above", above, runs),
        "measured": below + above - runs,  # those that are both
        "inside": bool(below and above),
        "faces": faces,
        "reachable": bool(reachable_counts(error["printed"], "%", faces)),
        "chance": 100 * (1 - 1 / int(trainings["classes"].iloc[0])),
    }
    return {**row, "verdict": _verdict(row)}


def _share(name: str, hits: int, runs: int) -> dict[str, float]:
    low, high = metrics.wilson(hits, runs)
    return {name: hits, f"{name}_share": hits / runs, f"{name}_low": low, f"{name}_high": high}


def _verdict(row: Mapping[str, Any]) -> str:
    runs = "the one training" if row["runs"] == 1 else f"all {row['runs']} trainings"
    if row["measured"]:
        return f"the error of {row['measured']} of {row['runs']} trainings"
    if row["inside"]:
        words = "between the trainings' errors, none of them"
    else:
        words = f"{'above' if row['at_or_below'] else 'below'} {runs}"
    return words if row["reachable"] else f"{words}; no count of {row['faces']} faces"


def _runs(labels: np.ndarray, size: int) -> dict[str, int]:
    """How long the runs of one label are, and how many labels a whole batch has, the last one left out if cut short."""
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    lengths = np.diff(starts, append=len(labels))
    batches = [len(np.unique(labels[start : start + size])) for start in range(0, len(labels) - size + 1, size)]
    counts = {"faces": len(labels), "classes": len(np.unique(labels))}
    return {**counts, **_ends("in_a_row", lengths), **_ends("batch", batches)}


def _ends(name: str, values: Sequence[int] | np.ndarray) -> dict[str, int | None]:
    return {f"{name}_min": int(np.min(values)), f"{name}_max": int(np.max(values))} if len(values) else {}


def _span(values: Iterable[float]) -> str:
    low, high = (f"{value:.3g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
