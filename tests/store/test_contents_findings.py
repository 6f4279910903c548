"""The report as JSON."""

from __future__ import annotations

import json

from tests.store.stores import SmallStore

from alpkd_pipeline.store.verify import verify_store


def test_the_report_is_json(store: SmallStore) -> None:
    (store.folder("small") / "data.bin").write_bytes(b"")
    plain = json.loads(json.dumps(verify_store(store.root).plain()))
    assert plain["sound"] is False
    assert plain["findings"][0]["file"] == "data.bin"
    assert next(kind for kind in plain["kinds"] if kind["kind"] == "student")["bad"] == 1
