"""``fer-lib runs``, ``audit`` and ``compare``: measured results and printed numbers."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

from fer_lib.cli.common import DIFFERENT, command, say, say_list
from fer_lib.errors import FerError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands on results."""
    _add_runs(commands)
    _add_audit(commands)
    _add_compare(commands)


def _add_runs(commands: argparse._SubParsersAction) -> None:
    runs = command(commands, "runs", _runs, "list the results folders with profile, commit, seeds and headline scores")
    runs.add_argument("--json", action="store_true", help="print the same as a JSON list")
    runs.epilog = (
        "Results are in the folders of results and results/reference, in $FER_OUTPUT or the current folder. Results "
        "that no provenance file lists, or that have changed since, have no score here."
    )


def _add_audit(commands: argparse._SubParsersAction) -> None:
    audit = command(commands, "audit", _audit, "check whether published numbers are possible")
    audit.add_argument(
        "papers",
        metavar="PAPER",
        nargs="*",
        help="chen2023, liu2023, or a YAML file of a paper's numbers (docs/audit.md); default: both papers",
    )
    audit.add_argument(
        "--results",
        metavar="FOLDER",
        help="results of a profile to compare with (default: the most complete ones under results/)",
    )
    audit.add_argument("--json", action="store_true", help="print a JSON list of every finding")


def _add_compare(commands: argparse._SubParsersAction) -> None:
    compare = command(commands, "compare", _compare, "compare two folders of results, such as yours with the reference")
    compare.add_argument(
        "first", metavar="A", help="results of a profile, such as results/paper, or a folder with results and figures"
    )
    compare.add_argument("second", metavar="B", help="the other folder, such as results/reference/paper")
    compare.add_argument(
        "--rtol",
        metavar="R",
        default="0",
        help="relative tolerance for numbers: one for all, or by kind, as tables=1e-3,metrics=1e-6 (default: 0)",
    )
    compare.add_argument(
        "--within-intervals",
        action="store_true",
        help="accept estimates that lie within each other's 95 %% intervals",
    )
    compare.add_argument(
        "--numbers-only",
        action="store_true",
        help="accept different wording of the same numbers, and other pixels of figures that draw the same data",
    )
    compare.add_argument("--json", action="store_true", help="print the differences as JSON")
    compare.epilog = (
        "Tables, metrics, histories and predictions are compared value by value, figures pixel by pixel; provenance "
        "and measured times are left out. Exit status: 0 if nothing differs, 1 if something does, 2 for an error."
    )


def _runs(arguments: argparse.Namespace) -> None:
    from fer_lib.report import runs

    nothing = "There are no results under results yet; `make replicate` writes some."
    say_list(runs.list_results(), arguments.json, runs.report, nothing)


def _audit(arguments: argparse.Namespace) -> None:
    from fer_lib import published
    from fer_lib.audit import engine
    from fer_lib.provenance import read_values
    from fer_lib.published.reading import read
    from fer_lib.report import audit as audit_report

    if arguments.results and not os.path.isdir(arguments.results):
        raise FerError(f"No such folder: {arguments.results}; name the results of a profile, such as results/quick.")
    names = arguments.papers or published.papers()
    files = {name: os.path.exists(name) or name.lower().endswith((".yaml", ".yml")) for name in names}
    records = [read(name) if is_file else published.record(name) for name, is_file in files.items()]
    every = []
    for record in records:
        if arguments.json:
            every += [{"paper": record.paper, **vars(finding)} for finding in engine.audit(record)]
            continue
        root = os.path.join(os.path.expanduser(os.environ.get("FER_OUTPUT", "")), "results")
        if arguments.results:
            results = read_values(Path(arguments.results))
            profile = arguments.results if results else ""
        else:
            profile, results = audit_report.choose_results(record, root)
        width = min(120, shutil.get_terminal_size((100, 24)).columns)
        say(*audit_report.terminal_lines(audit_report.of(record, results), width=width))
        if record.measured:
            say("", f"Measured: {profile or f'nothing under {arguments.results or root} yet'}.")
    if arguments.json:
        say(json.dumps(every, indent=2))  # in ASCII, whatever a user's record contains


def _compare(arguments: argparse.Namespace) -> int:
    from fer_lib.report.compare import compare, tolerances

    found = compare(arguments.first, arguments.second, rtol=tolerances(arguments.rtol))
    failing = found.failing(numbers_only=arguments.numbers_only, within_intervals=arguments.within_intervals)
    if arguments.json:
        say(json.dumps(found.as_json(), indent=2))
    else:
        say(*(f"{one.name}: {one.kind}: {one.text}" for one in found.differences), found.summary())
    return DIFFERENT if failing else 0
