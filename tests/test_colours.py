"""Images in colour: read as such by one rule, learnt by every back end, kept, and answered."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from nnengine import cli, kernels
from nnengine.analysis.robustness import DISTORTIONS, distort
from nnengine.core.network import Network
from nnengine.data import readers
from nnengine.data.augment import Augmentation, augmented
from nnengine.data.dataset import Dataset
from nnengine.data.idx import write_idx
from nnengine.data.readers import colours, decoding
from nnengine.errors import ConfigError, FormatError
from nnengine.storage import links, modelfile
from nnengine.training import TrainingConfig, training
from tests.files import idx, zipped
from tests.tinted import COLOURS, NAMES, npz, picture_zip, pictures, png, tinted

DATA = tinted(60)
BY_CLASS = np.argsort(DATA.labels, kind="stable")  # the order of folders named by class
LAYERS = ["dense 8", "conv 4 3x3, pool 2, dense 8"]


def same(found: Dataset, images: np.ndarray = DATA.images) -> bool:
    return np.array_equal(found.images, images) and 3 == found.channels


# Reading ---------------------------------------------------------------------------------


def test_the_classes_of_this_test_are_told_by_colour_alone():
    assert 1 == len(np.unique(readers.to_grey(COLOURS[:, None, None])))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int64])
def test_arrays_in_colour_stay_so_wherever_their_channels_stand(first, kind):
    images = DATA.images.astype(kind)
    images = images.transpose(0, 3, 1, 2) if first else images
    found = readers.read_sets(npz(x=images, y=DATA.labels))
    assert same(found.train) and not found.notes


def test_fractions_in_colour_are_stretched():
    found = readers.read_sets(npz(x=DATA.images / np.float32(255), y=DATA.labels))
    assert same(found.train)
    assert ("Pixels were fractions from 0 to 1: stretched to 0 to 255.",) == found.notes


def test_a_fourth_channel_is_left_out():
    opaque = np.concatenate([DATA.images, np.full((60, 8, 8, 1), 255, np.uint8)], axis=3)
    assert same(readers.read_sets(npz(x=opaque, y=DATA.labels)).train)


def test_idx_files_of_four_dimensions_are_written_and_read():
    found = readers.read_sets(readers.idx_zip(DATA, DATA.take(slice(0, 9))))
    assert same(found.train) and same(found.test, DATA.images[:9])
    assert readers.idx_zip(DATA) == readers.idx_zip(found.train)
    stream = io.BytesIO()
    write_idx(stream, DATA.images)
    np.testing.assert_array_equal(DATA.images, readers.read(stream.getvalue()).images)


def test_matlab_counts_colours_along_the_last_side_as_svhn_has_them():
    savemat = pytest.importorskip("scipy.io", reason="SciPy is not installed").savemat
    stream = io.BytesIO()
    savemat(stream, {"X": DATA.images.transpose(1, 2, 3, 0), "y": DATA.labels[:, None]})
    found = readers.read_sets(stream.getvalue())
    assert same(found.train)
    assert "counted along the last side" in found.notes[0]


def test_hdf5_keeps_colours():
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["images"], file["labels"] = DATA.images, DATA.labels
    assert same(readers.read_sets(stream.getvalue()).train)


@pytest.mark.parametrize("form", ["pictures", "lists"])
def test_parquet_keeps_colours_and_its_shards_agree(form):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")

    def table(images: np.ndarray, labels: np.ndarray) -> bytes:
        columns = {"label": labels.tolist()}
        columns["image"] = [png(x) for x in images] if form == "pictures" else images.tolist()
        stream = io.BytesIO()
        parquet.write_table(pyarrow.table(columns), stream)
        return stream.getvalue()

    grey = readers.to_grey(DATA.images[:6])
    whole = table(DATA.images, DATA.labels)
    assert same(readers.read_sets(whole).train)
    if form == "lists":  # a shard may happen to hold no colours
        parts = {"train-00000-of-00002.parquet": whole}
        parts["train-00001-of-00002.parquet"] = table(grey, DATA.labels[:6])
        found = readers.read_sets(zipped(parts))
        assert same(found.train, np.concatenate([DATA.images, readers.in_colour(grey)]))


def test_pictures_keep_their_colours(tmp_path):
    found = readers.read_sets(picture_zip(DATA))
    assert same(found.train, DATA.images[BY_CLASS])
    assert NAMES == found.train.class_names
    for path, raw in pictures(DATA, "data").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(raw)
    assert same(readers.read_sets(tmp_path).train, DATA.images[BY_CLASS])


def test_large_pictures_in_colour_are_framed_on_the_colour_of_their_border():
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:] = 250, 10, 60
    found = readers.read_sets(zipped({"a/1.png": png(wide), "b/1.png": png(wide)}))
    assert (2, 28, 28, 3) == found.train.images.shape
    assert (found.train.images == (250, 10, 60)).all()
    assert "brought to 28 x 28 pixels" in found.notes[0]


def test_colours_on_nothing_lie_on_paper():
    clear = np.zeros((6, 6, 4), np.uint8)
    clear[2:4] = 255, 240, 0, 255  # light: the paper is black
    found = readers.read_sets(zipped({"a/1.png": png(clear), "b/1.png": png(clear)}))
    np.testing.assert_array_equal(clear[..., :3], found.train.images[0])


def test_grey_in_the_clothes_of_colour_stays_grey_to_the_bit():
    grey = np.random.default_rng(1).integers(0, 256, (60, 8, 8)).astype(np.uint8)
    dressed = Dataset(readers.in_colour(grey), DATA.labels, class_names=NAMES)
    plain = Dataset(grey, DATA.labels, class_names=NAMES)
    one, other = readers.read_sets(picture_zip(dressed)), readers.read_sets(picture_zip(plain))
    np.testing.assert_array_equal(other.train.images, one.train.images)
    assert other.notes == one.notes
    found = readers.read_sets(npz(x=dressed.images, y=DATA.labels))
    np.testing.assert_array_equal(grey, found.train.images)
    assert (colours.NONE,) == found.notes


@pytest.mark.parametrize(("coloured", "kept"), [(1, True), (0, False)])
def test_a_mixed_set_is_in_colour_from_one_image_in_a_hundred_on(coloured, kept):
    count = 100 if coloured else 101
    images = readers.in_colour(np.full((count, 4, 4), 90, np.uint8))
    images[0, 0, 0] = 255, 0, 0
    labels = np.arange(count) % 2
    by_class = np.argsort(labels, kind="stable")
    mixed = Dataset(images, labels.astype(np.uint8), class_names=("a", "b"))
    for raw, wanted in ((npz(x=images, y=labels), images), (picture_zip(mixed), images[by_class])):
        found = readers.read_sets(raw)
        if kept:
            np.testing.assert_array_equal(wanted, found.train.images)
            assert "99 of 100 images are grey: they have three equal channels." in found.notes
        else:
            assert 1 == found.train.channels
            assert "Only 1 of 101 image is in colour" in " ".join(found.notes)


def test_training_and_test_part_are_settled_together():
    grey = readers.in_colour(readers.to_grey(DATA.images[:5]))
    raw = npz(x_train=DATA.images, y_train=DATA.labels, x_test=grey, y_test=DATA.labels[:5])
    found = readers.read_sets(raw)
    assert (3, 3) == (found.train.channels, found.test.channels)


def test_colours_become_grey_where_that_is_asked_for_as_pillow_makes_them():
    image = pytest.importorskip("PIL.Image")
    bright = np.random.default_rng(2).integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    wanted = np.stack([np.asarray(image.fromarray(one).convert("L")) for one in bright])
    np.testing.assert_array_equal(wanted, readers.to_grey(bright))
    found = readers.read_sets(npz(x=bright, y=DATA.labels), colours=False)
    np.testing.assert_array_equal(wanted, found.train.images)
    assert (colours.GREY,) == found.notes
    of_pictures = readers.read_sets(picture_zip(Dataset(bright, DATA.labels)), colours=False)
    assert 1 == of_pictures.train.channels


def test_room_is_counted_with_channels_and_too_little_of_it_makes_pictures_grey():
    raw = picture_zip(DATA)
    found = readers.read(raw, max_bytes=DATA.images.size - 1)
    assert 1 == found.train.channels
    assert "In colour they would need more than 11,519 bytes: they became grey." in found.notes
    assert 3 == readers.read(raw, max_bytes=DATA.images.size).train.channels


def test_one_picture_is_grey_unless_it_is_for_a_network_of_colours():
    raw, large = png(DATA.images[0]), png(DATA.images[0].repeat(9, axis=0).repeat(9, axis=1))
    assert (1, 8, 8) == readers.read_images(raw).images.shape
    np.testing.assert_array_equal(DATA.images[:1], readers.read_images(raw, colours=True).images)
    found = readers.read_images(large, colours=True, shape=(8, 8))
    np.testing.assert_array_equal(DATA.images[:1], found.images)
    assert "brought to 8 x 8" in found.notes[0]
    assert (1, 28, 28) == readers.read_images(large).images.shape


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *((mode, kind) for mode in ("L", "RGB") for kind in ("JPEG", "BMP", "GIF")),
    ],
)
def test_a_picture_without_colours_is_decoded_as_ever(mode, kind):
    image = pytest.importorskip("PIL.Image")
    grey, clear = np.random.default_rng(1).integers(0, 256, (2, 9, 7)).astype(np.uint8)
    picture = image.fromarray(grey).convert(mode.removesuffix("A"))
    if mode.endswith("A"):
        picture.putalpha(image.fromarray(clear))
    stream = io.BytesIO()
    picture.save(stream, kind)
    found = []
    for decoded in (decoding.levels, decoding.colours):
        with decoding.opened(stream.getvalue(), "a picture", kinds=decoding.KEPT) as opened:
            found.append(decoded(opened))
    np.testing.assert_array_equal(*found)


def test_a_large_grey_photograph_in_the_clothes_of_colour_is_framed_as_ever():
    image = pytest.importorskip("PIL.Image")
    grey = np.random.default_rng(1).integers(0, 256, (300, 200)).astype(np.uint8)
    stream = io.BytesIO()
    image.fromarray(readers.in_colour(grey[None])[0]).save(stream, "JPEG", quality=70)
    raw = zipped({"a/1.jpg": stream.getvalue(), "b/1.jpg": stream.getvalue()})
    found, before = readers.read_sets(raw), readers.read_sets(raw, colours=False)
    np.testing.assert_array_equal(before.train.images, found.train.images)
    assert before.notes == found.notes


def test_colours_are_taken_away_and_given_back_with_all_that_was_done_meanwhile():
    found = readers.read(npz(x=DATA.images, y=DATA.labels))
    grey = readers.grey_contents(found)
    np.testing.assert_array_equal(readers.to_grey(DATA.images), grey.train.images)
    turned = readers.turned_contents(readers.inverted_contents(grey))
    back = readers.grey_contents(turned)
    np.testing.assert_array_equal(255 - DATA.images.transpose(0, 2, 1, 3), back.train.images)
    assert grey.nbytes > found.nbytes
    assert readers.grey_contents(readers.read(npz(x=DATA.labels))).labels is not None


# Changing --------------------------------------------------------------------------------


STRONG = Augmentation(
    shift=2, rotation=20, scale=0.2, shear=0.2, elastic=1, stroke_width=1, noise=0.2, inversion=0.3
)


def test_all_channels_are_distorted_alike():
    changed = augmented(DATA.images, STRONG, 7)
    for channel in range(3):
        alone = np.ascontiguousarray(DATA.images[..., channel])
        np.testing.assert_array_equal(augmented(alone, STRONG, 7), changed[..., channel])


@pytest.mark.parametrize("name", DISTORTIONS)
def test_images_in_colour_are_tried_as_grey_ones_are(name):
    level = DISTORTIONS[name].levels[-1]
    grey = readers.to_grey(DATA.images)
    np.testing.assert_array_equal(
        readers.in_colour(distort(grey, name, level)),
        distort(readers.in_colour(grey), name, level),
    )


# Learning --------------------------------------------------------------------------------


def learnt(layers: str, **how) -> Network:
    network = Network.build(
        layers, rng=1, image_shape=(8, 8), channels=3, classes=3, class_names=NAMES
    )
    config = TrainingConfig(epochs=20, batch_size=16, optimizer="adam", learning_rate=0.01, **how)
    for _ in training(network, DATA, config, DATA):
        pass
    return network


@pytest.mark.parametrize("layers", LAYERS)
def test_every_back_end_learns_the_same_from_colours(layers, monkeypatch):
    test, found = tinted(30, seed=1), {}
    before = kernels.name
    try:
        for name in ("numpy", "numba"):
            if name == "numba":
                pytest.importorskip("numba")
            kernels.use(name)
            found[name] = learnt(layers)
            assert 1.0 == found[name].accuracy(test)
    finally:
        kernels.use(before)
    one, other = (found[name].predict_proba(test.images) for name in ("numpy", "numba"))
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("layers", LAYERS)
def test_distorted_colours_are_learnt_too(layers):
    network = learnt(layers, augmentation=Augmentation(shift=1, rotation=10, elastic=0.5))
    assert 1.0 == network.accuracy(tinted(30, seed=1))


def test_grey_images_have_nothing_to_learn_from():
    grey = Dataset(readers.to_grey(DATA.images), DATA.labels)
    network = Network.build("dense 8", rng=1, image_shape=(8, 8), classes=3)
    for _ in training(network, grey, TrainingConfig(epochs=20, batch_size=16)):
        pass
    test = tinted(300, seed=1)
    assert network.accuracy(readers.to_grey(test.images), test.labels) < 0.5


def test_a_network_of_colours_refuses_grey_images_in_words():
    network = Network.build(LAYERS[1], image_shape=(8, 8), channels=3, classes=3)
    grey = Dataset(readers.to_grey(DATA.images), DATA.labels)
    with pytest.raises(ConfigError, match="images are 8x8x1, the network looks at 8x8x3"):
        training(network, grey)


# Keeping ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", LAYERS)
def test_a_network_of_colours_is_kept_whole(layers, tmp_path):
    network = learnt(layers)
    wanted = network.predict_proba(DATA.images)
    network.save(tmp_path / "n.npz")
    for back in (modelfile.load(tmp_path / "n.npz"), links.decode(links.encode(network)).network):
        assert (8, 8, 3) == back.shape
        np.testing.assert_allclose(wanted, back.predict_proba(DATA.images), atol=0.02)
    with pytest.raises(ConfigError, match="reads images in colour|layers that are not dense"):
        network.save(tmp_path / "n.nnm")


# The command line ------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for part, data in (("train", DATA), ("test", tinted(30, seed=1))):
        for path, raw in pictures(data, part).items():
            (tmp_path / "tints" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "tints" / path).write_bytes(raw)
    return tmp_path


def told(capsys, *words) -> dict:
    assert 0 == cli.main([*map(str, words), "--json"])
    return json.loads(capsys.readouterr().out)


QUICK = ("--epochs", "20", "--batch-size", "16", "--learning-rate", "0.01", "--optimizer", "adam")


def test_the_command_line_trains_judges_and_answers_by_colour(folder, capsys):
    tints, model = folder / "tints", folder / "n.npz"
    held = told(capsys, "info", tints)["parts"]
    assert [8, 8, 3] == held["train"]["shape"]
    made = told(capsys, "train", tints, *QUICK, "--layers", LAYERS[1], "--out", model)
    assert 1.0 == made["test_accuracy"]
    assert 1.0 == told(capsys, "evaluate", model, tints)["accuracy"]
    one = told(capsys, "predict", model, tints / "test" / "green" / "001.png")
    assert ["green"] == one["names"]
    assert told(capsys, "train", tints, *QUICK, "--grey")["test_accuracy"] < 0.7


def test_images_are_brought_to_what_a_network_looks_at_and_it_is_said(folder, capsys):
    model, grey = folder / "n.npz", folder / "grey.npz"
    learnt("dense 8").save(model)
    plain = readers.to_grey(DATA.images)
    np.savez(grey, x=plain, y=DATA.labels)
    assert 0 == cli.main(["predict", str(model), str(grey), "--index", "0:9"])
    assert "three equal channels" in capsys.readouterr().err
    Network.build("dense 8", rng=1, image_shape=(8, 8), classes=3).save(model)
    np.savez(grey, x=DATA.images, y=DATA.labels)
    assert 0 == cli.main(["evaluate", str(model), str(grey)])
    assert colours.GREY in capsys.readouterr().err


@pytest.mark.parametrize("target", ["other.npz", "other.zip", "pictures"])
def test_a_set_in_colour_is_converted_whole(folder, capsys, target):
    source = folder / "tints.npz"
    np.savez(source, x=DATA.images, y=DATA.labels)
    told(capsys, "convert", source, folder / target)
    found = readers.read_sets(folder / target).train
    assert same(found, DATA.images[BY_CLASS] if target == "pictures" else DATA.images)
    told(capsys, "convert", source, folder / f"grey-{target}", "--grey")
    assert 1 == readers.read_sets(folder / f"grey-{target}").train.channels


# CIFAR -----------------------------------------------------------------------------------


def records(data: Dataset, *, coarse: bool = False) -> bytes:
    """Return images of 32 x 32 as CIFAR's binary version has them."""
    planes = data.images.transpose(0, 3, 1, 2).reshape(len(data), -1)
    labels = [data.labels % 20, data.labels] if coarse else [data.labels]
    return np.column_stack([*labels, planes]).tobytes()


@pytest.mark.parametrize("coarse", [False, True])
def test_cifar_s_binary_files_are_known_by_their_records(coarse):
    train, test = tinted(20, side=32), tinted(8, seed=1, side=32)
    one = readers.read_sets(records(train, coarse=coarse))
    assert same(one.train, train.images)
    assert "cifar" == readers.recognise(records(train, coarse=coarse))
    assert ("fine ones" in " ".join(one.notes)) == coarse
    archive = {
        "c/data_batch_1.bin": records(train.take(slice(0, 12)), coarse=coarse),
        "c/data_batch_2.bin": records(train.take(slice(12, 20)), coarse=coarse),
        "c/test_batch.bin": records(test, coarse=coarse),
        "c/readme.html": b"<html>about</html>",
    }
    count = 100 if coarse else 10
    file = "fine_label_names.txt" if coarse else "batches.meta.txt"
    archive[f"c/{file}"] = "\n".join(f"thing{i}" for i in range(count)).encode() + b"\n\n"
    found = readers.read_sets(zipped(archive))
    assert same(found.train, train.images) and same(found.test, test.images)
    assert (count, "thing2") == (found.train.classes, found.train.class_names[2])
    assert "One other file was left out, such as readme.html." in found.notes


def test_what_has_the_size_of_cifar_s_files_alone_is_none_of_them():
    zeros = bytes(20 * 3073)
    others = np.random.default_rng(0).integers(0, 256, 20 * 3073).astype(np.uint8).tobytes()
    for raw in (zeros, others, records(tinted(4, side=32))):
        assert "cifar" != readers.recognise(raw)
        assert readers.inspect(raw).fault
    images = idx(np.zeros((61, 64, 31), np.uint8))[: 20 * 3073]
    assert "idx" == readers.recognise(images)  # its type and its dimensions are those of IDX


def test_a_wrong_label_far_down_is_told_and_none_is_guessed():
    data = tinted(60, side=32)
    raw = bytearray(records(data))
    raw[55 * 3073] = 200
    with pytest.raises(FormatError, match="record 55 has no label of CIFAR-10"):
        readers.read_sets(bytes(raw))
