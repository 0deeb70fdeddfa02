"""Make the guard: the small network that tells a digit from what looks like none.

    python benchmarks/make_guard.py [--data FOLDER] [--out FILE] [--without KIND ...]

It learns digits (MNIST's training images but those that `make_models.py` holds out, and built-in
digits, as strange hands would write them) beside an eleventh class: things made of the same digits
that are none any more (`KINDS`), as outlier exposure (Hendrycks, Mazeika & Dietterich 2019) with
outliers that need no other data (Tack et al. 2020 shift digits so). Clothing, noise, scribbles and
letters are never seen. What it refuses of a kind left out (`--without`) says how far that carries.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from full_batch import default_data
from make_models import HANDS, HELD_OUT, facts, joined, lined
from original_recipe import load as load_set

from nnengine import Dataset, EpochFinished, Network, TrainingConfig, models, training
from nnengine.analysis import novelty
from nnengine.data import framing, synthetic, writing
from nnengine.data.augment import augmented
from nnengine.storage import modelfile

FILE = Path(__file__).parents[1] / "nnengine" / "models" / "guard.npz"
LAYERS = "conv 8 5x5 stride 2, conv 16 5x5 stride 2, dense 32"
MNIST, SYNTHETIC, EACH = 14_000, 8_000, 1_500  # images learnt from; EACH: of a kind of outlier
CONFIG = TrainingConfig(
    epochs=6, batch_size=64, optimizer="adam", learning_rate=0.002, schedule="cosine"
)
Pick = Callable[..., np.ndarray]


def _turned(
    classes: str, way: Callable[[np.ndarray], np.ndarray]
) -> Callable[[Pick, object], np.ndarray]:
    """Return a maker of digits of these classes turned so: what remains a digit is not named."""
    return lambda pick, rng: way(pick(classes))


def _halves(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    one, other = pick(apart=True)
    cut = rng.integers(11, 18)
    one[:, cut:] = other[:, cut:]
    return one


def _sides(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    one, other = pick(apart=True)
    one[:, :, 14:] = other[:, :, 14:]
    return one


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


def _left_over(pick: Pick, rng: np.random.Generator) -> np.ndarray:
    """Digits of which one half is gone."""
    images = pick("2345689")
    images[:, 14:] = 0
    return np.where(rng.random((len(images), 1, 1)) < 0.5, images, np.rot90(images, 1, (1, 2)))


KINDS: dict[str, Callable] = {
    "mirrored": _turned("34679", lambda x: x[:, :, ::-1]),
    "turned left": _turned("2345679", lambda x: np.rot90(x, 1, (1, 2))),
    "turned right": _turned("2345679", lambda x: np.rot90(x, -1, (1, 2))),
    "upside down": _turned("347", lambda x: x[:, ::-1, ::-1]),
    "flipped": _turned("4679", lambda x: x[:, ::-1]),
    "transposed": _turned("234567", lambda x: x.transpose(0, 2, 1)),
    "halves": _halves,
    "sides": _sides,
    "one over another": _over,
    "pairs": _pair,
    "half gone": _left_over,
    "quarters moved": _patches(14),
    "patches moved": _patches(7),
    "small patches moved": _patches(4),
    "mosaics": _mosaic,
    "inverted": lambda pick, rng: 255 - pick(),
    "thick": _thick,
    "close up": _close,
}
UNFRAMED = ("mosaics", "inverted", "thick", "close up", "small patches moved")


def outliers(data: Dataset, each: int, rng: int, kinds: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return uint8 (each, 28, 28) of every kind, made of the images of `data` alone."""
    stream = np.random.default_rng(rng)

    def pick(classes: str = "0123456789", apart: bool = False):
        rows = np.flatnonzero(np.isin(data.labels, [*map(int, classes)]))
        one, other = stream.choice(rows, (2, each))
        if not apart:
            return data.images[one].copy()
        same = data.labels[one] == data.labels[other]
        while same.any():
            other[same] = stream.choice(rows, same.sum())
            same = data.labels[one] == data.labels[other]
        return data.images[one].copy(), data.images[other].copy()

    made = {kind: np.ascontiguousarray(KINDS[kind](pick, stream)) for kind in kinds}
    return {k: v if k in UNFRAMED else framing.to_images(v) for k, v in made.items()}


def learnt(folder: Path, without: tuple[str, ...] = ()) -> Network:
    """Return the guard, trained without some kinds of outliers."""
    mnist, _ = load_set(folder / "mnist", "train").split(HELD_OUT)
    rows = np.random.default_rng(0).choice(mnist.count, MNIST, replace=False)
    plain = mnist.take(np.sort(rows))
    digits = joined(plain, synthetic.digits(SYNTHETIC, seed=1000, every_way=True))
    strange = Dataset(augmented(digits.images, HANDS, rng=5), digits.labels, classes=10)
    inside = joined(plain, strange)
    kinds = tuple(kind for kind in KINDS if kind not in without)
    outside = outliers(inside, EACH, 6, kinds)
    images = np.concatenate([inside.images, *outside.values()])
    labels = np.concatenate([inside.labels, np.full(EACH * len(kinds), 10, np.uint8)])
    names = (*map(str, range(10)), "none")
    network = Network.build(LAYERS, image_shape=(28, 28), classes=11, class_names=names, rng=1)
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
    found |= outliers(held, 500, 7, tuple(KINDS))
    odds = {kind: log_odds(network.logits(images)) for kind, images in found.items()}
    line = np.quantile(odds["held out"], 1 - novelty.PRICE)
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
    parser.add_argument("--without", nargs="*", default=[], choices=list(KINDS))
    arguments = parser.parse_args()
    guard = learnt(arguments.data, tuple(arguments.without))
    told(guard, arguments.data, tuple(arguments.without))
    if not arguments.without:
        kept(guard, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
