"""Settings of liu2023: corpus, face crops, augmentation, ResNet-50 + SVM, LeNet study and depth study."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_lib.settings.chen2023 import ResNetSettings
from fer_lib.settings.common import STRICT, Positive, PositiveFloat, Separation, TrainableTrunk

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


Tutorial = Literal["float32", "float64", "float32_unturned", "float64_unturned"]
"""Arithmetics of the tutorial program: number format, and filters turned as Theano does or not."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CkPlusSettings:
    """CK+ faces of an experiment and their division (liu2023, sections 2.1 and 2.2, Table 1).

    In notebook 04: ``ckplus_changes``, such as ``{"peak_frames": 5}``. The faces of each class are counted in
    ``results/reference/paper/tables/liu2023_table1.md``.

    Attributes:
        generated_subjects: subjects to generate if the profile's source is ``"generated"``.
        generated_photos: GENKI-4K photos to generate then.
        peak_frames: last frames of a labelled sequence that show its emotion: "three to five images".
        contempt: whether the eighth class is kept; "only seven of these expressions were selected".
        train_per_class: training faces of each class (Table 1: 56).
        test_per_class: test faces of each class (Table 1: 14).
        three_parts: training, validation and test faces of each class in section 2.2's three parts (392/49/49 of seven
            classes); null leaves these out.
        repeats: draws of the 56 + 14 faces, and of the three parts; the paper draws once.
        folds: of the cross-validation, which is done as well.
        fold_seeds: draws of the folds.
        separations: ``"frames"`` at random, as printed; ``"sequences"`` apart; ``"subjects"`` apart.
    """

    generated_subjects: Positive = 12
    generated_photos: Positive = 60
    peak_frames: Annotated[int, Field(ge=3, le=5)] = 3
    contempt: bool = False
    train_per_class: Positive = 56
    test_per_class: Positive = 14
    three_parts: tuple[Positive, Positive, Positive] | None = (56, 7, 7)
    repeats: Positive = 5
    folds: Annotated[int, Field(ge=2)] = 5
    fold_seeds: Positive = 1
    separations: tuple[Separation, ...] = ("frames", "sequences", "subjects")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FaceSettings:
    """Face crops from MTCNN's detections (liu2023, section 2.1; the paper gives no detail).

    In notebook 04: ``face_changes``, such as ``{"margin": 0.2}``.

    Attributes:
        size: side of the square crop in pixels ("the 48*48 size image input", section 2.2).
        margin: added on each side of the face box, as a fraction of its longer side.
        align: whether the crop is rotated so that the eyes are level.
        choice: the face to take if there are several.
        min_confidence: detections below it are "low confidence", which is not the same as no face.
        misses: photos without a sure face: ``"keep"`` takes the whole photo, ``"drop"`` leaves it out.
        upscale_to: photos whose shorter side is below this many pixels are enlarged to it before detection.
        mtcnn_engine: ``"package"`` runs MTCNN's networks as the package does, on TensorFlow; ``"openvino"`` runs them
            without TensorFlow, which starts sooner and finds the same boxes to a fraction of a pixel.
    """

    size: Positive = 48
    margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    align: bool = True
    choice: Literal["largest", "most_central"] = "largest"
    min_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
    misses: Literal["keep", "drop"] = "keep"
    upscale_to: Positive = 160
    mtcnn_engine: Literal["package", "openvino"] = "package"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ExpansionSettings:
    """Twelve-fold augmentation and "cross-cut" of the training faces (liu2023, sections 2.1 and 2.2).

    In notebook 04: ``expansion_changes``, such as ``{"cross_cut": "none"}``. The paper's counts, 25,600 and 2,268, are
    worked through in ``results/reference/paper/tables/liu2023_augmentation_counts.md``.

    Attributes:
        operations: each entry makes one copy of each training face; its steps, joined by ``+``, are done in turn:
            ``flip``, ``brightness:<factor>``, ``contrast:<factor>``, ``rotate:<degrees>``, ``zoom:<factor>``,
            ``shift:<fraction right>:<fraction down>``. The paper names "flip, brightness adjustment, and other
            operations" and the number twelve.
        cross_cut: images to cut into four corner crops and a centre crop: ``"each_copy"`` of the twelve (60 views a
            face), ``"originals"`` in addition to the twelve (17 views a face) or ``"none"`` (12 views a face).
        crop_fraction: side of a cross-cut crop, as a fraction of the face's; crops are enlarged to the face's size.
    """

    operations: Annotated[tuple[str, ...], Field(min_length=1)] = TWELVE_OPERATIONS
    cross_cut: Literal["each_copy", "originals", "none"] = "each_copy"
    crop_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.875


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResNet50SvmSettings(ResNetSettings):
    """liu2023, ResNet-50 + SVM (sections 2.2.1, 2.2.2 and 3.1, Tables 1 and 3, Figure 1).

    The fields of ``TrainingSettings`` are those of the fine-tuning; features are extracted on ``trunk_engine``.

    Command: ``papermill notebooks/04_resnet_svm.ipynb out.ipynb -p profile paper -p data_dir <folder>``.

    Cost: some two hours on two CPU cores; the committed run took 104 minutes. Fine-tuning the whole trunk takes four
    to ten minutes an epoch, the exact SVM on FER-2013 three minutes.

    Expected: the paper prints 98.60 % and an SVM that is about 1 % better than SoftMax. It says neither which faces the
    98.60 % are of nor how training and test faces were kept apart (see ``fer_lib/published/liu2023.yaml``). Measured
    with a trunk from Tiny-ImageNet and not ImageNet, in ``results/reference/paper/tables``: on 56 + 14 faces 87.86 %
    with frames at random, 73.81 % with sequences apart and 79.52 % with subjects apart, in five folds 90.72 %, 79.94 %
    and 80.04 % (``liu2023_separations_seed0.md``); 57.06 % on FER-2013 (``liu2023_fer2013_seed0.md``); on GENKI-4K
    69.80 % taught on CK+ and 78.20 % taught on FER-2013 (``liu2023_genki4k_seed0.md``); SVM minus SoftMax
    (``liu2023_svm_softmax_seed0.md``).

    Attributes:
        weights: of the trunk before fine-tuning, as for chen2023: "non-expression databases are used for training".
        fine_tune_on: "fine-tuning network parameters using expression data": ``"fer2013"``, in which none of CK+'s
            subjects is known to be, or ``"nothing"``.
        trainable_trunk: the layers of the trunk that fine-tuning changes.
        pooling: ``"average"`` gives 2,048 features a face, ``"flatten"`` 8,192.
        kernels: of the SVMs; the paper's is ``"rbf"``, the others are its announced future work.
        kernels_in_folds: kernels that the five folds train too; the folds learn from twice as many faces.
        c_grid: penalties C that the grid search starts from.
        gamma_grid: kernel widths that it starts from, as multiples of 1 / (features · variance), scikit-learn's
            ``"scale"``.
        degree_grid: degrees that the polynomial kernel tries.
        nu_grid: bounds ν that the ν-SVC tries in place of C; those that the classes' sizes do not allow are left out.
        grid_steps: most times that each edge of the grids of C and γ moves outwards, by the factor between its two
            outermost values, while the best candidate lies on it; 0 keeps the grids as they are.
        search_folds: of the grid search, grouped by subject, inside the training part.
        search_views: views of each face, evenly spread over all, that the search's folds learn from; 0: the untouched
            faces. Held-out faces are always untouched.
        variants: SVMs that are compared with each other in the five folds, subjects apart, and on FER-2013 ("different
            SVM classifiers", section 4): kernels, ν-SVC, and one-vs-rest in place of one-vs-one; () leaves it out.
        variants_views: views of each face, evenly spread over all, that they learn from; 0: the untouched faces.
        variants_fer2013_faces: FER-2013 training faces that they learn from, drawn by class.
        variants_fer2013_components: principal components of these faces' features; 0 keeps all features.
        control_epochs: of a second fine-tuning, from the same start, which tells what the number of epochs and the rate
            are worth to the readings of 98.60 %; 0 leaves it out.
        control_learning_rate: of that fine-tuning.
        fer2013_components: principal components before FER-2013's SVM, whose exact kernel takes minutes; 0 keeps all
            features (the exact kernel).
        fer2013_search_faces: FER-2013 training faces that its grid search uses.
    """

    scaling: Literal["unit", "trunk"] = "trunk"
    epochs: Annotated[int, Field(ge=0)] = 10
    learning_rate: Annotated[float, Field(gt=0.0)] = 0.0001
    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    fine_tune_on: Literal["fer2013", "nothing"] = "fer2013"
    trainable_trunk: TrainableTrunk = "all"
    pooling: Literal["average", "flatten"] = "average"
    kernels: Annotated[tuple[Literal["rbf", "linear", "poly"], ...], Field(min_length=1)] = ("rbf", "linear", "poly")
    kernels_in_folds: tuple[Literal["rbf", "linear", "poly"], ...] = ("rbf",)
    c_grid: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0, 10.0, 100.0)
    gamma_grid: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.01, 0.1, 1.0, 10.0)
    degree_grid: Annotated[tuple[Positive, ...], Field(min_length=1)] = (2, 3, 4)
    nu_grid: Annotated[tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1)] = (
        0.01,
        0.03,
        0.1,
        0.3,
    )
    grid_steps: Annotated[int, Field(ge=0)] = 5
    search_folds: Annotated[int, Field(ge=2)] = 3
    search_views: Annotated[int, Field(ge=0)] = 12
    variants: tuple[Literal["rbf", "linear", "poly", "sigmoid", "nu", "rbf_ovr", "linear_ovr"], ...] = (
        "rbf",
        "linear",
        "poly",
        "sigmoid",
        "nu",
        "rbf_ovr",
        "linear_ovr",
    )
    variants_views: Annotated[int, Field(ge=0)] = 12
    variants_fer2013_faces: Positive = 5000
    variants_fer2013_components: Annotated[int, Field(ge=0)] = 256
    control_epochs: Annotated[int, Field(ge=0)] = 0
    control_learning_rate: PositiveFloat = 0.0003
    fer2013_components: Annotated[int, Field(ge=0)] = 0
    fer2013_search_faces: Positive = 5000

    @property
    def fine_tuning(self) -> dict:
        """Settings that each epoch of fine-tuning depends on; the number of epochs and the SVMs' settings are none."""
        names = [field.name for field in dataclasses.fields(ResNetSettings)] + ["weights", "fine_tune_on", "pooling"]
        unused = {"epochs"}
        if self.trainable_trunk == "all":  # nothing is frozen then
            unused |= {"trunk_engine", "trunk_precision"}
        return {name: getattr(self, name) for name in names if name not in unused}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LeNetSettings:
    """liu2023's LeNet and its hyper-parameter study (sections 2.2 and 3.2, Tables 2, 4 and 5).

    Hidden size, stopping rule, initial classifier and the order of the faces are not printed. The defaults are those of
    a public tutorial program on the Olivetti faces, ``train_CNN_olivettifaces.py`` of github.com/wepe/MachineLearning,
    that shares the paper's words and many of its settings.

    Command: ``papermill notebooks/06_lenet_study.ipynb out.ipynb -p profile paper -p data_dir <folder>``.

    Cost: 210 short trainings with both orders of the faces, one to two hours on two CPU cores; and 44 of the tutorial
    program, an hour and a half beside other work.

    Expected: at learning rate 0.05 the paper prints errors of 2.5 % and 5 %; Tables 4 and 5 name test and validation in
    opposite order. Measured, unshuffled, medians of five seeds (``results/reference/paper/tables/liu2023_table4.md``):
    5.0 % validation and 10.0 % test error on the Olivetti faces; on CK+ both stay at chance, 83.3 %. The other sweeps
    are in ``liu2023_table5.md`` and ``liu2023_batch_sizes.md``.

    Attributes:
        corpora: the study runs on each of these.
        n_kerns: feature maps of the two convolutions.
        filter_size: side of their filters in pixels.
        pool_size: height and width of the max pooling.
        hidden_units: of the hidden layer.
        pixel_divisor: divides the pixels.
        zero_classifier: whether the logistic regression starts at zero.
        learning_rate: of plain stochastic gradient descent.
        batch_size: faces in one training step on CK+ (Table 2).
        olivetti_batch_size: faces in one training step on the Olivetti faces; the tutorial program uses 40.
        n_epochs: passes over the training faces at most: Table 2's 50. Section 3.2.3 gives 200 as an example, which the
            tutorial program allows.
        patience: steps before training may stop early; 0 never stops early.
        patience_increase: a better validation error at step t lets training go on to this many times t.
        improvement_threshold: a validation error counts as better below this share of the best so far.
        shuffle: whether the training faces are shuffled in each epoch; unshuffled they come class by class.
        orders: the orders that the study runs: ``"unshuffled"``, ``"shuffled"``.
        learning_rates: of Table 4.
        n_kerns_grid: of Table 5.
        batch_sizes: of section 3.2.2.
        seeds: number of initial weights that each row is trained from.
        tutorial: arithmetics in which the tutorial program itself runs, from its own initial weights; () leaves it out.
        tutorial_epochs: its number of epochs.
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
    tutorial: tuple[Tutorial, ...] = ("float32", "float64", "float32_unturned", "float64_unturned")
    tutorial_epochs: Positive = 200
    train_per_class: Positive = 56
    held_out_per_class: Positive = 7


LENET_STUDY_ONLY = (
    "corpora",
    "olivetti_batch_size",
    "orders",
    "learning_rates",
    "n_kerns_grid",
    "batch_sizes",
    "seeds",
    "tutorial",
    "tutorial_epochs",
    "train_per_class",
    "held_out_per_class",
)
"""Fields of :class:`LeNetSettings` that choose trainings and faces; no training of given faces depends on them."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DepthStudySettings:
    """Plain against residual networks of equal depth: the vanishing gradient that both papers argue from.

    liu2023, section 2.2.1 (equation 1, Figure 1); chen2023, section 2.2.1. The networks are those of He et al. 2016,
    section 4.2: three stages of 16, 32 and 64 feature maps, two 3x3 convolutions a block, 6n + 2 layers.

    Command: ``papermill notebooks/06_lenet_study.ipynb out.ipynb -p profile paper -p data_dir <folder>``; its settings
    are changed in ``depth_changes``.

    Cost: a step of 56 layers takes 1.1 to 1.5 s of processor time (``docs/performance.md``); 300 steps a network.

    Expected: the papers print no number. Measured (``results/reference/paper/tables/liu2023_depth_seed0.md``): without
    batch norm, at the start, the gradient's norm in the first of 56 layers is 7.767e-11 in the plain network and 31.7
    in the residual one; with batch norm it is 112.4 and 0.9736.

    Attributes:
        blocks: n, the blocks of a stage, of each network; n = 3 has 20 layers, n = 9 has 56.
        batch_norm: whether a batch norm follows each convolution; without it a plain network's gradient vanishes.
        steps: training steps.
        batch_size: faces in one training step.
        learning_rate: of stochastic gradient descent with momentum 0.9.
        record_every: steps between two records of the gradient's norm in each layer.
        faces: FER-2013 training faces that the networks learn from.
    """

    blocks: Annotated[tuple[Positive, ...], Field(min_length=1)] = (3, 9)
    batch_norm: tuple[bool, ...] = (True, False)
    steps: Positive = 300
    batch_size: Positive = 64
    learning_rate: PositiveFloat = 0.01
    record_every: Positive = 10
    faces: Positive = 5000
