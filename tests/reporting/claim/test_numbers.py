"""The names of numbers, how they are printed, and their macros."""

from __future__ import annotations

import re

import pytest
from tests.reporting.experiment_frames import frame, judge_of, run, seeds

from alpkd_pipeline.reporting.claim.numbers import latex, numbers
from alpkd_pipeline.reporting.tex import escape

KD, ALP = [0.70, 0.71, 0.72, 0.71], [0.80, 0.81, 0.82, 0.81]


def told(*runs: object, **plan: object) -> dict[str, str]:
    return numbers(judge_of(frame(*runs), **plan))


def test_every_number_of_a_mean_and_a_pair_has_its_name():
    found = told(seeds("kd", KD), seeds("alp_kd", ALP))
    assert {n: v for n, v in found.items() if n.startswith("mrpc/4/kd/")} == {
        "mrpc/4/kd/mean": "71.0",
        "mrpc/4/kd/std": "0.8",
        "mrpc/4/kd/low": "69.7",
        "mrpc/4/kd/high": "72.3",
        "mrpc/4/kd/seeds": "4",
    }
    pair = {n.removeprefix("mrpc/4/alp_kd/against/kd/"): v for n, v in found.items() if "kd/kd" in n
            or "against/kd/" in n}  # fmt: skip
    assert pair == {
        "difference": "+10.0",
        "low": "-",
        "high": "-",
        "seeds": "4",
        "p": "0.1250",
        "t": "inf",
        "df": "3.000",
        "p-corrected": "0.1250",
        "p-equal": "1.0000",
        "verdict": "not distinguishable",
        "new-texts": "-",
    }
    assert found["mrpc/4/best"] == "alp_kd"


def test_the_best_that_is_shown_says_so():
    better = [score + noise for score, noise in zip(ALP, (0, 0.001, 0.002, -0.001), strict=True)]
    assert told(seeds("kd", KD), seeds("alp_kd", better))["mrpc/4/best"] == "alp_kd (shown)"


def test_errors_are_told_as_they_are():
    found = told(seeds("kd", KD, metric="rmse"), seeds("alp_kd", ALP, metric="rmse"))
    assert found["mrpc/4/kd/mean"] == "0.710"
    assert found["mrpc/4/alp_kd/against/kd/difference"] == "+0.100"
    assert found["mrpc/4/best"] == "kd"


def test_first_questions():
    found = told(seeds("kd", KD), seeds("alp_kd", ALP), primary=[["alp_kd", "kd"], ["ckd", "kd"]])
    asked = {n: v for n, v in found.items() if n.startswith("question/")}
    assert asked["question/alp_kd/kd/gain"] == "10.00"
    assert asked["question/ckd/kd/verdict"] == "nothing can be said"
    assert asked["question/ckd/kd/gain"] == "-"
    assert len(asked) == 12


def test_a_run_alone_and_none():
    assert told(run("kd", 0.7)) == {
        "mrpc/4/kd/mean": "70.0",
        "mrpc/4/kd/std": "-",
        "mrpc/4/kd/low": "-",
        "mrpc/4/kd/high": "-",
        "mrpc/4/kd/seeds": "1",
        "mrpc/4/best": "kd",
    }
    assert numbers(judge_of(frame(run("kd", 0.7)).iloc[:0])) == {}


def test_labels_of_two_settings_stand_in_the_names():
    found = told(seeds("kd", KD, training__lr=0.0002), seeds("kd", [0.7, 0.6], training__lr=0.0004))
    assert "mrpc/4/kd (training.lr=0.0002)/mean" in found


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a_b", "a_b"),
        ("50%", "50<25>"),
        ("{x}", "<7b>x<7d>"),
        ("#1", "<23>1"),
        ("a\\b", "a<5c>b"),
        ("a\nb", "a<a>b"),
        ("a  b", "a <20>b"),
        ("a^^b", "a<5e><5e>b"),
        ("<25>", "<3c>25<3e>"),
        ("~/x", "<7e>/x"),
        ("größe", "größe"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_what_tex_could_not_read_stands_in_a_name_by_its_number(value, name):
    found = told(run("kd", 0.7, task=f"t{value}"))
    assert f"t{name}/4/kd/mean" in found


NUMBER = re.compile(r"\\alpkd@number\{([^{}]*)\}\{((?:[^{}\\]|\\.|\{\})*)\}")


def test_every_number_is_a_macro_of_a_form_that_tex_reads():
    found = told(
        seeds("kd", KD, training__lr=0.0002, task="größe_1"),
        seeds("kd", KD, training__lr=0.0004, task="größe_1"),
        seeds("alp_kd", ALP, task="{50%}"),
        primary=[["alp_kd", "kd"]],
    )
    found["made/up"] = "better, by less than 2.5 points & 50 % of #1_{x} \\ ~^"
    first, *lines, last = latex(found).splitlines()
    assert first.startswith("% ")
    assert (lines[0], last) == (r"\makeatletter", r"\makeatother")
    defined = [line for line in lines if line.startswith(r"\providecommand")]
    assert len(defined) == 2
    macros = [line for line in lines if line.startswith(r"\alpkd@number")]
    read = [NUMBER.fullmatch(line) for line in macros]
    assert {m[1]: m[2] for m in read if m} == {n: escape(value) for n, value in found.items()}
    assert [m[1] for m in read if m] == sorted(found)
    for text in (line for line in lines if not line.startswith("%")):
        plain = re.sub(r"\\[\\{}%#]", "", text)
        assert plain.count("{") >= plain.count("}") or not text.startswith(r"\alpkd")
    whole = re.sub(r"\\[{}%]", "", "\n".join(lines))
    assert whole.count("{") == whole.count("}")
    for m in read:
        assert m is not None
        assert not set(m[1]) & set('\\{}%#^~$&"\n')
        assert m[1] == " ".join(m[1].split())


def test_two_claims_may_stand_in_one_paper():
    assert r"\newcommand" not in latex({})
