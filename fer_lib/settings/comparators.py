"""The settings of the measured Table 3: which systems are compared, on which faces, from which weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_lib.settings.common import STRICT, Positive

Rows = dict[Annotated[str, Field(pattern="^[a-z0-9_]+(-[a-z0-9_]+)?$")], dict[str, Any]]
CKPLUS_ROWS: Rows = {
    "resnet50_svm": {},
    "resnet50_softmax": {},
    "cnn_ad": {},
    "cspl_svm": {},
    "lbp_cnn": {},
    "gb_dbns_sae": {},
    "lbp_var_dbn": {},
    "vgg16": {},
    "inception_v4": {},
    "resnet50_attention": {},
    "resnet50_modern": {},
    "resnet50_svm-none": {"weights": "none"},
    "resnet50_softmax-none": {"weights": "none"},
    "vgg16-none": {"weights": "none"},
    "pixels_svm": {},
    "class_priors": {},
}
# what two CPU cores should train on 28,709 faces in an hour or two a system (an estimate); a GPU trains them all
FER2013_ROWS: Rows = {
    "resnet50_svm": {},
    "resnet50_softmax": {},
    "cnn_ad": {},
    "cspl_svm": {},
    "lbp_cnn": {"epochs": 20},
    "gb_dbns_sae": {"epochs": 20, "copies": 2},
    "lbp_var_dbn": {"epochs": 20, "copies": 2},
    "resnet50_attention": {},
    "resnet50_modern": {"image_size": 48},
    "fer_package": {},
    "pixels_svm": {},
    "class_priors": {},
}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ComparatorSettings:
    """Every system that liu2023 compares with, on the same faces, folds and seeds (section 3.1, Table 3).

    Command: ``papermill notebooks/07_comparators.ipynb out.ipynb -p profile paper -p data_dir <folder>``.
    Cost: by an estimate, most of a day on two CPU cores, nearly all of it the networks'; a killed run goes on.
    Expected: the paper quotes 84.40 to 92.46 % for the five systems of Table 3, whose faces and divisions it does not
    give, and prints 98.60 % for its own.

    A row is a system, a key of :data:`fer_lib.comparators.SYSTEMS`; after a hyphen stands what sets it apart from
    another row of the same system. Its values are parameters of the system, by name.

    Attributes:
        weights: of each ResNet-50 that a row says nothing else of: ``"imagenet"``, ``"none"``, ``"random_frozen"`` or a
            file. VGG-16 starts from its own ImageNet weights where this is ``"imagenet"``, and else from none.
        trunk_engine: what runs the frozen trunk under an SVM or SoftMax, as for liu2023's own model; networks are
            trained by Keras.
        trunk_precision: of that trunk.
        ckplus_rows: what is compared on CK+.
        fer2013_rows: what is compared on FER-2013: the systems that the machine at hand trains on all of it.
        reference: the row that every other is compared with, face by face.
        draws: of liu2023's 56 + 14 faces a class: the first ones of those that the profile's ``ckplus`` draws.
        fold_seeds: of its folds, likewise; 0 leaves them out.
        separations: what is kept apart; the folds come with people kept apart alone.
        epochs: of every network of the shared recipe on CK+ (a few hundred faces), unless its row says otherwise.
        fer2013_epochs: of every network on FER-2013.
    """

    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    trunk_engine: Literal["keras", "openvino"] = "keras"
    trunk_precision: Literal["float32", "bfloat16"] = "float32"
    ckplus_rows: Rows = Field(default_factory=lambda: CKPLUS_ROWS)
    fer2013_rows: Rows = Field(default_factory=lambda: FER2013_ROWS)
    reference: str = "resnet50_svm"
    draws: Positive = 3
    fold_seeds: Annotated[int, Field(ge=0)] = 0
    separations: tuple[Literal["frames", "sequences", "subjects"], ...] = ("frames", "subjects")
    epochs: Positive = 60
    fer2013_epochs: Positive = 10
