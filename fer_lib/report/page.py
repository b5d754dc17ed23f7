"""Convert the executed report notebook to one self-contained web page: no script, no network, no other file.

The page follows the notebook. It adds a table of contents, a caption and a CSV for every table, and a layout for wide
and narrow, light and dark screens and for paper. It leaves out all code and the cells tagged ``not-in-report``.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from bs4 import BeautifulSoup, Tag
from nbconvert.filters import markdown2html

from fer_lib.errors import FerError
from fer_lib.utils.files import write_text

LEFT_OUT = "not-in-report"  # the tag of cells that the page leaves out
LONG = 24  # rows; a longer table scrolls within the page and keeps its head in view
SENTENCE = 45  # characters; a column with a longer cell is laid out for sentences
LONG_WORD = re.compile(r"\w{4,}(?:[_./-]\w+){2,}")  # names of files and results
WEIGHTS = re.compile(r"^Weights of .*?'s trunk: (.*)", re.DOTALL)
INTERVAL = re.compile(r"(\[[\d.+-]+,) ([\d.+-]+\])")
STYLE = Path(__file__).with_suffix(".css")


def page(notebook: str | Path) -> str:
    """Build the page of an executed notebook.

    Raises:
        FerError: the file is no notebook.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except Exception as error:  # nbformat raises json's, jsonschema's and its own
        raise FerError(
            f"{Path(notebook).name} is no notebook ({type(error).__name__}); run notebook 08 again."
        ) from None
    shown = [cell for cell in cells if LEFT_OUT not in cell.metadata.get("tags", [])]
    body = BeautifulSoup("\n".join(part for cell in shown for part in _parts(cell)), "html.parser")
    for anchor in body.select("a.anchor-link"):
        anchor.decompose()
    _weights_once(body)
    for table in body.find_all("table"):
        _frame(body, table)
    _number_ids(body)
    title = _taken_title(body)
    subtitle = next((heading.get_text() for heading in body.find_all("h2") if "Profile" in heading.get_text()), "")
    for text in body.find_all(string=re.compile("^SYNTHETIC")):
        parent: Any = text.parent  # bs4's types do not say that it exists, nor that a class is a list
        parent["class"] = [*parent.get("class", []), "synthetic"]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(' · '.join(part for part in (title, subtitle) if part))}</title>\n"
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f'<body>\n<a class="skip" href="#report">To the report</a>\n<header><h1>{escape(title)}</h1></header>\n'
        f'<nav aria-label="Contents"><h2>Contents</h2>{_contents(body)}</nav>\n<main id="report">\n{body}\n</main>\n'
        "<footer><p>Made by notebook 08 from the files next to this page. Each table and figure there names its "
        "provenance, a file in <code>provenance/</code>.</p></footer>\n</body>\n</html>\n"
    )


def _parts(cell: nbformat.NotebookNode) -> list[str]:
    """Convert a cell's text, or the outputs of its code, to HTML."""
    if cell.cell_type == "markdown":
        return [markdown2html(cell.source)]
    return [part for output in cell.get("outputs", []) if (part := _output(output))]


def _output(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return f"<pre>{escape(output.text)}</pre>" if output.name == "stdout" and output.text.strip() else ""
    data = output.get("data", {})
    if "text/markdown" in data:
        return markdown2html(data["text/markdown"])
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        image = data["image/png"].replace("\n", "")
        picture = f'<img alt="{escape(alt)}" src="data:image/png;base64,{image}">'
        caption = f"<figcaption>{escape(alt)}</figcaption>" if alt else ""  # a picture's words are small on a phone
        return f'<figure class="picture">{picture}{caption}</figure>'
    return f"<pre>{escape(data['text/plain'])}</pre>" if "text/plain" in data else ""


def _frame(body: BeautifulSoup, table: Tag) -> None:
    """Add a caption (the bold title before the table), a link to its CSV, and a frame that scrolls."""
    before = table.find_previous_sibling()
    is_title = before is not None and before.name == "p" and before.find("strong", recursive=False) is not None
    title = before.extract().get_text() if is_title and before is not None else "Table"
    figure = body.new_tag("figure", attrs={"class": "table"})
    table.wrap(figure)
    caption = body.new_tag("figcaption")
    caption.append(span := body.new_tag("span"))
    span.string = title
    name = re.sub(r"\W+", "-", re.sub(r"^SYNTHETIC: generated faces\.", "", title).strip().lower()).strip("-")[:60]
    link = body.new_tag("a", href=_csv(table), attrs={"download": f"{name}.csv", "aria-label": f"CSV: {title}"})
    link.string = "CSV"
    caption.append(link)
    figure.insert(0, caption)
    long = len(table.find_all("tr")) > LONG
    scroll = body.new_tag(
        "div", attrs={"class": "scroll long" if long else "scroll", "tabindex": "0", "role": "region"}
    )
    scroll["aria-label"] = title
    table.wrap(scroll)
    _fit_columns(body, table)


def _fit_columns(body: BeautifulSoup, table: Tag) -> None:
    """Widen columns of sentences; let long file names, but never intervals, break across lines."""
    rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
    for place, head in enumerate(table.find_all("th")):
        head["scope"] = "col"
        if any(len(row[place].get_text()) > SENTENCE for row in rows if place < len(row)):
            head["class"] = "sentences"
    for text in table.find_all(string=INTERVAL):
        text.replace_with(INTERVAL.sub("\\1\u00a0\\2", text))
    for text in table.find_all(string=LONG_WORD):
        text.replace_with(*_breakable(body, text))


def _breakable(body: BeautifulSoup, text: str) -> list[str | Tag]:
    """Allow line breaks in long words, after ``_``, ``.``, ``/`` and ``-``."""
    marked = LONG_WORD.sub(lambda word: re.sub(r"(?<=[_./-])", "\0", word.group()), text)
    first, *others = marked.split("\0")
    return [first, *(part for other in others for part in (body.new_tag("wbr"), other))]


def _weights_once(body: BeautifulSoup) -> None:
    """Remove notes on the trunk's weights that repeat an earlier note."""
    said: set[str] = set()
    for note in body.find_all("p"):
        found = WEIGHTS.match(note.get_text())
        if found and found.group(1) in said:
            note.decompose()
        elif found:
            if not said:
                note.append(" The same weights are those of every table below that does not name others.")
            said.add(found.group(1))


def _csv(table: Tag) -> str:
    """Write a table as CSV into a link."""
    text = io.StringIO()
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return "data:text/csv;charset=utf-8," + quote("\ufeff" + text.getvalue())


def _number_ids(body: BeautifulSoup) -> None:
    """Give every heading an id of its own, also where headings have the same words."""
    seen: set[str] = set()
    for heading in body.find_all(["h2", "h3"]):
        words = re.sub(r"\W+", "-", heading.get_text().lower()).strip("-")
        name, count = words, 2
        while name in seen:
            name, count = f"{words}-{count}", count + 1
        seen.add(name)
        heading["id"] = name


def _taken_title(body: BeautifulSoup) -> str:
    """Remove the notebook's title from the body and return it without its number."""
    heading = body.find("h1")
    return re.sub(r"^\d+ · ", "", heading.extract().get_text()) if heading else "Report"


def _contents(body: BeautifulSoup) -> str:
    lines, deep = ["<ol>"], False
    for heading in body.find_all(["h2", "h3"]):
        is_part = heading.name == "h3"
        if is_part and not deep:
            lines.append("<li><ol>")
        if deep and not is_part:
            lines.append("</ol></li>")
        deep = is_part
        lines.append(f'<li><a href="#{heading["id"]}">{escape(heading.get_text())}</a></li>')
    return "".join([*lines, "</ol></li>" if deep else "", "</ol>"])


def main(argv: list[str] | None = None) -> int:
    """Write the page of a notebook, the first argument, to a file, the second."""
    notebook, to = sys.argv[1:] if argv is None else argv
    try:
        write_text(to, page(notebook))
    except FerError as error:
        sys.stderr.write(f"report: error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
