import pytest
import torch

LABELS = torch.tensor([0, 1, 1])


def test_probability_by_hand(build):
    # From 1/4 to 1 in half of 20 steps: 3/4 over 10 steps, 0.075 a step.
    method = build("theseus", replace_from=0.25, replace_until=0.5)
    said = [method.probability(step, 20) for step in (0, 1, 4, 9, 10, 11, 19)]
    assert said == pytest.approx([0.25, 0.325, 0.55, 0.925, 1.0, 1.0, 1.0])
    # To the end: the last step, of which no other follows, is just below.
    method = build("theseus", replace_from=0.5, replace_until=1.0)
    assert method.probability(9, 10) == pytest.approx(0.95)


def drawn(method, steps):
    found = []
    for step in range(steps):
        method.begin_step(step, steps)
        found.append(method.own_blocks)
    return found


def test_blocks_run_as_often_as_the_probability_says(build):
    steps = 20_000
    found = torch.tensor(drawn(build("theseus", seed=5), steps)).float()
    # Of the first half, p goes from 0.5 to 1 and has the mean 0.75; each block by itself.
    first, second = found[: steps // 2], found[steps // 2 :]
    assert (first.mean(dim=0) - 0.75).abs().max().item() < 0.02
    assert (first[:1000].mean(dim=0) - 0.525).abs().max().item() < 0.05
    assert second.min().item() == 1.0
    # What p has in common to all of them is no tie between the draws.
    own = first - torch.linspace(0.5, 1.0, len(first))[:, None]
    assert torch.corrcoef(own.T).triu(1).abs().max().item() < 0.03


def test_a_draw_follows_from_the_seed_and_the_step_alone(build):
    whole = drawn(build("theseus", seed=1), 40)
    late = build("theseus", seed=1)
    late.begin_step(17, 40)
    assert late.own_blocks == whole[17]
    assert drawn(build("theseus", seed=1), 40) == whole
    assert drawn(build("theseus", seed=2), 40) != whole
    assert len(set(whole[:20])) > 2


def test_with_a_probability_of_1_the_student_is_alone_from_the_start(build):
    assert set(drawn(build("theseus", replace_from=1.0), 30)) == {(True, True, True)}


def test_the_loss_is_that_of_no_kd_and_needs_no_teacher(build, wavy):
    method, student = build("theseus", beta=0.5), wavy(3, grad=True)
    terms, plain = method(student, None, LABELS), build("no_kd")(student, None, LABELS)
    assert torch.equal(terms.hard, plain.hard)
    assert torch.equal(terms.total, 0.5 * plain.hard)
    assert terms.soft is None
    assert terms.intermediate is None


def test_the_share_of_blocks_that_ran_is_watched(build, wavy):
    method = build("theseus")
    assert method(wavy(3), None, LABELS).watch["replaced"].item() == 1.0
    method.own_blocks = (True, False, False)
    found = method(wavy(3), None, LABELS).watch["replaced"]
    assert found.item() == pytest.approx(1 / 3)
