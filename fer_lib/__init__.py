"""Shared library of the replication: corpus -> FaceDataset -> arrays -> model -> metrics -> artifact."""

__version__ = "0.1.0"
