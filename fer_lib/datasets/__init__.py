"""Corpora of faces: read, checked, fetched, generated and split; one file or folder a corpus."""
