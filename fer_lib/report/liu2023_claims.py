"""Write the measured values behind each claim of liu2023, as sentences for its table of claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fer_lib.experiments import protocols
from fer_lib.settings.comparators import EQUAL_REFERENCE
from fer_lib.tables import comparators as comparators_tables
from fer_lib.tables.format import SEPARATIONS, p_value, percent, points

OWN = "resnet50_svm_rbf"
NAMED_IN_SECTION_31 = ("inception_v4", "vgg16", "resnet50_whole", "resnet50_softmax")
NAMED_NETWORKS = ("vgg16", "inception_v4", "cnn_ad", "lbp_cnn")


def own_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Select the scores of the paper's own classifier on its 56 + 14 faces a class: one row for each separation."""
    return scores[(scores["protocol"] == protocols.PER_CLASS) & (scores["classifier"] == OWN)]


def claims(
    scores: pd.DataFrame, differences: pd.DataFrame, whole_test: pd.DataFrame, smiles: pd.DataFrame
) -> dict[str, str]:
    """Write the measured values behind each claim, by a key of ``liu2023_tables.CLAIMS``.

    Args:
        scores: of :func:`fer_lib.experiments.protocol_scores.scores`.
        differences: of :func:`fer_lib.experiments.protocol_scores.paired`, SVM minus SoftMax.
        whole_test: of :func:`fer_lib.experiments.protocol_scores.whole_test`, on FER-2013.
        smiles: of :func:`fer_lib.evaluation.smiles.smile_rows`; empty without GENKI-4K.
    """
    own, everyone = own_rows(scores), smiles[smiles["group"] == "all"] if len(smiles) else smiles
    gains = differences[differences["protocol"] == protocols.PER_CLASS]
    faces = whole_test[whole_test["model"] == OWN]
    measured = {
        "accuracy_ckplus": [f"{percent(row.accuracy, row.low, row.high)} %, {_kind(row)}" for row in own.itertuples()],
        "accuracy_fer2013": [f"{percent(row.accuracy, row.low, row.high)} %" for row in faces.itertuples()],
        "svm_gain": [f"{points(row.difference, row.low, row.high)} points, {_kind(row)}" for row in gains.itertuples()],
        "generalisation": [
            f"SVM of {row.model}: accuracy {percent(row.accuracy, row.accuracy_low, row.accuracy_high)} %, "
            f"ROC-AUC {row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}]"
            for row in everyone.itertuples()
        ],
    }
    return {claim: "; ".join(sentences) for claim, sentences in measured.items() if sentences}


def fer2013_gain(whole: pd.DataFrame, reference: str) -> str:
    """Write how much better the SVM is than SoftMax on FER-2013, on the same features of the frozen trunk.

    Args:
        whole: of :func:`fer_lib.experiments.comparison_scores.whole_scores`.
        reference: the row that the differences are against.

    Returns:
        A sentence; empty if the reference is not the SVM, or SoftMax was not run.
    """
    row = whole[whole["system"] == "resnet50_softmax"]
    if reference != "resnet50_svm" or row.empty:
        return ""
    gap, low, high = (-float(row[f"difference{end}"].iloc[0]) for end in ("", "_high", "_low"))
    p = p_value(float(row["p_value"].iloc[0]))
    return f"{points(gap, low, high)} points on FER-2013, on the same features (McNemar's p {p})"


def gradients_claim(depth: pd.DataFrame) -> str:
    """Write the sentence on vanishing gradients, from ``depth_study.summary``'s deepest networks.

    Those without batch norm, the case of the paper's argument, if there are any.
    """
    plain = ~depth["batch norm"].astype(bool)
    bare, kind = (depth[plain], "without") if plain.any() else (depth, "with")
    deepest = bare[bare["layers"] == bare["layers"].max()]
    parts = [f"{row['network']} {row['first layer, start']:.2g}" for _, row in deepest.iterrows()]
    layers = deepest["layers"].iloc[0]
    return f"norm of the first layer's gradient at the start, {layers} layers {kind} batch norm: {', '.join(parts)}"


def outperforms_claim(equal: pd.DataFrame, systems: Mapping[str, Mapping[str, str]]) -> str:
    """Write the sentence on the networks of section 3.1, each after the same training on FER-2013.

    Args:
        equal: of :func:`fer_lib.experiments.comparison_scores.equal_terms`.
        systems: the rows' titles.

    Returns:
        The accuracy with subjects apart of the paper's system and each network's minus it; empty if the paper's system
        or all of the networks are missing.
    """
    if equal.empty or equal["reference"].iloc[0] != EQUAL_REFERENCE:
        return ""
    strict = equal[["protocol", "separation"]].iloc[-1]
    last = equal[(equal[["protocol", "separation"]] == strict).all(axis=1)].set_index("classifier")
    own = last.loc[EQUAL_REFERENCE]
    others = last.loc[[name for name in last.index if name.split("-")[0] in NAMED_IN_SECTION_31]]
    gaps = [
        f"{systems[name]['title'].removesuffix(', FER-2013 first')} "
        f"{points(row.difference, row.difference_low, row.difference_high)} points (Holm's p {p_value(row.holm)})"
        for name, row in others.iterrows()
    ]
    where = comparators_tables.column(strict["protocol"], strict["separation"])
    said = f"after FER-2013, {where}: {percent(own.accuracy, own.low, own.high)} %; against it: {', '.join(gaps)}"
    return said if gaps else ""


def efficiency_claim(sizes: pd.DataFrame, systems: Mapping[str, Mapping[str, str]], speeds: Mapping[str, float]) -> str:
    """Write the sentence on depth, parameters, multiply-adds and speed against the other networks on CK+.

    Args:
        sizes: of :func:`fer_lib.experiments.comparison_scores.sizes`.
        systems: the rows' titles.
        speeds: faces answered in a second by each row on CK+, as measured.

    Returns:
        The counts of the paper's system and of the other networks; which of them are shallower with more parameters,
        and which need no fewer multiply-adds. Empty if there is no other network.
    """
    ckplus = sizes[sizes["corpus"] == "CK+"].set_index("system")
    names = [name for name in ckplus.index if name in NAMED_NETWORKS]
    if "resnet50_svm" not in ckplus.index or not names:
        return ""
    own = ckplus.loc["resnet50_svm"]
    shallower = [n for n in names if own.depth > ckplus.loc[n].depth and own.parameters < ckplus.loc[n].parameters]
    slower = [n for n in names if own.multiply_adds <= ckplus.loc[n].multiply_adds]
    sentences = [f"{systems['resnet50_svm']['title']}: {_counts(own, speeds)}"]
    sentences += [f"{systems[name]['title']}: {_counts(ckplus.loc[name], speeds)}" for name in names]
    for said, found in (("shallower with more parameters", shallower), ("no fewer multiply-adds", slower)):
        sentences.append(f"{said} than it: {', '.join(systems[name]['title'] for name in found) or 'none of them'}")
    return "; ".join(sentences)


def _counts(row: pd.Series, speeds: Mapping[str, float]) -> str:
    millions = f"{row.parameters / 1e6:,.2f} million parameters, {row.multiply_adds / 1e6:,.1f} million multiply-adds"
    return f"depth {row.depth:.0f}, {millions}, {speeds[str(row.name)]:,.0f} faces a second"


def _kind(row: Any) -> str:
    return SEPARATIONS[row.separation]
