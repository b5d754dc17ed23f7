"""Parts that the command groups of ``fer-lib`` share: exit statuses, output, and the options that name a model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MISSED = 1
DIFFERENT = 1
USER_ERROR = 2
INTERRUPTED = 130


def say(*lines: str) -> None:
    """Print lines."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def say_list(found: Sequence[Any], as_json: bool, lines: Callable[[Any], Iterable[str]], nothing: str) -> None:
    """Print what was found: as JSON, else as ``lines`` writes it, else the sentence ``nothing``.

    Each item has a method ``plain`` that gives its plain values.
    """
    if as_json:
        say(json.dumps([one.plain() for one in found], indent=2))
    else:
        say(*(lines(found) if found else [nothing]))


def command(
    actions: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], int | None], help_text: str
) -> argparse.ArgumentParser:
    """Add a command that runs ``run``, whose result is the exit status; None means 0."""
    made = actions.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    made.set_defaults(run=run)
    return made


def add_model(command: argparse.ArgumentParser) -> None:
    """Add ``--model`` and the options that say how its file is to be read."""
    command.add_argument(
        "--model",
        metavar="MODEL",
        help="a model's folder or .keras file (default: the first one that `fer-lib models` lists)",
    )
    add_reading(command)


def add_reading(command: argparse.ArgumentParser) -> None:
    """Add the options that say how a .keras file is to be read."""
    command.add_argument(
        "--classes",
        metavar="NAMES",
        help="the classes of a .keras file in the order of its outputs, with commas: angry,disgust,fear,happy,neutral,"
        "sad,surprise (anger, disgusted, fearful and so on are understood)",
    )
    command.add_argument(
        "--scaling",
        choices=("unit", "symmetric", "trunk", "raw"),
        help="pixels of a .keras file: unit (0 to 1), symmetric (-1 to 1), trunk (ImageNet's means subtracted) or raw "
        "(0 to 255); default: as its card or its first layers say, else unit",
    )
