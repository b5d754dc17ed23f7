"""Downloads a file over HTTP, whole or not at all."""

from __future__ import annotations

import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from fer_lib.errors import FerError
from fer_lib.files import atomic_path

_BLOCK = 2**18


def download(
    urls: Sequence[str], to: str | Path, *, limit: int, by_hand: str, check: Callable[[Path], None], timeout: float = 30
) -> str:
    """Streams the first address that answers into ``to`` and returns that address.

    Args:
        urls: addresses of the same file, tried in order until one answers.
        to: the file to write; it appears only after ``check`` has passed, and nothing is left behind otherwise.
        limit: bytes above which the file cannot be what was asked for.
        by_hand: how to get the file without this function; ends the sentence of an error.
        check: is given the complete file and raises FerError where it is not what it should be.
        timeout: seconds without an answer.

    Raises:
        FerError: no address answers, the answer is a web page, too long or broken off, or ``check`` refuses it.
    """
    with atomic_path(to) as partial:
        url = _first_answer(urls, partial, limit=limit, by_hand=by_hand, timeout=timeout)
        with open(partial, "rb") as file:
            head = file.read(512).lstrip().lower()
        if head.startswith((b"<!doctype", b"<html", b"<?xml")):
            raise FerError(f"{url} gave a web page rather than an archive; {by_hand}.")
        if not head:
            raise FerError(f"{url} gave an empty file rather than an archive; {by_hand}.")
        check(partial)
    return url


def _first_answer(urls: Sequence[str], partial: Path, *, limit: int, by_hand: str, timeout: float) -> str:
    refusals = []
    for url in urls:
        try:
            _stream(url, partial, limit=limit, by_hand=by_hand, timeout=timeout)
            return url
        except urllib.error.HTTPError as error:
            refusals.append(f"{url} answers {error.code} {error.reason}")
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            refusals.append(f"{url}: {' '.join(str(reason).split()) or type(error).__name__}")
    raise FerError(f"No download ({'; '.join(refusals)}): check the network, or {by_hand}.")


def _stream(url: str, partial: Path, *, limit: int, by_hand: str, timeout: float) -> None:
    """Writes what ``url`` gives into ``partial``; raises FerError where it is too long, OSError where it breaks off."""
    shown = sys.stderr.isatty() and not os.environ.get("CI")
    request = urllib.request.Request(url, headers={"User-Agent": "fer-lib"})
    with urllib.request.urlopen(request, timeout=timeout) as answer, open(partial, "wb") as file:
        stated = answer.headers.get("Content-Length", "")
        total = int(stated) if stated.isdigit() else None
        with tqdm(total=total, unit="B", unit_scale=True, desc=Path(url).name, disable=not shown) as bar:
            written = 0
            while block := answer.read(_BLOCK):
                written += len(block)
                if written > limit:
                    most = f"{limit / 2**20:,.0f} MiB"
                    raise FerError(f"{url} gives more than {most}, too much for this corpus; {by_hand}.")
                file.write(block)
                bar.update(len(block))
    if total is not None and written != total:
        raise OSError(f"it broke off after {written:,} of {total:,} bytes")
