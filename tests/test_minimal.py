"""NNetworkMinimal: the original's equations, names and files."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nnengine import ConfigError, Dataset, FormatError, Idx3, Network, NNetworkMinimal
from nnengine.data.idx import Idx1, write_idx

KEYS = ("IHW", "HB", "HOW", "OB")


@pytest.fixture
def columns(stripes) -> tuple[np.ndarray, np.ndarray]:
    """The stripes as the original took its data: floats, pixels by images."""
    images, labels = stripes
    return images.reshape(len(images), -1).T.astype(float), labels


def transcription(data, labels, coefficients, alpha, iterations):
    """The original in plain float64 NumPy, word for word from the formulas.

    The mean over all images is summed 500 at a time: these stay in the cache from forward to
    backward, where all of MNIST at once, 376 MB, comes from memory twice an iteration.
    """
    W, B, w, b = (np.float64(coefficients[key]) for key in KEYS)
    inputs, count, size = data / 255.0, data.shape[1], 500
    onehot = np.eye(len(b))[:, labels]
    for _ in range(iterations):
        sums = [np.zeros_like(array) for array in (W, B, w, b)]
        for some in (slice(start, start + size) for start in range(0, count, size)):
            H = W @ inputs[:, some] + B
            H_hat = np.maximum(H, 0)
            O = w @ H_hat + b  # noqa: E741
            e = np.exp(O - O.max(axis=0))
            dO = e / e.sum(axis=0) - onehot[:, some]
            dH = w.T @ dO * (H > 0)
            sums[0] += dH @ inputs[:, some].T
            sums[1] += dH.sum(axis=1, keepdims=True)
            sums[2] += dO @ H_hat.T
            sums[3] += dO.sum(axis=1, keepdims=True)
        dW, dB, dw, db = (total / count for total in sums)
        W, B, w, b = W - alpha * dW, B - alpha * dB, w - alpha * dw, b - alpha * db
    return dict(zip(KEYS, (W, B, w, b), strict=True))


def largest_difference(expected, actual) -> float:
    return max(np.abs(expected[key] - actual[key]).max() for key in KEYS)


# the equations


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_it_follows_the_originals_equations(back_end, columns, dtype, tolerance):
    data, labels = columns
    ours = NNetworkMinimal(64, 5, 3, alpha=0.1, maxiterations=50, rng=1, dtype=dtype)
    start = ours.coefficients()
    expected = transcription(data, labels, start, 0.1, 50)
    actual = ours.fit(data, labels).coefficients()
    assert largest_difference(expected, start) > 0.01
    assert largest_difference(expected, actual) < tolerance


@pytest.fixture(scope="module")
def real_run(mnist_files):
    """60,000 real images, and what 20 iterations of the transcription make of a start."""
    images, labels = Idx3(mnist_files["train_images"]), Idx1(mnist_files["train_labels"])
    start = NNetworkMinimal(784, 10, 10, rng=4).coefficients()
    columns = images.data.reshape(len(images), -1).T.astype(float)
    return images, labels, start, transcription(columns, labels.data, start, 0.1, 20)


@pytest.mark.slow
def test_on_mnist_every_coefficient_is_within_a_ten_thousandth(back_end, real_run):
    images, labels, start, expected = real_run
    ours = NNetworkMinimal(784, 10, 10, alpha=0.1, maxiterations=20)
    ours.set_coefficients(start)
    assert largest_difference(expected, start) > 0.05
    assert largest_difference(expected, ours.fit(images, labels).coefficients()) < 1e-4


def test_first_coefficients_are_uniform_and_drawn_in_the_originals_order():
    rng = np.random.default_rng(9)
    actual = NNetworkMinimal(6, 4, 3, rng=9, dtype=np.float64).coefficients()
    for key, shape in zip(KEYS, [(4, 6), (4, 1), (3, 4), (3, 1)], strict=True):
        np.testing.assert_array_equal(rng.uniform(-0.5, 0.5, shape), actual[key])


def test_large_scores_do_not_overflow_softmax(columns):
    data, labels = columns
    ours = NNetworkMinimal(64, 5, 3, maxiterations=1)
    large = {key: 1e4 * array for key, array in ours.coefficients().items()}
    ours.set_coefficients(large)
    ours.fit(data, labels)
    assert all(np.isfinite(array).all() for array in ours.coefficients().values())


# training, and training on


def test_it_learns_the_stripes(columns):
    data, labels = columns
    ours = NNetworkMinimal(64, 8, 3, alpha=0.5, maxiterations=300).fit(data, labels)
    assert ours.accuracy_score(data, labels) > 0.95
    assert labels.shape == ours.predict(data).shape


def test_two_short_fits_equal_a_long_one(columns):
    data, labels = columns
    long = NNetworkMinimal(64, 5, 3, maxiterations=40).fit(data, labels)
    short = NNetworkMinimal(64, 5, 3, maxiterations=20).fit(data, labels).fit(data, labels)
    assert largest_difference(long.coefficients(), short.coefficients()) == 0


def test_a_restored_network_goes_on_training(columns, tmp_path):
    data, labels = columns
    first = NNetworkMinimal(64, 5, 3, maxiterations=20).fit(data, labels)
    first.save(tmp_path / "first")
    second = NNetworkMinimal.load(tmp_path / "first.nnm")
    second.maxiterations = 20
    first.fit(data, labels)
    second.fit(data, labels)
    assert largest_difference(first.coefficients(), second.coefficients()) == 0


def test_divergence_is_told_and_leaves_finite_coefficients(columns):
    data, labels = columns
    ours = NNetworkMinimal(64, 5, 3, alpha=1e30, maxiterations=50)
    with pytest.raises(ConfigError, match="diverged.*learning rate"):
        ours.fit(data, labels)
    assert all(np.isfinite(array).all() for array in ours.coefficients().values())


# what it takes as data


def test_every_way_to_give_the_images_gives_the_same_network(stripes, columns, tmp_path):
    images, labels = stripes
    flat = images.reshape(len(images), -1)
    write_idx(tmp_path / "i", images)
    ways = [
        columns[0],
        columns[0].astype(np.float32),
        flat.T,
        flat,
        images,
        Idx3(tmp_path / "i"),
        flat.astype(float),
        flat.T.astype(np.int64),
        Dataset(images, labels),
    ]
    fitted = [NNetworkMinimal(64, 5, 3, maxiterations=5).fit(way, labels) for way in ways]
    for network in fitted[1:]:
        first = fitted[0].coefficients()
        assert largest_difference(first, network.coefficients()) == 0
    answers = fitted[0].predict(ways[0])
    for way in ways[1:]:
        np.testing.assert_array_equal(answers, fitted[0].predict(way))


def test_pixels_with_fractions_are_divided_by_255_too_but_not_trained_on(columns):
    data, labels = columns
    ours = NNetworkMinimal(64, 8, 3, alpha=0.5, maxiterations=100).fit(data, labels)
    np.testing.assert_array_equal(ours.predict(data), ours.predict(data + 1e-6))
    with pytest.raises(FormatError, match="whole numbers from 0 to 255.*multiply by 255"):
        ours.fit(data / 255, labels)


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan, np.inf, 0.5])
def test_one_pixel_that_is_no_byte_is_enough_to_refuse(columns, value):
    data, labels = columns
    data[3, 7] = value
    with pytest.raises(FormatError, match="whole numbers from 0 to 255"):
        NNetworkMinimal(64, 5, 3, maxiterations=1).fit(data, labels)


def test_one_image_may_be_given_by_itself(stripes):
    images, labels = stripes
    ours = NNetworkMinimal(64, 8, 3, alpha=0.5, maxiterations=50).fit(images, labels)
    expected = ours.predict(images)[:1]
    for one in (images[0], images[0].ravel(), images[:1]):
        np.testing.assert_array_equal(expected, ours.predict(one))


@pytest.mark.parametrize("shape", [(63, 10), (10, 63), (10, 9, 7), (2, 2, 4, 4), (65,)])
def test_a_shape_that_fits_neither_way_is_refused(shape):
    with pytest.raises(FormatError, match=r"do not fit 64 input nodes: expected \(64, N\)"):
        NNetworkMinimal(64, 5, 3).predict(np.zeros(shape))


def test_a_square_of_bytes_is_ambiguous_and_of_floats_the_originals():
    square = np.arange(16).reshape(4, 4)
    ours = NNetworkMinimal(4, 5, 3, rng=3)
    with pytest.raises(FormatError, match="images by pixels or pixels"):
        ours.predict(square.astype(np.uint8))
    expected = ours.network.predict(square.T.astype(np.uint8))
    np.testing.assert_array_equal(expected, ours.predict(square.astype(float)))


def test_labels_that_do_not_fit_are_refused(columns):
    data, labels = columns
    with pytest.raises(FormatError, match="2 classes|with 2"):
        NNetworkMinimal(64, 5, 2, maxiterations=1).fit(data, labels)
    with pytest.raises(FormatError, match="300 images"):
        NNetworkMinimal(64, 5, 3, maxiterations=1).fit(data, labels[:-1])
    with pytest.raises(FormatError, match="300 images"):
        NNetworkMinimal(64, 5, 3).accuracy_score(data, labels[:-1])


# coefficients


def test_coefficients_are_copies():
    ours = NNetworkMinimal(6, 4, 3)
    ours.coefficients()["IHW"][:] = 0
    assert np.abs(ours.coefficients()["IHW"]).max() > 0


def test_coefficients_come_back_as_they_were_set():
    ours, other = NNetworkMinimal(6, 4, 3, rng=1), NNetworkMinimal(6, 4, 3, rng=2)
    ours.set_coefficients(other.coefficients())
    assert largest_difference(other.coefficients(), ours.coefficients()) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"IHW": np.zeros((6, 4))}, r"IHW: expected shape \(4, 6\), found \(6, 4\)"),
        ({"OB": np.zeros(3)}, r"OB: expected shape \(3, 1\), found \(3,\)"),
        ({"HB": np.full((4, 1), np.nan)}, "HB: expected finite"),
        ({"XX": np.zeros(3)}, "coefficients are IHW, HB, HOW, OB; found.*XX"),
    ],
)
def test_coefficients_that_do_not_fit_are_named_and_change_nothing(change, message):
    ours = NNetworkMinimal(6, 4, 3)
    before = ours.coefficients()
    with pytest.raises(ConfigError, match=message):
        ours.set_coefficients(before | change)
    assert largest_difference(before, ours.coefficients()) == 0


# files


def test_saving_adds_the_ending_and_loading_finds_it(tmp_path):
    ours = NNetworkMinimal(6, 4, 3, rng=3)
    ours.save(str(tmp_path / "digits"))
    assert ["digits.nnm"] == [path.name for path in tmp_path.iterdir()]
    for name in ("digits", "digits.nnm"):
        back = NNetworkMinimal.load(tmp_path / name)
        assert largest_difference(ours.coefficients(), back.coefficients()) == 0


def test_an_instance_takes_over_what_it_loads_and_returns_itself():
    stream = io.BytesIO()
    NNetworkMinimal(6, 4, 3, rng=3).save(stream)
    ours = NNetworkMinimal(9, 2, 2, alpha=0.7)
    assert ours is ours.load(stream.getvalue())
    assert (6, 4, 3, 0.7) == (ours.nodes_in, ours.nodes_hid, ours.nodes_out, ours.alpha)


def test_loading_on_the_class_makes_a_network_with_the_originals_settings():
    stream = io.BytesIO()
    NNetworkMinimal(6, 4, 3, alpha=0.7).save(stream)
    back = NNetworkMinimal.load(stream.getvalue())
    assert (0.1, 2500) == (back.alpha, back.maxiterations)


def test_a_network_of_another_kind_is_refused(tmp_path):
    Network.build([6, 5, 4, 3]).save(tmp_path / "deep.npz")
    with pytest.raises(FormatError, match="has 4 layers.*nnengine.load opens it"):
        NNetworkMinimal.load(tmp_path / "deep.npz")


def test_a_missing_file_stays_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        NNetworkMinimal.load(tmp_path / "none")


# what it says of itself


def test_the_repr_tells_the_truth(columns, tmp_path):
    data, labels = columns
    ours = NNetworkMinimal(64, 5, 3, alpha=0.2, maxiterations=7)
    facts = "<NNetworkMinimal(64, 5, 3, alpha=0.2, maxiterations=7): 343 float32 coefficients; "
    assert f"{facts}no training on record>" == repr(ours)
    ours.fit(data, labels)
    assert f"{facts}7 iterations on record>" == repr(ours)
    ours.save(tmp_path / "a")
    assert f"{facts}loaded from a.nnm; no training on record>" == repr(ours.load(tmp_path / "a"))
    ours.fit(data, labels)
    assert f"{facts}loaded from a.nnm; 7 iterations on record>" == repr(ours)


@pytest.mark.parametrize(
    "options", [{"alpha": 0}, {"alpha": float("nan")}, {"maxiterations": 0}, {"nodes_hid": 0}]
)
def test_settings_that_cannot_be_are_refused_at_birth(options):
    with pytest.raises(ConfigError):
        NNetworkMinimal(**({"nodes_in": 6, "nodes_hid": 4, "nodes_out": 3} | options))
