"""Make the 12-layer checkpoint that the demo task starts from.

What: a small BERT (12 layers, width 64, 0.6 million parameters) that reads the demo language, and
its tokenizer, in a folder that transformers loads by itself.

Why: 12 layers trained from scratch on sentence labels stay at chance. So the network first learns
the polarity of every phrase from one tag a word, and it learns that in 3 layers, which are then
grown to 6 and to 12 so that the work spreads over the depth.

How long: two to three minutes on one free thread of a CPU. The same seed gives the same weights
on the same machine and library versions; elsewhere the last digits, and so the scores, may differ.

    OMP_NUM_THREADS=1 python scripts/demo_checkpoint.py --seed 1 \
        --out src/alpkd_pipeline/models/demo_checkpoint
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from demo_language import generate, tagged_sentences, vocabulary
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from alpkd_pipeline.models.encoder import make_portable
from alpkd_pipeline.store.manifest import sha256_file

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, CLS, SEP = 0, 2, 3
MAX_LENGTH = 64
EMBEDDING_ROWS_MULTIPLE = 64
IGNORED_TAG = -100
TEXT_ROWS = 40_000
HELD_OUT_ROWS = 600
HELD_OUT_SEED = -1
BATCH_SIZE = 64
BATCHES_SORTED_TOGETHER = 8
WARMUP_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of pre-training: how deep the network is, and how long and fast it learns."""

    layers: int
    steps: int
    learning_rate: float


STAGES = (Stage(3, 1000, 2.0e-3), Stage(6, 900, 1.5e-3), Stage(12, 700, 8.0e-4))


@dataclass(frozen=True, slots=True)
class TaggedText:
    """Encoded sentences; N sentences, L tokens of the longest one."""

    input_ids_NL: Tensor  # noqa: N815
    tags_NL: Tensor  # noqa: N815
    lengths_N: Tensor  # noqa: N815

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """A model's arguments for these rows, cut to the longest of them."""
        length = int(self.lengths_N[rows].max())
        input_ids = self.input_ids_NL[rows, :length]
        return {
            "input_ids": input_ids,
            "attention_mask": (input_ids != PAD).long(),
            "labels": self.tags_NL[rows, :length],
        }


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word of the language, lower-cased, with BERT's frame around one or two texts."""
    ids = {token: i for i, token in enumerate((*SPECIAL_TOKENS, *vocabulary()))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def encoder_config(layers: int, words: int) -> BertConfig:
    """The sizes of the network; `words` counts the tokenizer's entries."""
    return BertConfig(
        vocab_size=-(-words // EMBEDDING_ROWS_MULTIPLE) * EMBEDDING_ROWS_MULTIPLE,
        hidden_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=MAX_LENGTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PAD,
    )


def tagged_text(rows: int, seed: int, tokenizer: PreTrainedTokenizerFast) -> TaggedText:
    """Draw pre-training text that holds none of the task's dev and test sentences."""
    splits = generate()
    held_out = {row.text for split in ("dev", "test") for row in splits[split]}
    drawn = [s for s in tagged_sentences(rows, seed) if " ".join(s.words) not in held_out]
    lengths = torch.tensor([len(sentence.words) + 2 for sentence in drawn])
    input_ids = torch.full((len(drawn), int(lengths.max())), PAD)
    tags = torch.full_like(input_ids, IGNORED_TAG)
    vocabulary_ids = tokenizer.get_vocab()
    for row, sentence in enumerate(drawn):
        ids = [CLS, *(vocabulary_ids[word] for word in sentence.words), SEP]
        input_ids[row, : len(ids)] = torch.tensor(ids)
        tags[row, 1 : len(ids) - 1] = torch.tensor(sentence.tags)
    return TaggedText(input_ids, tags, lengths)


def endless_batches(lengths: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of batches, shuffled in each epoch; a batch holds rows of similar length."""
    while True:
        shuffled = torch.randperm(len(lengths), generator=generator)
        batches = [
            batch
            for pool in torch.split(shuffled, BATCH_SIZE * BATCHES_SORTED_TOGETHER)
            for batch in torch.split(pool[lengths[pool].argsort()], BATCH_SIZE)
        ]
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[i]


def learning_rate(step: int, stage: Stage) -> float:
    """A short linear rise, a plateau, and a linear fall over the second half; steps from 0."""
    rise = (step + 1) / (WARMUP_SHARE * stage.steps)
    fall = 2 * (1 - step / stage.steps)
    return stage.learning_rate * min(1.0, rise, fall)


def train(model: BertForTokenClassification, text: TaggedText, stage: Stage, seed: int) -> None:
    """Teach a model the tags of the text, in place; prints a line every 100 steps."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        fused=True,
    )
    batches = endless_batches(text.lengths_N, torch.Generator().manual_seed(seed))
    model.train()
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, stage)
        loss = model(**text.batch(next(batches))).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 100 == 0:
            print(
                f"{stage.layers} layers, step {step + 1}/{stage.steps}: loss {loss:.3f}", flush=True
            )


@torch.no_grad()
def tag_accuracy(model: BertForTokenClassification, text: TaggedText) -> float:
    """The share of words whose tag the model gets right."""
    model.train(False)
    right, words = 0, 0
    for rows in torch.split(torch.arange(len(text.lengths_N)), 200):
        batch = text.batch(rows)
        tagged = batch["labels"] != IGNORED_TAG
        right += int((model(**batch).logits.argmax(-1) == batch["labels"])[tagged].sum())
        words += int(tagged.sum())
    return right / words


def grow(weights: dict[str, Tensor], factor: int) -> dict[str, Tensor]:
    """Put `factor - 1` layers that do almost nothing after every layer.

    A new layer is a copy of the one before it whose two output projections are zero and whose
    LayerNorms are plain, so it hands on what it gets, normalised once more. (A plain repetition of
    trained layers destroys what they learned.)
    """
    grown = {}
    for name, value in weights.items():
        before, found, after = name.partition("encoder.layer.")
        if not found:
            grown[name] = value
            continue
        number, _, parameter = after.partition(".")
        first = int(number) * factor
        grown[f"{before}{found}{first}.{parameter}"] = value
        for layer in range(first + 1, first + factor):
            grown[f"{before}{found}{layer}.{parameter}"] = _passive(parameter, value)
    return grown


def _passive(parameter: str, value: Tensor) -> Tensor:
    """What a parameter must be for its layer to hand on its input."""
    if parameter.endswith("LayerNorm.weight"):
        return torch.ones_like(value)
    if parameter.endswith("LayerNorm.bias") or "output.dense" in parameter:
        return torch.zeros_like(value)
    return value.clone()


def pretrain(
    seed: int, tokenizer: PreTrainedTokenizerFast, stages: tuple[Stage, ...], rows: int
) -> BertForTokenClassification:
    """Train the first stage from scratch, then grow and train on, stage by stage.

    Args:
        seed: of the weights, the text and its order.
        tokenizer: the demo language's tokenizer.
        stages: each as deep as the one before it, or a multiple.
        rows: sentences drawn for each stage.
    """
    torch.manual_seed(seed)
    held_out = tagged_text(HELD_OUT_ROWS, HELD_OUT_SEED, tokenizer)
    weights: dict[str, Tensor] = {}
    layers = stages[0].layers
    for number, stage in enumerate(stages):
        model = BertForTokenClassification(encoder_config(stage.layers, len(tokenizer)))
        if weights:
            model.load_state_dict(grow(weights, stage.layers // layers))
        stage_seed = seed * len(stages) + number
        train(model, tagged_text(rows, stage_seed, tokenizer), stage, stage_seed)
        print(f"{stage.layers} layers: {tag_accuracy(model, held_out):.4f} of the tags right")
        weights, layers = model.state_dict(), stage.layers
    return model


def export(
    model: BertForTokenClassification, tokenizer: PreTrainedTokenizerFast, seed: int, out: Path
) -> None:
    """Write the backbone in half precision, its configuration, the tokenizer and a README."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    config = encoder_config(model.config.num_hidden_layers, len(tokenizer))
    # The weights are stored in half precision and are meant to be computed with in full.
    config.dtype = "float32"
    config.architectures = ["BertModel"]
    config.save_pretrained(out)
    make_portable(out, tokenizer)
    weights = {f"bert.{k}": v.half().contiguous() for k, v in model.bert.state_dict().items()}
    weights_file = out / "model.safetensors"
    save_file(weights, weights_file, metadata={"format": "pt"})
    weights_file.chmod(0o644)
    (out / "README.md").write_text(readme(seed, sha256_file(weights_file)), "utf-8")


def readme(seed: int, sha256: str) -> str:
    """The checkpoint's model card."""
    stages = "\n".join(f"| {s.layers} | {s.steps:,} | {s.learning_rate:g} |" for s in STAGES)
    return f"""\
---
license: apache-2.0
---
# A 12-layer encoder for the demo language

A BERT (12 layers, width 64, 4 heads, feed-forward 256, no dropout; weights in float16) for the
made-up sentences of the demo task. It knows no English and is of no use elsewhere.

Made by `scripts/demo_checkpoint.py --seed {seed}` with torch {torch.__version__},
transformers {transformers.__version__} and Python {platform.python_version()} on one CPU thread.

The training target was one tag a word: the polarity of the phrase that the word heads. On the
first word and on the full stop that is the polarity of the whole sentence, so fine-tuning mostly
moves a known answer to the first position. None of the demo task's dev and test sentences was in
the text. The head is not part of the checkpoint.

| layers | steps of {BATCH_SIZE} sentences | peak learning rate |
|---|---|---|
{stages}

Before each later row, layers that do almost nothing were put after every layer.

Licence: Apache-2.0, like the code.

sha256 of `model.safetensors`: `{sha256}`
"""


def main() -> None:
    """Read the command line, pre-train, write the folder."""
    parser = argparse.ArgumentParser(description="Make the checkpoint of the demo task.")
    parser.add_argument(
        "--seed", type=int, default=1, help="of weights, text and order; shipped: 1"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    tokenizer = build_tokenizer()
    model = pretrain(arguments.seed, tokenizer, STAGES, TEXT_ROWS)
    export(model, tokenizer, arguments.seed, arguments.out)
    print(f"wrote {arguments.out} after {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
