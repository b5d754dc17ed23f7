"""Test hypothesis H3: liu2023's Tables 4 and 5 (section 3.2) come from forty classes, such as forty people's faces.

The errors that the paper prints are compared with those that :mod:`fer_lib.experiments.lenet_study` measures from
several initial weights on each corpus. This module trains nothing; ``results`` comes from
:func:`fer_lib.experiments.lenet_study.run`.
"""

from __future__ import annotations

import math
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
# maps a part of the held-out faces to the columns of its error and of the number of its faces
MEASURED = {"validation": ("best_validation_error", "validation_faces"), "test": ("test_error", "test_faces")}

PRINTED = ["place", "sweep", "setting", "part", "printed"]
COLUMNS = [
    *PRINTED, "corpus", "order", "batch_size", "runs", "min", "median", "max",
    *(f"{name}{ending}" for name in ("at_or_below", "at_or_above") for ending in ("", "_share", "_low", "_high")),
    "measured", "inside", "faces", "reachable", "chance", "verdict",
]  # fmt: skip
DRAWS = 10_000
OWN_COLUMNS = ["place", "setting", "printed_validation", "printed_test", "printed_epoch", "arithmetic", "within"]
OWN_COLUMNS += ["validation", "test", "best_epoch", "as_printed", "exchanged"]
OWN_COLUMNS += ["last_epoch", "last_validation", "last_test", "last_as_printed"]


def printed_errors() -> pd.DataFrame:
    """List every error that the study's tables and section 3.2.2 print, one row each, in per cent.

    Columns: ``place`` (table and row, or section), ``sweep`` (of :func:`fer_lib.experiments.lenet_study.rows`),
    ``setting`` (the value that the row sweeps) and ``printed``, both strings as printed, and ``part``
    (``"validation"`` or ``"test"``). Section 3.2.2 gives 97.5 % for five batch sizes, so it has five rows.
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
    """Compare each printed error with the trainings of its row, for each corpus and order of the faces.

    Rows that the study did not train are left out; a profile may skip batch sizes.

    Args:
        results: one row per training: ``corpus``, ``sweep``, ``order``, the configuration, ``seed``,
            ``best_validation_error``, ``test_error`` (fractions), ``validation_faces``, ``test_faces``, ``classes``.

    Returns:
        The columns of :func:`printed_errors`; ``corpus``, ``order``, ``batch_size`` (of the trainings) and ``runs``;
        the measured errors' ``min``, ``median`` and ``max``, in per cent; how many runs are ``at_or_below`` and
        ``at_or_above`` the printed error, at its precision, each also with its ``_share`` and the share's 95 % Wilson
        interval, ``_low`` and ``_high``; ``measured``: how many runs have exactly this error; ``inside``: whether it
        lies within the runs' range; ``faces``; ``reachable``: whether some number of wrong faces rounds to it;
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


def own_against_printed(results: pd.DataFrame, histories: pd.DataFrame) -> pd.DataFrame:
    """Compare the tutorial program's own results with what Tables 4 and 5 and section 3.2.2 print.

    Args:
        results: of :func:`fer_lib.experiments.lenet_tutorial.run`.
        histories: of the same call.

    Returns:
        One row for each printed row, arithmetic and number of epochs: ``place``, ``setting``; ``printed_validation``,
        ``printed_test`` (per cent; missing in section 3.2.2) and ``printed_epoch`` (missing but in Table 5);
        ``arithmetic``, ``within``, ``validation``, ``test``, ``best_epoch``; ``as_printed``: whether all that is
        printed is equal; ``exchanged``: whether both errors of Table 4 are equal if its headings are exchanged;
        ``last_epoch``: the last epoch that the training has within that number, ``last_validation`` and ``last_test``
        there, and ``last_as_printed``: whether both errors of Table 4 are equal there. Table 5 prints the epoch of its
        errors, so that they are of the best one.
    """
    found = []
    trained = ["arithmetic", "learning_rate", "batch_size", "n_kerns"]
    runs = dict(iter(histories.groupby(trained)))
    for place, sweep, setting, said, epoch in _printed_rows():
        own = results[results["sweep"] == sweep]
        for row in own[own[sweep].map(_setting) == setting].to_dict("records"):
            pair = [row["validation"], row["test"]]
            history = runs[tuple(row[name] for name in trained)]
            last = history[history["epoch"] <= row["within"]].iloc[-1]
            ends = [last["validation"], last["test"]]
            told = [part for part, value in said.items() if not math.isnan(value)]
            same = np.allclose([row[part] for part in told], [said[part] for part in told], rtol=0, atol=1e-6)
            found.append(
                {
                    "place": place,
                    "setting": setting,
                    **{f"printed_{part}": value for part, value in said.items()},
                    "printed_epoch": epoch,
                    **{name: row[name] for name in ("arithmetic", "within", "validation", "test", "best_epoch")},
                    "as_printed": same and (math.isnan(epoch) or epoch == row["best_epoch"]),
                    "exchanged": sweep == "learning_rate"
                    and np.allclose(pair[::-1], [*said.values()], rtol=0, atol=1e-6),
                    **dict(zip(("last_epoch", "last_validation", "last_test"), [last["epoch"], *ends], strict=True)),
                    "last_as_printed": sweep == "learning_rate"
                    and np.allclose(ends, [*said.values()], rtol=0, atol=1e-6),
                }
            )
    return pd.DataFrame(found, columns=OWN_COLUMNS)


def _printed_rows() -> list[tuple[str, str, str, dict[str, float], float]]:
    """List the printed rows: place, sweep, setting, both errors in per cent and the epoch; what is missing is NaN."""
    rows = []
    for sweep, (table, head) in TABLES.items():
        for number, printed in enumerate(published.printed_table(PAPER, table).to_dict("records"), start=1):
            said = {"validation": float(printed["Validation error"]), "test": float(printed["Test error"])}
            epoch = float(printed["epoch"]) if "epoch" in printed else math.nan
            rows.append((f"{table}, row {number}", sweep, printed[head], said, epoch))
    for error in printed_errors().query("sweep == 'batch_size'").to_dict("records"):
        said = {"validation": float(error["printed"]), "test": math.nan}
        rows.append((error["place"], "batch_size", error["setting"], said, math.nan))
    return rows


def tally(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the printed errors that the trainings reproduce: for each corpus and order a row per part and for both.

    Columns: ``corpus``, ``order``, ``part`` (``"both"`` too), ``printed`` (number of printed errors), ``inside``
    (within the range of the trainings), ``measured`` (the error of at least one training) and ``reachable`` (possible
    with the number of held-out faces). And, if the printed errors of each part are exchanged among its rows at
    random: ``expected``, how many are inside on average, and ``as_many``, the share of draws in which as many or more
    are.

    Args:
        rows: rows from :func:`against_printed`.
    """
    found = []
    for (corpus, order), own in rows.groupby(["corpus", "order"], sort=False):
        drawn = {part: _exchanged_inside(own[own["part"] == part]) for part in MEASURED}
        drawn["both"] = np.sum(list(drawn.values()), axis=0)
        for part in (*MEASURED, "both"):
            shown = own if part == "both" else own[own["part"] == part]
            counts = {"inside": shown["inside"], "measured": shown["measured"] > 0, "reachable": shown["reachable"]}
            sums = {name: int(values.sum()) for name, values in counts.items()}
            by_chance = {"expected": drawn[part].mean(), "as_many": (drawn[part] >= sums["inside"]).mean()}
            found.append({"corpus": corpus, "order": order, "part": part, "printed": len(shown), **sums, **by_chance})
    columns = ["corpus", "order", "part", "printed", "inside", "measured", "reachable", "expected", "as_many"]
    return pd.DataFrame(found, columns=columns)


def _exchanged_inside(rows: pd.DataFrame) -> np.ndarray:
    """Count how many printed errors are inside when they are exchanged among the rows at random, (``DRAWS``,)."""
    bounds = [tuple(float(100 * bound) for bound in rounded_from(printed, "%")) for printed in rows["printed"]]
    inside = np.array(
        [[row.min <= high and row.max >= low for low, high in bounds] for row in rows.itertuples()], dtype=bool
    ).reshape(len(rows), len(rows))
    rng, places = np.random.default_rng(len(rows)), np.arange(len(rows))
    return np.array([inside[places, rng.permutation(len(rows))].sum() for _ in range(DRAWS)])


def class_runs(parts: Mapping[str, Parts]) -> pd.DataFrame:
    """Count how many faces of one class follow each other, next to section 3.2.2's "10 samples of each class".

    The first row is the paper's. Each corpus has two more: of all its faces, class by class, and of its training faces,
    in the order of the unshuffled epochs. Columns: ``of``; ``faces`` and ``classes``; ``in_a_row_min``,
    ``in_a_row_max``; ``batch_size``, of which the paper says this; ``batch_min`` and ``batch_max``: the number of
    classes in such a batch.

    Args:
        parts: parts from :func:`fer_lib.experiments.lenet_study.load_parts`.
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
    """Describe the errors of the row that Tables 4 and 5 share at their printed batch size, if another one was used.

    On the Olivetti faces, the rows of both tables are trained with the tutorial program's batch size; section 3.2.2's
    sweep also contains the printed one. The text is empty if there is no such training.
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


def printed_epochs(results: pd.DataFrame) -> str:
    """Describe where Table 5's epochs lie among the trainings' best ones; empty without trainings."""
    table, head = TABLES["n_kerns"]
    printed = published.printed_table(PAPER, table).set_index(head)["epoch"].astype(int)
    sentences = []
    for (corpus, order), own in results[results["sweep"] == "n_kerns"].groupby(["corpus", "order"], sort=False):
        epochs = own.groupby(own["n_kerns"].map(_setting))["best_epoch"]
        found = {setting: epochs.get_group(setting) for setting in printed.index if setting in epochs.groups}
        parts = [
            f"{printed[setting]} (theirs {_span(each)}; {int((each <= printed[setting]).sum())} at or below it, "
            f"{int((each >= printed[setting]).sum())} at or above it)"
            for setting, each in found.items()
        ]
        if parts:
            runs = max(len(each) for each in found.values())
            name = f"{TITLES.get(corpus, corpus)}, {order}"
            sentences.append(
                f"{table}'s epochs, and the best epochs of {runs} trainings on {name}: {', '.join(parts)}."
            )
    return " ".join(sentences)


def _setting(value: Any) -> str:
    """Format a swept value as the paper prints it: ``"0.05"``, ``"56"``, ``"[20,50]"``."""
    return value if isinstance(value, str) else f"{value:g}"


def _placed(error: Mapping[str, str], trainings: pd.DataFrame) -> dict[str, Any]:
    """Compare one printed error with the trainings of its row: the columns that :func:`against_printed` adds."""
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
        "measured": below + above - runs,  # runs that are both
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
    """Measure the lengths of runs of one label, and the number of labels in each whole batch."""
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    lengths = np.diff(starts, append=len(labels))
    batches = [len(np.unique(labels[start : start + size])) for start in range(0, len(labels) - size + 1, size)]
    counts = {"faces": len(labels), "classes": len(np.unique(labels))}
    return {**counts, **_ends("in_a_row", lengths), **_ends("batch", batches)}


def _ends(name: str, values: Sequence[int] | np.ndarray) -> dict[str, int]:
    return {f"{name}_min": int(np.min(values)), f"{name}_max": int(np.max(values))} if len(values) else {}


def _span(values: Iterable[float]) -> str:
    low, high = (f"{value:.3g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
