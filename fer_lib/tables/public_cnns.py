"""The table of public CNNs next to the traditional CNN of chen2023 (Table 2, first row)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fer_lib import published
from fer_lib.models.public_cnns import PUBLIC_CNNS
from fer_lib.tables.base import Table
from fer_lib.tables.format import MODEL_NAMES, score_cell

OWN = "baseline_cnn"
PARTS = ("training", "validation", "testing")
METRICS = {"loss": "loss", "categorical_accuracy": "accuracy"}


def compared(
    scores: Mapping[str, Mapping[str, pd.DataFrame]],
    counts: Mapping[str, Mapping[str, int]],
    *,
    synthetic: bool = False,
) -> Table:
    """Build the table: the printed row, the CNN that was chosen here, and the public CNNs, all in equal standing.

    Args:
        scores: ``"baseline_cnn"`` or a name in ``PUBLIC_CNNS`` -> ``"training"``, ``"validation"``, ``"testing"`` ->
            the frame of :func:`fer_lib.evaluation.metrics.score`.
        counts: the ``"parameters"`` and ``"epochs"`` of each of them.
        synthetic: whether the faces were generated.
    """
    printed = published.load("chen2023")
    printed = printed[printed["model"] == OWN].set_index(["split", "metric"])["value"].to_dict()
    shown = {f"{part} {said}": printed[part, said] for part in PARTS for said in METRICS.values()}
    rows = [
        {
            "Traditional CNN": "as printed",
            "parameters": "–",
            "epochs": "–",
            "printed values in its intervals": "–",
            **shown,
        }
    ]
    for name, parts in scores.items():
        cells, inside, asked = {}, 0, 0
        for part in PARTS:
            values = parts[part].set_index("metric")
            for metric, said in METRICS.items():
                row = values.loc[metric]
                cells[f"{part} {said}"] = score_cell(row)
                if part != "training":  # the running means of training have no interval
                    asked += 1
                    inside += row["low"] <= float(printed[part, said]) <= row["high"]
        title = PUBLIC_CNNS[name].title if name in PUBLIC_CNNS else f"{MODEL_NAMES[name]}, chosen here"
        own = {word: f"{counts[name][word]:,}" for word in ("parameters", "epochs")}
        own["printed values in its intervals"] = f"{inside} of {asked}"
        rows.append({"Traditional CNN": title, **own, **cells})
    heading = "chen2023, Table 2, “Traditional CNN model”: architectures that it could be"
    return Table(pd.DataFrame(rows), heading, synthetic, (_said(), *_sources(scores)))


def _said() -> str:
    return (
        "Categorical accuracy; losses in nats; training values are the running means of the last epoch. In brackets: "
        "95 % intervals over faces of one seed. All were trained alike: the same faces, and the settings of the "
        "traditional CNN. The paper gives no architecture. The public CNNs were chosen before any of them "
        "was trained here. That one of them comes near says that such numbers are common, not that it is the paper's."
    )


def _sources(scores: Mapping[str, object]) -> list[str]:
    cited = [PUBLIC_CNNS[name] for name in scores if name in PUBLIC_CNNS]
    return [f"{one.title}: <{one.address}>; its own training differs: {one.differs}." for one in cited]
