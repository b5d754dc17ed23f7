"""The command line ``fer-lib``: thin words around the library.

Exit status: 0 when all went well, 2 for an error that the user can mend (one sentence on stderr), 130 when interrupted.
Whatever is slow to import is imported by the command that needs it, so that ``fer-lib --help`` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fer_lib import __version__
from fer_lib.errors import FerError

if TYPE_CHECKING:
    import pandas as pd

    from fer_lib.datasets import FaceDataset

USER_ERROR = 2
INTERRUPTED = 130

_TERMS = (
    "FER-2013 was released for the ICML 2013 challenge (Goodfellow et al. 2013): use it for research, under the terms "
    "of the Kaggle competition, and do not publish its faces."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status; argparse's own errors leave by SystemExit with status 2."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="fer-lib: %(message)s", level=logging.WARNING)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except FerError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader (head, less) has closed: no more output, and none at the interpreter's exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}; check that the path exists and may be read and written.")
    except KeyboardInterrupt:
        sys.stderr.write("fer-lib: interrupted.\n")
        return INTERRUPTED
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"fer-lib: error: {sentence}\n")
    return USER_ERROR


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fer-lib", description="Tools around the replication's notebooks.")
    parser.add_argument("--version", action="version", version=f"fer-lib {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_data(commands)
    return parser


def _add_data(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser("data", help="fetch, check or generate FER-2013", description="The corpus FER-2013.")
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)

    fetch = _command(actions, "fetch", _data_fetch, "download a corpus from Kaggle and check its SHA-256 manifest")
    fetch.add_argument("corpus", metavar="CORPUS", help="fer2013")
    fetch.add_argument("--to", metavar="FOLDER", default="data", help="the data folder (default: %(default)s)")

    check = _command(actions, "check", _data_check, "read a corpus whole and say what it holds")
    check.add_argument("path", metavar="PATH", help="the corpus' file, archive or folder, or a data folder")
    check.add_argument("--skip-bad", action="store_true", help="leave faulty faces out and count them")
    check.add_argument("--no-cache", action="store_true", help="neither read nor write the parse cache")

    synth = _command(actions, "synth", _data_synth, "write generated (SYNTHETIC) faces in the corpus' own format")
    synth.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    synth.add_argument("--faces", metavar="N", type=int, default=700, help="faces in all (default: %(default)s)")
    synth.add_argument("--seed", metavar="S", type=int, default=0, help="default: %(default)s")
    synth.add_argument("--layout", choices=("csv", "icml", "folders"), default="csv", help="default: %(default)s")


def _command(
    actions: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], None], help_text: str
) -> argparse.ArgumentParser:
    command = actions.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    command.set_defaults(run=run)
    return command


def _data_fetch(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.fetch import fetch

    fetched = fetch(arguments.corpus, arguments.to)
    done = "Fetched" if fetched.downloaded else "Already there:"
    checked = "every file is the manifest's" if fetched.verified else "the manifest does not speak of this release"
    _say(f"{done} {fetched.path}; {checked}.", f"Next: fer-lib data check {fetched.path}", _TERMS)


def _data_check(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets import fer2013, quality

    dataset = fer2013.load(arguments.path, skip_bad=arguments.skip_bad, cache=not arguments.no_cache)
    notes = dataset.notes
    if dataset.synthetic:
        _say("SYNTHETIC: these faces were generated; they are not FER-2013.", "")
    _say(
        f"layout       {notes['layout']}",
        f"container    {notes['container']}",
        f"faces        {len(dataset):,}",
        f"fingerprint  {dataset.fingerprint}",
        "",
        *_counts(dataset.counts()),
        "",
        f"official split   {_official(notes['count_deviations'])}",
        f"official classes {_official_classes(dataset)}",
        f"left out         {_listed(notes['skipped']) or 'nothing'}",
        "",
        *(f"{name:<40}{count:>8,}" for name, count in quality.headline(dataset).items()),
        "",
        _TERMS,
    )


def _data_synth(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets import synthetic

    options = {"n": arguments.faces, "seed": arguments.seed}
    if arguments.layout == "folders":
        path = synthetic.write_fer2013_folders(arguments.folder, **options)
    else:
        path = synthetic.write_fer2013_csv(arguments.folder, icml=arguments.layout == "icml", **options)
    _say(f"Wrote {arguments.faces:,} SYNTHETIC faces: {path}", f"Next: fer-lib data check {path}")


def _counts(table: pd.DataFrame) -> list[str]:
    return table.to_string(formatters=dict.fromkeys(table.columns, "{:,}".format)).splitlines()


def _official(deviations: dict[str, dict[str, int]]) -> str:
    return (
        "; ".join(f"{split} {n['found']:,} rather than {n['official']:,}" for split, n in deviations.items()) or "yes"
    )


def _official_classes(dataset: FaceDataset) -> str:
    from fer_lib.datasets.fer2013 import OFFICIAL_CLASS_COUNTS

    found = dataset.counts().drop(columns="total")
    official = {split: tuple(row) for split, row in zip(found.index, found.to_numpy().tolist(), strict=True)}
    return "yes" if official == OFFICIAL_CLASS_COUNTS else "no, the counts per class differ"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
