"""What a network's guard refuses: digits, and what are none, that it never saw.

    python benchmarks/novelty.py [MODEL ...] [--data FOLDER] [--most N]

Digits: MNIST's test images, and the pen strokes of `pen_strokes.py`. Others: Fashion-MNIST's test
images; noise of four kinds; scribbles, smooth curves through points by lot, drawn by the pad's own
pen; letters in every TrueType font below /usr/share/fonts, but those that are digits by shape;
sheets crowded with built-in digits. None of it was looked at while method and guard were chosen.
`make_guard.py` draws letters, scrawls and filled shapes of its own, and learns those.
"""

from __future__ import annotations

import argparse
import string
import time
from pathlib import Path

import numpy as np
from full_batch import default_data
from original_recipe import load as load_set
from pen_strokes import PEN_PX, PLACES, SHEET_PX, drawn

import nnengine
from nnengine import models
from nnengine.analysis import novelty
from nnengine.data import framing, pen, synthetic

FONTS = Path("/usr/share/fonts")
DIGITS_BY_SHAPE = set("OIlSZBbgq")
COUNT = 2_000  # scribbles, crowded sheets, and noise of each kind


def scribbles(count: int, rng: int) -> np.ndarray:
    """Return uint8 (count, 28, 28): one to three smooth strokes through five to ten points."""
    stream = np.random.default_rng(rng)

    def sheet() -> np.ndarray:
        strokes = []
        for _ in range(stream.integers(1, 4)):
            points = stream.uniform(30, SHEET_PX - 30, (stream.integers(5, 11), 2))
            strokes.append(_smooth(points))
        return pen.draw(strokes, side_px=SHEET_PX, pen_px=PEN_PX)

    return framing.to_images(sheet() for _ in range(count))


def _smooth(points: np.ndarray, steps: int = 8) -> np.ndarray:
    """Return a curve through points (Catmull & Rom 1974), `steps` pieces between two."""
    p = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
               + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]  # fmt: skip
    return np.concatenate([*pieces, points[-1:]])


def noise(count: int, rng: int) -> dict[str, np.ndarray]:
    """Return noise by name, uint8 (count, 28, 28) each."""
    stream = np.random.default_rng(rng)
    even = stream.integers(0, 256, (count, 28, 28), np.uint8)
    normal = np.clip(stream.normal(128, 64, (count, 28, 28)), 0, 255).astype(np.uint8)
    dots = np.where(stream.random((count, 28, 28)) < 0.15, 255, 0).astype(np.uint8)
    clouds = stream.normal(0, 1, (count, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    clouds = sum(np.roll(clouds, shift, (1, 2)) for shift in ((0, 0), (1, 2), (2, 1), (3, 3))) / 2
    clouds = np.clip(128 + 90 * clouds, 0, 255).astype(np.uint8)
    return {"even": even, "normal": normal, "dots": dots, "clouds": clouds}


def letters() -> np.ndarray:
    """Return uint8 (n, 28, 28): every letter in every font found; none where there are none."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        print("no letters: Pillow is not installed")
        return np.empty((0, 28, 28), np.uint8)
    files = sorted(FONTS.rglob("*.ttf"))
    print(f"letters in {len(files)} fonts" if files else f"no letters: no .ttf below {FONTS}")
    sheets = []
    for file in files:
        font = ImageFont.truetype(str(file), 180)
        for letter in sorted(set(string.ascii_letters) - DIGITS_BY_SHAPE):
            sheet = Image.new("L", (400, 400))
            ImageDraw.Draw(sheet).text((100, 80), letter, 255, font)
            sheets.append(np.asarray(sheet))
    return framing.to_images(sheets)


def crowded(count: int, rng: int) -> np.ndarray:
    """Return uint8 (count, 28, 28): sheets with four to nine built-in digits, framed as one."""
    stream = np.random.default_rng(rng)
    digits = synthetic.digits(3_000, seed=rng).images
    sheets = []
    for _ in range(count):
        sheet = np.zeros((84, 84), np.uint8)
        for at in stream.permutation(9)[: stream.integers(4, 10)]:
            y, x = 28 * (at // 3), 28 * (at % 3)
            sheet[y : y + 28, x : x + 28] = digits[stream.integers(len(digits))]
        sheets.append(sheet)
    return framing.to_images(sheets)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return how often one from outside scores above one from inside, ties by half."""
    every = np.concatenate([inside, outside])
    _, place, counts = np.unique(every, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n = len(outside)
    return float((ranks[len(inside) :].sum() - n * (n + 1) / 2) / (n * len(inside)))


def sets(folder: Path, most: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return (digits, others), images by name; of the pen strokes `most` by lot."""
    count = min(COUNT, most)
    inside = {"MNIST test images": load_set(folder / "mnist", "t10k").images}
    inside |= {f"pen strokes, {place}": drawn(folder, place, most=most).images for place in PLACES}
    outside = {"Fashion-MNIST": load_set(folder / "fashion-mnist", "t10k").images}
    outside |= {f"noise, {name}": images for name, images in noise(count, 11).items()}
    outside |= {"scribbles": scribbles(count, 12), "letters": letters()}
    outside |= {"crowded sheets": crowded(count, 13)}
    return inside, {name: images for name, images in outside.items() if len(images)}


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--most", type=int, default=10_000, help="images drawn of each kind")
    arguments = parser.parse_args()
    networks = {path.name: nnengine.load(path) for path in arguments.models} or {
        name: models.shipped(name) for name in models.NAMES
    }
    inside, outside = sets(arguments.data, arguments.most)
    for name, network in networks.items():
        line = novelty.line_of(network)
        if line is None:
            print(f"{name}: no line is on record for it")
            continue
        print(
            f"\n{name}: line {line.value:.3f}, of {line.images:,} images {line.price:.2%} refused"
        )
        scores = {k: novelty.strangeness(v) for k, v in (inside | outside).items()}
        for kind, found in scores.items():
            area = auroc(scores["MNIST test images"], found) if kind in outside else None
            refused = f"{(found > line.value).mean():8.2%} of {len(found):,} refused"
            print(f"{kind:22}{refused}" + (f", AUROC {area:.4f}" if area else ""))
    images = inside["MNIST test images"]
    started = time.process_time()
    for image in images[:200]:
        novelty.strangeness(image)
    print(f"\n{1000 * (time.process_time() - started) / 200:.2f} ms of CPU an image, one at a time")


if __name__ == "__main__":
    main()
