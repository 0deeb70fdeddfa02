"""Optimizers, schedules, penalties and losses: worked by hand, and beside PyTorch's numbers.

The tables were computed by PyTorch 2.13.0 (CPU) in float64: torch.optim, its lr_scheduler,
torch.nn.utils.clip_grad_norm_ and torch.nn.functional.cross_entropy.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingFinished, kernels, training
from nnengine.core.losses import softmax_cross_entropy, targeted
from nnengine.core.optimizers import OPTIMIZERS, Penalty, shorten
from nnengine.core.schedules import Plateau
from nnengine.storage import checkpoint
from nnengine.training import Evaluated, StepFinished, TrainingConfig, TrainingState
from nnengine.training.config import balanced

START = [0.5, -1.25, 2.0]
GRADIENTS = [[0.1, -0.2, 0.3], [-0.4, 0.05, 0.6], [0.2, 0.2, -0.1], [0.0, -0.3, 0.5]]
ALL = [slice(0, 3)]
# Where four steps at a rate of 0.1 lead: SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True),
# RMSprop(alpha=0.9), Adam(), AdamW(weight_decay=0.05), and with weight_decay=0.05, which in all but
# AdamW is L2, and clip_grad_norm_(0.4) before each step.
PYTORCH = {
    ("sgd",): [0.51, -1.225, 1.87],
    ("momentum",): [0.53601, -1.20277, 1.70323],
    ("nesterov",): [0.542409, -1.182493, 1.602907],
    ("rmsprop",): [0.347164634352, -1.006550294239, 1.246210840414],
    ("adam",): [0.475992479236, -1.089983263555, 1.662181712354],
    ("adamw", "decay"): [0.466946550353, -1.06703860144, 1.625257835797],
    ("sgd", "l2"): [0.499925001562, -1.200335503281, 1.831295255],
    ("adam", "l2"): [0.451528015808, -1.012696217052, 1.643364550941],
    ("momentum", "clip"): [0.487595395321, -1.206138379492, 1.791552248814],
    ("momentum", "clip", "l2"): [0.465275419692, -1.150760922343, 1.703682316476],
}
AMOUNTS = {"decay": 0.05, "l2": 0.05, "clip": 0.4}


def after(optimizer, gradients, *, rate=0.1, start=START, **penalty):
    """Return theta after a step on each gradient."""
    theta = np.array(start)
    penalty = Penalty(weights=ALL, **penalty)
    taker = OPTIMIZERS[optimizer](theta, rate=rate, momentum=0.9, penalty=penalty)
    for gradient in gradients:
        taker.step(np.array(gradient))
    return theta


@pytest.mark.parametrize("case", PYTORCH, ids=", ".join)
def test_four_steps_lead_where_pytorch_goes(case, back_end):
    name, *penalties = case
    found = after(name, GRADIENTS, **{one: AMOUNTS[one] for one in penalties})
    # clip_grad_norm_ divides by the length and a millionth, we by the length.
    near = 3e-7 if "clip" in penalties else 2e-12
    np.testing.assert_allclose(found, PYTORCH[case], atol=near)


def test_nesterov_takes_the_two_steps_worked_by_hand(back_end):
    # v1 = -0.1, theta = 1 + 0.9 v1 - 0.1 = 0.81; v2 = -0.19, theta = 0.81 - 0.171 - 0.1.
    found = after("nesterov", [[1.0, 0, 0], [1.0, 0, 0]], start=[1.0, 0, 0])
    assert pytest.approx(0.539) == found[0]


def test_rmsprop_takes_the_step_worked_by_hand(back_end):
    # square = 0.1 * 4, its root 0.632455...; the step is 0.1 * 2 over that.
    found = after("rmsprop", [[2.0, 0, 0]], start=[1.0, 0, 0])
    assert pytest.approx(1 - 0.2 / math.sqrt(0.4)) == found[0]


def test_adamw_without_a_gradient_takes_its_share_of_each_weight(back_end):
    found = after("adamw", [[0.0, 0, 0]], start=[1.0, -2, 0], decay=0.5)
    assert pytest.approx([0.95, -1.9, 0]) == found.tolist()


def test_an_l1_penalty_moves_each_weight_as_far_towards_zero(back_end):
    found = after("sgd", [[0.0, 0, 0]], start=[1.0, -2, 0], l1=0.5)
    assert pytest.approx([0.95, -1.95, 0]) == found.tolist()


def test_penalties_leave_biases_alone():
    theta = np.ones(4)
    penalty = Penalty(l1=0.1, l2=0.1, decay=0.1, weights=[slice(0, 1), slice(2, 3)])
    OPTIMIZERS["sgd"](theta, rate=1.0, penalty=penalty).step(np.zeros(4))
    assert [True, False, True, False] == (theta < 1).tolist()


def test_decay_follows_the_rate_of_its_step():
    theta = np.ones(1)
    taker = OPTIMIZERS["adamw"](
        theta, rate=lambda step: 0.1 * step, penalty=Penalty(decay=1, weights=[slice(0, 1)])
    )
    for _ in range(2):
        taker.step(np.zeros(1))
    assert pytest.approx(0.9 * 0.8) == theta[0]


def test_a_gradient_that_is_too_long_keeps_its_direction_and_others_stay():
    gradient = np.array([3.0, -4.0])
    shorten(gradient, 5.0)
    assert [3.0, -4.0] == gradient.tolist()
    shorten(gradient, 1.0)
    assert pytest.approx([0.6, -0.8]) == gradient.tolist()


# Schedules --------------------------------------------------------------------------------

# torch.optim.lr_scheduler at a rate of 0.2: CosineAnnealingLR(T_max=10); StepLR(step_size=4,
# gamma=0.5) over twelve steps; OneCycleLR(total_steps=10 and 7, cycle_momentum=False); LinearLR(
# start_factor=1/4, total_iters=3) followed by CosineAnnealingLR(T_max=7).
SCHEDULED = [
    ("cosine", {}, [
        0.2, 0.19510565163, 0.180901699437, 0.158778525229, 0.130901699437, 0.1, 0.069098300563,
        0.041221474771, 0.019098300563, 0.00489434837,
    ]),
    ("step", {"stages": 3, "drop": 0.5}, [0.2] * 4 + [0.1] * 4 + [0.05] * 4),
    ("one_cycle", {}, [
        0.008, 0.104, 0.2, 0.190096926403, 0.16234913079, 0.122252404387, 0.077748395613,
        0.03765166921, 0.009903873597, 8e-07,
    ]),
    ("one_cycle", {}, [
        0.008, 0.196111325467, 0.183808875254, 0.134536767296, 0.071547755148, 0.019859358379,
        8e-07,
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "rates"), SCHEDULED)
def test_rates_are_those_of_pytorch(name, settings, rates):
    config = TrainingConfig(schedule=name, learning_rate=0.2, iterations=len(rates), **settings)
    found = [config.rate_at(step, 100) for step in range(1, len(rates) + 1)]
    np.testing.assert_allclose(found, rates, atol=1e-11)


def test_a_warm_up_rises_along_a_line_and_then_the_cosine_falls():
    config = TrainingConfig(schedule="cosine", learning_rate=0.2, iterations=10, warmup=0.3)
    found = [config.rate_at(step, 100) for step in range(1, 11)]
    fall = [0.1 * (1 + math.cos(math.pi * n / 7)) for n in range(7)]
    np.testing.assert_allclose(found, [0.05, 0.1, 0.15, *fall])


@pytest.mark.parametrize("name", ["constant", "cosine", "step", "one_cycle", "plateau"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_schedule_of_few_steps_has_rates_that_are_finite_and_not_negative(name, steps):
    config = TrainingConfig(schedule=name, learning_rate=0.2, iterations=steps, warmup=0.5)
    rates = [config.rate_at(step, 100) for step in range(1, steps + 1)]
    assert all(0 <= rate <= 0.2 for rate in rates)


def test_a_plateau_lowers_the_rate_where_pytorch_does():
    # ReduceLROnPlateau(factor=0.5, patience=1), its rate after each of these losses.
    losses = [1.0, 0.8, 0.79999, 0.81, 0.7, 0.75, 0.75, 0.75, 0.75, 0.1]
    expected = [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025]
    plateau, found = Plateau(0.2, 0.5, 1), []
    for loss in losses:
        plateau.note(loss)
        found.append(plateau(1))
    assert pytest.approx(expected) == found


# Losses -----------------------------------------------------------------------------------

LOGITS, LABELS = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]), np.array([2, 1])
WEIGHTS = [0.5, 2.0, 1.0]
# cross_entropy(reduction="sum", label_smoothing=0.1, weight=WEIGHTS), and its gradient over two.
OF_PYTORCH = [
    (0.0, None, 1.821983906064, [
        [0.08764519607, 0.019556286635, -0.107201482705],
        [0.359220170576, -0.397081698001, 0.037861527426],
    ]),
    (0.1, None, 1.963650572731, [
        [0.070978529403, 0.002889619969, -0.073868149372],
        [0.342553503909, -0.363748364668, 0.021194860759],
    ]),
    (0.0, WEIGHTS, 3.402656515472, [
        [0.08764519607, 0.019556286635, -0.107201482705],
        [0.718440341151, -0.794163396002, 0.075723054851],
    ]),
    (0.1, WEIGHTS, 3.512455652965, [
        [0.080772616005, -0.013451108587, -0.067321507417],
        [0.680171993603, -0.736073254502, 0.055901260899],
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("smoothing", "weights", "loss", "gradient"), OF_PYTORCH)
def test_losses_and_gradients_are_those_of_pytorch(smoothing, weights, loss, gradient, back_end):
    found = targeted(smoothing, weights)(LOGITS, LABELS.astype(np.uint8))
    assert (pytest.approx(loss, abs=1e-11), 1) == found[:2]
    np.testing.assert_allclose(found[2], gradient, atol=1e-11)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradients_of_losses_agree_with_central_differences(smoothing):
    loss, step = targeted(smoothing, WEIGHTS), 1e-6
    numeric = np.empty_like(LOGITS)
    for at in np.ndindex(LOGITS.shape):
        nudge = np.zeros_like(LOGITS)
        nudge[at] = step
        up, down = (loss(LOGITS + sign * nudge, LABELS)[0] for sign in (1, -1))
        numeric[at] = (up - down) / (2 * step) / len(LABELS)
    np.testing.assert_allclose(loss(LOGITS, LABELS)[2], numeric, atol=1e-9)


def test_a_loss_without_anything_on_is_cross_entropy_itself():
    assert targeted() is softmax_cross_entropy


def test_balanced_weights_let_every_class_count_as_much():
    weights = balanced(np.array([0, 0, 0, 1]), 2)
    assert pytest.approx([4 / 6, 2]) == weights.tolist()
    assert weights[0] * 3 == weights[1] * 1


def test_a_class_without_images_has_a_weight_all_the_same():
    assert np.isfinite(balanced(np.array([0, 0]), 3)).all()


# Runs -------------------------------------------------------------------------------------


@pytest.fixture
def easy(stripes):
    return Dataset(*stripes)


@pytest.fixture
def hard():
    """Images that say nothing of their labels: what is learnt is of no use elsewhere."""
    rng = np.random.default_rng(3)
    return [
        Dataset(rng.integers(0, 256, (90, 6, 6), np.uint8), np.arange(90, dtype=np.uint8) % 3)
        for _ in range(2)
    ]


def build(data):
    return Network.build([data.inputs, 12, data.classes], rng=1)


def run(network, data, validation=None, **settings):
    return list(training(network, data, TrainingConfig(**settings), validation))


UNKNOWN = [
    ({"optimizer": "nesterov"}, "optimizer nesterov"),
    ({"optimizer": "rmsprop", "learning_rate": 0.01}, "optimizer rmsprop"),
    ({"optimizer": "adamw", "learning_rate": 0.01}, "optimizer adamw"),
    ({"l1": 1e-4}, "penalties"),
    ({"l2": 1e-3}, "penalties"),
    ({"clip_norm": 1.0}, "penalties"),
    ({"label_smoothing": 0.1}, "smoothed labels"),
    ({"class_weights": "balanced"}, "class weights"),
]


@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize(("settings", "words"), UNKNOWN)
def test_what_compiled_steps_do_not_know_is_never_offered_to_them(
    easy, settings, words, batch_size, back_end
):
    network = build(easy)
    events = run(network, easy, iterations=120, batch_size=batch_size, **settings)
    assert events[-1].train_accuracy > 0.99
    assert words in network.training[-1]["data"]["why"] or not kernels.packs


@pytest.mark.parametrize(("settings", "_"), UNKNOWN)
def test_every_setting_changes_the_run(easy, settings, _):
    if settings == {"class_weights": "balanced"}:
        easy = easy.take(np.flatnonzero((easy.labels > 0) | (np.arange(300) < 50)))
    usual = {"learning_rate": settings.get("learning_rate", 0.1), "iterations": 20}
    ends = []
    for more in ({}, settings):
        network = build(easy)
        run(network, easy, **{**usual, **more})
        ends.append(network.theta)
    assert (ends[0] != ends[1]).any()


def test_back_ends_take_the_same_regularized_steps(easy):
    ends, before = [], kernels.name
    for name, reason in kernels.available().items():
        if reason is None:
            kernels.use(name)
            network = build(easy)
            run(network, easy, iterations=30, optimizer="adamw", learning_rate=0.01, l1=1e-4,
                l2=1e-3, clip_norm=0.5, label_smoothing=0.1, class_weights="balanced")  # fmt: skip
            ends.append(network.theta)
    kernels.use(before)
    for other in ends[1:]:
        np.testing.assert_allclose(ends[0], other, atol=1e-5)


def test_early_stopping_ends_a_run_that_gets_no_better_with_the_best_weights(hard, back_end):
    data, other = hard
    network = build(data)
    events = run(network, data, other, epochs=300, optimizer="adam", learning_rate=0.01,
                 early_stopping=4)  # fmt: skip
    measured = [event for event in events if isinstance(event, Evaluated)]
    last = measured.pop()
    assert type(last) is TrainingFinished and last.step < 300 * 2
    losses = [event.val_loss for event in measured]
    assert min(losses) == losses[-5] == pytest.approx(last.val_loss)
    assert (last.step, "finished") == tuple(network.training[-1][k] for k in ("steps", "outcome"))


def test_a_run_with_early_stopping_that_comes_to_its_end_has_its_best_weights(hard):
    data, other = hard
    network = build(data)
    events = run(network, data, other, epochs=40, optimizer="adam", learning_rate=0.01,
                 early_stopping=1000)  # fmt: skip
    losses = [event.val_loss for event in events if isinstance(event, Evaluated)]
    assert pytest.approx(losses[-1]) == min(losses)


@pytest.mark.parametrize("schedule", ["plateau", "one_cycle", "step"])
@pytest.mark.parametrize("stop", [5, 13])
def test_a_run_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(hard, schedule, stop):
    data, other = hard
    config = TrainingConfig(
        epochs=40, optimizer="nesterov", learning_rate=0.1, schedule=schedule, patience=1,
        early_stopping=9, l2=1e-3,
    )  # fmt: skip
    whole = build(data)
    list(training(whole, data, config, other))
    network, state = build(data), TrainingState()
    for event in training(network, data, config, other, state):
        if isinstance(event, StepFinished) and event.step == stop * 2:
            kept = checkpoint.to_bytes(network, state)
            break
    restored, state = checkpoint.from_bytes(kept)
    list(training(restored, data, config, other, state))
    np.testing.assert_array_equal(whole.theta, restored.theta)
    assert whole.training[-1]["history"] == restored.training[-1]["history"]


def test_a_plateau_lowers_the_rate_of_a_run(hard):
    data, other = hard
    ends = []
    for schedule in ("constant", "plateau"):
        network = build(data)
        run(network, data, other, epochs=20, optimizer="adam", learning_rate=0.01, patience=1,
            schedule=schedule)  # fmt: skip
        ends.append(network.theta)
    assert (ends[0] != ends[1]).any()
