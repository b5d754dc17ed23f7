"""Import OpenVINO without telemetry and compile its graphs for this processor; nothing here imports Keras."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from fer_lib.utils.parallel import cores


def openvino() -> ModuleType:
    """Import OpenVINO without its telemetry package, so that it sends nothing.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    silenced = {name: sys.modules.get(name) for name in ("openvino_telemetry", "openvino_telemetry.backend")}
    # OpenVINO then uses a stub
    sys.modules.update(dict.fromkeys(silenced))  # type: ignore[arg-type]  # None makes an import fail
    try:
        import openvino
    finally:
        for name, before in silenced.items():
            sys.modules.pop(name)
            if before is not None:
                sys.modules[name] = before
    return openvino


@functools.cache
def core() -> Any:
    """Start OpenVINO once; it looks for processors, which takes a moment.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    return openvino().Core()


def compiled(graph: Any, *, hint: str = "f32", streams: int = 1) -> Any:
    """Compile a graph for the CPU.

    Args:
        graph: an ``openvino.Model``.
        hint: the precision: ``"f32"``, which some processors would otherwise round, or ``"bf16"``.
        streams: how many requests are served at the same time.

    Raises:
        ImportError: OpenVINO is not installed.
        RuntimeError: the processor lacks the precision, or the graph cannot be compiled.
    """
    options = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": cores()}
    return core().compile_model(graph, "CPU", options)
