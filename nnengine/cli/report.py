"""Report: what the command line found out, as lines of text for people. JSON-able dicts in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data.augment import Augmentation
from ..errors import FormatError

_SHADES = " .:-=+*#%@"


def train_lines(result: dict[str, Any]) -> Iterator[str]:
    """Describe a training run that came to its end."""
    yield (
        f"{_dashed(result['layers'])}, {result['parameters']:,} parameters: "
        f"{result['iterations']:,} iterations ({result['epochs']:g} epochs) in "
        f"{result['seconds']:.1f} s, {result['kernels']} kernels"
    )
    if result["kernels_remark"]:
        yield f"  {result['kernels_remark']}"
    for side in ("train", "test"):
        if result[f"{side}_accuracy"] is not None:
            yield (
                f"  {side:<5}  accuracy {result[f'{side}_accuracy']:7.2%}   "
                f"loss {result[f'{side}_loss']:.4f}{_sampled(side, result['config'])}"
            )
    if result["out"]:
        yield f"  saved  {result['out']}"
    if "cost" in result:
        yield from cost_lines(result["cost"], result["data"])


def demo_lines(result: dict[str, Any]) -> Iterator[str]:
    """Say that a model is a page now."""
    yield f"{result['model']} ({_dashed(result['layers'])}) is shown by {result['page']}"
    yield f"  {result['bytes']:,} bytes; open it in any browser, no server or network is needed"


def cost_lines(cost: dict[str, Any], data: dict[str, Any]) -> Iterator[str]:
    """Say where the time went; cost and data as a training record holds them."""
    threads = f"{cost['threads']} thread" + "s" * (cost["threads"] != 1)
    yield f"  {cost['images_per_s']:,} images/s, {cost['kernels']} kernels, up to {threads}"
    yield f"  images read {data['path']}; {data['density']:.0%} of the pixels are not zero"
    words = ("preparing images", "whole steps", "gradients", "optimizer", "measuring the curves")
    seconds: dict[str, float] = dict(zip(words, cost["parts"].values(), strict=True))
    seconds["outside the kernels"] = max(0.0, cost["seconds"] - sum(seconds.values()))
    for word, spent in seconds.items():
        yield f"  {word:<22}{spent:>9.3f} s {spent / max(cost['seconds'], 1e-9):>7.1%}"


def evaluation_lines(result: dict[str, Any]) -> Iterator[str]:
    """Lay out accuracy, confusion matrix, recall (right) and precision (below), in per cent."""
    names, confusion = result["class_names"], result["confusion"]
    left = max(len("precision"), *map(len, names))
    cell = 2 + max(len("100.0"), *(len(f"{count:,}") for row in confusion for count in row))
    yield (
        f"accuracy {result['accuracy']:.2%} of {result['count']:,} images, "
        f"loss {result['loss']:.4f}"
    )
    if result["kernels_remark"]:
        yield result["kernels_remark"]
    yield "rows: what it is; columns: the answer; recall and precision in per cent"
    yield ""
    heads = [name[: cell - 2] for name in names]
    yield " " * left + "".join(f"{head:>{cell}}" for head in heads) + f"{'recall':>{cell}}"
    for name, row, recall in zip(names, confusion, result["recall"], strict=True):
        counts = "".join(f"{count:>{cell},}" if count else f"{'.':>{cell}}" for count in row)
        yield f"{name:>{left}}{counts}{_percent(recall):>{cell}}"
    shares = "".join(f"{_percent(share):>{cell}}" for share in result["precision"])
    yield f"{'precision':>{left}}{shares}"


def prediction_lines(result: dict[str, Any], images: np.ndarray, pictures: int) -> Iterator[str]:
    """Name the answer to each image, uint8 (n, h, w), and draw it when there are few enough."""
    wide = max(map(len, result["names"]))
    for offset, (name, share) in enumerate(
        zip(result["names"], result["probabilities"], strict=True)
    ):
        yield f"{result['start'] + offset:>6}  {name:<{wide}}  {share:6.1%}"
        if len(images) <= pictures:
            yield from picture_lines(images[offset])


def picture_lines(image: np.ndarray) -> Iterator[str]:
    """Draw a uint8 (h, w) image, two rows to a line: letters are twice as tall as wide."""
    pairs = np.concatenate([image, image[: len(image) % 2]])  # an odd row is paired with black
    pairs = pairs.reshape(-1, 2, image.shape[1]).mean(axis=1)
    for row in (pairs * (len(_SHADES) - 1) / 255).round().astype(int):
        yield ("        " + "".join(_SHADES[shade] for shade in row)).rstrip()


def idx_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Describe an IDX file by its header."""
    yield f"{facts['name']}: {facts['kind']}, {facts['items']}{' (gzip)' if facts['gzip'] else ''}"
    yield f"  header  {facts['header']}"
    yield f"  magic   {facts['magic']} (0x{facts['magic']:08x})"
    yield f"  type    {facts['dtype']}"
    yield f"  shape   {' x '.join(f'{side:,}' for side in facts['shape'])}"
    yield f"  data    {facts['data_bytes']:,} bytes"
    if facts["class_counts"] is not None:
        counts = ", ".join(f"{label}: {n:,}" for label, n in enumerate(facts["class_counts"]))
        yield f"  labels  {counts}"


def data_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Describe a file or folder of images, labels or both."""
    yield f"{facts['name']}: {facts['kind']}"
    for part, held in facts["parts"].items():
        sides = f" of {'x'.join(map(str, held['shape']))}" if held["shape"] else ""
        alone = "class_counts" not in held
        yield f"  {part:<7} {held['count']:,}{'' if alone else ' images'}{sides}"
        if not alone:
            counts = zip(held["class_names"], held["class_counts"], strict=True)
            yield f"          {', '.join(f'{name}: {count:,}' for name, count in counts)}"
    for note in facts["notes"]:
        yield f"  {note}"


def model_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Describe a model file."""
    height, width = facts["image_shape"]
    yield (
        f"{facts['name']}: .{facts['kind']} model {_dashed(facts['sizes'])}, "
        f"{facts['parameters']:,} parameters ({facts['dtype']}), "
        f"{facts['file_bytes']:,} bytes"
    )
    hidden = ", ".join(facts["activations"][:-1]) or "no hidden layer"
    yield f"  layers   {hidden}; softmax over {len(facts['class_names'])} classes"
    yield f"  classes  {', '.join(facts['class_names'])}"
    yield f"  inputs   {height}x{width} pixels, each times {facts['input_scale']:.6g}"
    for name, shape in facts["arrays"].items():
        yield f"  {name:<10} {' x '.join(map(str, shape))}"
    if not facts["training"]:
        yield "  training not on record"
    for number, run in enumerate(facts["training"], 1):
        yield f"  training {number}: {_run_line(run)}"


def _run_line(run: dict[str, Any]) -> str:
    """Describe one training record; a strange file may lack any part of it."""
    config = run.get("config")
    config = config if isinstance(config, dict) else {}
    batch = config.get("batch_size")
    facts = [
        f"{run.get('steps', '?')} steps ({run.get('outcome', 'outcome unknown')})",
        f"{config.get('optimizer', '?')} at {config.get('learning_rate', '?')}",
        "full batch" if batch is None else f"batches of {batch}",
        f"seed {run.get('seed')}",
    ]
    if config.get("schedule") == "cosine":
        facts.append("rate falling along a cosine")
    if config.get("augmentation"):
        with contextlib.suppress(FormatError):
            facts.append("images " + Augmentation.from_dict(config["augmentation"]).in_words())
    history = run.get("history")
    for side in ("train", "val"):
        column = history.get(f"{side}_accuracy") if isinstance(history, dict) else None
        if isinstance(column, list) and column and isinstance(column[-1], float):
            facts.append(f"{side} accuracy {column[-1]:.2%}{_sampled(side, config)}")
    return ", ".join(facts)


def _sampled(side: str, config: dict[str, Any]) -> str:
    """Return on how few training images a side was measured, if on so many at most."""
    most = config.get("train_sample") if side == "train" else None
    return f" ({most:,} images at most)" if isinstance(most, int) else ""


def convert_lines(result: dict[str, Any]) -> Iterator[str]:
    """Say what a conversion made and what it had to leave behind."""
    yield f"{result['from']} -> {result['to']} ({_dashed(result['layers'])})"
    if result["left_behind"]:
        yield f"  left behind, as .nnm has no room for them: {', '.join(result['left_behind'])}"


def catalogue_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """List the data sets: where each lies, or how much there would be to fetch."""
    for row in rows:
        train, test = row["images"]
        where = row["where"] or f"to be fetched ({row['size_bytes'] / 1e6:.1f} MB)"
        yield f"{row['name']:<14} {'built in' if row['built_in'] else where}"
        yield f"    {train:,} + {test:,} images. {row['summary']}"
        yield f"    {row['makers']}; {row['licence']}"


def fetched_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Say where the data sets asked for lie now, and whether they had to be fetched."""
    for row in rows:
        if row["built_in"]:
            yield f"{row['name']}: built in, nothing to fetch"
            continue
        how = "fetched and checked" if row["fetched"] else "here already, checked"
        yield f"{row['name']}: {row['where']} ({how})"


def _dashed(sizes: list[int]) -> str:
    return "-".join(map(str, sizes))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
