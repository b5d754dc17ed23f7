"""Convert one network and run the result: the process that :mod:`fer_lib.predict.export` starts.

Usage: ``python -m fer_lib.predict.export_process NETWORK FORMAT FILE``. ``pixels.npy`` next to FILE has the batches to
run, and ``outputs.npy`` gets the answers. The last line on stdout is the reason of a failure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fer_lib.errors import first_line

Runner = Callable[[np.ndarray], np.ndarray]


def main(network: str, to: str, file: str) -> int:
    """Convert the network, run the file on each batch, and save the outputs one after the other."""
    try:
        _without_telemetry()
        from fer_lib.utils.safe_load import read_network

        batches = np.load(Path(file).with_name("pixels.npy"), allow_pickle=False)
        loaded = read_network(Path(network))
        loaded(batches[0])  # Keras exports to ONNX only what has been called
        _export(loaded, Path(file), to)
        run = {"onnx": _onnx, "litert": _litert, "openvino": _openvino}[to](file)
        outputs = np.concatenate([run(batch) for batch in batches])
        np.save(Path(file).with_name("outputs.npy"), outputs)
    except Exception as error:  # Keras, its layers and each converter raise their own
        sys.stdout.write(f"\n{type(error).__name__}: {first_line(error)}\n")
        return 1
    return 0


def _export(network: Any, file: Path, to: str) -> None:
    """Write the network; OpenVINO's by way of TensorFlow's format, since Keras' own ends in an error on Python 3.13."""
    if to != "openvino":
        network.export(str(file), format=to, verbose=False)
        return
    from fer_lib.utils.inference import openvino

    saved = file.with_name("saved_model")
    network.export(str(saved), format="tf_saved_model", verbose=False)
    openvino().save_model(openvino().convert_model(saved), file, compress_to_fp16=False)


def _without_telemetry() -> None:
    """Hide OpenVINO's telemetry package for the whole process: its converter would report each call to its makers."""
    sys.modules.update(dict.fromkeys(("openvino_telemetry", "openvino_telemetry.backend")))  # type: ignore[arg-type]


def _onnx(file: str) -> Runner:
    """Run with ONNX Runtime where it is installed, else with OpenVINO, which reads ONNX too."""
    if find_spec("onnxruntime") is None:
        return _openvino(file)
    session = import_module("onnxruntime").InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def _litert(file: str) -> Runner:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_path=file)
    place = interpreter.get_input_details()[0]["index"]

    def run(batch: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(place, batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, batch)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


def _openvino(file: str) -> Runner:
    from fer_lib.utils.inference import openvino

    core = openvino().Core()
    compiled = core.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: compiled(batch)[compiled.output(0)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
