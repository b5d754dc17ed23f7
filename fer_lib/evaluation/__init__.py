"""Scores with intervals: metrics, smiles on GENKI-4K, resampling by subject."""
