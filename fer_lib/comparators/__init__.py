"""Comparators: liu2023's, and others beyond the papers; one file and one line in ``COMPARATORS`` for each.

All are scikit-learn-style estimators (:class:`fer_lib.comparators.base.Comparator`):
``create("cspl_svm", seed=0).fit(images, labels).predict(images)``. ``docs/comparators.md`` shows how to add one.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from fer_lib.comparators.base import COMPARATOR_FILE, FORMAT, Comparator
from fer_lib.errors import FerError, nearest
from fer_lib.utils import bundle

COMPARATORS = {
    "class_priors": "class_priors:ClassPriors",
    "pixels_svm": "pixels_svm:PixelsSvm",
    "cspl_svm": "cspl_svm:CsplSvm",
    "lbp_cnn": "lbp_cnn:LbpCnn",
    "gb_dbns_sae": "gb_dbns_sae:GbDbnsSae",
    "lbp_var_dbn": "lbp_var_dbn:LbpVarDbn",
    "resnet50_svm": "resnet50_svm:ResNet50Svm",
    "resnet50_softmax": "resnet50_softmax:ResNet50Softmax",
    "resnet50_whole": "resnet50_whole:ResNet50Whole",
    "vgg16": "vgg16:Vgg16",
    "inception_v4": "inception_v4:InceptionV4",
    "cnn_ad": "cnn_ad:CnnAd",
    "resnet50_attention": "resnet50_attention:ResNet50Attention",
    "resnet50_mlp": "resnet50_mlp:ResNet50Mlp",
    "resnet50_modern": "resnet50_modern:ResNet50Modern",
    "fer_package": "fer_package:FerPackage",
}
"""Name -> module and class. A module is imported when its comparator is created."""


def class_of(name: str) -> type[Comparator]:
    """Find a comparator's class; raise FerError, naming the nearest, if there is none of this name."""
    if name not in COMPARATORS:
        raise FerError(
            f"There is no comparator {name!r}{nearest(name, COMPARATORS)}; the comparators are "
            f"{', '.join(COMPARATORS)}."
        )
    module, kind = COMPARATORS[name].split(":")
    return getattr(import_module(f"fer_lib.comparators.{module}"), kind)


def create(name: str, **settings: Any) -> Comparator:
    """Create a new, unfitted comparator.

    Args:
        name: a key of ``COMPARATORS``.
        settings: any of its parameters, such as ``seed``.

    Raises:
        FerError: there is no such comparator, or no such parameter; the message names the nearest.
    """
    kind = class_of(name)
    known = kind().get_params()
    for key in settings:
        if key not in known:
            raise FerError(f"{name} has no parameter {key!r}{nearest(key, known)}; its parameters: {', '.join(known)}.")
    return kind(**settings)


def load(folder: str | Path) -> Comparator:
    """Load the comparator that ``Comparator.save`` wrote into a folder.

    Raises:
        FerError: something is missing, damaged or of another kind; nothing of such a file is run.
    """
    content = bundle.read_index(Path(folder), COMPARATOR_FILE)
    if content.get("format") != FORMAT or content.get("name") not in list(COMPARATORS):
        raise FerError(
            f"{folder} contains no comparator of this project (format {content.get('format')!r}, name "
            f"{content.get('name')!r}); save it again."
        )
    return class_of(content["name"]).from_parts(content, bundle.read_parts(Path(folder), COMPARATOR_FILE, content))
