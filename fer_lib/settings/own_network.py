"""Settings of the project's own network, which answers ``fer-lib predict`` from the package."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_lib.settings.common import STRICT, Fraction, Layers, Positive, PositiveFloat, Precision

Share = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class OwnNetworkSettings:
    """One network from scratch on FER-2013's training part, chosen on PublicTest, told once on PrivateTest.

    The recipe follows Khaireddin and Chen (2021, arXiv 2105.03588), whose single network reached 73.28 % on FER-2013
    without further data: stochastic gradient descent with Nesterov momentum, a rate that falls
    where the validation accuracy stalls or along a cosine, rescaled, shifted, turned, mirrored and partly erased faces,
    ten crops in the test. Neither paper of this replication has such a network. Command:
    ``python workflow/own_network.py --data-dir data``. Cost: ``benchmarks/bench_own_network.py`` measures a step.

    Attributes:
        network: ``"resnet"``, four stages of two residual blocks each (He et al. 2016), or ``"vgg"``, four stages of
            two convolutions and a pooling each.
        width: feature maps of the first stage; each later stage doubles them.
        crop: height and width of the network's input in pixels, a random part of the face in training.
        epochs: passes over the training faces.
        batch_size: faces in one step.
        learning_rate: the highest.
        schedule: ``"cosine"`` falls to zero from epoch to epoch; ``"plateau"`` takes three quarters of the rate where
            five epochs brought no better accuracy on PublicTest.
        warmup_epochs: the first epochs, over which the rate rises from a part of ``learning_rate`` to all of it.
        momentum: of the descent (Nesterov).
        weight_decay: share of each kernel that a step takes off, times the learning rate; with momentum 0.9 it acts
            like a tenth of its value as an L2 penalty.
        label_smoothing: share of the target that is spread over all classes.
        smallest_area: of the part of a face that is rescaled to the whole, as a share of its area; the largest is
            ``largest_area``, of which that above 1 shows the repeated border.
        largest_area: see ``smallest_area``.
        shift: largest shift as a share of the side, in ``likelihood`` of the faces.
        rotation: largest rotation in degrees, in ``likelihood`` of the faces.
        likelihood: see ``shift`` and ``rotation``; also the share of faces with an erased rectangle.
        erased_area: largest share of the area that an erased rectangle has; the smallest is a fiftieth.
        drop_leaks: leave out the training faces whose picture is also in PublicTest or PrivateTest. Published numbers
            are of the whole part, so it is learnt whole, and the scores tell the faces apart that are in it.
        views: which parts of a face are averaged in the answer (:data:`fer_lib.models.compact.VIEWS`).
        precision: of the layers in training; weights and loss stay in float32.
        layers: ``"fast"`` trains with :mod:`fer_lib.models.fast_layers`, ``"keras"`` with Keras' own layers.
    """

    network: Literal["resnet", "vgg"] = "resnet"
    width: Positive = 32
    crop: Annotated[int, Field(ge=16)] = 40
    epochs: Positive = 120
    batch_size: Positive = 128
    learning_rate: PositiveFloat = 0.1
    schedule: Literal["cosine", "plateau"] = "cosine"
    warmup_epochs: Annotated[int, Field(ge=0)] = 2
    momentum: Fraction = 0.9
    weight_decay: Fraction = 0.001
    label_smoothing: Fraction = 0.1
    smallest_area: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    largest_area: Annotated[float, Field(ge=1.0)] = 1.2
    shift: Share = 0.2
    rotation: Annotated[float, Field(ge=0.0)] = 10.0
    likelihood: Share = 0.5
    erased_area: Share = 0.33
    drop_leaks: bool = False
    views: Literal["whole", "mirrored", "ten_crop"] = "mirrored"
    precision: Precision = "mixed_bfloat16"
    layers: Layers = "fast"
