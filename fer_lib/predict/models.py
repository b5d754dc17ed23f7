"""Save, load and apply whole models: a folder, or one Keras file. No pickle anywhere.

A folder contains ``model.json`` (:mod:`fer_lib.utils.bundle`), and ``trunk.keras`` with its classifier ``svm.skops``,
or ``network.keras``, a network that gives the scores itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.backend import keras
from fer_lib.comparators.base import resized
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import CLASS_NAMES as FER2013_CLASS_NAMES
from fer_lib.errors import FerError, first_line
from fer_lib.models import resnet50_svm
from fer_lib.predict import networks
from fer_lib.predict.networks import ASSUMED, CARD, GIVEN, NETWORK, NETWORK_FILE, SCALINGS, SIGMOIDS, Reading
from fer_lib.settings import FaceSettings, ResNet50SvmSettings, change, settings_dict, trunk_from_environment
from fer_lib.svm.classifiers import NAMES, Fitted, decision
from fer_lib.utils import bundle
from fer_lib.utils.padding import filled
from fer_lib.utils.safe_load import read_network

TRUNK_FILE, SVM_FILE, MODEL_FILE = "trunk.keras", "svm.skops", "model.json"
FORMAT = 1
PREDICTION_BATCH = 128
ALIKE = 1e-5  # the largest difference of a score between a network and its saved copy


@dataclass(frozen=True)
class SavedModel:
    """A model that predicts the expressions of faces.

    Attributes:
        network: the trunk of a classifier, or a whole network that gives a score for each class.
        class_names: all classes in label order.
        fitted: the classifier on the trunk's features; None if the network predicts the classes itself.
        settings: the experiment's settings as plain values (``settings_dict``), such as ``scaling`` and ``pooling``.
        face_settings: the settings of the crops from photos, as plain values; empty if the faces were cropped already.
        provenance: where all this comes from, as plain values.
        how: how a whole network is used, and why; None for a trunk with its classifier.
    """

    network: keras.Model
    class_names: tuple[str, ...]
    fitted: Fitted | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    face_settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    how: Reading | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its faces in pixels; a network of any size gets those of its card, or 48."""
        height, width = self.network.input_shape[1:3]
        if self.fitted is None:
            size = self.face_settings.get("size", FaceSettings().size)
            return height or size, width or size
        return height, width

    @property
    def reading(self) -> Reading:
        """How the model is used, and why: its class order, its pixels and its outputs."""
        return self.how or Reading(self.settings.get("scaling", ResNet50SvmSettings().scaling))

    @property
    def score_kind(self) -> str:
        """The kind of scores: ``"probability"``, ``"decision value"`` of an SVM, or ``"sigmoid"`` of each class."""
        if self.reading.outputs == SIGMOIDS:
            return "sigmoid"
        return "decision value" if self.fitted and "svm" in self.fitted.name else "probability"

    def predict(self, images: np.ndarray) -> pd.DataFrame:
        """Predict a row for each face: ``label`` (the class' name) and a column of scores for each class, by its name.

        The label's score is the largest. A class that the model never learnt has the score minus infinity if scores are
        decision values, else 0. Scores are decision values of :func:`fer_lib.svm.classifiers.decision`, or
        probabilities.

        Args:
            images: uint8, shape (N, H, W), of :attr:`image_size`.

        Raises:
            FerError: the faces have another size, or the network cannot be run.
        """
        networks.check_faces(images, self.image_size)
        scores = np.zeros((0, len(self.class_names)))
        if len(images):
            scores = self._svm_scores(images) if self.fitted else self._network_scores(images)
        return networks.scores_table(self.class_names, scores)

    def _svm_scores(self, images: np.ndarray) -> np.ndarray:
        settings = change(ResNet50SvmSettings(), **{**self.settings, **trunk_from_environment()})
        features = resnet50_svm.features(self.network, images, settings=settings)
        assert self.fitted is not None
        known = decision(self.fitted, features)
        known = np.exp(known) if self.score_kind == "probability" else known
        fill = 0.0 if self.score_kind == "probability" else -np.inf
        scores = np.full((len(images), len(self.class_names)), fill)
        scores[:, self.fitted.classes.astype(int)] = known
        return scores

    def _network_scores(self, images: np.ndarray) -> np.ndarray:
        outputs = _run(self.network, self.reading, images)
        if not np.isfinite(outputs).all():
            raise FerError(
                "The network's outputs are not finite (NaN or infinity); its weights are damaged, or its pixels should "
                f"be scaled otherwise than {SCALINGS[self.reading.scaling]!r} (--scaling)."
            )
        return self.reading.scores(outputs)


def _run(network: keras.Model, reading: Reading, images: np.ndarray) -> np.ndarray:
    """Run a network from anywhere on grey faces, uint8 (N, H, W); return its outputs, float32 (N, classes).

    Batches are filled up to a power of two, so that a backend compiles for few shapes and one face stays cheap.

    Raises:
        FerError: Keras or its backend cannot run it.
    """
    fixed, found = network.input_shape[0], []
    step = fixed or PREDICTION_BATCH // 2
    for start in range(0, len(images), step):
        batch = images[start : start + step]
        padded = filled(batch, fixed)
        try:
            outputs = keras.ops.convert_to_numpy(network.predict_on_batch(reading.pixels(padded)))
        except Exception as error:  # Keras, its layers and its backends each raise their own
            raise FerError(
                f"The network cannot be run on {padded.shape[1]} x {padded.shape[2]} pixels with {reading.channels} "
                f"channel{'s' if reading.channels > 1 else ''} ({first_line(error)}); save a network that predicts "
                "pictures of its input's shape."
            ) from None
        found.append(np.asarray(outputs, np.float32)[: len(batch)])
    return np.concatenate(found)


def save(folder: str | Path, model: SavedModel, **more: Any) -> Path:
    """Write a model and its ``model.json``, each file whole or not at all.

    A trunk and its classifier are ``trunk.keras`` and ``svm.skops``; a whole network is ``network.keras``, without the
    state of its optimiser.

    Args:
        folder: created if missing; former files of the same names are replaced.
        model: the model.
        more: further facts for ``model.json``, fit for JSON.

    Returns:
        The folder.
    """
    content: dict[str, Any] = {"format": FORMAT}
    parts = {Path(NETWORK_FILE).stem: model.network}
    if model.fitted is not None:
        content["classifier"] = {"name": model.fitted.name, "parameters": dict(model.fitted.parameters)}
        parts = {"trunk": model.network, "svm": model.fitted.pipeline}
    elif getattr(model.network, "optimizer", None) is not None:
        network = model.network
        parts = {Path(NETWORK_FILE).stem: keras.Model(network.input, network.output, name=network.name)}
    content |= {
        "class_names": list(model.class_names),
        "settings": dict(model.settings) | ({} if model.fitted else {"scaling": model.reading.scaling}),
        "face_settings": dict(model.face_settings),
        "provenance": dict(model.provenance),
    }
    return bundle.save(folder, MODEL_FILE, content | more, parts)


def keep(
    folder: str | Path,
    network: keras.Model,
    fitted: Fitted,
    taught: FaceDataset,
    *,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> bool:
    """Save a trunk with its classifier, load both, and tell whether the predictions for some of the faces are equal.

    Args:
        folder: the folder to write.
        network: the trunk, or a model that contains it.
        fitted: the classifier on its features.
        taught: the faces that the classifier was fitted on.
        settings: dataclasses by name, with ``"resnet50_svm"`` and ``"faces"``.
        provenance: where all this comes from; of its data, only the training data of trunk and classifier are kept.
    """
    taught_by = {taught.corpus, settings["resnet50_svm"].fine_tune_on}
    learnt = {name: facts for name, facts in provenance["data"].items() if name in taught_by}
    model = SavedModel(
        network=resnet50_svm.trunk_of(network),
        class_names=tuple(taught.class_names),
        fitted=fitted,
        settings=settings_dict(settings["resnet50_svm"]),
        face_settings=settings_dict(settings["faces"]),
        provenance={**provenance, "data": learnt},
    )
    again = load(save(folder, model))
    some = taught.images[:PREDICTION_BATCH]
    return model.predict(some).equals(again.predict(some))


def keep_network(
    folder: str | Path,
    network: keras.Model,
    taught: FaceDataset,
    *,
    settings: Any,
    provenance: Mapping[str, Any],
    faces: FaceSettings | None = None,
    **more: Any,
) -> bool:
    """Save a network that gives a score for each class, load it, and tell whether both answer alike.

    Args:
        folder: the folder to write.
        network: the network; its outputs are probabilities in label order.
        taught: faces of the corpus that it was trained on, with all of its classes.
        settings: the experiment's dataclass, with ``scaling``, the scaling of the network's pixels.
        provenance: where it comes from; of its data, only the corpus ``taught`` is kept.
        faces: the settings of the crops; None if the faces were cropped already.
        more: further facts for ``model.json``, fit for JSON.
    """
    learnt = {name: facts for name, facts in provenance["data"].items() if name == taught.corpus}
    model = SavedModel(
        network,
        tuple(taught.class_names),
        settings=settings_dict(settings),
        face_settings={} if faces is None else settings_dict(faces),
        provenance={**provenance, "data": learnt},
        how=Reading(settings.scaling),
    )
    again = load(save(folder, model, **more))
    some = resized(taught.images[:PREDICTION_BATCH], max(model.image_size))
    names = list(model.class_names)
    return np.allclose(model.predict(some)[names], again.predict(some)[names], atol=ALIKE)


def load(path: str | Path, *, classes: str | None = None, scaling: str | None = None) -> SavedModel:
    """Load a folder that :func:`save` wrote, or a ``.keras`` file of any network that gives a score for each class.

    The ``.keras`` file of such a folder is read with its ``model.json``, too.

    A ``.keras`` file's classes and ``scaling`` are those given here, or else those of a ``model.json`` next to it
    (``class_names``, ``settings`` with ``scaling``). Without either, its own first layers tell the scaling
    (:func:`fer_lib.predict.networks.own_scaling`); otherwise FER-2013's classes and ``"unit"`` are assumed.
    :attr:`SavedModel.reading` says which of these it was.

    Args:
        path: the folder or file.
        classes: names with commas, in the network's order (:func:`fer_lib.predict.networks.class_names`).
        scaling: one of :data:`fer_lib.predict.networks.SCALINGS`.

    Raises:
        FerError: something is missing, damaged, of another kind, or contains what this project does not write; nothing
            of such a file is run.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        option = "--classes" if classes is not None else "--scaling" if scaling is not None else None
        if option:
            raise FerError(f"Found {option} for the folder {path}, whose {MODEL_FILE} says it; leave the option out.")
        return _load_folder(path)
    if not path.exists():
        raise FerError(f"No such file or folder: {path}; give a folder with {MODEL_FILE}, or a .keras file.")
    if path.suffix.lower() in (".h5", ".hdf5"):
        raise FerError(
            f"{path.name} is a network in Keras' older format; expected a .keras file: save it again with "
            f"keras.models.load_model({path.name!r}).save({path.stem + '.keras'!r}) where you trust it."
        )
    if path.suffix != ".keras":
        raise FerError(
            f"{path.name} is not a model that can be read here; give a folder with {TRUNK_FILE}, {SVM_FILE} and "
            f"{MODEL_FILE}, or a .keras file (pickles are never read: they can run anything)."
        )
    return _load_network(path, classes, scaling)


def _load_folder(folder: Path) -> SavedModel:
    content = _content(folder)
    parts = bundle.read_parts(folder, MODEL_FILE, content)
    if NETWORK_FILE in content["sha256"]:
        return _whole(parts[Path(NETWORK_FILE).stem], folder / NETWORK_FILE, _card(folder / MODEL_FILE))
    classifier = content["classifier"]
    model = SavedModel(
        network=parts["trunk"],
        class_names=tuple(content["class_names"]),
        fitted=Fitted(classifier["name"], parts["svm"], classifier["parameters"]),
        settings=content["settings"],
        face_settings=content["face_settings"],
        provenance=content["provenance"],
    )
    _check_fit(model, folder)
    return model


def _load_network(path: Path, classes: str | None, scaling: str | None) -> SavedModel:
    given = networks.class_names(classes) if classes is not None else None
    return _whole(read_network(path), path, _card(path.with_name(MODEL_FILE)), given=given, scaling=scaling)


def _whole(
    network: keras.Model,
    path: Path,
    content: Mapping[str, Any],
    *,
    given: tuple[str, ...] | None = None,
    scaling: str | None = None,
) -> SavedModel:
    """Make a model of a network that gives a score for each class, from its file ``path`` and its card."""
    names = given or tuple(content.get("class_names", FER2013_CLASS_NAMES))
    origin = GIVEN if given else CARD if "class_names" in content else ASSUMED
    channels = networks.input_channels(network, path.name)
    networks.check_outputs(network, path.name, names, origin)
    settings = content.get("settings", {})
    how = Reading(*_scaling(network, scaling, settings.get("scaling")), classes_from=origin, channels=channels)
    if how.scaling == "trunk" and channels == 1:
        raise FerError(f"{path.name} takes 1 channel, but the scaling trunk has 3; name another one with --scaling.")
    facts = {key: content.get(key, {}) for key in ("face_settings", "provenance")}
    model = SavedModel(network, names, settings=settings, how=how, **facts)
    outputs = networks.outputs_kind(network, lambda faces: _run(network, how, faces), model.image_size)
    return replace(model, how=replace(how, outputs=outputs))


def _scaling(network: keras.Model, given: str | None, card: str | None) -> tuple[str, str, str]:
    """Choose the scaling of a network's pixels; return it with its origin and the reason."""
    if given is not None:
        if given not in SCALINGS:
            raise FerError(f"Found the scaling {given!r}; expected one of {', '.join(SCALINGS)}.")
        return given, GIVEN, "as --scaling says"
    if card is not None:
        return card, CARD, "as its model.json says"
    if own := networks.own_scaling(network):
        return own[0], NETWORK, own[1]
    return "unit", ASSUMED, "the usual one, because neither the network nor a card says it; --scaling takes another"


def _card(sidecar: Path) -> dict[str, Any]:
    """Read the ``model.json`` next to a network and check the keys that are used; empty if there is none."""
    content = bundle.read_json(sidecar) if sidecar.is_file() else {}
    names, settings = content.get("class_names", list(FER2013_CLASS_NAMES)), content.get("settings", {})
    if (
        not isinstance(names, list)
        or len({str(name) for name in names}) != len(names)
        or not all(isinstance(name, str) and name for name in names)
    ):
        raise FerError(f"{sidecar} has the class_names {names!r}; expected a list of different names.")
    wrong = [key for key in ("settings", "face_settings", "provenance") if not isinstance(content.get(key, {}), dict)]
    if wrong:
        raise FerError(f"{sidecar} has no valid {wrong[0]!r}; expected names with their values.")
    if (scaling := settings.get("scaling", "unit")) not in tuple(SCALINGS):
        raise FerError(f"{sidecar} has the scaling {scaling!r}; expected one of {', '.join(SCALINGS)}.")
    change(FaceSettings(), **content.get("face_settings", {}))  # raises for a size that is none
    return content


def _check_fit(model: SavedModel, folder: Path) -> None:
    """Check that the parts fit together, before a face is predicted."""
    pooling = change(ResNet50SvmSettings(), **model.settings).pooling
    assert model.fitted is not None
    pipeline, shape = model.fitted.pipeline, model.network.output_shape
    features = None
    if isinstance(shape, tuple) and len(shape) == 4:
        features = shape[3] if pooling == "average" else int(np.prod(shape[1:]))
    classes = pipeline.classes_
    known = classes.dtype.kind == "i" and classes.min() >= 0 and classes.max() < len(model.class_names)
    if features != pipeline.n_features_in_ or not known:
        raise FerError(
            f"The parts in {folder} do not fit: the trunk gives {features} features and there are "
            f"{len(model.class_names)} class names, but the classifier takes {pipeline.n_features_in_} features and "
            f"knows the labels {classes.tolist()}; save the model again."
        )


def _content(folder: Path) -> dict[str, Any]:
    """Read ``model.json`` and check the keys that :func:`load` uses."""
    content, path = bundle.read_index(folder, MODEL_FILE), folder / MODEL_FILE
    kinds = {"classifier": dict, "class_names": list, "settings": dict, "face_settings": dict, "provenance": dict}
    files = {TRUNK_FILE, SVM_FILE}
    if NETWORK_FILE in content["sha256"]:
        files = {NETWORK_FILE}
        kinds.pop("classifier")
    wrong = [key for key, kind in kinds.items() if not isinstance(content.get(key), kind)]
    if content.get("format") != FORMAT:
        raise FerError(f"{path} has the format {content.get('format')!r}; expected {FORMAT}: save the model again.")
    if set(content["sha256"]) != files:
        wrong.append("sha256")
    classifier = content.get("classifier", {})
    if not wrong and "classifier" in kinds and (classifier.get("name") not in NAMES or "parameters" not in classifier):
        wrong.append("classifier")
    if wrong:
        raise FerError(
            f"{path} has no valid {wrong[0]!r}; it should be as this project wrote it: save the model again."
        )
    return content
