"""The page as a whole: what it is made of, and that it holds for every kind of store."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from tests.reporting.pages import read_page
from tests.reporting.report.conftest import html_of, page_of, section, sections
from tests.reporting.studies import reseal, study

from alpkd_pipeline.store.manifest import read_json, write_json

EVERYTHING = [
    "short",
    "compared",
    "scores",
    "verdicts",
    "seeds",
    "classes",
    "curves",
    "size",
    "attention",
    "geometry",
    "published",
    "cost",
    "tuning",
    "settings",
    "runs",
]


def test_the_sections_stand_in_their_order_and_in_the_contents(full_page):
    assert sections(full_page) == EVERYTHING
    (nav,) = full_page.all("nav")
    assert [a.get("href") for a in nav.all("a")] == [f"#{name}" for name in EVERYTHING]


def test_every_link_has_its_target_and_every_id_is_there_once(full_page):
    ids = [e.get("id") for e in full_page.every() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = [e.get("href") for e in full_page.every() if e.get("href")]
    assert len(links) > 100
    assert {link for link in links if not link.startswith("#")} == set()
    assert {link.removeprefix("#") for link in links} <= set(ids)
    used = re.findall(
        r"url\(#([^)]*)\)", " ".join(e.get("clip-path") or "" for e in full_page.every())
    )
    assert set(used) <= set(ids)


def test_nothing_is_asked_of_anybody(full_html, full_page):
    assert "http:" not in full_html
    assert "https:" not in full_html
    assert "@import" not in full_html
    sources = [e.get("src") for e in full_page.every() if e.get("src")]
    pictures = [e.get("href") or e.get("xlink:href") for e in full_page.all("image")]
    assert sources == []
    assert all(picture.startswith("data:image/png") for picture in pictures if picture)
    policies = [m.get("content") for m in full_page.all("meta") if m.get("http-equiv")]
    assert policies[0].startswith("default-src 'none'")


def test_every_table_has_a_caption_and_headings_with_a_scope(full_page):
    tables = full_page.all("table")
    assert len(tables) >= 8
    for table in tables:
        assert table.children[0].tag == "caption"
        assert table.children[0].text
        assert {th.get("scope") for th in table.all("th")} <= {"col", "row", "rowgroup"}
        (head,) = table.all("thead")
        width = len(head.all("th"))
        for row in table.all("tr"):
            experiments = [
                experiment for experiment in row.children if experiment.tag in ("td", "th")
            ]
            assert sum(int(experiment.get("colspan") or 1) for experiment in experiments) == width
            assert experiments[0].tag == "th"


def test_tables_scroll_in_a_box_that_the_keyboard_reaches(full_page):
    for table in full_page.all("table"):
        assert table.parent.get("class") == "scroll"
        assert table.parent.get("tabindex") == "0"
        assert table.parent.get("aria-label")


def test_headings_leave_out_no_level(full_page):
    levels = [int(e.tag[1]) for e in full_page.every() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_every_picture_says_what_it_shows(full_page):
    figures = full_page.all("figure")
    assert len(figures) > 10
    labels = []
    for figure in figures:
        (picture,) = figure.all("svg")
        assert picture.get("role") == "img"
        labels.append(picture.get("aria-label"))
        assert figure.all("figcaption")[0].text
    assert all(labels)
    assert len(set(labels)) == len(labels)


def test_marks_beside_words_are_silent(full_page):
    marks = [e for e in full_page.all("svg") if e.get("class") == "mark"]
    assert marks
    assert {mark.get("aria-hidden") for mark in marks} == {"true"}


def test_one_can_skip_to_the_content(full_page):
    (body,) = full_page.all("body")
    assert body.children[0].get("href") == "#main"
    assert full_page.all("main")[0].get("id") == "main"


def test_the_page_is_for_phones_and_for_both_lights(full_html):
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in full_html
    assert "prefers-color-scheme: dark" in full_html
    assert "@media print" in full_html


def test_all_variables_of_the_pictures_are_in_the_style_sheet(full_html):
    used = set(re.findall(r"var\(--([a-z-]+)\)", full_html))
    assert used <= set(re.findall(r"--([a-z-]+):", full_html))


def test_the_same_store_gives_the_same_page(store):
    study(store, tasks=["mrpc"], seeds=1)
    assert html_of(store.root) == html_of(store.root)


def test_an_empty_store_has_a_page_that_says_so(store):
    page = page_of(store.root)
    assert sections(page) == ["compared"]
    assert "nothing to compare" in page.text


def test_a_store_of_trials_alone_is_empty_and_says_what_it_left_out(store):
    store.student(0, run_type="trial")
    page = page_of(store.root)
    assert sections(page) == ["compared"]
    assert "1 trial: counted here and shown nowhere" in page.text


def test_one_run_with_nothing_beside_it(store):
    store.student(0)
    page = page_of(store.root)
    assert [name for name in EVERYTHING if name not in sections(page)] == ["attention", "tuning"]
    said = page.text
    assert "1 student on mrpc: 1 method, 1 depth." in said
    assert "no baseline" in section(page, "verdicts").text
    assert "No event log of these runs could be read." in said
    assert "No latency was measured" in said
    assert "have not been looked at" in said


def test_one_seed_shows_no_spread_and_no_verdicts(store):
    study(store, seeds=1)
    page = page_of(store.root)
    assert "±" not in section(page, "scores").text.partition("Every score")[2]
    assert "rest on fewer than 3 seeds" in page.text
    verdicts = section(page, "verdicts").text
    assert "nothing can be said" in verdicts
    assert "better" not in verdicts.replace("a better", "").partition("against no_kd")[2]


NASTY = "<script>alert(1)</script>&\"'$x$ {{ 7*7 }}"


def test_names_may_hold_anything(store):
    def nasty(params, run):
        run["task"]["name"] = params["task"]["name"] = NASTY
        params["method"]["name"] = NASTY.replace("/", "")  # it names the folder
        params["teacher"]["model"] = NASTY
        run["provenance"]["git_commit"] = NASTY

    for seed in range(2):
        store.student(seed, 0.8, change=nasty)
        store.student(seed, 0.7)
    text = html_of(store.root)
    assert "<script>alert" not in text
    assert "49" not in read_page(text).all("h1")[0].text
    page = read_page(text)
    assert len(page.all("script")) == 1
    captions = [figure.all("figcaption")[0].text for figure in page.all("figure")]
    assert any(NASTY in caption for caption in captions)
    ids = [e.get("id") for e in page.every() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in ids)


def lacking(folder: Path, rows: int, left_out: int, steps: int) -> None:
    metrics = read_json(folder / "metrics.json")
    metrics |= {"unlabelled": {"rows": rows, "left_out": left_out}, "steps": steps}
    write_json(folder / "metrics.json", metrics)
    reseal(folder)


def test_unlike_rows_and_steps_are_marked(store):
    for folder in study(store, tasks=("mrpc",), methods=("no_kd", "kd")):
        if folder.name.startswith("no_kd"):
            lacking(folder, 0, 2000, 35)
        else:
            lacking(folder, 2000, 0, 345)
    text = section(page_of(store.root), "compared").text
    assert (
        "Some train rows of mrpc have no label: trained were kd with them in 345 steps; no_kd"
        " without them in 35 steps. What differs between these is of the rows and steps, too."
    ) in text


def test_rows_without_a_label_are_told_where_all_train_alike(store):
    for folder in study(store, tasks=("mrpc",), methods=("kd", "alp_kd")):
        lacking(folder, 2000, 0, 345)
    text = section(page_of(store.root), "compared").text
    assert "trained were alp_kd and kd with them in 345 steps." in text
    assert "What differs" not in text
