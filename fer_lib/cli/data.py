"""``fer-lib data``: fetch, check or generate the corpora."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path

from fer_lib.cli.common import command, say
from fer_lib.datasets.catalog import TERMS, TITLES
from fer_lib.errors import FerError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands on corpora."""
    data = commands.add_parser(
        "data", help="fetch, check or generate the corpora", description="Fetch, check or generate the four corpora."
    )
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)

    fetch = command(actions, "fetch", _fetch, "download a corpus and verify it")
    fetch.add_argument("corpus", metavar="CORPUS", help="fer2013, genki4k or olivetti (ckplus: prints how to get it)")
    fetch.add_argument("--to", metavar="FOLDER", default="data", help="the data folder (default: %(default)s)")

    check = command(actions, "check", _check, "read and summarise a corpus, or all corpora of a data folder")
    check.add_argument("path", metavar="PATH", help="a corpus (file, archive or folder) or a data folder")
    check.add_argument("--skip-bad", action="store_true", help="leave faulty images out and count them")
    check.add_argument(
        "--near-duplicates",
        metavar="FILE",
        help="also write a CSV of FER-2013's test faces that have nearly the same picture in Training, with the row of "
        "the corpus's CSV or the file of both faces; of a corpus for pre-training, of its validation images",
    )
    check.add_argument("--no-cache", action="store_true", help="neither read nor write the parse cache")

    synth = command(actions, "synth", _synth, "write generated (SYNTHETIC) faces in a corpus' own format")
    synth.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    synth.add_argument("--corpus", choices=tuple(TITLES), default="fer2013", help="default: %(default)s")
    synth.add_argument("--faces", metavar="N", type=int, help="faces in all (default: 700 of fer2013, 200 of genki4k)")
    synth.add_argument("--seed", metavar="S", type=int, default=0, help="default: %(default)s")
    synth.add_argument(
        "--layout",
        choices=("csv", "icml", "folders", "colour", "official", "48x48"),
        help="of fer2013: csv (default), icml, folders, colour (folders); of ckplus: official (default), 48x48",
    )


def _fetch(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.fetch import fetch

    fetched = fetch(arguments.corpus, arguments.to)
    done = "Fetched" if fetched.downloaded else "Already there:"
    checked = "every file matches the manifest" if fetched.verified else "the manifest does not cover this release"
    said = [f"{done} {fetched.path}."] if fetched.remarks else [f"{done} {fetched.path}; {checked}."]
    say(*said, *fetched.remarks, f"Next: fer-lib data check {fetched.path}", TERMS[arguments.corpus])


def _check(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.check import list_near_duplicates, report

    listed = arguments.near_duplicates
    if listed and Path(listed).expanduser().exists():
        raise FerError(f"{listed} exists already; name another file with --near-duplicates, or remove it.")
    reading = {"skip_bad": arguments.skip_bad, "cache": not arguments.no_cache}
    lines, error = report(arguments.path, **reading)
    say(*lines)
    if error is not None:
        raise error
    if listed:
        say("", *list_near_duplicates(arguments.path, listed, **reading))


def _synth(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.readers.locate import MARKER
    from fer_lib.datasets.synthetic import writers

    layouts = {"fer2013": ("csv", "icml", "folders", "colour"), "ckplus": ("official", "48x48")}.get(
        arguments.corpus, (None,)
    )
    layout = arguments.layout or layouts[0]
    if layout not in layouts:
        known = f"its layouts are {', '.join(layouts)}" if layouts[0] else "it has only one layout"
        raise FerError(
            f"--layout {layout} does not fit {arguments.corpus}; {known}. Leave the option out or name another layout."
        )
    if arguments.faces is not None and arguments.corpus in ("ckplus", "olivetti"):
        raise FerError(f"Found --faces for {arguments.corpus}, whose generated size is fixed; leave the option out.")
    by_layout: dict[str | None, Callable[..., Path]] = {
        "csv": writers.write_fer2013_csv,
        "icml": functools.partial(writers.write_fer2013_csv, icml=True),
        "folders": writers.write_fer2013_folders,
        "colour": functools.partial(writers.write_fer2013_folders, colour=True),
        "official": writers.write_ckplus,
        "48x48": writers.write_ckplus48,
    }
    by_corpus: dict[str, Callable[..., Path]] = {"genki4k": writers.write_genki4k, "olivetti": writers.write_olivetti}
    write = by_layout.get(layout) or by_corpus[arguments.corpus]
    default = {"fer2013": {"n": 700}, "genki4k": {"n": 200}}.get(arguments.corpus, {})
    sizes = default if arguments.faces is None else {"n": arguments.faces}
    path = write(arguments.folder, seed=arguments.seed, **sizes)
    count = f"{sizes['n']:,} SYNTHETIC faces" if sizes else f"SYNTHETIC {arguments.corpus}"
    few = "Too few faces for the profiles quick and paper, which need 70 of each class; smoke generates its own."
    say(
        f"Wrote {count}: {path}",
        *([few] if arguments.corpus == "ckplus" else []),
        f"Keep {MARKER} with them: it tells them from real faces.",
        f"Next: fer-lib data check {path}",
    )
