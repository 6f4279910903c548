from math import log

import pytest
import torch

from alpkd_pipeline.distillation.buckets import AttentionStats, entropy

BUCKETS = ((1, 2), (1, 2, 3))
# Two examples, two student layers, three teacher layers.
WEIGHTS = torch.tensor(
    [
        [[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]],
        [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]],
    ]
)
MIXED = 0.5 * log(2) + 2 * 0.25 * log(4)


def test_entropy_by_hand_in_nats():
    found = entropy(WEIGHTS.double())
    torch.testing.assert_close(
        found, torch.tensor([[0.0, MIXED], [log(2), 0.0]], dtype=torch.float64)
    )


def test_greatest_entropy():
    assert AttentionStats(BUCKETS, 3).summary()["max_entropy"] == [log(2), log(3)]


@pytest.mark.parametrize("batches", [[WEIGHTS], [WEIGHTS[:1], WEIGHTS[1:]]])
def test_means_over_all_examples_whatever_the_batches(batches):
    stats = AttentionStats(BUCKETS, 3)
    for weights in batches:
        stats.update(weights)
    summary = stats.summary()
    assert summary["examples"] == 2
    assert summary["weights"] == [[0.75, 0.25, 0.0], [0.25, 0.125, 0.625]]
    assert summary["entropy"] == pytest.approx([log(2) / 2, MIXED / 2], rel=1e-12)
    assert summary["max_entropy"] == [log(2), log(3)]


def test_a_shorter_last_batch_counts_by_its_examples():
    stats = AttentionStats(((1, 2),), 2)
    stats.update(torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[1.0, 0.0]]]))
    stats.update(torch.tensor([[[0.0, 1.0]]]))
    assert stats.summary()["weights"] == [[0.75, 0.25]]


def test_many_small_batches_lose_no_digits():
    stats = AttentionStats(((1, 2, 3),), 3)
    for _ in range(3000):
        stats.update(torch.full((1, 1, 3), 1 / 3))
    assert sum(stats.summary()["weights"][0]) == pytest.approx(1.0, abs=1e-7)


def test_weights_of_a_method(build, wavy):
    method = build("alp_no")
    stats = AttentionStats(method.buckets, 6)
    stats.update(method(wavy(3), wavy(6, phase=2), torch.tensor([0, 1, 1])).weights)
    summary = stats.summary()
    for row, bucket in zip(summary["weights"], method.buckets, strict=True):
        assert sum(row) == pytest.approx(1.0)
        assert [k for k, weight in enumerate(row, start=1) if weight] == list(bucket)
    assert all(
        0 < e <= top for e, top in zip(summary["entropy"], summary["max_entropy"], strict=True)
    )


def test_the_summary_is_json_ready():
    stats = AttentionStats(BUCKETS, 3)
    stats.update(WEIGHTS)
    assert stats.summary()["examples"] == 2


def test_no_example_at_all_is_nan_not_an_error():
    summary = AttentionStats(BUCKETS, 3).summary()
    assert summary["examples"] == 0
    assert summary["entropy"][0] != summary["entropy"][0]
