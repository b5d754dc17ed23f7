"""The settings of liu2023: its corpus, its face crops, its augmentation, its model and its hyper-parameter study."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_lib.settings.chen2023 import ResNetSettings
from fer_lib.settings.common import STRICT, Positive, PositiveFloat

TWELVE_OPERATIONS = (
    "original",
    "brightness:1.25",
    "brightness:0.75",
    "rotate:8",
    "rotate:-8",
    "zoom:1.1",
    "flip",
    "flip+brightness:1.25",
    "flip+brightness:0.75",
    "flip+rotate:8",
    "flip+rotate:-8",
    "flip+zoom:1.1",
)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CkPlusSettings:
    """Which CK+ faces an experiment sees and how they are divided (liu2023, sections 2.1 and 2.2, Table 1).

    Attributes:
        generated_subjects: people to draw where the profile's source is ``"generated"``.
        generated_photos: GENKI-4K photographs to draw there.
        peak_frames: last frames of a labelled sequence that show its emotion: "three to five images".
        contempt: whether the eighth class is kept; "only seven of these expressions were selected".
        train_per_class: training faces of each class (Table 1: 56).
        test_per_class: test faces of each class (Table 1: 14).
        repeats: how many times the 56 + 14 faces are drawn anew; the paper draws once.
        folds: of the cross-validation beside it.
        fold_seeds: how many times the folds are drawn anew.
        separations: what is kept apart between training and test faces: ``"frames"`` nothing, as printed;
            ``"sequences"``, ``"subjects"``.
    """

    generated_subjects: Positive = 12
    generated_photos: Positive = 60
    peak_frames: Annotated[int, Field(ge=3, le=5)] = 3
    contempt: bool = False
    train_per_class: Positive = 56
    test_per_class: Positive = 14
    repeats: Positive = 5
    folds: Annotated[int, Field(ge=2)] = 5
    fold_seeds: Positive = 1
    separations: tuple[Literal["frames", "sequences", "subjects"], ...] = ("frames", "sequences", "subjects")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FaceSettings:
    """How MTCNN's detections become face crops (liu2023, section 2.1; the paper gives no detail).

    Attributes:
        size: side of the square crop in pixels ("the 48*48 size image input", section 2.2).
        margin: added on each side of the face box, as a fraction of its longer side.
        align: whether the crop is turned so that the eyes are level.
        choice: which of several faces is taken.
        min_confidence: detections below it are "low confidence", which is not the same as no face.
        misses: what becomes of a photo without a sure face: ``"keep"`` takes the whole photo, ``"drop"`` leaves it out.
        upscale_to: photos whose shorter side is below this many pixels are enlarged to it before detection.
    """

    size: Positive = 48
    margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    align: bool = True
    choice: Literal["largest", "most_central"] = "largest"
    min_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
    misses: Literal["keep", "drop"] = "keep"
    upscale_to: Positive = 160


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ExpansionSettings:
    """The twelve-fold expansion and the "cross-cut" of the training faces (liu2023, sections 2.1 and 2.2).

    Attributes:
        operations: one copy of each training face an entry; steps joined by ``+`` are done in turn: ``flip``,
            ``brightness:<factor>``, ``contrast:<factor>``, ``rotate:<degrees>``, ``zoom:<factor>``,
            ``shift:<fraction right>:<fraction down>``. The paper names "flip, brightness adjustment, and other
            operations" and the number twelve.
        cross_cut: what is cut into the four corner crops and the centre crop: ``"each_copy"`` of the twelve (60
            pictures a face), ``"originals"`` beside the twelve (17 a face) or ``"none"`` (12 a face).
        crop_fraction: side of a cross-cut crop, as a fraction of the face's; crops are enlarged to the face's size.
    """

    operations: Annotated[tuple[str, ...], Field(min_length=1)] = TWELVE_OPERATIONS
    cross_cut: Literal["each_copy", "originals", "none"] = "each_copy"
    crop_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.875


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResNet50SvmSettings(ResNetSettings):
    """liu2023, ResNet-50 + SVM (sections 2.2.1, 2.2.2 and 3.1, Tables 1 and 3, Figure 1).

    Command: ``papermill notebooks/04_resnet_svm.ipynb out.ipynb -p profile paper -p data_dir <folder>``.
    Cost: fine-tuning the whole trunk takes four to ten minutes an epoch on two CPU cores, the exact SVM on FER-2013
    three minutes.
    Expected: the paper prints 98.60 % and that an SVM is about 1 % better than SoftMax; it says neither which faces the
    98.60 % are of nor how training and test faces were kept apart (see ``fer_lib/published/liu2023.yaml``).

    The fields of :class:`TrainingSettings` are those of the fine-tuning; features are extracted on ``trunk_engine``.

    Attributes:
        weights: of the trunk before fine-tuning, as for chen2023: "non-expression databases are used for training".
        fine_tune_on: "fine-tuning network parameters using expression data": ``"fer2013"``, in which none of CK+'s
            people is known to be, or ``"nothing"``.
        trainable_trunk: what of the trunk fine-tuning changes.
        pooling: ``"average"`` gives 2,048 features a face, ``"flatten"`` 8,192.
        kernels: of the SVMs; the paper's is ``"rbf"``, the others are its announced future work.
        kernels_in_folds: those that the five folds train too, which learn from twice as many faces.
        c_grid: the penalties C that the grid search tries.
        gamma_grid: the kernel widths, as multiples of 1 / (features · variance), scikit-learn's ``"scale"``.
        search_folds: of the grid search, grouped by subject, inside the training part.
        svm_solver: of the final fits: ``"libsvm"``, or ``"onedal"`` where scikit-learn-intelex is installed. The latter
            finds the same machine within the solver's tolerance, not to the last bits and not alike on every number of
            cores.
        fer2013_components: principal components before FER-2013's SVM, whose exact kernel takes minutes; 0 keeps all
            features (the exact kernel).
        fer2013_search_faces: training faces of FER-2013 that its grid search sees.
    """

    scaling: Literal["unit", "trunk"] = "trunk"
    epochs: Annotated[int, Field(ge=0)] = 10
    learning_rate: Annotated[float, Field(gt=0.0)] = 0.0001
    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    fine_tune_on: Literal["fer2013", "nothing"] = "fer2013"
    trainable_trunk: Literal["last_four_layers", "last_four_weighted", "last_four_convolutions", "all", "nothing"] = (
        "all"
    )
    pooling: Literal["average", "flatten"] = "average"
    kernels: Annotated[tuple[Literal["rbf", "linear", "poly"], ...], Field(min_length=1)] = ("rbf", "linear", "poly")
    kernels_in_folds: tuple[Literal["rbf", "linear", "poly"], ...] = ("rbf",)
    c_grid: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0, 10.0, 100.0)
    gamma_grid: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.01, 0.1, 1.0, 10.0)
    search_folds: Annotated[int, Field(ge=2)] = 3
    svm_solver: Literal["libsvm", "onedal"] = "libsvm"
    fer2013_components: Annotated[int, Field(ge=0)] = 0
    fer2013_search_faces: Positive = 5000

    @property
    def fine_tuning(self) -> dict:
        """What the fine-tuned trunk depends on: the grids and folds of the machines on its features do not belong."""
        names = [field.name for field in dataclasses.fields(ResNetSettings)] + ["weights", "fine_tune_on", "pooling"]
        unused = ("trunk_engine", "trunk_precision") if self.trainable_trunk == "all" else ()  # nothing is frozen then
        return {name: getattr(self, name) for name in names if name not in unused}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LeNetSettings:
    """liu2023's LeNet and its hyper-parameter study (sections 2.2 and 3.2, Tables 2, 4 and 5).

    Command: ``papermill notebooks/06_lenet_study.ipynb out.ipynb -p profile paper -p data_dir <folder>``.
    Cost: 210 short trainings with both orders of the faces, one to two hours on two CPU cores.
    Expected: 2.5 % and 5 % validation and test error (the tables name them in opposite order) at learning rate 0.05.

    Hidden size, stopping rule, initial classifier and the order of the data are not printed. The defaults are those of
    a public tutorial program on Olivetti faces that has the paper's very settings.

    Attributes:
        corpora: which faces the study runs on.
        n_kerns: feature maps of the two convolutions.
        filter_size: side of their filters in pixels.
        pool_size: height and width of the max pooling.
        hidden_units: of the hidden layer.
        pixel_divisor: pixels are divided by it.
        zero_classifier: whether the logistic regression starts at zero.
        learning_rate: of plain stochastic gradient descent.
        batch_size: faces a step on CK+ (Table 2).
        olivetti_batch_size: faces a step on Olivetti faces, where the tutorial program uses 40.
        n_epochs: passes over the training faces at most: Table 2's 50. Section 3.2.3 speaks of 200 "e.g.", which is
            what the tutorial program allows.
        patience: steps before training may stop early; 0 never stops early.
        patience_increase: a better validation error at step t lets training go on to this many times t.
        improvement_threshold: a validation error counts as better below this share of the best so far.
        shuffle: whether the training faces are shuffled anew each epoch; unshuffled they stand class by class.
        orders: the orders that the study runs: ``"unshuffled"``, ``"shuffled"``.
        learning_rates: of Table 4.
        n_kerns_grid: of Table 5.
        batch_sizes: of section 3.2.2.
        seeds: how many initial weights each row is trained from.
        train_per_class: training faces of each class of CK+ (392 of seven classes).
        held_out_per_class: validation, and test, faces of each class of CK+ (49 of seven classes).
    """

    corpora: tuple[Literal["ckplus", "olivetti"], ...] = ("ckplus", "olivetti")
    n_kerns: tuple[Positive, Positive] = (20, 50)
    filter_size: Positive = 5
    pool_size: tuple[Positive, Positive] = (2, 2)
    hidden_units: Positive = 2000
    pixel_divisor: PositiveFloat = 256.0
    zero_classifier: bool = True
    learning_rate: PositiveFloat = 0.05
    batch_size: Positive = 56
    olivetti_batch_size: Positive = 40
    n_epochs: Positive = 50
    patience: Annotated[int, Field(ge=0)] = 800
    patience_increase: Annotated[float, Field(ge=1.0)] = 2.0
    improvement_threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.99
    shuffle: bool = False
    orders: tuple[Literal["unshuffled", "shuffled"], ...] = ("unshuffled", "shuffled")
    learning_rates: tuple[PositiveFloat, ...] = (0.1, 0.05, 0.01)
    n_kerns_grid: tuple[tuple[Positive, Positive], ...] = ((20, 50), (10, 30), (5, 10))
    batch_sizes: tuple[Positive, ...] = (1, 2, 5, 10, 20, 56)
    seeds: Positive = 5
    train_per_class: Positive = 56
    held_out_per_class: Positive = 7


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DepthStudySettings:
    """Plain against residual networks of equal depth: the vanishing gradient that both papers argue from.

    liu2023, section 2.2.1 (equation 1, Figure 1); chen2023, section 2.2.1. The networks are those of He et al. 2016,
    section 4.2: three stages of 16, 32 and 64 feature maps, two 3x3 convolutions a block, 6n + 2 layers.

    Attributes:
        blocks: n, blocks a stage, of each network; n = 3 has 20 layers, n = 9 has 56.
        batch_norm: whether a batch norm follows each convolution; without it a plain network shows what vanishes.
        steps: training steps.
        batch_size: faces a step.
        learning_rate: of stochastic gradient descent with momentum 0.9.
        record_every: steps between two records of the gradient's norm in each layer.
        faces: FER-2013 training faces the networks learn from.
    """

    blocks: Annotated[tuple[Positive, ...], Field(min_length=1)] = (3, 9)
    batch_norm: tuple[bool, ...] = (True, False)
    steps: Positive = 300
    batch_size: Positive = 64
    learning_rate: PositiveFloat = 0.01
    record_every: Positive = 10
    faces: Positive = 5000
