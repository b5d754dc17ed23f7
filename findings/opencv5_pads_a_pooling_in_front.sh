#!/usr/bin/env bash
# OpenCV 5 pads a pooling of an ONNX network on the wrong side, and gives other answers than OpenCV 4 without a word.
#
# Most would expect: OpenCV 5 gives the answers of OpenCV 4.12 and of ONNX Runtime for max and average pooling. ONNX writes of
#   auto_pad="SAME_UPPER", which is TensorFlow's "same", that an odd pixel of padding comes at the end.
# What happens (opencv-python-headless 5.0.0.93, onnxruntime 1.32.0): for a window of three pixels and a stride of two, every map
#   with an even side gets its pixel of padding at the start. Each window is shifted by a pixel. The old and the new engine both
#   do so; convolutions are right, and so are maps with odd sides. OpenCV 4.12.0.88 is right.
# Expected before the run: of 144 networks of a single operation, those that both run are equal to 1e-4. Seen: the first max of the
#   numbers 0 to 35 in a square is 7 in place of 14. (Others that differ: MatMul with a second matrix that is repeated along an axis
#   inside its batch, Softmax up to opset 11, Resize with antialias or "half_pixel_symmetric".)
# Why it matters: it is the usual pooling of networks that were trained with TensorFlow. Their answers get worse, not absurd, so
#   that an accuracy drops after an update and nothing says why.
# What helps: write explicit `pads` in place of `auto_pad` before OpenCV reads the file, and compare some answers with ONNX Runtime.
# The script fails if OpenCV 5 is right, or OpenCV 4.12 is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/pooling.py" <<'EOF'
import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

numbers = np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6)
first_of = {}
for operation in ("MaxPool", "AveragePool"):
    node = helper.make_node(operation, ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, side, side))] for name, side in (("x", 6), ("y", 3))
    )
    graph = helper.make_graph([node], "pooling", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    right = onnxruntime.InferenceSession(content).run(None, {"x": numbers})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    network.setInput(numbers)
    seen = network.forward()
    print(cv2.__version__, operation, "equal" if np.allclose(seen, right) else f"{seen[0, 0, 0]} for {right[0, 0, 0]}")
EOF
for version in 4.12.0.88 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --no-compile opencv-python-headless==$version onnx==1.23.2 onnxruntime==1.32.0
    "$folder/$version/bin/python" "$folder/pooling.py" 2>/dev/null | tee -a "$folder/seen.txt"
done
[[ $(grep -c '^4.12.0 .*equal' "$folder/seen.txt") == 2 ]] || { echo "changed: OpenCV 4.12 is wrong, too"; exit 1; }
if grep -q '^5.0.0 .*equal' "$folder/seen.txt"; then echo "changed: OpenCV 5 is right"; exit 1; fi
