"""Find each corpus in a data folder, by name or else by content, for ``fer-lib data check`` and for every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from fer_lib.datasets import ckplus, fer2013, genki4k, olivetti
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import ferplus
from fer_lib.datasets.imagenet_folders import CORPUS as IMAGENET
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source, archive_kind, open_source, visible
from fer_lib.errors import FerError

#: The corpora's modules, in the order in which they are asked whether a source is theirs.
MODULES = {"ckplus": ckplus, "genki4k": genki4k, "fer2013": fer2013, "olivetti": olivetti}

Corpus = TypeVar("Corpus", bound=FaceDataset | PhotoSet)


@dataclass(frozen=True)
class Place:
    """A corpus that was found.

    Attributes:
        path: what its loader is to read: a file, an archive, a folder, or the data folder itself.
        entries: the entries of the data folder that contain the corpus; empty for a file.
        others: the entries that contain it too and are not read.
        named: whether an entry has the corpus's name.
    """

    path: Path
    entries: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    named: bool = True

    def remarked(self, corpus: Corpus) -> Corpus:
        """Add a sentence that names the others to the notes of the corpus that was read."""
        if not self.others:
            return corpus
        title = TITLES.get(corpus.corpus, corpus.corpus)
        return replace(corpus, notes=locate.also_found(corpus.notes, title, self.path.name, self.others))


@dataclass(frozen=True)
class DataFolder:
    """A data folder, looked into once for all corpora.

    Attributes:
        path: the folder, or the one file or archive that is all the data.
    """

    path: Path

    def find(self, name: str, *, missing_ok: bool = False) -> Place | None:
        """Find the corpus ``name``: an entry with its name (see ``locate.find_corpus``), else one with its content.

        An entry whose name only starts with the corpus's name counts before others only if the corpus is in it.

        Raises:
            FerError: the corpus is absent and ``missing_ok`` is not set, or several entries have its name.
        """
        if not self.path.is_dir():
            return self._file(name, missing_ok=missing_ok)
        ranked = locate.candidates(self.path, name)
        if ranked and ranked[0][0] >= locate.PREFIXED:
            sound = [(rank, entry) for rank, entry in ranked if name in MODULES and _holds(entry, name)]
            ranked = sound or ([] if self._by_content(name) else ranked)
        if ranked:
            try:
                chosen = locate.best(self.path, name, ranked)
            except FerError as error:
                raise (ferplus.votes_alone(self.path) if name == "fer2013" else None) or error from None
            return Place(chosen, (chosen.name,), tuple(self._others(name, chosen, [entry for _, entry in ranked])))
        if place := self._by_content(name):
            return place
        if missing_ok:
            return None
        if self._obstacles and name == "fer2013":  # the corpus that is always needed is likely what could not be read
            raise self._obstacles[0]
        raise (ferplus.votes_alone(self.path) if name == "fer2013" else None) or locate.absent(self.path, name)

    def _file(self, name: str, *, missing_ok: bool) -> Place | None:
        """Tell whether a single file is the corpus; an unknown one is left to FER-2013's loader, which says so."""
        if not self.path.exists():
            if missing_ok:
                return None
            raise locate.no_folder(self.path, name)
        with open_source(self.path) as source:
            owner = _owner(source) or "fer2013"
        if owner == name:
            return Place(self.path)
        if missing_ok:
            return None
        raise FerError(
            f"{self.path} is a file and no release of {TITLES.get(name, name)}; give the folder that contains it and "
            f"{name}."
        )

    def _by_content(self, name: str) -> Place | None:
        """Find a corpus by content alone; where several entries contain it, the corpus's own rule chooses."""
        owned = [entry for entry, owner in self._owners.items() if owner == name]
        rest = self._rest_owner == name
        if not owned and not rest:
            return None
        left = [entry for entry, owner in self._owners.items() if owner is None] if rest else []
        entries = tuple(entry.name for entry in [*owned, *left])
        one = name == "fer2013" and len(owned) == 1 and not rest
        return Place(owned[0] if one else self.path, entries, named=False)

    def _others(self, name: str, chosen: Path, named: list[Path]) -> Iterator[str]:
        """Name the files besides the chosen entry that contain the corpus; only a tar with its name is not opened."""
        for entry in self._entries:
            if entry == chosen or name not in MODULES or (_named_after(entry) not in (None, name)):
                continue
            try:
                tar = entry.is_file() and archive_kind(entry) == "tar"
            except FerError:  # a file that cannot be opened is no reason to stop where another one is chosen
                continue
            if entry not in named and (entry.is_dir() or tar):
                continue
            if tar or _holds(entry, name):
                yield entry.name

    @cached_property
    def _entries(self) -> list[Path]:
        return sorted(entry for entry in self.path.iterdir() if visible(entry.name) and entry.exists())

    @cached_property
    def _owners(self) -> dict[Path, str | None]:
        """The corpus in each entry that is named after none; None for an entry without one."""
        owners: dict[Path, str | None] = {}
        for entry in self._entries:
            if _named_after(entry) is None:
                try:
                    with open_source(entry) as source:
                        owners[entry] = _owner(source)
                        if owners[entry] is None and (obstacle := locate.obstacle(entry, source.names)):
                            self._obstacles.append(obstacle)
                except FerError as error:
                    owners[entry] = None
                    self._obstacles.append(error)
        return owners

    @cached_property
    def _obstacles(self) -> list[FerError]:
        return []

    @cached_property
    def _rest_owner(self) -> str | None:
        """The corpus that the folder itself is, by the names that no entry with a corpus contains."""
        taken = {entry.name for entry in self._entries if self._owners.get(entry) or entry not in self._owners}
        with open_source(self.path) as source:
            source.names = tuple(name for name in source.names if name.split("/")[0] not in taken)
            return _owner(source)


def find(path: str | Path, name: str, *, missing_ok: bool = False) -> Place | None:
    """Find a corpus in a data folder, or in the one file that is all the data; see ``DataFolder.find``."""
    return DataFolder(Path(path).expanduser()).find(name, missing_ok=missing_ok)


def find_all(path: str | Path) -> dict[str, Place]:
    """Find every corpus of a data folder, in the order of ``TITLES``; images for pre-training by their name only."""
    folder = DataFolder(Path(path).expanduser())
    found = {name: place for name in TITLES if (place := folder.find(name, missing_ok=True))}
    if images := locate.find_corpus(folder.path, IMAGENET):
        found[IMAGENET] = Place(images, (images.name,))
    return found


def _owner(source: Source) -> str | None:
    return next((name for name, module in MODULES.items() if module.recognises(source)), None)


def _holds(entry: Path, name: str) -> bool:
    return locate.contains(entry, MODULES[name].recognises)


def _named_after(entry: Path) -> str | None:
    return next((name for name in (*TITLES, IMAGENET) if entry.name.lower().startswith(name)), None)
