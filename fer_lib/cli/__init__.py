"""Command line ``fer-lib``: a thin layer over the library.

Exit status: 0 on success, 1 if ``predict`` found no sure face in a photo or ``compare`` found a difference, 2 for an
error that the user can fix (one sentence on stderr), 130 when interrupted. Each command imports its slow packages
itself, so that ``fer-lib --help`` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from fer_lib import __version__
from fer_lib.cli import answers, data, models, results
from fer_lib.cli.common import INTERRUPTED, USER_ERROR
from fer_lib.errors import FerError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; argparse's own errors raise SystemExit with status 2."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="fer-lib: %(message)s", level=logging.WARNING)
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
    except FerError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader (head, less) has closed the pipe: print nothing more, not even at the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}; check that the path exists and is readable and writable.")
    except KeyboardInterrupt:
        sys.stderr.write("fer-lib: interrupted.\n")
        return INTERRUPTED
    return status or 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"fer-lib: error: {sentence}\n")
    return USER_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer-lib", description="Tools for the replication of two papers on facial expression recognition."
    )
    parser.add_argument("--version", action="version", version=f"fer-lib {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (data, answers, models, results):
        group.add(commands)
    return parser
