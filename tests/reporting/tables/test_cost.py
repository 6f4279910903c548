from tests.reporting.studies import reseal, signals

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.tables.cost import total_cost
from alpkd_pipeline.store.manifest import read_json, write_json


def seen(folder, examples):
    metrics = read_json(folder / "metrics.json") | {"examples": examples}
    write_json(folder / "metrics.json", metrics)
    reseal(folder)


def live(params, run):
    del run["identity"]["keys"]["signals"]


def test_hours_examples_and_bytes_are_added_up(store):
    store.teacher()
    cache = signals(store.root, rows=100)
    signals(store.root, key="9" * 64, rows=7)  # of no student
    for seed in range(3):
        seen(store.student(seed, seconds=10.0), 500)
    seen(store.student(3, change=live), 500)
    cost = total_cost(gather(store.root))
    assert {place: len(each) for place, each in cost.seconds.items()} == {
        ("teachers", "x86_64 (cpu)"): 1,
        ("signals", "x86_64 (cpu)"): 1,
        ("students", "x86_64 (cpu)"): 4,
    }
    assert sum(cost.seconds["students", "x86_64 (cpu)"]) == 37.0  # 3 x 10 and 7
    assert cost.seconds["signals", "x86_64 (cpu)"] == [60.0]
    assert (cost.seen, cost.built_from) == (1500, 100)
    assert cost.cache_bytes == 1000 + (cache / "signals.json").stat().st_size


def test_devices_stand_apart(store):
    store.student(0)
    store.student(1, environment={"device": "cuda:1", "device_name": "H100"})
    devices = {device for _, device in total_cost(gather(store.root)).seconds}
    assert devices == {"x86_64 (cpu)", "H100 (cuda)"}


def test_a_cache_that_is_gone_spares_nothing_that_could_be_shown(store):
    seen(store.student(0), 500)
    cost = total_cost(gather(store.root))
    assert (cost.seen, cost.built_from, cost.cache_bytes) == (0, 0, 0)


def test_an_empty_store_costs_nothing(store):
    assert total_cost(gather(store.root)).seconds == {}
