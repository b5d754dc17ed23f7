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


def nearest(word: str, choices: Iterable[str]) -> str:
    """Returns ``" (did you mean 'x'?)"`` for the choice nearest to ``word``, or an empty string where none is near."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
