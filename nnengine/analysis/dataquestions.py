"""Data questions: what may be wrong with the images and labels of a run."""

from __future__ import annotations

import math

from .case import Case, Finding, percent
from .thresholds import THRESHOLDS as T


def one_class_of_data(case: Case) -> Finding | None:
    """All labels are the same."""
    counts = case.data["counts"]
    if sum(n > 0 for n in counts) > 1:
        return None
    only = next(c for c, n in enumerate(counts) if n)
    return Finding(
        name="one_class_of_data",
        sentence=f"Every training image is labelled {only}: the network learns to answer {only} to "
        "anything, and an accuracy of 100 % on such labels means nothing.",
        evidence=(f"{sum(counts):,} images, all with label {only}",),
        remedy="Use labels of two classes at least: look whether the file of labels is the one "
        "that belongs to these images.",
    )


def classes_missing(case: Case) -> Finding | None:
    """Some classes have no training image."""
    counts, validation = case.data["counts"], case.data.get("validation")
    if sum(n > 0 for n in counts) < 2:
        return None
    counts = counts + [0] * (case.network["classes"] - len(counts))
    missing = [c for c, n in enumerate(counts) if not n]
    if not missing:
        return None
    names = ", ".join(map(str, missing[:8])) + (" ..." if len(missing) > 8 else "")
    evidence = [f"0 of {sum(counts):,} training images of class {names}"]
    if validation:
        asked = sum(n for c, n in enumerate(validation["counts"]) if c in missing)
        if asked:
            evidence.append(f"{asked:,} of {validation['count']:,} validation images are of these")
    plural = len(missing) > 1
    return Finding(
        name="classes_missing",
        sentence=f"{'Classes' if plural else 'Class'} {names} "
        f"{'have' if plural else 'has'} no training image, and cannot be learnt.",
        evidence=tuple(evidence),
        remedy="Add images of these classes, or leave the classes out on both sides.",
    )


def pixels_scaled(case: Case) -> Finding | None:
    """Inputs are far from 0 to 1."""
    largest = case.data["largest"]
    if T["scaled_twice"].value <= largest <= T["unscaled"].value or not largest:
        return None
    large = largest > 1
    return Finding(
        name="pixels_scaled",
        sentence="The network gets pixels as they are, 0 to 255, where weights are made for 0 to 1."
        if large
        else "The pixels are scaled twice: hardly anything is left of the images.",
        evidence=(
            f"largest input {largest:g}, mean {case.data['mean']:g}, "
            f"standard deviation {case.data['std']:g}",
        ),
        remedy="Build the network with input_scale=1/255."
        if large
        else "Give pixels as bytes from 0 to 255: the network divides by 255 itself.",
    )


def inverted(case: Case) -> Finding | None:
    """The validation images are dark where the training images are light."""
    there, here = case.data.get("validation"), case.data
    if not there or there["correlation"] is None:
        return None
    apart = abs(there["mean"] - here["mean"]) / max(here["largest"], 1e-9)
    if there["correlation"] > T["inverted"].value or apart < T["inverted_apart"].value:
        return None
    return Finding(
        name="inverted",
        sentence="The validation images are inverted: dark where the training images are light.",
        evidence=(
            f"mean of the pixels {here['mean']:.2f} in training, {there['mean']:.2f} in validation",
            f"the two mean images correlate at {there['correlation']:.2f}",
        ),
        remedy="Invert one side, so that both are light on dark.",
    )


def standardised(case: Case) -> Finding | None:
    """The validation images have another brightness or contrast."""
    there, here = case.data.get("validation"), case.data
    if not there or inverted(case):
        return None
    apart = abs(there["mean"] - here["mean"]) / max(here["std"], 1e-9)
    contrast = there["std"] / max(here["std"], 1e-9)
    bound = T["contrast"].value
    if apart < T["brightness"].value and 1 / bound < contrast < bound:
        return None
    return Finding(
        name="standardised",
        sentence="The validation images are brought to another brightness or contrast than those "
        "the network learns from.",
        evidence=(
            f"mean of the pixels {here['mean']:.3f} in training, {there['mean']:.3f} in validation",
            f"standard deviation {here['std']:.3f} and {there['std']:.3f}",
        ),
        remedy="Prepare both sides, and whatever is predicted, in the same way.",
    )


def labels_shifted(case: Case) -> Finding | None:
    """Validation labels are a class beside the answers."""
    shifted = case.last.get("shifted")
    if not shifted or not shifted["by"] or shifted["share"] < T["shifted"].value:
        return None
    if case.accuracy < shifted["share"] / 2:
        return None
    by, classes = shifted["by"], case.network["classes"]
    beside = f"{by} above" if by <= classes // 2 else f"{classes - by} below"
    return Finding(
        name="labels_shifted",
        sentence="The labels of the two sides are counted from different classes: answers are "
        f"mostly {beside} the validation labels.",
        evidence=(
            f"{percent(shifted['share'])} of the validation images are answered {beside}",
            f"{percent(case.accuracy)} of the training images are answered rightly",
        ),
        remedy=f"Mend the labels of one side: where classes begin at 1, take 1 off; here they are "
        f"{beside} one another.",
    )


def labels_shuffled(case: Case) -> Finding | None:
    """Images that look alike have labels that have nothing to do with one another."""
    found = case.data["neighbours"]
    if not found:
        return None
    agreement, chance = found["agreement"], found["chance"]
    if chance > T["one_in_two"].value:
        return None
    error = math.sqrt(chance * (1 - chance) / found["asked"])
    if agreement > chance + T["shuffled"].value * error:
        return None
    if case.val_accuracy is not None and case.val_accuracy > chance + T["knows"].value:
        return None
    return Finding(
        name="labels_shuffled",
        sentence="The labels do not belong to the images: images that look alike have labels as if "
        "by lot. All that can be learnt is each image by heart.",
        evidence=(
            f"an image and the one most like it share a label in {percent(agreement)} of "
            f"{found['asked']} cases; by lot it were {percent(chance)}",
            f"training loss {case.losses[-1]:.2f}; guessing costs {case.guessing:.2f}",
        ),
        remedy="Give the labels in the order of the images: they may be shuffled, or shifted by "
        "one image.",
    )


def duplicates(case: Case) -> Finding | None:
    """Validation images stand among the training images."""
    there = case.data.get("validation")
    if not there or there["copies"] < T["copies"].value:
        return None
    return Finding(
        name="duplicates",
        sentence=f"{percent(there['copies'])} of the validation images are among the training "
        "images too: on these the network is asked for what it was told.",
        evidence=(f"copies, pixel by pixel: {percent(there['copies'])} of {there['count']:,}",),
        remedy="Take these images out of one side, or hold out a share of the training images.",
    )
