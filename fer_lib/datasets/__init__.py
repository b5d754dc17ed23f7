"""One file a corpus, one shape out: :class:`FaceDataset`."""

from fer_lib.datasets.face_dataset import FaceDataset

__all__ = ["FaceDataset"]
