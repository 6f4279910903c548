"""The report in a real browser: on a phone, in light and dark, inside a frame."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.reporting.conftest import Store
from tests.reporting.report.conftest import full_study, html_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
DARK = "--blink-settings=preferredColorScheme=0"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=5000",
)
PROBE = """
frame.onload = () => {
  const page = frame.contentDocument, seen = frame.contentWindow;
  const outside = [...page.body.querySelectorAll("*")].filter((e) =>
    !e.closest(".scroll, .skip, svg, style, script") &&
    e.getBoundingClientRect().right > seen.innerWidth + 1);
  const boxes = [...page.querySelectorAll(".scroll")];
  const field = page.querySelector("input[type=search]");
  const rows = () => [...page.querySelectorAll("#list-of-students tbody tr:not(.heading)")]
    .filter((row) => !row.hidden).length;
  const before = rows();
  if (field) { field.value = "alp_kd rte"; field.dispatchEvent(new seen.Event("input")); }
  const found = {
    width: seen.innerWidth,
    page: page.documentElement.scrollWidth,
    outside: outside.map((e) => e.tagName + "." + e.className),
    scrolled: boxes.filter((e) => e.scrollWidth > e.clientWidth).length,
    background: seen.getComputedStyle(page.body).backgroundColor,
    picture: seen.getComputedStyle(page.querySelector("figure svg text")).fill,
    font: Math.min(...[...page.querySelectorAll("figure svg text")].map(
      (e) => parseFloat(seen.getComputedStyle(e).fontSize) *
        e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width)),
    rows: [before, rows()],
  };
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
};
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("report") / "data")
    full_study(store)
    return html_of(store.root)


def chromium(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    profile = folder / "profile"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def framed(text: str, folder: Path, width: int, sandbox: str = "", script: str = "") -> Path:
    """A page that shows another one in a frame so wide, as a phone or MLflow would."""
    page = folder / "frame.html"
    frame = (
        f'<iframe id="frame" width="{width}" height="900" {sandbox} srcdoc="{html.escape(text)}">'
    )
    page.write_text(f"<!DOCTYPE html><body>{frame}</iframe><script>{script}</script></body>")
    return page


def look(text: str, folder: Path, width: int, *options: str) -> dict:
    # The script is before the frame's load event: srcdoc loads later.
    page = framed(text, folder, width, script=PROBE.strip())
    dom = chromium(page, folder, "--dump-dom", "--window-size=1400,1000", *options).stdout
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert found, "the page was not loaded"
    return json.loads(html.unescape(found[1]))


def console(run: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_as_wide_as_its_window_and_tables_scroll_inside(report, tmp_path, width):
    found = look(report, tmp_path, width)
    assert found["width"] == width
    assert found["page"] <= width
    assert found["outside"] == []
    assert found["font"] >= 7
    if width == 360:
        assert found["scrolled"] >= 3


def test_a_page_that_is_too_wide_would_be_seen(report, tmp_path):
    wide = report.replace('<main id="main">', '<main id="main"><div style="width:900px">x</div>')
    found = look(wide, tmp_path, 360)
    assert found["page"] > 360
    assert found["outside"]


def test_light_and_dark(report, tmp_path):
    light, dark = look(report, tmp_path, 800), look(report, tmp_path, 800, DARK)
    assert light["background"] == "rgb(253, 253, 251)"
    assert dark["background"] == "rgb(20, 23, 26)"
    assert light["picture"] != dark["picture"]


def test_the_search_field_leaves_the_rows_with_all_words(report, tmp_path):
    assert look(report, tmp_path, 800)["rows"] == [18, 3]


@pytest.mark.parametrize("sandbox", ["", 'sandbox=""', 'sandbox="allow-scripts"'])
def test_nothing_is_complained_about_inside_a_frame(report, tmp_path, sandbox):
    page = framed(report, tmp_path, 800, sandbox)
    # Without scripts the page is whole, and the browser says that it blocked them.
    said = console(chromium(page, tmp_path, "--dump-dom"))
    expected = 1 if sandbox == 'sandbox=""' else 0
    assert len([line for line in said if "Blocked script execution" in line]) == expected
    assert len(said) == expected


def test_nothing_is_complained_about_as_a_file(report, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(report, encoding="utf-8")
    run = chromium(page, tmp_path, "--dump-dom")
    assert console(run) == []
    assert 'type="search"' in run.stdout


def test_a_complaint_would_be_seen(report, tmp_path):
    bad = report.replace("</script>", "nothing.at.all();</script>")
    page = tmp_path / "report.html"
    page.write_text(bad.replace("<h1>", '<img src="https://example.invalid/x.png"><h1>'))
    said = " ".join(console(chromium(page, tmp_path, "--dump-dom")))
    assert "nothing is not defined" in said
    assert "Content Security Policy" in said


def test_it_prints(report, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(report, encoding="utf-8")
    out = tmp_path / "report.pdf"
    chromium(page, tmp_path, f"--print-to-pdf={out}", "--no-pdf-header-footer")
    assert out.read_bytes().startswith(b"%PDF")


def test_on_paper_no_column_is_cut_off(report, tmp_path):
    """What is left of 11 inches between margins of 12 mm; there is nothing to scroll."""
    found = look(report.replace("@media print", "@media all"), tmp_path, 960)
    assert found["scrolled"] == 0
    assert found["page"] <= 960
