"""Download the corpora that can be downloaded, each whole or not at all, and check the files.

* FER-2013 comes from Kaggle through kagglehub and is checked against a committed manifest.
* GENKI-4K comes from its makers' web page. No checksum is published, and none could be computed here from the makers'
  own archive. So the labels are checked against those of a repacked copy; the archive's SHA-256 is recorded next to it
  at the first download and compared from then on. The addresses were not verified either, and users are told so.
* The Olivetti faces come through scikit-learn, which checks them itself.
* CK+ comes only from its owners.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from fer_lib.datasets import genki4k
from fer_lib.datasets.catalog import FETCHABLE, TITLES
from fer_lib.datasets.download import download
from fer_lib.datasets.fer2013.csv import CLASS_NAMES, SPLITS
from fer_lib.datasets.fer2013.folders import Tree, find_trees, place_of
from fer_lib.datasets.olivetti import stretched
from fer_lib.datasets.readers.archives import Source, archive_kind, members_digest, open_source
from fer_lib.datasets.readers.faults import Fault
from fer_lib.datasets.readers.locate import find_corpus
from fer_lib.errors import FerError, nearest, one_line
from fer_lib.utils.files import atomic_path, file_sha256, write_text

#: The image-folder release of FER-2013 on Kaggle, its version pinned.
HANDLE = "msambare/fer2013/versions/1"

_PAGE = "https://www.kaggle.com/datasets/msambare/fer2013"

#: Addresses of GENKI-4K, its makers' restored page first. Not verified: no download was possible here.
GENKI4K_URLS = (
    "https://inc.ucsd.edu/mplab/398/media/genki4k.tar",
    "https://mplab.ucsd.edu/398/media/genki4k.tar",
    "http://mplab.ucsd.edu/wordpress/wp-content/uploads/genki4k.tar",
)

#: Bytes; public projects state that the archive has fewer than 32 MiB.
GENKI4K_LIMIT = 256 * 2**20


@dataclass(frozen=True)
class Fetched:
    """The result of ``fetch``.

    Attributes:
        path: the corpus's file or folder.
        downloaded: False if it was already there.
        verified: whether the files are the known ones; None if nothing is known about such a release (CSV).
        remarks: sentences on the checks that were made and could not be made, where ``verified`` is not enough.
    """

    path: Path
    downloaded: bool
    verified: bool | None
    remarks: tuple[str, ...] = ()


def fetch(corpus: str = "fer2013", to: str | Path = "data") -> Fetched:
    """Download a corpus into the data folder ``to``, whole or not at all, and check it.

    A corpus that is already there is only checked.

    Raises:
        FerError: the corpus cannot be downloaded by this function; its site cannot be reached or asks for credentials
            (the message explains the steps by hand); or the files are not the known ones.
    """
    to = Path(to).expanduser()
    if corpus == "ckplus":
        raise FerError(
            "CK+ comes only from its owners, to those who sign their agreement: ask the Affect Analysis Group of the "
            "University of Pittsburgh (http://www.pitt.edu/~emotion/ck-spread.htm), put their "
            f"extended-cohn-kanade-images.zip and Emotion_labels.zip into the folder {to / 'ckplus'} and run "
            f"`fer-lib data check {to}`."
        )
    if corpus not in FETCHABLE:
        raise FerError(
            f"The corpus {corpus!r} cannot be fetched{nearest(corpus, TITLES)}; only "
            f"{', '.join(FETCHABLE)} can: put the others into the data folder by hand."
        )
    return {"fer2013": _fetch_fer2013, "genki4k": _fetch_genki4k, "olivetti": _fetch_olivetti}[corpus](to)


# --- FER-2013 --------------------------------------------------------------------------------------------------------


def _fetch_fer2013(to: Path) -> Fetched:
    present = find_corpus(to, "fer2013")
    path = present or _download(to, "fer2013")
    differing = differences(path)
    if differing:
        more = f" and {len(differing) - 3} more parts" if len(differing) > 3 else ""
        raise FerError(
            f"{path} differs from the manifest in {'; '.join(differing[:3])}{more}; run `fer-lib data check {path}`: "
            "its findings in the pictures decide, because the manifest only knows one copy of the release."
        )
    return Fetched(path, present is None, None if differing is None else True)


def differences(path: str | Path) -> list[str] | None:
    """Compare a corpus's files with the manifest: one text for each differing split and class; None for a CSV."""
    with open_source(path) as source:
        trees = [tree for tree in find_trees(source.names) if tree.prefixed]
        if not trees:
            return None
        found = manifest_of(source, trees[0])["parts"]
    expected = read_manifest()["parts"]
    texts = []
    for part in sorted(expected.keys() | found.keys()):
        want, have = expected.get(part, _NOTHING), found.get(part, _NOTHING)
        if want["files"] != have["files"]:
            texts.append(f"{part} ({have['files']:,} files rather than {want['files']:,})")
        elif want["sha256"] != have["sha256"]:
            texts.append(f"{part} (as many files, but other names or contents)")
    return texts


def manifest_of(source: Source, tree: Tree) -> dict:
    """Compute the manifest of a tree with prefixed names.

    Returns:
        ``files``, ``bytes``, ``sha256`` (see ``members_digest``; names are below the tree's root) and ``parts``: for
        each ``<split>/<class>`` its ``files`` and ``sha256``. Misplaced files are the part ``other``.
    """
    parts: dict[str, dict[str, bytes]] = defaultdict(dict)
    size = 0
    for name, data in source.items(tree.members):
        within = name.removeprefix(tree.root)
        size += len(data)
        parts[_part(within)][within] = hashlib.sha256(data).digest()
    everything = {name: digest for part in parts.values() for name, digest in part.items()}
    return {
        "files": len(everything),
        "bytes": size,
        "sha256": members_digest(everything),
        "parts": {
            part: {"files": len(parts[part]), "sha256": members_digest(parts[part])}
            for part in sorted(parts, key=_part_order)
        },
    }


def read_manifest() -> dict:
    """Read the committed manifest of the image-folder release, with its origin."""
    return json.loads(resources.files("fer_lib.datasets.fer2013").joinpath("manifest.json").read_text(encoding="utf-8"))


_NOTHING = {"files": 0, "sha256": None}


def _part(within: str) -> str:
    try:
        rank, label = place_of(within, prefixed=True)
    except Fault:
        return "other"
    return f"{SPLITS[rank]}/{CLASS_NAMES[label]}"


def _part_order(part: str) -> tuple[int, int]:
    split, _, name = part.partition("/")
    return (SPLITS.index(split), CLASS_NAMES.index(name)) if name else (len(SPLITS), 0)


def _download(to: Path, corpus: str) -> Path:
    """Download by kagglehub into its own cache, then copy into ``to``: the copy appears whole or not at all."""
    target = to / corpus
    by_hand = f"download {_PAGE} in a browser, put the archive at {to / corpus}.zip and run `fer-lib data check {to}`"
    try:
        import kagglehub
        from kagglehub import exceptions as kaggle
    except ImportError as error:
        raise FerError(f"kagglehub is not installed; install the project's requirements, or {by_hand}.") from error
    to.mkdir(parents=True, exist_ok=True)
    refusals = (kaggle.UnauthenticatedError, kaggle.CredentialError)
    try:
        downloaded = Path(kagglehub.dataset_download(HANDLE))
    except refusals as error:
        raise FerError(_credentials(error, by_hand)) from error
    except Exception as error:  # errors of requests, urllib3 and kagglehub: the remedy is the same for all
        if getattr(getattr(error, "response", None), "status_code", None) in (401, 403):
            raise FerError(_credentials(error, by_hand)) from error
        raise FerError(f"Kaggle gave no download ({_named(error)}): check the network, or {by_hand}.") from error
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=to) as partial:
        copied = Path(partial) / corpus
        shutil.copytree(downloaded, copied, ignore=shutil.ignore_patterns(".*", "__MACOSX"))
        if target.exists():
            target.rename(Path(partial) / "hidden")  # it has hidden files at most: find_corpus sees any other
        copied.rename(target)
    return target


def _credentials(error: Exception, by_hand: str) -> str:
    return (
        f"Kaggle asks for credentials ({_named(error)}): make a token at https://www.kaggle.com/settings/api and "
        f"export it as KAGGLE_API_TOKEN, or {by_hand}."
    )


def _named(error: Exception) -> str:
    name, text = type(error).__name__, one_line(error)
    return name if text == name else f"{name}: {text[:120]}"


# --- GENKI-4K --------------------------------------------------------------------------------------------------------


def _fetch_genki4k(to: Path) -> Fetched:
    present = find_corpus(to, "genki4k")
    target = present or to / "genki4k.tar"
    record = to / f"{target.name}.sha256"
    if present is None:
        by_hand = (
            f"download {GENKI4K_URLS[0]} in a browser, put it at {target} and run `fer-lib data check {to}`; its page "
            "is https://inc.ucsd.edu/mplab/398/"
        )
        to.mkdir(parents=True, exist_ok=True)
        url = download(
            GENKI4K_URLS,
            target,
            limit=GENKI4K_LIMIT,
            by_hand=by_hand,
            check=lambda partial: _check_genki4k(partial, record, "The downloaded archive"),
        )
        origin = f"It came from {url}, an address that this project could not verify."
    else:
        _check_genki4k(target, record, str(target))
        origin = "It was already there."
    remarks = [origin, "labels.txt has the 4,000 official labels, as a repacked copy of the corpus has them."]
    if target.is_file():
        remarks.append(_recorded(target, record))
    return Fetched(target, present is None, True, tuple(remarks))


def _check_genki4k(path: Path, record: Path, name: str) -> None:
    """Raise FerError if an archive or folder is not GENKI-4K, has other labels or another SHA-256 than recorded."""
    again = "delete it and fetch again, or take the corpus from https://inc.ucsd.edu/mplab/398/ by hand"
    if not path.is_dir() and archive_kind(path) is None:
        raise FerError(f"{name} is no archive, but GENKI-4K should be one; {again}.")
    recorded = _read_record(record) if path.is_file() else None
    if recorded is not None and file_sha256(path) != recorded:
        raise FerError(
            f"{name} has the SHA-256 {file_sha256(path)[:16]}… rather than {recorded[:16]}… as {record} recorded at "
            "the first download; fetch it again, or delete that record to accept the new archive."
        )
    digest = genki4k.labels_sha256(genki4k.labels_in(path))
    if digest != genki4k.LABELS_SHA256:
        raise FerError(
            f"{name} has other labels than the official 4,000 (SHA-256 {digest[:16]}… rather than "
            f"{genki4k.LABELS_SHA256[:16]}…); {again}."
        )


def _read_record(record: Path) -> str | None:
    """Read the SHA-256 of a record in the form of ``sha256sum``; None if there is none."""
    return record.read_text(encoding="utf-8").split()[0] if record.is_file() and record.stat().st_size else None


def _recorded(target: Path, record: Path) -> str:
    if _read_record(record) is not None:
        return f"The archive is the one that {record.name} recorded."
    write_text(record, f"{file_sha256(target)}  {target.name}\n")
    return f"No checksum of the archive is published: its SHA-256 was recorded in {record.name}, for later checks."


# --- the Olivetti faces ----------------------------------------------------------------------------------------------


def _fetch_olivetti(to: Path) -> Fetched:
    present = find_corpus(to, "olivetti")
    if present is not None:
        return Fetched(present, downloaded=False, verified=None, remarks=("It was already there.",))
    from sklearn import datasets

    target = to / "olivetti.npz"
    # A temporary folder for scikit-learn: its pickle is made from the checked download and deleted at once.
    with tempfile.TemporaryDirectory(prefix="fer-olivetti-") as home, contextlib.redirect_stdout(io.StringIO()):
        try:
            faces = datasets.fetch_olivetti_faces(data_home=home, shuffle=False)
        except Exception as error:  # errors of urllib, scikit-learn and the file system: the remedy is the same for all
            raise FerError(
                f"scikit-learn gave no Olivetti faces ({_named(error)}): check the network, or put olivettifaces.mat "
                f"or the mosaic olivettifaces.gif into {to} and run `fer-lib data check {to}`."
            ) from error
    with atomic_path(target) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, images=stretched(faces.images), target=np.asarray(faces.target, np.int64))
    checked = "scikit-learn checked the SHA-256 of its download."
    return Fetched(target, downloaded=True, verified=True, remarks=(checked,))
