"""What a file of a model or its weights may claim, asked of its heads alone, before anything of it is read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py

from fer_lib.errors import FerError

#: Bytes, unpacked. All of FER-2013's training faces as support vectors, 2,048 features in float64, are 0.44 GiB.
MODEL_LIMIT = 4 * 2**30


def refuse_oversized(path: str | Path) -> None:
    """Raises FerError where a file states more than ``MODEL_LIMIT`` bytes, or points to data outside itself.

    Args:
        path: a zip (``.keras``, ``.skops``) or HDF5 file (``.h5``). What is damaged, or anything else, is its reader's.
    """
    path = Path(path)
    try:
        sizes = list(_stated(path))
    except (OSError, KeyError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return
    if sum(sizes) > MODEL_LIMIT:
        raise FerError(
            f"{path.name} states {sum(sizes) / 2**30:,.0f} GiB, more than the {MODEL_LIMIT / 2**30:,.0f} that a model "
            "may have here; nothing of it was loaded: do not trust this file."
        )


def _stated(path: Path) -> Iterator[int]:
    """Yields the bytes that each part of the file claims."""
    yield path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (info.file_size for info in archive.infolist())
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            outside: list[str] = []
            arrays: list[h5py.Dataset] = []
            file.visititems_links(lambda name, link: None if isinstance(link, h5py.HardLink) else outside.append(name))
            file.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
            outside += [array.name for array in arrays if array.external or array.is_virtual]
            if outside:
                raise FerError(
                    f"{path.name} points to data elsewhere ({outside[0]}), which no file of weights needs; nothing of "
                    "it was loaded: do not trust this file."
                )
            yield from (array.nbytes for array in arrays)
