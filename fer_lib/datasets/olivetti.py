"""The Olivetti (ORL) faces: 40 subjects, ten grey pictures each, taken at AT&T Laboratories Cambridge in 1992 to 1994.

A corpus of identities, not of expressions, used by the LeNet study on liu2023, section 3.2. It was made by Samaria and
Harter, "Parameterisation of a stochastic model for human face identification" (1994). It exists as one mosaic of
20 x 20 faces of 57 x 47 pixels, and as the 64 x 64 faces of S. Roweis that scikit-learn downloads. Kaggle gives the
latter as two NumPy files.

Rows keep the corpus's own order (subject by subject, ten consecutive faces each) and are not reordered by content like
those of FER-2013. The LeNet study depends on this: a split of each ten by ``frame`` takes the same pictures of every
subject.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source, open_source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import PIXEL_LIMIT
from fer_lib.errors import FerError, one_line

#: Subjects and faces, by the makers.
OFFICIAL_COUNTS = {"people": 40, "faces": 400}

FACES_PER_PERSON = 10

#: Height and width of a face in the mosaic.
TILE = (57, 47)

#: Suffixes of pickles, which are refused.
PICKLES = (".pkz", ".pkl", ".pickle", ".joblib")

_COLUMNS = 20  # two subjects in each row of the mosaic
_MAT_SIDE = 64
_PADDING = 2  # columns of pixels at the right of the mosaic
_EXPECTED = (
    "the mosaic olivettifaces.gif (942 x 1140 pixels), olivettifaces.mat, or olivetti.npz as "
    "`fer-lib data fetch olivetti` writes it, as a file, in a folder or in an archive, or olivetti_faces.npy next to "
    "olivetti_faces_target.npy"
)
_NPZ = {"images.npy", "target.npy"}
_TARGET = "_target.npy"


def load(path: str | Path, *, skip_bad: bool = False) -> FaceDataset:
    """Load the Olivetti faces from a file, a folder, an archive or a data folder; files are recognised by content.

    Args:
        path: the file, folder, archive or data folder.
        skip_bad: leave out and count blank faces, and accept another number of subjects, rather than stop.

    Returns:
        Faces uint8 in the corpus's own order, ten consecutive ones for each subject: (N, 57, 47) of the mosaic,
        (N, 64, 64) of scikit-learn's copy (its grey levels are stretched to 0…255, as scikit-learn stretches them to
        0…1). ``meta`` has ``label`` (the subject, 0…39), ``split`` (``"all"``), ``subject`` (``"person 01"``),
        ``frame`` (0…9) and ``source`` (``"face 17"``, its number in the corpus from 0). ``notes`` has ``layout``,
        ``container``, ``people``, ``skipped`` and ``count_deviations``.

    Raises:
        FerError: nothing is recognised, the file is a pickle, or the data have faults.
    """
    target = _locate(Path(path))
    with open_source(target) as source:
        layout, member = _choose(source)
        origin = source.path.name if member is None else source.describe(member)
        if layout == "npy":
            assert member is not None  # only a zip is read as a whole
            data, images = b"", _npy(source, member)
        else:
            data = target.read_bytes() if member is None else source.read(member)
            images = (_npz if member is None else _READERS[layout])(data, origin)
        root = "" if member is None else member.removesuffix(member.rsplit("/", 1)[-1])
        beside = member is None and (target.parent / locate.MARKER).exists()
        synthetic = beside or locate.marked(source, root) or locate.OLIVETTI_COMMENT in data
        container = "file" if member is None else source.container
    return _dataset(images, {"layout": layout, "container": container}, origin, skip_bad=skip_bad, synthetic=synthetic)


def recognises(source: Source) -> bool:
    """Tell whether a source contains the mosaic, the ``.mat``, the ``.npz`` or the ``.npy`` files."""
    return bool(_layouts(source))


def stretched(images: np.ndarray) -> np.ndarray:
    """Stretch faces of any scale to uint8, with 0 for the darkest pixel of the corpus and 255 for the brightest.

    scikit-learn stretches the corpus to 0…1 in the same way, so its ``.mat`` and its arrays give the same faces.
    """
    values = np.asarray(images, np.float64)
    low, high = values.min(), values.max()
    return np.rint((values - low) * (255 / (high - low))).astype(np.uint8)


def _locate(path: Path) -> Path:
    path = path.expanduser()
    pickles = [path] if path.is_file() else sorted(path.glob("*.pkz")) if path.is_dir() else []
    pickles = [file for file in pickles if file.suffix.lower() in PICKLES]
    try:
        target = locate.find(path, "olivetti", _layouts, expected=_EXPECTED).path
    except FerError:
        if pickles:
            raise _refused(pickles[0]) from None
        raise
    if target in pickles:
        raise _refused(target)
    return target


def _refused(path: Path) -> FerError:
    return FerError(
        f"{path} is a pickle and refused, because reading a pickle can run any code; run "
        "`fer-lib data fetch olivetti` for the same faces as plain arrays, or give olivettifaces.mat."
    )


def _layouts(source: Source) -> list[tuple[str, str | None]]:
    """List the releases in a source as (layout, member); the member is None if the file itself is an ``.npz``.

    The ``.npy`` files count only if there is no other release.
    """
    if source.container == "zip" and set(source.names) >= _NPZ:
        return [("npz", None)]
    found: list[tuple[str, str | None]] = []
    for name in source.names:
        low = name.lower()
        if source.container != "file" and not low.endswith((".gif", ".png", ".mat", ".npz")):
            continue
        with source.open(name) as stream:
            head = stream.read(4096)
        if layout := _layout(head, low):
            found.append((layout, name))
    return found or [("npy", name) for name in source.names if _is_npy(source, name)]


def _is_npy(source: Source, name: str) -> bool:
    """Tell by its name and first bytes whether a member is the faces of the ``.npy`` files."""
    base = name.rsplit("/", 1)[-1].lower()
    if not (base.startswith("olivetti") and base.endswith(".npy")) or base.endswith(_TARGET):
        return False
    with source.open(name) as stream:
        return stream.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX


def _layout(head: bytes, name: str) -> str | None:
    if head.startswith(b"MATLAB 5.0"):
        return "mat"
    # the first array's name follows 30 bytes: other arrays are no Olivetti faces
    if head.startswith(b"PK") and name.endswith(".npz") and head[30:].startswith(tuple(map(str.encode, _NPZ))):
        return "npz"
    if head[:3] == b"GIF":
        width = int.from_bytes(head[6:8], "little")
    elif head.startswith(b"\x89PNG"):
        width = int.from_bytes(head[16:20], "big")
    else:
        return None
    return "mosaic" if width == _COLUMNS * TILE[1] + _PADDING else None


def _choose(source: Source) -> tuple[str, str | None]:
    layouts = _layouts(source)
    if not layouts:
        raise locate.unrecognised(source.path, "olivetti", _EXPECTED, source.names)
    if len(layouts) > 1:
        raise locate.more_than_once(source.path, "olivetti", (str(member) for _, member in layouts))
    return layouts[0]


def _mosaic(data: bytes, origin: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if height % TILE[0] or not height or width * height > PIXEL_LIMIT:
                raise FerError(
                    f"{origin} is {width} x {height} pixels; expected a mosaic of 942 x 1140 with rows of twenty "
                    "faces of 47 x 57: fetch the corpus again."
                )
            pixels = np.array(picture.convert("L"))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise FerError(f"{origin} is truncated or damaged ({one_line(error)}); fetch the corpus again.") from error
    tiles = pixels[:, : _COLUMNS * TILE[1]].reshape(height // TILE[0], TILE[0], _COLUMNS, TILE[1])
    return np.ascontiguousarray(tiles.swapaxes(1, 2)).reshape(-1, *TILE)


def _mat(data: bytes, origin: str) -> np.ndarray:
    try:
        faces = loadmat(io.BytesIO(data), variable_names=["faces"])["faces"]
    except KeyError:
        raise FerError(f"{origin} contains no array 'faces'; expected olivettifaces.mat, 4096 x 400.") from None
    except (MatReadError, ValueError, TypeError, OSError, EOFError, MemoryError, NotImplementedError) as error:
        raise FerError(f"{origin} is truncated or damaged ({one_line(error)}); fetch the corpus again.") from error
    if faces.ndim != 2 or faces.shape[0] != _MAT_SIDE**2 or faces.shape[1] % FACES_PER_PERSON or not faces.size:
        raise FerError(f"{origin} contains faces of shape {faces.shape}; expected 4096 x 400, ten columns a subject.")
    # A column is a face in MATLAB's order, column by column: the transpose of NumPy's rows.
    return _levels(faces.T.reshape(-1, _MAT_SIDE, _MAT_SIDE).transpose(0, 2, 1), origin)


def _npz(data: bytes, origin: str) -> np.ndarray:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            images, target = arrays["images"], arrays["target"]
    except KeyError as error:
        raise FerError(
            f"{origin} lacks an array ({error}); expected images (400 x 64 x 64) and target (400)."
        ) from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise FerError(
            f"{origin} is damaged or contains pickled objects ({one_line(error)}); run `fer-lib data fetch olivetti` "
            "for plain arrays."
        ) from error
    return _checked(images, target, origin)


def _npy(source: Source, member: str) -> np.ndarray:
    """Read ``olivetti_faces.npy`` and the subjects in ``olivetti_faces_target.npy`` next to it."""
    origin = source.describe(member)
    beside = f"{member[: -len('.npy')]}{_TARGET}"
    names = {name.lower(): name for name in source.names}
    if source.container == "file":
        names = {file.name.lower(): file.name for file in source.path.parent.iterdir() if file.is_file()}
    if beside.lower() not in names:
        raise FerError(
            f"{origin} has no {beside.rsplit('/', 1)[-1]} next to it, and only this file says whose faces these are; "
            "put both there."
        )
    beside = names[beside.lower()]
    images = _array(source.read(member), origin)
    if source.container != "file":
        return _checked(images, _array(source.read(beside), source.describe(beside)), origin)
    with open_source(source.path.with_name(beside)) as other:
        return _checked(images, _array(other.read(beside), beside), origin)


def _array(data: bytes, origin: str) -> np.ndarray:
    """Read the bytes of an ``.npy`` file whose header and length agree; never a pickle."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(stream)
        wanted = math.prod(shape) * kind.itemsize
        if kind.hasobject:
            raise ValueError("it contains pickled objects, which can run any code")
        if wanted != len(data) - stream.tell():
            raise ValueError(f"its header says {wanted:,} bytes of numbers and {len(data) - stream.tell():,} follow")
        stream.seek(0)
        return np.load(stream, allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever its tokens and its literals raise
        raise FerError(
            f"{origin} is no array of NumPy that can be read ({one_line(error)}); fetch the corpus again, or run "
            "`fer-lib data fetch olivetti`."
        ) from error


def _checked(images: np.ndarray, target: np.ndarray, origin: str) -> np.ndarray:
    """Give the faces as grey levels; raise FerError if they are not ten consecutive faces of each subject."""
    people = len(images) // FACES_PER_PERSON if images.ndim == 3 else 0
    if not people or min(images.shape[1:]) < 16:
        raise FerError(f"{origin} contains images of shape {images.shape}; expected 400 x 64 x 64.")
    if not np.array_equal(target, np.repeat(np.arange(people), FACES_PER_PERSON)):
        raise FerError(
            f"{origin} does not contain ten consecutive faces of each subject (target 0 ten times, then 1, and so "
            "on); write it again from fetch_olivetti_faces(shuffle=False), or run `fer-lib data fetch olivetti`."
        )
    return _levels(images, origin)


_READERS = {"mosaic": _mosaic, "mat": _mat, "npz": _npz}


def _levels(images: np.ndarray, origin: str) -> np.ndarray:
    if images.dtype.kind not in "fiu" or not np.isfinite(images).all() or images.min() == images.max():
        raise FerError(
            f"{origin} contains no grey levels but {images.dtype} of one value, or NaN; fetch the corpus again."
        )
    return stretched(images)


def _dataset(images: np.ndarray, notes: dict, origin: str, *, skip_bad: bool, synthetic: bool) -> FaceDataset:
    flat = images.reshape(len(images), -1)
    blank = flat.min(axis=1) == flat.max(axis=1)
    faults = Faults(origin, skip_bad)
    for row in np.flatnonzero(blank).tolist():
        faults.add(row, f"face {row}", Fault("blank face", f"every pixel has the value {flat[row, 0]}"))
    kept = np.flatnonzero(~blank)
    skipped = faults.settle()
    person = np.arange(len(images)) // FACES_PER_PERSON
    people = int(person[-1]) + 1
    names = tuple(f"person {number + 1:02d}" for number in range(people))
    meta = pd.DataFrame(
        {
            "label": person[kept],
            "split": "all",
            "subject": [names[number] for number in person[kept]],
            "frame": kept % FACES_PER_PERSON,
            "source": [f"face {row}" for row in kept],
        }
    )
    found = {"people": people, "faces": len(kept)}
    differing = locate.deviations(found, OFFICIAL_COUNTS, origin, tolerated=skip_bad or synthetic)
    notes |= {"people": people, "skipped": skipped, "count_deviations": differing}
    return FaceDataset(images[kept], meta, names, "olivetti", synthetic, notes)
