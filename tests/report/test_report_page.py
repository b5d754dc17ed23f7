"""Test the report's page: complete, self-contained, readable on every screen and accessible."""

import csv
import io
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fer_lib.errors import FerError
from fer_lib.figures.style import new_figure
from fer_lib.report import page as report_page

PROJECT = Path(__file__).parents[2]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ROWS = [["model", "accuracy", "why"], ["a <b> & c", "0.5 [0.1, 0.9]", "so, it is"], ["née", "– [-0.1, +0.3]", "x" * 70]]
TABLE = "\n".join(
    [
        "**SYNTHETIC: generated faces. A table: of numbers**\n",
        "| " + " | ".join(ROWS[0]) + " |",
        "|:--|:--|:--|",
        *("| " + " | ".join(cell.replace("<", "&lt;") for cell in row) + " |" for row in ROWS[1:]),
        "\nA note.",
    ]
)


def made(tmp_path, *cells):
    nbformat.write(new_notebook(cells=list(cells)), tmp_path / "08.ipynb")
    return BeautifulSoup(report_page.page(tmp_path / "08.ipynb"), "html.parser")


def shown(data, **metadata):
    return new_code_cell("secret_code()", outputs=[new_output("display_data", data=data, metadata=metadata)])


@pytest.fixture
def page(tmp_path):
    long = "**Long**\n\n| n |\n|--|\n" + "\n".join(f"| {n} |" for n in range(40))
    return made(
        tmp_path,
        new_markdown_cell("# 08 · Replication report\n\nWords."),
        new_markdown_cell("## Setup\n\nNot for readers.", metadata={"tags": ["not-in-report"]}),
        shown({"text/markdown": "## SYNTHETIC · Profile `smoke`", "text/plain": "<Markdown>"}),
        new_markdown_cell("## Part\n\n### Detail\n\ntext\n\n### Detail\n\n## Part"),
        shown({"text/markdown": TABLE, "text/plain": "no"}),
        shown({"text/markdown": long}),
        shown({"image/png": PIXEL, "text/plain": "<Figure>"}, **{"image/png": {"alt": 'A "figure" & more'}}),
        new_code_cell("1", outputs=[new_output("stream", name="stdout", text="<said>")]),
        new_code_cell("1", outputs=[new_output("stream", name="stderr", text="a warning")]),
    )


def test_the_page_has_a_title_and_what_the_notebook_shows_but_no_code(page):
    assert page.html["lang"] == "en"
    assert page.title.get_text() == "Replication report · SYNTHETIC · Profile smoke"
    assert [heading.get_text() for heading in page.find_all("h1")] == ["Replication report"]
    words = page.main.get_text()
    assert "Words." in words
    assert "<said>" in words
    for hidden in ("secret_code", "Not for readers", "a warning", "<Markdown>", "<Figure>"):
        assert hidden not in page.get_text()


def test_contents_lead_to_every_heading_and_each_has_its_own(page):
    links = [(link["href"], link.get_text()) for link in page.nav.find_all("a")]
    assert [text for _, text in links] == ["SYNTHETIC · Profile smoke", "Part", "Detail", "Detail", "Part"]
    assert len({href for href, _ in links}) == 5
    for href, text in links:
        assert page.main.find(id=href.removeprefix("#")).get_text() == text


def test_a_table_has_its_title_its_numbers_as_csv_and_a_frame(page):
    figure = page.find("figure", class_="table")
    assert figure.figcaption.span.get_text() == "SYNTHETIC: generated faces. A table: of numbers"
    link = figure.figcaption.a
    assert link["download"] == "a-table-of-numbers.csv"
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    assert list(csv.reader(io.StringIO(unquote(content).removeprefix("\ufeff")))) == ROWS
    assert figure.find(role="region")["tabindex"] == "0"
    assert [head.get("class") for head in figure.find_all("th")] == [None, None, ["sentences"]]
    assert "[0.1,\u00a00.9]" in figure.get_text()
    assert "[-0.1,\u00a0+0.3]" in figure.get_text()
    assert [frame["class"] for frame in page.select(".scroll")] == [["scroll"], ["scroll", "long"]]


def test_what_is_generated_is_marked(page):
    marked = {element.get_text() for element in page.select(".synthetic")}
    assert {"SYNTHETIC · Profile smoke", "SYNTHETIC: generated faces. A table: of numbers"} == {
        re.sub(" `?smoke`?", " smoke", text) for text in marked
    }


def test_a_picture_has_words(page):
    assert page.find("figure", class_="picture").img["alt"] == 'A "figure" & more'
    figure = new_figure(1, "Title", note="Note.", synthetic=True)
    assert figure._repr_png_()[1] == {"alt": "SYNTHETIC: generated faces. Title. Note."}
    assert new_figure(1, "Can it be?", note="Bars.")._repr_png_()[1] == {"alt": "Can it be? Bars."}


def test_a_note_on_weights_is_shown_once_and_others_stay(tmp_path):
    first, second = (f"Weights of ResNet{dash}50's trunk: file a.h5. They are not ImageNet's." for dash in ("", "-"))
    other = "Weights of ResNet50's trunk: none."
    table = "**Scores**\n\n| n |\n|--|\n| 1 |\n\n"
    shows = (first, f"{table}{second}", f"{table}{other}", f"{table}{second}\n\nA note.")
    page = made(tmp_path, *(shown({"text/markdown": text}) for text in shows))
    notes = [note.get_text() for note in page.main.find_all("p")]
    assert len(notes) == 3
    assert notes[0].startswith(first)
    assert "every table below" in notes[0]
    assert notes[1:] == [other, "A note."]


def test_long_names_may_break_and_numbers_may_not(tmp_path):
    table = "**T**\n\n| n |\n|--|\n| file resnet50_tinyimagenet_notop.weights.h5, 0.1234 [-0.5678, 0.9] |"
    cell = str(made(tmp_path, shown({"text/markdown": table})).td)
    assert "resnet50_<wbr/>tinyimagenet_<wbr/>notop.<wbr/>weights.<wbr/>h5, 0.1234 [-0.5678,\u00a00.9]" in cell


def test_nothing_is_fetched_and_nothing_runs(page):
    assert not page.find_all(["script", "link", "iframe"])
    for element in page.find_all(True):
        for name in ("src", "href"):
            assert element.get(name, "#").startswith(("#", "data:"))
        assert not any(name.startswith("on") for name in element.attrs)
    assert not re.findall(r"@import|url\(", report_page.STYLE.read_text("utf-8"))


def test_what_is_no_notebook_is_one_sentence(tmp_path, capsys):
    (tmp_path / "08.ipynb").write_text("{")
    with pytest.raises(FerError, match=r"08\.ipynb is no notebook"):
        report_page.page(tmp_path / "08.ipynb")
    assert report_page.main([str(tmp_path / "08.ipynb"), str(tmp_path / "report.html")]) == 2
    assert capsys.readouterr().err.startswith("report: error: 08.ipynb is no notebook")
    assert not (tmp_path / "report.html").exists()


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; needs `pip install -e .[browser]` and a chromium on the PATH."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' is not installed")
    pytest.importorskip("axe_playwright_python", reason="the extra 'browser' is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_the_committed_reports_in_chromium(browser, profile, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("requestfailed", lambda request: complaints.append(request.url))
    tab.goto((PROJECT / "results" / "reference" / profile / "report.html").as_uri())
    assert complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if width == 1280:
        wider = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
        assert tab.evaluate(wider) == 0
    assert tab.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60
    assert Axe().run(tab).response["violations"] == []
    with tab.expect_download() as download:
        tab.locator("a[download]").first.click()
    assert download.value.suggested_filename.endswith(".csv")
    context.close()
