"""This engine beside its peers: one command, interleaved, as a table, a JSON file and a picture.

    make bench                                  # everything, about 13 minutes on two cores
    make bench BENCH_ARGS="--quick"             # an impression, about three minutes
    make bench BENCH_ARGS="--only mini-64,start --rounds 9"

All sides of a case take turns in one process, round by round, with a rest in between; a ratio is
the median over rounds of the best peer's time over a side's own. A peer that is not installed is
left out and named. Results go to build/bench/ (bench.json, bench.md, bench.html, bench.svg).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import apart
import cases
import machine
import picture
import roofline
import table
import windows
from full_batch import default_data
from rounds import Result

ROOT = Path(__file__).resolve().parent.parent
MINI = (784, 128, 10)

# name: (title, what does it); the order is that of the tables.
CASES: dict[str, tuple[str, Callable[..., Result]]] = {
    "full-mnist": ("Full batch, 784-10-10, MNIST", partial(cases.full_batch, data="mnist")),
    "full-fashion": (
        "Full batch, 784-10-10, Fashion-MNIST",
        partial(cases.full_batch, data="fashion-mnist"),
    ),
    "mini-64": (
        "Epoch of Adam, 784-128-10, batch 64",
        partial(cases.epoch, sizes=MINI, batch=64, share=1, dense=False),
    ),
    "mini-128": (
        "Epoch of Adam, 784-128-10, batch 128",
        partial(cases.epoch, sizes=MINI, batch=128, share=2, dense=False),
    ),
    "mini-256": (
        "Epoch of Adam, 784-128-10, batch 256",
        partial(cases.epoch, sizes=MINI, batch=256, share=2, dense=False),
    ),
    "wide": (
        "Epoch of Adam, 784-512-256-10, batch 128",
        partial(cases.epoch, sizes=cases.WIDE, batch=128, share=6, dense=False),
    ),
    "dense": (
        "Epoch of Adam on random bytes, 784-128-10, batch 128",
        partial(cases.epoch, sizes=MINI, batch=128, share=4, dense=True),
    ),
    **{
        f"{short}-{batch}": (
            f"Epoch of Adam, {words}, batch {batch}",
            partial(cases.window_epoch, layers=layers, batch=batch, share=10),
        )
        for short, words, layers in (
            ("lenet", "LeNet-5", windows.LENET),
            ("conv", "8 and 16 maps of 3x3, 64 units", windows.SMALL),
        )
        for batch in (64, 128)
    },
    "predict-1": ("One image predicted, 784-10-10", partial(cases.predict, count=1)),
    "predict-10000": (
        "10,000 images predicted, 784-10-10",
        partial(cases.predict, count=10_000),
    ),
    "lenet-1": (
        "One image predicted, LeNet-5",
        partial(cases.window_predict, layers=windows.LENET, count=1),
    ),
    "lenet-10000": (
        "10,000 images predicted, LeNet-5",
        partial(cases.window_predict, layers=windows.LENET, count=10_000),
    ),
    "to-97": (
        "To 97 % on MNIST",
        partial(cases.target, sizes=MINI, goal=0.97, epochs=10, rate=0.001),
    ),
    "to-98": (
        "To 98 % on MNIST",
        partial(cases.target, sizes=(784, 256, 128, 10), goal=0.98, epochs=5, rate=0.002),
    ),
    "start": ("From files to the first trained epoch", apart.start),
    "memory": ("Peak memory of training on MNIST", apart.memory),
    "cost": ("Cost against images, units and layers", cases.cost),
    "busy": ("Beside one busy process", cases.busy),
    "page": ("From the Train page", apart.page),
    "roofline": ("Against the machine's limits", roofline.roofline),
}
QUICK = ("full-mnist", "mini-64", "dense", "predict-1", "predict-10000", "roofline")


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; unknown cases and data that is not there end the program with words."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help=f"cases, with commas between: {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, help="of each case; at least 7 for figures to quote")
    parser.add_argument(
        "--quick", action="store_true", help="fewer cases, rounds and images of an epoch"
    )
    parser.add_argument("--images", type=int, default=60_000, help="of a training set, at most")
    parser.add_argument("--data", type=Path, default=default_data(), help="holds mnist/*.gz")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench", help="folder")
    options = parser.parse_args(words)
    options.rounds = options.rounds or (3 if options.quick else 7)
    chosen = options.only.split(",") if options.only else QUICK if options.quick else CASES
    unknown = [name for name in chosen if name not in CASES]
    if unknown or options.rounds < 1:
        parser.error(f"no such case: {', '.join(unknown)}" if unknown else "at least one round")
    if not (options.data / "mnist" / "train-images-idx3-ubyte.gz").exists():
        parser.error(f"no MNIST in {options.data}: set NNENGINE_DATA or give --data")
    options.chosen = [name for name in CASES if name in chosen]
    return options


def measure(chosen: Sequence[str], plan: cases.Plan, say: Callable[[str], None]) -> list[Result]:
    """Run the chosen cases one after the other; say each table as soon as it is there."""
    results = []
    for name in chosen:
        title, run = CASES[name]
        began = time.perf_counter()
        result = run(plan, name, title)
        result.data["took_s"] = round(time.perf_counter() - began, 1)
        results.append(result)
        say(f"{table.as_text(result)}\n({result.data['took_s']:.0f} s)\n")
    return results


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status."""
    options = options_of(words)
    plan = cases.Plan(options.data, options.rounds, options.images, options.quick)
    found = machine.facts()
    results = measure(options.chosen, plan, lambda text: print(text, flush=True))
    found["load_after"] = machine.load()
    found["blas"] = machine.facts()["blas"]  # peers have brought theirs meanwhile
    settings = {"rounds": plan.rounds, "quick": plan.quick, "images": plan.images}
    few = f"; {plan.few} where one takes seconds" if plan.few < plan.rounds else ""
    how = (
        f"Medians of {plan.rounds} rounds{few}, all sides in turn in one process; ratios are taken "
        "round by round against the best peer. Threads are BLAS's and PyTorch's as well; JAX has "
        "all cores."
    )
    print(machine.in_words(found))
    for path in table.write(options.out, results, found, settings, how):
        print(f"wrote {path}")
    _draw(table.as_dict(results, found, settings), options.out)
    return 0


def _draw(document: dict, folder: Path) -> None:
    """Write the page and, where a browser is, the picture."""
    if not picture.speeds(document):
        return
    figure = picture.speed_figure(document)
    print(f"wrote {picture.write_page(figure, folder / 'bench.html')}")
    try:
        print(f"wrote {picture.write_image(figure, folder / 'bench.svg')}")
    except Exception as fault:  # a browser has many ways to fail, and the figures are safe
        print(f"no bench.svg: {fault}")


if __name__ == "__main__":
    sys.exit(main())
