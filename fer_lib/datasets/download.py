"""Download a file over HTTP to a temporary file, check it, and only then rename it."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fer_lib.errors import FerError, one_line
from fer_lib.utils.files import atomic_path
from fer_lib.utils.progress import bar

_BLOCK = 2**18
_TIMEOUT = 30  # seconds without an answer
_TRIES = 3  # for each address, if the connection breaks off


def download(urls: Sequence[str], to: str | Path, *, limit: int, by_hand: str, check: Callable[[Path], None]) -> str:
    """Stream the first address that answers into ``to`` and return that address.

    Args:
        urls: addresses of the same file, tried in order until one answers.
        to: the file to write; it appears only after ``check`` has passed.
        limit: most bytes that the right file can have.
        by_hand: how to get the file without this function; ends the sentence of an error.
        check: receives the complete file and raises FerError if it is the wrong one.

    Raises:
        FerError: no address answers, the answer is a web page, too long or broken off, or ``check`` refuses it. Nothing
            is left behind.
    """
    refusals = []
    with atomic_path(to) as partial:
        for url in urls:
            refusal = _refusal(url, partial, limit=limit, by_hand=by_hand)
            if not refusal:
                break
            refusals.append(refusal)
        else:
            raise FerError(f"No download ({'; '.join(refusals)}): check the network, or {by_hand}.")
        with open(partial, "rb") as file:
            head = file.read(512).lstrip().lower()
        if not head or head.startswith((b"<!doctype", b"<html", b"<?xml")):
            got = "a web page" if head else "an empty file"
            raise FerError(f"{url} gave {got} rather than an archive; {by_hand}.")
        check(partial)
    return url


def _refusal(url: str, to: Path, **how: Any) -> str:
    """Write the answer of ``url`` and return "", or return why there is none; try again if the connection breaks."""
    for _ in range(_TRIES):
        try:
            _stream(url, to, **how)
            return ""
        except urllib.error.HTTPError as error:
            return f"{url} answers {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", None) or error
            refusal = f"{url}: {' '.join(str(reason).split()) or type(error).__name__}"
    return refusal


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Read the next block; raise ConnectionError whichever of its many errors a broken connection gives."""
    try:
        return answer.read(_BLOCK)
    except OSError as error:
        raise ConnectionError(one_line(error)) from error


def _stream(url: str, to: Path, *, limit: int, by_hand: str) -> None:
    """Write the answer of ``url``; raise FerError if it is too long, ConnectionError if it breaks off."""
    request = urllib.request.Request(url, headers={"User-Agent": "fer-lib"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, open(to, "wb") as file:
        stated = answer.headers.get("Content-Length", "")
        total = int(stated) if stated.isdigit() else None
        with bar(Path(url).name, total, unit="B") as advance:
            while block := _read(answer):
                advance(len(block))
                if file.tell() + len(block) > limit:
                    most = f"{limit / 2**20:,.0f} MiB"
                    raise FerError(f"{url} gives more than {most}, too much for this corpus; {by_hand}.")
                file.write(block)
        if total is not None and file.tell() != total:
            raise ConnectionError(f"the connection broke off after {file.tell():,} of {total:,} bytes")
