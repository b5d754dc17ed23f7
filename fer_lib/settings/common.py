"""Settings that both papers share: the FER-2013 faces of an experiment, and types that check a value's range."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
WEIGHTS_NAMES = ("imagenet", "none", "random_frozen")
PRETRAIN = "pretrain"
"""Weights that notebook 00 has made in the same run; :meth:`fer_lib.artifacts.Run.experiment` finds their file."""
TRUNKS = ("keras-float32", "keras-bfloat16", "openvino-float32", "openvino-bfloat16")
"""Engine and precision of a trunk in one word, the values of the environment variable ``FER_TRUNK``."""

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0.0)]

TrainableTrunk = Literal["last_four_layers", "last_four_weighted", "last_four_convolutions", "all", "nothing"]
TrunkEngine = Literal["keras", "openvino"]
TrunkPrecision = Literal["float32", "bfloat16"]
Precision = Literal["float32", "mixed_bfloat16"]
Layers = Literal["keras", "fast"]
SplitMethod = Literal["stratified", "unstratified_ceil", "unstratified_floor", "per_class_floor"]
Separation = Literal["frames", "sequences", "subjects"]

LATER_SETTINGS = {
    "labels": "fer2013",
    "drop_near_duplicates": False,
    "channels": "grey",
    "mtcnn_engine": "package",
    "plateau_patience": 0,
    "plateau_factor": 0.5,
    "layers": "keras",
}
"""Settings that came later, with their defaults: records leave them out there, as those of earlier runs do."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DataSettings:
    """FER-2013 faces of an experiment and their division into training, validation and test (chen2023, section 2.1).

    In a notebook: ``data_changes``, such as ``{"test_split": "PublicTest"}``.

    Attributes:
        source: ``"folder"`` reads the corpus from the data folder; ``"generated"`` generates faces.
        generated_faces: number of faces to generate if the source is ``"generated"``.
        skip_bad: leave damaged rows out and count them in the provenance, instead of stopping.
        drop_leaks: remove training faces that are also in a test part (the paper does not).
        drop_near_duplicates: remove also the training faces that show nearly the same picture as a face of a test part:
            shifted, rescaled, mirrored or compressed again.
        labels: ``"fer2013"``, the corpus's own; ``"ferplus"``, the majority of FER+'s ten votes a face in
            ``fer2013new.csv``, without the faces whose majority is none of the seven classes; ``"ferplus_votes"``, by
            which each training face draws its label in each epoch. ``"ferplus8"`` and ``"ferplus8_votes"`` have
            contempt as an eighth class.
        channels: ``"grey"``; ``"rgb"`` reads image folders of any corpus of faces in colour with FER-2013's classes
            (the paper's future work).
        test_split: the part of 3,589 faces that is "the dataset of testing"; the paper does not say which of two.
        validation_split: ``"stratified"`` by class; ``"unstratified_ceil"`` and ``"unstratified_floor"`` draw 5,742 and
            5,741 of the 28,709 faces at random, as scikit-learn and ImageDataGenerator's ``flow`` would round;
            ``"per_class_floor"`` draws 5,741, rounding each class down as its ``flow_from_directory`` would.
        validation_fraction: the "2" of the paper's "8:2".
    """

    source: Literal["generated", "folder"] = "folder"
    generated_faces: Positive = 1000
    skip_bad: bool = False
    drop_leaks: bool = False
    drop_near_duplicates: bool = False
    labels: Literal["fer2013", "ferplus", "ferplus_votes", "ferplus8", "ferplus8_votes"] = "fer2013"
    channels: Literal["grey", "rgb"] = "grey"
    test_split: Literal["PrivateTest", "PublicTest"] = "PrivateTest"
    validation_split: SplitMethod = "stratified"
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
