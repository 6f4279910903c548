"""Records of sweeps and searches."""

from __future__ import annotations

from tests.store.stores import SmallStore, bad

from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.store.verify import verify_store


def test_records_must_be_readable(store: SmallStore) -> None:
    record = store.root / "08_reporting/sweeps/sweep-base-1.json"
    write_json(record, {"id": "sweep-base-1", "cells": []})
    assert verify_store(store.root).findings == []
    record.write_bytes(record.read_bytes()[:-4])
    (found,) = bad(verify_store(store.root))
    assert (found.kind, found.file) == ("records", record.name)
