"""List the results folders with the profile, commits, seeds and headline scores of their runs; no Keras import."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from fer_lib import provenance
from fer_lib.errors import FerError
from fer_lib.predict import headlines
from fer_lib.predict.headlines import BINARY, Headline
from fer_lib.predict.photo_files import shown
from fer_lib.utils import bundle

_PARTS = (provenance.FOLDER, "metrics", "tables", "models", "checkpoints", "weights")  # a results folder has one
_SHORT = 7  # digits of a commit
_HEADERS = ("result", "commit", "seed", "model", "measured on", "score (%) [95 % interval]")
_UNMARKED, _CHANGED = "unknown", "+changes"


@dataclass(frozen=True)
class ResultsFolder:
    """One results folder.

    Attributes:
        path: the folder.
        profiles: names of the profiles that its runs had, sorted; one, unless files were copied together.
        commits: commits of its runs, sorted; ``"+changes"`` marks sources that differed from the commit.
        seeds: seeds of its runs, sorted.
        runs: names of the runs, sorted.
        synthetic: whether any of the faces was generated.
        written: time of the newest provenance, ISO 8601; None without a run.
        scores: headline scores; those of results without provenance are left out.
        made: commit and seed of each result that has a score, by its name.
        problems: one sentence for each file that cannot be read.
    """

    path: Path
    profiles: tuple[str, ...]
    commits: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    synthetic: bool
    written: str | None
    scores: tuple[Headline, ...]
    made: Mapping[str, tuple[str, int | None]]
    problems: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Give the same facts as plain values for JSON."""
        facts = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}
        facts.pop("made")
        scores = []
        for one in self.scores:
            commit, seed = self.made[one.result]
            scores.append(one.plain() | {"commit": commit, "seed": seed})
        return facts | {"path": str(self.path), "scores": scores}


def list_results(root: str | Path = "") -> list[ResultsFolder]:
    """List the folders under ``results`` and ``results/reference`` that contain results of a profile, by path.

    Args:
        root: the folder that contains ``results``; ``""`` means ``$FER_OUTPUT``, else the current folder.
    """
    root = Path(root or os.environ.get("FER_OUTPUT") or ".").expanduser()
    places = [*sorted(root.glob("results/*")), *sorted(root.glob("results/reference/*"))]
    folders = [
        path for path in places if not path.name.startswith(".") and any((path / part).is_dir() for part in _PARTS)
    ]
    return [_described(path) for path in folders]


def report(found: Sequence[ResultsFolder]) -> list[str]:
    """Format the results folders as lines: the facts of each, then a table of its headline scores."""
    lines: list[str] = []
    for one in found:
        lines += ["", *_facts(one)] if lines else _facts(one)
        rows = []
        for score in one.scores:
            commit, seed = one.made[score.result]
            numbers = f"{score.metric} {score.text().removesuffix(' %')}"
            rows.append([score.result, commit, _seed(seed), score.title, score.measured_on, numbers])
        lines += ["", *tabulate(rows, headers=_HEADERS, disable_numparse=True).splitlines()] if rows else []
    if any(score.metric == BINARY for one in found for score in one.scores):
        lines += ["", "Binary accuracy is Keras' BinaryAccuracy; with seven classes it is 85.71 without any knowledge."]
    return lines


def _facts(one: ResultsFolder) -> list[str]:
    mark = "SYNTHETIC: its faces were generated" if one.synthetic else ""
    facts = {
        "results": f"{shown(one.path)}{f' ({mark})' if mark else ''}",
        "profile": ", ".join(one.profiles) or "unknown: no run has recorded where these results come from",
        "commit": ", ".join(one.commits),
        "seeds": ", ".join(map(str, one.seeds)),
        "runs": f"{len(one.runs)}, the last written {one.written}" if one.runs else "",
        "scores": "" if one.scores else "none yet",
    }
    lines = [f"{name:<9}{text}" for name, text in facts.items() if text]
    return [*lines, *(f"{'problem':<9}{problem}" for problem in one.problems)]


def _described(folder: Path) -> ResultsFolder:
    made, problems = [], []
    for file in sorted((folder / provenance.FOLDER).glob("[!.]*.json")):
        try:
            made.append({"run": file.stem, **bundle.read_json(file)})
        except FerError as error:
            problems.append(str(error))
    values: dict[str, dict[str, Any]] = {}
    if not problems:
        try:
            values = provenance.read_values(folder)
        except FerError as error:
            problems.append(str(error))
    scores = headlines.of_results(values)
    seeds = {one.get("seed") for one in made}
    return ResultsFolder(
        folder,
        profiles=tuple(sorted({str(one["profile"]) for one in made if one.get("profile")})),
        commits=tuple(sorted({_commit(one) for one in made})),
        seeds=tuple(sorted(seed for seed in seeds if isinstance(seed, int))),
        runs=tuple(str(one["run"]) for one in made),
        synthetic=any(_is_synthetic(one) for one in made),
        written=max((str(one["written"]) for one in made if one.get("written")), default=None),
        scores=tuple(scores),
        made={one.result: _origin(values[one.result]["provenance"]) for one in scores},
        problems=tuple(problems),
    )


def _origin(made: Mapping[str, Any]) -> tuple[str, int | None]:
    seed = made.get("seed")
    return _commit(made), seed if isinstance(seed, int) else None


def _commit(made: Mapping[str, Any]) -> str:
    code = made.get("code")
    code = code if isinstance(code, Mapping) else {}
    commit = str(code.get("commit") or _UNMARKED)[:_SHORT]
    return f"{commit}{_CHANGED}" if code.get("dirty") else commit


def _is_synthetic(made: Mapping[str, Any]) -> bool:
    data = made.get("data")
    facts = data.values() if isinstance(data, Mapping) else ()
    return any(isinstance(one, Mapping) and one.get("synthetic", False) for one in facts)


def _seed(seed: int | None) -> str:
    return "" if seed is None else str(seed)
