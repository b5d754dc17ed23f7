"""Run the public program that liu2023's section 3.2 shares its words and settings with, from its own initial weights.

The program is ``train_CNN_olivettifaces.py`` of github.com/wepe/MachineLearning (folder "DeepLearning
Tutorials/FaceRecognition_CNN(olivettifaces)"), written for Theano and Python 2. It recognises the forty subjects of the
Olivetti faces. Unlike :mod:`fer_lib.experiments.lenet_training`, which samples initial weights, it always starts from
the same ones: NumPy's ``RandomState(23455)`` draws the first convolution, the second and the hidden layer, in this
order, and the classifier starts at zero. So one run of it has one result, but for the rounding of its arithmetic. This
module follows its rules in JAX, in each of :data:`ARITHMETICS`:

* Theano's convolution turns each filter by 180 degrees; other libraries do not.
* The bound of a convolution's initial weights has an integer division, as in Python 2.
* Batches have one order, validation comes after each epoch, and only whole batches count in all three parts.
* Training stops by the rule of :func:`fer_lib.experiments.lenet_patience.follow`, whose patience is 800 steps at first,
  or after 200 epochs.

The paper has batches of 56 and faces of 48×48 pixels. The program has batches of 40 and faces of 57×47 pixels; with
batches of 56 it would measure nothing on its 40 held-out faces. No one but the paper's authors knows which program they
ran: equal results make this one likely, not certain.
"""

from __future__ import annotations

import functools
import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fer_lib.errors import FerError
from fer_lib.experiments.lenet_patience import follow
from fer_lib.settings import LeNetSettings, settings_dict, settings_hash
from fer_lib.settings.liu2023 import LENET_STUDY_ONLY
from fer_lib.utils import code_hash, parallel
from fer_lib.utils.files import write_text

if TYPE_CHECKING:
    from fer_lib.experiments.lenet_training import Parts

log = logging.getLogger(__name__)

SEED = 23455
WITHIN = (50, 200)  # epochs: Table 2's number, and the program's, which section 3.2.3 gives as an example


@dataclass(frozen=True)
class Arithmetic:
    """Number format, and whether a convolution turns its filters."""

    dtype: str
    turned: bool


ARITHMETICS = {
    "float32": Arithmetic("float32", True),
    "float64": Arithmetic("float64", True),
    "float32_unturned": Arithmetic("float32", False),
    "float64_unturned": Arithmetic("float64", False),
}
"""Arithmetics that the program may have run in, by name; the first is Theano's on a graphics card."""


def initial_weights(settings: LeNetSettings, *, image_shape: tuple[int, int], classes: int) -> list[np.ndarray]:
    """Draw the program's initial weights.

    Args:
        settings: ``n_kerns``, ``filter_size``, ``pool_size`` and ``hidden_units``.
        image_shape: height and width of the faces in pixels.
        classes: number of classes.

    Returns:
        float64: filters (maps out, maps in, height, width) and biases of both convolutions, weights (inputs, units) and
        biases of the hidden layer and of the classifier.
    """
    random, size, pool = np.random.RandomState(SEED), settings.filter_size, settings.pool_size
    weights, maps_in, shape = [], 1, image_shape
    for maps in settings.n_kerns:
        fan_out = maps * size**2 // math.prod(pool)
        bound = math.sqrt(6 / (maps_in * size**2 + fan_out))
        weights += [random.uniform(-bound, bound, (maps, maps_in, size, size)), np.zeros(maps)]
        shape = ((shape[0] - size + 1) // pool[0], (shape[1] - size + 1) // pool[1])
        maps_in = maps
    inputs, units = maps_in * math.prod(shape), settings.hidden_units
    bound = math.sqrt(6 / (inputs + units))
    weights += [random.uniform(-bound, bound, (inputs, units)), np.zeros(units)]
    return [*weights, np.zeros((units, classes)), np.zeros(classes)]


def rows(settings: LeNetSettings) -> list[tuple[str, LeNetSettings]]:
    """List the rows of Tables 4 and 5 and of section 3.2.2, with the program's batches, epochs and patience.

    Returns:
        The sweep (``"learning_rate"``, ``"n_kerns"``, ``"batch_size"``) and the settings of each row's training.
    """
    size = settings.olivetti_batch_size
    base = replace(settings, batch_size=size, n_epochs=settings.tutorial_epochs, shuffle=False)
    found = [("learning_rate", replace(base, learning_rate=rate)) for rate in settings.learning_rates]
    found += [("n_kerns", replace(base, n_kerns=maps)) for maps in settings.n_kerns_grid]
    return found + [("batch_size", replace(base, batch_size=size)) for size in settings.batch_sizes]


def run(
    settings: LeNetSettings, parts: Parts, *, checkpoints: str | Path | None = None, jobs: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the program for every row and arithmetic; one that is done already is read back.

    Args:
        settings: settings of the study; ``tutorial`` names the arithmetics.
        parts: the Olivetti faces.
        checkpoints: a folder in which each training has a file; None keeps nothing.
        jobs: number of trainings at the same time, each in a worker process of one thread; 0 trains in this process,
            None is one a core.

    Returns:
        The results, one row for each row of the tables, arithmetic and number of epochs of ``WITHIN``: ``arithmetic``,
        ``sweep``, ``learning_rate``, ``batch_size``, ``n_kerns``, ``within``, ``best_epoch``, ``validation`` and
        ``test`` (errors in per cent at the best validation, missing where no whole batch is held out), ``epochs``. And
        the histories, one row an epoch: ``epoch``, ``loss`` (nats), ``validation``, ``test``.

    Raises:
        FerError: JAX is not installed, or a worker died; finished trainings are kept.
    """
    if not _jax_is_there():
        raise FerError(
            "The tutorial program's own run needs JAX, which is not installed; install fer_lib[jax], or leave it out "
            "by changes={'tutorial': []}."
        )
    study = [(sweep, each, name) for name in settings.tutorial for sweep, each in rows(settings)]
    tasks = dict.fromkeys((each, name) for _, each, name in study)
    done = _train_all([(each, name, parts, _file(checkpoints, each, parts, name)) for each, name in tasks], jobs=jobs)
    histories = dict(zip(tasks, done, strict=True))
    results = [
        {
            "arithmetic": name,
            "sweep": sweep,
            **_configuration(each),
            **_best(histories[each, name], each, parts, within),
        }
        for sweep, each, name in study
        for within in WITHIN
    ]
    epochs = [history.assign(arithmetic=name, **_configuration(each)) for (each, name), history in histories.items()]
    return pd.DataFrame(results, columns=RESULTS), pd.concat(epochs, ignore_index=True) if epochs else pd.DataFrame()


RESULTS = ["arithmetic", "sweep", "learning_rate", "batch_size", "n_kerns", "within"]
RESULTS += ["best_epoch", "validation", "test", "epochs"]


def _jax_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("jax") is not None


def _train_all(tasks: list[tuple[LeNetSettings, str, Parts, Path | None]], *, jobs: int | None) -> list[pd.DataFrame]:
    """Train what is not on disk yet, and return every history, in the order of the tasks."""
    found: dict[int, pd.DataFrame] = {}
    for place, (*_, file) in enumerate(tasks):
        if file is not None and file.is_file():
            found[place] = pd.read_csv(file, dtype=str).astype(float).astype({"epoch": int})  # to the last bit
    left = [place for place in range(len(tasks)) if place not in found]

    def keep(number: int, history: pd.DataFrame) -> None:
        each, name, parts, file = tasks[left[number]]
        if file is not None:
            write_text(file, history.to_csv(index=False, lineterminator="\n"))
        found[left[number]] = history
        log.info("lenet tutorial program %d of %d: %s, %s", len(found), len(tasks), name, _said(each, history, parts))

    asked = [tasks[place][:3] for place in left]
    parallel.side_by_side(_train, asked, jobs=parallel.cores() if jobs is None else jobs, done=keep)
    return [found[place] for place in range(len(tasks))]


def _train(settings: LeNetSettings, name: str, parts: Parts) -> pd.DataFrame:
    """Run the program once and return its history, a row an epoch."""
    import jax

    arithmetic = ARITHMETICS[name]
    with jax.enable_x64(arithmetic.dtype == "float64"):
        return _fit(settings, arithmetic, parts)


def _fit(settings: LeNetSettings, arithmetic: Arithmetic, parts: Parts) -> pd.DataFrame:
    import jax

    dtype, size, held_out = np.dtype(arithmetic.dtype), settings.batch_size, ("validation", "test")
    images = {part: _pixels(getattr(parts, part).images, settings, dtype) for part in ("training", *held_out)}
    labels = {part: getattr(parts, part).labels.astype(np.int32) for part in images}
    steps = len(labels["training"]) // size
    batches = tuple(_in_batches(each["training"], steps, size) for each in (images, labels))
    shape = batches[0].shape[-2:]
    parameters = [each.astype(dtype) for each in initial_weights(settings, image_shape=shape, classes=parts.classes)]
    rate = dtype.type(settings.learning_rate)

    def logits(weights: list, x: Any) -> Any:
        return _logits(weights, x, settings.pool_size, turned=arithmetic.turned)

    def cost(weights: list, x: Any, y: Any) -> Any:
        chosen = jax.nn.log_softmax(logits(weights, x))[jax.numpy.arange(size), y]
        return -chosen.mean()

    @jax.jit
    def step(weights: list, x: Any, y: Any) -> tuple[list, Any]:
        loss, gradients = jax.value_and_grad(cost)(weights, x, y)
        return [each - rate * change for each, change in zip(weights, gradients, strict=True)], loss

    answer = jax.jit(lambda weights, x: logits(weights, x).argmax(axis=1))
    history: list[dict[str, float]] = []
    while len(history) < settings.n_epochs and not _out_of_patience(history, settings, steps):
        losses = []
        for x, y in zip(*batches, strict=True):
            parameters, loss = step(parameters, x, y)
            losses.append(loss)
        wrong = {part: np.asarray(answer(parameters, images[part])) != labels[part] for part in held_out}
        errors = {part: _percent(each[: len(each) // size * size]) for part, each in wrong.items()}
        history.append({"epoch": len(history) + 1, "loss": float(np.mean(losses)), **errors})
    return pd.DataFrame(history)


def _logits(weights: list, x: Any, pool: tuple[int, int], *, turned: bool) -> Any:
    """Compute the network's logits (N, classes) of faces (N, 1, height, width)."""
    from jax import numpy as jnp

    x = x.transpose(0, 2, 3, 1)
    for filters, biases in (weights[:2], weights[2:4]):
        x = _pooled_convolution(x, filters[:, :, ::-1, ::-1] if turned else filters, pool)
        x = jnp.tanh(x + biases)
    x = x.transpose(0, 3, 1, 2)  # the hidden layer's weights are in the order of maps, rows, columns
    x = jnp.tanh(x.reshape(len(x), -1) @ weights[4] + weights[5])
    return x @ weights[6] + weights[7]


def _pooled_convolution(x: Any, filters: Any, pool: tuple[int, int]) -> Any:
    """Convolve (N, H, W, maps in) with filters (maps out, maps in, size, size), and take the maxima of whole windows.

    The convolution is written as one matrix product, since XLA's own convolution is slow on a CPU, above all in a loop
    that is part of the compiled program.
    """
    from jax import numpy as jnp

    size = filters.shape[-1]
    count, height, width = len(x), (x.shape[1] - size + 1) // pool[0], (x.shape[2] - size + 1) // pool[1]
    places = [(row, column) for row in range(size) for column in range(size)]
    seen = [x[:, row : row + height * pool[0], column : column + width * pool[1]] for row, column in places]
    kernel = filters.transpose(2, 3, 1, 0).reshape(-1, len(filters))
    maps = (jnp.concatenate(seen, axis=-1) @ kernel).reshape(count, height, pool[0], width, pool[1], -1)
    inside = [(row, column) for row in range(pool[0]) for column in range(pool[1])]
    return functools.reduce(jnp.maximum, [maps[:, :, row, :, column] for row, column in inside])


def _pixels(images: np.ndarray, settings: LeNetSettings, dtype: np.dtype) -> np.ndarray:
    """Scale faces uint8 (N, H, W) to the program's input (N, 1, H, W)."""
    return (images[:, np.newaxis] / settings.pixel_divisor).astype(dtype)


def _in_batches(rows: np.ndarray, steps: int, size: int) -> np.ndarray:
    return rows[: steps * size].reshape(steps, size, *rows.shape[1:])


def _percent(wrong: np.ndarray) -> float:
    """Compute an error in per cent; NaN of no faces."""
    return 100 * float(wrong.mean()) if len(wrong) else math.nan


def _out_of_patience(history: list[dict[str, float]], settings: LeNetSettings, steps: int) -> bool:
    return follow([each["validation"] for each in history], settings, steps_per_epoch=steps).out_of_patience


def _best(history: pd.DataFrame, settings: LeNetSettings, parts: Parts, within: int) -> dict[str, Any]:
    """Read the errors at the best validation error of the first epochs."""
    seen = history.head(within)
    steps = len(parts.training) // settings.batch_size
    place = follow(seen["validation"].tolist(), settings, steps_per_epoch=steps).best_epoch
    found = {"within": within, "best_epoch": math.nan, "validation": math.nan, "test": math.nan, "epochs": len(seen)}
    if place:  # else no whole batch is held out
        best = seen.iloc[place - 1]
        found |= {"best_epoch": place, "validation": best["validation"], "test": best["test"]}
    return found


def _configuration(settings: LeNetSettings) -> dict[str, Any]:
    maps = str(list(settings.n_kerns)).replace(" ", "")
    return {"learning_rate": settings.learning_rate, "batch_size": settings.batch_size, "n_kerns": maps}


def _file(checkpoints: str | Path | None, settings: LeNetSettings, parts: Parts, name: str) -> Path | None:
    """Name the file of one run's history, after everything that its numbers depend on."""
    if checkpoints is None:
        return None
    import jax

    own = {name: value for name, value in settings_dict(settings).items() if name not in LENET_STUDY_ONLY}
    key = settings_hash(own, parts.fingerprint, name, jax.__version__, code_hash.of(run))
    where = _configuration(settings)
    maps = "-".join(map(str, settings.n_kerns))
    short = f"{ARITHMETICS[name].dtype}-{'turned' if ARITHMETICS[name].turned else 'plain'}"
    return Path(checkpoints) / f"{short}-rate{where['learning_rate']:g}-batch{where['batch_size']}-maps{maps}-{key}.csv"


def _said(settings: LeNetSettings, history: pd.DataFrame, parts: Parts) -> str:
    best = _best(history, settings, parts, WITHIN[-1])
    errors = f"{best['validation']:.1f} % in validation and {best['test']:.1f} % in testing"
    return (
        "learning rate {learning_rate:g}, batch {batch_size}, n-kerns {n_kerns}".format(**_configuration(settings))
        + f": errors {errors} at epoch {best['best_epoch']:.0f}"
    )
