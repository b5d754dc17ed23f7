"""Show in notebook 08 how the trunk's weights were made, where notebook 00 made them in the same results."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from fer_lib.artifacts import Run
from fer_lib.figures import pretraining as figures
from fer_lib.figures.source import add_source
from fer_lib.tables import pretraining as tables
from fer_lib.tables.base import Table


def shown(run: Run) -> list[Figure | Table]:
    """Draw the curves and build the tables of accuracy and of the linear probe; an empty list without notebook 00."""
    parts: list[Figure | Table] = []
    for name, content in run.load_values("pretraining_seed*").items():
        values, synthetic = content["values"], content["synthetic"]
        history = run.load_rows(name, folder="histories")
        if history is not None:
            curves = figures.curves(history, classes=values["classes"], synthetic=synthetic)
            parts.append(add_source(curves, [content["provenance"]]))
        scored = tables.accuracy(values["accuracy"], classes=values["classes"], synthetic=synthetic)
        parts.append(replace(scored, notes=(*scored.notes, *_unused(run, values["sha256"].values()))))
        probed = (pd.DataFrame(values[part]) for part in ("linear_probe", "gains"))
        parts.append(tables.linear_probe(*probed, synthetic=synthetic))
    return parts


def _unused(run: Run, made: Collection[str]) -> list[str]:
    """Say so if no training that the report reads starts from these weights; ``made`` has their files' digests."""
    read = [each for name, each in run.facts.get("made_from", {}).items() if not name.startswith("chen2023_")]
    used = {weights["sha256"] for each in read if (weights := each.get("weights")) and weights["sha256"]}
    if not used or used & set(made):
        return []
    other = ", ".join(f"{digest[:12]}…" for digest in sorted(used))
    return [f"No training below starts from these weights: theirs are another file (SHA-256 {other})."]
