"""Write docs/methods.md from the table of methods and the docstrings of methods and losses.

    python scripts/methods_page.py

A test fails while the page is older than what it is made from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from alpkd_pipeline import distillation
from alpkd_pipeline.distillation.buckets import Buckets, make_buckets
from alpkd_pipeline.distillation.method_spec import BucketKind, MethodSpec, Option
from alpkd_pipeline.distillation.method_table import (
    ETA,
    LAMBDA,
    METHODS,
    PROJECTION,
    SOFT_SCALE,
    WEIGHTS,
)

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
PACKAGE = Path(str(distillation.__file__)).parent

TEMPERATURES = (
    f"{METHODS['alp_kd'].temperature}; {METHODS['alp_kd_glmkd'].temperature} for `alp_kd_glmkd`"
)

BETAS = f"{METHODS['alp_kd'].beta}; {METHODS['no_kd'].beta} for `no_kd` and `theseus`"

INTRODUCTION = f"""\
# Distillation methods

<!-- Made by scripts/methods_page.py. Change the table or the docstrings, then run it again. -->

Every method minimises

    L = beta * L_hard + eta * L_soft + lambda * L_inter

with the terms that it has. B examples in a batch; the student has m layers of width D_S, the
teacher n layers of width D_T, m <= n. s_j and t_k are the pooled outputs of student layer j and
teacher layer k, counted from 1; the embedding output is not a layer. z_S and z_T are the logits.
The teacher never receives a gradient. Everything is computed in at least fp32.

Methods that read `states`, `scores` or `qkv` look at single tokens: hidden states, attention scores
before the softmax, queries, keys and values of the layers that they name. These are too large to be
kept, so the teacher always runs beside the student there, whatever `signals.source` says, and
`method.pooling` means nothing to them. Padding never counts. Pooling is `cls` unless it is given;
for `rail_kd` it is `mean`. `theseus` reads no signal: the teacher's `blocks` run in the student.

| setting | default | for |
| --- | --- | --- |
| beta | {BETAS} | the hard term |
| eta | {ETA} | the soft term |
| lambda | {LAMBDA} | the intermediate term |
| temperature (T) | {TEMPERATURES} | the soft term of a classification |

A weight given for a term that the method lacks is refused.
"""

CHOICES = """\
## What is not confirmed

The ALP-KD paper (arXiv 2012.14022) could not be read in full. These are choices of this project,
and where they are options the default is ours:

- beta, eta and lambda: the defaults are those of a public re-implementation, GLMKD.
- T and its factor: the default, 10 with a factor T squared, is ours. GLMKD, the only other public
  implementation with ALP-KD, takes 20, with a cross-entropy and no factor: `alp_kd_glmkd`. At the
  first step (MiniLM, 6 to 3 layers, one batch of SST-2) the weighted gradients of the soft term,
  ALP and the hard term were .292, .073 and .013 in our regime, mostly plain distillation, and
  .0007, .073 and .013 in theirs, mostly ALP.
- L_soft is a divergence times T squared (`soft_scale`); the paper writes a cross-entropy. The
  gradient is the same up to that factor, which decides how much the soft term weighs.
- The dot products of wide states make the attention nearly one-hot: in the students measured here
  all layers but the last copied a single teacher layer (benchmarks/README.md). Whether the paper's
  attention did is not known.
- "MSE" is a mean over batch and width, summed over the student layers (`reduction`).
- The gradient flows through the attention weights (`detach_weights`).
- The buckets of `no` and `po` for 12 teacher layers. With an overlap of 1, `po` gives the CKD
  authors' 6-to-2 example {1-4}, {3-6}.
- The paper does not cover models of different widths (`projection`).

RAIL-KD, Universal-KD, MiniLMv2 and TinyBERT were made for other settings than this one. What is a
choice of this project stands in the text of each method below, and in short:

- All stand beside the hard and the soft term in the fine-tuning of one task. MiniLMv2 distils
  in pre-training and from relations alone; TinyBERT distils twice, layers first and predictions
  after them, on augmented data.
- lambda: the default is that of the other methods; the presets of the environments make a term
  about as large as the soft one at the start, and are not tuned.
- Universal-KD: outputs of the teacher's layers are fitted on the rows of the training in three
  passes; a regression compares them by their squared error.
- RAIL-KD: one draw an epoch, 128 dimensions, biases, distances summed over the layers. GLMKD's form
  of it is `with_last: false`, `shared_map: true`.
- MiniLMv2: as many relation heads as the teacher has attention heads; the paper takes more.
- TinyBERT: padding does not count, examples weigh alike, one map for all layers and another for the
  embeddings, both with biases and from a random start.
- `all_to_one`, `shuffled`, `fdd`, `cka`, `lad`: pooled layers, where the code of their authors has
  tokens. FDD's own measure could not be read.
- PKD: whether ALP-KD's baseline has the last pair is not known; `with_last: true` adds it, as CKD's
  authors do.
"""

QUESTIONS = """\
## Which question each method answers beside ALP-KD

What `alp_kd` gains over its rival is what the rival lacks.

| rival | the question |
| --- | --- |
| `no_kd`, `kd` | does a teacher help, and do its layers help beyond its outputs? |
| `uniform` | do the attention's weights help, or any mixture of layers? |
| `all_to_one`, `last_layer` | does attention help over no choice: all to one, or one to one? |
| `random_layer`, `shuffled`, `reversed` | does it matter which layers, and in which order? |
| `pkd`, `rail_kd` | does a mixture help over single layers, fixed or drawn? |
| `ckd` | does attention help over all layers side by side, with maps that learn? |
| `fdd` | does it help over change: where layers point, and the steps between them? |
| `cka` | does it help over geometry: how rows lie to one another, whatever the axes? |
| `lad` | does it help over fusion that is learned, the same for every student layer? |
| `theseus` | does it help over no loss at all: teacher layers as neighbours, not as targets? |
| `minilmv2`, `tinybert` | do pooled layers suffice, or do single tokens say more? |

## Not here, and why

- **LSKD** (logit standardisation, arXiv 2403.01585) compares the z-scores of a row's logits. Of two
  classes these are -0.707 and +0.707, whatever the logits are: only which is larger is left.
- **DIST's term between classes** (arXiv 2205.10536) is the Pearson correlation of the two models'
  probabilities within a row: with two classes -1 or +1.

Neither has a gradient then, and seven of the nine GLUE tasks have two classes. In batches of 32
rows of random logits the median of its norm is 2e-6 and 6e-6, which come from the guards against a
division by 0, against 0.12 and 0.19 with three classes.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        INTRODUCTION,
        _methods_section(),
        _options_section(),
        _buckets_section(),
        QUESTIONS,
        CHOICES,
        _docstrings_section("What each method is exactly", PACKAGE / "methods"),
        _docstrings_section("The losses", PACKAGE / "losses"),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _methods_section() -> str:
    header = ("method", "what it does", "weights", "reads", "bucket", "measure", "learns", "source")
    rows = [
        (
            f"`{spec.name}`",
            spec.summary,
            ", ".join(weight for weight, term in WEIGHTS.items() if term in spec.terms),
            "blocks"
            if spec.swaps_blocks
            else ", ".join(sorted(spec.needs, key=lambda name: (name != "logits", name))),
            spec.bucket or "",
            spec.measure,
            spec.learned,
            spec.source,
        )
        for spec in METHODS.values()
    ]
    return "## All methods\n\n" + _table(header, rows)


def _options_section() -> str:
    rows = [
        (f"`{name}`", _owners(name, option), _defaults(name), option.allowed, option.doc)
        for name, option in _options().items()
    ]
    header = ("option", "methods", "default", "allowed", "meaning")
    return "## Options\n\n" + _table(header, rows)


def _options() -> dict[str, Option]:
    own = {name: option for spec in METHODS.values() for name, option in spec.options.items()}
    return {"projection": PROJECTION, "soft_scale": SOFT_SCALE, **own}


def _owners(name: str, option: Option) -> str:
    def has(spec: MethodSpec) -> bool:
        if option is SOFT_SCALE:
            return "soft" in spec.terms
        return spec.compares_layers if option is PROJECTION else name in spec.options

    return ", ".join(f"`{spec.name}`" for spec in METHODS.values() if has(spec))


def _defaults(name: str) -> str:
    """The default, and those of methods that have another one."""
    special = {"projection": PROJECTION, "soft_scale": SOFT_SCALE}
    usual = special.get(name) or next(
        spec.options[name] for spec in METHODS.values() if name in spec.options
    )
    others = [
        f"`{value}` for `{spec.name}`"
        for spec in METHODS.values()
        if (value := _own_default(spec, name, usual)) != _value(usual)
    ]
    return "; ".join([f"`{_value(usual)}`", *others])


def _own_default(spec: MethodSpec, name: str, usual: Option) -> str:
    return spec.soft_scale if usual is SOFT_SCALE else _value(spec.options.get(name, usual))


def _value(option: Option) -> str:
    return str(option.default).lower()


def _buckets_section() -> str:
    kinds: dict[BucketKind, str] = {
        "all": "every layer",
        "no": "no overlap",
        "po": "partial overlap of 1",
    }
    rows = [
        (f"`{kind}`", words, *(_ranges(make_buckets(kind, m, 12)) for m in (6, 4, 2)))
        for kind, words in kinds.items()
    ]
    header = ("bucket", "rule", "12 to 6", "12 to 4", "12 to 2")
    text = "## Buckets\n\nA(j), the teacher layers that student layer j may draw on.\n\n"
    return text + _table(header, rows)


def _ranges(buckets: Buckets) -> str:
    if len(set(buckets)) == 1:
        return f"{buckets[0][0]}-{buckets[0][-1]} each"
    return ", ".join(f"{bucket[0]}-{bucket[-1]}" for bucket in buckets)


def _docstrings_section(title: str, folder: Path) -> str:
    files = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    return f"## {title}\n\n" + "\n".join(_file_section(path) for path in files)


def _file_section(path: Path) -> str:
    tree = ast.parse(path.read_text("utf-8"))
    parts = [f"### {path.parent.name}/{path.name}\n", f"{ast.get_docstring(tree)}\n"]
    parts += [f"```text\n{text}\n```\n" for text in _definition_texts(tree)]
    return "\n".join(parts)


def _definition_texts(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield f"{node.name}\n\n{ast.get_docstring(node)}"
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield f"{node.name}({ast.unparse(node.args)}){returns}\n\n{ast.get_docstring(node)}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
