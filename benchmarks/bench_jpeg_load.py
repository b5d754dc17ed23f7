"""FER-2013's folders of JPEGs: our load, from a zip and unpacked, against PIL picture by picture.

The usual way unpacks the archive (not counted) and then opens each file with PIL, turns it grey and stacks the arrays.
The pictures are the corpus' own pixels, saved anew as JPEGs, so that any release can be measured.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from bench_csv_load import all_faces
from PIL import Image
from side_by_side import alternate, arguments, ratio, report, say

from fer_lib.datasets import fer2013
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.utils.threads import cores

FOLDERS = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}


def write_jpegs(root: Path, faces: FaceDataset) -> Path:
    """Writes the faces as ``<split>/<emotion>/<Usage>_<number>.jpg``; returns the root."""
    for number, (image, label, split) in enumerate(zip(faces.images, faces.labels, faces.meta["split"], strict=True)):
        place = root / FOLDERS[split] / faces.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{split}_{number}.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    return root


def packed(path: Path, root: Path) -> Path:
    """Writes a zip of the folder and returns its path."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.jpg")):
            archive.write(file, file.relative_to(root))
    return path


def ours(path: Path) -> FaceDataset:
    """Our load from a folder or a zip, without the cache; any counts are taken as they are."""
    return fer2013.load(path, skip_bad=True, cache=False, progress=False)


def usual(root: Path) -> tuple[np.ndarray, list[str], list[str]]:
    """Returns pixels (N, 48, 48), emotions and names, picture by picture."""
    files = sorted(root.rglob("*.jpg"))
    pixels = np.array([np.array(Image.open(file).convert("L")) for file in files])
    return pixels, [file.parent.name for file in files], [str(file.relative_to(root)) for file in files]


def difference(path: Path, root: Path) -> dict[str, float]:
    """Returns how far the two decoders' pixels differ; raises AssertionError where the labels do."""
    faces, (pixels, emotions, names) = ours(path), usual(root)
    rows = {name: row for row, name in enumerate(names)}
    order = [rows[source] for source in faces.meta["source"]]
    assert sorted(order) == list(range(len(names)))
    assert [faces.class_names[label] for label in faces.labels] == [emotions[row] for row in order]
    apart = np.abs(faces.images.astype(int) - pixels[order])
    return {"equal_pixels": round(float((apart == 0).mean()), 6), "greatest_difference": int(apart.max())}


def main() -> None:
    """Compares both ways and writes the JSON."""
    options = arguments(__doc__, faces=0, pairs=3)
    faces = all_faces(options.data_dir, options.faces)
    with tempfile.TemporaryDirectory() as folder:
        root = write_jpegs(Path(folder) / "fer2013", faces)
        zipped = packed(Path(folder) / "fer2013.zip", root)
        facts = difference(zipped, root)
        results = {}
        for name, path in (("zip", zipped), ("folder", root)):
            say(f"{name}:")
            results[name] = ratio(alternate(lambda p=path: ours(p), lambda: usual(root), pairs=options.pairs))
    facts |= {"faces": len(faces), "synthetic": faces.synthetic, "threads": cores()}
    claim = (
        f"Loading {len(faces):,} JPEGs of FER-2013 without a cache, from a zip or from folders, in canonical order, "
        "against PIL's Image.open(...).convert('L') on the unpacked files."
    )
    report("jpeg_load", claim, results, options, **facts)


if __name__ == "__main__":
    main()
