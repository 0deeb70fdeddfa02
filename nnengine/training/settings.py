"""Settings: every choice that makes a run, one row each; whoever needs to know one asks its row.

A row says what a setting is called (in code, links and commands, to people), what it may be and
what it does. Checks, options, links, forms and records are made from the rows. What a setting is
where nobody says anything stands where it is used: in `TrainingConfig` and `Network.build`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.activations import ACTIVATIONS
from ..core.network import INITIALIZERS
from ..core.optimizers import OPTIMIZERS
from ..core.schedules import SCHEDULES
from ..errors import ConfigError, EngineError
from .kinds import Distortions, Kind, Number, Whole, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting.

    name: in code and records. label, help: for people; help is a sentence that a form shows and a
    command explains its option with. kind: what it may be. key: in links and forms; none: it is in
    neither. options: on the command line, today's first; none: it is not there. none: words for
    None, the first is written; None: it cannot be None. none_words: what people read for it.
    usual: what leaving it out comes to, where its default, None, does not say. title: in records,
    where that is not its name. metavar: where its kind's is not enough. either: one word for those
    of which one is given. when: (name, values) of the setting that makes it act. of_network: it
    makes the network rather than the run. further: few runs need another value than the usual one;
    forms fold it away.
    """

    name: str
    label: str
    help: str
    kind: Kind
    key: str = ""
    options: tuple[str, ...] = ()
    none: tuple[str, ...] | None = None
    none_words: str = ""
    usual: str = ""
    title: str = ""
    metavar: str = ""
    either: str = ""
    when: tuple[str, tuple[Any, ...]] | None = None
    of_network: bool = False
    further: bool = False

    @property
    def words(self) -> str:
        """Its name within a sentence."""
        return self.name.replace("_", " ")

    def read(self, text: str) -> Any:
        """Return the value of a text; raises ConfigError where it has none. Bounds: `check`."""
        return None if text in (self.none or ()) else self.kind.read(text)

    def ask(self, text: str) -> Any:
        """Return the value of a text; raises ConfigError, with what to write, out of bounds too."""
        try:
            value = self.read(text)
            if value is not None and not self.kind.holds(value):
                raise ConfigError(self.kind.prompt)
        except ConfigError as fault:
            raise ConfigError(f"{fault}, or {self.none[0]}" if self.none else str(fault)) from None
        return value

    def check(self, value: Any) -> None:
        """Raise ConfigError unless the setting can have this value."""
        if (value is None and self.none is not None) or self.kind.holds(value):
            return
        refusal = self.kind.refusal(self.name, value)
        raise ConfigError(f"{refusal}, or {self.none_words}" if self.none_words else refusal)

    def write(self, value: Any) -> str:
        """Return the text that `read` makes this value of; "" for a None that has no word."""
        return next(iter(self.none or ()), "") if value is None else self.kind.write(value)

    def say(self, value: Any) -> str:
        """Return what people are shown for a value."""
        return self.none_words if value is None else self.kind.say(value)

    def note(self, plain: Any) -> tuple[str, str]:
        """Return (title, words) of what a record holds, JSON from anywhere; "" for nothing."""
        title = self.title or self.words.capitalize()
        if plain is None:
            return title, self.none_words
        try:
            value = self.kind.restored(plain)
        except EngineError:
            return title, ""
        return title, self.kind.note(value) if self.kind.holds(value) else str(plain)


_ROWS = (
    Row(
        name="activation", key="activation", options=("--activation",), label="Activation",
        help="What a hidden unit makes of its sum.",
        kind=named(ACTIVATIONS, relu="ReLU", leaky_relu="Leaky ReLU", identity="None (linear)"),
        of_network=True,
    ),
    Row(
        name="initializer", key="initializer", options=("--initializer", "--init"),
        label="Initializer", help="How the weights are drawn before the first step.",
        kind=named(INITIALIZERS, uniform="Uniform ±0.5"), of_network=True,
    ),
    Row(
        name="dtype", options=("--dtype",), label="Numbers",
        help="The numbers that the network computes with.",
        kind=named(("float32", "float64")), of_network=True,
    ),
    Row(
        name="optimizer", key="optimizer", options=("--optimizer",), label="Optimizer",
        help="How a gradient becomes a step.",
        kind=named(OPTIMIZERS, sgd="SGD", rmsprop="RMSprop", adamw="AdamW"),
    ),
    Row(
        name="learning_rate", key="rate", options=("--learning-rate",), label="Learning rate",
        help="How long a step is.", kind=Number(above=True, step=0.0005),
    ),
    Row(
        name="momentum", key="momentum", options=("--momentum",), label="Momentum",
        help="How much of its velocity a step takes over from the one before.",
        kind=Number(most=1.0, below=True), when=("optimizer", ("momentum", "nesterov")),
    ),
    Row(
        name="weight_decay", key="decay", options=("--weight-decay",), label="Weight decay",
        help="What share of every weight, times the rate, each step takes away.",
        kind=Number(most=1.0), when=("optimizer", ("adamw",)),
    ),
    Row(
        name="schedule", key="schedule", options=("--schedule",), label="Rate over the run",
        help="How the learning rate goes from the first step to the last.",
        kind=named(
            SCHEDULES, cosine="Falls to zero along a cosine", step="Falls in stages",
            one_cycle="Rises, then falls to zero", plateau="Falls where the loss stands still",
        ),
    ),
    Row(
        name="warmup", key="warmup", options=("--warmup",), label="Warm-up",
        help="The share of the run in which the rate rises before it falls.",
        kind=Number(most=1.0, below=True, step=0.05), when=("schedule", ("cosine",)),
    ),
    Row(
        name="stages", key="stages", options=("--stages",), label="Stages",
        help="How many equally long parts of the run have a rate of their own.",
        kind=Whole(most=1000), when=("schedule", ("step",)),
    ),
    Row(
        name="drop", key="drop", options=("--drop",), label="Drop",
        help="What the rate is multiplied by where it falls.",
        kind=Number(above=True, most=1.0, below=True, step=0.1),
        when=("schedule", ("step", "plateau")),
    ),
    Row(
        name="patience", key="patience", options=("--patience",), label="Patience of the rate",
        help="How many measurements may bring no smaller loss before the rate falls.",
        kind=Whole(least=0, most=100_000), when=("schedule", ("plateau",)),
    ),
    Row(
        name="batch_size", key="batch", options=("--batch-size",), label="Images in a batch",
        help="How many images a step learns from.", kind=Whole(), none=("full", "all"),
        none_words="full batch", title="Batch", metavar="N|all",
    ),
    Row(
        name="epochs", key="epochs", options=("--epochs",), label="Epochs",
        help="Passes over the training data.", kind=Whole(), none=(), either="length", usual="10",
    ),
    Row(
        name="iterations", key="iterations", options=("--iterations",), label="Iterations",
        help="Steps of the optimizer.", kind=Whole(), none=(), either="length",
    ),
    Row(
        name="evaluate_every", label="Steps between two points",
        help="How many steps apart the points of the curves are.", kind=Whole(), none=(),
    ),
    Row(
        name="train_sample", options=("--train-sample",), label="Training images measured",
        help="Training images at most that accuracy and loss are measured on, less time than all "
        "of them take.",
        kind=Whole(), none=(), usual="10,000 on the way, all at the end",
    ),
    Row(
        name="clip_norm", key="clip", options=("--clip-norm",), label="Longest gradient",
        help="Gradients longer than this are shortened to it; 0: none is.", kind=Number(step=0.5),
        further=True,
    ),
    Row(
        name="l1", key="l1", options=("--l1",), label="L1 penalty", title="L1 penalty",
        help="How much the sum of all weights' sizes counts beside the loss.",
        kind=Number(step=0.0001), further=True,
    ),
    Row(
        name="l2", key="l2", options=("--l2",), label="L2 penalty", title="L2 penalty",
        help="How much half the sum of all weights' squares counts beside the loss.",
        kind=Number(step=0.0001), further=True,
    ),
    Row(
        name="label_smoothing", key="smoothing", options=("--label-smoothing",),
        label="Label smoothing", help="The share of each label that is spread over all classes.",
        kind=Number(most=1.0, below=True, step=0.05),
        further=True,
    ),
    Row(
        name="class_weights", key="classes", options=("--class-weights",), label="Class weights",
        help="What images of a class count: all the same, or the more the rarer it is.",
        kind=named(("equal", "balanced")),
        further=True,
    ),
    Row(
        name="early_stopping", key="stop", options=("--early-stopping",), label="Early stopping",
        help="How many measurements may bring no smaller loss before the run ends, with the best "
        "weights it had; 0: any number.",
        kind=Whole(least=0, most=100_000),
        further=True,
    ),
    Row(
        name="seed", key="seed", options=("--seed",), label="Seed",
        help="Of weights, shuffling and distortions: the same seed and settings give the same run.",
        kind=Whole(least=0),
        further=True,
    ),
    Row(
        name="augmentation", key="images", options=("--augment",), label="Images while training",
        help="Show images distorted, anew each time: none, gentle, strong, or amounts such as "
        "shift=2,rotation=10.",
        kind=Distortions(), none=("none",),
    ),
)  # fmt: skip
SETTINGS = {row.name: row for row in _ROWS}
