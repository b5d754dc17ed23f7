"""What is said of liu2023 beside its tables: its claims as measured, and the results of both its notebooks gathered."""

from __future__ import annotations

import pandas as pd

from fer_lib import protocols
from fer_lib.tables_liu2023 import SEPARATIONS, percent, points

OWN = "resnet50_svm_rbf"


def own_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the paper's own classifier on its own 56 + 14 faces a class, one a separation."""
    return scores[(scores["protocol"] == protocols.PER_CLASS) & (scores["classifier"] == OWN)]


def claims(
    scores: pd.DataFrame, differences: pd.DataFrame, whole_test: pd.DataFrame, smiles: pd.DataFrame
) -> dict[str, str]:
    """Returns what was measured of each claim, by a key of ``tables_liu2023.CLAIMS``.

    Args:
        scores: of :func:`fer_lib.protocols.scores`.
        differences: of :func:`fer_lib.protocols.paired`, SVM minus SoftMax.
        whole_test: of :func:`fer_lib.protocols.whole_test`, on FER-2013.
        smiles: of :func:`fer_lib.generalisation.smile_rows`; empty without GENKI-4K.
    """
    own, everyone = own_rows(scores), smiles[smiles["group"] == "all"]
    gains = differences[differences["protocol"] == protocols.PER_CLASS]
    faces = whole_test[whole_test["model"] == OWN]
    measured = {
        "accuracy_ckplus": [f"{percent(row.accuracy, row.low, row.high)} %, {_kind(row)}" for row in own.itertuples()],
        "accuracy_fer2013": [f"{percent(row.accuracy, row.low, row.high)} %" for row in faces.itertuples()],
        "svm_gain": [f"{points(row.difference, row.low, row.high)} points, {_kind(row)}" for row in gains.itertuples()],
        "generalisation": [
            f"machine of {row.model}: accuracy {percent(row.accuracy, row.accuracy_low, row.accuracy_high)} %, "
            f"ROC-AUC {row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}]"
            for row in everyone.itertuples()
        ],
    }
    return {claim: "; ".join(sentences) for claim, sentences in measured.items() if sentences}


def _kind(row: object) -> str:
    return SEPARATIONS[row.separation]
