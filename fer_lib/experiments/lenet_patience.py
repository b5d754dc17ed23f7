"""Apply the patience rule by which the tutorial program of liu2023's section 3.2 stops a training early."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fer_lib.settings import LeNetSettings


@dataclass(frozen=True)
class Progress:
    """State of the patience rule after some epochs.

    Attributes:
        best_epoch: number of the best epoch, from 1; 0 before the first epoch.
        patience: the step, counted from 0, after which training stops.
        out_of_patience: whether training stops before another validation.
    """

    best_epoch: int = 0
    patience: float = math.inf
    out_of_patience: bool = False


def follow(errors: list[float], settings: LeNetSettings, *, steps_per_epoch: int) -> Progress:
    """Apply the tutorial program's patience rule to the validation errors of the epochs so far.

    An error lower than the best is the new best. If it is lower than 0.99 of the old best, at step t, training also
    continues to at least step 2t. Training stops at the first step, counted from 0, that has reached the patience; the
    validation at that step, if it ends an epoch, still counts.
    """
    best_epoch, best = 0, math.inf
    patience: float = settings.patience or math.inf
    for epoch, error in enumerate(errors, start=1):
        if error < best:
            if error < best * settings.improvement_threshold:
                patience = max(patience, (epoch * steps_per_epoch - 1) * settings.patience_increase)
            best_epoch, best = epoch, error
    last_step = len(errors) * steps_per_epoch - 1
    reached = bool(errors) and patience <= last_step
    # the next validation is at the end of the next epoch; after a stop before it there is nothing to measure
    before_next = patience <= last_step + steps_per_epoch - 1
    return Progress(best_epoch, patience, reached or before_next)
