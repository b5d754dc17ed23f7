"""The tables of chen2023, printed next to measured values. Functions return a table; none writes or shows one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fer_lib import published
from fer_lib.settings import settings_dict
from fer_lib.tables import base
from fer_lib.tables.base import Table
from fer_lib.tables.format import MODEL_NAMES, SCORE_NAMES, score_cell

SPLITS = ("training", "validation", "testing")
# key -> place, claim, and the printed value if there is one
CLAIMS: dict[str, tuple[str, str, str | None]] = {
    "accuracy": ("Abstract; section 4", "accuracy on the test faces", "85.71 %"),
    "above_85": ("Section 3, Figure 6", "the validation accuracy remains above 85 %", "above 85 %"),
    "than_cnn": ("Section 4", "more accurate in testing than the traditional CNN", "85.71 % against 64.20 %"),
    "no_overfitting": ("Sections 3 and 4", "no over-fitting, which the CNN shows", "85.80 % and 85.81 % (validation)"),
    "transfer": ("Sections 2.2.1 and 3", "transfer learning raises the accuracy and speeds convergence", None),
    "vanishing": ("Section 1", "little gradient vanishing", None),
    "varies": ("Section 3, Figure 5", "the validation loss varies greatly and falls on the whole", None),
}
READ = tuple(SCORE_NAMES)[:3]  # loss and both accuracies


def table1(settings: Any) -> Table:
    """Build chen2023's Table 1: the printed hyperparameters next to those of an experiment's settings."""
    printed = published.load("chen2023")
    printed = printed[printed["id"].str.startswith("table1-")].set_index("quantity")
    used = {**settings_dict(settings), "optimizer": "Adam"}
    rows = [
        {"Hyperparameter": name, "printed": printed.loc[name, "value"], "used": str(used[name])}
        for name in printed.index
    ]
    return Table(pd.DataFrame(rows), "chen2023, Table 1: hyperparameters")


def sureness(rows: Mapping[str, Mapping[str, float]], *, title: str, synthetic: bool = False) -> Table:
    """Count the faces of each part that a model is sure of (an output above 0.5), rightly and wrongly.

    Args:
        rows: name -> result of :func:`fer_lib.evaluation.metrics.sureness`.
        title: the table's title.
        synthetic: whether the faces were generated.
    """
    frame = pd.DataFrame([{"faces of": name, **values} for name, values in rows.items()])
    frame["largest_output"] = frame["largest_output"].map("{:.4f}".format)
    frame["binary_accuracy"] = frame["binary_accuracy"].map("{:.6f}".format)
    frame.columns = [name.replace("_", " ") for name in frame.columns]
    note = (
        "Binary accuracy = (C - 1)/C + (sure right - sure wrong) / (C × faces), where C is the number of classes; for "
        "seven, (C - 1)/C = 6/7 = 0.857143."
    )
    return Table(frame, title, synthetic, (note,))


def gradients(summary: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Show the gradient's norms in the trunk's convolutions before and after training.

    Args:
        summary: of :func:`fer_lib.experiments.gradients.summary`.
        synthetic: whether the faces were generated.
        notes: sentences under the table, such as the origin of the trunk's weights.
    """
    shown = summary.set_index("when").map("{:.3g}".format).reset_index()
    note = (
        "Norm of the loss's gradient in a convolution's kernel, divided by the norm of the kernel. First: the "
        "convolution nearest to the face; last: nearest to the output. If the gradient vanished, first / last would be "
        "near 0. Most of these layers are frozen: this is the gradient that would reach them."
    )
    title = "ResNet50 + MLP: does the gradient vanish?"
    return Table(shown, title, synthetic, (note, *notes))


def table2(
    measured: Mapping[str, pd.DataFrame],
    *,
    title: str,
    synthetic: bool = False,
    only: Sequence[str] = tuple(MODEL_NAMES),
    notes: Sequence[str] = (),
) -> Table:
    """Build chen2023's Table 2: each model as published, with measured categorical and with measured binary accuracy.

    Args:
        measured: model (a key of ``MODEL_NAMES``) -> long frame with columns ``split``, ``metric``, ``value``, ``low``,
            ``high``; a model that is missing shows only its published row.
        title: the table's title.
        synthetic: whether the faces were generated.
        only: the models to show.
        notes: sentences under the table, such as the origin of the trunk's weights.
    """
    printed = published.load("chen2023").dropna(subset=["model"])
    rows = []
    for model in only:
        name = MODEL_NAMES[model]
        cells = printed[printed["model"] == model].set_index(["split", "metric"])["value"]
        if len(cells):
            rows.append(_table2_row(name, "published", cells.to_dict(), accuracy="accuracy"))
        if model in measured:
            values = {(row.split, row.metric): score_cell(row) for row in measured[model].itertuples()}
            for kind in ("categorical", "binary"):
                rows.append(_table2_row(name, f"measured, {kind}", values, accuracy=f"{kind}_accuracy"))
        elif len(cells):
            rows.append(_table2_row(name, "not measured yet", {}, accuracy="accuracy"))
    return Table(pd.DataFrame(rows), title, synthetic, tuple(notes))


def claims(measured: Mapping[str, str], *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """List the paper's claims with the printed and the measured values, by a key of ``CLAIMS``."""
    silent = "no number printed"
    return base.claims("chen2023", CLAIMS, measured, silent=silent, synthetic=synthetic, notes=notes)


def readings(found: pd.DataFrame, *, title: str, synthetic: bool = False) -> Table:
    """Build the table of validation and test losses under other readings of how the faces were treated.

    Args:
        found: of :func:`fer_lib.experiments.loss_readings.score_all`; of several seeds one below the other, with
            ``seed``.
        title: the table's title.
        synthetic: whether the faces were generated.
    """
    means = found.groupby(["reading", "split", "metric"], sort=False)["value"].mean()
    validated = means[found["reading"].iloc[0], "validation", "loss"]  # as trained
    rows = []
    for reading in found["reading"].unique():
        cells = {(split, metric): means.get((reading, split, metric)) for split in SPLITS[1:] for metric in READ}
        tested = cells["testing", "loss"]
        rows.append(
            {
                "reading": reading,
                **{
                    f"{split} {SCORE_NAMES[metric]}": "–" if cells[split, metric] is None else f"{value:.4f}"
                    for metric in READ
                    for split in SPLITS[1:]
                    for value in [cells[split, metric]]
                },
                "its test loss minus the validation loss as trained": f"{tested - validated:+.4f}",
            }
        )
    printed = {split: published.scores("chen2023", "resnet50_mlp", "loss")[split] for split in SPLITS[1:]}
    note = (
        f"Printed: {printed['validation']} in validation and {printed['testing']} in testing, a difference of "
        f"{printed['testing'] - printed['validation']:+.2f}. Grey faces have three equal channels, so that their order "
        "changes nothing at a division by 255."
    )
    return Table(pd.DataFrame(rows), title, synthetic, (note,))


def glance(
    measured: Mapping[str, pd.DataFrame], *, title: str, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Build the short table: each model's printed and measured scores on the test faces alone.

    Args:
        measured: as for :func:`table2`.
        title: the table's title.
        synthetic: whether the faces were generated.
        notes: sentences under the table, such as the origin of the trunk's weights.
    """
    printed = published.load("chen2023").dropna(subset=["model"])
    printed = printed[printed["split"] == "testing"].set_index(["model", "metric"])["value"].to_dict()
    rows = []
    for model, name in MODEL_NAMES.items():
        cells = {}
        if model in measured:
            testing = measured[model][measured[model]["split"] == "testing"]
            cells = {row.metric: score_cell(row) for row in testing.itertuples()}
        rows.append(
            {
                "Test faces": name,
                "accuracy, printed": printed.get((model, "accuracy"), "–"),
                "categorical accuracy, measured": cells.get("categorical_accuracy", "–"),
                "binary accuracy, measured": cells.get("binary_accuracy", "–"),
                "loss, printed": printed.get((model, "loss"), "–"),
                "loss, measured": cells.get("loss", "–"),
            }
        )
    return Table(pd.DataFrame(rows), title, synthetic, tuple(notes))


def _table2_row(model: str, numbers: str, cells: Mapping[tuple[str, str], str], *, accuracy: str) -> dict[str, str]:
    row = {"Model": model, "Numbers": numbers}
    for split in SPLITS:
        row[f"{split.capitalize()} loss"] = cells.get((split, "loss"), "–")
        row[f"{split.capitalize()} accuracy"] = cells.get((split, accuracy), "–")
    return row
