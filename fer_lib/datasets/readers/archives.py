"""Read a folder, a zip, a tar or a file (compressed or not) through one read-only view: sorted names, bytes, streams.

Nothing is ever unpacked to disk. These rules protect against dangerous archives:

* an archive is refused if a member's name is absolute, leads out of it with ``..``, or occurs twice;
* an archive bomb is refused: its members together are over 64 MiB and ``BOMB_RATIO`` times as large as the archive;
* links, devices and pipes inside an archive are ignored and counted in ``ignored``;
* ``__MACOSX``, ``Thumbs.db``, ``desktop.ini`` and all names that start with a dot are invisible everywhere;
* a folder's own symbolic links are followed (they are the user's: git-annex, a second disk), loops are not.
"""

from __future__ import annotations

import bz2
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
from typing import IO, Any

from fer_lib.errors import FerError, one_line

#: Most bytes of a member that is read whole (one picture); streams have no limit.
MEMBER_LIMIT = 64 * 2**20

#: An archive is a bomb if its members together state more than this many times its own bytes.
BOMB_RATIO = 200

_PICTURE = 2**16  # first read size: read(n) allocates n bytes up front, and most pictures are small

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

#: The containers of a single file, whose companions are next to it.
SINGLE = ("file", "gzip", "bzip2", "xz")

_COMPRESSED: dict[bytes, tuple[str, str, Any]] = {  # name, suffix, function that opens it
    b"\x1f\x8b": ("gzip", ".gz", gzip.open),
    b"BZh": ("bzip2", ".bz2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", ".xz", lzma.open),
}


class Source:
    """Members by name; the base class of the containers.

    Attributes:
        container: ``"file"``, ``"folder"``, ``"zip"`` or ``"tar"``; ``"gzip"``, ``"bzip2"`` or ``"xz"`` for one
            compressed file that is no tar.
        path: the file or folder on disk.
        names: the visible members' names, relative, with ``/``, sorted by code point.
        ignored: the number of links and special files in an archive.
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
        """Close all files; the view cannot be used afterwards."""

    def size(self, name: str) -> int:
        """Give a member's size in bytes as the container states it."""
        with _readable(self, name):
            return self._size(name)

    def stamp(self, name: str) -> str:
        """Give a member's size and a mark of its content without reading it, for the key of a cache.

        The mark is the checksum (CRC-32) that a zip states, and the time of the last change of a file in a folder.
        """
        with _readable(self, name):
            return self._stamp(name)

    def _size(self, name: str) -> int:
        raise NotImplementedError

    def _stamp(self, name: str) -> str:
        raise NotImplementedError

    def _open(self, name: str) -> IO[bytes]:
        raise NotImplementedError

    def _storage_order(self, names: Iterable[str]) -> Iterable[str]:
        return names

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a member's binary stream; raise FerError naming the member if it cannot be read."""
        with _readable(self, name), self._open(name) as stream:
            yield stream

    def read(self, name: str) -> bytes:
        """Read a member's bytes; raise FerError if it cannot be read or is larger than ``MEMBER_LIMIT``."""
        with self.open(name) as stream:
            data = stream.read(_PICTURE)
            if len(data) == _PICTURE:
                data += stream.read(MEMBER_LIMIT + 1 - _PICTURE)
        if len(data) > MEMBER_LIMIT:
            raise FerError(
                f"{self.describe(name)} is larger than {MEMBER_LIMIT // 2**20} MiB, too large for a face picture; "
                "remove it or give the right path."
            )
        return data

    def text(self, name: str) -> str:
        """Read a member as UTF-8 without its mark; other bytes become U+FFFD. Raise FerError as :meth:`read` does."""
        return self.read(name).decode("utf-8", "replace").removeprefix("\ufeff")

    def items(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, bytes) of the named members, in the order that the container reads fastest."""
        for name in self._storage_order(names):
            yield name, self.read(name)

    def describe(self, name: str) -> str:
        """Name a member for messages: the container's own name and the member's."""
        return f"{self.path.name}/{name}" if self.container == "folder" else f"{self.path.name}: {name}"


class FileSource(Source):
    """A single file that is no archive; its one member has the file's name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, [path.name])

    def _size(self, name: str) -> int:
        return self.path.stat().st_size

    def _open(self, name: str) -> IO[bytes]:
        return open(self.path, "rb")

    def describe(self, name: str) -> str:
        """Give the file's name, which is the member's too."""
        return self.path.name


class CompressedSource(Source):
    """A single file compressed by gzip, bzip2 or xz; its one member has the file's name without ``.gz`` and so on."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            head = file.read(6)
        self.container, suffix, self._opener = next(how for magic, how in _COMPRESSED.items() if head.startswith(magic))
        super().__init__(path, [path.name[: -len(suffix)] if path.name.lower().endswith(suffix) else path.name])

    def _size(self, name: str) -> int:
        if self.container == "gzip":  # its last four bytes state the size modulo 4 GiB
            with open(self.path, "rb") as file:
                file.seek(-4, os.SEEK_END)
                return int.from_bytes(file.read(4), "little")
        with self._open(name) as stream:
            return sum(map(len, iter(lambda: stream.read(2**20), b"")))

    def _open(self, name: str) -> IO[bytes]:
        return self._opener(self.path, "rb")

    def describe(self, name: str) -> str:
        """Give the compressed file's name."""
        return self.path.name


class FolderSource(Source):
    """A folder on disk and everything below it."""

    container = "folder"

    def __init__(self, path: Path) -> None:
        super().__init__(path, _walk(path))

    def _size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def _stamp(self, name: str) -> str:
        facts = os.stat(os.path.join(self.path, name))
        return f"{facts.st_size} {facts.st_mtime_ns}"

    def _open(self, name: str) -> IO[bytes]:
        return open(os.path.join(self.path, name), "rb")  # joining Paths takes as long as opening


class ZipSource(Source):
    """A zip archive, read in place."""

    container = "zip"

    def __init__(self, path: Path) -> None:
        with _readable_archive(path):
            self._zip = zipfile.ZipFile(path)
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        refuse_bomb(path, (info.file_size for info in infos))
        plain = [info for info in infos if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)]
        self._members = _safe_members(path, ((info.filename.replace("\\", "/"), info) for info in plain))
        super().__init__(path, self._members, len(infos) - len(plain))

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def _size(self, name: str) -> int:
        return self._members[name].file_size

    def _stamp(self, name: str) -> str:
        return f"{self._members[name].file_size} {self._members[name].CRC:08x}"

    def _open(self, name: str) -> IO[bytes]:
        info = self._members[name]
        if info.flag_bits & 1:
            raise FerError(f"{self.describe(name)} is encrypted; unpack the archive with its password first.")
        return self._zip.open(info)


class TarSource(Source):
    """A tar archive, plain or compressed with gzip, bzip2 or xz, read in place."""

    container = "tar"

    def __init__(self, path: Path) -> None:
        with _readable_archive(path):
            self._tar = tarfile.open(path, "r:*")  # noqa: SIM115 - closed by close()
            # refuses at the header of a member that is too large, before reading the stream to its end
            refuse_bomb(path, (info.size for info in self._tar))
            infos = [info for info in self._tar.getmembers() if not info.isdir()]
        plain = [info for info in infos if info.isreg()]
        self._members = _safe_members(path, ((info.name, info) for info in plain))
        super().__init__(path, self._members, len(infos) - len(plain))

    def close(self) -> None:
        """Close the archive."""
        self._tar.close()

    def _size(self, name: str) -> int:
        return self._members[name].size

    def _open(self, name: str) -> IO[bytes]:
        return self._tar.extractfile(self._members[name])  # type: ignore[return-value]  # all members are files

    def _storage_order(self, names: Iterable[str]) -> Iterable[str]:
        # Going back in a compressed stream means decompressing it again from its start.
        return sorted(names, key=lambda name: self._members[name].offset_data)


def open_source(path: str | Path) -> Source:
    """Open a folder, an archive (recognised by its first bytes, not by its name) or a single file.

    Raises:
        FerError: there is no such path, or an archive is broken or unsafe.
    """
    path = Path(path)
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise FerError(f"No such file or folder: {path}; check the path, or give a corpus's file, archive or folder.")
    kinds = {"zip": ZipSource, "tar": TarSource, "compressed": CompressedSource, None: FileSource}
    return kinds[archive_kind(path)](path)


def archive_kind(path: str | Path) -> str | None:
    """Tell a file's kind by its first bytes.

    Returns:
        ``"zip"``; ``"tar"`` (compressed or not); ``"compressed"`` for another file that gzip, bzip2 or xz made;
        None for any other file.
    """
    with _readable_archive(Path(path)), open(path, "rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    for magic, (_, _, opener) in _COMPRESSED.items():
        if head.startswith(magic):
            return "tar" if _is_tar(path, opener) else "compressed"
    return "tar" if head[257:262] == b"ustar" else None


def _is_tar(path: str | Path, opener: Any) -> bool:
    """Tell whether a compressed file is a tar; one that cannot be decompressed counts as one, and is refused later."""
    try:
        with opener(path, "rb") as stream:
            head = stream.read(tarfile.BLOCKSIZE)
        if head == bytes(tarfile.BLOCKSIZE):
            return True  # the end of a tar without members
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    except _ARCHIVE_ERRORS:
        return True
    return True


def refuse_bomb(path: Path, sizes: Iterable[int]) -> None:
    """Refuse an archive whose members' sizes, in bytes as stated, are far larger than an honest archive's.

    Raises:
        FerError: they are.
    """
    most = max(BOMB_RATIO * path.stat().st_size, MEMBER_LIMIT)
    if any(total > most for total in itertools.accumulate(sizes)):
        raise FerError(
            f"{path.name} would unpack to more than {most / 2**20:,.0f} MiB, over {BOMB_RATIO} times its own size; "
            "such an archive is refused: fetch it again from a place you trust."
        )


def members_digest(digests: dict[str, bytes]) -> str:
    """Compute the SHA-256 over sorted names and their contents' SHA-256: 64 hexadecimal digits.

    Args:
        digests: member name to the 32 bytes of its content's SHA-256.
    """
    whole = hashlib.sha256()
    for name in sorted(digests):
        whole.update(name.encode() + b"\0" + digests[name])
    return whole.hexdigest()


def content_digests(source: Source, names: Iterable[str]) -> dict[str, bytes]:
    """Compute the SHA-256 (32 bytes) of the content of each named member."""
    return {name: hashlib.sha256(data).digest() for name, data in source.items(names)}


def visible(name: str) -> bool:
    """Tell whether no part of a relative name is hidden or a leftover of an operating system."""
    parts = name.split("/")
    return not any(part.startswith(".") or part.lower() in _INVISIBLE for part in parts)


def _walk(folder: Path) -> Iterator[str]:
    """Yield the visible files below a folder as relative names; follow links, but not back to a folder above."""

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
                elif entry.is_file() or entry.is_symlink():  # a broken link is missing data: reading it reports that
                    yield prefix + entry.name

    return below(folder, "", ())


def _safe_members(path: Path, members: Iterable[tuple[str, object]]) -> dict:
    """Give the visible members by normalised name; raise FerError on a name that is unsafe or occurs twice."""
    safe: dict[str, object] = {}
    for raw, info in members:
        parts = [part for part in raw.split("/") if part not in ("", ".")]
        if raw.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", raw):
            raise FerError(
                f"{path.name} contains the member {raw!r}, and this name leads out of the archive; "
                "such an archive is refused: fetch it again from a place you trust."
            )
        name = "/".join(parts)
        if not name or not visible(name):
            continue
        if name in safe:
            raise FerError(f"{path.name} contains two members named {name!r}; pack it again with each file once.")
        safe[name] = info
    return safe


@contextmanager
def _readable(source: Source, name: str) -> Iterator[None]:
    """Turn any error of a broken or unreadable member into one sentence that names it."""
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        raise FerError(
            f"{source.describe(name)} cannot be read ({_reason(error)}); fetch the corpus again or repair the file."
        ) from error


@contextmanager
def _readable_archive(path: Path) -> Iterator[None]:
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        raise FerError(f"{path} cannot be read ({_reason(error)}); fetch it again or check its permissions.") from error


def _reason(error: BaseException) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
