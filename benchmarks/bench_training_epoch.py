"""Benchmark one epoch of chen2023's training with validation: our trunk and tail, against ImageDataGenerator + fit.

The second epoch of each training is timed, because the first compiles. Both ways get the same faces, augmented within
the same ranges.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import trunk_work
from side_by_side import MATRICES, arguments, has_amx, machine_limit, ratio, report, say, seconds

from fer_lib.models import trunk
from fer_lib.settings import ResNet50MlpSettings
from fer_lib.utils.pixels import network_input

TARGETS = {"openvino float32": 2.5, "openvino bfloat16": 4.5}
ON_AMX = {"openvino bfloat16": 12.0}
SIDES = (*MATRICES, 4096)  # of the matrices whose product is the trunk's yardstick


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__, pairs=3, faces=8192, weights="")
    targets = TARGETS | ON_AMX if has_amx() else TARGETS
    learn, validate = trunk_work.halves(options.data_dir, options.faces)
    usual = trunk_work.settings(options.weights, epochs=2)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in trunk_work.engines()}
    for _ in range(options.pairs):
        slow = trunk_work.usual_epochs(usual, learn, validate)[1]
        for name, (engine, precision) in trunk_work.engines().items():
            used = trunk_work.settings(options.weights, epochs=2, trunk_engine=engine, trunk_precision=precision)
            pairs[name].append((trunk_work.our_epochs(used, learn, validate)[1], slow))
            say(f"  {name}: ours {pairs[name][-1][0]:.2f} s, usual {slow:.2f} s")
    report(
        "training_epoch",
        f"A training epoch of ResNet50 + MLP on {len(learn):,} faces, validated on {len(validate):,}: trunk on an "
        "engine of its own and tail against ImageDataGenerator and fit",
        {name: ratio(found) | {"target": targets[name]} for name, found in pairs.items()},
        options,
        training_faces=len(learn),
        validation_faces=len(validate),
        synthetic=learn.synthetic,
        faces_a_second={
            "usual": round(len(learn) / ratio(pairs["openvino float32"])["usual_seconds"]),
            **{name: round(len(learn) / ratio(found)["ours_seconds"]) for name, found in pairs.items()},
        },
        trunk_alone=share_of_the_machine(learn.images[:1024], usual),
    )


def share_of_the_machine(images: np.ndarray, used: ResNet50MlpSettings) -> dict[str, dict[str, float]]:
    """Measure the trunk alone on all cores: faces per second, GFLOP/s and the share of the matrix rate."""
    frozen, limit, found = trunk_work.frozen_trunk(used), machine_limit(SIDES), {}
    work, faces = trunk_work.operations_a_face(frozen), network_input(images)
    for name, (engine, precision) in trunk_work.engines().items():
        run = trunk.engine_of(frozen, trunk_work.settings("", trunk_engine=engine, trunk_precision=precision))
        once = partial(trunk.in_batches, run, faces, np.empty((len(faces), run(faces[:1]).shape[1]), np.float32))
        once()
        rate = len(faces) / min(seconds(once) for _ in range(3))
        found[name] = {
            "faces_a_second": round(rate),
            "gflops": round(rate * work, 1),
            "share_of_matrix_rate": round(rate * work / limit[precision], 3),
        }
        say(f"  {name}: {rate:,.0f} faces/s, {found[name]['share_of_matrix_rate']:.0%} of the matrix rate")
    return found


if __name__ == "__main__":
    main()
