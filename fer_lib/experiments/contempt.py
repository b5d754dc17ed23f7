"""Load CK+'s faces of contempt, which liu2023 leaves out, for one of :mod:`fer_lib.experiments.readings`.

They have a module of their own because the features and answers of notebook 04 are kept under the code of the readings,
which a change in how a corpus is read leaves as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_lib.datasets import corpus
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments.readings import CONTEMPT
from fer_lib.faces import crops
from fer_lib.settings import DataSettings, change


def faces(every: Mapping[str, Any], data: DataSettings, data_dir: str = "") -> FaceDataset | None:
    """Load the faces of contempt that CK+'s settings leave out; None if the corpus has none or they are left in.

    Args:
        every: settings by experiment, of which ``ckplus`` and ``faces`` are used.
        data: the profile's data settings.
        data_dir: as for :func:`fer_lib.datasets.corpus.load_ckplus`.
    """
    if every["ckplus"].contempt:
        return None
    photos = corpus.load_ckplus(change(every["ckplus"], contempt=True), data, data_dir)
    if CONTEMPT not in photos.class_names:
        return None
    own = photos.take(np.flatnonzero(photos.labels == photos.class_names.index(CONTEMPT)))
    return crops.face_crops(own, every["faces"]) if len(own) else None
