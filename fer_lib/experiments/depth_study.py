"""Measure the vanishing gradient: gradient norms in each layer of plain and residual networks of equal depth.

Both papers argue for ResNet with the vanishing gradient (liu2023, section 2.2.1; chen2023, section 2.2.1) and neither
measures it. He et al. 2016, section 4.1, report that in their plain networks with batch norm gradients do *not* vanish;
so each network also runs without batch norm, the case of both papers' argument.

How to read the norms: without batch norm and biases a plain ReLU network is homogeneous in each kernel, so that the
product of kernel and gradient is the same in every layer (Euler). Its gradients then vanish in all layers alike, with
the network's depth, and not from layer to layer.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.backend import DEVICES, keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.models import depth_nets
from fer_lib.settings import DepthStudySettings, settings_dict, settings_hash
from fer_lib.training import set_seed
from fer_lib.utils import code_hash
from fer_lib.utils.checkpoints import Checkpoints
from fer_lib.utils.pixels import grey

log = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 20.0
MOMENTUM = 0.9
# With batch norm, He et al.'s initialisation. Without it, theirs doubles a residual network's variance with every block
# until it overflows. Keras' default, which a paper that names none used, is the one that makes a plain network's
# gradient vanish
INITIALIZERS = {True: "he_normal", False: "glorot_uniform"}


class RecordingSGD(keras.optimizers.SGD):
    """Gradient descent with momentum that records the gradient norms of the convolutions' kernels in the last step.

    The norms are those of the gradient of the mean loss, before momentum. They are a variable of the optimizer, so that
    a compiled step can write them under any backend.
    """

    def build(self, variables: list[keras.Variable]) -> None:
        """Add the variable of the norms: one value per kernel, in the order of the variables."""
        if self.built:
            return
        super().build(variables)
        # only the convolutions' kernels have four dimensions
        self._kernels = [place for place, variable in enumerate(variables) if len(variable.shape) == 4]
        self.norms = self.add_variable((len(self._kernels),), initializer="zeros", name="gradient_norms")

    def apply(self, grads: list[Any], trainable_variables: list[keras.Variable] | None = None) -> Any:
        """Record the norms, then step."""
        norms = [keras.ops.norm(keras.ops.reshape(grads[place], (-1,))) for place in self._kernels]
        self.norms.assign(keras.ops.concatenate([keras.ops.reshape(norm, (1,)) for norm in norms]))
        return super().apply(grads, trainable_variables)


@dataclass(frozen=True)
class Network:
    """One network of the study."""

    blocks: int
    residual: bool
    batch_norm: bool

    @property
    def facts(self) -> dict[str, Any]:
        """Columns that identify the network: ``network`` (plain or residual), ``layers`` and ``batch_norm``."""
        kind = "residual" if self.residual else "plain"
        return {"network": kind, "layers": 6 * self.blocks + 2, "batch_norm": self.batch_norm}

    def __str__(self) -> str:
        kind, depth, batch_norm = self.facts.values()
        return f"{kind}{depth}-{'bn' if batch_norm else 'nobn'}"


def networks(settings: DepthStudySettings) -> list[Network]:
    """List the networks that the settings ask for: plain and residual of each depth, with and without batch norm."""
    return [
        Network(blocks, residual, batch_norm)
        for batch_norm, blocks, residual in product(settings.batch_norm, settings.blocks, (False, True))
    ]


def run(
    settings: DepthStudySettings, faces: FaceDataset, *, seed: int = 0, checkpoints: str | Path | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train each network for some steps on the same batches and record its gradient norms and losses.

    Args:
        settings: settings of the study.
        faces: the training part from which ``settings.faces`` faces are drawn.
        seed: seed of the draw, of the order and of the initial weights, which a plain network and its residual twin
            share.
        checkpoints: a folder in which each network has its own folder, named after its settings, faces, seed, code,
            backend and devices: a finished network is read back, an interrupted one continues with the same numbers.
            None saves nothing.

    Returns:
        The norms, one row per recorded step and convolution: ``network``, ``layers``, ``batch_norm``, ``step`` (from 0:
        the gradient at the initial weights), ``layer`` (from 1, the convolution nearest to the input) and
        ``gradient_norm`` (L2, of the mean loss by the kernel). The losses, one row per step: the same three columns,
        ``step`` and ``loss`` (nats, mean of the batch). A loss that is not finite is the last of its network.

    Raises:
        FerError: there are fewer faces than one batch needs.
    """
    data = _draw(settings, faces, seed=seed)
    norms, losses = [], []
    studied = networks(settings)
    for number, network in enumerate(studied, start=1):
        key = settings_hash(
            _own(settings), faces.fingerprint, seed, keras.backend.backend(), DEVICES, code_hash.of(_train)
        )
        folder = None if checkpoints is None else Path(checkpoints) / f"{network}-seed{seed}-{key}"
        store = Checkpoints(folder, state="step-{:05d}.weights.h5")
        recorded, steps = _train(network, settings, data, seed=seed, store=store)
        norms.append(recorded.assign(**network.facts))
        losses.append(steps.assign(**network.facts))
        log.info("depth %d of %d: %s, loss %.3f after %d steps", number, len(studied), network, steps["loss"].iloc[-1],
                 len(steps))  # fmt: skip
    facts = list(studied[0].facts)
    return (
        pd.concat(norms, ignore_index=True)[[*facts, "step", "layer", "gradient_norm"]],
        pd.concat(losses, ignore_index=True)[[*facts, "step", "loss"]],
    )


def summary(gradients: pd.DataFrame, losses: pd.DataFrame) -> pd.DataFrame:
    """Summarise each network in one row: the size of its gradient in the first layer and the fall of its loss.

    Columns: ``network``, ``layers``, ``batch norm``; ``first layer, start`` and ``first layer, end``: the norm of the
    gradient in the convolution nearest to the input, at the first and the last record; ``first / last, start``: this
    norm at the first record, divided by that of the convolution nearest to the output; ``loss, start`` and
    ``loss, end`` (nats, mean of at most ten steps).
    """
    rows = []
    for (network, layers, batch_norm), own in gradients.groupby(["network", "layers", "batch_norm"], sort=False):
        same = (losses["network"] == network) & (losses["layers"] == layers) & (losses["batch_norm"] == batch_norm)
        fell = losses.loc[same, "loss"]
        few = max(1, min(10, len(fell) // 2))
        by_step = own.pivot_table(index="step", columns="layer", values="gradient_norm")
        ratio = by_step.iloc[:, 0] / by_step.iloc[:, -1]
        rows.append(
            {"network": network, "layers": layers, "batch norm": bool(batch_norm)}
            | {"first layer, start": by_step.iloc[0, 0], "first layer, end": by_step.iloc[-1, 0]}
            | {"first / last, start": ratio.iloc[0]}
            | {"loss, start": fell.iloc[:few].mean(), "loss, end": fell.iloc[-few:].mean()}
        )
    return pd.DataFrame(rows)


def compiled(network: Network, settings: DepthStudySettings, *, image_size: int, classes: int) -> keras.Model:
    """Build a network of the study and compile it with its recording optimizer."""
    model = depth_nets.build(
        network.blocks,
        residual=network.residual,
        batch_norm=network.batch_norm,
        kernel_initializer=INITIALIZERS[network.batch_norm],
        image_size=image_size,
        classes=classes,
    )
    model.compile(
        optimizer=RecordingSGD(learning_rate=settings.learning_rate, momentum=MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    return model


@dataclass(frozen=True)
class _Data:
    """Drawn faces: ``pixels`` float32 (N, H, W, 1) with mean 0 and standard deviation 1, ``labels`` int (N,)."""

    pixels: np.ndarray
    labels: np.ndarray
    classes: int


def _train(
    network: Network, settings: DepthStudySettings, data: _Data, *, seed: int, store: Checkpoints
) -> tuple[pd.DataFrame, pd.DataFrame]:
    norms, losses = _done(store)
    if not _finished(losses, settings):
        model = _fresh(network, settings, data, seed=seed)
        if losses and not store.restore(len(losses), model):
            model, norms, losses = _fresh(network, settings, data, seed=seed), [], []
        _step_on(model, settings, _batches(settings, data, seed=seed), norms, losses, store)
    return pd.DataFrame(norms), _loss_frame(losses)


def _step_on(
    model: keras.Model,
    settings: DepthStudySettings,
    batch: Callable[[int], tuple[np.ndarray, np.ndarray]],
    norms: list[dict[str, float]],
    losses: list[float],
    store: Checkpoints,
) -> None:
    """Train until all steps are done, appending to norms and losses."""
    saved = time.monotonic()
    while not _finished(losses, settings):
        step = len(losses)
        model.reset_metrics()  # older versions of Keras 3 return the mean since the last reset
        losses.append(float(model.train_on_batch(*batch(step))))
        if step % settings.record_every == 0:
            found = enumerate(keras.ops.convert_to_numpy(model.optimizer.norms).astype(float).tolist(), start=1)
            norms += [{"step": step, "layer": layer, "gradient_norm": norm} for layer, norm in found]
        if time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
            _save(store, model, norms, losses)
            saved = time.monotonic()
    _save(store, None, norms, losses)


def _done(store: Checkpoints) -> tuple[list[dict[str, float]], list[float]]:
    """Read the norms' rows and the losses so far. A kill may leave norms of more steps than losses, never of fewer."""
    norms, losses = store.table("norms.csv"), store.table("losses.csv")
    if norms.empty or losses.empty:
        return [], []
    return norms[norms["step"] < len(losses)].to_dict("records"), losses["loss"].tolist()


def _save(store: Checkpoints, model: keras.Model | None, norms: list[dict[str, float]], losses: list[float]) -> None:
    """Write the state after ``len(losses)`` steps; the weights and momenta of a finished network are not kept."""
    store.save(model, {"norms.csv": pd.DataFrame(norms), "losses.csv": _loss_frame(losses)})


def _finished(losses: list[float], settings: DepthStudySettings) -> bool:
    return len(losses) >= settings.steps or bool(losses and not math.isfinite(losses[-1]))


def _fresh(network: Network, settings: DepthStudySettings, data: _Data, *, seed: int) -> keras.Model:
    set_seed(seed)
    return compiled(network, settings, image_size=data.pixels.shape[1], classes=data.classes)


def _draw(settings: DepthStudySettings, faces: FaceDataset, *, seed: int) -> _Data:
    """Draw faces at random, because a corpus may be sorted by class, and scale them; take all if there are fewer."""
    count = min(settings.faces, len(faces))
    if count < settings.batch_size:
        raise FerError(
            f"There are {count} faces, less than one batch of {settings.batch_size}; lower batch_size or add faces."
        )
    drawn = faces.take(np.random.default_rng(seed).permutation(len(faces))[:count])
    pixels = grey(drawn.images).astype(np.float32)[..., np.newaxis]
    return _Data((pixels - pixels.mean()) / pixels.std(), drawn.labels, len(faces.class_names))


def _batches(settings: DepthStudySettings, data: _Data, *, seed: int) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """Make the function from a step to its batch; each epoch draws a new order and uses only whole batches."""
    per_epoch = len(data.labels) // settings.batch_size

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, number = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(data.labels))
        rows = order[number * settings.batch_size : (number + 1) * settings.batch_size]
        return data.pixels[rows], data.labels[rows]

    return batch


def _own(settings: DepthStudySettings) -> dict[str, Any]:
    """Select the settings that change one network's numbers, without those that only list the networks."""
    return {name: value for name, value in settings_dict(settings).items() if name not in ("blocks", "batch_norm")}


def _loss_frame(losses: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"step": range(len(losses)), "loss": losses})
