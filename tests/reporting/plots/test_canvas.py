import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest
from tests.reporting.svgs import drawn, texts

from alpkd_pipeline.reporting.plots.canvas import (
    INK,
    WIDTH,
    cut,
    label_width,
    mark_of,
    panel,
    row_labels,
    style,
    svg,
)


def figure_of(label="x"):
    figure, axes = panel(1.0)
    axes.plot([0, 1], [0, 1], "o", color=mark_of("kd").colour)
    axes.set_title(label, color=INK)
    row_labels(axes, ["first"], [0.5])
    return figure


def test_text_stays_text_in_the_pages_font():
    picture = drawn(figure_of("a title"))
    assert {"a title", "first"} <= set(texts(picture))
    assert "font-family" not in picture


def test_colours_become_variables_of_the_page():
    picture = drawn(figure_of())
    assert "var(--ink)" in picture
    assert "var(--hue-blue)" in picture
    assert "#01" not in picture
    assert "#10" not in picture


def test_the_picture_is_one_element_that_says_what_it_shows():
    picture = svg(figure_of(), "x", 'more than "a" & <b>')
    root = ElementTree.fromstring(picture)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'more than "a" & <b>'
    assert root.get("viewBox").split()[2] == f"{72 * WIDTH:.6g}"
    assert "http" not in picture
    assert "<style" not in picture


def test_ids_are_unique_and_every_reference_has_its_target():
    ids = []
    for name in ("one", "two"):
        root = ElementTree.fromstring(drawn(figure_of(), name))
        ids += [e.get("id") for e in root.iter() if e.get("id")]
        for element in root.iter("use"):
            assert element.get("href").removeprefix("#") in ids
    assert len(ids) == len(set(ids))
    assert all(name.startswith(("one-", "two-")) for name in ids)


def test_the_same_figure_gives_the_same_text():
    assert drawn(figure_of()) == drawn(figure_of())


def test_names_with_dollars_and_brackets_are_only_names():
    assert "$\\frac$ &lt;b&gt; &amp;" in drawn(figure_of("$\\frac$ <b> &"))


def test_a_persons_settings_do_not_show():
    plain = drawn(figure_of())
    with matplotlib.rc_context({"xtick.direction": "in", "axes.xmargin": 0.4}):
        assert drawn(figure_of()) != plain
        with style():
            assert drawn(figure_of()) == plain


def test_settings_are_put_back():
    before = dict(matplotlib.rcParams)
    drawn(figure_of())
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_imported():
    code = (
        "import sys; from alpkd_pipeline.reporting.plots.canvas import panel, svg;"
        "svg(panel(1.0)[0], 'x', 'y'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("label", "short"), [("kd", "kd"), ("x" * 30, "x" * 20 + "…")])
def test_long_labels_are_cut(label, short):
    assert cut(label) == short


def test_labels_get_room_up_to_a_limit():
    assert label_width(["kd"]) < label_width(["kd (training.lr=0.0001)"]) == 1.6
    assert label_width([]) > 0
