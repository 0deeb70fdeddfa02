"""Any layers one can write down train, are kept, come back and answer alike on every back end."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from nnengine import (
    ConfigError,
    Dataset,
    FormatError,
    Network,
    TrainingConfig,
    kernels,
    load,
    training,
)
from nnengine.core.description import shapes, write
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.demo import page
from nnengine.errors import TextError
from nnengine.storage import checkpoint, links, modelfile
from nnengine.storage.folding import folded
from nnengine.storage.modelheader import Header
from nnengine.training import StepFinished, TrainingState
from nnengine.training.layertext import read

small, sides = st.integers(1, 4), st.integers(1, 3)
layer = st.one_of(
    st.builds("dense {}".format, small),
    st.builds(
        "conv {} {}x{} stride {} pad {}".format, small, sides, sides, sides, st.integers(0, 2)
    ),
    st.builds("pool {}x{} stride {}".format, sides, sides, sides),
    st.builds("average {} stride {}".format, sides, sides),
    st.builds("dropout 0.{}".format, st.integers(0, 9)),
    st.sampled_from(["norm", "flatten"]),
)
texts = st.lists(layer, min_size=1, max_size=6).map(", ".join)
geometries = st.tuples(st.integers(3, 9), st.integers(3, 9), st.sampled_from([1, 3]))


def made(text, geometry, activation, dtype=np.float32):
    *image_shape, channels = geometry
    try:
        shapes(read(text)[1], geometry)
    except TextError:
        assume(False)
    return Network.build(
        text, image_shape=image_shape, channels=channels, classes=3, rng=1, dtype=dtype,
        activation=activation,
    )  # fmt: skip


def data_for(geometry, count=11):
    shape = geometry if geometry[2] == 3 else geometry[:2]
    images = np.random.default_rng(2).integers(0, 256, (count, *shape), np.uint8)
    return Dataset(images, np.arange(count, dtype=np.uint8) % 3)


@given(
    texts, geometries, st.sampled_from(["relu", "tanh", "sigmoid"]),
    st.sampled_from(tuple(OPTIMIZERS)), st.sampled_from([None, 4]),
)  # fmt: skip
@settings(max_examples=300 if "NNENGINE_LONG" in os.environ else 120, deadline=None)
def test_any_layers_train_are_kept_and_answer_alike(text, geometry, activation, optimizer, batch):
    before, data, answers, asked = kernels.name, data_for(geometry), [], None
    config = TrainingConfig(
        iterations=3, batch_size=batch, optimizer=optimizer, learning_rate=1e-3, l2=1e-3
    )
    try:
        for name, reason in kernels.available().items():
            if reason:
                continue
            kernels.use(name)
            network = made(text, geometry, activation)
            for _ in training(network, data, config, data):
                pass
            assert text_of(network) == text_of(made(text, geometry, activation))
            restored = load(modelfile.to_bytes(network))
            np.testing.assert_array_equal(network.theta, restored.theta)
            assert text_of(network) == text_of(restored)
            np.testing.assert_array_equal(network.predict_proba(data), restored.predict_proba(data))
            assert text_of(network) == text_of(links.decode(links.encode(network)).network)
            # Of one network: RMSprop makes a whole step of what is rounding in a gradient of zero.
            asked = asked or restored
            answers.append(asked.predict_proba(data))
            if asked is restored:
                again = interrupted(text, geometry, activation, config, data)
                np.testing.assert_array_equal(network.theta, again.theta)
    finally:
        kernels.use(before)
    for other in answers[1:]:
        np.testing.assert_allclose(answers[0], other, atol=1e-5)


def text_of(network):
    return network.description, network.shape, network.activations, network.sizes


def interrupted(text, geometry, activation, config, data):
    """Return the network of a run that went over a checkpoint after its first step."""
    network, state = made(text, geometry, activation), TrainingState(steps_per_call=1)
    for event in training(network, data, config, data, state):
        if isinstance(event, StepFinished):
            break
    network, state = checkpoint.from_bytes(checkpoint.to_bytes(network, state))
    for _ in training(network, data, config, data, state):
        pass
    return network


@example("dense 1, dropout 0, norm", (3, 3, 1), "relu")  # what stands between keeps them apart
@given(texts, geometries, st.sampled_from(["relu", "tanh"]))
@settings(max_examples=100, deadline=None)
def test_folded_networks_answer_as_whole_ones_do(text, geometry, activation):
    network, data = made(text, geometry, activation, np.float64), data_for(geometry)
    rng = np.random.default_rng(3)
    for name, array in network.parameters().items():  # as if it had been trained
        array += rng.uniform(0, 0.5, array.shape) * (not name.startswith("weights"))
    short = folded(network)
    kinds = [spec.kind for spec in short.specs]
    assert "dropout" not in kinds
    bare = [
        s.weighs and a == "identity" for s, a in zip(short.specs, short.activations, strict=True)
    ]
    assert not any(b and k == "norm" for b, k in zip(bare, kinds[1:], strict=False))
    np.testing.assert_allclose(network.predict_proba(data), short.predict_proba(data), atol=1e-9)


# Files ------------------------------------------------------------------------------------


def deep():
    return Network.build("conv 2 3x3, norm, pool 2, dense 4", image_shape=(8, 8), classes=3, rng=1)


def test_folding_by_hand():
    network = Network.build("dense 1, norm", image_shape=(1, 1), classes=2, dtype=np.float64)
    values = {"weights_1": 3.0, "biases_1": 1.0, "scales_2": 2.0, "shifts_2": 5.0,
              "means_2": 4.0, "variances_2": 0.25 - 1e-5}  # fmt: skip
    for name, value in values.items():
        network.parameters()[name][:] = value
    short = folded(network).parameters()
    # 2 (3 x + 1 - 4) / 0.5 + 5 = 12 x - 7
    assert pytest.approx([12.0, -7.0]) == [short["weights_1"].item(), short["biases_1"].item()]


def test_dense_networks_are_written_as_earlier_versions_read_them():
    header = json.loads(Header.of(Network.build([4, 3, 2])).to_json())
    assert 1 == header["version"] and not {"layers", "channels"} & header.keys()


def test_other_networks_are_of_the_next_version_which_old_programs_refuse():
    header = json.loads(Header.of(deep()).to_json())
    assert (2, "conv 2 3x3, norm, pool 2, dense 4", 1) == tuple(
        header[name] for name in ("version", "layers", "channels")
    )


def with_header(**changes):
    """Return a file of `deep` whose header says something else."""
    import io
    import zipfile

    from nnengine.data.npy import npy_bytes

    stream, network = io.BytesIO(), deep()
    header = json.loads(Header.of(network).to_json()) | changes
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in (arrays | network.parameters()).items():
            archive.writestr(f"{name}.npy", npy_bytes(array))
    return stream.getvalue()


def test_a_file_of_other_layers_comes_back():
    assert "conv 2 3x3, norm, pool 2, dense 4" == load(with_header()).description


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": "conv 2 3x3, nrom, pool 2, dense 4"}, "layers: layers: 'nrom' where there"),
        ({"layers": "conv 2 9x9, norm, pool 2, dense 4"}, "8x8 pixels before 'conv 2 9x9'"),
        ({"layers": "conv 9 3x3, norm, pool 2, dense 4"}, "sizes: expected"),
        ({"layers": "conv 2 3x3, pool 2, dense 4"}, "expected"),
        ({"layers": 5}, "layers: expected a text"),
        ({"layers": ""}, "layers: expected a text"),
        ({"channels": 0}, "channels: expected"),
        ({"channels": 3}, "images of"),
        ({"version": 3}, "version 3"),
        ({"layers": "conv 9999999 9999x9999, dense 4"}, "expected|pixels"),
    ],
)
def test_a_header_that_does_not_fit_its_arrays_is_refused(changes, message):
    with pytest.raises(FormatError, match=message):
        load(with_header(**changes))


def test_a_variance_below_zero_is_refused():
    network = deep()
    network.parameters()["variances_2"][0] = -1
    with pytest.raises(FormatError, match="variances_2 holds a variance below zero"):
        load(modelfile.to_bytes(network))


def test_an_nnm_model_cannot_hold_other_layers_and_says_so():
    with pytest.raises(ConfigError, match=r"not dense \(conv, norm, pool\); save it as .npz"):
        modelfile.to_bytes(deep(), "nnm")


def test_a_page_of_one_s_own_reads_grey_drawings_alone_and_no_huge_images():
    assert "conv 2 3x3, norm, pool 2, dense 4" in page(deep())
    with pytest.raises(ConfigError, match="2 channels, and a page knows one or three: save the"):
        page(Network.build("conv 2 3x3", image_shape=(9, 9), channels=2, classes=3))
    with pytest.raises(ConfigError, match="10,000,000 and 100,000; save the network as .npz"):
        page(Network.build("conv 9 3x3 pad 99, pool 9", image_shape=(28, 28), classes=3))


# Colour -----------------------------------------------------------------------------------


def test_images_in_colour_have_three_channels():
    data = data_for((4, 5, 3))
    assert ((4, 5), 3, 60) == (data.image_shape, data.channels, data.inputs)
    assert "4x5 in colour" in repr(data)
    assert 2 == len(data.take([1, 4])) and 3 == data.take([1, 4]).channels


def test_a_colour_network_is_told_a_single_image_from_many():
    network = Network.build("conv 2 3x3", image_shape=(4, 5), channels=3, classes=3)
    data = data_for((4, 5, 3))
    np.testing.assert_allclose(
        network.predict_proba(data)[7], network.predict_proba(data.images[7])[0], atol=1e-6
    )


def test_images_of_another_geometry_are_refused_where_layers_look_at_places():
    network = Network.build("conv 2 3x3", image_shape=(4, 6), classes=3)
    images = np.zeros((3, 6, 4), np.uint8)
    with pytest.raises(ConfigError, match="6x4x1, the network looks at 4x6x1"):
        list(training(network, Dataset(images, [0, 1, 2])))


def test_the_text_of_layers_of_a_saved_network_reads_back():
    assert write(read(deep().description)[1]) == deep().description
