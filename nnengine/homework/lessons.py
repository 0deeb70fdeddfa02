"""Lessons: a network with a mistake in it, on purpose: its numbers, its training, and exercises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ConfigError
from .catalogue import CATALOGUE, NAMES
from .checking import Report, check
from .formulas import Terms, log_of_right
from .handing import npz
from .making import broken as broken
from .making import example, settled, suiting
from .mistake import Mistake
from .probe import probe
from .saying import how, line_to_write

STEPS, IMAGES, EXERCISES = 120, 100, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """How training went: loss, None where it is no number, and accuracy in [0, 1] before each step.

    Both are measured rightly, by the network's own answers.
    """

    loss: tuple[float | None, ...]
    accuracy: tuple[float, ...]


def curves(
    mistakes: Sequence[Mistake] = (), terms: Terms | None = None, *, steps: int = STEPS
) -> Curves:
    """Return how a network with these mistakes learns built-in digits, whole batches of 100.

    It ends early where weights are no numbers any more, or have another shape.
    """
    begun: dict[str, Any] = dict(probe(images=IMAGES).state())
    losses: list[float | None] = []
    right: list[float] = []
    for _ in range(steps):
        made = settled(mistakes, terms or Terms(), begun)
        if made is None:
            break
        answers, labels = made["A2"], begun["L"]
        target = (labels[:, None] == np.arange(answers.shape[1])).astype(float)
        with np.errstate(all="ignore"):
            loss = float(-log_of_right(answers, target).mean())
        losses.append(loss if np.isfinite(loss) else None)
        right.append(float((np.nan_to_num(answers).argmax(axis=1) == labels).mean()))
        new = {w: made[w + "_new"] for w in ("W1", "b1", "W2", "b2")}
        if any(a.shape != begun[w].shape or not np.isfinite(a).all() for w, a in new.items()):
            break
        begun |= new
    return Curves(loss=tuple(losses), accuracy=tuple(right))


def beside(mistake: Mistake, *, steps: int = STEPS) -> tuple[Curves, Curves] | None:
    """Return how a network with a mistake of the catalogue learns, and how the right one.

    Both begin alike, and see the same digits. None where no such network can be trained: its lines
    fit only other shapes, or no line takes what it makes.
    """
    terms = suiting(mistake)
    wrong = curves([mistake], terms, steps=steps)
    return (wrong, curves((), terms, steps=steps)) if wrong.accuracy else None


def effect(report: Report) -> tuple[Curves, Curves]:
    """Return how a learner's network would learn, by what was recognised, and how a right one."""
    verdict = report.verdict
    return effect_of(tuple(named.mistake for named in verdict.named), verdict.bench.terms)


def effect_of(mistakes: tuple[Mistake, ...], terms: Terms) -> tuple[Curves, Curves]:
    """Return how a network with these mistakes learns, and how a right one; each trained once."""
    return _trained(mistakes, terms), _trained((), terms)


@lru_cache(maxsize=64)  # 2 kB each: that of right networks every check asks for
def _trained(mistakes: tuple[Mistake, ...], terms: Terms) -> Curves:
    return curves(mistakes, terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A mistake of the catalogue to learn from, as rows for images write it.

    seen: in what way each array is wrong that it shows in, by the learner's name, on the probe.
    wrong_curve, right_curve: how both networks learn; None where none with it can be trained.
    """

    title: str
    array: str
    wrong: str
    right: str
    why: str
    source: str
    seen: dict[str, str]
    wrong_curve: Curves | None
    right_curve: Curves | None

    def as_text(self) -> str:
        """Return it as a page of Markdown."""
        lines = [f"# {self.title[0].upper()}{self.title[1:]}", "", f"Wrong: `{self.wrong}`", "",
                 f"Right: `{self.right}`", "", f"{self.why[0].upper()}{self.why[1:]}.", "",
                 "How to see it, each line held to its own inputs:", ""]  # fmt: skip
        lines += [f"- {name}: {words}" for name, words in self.seen.items()]
        lines += ["", _in_words(self.wrong_curve, self.right_curve), "", f"Met in: {self.source}."]
        return "\n".join([*lines, ""])


def _in_words(wrong: Curves | None, right: Curves | None) -> str:
    if wrong is None or right is None:
        return "No network with it can be trained on built-in digits: its shapes do not fit."
    if wrong == right:
        return "What is learnt is the same with it as without."
    steps, ended = len(right.accuracy), len(wrong.accuracy)
    end = "" if ended == steps else f", where it ends at step {ended}"
    return (
        f"After {steps} steps on {IMAGES} built-in digits the accuracy is "
        f"{wrong.accuracy[-1]:.0%} with it{end}, {right.accuracy[-1]:.0%} without."
    )


def lesson(name: str, array: str | None = None, *, steps: int = STEPS) -> Lesson:
    """Return the lesson of a mistake, in the first line that it is made in or in that of an array.

    Raises ConfigError for a name that the catalogue does not have, with those that are like it.
    """
    word = name.strip().replace(" ", "_")
    mistake = next((m for m in CATALOGUE if m.name == word and array in (None, m.node)), None)
    if mistake is None:
        where = f" in {array}" if array else ""
        near = get_close_matches(word, NAMES, cutoff=0.5) or NAMES[:3]
        raise ConfigError(f"{name}{where}: no such mistake is known; such as {', '.join(near)}")
    made = example(mistake, columns=False)
    if made is None:
        raise ConfigError(f"{name} in {mistake.node}: no program with it can be run")
    verdict = check(made.saved, start=made.start).verdict
    values, given = verdict.bench.values[0], verdict.bench.given
    both = beside(mistake, steps=steps)
    return Lesson(
        title=mistake.title, array=mistake.node, wrong=mistake.line,
        right=line_to_write(mistake, made.terms, verdict.laid), why=mistake.what,
        source=mistake.origin,
        seen={node: how(np.asarray(given[node]), np.asarray(values[node], np.float64))
              for node in verdict.bench.wrong},
        wrong_curve=both[0] if both else None, right_curve=both[1] if both else None,
    )  # fmt: skip


def exercises(seed: int, *, hide: bool = False) -> dict[str, bytes]:
    """Return twelve broken networks to hand out, and what is wrong with each, as files by name.

    Each has one mistake of the catalogue that is recognised by its numbers alone. hide: without
    the solutions. Raises ConfigError for a seed that is none.
    """
    if seed < 0:
        raise ConfigError(f"--exercise {seed}: a seed is a whole number from 0")
    rng = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    solved = [f"# Solutions of exercise {seed}", ""]
    used: set[str] = set()
    for at in rng.permutation(len(CATALOGUE)):
        mistake = CATALOGUE[at]
        if len(used) == EXERCISES:
            break
        if mistake.name in used or mistake.bent != 1 or not mistake.when(Terms()):
            continue
        columns = bool(len(used) % 2)
        saved = broken([mistake], columns=columns)
        report = check(saved) if saved else None
        if saved is None or report is None or report.names != (mistake.name,):
            continue
        used.add(mistake.name)
        name = f"network_{len(used):02}.npz"
        files[name] = npz(saved)
        found = report.findings[0]
        solved += [
            f"## {name}: {mistake.title}", "", f"{mistake.what[0].upper()}{mistake.what[1:]}.", "",
            f"- first wrong: {report.first_wrong}", f"- wrong: `{found.wrote[0]}`",
            f"- right: `{found.write[0]}`", "",
        ]  # fmt: skip
    files["tasks.md"] = _TASKS.encode()
    if not hide:
        files["solutions.md"] = "\n".join(solved).encode()
    return files


_TASKS = """# Twelve networks, a mistake in each

Each file holds what a network of one hidden layer made in its first step on the probe
(`nnengine check --probe DIR`), saved by the names of its sheet. In each, one line is wrong.

1. Find the first array that is wrong: work out each line from the file's own arrays before it.
2. Say which line gives the numbers that are there, and write the right one.
3. Say what training would come to with it.

`nnengine check FILE` knows the answer.
"""
