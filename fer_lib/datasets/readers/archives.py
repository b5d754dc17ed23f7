"""One read-only view over a folder, a zip, a tar or a single file: sorted names, bytes, streams.

Nothing is ever unpacked to disk. The rules that keep an archive from surprising its reader:

* an archive is refused where a member's name is absolute or climbs out with ``..``, or stands twice;
* a bomb, whose members together are ``BOMB_RATIO`` times as large as the archive and over 64 MiB, is refused;
* links, devices and pipes inside an archive are ignored and counted in ``ignored``;
* ``__MACOSX``, ``Thumbs.db``, ``desktop.ini`` and whatever starts with a dot are invisible everywhere;
* a folder's own symbolic links are followed (they are the user's: git-annex, a second disk), loops are not.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fer_lib.errors import FerError, one_line

#: A member read whole (one picture) is never larger than this many bytes; streams have no limit.
MEMBER_LIMIT = 64 * 2**20

#: Members that together state more bytes than this many times the archive's own make it a bomb.
BOMB_RATIO = 200

_PICTURE = 2**16  # bytes asked for at first: a file's read sets memory aside for all that it is asked for

_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
)
_INVISIBLE = {"__macosx", "thumbs.db", "desktop.ini"}


class Source:
    """Members by name; the base of the four containers.

    Attributes:
        container: ``"file"``, ``"folder"``, ``"zip"`` or ``"tar"``.
        path: where it stands on disk.
        names: the visible members' names, relative, with ``/``, sorted by code point.
        ignored: how many links and special files an archive held.
    """

    container = "file"

    def __init__(self, path: Path, names: Iterable[str], ignored: int = 0) -> None:
        self.path = path
        self.names = tuple(sorted(names))
        self.ignored = ignored

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes what is open; the view is of no use afterwards."""

    def size(self, name: str) -> int:
        """Returns a member's size in bytes as the container states it."""
        with _told(self, name):
            return self._size(name)

    def _size(self, name: str) -> int:
        raise NotImplementedError

    def _open(self, name: str) -> BinaryIO:
        raise NotImplementedError

    def _storage_order(self, names: Iterable[str]) -> Iterable[str]:
        return names

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Yields a member's binary stream; raises FerError naming the member where it cannot be read."""
        with _told(self, name), self._open(name) as stream:
            yield stream

    def read(self, name: str) -> bytes:
        """Returns a member's bytes; raises FerError where it cannot be read or is larger than ``MEMBER_LIMIT``."""
        with self.open(name) as stream:
            data = stream.read(_PICTURE)
            if len(data) == _PICTURE:
                data += stream.read(MEMBER_LIMIT + 1 - _PICTURE)
        if len(data) > MEMBER_LIMIT:
            raise FerError(
                f"{self.describe(name)} is larger than {MEMBER_LIMIT // 2**20} MiB, which no face picture is; "
                "remove it or give the right path."
            )
        return data

    def items(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yields (name, bytes) of the named members, in the order that the container reads fastest."""
        for name in self._storage_order(names):
            yield name, self.read(name)

    def describe(self, name: str) -> str:
        """Returns how a message names a member: the container's own name and the member's."""
        return f"{self.path.name}/{name}" if self.container == "folder" else f"{self.path.name}: {name}"


class FileSource(Source):
    """A single file that is no archive; its one member bears the file's name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, [path.name])

    def _size(self, name: str) -> int:
        return self.path.stat().st_size

    def _open(self, name: str) -> BinaryIO:
        return open(self.path, "rb")

    def describe(self, name: str) -> str:
        """Returns the file's name, which is the member's too."""
        return self.path.name


class FolderSource(Source):
    """A folder on disk and all below it."""

    container = "folder"

    def __init__(self, path: Path) -> None:
        super().__init__(path, _walk(path))

    def _size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def _open(self, name: str) -> BinaryIO:
        return open(os.path.join(self.path, name), "rb")  # joining Paths costs as much as opening does


class ZipSource(Source):
    """A zip archive, read in place."""

    container = "zip"

    def __init__(self, path: Path) -> None:
        with _told_archive(path):
            self._zip = zipfile.ZipFile(path)
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        refuse_bomb(path, (info.file_size for info in infos))
        plain = [info for info in infos if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)]
        self._members = _safe_members(path, ((info.filename.replace("\\", "/"), info) for info in plain))
        super().__init__(path, self._members, len(infos) - len(plain))

    def close(self) -> None:
        """Closes the archive."""
        self._zip.close()

    def _size(self, name: str) -> int:
        return self._members[name].file_size

    def _open(self, name: str) -> BinaryIO:
        info = self._members[name]
        if info.flag_bits & 1:
            raise FerError(f"{self.describe(name)} is encrypted; unpack the archive with its password first.")
        return self._zip.open(info)


class TarSource(Source):
    """A tar archive, plain or compressed with gzip, bzip2 or xz, read in place."""

    container = "tar"

    def __init__(self, path: Path) -> None:
        with _told_archive(path):
            self._tar = tarfile.open(path, "r:*")  # noqa: SIM115 - closed by close()
            # refused at the head of a member that is too large, before the stream is read to its end
            refuse_bomb(path, (info.size for info in self._tar))
            infos = [info for info in self._tar.getmembers() if not info.isdir()]
        plain = [info for info in infos if info.isreg()]
        self._members = _safe_members(path, ((info.name, info) for info in plain))
        super().__init__(path, self._members, len(infos) - len(plain))

    def close(self) -> None:
        """Closes the archive."""
        self._tar.close()

    def _size(self, name: str) -> int:
        return self._members[name].size

    def _open(self, name: str) -> BinaryIO:
        return self._tar.extractfile(self._members[name])

    def _storage_order(self, names: Iterable[str]) -> Iterable[str]:
        # Stepping back in a compressed stream means decompressing it again from its start.
        return sorted(names, key=lambda name: self._members[name].offset_data)


def open_source(path: str | Path) -> Source:
    """Returns the view of a folder, an archive (told by its first bytes, not by its name) or a single file.

    Raises:
        FerError: nothing stands at ``path``, or an archive is broken or unsafe.
    """
    path = Path(path)
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise FerError(f"No such file or folder: {path}; check the path, or give a corpus's file, archive or folder.")
    kind = archive_kind(path)
    return {"zip": ZipSource, "tar": TarSource, None: FileSource}[kind](path)


def archive_kind(path: str | Path) -> str | None:
    """Returns ``"zip"``, ``"tar"`` (compressed or not) or None, by the first bytes of the file."""
    with _told_archive(Path(path)), open(path, "rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")) or head[257:262] == b"ustar":
        return "tar"
    return None


def refuse_bomb(path: Path, sizes: Iterable[int]) -> None:
    """Raises FerError where members of these sizes (bytes, as stated) are far more than an honest archive holds."""
    most = max(BOMB_RATIO * path.stat().st_size, MEMBER_LIMIT)
    if any(total > most for total in itertools.accumulate(sizes)):
        raise FerError(
            f"{path.name} would unpack to more than {most / 2**20:,.0f} MiB, over {BOMB_RATIO} times its own size; "
            "such an archive is refused: fetch it again from a place you trust."
        )


def members_digest(digests: dict[str, bytes]) -> str:
    """Returns the SHA-256 over sorted names and their contents' SHA-256: 64 hexadecimal digits.

    Args:
        digests: member name to the 32 bytes of its content's SHA-256.
    """
    whole = hashlib.sha256()
    for name in sorted(digests):
        whole.update(name.encode() + b"\0" + digests[name])
    return whole.hexdigest()


def content_digests(source: Source, names: Iterable[str]) -> dict[str, bytes]:
    """Returns the SHA-256 (32 bytes) of the contents of each named member."""
    return {name: hashlib.sha256(data).digest() for name, data in source.items(names)}


def visible(name: str) -> bool:
    """Returns whether no part of a relative name is hidden or the litter of an operating system."""
    parts = name.split("/")
    return not any(part.startswith(".") or part.lower() in _INVISIBLE for part in parts)


def _walk(folder: Path) -> Iterator[str]:
    """Yields the visible files below a folder as relative names; follows links but enters no folder of its own path."""

    def below(directory: Path, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
        real = os.path.realpath(directory)
        if real in above:
            return
        with os.scandir(directory) as entries:
            for entry in entries:
                if not visible(entry.name):
                    continue
                if entry.is_dir():
                    yield from below(directory / entry.name, f"{prefix}{entry.name}/", (*above, real))
                elif entry.is_file() or entry.is_symlink():  # a broken link is missing data: reading it will say so
                    yield prefix + entry.name

    return below(folder, "", ())


def _safe_members(path: Path, members: Iterable[tuple[str, object]]) -> dict:
    """Returns the visible members by normal name; raises FerError on a name that is unsafe or stands twice."""
    safe: dict[str, object] = {}
    for raw, info in members:
        parts = [part for part in raw.split("/") if part not in ("", ".")]
        if raw.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", raw):
            raise FerError(
                f"{path.name} holds the member {raw!r}, whose name leads out of the archive; "
                "such an archive is refused: fetch it again from a place you trust."
            )
        name = "/".join(parts)
        if not name or not visible(name):
            continue
        if name in safe:
            raise FerError(f"{path.name} holds two members named {name!r}; pack it again with each file once.")
        safe[name] = info
    return safe


@contextmanager
def _told(source: Source, name: str) -> Iterator[None]:
    """Turns whatever a broken or unreadable member raises into one sentence that names it."""
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        raise FerError(
            f"{source.describe(name)} cannot be read ({_reason(error)}); fetch the corpus again or mend the file."
        ) from error


@contextmanager
def _told_archive(path: Path) -> Iterator[None]:
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        raise FerError(f"{path} cannot be read ({_reason(error)}); fetch it again or check its permissions.") from error


def _reason(error: BaseException) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
