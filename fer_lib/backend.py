"""Keras, imported without the notes that TensorFlow's C++ writes to standard error on start-up.

They would stand at the head of every notebook and bury the lines that matter; TF_CPP_MIN_LOG_LEVEL does not reach the
ones written before its logger is set up. ``FER_NATIVE_LOG=1`` lets them through.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _native_stderr_hidden() -> Iterator[None]:
    """Points file descriptor 2 to the null device; Python's own errors are exceptions and still come through."""
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


with _native_stderr_hidden():
    import keras

    DEVICES = [str(name) for name in keras.distribution.list_devices()] or ["cpu"]  # looks for GPUs, loudly

__all__ = ["DEVICES", "keras"]
