"""Loading and saving sequence classifiers and their tokenizers.

Always from a local folder (of `source.locate`, or an earlier training), always safetensors, never
remote code, always in fp32. What is saved means the same to transformers 4.57 and 5
(`make_portable`). Version 5 writes what 4.57 does not know, or reads otherwise without a word:

* a tokenizer of the class `TokenizersBackend`, which 4.57 refuses. `PreTrainedTokenizerFast` is in
  both, and takes tokenizer.json as it is; a class of one model would change parts of it by its
  settings. What that class fed its model has then to be written too: the two libraries have other
  defaults, and a pair without its token types gets another answer.
* `extra_special_tokens` as a list, which 4.57 refuses.
* the space before a text, which 4.57 takes from the settings alone.
* ModernBERT's kinds of layers and its rotary embeddings, for which 4.57 has other names. It has
  none for layers with full attention that are not every n-th from the first (students with `skip`
  or `last` layers, mostly) or for a scaled rotary embedding: it would answer wrongly; as written
  here, it stops with a TypeError about `NoneType`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as library_logging

from alpkd_pipeline.errors import UserError, first_line, some
from alpkd_pipeline.models.model_files import CONFIG, read_json_object
from alpkd_pipeline.models.shape import family_of
from alpkd_pipeline.models.source import check_folder
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import encode_splits
from alpkd_pipeline.tasks.task import Task

TOKENIZER_CONFIG = "tokenizer_config.json"
LOCAL_ONLY: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder, in its fast form, padding on the right.

    UserError where the folder is not a whole model, or its tokenizer is slow, broken or cannot pad.
    """
    config = _load_config(folder)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, config=config, **LOCAL_ONLY)
    except Exception as error:
        # The tokenizers library raises bare exceptions for files that it cannot parse.
        raise UserError(f"{folder}: the tokenizer cannot be loaded: {first_line(error)}") from None
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise UserError(f"{folder}: a fast tokenizer with a padding token is needed")
    if not isinstance(tokenizer.model_max_length, int | float):
        said = f"model_max_length = {tokenizer.model_max_length!r:.80}"
        raise UserError(f"{folder / TOKENIZER_CONFIG} says {said}: a number is needed")
    # Position 0 is what `cls` pooling reads: it must never be padding.
    tokenizer.padding_side = "right"
    return tokenizer


def load_classifier(folder: Path, task: Task, seed: int) -> PreTrainedModel:
    """A pretrained encoder in fp32 and evaluation mode, with a fresh head for a task.

    The head is drawn from the seed even where the checkpoint has one, because a head of another
    task or of the pre-training may have the very same shape. So is a pooler that the checkpoint
    lacks. The global random state is left as it was. UserError where the folder is refused, its
    family is unknown, or it lacks weights of the encoder.
    """
    config = _load_config(folder)
    name_outputs(config, task)
    pretrained, missing = _load(folder, config)
    model = fresh_model(type(pretrained), pretrained.config, seed)
    if lost := some(sorted(key for key in missing if not is_head(model, key))):
        raise UserError(f"{folder} is not a whole encoder: {lost} missing in its weights")
    kept = {
        key: value
        for key, value in pretrained.state_dict().items()
        if key not in missing and key.startswith(model.base_model_prefix + ".")
    }
    model.load_state_dict(kept, strict=False)
    return model


def load_finetuned(folder: Path) -> PreTrainedModel:
    """A sequence classifier with the head that it was trained with, in fp32 and evaluation mode.

    UserError where the folder is refused, or any weight is missing: a random head teaches noise.
    """
    model, missing = _load(folder, _load_config(folder))
    if missing:
        raise UserError(
            f"{folder} is not a fine-tuned classifier: {some(sorted(missing))} missing in its"
            " weights and would be random; fine-tune it first"
        )
    return model


def save_classifier(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    max_length: int | None = None,
) -> None:
    """Write config.json, model.safetensors and the tokenizer; `max_length` as in `make_portable`.

    `from_pretrained` and `pipeline("text-classification")` of transformers 4.57 and 5 load them.
    """
    with _quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_portable(folder, tokenizer, max_length)


def make_portable(
    folder: Path, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None
) -> None:
    """Rewrite the JSON files beside a saved model's weights, in place; done twice it is the same.

    `tokenizer` is the one that was saved there. `max_length` is the most tokens that the model was
    trained on, special ones included, where `pipeline(..., truncation=True)` then cuts; None
    leaves what the tokenizer says.
    """
    settings = read_json_object(folder / TOKENIZER_CONFIG) or {}
    for name in ("is_local", "local_files_only"):  # how it was loaded here
        settings.pop(name, None)
    if added := settings.pop("extra_special_tokens", None):
        settings["additional_special_tokens"] = added
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    settings["model_input_names"] = list(tokenizer.model_input_names)
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    if (space := getattr(splitter, "add_prefix_space", None)) is not None:
        settings["add_prefix_space"] = space
    if max_length is not None:
        settings["model_max_length"] = max_length
    write_json(folder / TOKENIZER_CONFIG, settings)
    config = read_json_object(folder / CONFIG) or {}
    if config.get("model_type") == "modernbert":
        write_json(folder / CONFIG, config | _modernbert(config))


def _modernbert(config: dict[str, Any]) -> dict[str, Any]:
    """What 4.57 calls the kinds of layers and the bases of the rotary embeddings of a config."""
    full = [kind == "full_attention" for kind in config["layer_types"]]
    ropes = config["rope_parameters"]
    every = None
    if all(rope["rope_type"] == "default" for rope in ropes.values()):
        steps = range(1, len(full) + 1)
        every = next((n for n in steps if full == [i % n == 0 for i in range(len(full))]), None)
    return {
        "global_attn_every_n_layers": every,
        "global_rope_theta": ropes["full_attention"]["rope_theta"],
        "local_rope_theta": ropes["sliding_attention"]["rope_theta"],
    }


def fresh_model(
    kind: type[PreTrainedModel], config: PretrainedConfig, seed: int
) -> PreTrainedModel:
    """A model in fp32, random by configuration and seed alone; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(copy.deepcopy(config)).train(False)


def set_task(model: PreTrainedModel, task: Task, order: Sequence[int]) -> None:
    """Make a classifier from elsewhere speak of a task, in place: outputs, names, problem type.

    Output i becomes what output `order[i]` was, as `teacher_checks.label_order` says.
    """
    head = model.get_submodule(family_of(model.config.model_type).classifier)
    with torch.no_grad():
        for weights in head.parameters():
            weights.copy_(weights[list(order)])
    name_outputs(model.config, task)


def name_outputs(config: PretrainedConfig, task: Task) -> None:
    """Give a configuration the labels and the problem type of a task, in place."""
    names = task.label_names or ("value",)
    config.num_labels = task.num_labels
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
    # Without it `pipeline` squashes a regression through a sigmoid.
    regression = task.kind == "regression"
    config.problem_type = "regression" if regression else "single_label_classification"


def is_head(model: PreTrainedModel, key: str) -> bool:
    """Whether a weight belongs to the classification head: pooler or outside the backbone."""
    prefix = model.base_model_prefix + "."
    return not key.startswith(prefix) or key.startswith(prefix + "pooler.")


def _load_config(folder: Path) -> PretrainedConfig:
    check_folder(folder)
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **LOCAL_ONLY)
    except Exception as error:
        # The library checks some values with errors of its own, and stumbles over others.
        said = " ".join(str(error).split())
        raise UserError(f"{folder / CONFIG} cannot be used: {said}") from None
    # What a model returns is asked for at each call. These would be saved with it, and refused
    # then: the attention implementation that is used here has no attentions to return.
    config.output_attentions = config.output_hidden_states = False
    config.return_dict = True
    return config


def _load(folder: Path, config: PretrainedConfig) -> tuple[PreTrainedModel, set[str]]:
    """The model and the names of the weights that the folder lacks or has in another shape."""
    try:
        with _quiet():
            model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                **LOCAL_ONLY,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:
        # A damaged file surfaces as SafetensorError, RuntimeError or OSError, by the damage.
        raise UserError(f"{folder}: the weights cannot be loaded: {first_line(error)}") from None
    mismatched = {key for key, *_ in report["mismatched_keys"]}
    return model.eval(), {*report["missing_keys"], *mismatched}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without bars and the table of fresh and unused weights, which are looked at key by key."""

    def no_report(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    logger = logging.getLogger("transformers.modeling_utils")
    bars = library_logging.is_progress_bar_enabled()
    logger.addFilter(no_report)
    library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logger.removeFilter(no_report)
        if bars:
            library_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def encode_folder(
    splits: Path, task: Mapping[str, Any], pretrained: Path, max_length: int, folder: Path
) -> None:
    """Encode every split of a folder written by `write_splits` with a model folder's tokenizer.

    Rows have `max_length` tokens at most, special ones included.
    """
    import pandas as pd

    frames = {path.stem: pd.read_parquet(path) for path in sorted(splits.glob("*.parquet"))}
    tokenizer = load_tokenizer(pretrained)
    try:
        report = encode_splits(frames, Task.from_dict(dict(task)), tokenizer, max_length, folder)
    except Exception as error:
        # Ids that no model has overflow; the tokenizers library raises bare exceptions.
        if not isinstance(error, OverflowError) and type(error) is not Exception:
            raise
        raise UserError(
            f"the tokenizer in {pretrained} cannot encode the rows ({error}): put the"
            " tokenizer.json there that belongs to the model"
        ) from None
    write_json(folder / "report.json", report)
