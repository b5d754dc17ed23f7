"""FerError: the exception for problems that the user can fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FerError(Exception):
    """Problem that the user can fix; the message says in a sentence what was found, what was expected and what to do.

    The command line prints only the message and exits with status 2; a notebook also shows only the message.
    """

    def _render_traceback_(self) -> list[str]:
        """Format the error for IPython, without a traceback."""
        return [f"{type(self).__name__}: {self}"]


def one_line(error: BaseException) -> str:
    """Put an error's text on one line, or name its type where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """Give the first line of an error's text, at most 240 characters without a full stop, or name its type."""
    lines = str(error).strip().splitlines()
    return lines[0][:240].rstrip(".:") if lines else type(error).__name__


def nearest(word: str, choices: Iterable[str], *, likeness: float = 0.5) -> str:
    """Suggest the choice nearest to ``word``: ``" (did you mean 'x'?)"``, or an empty string if none is near.

    Args:
        word: what was given.
        choices: what there is.
        likeness: the least ratio of ``difflib.SequenceMatcher``, 1 for equal words, that counts as near.
    """
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=likeness)
    return f" (did you mean {close[0]!r}?)" if close else ""
