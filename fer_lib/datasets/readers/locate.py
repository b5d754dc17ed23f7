"""What the loaders of the corpora share: where one stands, whether it was generated, how its counts differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fer_lib.datasets.readers.archives import Source, archive_kind, find_corpus, open_source, visible
from fer_lib.errors import FerError

#: A corpus that holds this file was generated.
MARKER = "SYNTHETIC.txt"
OLIVETTI_COMMENT = b"SYNTHETIC: generated faces"  # inside the generated mosaic, a GIF


def locate(path: str | Path, corpus: str, *, recognises: Callable[[Source], bool], expected: str) -> Path:
    """Returns the file, archive or folder that holds a corpus: ``path`` itself or what stands in it.

    In a folder, what is named like the corpus comes first (see ``find_corpus``), then the folder's own content, then an
    archive in it that holds the corpus.

    Args:
        path: a file, an archive, a folder or a data folder.
        corpus: the short name, such as ``"ckplus"``.
        recognises: whether a source holds the corpus.
        expected: the layouts, for messages.

    Raises:
        FerError: nothing stands there, nothing is recognised, or several archives hold the corpus.
    """
    target = entry(path, corpus, expected)
    if not target.is_dir():
        return target
    with open_source(target) as source:
        if recognises(source):
            return target
    holding = [archive for archive in archives_in(target) if _holds(archive, recognises)]
    if len(holding) > 1:
        listed = ", ".join(archive.name for archive in holding)
        raise FerError(f"{target} holds {corpus} more than once ({listed}); give the path of the one to read.")
    if not holding:
        raise unrecognised(target, corpus, expected)
    return holding[0]


def entry(path: str | Path, corpus: str, expected: str) -> Path:
    """Returns ``path``, or what is named like the corpus in the folder ``path``; raises FerError where nothing is."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FerError(f"Nothing stands at {path}; expected {expected}: check the path.")
    if path.is_dir():
        named = find_corpus(path, corpus, missing_ok=True)
        return path if named is None else entry(named, corpus, expected)
    if path.stat().st_size == 0:
        raise FerError(f"{path} is empty; expected {expected}: fetch the corpus again.")
    return path


def archives_in(folder: Path) -> list[Path]:
    """Returns the archives that stand directly in a folder, by name."""
    files = sorted(item for item in folder.iterdir() if visible(item.name) and item.is_file())
    return [file for file in files if archive_kind(file)]


def unrecognised(path: Path, corpus: str, expected: str, names: Iterable[str] = ()) -> FerError:
    """Returns the error that says what stands at ``path`` instead of a corpus; ``names`` are an archive's members."""
    names = [] if path.is_file() and archive_kind(path) is None else sorted(names)
    if not names and path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if visible(entry.name))
    if names:
        found = f"holds {', '.join(names[:4])} ({len(names):,} in all)"
    elif path.is_file():
        with open(path, "rb") as file:
            found = f"begins with {file.read(40)!r}"
    else:
        found = "holds nothing"
    return FerError(f"{path} is no release of {corpus}: it {found}; expected {expected}: give the right path.")


def marked(source: Source, root: str) -> bool:
    """Returns whether a corpus was generated: the marker stands in its root, or above it within the source.

    Args:
        source: where the corpus stands.
        root: the corpus' root within the source, ``""`` or ending with ``/``.
    """
    if source.container == "file":
        return (source.path.parent / MARKER).exists()
    parts = root.split("/")
    return any("/".join([*parts[:depth], MARKER]) in source.names for depth in range(len(parts)))


def deviations(found: dict[str, int], official: dict[str, int], origin: str, *, tolerated: bool) -> dict[str, dict]:
    """Returns found and official counts of what differs; raises FerError where that is not tolerated.

    Args:
        found: name to count, such as ``{"labels": 4000, "smiles": 2162}``.
        official: the same names to the counts of the corpus' makers.
        origin: how the message names the data.
        tolerated: whether the data are generated or taken as they are.
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


def _holds(archive: Path, recognises: Callable[[Source], bool]) -> bool:
    with open_source(archive) as source:
        return recognises(source)
