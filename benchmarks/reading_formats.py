"""Reading formats: how long ordinary downloads of MNIST take, beside the libraries one would use.

    python benchmarks/reading_formats.py --data ../data
    python benchmarks/reading_formats.py --data ../data --before ../before --pairs 9

Each row is a pair that takes turns, first one and then the other, and what counts is the other's
time over ours of each pair: whatever else the machine does meets both. Seconds are those of the
processor, of all threads together. Printed are both medians, the median of the ratios and its
spread. Memory is the most that a new process held above what it
held before it read, over the bytes of the set. `--before` is a checkout of an earlier commit
(git worktree add ../before b0ff2b5). pandas and pyarrow are needed.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ROWS = 42_000  # of Kaggle's train.csv
SMALL = "small"  # what files of twenty images are called
MEASURED = ("train.csv", "pictures.zip", "train.parquet", "train-images-idx3-ubyte.gz")


# What is read ------------------------------------------------------------------------------------


def make(folder: Path, data: Path, part: int) -> None:
    """Write MNIST as Kaggle, a folder of pictures, Hugging Face and its makers have it.

    part: of all but the last one in so many.
    """
    import pyarrow
    import pyarrow.parquet
    from PIL import Image

    from nnengine.data.idx import write_idx
    from nnengine.data.readers import read_sets

    sets = read_sets(data / "mnist")
    images = np.concatenate([sets.train.images, sets.test.images])
    labels = np.concatenate([sets.train.labels, sets.test.labels])
    for name, rows in (("train.csv", ROWS // part), (f"{SMALL}.csv", 20)):
        with open(folder / name, "w") as file:
            file.write(",".join(["label", *(f"pixel{i}" for i in range(784))]) + "\n")
            table = np.hstack([labels[:rows, None], images[:rows].reshape(rows, -1)])
            np.savetxt(file, table, "%d", delimiter=",")
    pictures = []
    for image in images[: len(images) // part]:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        pictures.append(stream.getvalue())
    for name, count in (("pictures", len(pictures)), (SMALL, 20)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for i, raw in enumerate(pictures[:count]):
                archive.writestr(f"{labels[i]}/{i}.png", raw)
    for name, count in (("train", 60_000 // part), (SMALL, 20)):
        held = [{"bytes": raw, "path": f"{i}.png"} for i, raw in enumerate(pictures[:count])]
        table = pyarrow.table({"image": held, "label": labels[:count].astype(np.int64)})
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    write_idx(folder / f"{SMALL}.gz", images[:20])
    name = "train-images-idx3-ubyte.gz"
    (folder / name).write_bytes((data / "mnist" / name).read_bytes())


# Who reads it ------------------------------------------------------------------------------------


def ours(path: Path) -> np.ndarray:
    """Return the images in a file as the engine reads them."""
    from nnengine.data import readers

    found = readers.read(path)
    return found.train.images if found.train is not None else found.images


def pandas_csv(path: Path) -> np.ndarray:
    """Return the images in a CSV as pandas reads them, as bytes."""
    import pandas

    table = pandas.read_csv(path)
    return table.iloc[:, 1:].to_numpy(np.uint8).reshape(-1, 28, 28)


def pillow_zip(path: Path) -> np.ndarray:
    """Return the pictures in a zip as zipfile and Pillow read them."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        found = [np.asarray(Image.open(archive.open(name))) for name in archive.namelist()]
    return np.stack(found)


def arrow_parquet(path: Path) -> np.ndarray:
    """Return the pictures in a Parquet table as pyarrow and Pillow read them."""
    import pyarrow.parquet
    from PIL import Image

    column = pyarrow.parquet.read_table(path).column("image").combine_chunks().field("bytes")
    return np.stack([np.asarray(Image.open(io.BytesIO(raw))) for raw in column.to_pylist()])


OTHERS = {
    "train.csv": ("pandas.read_csv + reshape", pandas_csv),
    "pictures.zip": ("zipfile + Pillow", pillow_zip),
    "train.parquet": ("pyarrow + Pillow", arrow_parquet),
}


# Measures ----------------------------------------------------------------------------------------


def pairs(one: Callable[[], float], other: Callable[[], float], count: int) -> str:
    """Return what two that take turns took, in words: medians, ratio and its spread."""
    one(), other()
    times = []
    for turn in range(count):
        first, second = (one, other) if turn % 2 else (other, one)
        took = {first: first(), second: second()}
        times.append((took[one], took[other]))
    ratios = sorted(theirs / mine for mine, theirs in times)
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    return (
        f"{mine:6.2f} s, the other {theirs:6.2f} s: {statistics.median(ratios):.2f} times as fast "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


class Timed:
    """Who reads a file, and says how many seconds of processor it took; `sum` is what was read."""

    def __init__(self, read: Callable[[Path], np.ndarray], path: Path) -> None:
        self.read, self.path, self.sum = read, path, -1

    def __call__(self) -> float:
        started = time.process_time()
        images = self.read(self.path)
        took = time.process_time() - started
        self.sum = int(images.sum(dtype=np.int64))
        return took


class Reader:
    """A process that reads a file again and again with the engine of one checkout."""

    _WORK = (
        "import sys, time\nfrom nnengine.data.idx import read_idx\n"
        "for line in sys.stdin:\n"
        "    started = time.process_time(); read_idx(line.strip())\n"
        "    print(time.process_time() - started, flush=True)\n"
    )

    def __init__(self, checkout: Path, path: Path) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._WORK], env=os.environ | {"PYTHONPATH": str(checkout)},
            cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def take(self) -> float:
        """Return the seconds of ten readings."""
        assert self.process.stdin and self.process.stdout
        total = 0.0
        for _ in range(10):
            self.process.stdin.write(f"{self.path}\n")
            self.process.stdin.flush()
            total += float(self.process.stdout.readline())
        return total

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def memory(path: Path) -> tuple[float, float]:
    """Return MB that a new process held at most above what it had, and those of the set."""
    done = subprocess.run(
        [sys.executable, __file__, "--hold", str(path)], check=True, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    more, size = map(float, done.stdout.split())
    return more / 1e6, size / 1e6


def hold(path: Path) -> None:
    """Print the bytes that reading held at most above those before, and the bytes of the set."""

    def status(name: str) -> int:
        text = Path("/proc/self/status").read_text()
        return 1024 * int(text.partition(f"{name}:")[2].split()[0])

    from nnengine.data import readers

    readers.read(path.with_name(SMALL + path.suffix))  # whatever that needs is loaded by then
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    found = readers.read(path)
    print(status("VmHWM") - before, sum(array.nbytes for array in found.arrays))


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder that holds mnist/")
    parser.add_argument("--before", type=Path, help="a checkout of another commit")
    parser.add_argument("--pairs", type=int, default=7, help="of each row (7)")
    parser.add_argument("--part", type=int, default=1, help="one image in so many (1: all)")
    parser.add_argument("--only", default="", help="files whose names hold this")
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.hold:
        hold(asked.hold)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, asked.data, asked.part)
        for file in filter(lambda file: asked.only in file, MEASURED):
            path = folder / file
            if file in OTHERS:
                title, read = OTHERS[file]
                both = Timed(ours, path), Timed(read, path)
                said = pairs(*both, asked.pairs)
                assert both[0].sum == both[1].sum
                print(f"{file}: {said}; the other: {title}", flush=True)
            elif asked.before:
                readers = Reader(ROOT, path), Reader(asked.before, path)
                said = pairs(readers[0].take, readers[1].take, asked.pairs)
                print(f"{file}, ten times: {said}; the other: {asked.before}", flush=True)
                for reader in readers:
                    reader.close()
            more, size = memory(path)
            print(f"{file}: {more:.0f} MB more, {more / size:.2f} times the set's {size:.0f} MB")


if __name__ == "__main__":
    main()
