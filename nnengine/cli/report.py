"""Report: what the command line found out, as lines of text for people. JSON-able dicts in."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data.augment import Augmentation
from ..data.readers import to_grey
from ..errors import FormatError
from ..training import course
from ..training.settings import SETTINGS

_SHADES = " .:-=+*#%@"


def train_lines(result: dict[str, Any]) -> Iterator[str]:
    """Describe a training run that came to its end."""
    yield (
        f"{result['description']}, {result['parameters']:,} parameters: "
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
    if result["run"]:
        yield f"  kept   run {result['run']}"
    if "cost" in result:
        yield from cost_lines(result["cost"], result["data"])
    yield from finding_lines(result["findings"])


def finding_lines(findings: list[dict[str, Any]]) -> Iterator[str]:
    """Say what is wrong with a run, the cause first, with the options that should mend it."""
    for finding in findings:
        yield f"  doctor {finding['sentence']}"
        for figure in finding["evidence"]:
            yield f"           {figure}"
        options = " ".join(map(_option, finding["change"].items()))
        yield f"           {finding['remedy']}{f' ({options})' if options else ''}"


def _option(change: tuple[str, Any]) -> str:
    name, value = change
    if name == "hidden":
        return f"--layers {shlex.quote(value)}"
    row = SETTINGS[name]
    return f"{row.options[0]} {row.write(value)}"


def doctor_lines(result: dict[str, Any]) -> Iterator[str]:
    """Describe what the doctor found."""
    reached = f"{result['steps'] or 0:,} steps, training accuracy {result['train_accuracy']:.2%}"
    if result["test_accuracy"] is not None:
        reached += f", test accuracy {result['test_accuracy']:.2%}"
    yield f"{result['name']}: {result['outcome'] or 'a run'}, {reached}"
    if not result["findings"]:
        yield "  doctor Nothing was found."
    yield from finding_lines(result["findings"])


def search_lines(result: dict[str, Any]) -> Iterator[str]:
    """Lay out what a search found, the best candidate first."""
    found = result["candidates"]
    yield f"{len(found)} candidates, the best first; measured on images held out of training"
    yield "  rank  epochs  accuracy    loss  seconds  settings"
    for rank, one in enumerate(found, 1):
        measured = "diverged" + " " * 8
        if one["loss"] is not None:
            measured = f"{one['accuracy']:8.2%}{one['loss']:8.4f}"
        yield (
            f"  {rank:4}{one['epochs']:8g}  {measured}{one['seconds']:9.1f}  "
            f"{_settings(one['settings'])}"
        )
    yield f"best: {result['description']}"
    if result["test_accuracy"] is not None:
        yield f"  test   accuracy {result['test_accuracy']:7.2%}   loss {result['test_loss']:.4f}"
    if result["out"]:
        yield f"  saved  {result['out']}"


def candidate_line(one: dict[str, Any]) -> str:
    """Describe a candidate that came to the end of a round."""
    what = "diverged" if one["loss"] is None else f"accuracy {one['accuracy']:.2%}"
    return f"  {one['number']:3}  {one['epochs']:g} epochs  {what}  {_settings(one['settings'])}"


def _settings(settings: dict[str, Any]) -> str:
    """Return settings as a command line has them."""
    found = []
    for name, value in settings.items():
        text = value if isinstance(value, str) else SETTINGS[name].write(value)
        found.append(f"{name.replace('_', '-')}={text}")
    return "  ".join(found)


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


def export_lines(result: dict[str, Any]) -> Iterator[str]:
    """Say what a model was written as, and what reads it."""
    yield f"{result['from']} -> {result['to']} ({result['format']}): {result['layers']}"
    yield f"  read by {result['read_by']}"


def evaluation_lines(result: dict[str, Any], columns: int | None = None) -> Iterator[str]:
    """Lay out accuracy, confusion matrix, recall (right) and precision (below), in per cent.

    columns: letters in a line at most; the matrix is then told in as many parts as it takes.
    """
    yield (
        f"accuracy {result['accuracy']:.2%} of {result['count']:,} images, "
        f"loss {result['loss']:.4f}"
    )
    if result["kernels_remark"]:
        yield result["kernels_remark"]
    yield "rows: what it is; columns: the answer; recall and precision in per cent"
    yield from _parts(_matrix(result), columns)


def _matrix(result: dict[str, Any]) -> list[list[str]]:
    """Return the table as text: a head, a row for each class, and precision."""
    names = result["class_names"]
    rows = [["", *names, "recall"]]
    for name, row, recall in zip(names, result["confusion"], result["recall"], strict=True):
        rows.append([name, *(f"{count:,}" if count else "." for count in row), _percent(recall)])
    rows.append(["precision", *map(_percent, result["precision"]), ""])
    return rows


def _parts(rows: list[list[str]], columns: int | None) -> Iterator[str]:
    """Lay out a table below and beside its heads; in parts where it is wider than that."""
    cell = 2 + max(len("100.0"), *(len(text) for row in rows[1:] for text in row[1:]))
    left = max(len(row[0]) for row in rows)
    if columns is not None:
        left = max(1, min(left, columns - cell))
    count = len(rows[0]) - 1
    at_once = count if columns is None else max(1, (columns - left) // cell)
    for start in range(1, count + 1, at_once):
        yield ""
        for row in rows:
            cells = (f"{text[: cell - 1]:>{cell}}" for text in row[start : start + at_once])
            yield f"{row[0][:left]:>{left}}{''.join(cells)}".rstrip()


def prediction_lines(result: dict[str, Any], images: np.ndarray, pictures: int) -> Iterator[str]:
    """Name the answer to each of uint8 (n, h, w), or (n, h, w, 3); draw it where they are few."""
    wide = max(map(len, result["names"]))
    none = result["none"] or [False] * len(images)
    for offset, (name, share) in enumerate(
        zip(result["names"], result["probabilities"], strict=True)
    ):
        mark = "  looks like none of its digits" * none[offset]
        yield f"{result['start'] + offset:>6}  {name:<{wide}}  {share:6.1%}{mark}"
        if len(images) <= pictures:
            yield from picture_lines(images[offset])
    if any(none):
        whose = "held out from its training" if result["none_own"] else "of MNIST held out"
        yield (
            f"{sum(none):,} of {len(none):,} look like none of its digits: of real ones, "
            f"{whose}, {result['none_price']:.1%} do"
        )


def picture_lines(image: np.ndarray) -> Iterator[str]:
    """Draw a uint8 (h, w) image, two rows to a line: letters are twice as tall as wide.

    One in colour, (h, w, 3), is drawn as bright as it is.
    """
    image = to_grey(image[None])[0] if image.ndim == 3 else image
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
    if facts["shape"] and facts["whole"] != facts["shape"][0]:
        yield f"  whole   {facts['whole']:,} of these"
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
        f"{facts['name']}: .{facts['kind']} model {facts['layers']}, "
        f"{facts['parameters']:,} parameters ({facts['dtype']}), "
        f"{facts['file_bytes']:,} bytes"
    )
    hidden = ", ".join(facts["activations"][:-1]) or "no hidden layer"
    yield f"  layers   {hidden}; softmax over {len(facts['class_names'])} classes"
    yield f"  classes  {', '.join(facts['class_names'])}"
    colours = " in colour" * (facts.get("channels", 1) > 1)
    yield f"  inputs   {height}x{width} pixels{colours}, each times {facts['input_scale']:.6g}"
    for name, shape in facts["arrays"].items():
        yield f"  {name:<10} {' x '.join(map(str, shape))}"
    if "checkpoint" in facts:
        yield f"  a checkpoint after {facts['checkpoint']:,} steps: train --resume goes on with it"
    if not facts["training"]:
        yield "  training not on record"
    for number, run in enumerate(facts["training"], 1):
        yield f"  training {number}: {run_line(run)}"


def run_line(run: dict[str, Any]) -> str:
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
    facts += filter(None, map(course.in_words, run.get("changes", ())))
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


def converted_lines(result: dict[str, Any]) -> Iterator[str]:
    """Say what data were written, and what the format had no room for."""
    held = ", ".join(f"{count:,} {name}" for name, count in result["parts"].items())
    yield f"{result['from']} -> {result['to']} ({result['form']}: {held})"
    for name, other in result["renamed"].items():
        yield f"  {name} is called {other}, as a folder can be"
    if result["left_behind"]:
        yield f"  left behind, as {result['form']} has no room for them: class names"


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


def rate_lines(result: dict[str, Any]) -> Iterator[str]:
    """Tell a learning-rate range test: some of its rates, and the one it suggests."""
    tried, rate = result["tried"], result["suggested_rate"]
    yield "  rate      loss, smoothed"
    for one in tried[:: max(1, len(tried) // 12)]:
        yield f"  {one['rate']:<8.2g}  {one['smoothed']:.3f}"
    yield f"suggested learning rate: {rate:g}" if rate else "no rate brought the loss down"
