"""Gather the results of a profile into verdicts, comparisons and the report page."""
