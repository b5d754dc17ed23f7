"""Every system that liu2023 compares with, and what goes beyond: one file a system, one line in ``SYSTEMS`` each.

``create("cspl_svm", seed=0).fit(images, labels).predict(images)``: all are scikit-learn-style estimators
(:class:`fer_lib.comparators.base.Comparator`). ``docs/comparators.md`` shows how to add one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fer_lib.comparators.base import Comparator, read
from fer_lib.errors import FerError, nearest

SYSTEMS = {
    "class_priors": "class_priors:ClassPriors",
    "pixels_svm": "pixels_svm:PixelsSvm",
    "cspl_svm": "cspl_svm:CsplSvm",
    "lbp_cnn": "lbp_cnn:LbpCnn",
    "gb_dbns_sae": "gb_dbns_sae:GbDbnsSae",
    "lbp_var_dbn": "lbp_var_dbn:LbpVarDbn",
    "resnet50_svm": "resnet50_svm:ResNet50Svm",
    "resnet50_softmax": "resnet50_softmax:ResNet50Softmax",
    "vgg16": "vgg16:Vgg16",
    "inception_v4": "inception_v4:InceptionV4",
    "cnn_ad": "cnn_ad:CnnAd",
    "resnet50_attention": "resnet50_attention:ResNet50Attention",
    "resnet50_modern": "resnet50_modern:ResNet50Modern",
    "fer_package": "fer_package:FerPackage",
}
"""Name -> module and class; a module is imported when its system is asked for."""


def system(name: str) -> type[Comparator]:
    """Returns the class of a system; raises FerError, naming the nearest, where there is none of this name."""
    if name not in SYSTEMS:
        raise FerError(f"There is no system {name!r}{nearest(name, SYSTEMS)}; the systems are {', '.join(SYSTEMS)}.")
    module, kind = SYSTEMS[name].split(":")
    return getattr(import_module(f"fer_lib.comparators.{module}"), kind)


def create(name: str, **settings: Any) -> Comparator:
    """Returns a new, unfitted system.

    Args:
        name: a key of ``SYSTEMS``.
        settings: any of its parameters, ``seed`` among them.

    Raises:
        FerError: there is no such system, or no such parameter; the sentence names the nearest.
    """
    kind = system(name)
    known = kind().get_params()
    for key in settings:
        if key not in known:
            raise FerError(f"{name} has no parameter {key!r}{nearest(key, known)}; its parameters: {', '.join(known)}.")
    return kind(**settings)


def load(folder: Any) -> Comparator:
    """Returns the system that :meth:`Comparator.save` wrote into a folder; raises FerError where it did not."""
    name, content, parts = read(folder, known=SYSTEMS)
    return system(name).from_parts(content, parts)
