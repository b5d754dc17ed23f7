"""Which faces train and which validate (chen2023, section 2.1)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.settings import DataSettings

METHODS = ("stratified", "unstratified_ceil", "unstratified_floor")


def three_parts(faces: FaceDataset, settings: DataSettings, seed: int) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Returns the faces to train on, to validate on and to test on, as a profile's data settings ask for them."""
    training, validation = validation_split(
        faces.part("Training"), seed, fraction=settings.validation_fraction, method=settings.validation_split
    )
    return training, validation, faces.part(settings.test_split)


def readings(training: FaceDataset, seed: int) -> pd.DataFrame:
    """Returns the readings of "8:2" side by side: a row each, with both sizes and the validation faces per class."""
    rows = []
    for method in METHODS:
        train, validation = validation_split(training, seed, method=method)
        counts = np.bincount(validation.labels, minlength=len(training.class_names)).tolist()
        sizes = {"training": len(train), "validation": len(validation)}
        rows.append({"reading": method, **sizes, **dict(zip(training.class_names, counts, strict=True))})
    return pd.DataFrame(rows)


def validation_split(
    training: FaceDataset, seed: int, *, fraction: float = 0.2, method: str = "stratified"
) -> tuple[FaceDataset, FaceDataset]:
    """Returns the faces to train on and the faces to validate on: "an 8:2 ratio is used to divide the dataset".

    Args:
        training: the official training part.
        seed: means the same split for the same faces, whatever file they came from.
        fraction: of the faces that validate.
        method: ``"stratified"`` by class, ``"unstratified_ceil"`` (5,742 of 28,709), ``"unstratified_floor"`` (5,741).

    Raises:
        FerError: a class has too few faces to stand in both parts.
        ValueError: ``method`` is none of the three.
    """
    size = math.floor(fraction * len(training)) if method == "unstratified_floor" else fraction
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it should be one of {METHODS}")
    stratify = training.labels if method == "stratified" else None
    try:
        train_rows, validation_rows = train_test_split(
            np.arange(len(training)), test_size=size, random_state=seed, shuffle=True, stratify=stratify
        )
    except ValueError as error:
        raise FerError(
            f"The {len(training)} training faces cannot be split 8:2 ({error}); give more faces of each class."
        ) from None
    return training.take(np.sort(train_rows)), training.take(np.sort(validation_rows))
