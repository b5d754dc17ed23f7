"""Writes the ratios of ``benchmarks/results`` into the table of ``docs/performance.md``; a test holds them in step."""

from __future__ import annotations

import json
import re
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- ratios -->\n).*?(<!-- /ratios -->)", re.S)


def table() -> str:
    """Returns a row a comparison: benchmark, what, ratio with its range, target, the two ways' seconds."""
    lines = ["| benchmark | ours | times as fast (range) | target | ours, usual (s) |", "|---|---|---|---|---|"]
    for path in sorted(RESULTS.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for which, found in content.get("results", {}).items():
            target = f"{found['target']:g}" if "target" in found else "–"
            verdict = "" if "target" not in found else (" met" if found["median"] >= found["target"] else " missed")
            span = f"{found['lowest']:.2f}–{found['highest']:.2f}, {found['pairs']} pairs"
            times = f"{found['ours_seconds']:.3g}, {found['usual_seconds']:.3g}"
            cells = [f"`{content['benchmark']}`", which, f"**{found['median']:.2f}** ({span})", target + verdict, times]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the table."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda found: found[1] + table() + found[2], page), encoding="utf-8")


if __name__ == "__main__":
    main()
