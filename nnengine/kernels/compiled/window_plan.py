"""Window plan: where sixteen images side by side, and what is made of them, stand in memory.

Behind every layer there are numbers, place by place and channel by channel, and each of them is a
vector: its lanes are sixteen images. A convolution that frames its images finds the frame there
already. What comes back the same way, the blame, is framed as a convolution needs it that goes
back over it with its weights turned round.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from ..numpy_ import read_only, shapes
from .simd import LANES
from .window_tiles import GRADIENT_SHAPES, SHAPES

# Kinds of layers: weighted sums; pools; dropout; batch normalisation.
SUMS, LARGEST, MEAN, SILENCED, EVENED = range(5)
KINDS = {
    "conv": SUMS, "dense": SUMS, "pool": LARGEST, "average": MEAN, "dropout": SILENCED,
    "norm": EVENED,
}  # fmt: skip
PANEL = 4 * LANES  # units whose blame stands side by side

# Of a layer: kind and activation; channels and maps, windows of what height, width and how many
# places apart; places before and behind. In `room` or, where a layer is dense, in what is kept of
# every group: what comes in and how wide a row of it is, what goes out; in `room` blame for what
# comes in, for what goes out, for sums and how wide a row of that is. In `places`: where windows
# begin, where answers go, and blame for sums; for the way back where windows begin in that blame,
# and where what they give goes; height and width before. In theta: weights and biases. In
# `packed`: weights and biases in tiles, weights turned round; which tiles both are and those of
# gradients. In `partial`: gradients of weights and biases of a group. In `panels`: blame. In
# `room`: what is heard, and where in a row of `heard`; share: 1 / (1 - share) behind all.
# Norms have four numbers a channel in theta; in `packed`, from FORWARD on, and in `partial` what
# `window_norms` says.
(
    KIND, ACT, C, N, KH, KW, STRIDE, INS, OUTS, X, XKEPT, XWIDE, A, AKEPT, DX, DA, DZ, ZWIDE,
    BEGINS, ENDS, BLAMED, SOURCE, TARGET, TAPS, NOTHING, OW, DW, DB, FORWARD, BIAS, BACK, TILE,
    BACKTILE, GRADTILE, PARTIAL, PARTIALB, PANELS, MASK, HEARD, DENSE, FRESH,
) = range(41)  # fmt: skip


class WindowPlan(NamedTuple):
    """The layers as a table, and how much memory they take; all in floats."""

    table: np.ndarray  # int64 (layers, 41)
    places: np.ndarray  # int64: tables of places, one after another
    shares: np.ndarray  # float32 (layers,)
    pieces: np.ndarray  # int64 (pieces, 3): layer, first row of weights, last one and one
    room: int
    kept: int
    packed: int
    partial: int
    panels: int  # to be multiplied by the images
    heard: int  # numbers of an image that dropout may silence
    input: int  # where in `places` that of each pixel stands
    trained: int  # the first layer with weights, or the first norm
    norms: int


class _Memory:
    """Counts up what is taken of a memory."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, count: int) -> int:
        start, self.size = self.size, self.size + -(-count // LANES) * LANES
        return start


class _Tables:
    """Tables of places, one after another."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.size = 0

    def put(
        self, rows: np.ndarray, columns: np.ndarray, width: int, channels: int, first: int = 0
    ) -> int:
        """Add rows times columns of an image so wide; return where they begin."""
        flat = ((rows[:, None] * width + columns[None]) * channels * LANES).ravel()
        return self.put_flat(flat + first)

    def put_flat(self, flat: np.ndarray) -> int:
        start, self.size = self.size, self.size + flat.size
        self.parts.append(flat.astype(np.int64))
        return start


def _tile(units: int, places: int) -> int:
    """Return which tile does least in vain; small ones take longer over each product."""

    def cost(n: int) -> float:
        maps, beside = SHAPES[n]
        dear = 5 if n == 1 else 4
        return dear * -(-units // maps) * maps * -(-places // beside) * beside

    return min(range(2) if places == 1 else range(2, len(SHAPES)), key=cost)


@functools.lru_cache(maxsize=16)
def window_plan(specs, shape, kinds) -> WindowPlan:
    """Return the plan of layers, the classes' last, for images of a shape.

    kinds: their activations' numbers.
    """
    room, kept, packed, partial, panels = (_Memory() for _ in range(5))
    tables, theta, heard, pieces = _Tables(), 0, 0, []
    layers = [
        (spec, before, kind)
        for spec, before, kind in zip(specs, shapes(specs, shape), kinds, strict=True)
        if spec.kind != "flatten"
    ]
    table = np.zeros((len(layers), FRESH + 1), np.int64)
    # What stands before each layer, and the logits.
    frames = [spec.pad if spec.kind == "conv" else 0 for spec, _, _ in layers] + [0]
    sides = [_seen(spec, before) for spec, before, _ in layers] + [(1, 1, specs[-1].units)]
    behind = []
    for n, (height, width, channels) in enumerate(sides):
        of_group = n < len(layers) and layers[n][0].kind == "dense"
        size = (height + 2 * frames[n]) * (width + 2 * frames[n]) * channels * LANES
        at = (kept if of_group else room).take(size)
        blame = room.take((height * width * channels + 1) * LANES) if n else 0
        behind.append((at, of_group, width + 2 * frames[n], blame))
    for n, (spec, before, kind) in enumerate(layers):
        row, (height, width, channels) = table[n], sides[n]
        after, frame = spec.after(before), frames[n + 1]
        pools = spec.kind in ("pool", "average")
        window, stride = (spec.window, spec.stride) if spec.window[0] else ((1, 1), 1)
        out_h, out_w, maps = after
        if spec.kind == "dropout":
            out_h, out_w, maps = height, width, channels
        row[[KIND, ACT, C, N, KH, KW, STRIDE]] = (
            KINDS[spec.kind], kind, channels, maps, *window, stride,
        )  # fmt: skip
        row[[X, XKEPT, XWIDE, DX]] = behind[n]
        row[[A, AKEPT, DA]] = behind[n + 1][0], behind[n + 1][1], behind[n + 1][3]
        row[[INS, OUTS, OW]] = height * width, out_h * out_w, out_w
        rows, columns = np.arange(out_h), np.arange(out_w)
        row[BEGINS] = tables.put(rows * stride, columns * stride, row[XWIDE], channels)
        if sides[n + 1][:2] == (out_h, out_w):
            row[ENDS] = tables.put(rows + frame, columns + frame, behind[n + 1][2], maps)
        else:  # what follows sees all of it at one place
            first = (frame * behind[n + 1][2] + frame) * sides[n + 1][2] * LANES
            row[ENDS] = tables.put(rows, columns, out_w, maps, first)
        row[DENSE] = spec.kind == "dense"
        if pools:
            row[FRESH] = stride < max(window)  # what no window reaches is zero from the beginning
        if spec.kind == "dropout":
            row[MASK], row[HEARD] = room.take(height * width * channels * LANES), heard
            heard += height * width * channels
        if spec.kind == "norm":
            row[FORWARD], row[PARTIAL] = packed.take(7 * maps), partial.take(4 * maps)
            row[DW], theta = theta, theta + 4 * maps
            pieces.append((n, 0, 1))
        if KINDS[spec.kind] == SUMS:
            _plan_sums(row, n, spec, sides[n], (room, packed, partial, panels), tables)
            row[DW], row[DB] = theta, theta + math.prod(window) * channels * maps
            theta = int(row[DB]) + maps
            count = math.prod(window) * channels
            most = max(24, -(-4096 // maps // 24) * 24)
            pieces += [(n, j, min(j + most, count)) for j in range(0, count, most)]
    frame, (height, width, channels) = frames[0], sides[0]
    rows, columns = np.arange(height) + frame, np.arange(width) + frame
    tables.put(rows, columns, width + 2 * frame, channels)
    first = tables.parts[-1][:, None] + np.arange(channels) * LANES
    places = tables.put_flat(first.ravel())
    shares = np.array([1 / (1 - spec.share) for spec, _, _ in layers], np.float32)
    sizes = [memory.size + 24 * LANES for memory in (room, kept, packed, partial, panels)]
    flat = np.concatenate(tables.parts)
    found = (read_only(each) for each in (table, flat, shares, np.array(pieces, np.int64)))
    trained = next(n for n, row in enumerate(table) if row[KIND] in (SUMS, EVENED))
    norms = int((table[:, KIND] == EVENED).sum())
    return WindowPlan(*found, *sizes, heard, places, trained, norms)


def _seen(spec, before):
    """Return height, width and channels as a layer sees them."""
    return (1, 1, math.prod(before)) if spec.kind == "dense" else before


def _plan_sums(row, n, spec, side, memories, tables) -> None:
    """Fill in what layers with weights have."""
    room, packed, partial, panels = memories
    (height, width, channels), maps = side, int(row[N])
    kh, kw, stride, pad = int(row[KH]), int(row[KW]), int(row[STRIDE]), spec.pad
    taps = kh * kw
    frame = (max(0, kh - 1 - pad), max(0, kw - 1 - pad)) if n else (0, 0)
    out_h, out_w = int(row[OUTS]) // int(row[OW]), int(row[OW])
    if n:  # as if every place had its window, and those that have none no blame
        step, deep = stride, height + 2 * pad - kh + 1 + 2 * frame[0]
        row[ZWIDE] = width + 2 * pad - kw + 1 + 2 * frame[1]
    else:
        step, deep, row[ZWIDE] = 1, out_h, out_w
    row[DZ] = room.take((deep * int(row[ZWIDE]) * maps + 24) * LANES)
    rows, columns = np.arange(out_h) * step, np.arange(out_w) * step
    row[BLAMED] = tables.put(rows + frame[0], columns + frame[1], int(row[ZWIDE]), maps)
    if n:
        cut = max(0, pad - kh + 1), max(0, pad - kw + 1)
        rows, columns = np.arange(height), np.arange(width)
        row[SOURCE] = tables.put(rows + cut[0], columns + cut[1], int(row[ZWIDE]), maps)
        row[TARGET] = tables.put(rows, columns, width, channels)
    row[TILE] = _tile(maps, out_h * out_w)
    row[BACKTILE] = _tile(channels, height * width)
    row[GRADTILE] = _gradient_tile(taps * channels, maps)
    window = np.arange(kh)[:, None] * int(row[XWIDE]) + np.arange(kw)
    row[TAPS] = tables.put_flat(
        ((window.ravel() * channels)[:, None] + np.arange(channels)).ravel() * LANES
    )
    across, back = SHAPES[row[TILE]][0], SHAPES[row[BACKTILE]][0]
    row[FORWARD] = packed.take(taps * channels * -(-maps // across) * across)
    row[BIAS] = packed.take(-(-maps // across) * across)
    row[BACK] = packed.take(taps * maps * -(-channels // back) * back if n else 0)
    row[NOTHING] = packed.take(-(-channels // back) * back)
    row[PARTIAL] = partial.take(0 if row[DENSE] else taps * channels * maps)
    row[PARTIALB] = partial.take(maps)
    row[PANELS] = panels.take(-(-maps // LANES) * LANES if row[DENSE] else 0)


def _gradient_tile(taps: int, maps: int) -> int:
    """Return which tile of gradients does least in vain."""

    def cost(n: int) -> int:
        down, across = GRADIENT_SHAPES[n]
        return -(-taps // down) * down * -(-maps // across) * across

    return min(range(len(GRADIENT_SHAPES)), key=cost)
