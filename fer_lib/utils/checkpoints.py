"""Keep the state of a training in a folder, from which a killed training continues."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pandas as pd

from fer_lib.backend import keras
from fer_lib.utils.files import atomic_path
from fer_lib.utils.safe_load import load_weights

log = logging.getLogger(__name__)

HISTORY = "history.csv"
Training = TypeVar("Training", bound=Callable)
COUNTS = ("epoch", "step", "layer", "image_size")  # the columns of a checkpoint's tables that are integers


def open_ended(*settings: str) -> Callable[[Training], Training]:
    """Mark a training that larger values of these settings only prolong: its checkpoints' key leaves them out.

    Nothing in the training may depend on its total length: no schedule of the learning rate that ends with it.
    """

    def mark(training: Training) -> Training:
        training.__dict__["open_ended"] = settings
        return training

    return mark


class Checkpoints:
    """The state of one training in a folder, from which a training that was killed at any moment continues.

    Tables (CSV) list the finished epochs or steps, one in each row. A file named after the number of rows is the model
    after them: a ``.keras`` file contains the model and the optimiser, a ``.weights.h5`` file only their weights.
    Shuffling, augmentation and dropout depend only on the seed and the row's number. The model is written before the
    table that counts its rows, and the former model is removed last, so a kill at any moment leaves a table whose model
    is there.
    """

    def __init__(self, folder: str | Path | None, *, state: str = "epoch-{:03d}.keras") -> None:
        """Take the folder for one training; None keeps nothing.

        Args:
            folder: created when something is saved. The caller names it after settings, data and seed.
            state: the pattern of the model's file name: what a row is, a hyphen and the number of rows.
        """
        self.folder = None if folder is None else Path(folder)
        self.state = state

    def table(self, name: str = HISTORY) -> pd.DataFrame:
        """Read a table; it is empty if there is none or, with a warning, if it cannot be read."""
        if self.folder is None or not (self.folder / name).is_file():
            return pd.DataFrame()
        try:
            # Python reads a float to the last bit, so a resumed table equals an undisturbed one
            rows = pd.read_csv(self.folder / name, dtype=str).astype(float)
            return rows.astype({column: int for column in COUNTS if column in rows})
        except (OSError, ValueError, KeyError) as error:
            self._warn(error)
            return pd.DataFrame()

    def restore(self, rows: int, model: keras.Model | None = None) -> keras.Model | None:
        """Read the model after so many rows; None, with a warning, if it cannot be read.

        Args:
            rows: one or more, as many as a table has.
            model: the model that takes over the weights of a ``.weights.h5`` file; a ``.keras`` file needs none.
        """
        try:
            file = self._model_file(rows)
            if model is None:
                model = keras.saving.load_model(file, safe_mode=True)
            else:
                load_weights(model, file)
        except Exception as error:  # Keras, zipfile and h5py each raise their own for a damaged file
            self._warn(error)
            return None
        log.info("resumed after %s %d", self.state.partition("-")[0], rows)
        return model

    def save(self, model: keras.Model | None, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write the model and the tables, each whole or not at all; remove former models and half-written files.

        Args:
            model: the model after the rows of the last table; None if the training is over and no model is needed.
            tables: by file name, in the order of writing.
        """
        if self.folder is None:
            return
        now = self._model_file(len(list(tables.values())[-1]))
        if model is not None:
            with atomic_path(now) as partial:
                model.save(partial) if now.suffix == ".keras" else model.save_weights(partial)
        for name, table in tables.items():
            with atomic_path(self.folder / name) as partial:
                table.to_csv(partial, index=False)
        before, _, after = self.state.replace("}", "{").split("{")
        halves = self.folder.glob(".partial-*")  # a model of hundreds of megabytes, perhaps
        for old in {*self.folder.glob(f"{before}*{after}"), *halves} - ({now} if model is not None else set()):
            old.unlink(missing_ok=True)

    def _model_file(self, rows: int) -> Path:
        assert self.folder is not None  # without one nothing is saved, and nothing can be read
        return self.folder / self.state.format(rows)

    def _warn(self, error: Exception) -> None:
        assert self.folder is not None
        log.warning("the checkpoint in %s cannot be read (%s); training starts again", self.folder.name, error)
