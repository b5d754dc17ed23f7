"""Tables: what they are, those of chen2023 and those that both papers share. Nothing here writes or shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.settings import settings_dict

if TYPE_CHECKING:
    import keras

SYNTHETIC_MARK = "SYNTHETIC: generated faces"
MODEL_NAMES = {
    "baseline_cnn": "Traditional CNN",
    "resnet50_mlp": "ResNet50 + MLP",
    "class_priors": "Class priors (always the training shares)",
}
SPLITS = ("training", "validation", "testing")
SCORE_NAMES = {
    "loss": "loss (nats)",
    "categorical_accuracy": "categorical accuracy",
    "binary_accuracy": "binary accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
}


@dataclass(frozen=True)
class Table:
    """A frame with its title: the same in a notebook, in the report and in a file.

    Attributes:
        frame: the rows; its index is shown only where it has a name.
        title: one sentence, with the paper's table number where it has one.
        synthetic: whether the numbers come from generated faces; the title then says so.
        notes: sentences under the table.
    """

    frame: pd.DataFrame
    title: str
    synthetic: bool = False
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def heading(self) -> str:
        """The title, with the mark of generated faces where it belongs."""
        return f"{SYNTHETIC_MARK}. {self.title}" if self.synthetic else self.title

    def to_markdown(self) -> str:
        """Returns the table as GitHub's Markdown, title and notes included."""
        table = self.flat().to_markdown(index=False, disable_numparse=True)
        return "\n\n".join([f"**{self.heading}**", table, *self.notes]) + "\n"

    def flat(self) -> pd.DataFrame:
        """Returns the rows with a named index turned into a column, every cell a string."""
        frame = self.frame.reset_index() if self.frame.index.name else self.frame
        return frame.map(_cell)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"{self.heading}\n{self.flat().to_string(index=False)}"


def settings_table(settings: Any, *, title: str) -> Table:
    """Returns every setting of an experiment, a row each."""
    rows = [{"setting": name, "value": str(value)} for name, value in settings_dict(settings).items()]
    return Table(pd.DataFrame(rows), title)


def settings_tables(settings: Mapping[str, Any], *, title: str) -> Table:
    """Returns every setting of several experiments by name, a row each."""
    rows = [
        {"of": name, "setting": key, "value": str(value)}
        for name, each in settings.items()
        for key, value in settings_dict(each).items()
    ]
    return Table(pd.DataFrame(rows), title)


def weights_note(origin: Mapping[str, Any], *, model: str = "ResNet50 + MLP") -> str:
    """Returns the sentence under every table of scores: whose weights the trunk had, and whether they test the claim.

    Args:
        origin: the result of :func:`fer_lib.models.pretrained.weights_origin`.
        model: whose trunk it is.
    """
    digest = f", SHA-256 {origin['sha256'][:12]}…" if origin["sha256"] else ""
    weights = f"Weights of {model}'s trunk: {origin['origin']}{digest}."
    if origin["tests_transfer_claim"]:
        return weights
    return (
        f"{weights} They are not ImageNet's, so that its numbers do not test the paper's claim about transfer "
        "learning; `make replicate PROFILE=paper FER_DATA=<folder>` does."
    )


def chen2023_table1(settings: Any) -> Table:
    """Returns chen2023's Table 1, printed beside used, from an experiment's settings."""
    printed = published.load("chen2023")
    printed = printed[printed["id"].str.startswith("table1-")].set_index("quantity")
    used = {**settings_dict(settings), "optimizer": "Adam"}
    rows = [
        {"Hyperparameter": name, "printed": printed.loc[name, "value"], "used": str(used[name])}
        for name in printed.index
    ]
    return Table(pd.DataFrame(rows), "chen2023, Table 1: hyperparameters")


def layer_table(model: keras.Model, *, title: str) -> Table:
    """Returns a model's layers: kind, output shape, parameters and how many of them train."""
    rows = [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": "×".join(str(size) for size in layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "trained": int(sum(np.prod(weight.shape) for weight in layer.trainable_weights)),
        }
        for layer in model.layers
    ]
    total = {
        "layer": "total",
        "kind": "",
        "output": "",
        "parameters": sum(row["parameters"] for row in rows),
        "trained": sum(row["trained"] for row in rows),
    }
    return Table(pd.DataFrame([*rows, total]), title)


def part_sizes(
    parts: Mapping[str, FaceDataset], *, title: str, classes: bool = True, fingerprints: bool = True
) -> Table:
    """Returns the faces of each part (rows): of each class, in total, and the parts' fingerprints, shortened.

    Args:
        parts: a name to its faces.
        title: of the table.
        classes: whether each class has a column; else there is one of how many there are, as of forty people.
        fingerprints: whether they are shown; those of MTCNN's crops may differ between processors.
    """
    rows = []
    for name, faces in parts.items():
        counts = np.bincount(faces.labels, minlength=len(faces.class_names))
        named = dict(zip(faces.class_names, counts.tolist(), strict=True))
        sizes = named if classes else {"classes": len(faces.class_names)}
        shown = {"fingerprint": faces.fingerprint[:12]} if fingerprints else {}
        rows.append({"part": name, **sizes, "total": len(faces), **shown})
    return Table(pd.DataFrame(rows), title, any(faces.synthetic for faces in parts.values()))


def long_scores(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Returns the scores of several splits under each other, with a column ``split`` in front."""
    return pd.concat([frame.assign(split=split) for split, frame in scores.items()], ignore_index=True)[
        ["split", "metric", "value", "low", "high", "n", "interval"]
    ]


def prediction_rows(faces: FaceDataset, probabilities: np.ndarray) -> pd.DataFrame:
    """Returns a row a face: its canonical ``face`` number, ``label`` and the probability of each class."""
    frame = pd.DataFrame(probabilities, columns=list(faces.class_names))
    frame.insert(0, "label", faces.labels)
    frame.insert(0, "face", np.arange(len(faces)))
    return frame


def score_table(
    scores: Mapping[str, pd.DataFrame], *, title: str, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Returns scores side by side: a row a metric, a column a name, each value with its 95 % interval.

    Args:
        scores: a name (a split, or a model) to a frame of :func:`fer_lib.evaluation.metrics.score`.
        title: of the table.
        synthetic: whether the faces were generated.
        notes: sentences under the table.
    """
    columns = {}
    for name, frame in scores.items():
        columns[name] = {row.metric: _score_cell(row) for row in frame.itertuples()}
    frame = pd.DataFrame(columns)
    names = [SCORE_NAMES.get(metric, metric.replace("recall_", "recall: ")) for metric in frame.index]
    frame.index = pd.Index(names, name="metric")
    return Table(frame, title, synthetic, tuple(notes))


def printed_scores(paper: str, model: str, metric: str) -> dict[str, float]:
    """Returns a paper's printed ``"loss"`` or ``"accuracy"`` of a model by split, such as ``{"training": 1.71}``."""
    rows = published.scores(paper)
    rows = rows[(rows["model"] == model) & (rows["metric"] == metric)]
    return dict(zip(rows["split"], rows["value"], strict=True))


def statements_table(paper: str, measured: Mapping[str, Any], *, synthetic: bool = False) -> Table:
    """Returns what a paper prints beside what was measured, for the statements whose ids are given."""
    printed = published.load(paper).set_index("id").loc[list(measured)]
    frame = printed[["place", "quantity", "value", "unit"]].rename(columns={"value": "printed"})
    frame.insert(3, "measured", [_cell(value) for value in measured.values()])
    return Table(frame.reset_index(drop=True), f"{paper}: what is printed and what is here", synthetic)


def sureness_table(rows: Mapping[str, Mapping[str, float]], *, title: str, synthetic: bool = False) -> Table:
    """Returns a row a part: how many faces a model is sure of (an output above 0.5), rightly and wrongly.

    Args:
        rows: a name to the result of :func:`fer_lib.evaluation.metrics.sureness`.
        title: of the table.
        synthetic: whether the faces were generated.
    """
    frame = pd.DataFrame([{"faces of": name, **values} for name, values in rows.items()])
    frame["largest_output"] = frame["largest_output"].map("{:.4f}".format)
    frame["binary_accuracy"] = frame["binary_accuracy"].map("{:.6f}".format)
    frame.columns = [name.replace("_", " ") for name in frame.columns]
    note = "Binary accuracy = 6/7 + (sure right - sure wrong) / (7 × faces); 6/7 = 0.857143."
    return Table(frame, title, synthetic, (note,))


def chen2023_table2(
    measured: Mapping[str, pd.DataFrame],
    *,
    title: str,
    synthetic: bool = False,
    only: Sequence[str] = tuple(MODEL_NAMES),
    notes: Sequence[str] = (),
) -> Table:
    """Returns chen2023's Table 2: for each model as published, measured categorical and measured binary.

    Args:
        measured: a model (a key of ``MODEL_NAMES``) to a long frame with columns ``split``, ``metric``, ``value``,
            ``low``, ``high``; a model that is absent shows its published row alone.
        title: of the table.
        synthetic: whether the faces were generated.
        only: the models whose rows are wanted.
        notes: sentences under the table, such as whose weights the trunk had.
    """
    printed = published.load("chen2023").dropna(subset=["model"])
    rows = []
    for model in only:
        name = MODEL_NAMES[model]
        cells = printed[printed["model"] == model].set_index(["split", "metric"])["value"]
        if len(cells):
            rows.append(_table2_row(name, "published", cells.to_dict(), accuracy="accuracy"))
        if model in measured:
            values = {(row.split, row.metric): _score_cell(row) for row in measured[model].itertuples()}
            for kind in ("categorical", "binary"):
                rows.append(_table2_row(name, f"measured, {kind}", values, accuracy=f"{kind}_accuracy"))
        elif len(cells):
            rows.append(_table2_row(name, "not measured yet", {}, accuracy="accuracy"))
    return Table(pd.DataFrame(rows), title, synthetic, tuple(notes))


def glance_table(
    measured: Mapping[str, pd.DataFrame], *, title: str, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Returns the scores on the test faces alone, printed beside measured, a row a model: for readers in a hurry.

    Args:
        measured: as for :func:`chen2023_table2`.
        title: of the table.
        synthetic: whether the faces were generated.
        notes: sentences under the table, such as whose weights the trunk had.
    """
    printed = published.load("chen2023").dropna(subset=["model"])
    printed = printed[printed["split"] == "testing"].set_index(["model", "metric"])["value"].to_dict()
    rows = []
    for model, name in MODEL_NAMES.items():
        cells = {}
        if model in measured:
            testing = measured[model][measured[model]["split"] == "testing"]
            cells = {row.metric: _score_cell(row) for row in testing.itertuples()}
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


def over_seeds(frames: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Returns scores of several seeds as their mean, with ``spread``, one standard deviation between the seeds.

    ``low`` and ``high`` are the lowest and the highest end of the seeds' own 95 % intervals over faces: the faces of
    several seeds are the same ones and are not counted several times. Of a single seed it returns that seed's own
    scores. Columns as :func:`fer_lib.evaluation.metrics.score` and ``split``; ``interval`` says which of the two it is.
    """
    if len(frames) == 1:
        return next(iter(frames.values()))
    together = pd.concat([frame.assign(seed=seed) for seed, frame in frames.items()])
    scores = together.groupby(["split", "metric"], sort=False)
    found = scores.agg(value=("value", "mean"), spread=("value", "std"), low=("low", "min"), high=("high", "max"))
    return found.reset_index().assign(interval=f"mean ± s.d. of {len(frames)} seeds")


def interval(value: float, low: float, high: float) -> str:
    """Returns ``"0.6420 [0.6262, 0.6575]"``; without an interval the value alone, and a dash for no value."""
    if not np.isfinite(value):
        return "–"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{value:.4f}"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _score_cell(row: Any) -> str:
    """A score with its interval in brackets; over several seeds its mean ± s.d., then the bracket."""
    text = interval(row.value, row.low, row.high)
    spread = getattr(row, "spread", np.nan)
    return text if np.isnan(spread) else text.replace(f"{row.value:.4f}", f"{row.value:.4f} ± {spread:.4f}", 1)


def _table2_row(model: str, numbers: str, cells: Mapping[tuple[str, str], str], *, accuracy: str) -> dict[str, str]:
    row = {"Model": model, "Numbers": numbers}
    for split in SPLITS:
        row[f"{split.capitalize()} loss"] = cells.get((split, "loss"), "–")
        row[f"{split.capitalize()} accuracy"] = cells.get((split, accuracy), "–")
    return row


def _cell(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return "–" if np.isnan(value) else f"{value:.4g}"
    return str(value)
