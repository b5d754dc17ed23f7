"""Find a corpus by name and by content, tell whether it was generated, and check its counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_lib.datasets.catalog import FETCHABLE, TITLES
from fer_lib.datasets.readers.archives import SINGLE, Source, archive_kind, open_source, visible
from fer_lib.datasets.readers.pictures import is_picture_name
from fer_lib.errors import FerError

#: A corpus with this file was generated.
MARKER = "SYNTHETIC.txt"
OLIVETTI_COMMENT = b"SYNTHETIC: generated faces"  # inside the generated mosaic, a GIF

#: From this rank on, an entry's name only starts with the corpus's name.
PREFIXED = 4

_ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_UNREAD = (".7z", ".rar")
_ARRAYS = (".npy", ".npz")
_DATA_SUFFIXES = (*_ARCHIVE_SUFFIXES, ".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".gif", ".mat", ".npz")


@dataclass(frozen=True)
class Found:
    """A corpus that was found.

    Attributes:
        path: the file, archive or folder to read.
        releases: what ``look`` found in a folder; None for a file or an archive, which is opened only when it is read.
        others: names of the archives that contain the corpus too and are not read.
    """

    path: Path
    releases: Any = None
    others: tuple[str, ...] = ()


def find_corpus(data_dir: str | Path, name: str) -> Path | None:
    """Find the entry of a data folder that has a corpus's name, in this order, ignoring case; None without one.

    1. the folder ``name`` (if anything visible is in it), 2. ``name`` or ``name.csv``, 3. ``name`` with an archive's
    suffix, 4. ``name`` with another data suffix (``.gif``, ``.mat``, ``.npz``, ``.csv.gz``), 5. a folder whose name
    starts with ``name``, 6. an archive or data file whose name starts with ``name`` (``ckplus48.zip``,
    ``olivettifaces.gif``), 7. an array whose name starts with ``name`` (``olivetti_faces.npy``).

    Args:
        data_dir: the data folder.
        name: the corpus's short name, such as ``"fer2013"``.

    Raises:
        FerError: two entries of the same rank have its name.
    """
    data_dir = Path(data_dir)
    ranked = candidates(data_dir, name) if data_dir.is_dir() else []
    return best(data_dir, name, ranked) if ranked else None


def candidates(folder: Path, name: str) -> list[tuple[int, Path]]:
    """List the entries of a folder that have a corpus's name with their ranks, the best first; see ``find_corpus``."""
    ranks = {entry: _rank(entry, name.lower()) for entry in folder.iterdir() if visible(entry.name)}
    return sorted((rank, entry) for entry, rank in ranks.items() if rank is not None)


def best(folder: Path, name: str, ranked: list[tuple[int, Path]]) -> Path:
    """Choose the candidate of the best rank; raise FerError if there are several of this rank."""
    nearest = [entry for rank, entry in ranked if rank == ranked[0][0]]
    if len(nearest) > 1:
        listed = ", ".join(entry.name for entry in nearest)
        raise FerError(f"{folder} contains several candidates for {name!r} ({listed}); keep one, or give its own path.")
    return nearest[0]


def no_folder(path: Path, name: str) -> FerError:
    """Make the error for a data folder that does not exist."""
    return FerError(f"No such data folder: {path}; create it and put {name} in it, or name another folder.")


def absent(folder: Path, name: str) -> FerError:
    """Make the error for a data folder without a corpus, which lists the content."""
    entries = sorted(entry.name for entry in folder.iterdir() if visible(entry.name))
    listed = ", ".join(entries[:8]) or "nothing"
    return FerError(
        f"The corpus {name!r} is not in {folder}, which contains {listed}; put it there as the folder {name}, "
        f"as {name}.zip or as {name}.tar.gz."
    )


def find(
    path: str | Path,
    corpus: str,
    look: Callable[[Source], Any],
    *,
    expected: str,
    rank: Callable[[Any], Any] | None = None,
) -> Found:
    """Find a corpus: the file or archive ``path`` itself, or the place in the folder ``path`` that contains the corpus.

    In a folder, an entry with the corpus's name comes first (see :func:`find_corpus`), then the folder's own content,
    then an archive directly in it that contains the corpus.

    FER-2013 is kept in so many ways that it gives a ``rank``. Then an entry whose name only starts with the corpus's
    name comes after the folder's own content, archives count at any depth, and the nearest of them is taken.

    Args:
        path: a file, an archive, a folder or a data folder.
        corpus: the short name, such as ``"ckplus"``.
        look: lists the releases in a source; empty where it does not contain the corpus.
        expected: the layouts, for messages.
        rank: how near the releases in an archive are; the smallest wins.

    Raises:
        FerError: there is no such path, nothing is recognised, or several archives contain the corpus.
    """
    target = entry(path, corpus, expected, exact=rank is not None)
    if not target.is_dir():
        return Found(target)
    with open_source(target) as source:
        releases, names = look(source), source.names
    if releases:
        # FER-2013 names the archives that it does not read, except tars, which must be read to their end
        packed = [item for item in archives_in(target) if archive_kind(item) != "tar"] if rank else []
        return Found(target, releases, tuple(item.name for item in packed if contains(item, look)))
    if rank is None:
        archives = archives_in(target)
    elif named := find_corpus(target, corpus):
        return find(named, corpus, look, expected=expected, rank=rank)
    else:
        archives = [target / name for name in names if not is_picture_name(name) and archive_kind(target / name)]
        if len(archives) == 1:
            return Found(archives[0])
    return _nearest_archive(target, archives, corpus, look, expected, rank)


def _nearest_archive(
    folder: Path,
    archives: Iterable[Path],
    corpus: str,
    look: Callable[[Source], Any],
    expected: str,
    rank: Callable[[Any], Any] | None,
) -> Found:
    ranked = []
    obstacles = []
    for archive in archives:
        try:
            with open_source(archive) as source:
                releases, unread = look(source), obstacle(archive, source.names)
        except FerError as error:  # counts only if no other archive contains the corpus
            releases, unread = None, error
        if releases:
            ranked.append(((len(archive.parts), rank(releases) if rank else 0), archive))
        elif unread:
            obstacles.append(unread)
    if not ranked:
        raise obstacles[0] if obstacles else unrecognised(folder, corpus, expected)
    ranked.sort()
    nearest = [archive for order, archive in ranked if order == ranked[0][0]]
    if len(nearest) > 1:
        raise more_than_once(folder, corpus, (archive.name for archive in nearest))
    return Found(nearest[0], others=tuple(archive.relative_to(folder).as_posix() for _, archive in ranked[1:]))


def contains(path: Path, look: Callable[[Source], Any]) -> bool:
    """Tell whether a file, an archive or a folder contains a corpus; one that cannot be read does not."""
    try:
        with open_source(path) as source:
            return bool(look(source))
    except FerError:
        return False


def entry(path: str | Path, corpus: str, expected: str, *, exact: bool = False) -> Path:
    """Give ``path``, or the entry of the folder ``path`` that has the corpus's name.

    Args:
        path: a file, an archive, a folder or a data folder.
        corpus: the short name.
        expected: the layouts, for messages.
        exact: whether an entry whose name only starts with the corpus's name does not count.

    Raises:
        FerError: there is no such path, or the file is empty.
    """
    path = Path(path).expanduser()
    if not path.exists():
        download = f", or run `fer-lib data fetch {corpus}`" if corpus in FETCHABLE else ""
        raise FerError(f"No such file or folder: {path}; expected {expected}: check the path{download}.")
    if path.is_dir():
        named = find_corpus(path, corpus)
        if named is None or (exact and named.name.lower().split(".")[0] != corpus):
            return path
        return entry(named, corpus, expected, exact=exact)
    if path.stat().st_size == 0:
        raise FerError(f"{path} is empty; expected {expected}: fetch the corpus again.")
    return path


def archives_in(folder: Path) -> list[Path]:
    """List the archives directly in a folder, by name."""
    files = sorted(item for item in folder.iterdir() if visible(item.name) and item.is_file())
    return [file for file in files if archive_kind(file)]


def unrecognised(path: Path, corpus: str, expected: str, names: Iterable[str] = ()) -> FerError:
    """Make the error for a path without the corpus, which lists the content; ``names`` are an archive's members."""
    if found_obstacle := obstacle(path, names):
        return found_obstacle
    names = [] if path.is_file() and archive_kind(path) is None else sorted(names)
    if not names and path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if visible(entry.name))
    if names:
        found = f"contains {', '.join(names[:4])} ({len(names):,} in all)"
    elif path.is_file():
        with open(path, "rb") as file:
            found = f"begins with {file.read(40)!r}"
    else:
        found = "contains nothing"
    return FerError(
        f"{path} is no release of {TITLES.get(corpus, corpus)}: it {found}; expected {expected}: give the right path."
    )


def obstacle(path: Path, names: Iterable[str]) -> FerError | None:
    """Make the error for a file that cannot be read as it is: an archive in an archive, 7z or rar, arrays; else None.

    Args:
        path: the file, archive or folder.
        names: the names of an archive's members.
    """
    if path.is_dir():
        return None
    packed = archive_kind(path)
    inner = [name for name in names if packed and name.lower().endswith((*_ARCHIVE_SUFFIXES, *_UNREAD, ".gz"))]
    if inner:
        return FerError(
            f"{path} contains the archive {inner[0]}, and an archive in an archive is not read; unpack {path.name} and "
            f"give the path of {inner[0].split('/')[-1]}."
        )
    if path.name.lower().endswith(_UNREAD):
        kind = path.suffix.lower().removeprefix(".")
        return FerError(f"{path} is a {kind} archive, which is not read; unpack it and give the path of its folder.")
    arrays = [name for name in names if name.lower().endswith(_ARRAYS)]
    if arrays or path.name.lower().endswith(_ARRAYS):
        where = f"contains the array {arrays[0]}" if packed and arrays else "is a NumPy array"
        return FerError(
            f"{path} {where}, which says neither what its classes are called nor to which part a face belongs; give "
            "the CSV or the folders of pictures that it was made from."
        )
    return None


def also_found(notes: dict, title: str, read: str, others: Iterable[str]) -> dict:
    """Add a sentence to a corpus's notes that names the places that contain it too."""
    remark = (
        f"{read} was read; {title} is also in {', '.join(others)}: give the path of the one to read if it is another."
    )
    return {**notes, "remarks": [*notes.get("remarks", ()), remark]}


def more_than_once(path: Path, corpus: str, names: Iterable[str]) -> FerError:
    """Make the error for a path with several releases of a corpus."""
    listed = ", ".join(dict.fromkeys(names))
    return FerError(
        f"{path} contains {TITLES.get(corpus, corpus)} more than once ({listed}); give the path of the one to read."
    )


def marked(source: Source, root: str) -> bool:
    """Tell whether a corpus was generated: the marker is in its root, or above it within the source.

    Args:
        source: the file, archive or folder that contains the corpus.
        root: the corpus's root within the source, ``""`` or ending with ``/``.
    """
    if source.container in SINGLE:
        return (source.path.parent / MARKER).exists()
    parts = root.split("/")
    return any("/".join([*parts[:depth], MARKER]) in source.names for depth in range(len(parts)))


def deviations(found: dict[str, int], official: dict[str, int], origin: str, *, tolerated: bool) -> dict[str, dict]:
    """Compare counts with the official ones and give those that differ; raise FerError where that is not tolerated.

    Args:
        found: name to count, such as ``{"labels": 4000, "smiles": 2162}``.
        official: the same names to the counts of the corpus's makers.
        origin: the name of the data in the message.
        tolerated: whether other counts are accepted: for generated data, and with ``skip_bad``.
    """
    differing = {
        name: {"found": found.get(name, 0), "official": count}
        for name, count in official.items()
        if found.get(name, 0) != count
    }
    if differing and not tolerated:
        listed = ", ".join(f"{name} {n['found']:,} rather than {n['official']:,}" for name, n in differing.items())
        raise FerError(
            f"{origin} has other counts than the official corpus: {listed}; fetch the corpus again, or accept it as "
            "it is with skip_bad=True (--skip-bad)."
        )
    return differing


def _rank(entry: Path, name: str) -> int | None:
    low = entry.name.lower()
    if not low.startswith(name):
        return None
    if entry.is_dir():
        filled = any(visible(child.name) for child in entry.iterdir())
        return (0 if low == name else PREFIXED) if filled else None
    rest = low[len(name) :]
    if rest in ("", ".csv"):
        return 1
    if rest in _ARCHIVE_SUFFIXES:
        return 2
    if rest in _DATA_SUFFIXES:
        return 3
    if low.endswith(".npy") and not low.endswith("_target.npy"):
        return 6
    return 5 if low.endswith(_DATA_SUFFIXES) else None
