"""Tables on liu2023's SVM itself: its equations, its search, its variants, and readings of what was tested.

:mod:`fer_lib.tables.liu2023` has the paper's own tables and says how cells are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fer_lib.evaluation import metrics
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.settings.names import VARIANTS
from fer_lib.tables.base import Table
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, classifier_name, p_value, percent, points
from fer_lib.tables.liu2023 import HOLM_NOTE, SUBJECT_NOTE, bounded

EQUATIONS = {
    1: "H(x) = F(x) + x",
    2: "K(x, z) = φ(x) · φ(z)",
    3: "f(x) = sign(Σ α*ᵢ yᵢ K(x, xᵢ) + b*)",
    4: "T = {(x₁, y₁), …, (xₙ, yₙ)}",
    5: "xᵢ ∈ Rⁿ, yᵢ ∈ {+1, −1}",
    6: "min ½ ΣΣ αᵢ αⱼ yᵢ yⱼ K(xᵢ, xⱼ) − Σ αᵢ",
    7: "Σ αᵢ yᵢ = 0",
    8: "0 ≤ αᵢ ≤ C",
    9: "α* = (α*₁, …, α*_N)",
    10: "b* = yⱼ − Σ α*ᵢ yᵢ K(xᵢ, xⱼ), where 0 < α*ⱼ < C",
    11: "f(x) = sign(Σ α*ᵢ yᵢ K(x, xᵢ) + b*)",
    12: "f(x) = sign(Σ α*ᵢ yᵢ exp(−‖x − z‖² / 2σ²) + b*)",
}
CHOSEN_NOTE = "Chosen: the smallest and the largest of all fits; γ in multiples of scikit-learn's scale."
READINGS = {
    "as_run": "as in this run: the test faces, untouched",
    "five_crops": "five cross-cut crops of each test face",
    "copies_divided": "twelve copies of each face made first, then divided by image",
    "pixels": "raw pixels + SVM: the test faces, untouched",
    "pixels_copies_divided": "raw pixels + SVM: twelve copies made first, then divided by image",
    "chosen_on_test": "C and γ chosen on the test faces",
    "contempt": "contempt as one more class",
    "search_on_faces": "control: C and γ searched on untouched faces, fitted on all views",
    "fit_on_faces": "control: searched and fitted on untouched faces",
    "seventeen_views": "control: twelve copies and five crops in place of this run's views",
    "other_fine_tuning": "control: fine-tuned for control_epochs at control_learning_rate",
}


def fits(rows: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Show each classifier's training accuracy next to its test accuracy, and where the search's grid ended.

    Args:
        rows: ``protocol_scores.fits``.
        synthetic: whether the faces were generated.
    """
    frame = pd.DataFrame(
        {
            "classifier": [classifier_name(name) for name in rows["classifier"]],
            "protocol": [PROTOCOLS.get(name, name) for name in rows["protocol"]],
            "test faces": [SEPARATIONS.get(name, name) for name in rows["separation"]],
            "fits": rows["fits"].to_numpy(),
            "training faces (%)": [percent(value) for value in rows["training"]],
            "views of them (%)": [percent(value) for value in rows["views"]],
            "test faces (%)": [percent(value) for value in rows["testing"]],
            "C": [_from_to(*cells) for cells in zip(rows["C_low"], rows["C_high"], strict=True)],
            "γ": [
                _from_to(*cells) for cells in zip(rows["gamma_multiple_low"], rows["gamma_multiple_high"], strict=True)
            ],
            "on an edge": [_edges(row.on_edge, row.edges) for row in rows.itertuples()],
        }
    )
    said = (
        "Accuracy on the faces that were learnt, on twelve views of each at most, and on the test faces. C and γ: the "
        "smallest and the largest choice of all fits; γ in multiples of scikit-learn's scale. On an edge: fits whose "
        "choice lies on an edge of its grid, after the grid was widened as far as the settings allow."
    )
    title = "liu2023, section 2.2.2: training accuracy beside test accuracy, and the search's choices"
    return Table(frame, title, synthetic, (said,))


def variants(
    rows: pd.DataFrame, settings: ResNet50SvmSettings, *, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Compare different SVM classifiers on CK+'s folds, subjects apart.

    Args:
        rows: ``svm_variants.compare``.
        settings: of the model; they say how many views the classifiers learn from.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    title = "liu2023, section 4: different SVM classifiers in CK+'s folds, subjects apart"
    if rows.empty:
        return Table(pd.DataFrame(columns=["SVM", "accuracy (%)"]), title, synthetic, ("Left out.", *notes))
    bounds = zip(rows["accuracy"], rows["low"], rows["high"], strict=True)
    frame = pd.DataFrame(
        {
            "SVM": [VARIANTS[name] for name in rows["classifier"]],
            "accuracy (%)": [percent(*cells) for cells in bounds],
            "training faces (%)": [percent(value) for value in rows["training"]],
            "views of them (%)": [percent(value) for value in rows["views"]],
            **_against_first(rows),
            "chosen": rows["chosen"].to_numpy(),
            "on an edge": [f"{row.on_edge} of {row.fits}" for row in rows.itertuples()],
        }
    )
    count = settings.variants_views
    learnt = f"{count} views of each training face at most" if count else "the untouched training faces"
    exchanged = "p: each subject's answers exchanged as a block, exact."
    said = f"All learn from {learnt}. {SUBJECT_NOTE} {exchanged} {HOLM_NOTE} {CHOSEN_NOTE}"
    return Table(frame, title, synthetic, (said, *notes))


def variants_fer2013(
    rows: pd.DataFrame, settings: ResNet50SvmSettings, *, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Compare different SVM classifiers on FER-2013's test faces.

    Args:
        rows: ``svm_variants.fer2013``.
        settings: of the model; they give the number of principal components.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    title = "liu2023, section 4: different SVM classifiers on FER-2013's test faces"
    if rows.empty:
        return Table(pd.DataFrame(columns=["SVM", "accuracy (%)"]), title, synthetic, ("Left out.", *notes))
    bounds = zip(rows["accuracy"], rows["low"], rows["high"], strict=True)
    frame = pd.DataFrame(
        {
            "SVM": [VARIANTS[name] for name in rows["model"]],
            "accuracy (%)": [percent(*cells) for cells in bounds],
            "training faces (%)": [percent(value) for value in rows["training"]],
            **_against_first(rows),
            "chosen": rows["chosen"].to_numpy(),
            "on an edge": ["no" if edge == "inside" else _in_symbols(edge) for edge in rows["edge"]],
        }
    )
    components = settings.variants_fer2013_components
    seen = f"{components:,} principal components of the features" if components else "all features"
    said = (
        f"All learn from the same {rows['learnt'].iloc[0]:,} training faces, drawn by class, and see {seen}. In "
        f"brackets: 95 % intervals, Wilson's and a bootstrap over faces. p: McNemar's exact test. {HOLM_NOTE} "
        f"{CHOSEN_NOTE}"
    )
    return Table(frame, title, synthetic, (said, *notes))


def three_parts(rows: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of section 2.2's three parts: C and γ chosen on the validation faces, tested on others.

    Args:
        rows: ``protocol_scores.validated``.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    title = "liu2023, section 2.2: ResNet-50 + SVM with 392/49/49 faces to train, validate and test on"
    if rows.empty:
        return Table(pd.DataFrame(columns=["classifier", "test (%)"]), title, synthetic, ("Left out.", *notes))
    bounds = zip(rows["accuracy"], rows["low"], rows["high"], strict=True)
    frame = pd.DataFrame(
        {
            "classifier": [classifier_name(name) for name in rows["classifier"]],
            "kept apart": [SEPARATIONS.get(name, name) for name in rows["separation"]],
            "training (%)": [percent(value) for value in rows["training"]],
            "views of them (%)": [percent(value) for value in rows["views"]],
            "validation (%)": [percent(value) for value in rows["validation"]],
            "test (%)": [percent(*cells) for cells in bounds],
            "single draws (%)": [
                f"{percent(row.accuracy_min)} to {percent(row.accuracy_max)} ({row.draws})" for row in rows.itertuples()
            ],
            "on an edge": [_edges(row.on_edge, row.edges) for row in rows.itertuples()],
        }
    )
    first = rows.iloc[0]
    here = "/".join(str(first[name]) for name in ("training_faces", "validation_faces", "test_faces"))
    said = (
        f"Here {here} faces a draw. C and γ are chosen on the validation faces; the fit sees the training faces' views "
        f"alone. {SUBJECT_NOTE} On an edge: draws whose choice lies on an edge of its grid."
    )
    return Table(frame, title, synthetic, (said, *notes))


def readings(rows: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of readings: what each gives on the test faces, and whether it gives the printed 98.60 %.

    Args:
        rows: ``readings.scores``.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    printed = percent(rows["printed"].iloc[0])
    frame = pd.DataFrame(
        {
            "reading": [READINGS[name] for name in rows["reading"]],
            "images learnt": rows["learnt"].to_numpy(),
            "images tested": rows["tested"].to_numpy(),
            "training faces (%)": [percent(value) for value in rows["training"]],
            "views of them (%)": [percent(value) for value in rows["views"]],
            "test (%)": [percent(*cells) for cells in bounded(rows, "testing")],
            "single draws (%)": [
                f"{percent(row.testing_min)} to {percent(row.testing_max)} ({row.draws})" for row in rows.itertuples()
            ],
            "on an edge": rows["on_edge"].to_numpy(),
            f"{printed} is in the interval": rows["holds_printed"].to_numpy(bool),
        }
    )
    said = (
        f"The 56 + 14 faces a class, frames at random, RBF SVM on the network's features unless another is named. "
        f"{SUBJECT_NOTE} Images: of one draw. Where copies were divided, “training faces” are the copies that were "
        "learnt. On an edge: draws whose C or γ lies on an edge of the grid. A control changes what the fine-tuning, "
        "the search or the fit saw, and not what was tested."
    )
    title = f"liu2023, Table 3: readings of {printed} % that the paper does not rule out"
    return Table(frame, title, synthetic, (said, *notes))


def equations(checks: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Check the paper's equations on a fitted SVM or on a network's graph.

    Args:
        checks: ``svm.equations.check``: ``equation`` (such as ``"3, 11"``), ``says``, ``deviation``, ``tolerance``,
            ``holds`` and ``note``.
        synthetic: whether the SVM was fitted to generated faces.
    """
    rows = []
    for row in checks.itertuples():
        numbers = [] if "-" in str(row.equation) else re.findall(r"\d+", str(row.equation))
        printed = list(dict.fromkeys(EQUATIONS[int(number)] for number in numbers))
        rows.append(
            {
                "equation": str(row.equation),
                "printed": "; ".join(printed) or "–",
                "checked": row.says,
                "largest deviation": f"{row.deviation:.1e}",
                "tolerance": f"{row.tolerance:.1e}",
                "holds": bool(row.holds),
                "note": row.note or "–",
            }
        )
    return Table(pd.DataFrame(rows), "liu2023's equations, checked", synthetic)


def _against_first(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Format the differences from the first row's classifier; a dash in its own row."""
    return {
        "minus the first (points)": [points(*cells) for cells in bounded(rows, "difference")],
        "p": [p_value(value) for value in rows["p_value"]],
        "Holm's p": [p_value(value) for value in metrics.holm(rows["p_value"])],
    }


def _from_to(low: float, high: float) -> str:
    """Format the smallest and the largest choice of a parameter; a dash for one that was not searched."""
    if not np.isfinite(low):
        return "–"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _in_symbols(edge: str) -> str:
    """Write the names of parameters as the paper does: ``"γ lowest"``."""
    return edge.replace("gamma_multiple", "γ").replace("nu ", "ν ")


def _edges(count: int, edges: Mapping[str, int]) -> str:
    """Format the number of fits on an edge, and which: ``"3: C highest 2, γ lowest 1"``."""
    named = ", ".join(f"{_in_symbols(name)} {number}" for name, number in edges.items())
    return f"{count}: {named}" if count else "0"
