"""One file a corpus, one shape out: :class:`FaceDataset`, or :class:`PhotoSet` before the faces are cropped."""

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.photo_set import PhotoSet

__all__ = ["FaceDataset", "PhotoSet"]
