"""Printed numbers of the papers, each with its place: ``chen2023.yaml`` and ``liu2023.yaml``."""

from __future__ import annotations

import functools
from importlib import resources

import pandas as pd

from fer_lib.errors import FerError, nearest
from fer_lib.published.reading import read
from fer_lib.published.records import Record

COLUMNS = ["id", "place", "column", "quantity", "value", "unit", "model", "split", "metric", "corpus", "states"]


def papers() -> list[str]:
    """List the papers that have a record."""
    names = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


@functools.cache
def record(paper: str) -> Record:
    """Read and check the record of a paper's printed numbers.

    Raises:
        FerError: there is no such paper.
    """
    if paper not in papers():
        raise FerError(f"No record of a paper {paper!r}{nearest(paper, papers())}; the papers are {papers()}.")
    return read(str(resources.files(__name__) / f"{paper}.yaml"))


def load(paper: str) -> pd.DataFrame:
    """Tabulate a paper's printed numbers, a row each, in the order they are printed.

    Columns: ``id``; ``place`` (section, or table and row) and ``column`` (of the table); ``quantity``;
    ``value`` (as printed, a string, so that its decimals are kept); ``unit``; ``model``, ``split`` and ``metric`` for
    scores; ``corpus`` where the paper uses several and names one; ``states`` (the sentence or cell that contains the
    number, shortened).

    Raises:
        FerError: there is no such paper.
    """
    rows = [[getattr(statement, name) for name in COLUMNS] for statement in record(paper).statements]
    return pd.DataFrame(rows, columns=COLUMNS)


def scores(paper: str, model: str, metric: str) -> dict[str, float]:
    """Look up a paper's ``"loss"`` or ``"accuracy"`` of a model by split, such as ``{"training": 1.71}``.

    Raises:
        FerError: there is no such paper.
    """
    rows = load(paper).dropna(subset=["split"])
    rows = rows[(rows["model"] == model) & (rows["metric"] == metric)]
    return dict(zip(rows["split"], rows["value"].astype(float), strict=True))


def printed_table(paper: str, table: str) -> pd.DataFrame:
    """Rebuild a table of a paper with its cells as printed strings, a column for each quantity.

    Args:
        paper: such as ``"liu2023"``.
        table: such as ``"Table 4"``. The column ``row`` is the head of each row.

    Raises:
        FerError: the paper has no table of that name with numbered rows.
    """
    rows = load(paper)
    places = rows["place"].str.extract(r"^(?P<table>Table \d+), row (?P<number>\d+)$")
    names = sorted(places["table"].dropna().unique())
    if table not in names:
        raise FerError(f"{paper} has no numbered rows of {table!r}{nearest(table, names)}; it has those of {names}.")
    rows = rows.assign(number=places["number"].astype(float))[places["table"] == table]
    wide = rows.pivot_table(index=["number", "states"], columns="quantity", values="value", aggfunc="first")
    wide = wide[rows["quantity"].unique()].rename_axis(columns=None).droplevel("number")
    return wide.rename_axis("row").reset_index()
