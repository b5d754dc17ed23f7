"""Check whether published numbers are possible."""
