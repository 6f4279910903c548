"""What small files tell of a store."""

from __future__ import annotations

from tests.store.stores import SmallStore

from alpkd_pipeline.store.lineage import read_index


def test_results_others_and_what_cannot_be_read(store: SmallStore) -> None:
    work = store.interrupted("half", "ids")
    (store.folder("said") / "manifest.json").write_text("{}")
    index = read_index(store.root)
    assert len(index.results) == 12
    assert [entry.path for entry in index.others] == [work]
    (finding,) = index.unreadable
    assert (finding.state, finding.file) == ("damaged", "manifest.json")
    small = next(result for result in index.results if result.entry.path == store.folder("small"))
    assert small.key == store.key("small")
    assert small.keys["splits"] == store.key("rows")
    files = [p for p in small.entry.path.rglob("*") if p.is_file() and p.name != "manifest.json"]
    assert small.bytes == sum(path.stat().st_size for path in files)
