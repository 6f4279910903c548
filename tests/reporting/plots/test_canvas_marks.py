import re
from itertools import combinations
from pathlib import Path

import pytest

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.reporting import render
from alpkd_pipeline.reporting.plots import canvas
from alpkd_pipeline.reporting.plots.canvas import HUES, PLACEHOLDERS, SHAPES, mark_of

CSS = (Path(render.__file__).parent / "page.css").read_text("utf-8")


def test_every_method_of_the_table_has_a_mark_of_its_own():
    marks = {name: mark_of(name) for name in METHODS}
    assert mark_of("a method of my own") not in marks.values()
    assert len(set(marks.values())) == len(marks)


def test_new_methods_of_the_table_have_marks_that_nobody_has(monkeypatch):
    before = {mark_of(name) for name in METHODS}
    rows = {f"new_{number}": METHODS["kd"] for number in range(5)}
    monkeypatch.setattr(canvas, "METHODS", METHODS | rows)
    new = {mark_of(name) for name in rows}
    assert len(new) == 5
    assert not new & (before | {mark_of("a method of my own")})
    assert {mark.marker for mark in new} <= set(SHAPES)


def test_other_configurations_of_a_method_have_its_colour_and_marks_that_nobody_has():
    everyone = {mark_of(name) for name in (*METHODS, "mine")}
    others = [mark_of(f"{name}#{place}") for place, name in enumerate(("ckd", "ckd_no") * 5, 1)]
    assert {mark.hue for mark in others} == {mark_of("ckd").hue}
    assert len({*others, *everyone}) == 10 + len(everyone)
    assert mark_of("mine#1").hue == mark_of("mine").hue
    assert mark_of("mine#1") not in everyone


def test_every_mark_can_be_drawn_in_a_legend():
    assert {mark_of(name).marker for name in (*METHODS, "mine", "kd#3")} <= set(SHAPES)


def variables(block):
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))


LIGHT, DARK = (variables(CSS.split(":root {")[i]) for i in (1, 2))


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_the_page_has_every_colour(colours):
    assert set(PLACEHOLDERS.values()) <= set(colours)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrasts_are_those_of_wcag(colours):
    for name in ("ink", "muted", "link", "good", "bad"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    for hue in HUES:
        assert contrast(colours[f"hue-{hue}"], colours["paper"]) >= 3.0, hue


DEUTERANOPIA = ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969))
PROTANOPIA = ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052))
"""Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB."""


@pytest.mark.parametrize("matrix", [DEUTERANOPIA, PROTANOPIA], ids=["deuteranopia", "protanopia"])
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_the_main_rivals_can_be_told_apart_without_red_or_green(colours, matrix):
    def seen(colour):
        parts = [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
        return [max(0.0, sum(m * p for m, p in zip(row, parts, strict=True))) for row in matrix]

    rivals = ("no_kd", "kd", "pkd", "alp_kd")
    hues = [seen(colours[f"hue-{mark_of(name).hue}"]) for name in rivals]
    for one, other in combinations(hues, 2):
        away = sum((a ** (1 / 2.2) - b ** (1 / 2.2)) ** 2 for a, b in zip(one, other, strict=True))
        assert away**0.5 > 0.12
