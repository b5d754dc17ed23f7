"""Simulate how often 95 % intervals hold the truth: of accuracy and differences over few subjects, of means over seeds.

Synthetic subjects have 3 to 18 faces, in recordings of three. Their answers come from three kinds of subjects: accuracy
spread as a beta distribution, a few hard subjects among perfect ones, normal effects of subject, recording and face.

The rule: an interval holds its level if it contains the truth in 95 % of all draws, and in 93 % of the draws of at
least nineteen of twenty scenarios. Of those that do, the narrowest is used; of a difference together with the exchange
test, so that the interval agrees with its p-value. The sizes of ``clustered.UNSEEN_IN_…`` and
this rule were chosen after earlier trials on the scenarios "chosen on"; the scenarios "checked on" came later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats
from side_by_side import arguments, machine, say

from fer_lib.evaluation import clustered, metrics
from fer_lib.provenance import git_state, package_versions
from fer_lib.utils.files import write_text

NORMAL = stats.norm.ppf(0.975)
RESAMPLES = 1000
RECORDINGS, FRAMES = 6, 3  # at most, and of each recording
SMALL = 1e-12
USED = (
    "Student's t on logits, jackknife, an unseen subject",
    "the last two together",
    "over seeds and over faces, squared and added",
)
Bounds = tuple[np.ndarray, np.ndarray]
GRIDS = {
    "chosen on": {
        "subjects": (12, 16, 24, 40),
        "correlation": (0.0, 0.1, 0.3, 0.6),
        "share": (0.5, 0.7, 0.85, 0.95, 0.98),
    },
    "checked on": {"subjects": (14, 20, 32), "correlation": (0.2, 0.5), "share": (0.6, 0.9, 0.97)},
}
PAIRS = {
    "chosen on": ((0.5, 0.5), (0.7, 0.7), (0.9, 0.9), (0.98, 0.9), (0.95, 0.85), (0.85, 0.6), (0.9, 0.2), (0.97, 0.95)),
    "checked on": ((0.8, 0.8), (0.95, 0.95), (0.96, 0.8), (0.75, 0.65)),
}
EFFECTS = {"chosen on": ((0.0, 0.0), (0.3, 0.1), (0.1, 0.4)), "checked on": ((0.2, 0.2), (0.5, 0.05))}
"""Shares of the variance that is the subject's for both models alike, and for each model of its own."""


def main() -> None:
    """Simulate the three estimates, and write one row per method and set of scenarios."""
    options = arguments(__doc__, draws=600)
    rng = np.random.default_rng(0)
    found = {
        "accuracy": scored(accuracy_scenarios(options.draws, rng), accuracy_methods, rng),
        "difference": scored(difference_scenarios(options.draws, rng), difference_methods, rng),
        "mean over seeds": scored(seed_scenarios(options.draws, rng), seed_methods, rng),
    }
    content = {
        "benchmark": "interval_coverage",
        "claim": "The intervals in use hold their level of 95 % with 12 to 40 subjects, and with 3 seeds",
        "draws": options.draws,
        "methods": {what: summary(rows) for what, rows in found.items()},
        "machine": machine(),
        "code": git_state(),
        "packages": package_versions(),
    }
    for what, rows in content["methods"].items():
        say(f"{what}:\n{pd.DataFrame(rows).to_string(index=False)}")
    write_text(Path(options.out) / "interval_coverage.json", json.dumps(content, indent=2) + "\n")


def scored(scenarios: Iterator[tuple[str, float, Any]], methods: Callable, rng: np.random.Generator) -> pd.DataFrame:
    """Tabulate how often each method's interval contains the truth, one row per scenario and method."""
    rows = []
    for number, (group, truth, drawn) in enumerate(scenarios):
        for name, (low, high) in methods(*drawn, rng).items():
            held, width = (low <= truth) & (truth <= high), high - low
            known = ~np.isnan(low)
            rows.append(
                (group, number, name, held[known].mean(), width[known].mean(), float((high >= 1)[known].mean()))
            )
    return pd.DataFrame(rows, columns=["group", "scenario", "method", "held", "width", "at_one"])


def summary(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Summarise each method over the scenarios of each group: mean and lowest coverage, share below 93 %, width."""
    found = []
    for (group, method), part in rows.groupby(["group", "method"], sort=False):
        found.append(
            {
                "group": group,
                "method": method,
                "used": method in USED,
                "scenarios": len(part),
                "held": round(float(part["held"].mean()), 4),
                "lowest": round(float(part["held"].min()), 4),
                "below_93": round(float((part["held"] < 0.93).mean()), 4),
                "width": round(float(part["width"].mean()), 4),
                "ends_at_one": round(float(part["at_one"].mean()), 4),
            }
        )
    return found


# --- accuracy ---------------------------------------------------------------------------------------------------------


def accuracy_scenarios(draws: int, rng: np.random.Generator) -> Iterator[tuple[str, float, tuple[np.ndarray, ...]]]:
    """Yield group, true accuracy, and right and all answers of each subject, each of shape (draws, subjects)."""
    for group, grid in GRIDS.items():
        for kind, subjects, correlation, share in product(("beta", "hard", "recordings"), *grid.values()):
            if correlation or kind == "beta":
                answers = FRAMES * rng.integers(1, RECORDINGS + 1, (draws, subjects))
                yield group, share, (right_answers(kind, share, correlation, answers, rng), answers)


def right_answers(
    kind: str, share: float, correlation: float, answers: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the right answers about each subject, shape of ``answers``."""
    if not correlation:
        return rng.binomial(answers, share)
    if kind == "beta":
        scale = 1 / correlation - 1
        return rng.binomial(answers, rng.beta(share * scale, (1 - share) * scale, answers.shape))
    if kind == "hard":  # such a share of hard subjects, all others perfect, has this correlation
        hard = (1 - share) / (1 - share + correlation * share)
        chances = np.where(rng.random(answers.shape) < hard, share * (1 - correlation), 1.0)
        return rng.binomial(answers, chances)
    left = 1 - correlation
    effects = np.sqrt(correlation) * rng.normal(size=(*answers.shape, 1))
    effects = effects + np.sqrt(0.6 * left) * rng.normal(size=(*answers.shape, RECORDINGS))
    chances = special.ndtr((special.ndtri(share) + effects) / np.sqrt(0.4 * left))
    seen = np.arange(RECORDINGS) < answers[..., np.newaxis] / FRAMES
    return (rng.binomial(FRAMES, chances) * seen).sum(axis=-1)


def accuracy_methods(hits: np.ndarray, answers: np.ndarray, rng: np.random.Generator) -> dict[str, Bounds]:
    """Compute every candidate's bounds; where no subject differs, nearly all take Wilson's interval for G answers."""
    count = hits.shape[1]
    share, error = hits.sum(axis=1) / answers.sum(axis=1), clustered.jackknife_error(hits, answers)
    alike, reach = np.ptp(hits / answers, axis=1) == 0, stats.t.ppf(0.975, count - 1)
    drawn = resampled(hits, answers, rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits, scaled = special.logit(share), reach * error / (share * (1 - share))
        effective = np.clip(np.where(alike, count, share * (1 - share) / error**2), 1, answers.sum(axis=1))
        logit = special.expit(logits - scaled), special.expit(logits + scaled)
    found = {
        "percentile bootstrap over subjects": percentiles(drawn),
        "BCa bootstrap over subjects": bca(hits, answers, drawn),
        "Student's t, jackknife": (share - reach * error, share + reach * error),
        "Wilson, effective sample size": wilson(share, effective, reach),
        "inverted sign-flip test": clustered.exchange_bounds(hits, answers, subsets=RESAMPLES),
        "Student's t on logits, jackknife": logit,
    }
    fallback = wilson(share, np.full(len(share), count), NORMAL)
    kept = {
        name: tuple(np.where(alike, *pair) for pair in zip(fallback, ends, strict=True)) for name, ends in found.items()
    }
    kept["beta-binomial likelihood"] = beta_binomial(hits, answers, reach)
    return kept | {"Student's t on logits, jackknife, an unseen subject": clustered.share_bounds(hits, answers)}


def resampled(hits: np.ndarray, answers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the ratio in resamples of the subjects, sorted, shape (draws, RESAMPLES)."""
    count = hits.shape[1]
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).T.astype(float)
    return np.sort((hits @ weights) / (answers @ weights), axis=1)


def percentiles(drawn: np.ndarray) -> Bounds:
    """Take the 2.5 and the 97.5 percentile of each row of sorted values."""
    ends = (np.array([0.025, 0.975]) * (drawn.shape[1] - 1)).round().astype(int)
    return drawn[:, ends[0]], drawn[:, ends[1]]


def bca(hits: np.ndarray, answers: np.ndarray, drawn: np.ndarray) -> Bounds:
    """Take the percentiles that Efron's bias correction and acceleration give (1987)."""
    value = (hits.sum(axis=1) / answers.sum(axis=1))[:, np.newaxis]
    below = ((drawn < value - SMALL).mean(axis=1) + (drawn <= value + SMALL).mean(axis=1)) / 2
    bias = special.ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    left = (hits.sum(axis=1, keepdims=True) - hits) / (answers.sum(axis=1, keepdims=True) - answers)
    away = left.mean(axis=1, keepdims=True) - left
    speed = (away**3).sum(axis=1) / np.maximum(6 * (away**2).sum(axis=1) ** 1.5, SMALL)
    ends = []
    for quantile in (-NORMAL, NORMAL):
        level = special.ndtr(bias + (bias + quantile) / (1 - speed * (bias + quantile)))
        place = np.clip((level * (drawn.shape[1] - 1)).round().astype(int), 0, drawn.shape[1] - 1)
        ends.append(drawn[np.arange(len(drawn)), place])
    return ends[0], ends[1]


def wilson(share: np.ndarray, size: np.ndarray, reach: float) -> Bounds:
    """Compute Wilson's interval for sizes that need not be whole, with any quantile."""
    middle = (share + reach**2 / (2 * size)) / (1 + reach**2 / size)
    half = reach * np.sqrt(share * (1 - share) / size + (reach / (2 * size)) ** 2) / (1 + reach**2 / size)
    return middle - half, middle + half


SHARES = np.concatenate([np.linspace(0.004, 0.9, 70, endpoint=False), np.linspace(0.9, 0.999, 50)])
CORRELATIONS = np.array([1e-4, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98])


def beta_binomial(hits: np.ndarray, answers: np.ndarray, reach: float) -> Bounds:
    """Bound the mean by the profile likelihood of a beta-binomial distribution, on a grid, with t in place of z."""
    scale = 1 / CORRELATIONS - 1
    alpha, beta = SHARES[:, np.newaxis] * scale, (1 - SHARES)[:, np.newaxis] * scale
    sizes = np.unique(answers)
    known = [(int(size), right) for size in sizes for right in range(size + 1)]
    table = np.stack([special.betaln(alpha + k, beta + n - k) - special.betaln(alpha, beta) for n, k in known])
    places = np.zeros((sizes.max() + 1, sizes.max() + 1), int)
    places[tuple(np.array(known).T)] = np.arange(len(known))
    counts = np.zeros((len(hits), len(known)))
    np.add.at(counts, (np.arange(len(hits))[:, np.newaxis], places[answers, hits]), 1)
    profile = (counts @ table.reshape(len(known), -1)).reshape(len(hits), *alpha.shape).max(axis=2)
    kept = profile >= profile.max(axis=1, keepdims=True) - reach**2 / 2
    return SHARES[kept.argmax(axis=1)], SHARES[len(SHARES) - 1 - kept[:, ::-1].argmax(axis=1)]


# --- difference of two models -----------------------------------------------------------------------------------------


def difference_scenarios(draws: int, rng: np.random.Generator) -> Iterator[tuple[str, float, tuple[np.ndarray, ...]]]:
    """Yield group, true difference, and gains and all answers of each subject, each of shape (draws, subjects)."""
    for group, pairs in PAIRS.items():
        for subjects, (first, second), effects in product(GRIDS[group]["subjects"], pairs, EFFECTS[group]):
            answers = FRAMES * rng.integers(1, RECORDINGS + 1, (draws, subjects))
            right = paired_answers((first, second), effects, answers, rng)
            yield group, first - second, (right[0] - right[1], answers)


def paired_answers(
    shares: tuple[float, float], effects: tuple[float, float], answers: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """Draw both models' right answers; half of what is no subject's is the face's, for both models alike."""
    shared, own = (np.sqrt(effect) for effect in effects)
    half = np.sqrt((1 - sum(effects)) / 2)
    shape = (*answers.shape, RECORDINGS * FRAMES)
    common = shared * rng.normal(size=(*answers.shape, 1)) + half * rng.normal(size=shape)
    seen, found = np.arange(shape[-1]) < answers[..., np.newaxis], []
    for share in shares:
        value = common + own * rng.normal(size=(*answers.shape, 1)) + half * rng.normal(size=shape)
        found.append(((value + special.ndtri(share) > 0) & seen).sum(axis=-1))
    return found


def difference_methods(gains: np.ndarray, answers: np.ndarray, rng: np.random.Generator) -> dict[str, Bounds]:
    """Compute every candidate's bounds; where no subject differs, each takes the one that is in use."""
    count, value = gains.shape[1], gains.sum(axis=1) / answers.sum(axis=1)
    reach, drawn = stats.t.ppf(0.975, count - 1), resampled(gains, answers, rng)
    plain = reach * clustered.jackknife_error(gains, answers)
    widened = reach * clustered.jackknife_error(gains, answers, unseen=clustered.UNSEEN_IN_DIFFERENCE)
    exchanged = clustered.exchange_bounds(gains, answers, subsets=RESAMPLES)
    used = np.minimum(exchanged[0], value - widened), np.maximum(exchanged[1], value + widened)
    found = {
        "percentile bootstrap over subjects": percentiles(drawn),
        "BCa bootstrap over subjects": bca(gains, answers, drawn),
        "Student's t, jackknife": (value - plain, value + plain),
        "inverted exchange test": exchanged,
        "Student's t, jackknife, an unseen subject": (value - widened, value + widened),
        "the last two together": used,
    }
    alike = np.ptp(gains / answers, axis=1) < SMALL
    zero = metrics.wilson(0, count)[1]
    return {
        name: (np.where(alike, value - zero, low), np.where(alike, value + zero, high))
        for name, (low, high) in found.items()
    }


# --- mean over seeds --------------------------------------------------------------------------------------------------


def seed_scenarios(draws: int, rng: np.random.Generator) -> Iterator[tuple[str, float, tuple[np.ndarray, ...]]]:
    """Yield group, true mean over seeds and faces, and the values of each seed and face, shape (draws, seeds, faces).

    A seed's standard deviation is 0 to 4 times the standard error over faces. Of the rest of a value, 70 or 40 % is the
    face's for all seeds alike. Values are losses (normal) or right answers.
    """
    faces = 200
    for seeds, own, ratio, kind in product((3, 5, 10), (0.3, 0.6), (0.0, 0.5, 1.0, 2.0, 4.0), ("loss", "accuracy")):
        middle = special.ndtri(0.62)
        unit = 1.0 if kind == "loss" else np.sqrt(0.62 * 0.38) / stats.norm.pdf(middle)
        spread = ratio * unit / np.sqrt(faces)
        values = np.sqrt(1 - own) * rng.normal(size=(draws, 1, faces)) + np.sqrt(own) * rng.normal(
            size=(draws, seeds, faces)
        )
        values += spread * rng.normal(size=(draws, seeds, 1))
        if kind == "loss":
            yield f"{seeds} seeds", 0.0, (values,)
        else:
            yield f"{seeds} seeds", 0.62, ((values + middle * np.sqrt(1 + spread**2) > 0).astype(float),)


def seed_methods(values: np.ndarray, rng: np.random.Generator) -> dict[str, Bounds]:
    """Compute every candidate's bounds of the mean over seeds and faces; the bootstrap for a hundred draws."""
    _, seeds, faces = values.shape
    each, errors = values.mean(axis=2), values.std(axis=2, ddof=1) / np.sqrt(faces)
    mean, low, high = each.mean(axis=1), each - NORMAL * errors, each + NORMAL * errors
    over_faces = NORMAL * values.mean(axis=1).std(axis=1, ddof=1) / np.sqrt(faces)
    over_seeds = stats.t.ppf(0.975, seeds - 1) * each.std(axis=1, ddof=1) / np.sqrt(seeds)
    parts = each.var(axis=1, ddof=1) / seeds, errors.mean(axis=1) ** 2
    freedom = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (seeds - 1) + parts[1] ** 2 / (faces - 1))
    joined = stats.t.ppf(0.975, freedom) * np.sqrt(parts[0] + parts[1])
    return {
        "outer ends of the seeds' intervals": (low.min(axis=1), high.max(axis=1)),
        "over faces alone": (mean - over_faces, mean + over_faces),
        "over seeds alone": (mean - over_seeds, mean + over_seeds),
        "hierarchical bootstrap": seed_bootstrap(values, rng),
        "t with Satterthwaite's degrees of freedom": (mean - joined, mean + joined),
        "over seeds and over faces, squared and added": metrics.mean_over_seeds(
            each, low, high, share=bool((values >= 0).all()), axis=1
        ),
    }


def seed_bootstrap(values: np.ndarray, rng: np.random.Generator, *, first: int = 100, resamples: int = 200) -> Bounds:
    """Resample seeds and faces, both with replacement; NaN after the ``first`` draws."""
    draws, seeds, faces = values.shape
    ends = np.full((2, draws), np.nan)
    for place, part in enumerate(values[:first]):
        of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds
        of_faces = rng.multinomial(faces, np.full(faces, 1 / faces), resamples) / faces
        ends[:, place] = np.quantile(((of_seeds @ part) * of_faces).sum(axis=1), (0.025, 0.975))
    return ends[0], ends[1]


if __name__ == "__main__":
    main()
