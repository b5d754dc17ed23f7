"""chen2023's whole protocol, fifty epochs and the test scores: extrapolated from two measured epochs, or measured.

Ours pays once for what every epoch of the usual way pays again: the validation faces' trunk. Everything counts here:
building, the engine, the features, the epochs, the test faces.
"""

from __future__ import annotations

import time
from functools import partial

import trunk_work
from side_by_side import arguments, ratio, report, say

from fer_lib import training
from fer_lib.models import resnet50_mlp

EPOCHS = 50  # chen2023, section 2.3


def main() -> None:
    """Measures ``--epochs`` epochs of each way, all that stands around them, and stretches the epochs to fifty."""
    options = arguments(__doc__, pairs=1, faces=8192, epochs=2, weights="")
    learn, validate = trunk_work.halves(options.data_dir, options.faces)
    used = trunk_work.settings(options.weights, epochs=options.epochs)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in trunk_work.engines()}
    for _ in range(options.pairs):
        slow = whole(lambda: trunk_work.usual_epochs(used, learn, validate))
        for name, (engine, precision) in trunk_work.engines().items():
            own = trunk_work.settings(
                options.weights, epochs=options.epochs, trunk_engine=engine, trunk_precision=precision
            )
            pairs[name].append((whole(lambda own=own: our_way(own, learn, validate)), slow))
            say(f"  {name}: ours {pairs[name][-1][0]:.0f} s, usual {slow:.0f} s for {EPOCHS} epochs")
    how = "measured" if options.epochs == EPOCHS else f"extrapolated from {options.epochs} measured epochs"
    report(
        "training_protocol",
        f"{EPOCHS} epochs of ResNet50 + MLP on {len(learn):,} faces with all that stands around them, {how}",
        {name: ratio(found) for name, found in pairs.items()},
        options,
        training_faces=len(learn),
        validation_faces=len(validate),
        epochs_measured=options.epochs,
        synthetic=learn.synthetic,
    )


def our_way(used, learn, validate) -> list[float]:
    """Trains, then scores the validation faces as notebook 03 scores every part; returns the epochs' seconds."""
    model, history = training.train(partial(resnet50_mlp.build, used), used, training=learn, validation=validate)
    training.predict(model, validate, settings=used)
    return history["seconds"].tolist()


def whole(run) -> float:
    """Returns the seconds of a run of fifty epochs: of one of a few, each epoch that is missing costs the last one."""
    started = time.perf_counter()
    epochs = run()
    return time.perf_counter() - started + (EPOCHS - len(epochs)) * epochs[-1]


if __name__ == "__main__":
    main()
