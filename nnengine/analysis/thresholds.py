"""Thresholds: where the doctor draws its lines, each with the reason."""

from __future__ import annotations

from typing import NamedTuple


class Threshold(NamedTuple):
    """A number that parts healthy from ill, and why it is this one."""

    value: float
    reason: str


THRESHOLDS: dict[str, Threshold] = {
    name: Threshold(value, reason)
    for name, value, reason in (
        (
            "unscaled",
            10.0,
            "bytes as they are reach 255; scaled pixels 1, standardised ones some 5",
        ),
        ("scaled_twice", 0.05, "pixels divided by 255 twice reach 0.004"),
        ("inverted", 0.0, "mean images of two halves of a set correlate at 0.9 and more"),
        ("inverted_apart", 0.2, "of the largest pixel: below, dark and light are not far apart"),
        ("brightness", 0.15, "of a standard deviation; means of halves of a set differ by 0.02"),
        ("contrast", 1.25, "standard deviations of two halves of a set differ by 3 %"),
        ("shifted", 0.4, "answers beside their label by one same number: by lot 1 in classes"),
        ("shuffled", 4.0, "standard errors above chance: 3 in 100,000 by lot"),
        ("one_in_two", 0.5, "of neighbours agree by lot: one class is nearly all there is"),
        ("knows", 0.15, "accuracy above chance that labels by lot do not lead to"),
        ("copies", 0.02, "of the validation images; published sets have below 0.5 %"),
        ("even", 1e-7, "weights that are drawn have a spread of 0.01 and more"),
        ("steps_to_learn", 150, "by then every healthy run had learnt something"),
        ("bottleneck", 0.8, "accuracy in training that shows that the layer is wide enough"),
        (
            "exploding",
            4.0,
            "times the loss of guessing, or of the start: healthy batches reach 1.3",
        ),
        ("recovered", 0.75, "of guessing's loss is gone: a bad beginning was overcome"),
        (
            "long_step",
            0.18,
            "of the weights' length, a single step: healthy ones reach 0.11, ones too "
            "long begin at 0.3",
        ),
        ("good_step", 0.01, "of the weights' length, as healthy runs begin with"),
        (
            "short_step",
            1e-4,
            "of the weights' length, the middle step: 0.00003 at most where it is too "
            "short, 0.0003 at least in healthy runs",
        ),
        ("saturated", 0.7, "of the answers of a layer: healthy runs reach 0.49, ill ones 0.88"),
        ("learns_well", 0.9, "accuracy in training that leaves nothing to complain of"),
        (
            "vanishing",
            0.01,
            "gradient of the first layer over that of the strongest: 0.0009 at most in six "
            "sigmoid layers, 0.16 at least in healthy runs",
        ),
        ("vanishing_learnt", 0.1, "of guessing's loss is gone: gradients arrive after all"),
        ("dead", 0.4, "of the units of a layer: healthy runs reach 0.25, ill ones 0.77"),
        ("predicted", 0.98, "of the images looked at get one answer"),
        ("uneven", 0.6, "of the training images are of one class"),
        ("underfit", 0.6, "of guessing's loss is gone: below, much is left to learn"),
        ("falling", 0.03, "of guessing's loss that went in the second half of the run"),
        ("large_batch", 256, "images"),
        ("passes", 3, "over the images, after which something should be learnt"),
        ("learns", 0.03, "of guessing's loss is gone: below, nothing was learnt"),
        (
            "turning",
            1.13,
            "times the least validation loss: an eighth more; healthy runs reach 1.12",
        ),
        ("turned", 0.5, "of the run, by which the least validation loss was passed"),
        ("by_heart", 0.5, "of the training loss at that point is left at the end"),
    )
}
