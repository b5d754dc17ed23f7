"""What ``fer-lib data check`` says of a corpus, or of every corpus in a data folder, as lines of text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fer_lib.datasets import ckplus, fer2013, genki4k, olivetti, quality
from fer_lib.datasets.catalog import TERMS, TITLES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013.csv import sniff_columns
from fer_lib.datasets.fer2013.folders import find_trees
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers.archives import Source, archive_kind, find_corpus, open_source, visible
from fer_lib.datasets.readers.pictures import is_picture_name
from fer_lib.errors import FerError


def report(path: str | Path, *, skip_bad: bool = False, cache: bool = True) -> tuple[list[str], FerError | None]:
    """Reads the corpus at ``path``, or every corpus of the data folder ``path``, whole.

    Returns:
        The lines, and the error to end with where some corpora of a data folder can be used and others cannot.

    Raises:
        FerError: nothing is recognised, or the only corpus there is faulty.
    """
    path = Path(path).expanduser()
    present = {name: find_corpus(path, name, missing_ok=True) for name in TITLES}
    found = {name: place for name, place in present.items() if place is not None}
    if not found:
        name = recognised(path)
        return _described(name, load(name, path, skip_bad=skip_bad, cache=cache)), None
    lines: list[str] = []
    errors: dict[str, FerError] = {}
    for name, place in found.items():
        try:
            lines += [*_described(name, load(name, place, skip_bad=skip_bad, cache=cache)), ""]
        except FerError as error:
            errors[name] = error
            lines += [f"corpus       {name} ({TITLES[name]})", f"FAULTY       {error}", ""]
    if len(errors) == len(found) == 1:
        raise next(iter(errors.values()))
    absent = [f"{name} ({TITLES[name]})" for name in TITLES if name not in found]
    lines.append(f"absent       {', '.join(absent) or 'nothing'}")
    if passed_over := _passed_over(path):
        lines.append(f"passed over  {', '.join(passed_over)}: a corpus' name starts with one of {', '.join(TITLES)}")
    if not errors:
        return lines, None
    listed = ", ".join(errors)
    return lines, FerError(f"{len(errors)} of the {len(found)} corpora in {path} cannot be used ({listed}); see above.")


def _passed_over(folder: Path) -> list[str]:
    """Returns what stands in a data folder under no corpus' name, the first eight."""
    names = sorted(entry.name for entry in folder.iterdir() if visible(entry.name))
    return [name for name in names if not name.lower().startswith(tuple(TITLES))][:8]


def load(name: str, path: str | Path, *, skip_bad: bool = False, cache: bool = True) -> FaceDataset | PhotoSet:
    """Loads the corpus ``name`` (a key of ``TITLES``) with contempt, where it has it, so that all is counted."""
    if name == "fer2013":
        return fer2013.load(path, skip_bad=skip_bad, cache=cache)
    if name == "ckplus":
        return ckplus.load(path, contempt=True, skip_bad=skip_bad, cache=cache)
    return {"genki4k": genki4k, "olivetti": olivetti}[name].load(path, skip_bad=skip_bad)


def recognised(path: str | Path) -> str:
    """Returns the short name of the corpus that stands at ``path``, by content.

    Raises:
        FerError: none does; from ``fer2013.load``'s own checks where there is nothing at all.
    """
    path = Path(path)
    if path.suffix.lower() in (".pkz", ".pkl", ".pickle", ".joblib"):
        return "olivetti"  # which refuses pickles with a sentence of its own
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return "fer2013"  # which says so
    places = [path]
    if path.is_dir():
        files = sorted(item for item in path.iterdir() if item.is_file() and visible(item.name))
        places += [file for file in files if archive_kind(file)]
    names: list[str] = []
    for place in places:
        with open_source(place) as source:
            names = names or list(source.names)
            for name, holds in _HOLDS.items():
                if holds(source):
                    return name
    listed = f"it holds {', '.join(names[:4])} ({len(names):,} in all)" if names else "it holds nothing"
    raise FerError(f"{path} is none of {', '.join(TITLES.values())}: {listed}; give a corpus' file, archive or folder.")


def _holds_fer2013(source: Source) -> bool:
    if find_trees(source.names):
        return True
    for name in source.names:
        if is_picture_name(name) or not source.size(name):
            continue
        with source.open(name) as stream:
            if sniff_columns(stream.read(4096)) is not None:
                return True
    return False


_HOLDS = {
    "ckplus": ckplus.recognises,
    "genki4k": genki4k.recognises,
    "fer2013": _holds_fer2013,
    "olivetti": olivetti.recognises,
}


def _described(name: str, data: FaceDataset | PhotoSet) -> list[str]:
    notes = data.notes
    whole = isinstance(data, PhotoSet)
    lines = [f"SYNTHETIC: these faces were generated; they are not {TITLES[name]}.", ""] if data.synthetic else []
    lines += [
        f"corpus       {name} ({TITLES[name]})",
        f"layout       {notes['layout']}",
        f"container    {notes['container']}",
        f"{'photos' if whole else 'faces':<12} {len(data):,}",
        f"{'content key' if whole else 'fingerprint':<12} {data.content_key if whole else data.fingerprint}",
        "",
        *_table(data),
        "",
        *_official(name, data),
        f"left out         {_listed(notes['skipped']) or 'nothing'}",
        "",
    ]
    if not whole:
        lines += [f"{fact:<40}{count:>8,}" for fact, count in quality.headline(data).items()]
    return [*lines, *_FACTS.get(name, lambda data: [])(data), "", TERMS[name]]


def _table(data: FaceDataset | PhotoSet) -> list[str]:
    table = data.counts()
    if data.corpus == "olivetti":  # forty equal columns say less than this
        faces = data.meta["label"].value_counts()
        return [f"{len(faces)} people, {faces.min()} to {faces.max()} faces each"]
    return _counts(table)


def _counts(table: pd.DataFrame) -> list[str]:
    return table.to_string(formatters=dict.fromkeys(table.columns, "{:,}".format)).splitlines()


def _official(name: str, data: FaceDataset | PhotoSet) -> list[str]:
    deviations = data.notes["count_deviations"]
    text = "; ".join(f"{part} {n['found']:,} rather than {n['official']:,}" for part, n in deviations.items()) or "yes"
    if name != "fer2013":
        return [f"official counts  {text}"]
    return [f"official split   {text}", f"official classes {_official_classes(data)}"]


def _official_classes(dataset: FaceDataset) -> str:
    found = dataset.counts().drop(columns="total")
    official = {split: tuple(row) for split, row in zip(found.index, found.to_numpy().tolist(), strict=True)}
    return "yes" if official == fer2013.OFFICIAL_CLASS_COUNTS else "no, the counts per class differ"


def _ckplus_facts(data: FaceDataset | PhotoSet) -> list[str]:
    notes = data.notes
    neutral = "yes" if notes["neutral"] else "none: neutrality cannot be trained or tested on this release"
    facts = {
        "labelled sequences": f"{notes['sequences']:,}",
        "subjects": f"{notes['subjects']:,}",
        "sequences without a label, left out": f"{notes['unlabelled_sequences']:,}",
        "labels named after another frame": f"{notes['labels_of_other_frames']:,}",
    }
    return [*(f"{fact:<40}{count:>8}" for fact, count in facts.items()), f"neutral faces: {neutral}"]


def _genki4k_facts(data: PhotoSet) -> list[str]:
    small, large = (f"{width} x {height}" for height, width in data.notes["sizes"].values())
    known = "the official ones" if data.notes["official_labels"] else "not the official ones"
    cropped = " – all the same: cropped, not the makers' photos" if small == large else ""
    return [
        f"labels           {known} (SHA-256 {data.notes['labels_sha256'][:16]}…)",
        f"photo sizes      {small} to {large} pixels{cropped}",
    ]


_FACTS = {"ckplus": _ckplus_facts, "genki4k": _genki4k_facts}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
