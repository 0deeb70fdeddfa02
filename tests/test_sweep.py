"""Any layers one can write down train, are kept, come back and answer alike on every back end."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from nnengine import (
    ConfigError,
    Dataset,
    FormatError,
    Network,
    TrainingConfig,
    load,
    training,
)
from nnengine.core.description import FIELDS, write
from nnengine.demo import page
from nnengine.storage import modelfile
from nnengine.storage.folding import folded
from nnengine.storage.modelheader import Header
from nnengine.training.layertext import read

from .sweep import Case, case, check, check_folded


def pytest_generate_tests(metafunc):
    """Give a test as many seeds of the sweep as were asked for."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("sweep")))


def test_any_layers_train_are_kept_and_answer_alike(back_end, seed):
    check(seed, back_end)


def test_what_stands_between_a_layer_and_its_norm_keeps_them_apart():
    check_folded(Case("dense 1, dropout 0, norm", (3, 3, 1), "relu", TrainingConfig(), 1))


def test_the_sweep_has_layers_of_every_kind_in_front_of_every_other():
    texts = [[spec.kind for spec in read(case(seed).text)[1]] for seed in range(300)]
    pairs = {pair for kinds in texts for pair in itertools.pairwise(kinds)}
    assert set(itertools.product(FIELDS, repeat=2)) == pairs


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


def colourful(geometry, count=11):
    images = np.random.default_rng(2).integers(0, 256, (count, *geometry), np.uint8)
    return Dataset(images, np.arange(count, dtype=np.uint8) % 3)


def test_images_in_colour_have_three_channels():
    data = colourful((4, 5, 3))
    assert ((4, 5), 3, 60) == (data.image_shape, data.channels, data.inputs)
    assert "4x5 in colour" in repr(data)
    assert 2 == len(data.take([1, 4])) and 3 == data.take([1, 4]).channels


def test_a_colour_network_is_told_a_single_image_from_many():
    network = Network.build("conv 2 3x3", image_shape=(4, 5), channels=3, classes=3)
    data = colourful((4, 5, 3))
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
