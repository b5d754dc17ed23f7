"""Write the numbers of ``benchmarks/results`` and of the package's network into ``docs``; a test compares them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fer_lib.tables.format import percent

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
RELIABILITY, MODEL_CARD = PAGE.with_name("reliability.md"), PAGE.with_name("model_card.md")
NETWORK = PAGE.parents[1] / "fer_lib" / "predict" / "own_network"


def ratios() -> str:
    """Format one row per comparison: benchmark, name, ratio with its range, target, the two ways' seconds."""
    lines = ["| benchmark | ours | times as fast (range) | target | ours, usual (s) |", "|---|---|---|---|---|"]
    for path in sorted(RESULTS.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for which, found in content.get("results", {}).items():
            target = f"{found['target']:g}" if "target" in found else "–"
            verdict = "" if "target" not in found else (" met" if found["median"] >= found["target"] else " missed")
            span = f"{found['lowest']:.2f}–{found['highest']:.2f}, {found['pairs']} pairs"
            times = f"{found['ours_seconds']:.3g}, {found['usual_seconds']:.3g}"
            cells = [f"`{path.stem}`", which, f"**{found['median']:.2f}** ({span})", target + verdict, times]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def growth() -> str:
    """Format one row per measured size: seconds per epoch, seconds per thousand faces, peak memory."""
    lines = [
        "| way | training, validation faces | an epoch (s) | a thousand (s) | peak memory (GB) |",
        "|---|---|---|---|---|",
    ]
    path = RESULTS / "growth.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"sizes": []}
    for row in content["sizes"]:
        training = row["faces"] * 4 // 5  # the rest are for validation
        parts = f"{training:,}, {row['faces'] - training:,}"
        cells = [row["way"], parts, f"{row['epoch_seconds']:.1f}"]
        cells += [f"{1000 * row['epoch_seconds'] / training:.2f}", f"{row['peak_gb']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def differences() -> str:
    """Make a row for each engine and scaling: how much features vary, and how far they are from Keras' in float32."""
    lines = [
        "| weights | scaling | ours | variation over faces, of the norm | difference, of the variation | of the norm |",
        "|---|---|---|---|---|---|",
    ]
    path = RESULTS / "features_difference.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"differences": []}
    for row in content["differences"]:
        cells = [content["facts"]["weights"], f"`{row['scaling']}`", row["way"], f"{row['variation_in_norm']:.2g}"]
        cells += [f"{row['share_of_variation']:.2g}", f"{row['share_of_norm']:.2g}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def coverage() -> str:
    """Make a row for each interval and set of scenarios: how often it holds the truth, its width; bold if in use."""
    lines = [
        "| of | scenarios | interval | holds the truth | least often | scenarios under 93 % | mean width | ends at 1 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    content = json.loads((RESULTS / "interval_coverage.json").read_text(encoding="utf-8"))
    for what, rows in content["methods"].items():
        for row in rows:
            name = f"**{row['method']}**" if row["used"] else row["method"]
            cells = [what, f"{row['group']} ({row['scenarios']})", name, f"{100 * row['held']:.1f} %"]
            cells += [f"{100 * row['lowest']:.1f} %", f"{100 * row['below_93']:.0f} %", f"{100 * row['width']:.1f}"]
            cells += [f"{100 * row['ends_at_one']:.0f} %" if what == "accuracy" else "–"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def own_network() -> str:
    """Make a row for each score in the card of the package's network."""
    card = json.loads((NETWORK / "model.json").read_text(encoding="utf-8"))
    lines = ["| measured on | what | % [95 % interval] | faces |", "|---|---|---|---|"]
    classes = [
        {"measured_on": card["scores"][0]["measured_on"], "metric": f"recall of {row['class']}", **row}
        for row in card["recall"]
    ]
    for row in [*card["scores"], *classes]:
        numbers = percent(row["value"], row["low"], row["high"])
        lines.append(f"| {row['measured_on']} | {row['metric']} | {numbers} | {row['n']:,} |")
    return "\n".join(lines) + "\n"


def packages() -> str:
    """Make a row for each network that comes with a package, and a sentence on those that have none."""
    content = json.loads((RESULTS / "packages.json").read_text(encoding="utf-8"))
    lines = [
        "| network | right, all | right, without faces of the training part | MB | first answer (s) | faces a second |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for row in content["systems"]:
        cells = [NAMES[row["system"]], f"{100 * row['accuracy']:.2f} % of {row['faces']:,}"]
        cells.append(f"{100 * row['accuracy_without_training_faces']:.2f} % of {row['faces_without_training_faces']:,}")
        cells += [f"{row['megabytes']:.2f}", f"{row['first_answer_s']:.2f}", f"{row['faces_a_second']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Left out: {'; '.join(content['left_out'].values())}."]) + "\n"


TABLES = {
    "ratios": ratios,
    "differences": differences,
    "growth": growth,
    "coverage": coverage,
    "own_network": own_network,
    "packages": packages,
}
PAGES = (PAGE, RELIABILITY, MODEL_CARD)
NAMES = {"ours": "this package's", "fer": "`fer`'s"}


def filled(page: str) -> str:
    """Fill the tables that the page has room for from the results."""
    for name, made in TABLES.items():
        if f"<!-- {name} -->" not in page:
            continue
        table = made()
        block = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        page = block.sub(lambda found, table=table: found[1] + table + found[2], page)
    return page


def main() -> None:
    """Write the tables."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
