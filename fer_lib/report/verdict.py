"""Write the report's opening: a verdict on each paper in words, and the main scores next to the reference's."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from fer_lib.artifacts import Run
from fer_lib.report.chen2023 import Chen2023
from fer_lib.report.compare import compare
from fer_lib.report.liu2023 import GLANCE, Liu2023
from fer_lib.report.liu2023_claims import OWN
from fer_lib.settings import PROJECT
from fer_lib.tables.base import Table
from fer_lib.tables.format import MODEL_NAMES

NOTHING = "–"
SYNTHETIC = (
    "SYNTHETIC: generated faces. This run shows that everything works; its numbers say nothing about the papers."
)
BOTH = (OWN, "pixels_svm")
FOLDS = {OWN: "ResNet-50 + SVM (RBF)", "pixels_svm": "pixels + SVM (RBF)"}
NAMES = {  # each model's name within a sentence
    "resnet50_mlp": "ResNet50 + MLP",
    "baseline_cnn": "the traditional CNN",
    "class_priors": "a model that always gives the same answer",
}
METRICS = ("categorical accuracy", "binary accuracy")


def opening(chen2023: Chen2023, liu2023: Liu2023) -> str:
    """Write the opening in Markdown: the profile, a verdict on each paper from this run's results, the weights."""
    title, *facts = chen2023.heading.split("\n\n")
    judge = not chen2023.synthetic
    parts = [title] if judge else [title, SYNTHETIC]
    parts += [_on_chen2023(chen2023.glance_table().frame, judge=judge), _on_liu2023(liu2023, judge=judge)]
    return "\n\n".join([*parts, *(["### This run", *facts] if facts else [])])


def _on_chen2023(glance: pd.DataFrame, *, judge: bool) -> str:
    rows = glance.set_index("Test faces")
    models = {name: rows.loc[MODEL_NAMES[model]] for model, name in NAMES.items()}
    printed = {name: row["accuracy, printed"] for name, row in models.items() if row["accuracy, printed"] != NOTHING}
    said = (
        f"**chen2023** prints a test accuracy of {_listed([f'{value} for {name}' for name, value in printed.items()])}."
    )
    measured = {name: row for name, row in models.items() if _is_measured(row)}
    if not measured:
        return f"{said} Nothing has been measured yet: run notebooks 03 and 05."
    said += f" Here {'; '.join(_both_metrics(name, row) for name, row in measured.items())}."
    pairs = [(value, measured[name]) for name, value in printed.items() if name in measured]
    return f"{said} {_nearest(pairs)}" if judge and pairs else said


def _listed(words: list[str]) -> str:
    return " and ".join(words)


def _is_measured(row: pd.Series) -> bool:
    return all(row[f"{metric}, measured"] != NOTHING for metric in METRICS)


def _both_metrics(name: str, row: pd.Series) -> str:
    categorical, binary = (_first(row[f"{metric}, measured"]) for metric in METRICS)
    return f"{name} names {100 * categorical:.1f} % of the test faces correctly, with a binary accuracy of {binary:.4f}"


def _nearest(pairs: list[tuple[str, pd.Series]]) -> str:
    """Say which of the two measured accuracies is nearer to each printed value."""
    near = {
        printed: min(METRICS, key=lambda name: abs(_first(row[f"{name}, measured"]) - float(printed)))
        for printed, row in pairs
    }
    said = f"The printed {_listed([f'{printed} is nearer to the {metric}' for printed, metric in near.items()])}"
    said += ": the paper's table may compare two metrics." if len(set(near.values())) > 1 else "."
    if near.get("0.8571") == "binary accuracy":
        said += " 0.8571 is 6/7, the binary accuracy of any model that is never more than 50 % sure."
    return said


def _on_liu2023(results: Liu2023, *, judge: bool) -> str:
    said = (
        "**liu2023** prints 98.60 % for ResNet-50 + SVM, to which no number of right answers among CK+'s 98 test faces "
        "rounds."
    )
    if not results.model:
        return f"{said} Nothing has been measured yet: run notebook 04."
    glance = results.glance_table().frame.set_index("CK+, 56 + 14 faces a class")
    columns = [name for name in ("frames at random (%)", "subjects apart (%)") if name in glance]
    parts = [
        said,
        _pairs(
            "Here, with a fixed number of faces from each class,", glance[columns], *(GLANCE[name] for name in BOTH)
        ),
    ]
    folds = results.ckplus_tables()[0].frame.set_index("classifier")
    columns = [name for name in ("folds: frames at random", "folds: subjects apart") if name in folds]
    if len(columns) == 2:
        parts.append(_pairs("In folds over all faces,", folds[columns], *(FOLDS[name] for name in BOTH)))
    if judge:
        parts.append(
            "Frames of one sequence are nearly the same image: only the accuracy with subjects apart says how well a "
            "model names the expressions of people whom it has not seen."
        )
    return " ".join(parts)


def _pairs(opening: str, scores: pd.DataFrame, own: str, pixels: str) -> str:
    (random, apart), (raw_random, raw_apart) = (
        [one_digit(text) for text in scores.loc[name]] for name in (own, pixels)
    )
    return (
        f"{opening} it has {random} % with frames at random and {apart} % with subjects apart; an SVM on raw pixels, "
        f"without a network, has {raw_random} and {raw_apart} %."
    )


def one_digit(text: str) -> str:
    """Round a percentage to one digit after the point; keep a dash as it is."""
    return text if text == NOTHING else f"{_first(text):.1f}"


def beside_reference(run: Run, chen2023: Chen2023, liu2023: Liu2023) -> list[Table]:
    """Compare this run's main scores with those of the reference of the same profile.

    Returns:
        One table, or none if the profile has no reference or this run is the reference.
    """
    folder = reference_folder(run)
    if folder is None:
        return []
    rows = []
    for name, ours in (("chen2023_glance", chen2023.glance_table()), ("liu2023_glance", liu2023.glance_table())):
        path = folder / "tables" / f"{name}.csv"
        if path.is_file():
            theirs = pd.read_csv(path, dtype=str, keep_default_na=False).set_index(ours.frame.columns[0])
            rows += _side_by_side(ours.frame.set_index(ours.frame.columns[0]), theirs, name.split("_")[0])
    if not rows:
        return []
    note = (
        f"The reference is the project's own run, in `results/reference/{run.profile}`; `fer-lib compare "
        f"results/{run.profile} results/reference/{run.profile}` compares every result."
    )
    synthetic = chen2023.synthetic
    return [Table(pd.DataFrame(rows), f"This run and the reference, profile {run.profile}", synthetic, (note,))]


def compared(results: Path, reference: Path) -> str:
    """Compare a finished run with the reference in one line; empty without a reference. Never raises."""
    if not reference.is_dir():
        return ""
    try:
        return f"Compared with {reference}: {compare(results, reference).summary()}"
    except Exception as error:  # the run itself is complete
        return f"Not compared with {reference}: {error}"


def reference_folder(run: Run) -> Path | None:
    """Find the reference of a run's profile; None if there is none or the run is the reference itself."""
    for root in (run.results.parent, PROJECT / "results"):
        folder = root / "reference" / run.profile
        if folder.is_dir():
            return None if folder.resolve() == run.results.resolve() else folder
    return None


def _side_by_side(ours: pd.DataFrame, theirs: pd.DataFrame, paper: str) -> list[dict[str, str]]:
    rows = []
    for name in ours.index:
        for column in ours.columns:
            if name in theirs.index and column in theirs.columns and not re.search("printed|loss", column):
                pair = str(ours.loc[name, column]), str(theirs.loc[name, column])
                score = re.sub(r", measured$", "", column)
                rows.append(
                    {"paper": paper, "of": str(name), "score": score, "this run": pair[0], "reference": pair[1]}
                )
    return rows


def _first(text: str) -> float:
    return float(text.split(" ")[0])
