"""Write docs/results.md from the reference tables of the profile ``paper``.

Run it by ``python -m fer_lib.report.results``. The prose is in ``results.md`` next to this file. It has names in braces
for all measured numbers, which are read from tables. No table of the page is wider than GitHub's pages.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from fer_lib.errors import FerError
from fer_lib.report import results_chen2023, results_liu2023
from fer_lib.report.results_cells import Tables
from fer_lib.settings import PROJECT
from fer_lib.utils.files import write_text

REFERENCE = PROJECT / "results" / "reference" / "paper"
PAGE = PROJECT / "docs" / "results.md"
PROSE = Path(__file__).with_suffix(".md")


def page(results: Path = REFERENCE) -> str:
    """Build the page as Markdown.

    Args:
        results: a profile's results, such as ``results/reference/paper``.

    Raises:
        FerError: a table that the page quotes does not exist, or is too wide for GitHub.
    """
    tables = Tables(results)
    values: dict[str, str] = {}
    for part in (results_chen2023.values, results_liu2023.values, _audits):
        values |= part(tables)
    text = PROSE.read_text(encoding="utf-8").format_map(values)
    return "\n\n".join(_wrapped(block) for block in text.strip().split("\n\n")) + "\n"


def _wrapped(block: str) -> str:
    """Wrap a paragraph; leave tables, headings, lists and pictures as they are."""
    if block.startswith(("|", "#", "![", "* ")):
        return block
    return textwrap.fill(block, width=130, break_long_words=False, break_on_hyphens=False)


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
