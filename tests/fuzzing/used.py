"""Used: what is read of an input, and all that is then done with what was accepted."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from dashboard.present import maps, network_picture, run_words, units
from dashboard.runs import address as addresses
from dashboard.runs.bounds import Bounds
from dashboard.store.networks import for_pages
from dashboard.store.picturefile import read_picture
from nnengine import Network, TrainingConfig, demo, exchange, training
from nnengine.cli import report
from nnengine.data import pairing, readers
from nnengine.data.dataset import Dataset
from nnengine.data.readers import Contents
from nnengine.data.readers.colours import coloured
from nnengine.errors import ConfigError, EngineError, FormatError
from nnengine.storage import checkpoint, links, modelfile
from nnengine.training.state import TrainingState

MAX_BYTES = 2**26  # what a file may unpack to here; reading takes four times as much at the most
MOST_INPUTS = 4096
CONFIG = TrainingConfig(iterations=1, batch_size=8)


def read_data(raw: bytes) -> Contents:
    """Return what a file of data holds, or what is whole of it; raises as `readers.read` does."""
    found = readers.inspect(raw, name="file", max_bytes=MAX_BYTES)
    if found.fault is None:
        return found
    if found.rescued is None:
        raise FormatError(found.fault)
    assert found.nbytes >= found.rescued.nbytes
    return found.rescued


def use_data(found: Contents) -> None:
    """Pair, show, learn from and export what a file holds."""
    assert found.nbytes <= 2 * MAX_BYTES and len(found) > 0
    sets = list(found.sets)
    if found.images is not None:
        sets.append(Dataset(found.images, np.zeros(len(found.images), np.uint8)))
    if found.labels is not None:
        one_pixel = np.ones((len(found.labels), 1, 1), np.uint8)
        try:
            sets.append(Dataset(one_pixel, found.labels))
        except FormatError:  # IDX labels are kept as they are: who pairs them is told
            assert found.labels.dtype != np.uint8
    pairing.choose([(data.name, len(data)) for data in sets])
    for data in sets:
        _use_set(data)
    if found.images is not None and found.images.nbytes < 1_000_000:
        assert len(readers.turned_contents(found)) == len(found)


def _use_set(data: Dataset) -> None:
    assert data.class_counts().sum() == len(data) and len(data.class_names) == data.classes
    if data.inputs > MOST_INPUTS:
        return
    few = data.take(slice(0, 8))
    network = Network.build(
        [data.inputs, 2, data.classes], image_shape=data.image_shape, channels=data.channels
    )
    list(training(network, few, CONFIG))
    assert np.isfinite(network.predict_proba(few.images[:2])).all()
    # Fewer levels are stretched, and what has no colours among eight becomes grey: it is said.
    if few.images.max() > 16 and (few.channels == 1 or coloured(few.images).any()):
        assert few.digest == readers.read_sets(readers.idx_zip(few)).train.digest
    readers.looks_turned(few)


def use_picture(pixels: np.ndarray) -> None:
    """Look at the pixels of a picture that was drawn on paper."""
    assert pixels.dtype == np.uint8 and pixels.ndim in (2, 3) and max(pixels.shape[:2]) <= 1024
    assert pixels.size == 0 or 0 <= int(pixels.max()) <= 255


def use_network(network: Network) -> None:
    """Ask, show, train, save and read again a network that came from outside."""
    network.snapshot().trained_steps  # noqa: B018
    images = np.arange(4 * network.inputs).astype(np.uint8).reshape(4, *_sides(network))
    network.predict(images)  # of weights of 1e308 too: they are numbers, their sums are none
    if _for_pages(network):
        _show(network, images[0])
    if network.parameter_count > Bounds().parameters:  # nobody trains it here, nor keeps it
        return
    raw = modelfile.to_bytes(network)
    again = modelfile.load(raw)
    assert np.array_equal(again.theta, network.theta)
    if network.classes <= 256:
        labels = np.arange(4) % network.classes
        list(training(network.copy(), Dataset(images, labels, classes=network.classes), CONFIG))


def _sides(network: Network) -> tuple[int, ...]:
    """Return the sides of its images; those of grey ones have no channels."""
    return network.shape if network.channels > 1 else network.image_shape


def _for_pages(network: Network) -> bool:
    try:
        for_pages(network)
    except ConfigError:
        return False
    return True


def _show(network: Network, image: np.ndarray) -> None:
    units.summary(network), units.facts(network), units.layer_rows(network)
    network_picture.picture(network.specs, network.shape)
    maps.strips(network, image, maps.few_of_each(network))
    for record in network.training:
        units.record_rows(record)
        {record.get("data_digest"), record.get("validation_digest")} - {None}
    facts = {
        "name": "n", "kind": "npz", "sizes": list(network.sizes), "dtype": "float32",
        "layers": network.description,
        "parameters": network.parameter_count, "file_bytes": 1, "arrays": {},
        "activations": network.activations, "class_names": network.class_names,
        "input_scale": network.input_scale, "image_shape": network.image_shape,
        "training": list(network.training),
    }  # fmt: skip
    "\n".join(report.model_lines(facts)).encode()
    demo._curves(network, None)


def use_checkpoint(found: tuple[Network, TrainingState]) -> None:
    """Show a run of an earlier time, keep it once more, and let it go on."""
    network, state = found
    use_network(network)
    record = network.training[-1] if network.training else {}
    if record.get("cost"):
        run_words.cost(record["cost"], record["data"], None)
        list(report.cost_lines(record["cost"], record["data"]))
    again, course = checkpoint.from_bytes(checkpoint.to_bytes(network, state))
    assert course.step == state.step and course.arrays.keys() == state.arrays.keys()
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (12, *_sides(network)), np.uint8), np.arange(12) % 3)
    try:  # a run may be refused here: these are not its data, nor its settings
        config = TrainingConfig(**_settings(record, state.step))
        list(training(again, data, config, data, state=course))
    except EngineError:
        pass


def _settings(record: dict[str, Any], step: int) -> dict[str, Any]:
    said = dict(record.get("config") or {})
    wanted = {
        name: said[name] for name in ("optimizer", "learning_rate", "batch_size") if name in said
    }
    return {"optimizer": "sgd", **wanted, "iterations": min(step + 2, 20)}


def use_link(found: links.Link) -> None:
    """Use a network that came in a link, and put it into one again."""
    use_network(found.network)
    links.decode(links.encode(found.network, found.bits, name=found.name, accuracy=found.accuracy))


def read_address(said: dict[str, str]) -> addresses.Asked:
    """Return what an address asks for; refused is one of which nothing could be believed."""
    asked = addresses.read(said, ("digits", "mnist"), Bounds())
    for fault in asked.faults:
        assert len(fault) < 2000
    if asked.faults:
        use_address(asked)  # what is usual stands in the place of what was not believed
        raise FormatError(asked.faults[0])
    return asked


def use_address(asked: addresses.Asked) -> None:
    """Make the network and settings that an address asks for, and say it as an address again."""
    if asked.recipe is None:
        return
    data = Dataset(np.ones((30, 4, 4), np.uint8), np.arange(30) % 3)
    try:
        asked.recipe.check(data, Bounds())
    except EngineError:  # too large for these data: it is told where a run is started
        return
    asked.recipe.config(30)
    text = addresses.link(asked.recipe)
    said = dict(pair.split("=", 1) for pair in text.split("&"))
    from urllib.parse import unquote_plus

    again = addresses.read({k: unquote_plus(v) for k, v in said.items()}, (), Bounds())
    assert again.recipe == asked.recipe, (text, again)


def read_drawing(raw: bytes) -> np.ndarray:
    """Return a picture as the Draw page reads it."""
    return read_picture("picture", raw)


def read_model(raw: bytes) -> Network:
    """Return a network as the Models page and commands read it."""
    return modelfile.load(io.BytesIO(raw), max_bytes=MAX_BYTES)


def read_foreign(raw: bytes) -> Network:
    """Return the network in a model of another library, as the Models page and commands do."""
    return exchange.load(io.BytesIO(raw), max_bytes=MAX_BYTES)


def read_checkpoint(raw: bytes) -> tuple[Network, TrainingState]:
    """Return a run as browsers and commands keep it."""
    return checkpoint.from_bytes(raw, max_bytes=MAX_BYTES)
