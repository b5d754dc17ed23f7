"""Measure what a frozen trunk keeps of the differences between faces as the scale of its input changes.

chen2023 divides pixels by 255 (section 2.1, "pixel normalization") before a ResNet50 whose weights were trained on
pixels of -128 to 151 (section 2.2.1). Its frozen batch norms subtract means and divide by deviations of that range, so
that pixels of 0 to 1 look to them like nearly the same grey picture. This module measures, at each scale, the features'
variation over faces, a linear probe on them and the error of bfloat16, and finds the layers that lose the variation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.evaluation.metrics import score
from fer_lib.experiments import linear_probe
from fer_lib.models import resnet50_mlp, trunk
from fer_lib.settings import InputScaleSettings, ResNet50MlpSettings
from fer_lib.training import set_seed
from fer_lib.utils.pixels import network_input

GIVEN, RANDOM = "given", "random"
EPSILON = 1e-3
"""Of Keras' batch norm, such as the first of chen2023's head: it adds this to a variance before it divides by it."""
INPUT = "pixels"
BOTH_SCALES = ((255.0, False), (1.0, True))
"""The paper's input and the trunk's own: divisor, and whether ImageNet's means are subtracted."""
STEM = ("conv1_conv", "conv1_bn", "pool1_pool")


def trunks(settings: ResNet50MlpSettings, seed: int) -> dict[str, keras.Model]:
    """Build the settings' trunk and a random one; only the random one if the settings' weights are random.

    Raises:
        FerError: as for :func:`fer_lib.models.resnet50_mlp.build_trunk`.
    """
    random_weights = settings.weights in ("none", "random_frozen")
    given = {} if random_weights else {GIVEN: resnet50_mlp.build_trunk(settings)}
    set_seed(seed)
    return {**given, RANDOM: resnet50_mlp.build_trunk(replace(settings, weights="random_frozen"))}


def measure(
    networks: Mapping[str, keras.Model],
    sizes: InputScaleSettings,
    settings: ResNet50MlpSettings,
    *,
    learn: FaceDataset,
    test: FaceDataset,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure variation, probe and precision of each trunk's features at each scale of the input.

    Args:
        networks: name -> network without top, input (H, W, 3) of the faces' size.
        sizes: the numbers of faces and the divisors of the pixels.
        settings: the engine of the trunks; the features are those of float32 whatever precision is set.
        learn: faces that the probe learns from.
        test: other faces: the probe's test, and those whose features' variation is measured.
        seed: of the choice of faces.

    Returns:
        A row for each trunk, divisor and ``centred`` (whether ImageNet's means were subtracted first), with those three
        columns, and: ``variation``, ``variance`` and ``after_batch_norm`` (:func:`spread`); ``accuracy`` with ``low``
        and ``high``, and ``sure`` (the share of answers above 0.5) of the probe; ``bfloat16_of_norm`` and
        ``bfloat16_of_variation``, missing where the engine cannot compute in bfloat16 on this processor.
    """
    learn, test = drawn(learn, sizes.learn_faces, seed), drawn(test, sizes.test_faces, seed)
    few = _rows(len(test), sizes.faces, seed)
    rows = []
    for name, network in networks.items():
        lower = _in_bfloat16(network, sizes, settings, test.take(few).images)
        engine = trunk.engine_of(network, replace(settings, trunk_precision="float32"))
        for scale in _scales(sizes):
            learned, seen = (_features(engine, network, faces.images, *scale) for faces in (learn, test))
            answers = linear_probe.regression(
                _pooled(learned, network), learn.labels, _pooled(seen, network), classes=len(test.class_names)
            )
            row = {"trunk": name, "divisor": scale[0], "centred": scale[1], **spread(seen[few])}
            rows.append({**row, **_probed(answers, test), **_errors(lower.get(scale), seen[few])})
    return pd.DataFrame(rows)


def drawn(faces: FaceDataset, size: int, seed: int) -> FaceDataset:
    """Draw ``size`` faces at random, in their order; all of them if there are not more."""
    return faces.take(_rows(len(faces), size, seed))


def features(
    network: keras.Model,
    settings: ResNet50MlpSettings,
    images: Sequence[np.ndarray],
    divisor: float,
    centred: bool,
) -> list[np.ndarray]:
    """Compute a trunk's maps of several sets of faces, uint8 (N, H, W), at one scale: float32 (N, D) each."""
    engine = trunk.engine_of(network, replace(settings, trunk_precision="float32"))
    return [_features(engine, network, each, divisor, centred) for each in images]


def by_layer(networks: Mapping[str, keras.Model], settings: ResNet50MlpSettings, faces: np.ndarray) -> pd.DataFrame:
    """Measure the variation over faces after each block of each trunk, to find where it is lost.

    Args:
        networks: name -> a ResNet50 of ``keras.applications`` without top.
        settings: the engine of the trunks.
        faces: uint8 (N, H, W).

    Returns:
        ``trunk``, ``layer`` (in order; the first is the input itself), ``divisor``, ``centred`` and ``variation``.
    """
    rows = []
    for name, network in networks.items():
        blocks = [layer for layer in network.layers if layer.name in STEM or layer.name.endswith("_out")]
        inner = keras.Model(network.inputs, [layer.output for layer in blocks])
        engine = trunk.engine_of(inner, replace(settings, trunk_precision="float32"))
        names = [INPUT, *(layer.name for layer in blocks)]
        ends = np.cumsum([int(np.prod(layer.output.shape[1:])) for layer in blocks])
        for divisor, centred in BOTH_SCALES:
            shares = _streamed(engine, _pixels(faces, divisor, centred), ends)
            row = {"trunk": name, "divisor": divisor, "centred": centred}
            rows += [{**row, "layer": layer, "variation": share} for layer, share in zip(names, shares, strict=True)]
    return pd.DataFrame(rows)


def spread(features: np.ndarray) -> dict[str, float]:
    """Compute how much features, (N, D), differ between faces.

    Returns:
        ``variation``: the root mean square of their deviations from the mean over faces, as a share of that of the
        features themselves. ``variance``: the median feature's variance over faces. ``after_batch_norm``: the root mean
        square of a feature after a batch norm of Keras' epsilon, which is 1 unless variances are as small as it.
    """
    variances = features.var(axis=0, dtype=np.float64)
    square = float(np.square(features, dtype=np.float64).mean())
    return {
        "variation": float(np.sqrt(variances.mean() / square)),
        "variance": float(np.median(variances)),
        "after_batch_norm": float(np.sqrt((variances / (variances + EPSILON)).mean())),
    }


def _rows(count: int, size: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(count)[:size])


def _scales(sizes: InputScaleSettings) -> list[tuple[float, bool]]:
    return list(product(sizes.divisors, (False, True)))


def _pixels(images: np.ndarray, divisor: float, centred: bool) -> np.ndarray:
    """Scale faces (N, H, W): 0-255, without ImageNet's means if ``centred``, then divided; float32 (N, H, W, 3)."""
    return network_input(images, "trunk" if centred else "raw") / np.float32(divisor)


def _features(
    engine: trunk.Engine, network: keras.Model, images: np.ndarray, divisor: float, centred: bool
) -> np.ndarray:
    """Compute a trunk's maps, flattened: float32 (N, positions · channels)."""
    width = int(np.prod(network.output_shape[1:]))
    return trunk.in_batches(
        lambda batch: engine(_pixels(batch, divisor, centred)), images, np.empty((len(images), width), np.float32)
    )


def _pooled(features: np.ndarray, network: keras.Model) -> np.ndarray:
    """Average flattened maps over their positions: (N, channels)."""
    return features.reshape(len(features), -1, network.output_shape[-1]).mean(axis=1)


def _probed(answers: np.ndarray, test: FaceDataset) -> dict[str, float]:
    scores = score(answers, test.labels, test.class_names).set_index("metric").loc["categorical_accuracy"]
    sure = float((answers.max(axis=1) > 0.5).mean())
    return {"accuracy": scores["value"], "low": scores["low"], "high": scores["high"], "sure": sure}


def _in_bfloat16(
    network: keras.Model, sizes: InputScaleSettings, settings: ResNet50MlpSettings, images: np.ndarray
) -> dict[tuple[float, bool], np.ndarray]:
    """Compute the features at each scale in bfloat16; empty where the engine cannot on this processor."""
    try:
        engine = trunk.engine_of(network, replace(settings, trunk_precision="bfloat16"))
        return {scale: _features(engine, network, images, *scale) for scale in _scales(sizes)}
    except FerError:
        return {}


def _errors(found: np.ndarray | None, reference: np.ndarray) -> dict[str, float]:
    if found is None:
        return {"bfloat16_of_norm": np.nan, "bfloat16_of_variation": np.nan}
    of_norm = float(np.linalg.norm(found - reference) / np.linalg.norm(reference))
    return {"bfloat16_of_norm": of_norm, "bfloat16_of_variation": trunk.share_of_variation(found, reference)}


def _streamed(engine: trunk.Engine, pixels: np.ndarray, ends: np.ndarray) -> list[float]:
    """Compute the variation of the input and of each layer batch by batch: all maps of all faces would fill memory."""
    sums, squares = np.zeros(int(ends[-1])), np.zeros(int(ends[-1]))
    for start in range(0, len(pixels), trunk.FACES_A_STEP):
        maps = engine(pixels[start : start + trunk.FACES_A_STEP]).astype(np.float64)
        sums += maps.sum(axis=0)
        squares += np.square(maps).sum(axis=0)
    parts = np.split(np.arange(int(ends[-1])), ends[:-1])
    means, powers = sums / len(pixels), squares / len(pixels)
    inside = [float(np.sqrt(1 - np.square(means[part]).mean() / powers[part].mean())) for part in parts]
    return [spread(pixels.reshape(len(pixels), -1))["variation"], *inside]
