#!/usr/bin/env bash
# OpenVINO and OpenCV shrink a picture inside an ONNX network without the smoothing that the network asks for.
#
# Most would expect: both give ONNX Runtime's answer, or refuse the file as they refuse other things that they cannot do.
# What happens (openvino 2026.4.1, opencv-python-headless 5.0.0.93, onnxruntime 1.32.0): Resize with antialias=1, of ONNX' opset 18
#   and later, is computed as if it said 0. The file is read without a remark. OpenVINO does the same to exclude_outside=1.
# Expected before the run: of 144 networks of a single operation, those that OpenVINO reads are equal to 1e-4. Seen: stripes of a
#   pixel each, 0 and 255, shrunk to a fifth, are grey with ONNX Runtime (102 to 153); with both others they are 0 and 255 again.
# Why it matters: networks that contain their own preprocessing shrink photos of thousands of pixels to some dozens. They see other
#   pictures than they were trained with, and only their accuracy tells.
# What helps: shrink pictures before the network, or compare some answers with ONNX Runtime.
# The script fails if one of the two smooths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile openvino==2026.4.1 opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0
cat >"$folder/shrink.py" <<'EOF'
import io
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

stripes = np.tile([0.0, 255.0], (1, 1, 80, 40)).astype(np.float32)  # a pixel each
nodes = [helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=1)]
inputs, outputs = (
    [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, side, side))] for name, side in (("x", 80), ("y", 16))
)
sizes = numpy_helper.from_array(np.array([1, 1, 16, 16], np.int64), "sizes")
graph = helper.make_graph(nodes, "shrink", inputs, outputs, [sizes])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
onnx.checker.check_model(model)
content = model.SerializeToString()

seen = {"ONNX Runtime": onnxruntime.InferenceSession(content).run(None, {"x": stripes})[0]}
core = openvino.Core()
seen["OpenVINO"] = core.compile_model(core.read_model(io.BytesIO(content)), "CPU")({"x": stripes})[0]
network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
network.setInput(stripes)
seen["OpenCV"] = network.forward()
for name, shrunk in seen.items():
    print(f"{name}: from {shrunk.min():.1f} to {shrunk.max():.1f}; half a row:", *np.round(shrunk[0, 0, 3, :8], 1))
right = seen.pop("ONNX Runtime")
same = [name for name, shrunk in seen.items() if np.allclose(shrunk, right, atol=1)]
sys.exit(f"changed: {' and '.join(same)} smooths" if same else 0)
EOF
"$folder/env/bin/python" "$folder/shrink.py" 2>/dev/null
