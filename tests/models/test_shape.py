from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import (
    FAMILIES,
    Shape,
    check_plain_scores,
    family_of,
    shape_of,
)


def test_a_tiny_model_of_each_family(family: str, make_model: Any) -> None:
    model = make_model(family, layers=5)
    assert shape_of(model.config.to_dict()) == Shape(family, 5, 32, 4, 60)


def test_the_paths_of_each_family_exist(family: str, make_model: Any) -> None:
    model, known = make_model(family, layers=5), FAMILIES[family]
    assert len(model.base_model.get_submodule(known.layers_path)) == 5
    assert model.get_submodule(known.classifier).weight.shape == (3, 32)
    for name in (known.layers, known.width, known.heads, known.inner, *known.per_layer):
        assert hasattr(model.config, name)
    if known.final_norm:
        model.base_model.get_submodule(known.final_norm)
    layer = model.base_model.get_submodule(known.layers_path)[0]
    widths = [layer.get_submodule(name).out_features for name in known.projections]
    assert sum(widths) == 3 * 32


def test_a_config_that_says_nothing_has_the_library_s_sizes(family: str) -> None:
    from transformers import AutoConfig

    library = AutoConfig.for_model(family)
    known = Shape(
        family,
        library.num_hidden_layers,
        library.hidden_size,
        library.num_attention_heads,
        library.vocab_size,
    )
    assert shape_of({"model_type": family}) == known


@pytest.mark.parametrize("name", ["gpt2", None, ""])
def test_an_unknown_family_is_refused_with_those_that_are_known(name: str | None) -> None:
    with pytest.raises(UserError, match=r"supported: bert, .*, mpnet, deberta-v2") as caught:
        family_of(name)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_families_with_positions_in_their_attention_are_refused_for_scores() -> None:
    positions = ("deberta-v2", "modernbert", "mpnet")
    plain = [name for name in FAMILIES if name not in positions]
    assert sorted(plain) == ["bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"]
    for name in plain:
        check_plain_scores(name)
    for name in positions:
        with pytest.raises(UserError, match=f"an encoder of {', '.join(plain)}$"):
            check_plain_scores(name)


@pytest.mark.parametrize("size", [0, -1, "12", None, 1.5])
def test_a_size_that_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(UserError, match="num_hidden_layers"):
        shape_of({"model_type": "bert", "num_hidden_layers": size})


def test_nothing_heavy_is_imported() -> None:
    heavy = ["torch", "transformers", "huggingface_hub", "numpy", "safetensors", "tokenizers"]
    code = (
        "import sys;"
        "from alpkd_pipeline.models import shape, source, tokenizer_identity;"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
