"""`make stress`: everything that should not harm a run, tried; the figures go into docs/reliability.md.

python -m stress.run                # all parts, on the smoke profile
python -m stress.run --part kills --profile smoke
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

from stress import faults, kills
from stress.chain import PROJECT, Chain, finished

PARTS = ("fuzz", "kills", "full_disk", "read_only", "two_at_once", "jumping_clock", "control_c")
KEPT = PROJECT / "stress" / "results.json"
PAGE = PROJECT / "docs" / "reliability.md"
HARM = ("harm", "results that differ", "half files")
BLOCK = re.compile("(<!-- stress: .*?-->\n).*?(<!-- /stress -->)", re.DOTALL)


def table(kept: dict[str, dict]) -> str:
    """Returns a row a part: what was done or said, and whether the results are the same afterwards."""
    rows = ["| part | what was found | results that differ | minutes |", "|---|---|---|---|"]
    aside = ("harm", "results that differ", "minutes", "profile", "python", "system")
    for part, found in kept.items():
        words = "; ".join(f"{name}: {_said(value)}" for name, value in found.items() if name not in aside)
        differ = found.get("results that differ")
        cell = "–" if differ is None else ", ".join(differ) or "none"
        rows.append(f"| {part} ({found['profile']}) | {words} | {cell} | {found['minutes']} |")
    return "\n".join(rows) + "\n"


def filled(page: str, kept: dict[str, dict]) -> str:
    """Returns the page with the table of what was found."""
    return BLOCK.sub(lambda found: found[1] + table(kept) + found[2], page)


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def main(argv: list[str] | None = None) -> int:
    """Runs the parts that are asked for, keeps what each found, and returns 1 where anything was harmed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--profile", default="smoke", help="of the chain (default: %(default)s)")
    parser.add_argument("--each", type=int, default=6, help="kills of each stage (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=500, help="damaged files of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    given = parser.parse_args(argv)
    chain, harmed = Chain(given.profile), []
    with tempfile.TemporaryDirectory(prefix="fer-stress-") as name:
        folder, quiet = Path(name), Path(name) / "quiet"
        for part in given.part or PARTS:
            begun = time.monotonic()
            try:
                if part == "kills":
                    found = kills.run(folder / part, chain, each=given.each, seed=given.seed)
                    quiet = folder / part / "undisturbed"
                elif part == "fuzz":
                    found = faults.fuzz(given.examples)
                elif part == "read_only":
                    found = faults.read_only(folder / part, chain)
                else:
                    if not quiet.is_dir():
                        finished(chain.copied(folder / "copy").start(quiet))
                    found = getattr(faults, part)(folder / part, quiet, chain)
            except PermissionError as error:
                found = {"not tried": str(error)}
            found |= {"profile": given.profile, "minutes": round((time.monotonic() - begun) / 60, 1)}
            found |= {"python": platform.python_version(), "system": platform.system()}
            kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
            kept |= {part: found}
            kept = {name: kept[name] for name in PARTS if name in kept}
            KEPT.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), kept), encoding="utf-8")
            sys.stdout.write(f"{part}: {json.dumps(found, ensure_ascii=False)}\n")
            harmed += [part] if any(found.get(name) for name in HARM) else []
    return 1 if harmed else 0


if __name__ == "__main__":
    sys.exit(main())
