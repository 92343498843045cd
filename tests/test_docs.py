"""README.md and docs/: links that lead somewhere, tables of the figures, options."""

import re
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LOADED = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*=["']https?:[^>]*>""")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in titles
    }


def broken_links(page):
    """The links of a page that lead nowhere; those into the net are left out."""
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.is_file() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_and_pictures_lead_somewhere(page):
    assert list(broken_links(page)) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One title\n[a](#one-title) [b](#two) ![c](c.png) [d](page.md)\n")
    assert list(broken_links(page)) == ["#two", "c.png"]


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    [tree] = re.findall(r"```{toctree}\n:hidden:\n\n(.*?)```", index, re.DOTALL)
    names = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert tree.split() == list(dict.fromkeys(re.findall(r"\((\w+)\.md\)", index)))
    assert set(tree.split()) == names


def test_every_picture_is_shown():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in LINK.findall(page.read_text())
    }
    assert set((ROOT / "docs" / "pictures").glob("*.*")) <= shown


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_option_exists(page):
    """An option that was renamed is noticed, also where it stands within a text."""
    sources = [
        *ROOT.glob("commands/*.py"),
        *ROOT.glob("*/arguments.py"),
        ROOT / "goodparts" / "command.py",
        ROOT / "goodparts" / "cli.py",
        ROOT / "deployment" / "trust.py",
        ROOT / "notebooks" / "make.py",
    ]
    known = {
        flag
        for source in sources
        for flag in re.findall(r'"(--[a-z][a-z0-9-]*)"', source.read_text())
    }
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page.read_text()))
    assert told <= known


@pytest.fixture
def results_page(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return runpy.run_path(str(ROOT / "benchmarks" / "results_page.py"))


def test_the_tables_are_those_of_the_figures(results_page):
    """If not: python3 benchmarks/results_page.py"""
    for page in results_page["PAGES"]:
        text = page.read_text()
        assert text == results_page["rewritten"](text), page


def test_the_command_writes_what_has_changed(results_page, tmp_path, capsys):
    """On copies: one page is as it should be, one has lost its tables."""
    kept, emptied = tmp_path / "kept.md", tmp_path / "emptied.md"
    text = (ROOT / "README.md").read_text()
    kept.write_text(text)
    emptied.write_text(results_page["PLACE"].sub(r"\1\3", text))
    assert emptied.read_text() != text
    main = results_page["main"]
    main.__globals__.update(ROOT=tmp_path, PAGES=[kept, emptied])
    main()
    assert kept.read_text() == emptied.read_text() == text
    shown = capsys.readouterr().out
    assert shown == "kept.md: up to date\nemptied.md: written\n"


def test_every_table_is_shown(results_page):
    shown = results_page["PLACE"].findall((ROOT / "docs" / "results.md").read_text())
    assert sorted(name for _, name, _ in shown) == sorted(results_page["TABLES"])


def test_other_figures_make_another_table(results_page, monkeypatch, tmp_path):
    import figure_tables

    results = shutil.copytree(ROOT / "benchmarks" / "results", tmp_path / "results")
    monkeypatch.setattr(figure_tables, "RESULTS", results)
    [path] = results.glob("strange_scenes-*.csv")
    path.write_text(
        path.read_text().replace("good bottles of test,180,180", "good,9,7")
    )
    text = "before\n<!-- table: strange_scenes -->\nold\n<!-- end -->\nafter\n"
    page = results_page["rewritten"](text)
    assert "| good | 9 | 7 | 0 | 0 | 180 |" in page and "old" not in page
    assert page.startswith("before\n") and page.endswith("<!-- end -->\nafter\n")
    path.unlink()
    with pytest.raises(Exception, match="make bench"):
        results_page["rewritten"](text)


def test_a_table_that_is_not_known_is_named(results_page):
    with pytest.raises(Exception, match="no table 'nothing'"):
        results_page["rewritten"]("<!-- table: nothing -->\n<!-- end -->\n")


@pytest.mark.skipif(
    not all(map(find_spec, ("sphinx", "myst_parser", "furo"))),
    reason="needs the packages of make docs",
)
def test_the_site_is_built_without_warnings_and_works_offline(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "--quiet"]
    command += ["-d", tmp_path / "trees", ROOT / "docs", tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    site = tmp_path / "site"
    assert {page.stem for page in PAGES} - {"README"} <= {
        page.stem for page in site.glob("*.html")
    }
    assert "load_bundle" in (site / "api.html").read_text()
    for page in site.glob("*.html"):  # what a browser loads, links aside
        assert not LOADED.findall(page.read_text()), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)[\s\"']*https?:", sheet.read_text()), (
            sheet
        )
