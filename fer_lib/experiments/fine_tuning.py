"""Fine-tune a trunk on expressions and compute its features (liu2023, section 1).

"Non-expression databases are used for training models and fine-tuning network parameters using expression data." The
expression data is FER-2013 here: the abstract names it, and none of CK+'s subjects is known to be in it, so that one
trunk serves every division of CK+.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib import training
from fer_lib.augmentation import expand, untouched_view
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import groups_of, validation_split
from fer_lib.models import resnet50_svm
from fer_lib.settings import DataSettings, ExpansionSettings, ResNet50SvmSettings, change
from fer_lib.svm import classifiers, equations
from fer_lib.utils.files import cached_array


def fine_tune(
    settings: ResNet50SvmSettings, *, learn: FaceDataset, validate: FaceDataset, seed: int, checkpoints: Path | None
) -> tuple[keras.Model, pd.DataFrame]:
    """Build ResNet-50 with SoftMax and fine-tune it if the settings say so.

    Args:
        settings: ``fine_tune_on`` and ``epochs`` decide whether anything is trained.
        learn: the faces to fine-tune on.
        validate: the faces to validate on after each epoch.
        seed: seed of the new layer, of shuffling and of augmentation.
        checkpoints: as for :func:`fer_lib.training.train`.

    Returns:
        The network and its history, which is empty without fine-tuning.
    """
    build = partial(resnet50_svm.build_classifier, settings, classes=len(learn.class_names))
    if not is_fine_tuned(settings):
        training.set_seed(seed)
        return build(), pd.DataFrame()
    return training.train(build, settings, training=learn, validation=validate, seed=seed, checkpoints=checkpoints)


def control(
    settings: ResNet50SvmSettings, *, learn: FaceDataset, validate: FaceDataset, seed: int, checkpoints: Path
) -> keras.Model | None:
    """Fine-tune a second network as ``control_epochs`` and ``control_learning_rate`` say, all else as the first.

    Args:
        settings: of the first network.
        learn: as for :func:`fine_tune`, like ``validate`` and ``seed``.
        validate: see ``learn``.
        seed: see ``learn``.
        checkpoints: the folder that the first network was given; this one gets a folder next to it.

    Returns:
        The network; None if ``control_epochs`` is 0 or the first network is not fine-tuned.
    """
    if not (settings.control_epochs and is_fine_tuned(settings)):
        return None
    rate = settings.control_learning_rate
    changed = change(settings, epochs=settings.control_epochs, learning_rate=rate)
    folder = checkpoints.with_name(f"{checkpoints.name}-control-{rate:g}")
    return fine_tune(changed, learn=learn, validate=validate, seed=seed, checkpoints=folder)[0]


def is_fine_tuned(settings: ResNet50SvmSettings) -> bool:
    """Tell whether the settings ask for any fine-tuning."""
    return settings.fine_tune_on != "nothing" and settings.epochs > 0


def examples_of(
    model: keras.Model,
    faces: FaceDataset,
    expanding: ExpansionSettings,
    *,
    settings: ResNet50SvmSettings,
    checkpoints: Path,
) -> classifiers.Examples:
    """Compute the features of faces and of all their views, for a classifier.

    Args:
        model: ResNet-50 with SoftMax.
        faces: N faces with their subjects.
        expanding: settings that decide the views of each face.
        settings: settings of the pixels' scaling and the pooling.
        checkpoints: a folder for exactly this model and these faces; features saved there are read back.
    """
    features = partial(resnet50_svm.features, model, settings=settings)
    views = cached_array(checkpoints / "views.npy", lambda: features(expand(faces.images, expanding)))
    place = untouched_view(expanding)  # None if a cross-cut of each copy leaves no view whole
    own = features(faces.images) if place is None else views[:, place]
    return classifiers.Examples(own, faces.labels, groups_of(faces, "subjects"), views)


def ckplus_svm(
    examples: classifiers.Examples, *, settings: ResNet50SvmSettings, seed: int
) -> tuple[classifiers.Fitted, pd.DataFrame]:
    """Fit an RBF SVM on all faces of CK+ and their views, and check the paper's equations without the views.

    Returns:
        The SVM, and the rows of :func:`fer_lib.svm.equations.check` for another one, fitted on the faces alone.
    """
    untouched = classifiers.Examples(examples.originals, examples.labels, examples.groups)
    fitted, small = (
        classifiers.fit("resnet50_svm_rbf", each, settings=settings, seed=seed) for each in (examples, untouched)
    )
    return fitted, equations.check_fitted(small, untouched)


def fer2013_features(
    model: keras.Model, learn: FaceDataset, test: FaceDataset, *, settings: ResNet50SvmSettings, checkpoints: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the features of FER-2013's training and test faces; those saved in ``checkpoints`` are read back."""
    features = partial(resnet50_svm.features, model, settings=settings)
    seen = cached_array(checkpoints / "fer2013.npy", lambda: features(learn.images))
    return seen, cached_array(checkpoints / "fer2013_test.npy", lambda: features(test.images))


def fer2013_answers(
    model: keras.Model,
    learn: FaceDataset,
    test: FaceDataset,
    *,
    settings: ResNet50SvmSettings,
    seed: int,
    checkpoints: Path,
) -> tuple[classifiers.Fitted, dict[str, np.ndarray]]:
    """Fit an RBF SVM on all of FER-2013's training faces, and score each model on its test faces.

    Returns:
        The SVM, and scores (N, C) of ``"resnet50_svm_rbf"``, preceded by those of the network's own
        ``"resnet50_softmax"`` if it was fine-tuned.
    """
    seen, asked = fer2013_features(model, learn, test, settings=settings, checkpoints=checkpoints)
    fitted = classifiers.fit_fer2013(
        "resnet50_svm_rbf", classifiers.Examples(seen, learn.labels), settings=settings, seed=seed
    )
    answers = {"resnet50_svm_rbf": classifiers.decision(fitted, asked)}
    if is_fine_tuned(settings):
        answers = {"resnet50_softmax": training.predict(model, test, settings=settings)} | answers
    return fitted, answers


def fer2013_predictions(
    model: keras.Model,
    fitted: classifiers.Fitted,
    answers: Mapping[str, np.ndarray],
    faces: FaceDataset,
    *,
    data: DataSettings,
    settings: ResNet50SvmSettings,
    seed: int,
    checkpoints: Path,
) -> pd.DataFrame:
    """Collect all answers about FER-2013: those about test faces, and those about the faces that were learnt.

    Args:
        model: the network.
        fitted: the SVM of :func:`fer2013_answers`.
        answers: its scores of the test faces, by model.
        faces: the whole corpus.
        data: the data settings that decided the parts.
        settings: settings of the model.
        seed: seed of the split that fine-tuning validated on.
        checkpoints: a folder for exactly this model; answers saved there are read back.

    Returns:
        One row per face: ``face`` (its row in the official part), ``part`` (``"training"``: fine-tuning learnt it;
        ``"validation"``: fine-tuning chose its epoch on it, the SVM learnt it; ``"testing"``), ``label``, and for each
        model its answer under the model's name and ``<model>_<class>``: decision values or probabilities.
    """
    learn = faces.part("Training")
    numbered = dataclasses.replace(learn, meta=learn.meta.assign(row=np.arange(len(learn))))
    validation = validation_split(numbered, seed, fraction=data.validation_fraction, method=data.validation_split)[
        1
    ].meta["row"]
    test = faces.part(data.test_split)
    seen = fer2013_features(model, learn, test, settings=settings, checkpoints=checkpoints)[0]
    computed = {
        "resnet50_svm_rbf": lambda: classifiers.decision(fitted, seen),
        "resnet50_softmax": lambda: training.predict(model, learn, settings=settings),
    }
    frame = pd.DataFrame({"face": np.r_[np.arange(len(learn)), np.arange(len(test))]})
    frame["part"] = np.repeat(["training", "testing"], [len(learn), len(test)])
    frame.loc[validation.to_numpy(), "part"] = "validation"
    frame["label"] = np.r_[learn.labels, test.labels]
    for name, values in answers.items():
        own = cached_array(checkpoints / f"fer2013_training_{name}.npy", computed[name])
        both = np.concatenate([own, values])
        frame[name] = both.argmax(axis=1)
        columns = [f"{name}_{word}" for word in faces.class_names]
        frame = frame.join(pd.DataFrame(both, columns=columns))
    return frame


def learnt_accuracy(predictions: pd.DataFrame, models: Sequence[str]) -> list[float]:
    """Compute each model's accuracy on the faces that it learnt, from :func:`fer2013_predictions`.

    SoftMax learnt the part ``"training"`` alone, the SVM ``"validation"`` as well.
    """
    parts = {name: ["training"] if name == "resnet50_softmax" else ["training", "validation"] for name in models}
    right = {name: predictions[name] == predictions["label"] for name in models}
    return [float(right[name][predictions["part"].isin(parts[name])].mean()) for name in models]
