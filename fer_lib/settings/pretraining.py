"""Settings of the pre-training of a trunk on images of objects, for those who cannot download ImageNet's weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_lib.settings.common import STRICT, Fraction, Layers, Positive, PositiveFloat, Precision


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PretrainingStage:
    """Passes over the images at one size.

    Attributes:
        image_size: height and width of the network's input, in pixels; Keras' ResNet50 takes 32 or more.
        epochs: passes over the training images.
    """

    image_size: Annotated[int, Field(ge=32)] = 48
    epochs: Positive = 1


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PretrainingSettings:
    """Supervised pre-training of a network of ``keras.applications`` on labelled images, from random weights.

    Both papers start from ImageNet's weights. This is not a replication of how those were made, but a substitute that
    anyone can make again from public images.

    Attributes:
        generated_images: number of training images of each of two classes, if the profile generates its data; a
            quarter as many are for validation.
        stored_size: height and width in pixels at which images are kept; more than the network's input, so that crops
            keep detail.
        network: its name in ``keras.applications``.
        stages: passes at each size, one stage after another; a small size first is several times cheaper.
        batch_size: images in one step.
        optimizer: ``"sgd"``, stochastic gradient descent with Nesterov momentum, or ``"adamw"``.
        learning_rate: the highest of the optimizer. It rises from 0 in ``warmup_epochs`` and falls to 0 along a half
            cosine.
        warmup_epochs: passes in which the learning rate rises.
        momentum: of SGD; of AdamW it is β₁, and β₂ is 0.99.
        weight_decay: share of each kernel that a step takes off, times the learning rate; biases and batch norms are
            left out. With SGD and momentum 0.9 it acts like a tenth of its value as an L2 penalty.
        label_smoothing: share of the target that is spread over all classes.
        smallest_crop: smallest share of an image's area that a random crop has; 1 crops nothing.
        cutmix: share of the training images in which a rectangle is replaced by that of another image, and the target
            is shared out by area (CutMix, Yun et al. 2019).
        largest_gradient: the largest norm of a step's gradient over all weights together; a larger gradient is scaled
            down to it, so that one step cannot undo many (Pascanu et al. 2013). 0 scales none.
        identity_start: start the last batch norm of each residual block with a scale of 0, so that each block starts as
            the identity (Goyal et al. 2017). VGG-16 has no such blocks and starts the same either way.
        head_scale: the scale with which a batch norm between the pooled features and the classifier starts; 0 leaves it
            out. Pooled features of a residual network have large norms and are nearly the same for all images, so that
            each step of the classifier follows which classes its batch happened to have more of.
        scaling: scaling of the pixels that the weights will expect: ``"trunk"`` as Keras' ImageNet weights, or
            ``"unit"``.
        ema_momentum: momentum of a moving average of the weights, which replaces them at the end; 0 keeps none.
        precision: of the layers; ``"mixed_bfloat16"`` computes in bfloat16 and keeps weights and loss in float32.
        layers: ``"fast"`` trains with :mod:`fer_lib.models.fast_layers`, ``"keras"`` with Keras' own layers.
    """

    generated_images: Annotated[int, Field(ge=4)] = 64
    stored_size: Annotated[int, Field(ge=32, le=1024)] = 64
    network: Literal["ResNet50", "VGG16"] = "ResNet50"
    stages: Annotated[tuple[PretrainingStage, ...], Field(min_length=1)] = (
        PretrainingStage(image_size=32, epochs=20),
        PretrainingStage(image_size=48, epochs=16),
    )
    batch_size: Positive = 256
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: PositiveFloat = 0.001
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 1.0
    momentum: Fraction = 0.9
    weight_decay: Fraction = 0.05
    label_smoothing: Fraction = 0.1
    smallest_crop: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    cutmix: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    largest_gradient: Annotated[float, Field(ge=0.0)] = 5.0
    identity_start: bool = True
    head_scale: Annotated[float, Field(ge=0.0)] = 0.3
    scaling: Literal["trunk", "unit"] = "trunk"
    ema_momentum: Fraction = 0.0
    precision: Precision = "mixed_bfloat16"
    layers: Layers = "fast"
