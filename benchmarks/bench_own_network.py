"""Benchmark the candidates for the project's own network: training steps and answers, and their size.

Each candidate trains on random faces by the recipe and answers on one core from small storage. Steps of
``fast_layers`` in bfloat16 are compared with steps of Keras' layers in float32, in turns. An epoch of FER-2013's 28,709
faces follows from the steps; other programs on the computer make it longer.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from side_by_side import alternate, arguments, ratio, report, say

from fer_lib.datasets import corpus
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.experiments import own_network
from fer_lib.models import compact, own_network as networks
from fer_lib.models.openvino_graph import convert
from fer_lib.settings import DataSettings, OwnNetworkSettings, change

CANDIDATES = {
    "resnet 24": {"network": "resnet", "width": 24},
    "resnet 32": {"network": "resnet", "width": 32},
    "vgg 48": {"network": "vgg", "width": 48},
}
TRAINING_FACES = 28_709
STEPS = 2


def trainer(settings: OwnNetworkSettings, batch: tuple[np.ndarray, np.ndarray]):
    """Build a network and return what trains ``STEPS`` steps on one batch."""
    network = own_network.compiled(networks.build(settings), settings)

    def run() -> None:
        for _ in range(STEPS):
            network.train_on_batch(*batch)

    return network, run


def answers_a_second(network, settings: OwnNetworkSettings, faces: np.ndarray) -> tuple[float, float]:
    """Measure faces answered in one processor second, and the megabytes of the int8 folder."""
    facts = compact.Compact(CLASS_NAMES, face=48, size=settings.crop, views=settings.views, storage="int8")
    with tempfile.TemporaryDirectory() as folder:
        model = compact.read(compact.write(folder, convert(network), facts))
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        model.logits(faces[:64])
        started = time.process_time()
        model.logits(faces)
        return len(faces) / (time.process_time() - started), size


def main() -> None:
    """Measure the candidates and write the JSON."""
    options = arguments(__doc__, pairs=3, faces=256)
    faces = corpus.load_fer2013(DataSettings(source="generated", generated_faces=max(350, options.faces)), "")
    results, candidates = {}, []
    for name, changes in CANDIDATES.items():
        settings = change(OwnNetworkSettings(), **changes)
        plain = change(settings, precision="float32", layers="keras")
        batch = own_network.FaceViews(faces, settings, seed=0, epoch=0)[0]
        (network, ours), (_, usual) = trainer(settings, batch), trainer(plain, batch)
        results[name] = ratio(alternate(ours, usual, pairs=options.pairs))
        ours()
        work, started = time.process_time(), time.perf_counter()
        ours()
        work, wall = time.process_time() - work, time.perf_counter() - started
        rate, size = answers_a_second(network, settings, faces.images[: options.faces])
        trained = STEPS * settings.batch_size
        facts = {
            "name": name,
            "parameters": network.count_params(),
            "int8_megabytes": round(size, 2),
            "trained_faces_a_second": round(trained / wall, 1),
            "trained_faces_a_processor_second": round(trained / work, 1),
            "epoch_minutes": round(TRAINING_FACES / (trained / wall) / 60, 2),
            "epoch_processor_minutes": round(TRAINING_FACES / (trained / work) / 60, 2),
            "answered_faces_a_processor_second": round(rate, 1),
        }
        say(f"  {facts}")
        candidates.append(facts)
    claim = "Training steps of 128 faces of 40 x 40 pixels, fast layers in bfloat16 against Keras' layers in float32."
    report("own_network", claim, results, options, candidates=candidates)


if __name__ == "__main__":
    main()
