"""Calibrate the project's own network, put it into small storage, score it once on PrivateTest, and write its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from fer_lib.backend import keras
from fer_lib.datasets import quality
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics, smiles
from fer_lib.experiments.own_network import accuracy, answers
from fer_lib.models import compact, own_network
from fer_lib.models.openvino_graph import convert
from fer_lib.settings import OwnNetworkSettings, change

PARTS = (
    "PrivateTest",
    "PrivateTest without faces that are in training",
    "PrivateTest without near-duplicates of training faces",
)
"""The faces that are scored, each part within the former one."""
_RECALL = "recall_"  # before a class's name among the metrics
LARGEST_LOSS = 0.003
"""Of accuracy on PublicTest, for which int8 is taken rather than float16."""


@dataclass(frozen=True)
class Scored:
    """A network in small storage and its scores.

    Attributes:
        folder: the folder with the network and its card.
        sizes: accuracy on PublicTest by height and width of the views in pixels; the best size is used.
        storage: ``"int8"``, or ``"float16"`` where int8 lost too much.
        temperature: found on PublicTest.
        table: metrics by :func:`fer_lib.evaluation.metrics.score`, a block for each ``part`` of :data:`PARTS`.
        smiles: :func:`fer_lib.evaluation.smiles.smile_rows` of GENKI-4K's photos; empty without them.
        calibration: expected calibration error on PrivateTest.
        calibrated: whether it is small enough.
        losses: accuracy on PublicTest that each storage loses, by its name.
        megabytes: size of the folder.
    """

    folder: Path
    sizes: Mapping[int, float]
    storage: str
    temperature: float
    table: pd.DataFrame
    smiles: pd.DataFrame
    calibration: float
    calibrated: bool
    losses: Mapping[str, float]
    megabytes: float


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature with the least cross-entropy (Guo et al. 2017, section 4.2).

    Args:
        logits: float, (N, classes).
        labels: int, (N,).
    """

    def loss(logarithm: float) -> float:
        probabilities = compact.softmax(logits.astype(np.float64) / np.exp(logarithm))
        return float(metrics.cross_entropies(probabilities, labels).mean())

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def divided(faces: FaceDataset) -> tuple[FaceDataset, FaceDataset]:
    """Select PublicTest without pictures of the training part, which chooses, and PrivateTest, which is scored once.

    A network is surer of faces that it learnt than it should be of others, so these would spoil the temperature.

    Raises:
        FerError: the corpus does not tell its two test parts apart.
    """
    if missing := {"PublicTest", "PrivateTest"} - set(faces.meta["split"]):
        raise FerError(
            f"This release of FER-2013 has no part {sorted(missing)[0]}; give one whose test parts are told apart, "
            "since one of them chooses the network and the other scores it."
        )
    public, private = faces.part("PublicTest"), faces.part("PrivateTest")
    return public.take(np.flatnonzero(~quality.also_in_training(faces, "PublicTest"))), private


def export(
    folder: str | Path,
    network: keras.Model,
    settings: OwnNetworkSettings,
    faces: FaceDataset,
    *,
    photos: FaceDataset | None = None,
    face_settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> Scored:
    """Write the network to a folder in the smallest storage that answers as well, and score what was written.

    Args:
        folder: the folder to write.
        network: the trained network.
        settings: its recipe.
        faces: FER-2013 with the parts Training, PublicTest and PrivateTest.
        photos: GENKI-4K's faces, cropped by ``face_settings``, to score "smile or not"; None or no faces skips that.
        face_settings: how photos are cropped for it, as plain values.
        provenance: where all this comes from, as plain values.

    Raises:
        FerError: the corpus does not tell its two test parts apart.
    """
    public, private = divided(faces)
    side = faces.images.shape[1]
    networks = {size: _with_views_of(network, settings, size) for size in (settings.crop, side)}
    logits = {size: answers(networks[size], public.images, change(settings, crop=size)) for size in networks}
    sizes = {size: accuracy(logits[size], public.labels) for size in networks}
    size = max(sizes, key=lambda one: sizes[one])  # the smaller one if they are equally good
    facts = compact.Compact(
        tuple(faces.class_names),
        face=side,
        size=size,
        views=settings.views,
        face_settings=face_settings,
        provenance={**provenance, "accuracy_on_publictest": {f"views of {one} pixels": sizes[one] for one in sizes}},
    )
    graph, losses, chosen = convert(networks[size]), {}, facts
    for storage in ("int8", "float16"):
        chosen = replace(facts, storage=storage)
        after = compact.read(compact.write(folder, graph, chosen)).logits(public.images)
        losses[storage] = sizes[size] - accuracy(after, public.labels)
        if losses[storage] <= LARGEST_LOSS:
            break
    chosen = replace(chosen, temperature=temperature(after, public.labels))
    written = compact.read(compact.write(folder, graph, chosen))
    found = written.probabilities(private.images)
    table, smiling = scores(found, faces), _smiles(written, photos)
    error = metrics.calibration_error(metrics.reliability(found, private.labels))
    chosen = replace(chosen, scores=headlines(table, smiling), recall=recall(table), calibration_error=error)
    compact.write(folder, graph, chosen)
    return Scored(
        folder=Path(folder),
        sizes=sizes,
        storage=chosen.storage,
        temperature=chosen.temperature,
        table=table,
        smiles=smiling,
        calibration=error,
        calibrated=chosen.calibrated,
        losses=losses,
        megabytes=sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6,
    )


def scores(probabilities: np.ndarray, faces: FaceDataset) -> pd.DataFrame:
    """Score probabilities of PrivateTest's faces: all, those whose picture is not in training, nor nearly the same."""
    private = faces.part("PrivateTest")
    seen = quality.also_in_training(faces, "PrivateTest")
    positions = np.flatnonzero(faces.meta["split"] == "PrivateTest")
    near = seen | np.isin(positions, quality.near_duplicates(faces, ["PrivateTest"])["face"])
    tables = [
        metrics.score(probabilities[rows], private.labels[rows], tuple(faces.class_names)).assign(part=part)
        for part, rows in zip(PARTS, (np.ones_like(seen), ~seen, ~near), strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _with_views_of(network: keras.Model, settings: OwnNetworkSettings, size: int) -> keras.Model:
    """Build the network for views of another size with the same weights, in Keras' layers and float32.

    Its convolutions fit any size. Learnt from random crops, it often does better on larger ones (Touvron et al. 2019).
    """
    other = change(settings, crop=size, layers="keras", precision="float32")
    copy = own_network.build(other, classes=network.output_shape[1])
    copy.set_weights(network.get_weights())
    return copy


def _smiles(model: compact.Compact, photos: FaceDataset | None) -> pd.DataFrame:
    if photos is None or not len(photos):
        return pd.DataFrame(columns=smiles.COLUMNS)
    margins = smiles.happy_margins(model.probabilities(photos.images), model.class_names)
    return smiles.smile_rows({"own_network": margins}, photos)


def headlines(table: pd.DataFrame, smiling: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Give the accuracies as the plain values of ``fer_lib.predict.headlines.Headline``.

    Args:
        table: as of :func:`scores`; all of PrivateTest, and its faces that are not in training, have a headline.
        smiling: the rows of GENKI-4K's photos; those of all photos have one.
    """
    accuracies = table[table["metric"] == "categorical_accuracy"].set_index("part")
    found = [
        _headline(f"FER-2013, {part}", "categorical accuracy", *accuracies.loc[part, ["value", "low", "high", "n"]])
        for part in PARTS[:2]
    ]
    for row in smiling[smiling["group"] == "all"].to_dict("records"):
        ends = (row["accuracy_low"], row["accuracy_high"])
        found.append(_headline("GENKI-4K", "smile or not, accuracy", row["accuracy"], *ends, row["photos"]))
    return tuple(found)


def _headline(measured_on: str, metric: str, value: float, low: float, high: float, n: int) -> dict[str, Any]:
    name = {"result": "own_network", "model": "own_network", "title": "the project's own network"}
    numbers = {"value": float(value), "low": float(low), "high": float(high), "n": int(n)}
    return {**name, "measured_on": measured_on, "metric": metric, **numbers}


def recall(table: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Give the recall of each class on PrivateTest with its 95 % interval as plain values; None where there is none."""
    rows = table[(table["part"] == PARTS[0]) & table["metric"].str.startswith(_RECALL)]
    return tuple(
        {"class": str(row["metric"]).removeprefix(_RECALL)}
        | {key: None if np.isnan(row[key]) else float(row[key]) for key in ("value", "low", "high")}
        | {"n": int(row["n"])}
        for row in rows.to_dict("records")
    )
