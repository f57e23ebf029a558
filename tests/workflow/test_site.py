"""The documentation site builds without a warning, its links hold, its reference is complete."""

import importlib.util
import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

import build_site
from support import ROOT

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sphinx") is None, reason="requirements-docs.lock is not installed"
)


class Page(HTMLParser):
    """Links, pictures and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.remote = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        for key in ("href", "src", "data"):
            if target := given.get(key):
                self.links.append(target)
                if tag in ("script", "img", "link", "object", "iframe"):
                    self.remote.append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build_site.build_site(str(folder / "site"), str(folder / "pages"))
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_links_lead_to_pages_and_headings(site, pages):
    assert len(pages) > 40
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme:
                assert target.scheme in ("https", "mailto", "data"), link
                continue
            file = (path.parent / unquote(target.path)).resolve() if target.path else path
            found = file.exists() and file.is_relative_to(site)
            anchor = unquote(target.fragment)
            if not found or (anchor and file in pages and anchor not in pages[file].anchors):
                wrong.append(f"{path.name}: {link}")
    assert not wrong


def test_the_pages_need_no_network(pages):
    for path, page in pages.items():
        assert not [link for link in page.remote if urlsplit(link).scheme == "https"], path


def test_every_page_of_the_docs_is_on_the_site(site):
    for page in [*ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        folder = ROOT / "docs" if page.is_relative_to(ROOT / "docs") else ROOT
        assert (site / page.relative_to(folder)).with_suffix(".html").is_file(), page


def test_the_reference_contains_every_rule(site):
    text = (site / "reference" / "rules.html").read_text(encoding="utf-8")
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    names = re.findall(r"^(?:    )?rule (\w+):", rules, re.M)
    assert len(names) > 30
    assert not [name for name in names if f">{name}<" not in text]
    assert (shutil.which("dot") is None) == ('class="graphviz"' not in text)


def test_the_reference_contains_every_public_function(site):
    anchors = Page(site / "reference" / "python.html").anchors
    package = ROOT / "scripts" / "moirepol"
    for file in package.rglob("*.py"):
        module = ".".join(file.relative_to(package.parent).with_suffix("").parts)
        for name in build_site._public_names(file):
            assert f"{module.removesuffix('.__init__')}.{name}" in anchors


def test_a_warning_is_an_error(tmp_path, monkeypatch):
    collect = build_site.collect_pages

    def collect_with_fault(pages):
        collect(pages)
        with open(pages / "usage.md", "a", encoding="utf-8") as page:
            page.write("\n[nowhere](nowhere.md)\n")

    monkeypatch.setattr(build_site, "collect_pages", collect_with_fault)
    monkeypatch.setattr(build_site, "rules_page", lambda rules: "# Rules\n")
    monkeypatch.setattr(build_site, "python_page", lambda: "# Python\n")
    monkeypatch.setattr(build_site, "load_rules", list)
    with pytest.raises(build_site.JobError, match="Sphinx: status 1"):
        build_site.build_site(str(tmp_path / "site"), str(tmp_path / "pages"))
