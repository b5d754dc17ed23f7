"""Settings of chen2023's two models: ResNet50 + MLP and the traditional CNN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_lib.settings.common import (
    STRICT,
    Fraction,
    Layers,
    Positive,
    PositiveFloat,
    Precision,
    TrainableTrunk,
    TrunkEngine,
    TrunkPrecision,
)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingSettings:
    """Preprocessing (section 2.1) and training (section 2.3, Table 1), as in chen2023's two models.

    Attributes:
        width_shift_range: largest horizontal shift, as a fraction of the width.
        height_shift_range: largest vertical shift, as a fraction of the height.
        rotation_range: largest rotation, in degrees.
        scaling: pixel normalisation: ``"unit"`` divides by 255, the usual meaning of the paper's words; ``"trunk"`` is
            ResNet50's own ``preprocess_input`` (BGR, ImageNet means subtracted, 0-255), or the scaling that the card of
            a weights file names (:mod:`fer_lib.models.weights_file`).
        batch_size: faces in one training step.
        epochs: passes over the training faces.
        learning_rate: of Adam; the paper gives none, Keras' default is 0.001.
        kernel_initializer: of every new layer; the default is Keras'.
        early_stopping_patience: epochs without a lower validation loss before training stops; 0 never stops early.
        plateau_patience: epochs without a validation loss lower by 0.0001 before the learning rate is multiplied by
            ``plateau_factor``, as Keras' ReduceLROnPlateau does; 0 never changes it.
        plateau_factor: that factor.
        precision: of the layers that train; ``"mixed_bfloat16"``, for a GPU, computes in bfloat16 and keeps weights,
            loss and softmax in float32. On a CPU, combine it with ``layers: fast``: Keras' own layers lose nearly all
            of the gradient of a convolution's bias there (``findings/bias_gradient_in_bfloat16.sh``).
        layers: of a network all of whose layers train: ``"keras"``, Keras' own, or ``"fast"``, the same mathematics
            (:mod:`fer_lib.models.fast_layers`), faster on a CPU. The trained network has Keras' own in any case.
    """

    width_shift_range: Fraction = 0.1
    height_shift_range: Fraction = 0.1
    rotation_range: Annotated[float, Field(ge=0.0, le=180.0)] = 15.0
    scaling: Literal["unit", "trunk"] = "unit"
    batch_size: Positive = 64
    epochs: Positive = 50
    learning_rate: Annotated[float, Field(gt=0.0)] = 0.001
    kernel_initializer: Literal["glorot_uniform", "he_normal", "he_uniform", "glorot_normal"] = "glorot_uniform"
    early_stopping_patience: Annotated[int, Field(ge=0)] = 0
    plateau_patience: Annotated[int, Field(ge=0)] = 0
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    precision: Precision = "float32"
    layers: Layers = "keras"

    @property
    def moves(self) -> dict[str, float]:
        """Shifts and rotation by name, as :func:`fer_lib.augmentation.random_affine` takes them."""
        names = ("width_shift_range", "height_shift_range", "rotation_range")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RawTestSettings(TrainingSettings):
    """How the test faces of chen2023's two models are normalised (section 2.1).

    Attributes:
        test_scaling: ``"same"`` normalises test faces as validation faces; ``"raw"`` feeds 0-255, as the paper's "raw
            images on the testing set" says. The notebooks measure both; Table 2 shows the one set here.
    """

    test_scaling: Literal["same", "raw"] = "same"

    @property
    def testing_scaling(self) -> str:
        """The scaling of test faces: ``scaling`` itself, or ``"raw"``."""
        return self.scaling if self.test_scaling == "same" else "raw"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResNetSettings(TrainingSettings):
    """Trunk of both papers' ResNet50: the layers that train, and the engine of the frozen ones.

    Attributes:
        trainable_trunk: layers of the trunk that train (see :func:`fer_lib.models.resnet50_mlp.freeze`).
        trunk_engine: runs the frozen layers, and the whole trunk when features are extracted: ``"keras"`` on its
            backend and device, or ``"openvino"`` on the CPU, about twice as fast there.
        trunk_precision: of that engine; ``"bfloat16"`` is a deviation: some 2 % of the features' variation over faces
            with a random trunk, and 45 % with that of the reference runs at 1/255 (``docs/performance.md``). The layers
            that train have their own ``precision``.
    """

    trainable_trunk: TrainableTrunk = "last_four_layers"
    trunk_engine: TrunkEngine = "keras"
    trunk_precision: TrunkPrecision = "float32"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResNet50MlpSettings(ResNetSettings, RawTestSettings):
    """chen2023, "the model of this paper": ResNet50 + MLP (sections 2.2-2.3, Tables 1 and 2, Figures 2-6).

    Command: ``papermill notebooks/03_resnet50_mlp.ipynb out.ipynb -p profile paper -p data_dir <folder>``.

    Cost: 50 epochs of 22,967 faces. On two free CPU cores an epoch takes 31 s with a bfloat16 trunk and 49 s with a
    float32 one (``docs/performance.md``): 25 and 41 minutes. The committed runs took an hour or more
    beside other work.

    Expected: the paper prints test loss 1.78 and test accuracy 0.8571. Measured over three seeds, with a trunk from
    Tiny-ImageNet and not ImageNet (``results/reference/paper/tables/chen2023_table2.md``): loss 1.8062, categorical
    accuracy 0.2467, binary accuracy 0.8571. A model that is never more than 50 % sure has the binary accuracy
    6/7 = 0.8571 too (``fer_lib/published/chen2023.yaml``).

    Attributes:
        weights: ``"imagenet"``, ``"none"`` (random, and the whole trunk trains), ``"random_frozen"`` (random, and only
            the layers of ``trainable_trunk`` train), or a file: ``.h5``, ``.weights.h5`` or ``.keras``.
        trainable_trunk: the meaning of ResNet50's "last four layers": the last four Keras layers, the last four layers
            with weights, the last four convolutions with their batch norms, all layers, or none.
        dropout_rate: of every dropout layer (Table 1).
    """

    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    dropout_rate: Fraction = 0.5


@dataclass(frozen=True, kw_only=True, config=STRICT)
class InputScaleSettings:
    """Study of the trunk's input scale (notebook 02): why a division by 255 leaves chen2023's model unsure.

    Command: ``papermill notebooks/02_preprocessing.ipynb out.ipynb -p profile paper -p data_dir <folder>``.

    Attributes:
        divisors: what the pixels, 0-255 or less ImageNet's means, are divided by.
        learn_faces: training faces that the linear probe learns from.
        test_faces: validation faces that score it.
        faces: faces among these whose features' variation, and bfloat16's error, is measured.
    """

    divisors: tuple[PositiveFloat, ...] = (255, 127.5, 64, 16, 4, 1)
    learn_faces: Positive = 4000
    test_faces: Positive = 2000
    faces: Positive = 512


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BaselineCnnSettings(RawTestSettings):
    """chen2023, "Traditional CNN model" (Table 2, first row).

    The paper gives no architecture. The default is a common FER-2013 CNN of that kind, without augmentation, so that
    it can over-fit.

    Command: ``papermill notebooks/05_baseline_cnn.ipynb out.ipynb -p profile paper -p data_dir <folder>``.

    Cost: 50 epochs of 22,967 faces, some two hours on two CPU cores. The committed runs took 125 minutes on a CPU
    (seed 0) and under five on a GPU with JAX (seeds 1 and 2).

    Expected: the paper prints accuracies of 0.9613 (training), 0.6314 (validation) and 0.6420 (testing). Measured over
    three seeds (``results/reference/paper/tables/chen2023_table2.md``): categorical accuracies of 0.9482, 0.6180 and
    0.6218, and a binary accuracy of 0.8948 in testing.

    Attributes:
        convolution_filters: filters of each block of two 3x3 convolutions and a 2x2 max pooling.
        dense_units: units of the hidden dense layer.
        dropout_rate: after each pooling and before the output; 0 leaves the layers out.
        batch_normalization: whether a batch norm follows each convolution and the hidden dense layer. Without it nearly
            all units of that layer fell silent in fifty epochs on FER-2013.
        normalization_momentum: of the batch norms' moving averages, which prediction uses: at 0.99 they follow some
            hundred steps, at 0.9 some ten.
    """

    width_shift_range: Fraction = 0.0
    height_shift_range: Fraction = 0.0
    rotation_range: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    convolution_filters: tuple[Positive, ...] = (32, 64, 128)
    dense_units: Positive = 256
    dropout_rate: Fraction = 0.25
    batch_normalization: bool = True
    normalization_momentum: Fraction = 0.99


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PublicCnnSettings:
    """Public CNNs in equal standing with chen2023's "Traditional CNN model", for which the paper gives no architecture.

    Command: ``papermill notebooks/05_baseline_cnn.ipynb out.ipynb -p profile paper -p data_dir <folder>``, which trains
    the traditional CNN as well. Batch size, learning rate and augmentation are that model's.

    Cost: minutes each on a GPU, by an estimate; on two CPU cores some hours for the larger two.

    Expected: not measured yet.

    Attributes:
        names: keys of :data:`fer_lib.models.public_cnns.PUBLIC_CNNS`.
        epochs: passes over the training faces; 0 means as many as the traditional CNN's.
    """

    names: tuple[Literal["mini_xception", "four_convolutions", "five_convolutions"], ...] = (
        "mini_xception",
        "four_convolutions",
        "five_convolutions",
    )
    epochs: Annotated[int, Field(ge=0)] = 0
