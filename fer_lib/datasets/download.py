"""Downloads a file over HTTP, whole or not at all; what breaks off goes on where it stopped."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from fer_lib.errors import FerError
from fer_lib.utils.files import write_text

_BLOCK = 2**18
_TRIES = 3  # of one address that breaks off, as long as it can go on


def download(
    urls: Sequence[str], to: str | Path, *, limit: int, by_hand: str, check: Callable[[Path], None], timeout: float = 30
) -> str:
    """Streams the first address that answers into ``to`` and returns that address.

    Where the connection breaks off and the server names the file's version (an ``ETag``, or when it was last modified),
    what has come stays beside ``to`` as ``.partial-<name>``, and this call, or after a kill the next, asks for the rest
    alone. The server sends all of it anew where its file is another by then.

    Args:
        urls: addresses of the same file, tried in order until one answers.
        to: the file to write; it appears only after ``check`` has passed.
        limit: bytes above which the file cannot be what was asked for.
        by_hand: how to get the file without this function; ends the sentence of an error.
        check: is given the complete file and raises FerError where it is not what it should be.
        timeout: seconds without an answer.

    Raises:
        FerError: no address answers, the answer is a web page, too long or broken off, ``check`` refuses it, or another
            process is downloading the same file. But for what broke off, nothing is left behind.
    """
    to = Path(to)
    with _part(to.with_name(f".partial-{to.name}")) as part:
        url = _first_answer(urls, part, limit=limit, by_hand=by_hand, timeout=timeout)
        with open(part.file, "rb") as file:
            head = file.read(512).lstrip().lower()
        if head.startswith((b"<!doctype", b"<html", b"<?xml")):
            raise FerError(f"{url} gave a web page rather than an archive; {by_hand}.")
        if not head:
            raise FerError(f"{url} gave an empty file rather than an archive; {by_hand}.")
        check(part.file)
        os.replace(part.file, to)
    return url


@dataclass
class _Part:
    """What has come of a file so far.

    Attributes:
        file: holds its first bytes.
        note: a JSON file that says of which address, and of which version there, they are.
    """

    file: Path
    note: Path

    def known(self) -> tuple[str, str]:
        """Returns address and version of what has come; empty where there is no rest that could be asked for."""
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            return (str(noted["url"]), str(noted["version"])) if self.file.stat().st_size else ("", "")
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""

    def asked(self, url: str) -> dict[str, str]:
        """Returns the headers that ask for the rest, empty where all is to come."""
        address, version = self.known()
        return {"Range": f"bytes={self.file.stat().st_size}-", "If-Range": version} if address == url else {}

    def begin(self, url: str, headers: http.client.HTTPMessage) -> None:
        """Notes which version is to come, before its first byte."""
        tag = headers.get("ETag", "")
        version = headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        write_text(self.note, json.dumps({"url": url, "version": version}) if version else "{}")

    def clear(self) -> None:
        """Empties it: all is to come."""
        os.truncate(self.file, 0)


@contextlib.contextmanager
def _part(file: Path) -> Iterator[_Part]:
    """Yields the part for this process alone; afterwards it is gone, unless it broke off and can go on."""
    part = _Part(file, file.with_name(f"{file.name}.json"))
    with open(file, "ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FerError(
                f"Another process is downloading {file.name.removeprefix('.partial-')}; wait for it."
            ) from None
        kept = False
        try:
            yield part
        except (_BrokenOff, KeyboardInterrupt) as error:
            kept = any(part.known())
            if isinstance(error, KeyboardInterrupt):
                raise
            raise FerError(str(error)) from None
        finally:
            if not kept:
                file.unlink(missing_ok=True)
                part.note.unlink(missing_ok=True)


class _BrokenOff(Exception):
    """No address gave the whole file."""


def _first_answer(urls: Sequence[str], part: _Part, *, limit: int, by_hand: str, timeout: float) -> str:
    refusals = []
    for url in urls:
        for tries_left in reversed(range(_TRIES)):
            try:
                _stream(url, part, limit=limit, by_hand=by_hand, timeout=timeout)
                return url
            except urllib.error.HTTPError as error:
                refusals.append(f"{url} answers {error.code} {error.reason}")
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                if part.asked(url) and tries_left:
                    continue
                reason = getattr(error, "reason", None) or error
                refusals.append(f"{url}: {' '.join(str(reason).split()) or type(error).__name__}")
            break
    go_on = "; what has come is kept, and the same command goes on from there" if any(part.known()) else ""
    raise _BrokenOff(f"No download ({'; '.join(refusals)}{go_on}): check the network, or {by_hand}.")


def _stream(url: str, part: _Part, *, limit: int, by_hand: str, timeout: float) -> None:
    """Writes what ``url`` gives into ``part``; raises FerError where it is too long, OSError where it breaks off."""
    shown = sys.stderr.isatty() and not os.environ.get("CI")
    asked = part.asked(url)
    request = urllib.request.Request(url, headers={"User-Agent": "fer-lib", **asked})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if asked and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # there is no rest: it is another file
            part.clear()
            return _stream(url, part, limit=limit, by_hand=by_hand, timeout=timeout)
        raise
    with answer:
        written = part.file.stat().st_size if answer.status == http.client.PARTIAL_CONTENT else 0
        if answer.status == http.client.PARTIAL_CONTENT:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {written}-"):
                part.clear()
                raise OSError("it gave another part than the one that was asked for")
        else:
            part.begin(url, answer.headers)
        stated = answer.headers.get("Content-Length", "")
        total = written + int(stated) if stated.isdigit() else None
        with (
            open(part.file, "ab" if written else "wb") as file,
            tqdm(
                total=total, initial=written, unit="B", unit_scale=True, desc=Path(url).name, disable=not shown
            ) as bar,
        ):
            while block := answer.read(_BLOCK):
                written += len(block)
                if written > limit:
                    most = f"{limit / 2**20:,.0f} MiB"
                    raise FerError(f"{url} gives more than {most}, too much for this corpus; {by_hand}.")
                file.write(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and written != total:
        raise OSError(f"it broke off after {written:,} of {total:,} bytes")
