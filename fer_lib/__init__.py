"""Shared library of the replication: corpus -> FaceDataset -> arrays -> model -> metrics -> artifact."""

import os

__version__ = "0.1.0"

# before Keras imports TensorFlow: its C++ notes on start-up would otherwise stand in every notebook
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
