"""chen2023's whole protocol, fifty epochs and the test scores: extrapolated from two measured epochs, or measured.

Ours pays once for what every epoch of the usual way pays again: the validation faces' trunk. Everything counts here:
building, the engine, the features, the epochs, the test faces. A run of all fifty epochs (``--epochs 50``) says beside
it what its own first two would have foretold.
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
    pairs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(options.pairs):
        usual = foretold(lambda: trunk_work.usual_epochs(used, learn, validate))
        for name, (engine, precision) in trunk_work.engines().items():
            own = trunk_work.settings(
                options.weights, epochs=options.epochs, trunk_engine=engine, trunk_precision=precision
            )
            ours = foretold(lambda own=own: our_way(own, learn, validate))
            for how, fast in ours.items():
                pairs.setdefault(f"{name}, {how}", []).append((fast, usual[how]))
                say(f"  {name}: ours {fast:.0f} s, usual {usual[how]:.0f} s for {EPOCHS} epochs, {how}")
    report(
        "training_protocol",
        f"{EPOCHS} epochs of ResNet50 + MLP on {len(learn):,} faces with all that stands around them",
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


def foretold(run) -> dict[str, float]:
    """Returns a run's seconds for fifty epochs: extrapolated from its first two and, where it ran them all, measured.

    All that stands around the epochs counts once; each epoch after the second is taken to cost what the second did.
    """
    started = time.perf_counter()
    epochs = run()
    elapsed = time.perf_counter() - started
    around = elapsed - sum(epochs)
    found = {"extrapolated from two epochs": around + epochs[0] + (EPOCHS - 1) * epochs[1]}
    return found | ({"measured": elapsed} if len(epochs) == EPOCHS else {})


if __name__ == "__main__":
    main()
