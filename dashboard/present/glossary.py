"""Glossary: what each word of the field means, in a sentence; whoever shows a word asks this table.

Settings and headings of figures show it as help, which the mouse and the Tab key open; the About
page lists all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dashboard.present import sketches
from dashboard.present.outside import html


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word, what it means in one sentence, the page that shows it, and a sketch, HTML or none."""

    word: str
    means: str
    page: str
    sketch: str = ""


_TERMS = (
    # What a network is.
    Term(word="Network", page="Start", sketch=sketches.NETWORK,
         means="Layers of units, each of which weighs the numbers of the layer before it; the "
         "first layer reads the pixels, the last one has a number for every class."),
    Term(word="Layer", page="Weights", sketch=sketches.LAYER,
         means="Units side by side that all read the same numbers, each with weights of its own."),
    Term(word="Unit", page="Follow", sketch=sketches.UNIT,
         means="The smallest part of a network: it multiplies every number that it reads by a "
         "weight, adds all that and its bias, and passes the sum through its activation."),
    Term(word="Weight", page="Weights",
         means="By what a unit multiplies one of the numbers that it reads: above zero that "
         "number speaks for it, below zero against it; training changes nothing but weights and "
         "biases."),
    Term(word="Bias", page="Weights",
         means="What a unit adds to its sum whatever it reads: where it starts from."),
    Term(word="Parameters", page="Train",
         means="All weights and biases together: the numbers that training looks for."),
    Term(word="Activation", page="Follow", sketch=sketches.RELU,
         means="What a unit makes of its sum; ReLU, the usual one, lets what is above zero pass "
         "and makes zero of the rest. Without one, many layers could do no more than one."),
    Term(word="Convolution", page="Weights", sketch=sketches.CONVOLUTION,
         means="A layer whose units look through a small window that is moved over the whole "
         "image, with the same weights everywhere: a map says where it found what it looks for."),
    Term(word="Pooling", page="Draw", sketch=sketches.POOLING,
         means="Of every few neighbouring numbers of a map one is kept, the largest or the "
         "average: the map becomes smaller, and small shifts matter less."),
    # What it answers.
    Term(word="Class", page="Data",
         means="One of the kinds that images are told apart into: of digits there are ten."),
    Term(word="Logit", page="Follow",
         means="The sum that the last layer has for a class before softmax; the largest wins."),
    Term(word="Softmax", page="Follow", sketch=sketches.SOFTMAX,
         means="Turns the last layer's sums into shares of 100 %: each is raised as a power of e, "
         "and divided by all of them together."),
    Term(word="Margin", page="Draw",
         means="By how much the sum of one answer leads that of another: at zero it turns."),
    # How well.
    Term(word="Accuracy", page="Models", sketch=sketches.RISING,
         means="The share of images that are answered rightly; whoever guesses among ten classes "
         "reaches 10 %."),
    Term(word="Loss", page="Train", sketch=sketches.FALLING,
         means="How wrong the answers are, as one number that training makes small: minus the "
         "logarithm of the share that the right class was given, averaged; 0 is perfect, 2.30 is "
         "guessing among ten classes."),
    Term(word="Training images", page="Data",
         means="The images that a network learns from: it may know them by heart."),
    Term(word="Validation images", page="Train",
         means="Images that it does not learn from, and is judged on while it trains."),
    Term(word="Test images", page="Models",
         means="Images kept for the end: what a network reads of them is what it can be trusted "
         "to read of new ones."),
    Term(word="Overfitting", page="Lesson", sketch=sketches.APART,
         means="A network learns its training images by heart: on these its loss goes on falling, "
         "on others it rises."),
    Term(word="Confusion matrix", page="Models", sketch=sketches.CONFUSION,
         means="A row for what images are, a column for what they were taken for: what lies off "
         "the diagonal was misread."),
    Term(word="Temperature", page="Models",
         means="One number that all logits are divided by, so that of the answers given with 90 % "
         "about 90 in 100 are right."),
    Term(word="Robustness", page="Fragility",
         means="How far images can be turned, moved or covered before they are misread."),
    # How it learns.
    Term(word="Gradient", page="Follow", sketch=sketches.SLOPE,
         means="For every weight, how much the loss would rise if it grew a little: training goes "
         "the other way."),
    Term(word="Step", page="Train", sketch=sketches.VALLEY,
         means="All weights are changed once, by what one batch of images says."),
    Term(word="Batch", page="Train", sketch=sketches.BATCH,
         means="The images that one step learns from: a full batch is all of them, a mini-batch "
         "some dozens, taken in turn."),
    Term(word="Epoch", page="Train",
         means="One pass over all training images, in as many steps as there are batches."),
    Term(word="Learning rate", page="Train",
         means="How long a step is: too small, and nothing comes of it; too large, and the loss "
         "jumps up instead of falling."),
    Term(word="Schedule", page="Train",
         means="How the learning rate changes over a run: long steps first, short ones at the "
         "end."),
    Term(word="Optimizer", page="Train",
         means="The rule that makes a step of a gradient: SGD takes it as it is, Adam gives every "
         "weight a length of its own by what its gradients were."),
    Term(word="Momentum", page="Train",
         means="A step goes on a little in the direction of the ones before it, as a ball does "
         "that rolls."),
    Term(word="Regularization", page="Train",
         means="Whatever keeps a network from learning its images by heart, such as weights that "
         "are kept small or labels that are not quite certain."),
    Term(word="Early stopping", page="Train",
         means="The run ends when the loss on validation images has stopped falling, with the "
         "weights that were best."),
    Term(word="Augmentation", page="Train",
         means="Every image is turned, moved or resized a little each time it is shown, so that "
         "there are always new ones to learn from."),
    Term(word="Initializer", page="Train",
         means="The rule by which the weights are drawn before the first step: by chance, but "
         "neither too large nor too small."),
    Term(word="Seed", page="Train",
         means="The number that chance is started from: the same seed, settings and images give "
         "the same run."),
)  # fmt: skip
TERMS = {term.word: term for term in _TERMS}

# Which words explain a setting of a recipe, by its name there.
OF_SETTINGS = {
    "hidden": ("Layer", "Convolution", "Pooling"),
    "activation": ("Activation",),
    "initializer": ("Initializer",),
    "optimizer": ("Optimizer",),
    "learning_rate": ("Learning rate",),
    "momentum": ("Momentum",),
    "weight_decay": ("Regularization",),
    "schedule": ("Schedule",),
    "warmup": ("Schedule",),
    "stages": ("Schedule",),
    "drop": ("Schedule",),
    "patience": ("Schedule",),
    "batch_size": ("Batch",),
    "epochs": ("Epoch",),
    "iterations": ("Step",),
    "clip_norm": ("Gradient",),
    "l1": ("Regularization",),
    "l2": ("Regularization",),
    "label_smoothing": ("Regularization",),
    "class_weights": ("Class",),
    "early_stopping": ("Early stopping",),
    "seed": ("Seed",),
    "augmentation": ("Augmentation",),
    "validation": ("Validation images", "Overfitting"),
}
# And which explain the choice between several of them, by what `fields.SWITCHES` calls it.
OF_SWITCHES = {"batch": ("Batch",), "length": ("Epoch", "Step")}


STYLE = """<style>
.nn-word { display: flex; gap: .75rem; align-items: flex-start; margin-top: .5rem; }
.nn-word img { flex: none; margin-top: .2rem; }
.nn-word p { margin: 0; line-height: 1.45; }
.nn-word dfn { font-style: normal; font-weight: 650; display: block; }
</style>"""


def in_rows(columns: int) -> list[tuple[Term, ...]]:
    """Return all terms, so many in a row, in the order of the table."""
    return [_TERMS[i : i + columns] for i in range(0, len(_TERMS), columns)]


def entry(term: Term) -> str:
    """Return a word, what it means and its sketch, as HTML."""
    said = f"<p><dfn>{html(term.word)}</dfn>{html(term.means)}</p>"
    return f'<div class="nn-word">{term.sketch}{said}</div>'


def explained(*words: str) -> str:
    """Return these words with what they mean, as Markdown for `help=`; raises KeyError."""
    return "\n\n".join(f"**{word}**: {TERMS[word].means}" for word in words)


def of_label(label: str) -> str | None:
    """Return the words that a label names, one or many of each, as `explained` does."""
    named = [word for word in TERMS if re.search(rf"\b{word}(s|es)?\b", label, re.IGNORECASE)]
    return explained(*named) or None


def plainly(*words: str) -> str:
    """Return the same as plain text, a paragraph a word."""
    return "\n\n".join(f"{word}: {TERMS[word].means}" for word in words)


def of_setting(name: str, help: str) -> str:
    """Return the help of a setting: its own sentence, and the words that it takes for granted."""
    return "\n\n".join(filter(None, (help, explained(*OF_SETTINGS.get(name, ())))))
