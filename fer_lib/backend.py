"""Import Keras quickly and without start-up logging.

TensorFlow's C++ code writes notes to standard error on start-up, which would appear at the top of every notebook and
bury the lines that matter; TF_CPP_MIN_LOG_LEVEL does not suppress those written before its logger is set up.
``FER_NATIVE_LOG=1`` shows them.

TensorFlow is imported without JAX, which its converter for phones imports if it can, and without the collector of
reference cycles, which would walk through a million new objects again and again and find nothing. This makes a start
nearly twice as fast (``benchmarks/bench_start.py``).

On a GPU, memory is taken as it is needed: several notebooks, or other people, may share the card. Whoever sets
``TF_FORCE_GPU_ALLOW_GROWTH`` or ``XLA_PYTHON_CLIENT_PREALLOCATE`` decides otherwise.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# before the import, which reads them; torch needs no such word
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


@contextmanager
def _native_stderr_hidden() -> Iterator[None]:
    """Point file descriptor 2 to the null device; Python's own errors are exceptions and still get through."""
    if os.environ.get("FER_NATIVE_LOG"):
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


class _WithoutJax:
    """Finder of modules that hides JAX from TensorFlow's converter for phones, and from nothing else."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "jax" and "tensorflow.lite.python.util" in sys.modules:
            raise ModuleNotFoundError("hidden to save time", name=name)


@contextmanager
def _quick_import() -> Iterator[None]:
    """Import without the collector and without JAX; modules, classes and functions never need to be collected."""
    hidden, collected = _WithoutJax(), gc.isenabled()
    sys.meta_path.insert(0, hidden)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(hidden)
        gc.freeze()
        if collected:
            gc.enable()


with _native_stderr_hidden(), _quick_import():
    import keras

    if keras.backend.backend() == "torch":  # whose devices Keras does not list
        import torch

        DEVICES = [f"gpu:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]
    else:
        DEVICES = [str(name) for name in keras.distribution.list_devices()] or ["cpu"]  # looks for GPUs, logs about it

if not os.environ.get("FER_NATIVE_LOG"):
    # it warns about networks that are built again and again, which a comparison of many cannot avoid
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Set the precision of the layers that are built inside, such as ``"mixed_bfloat16"``; those loaded keep theirs."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


__all__ = ["DEVICES", "keras", "precision"]
