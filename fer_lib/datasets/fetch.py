"""Fetches FER-2013 from Kaggle by way of kagglehub, and checks it against a committed manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fer_lib.datasets.faults import Fault
from fer_lib.datasets.fer2013_csv import CLASS_NAMES, SPLITS
from fer_lib.datasets.fer2013_folders import Tree, find_trees, place_of
from fer_lib.datasets.sources import Source, find_corpus, members_digest, open_source
from fer_lib.errors import FerError, nearest

#: The image-folder release of FER-2013 on Kaggle, its version pinned.
HANDLE = "msambare/fer2013/versions/1"

_PAGE = "https://www.kaggle.com/datasets/msambare/fer2013"
_CORPORA = ("fer2013",)


@dataclass(frozen=True)
class Fetched:
    """What ``fetch`` did.

    Attributes:
        path: where the corpus stands.
        downloaded: False where it stood there already.
        verified: whether every file is the manifest's; None where the manifest does not speak of such a release (CSV).
    """

    path: Path
    downloaded: bool
    verified: bool | None


def fetch(corpus: str = "fer2013", to: str | Path = "data") -> Fetched:
    """Downloads a corpus into the data folder ``to``, whole or not at all, and checks it against the manifest.

    What already stands there is not downloaded again, only checked.

    Raises:
        FerError: the corpus is not one that can be fetched; Kaggle cannot be reached or wants credentials (the message
            says what to do by hand); or files differ from the manifest (they stay, for ``fer-lib data check``).
    """
    if corpus not in _CORPORA:
        raise FerError(
            f"The corpus {corpus!r} cannot be fetched{nearest(corpus, _CORPORA)}; only {', '.join(_CORPORA)} can: put "
            "the others into the data folder by hand."
        )
    to = Path(to).expanduser()
    present = find_corpus(to, corpus, missing_ok=True)
    path = present or _download(to, corpus)
    differing = differences(path)
    if differing:
        more = f" and {len(differing) - 3} more parts" if len(differing) > 3 else ""
        raise FerError(
            f"{path} differs from the manifest in {'; '.join(differing[:3])}{more}; run `fer-lib data check {path}`: "
            "what it finds in the pictures decides, as the manifest knows one copy of the release only."
        )
    return Fetched(path, present is None, None if differing is None else True)


def differences(path: str | Path) -> list[str] | None:
    """Returns how a corpus' files differ from the manifest, one text a split and class; None for a CSV release."""
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
    """Returns the manifest of a tree with prefixed names.

    Returns:
        ``files``, ``bytes``, ``sha256`` (see ``members_digest``; names are below the tree's root) and ``parts``: for
        each ``<split>/<class>`` its ``files`` and ``sha256``. What has no place is the part ``other``.
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
    """Returns the committed manifest of the image-folder release, with where it was computed from."""
    return json.loads(resources.files(__package__).joinpath("fer2013_manifest.json").read_text(encoding="utf-8"))


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
    """Downloads by kagglehub into its own cache, then copies into ``to``: the copy appears whole or not at all."""
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
    except Exception as error:  # requests', urllib3's and kagglehub's own errors: the remedy is the same for all
        if getattr(getattr(error, "response", None), "status_code", None) in (401, 403):
            raise FerError(_credentials(error, by_hand)) from error
        raise FerError(f"Kaggle gave no download ({_shown(error)}): check the network, or {by_hand}.") from error
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=to) as partial:
        copied = Path(partial) / corpus
        shutil.copytree(downloaded, copied, ignore=shutil.ignore_patterns(".*", "__MACOSX"))
        if target.exists():
            target.rmdir()  # only an empty folder gets here: find_corpus sees any other
        copied.rename(target)
    return target


def _credentials(error: Exception, by_hand: str) -> str:
    return (
        f"Kaggle wants credentials ({_shown(error)}): make a token at https://www.kaggle.com/settings/api and export "
        f"it as KAGGLE_API_TOKEN, or {by_hand}."
    )


def _shown(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
