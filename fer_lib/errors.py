"""The one error that is the user's to mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FerError(Exception):
    """Something the user can mend: one sentence says what was found, what was expected and what to do.

    The command line prints the sentence alone and exits with status 2; a notebook shows it alone, too.
    """

    def _render_traceback_(self) -> list[str]:
        """Returns what IPython shows in place of the frames."""
        return [f"{type(self).__name__}: {self}"]


def one_line(error: BaseException) -> str:
    """Put an error's text on one line, or name its type where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """Give the first line of an error's text, at most 240 characters without a full stop, or name its type."""
    lines = str(error).strip().splitlines()
    return lines[0][:240].rstrip(".:") if lines else type(error).__name__


def nearest(word: str, choices: Iterable[str]) -> str:
    """Returns ``" (did you mean 'x'?)"`` for the choice nearest to ``word``, or an empty string where none is near."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
