"""Sphinx settings of the site that ``make docs`` builds: notebooks, pages and the API of ``fer_lib``.

Sphinx reads the whole project folder (``sphinx -c docs . docs/_build/html``). So nothing is copied, and a relative
link such as ``../notebooks/01_data_exploration.ipynb`` means the same on GitHub, in JupyterLab and on the site.
Notebooks are shown with their stored outputs and never executed. The API pages come from the sources of ``fer_lib``,
which are parsed and not imported: the site needs neither TensorFlow nor Keras.

``docs/index.md`` is the only list of pages: the side bar has its sections and links, in its order.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docutils.nodes import document
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
GUIDE = "docs/index"
API = "docs/api/fer_lib/index"
LINK = re.compile(r"\]\(([^)#:]+)\.(?:md|ipynb)\)")
# either markup and escaped signs to keep, or a sign to show as it is
PLAIN = re.compile(r"(\\.|``.*?``|`[^`]*`|\*\*?\w(?:[^*]*\w)?\*\*?)|([*|])(?=\S)")
REDIRECT = (
    '<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={0}"><a href="{0}">{0}</a>\n'
)


def sections(guide: str) -> dict[str, list[str]]:
    """Read the pages of each ``##`` section from the text of ``docs/index.md``.

    Args:
        guide: Markdown. A page belongs to the section in which a list item starts with its link.

    Returns:
        Each section's pages in their order, named as Sphinx names them: paths from the project folder, without suffix.
    """
    found: dict[str, list[str]] = {}
    for part in re.split(r"^## ", guide, flags=re.MULTILINE)[1:]:
        items = re.findall(r"^(?:\*|\d+\.) (\[.*)$", part, flags=re.MULTILINE)
        links = [match for item in items if (match := LINK.search(item))]
        if links:
            paths = [(ROOT / "docs" / match[1]).resolve().relative_to(ROOT) for match in links]
            found[part.splitlines()[0]] = [path.as_posix() for path in paths]
    return found


PAGES = sections((ROOT / f"{GUIDE}.md").read_text(encoding="utf-8"))
SHOWN = [GUIDE, "README", *(page for pages in PAGES.values() for page in pages)]

_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project = _project["name"]
version = release = _project["version"]
author = _project["authors"][0]["name"]
project_copyright = author

extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = GUIDE
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}
include_patterns = [*(f"{page}.*" for page in SHOWN), "docs/api/**"]
# Sphinx walks through every folder that is not excluded, environments, corpora and results among them.
exclude_patterns = sorted(
    path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in {"docs", "notebooks"}
)
exclude_patterns += [".*", "docs/_build", "**.ipynb_checkpoints"]

nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the default would show an output's table as lines with bars
myst_heading_anchors = 3  # links such as decisions.md#networks, as on GitHub
# autoapi follows no name that a module only passes on, such as `keras` of fer_lib.backend; pages do not need it
suppress_warnings = ["autoapi.python_import_resolution"]

autoapi_dirs = [str(ROOT / "fer_lib")]
autoapi_root = "docs/api"
autoapi_options = ["members", "show-module-summary"]
autoapi_python_class_content = "class"  # "both" would copy the docstring of an inherited __init__, such as matplotlib's
autoapi_add_toctree_entry = False  # the side bar below has it
default_role = "code"  # docstrings write `name`, as Markdown does
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a class lists its attributes once, in its docstring
add_module_names = False

html_theme = "furo"
html_title = "Facial expression recognition, replicated"
html_copy_source = False
html_show_sphinx = False


def _side_bar(_app: Sphinx, name: str, source: list[str]) -> None:
    """Add the side bar's contents to the guide, where GitHub would show them as code."""
    if name == GUIDE:
        trees = {"": ["README"], **PAGES, "API": [API]}
        for caption, pages in trees.items():
            entries = [f"{page} </{page}>" if page == "README" else f"/{page}" for page in pages]
            options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
            source[0] += "\n".join(["", "```{toctree}", *options, "", *entries, "```", ""])


def _linked_names(app: Sphinx, doctree: document, name: str) -> None:
    """Turn the path of a page, such as `docs/decisions.md` in a notebook, into a link to it."""
    from docutils import nodes

    for literal in list(doctree.findall(nodes.literal)):
        page, _, suffix = literal.astext().rpartition(".")
        if suffix in {"md", "ipynb"} and page in SHOWN and not isinstance(literal.parent, nodes.reference):
            target = app.builder.get_relative_uri(name, page)
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), refuri=target, internal=True))


def _plain_signs(_app: Sphinx, _kind: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Show ``|x - z|`` and ``*shape`` in docstrings as they are, where reStructuredText would see markup."""
    lines[:] = [PLAIN.sub(lambda match: match[1] or f"\\{match[2]}", line) for line in lines]


def _front_door(app: Sphinx, error: Exception | None) -> None:
    """Lead from the site's root to the guide."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(REDIRECT.format(f"{GUIDE}.html"), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the steps of this file to Sphinx."""
    app.connect("source-read", _side_bar)
    app.connect("doctree-resolved", _linked_names)
    app.connect("autodoc-process-docstring", _plain_signs, priority=900)  # after napoleon
    app.connect("build-finished", _front_door)
