"""Benchmark whole-network training on a CPU: fast layers in bfloat16 and in float32, against Keras' usual float32 fit.

ResNet50 and the traditional CNN, all of whose layers train. A run is a few steps of ``train_on_batch`` with the same
images, so that augmentation and reading files do not count. Needs TensorFlow as Keras' backend.
"""

from __future__ import annotations

import numpy as np
from side_by_side import alternate, arguments, ratio, report, say

from fer_lib.backend import keras, precision
from fer_lib.experiments import pretraining
from fer_lib.models import baseline_cnn
from fer_lib.models.fast_layers import faster
from fer_lib.settings import BaselineCnnSettings, PretrainingSettings, change

STEPS = 4
TARGETS = {"resnet50_48 mixed_bfloat16": 2.3, "baseline_cnn_48 mixed_bfloat16": 4}  # on a processor with AMX
CASES = {  # name -> network, height and width of the images, images in a step
    "resnet50_32": ("resnet50", 32, 256),
    "resnet50_48": ("resnet50", 48, 128),
    "baseline_cnn_48": ("baseline_cnn", 48, 128),
}


def build(network: str, size: int, *, policy: str, layers: str) -> keras.Model:
    """Build and compile one network with its usual optimiser; it has seven classes or two hundred."""
    if network == "resnet50":
        settings = change(PretrainingSettings(), precision=policy, layers=layers)
        return pretraining.build(settings, classes=200, image_size=size, steps=100)
    with precision(policy):
        model = baseline_cnn.build(BaselineCnnSettings(), image_size=size)
    model = faster(model) if layers == "fast" else model
    model.compile(keras.optimizers.Adam(), keras.losses.CategoricalCrossentropy())
    return model


def main() -> None:
    """Time each network, and report images a second and the ratios to the usual way."""
    options = arguments(__doc__, pairs=5)
    results, rates = {}, {}
    for name, (network, size, batch) in CASES.items():
        usual = build(network, size, policy="float32", layers="keras")
        rng = np.random.default_rng(0)
        images = rng.random((batch, size, size, usual.input_shape[-1]), np.float32)
        targets = np.eye(usual.output_shape[1], dtype=np.float32)[rng.integers(usual.output_shape[1], size=batch)]

        def steps(model: keras.Model, images: np.ndarray = images, targets: np.ndarray = targets) -> None:
            for _ in range(STEPS):
                model.train_on_batch(images, targets)

        for policy in ("mixed_bfloat16", "float32"):
            ours = build(network, size, policy=policy, layers="fast")
            timed = alternate(lambda: steps(ours), lambda: steps(usual), pairs=options.pairs)  # noqa: B023
            case = f"{name} {policy}"
            results[case] = ratio(timed) | ({"target": TARGETS[case]} if case in TARGETS else {})
            rates[case] = round(STEPS * batch / float(np.median([pair[0] for pair in timed])), 1)
            rates[f"{name} usual"] = round(STEPS * batch / float(np.median([pair[1] for pair in timed])), 1)
            say(f"  {case}: {results[case]}")
    claim = "Fast layers train a whole network on a CPU faster than Keras' usual float32 fit"
    report("whole_network", claim, results, options, images_a_second=rates)


if __name__ == "__main__":
    main()
