"""Run the networks of the ``mtcnn`` package, in this process or in a worker process.

``mtcnn`` builds its networks with ``tf.keras``, whose layers compute with the Keras backend in use, while its own steps
compute with TensorFlow. Under another backend the two do not fit together, so the networks then run in a worker
process. TensorFlow is imported only when there is an image to search.

This module calls ``mtcnn``'s stages one after the other and not ``MTCNN.detect_faces``, which shifts the boxes of a
batch of several sizes by each other's padding, drops a whole batch on any InvalidArgumentError of TensorFlow, and
rounds every point to a pixel.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fer_lib.errors import FerError
from fer_lib.utils.files import file_sha256


@functools.cache
def engine() -> Callable[[np.ndarray, float], np.ndarray]:
    """Load the networks: in this process if Keras runs on TensorFlow, else in a worker process."""
    from fer_lib.backend import keras

    return _Networks() if keras.backend.backend() == "tensorflow" else _Worker()


class _Networks:
    """MTCNN's three networks: call with uint8 (N, H, W, 3) and a threshold to get float (faces, 16)."""

    def __init__(self) -> None:
        from fer_lib.backend import keras

        folder = weights_folder()
        policy, luck = keras.config.dtype_policy(), random.getstate()
        try:
            from mtcnn.stages import StageONet, StagePNet, StageRNet

            # Full paths: otherwise mtcnn would first load (and unpickle) a pnet.lz4 in the working folder.
            keras.config.set_dtype_policy("float32")
            named = ((StagePNet, "pnet"), (StageRNet, "rnet"), (StageONet, "onet"))
            self._stages = [stage(weights=str(folder / f"{name}.lz4")) for stage, name in named]
        except ImportError as error:
            raise _not_installed(error) from error
        finally:  # a run that reads its crops from the cache must draw the same random numbers as one that does not
            keras.config.set_dtype_policy(policy)
            random.setstate(luck)

    def __call__(self, batch: np.ndarray, threshold: float) -> np.ndarray:
        import tensorflow as tf

        pixels = (batch.astype(np.float32) - 127.5) / 128
        rows: Any = None  # the stages have no types
        shapes = np.array([picture.shape for picture in batch])
        with tf.device("CPU:0"):  # the networks are small, and boxes should not depend on a GPU
            for stage in self._stages:
                rows = stage(
                    bboxes_batch=rows, images_normalized=pixels, images_oshapes=shapes, threshold_onet=threshold
                )
                if not len(rows):  # the next network fails on an empty array
                    return np.empty((0, 16))
        return rows


class _Worker:
    """The networks in a worker process whose Keras runs on TensorFlow; called like ``_Networks``."""

    def __init__(self) -> None:
        settings = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
        path = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from fer_lib.faces import mtcnn; mtcnn.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **settings, "PYTHONPATH": os.pathsep.join(path)},
            start_new_session=True,  # this process handles interrupts and ends the worker
        )

    def __call__(self, batch: np.ndarray, threshold: float) -> np.ndarray:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # both are pipes
        assert stdout is not None
        try:
            pickle.dump((batch, threshold), stdin)
            stdin.flush()
            rows, error = pickle.load(stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            status = self.close()
            raise FerError(
                f"The face detector's process ended unexpectedly (exit status {status}), perhaps for lack of memory. "
                "Free some memory and run again, or set KERAS_BACKEND=tensorflow to detect faces without that process."
            ) from None
        except BaseException:  # interrupted: the pending answer would be taken for that of the next batch
            self.close()
            raise
        if error is not None:
            raise error
        return rows

    def close(self) -> int:
        """End the process and return its exit status; the next search starts another."""
        engine.cache_clear()
        try:
            self._process.wait(timeout=1)  # if it ended by itself, its own status says why
        except subprocess.TimeoutExpired:
            self._process.kill()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return self._process.wait()


def serve() -> None:
    """Run the worker process: answer batches from standard input on standard output until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keep the output of libraries out of the answers
    networks = None
    while True:
        try:
            batch, threshold = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            networks = networks or _Networks()
            answer = pickle.dumps((networks(batch, threshold), None))
        except FerError as error:
            answer = pickle.dumps((None, error))
        except Exception as error:  # TensorFlow's errors cannot be pickled
            answer = pickle.dumps((None, RuntimeError(f"MTCNN failed: {type(error).__name__}: {error}")))
        answers.write(answer)
        answers.flush()


def weights_folder() -> Path:
    """Find the folder of mtcnn's weights without importing the package, which would import TensorFlow.

    Raises:
        FerError: mtcnn is not installed.
    """
    found = find_spec("mtcnn")
    if found is None or found.origin is None:
        raise _not_installed("No module named 'mtcnn'")
    return Path(found.origin).parent / "assets" / "weights"


@functools.cache
def detector_name(engine: str = "package") -> str:
    """Name the detector: its version, the first twelve digits of each weights file's hash, and another engine.

    Args:
        engine: ``FaceSettings.mtcnn_engine``.
    """
    folder = weights_folder()
    hashes = [file_sha256(path)[:12] for path in sorted(folder.glob("*.lz4"))]
    on = "" if engine == "package" else f", on {engine} {version(engine)}"
    return f"mtcnn {version('mtcnn')}, weights {' '.join(hashes)}{on}"


def _not_installed(reason: object) -> FerError:
    return FerError(
        f"Finding faces needs mtcnn 1.0 and TensorFlow, which cannot be imported ({reason}). Install both with "
        "pip install 'mtcnn>=1.0' tensorflow, or use a corpus of face crops such as ckplus48."
    )
