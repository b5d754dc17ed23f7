"""What all tables share: the class, the tables that belong to no paper, and the frames they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.settings import settings_dict
from fer_lib.tables.format import SCORE_NAMES, cell, score_cell

if TYPE_CHECKING:
    import keras

SYNTHETIC_MARK = "SYNTHETIC: generated faces"


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
        return frame.map(cell)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"{self.heading}\n{self.flat().to_string(index=False)}"


def all_settings(settings: Any, *, title: str) -> Table:
    """Returns every setting of an experiment, a row each."""
    rows = [{"setting": name, "value": str(value)} for name, value in settings_dict(settings).items()]
    return Table(pd.DataFrame(rows), title)


def settings_by_name(settings: Mapping[str, Any], *, title: str) -> Table:
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
        origin: the result of :func:`fer_lib.models.resnet50_mlp.weights_origin`.
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


def layers(model: keras.Model, *, title: str) -> Table:
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


def scores(
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
        columns[name] = {row.metric: score_cell(row) for row in frame.itertuples()}
    frame = pd.DataFrame(columns)
    names = [SCORE_NAMES.get(metric, metric.replace("recall_", "recall: ")) for metric in frame.index]
    frame.index = pd.Index(names, name="metric")
    return Table(frame, title, synthetic, tuple(notes))


def statements(paper: str, measured: Mapping[str, Any], *, synthetic: bool = False) -> Table:
    """Returns what a paper prints beside what was measured, for the statements whose ids are given."""
    printed = published.load(paper).set_index("id").loc[list(measured)]
    frame = printed[["place", "quantity", "value", "unit"]].rename(columns={"value": "printed"})
    frame.insert(3, "measured", [cell(value) for value in measured.values()])
    return Table(frame.reset_index(drop=True), f"{paper}: what is printed and what is here", synthetic)


def printed_scores(paper: str, model: str, metric: str) -> dict[str, float]:
    """Returns a paper's printed ``"loss"`` or ``"accuracy"`` of a model by split, such as ``{"training": 1.71}``."""
    rows = published.scores(paper)
    rows = rows[(rows["model"] == model) & (rows["metric"] == metric)]
    return dict(zip(rows["split"], rows["value"], strict=True))


def long_scores(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Returns the scores of several splits under each other, with a column ``split`` in front."""
    return pd.concat([frame.assign(split=split) for split, frame in scores.items()], ignore_index=True)[
        ["split", "metric", "value", "low", "high", "n", "interval"]
    ]


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


def prediction_rows(faces: FaceDataset, probabilities: np.ndarray) -> pd.DataFrame:
    """Returns a row a face: its canonical ``face`` number, ``label`` and the probability of each class."""
    frame = pd.DataFrame(probabilities, columns=list(faces.class_names))
    frame.insert(0, "label", faces.labels)
    frame.insert(0, "face", np.arange(len(faces)))
    return frame
