"""A small made-up language of opinions, whose sentences are positive or negative.

    python scripts/demo_language.py --out src/alpkd_pipeline/tasks/sources/demo_sentences

writes the demo task's files again; with `--seed 1` they have other training sentences.

The grammar, with S a sentence, C a clause, P one of `PEOPLE`, T one of `THINGS`:

    S -> C                        depth 0
       | P said that S            "the baker said that S": the polarity of S
       | P denied that S          "nobody thought that S": the opposite polarity
       | C but S                  the polarity of S
       | although S , S           the polarity of the second S
       | C although S             the polarity of C
       | C , even if S            the polarity of C
    C -> the T was [not] [very] good | the T [never] delighted the critics

One part decides; the other one is there to mislead and has the opposite polarity more often than
not. Each step into an inner S adds 1 to the depth, so a sentence of depth 3 needs up to three
decisions (keep or flip, this part or that one), and most of them wait for the one further right:
"nobody thought that the cook denied that ...". A bag of words says nothing about the label. A
transformer layer can carry polarity over one or a few such steps, so a network with fewer layers
reads fewer of the deep sentences right. This is what makes a shallow student lose something that
a deep teacher knows.

A phrase also carries one tag a word: the polarity of the phrase that the word heads, as in a
sentiment treebank. The demo checkpoint is pre-trained on these tags; the task shows labels alone.

Everything is drawn with `random.Random.random()`, the one draw that Python promises never to
change, so a seed gives the same sentences in every version of Python.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alpkd_pipeline.tasks.task import HIDDEN_LABEL

Option = TypeVar("Option")

TRAIN_ROWS, DEV_ROWS, TEST_ROWS, UNLABELLED_ROWS = 2500, 1000, 500, 2000
DEV_SEED, TEST_SEED, UNLABELLED_SEED = -1, -2, -3
SHORT_SHARE = 0.5
LABEL_NOISE = 0.1

PRETRAINING_DEPTH = 4
MAX_WORDS = 35
"""Longer sentences are drawn again; the full stop counts."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = _words(
    "actor artist author baker banker barber butcher captain carpenter chef chemist clerk coach"
    " cook dancer dentist designer diver doctor drummer editor farmer fisher gardener guard guide"
    " hunter innkeeper jeweller judge lawyer librarian mayor mechanic merchant miller miner nurse"
    " officer painter pianist pilot plumber poet porter potter priest sailor singer soldier"
    " student surgeon tailor teacher waiter weaver writer"
)
THINGS = _words(
    "album bakery ballet beach bread breakfast brochure cake camera castle cheese circus coffee"
    " comedy concert cruise dessert dinner documentary drama exhibition fair ferry festival film"
    " game garden guidebook hike hotel journey juice lecture library lunch magazine market meal"
    " melody menu museum musical novel opera orchestra painting parade park picnic play poem"
    " puzzle radio recital recipe restaurant salad sequel series show sketch song soup speech"
    " story tea theatre tour"
)
PRAISE = _words(
    "admirable amazing beautiful brilliant charming cheerful clever cosy delicious delightful"
    " elegant enjoyable excellent exquisite fabulous fantastic fascinating fine flawless fresh"
    " funny glorious good graceful great impressive inspired lively lovely magical marvellous"
    " memorable neat perfect pleasant polished remarkable splendid stunning superb thoughtful"
    " touching vivid warm wise witty wonderful"
)
BLAME = _words(
    "absurd annoying appalling awful bad bland boring broken careless childish clumsy confused"
    " crude dated dirty dismal dreadful dreary dull dusty empty feeble flawed gloomy greasy"
    " grim hollow horrible lame lazy lifeless mediocre messy miserable pointless poor predictable"
    " rotten shabby shallow silly sloppy stale tasteless tedious terrible ugly weak"
)
PLEASING = _words("amused charmed cheered delighted enchanted impressed moved pleased thrilled")
DISPLEASING = _words("angered annoyed bored confounded disgusted insulted irritated saddened tired")
CROWDS = _words("audience children critics guests neighbours passengers readers tourists visitors")
DEGREES = _words("fairly quite rather really so truly very")
NEGATIONS = _words("hardly never not")

KEEPING = (
    "the {person} said that",
    "the {person} thought that",
    "the {person} agreed that",
    "the {person} was sure that",
    "everybody knew that",
    "it is clear that",
)
FLIPPING = (
    "the {person} denied that",
    "the {person} doubted that",
    "nobody thought that",
    "few people agreed that",
    "it is false that",
    "it is hardly true that",
)

Phrase = tuple[tuple[str, int], ...]
"""Words in order, each with the polarity of the phrase that it heads."""


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """A sentence with its polarity: 0 negative, 1 positive (the opposite where it was flipped)."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """A sentence's words, and for each the polarity (0 or 1) of the phrase that it heads."""

    words: tuple[str, ...]
    tags: tuple[int, ...]


def vocabulary() -> tuple[str, ...]:
    """Every word and punctuation mark of the language, sorted."""
    classes = (PEOPLE, THINGS, PRAISE, BLAME, PLEASING, DISPLEASING, CROWDS, DEGREES, NEGATIONS)
    openings = " ".join((*KEEPING, *FLIPPING)).replace("{person}", "")
    words = {"the", "was", "but", "although", "even", "if", ",", ".", *openings.split()}
    return tuple(sorted(words.union(*classes)))


def sentences(
    rows: int,
    seed: int,
    depth: int = 3,
    short_share: float = 0.0,
    label_noise: float = 0.0,
    exclude: Collection[str] = (),
) -> list[LabelledSentence]:
    """Draw labelled sentences, no two alike.

    The same seed gives the same sentences, whatever the label noise: the probability of giving a
    row the wrong label. Depths are drawn evenly from 1 to `depth`, but for a share of rows that are
    drawn from depth 0 to 2.
    """
    noise = random.Random(f"{seed} label noise")
    taken = set(exclude)
    drawn: list[LabelledSentence] = []
    phrases = _phrases(random.Random(f"{seed} sentences"), depth, short_share)
    while len(drawn) < rows:
        phrase, polarity = next(phrases)
        text = " ".join(word for word, _ in phrase)
        if text not in taken:
            taken.add(text)
            drawn.append(LabelledSentence(text, polarity ^ _happens(noise, label_noise)))
    return drawn


def tagged_sentences(
    rows: int, seed: int, depth: int = PRETRAINING_DEPTH, short_share: float = 0.4
) -> list[TaggedSentence]:
    """Draw sentences for pre-training, with one tag a word and no label; some may be alike."""
    phrases = _phrases(random.Random(f"{seed} tagged"), depth, short_share)
    return [TaggedSentence(*zip(*next(phrases)[0], strict=True)) for _ in range(rows)]


def _phrases(rng: random.Random, depth: int, short_share: float) -> Iterator[tuple[Phrase, int]]:
    """Sentences with their full stop and their polarity, without end."""
    while True:
        polarity = _pick(rng, (0, 1))
        short = _happens(rng, short_share)
        drawn_depth = _pick(rng, (0, 1, 1, 2) if short else range(1, depth + 1))
        phrase = (*_sentence(rng, polarity, drawn_depth), (".", polarity))
        if len(phrase) <= MAX_WORDS:
            yield phrase, polarity


def _sentence(rng: random.Random, polarity: int, depth: int, comma: bool = True) -> Phrase:
    """S of the grammar: a sentence of the given polarity; `comma` allows rules with a comma."""
    if depth == 0:
        return _clause(rng, polarity)
    rule = rng.random()
    if rule < 0.5:
        return _reported(rng, polarity, depth, comma)
    if rule < 0.65:
        return _clause_but(rng, polarity, depth, comma)
    if rule < 0.8 and comma:
        return _although_first(rng, polarity, depth)
    return _concession_last(rng, polarity, depth, comma)


def _reported(rng: random.Random, polarity: int, depth: int, comma: bool) -> Phrase:
    """The baker said that S; the baker denied that S."""
    flips = _happens(rng, 0.6)
    opening = _pick(rng, FLIPPING if flips else KEEPING).replace("{person}", _pick(rng, PEOPLE))
    return _tag(opening, polarity) + _sentence(rng, polarity ^ flips, depth - 1, comma)


def _clause_but(rng: random.Random, polarity: int, depth: int, comma: bool) -> Phrase:
    """C but S: what comes after the `but` decides."""
    misleading = _clause(rng, _mostly_other(rng, polarity))
    return misleading + _tag("but", polarity) + _sentence(rng, polarity, depth - 1, comma)


def _although_first(rng: random.Random, polarity: int, depth: int) -> Phrase:
    """Although S , S: what comes after the comma decides, so the first S must have none."""
    misleading = _aside(rng, polarity, depth)
    primary = _sentence(rng, polarity, depth - 1)
    return _tag("although", polarity) + misleading + _tag(",", polarity) + primary


def _concession_last(rng: random.Random, polarity: int, depth: int, comma: bool) -> Phrase:
    """C although S; C , even if S: the clause in front decides."""
    link = ", even if" if comma and _happens(rng, 0.5) else "although"
    return _clause(rng, polarity) + _tag(link, polarity) + _aside(rng, polarity, depth)


def _aside(rng: random.Random, polarity: int, depth: int) -> Phrase:
    """A misleading part of at most depth 1, without a comma."""
    return _sentence(rng, _mostly_other(rng, polarity), min(1, depth - 1), comma=False)


def _clause(rng: random.Random, polarity: int) -> Phrase:
    """C of the grammar: one opinion about one thing, negated in two cases of five."""
    negated = _happens(rng, 0.4)
    judgement = polarity ^ negated
    experiment_inputs = _tag(f"the {_pick(rng, THINGS)}", polarity)
    if _happens(rng, 0.6):
        negation = _pick(rng, NEGATIONS) if negated else ""
        degree = _pick(rng, DEGREES) if _happens(rng, 0.3) else ""
        adjective = _pick(rng, PRAISE if judgement else BLAME)
        return (
            experiment_inputs
            + _tag(f"was {negation}", polarity)
            + _tag(f"{degree} {adjective}", judgement)
        )
    negation = _pick(rng, ("hardly", "never")) if negated else ""
    verb = _pick(rng, PLEASING if judgement else DISPLEASING)
    return (
        experiment_inputs
        + _tag(negation, polarity)
        + _tag(f"{verb} the {_pick(rng, CROWDS)}", judgement)
    )


def _tag(text: str, polarity: int) -> Phrase:
    return tuple((word, polarity) for word in text.split())


def _mostly_other(rng: random.Random, polarity: int) -> int:
    """The polarity of a part that does not decide: the other one in seven cases of ten."""
    return polarity ^ _happens(rng, 0.7)


def _happens(rng: random.Random, probability: float) -> bool:
    return rng.random() < probability


def _pick(rng: random.Random, options: Sequence[Option]) -> Option:
    return options[int(rng.random() * len(options))]


def generate(seed: int = 0, unlabelled: int = UNLABELLED_ROWS) -> dict[str, list[LabelledSentence]]:
    """The demo task's rows, by split; labels of test and of the rows `unlabelled` are hidden.

    The seed chooses the training sentences and their wrong labels; the rows without a label are
    drawn as these are, and the first ones are the same however many there are; dev and test are
    always the same. No sentence occurs twice, in one split or in two.

    Raises:
        ValueError: the seed is negative; those of dev and test are.
    """
    if seed < 0:
        raise ValueError(f"the demo task has no training data of seed {seed}; give 0 or more")
    dev = sentences(DEV_ROWS, DEV_SEED)
    test = sentences(TEST_ROWS, TEST_SEED, exclude={row.text for row in dev})
    train = sentences(
        TRAIN_ROWS,
        seed,
        short_share=SHORT_SHARE,
        label_noise=LABEL_NOISE,
        exclude={row.text for row in (*dev, *test)},
    )
    taken = {row.text for row in (*train, *dev, *test)}
    more = sentences(unlabelled, UNLABELLED_SEED, short_share=SHORT_SHARE, exclude=taken)
    return {"train": train, "dev": dev, "test": _hidden(test), "unlabelled": _hidden(more)}


def _hidden(rows: Sequence[LabelledSentence]) -> list[LabelledSentence]:
    return [LabelledSentence(row.text, HIDDEN_LABEL) for row in rows]


def write(folder: Path, seed: int = 0) -> None:
    """Write one file a split, `train.tsv` and so on, with the columns label and sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in generate(seed).items():
        lines = ["label\tsentence", *(f"{row.label}\t{row.text}" for row in rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Read the command line, write the files."""
    parser = argparse.ArgumentParser(description="Write the sentences of the demo task.")
    parser.add_argument("--seed", type=int, default=0, help="of the training data; shipped: 0")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    asked = parser.parse_args()
    write(asked.out, asked.seed)


if __name__ == "__main__":
    main()
