"""Does a recipe help? The quick answer: frozen features, a logistic head, folds and seeds.

No image is ever on two sides: folds divide originals by their groups, variants are made of the
originals of a run's own training folds, and every arm is asked about the same originals.
"""

import csv
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from variegate.annotations.sample import Sample
from variegate.codecs import decode
from variegate.datasets.inspection.figures import Faults, count_fault, kind_of_problem
from variegate.datasets.prepare.audit import GROUPS
from variegate.datasets.prepare.members import members
from variegate.datasets.prepare.split import SplitChoice, split
from variegate.datasets.prepare.split_table import SplitTable
from variegate.errors import ImageError, InputError, OutputError, UsageError
from variegate.formats import Source, detect
from variegate.formats.hints import Hints
from variegate.recipes.plan import Variant, execute
from variegate.recipes.recipe import Recipe
from variegate.runs.run import Options
from variegate.storage import Snapshot, open_storage, printable
from variegate.training.checkpoint import write_whole
from variegate.training.comparison import (
    RightAnswers,
    Verdict,
    check_pairs,
    compare,
    expected_detectable,
)
from variegate.training.contents import class_of
from variegate.training.features import Extractor, LogisticHead, extractor
from variegate.training.options import TrainingRun

BASELINE = "none"
#: The honest competitor, unless it is among the arms.
TRIVIAL = "trivial"
#: In the output's folder.
FOLDS, RUNS, PROOF, GROUP_TABLE = "folds.csv", "runs.jsonl", "proof.json", "groups.csv"

_DECAYS = (0.0001, 0.001, 0.01, 0.1)
_UNTUNED = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofDesign:
    """How it is found out.

    Attributes:
        folds, seeds: each pair of them is a run of every arm.
        draws: variants of each image beside itself.
        model, weights, size, gray: what makes features; see `extractor`.
        tune: search the decay of the head, the same few values for every arm, on the first fold's
            validation part.
        audit: folder of `variegate audit`, whose groups stay together.
        seed: of the folds.
    """

    folds: int = 5
    seeds: int = 2
    draws: int = 4
    model: str = "mobilenet_v2"
    weights: str = "hub"
    size: int = 96
    gray: bool = False
    tune: bool = True
    audit: str | Path | None = None
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Proof:
    """What came out.

    Attributes:
        place: of the dataset.
        images, groups: in the folds.
        classes: names.
        design: how.
        expected: the difference that it was expected to find four times in five.
        decays: of the head, by arm.
        verdicts: one for each arm.
        left_out: images that cannot be used.
        notes: what should be known.
        elapsed_s: of this run.
        resumed: runs that were there.
    """

    place: str
    images: int
    groups: int
    classes: tuple[str, ...]
    design: ProofDesign
    expected: float
    decays: dict[str, float] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    left_out: Faults = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    resumed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        data = asdict(self)
        return data | {"design": {**data["design"], "audit": str(self.design.audit or "")}}


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """The images of all folds, in one order."""

    sources: tuple[Source, ...]
    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    digest: str


def prove_quickly(
    source: str | Path,
    output: str | Path,
    recipes: Mapping[str, Recipe],
    *,
    design: ProofDesign | None = None,
    run: TrainingRun | None = None,
    on_design: Callable[[Proof], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Proof:
    """Compare training with recipes to training without, on frozen features.

    Args:
        source: a dataset of images with one class each.
        output: folder for folds, runs and proof; runs that are there are not made again.
        recipes: arms by name; TrivialAugment is added.
        design: how.
        run: how the dataset is read.
        on_design: told what the design can find, before it is run.
        on_progress: told how many runs of how many are done.

    Raises:
        UsageError: the design can show nothing, or the dataset cannot be used.
    """
    began = time.monotonic()
    design, run = design or ProofDesign(), run or TrainingRun()
    arms = dict(recipes)
    if not any(one.digest == Recipe.load(TRIVIAL).digest for one in arms.values()):
        arms[TRIVIAL] = Recipe.load(TRIVIAL)
    if BASELINE in recipes:
        raise UsageError(f"--recipe {BASELINE}: it is always an arm; name a recipe")
    if mixed := [name for name, one in arms.items() if one.mixes]:
        raise UsageError(
            f"--recipe {mixed[0]}: it makes images of several, which have no single label; "
            "name a recipe without mixup, cutmix and mosaic"
        )
    check_pairs(design.folds * design.seeds, len(arms))
    run = replace(run, hints=_hints(run.hints, recipes))
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{printable(str(output))}: no folder can be made there ({error.strerror})"
        ) from error
    proof = Proof(place=str(source), images=0, groups=0, classes=(), design=design, expected=0.0)
    images = _read(source, folder, design, run, proof)
    sizes = np.bincount(np.unique(images.groups, return_inverse=True)[1]).tolist()
    proof.images, proof.groups, proof.classes = len(images.sources), len(sizes), images.classes
    proof.expected = expected_detectable(
        sizes, folds=design.folds, seeds=design.seeds, arms=len(arms)
    )
    if on_design:
        on_design(proof)
    runs = _Runs(str(source), images, {BASELINE: None, **arms}, design, run, folder, proof)
    right = runs.all(on_progress)
    for name in arms:
        answers = RightAnswers(
            right[BASELINE], right[name], images.folds, images.groups, images.labels
        )
        proof.verdicts.append(
            compare(answers, name=name, classes=images.classes, arms=len(arms), seed=design.seed)
        )
    proof.elapsed_s = time.monotonic() - began
    text = json.dumps(proof.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / PROOF, text.encode("utf-8", "surrogateescape"))
    return proof


def _hints(said: Hints, recipes: Mapping[str, Recipe]) -> Hints:
    """Return what is said of the dataset, and what the recipes say: all arms read it alike.

    Raises:
        UsageError: two recipes read it in two ways.
    """
    read = {name: said.over(one.hints) for name, one in recipes.items()}
    (first, hints), *others = read.items() or [("", said)]
    for name, other in others:
        if other != hints:
            raise UsageError(
                f"--recipe {name}: its hints are not those of {first!r}, and all arms read the "
                "dataset alike; give both the same, or say them on the command line"
            )
    return hints


def _read(
    source: str | Path, folder: Path, design: ProofDesign, run: TrainingRun, proof: Proof
) -> _Images:
    """Deal the images into folds, whole groups at a time."""
    group = [*run.group]
    if design.audit is not None:
        write_groups(design.audit, folder / GROUP_TABLE)
        group.append(f"{folder / GROUP_TABLE}:group")
    options = Options(
        format=run.format, label_pattern=run.label_pattern, hints=run.hints, limits=run.limits
    )
    choice = SplitChoice(folds=design.folds, group=tuple(group), seed=design.seed)
    split(source, csv=folder / FOLDS, choice=choice, options=options)
    if not group:
        proof.notes.append(
            "every image is taken for a group of its own; if some show the same thing, name what "
            "belongs together with --group or --audit, or the result is too good"
        )
    limits = run.hints.decoding(run.limits)
    storage = open_storage(source)
    with Snapshot(storage) as seen, SplitTable.read(folder / FOLDS) as table:
        found = detect(seen, name=run.format, label_pattern=run.label_pattern, hints=run.hints)
        rows = {one.key: one for one in table.rows()}
        kept, digest = [], hashlib.sha256()
        for one in members(found, seen):
            reason = "" if len(one.shares) == 1 else "not of one class"
            if not reason:
                try:
                    data = storage.read(one.key, limit=limits.max_bytes)
                    decode(data, limits=limits)
                    digest.update(hashlib.sha256(data).digest() + class_of(one).encode())
                except (ImageError, InputError) as error:
                    reason = str(error)
            if reason:
                example = f"{printable(one.key)}: {reason}"
                count_fault(proof.left_out, kind_of_problem(reason), example)
            elif one.key in rows:
                kept.append(one)
    if not kept:
        raise InputError(f"{printable(str(source))}: no image has one class as a whole")
    classes = tuple(sorted({class_of(one) for one in kept}))
    if len(classes) < 2:
        raise InputError(f"{printable(str(source))}: expected at least two classes")
    numbers = {name: number for number, name in enumerate(classes)}
    names = [rows[one.key].group or one.key for one in kept]
    digest.update(json.dumps([rows[one.key].split for one in kept]).encode())
    return _Images(
        tuple(kept),
        np.array([numbers[class_of(one)] for one in kept]),
        np.array([int(rows[one.key].split.removeprefix("fold")) for one in kept]),
        np.unique(names, return_inverse=True)[1],
        classes,
        digest.hexdigest()[:16],
    )


def write_groups(audited: str | Path, path: Path) -> None:
    """Write the groups of an audit as a table of files and groups; what touches is one group.

    Raises:
        InputError: it is no folder of an audit.
    """
    storage = open_storage(audited)
    if not storage.exists(GROUPS):
        raise InputError(f"--audit {printable(str(audited))}: there is no {GROUPS}")
    parents: dict[str, str] = {}

    def top(name: str) -> str:
        while parents.setdefault(name, name) != name:
            name = parents[name]
        return name

    with storage.open_read(GROUPS) as lines:
        for line in lines:
            one = json.loads(line)
            for member in one["members"]:
                first, second = sorted((top(one["representative"]), top(member["key"])))
                parents[second] = first
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "group"))
        writer.writerows((name, top(name)) for name in sorted(parents))


class _Runs:
    """Every arm in every fold with every seed; what is done is remembered, line by line."""

    def __init__(
        self,
        place: str,
        images: _Images,
        arms: Mapping[str, Recipe | None],
        design: ProofDesign,
        run: TrainingRun,
        folder: Path,
        proof: Proof,
    ) -> None:
        self._storage, self._images, self._arms = open_storage(place), images, arms
        self._design, self._proof = design, proof
        self._limits = run.hints.decoding(run.limits)
        self._path = folder / RUNS
        self._extract: Extractor | None = None
        self._features = lru_cache(maxsize=2)(self._made_features)

    def all(self, on_progress: Callable[[int, int], None] | None) -> dict[str, np.ndarray]:
        """Return (N, S) what each arm had right."""
        design, images = self._design, self._images
        known = self._known()
        total = len(self._arms) * design.folds * design.seeds
        right = {name: np.zeros((len(images.sources), design.seeds)) for name in self._arms}
        done = 0
        for name in self._arms:
            decay = self._decay(name, known)
            self._proof.decays[name] = decay
            for seed in range(design.seeds):
                for fold in range(1, design.folds + 1):
                    here = images.folds == fold
                    identity = self._identity(name, fold, seed, decay)
                    answers = known.get(identity)
                    if answers is None:
                        found = self._run(name, seed, ~here, here, decay)
                        answers = (found == images.labels[here]).astype(int).tolist()
                        self._remember(identity, answers, arm=name, fold=fold, seed=seed)
                    else:
                        self._proof.resumed += 1
                    right[name][here, seed] = answers
                    done += 1
                    if on_progress:
                        on_progress(done, total)
        return right

    def _decay(self, name: str, known: Mapping[str, Any]) -> float:
        """Search it on the first fold's validation part: the second fold, without the first."""
        if not self._design.tune:
            return _UNTUNED
        identity = self._identity(name, 0, 0, 0.0)
        if identity in known:
            return float(known[identity][0])
        folds = self._images.folds
        learned, judged = folds > 2, folds == 2
        labels = self._images.labels[judged]
        shares = [
            float((self._run(name, 0, learned, judged, decay) == labels).mean())
            for decay in _DECAYS
        ]
        best = _DECAYS[int(np.argmax(shares))]
        self._remember(identity, [best], arm=name, tuned=dict(zip(_DECAYS, shares, strict=True)))
        return best

    def _run(
        self, name: str, seed: int, learned: np.ndarray, judged: np.ndarray, decay: float
    ) -> np.ndarray:
        plain = self._features(BASELINE, 0)
        labels = self._images.labels
        features = plain[learned]
        targets = labels[learned]
        if self._arms[name] is not None:
            variants = self._features(name, seed).reshape(len(labels), self._design.draws, -1)
            features = np.concatenate([features, *np.moveaxis(variants[learned], 1, 0)])
            targets = np.tile(targets, self._design.draws + 1)
        head = LogisticHead(features, targets, classes=len(self._images.classes), decay=decay)
        return head.answers(plain[judged])

    def _made_features(self, name: str, seed: int) -> np.ndarray:
        if self._extract is None:
            design = self._design
            self._extract = extractor(
                design.model, design.weights, size=design.size, gray=design.gray, seed=design.seed
            )
        recipe, made = self._arms[name], []
        if recipe is not None:
            recipe = recipe.model_copy(update={"seed": 1 + self._design.seed + seed})
        for source in self._images.sources:
            data = self._storage.read(source.key, limit=self._limits.max_bytes)
            image = decode(data, limits=self._limits)
            shown = [image] if recipe is None else self._variants(recipe, image, source.key)
            made.append(self._extract(shown))
        return np.concatenate(made)

    def _variants(self, recipe: Recipe, image: np.ndarray, key: str) -> list[np.ndarray]:
        """Return as many variants as every arm gets, of several draws if need be."""
        sample, draws = Sample(image), self._design.draws
        planned: list[Variant] = []
        for again in range(draws):
            drawn = recipe.model_copy(update={"seed": recipe.seed + 1_000_003 * again})
            every = drawn.plan(key=key, size=sample.size)
            planned += [one for one in every if one.operations]
            if len(planned) >= draws:
                break
        if not planned:
            return [image] * draws
        # A recipe of many variants is drawn whole, and only these are made.
        places = np.linspace(0, len(planned) - 1, draws).round().astype(int).tolist()
        made = {}
        for place in set(places):
            found = execute([planned[place]], lambda _: sample, size=sample.size, reducible=False)
            made[place] = next(iter(found))[1].image.copy()
        return [made[place] for place in places]

    def _identity(self, name: str, fold: int, seed: int, decay: float) -> str:
        recipe, design = self._arms[name], self._design
        told = (
            self._images.digest,
            "" if recipe is None else recipe.digest,
            *(design.draws, design.model, design.weights, design.size, design.gray, design.seed),
            *(fold, seed, decay),
        )
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def _known(self) -> dict[str, Sequence[float]]:
        if not self._path.exists():
            return {}
        known = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                one = json.loads(line)
            except ValueError:
                # The last line of a run that was killed.
                continue
            known[one["identity"]] = one["right"]
        return known

    def _remember(self, identity: str, right: Sequence[float], **about: Any) -> None:
        line = json.dumps({"identity": identity, "right": list(right), **about})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                # A line that was cut off ends before this one.
                file.write(f"\n{line}\n" if self._cut_off() else f"{line}\n")
        except OSError as error:
            raise OutputError(
                f"{printable(str(self._path))}: cannot be written ({error.strerror}); free some "
                "space and run the same command again to resume"
            ) from error

    def _cut_off(self) -> bool:
        if not self._path.exists() or not (size := self._path.stat().st_size):
            return False
        with self._path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) != b"\n"
