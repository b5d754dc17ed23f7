"""Load model files from unknown sources safely: no pickle, no foreign class, no oversized or external data.

Each reader refuses a bad file with one sentence, and nothing of such a file is run.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fer_lib.errors import FerError, first_line

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from fer_lib.backend import keras

#: Bytes, unpacked. All of FER-2013's training faces as support vectors, 2,048 features in float64, are 0.44 GiB.
MODEL_LIMIT = 4 * 2**30

# all classes in the pipelines of fer_lib.svm.classifiers; skops itself trusts far more
TRUSTED_TYPES = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.float32",
        "numpy.float64",
        "numpy.int64",  # the scaler's count of faces, in files of scikit-learn before 1.8
        "numpy.ndarray",
        "sklearn.decomposition._pca.PCA",
        "sklearn.dummy.DummyClassifier",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.svm._classes.SVC",
    }
)
TRUSTED_NODES = frozenset({"DictNode", "JsonNode", "ListNode", "NdArrayNode", "ObjectNode", "TupleNode", "TypeNode"})


def read_network(path: Path) -> keras.Model:
    """Read a network from a file of Keras 3 in safe mode.

    Raises:
        FerError: the file is damaged, too large, could run code, or was written by a newer Keras and this one cannot
            read it.
    """
    from fer_lib.backend import keras  # it takes seconds to import

    if not zipfile.is_zipfile(path):  # Keras would read an HDF5 file of that name by its older, laxer reader
        raise FerError(f"{path.name} is damaged or not written by Keras 3; fetch or save it again.")
    refuse_oversized(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # keras, zipfile, h5py and json each raise their own
        if wrote := newer_keras(path):
            raise FerError(
                f"{path.name} was written by Keras {wrote}; this is {keras.__version__}: upgrade Keras, or save the "
                "network again with this version."
            ) from None
        raise FerError(
            f"{path.name} is damaged, or contains what Keras' safe mode does not load ({_keras_reason(error)}); fetch "
            "it again, or save a network of Keras' own layers."
        ) from None


def weights_ending(path: Path) -> str | None:
    """Tell by its content how Keras wrote a file of weights; None if it is no such file, or damaged.

    Returns:
        The ending by which Keras knows the format: ``".keras"`` (a zip), ``".weights.h5"`` (HDF5 of Keras 3) or
        ``".h5"`` (HDF5 of Keras 2, as ``keras.applications`` offers it).
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return ".keras" if "model.weights.h5" in archive.namelist() else None
        if not h5py.is_hdf5(path):
            return None
        with h5py.File(path, "r") as file:
            older = "layer_names" in file.attrs or "model_weights" in file
            return ".h5" if older else ".weights.h5"
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile):
        return None


def load_weights(network: keras.Model, path: Path) -> None:
    """Load all of a network's weights from a file, whatever its name, or none of them.

    Keras chooses the format by the file's name, leaves a network half loaded if it fails, and may say nothing of layers
    that it found nothing for.

    Raises:
        ValueError: the file has nothing for some of the weights.
        Exception: whatever Keras, h5py and zipfile raise for a file that does not fit.
    """
    before = network.get_weights()
    floats = [np.issubdtype(values.dtype, np.floating) for values in before]
    try:
        network.set_weights(
            [np.full_like(values, np.nan) if real else values for values, real in zip(before, floats, strict=True)]
        )
        with _named_by_content(path) as named:
            network.load_weights(named)
        found = [
            not real or not np.isnan(values).all() for values, real in zip(network.get_weights(), floats, strict=True)
        ]
        if not all(found):
            first = network.weights[found.index(False)].path
            raise ValueError(f"it has {sum(found)} of {len(found)} arrays, and none for {first}")
    except BaseException:
        network.set_weights(before)
        raise


@contextmanager
def _named_by_content(path: Path) -> Iterator[Path]:
    """Give a file under a name whose ending fits its content, by a link or a copy if its own does not."""
    ending = weights_ending(path)
    own = next((each for each in (".keras", ".weights.h5", ".h5") if path.name.endswith(each)), None)
    if ending in (None, own):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder, f"content{ending}")
        try:
            named.symlink_to(path.resolve())
        except OSError:  # Windows lets few users make links
            shutil.copyfile(path, named)
        yield named


def newer_keras(path: Path, said: object = None) -> str | None:
    """Name the version of Keras that wrote a file, if it is a later minor version than this one's; else None.

    Args:
        path: a ``.keras`` file or HDF5 in Keras 2's layout, which say it themselves, or a ``.weights.h5``, which does
            not.
        said: the version by another source, such as the file's card, where the file itself does not say it.
    """
    from fer_lib.backend import keras

    wrote = _keras_that_wrote(path) or said
    wrote = wrote.decode("utf-8", "replace") if isinstance(wrote, bytes) else wrote
    if not isinstance(wrote, str) or not re.fullmatch(r"[0-9a-z.+-]{1,40}", wrote):
        return None
    return wrote if _minor(wrote) > _minor(keras.__version__) else None


def _keras_that_wrote(path: Path) -> object:
    """Read from a file which version wrote it, as it stands there; None if it does not say."""
    try:
        if not zipfile.is_zipfile(path):
            with h5py.File(path, "r") as file:
                return file.attrs.get("keras_version")
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("metadata.json"))["keras_version"]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile):
        return None


def _minor(version: str) -> tuple[int, ...]:
    """Take major and minor version; a file's arguments may change with each minor one."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version)[:2])


def _keras_reason(error: Exception) -> str:
    """Extract the reason from an error of Keras, which hides an unknown class behind a list of the whole network."""
    unknown = re.search(r"Could not locate (?:class|function) '[^']{1,80}'", str(error))
    return unknown[0] if unknown else first_line(error)


def read_pipeline(path: Path) -> Pipeline:
    """Read a fitted pipeline of this project's classifiers from a skops file.

    Raises:
        FerError: the file is damaged, too large, or contains a class that no classifier of this project is made of.
    """
    import skops.io
    from sklearn.pipeline import Pipeline

    refuse_oversized(path)
    try:
        foreign = _foreign_parts(path)
        if not foreign:
            pipeline = skops.io.load(path, trusted=[])
    except Exception as error:  # skops, zipfile, json, numpy and scikit-learn each raise their own
        raise FerError(
            f"{path.name} is damaged or not written by this project ({first_line(error)}); fetch or save it again."
        ) from None
    if foreign:
        raise FerError(
            f"{path.name} contains {', '.join(foreign[:3])}, which no classifier of this project is made of; nothing "
            "of it was loaded: save the model again, and do not trust this file."
        )
    if not isinstance(pipeline, Pipeline) or not hasattr(pipeline[-1], "classes_"):
        raise FerError(f"{path.name} contains no fitted pipeline that ends in a classifier; save the model again.")
    return pipeline


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read NumPy arrays by name from an ``.npz`` file.

    Raises:
        FerError: the file is damaged, too large, or contains pickled objects.
    """
    refuse_oversized(path)
    try:
        with zipfile.ZipFile(path):  # NumPy would take other formats of this name as well
            pass
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise FerError(
            f"{path.name} is damaged or not written by this project ({first_line(error)}); fetch or save it again."
        ) from None


def refuse_oversized(path: str | Path) -> None:
    """Reject oversized model and weight files by their headers, and files that point to data outside themselves.

    Args:
        path: a zip (``.keras``, ``.skops``, ``.npz``) or HDF5 file (``.h5``). A damaged or another file passes: its
            reader reports it.

    Raises:
        FerError: the file claims more than ``MODEL_LIMIT`` bytes, or points to external data.
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
    """Yield the bytes that each part of the file claims."""
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


def _foreign_parts(path: Path) -> list[str]:
    """List the classes and nodes of a skops file that we, or skops, do not trust.

    Raises:
        ValueError: the file is no skops file.
    """
    import skops.io

    try:
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"no skops file: {error}") from None
    foreign, waiting = set(), [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            foreign |= _foreign_names(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return sorted(foreign) or skops.io.get_untrusted_types(file=path)


def _foreign_names(node: dict[str, Any]) -> set[str]:
    if "__loader__" not in node:
        return set()
    name = f"{node.get('__module__')}.{node.get('__class__')}"
    return ({name} - TRUSTED_TYPES) | ({str(node["__loader__"])} - TRUSTED_NODES)
