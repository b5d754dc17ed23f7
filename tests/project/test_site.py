"""Test the site's pages: none is missing, and links work. ``make docs`` builds the site; no test needs Sphinx."""

from __future__ import annotations

import re
import runpy
import subprocess
from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CONF = runpy.run_path(str(PROJECT / "docs" / "conf.py"))
LISTED = [page for pages in CONF["PAGES"].values() for page in pages]
FILES = [next(PROJECT.glob(f"{page}.*")) for page in CONF["SHOWN"]]
MARKDOWN = [path for path in FILES if path.suffix == ".md"]


def anchors(path: Path) -> set[str]:
    """Name a page's headings as GitHub and MyST do."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    slugs = [
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    ]
    seen: Counter[str] = Counter()
    for slug in slugs:
        seen[slug] += 1
    return {slug if count == 0 else f"{slug}-{count}" for slug in seen for count in range(seen[slug])}


def links(path: Path) -> list[tuple[str, str]]:
    """List the targets and anchors of a page's relative links."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [(to, at) for to, at in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text) if not re.match(r"\w+:", to)]


def test_the_guide_lists_every_notebook_and_every_page():
    notebooks = [path.relative_to(PROJECT).with_suffix("") for path in sorted(PROJECT.glob("notebooks/*.ipynb"))]
    pages = [path.relative_to(PROJECT).with_suffix("") for path in sorted(PROJECT.glob("docs/*.md"))]
    expected = {path.as_posix() for path in [*notebooks, *pages]} - {"docs/index"}
    assert expected - set(LISTED) == set(), "add these to a list of docs/index.md"
    assert CONF["PAGES"]["Notebooks"] == [path.as_posix() for path in notebooks]
    assert [page for page, times in Counter(LISTED).items() if times > 1] == []


def test_a_page_belongs_to_the_section_in_which_an_item_starts_with_its_link():
    guide = "# Guide\n* [a](a.md)\n## One\nSee [b](b.md).\n* [c](c.md): not [d](d.md)\n## Two\n"
    guide += "## Three\n1. [e](../notebooks/e.ipynb)\n"
    assert CONF["sections"](guide) == {"One": ["docs/c"], "Three": ["notebooks/e"]}


def test_sphinx_walks_through_docs_and_notebooks_alone():
    folders = {path.name for path in PROJECT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders - set(CONF["exclude_patterns"]) == {"docs", "notebooks"}
    assert CONF["nb_execution_mode"] == "off"


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_relative_links_lead_to_files_and_headings(path):
    for to, at in links(path):
        target = (path.parent / to).resolve() if to else path
        assert target.is_file(), f"{to}: a link to a folder would not work on the site"
        assert target.is_relative_to(PROJECT), to
        if at:
            assert at in anchors(target), f"{to}#{at}"


def test_what_the_build_writes_is_not_committed():
    written = ["docs/_build/html/index.html", "docs/api/fer_lib/index.rst"]
    ignored = subprocess.run(["git", "check-ignore", *written], cwd=PROJECT, capture_output=True, text=True)
    assert ignored.stdout.split() == written
