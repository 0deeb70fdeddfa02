"""Run questions: what may be wrong with the start of a run, its steps, and their number."""

from __future__ import annotations

import math
import statistics

from .case import Case, Finding, percent, rounded
from .thresholds import THRESHOLDS as T

# The start -----------------------------------------------------------------------------------


def even_start(case: Case) -> Finding | None:
    """All weights of a layer are the same number."""
    spread = case.first["spread"]
    if case.first["step"] or (spread and min(s or 0.0 for s in spread) > T["even"].value):
        return None
    if not spread or case.learnt > T["learns"].value:
        return None
    layer = spread.index(min(spread)) + 1
    return Finding(
        name="flat_loss",
        sentence="The loss is flat at what guessing costs: the weights began as one number, and "
        "units that are alike stay alike.",
        evidence=(
            f"weights of layer {layer} began with a spread of {spread[layer - 1]:g}",
            f"training loss {case.losses[-1]:.3f}; guessing costs {case.guessing:.3f}",
        ),
        remedy="Begin with random weights (He).",
        change={"initializer": "he"},
    )


def bottleneck(case: Case) -> Finding | None:
    """A layer is too narrow to tell the classes apart."""
    narrow, classes = case.network["narrowest"], case.network["classes"]
    half = case.ended or case.taken >= case.total / 2
    if not narrow or narrow >= math.log2(classes) or not (case.far and half):
        return None
    if case.accuracy > T["bottleneck"].value:
        return None
    units = "one unit" if narrow == 1 else f"{narrow} units"
    return Finding(
        name="bottleneck",
        sentence=f"A hidden layer of {units} is too narrow: all that the network knows of an image "
        f"goes through it, and {classes} classes have to be told apart by it.",
        evidence=(
            f"narrowest layer {narrow}, classes {classes}",
            f"accuracy in training {percent(case.accuracy)}",
        ),
        remedy="Make every hidden layer at least 32 wide.",
        change={"hidden": _widened(case.network["hidden"])},
    )


def _widened(hidden: list[str], least: int = 32) -> str:
    """Return hidden layers as a text, none of them narrower than so many units."""
    wide = []
    for words in hidden:
        kind, *rest = words.split()
        if kind in ("dense", "conv"):
            rest[0] = str(max(least if kind == "dense" else 8, int(rest[0])))
        wide.append(" ".join([kind, *rest]))
    return ", ".join(wide)


# The steps -----------------------------------------------------------------------------------


def loss_exploding(case: Case) -> Finding | None:
    """The loss has gone far beyond where it began."""
    begun = max(case.losses[0], case.chance)
    worst = max([case.worst, *case.losses])
    if not case.diverged and worst < T["exploding"].value * begun:
        return None
    if not case.diverged and case.learnt > T["recovered"].value:
        return None
    return Finding(
        name="loss_exploding",
        sentence="The loss explodes: steps are so long that each lands farther off than the one "
        "before.",
        evidence=(
            "the loss was no longer finite"
            if case.diverged
            else f"loss of a batch {_large(worst)}",
            f"loss at first {case.losses[0]:.3g}",
            *_said_of_steps(case),
        ),
        remedy=f"Take a rate of {_lower(case):g} in place of {case.rate:g}.",
        change={"learning_rate": _lower(case)},
    )


def rate_too_high(case: Case) -> Finding | None:
    """Steps are long, and bring nothing, or take away what was there."""
    if case.longest < T["long_step"].value:
        return None
    died = max([share or 0.0 for share in case.last["dead"]], default=0.0) > T["dead"].value
    if case.learnt > T["recovered"].value and not died:
        return None
    return Finding(
        name="rate_too_high",
        sentence="The rate is too high: a single step changes the weights by a large part of "
        "themselves, and what was learnt is overwritten.",
        evidence=(*_said_of_steps(case), f"training loss {case.losses[-1]:.3g}, "
                  f"guessing costs {case.guessing:.3g}"),
        remedy=f"Take a rate of {_lower(case):g} in place of {case.rate:g}.",
        change={"learning_rate": _lower(case)},
    )  # fmt: skip


def _said_of_steps(case: Case) -> tuple[str, ...]:
    if not case.updates:
        return ()
    if case.longest > 2:
        return (f"a step changed the weights by {case.longest:,.0f} times their length",)
    return (f"a step changed the weights by {percent(case.longest)} of their length",)


def _large(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _lower(case: Case) -> float:
    """Return a rate by which a step would have the usual length."""
    factor = T["good_step"].value / max(case.longest, 1e-9)
    return rounded(case.rate * min(max(factor, 1e-6), 0.3))


def _higher(case: Case) -> float:
    factor = T["good_step"].value / max(case.usual, 1e-12)
    return rounded(case.rate * min(max(factor, 3), 1e5))


def saturation(case: Case) -> Finding | None:
    """Units of sigmoid or tanh answer at their flat ends."""
    shares = [(share or 0.0) for share in case.last["saturated"]]
    if not shares or max(shares) < T["saturated"].value or case.accuracy > T["learns_well"].value:
        return None
    at_first = max([(share or 0.0) for share in case.first["saturated"]])
    if at_first < T["saturated"].value and vanishing_gradients(case):
        return None  # layers that hear nothing of the loss drift there
    layer = shares.index(max(shares))
    kind = case.network["activations"][layer]
    return Finding(
        name="saturation",
        sentence=f"Units are saturated: they answer at the flat ends of {kind}, where nothing can "
        "be learnt from a mistake.",
        evidence=tuple(
            f"hidden layer {n + 1} ({case.network['acting'][n]}): {percent(share)} of answers"
            for n, share in enumerate(shares)
            if share >= T["saturated"].value
        ),
        remedy="Begin with smaller weights (Glorot), made for such units.",
        change={"initializer": "glorot"},
    )


def vanishing_gradients(case: Case) -> Finding | None:
    """The first layers get next to nothing of the gradient."""
    kinds = case.network["activations"]
    if len(kinds) < 2 or not case.far or case.learnt > T["vanishing_learnt"].value:
        return None
    gradients = [p["gradient"] for p in case.points if all(p["gradient"])]
    if not gradients:
        return None
    shares = [statistics.median(column) for column in zip(*gradients, strict=True)]
    if shares[0] > T["vanishing"].value * max(shares):
        return None
    return Finding(
        name="vanishing_gradients",
        sentence="Gradients vanish on the way back: the first layers hardly change.",
        evidence=tuple(
            f"layer {n} ({words}): gradient {share:.1e} of its weights"
            for n, (words, share) in enumerate(zip(case.network["layers"], shares, strict=True), 1)
        ),
        remedy="Use ReLU in the hidden layers, and begin with weights made for it (He).",
        change={"activation": "relu", "initializer": "he"},
    )


def dead_units(case: Case) -> Finding | None:
    """Units answer zero to every image."""
    shares = [(share or 0.0) for share in case.last["dead"]]
    if not shares or max(shares) < T["dead"].value:
        return None
    lines = tuple(
        f"hidden layer {n + 1} ({case.network['acting'][n]}): {percent(share)} answer zero to "
        "every image looked at"
        for n, share in enumerate(shares)
    )
    return Finding(
        name="dead_units",
        sentence="Units are dead: they answer zero to every image, so nothing reaches them that "
        "would change it.",
        evidence=lines,
        remedy="Use leaky ReLU, which learns on either side of zero.",
        change={"activation": "leaky_relu"},
    )


def single_class(case: Case) -> Finding | None:
    """One class is answered to anything."""
    late = case.points[1:][-3:]
    if not case.far or not late or min(p["predicted"] for p in late) < T["predicted"].value:
        return None
    if case.network["classes"] < 2:
        return None
    most = case.largest_share
    uneven = most > T["uneven"].value
    return Finding(
        name="single_class",
        sentence="The network answers one class to every image"
        + (": most training images are of it." if uneven else "."),
        evidence=(
            f"{percent(late[-1]['predicted'])} of the images looked at get the same answer",
            f"the most frequent class has {percent(most)} of the training images",
        ),
        remedy="Count every class for as much as any other (balanced class weights)."
        if uneven
        else f"Take a rate of {rounded(case.rate / 10):g} in place of {case.rate:g}.",
        change={"class_weights": "balanced"}
        if uneven
        else {"learning_rate": rounded(case.rate / 10)},
    )


# The length ----------------------------------------------------------------------------------


def rate_too_low(case: Case) -> Finding | None:
    """Steps are too short to get anywhere."""
    if not case.far or not case.updates or case.learnt > T["underfit"].value:
        return None
    if case.usual > T["short_step"].value:
        return None
    return Finding(
        name="rate_too_low",
        sentence="The rate is too low: steps are so short that next to nothing changes.",
        evidence=(
            f"a step changes the weights by {case.usual:.1e} of their length",
            f"training loss {case.losses[0]:.3f} at first, {case.losses[-1]:.3f} after "
            f"{case.taken:,} steps",
        ),
        remedy=f"Take a rate of {_higher(case):g} in place of {case.rate:g}.",
        change={"learning_rate": _higher(case)},
    )


def batch_too_large(case: Case) -> Finding | None:
    """Large batches leave few steps for this rate."""
    size = case.config.get("batch_size") or case.data["count"]
    if case.config.get("iterations"):  # then there are as many steps with any batches
        return None
    if not case.ended or size < T["large_batch"].value or not _unfinished(case):
        return None
    passes = case.taken * size / case.data["count"]
    if passes < T["passes"].value:
        return None
    return Finding(
        name="batch_too_large",
        sentence="Batches are too large for this rate: many passes over the images make few steps, "
        "and short ones.",
        evidence=(
            f"{size:,} images a step, {case.taken:,} steps in {passes:.0f} passes",
            f"training loss {case.losses[0]:.3f} at first, {case.losses[-1]:.3f} at the end, and "
            "still falling",
        ),
        remedy="Take batches of 64: the same passes make more steps.",
        change={"batch_size": 64},
    )


def too_few_steps(case: Case) -> Finding | None:
    """The run ended while it was learning."""
    if not case.ended or not _unfinished(case):
        return None
    more = {"iterations": max(10 * case.taken, 500)}
    if case.config.get("iterations") is None:
        more = {"epochs": 10 * (case.config.get("epochs") or 10)}
    ((name, amount),) = more.items()
    return Finding(
        name="too_few_steps",
        sentence="The run ended while the network was still learning: it takes more steps.",
        evidence=(
            *((f"{case.taken:,} steps",) if case.updates else ()),
            f"training loss {case.losses[0]:.3f} at first, {case.losses[-1]:.3f} at the end, and "
            "still falling",
        ),
        remedy=f"Take {amount:,} {name}.",
        change=more,
    )


def _unfinished(case: Case) -> bool:
    """Whether much of the loss is left and it was falling to the end."""
    if case.learnt > T["underfit"].value or len(case.losses) < 2:
        return False
    if case.accuracy > T["learns_well"].value:
        return False
    half = next(n for n, step in enumerate(case.steps) if step >= case.taken / 2)
    fell = case.losses[min(half, len(case.losses) - 2)] - case.losses[-1]
    return fell > T["falling"].value * case.guessing


def flat_loss(case: Case) -> Finding | None:
    """The loss stays at what guessing costs."""
    if not case.far or case.learnt > T["learns"].value or sum(map(bool, case.data["counts"])) < 2:
        return None
    return Finding(
        name="flat_loss",
        sentence="The loss is flat at what guessing costs: nothing is learnt.",
        evidence=(
            f"training loss {case.losses[-1]:.3f}; guessing costs {case.guessing:.3f}, "
            f"the logarithm of {case.network['classes']} classes is {case.chance:.3f}",
        ),
        remedy="Begin with weights made for ReLU (He).",
        change={"initializer": "he", "activation": "relu"},
    )


def validation_turning(case: Case) -> Finding | None:
    """The validation loss turns up while the training loss falls."""
    pairs = [(s, v) for s, v in zip(case.steps, case.val_losses, strict=True) if v is not None]
    if len(pairs) < 4:
        return None
    at, least = min(pairs, key=lambda pair: pair[1])
    now = statistics.median(v for _, v in pairs[-3:])
    if now < T["turning"].value * least or at > T["turned"].value * case.taken:
        return None
    if case.losses[-1] > T["by_heart"].value * case.losses[case.steps.index(at)]:
        return None
    return Finding(
        name="validation_turning",
        sentence="The validation loss has turned up while the training loss goes on falling: the "
        "network learns its images by heart.",
        evidence=(
            f"validation loss {least:.3f} at step {at:,}, {now:.3f} at step {case.taken:,}",
            f"training loss {case.losses[-1]:.4f}",
        ),
        remedy="Stop early, with the best weights measured.",
        change={"early_stopping": 5},
    )
