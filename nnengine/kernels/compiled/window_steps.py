"""Window steps: whole steps of networks that look at images a window at a time, on all threads.

A step has two phases. Each group of sixteen images goes forward and back by itself; then every
piece of weights adds up its gradient over all groups, in their order, and takes its step at once.
With batch normalisation groups wait for each other at every norm, on the way forward and back: so
many phases more, between which one thread joins what the groups have found, in their order too.
So the bits depend neither on how many threads there are nor on how steps are put into calls.
"""

from __future__ import annotations

import math

import numpy as np

from ..numpy_ import ADAM
from .compiling import compiled, inlined, part, within
from .queues import all_done, draw, finish, open_queues
from .simd import LANES, load, splat
from .steps import move
from .tiles import ROWS, add_row_products, no_rows, store_sums
from .window_norms import _join_blame, _join_spreads, _learn_norm, _pack_norm
from .window_plan import (
    BACK,
    BACKTILE,
    BIAS,
    DA,
    DB,
    DENSE,
    DW,
    EVENED,
    FORWARD,
    KH,
    KIND,
    KW,
    PANEL,
    PANELS,
    PARTIAL,
    PARTIALB,
    TILE,
    A,
    C,
    N,
    X,
)
from .window_tiles import COLUMNS, SHAPES, add_column_products, no_columns, store_columns
from .windows import (
    _back_to_norm,
    _backward,
    _forward,
    _forward_to_norm,
    _sixteen,
    _softmax,
)

PACKING, IMAGES = 1, 2  # the phases: once a call; of groups, one and two for every norm; of weights
# Of a step, for all threads.
COUNT, RULE, LEARNS, MOVES, THREADS, TRAINED, INPUT, SILENCES, PACKED, NORMS = range(10)
SPARE = 3 * LANES + 4 * ROWS * LANES + 2 * LANES * LANES
_ACROSS = np.array([maps for maps, _ in SHAPES])
NUMBERS = 5  # of each batch: the optimizer's four, and what an image weighs
_PATIENCE = 250_000  # looks at all queues, two milliseconds, after which a helper goes home


@part
def _pack(row, begin, end, back, theta, packed):
    """Put rows of a layer's weights into tiles, and turned round; with the first its biases."""
    if row[KIND] == EVENED:
        _pack_norm(row, theta, packed)
        return
    units, channels, taps = row[N], row[C], row[KH] * row[KW]
    count, across = taps * channels, _ACROSS[row[TILE]]
    if begin == 0:
        for k in range(units):
            packed[row[BIAS] + k] = theta[row[DB] + k]
    for j in range(begin, end):
        at = row[DW] + j * units
        for first in range(0, units, across):
            to = row[FORWARD] + (first // across * count + j) * across
            for k in range(min(across, units - first)):
                packed[to + k] = theta[at + first + k]
    if back:
        across = _ACROSS[row[BACKTILE]]
        for j in range(begin, end):
            tap, channel, at = taps - 1 - j // channels, j % channels, row[DW] + j * units
            to = row[BACK] + (channel // across * taps + tap) * units * across + channel % across
            for k in range(units):
                packed[to + k * across] = theta[at + k]


@part
def _add_groups(partials, groups, at, count, rule, learner, where, spare):
    """Take the step of `count` parameters whose gradients stand in the partial ones of groups."""
    for start in range(0, count, PANEL):
        few = min(PANEL, count - start)
        for k in range(few):
            spare[3 * LANES + k] = partials[0, at + start + k]
        for n in range(1, groups):
            for k in range(few):
                spare[3 * LANES + k] += partials[n, at + start + k]
        move(rule, learner, where + start, few, spare, 3 * LANES, spare)


@within
def _gather_wide(keeps, at, groups, panel, spare):
    """Put the gradients of four rows of 64 weights into spare, one after another."""
    s0, s1, s2, s3 = no_rows(), no_rows(), no_rows(), no_rows()
    for n in range(groups):
        x = keeps[n]
        for i in range(LANES):
            row, k = (n * LANES + i) * PANEL, at + i
            s0 = add_row_products(s0, splat(x[k]), panel, row)
            s1 = add_row_products(s1, splat(x[k + LANES]), panel, row)
            s2 = add_row_products(s2, splat(x[k + 2 * LANES]), panel, row)
            s3 = add_row_products(s3, splat(x[k + 3 * LANES]), panel, row)
    store_sums(spare, 0, s0)
    store_sums(spare, PANEL, s1)
    store_sums(spare, 2 * PANEL, s2)
    store_sums(spare, 3 * PANEL, s3)


@within
def _gather_narrow(keeps, at, groups, panel, spare):
    """Put the gradients of twelve rows of 16 weights into spare, one after another."""
    sums = no_columns()
    for n in range(groups):
        for i in range(LANES):
            row = load(panel, (n * LANES + i) * LANES)
            sums = add_column_products(sums, row, keeps[n], at + i)
    store_columns(spare, 0, sums)


@part
def _dense(row, begin, end, groups, keeps, panels, rule, learner, spare):
    """Take the step of rows of a dense layer's weights."""
    units, count, unit = row[N], groups * LANES, np.int64(0)
    while unit < units:
        wide = unit + PANEL <= units
        across, rows = (PANEL, 4) if wide else (LANES, COLUMNS)
        panel = panels[row[PANELS] * count + unit * count :]
        few = min(across, units - unit)
        for j in range(begin, end, rows):
            at = row[X] + j * LANES
            if wide:
                _gather_wide(keeps, at, groups, panel, spare[3 * LANES :])
            else:
                _gather_narrow(keeps, at, groups, panel, spare[3 * LANES :])
            for t in range(min(rows, end - j)):
                where = row[DW] + (j + t) * units + unit
                move(rule, learner, where, few, spare, 3 * LANES + t * across, spare)
        unit += across


@part
def _learn(piece, control, plan, numbers, learner, rooms, spare):
    """Take the step of a piece of weights, and pack them for the next one."""
    (n, begin, end), groups = piece, (control[COUNT] + LANES - 1) // LANES
    row = plan[0][n]
    # Not an array: or they were read anew after every weight that is written.
    rule = control[RULE], numbers[0], numbers[1], numbers[2], numbers[3]
    _, keeps, partials, panels, _ = rooms
    if row[KIND] == EVENED:
        evened = plan[4][row[FORWARD] :]
        count, moves = control[COUNT], control[MOVES]
        _learn_norm(row, count, moves, numbers[4], rule, learner, evened, spare)
        return
    if begin == 0:
        at = row[PARTIALB]
        _add_groups(partials, groups, at, row[N], rule, learner, row[DB], spare)
    if row[DENSE]:
        _dense(row, begin, end, groups, keeps, panels, rule, learner, spare)
    else:
        at, count, where = row[PARTIAL] + begin * row[N], (end - begin) * row[N], begin * row[N]
        _add_groups(partials, groups, at, count, rule, learner, row[DW] + where, spare)
    if control[MOVES]:
        _pack(row, begin, end, n > control[TRAINED], learner[0], plan[4])


@part
def _norm(table, n):
    """Return which layer is norm n, from 0; that behind all of them where there are no so many."""
    for k in range(len(table)):
        if table[k, KIND] == EVENED:
            if n == 0:
                return k
            n -= 1
    return len(table)


@part
def _group(n, stage, thread, control, source, plan, numbers, rooms, found):
    """Take a group of images forward, and back if they are to be learnt from: through layers
    between one norm and the next, each stage; the one in the middle turns round."""
    images, rows, labels, heard, levels, targets, answers = source
    table, places, shares, _, packed = plan
    heard = heard[: control[SILENCES] * heard.shape[0]]
    (roomy, keeps, partials, panels, spares), count = rooms, control[COUNT]
    norms, last, first = control[NORMS], len(table) - 1, n * LANES
    room = roomy[n] if norms else roomy[thread]
    kept, spare, partial = keeps[n], spares[thread], partials[n * control[LEARNS]]
    network, few = (table, places, shares, packed), min(LANES, count - first)
    if stage == 0:
        x = kept[table[0, X] :] if table[0, DENSE] else room[table[0, X] :]
        _sixteen(images, rows, first, count, levels, spare, x, places[control[INPUT] :])
    if stage <= norms:
        begin = _norm(table, stage - 1) if stage > 0 else np.int64(0)
        end = _norm(table, stage) if stage < norms else len(table)
        _forward(begin, end, first, count, heard, network, room, kept)
        if stage < norms:
            _forward_to_norm(end, few, network, room, spare, partial)
    if stage == norms:
        logits, units = room[table[last, A] :], table[last, N]
        label, dz = labels[first : first + few], room[table[last, DA] :]
        if answers.size:
            for lane in range(few):
                for k in range(units):
                    answers[first + lane, k] = logits[k * LANES + lane]
        loss, right = _softmax(logits, units, label, targets, numbers[4], dz)
        found[n, 0], found[n, 1] = loss, right
    if stage >= norms and control[LEARNS]:
        ahead = 2 * norms - stage - 1  # the norm that stops the way back
        end = _norm(table, ahead + 1) + 1 if stage > norms else len(table)
        trained = control[TRAINED]
        begin = _norm(table, ahead) + 1 if ahead >= 0 else trained
        back = network, room, kept, partial
        _backward(begin, end, first, count, heard, trained, *back, panels, spare)
        if ahead >= 0:
            _back_to_norm(begin - 1, *back)


@part
def _join(stage, control, plan, rooms):
    """Join what all groups have found at a norm, before they go on with this stage."""
    norms, count, partials = control[NORMS], control[COUNT], rooms[2]
    row = plan[0][_norm(plan[0], stage - 1 if stage <= norms else 2 * norms - stage)]
    if stage <= norms:
        _join_spreads(row, count, partials, plan[3], plan[4][row[FORWARD] :])
    else:
        _join_blame(row, count, partials, plan[4][row[FORWARD] :])


@inlined
def _do(drawn, own, control, source, plan, learner, rooms, rest):
    """Do one piece that was drawn."""
    numbers, pieces, found = rest
    phase, n = drawn >> 32, drawn & 0xFFFF
    if phase >= IMAGES and phase <= IMAGES + 2 * control[NORMS]:
        _group(n, phase - IMAGES, own, control, source, plan, numbers, rooms, found)
    else:
        piece = pieces[n, 0], pieces[n, 1], pieces[n, 2]
        if phase == PACKING:
            row = plan[0][piece[0]]
            back = piece[0] > control[TRAINED]
            _pack(row, piece[1], piece[2], back, plan[3], plan[4])
        else:
            _learn(piece, control, plan, numbers, learner, rooms, rooms[4][own])


@part
def _begin(n, batches, control, source, numbers):
    """Put where all threads find it what batch n is."""
    rows, labels, ends, table, heard = batches
    begin = ends[n - 1] if n > 0 else 0
    control[COUNT] = ends[n] - begin
    for i in range(begin, ends[n]):
        source[1][i - begin], source[2][i - begin] = rows[i], labels[i]
    control[SILENCES] = heard.size > 0
    if control[SILENCES]:
        for i in range(begin, ends[n]):
            for k in range(heard.shape[1]):
                source[3][i - begin, k] = heard[i, k]
    for i in range(numbers.size):
        numbers[i] = table[n, i]
    if control[RULE] == ADAM:
        numbers[1], numbers[2] = np.float32(1) - numbers[1], np.float32(1) - numbers[2]


@part
def _sum_up(n, control, found, losses, right):
    """Put the loss of batch n, and how many were right, where the caller finds them."""
    loss, correct = 0.0, np.int64(0)
    for group in range((control[COUNT] + LANES - 1) // LANES):
        loss += found[group, 0]
        correct += np.int64(found[group, 1])
    losses[n], right[n] = loss, correct


@compiled
def _window_steps(own, batches, losses, right, control, queues, source, plan, learner, rooms, rest):
    """Take the steps of some batches as thread 0, or help with those that come as another; return
    how many were taken. What they are, see `WindowSteps`
    of `window_calls`."""
    step, phase, pieces, idle = np.int64(-1), control[PACKED], np.int64(0), 0
    while True:
        drawn = draw(queues, control[THREADS], own)
        if drawn >= 0:
            idle = 0
            _do(drawn, own, control, source, plan, learner, rooms, rest)
            finish(queues, own)
        elif own > 0:
            idle += 1
            if idle == _PATIENCE:
                return (step,)
        elif step < 0 and phase == control[PACKED] or all_done(queues, control[THREADS], pieces):
            phase, of_groups = phase + 1, IMAGES + 2 * control[NORMS]  # the last one of theirs
            if phase > of_groups + control[LEARNS]:
                _sum_up(step, control, rest[2], losses, right)
                if step + 1 == losses.size or not math.isfinite(losses[step]):
                    return (step + 1,)
                phase = IMAGES
            if phase == IMAGES:
                step += 1
                _begin(step, batches, control, source, rest[0])
            pieces = np.int64(len(rest[1]))
            if phase > IMAGES and phase <= of_groups:
                _join(phase - IMAGES, control, plan, rooms)
            if phase >= IMAGES and phase <= of_groups:
                pieces = (control[COUNT] + LANES - 1) // LANES
            open_queues(queues, control[THREADS], phase, pieces)
