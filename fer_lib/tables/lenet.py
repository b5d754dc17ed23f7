"""The tables of liu2023's LeNet study (sections 2.2 and 3.2): printed next to measured values.

Errors are in per cent, as the paper prints them. Round brackets contain the smallest and the largest of several
trainings. The frames are those of :mod:`fer_lib.experiments.lenet_study`. Functions return a table; none writes or
shows one.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from fer_lib import published
from fer_lib.datasets.catalog import TITLES
from fer_lib.settings import LeNetSettings
from fer_lib.tables.base import Table
from fer_lib.tables.format import feature_maps, setting_name

PAPER = "liu2023"
TUTORIAL = (
    "train_CNN_olivettifaces.py of github.com/wepe/MachineLearning, in “DeepLearning Tutorials/FaceRecognition_CNN"
    "(olivettifaces)”, which its author describes at blog.csdn.net/u012162613/article/details/43277187"
)
TRAINING = ["corpus", "order", "learning_rate", "batch_size", "n_kerns", "seed"]  # identifies a training
STUDY_NOTE = (
    "Errors in per cent at the best validation error of each training: the median of the seeds (smallest to largest). "
    "At chance: trainings whose best validation error is within one face of guessing, 39/40 = 97.5 % for the forty "
    "people of the Olivetti faces, 6/7 = 85.7 % for seven expressions and 5/6 = 83.3 % for six."
)
ORDER_NOTE = (
    "Table 4 names the test error first and Table 5 the validation error; for the row that both print (n-kerns "
    "[20,50], batch size 56, learning rate 0.05) 2.5 and 5 stand in opposite order. Of forty faces, one is 2.5 %."
)
TUTORIAL_NOTE = (
    f"The program is {TUTORIAL}. Validation error / test error in per cent / epoch. “Within”: at the lowest validation "
    "error, which the program reports. “After”: at the last epoch. Only Table 5 prints epochs, and section 3.2.2 no "
    "test error. The program always starts from the same weights; numbers differ between "
    "arithmetics because rounding decides about single faces. Unturned: the filters are not turned by 180 degrees, "
    "unlike Theano's."
)


def table2(settings: LeNetSettings) -> Table:
    """Build liu2023's Table 2: the printed hyper-parameters next to the settings of the LeNet."""
    printed = published.printed_table(PAPER, "Table 2").set_index("row")
    used = {
        "Batch size": str(settings.batch_size),
        "epoch": str(settings.n_epochs),
        "Learning-rate": f"{settings.learning_rate:g}",
        "Pool-size": "({},{})".format(*settings.pool_size),
        "n-kerns": feature_maps(settings.n_kerns),
    }
    rows = [
        {"Hyper-parameters": name, "printed": printed.loc[name, name], "used": used[name]} for name in printed.index
    ]
    note = (
        "Section 3.2.3 speaks of 200 epochs at most, Table 2 of 50; training may stop earlier, and Table 5 prints 36, "
        "46 and 38. The table does not say whether it is of the LeNet or of ResNet-50; its rows are those of the LeNet."
    )
    return Table(pd.DataFrame(rows), "liu2023, Table 2: hyper-parameters", notes=(note,))


def table4(summary: pd.DataFrame | None, *, synthetic: bool = False) -> Table:
    """Build liu2023's Table 4: the LeNet's errors with different learning rates, printed and measured.

    Args:
        summary: ``lenet_study.summary`` of one or several corpora: ``corpus``, ``sweep``, ``order``,
            ``learning_rate``, ``batch_size``, ``n_kerns``, ``runs``; ``validation``, ``test`` (per cent) and ``epoch``,
            each also with ``_min`` and ``_max``; ``at_chance``. None if nothing has been measured yet.
        synthetic: whether the faces were generated.
    """
    printed = published.printed_table(PAPER, "Table 4").set_index("Learning-rate")
    rows = _study_rows(printed, summary, sweep="learning_rate", head="Learning-rate", test_first=True)
    title = "liu2023, Table 4: the LeNet's errors with different learning rates"
    return Table(rows, title, synthetic, (STUDY_NOTE, ORDER_NOTE))


def table5(summary: pd.DataFrame | None, *, synthetic: bool = False) -> Table:
    """Build liu2023's Table 5: the LeNet's errors with different numbers of feature maps; see :func:`table4`."""
    printed = published.printed_table(PAPER, "Table 5").set_index("n-kerns")
    rows = _study_rows(printed, summary, sweep="n_kerns", head="n-kerns")
    title = "liu2023, Table 5: the LeNet's errors with different numbers of feature maps"
    return Table(rows, title, synthetic, (STUDY_NOTE, ORDER_NOTE))


def batch_sizes(summary: pd.DataFrame | None, *, synthetic: bool = False) -> Table:
    """Build the table of section 3.2.2's errors with different batch sizes; see :func:`table4`."""
    statements = published.load(PAPER).set_index("id")["value"]
    stuck = statements["section322-validation-error"]
    tried = [
        statements[name] for name in statements.index if name.startswith("section322-batch-") and name[-1].isdigit()
    ]
    printed = pd.DataFrame([{"Validation error": stuck, "Test error": "–"} for _ in tried], index=tried)
    chosen = {
        f"{part} error": " and ".join(
            f"{statements[f'{row}-{part.lower()}-error']} (Table {row[5]})" for row in ("table4-row3", "table5-row1")
        )
        for part in ("Validation", "Test")
    }
    printed.loc[statements["section322-batch-size"]] = chosen
    rows = _study_rows(printed, summary, sweep="batch_size", head="Batch size")
    title = "liu2023, section 3.2.2: the LeNet's errors with different batch sizes"
    said = (
        "The paper explains the error that does not drop by the order of the faces: ten of each class in a row. It "
        "prints 56 training faces of each class elsewhere. The Olivetti faces are ten of each of forty people."
    )
    return Table(rows, title, synthetic, (STUDY_NOTE, said))


def tutorial(rows: pd.DataFrame | None, *, synthetic: bool = False) -> Table:
    """Build the table of the tutorial program's own errors next to the printed ones.

    Args:
        rows: of :func:`fer_lib.experiments.lenet_hypothesis.own_against_printed`; None if it was not run.
        synthetic: whether the faces were generated.
    """
    title = "liu2023, section 3.2: the tutorial program from its own initial weights"
    if rows is None:
        left_out = "Not run: it needs the Olivetti faces, and the profile smoke leaves it out."
        return Table(pd.DataFrame(), title, synthetic, (left_out,))
    cells = []
    for (place, setting, arithmetic), own in rows.groupby(["place", "setting", "arithmetic"], sort=False):
        first = own.iloc[0]
        printed = (first["printed_validation"], first["printed_test"], first["printed_epoch"])
        row = {"place": place, "setting": setting, "printed": _triple(*printed), "arithmetic": arithmetic}
        row |= {
            f"within {each['within']} epochs": _triple(each["validation"], each["test"], each["best_epoch"])
            for each in own.to_dict("records")
        }
        if "last_epoch" in own:  # results of earlier versions lack it
            ends = (own.iloc[0][f"last_{each}"] for each in ("validation", "test", "epoch"))
            row[f"after {own.iloc[0]['within']} epochs"] = _triple(*ends)
        cells.append({**row, "equal": _equal(own)})
    return Table(pd.DataFrame(cells), title, synthetic, (TUTORIAL_NOTE,))


def paragraphs(settings: LeNetSettings, *, results: pd.DataFrame | None = None, synthetic: bool = False) -> Table:
    """Compare the sentences of sections 3.2.3 (n-epochs) and 3.2.5 (pool-size) with the code.

    Args:
        settings: of the LeNet.
        results: the results of ``lenet_study.run``; None if not measured yet.
        synthetic: whether the faces were generated.
    """
    if results is not None:  # a training belongs to several sweeps
        results = results.drop_duplicates(TRAINING)
    height, width = settings.pool_size
    sizes = [48]
    for _ in settings.n_kerns:
        convolved = sizes[-1] - settings.filter_size + 1
        sizes += [convolved, convolved // height]
    way = " → ".join(f"{size}×{size}" for size in sizes)
    rows = [
        ("Section 3.2.3", "“traverse the dataset at most 200 times”", f"n_epochs: {settings.n_epochs}"),
        ("Section 3.2.3", "“a control parameter that stops the program”", _stops(settings, results)),
        ("Section 3.2.3", "n-epochs “does not affect the degree of optimization”", _cut_short(results)),
        ("Section 3.2.5", "“Pool-size is set to (2,2)”", f"pool_size: ({height},{width})"),
        ("Section 3.2.5", "“max pooling 1 pixel from a 2*2 area”", f"of {height * width} values the largest is kept"),
        ("Section 3.2.5", "“The size of the face image in this example is 48*48”", f"maps after each step: {way}"),
    ]
    frame = pd.DataFrame(rows, columns=["place", "printed", "here"])
    return Table(frame, "liu2023, sections 3.2.3 and 3.2.5: n-epochs and pool-size", synthetic)


def _study_rows(
    printed: pd.DataFrame, summary: pd.DataFrame | None, *, sweep: str, head: str, test_first: bool = False
) -> pd.DataFrame:
    """Build the rows of one sweep: each value as printed, then as measured for each corpus and order.

    ``printed`` is indexed by the value and has columns ``Validation error``, ``Test error`` and perhaps ``epoch``.
    """
    errors = ("Validation", "Test")[:: -1 if test_first else 1]
    measured = pd.DataFrame(columns=["key"]) if summary is None else summary[summary["sweep"] == sweep]
    measured = measured.assign(key=[setting_name(value) for value in measured[sweep]] if len(measured) else [])
    rows = []
    for key in dict.fromkeys([*printed.index, *measured["key"]]):
        if key in printed.index:
            cells = printed.loc[key]
            row = {head: key, "numbers": "printed", **{f"{name} error (%)": cells[f"{name} error"] for name in errors}}
            rows.append({**row, "epoch": cells.get("epoch", "–"), "at chance": "–"})
        for found in measured[measured["key"] == key].itertuples():
            row = {head: key, "numbers": _source(found, sweep)}
            row |= {f"{name} error (%)": _spread(found, name.lower(), ".1f") for name in errors}
            chance = f"{round(found.at_chance * found.runs)} of {found.runs}"
            rows.append({**row, "epoch": _spread(found, "epoch", ".0f"), "at chance": chance})
        if summary is None:
            row = {head: key, "numbers": "not measured yet", **{f"{name} error (%)": "–" for name in errors}}
            rows.append({**row, "epoch": "–", "at chance": "–"})
    return pd.DataFrame(rows)


def _triple(validation: float, test: float, epoch: float) -> str:
    """Format two errors and an epoch; a missing one is a dash."""
    return " / ".join("–" if pd.isna(value) else f"{value:g}" for value in (validation, test, epoch))


def _equal(own: pd.DataFrame) -> str:
    """Name the numbers of epochs within which a row equals the printed one."""
    found = []
    readings = (
        ("as_printed", "as printed, within"),
        ("exchanged", "with Table 4's headings exchanged, within"),
        ("last_as_printed", "as printed, after"),
    )
    for name, words in readings:
        epochs = " and ".join(str(each) for each in own.loc[own[name], "within"]) if name in own else ""
        found += [f"{words} {epochs}"] if epochs else []
    return "; ".join(found) or "no"


def _source(found: Any, sweep: str) -> str:
    """Name a measured row's corpus and order, and its batch size if it is neither the paper's nor the sweep."""
    words = [TITLES.get(found.corpus, found.corpus), found.order]
    if sweep != "batch_size" and found.batch_size != 56:
        words.append(f"batch {found.batch_size}")
    return ", ".join(words)


def _spread(found: Any, name: str, form: str) -> str:
    """Format the median over seeds with the range, or the value of a single seed."""
    median, low, high = (format(getattr(found, f"{name}{ending}"), form) for ending in ("", "_min", "_max"))
    return median if found.runs == 1 else f"{median} ({low} to {high})"


def _stops(settings: LeNetSettings, results: pd.DataFrame | None) -> str:
    if results is None:
        rule = (
            f"patience, from {settings.patience} steps on, may stop it earlier"
            if settings.patience
            else "it alone does"
        )
        return f"{rule}; not measured yet"
    counts = results["stopped"].value_counts()
    parts = [f"{count} of {len(results)} by {name}" for name, count in counts.items()]
    return f"trainings stopped: {', '.join(parts)}"


def _cut_short(results: pd.DataFrame | None) -> str:
    if results is None:
        return "not measured yet"
    cut = results[results["stopped"] == "n_epochs"]
    late = int((cut["best_epoch"] > 0.9 * cut["epochs"]).sum())
    return f"of {len(cut)} trainings that it ended, {late} had their best validation error in the last tenth"
