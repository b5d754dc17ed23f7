"""The class ``Table``, the tables that belong to no paper, and helpers that build their frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.datasets.catalog import SYNTHETIC_MARK, TITLES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation.metrics import mean_over_seeds
from fer_lib.models.weights_report import in_words
from fer_lib.settings import settings_dict
from fer_lib.tables.format import SCORE_NAMES, cell, score_cell

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Table:
    """A frame with a title and notes, shown alike in notebooks, in the report and in files.

    Attributes:
        frame: the rows; the index is shown only if it has a name.
        title: one sentence, with the number of the paper's table if there is one.
        synthetic: whether the numbers come from generated faces; the title then says so.
        notes: sentences under the table.
    """

    frame: pd.DataFrame
    title: str
    synthetic: bool = False
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def heading(self) -> str:
        """The title, marked if the faces were generated."""
        return f"{SYNTHETIC_MARK}. {self.title}" if self.synthetic else self.title

    def to_markdown(self) -> str:
        """Format the table as GitHub Markdown, title and notes included."""
        table = self.flat().to_markdown(index=False, disable_numparse=True)
        return "\n\n".join([f"**{self.heading}**", table, *self.notes]) + "\n"

    def flat(self) -> pd.DataFrame:
        """Turn a named index into a column and every cell into a string."""
        frame = self.frame.reset_index() if self.frame.index.name else self.frame
        return frame.map(cell)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"{self.heading}\n{self.flat().to_string(index=False)}"


def all_settings(settings: Any, *, title: str) -> Table:
    """List all settings of an experiment, one per row."""
    rows = [{"setting": name, "value": str(value)} for name, value in settings_dict(settings, whole=True).items()]
    return Table(pd.DataFrame(rows), title)


def settings_by_name(settings: Mapping[str, Any], *, title: str) -> Table:
    """List all settings of several experiments, one per row, with the experiment's name in front."""
    rows = [
        {"of": name, "setting": key, "value": str(value)}
        for name, each in settings.items()
        for key, value in settings_dict(each, whole=True).items()
    ]
    return Table(pd.DataFrame(rows), title)


def weights_note(origin: Mapping[str, Any], *, model: str = "ResNet50 + MLP") -> str:
    """Name the trunk's weights and their pre-training for a table's notes; say whether they test the paper's claim.

    Args:
        origin: the result of :func:`fer_lib.models.pretrained.weights_origin`.
        model: the name of the model that has the trunk.
    """
    digest = f", SHA-256 {origin['sha256'][:12]}…" if origin["sha256"] else ""
    made = f", {in_words(origin['card'])}" if "card" in origin else ""
    weights = f"Weights of {model}'s trunk: {origin['origin']}{digest}{made}."
    if origin["tests_transfer_claim"]:
        return weights
    return (
        f"{weights} They are not ImageNet's, so that its numbers do not test the paper's claim about transfer "
        "learning; `make replicate PROFILE=paper FER_DATA=<folder>` does."
    )


def layers(model: keras.Model, *, title: str) -> Table:
    """List a model's layers with their kind, output shape, and numbers of parameters and of trained parameters."""
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
    """Count the faces of each part (rows) by class and in total, with the part's shortened fingerprint.

    A note says whether the faces were already cropped or found by MTCNN.

    Args:
        parts: name -> faces.
        title: the table's title.
        classes: whether each class gets a column; if not, one column has the number of classes (for forty subjects).
        fingerprints: whether to show them; those of MTCNN's crops may differ between processors.
    """
    rows = []
    for name, faces in parts.items():
        counts = np.bincount(faces.labels, minlength=len(faces.class_names))
        named = dict(zip(faces.class_names, counts.tolist(), strict=True))
        sizes = named if classes else {"classes": len(faces.class_names)}
        shown = {"fingerprint": faces.fingerprint[:12]} if fingerprints else {}
        rows.append({"part": name, **sizes, "total": len(faces), **shown})
    note = crops_note(*parts.values())
    return Table(pd.DataFrame(rows), title, any(faces.synthetic for faces in parts.values()), (note,))


def crops_note(*parts: FaceDataset) -> str:
    """Say how the faces of each corpus were cropped: ``"Crops: CK+ already cropped, GENKI-4K found by MTCNN."``."""
    said = [f"{TITLES.get(faces.corpus, faces.corpus)} {crops_of(faces)}" for faces in parts if len(faces)]
    return f"Crops: {', '.join(dict.fromkeys(said)) or 'none'}."


def crops_of(faces: FaceDataset) -> str:
    """Tell whether faces came ``"already cropped"`` or were ``"found by MTCNN"``, which notes what it found."""
    return "found by MTCNN" if "faces" in faces.notes else "already cropped"


def scores(
    scores: Mapping[str, pd.DataFrame], *, title: str, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Put scores side by side, each with its 95 % interval: metrics as rows, names as columns.

    Args:
        scores: name (of a split or a model) -> a frame of :func:`fer_lib.evaluation.metrics.score`.
        title: the table's title.
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
    """Compare a paper's statements with the measured values; ``measured`` maps the statements' ids to values."""
    printed = published.load(paper).set_index("id").loc[list(measured)]
    frame = printed[["place", "quantity", "value", "unit"]].rename(columns={"value": "printed"})
    frame.insert(3, "measured", [cell(value) for value in measured.values()])
    return Table(frame.reset_index(drop=True), f"{paper}: what is printed and what is here", synthetic)


def claims(
    paper: str,
    known: Mapping[str, tuple[str, str, str | None]],
    measured: Mapping[str, str],
    *,
    silent: str,
    synthetic: bool = False,
    notes: Sequence[str] = (),
) -> Table:
    """List a paper's claims with the printed and the measured values.

    Args:
        paper: the paper's name.
        known: key -> place, claim, and the printed value if there is one.
        measured: key -> sentence; a claim that is left out has not been measured yet.
        silent: what to show where no value is printed.
        synthetic: whether the numbers come from generated faces.
        notes: sentences under the table, such as the origin of the trunk's weights.

    Raises:
        KeyError: a key of ``measured`` is not in ``known``.
    """
    unknown = [name for name in measured if name not in known]
    if unknown:
        raise KeyError(f"There is no claim {unknown[0]!r}; the claims are {list(known)}")
    rows = [
        {
            "claim": claim,
            "place": place,
            "printed": printed or silent,
            "measured": measured.get(name, "not measured yet"),
        }
        for name, (place, claim, printed) in known.items()
    ]
    return Table(pd.DataFrame(rows), f"{paper}: its claims, and what is found here", synthetic, tuple(notes))


def long_scores(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack the scores of several splits, with a first column ``split``."""
    return pd.concat([frame.assign(split=split) for split, frame in scores.items()], ignore_index=True)[
        ["split", "metric", "value", "low", "high", "n", "interval"]
    ]


def over_seeds(frames: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Average the scores of several seeds; ``spread`` is one standard deviation between the seeds.

    ``low`` and ``high`` bound the mean over seeds and faces (:func:`fer_lib.evaluation.metrics.mean_over_seeds`): all
    seeds are tested on the same faces, which must not be counted several times. The scores of a single seed are
    returned as they are. The columns are those of :func:`fer_lib.evaluation.metrics.score` and ``split``; ``interval``
    names the kind.
    """
    if len(frames) == 1:
        return next(iter(frames.values()))
    together = pd.concat([frame.assign(seed=seed) for seed, frame in frames.items()])
    rows = []
    for (split, metric), part in together.groupby(["split", "metric"], sort=False):
        low, high = mean_over_seeds(part["value"], part["low"], part["high"], share=metric != "loss")
        row = {"split": split, "metric": metric, "value": part["value"].mean(), "spread": part["value"].std()}
        rows.append(row | {"low": float(low), "high": float(high)})
    return pd.DataFrame(rows).assign(interval=f"mean ± s.d. of {len(frames)} seeds")


def prediction_rows(faces: FaceDataset, probabilities: np.ndarray) -> pd.DataFrame:
    """Build a frame with one row for each face: its canonical number, its label and the probability of each class.

    Args:
        faces: N faces.
        probabilities: float, shape (N, classes).
    """
    frame = pd.DataFrame(probabilities, columns=list(faces.class_names))
    frame.insert(0, "label", faces.labels)
    frame.insert(0, "face", np.arange(len(faces)))
    return frame


def answers(outputs: Mapping[str, tuple[FaceDataset, np.ndarray]]) -> pd.DataFrame:
    """Stack the predictions of several parts, to be packed: :func:`prediction_rows` with three columns more.

    ``part``; ``predicted``, the position of the largest probability; and ``sure``, whether it is above 0.5, so that it
    counts as a yes in the binary accuracy. Rounding to float16 could change both.

    Args:
        outputs: part -> its N faces and their probabilities, float, shape (N, classes).
    """
    frames = []
    for part, (faces, probabilities) in outputs.items():
        frame = prediction_rows(faces, probabilities)
        frame.insert(2, "predicted", probabilities.argmax(axis=1))
        frame.insert(3, "sure", probabilities.max(axis=1) > 0.5)
        frame.insert(0, "part", part)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
