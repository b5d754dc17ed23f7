"""Benchmark liu2023's LeNet study: trainings in parallel worker processes, against one ``model.fit`` after the other.

Both ways train the same networks from the same initial weights on the same batches of unshuffled faces, for the same
number of epochs, and validate after each. Our way includes the start of its worker processes, some seconds that a whole
study pays once; it also measures the test faces after each epoch. If other programs run at the same time, the seconds
of processor time in the JSON are more reliable than the ratio of wall-clock times.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from side_by_side import alternate, arguments, ratio, report, say, seconds

from fer_lib.backend import keras
from fer_lib.datasets import corpus
from fer_lib.experiments import lenet_study
from fer_lib.experiments.lenet_training import Parts
from fer_lib.models import lenet
from fer_lib.settings import DataSettings, LeNetSettings
from fer_lib.training import set_seed
from fer_lib.utils import parallel

BATCH_SIZES = (1, 5, 20, 40)


def main() -> None:
    """Run both ways in turns and write the ratio."""
    options = arguments(__doc__, pairs=3, seeds=3, epochs=2)
    source = "folder" if options.data_dir else "generated"
    faces = corpus.load_olivetti(DataSettings(source=source), options.data_dir)
    parts = lenet_study.olivetti_parts(faces)
    settings = LeNetSettings(
        orders=("unshuffled",), learning_rates=(), n_kerns_grid=(), batch_sizes=BATCH_SIZES, patience=0,
        n_epochs=options.epochs, seeds=options.seeds,
    )  # fmt: skip
    errors: dict[str, np.ndarray] = {}
    processor: dict[str, list[float]] = {"ours": [], "usual": []}

    def ours() -> None:
        _, histories = lenet_study.run(settings, {"olivetti": parts})
        errors["ours"] = histories.sort_values(["batch_size", "seed", "epoch"])["validation_error"].to_numpy()

    def usual() -> None:
        errors["usual"] = np.concatenate(
            [fit(settings, parts, size, seed) for size in BATCH_SIZES for seed in range(settings.seeds)]
        )

    timed = alternate(
        lambda: processor["ours"].append(processor_seconds(ours)),
        lambda: processor["usual"].append(processor_seconds(usual)),
        pairs=options.pairs,
        warm_up=False,
    )
    start = seconds(
        lambda: parallel.side_by_side(keras_version, [()] * parallel.cores(), jobs=parallel.cores(), done=noted)
    )
    differ = np.abs(errors["ours"] - errors["usual"]).round(6)  # accuracies are float32
    say(f"  the {len(differ)} validation errors differ by {differ.max():.4f} at most")
    report(
        "lenet_study",
        f"{len(BATCH_SIZES) * settings.seeds} trainings of {settings.n_epochs} epochs on {len(parts.training)} faces: "
        "in worker processes of one thread, one a core, against model.fit one after the other.",
        {"study": ratio(timed)},
        options,
        faces=len(faces),
        synthetic=faces.synthetic,
        fingerprint=parts.fingerprint,
        batch_sizes=BATCH_SIZES,
        seeds=settings.seeds,
        epochs=settings.n_epochs,
        workers=parallel.cores(),
        processor_seconds={way: [round(value, 1) for value in spent] for way, spent in processor.items()},
        seconds_to_start_workers=round(start, 2),
        validation_errors=len(differ),
        equal_validation_errors=int((differ == 0).sum()),
        largest_difference_in_faces=round(float(differ.max()) * len(parts.validation), 2),
        load_at_end=[round(value, 2) for value in os.getloadavg()],
    )


def fit(settings: LeNetSettings, parts: Parts, batch_size: int, seed: int) -> np.ndarray:
    """Train once as a user would write it; return the validation errors."""
    set_seed(seed)
    model = lenet.build(
        replace(settings, batch_size=batch_size), image_shape=parts.training.images.shape[1:], classes=parts.classes
    )
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    (x, y), held_out = (
        ((part.images[..., np.newaxis] / settings.pixel_divisor).astype(np.float32), part.labels)
        for part in (parts.training, parts.validation)
    )
    fitted = model.fit(
        x, y, batch_size=batch_size, epochs=settings.n_epochs, shuffle=False, validation_data=held_out, verbose=0
    )
    return 1 - np.array(fitted.history["val_accuracy"])


def processor_seconds(run: Callable[[], None]) -> float:
    """Measure the processor time of a call, including that of its finished worker processes."""

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)

    before = spent()
    run()
    return spent() - before


def keras_version() -> str:
    """Return Keras' version; a worker that answers has imported everything that a training needs."""
    return keras.__version__


def noted(number: int, result: str) -> None:
    """Ignore an answer."""


if __name__ == "__main__":
    main()
