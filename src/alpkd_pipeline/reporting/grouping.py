"""Which runs are the same but for their seed, and which may be held against each other.

A mean over seeds is honest only where nothing else differs: parameters, data, teacher, code,
libraries, and what `auto` became on the machine.

A *setting* is what two methods must share before their scores are compared: task, data, teacher,
student, training, libraries. An *arm* is one method with its options in one setting; its runs
differ in the student's and the teacher's seed and in nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.store import diff

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.store import RunRecord
    from alpkd_pipeline.store.layout import Record

UPSTREAM = ("encoded", "teacher", "signals")
"""Entries of `identity.keys` that a student is made from; none depends on the student's seed."""

_HASH = re.compile(r"([0-9a-f]{8})[0-9a-f]{32,56}")


def metadata_but_seed(record: RunRecord) -> dict[str, str]:
    """Everything that defines a student but its seed, as flat names and short texts.

    The teacher and the data stand in by their keys, the code by `identity.code`. Where a run does
    not carry that, its commit stands for the code, and its own key if files had changed since:
    such a run is never pooled. Libraries, precision and the type of device are those that the
    training found; its threads and the kind of processor are no difference.
    """
    identity, provenance = record.run["identity"], record.run.get("provenance") or {}
    keys = identity.get("keys") or {}
    environment = record.metrics.get("environment") or {}
    libraries = environment.get("libraries") or {}
    commit = provenance.get("git_commit") if provenance.get("git_dirty") is False else None
    metadata = flat(
        {
            **record.run["params"],
            "generation": identity.get("generation"),
            "code": identity.get("code") or commit or f"uncommitted {record.key}",
            "key": {name: keys[name] for name in UPSTREAM if name in keys},
            # 2.13.0 and 2.13.0+cpu are the same release.
            "library": {name: str(v).partition("+")[0] for name, v in libraries.items()},
            "precision": environment.get("precision"),
            "device": str(environment.get("device")).partition(":")[0],
        }
    )
    without_effect = {"seed", *diff.PATHS_WITHOUT_EFFECT}
    return {
        name: value
        for name, value in metadata.items()
        if name not in without_effect and not name.startswith(("run.", "compare."))
    }


def teacher_metadata(record: RunRecord) -> dict[str, str]:
    """Everything that defines a teacher but its seed.

    Its run.json also holds the student that it was first trained for; that is no part of it.
    """
    own = ("teacher.", "task.", "library.", "key.encoded", "code", "precision", "device")
    metadata = metadata_but_seed(record).items()
    return {n: value for n, value in metadata if n.startswith(own) and n != "teacher.seed"}


def flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values under dotted names, each as compact JSON: `{"training.lr": "0.0004"}`."""
    return {name: json.dumps(value) for name, value in diff.flat(values).items()}


def group_id(metadata: Mapping[str, str]) -> str:
    """Twelve hex digits that two runs share when all of these facts are the same."""
    return hashlib.sha256(json.dumps(dict(sorted(metadata.items()))).encode()).hexdigest()[:12]


def differences(groups: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Say for each group, by its id, what its rivals of the same task, method and depth have
    otherwise: `training.lr=0.0001, library.torch=2.13.0`; empty for a group without rivals. No two
    groups have the same text.
    """
    differ = sorted(diff.differences(*groups.values()))
    # Keys follow from the rest: they are worth a word only where nothing else tells groups apart.
    plain = [name for name in differ if not name.startswith("key.")]
    texts = {group: _named(metadata, plain) for group, metadata in groups.items()}
    times = Counter(texts.values())
    return {
        group: _named(groups[group], [*plain, *(n for n in differ if n not in plain)])
        if times[text] > 1
        else text
        for group, text in texts.items()
    }


def tell_apart(
    rows: Sequence[dict[str, Any]],
    metadata: Sequence[Mapping[str, str]],
    names: tuple[str, str],
    within: Sequence[str],
) -> None:
    """Add to each row, under two names, the id of its facts and what tells them from those of
    others that have the same in the columns `within`.
    """
    name, differs = names
    keys = [tuple(row.get(column) for column in within) for row in rows]
    rivals: dict[Hashable, dict[str, Mapping[str, str]]] = defaultdict(dict)
    for row, at, known in zip(rows, keys, metadata, strict=True):
        row[name] = group_id(known)
        rivals[at][row[name]] = known
    told = {at: differences(found) for at, found in rivals.items()}
    for row, at in zip(rows, keys, strict=True):
        row[differs] = told[at][row[name]]


def _named(metadata: Mapping[str, str], names: Sequence[str]) -> str:
    """Facts as people would write them, hashes cut to their first 8 digits."""
    values = [_HASH.sub(r"\1", metadata.get(name, "-").strip('"')) for name in names]
    return ", ".join(map("{}={}".format, names, values))


StudyKey = tuple[str, str, int]
"""Task, method and number of layers."""


@dataclass(frozen=True, slots=True)
class StudyFinding:
    """What one study of a search found."""

    search: str  # the search's id
    selection: str  # the rows that scored its trials, `holdout` or `dev`
    values: Mapping[str, str]  # dotted parameter -> the best value, as compact JSON


def findings(searches: Sequence[Record]) -> dict[StudyKey, list[StudyFinding]]:
    """What was found for each task, method and depth, the newest first; records: the oldest."""
    found: dict[StudyKey, list[StudyFinding]] = defaultdict(list)
    for record in reversed(searches):
        for study in record["studies"]:
            if study.get("best"):
                at = (str(study["task"]), str(study["method"]), int(study["layers"]))
                selection = str(record.get("selection", "holdout"))
                values = flat(study["best"]["values"])
                found[at].append(StudyFinding(str(record["id"]), selection, values))
    return dict(found)


def study_of(
    run: Mapping[str, Any], found: Mapping[StudyKey, Sequence[StudyFinding]]
) -> StudyFinding | None:
    """The study that found the numbers of a student, by its run.json; None if they were not
    searched.

    A student counts as tuned when it has all the best values of a study of its task, method and
    depth, however it came by them. A study that had nothing to choose tunes nothing.
    """
    params = run["params"]
    here = flat(params)
    at = (run["task"]["name"], params["method"]["name"], params["student"]["layers"])
    for best in found.get(at, ()):
        chosen = best.values.items()
        # As values: 2 and 2.0 are one.
        if chosen and all(
            name in here and json.loads(here[name]) == json.loads(value) for name, value in chosen
        ):
            return best
    return None


TEACHER = "key.teacher"
LR = "training.lr"

_OF_SEEDS = {"seed", "teacher.seed", TEACHER, "key.signals"}
"""Facts that follow from the two seeds, once the rest is the same."""

_OF_METHOD = {"code", "key.student"}
"""The hash of a student's code covers its method's own module, so no two methods share it."""


def add_settings_of(
    rows: Sequence[dict[str, Any]],
    metadata: Sequence[dict[str, str]],
    studies: Sequence[StudyFinding | None],
) -> None:
    """`add_settings` to the rows of real runs, which have a `seed` and a `key`, with the studies
    that found their numbers.

    Where one seed has the same facts twice, something differs that was not recorded: such facts
    become unlike, by the runs' keys, so that nothing is pooled.
    """
    seeds = [(group_id(known), row["seed"]) for row, known in zip(rows, metadata, strict=True)]
    times = Counter(seeds)
    for row, known, seed in zip(rows, metadata, seeds, strict=True):
        if times[seed] > 1:
            known["key.student"] = f'"{row["key"]}"'
    # Where all have one rate in the end, a searched one is no reason to keep methods apart.
    keys = [tuple(row.get(name) for name in _RIVALS) for row in rows]
    rates: dict[tuple[Any, ...], set[str | None]] = defaultdict(set)
    for at, known in zip(keys, metadata, strict=True):
        rates[at].add(known.get(LR))
    tuned = [
        study is not None and LR in study.values and len(rates[at]) > 1
        for at, study in zip(keys, studies, strict=True)
    ]
    add_settings(rows, metadata, tuned)


def add_settings(
    rows: Sequence[dict[str, Any]], metadata: Sequence[Mapping[str, str]], tuned: Sequence[bool]
) -> None:
    """Add `SETTING_COLUMNS` to the rows of a comparison.

    Args:
        rows: one for each run, with at least task, method, layers.
        facts: what `grouping.metadata_but_seed` says of each of these runs.
        tuned: for each run whether its learning rate was searched, as it was for those that it is
            compared with: it is then the method's own choice and no part of the setting.
    """
    arms = [{n: v for n, v in known.items() if n not in _OF_SEEDS} for known in metadata]
    for arm, own in zip(arms, tuned, strict=True):
        arm |= {"tuned": "true"} if own else {}
    # A searched learning rate is no part of the setting, but two of them are two arms.
    settings = [
        {n: v for n, v in arm.items() if not _is_of_method(n) and not (own and n == LR)}
        for arm, own in zip(arms, tuned, strict=True)
    ]
    _part_teachers(settings, arms, metadata)
    tell_apart(rows, settings, ("setting", "setting_differs"), _RIVALS)
    tell_apart(rows, arms, ("arm", "arm_differs"), (*_RIVALS, "method"))
    for row, known in zip(rows, metadata, strict=True):
        row["teacher_key"] = known.get(TEACHER, "").strip('"')


_RIVALS = ("task", "layers", "generation")
"""Trials and reruns are no rivals of experiments."""


def _is_of_method(name: str) -> bool:
    return name in _OF_METHOD or name.startswith("method.")


def _part_teachers(
    settings: Sequence[dict[str, str]],
    arms: Sequence[dict[str, str]],
    metadata: Sequence[Mapping[str, str]],
) -> None:
    """Keep teachers apart that have one seed and are not the same: more than a seed differs."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ids = [group_id(setting) for setting in settings]
    for name, known in zip(ids, metadata, strict=True):
        seen[name][known.get("teacher.seed", "")].add(known.get(TEACHER, ""))
    for name, setting, arm, known in zip(ids, settings, arms, metadata, strict=True):
        if any(len(keys) > 1 for keys in seen[name].values()):
            setting[TEACHER] = arm[TEACHER] = known.get(TEACHER, "")
