"""From a profile's data settings to faces: a corpus in the user's data folder, or generated ones in the same format."""

from __future__ import annotations

import os
from pathlib import Path

from fer_lib.datasets import fer2013, quality, sources, synthetic
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.files import sources_hash
from fer_lib.settings import PROJECT, DataSettings

GENERATED_SEED = 2013
FACES_FOR_FIGURES = 1000


def load_fer2013(settings: DataSettings, data_dir: str = "", *, progress: bool = False) -> FaceDataset:
    """Returns FER-2013 as the settings ask for it (chen2023, section 2.1).

    Args:
        settings: of the profile.
        data_dir: the folder that holds ``fer2013``. Where given it is read, whatever the profile's source; ``""`` means
            ``$FER_DATA`` for a profile that reads real data, and generated faces for one that does not.
        progress: show a progress bar on a terminal.

    Raises:
        FerError: the data folder is not given or holds no FER-2013, or the corpus is damaged.
    """
    if settings.source == "folder":
        data_dir = data_dir or os.environ.get("FER_DATA", "")
        if not data_dir:
            raise FerError(
                "This profile reads FER-2013 and no data folder was given; set FER_DATA (or data_dir) to the folder "
                "that holds fer2013, or use the smoke profile, which generates faces."
            )
    if data_dir:
        path = sources.find_corpus(Path(data_dir).expanduser(), "fer2013")
        faces = fer2013.load(path, skip_bad=settings.skip_bad, progress=progress)
    else:
        faces = _generated(settings.generated_faces, progress=progress)
    return quality.drop_leaks(faces) if settings.drop_leaks else faces


def faces_to_draw(faces: FaceDataset, draw_faces: bool) -> FaceDataset:
    """Returns the faces a figure may show: these, or generated ones where real people's are not to be published."""
    return faces if draw_faces or faces.synthetic else _generated(FACES_FOR_FIGURES, progress=False)


def _generated(count: int, *, progress: bool) -> FaceDataset:
    """Generated faces, written once as ``fer2013.csv`` into a cache and read by the real loader."""
    cache = Path(os.environ.get("FER_CACHE") or PROJECT / ".cache")
    drawn_by = sources_hash(Path(synthetic.__file__).parent.glob("synthetic*.py"))  # a new drawing is a new corpus
    folder = cache / "generated" / f"fer2013-{count}-{GENERATED_SEED}-{drawn_by}"
    synthetic.write_fer2013_csv(folder, n=count, seed=GENERATED_SEED)
    return fer2013.load(folder, progress=progress)
