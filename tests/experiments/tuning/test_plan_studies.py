from __future__ import annotations

from typing import Any

import pytest
from tests.experiments.tuning.conftest import SMALL, Maker

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.tuning import plan
from alpkd_pipeline.experiments.tuning.plan import plan_studies, search_id
from alpkd_pipeline.experiments.tuning.spec import TuneSpec, size


def names(maker: Maker, params: dict[str, Any] | None = None, /, **entries: Any) -> list[str]:
    return [study.name for study in plan_studies(maker(params, **entries), {})]


def test_every_method_gets_the_same_budget_as_far_as_it_has_points(maker: Maker) -> None:
    studies = plan_studies(maker(trials=4), {})
    found = {study.target["method"]: (study.budget, size(study.space)) for study in studies}
    assert found == {"no_kd": (3, 3), "kd": (4, 6)}


def test_studies_are_all_combinations_and_only_chooses(maker: Maker) -> None:
    made = maker(layers=[2, 1])
    assert len(plan_studies(made, {})) == 4
    (chosen,) = plan_studies(made, {"method": ["kd"], "layers": [1]})
    assert chosen.target == {"task": "demo", "method": "kd", "layers": 1}
    with pytest.raises(UserError, match="--only: no study"):
        plan_studies(made, {"method": ["pkd"]})


def test_a_study_s_name_holds_what_its_scores_depend_on(maker: Maker) -> None:
    (same, kd), again = names(maker), names(maker)
    assert [same, kd] == again
    assert kd.startswith("demo-kd-2L-")
    assert names(maker, trials=5) == again
    for other in (
        names(maker, {"training.epochs": 1}),
        names(maker, {"teacher.training.epochs": 1}),
        names(maker, seeds=[0, 1]),
        names(maker, selection="dev"),
        names(maker, sampler="random"),
        names(maker, space={"training.lr": [1e-4, 2e-4]}),
    ):
        assert not set(other) & set(again)


def test_what_conf_says_about_searched_settings_does_not_matter(maker: Maker) -> None:
    base = maker()
    name = plan_studies(base, {"method": ["kd"]})[0].name
    base.conf._values["training"]["lr"] = 0.123
    assert plan_studies(base, {"method": ["kd"]})[0].name == name


def test_points_are_known_beforehand_but_for_tpe_and_ranges(maker: Maker) -> None:
    low_high = {"training.lr": {"low": 1e-5, "high": 1e-3}}
    for entries, known in (
        ({"sampler": "grid"}, True),
        ({"sampler": "random"}, True),
        ({"sampler": "tpe"}, False),
        ({"sampler": "tpe", "trials": 6}, True),
        ({"sampler": "random", "space": low_high}, False),
    ):
        (study,) = plan_studies(maker(**entries), {"method": ["kd"]})
        assert (study.points is not None) is known


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"layers": [13]}, "demo no_kd 13L: parameter 'student.layers' = 13"),
        ({"space": {"training.lr": [1e-4, -1.0]}}, "'training.lr' = -1.0"),
        ({"space": {"training.lr": ["fast"]}}, "'training.lr' = 'fast'"),
        ({"space": {"method.temperature": [2.0, 0.0]}}, "temperature"),
        (
            {"sampler": "tpe", "space": {"training.warmup_ratio": {"low": 0.5, "high": 1.5}}},
            "'training.warmup_ratio' = 1.5",
        ),
        ({"params": {"method.beta": -1.0}}, "beta"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    maker: Maker, entries: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        plan_studies(maker(**entries), {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_experiment_of_every_point_is_checked_before_anything_runs(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    monkeypatch.setattr(
        plan, "check_experiment", lambda experiment: checked.append(experiment.student.key)
    )
    plan_studies(maker(trials=4, seeds=[0, 1]), {"method": ["kd"]})
    assert len(set(checked)) == 4 * 2


def test_a_point_that_cannot_work_is_refused_by_its_study(maker: Maker) -> None:
    rule = {"where": {"seed": 1}, "set": {"task.source": "hub"}}
    with pytest.raises(UserError, match=r"^demo no_kd 2L: parameter 'task\.name'"):
        plan_studies(maker(seeds=[0, 1], overrides=[rule]), {})


def test_a_search_keeps_its_name_while_it_asks_the_same() -> None:
    spec = TuneSpec.parse(SMALL)
    name = search_id(spec, None, {"run": {"store": "a"}})
    assert name.startswith("tune-base-")
    assert search_id(TuneSpec.parse({**SMALL, "trials": 9}), None, {}) == name
    assert search_id(spec, "minilm", {}) != name
    assert search_id(spec, None, {"training": {"epochs": 1}}) != name
    assert search_id(TuneSpec.parse({**SMALL, "seeds": [1]}), None, {}) != name
