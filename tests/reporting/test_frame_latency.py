import pytest

from alpkd_pipeline.reporting.collect import gather


def deeper(params, run):
    params["student"]["layers"] = 6


def wider(params, run):
    params["student"]["hidden_size"] = 128


def rows_of(store):
    found = gather(store.root).runs.set_index("seed").sort_index()
    return found[["latency_ms", "speed_up", "latency_shared"]]


def test_seeds_share_the_one_measurement(store):
    store.teacher(p50_ms=12.0)
    store.student(0, p50_ms=4.0)
    store.student(1)
    found = rows_of(store)
    assert found["latency_ms"].tolist() == [4.0, 4.0]
    assert found["speed_up"].tolist() == [3.0, 3.0]
    assert found["latency_shared"].tolist() == [False, True]


@pytest.mark.parametrize("change", [deeper, wider])
def test_another_shape_shares_nothing(store, change):
    store.student(0, p50_ms=4.0)
    store.student(1, change=change)
    found = rows_of(store)
    assert found["latency_ms"].isna().tolist() == [False, True]
    assert not found["latency_shared"].any()


def test_another_task_shares_nothing(store):
    def rte(params, run):
        run["identity"]["keys"]["encoded"] = "d" * 64

    store.student(0, p50_ms=4.0)
    store.student(1, change=rte)
    assert rows_of(store)["latency_ms"].isna().tolist() == [False, True]


def test_an_own_measurement_is_preferred(store):
    store.student(0, p50_ms=4.0)
    store.student(1, p50_ms=5.0)
    assert rows_of(store)["latency_ms"].tolist() == [4.0, 5.0]


def test_times_of_different_machines_give_no_speed_up(store):
    teacher = store.teacher()
    store.latency(teacher, 12.0, threads=8)
    store.student(0, p50_ms=4.0)
    store.student(1)
    assert rows_of(store)["speed_up"].isna().all()


def test_where_it_was_measured_is_told_apart(store):
    for seed, more in enumerate(({}, {"threads": 8}, {"libraries": {"torch": "1"}})):
        store.latency(store.student(seed), 4.0, **more)
    found = gather(store.root).runs.set_index("seed")["timed_on"]
    assert found.nunique() == 3
    assert found[1].startswith("x86_64 (cpu), threads: 8, ")
