"""The tables of liu2023, printed next to measured values, and the tables of our argument about them.

Every function takes plain frames, as :mod:`fer_lib.experiments.protocols`, :mod:`fer_lib.experiments.lenet_study` and
:mod:`fer_lib.evaluation.metrics` return them, and returns a table; none writes or shows one. Shares are in per cent, as
the paper prints them. Square brackets contain 95 % intervals, round ones the smallest and the largest of several
trainings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.datasets.catalog import TITLES
from fer_lib.evaluation import metrics
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.tables import base
from fer_lib.tables.base import Table
from fer_lib.tables.format import (
    PROTOCOLS,
    SEPARATIONS,
    classifier_name,
    interval,
    p_value,
    percent,
    points,
    transferred_name,
)

PAPER = "liu2023"
CLASS_NAMES = {
    "angry": "Anger",
    "disgust": "Disgust",
    "fear": "Fear",
    "happy": "Happiness",
    "sad": "Sadness",
    "surprise": "Surprise",
    "neutral": "Neutrality",
    "contempt": "Contempt",
}
CLAIMS = {
    "accuracy_fer2013": ("Abstract, section 3.1", "“98.6% in the test”, on FER-2013", "98.6 %"),
    "accuracy_ckplus": ("Sections 2.1 and 3.1, Tables 1 and 3", "98.60, with 98 test faces of CK+", "98.60 %"),
    "svm_gain": ("Abstract", "SVM “about 1% better than” SoftMax", "about 1 %"),
    "generalisation": ("Sections 2.1, 3.1 and 4", "“good generalization capability”, tested on GENKI-4K", None),
    "gradients": ("Abstract, sections 1 and 2.2.1", "“alleviate the gradient disappearance”", None),
    "outperforms": ("Section 3.1", "outperforms InceptionV4, VGG and ResNet with SoftMax", None),
    "efficiency": ("Section 4", "deeper, with fewer parameters, and “the efficiency is maintained”", None),
}
SUBJECT_NOTE = "In brackets: 95 % intervals over subjects (Student's t, jackknife)."
PAIRED_NOTE = (
    "p: the larger one of this t test and of a permutation test that exchanges each subject's answers as a block; the "
    "interval excludes 0 exactly if p is below 0.05."
)
NO_PHOTOS = "Not measured: the data folder holds no GENKI-4K."
KEPT_NOTE = (
    "These scores were computed again from saved answers, which are of test faces alone. The intervals of training "
    "faces and of both together are the run's own: a bootstrap over subjects, which is too narrow if they are few."
)
HOLM_NOTE = "Holm's p: adjusted for all the comparisons of this table; the brackets are not."
HYPOTHESIS2 = ("resnet50_svm_rbf", "resnet50_softmax", "pixels_svm")  # the classifiers that hypothesis 2 is tested with
QUOTED, OWN = "quoted by the paper, not run here yet", "the paper's own"


def table1(counts: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Build liu2023's Table 1: the faces of each class, as printed and as drawn here.

    Args:
        counts: index: class, such as ``"happy"``; columns ``training`` and ``testing``.
        synthetic: whether the faces were generated.
    """
    printed = published.printed_table(PAPER, "Table 1").set_index("row")
    drawn = counts.rename(index=CLASS_NAMES)
    if "Total" not in drawn.index:
        drawn = pd.concat([drawn, drawn.sum().to_frame("Total").T])
    classes = [name for name in printed.index if name != "Total"]
    more = [name for name in drawn.index if name not in printed.index]
    rows = []
    for name in [*classes, *more, "Total"]:
        row: dict[str, Any] = {"Class": name}
        for part in ("training", "testing"):
            row[f"{part.capitalize()}, printed"] = printed[part].get(name, "–")
            row[f"{part.capitalize()}, here"] = f"{int(drawn[part][name]):,}" if name in drawn.index else "–"
        rows.append(row)
    missing = [name for name in classes if name not in drawn.index or not drawn.loc[name].sum()]
    words = " or ".join(name for name, printed_as in CLASS_NAMES.items() if printed_as in missing)
    said = [f"This release of the corpus has no faces labelled {words}."] if missing else []
    return Table(pd.DataFrame(rows), "liu2023, Table 1: faces of each class", synthetic, tuple(said))


def expansion(arithmetic: pd.DataFrame) -> Table:
    """Compare the counts after augmentation that the paper prints with those that follow from its description.

    Args:
        arithmetic: ``augmentation.arithmetic``: ``result`` is a number of images, or a ratio.
    """
    results = [f"{value:,.0f}" if value == round(value) else f"{value:,.2f}" for value in arithmetic["result"]]
    printed = [f"{value:,}" if pd.notna(value) else "–" for value in arithmetic["printed"]]
    frame = arithmetic.assign(result=results, printed=printed)
    return Table(frame, "liu2023, section 2.1: the counts after augmentation")


def table3(own_rows: pd.DataFrame | None, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build liu2023's Table 3: the printed accuracies, and the measured one of the paper's own algorithm.

    Args:
        own_rows: ``protocol_scores.scores`` of the paper's classifier and protocol: ``separation``, ``accuracy``,
            ``low``, ``high``, one row for each separation; one that is no key of ``SEPARATIONS`` gets a column of its
            own name. None if nothing has been measured yet.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    printed = published.printed_table(PAPER, "Table 3")
    measured = [] if own_rows is None else own_rows.itertuples()
    own = {row.separation: percent(row.accuracy, row.low, row.high) for row in measured}
    kinds = {**SEPARATIONS, **{kind: kind for kind in own if kind not in SEPARATIONS}}
    rows = []
    for name, value in zip(printed["row"], printed["Accuracy"], strict=True):
        is_own = name == "Algorithms in this paper"
        cells = {f"measured, {said}": own.get(kind, "–") if is_own else "–" for kind, said in kinds.items()}
        rows.append({"Algorism": name, "printed": value, **cells, "numbers": OWN if is_own else QUOTED})
    said = f"Accuracy in per cent. {SUBJECT_NOTE}"
    return Table(pd.DataFrame(rows), "liu2023, Table 3: algorithms", synthetic, (said, *notes))


def separations(scores: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of each classifier's accuracy (rows) for each protocol and separation (columns).

    Args:
        scores: ``protocol_scores.scores``: ``classifier``, ``protocol``, ``separation``, ``accuracy``, ``low``,
            ``high`` and ``draws``.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    cells: dict[str, dict[str, str]] = {}
    for row in scores.itertuples():
        column = f"{PROTOCOLS.get(row.protocol, row.protocol)}: {SEPARATIONS.get(row.separation, row.separation)}"
        cells.setdefault(column, {})[classifier_name(row.classifier)] = percent(row.accuracy, row.low, row.high)
    order = [classifier_name(name) for name in scores["classifier"].unique()]
    frame = pd.DataFrame(cells).reindex(order).fillna("–").rename_axis("classifier").reset_index()
    drawn = scores.groupby("protocol", sort=False)["draws"].max()
    draws = ", ".join(f"{PROTOCOLS.get(name, name)}: {count}" for name, count in drawn.items())
    said = f"Accuracy in per cent over all draws ({draws}); the paper prints 98.60. {SUBJECT_NOTE}"
    return Table(frame, "Accuracy by what is kept apart between training and test faces", synthetic, (said, *notes))


def leaks(differences: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of the cost of each separation: accuracy with frames at random minus accuracy with it.

    Args:
        differences: ``protocol_scores.leaks``: ``classifier``, ``separation``, ``difference``, ``low``, ``high``,
            ``p_value`` and ``n_subjects``; ``protocol`` if there are several.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    rows = []
    for row, adjusted in zip(differences.itertuples(), metrics.holm(differences["p_value"]), strict=True):
        kind = SEPARATIONS.get(row.separation, row.separation)
        where = {"protocol": PROTOCOLS.get(row.protocol, row.protocol)} if "protocol" in differences else {}
        rows.append(
            {
                "classifier": classifier_name(row.classifier),
                **where,
                "compared": f"{SEPARATIONS['frames']} minus {kind}",
                "difference (points)": points(row.difference, row.low, row.high),
                "p": p_value(row.p_value),
                "Holm's p": p_value(adjusted),
                "subjects": row.n_subjects,
            }
        )
    said = f"{SUBJECT_NOTE} {PAIRED_NOTE} {HOLM_NOTE}"
    return Table(pd.DataFrame(rows), "What frames at random add to the accuracy", synthetic, (said, *notes))


def svm_softmax(differences: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Subtract SoftMax's accuracy from the SVM's, on the same faces and features.

    Holm's adjustment covers the protocols and separations of one seed; other seeds repeat the same comparisons.

    Args:
        differences: ``protocol_scores.paired``: ``protocol``, ``separation``, ``difference``, ``low``, ``high``,
            ``only_first``, ``only_second``, ``p_value``, ``n_subjects``; ``seed`` if each seed has its row (such as
            ``0``, ``1`` and ``"all"``), and ``draws``, ``difference_min``, ``difference_max`` if there are several.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    rows = []
    seeds = differences["seed"] if "seed" in differences else pd.Series(0, differences.index)
    adjusted = differences["p_value"].astype(float).groupby(seeds.astype(str)).transform(metrics.holm)
    for row, family_wise in zip(differences.itertuples(), adjusted, strict=True):
        found = {
            "protocol": PROTOCOLS.get(row.protocol, row.protocol),
            "test faces": SEPARATIONS.get(row.separation, row.separation),
        }
        if "seed" in differences:
            found["seed"] = str(row.seed)
        found["SVM minus SoftMax (points)"] = points(row.difference, row.low, row.high)
        if "draws" in differences:
            found["of single draws"] = f"{points(row.difference_min)} to {points(row.difference_max)} ({row.draws})"
        found["right only by SVM"], found["right only by SoftMax"] = row.only_first, row.only_second
        found |= {"p": p_value(row.p_value), "Holm's p": p_value(family_wise)}
        rows.append({**found, "subjects": row.n_subjects})
    holm = HOLM_NOTE if "seed" not in differences else HOLM_NOTE.replace("this table", "a seed")
    said = f"The paper prints “about 1%”. {SUBJECT_NOTE} {PAIRED_NOTE} {holm}"
    return Table(pd.DataFrame(rows), "SVM against SoftMax on the same features and faces", synthetic, (said, *notes))


def hypothesis2(together: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of hypothesis 2: which of training faces, test faces and both together give the printed 98.60 %?

    Args:
        together: ``protocol_scores.together``: ``protocol``, ``separation``, ``classifier``, ``printed``, and for
            ``training``, ``testing`` and ``together`` the accuracy, with ``_low``, ``_high``, ``_faces``, ``_wrong``
            and ``_holds_printed``. Classifiers that are not in ``HYPOTHESIS2`` are left out. A column ``kept`` marks
            frames of which the test faces alone were scored again (``workflow/score_again.py``).
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    shown = together[together["classifier"].isin(HYPOTHESIS2)]
    parts = {"training": "training faces", "testing": "test faces", "together": "both together"}
    frame = pd.DataFrame(
        {
            "classifier": [classifier_name(name) for name in shown["classifier"]],
            "protocol": [PROTOCOLS.get(name, name) for name in shown["protocol"]],
            "test faces": [SEPARATIONS.get(name, name) for name in shown["separation"]],
        }
    )
    for part, words in parts.items():
        frame[f"{words} (%)"] = [percent(*cells) for cells in bounded(shown, part)]
        counts = zip(shown[f"{part}_wrong"], shown[f"{part}_faces"], strict=True)
        frame[f"wrong of {words}"] = [f"{wrong:,} of {faces:,}" for wrong, faces in counts]
    holds = shown[[f"{part}_holds_printed" for part in parts]].to_numpy(bool)
    column = f"{percent(together['printed'].iloc[0])} is in the interval of"
    frame[column] = [", ".join(np.array(list(parts.values()))[inside]) or "–" for inside in holds]
    said = (
        f"{SUBJECT_NOTE} They are over all draws and folds; the answers about one person stay together. Where all are "
        f"right, the interval is Wilson's for as many answers as there are people. {_seven_wrong()}"
    )
    title = "Hypothesis 2: is liu2023's 98.60 % of training and test pictures together?"
    return Table(frame, title, synthetic, (said, *([KEPT_NOTE] if "kept" in together else []), *notes))


def fer2013(
    rows: pd.DataFrame, settings: ResNet50SvmSettings, *, synthetic: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Build the table of accuracies on FER-2013's test faces, to which the abstract assigns its 98.6 %.

    Args:
        rows: ``protocol_scores.whole_test``: ``model``, ``accuracy``, ``low``, ``high``, ``faces``, ``wrong``;
            ``difference`` to the first row, ``difference_low``, ``difference_high`` and ``p_value``; ``training``
            (accuracy on the faces that the model learnt), if it was measured.
        settings: of the model; they say whether its SVM saw all features, and how many faces its search saw.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    bounds = zip(rows["accuracy"], rows["low"], rows["high"], strict=True)
    frame = pd.DataFrame(
        {
            "model": [classifier_name(name) for name in rows["model"]],
            "accuracy (%)": [percent(*cells) for cells in bounds],
            "wrong": [f"{row.wrong:,} of {row.faces:,}" for row in rows.itertuples()],
            "minus the first (points)": [points(*cells) for cells in bounded(rows, "difference")],
            "McNemar's exact p": [p_value(value) for value in rows["p_value"]],
            "Holm's p": [p_value(value) for value in metrics.holm(rows["p_value"])],
        }
    )
    if "training" in rows:  # results of earlier versions lack it
        frame.insert(2, "training faces (%)", [percent(value) for value in rows["training"]])
    components = settings.fer2013_components
    seen = f"{components:,} principal components of the features" if components else "all features (the exact kernel)"
    said = (
        "The paper prints 98.6 % and 7 wrong. In brackets: 95 % intervals, Wilson's and a bootstrap over faces, that "
        f"of a difference with McNemar's test. {HOLM_NOTE} "
        f"The SVM sees {seen}; C and γ are searched on {settings.fer2013_search_faces:,} training faces at most. "
        "SoftMax is here the network's own head, which learnt from the four fifths that fine-tuning trains on, the SVM "
        "from all training faces; the trunk knows most of them, so that the search is optimistic."
    )
    return Table(frame, "liu2023, abstract and section 3.1: accuracy on FER-2013", synthetic, (said, *notes))


def misses(summaries: Mapping[str, pd.DataFrame], *, synthetic: bool = False) -> Table:
    """Count the photos in which MTCNN found a face, for each class and corpus.

    Args:
        summaries: short name of a corpus -> ``crops.summary``: index: class and ``"total"``; columns ``photos``,
            ``found``, ``low confidence``, ``no face`` and ``missed`` (a fraction). A corpus of crops has no entry.
        synthetic: whether the photos were generated.
    """
    parts = []
    for corpus, counts in summaries.items():
        rows = counts.rename_axis("class").reset_index()
        rows["missed"] = [percent(share) for share in rows["missed"]]
        rows.insert(0, "corpus", TITLES.get(corpus, corpus))
        parts.append(rows.rename(columns={"missed": "missed (%)"}))
    title = "Photos in which MTCNN found a face (liu2023, section 2.1)"
    if not parts:
        said = "No corpus came as photos: those that there are hold face crops already."
        return Table(pd.DataFrame(columns=["corpus", "class", "photos"]), title, synthetic, (said,))
    return Table(pd.concat(parts, ignore_index=True), title, synthetic)


def genki4k(rows: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of each model's accuracy and ROC area for GENKI-4K's smiles, over all photos and by pose.

    Args:
        rows: ``evaluation.smiles.smile_rows``: ``model`` (a classifier, or the corpus that its SVM learnt from),
            ``group``, ``photos``, ``smiles``, ``accuracy`` and ``auc``, each of the two also with ``_low`` and
            ``_high``; empty without GENKI-4K.
        synthetic: whether the photos were generated.
        notes: more sentences under the table.
    """
    frame = pd.DataFrame(
        {
            "model": [transferred_name(name) for name in rows["model"]],
            "photos of": rows["group"].astype(str).to_numpy(),
            "photos": rows["photos"].to_numpy(),
            "smiles": rows["smiles"].to_numpy(),
            "accuracy (%)": [percent(*cells) for cells in bounded(rows, "accuracy")],
            "area under the ROC curve": [interval(*cells) for cells in bounded(rows, "auc")],
        }
    )
    said = "The paper announces this test and prints no number of it. In brackets: 95 % intervals over photos."
    if len(rows):
        share = (rows["smiles"] / rows["photos"])[rows["group"] == "all"].iloc[0]
        said += f" An answer of “smile” to every photo is right for {percent(share)} %."
    else:
        said += f" {NO_PHOTOS}"
    return Table(frame, "liu2023, section 2.1: generalisation to GENKI-4K, smile or not", synthetic, (said, *notes))


def claims(measured: Mapping[str, str], *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """List the paper's claims with the printed and the measured values, by a key of ``CLAIMS``."""
    silent = "announced, no number printed"
    return base.claims("liu2023", CLAIMS, measured, silent=silent, synthetic=synthetic, notes=notes)


def _seven_wrong() -> str:
    """Compute the accuracies that follow from the paper's own counts of wrong and of all faces, as a sentence."""
    printed = published.load(PAPER).set_index("id")["value"]
    wrong, training, testing = (
        int(printed[name]) for name in ("section31-wrong", "table1-total-training", "table1-total-testing")
    )
    shares = {f"its {testing} test faces": testing, f"the {training + testing} faces of both parts": training + testing}
    cells = " and ".join(f"{percent(1 - wrong / faces)} % of {words}" for words, faces in shares.items())
    return f"Section 3.1 prints {wrong} wrong: with Table 1's counts that leaves right {cells}."


def bounded(rows: pd.DataFrame, name: str) -> Iterator[tuple[float, float, float]]:
    """Give a value of each row with the ends of its interval, the columns ``_low`` and ``_high``."""
    return zip(rows[name], rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
