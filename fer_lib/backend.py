"""What computes: Keras, and OpenVINO where it is asked for, imported without what they would do on the side.

TensorFlow's C++ writes notes to standard error on start-up, which would stand at the head of every notebook and bury
the lines that matter; TF_CPP_MIN_LOG_LEVEL does not reach the ones written before its logger is set up.
``FER_NATIVE_LOG=1`` lets them through. OpenVINO's Python package reports its own import to its makers.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


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

if not os.environ.get("FER_NATIVE_LOG"):
    # it warns of networks that are made anew again and again, which a comparison of many cannot do without
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def openvino() -> ModuleType:
    """Returns OpenVINO, imported so that it sends nothing: without the package that would, it does not try.

    Raises:
        ImportError: it is not installed.
    """
    silenced = {name: sys.modules.get(name) for name in ("openvino_telemetry", "openvino_telemetry.backend")}
    sys.modules.update(dict.fromkeys(silenced))  # None: an import of it fails, and OpenVINO has a stub for that
    try:
        import openvino
    finally:
        for name, before in silenced.items():
            sys.modules.pop(name)
            if before is not None:
                sys.modules[name] = before
    return openvino


__all__ = ["DEVICES", "keras", "openvino"]
