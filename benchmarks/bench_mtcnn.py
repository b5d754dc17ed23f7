"""Benchmark finding faces: MTCNN on batches of similar sizes, against ``MTCNN().detect_faces`` image by image.

Both ways search the same pixels: the usual way gets the images as our way enlarges them (not counted), because MTCNN
finds few faces in GENKI-4K's 64 × 64 pixels.
"""

from __future__ import annotations

import numpy as np
from side_by_side import alternate, arguments, ratio, report, say

from fer_lib.datasets import corpus
from fer_lib.faces.crops import detect
from fer_lib.faces.geometry import Detection, searched_copy
from fer_lib.settings import CkPlusSettings, DataSettings, FaceSettings

TARGET = 4
SETTINGS = FaceSettings()

Boxes = list[tuple[float, ...] | None]


def photos(data_dir: str, count: int) -> tuple[list[np.ndarray], bool]:
    """Load ``count`` of GENKI-4K's photos, evenly spread, and tell whether they are generated."""
    data = DataSettings(source="folder" if data_dir else "generated")
    found = corpus.load_genki4k(CkPlusSettings(generated_photos=max(20, count)), data, data_dir)
    rows = np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)
    return [found.photo(int(row)) for row in rows], found.synthetic


def best_of_ours(found: list[list[Detection]], pictures: list[np.ndarray]) -> Boxes:
    """Select each image's box of highest confidence, None below the settings' minimum.

    Boxes are cut at the image's border, like those of ``detect_faces``; ours otherwise reach beyond it.
    """
    boxes: Boxes = []
    for faces, picture in zip(found, pictures, strict=True):
        sure = [face for face in faces if face.confidence >= SETTINGS.min_confidence]
        boxes.append(within(sure[0].box, picture) if sure else None)
    return boxes


def within(box: tuple[float, ...], picture: np.ndarray) -> tuple[float, ...]:
    """Cut a box (left, top, width, height) at the image's border."""
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(box[0] + box[2], picture.shape[1]), min(box[1] + box[3], picture.shape[0])
    return left, top, right - left, bottom - top


def best_of_usual(found: list[list[dict]], ratios: list[tuple[float, float]]) -> Boxes:
    """Select the same from the results of ``detect_faces``, in pixels of the image before it was enlarged."""
    boxes: Boxes = []
    for faces, (x, y) in zip(found, ratios, strict=True):
        sure = [face for face in faces or [] if face["confidence"] >= SETTINGS.min_confidence]
        best = max(sure, key=lambda face: face["confidence"], default=None)
        boxes.append(None if best is None else tuple(np.multiply(best["box"], (x, y, x, y)).tolist()))
    return boxes


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Compute the intersection over union of two boxes (left, top, width, height)."""
    width, height = (
        max(0.0, min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i])) for i in (0, 1)
    )
    return width * height / (one[2] * one[3] + other[2] * other[3] - width * height)


def agreement(ours: Boxes, usual: Boxes) -> dict[str, float | int | None]:
    """Count how often both ways or only one found a face, and measure how well the best boxes agree."""
    pairs = list(zip(ours, usual, strict=True))
    overlaps = [overlap(a, b) for a, b in pairs if a and b]
    return {
        "both_find": len(overlaps),
        "only_ours_finds": sum(bool(a) and not b for a, b in pairs),
        "only_usual_finds": sum(bool(b) and not a for a, b in pairs),
        "neither_finds": sum(not a and not b for a, b in pairs),
        "both_find_share": round(len(overlaps) / len(pairs), 4),
        "median_iou": round(float(np.median(overlaps)), 4) if overlaps else None,
    }


def main() -> None:
    """Compare both ways and write the JSON."""
    options = arguments(__doc__, photos=64, pairs=3)
    from mtcnn import MTCNN

    pictures, synthetic = photos(options.data_dir, options.photos)
    copies, ratios = zip(*(searched_copy(picture, SETTINGS) for picture in pictures), strict=True)
    detector = MTCNN()  # built once, as in a careful script

    def usual() -> list[list[dict]]:
        return [detector.detect_faces(copy) for copy in copies]

    ours = best_of_ours(detect(pictures, SETTINGS), pictures)
    facts = agreement(ours, best_of_usual(usual(), list(ratios)))
    say(str(facts))
    results = {"detect": ratio(alternate(lambda: detect(pictures, SETTINGS), usual, pairs=options.pairs))}
    results["detect"]["target"] = TARGET
    facts |= {
        "photos": len(pictures),
        "synthetic": synthetic,
        "searched_pixels": sorted({f"{copy.shape[1]} x {copy.shape[0]}" for copy in copies}),
    }
    claim = (
        f"MTCNN on {len(pictures)} photos, enlarged to {SETTINGS.upscale_to} pixels, in batches of like sizes, "
        "against MTCNN().detect_faces a picture at a time on the same enlarged pixels."
    )
    report("mtcnn", claim, results, options, **facts)


if __name__ == "__main__":
    main()
