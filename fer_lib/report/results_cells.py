"""Read the cells of committed tables as text, and write tables that fit GitHub's pages, for docs/results.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib import provenance
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.utils import packed

WIDTH = 838  # width of a page on GitHub, in pixels
CHARACTER, PADDING = 7.3, 27  # there, in pixels: the width of a character (mostly digits) and the space around a cell
BREAK = "<br>"

PRETRAINED, OLDER = "resnet50.weights.h5", "resnet50_tinyimagenet_notop.weights.h5"
"""The files of the trunk's weights: notebook 00's, and the one that runs before it had."""
SHORT = {
    f"file {PRETRAINED}": "Tiny-ImageNet",
    f"file {OLDER}": "Tiny-ImageNet",
    "Class priors (always the training shares)": "class priors",
    "none: trained from scratch": "none",
    "none: random, frozen": f"none, frozen{BREAK}at random",
    "none, frozen at random": f"none, frozen{BREAK}at random",
    "the package's own training (FER-2013)": f"the package's,{BREAK}on FER-2013",  # as earlier runs say
    "the package's own training, not documented": f"the package's,{BREAK}not documented",
    "as in notebook 04": f"as in{BREAK}notebook 04",
    "ResNet-50 + SVM as in notebook 04": f"ResNet-50 + SVM{BREAK}as in notebook 04",
    "ResNet50 + self-attention + MLP": f"ResNet50 + self-attention{BREAK}+ MLP",
    "ResNet50 + SoftMax, modern recipe": f"ResNet50 + SoftMax,{BREAK}modern recipe",
    "ResNet-50 + SVM (RBF), from no weights": f"ResNet-50 + SVM (RBF),{BREAK}from no weights",
    "ResNet-50 + SoftMax, from no weights": f"ResNet-50 + SoftMax,{BREAK}from no weights",
    "reference": "–",
}
COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
COUNTS += ["eleven", "twelve", *(str(count) for count in range(13, 100))]


class Tables:
    """Tables and metrics of one profile's results, with every cell as text."""

    def __init__(self, results: Path) -> None:
        self._results = results

    def frame(self, name: str) -> pd.DataFrame:
        """Read ``tables/<name>.csv``."""
        return pd.read_csv(self.existing(f"tables/{name}.csv"), dtype=str, keep_default_na=False)

    def has(self, name: str) -> bool:
        """Tell whether ``tables/<name>.csv`` exists."""
        return (self._results / f"tables/{name}.csv").is_file()

    def rows(self, name: str) -> list[list[str]]:
        """Read the rows of ``tables/<name>.csv``."""
        return self.frame(name).to_numpy().tolist()

    def notes(self, name: str) -> str:
        """Read ``tables/<name>.md``, which has the notes below the table."""
        return self.existing(f"tables/{name}.md").read_text(encoding="utf-8")

    def said(self, name: str, pattern: str) -> str:
        """Find a pattern in the notes below a table and return its first group.

        Raises:
            FerError: there is no such table, or its notes have no such sentence.
        """
        found = re.search(pattern, self.notes(name))
        if not found:
            raise FerError(f"tables/{name}.md has no sentence like {pattern!r}.")
        return found.group(1)

    def cell(self, name: str, column: str, *first: str) -> str:
        """Find a column's cell in the only row whose first cells begin with ``first``.

        Raises:
            FerError: there is no such table, or not exactly one such row.
        """
        frame = self.frame(name)
        for place, value in enumerate(first):
            frame = frame[frame.iloc[:, place].str.startswith(value)]
        if len(frame) != 1:
            raise FerError(f"tables/{name}.csv: {len(frame)} rows begin with {', '.join(first)}; expected one.")
        return str(frame[column].iloc[0])

    def score(self, name: str, metric: str, *, split: str = "testing") -> float:
        """Read a score on the test faces, or on another split, from ``metrics/<name>.json``."""
        content = json.loads(self.existing(f"metrics/{name}.json").read_text(encoding="utf-8"))
        scores = content["values"]["scores"]
        return float(next(row["value"] for row in scores if (row["split"], row["metric"]) == (split, metric)))

    def losses(self, name: str) -> np.ndarray:
        """Compute each test face's cross-entropy from a training's answers, shape (N,)."""
        answers = self.answers(name)
        shares = answers.drop(columns=["label", "predicted"]).to_numpy()
        return metrics.cross_entropies(shares, answers["label"].to_numpy())

    def answers(self, name: str) -> pd.DataFrame:
        """Read a training's answers about the test faces (:func:`fer_lib.utils.packed.read_answers`).

        Raises:
            FerError: they do not exist.
        """
        stem = self._results / "predictions" / f"{name}_testing"
        if (found := packed.read_answers(stem)) is None:
            raise FerError(f"No such file: {stem}.npz; the page is made of a complete run of the profile paper.")
        return found

    def settings(self, name: str) -> dict[str, Any]:
        """Read the settings in the provenance of ``metrics/<name>.json``.

        Raises:
            FerError: there is no such file.
        """
        self.existing(f"metrics/{name}.json")
        return (provenance.made_by(self._results, f"metrics/{name}.json") or {})["settings"]

    def existing(self, name: str) -> Path:
        """Return the path of a result that exists."""
        path = self._results / name
        if not path.is_file():
            raise FerError(f"No such file: {path}; the page is made of a complete run of the profile paper.")
        return path


def estimate(text: str) -> str:
    """Extract the estimate, such as ``0.2860``, from ``0.2860 ± 0.0028 [0.2694, 0.3043]``."""
    return text.split(" ")[0]


def share(text: str) -> str:
    """Convert an estimated share to per cent with one digit after the point."""
    return f"{100 * float(estimate(text)):.1f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Build a Markdown table, with intervals on lines of their own.

    Raises:
        FerError: the table is too wide for GitHub.
    """
    lines = [list(head), *([_cell(each) for each in row] for row in rows)]
    widths = [max(len(part) for cell in column for part in cell.split(BREAK)) for column in zip(*lines, strict=True)]
    pixels = CHARACTER * sum(widths) + PADDING * len(widths)
    if pixels > WIDTH:
        raise FerError(f"A table is {pixels:.0f} pixels wide, GitHub's pages {WIDTH}: {', '.join(head)}; {widths}.")
    lines.insert(1, ["---"] * len(head))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r" (?=[\[(][-+\d])", BREAK, SHORT.get(text, text))
