"""Benchmark a training step on a CPU under TensorFlow, against the same step under JAX and, where installed, torch.

The network is the traditional CNN with the sizes and the batch of the smoke profile ("small") and with its own. Each
backend trains in a process of its own; all are started and warmed up before the first pair, and wait while another one
works. A run is a few steps of ``train_on_batch`` with the same random images.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
from side_by_side import PROJECT, alternate, arguments, ratio, report, say

from fer_lib.settings import BaselineCnnSettings, load_profile

STEPS = {"small": 8, "traditional CNN": 4}
IMAGE_SIZE, CLASSES = 48, 7
DONE = "steps done"


def settings_of(network: str) -> BaselineCnnSettings:
    """Give the settings of one of the networks of ``STEPS``."""
    return load_profile("smoke").baseline_cnn if network == "small" else BaselineCnnSettings()


def serve(network: str) -> None:
    """Train a few steps for each line on standard input, and answer with a line; the environment names the backend."""
    from fer_lib import training
    from fer_lib.models import baseline_cnn

    settings = settings_of(network)
    rng = np.random.default_rng(0)
    images = rng.random((settings.batch_size, IMAGE_SIZE, IMAGE_SIZE, 3), np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=settings.batch_size)]
    model = training.compile_model(baseline_cnn.build(settings, image_size=IMAGE_SIZE), settings)
    for _ in sys.stdin:
        for _ in range(STEPS[network]):
            model.train_on_batch(images, targets)
        say(DONE)


class Steps:
    """A process that trains one network on one backend, a few steps a call."""

    def __init__(self, backend: str, network: str) -> None:
        """Start the process."""
        words = [sys.executable, __file__, "--serve", network]
        path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
        own = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}
        self.process = subprocess.Popen(words, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self) -> None:
        """Have the steps trained, and wait for them; raise RuntimeError if the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != DONE:
            raise RuntimeError("a backend's process has ended; its message is above")

    def end(self) -> None:
        """End the process."""
        self.process.communicate()


def main() -> None:
    """Measure each pair of backends on each network, and report the ratios."""
    options = arguments(__doc__)
    others = [name for name in ("jax", "torch") if find_spec(name)]
    results, steps = {}, {}
    for network, count in STEPS.items():
        running = {backend: Steps(backend, network) for backend in ("tensorflow", *others)}
        for other in others:
            timed = alternate(running["tensorflow"], running[other], pairs=options.pairs)
            results[f"tensorflow, not {other}: {network}"] = found = ratio(timed)
            steps[f"tensorflow, next to {other}: {network}"] = round(1000 * found["ours_seconds"] / count, 1)
            steps[f"{other}: {network}"] = round(1000 * found["usual_seconds"] / count, 1)
        for each in running.values():
            each.end()
    claim = "A training step of the traditional CNN on a CPU under TensorFlow, against Keras' other backends"
    sizes = {name: list(settings_of(name).convolution_filters) for name in STEPS}
    batches = {name: settings_of(name).batch_size for name in STEPS}
    facts = {"step_milliseconds": steps, "convolution_filters": sizes, "batch_size": batches}
    report("backends", claim, results, options, load_average=round(os.getloadavg()[0], 1), **facts)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["--serve"] else main()
