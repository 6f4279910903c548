"""What a saved folder must say so that transformers 4.57 and 5 make the same of it.

Version 5 writes names that 4.57 does not know, or reads in another way without a word:

* a tokenizer of the class `TokenizersBackend`, which 4.57 refuses. `PreTrainedTokenizerFast` is in
  both, and takes tokenizer.json as it is; a class of one model would change parts of it by its
  settings. What that class fed its model has then to be written too: the two libraries have other
  defaults, and a pair without its token types gets another answer.
* `extra_special_tokens` as a list, which 4.57 refuses.
* the space before a text, which 4.57 takes from the settings alone.
* ModernBERT's kinds of layers and its rotary embeddings, for which 4.57 has other names.

4.57 cannot be told of a ModernBERT whose layers with full attention are not every n-th from the
first (students with `skip` or `last` layers, mostly) or whose rotary embedding is scaled. It would
answer wrongly; as written here, it stops with a TypeError about `NoneType`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from alpkd_pipeline.models.model_files import CONFIG, read_json_object
from alpkd_pipeline.store.manifest import write_json

TOKENIZER_CONFIG = "tokenizer_config.json"
TOKENIZER_CLASS = "PreTrainedTokenizerFast"


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
    settings["tokenizer_class"] = TOKENIZER_CLASS
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
