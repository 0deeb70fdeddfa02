"""Make the guard: the small network that tells a digit from what looks like none.

    python benchmarks/make_guard.py [--data FOLDER] [--out FILE] [--without KIND ...]

It learns digits (MNIST's training images but those that `make_models.py` holds out, and built-in
digits, as strange hands and as printers would write them) beside an eleventh class: things made of
the same digits that are none any more (`KINDS`), and others drawn here from chance and from an
alphabet of strokes (`BY_THEMSELVES`). Outlier exposure is Hendrycks, Mazeika & Dietterich's (2019);
outliers turned out of the data itself are Tack et al.'s (2020). What `novelty.py` measures it on,
clothing, noise, its scribbles and letters in fonts, is never seen. What it refuses of a kind left
out (`--without`) says how far that carries. A new guard has new odds: `novelty.GUARD` goes up by
one before it is made.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import alphabet
import numpy as np
import strange_things
from full_batch import default_data
from make_models import HANDS, HELD_OUT, facts, joined, lined
from original_recipe import load as load_set

from nnengine import Dataset, EpochFinished, Network, TrainingConfig, models, training
from nnengine.analysis import novelty
from nnengine.data import framing, synthetic, writing
from nnengine.data.augment import augmented
from nnengine.data.synthetic.ways import WAYS
from nnengine.storage import modelfile

FILE = Path(__file__).parents[1] / "nnengine" / "models" / "guard.npz"
LAYERS = "conv 16 5x5 stride 2, conv 32 5x5 stride 2, dense 48"
SYNTHETIC, PRINTED = 30_000, 6_000  # images learnt from, beside MNIST's
TURNED, DRAWN = 1_500, 8_000  # of each kind of outlier made of digits; drawn by themselves
CONFIG = TrainingConfig(
    epochs=10, batch_size=128, optimizer="adam", learning_rate=0.003, schedule="cosine"
)
Pick = Callable[..., np.ndarray]


def _turned(
    classes: str, way: Callable[[np.ndarray], np.ndarray]
) -> Callable[[Pick, object], np.ndarray]:
    """Return a maker of digits of these classes turned so: what remains a digit is not named."""
    return lambda pick, rng: way(pick(classes))


def _over(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    one, other = pick(apart=True)
    return np.maximum(one, np.rot90(other, 1, (1, 2)))


def _pair(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    one, other = pick(apart=True)
    return np.concatenate([one[:, :, 4:24], other[:, :, 4:24]], axis=2)


def _mosaic(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    """Four by four digits, a quarter as large: a crowded sheet."""
    images = pick()
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8)
    rows = [np.concatenate([np.roll(small, n * 4 + m, 0) for m in range(4)], 2) for n in range(4)]
    return np.concatenate(rows, axis=1)[:, 14:42, 14:42]


def _patches(side: int) -> Callable[[Pick, np.random.Generator], np.ndarray]:
    """Return a maker of digits cut into patches of so many pixels, which change places."""

    def made(pick: Pick, rng: np.random.Generator) -> np.ndarray:
        images, n = pick(), 28 // side
        cells = images.reshape(-1, n, side, n, side).transpose(0, 1, 3, 2, 4)
        cells = cells.reshape(len(images), n * n, side, side)
        for one in cells:
            one[:] = one[rng.permutation(n * n)]
        whole = cells.reshape(-1, n, n, side, side).transpose(0, 1, 3, 2, 4)
        return whole.reshape(-1, 28, 28)

    return made


def _thick(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    """Digits whose ink has run: every pixel is the largest of 7 x 7 around it."""
    padded = np.pad(pick(), ((0, 0), (3, 3), (3, 3)))
    return np.lib.stride_tricks.sliding_window_view(padded, (7, 7), (1, 2)).max(axis=(3, 4))


def _close(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    """The middle of a digit, three times as large."""
    return pick()[:, 9:19, 9:19].repeat(3, axis=1).repeat(3, axis=2)[:, 1:29, 1:29]


KINDS: dict[str, Callable] = {
    "mirrored": _turned("34679", lambda x: x[:, :, ::-1]),
    "turned left": _turned("2345679", lambda x: np.rot90(x, 1, (1, 2))),
    "turned right": _turned("2345679", lambda x: np.rot90(x, -1, (1, 2))),
    "upside down": _turned("347", lambda x: x[:, ::-1, ::-1]),
    "flipped": _turned("4679", lambda x: x[:, ::-1]),
    "one over another": _over,
    "pairs": _pair,
    "quarters moved": _patches(14),
    "patches moved": _patches(7),
    "small patches moved": _patches(4),
    "mosaics": _mosaic,
    "inverted": lambda pick, rng: 255 - pick(),
    "thick": _thick,
    "close up": _close,
}
BY_THEMSELVES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    **{
        name: partial(strange_things.written, texts)
        for name, texts in {
            "capitals": alphabet.CAPITALS,
            "small letters": alphabet.SMALL,
            "letters from abroad": alphabet.ABROAD,
            "signs": alphabet.SIGNS,
        }.items()
    },
    **{
        name: partial(strange_things.wanderings, *how)
        for name, how in strange_things.WANDERINGS.items()
    },
    **{
        name: partial(strange_things.things, outline)
        for name, outline in strange_things.THINGS.items()
    },
}
UNFRAMED = ("mosaics", "inverted", "thick", "close up", "small patches moved")


def outliers(
    data: Dataset, each: tuple[int, int], rng: int, kinds: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return uint8 (n, 28, 28) of every kind.

    each: how many of a kind made of the images of `data`, and of one drawn by itself.
    """
    stream = np.random.default_rng(rng)
    turned, by_itself = each

    def pick(classes: str = "0123456789", apart: bool = False):
        rows = np.flatnonzero(np.isin(data.labels, [*map(int, classes)]))
        one, other = stream.choice(rows, (2, turned))
        if not apart:
            return data.images[one].copy()
        same = data.labels[one] == data.labels[other]
        while same.any():
            other[same] = stream.choice(rows, same.sum())
            same = data.labels[one] == data.labels[other]
        return data.images[one].copy(), data.images[other].copy()

    made = {}
    for kind in kinds:
        if kind in BY_THEMSELVES:
            images = BY_THEMSELVES[kind](by_itself, stream)
            half = len(images) // 2
            strange = augmented(images[half:], HANDS, rng=stream)
            made[kind] = np.concatenate([images[:half], strange])
        else:
            images = np.ascontiguousarray(KINDS[kind](pick, stream))
            made[kind] = images if kind in UNFRAMED else framing.to_images(images)
    return made


def printed(count: int, rng: int) -> Dataset:
    """Return digits written as the alphabet's letters are: their style alone makes no letter."""
    ways = [
        (label, text) for label, group in enumerate(WAYS) for _, *both in group for text in both
    ]
    stream = np.random.default_rng(rng)
    parts = [strange_things.written([text], count // len(ways), stream) for _, text in ways]
    labels = np.repeat([label for label, _ in ways], count // len(ways)).astype(np.uint8)
    return Dataset(np.concatenate(parts), labels, classes=10)


def learnt(folder: Path, without: tuple[str, ...] = ()) -> Network:
    """Return the guard, trained without some kinds of outliers."""
    mnist, _ = load_set(folder / "mnist", "train").split(HELD_OUT)
    digits = joined(mnist, synthetic.digits(SYNTHETIC, seed=1000, every_way=True))
    strange = Dataset(augmented(digits.images, HANDS, rng=5), digits.labels, classes=10)
    inside = joined(joined(mnist, strange), printed(PRINTED, 8))
    kinds = tuple(kind for kind in (*KINDS, *BY_THEMSELVES) if kind not in without)
    outside = outliers(inside, (TURNED, DRAWN), 6, kinds)
    images = np.concatenate([inside.images, *outside.values()])
    none = np.full(len(images) - inside.count, 10, np.uint8)
    labels = np.concatenate([inside.labels, none])
    names = (*map(str, range(10)), "none")
    network = Network.build(LAYERS, image_shape=(28, 28), classes=11, class_names=names, rng=1)
    print(f"{inside.count:,} digits, {len(none):,} others")
    for event in training(network, Dataset(images, labels, class_names=names), CONFIG):
        if isinstance(event, EpochFinished):
            print(
                f"epoch {event.epoch:.0f}: {event.train_accuracy:.2%}, "
                f"{time.process_time():.0f} s of CPU",
                flush=True,
            )
    return network


def kept(guard: Network, folder: Path, out: Path) -> None:
    """Write the guard with its own line, and the drawing network with the line it has by it."""
    guard.training = ()
    writing.write(out, modelfile.to_bytes(guard, half=True))
    _, held_out = load_set(folder / "mnist", "train").split(HELD_OUT)
    line = novelty.fit_line(held_out.images)
    assert line is not None, "the guard takes digits for none"
    guard.training = ({novelty.KEY: line.as_dict()},)
    writing.write(out, modelfile.to_bytes(guard, half=True))
    file, card_file = out.parent / models.FILES["drawing"], out.parent / "drawing.json"
    raw = lined(modelfile.load(file), folder)
    card = json.loads(card_file.read_text()) | facts("drawing", raw)
    writing.write(file, raw)
    writing.write(card_file, (json.dumps(card, indent=2) + "\n").encode())


def told(network: Network, folder: Path, without: tuple[str, ...]) -> None:
    """Print what is refused of digits and of kinds of outliers, at a line that 1 in 133 pass."""
    _, held = load_set(folder / "mnist", "train").split(HELD_OUT)
    strange = augmented(held.images, HANDS, rng=3)
    own = synthetic.digits(3_000, seed=2000, every_way=True).images
    found = {"held out": held.images, "as strange hands": strange, "built-in": own}
    found |= outliers(held, (500, 1_000), 7, (*KINDS, *BY_THEMSELVES))
    odds = {kind: log_odds(network.logits(images)) for kind, images in found.items()}
    line = max(
        np.quantile(odds["held out"], 1 - novelty.PRICE),
        np.quantile(odds["as strange hands"], 1 - novelty.PRICE_STRANGE),
    )
    for kind, one in odds.items():
        unknown = " (none was learnt from)" * (kind in without)
        print(f"{kind:22}{(one > line).mean():8.1%}{unknown}")
    print(f"line {line:.3f}; {network}; {time.process_time():.0f} s of CPU")


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Return the log odds of the last class."""
    z = logits.astype(np.float64)
    return z[:, -1] - np.log(np.exp(z[:, :-1]).sum(axis=1))


def main() -> None:
    """Make the guard, or try what it learns without some kinds, and say what it refuses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--without", nargs="*", default=[], choices=[*KINDS, *BY_THEMSELVES])
    arguments = parser.parse_args()
    guard = learnt(arguments.data, tuple(arguments.without))
    told(guard, arguments.data, tuple(arguments.without))
    if not arguments.without:
        kept(guard, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
