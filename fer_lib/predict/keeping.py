"""Keep the networks that notebook 07 trains on all of FER-2013 as models, for ``fer-lib predict``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fer_lib import comparators
from fer_lib.comparators.base import Comparator
from fer_lib.comparators.recipe import Network
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments.comparison import Keep
from fer_lib.experiments.comparison_rows import Row
from fer_lib.predict import models
from fer_lib.settings import FaceSettings, change
from fer_lib.utils import bundle

log = logging.getLogger(__name__)


def keeper(
    folder_of: Callable[[str], Path],
    taught: FaceDataset,
    *,
    seed: int,
    faces: FaceSettings,
    provenance: Mapping[str, Any],
) -> Keep:
    """Make the function that saves each network of :func:`fer_lib.experiments.comparison.run_whole` as a model.

    A model's folder is ``<row>_seed<seed>``. Comparators that are no single network, such as those on LBP features, are
    not saved. If the answers of a row are there already, only the origin in the ``model.json`` of its network becomes
    this run's; a model that is gone is not made again, which a warning says.

    Args:
        folder_of: gives the folder of a model by name, as ``Run.model_folder`` does.
        taught: the training faces.
        seed: the run's seed.
        faces: the settings of the crops from photos.
        provenance: the run's, with all that it uses.
    """

    def keep(row: Row, comparator: Comparator | None) -> None:
        folder = folder_of(f"{row.name}_seed{seed}")
        if isinstance(comparator, Network):
            settings = comparator.settings_ or change(comparator.settings(), scaling=comparator.scaling_)
            alike = models.keep_network(
                folder,
                comparator.whole(),
                taught,
                settings=settings,
                provenance=provenance,
                faces=faces,
                row=row.key,
                pretrained=comparator.pretrained,
            )
            if not alike:
                log.warning("the model saved in %s answers otherwise than the trained one", folder.name)
        elif comparator is None and _is_network(row) and not _renew(folder, row, provenance):
            log.warning("no model of %s is kept: its answers are from an earlier run", row.name)

    return keep


def _is_network(row: Row) -> bool:
    return issubclass(comparators.class_of(row.comparator), Network)


def _renew(folder: Path, row: Row, provenance: Mapping[str, Any]) -> bool:
    """Replace the provenance of a model that an earlier run of the same row has saved; tell whether there is one."""
    card = folder / models.MODEL_FILE
    content = bundle.read_json(card) if card.is_file() else {}
    if content.get("row") == row.key:
        content["provenance"] = {**provenance, "data": content["provenance"]["data"]}
        bundle.write_json(card, content)
        return True
    return False
