"""skops: MLPClassifier as scikit-learn's people share it, alone or behind a scaler."""

from __future__ import annotations

import io
import json
import warnings
import zipfile

import numpy as np
import pytest

from nnengine import EngineError, FormatError, exchange
from nnengine.exchange import Told

skops = pytest.importorskip("skops.io", reason="skops is not installed")

from sklearn.decomposition import PCA  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler, StandardScaler  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 64), np.uint8)
PIXELS[:, :3] = 0  # never lit, as an image's corners are
LABELS = np.arange(60) % 3


def fitted(model, X, y=LABELS):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few steps are enough here
        return model.fit(X, y)


def mlp(**settings) -> MLPClassifier:
    usual = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "random_state": 0}
    return MLPClassifier(**usual | settings)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_classifier_answers_the_same(activation, kind):
    X = PIXELS.astype(kind) / kind(255)
    model = fitted(mlp(activation=activation), X)
    net = exchange.load(skops.dumps(model))
    assert np.dtype(kind) == net.dtype
    np.testing.assert_allclose(model.predict_proba(X), net.predict_proba(PIXELS), atol=1e-5)


@pytest.mark.parametrize("names", [["cat", "dog"], [4, 9], [False, True]])
def test_one_number_that_tells_two_classes_becomes_two(names):
    X, y = PIXELS / 255, np.array(names)[np.arange(60) % 2]
    model = fitted(mlp(), X, y)
    net = exchange.load(skops.dumps(model))
    assert list(map(str, names)) == list(net.class_names)
    np.testing.assert_allclose(model.predict_proba(X), net.predict_proba(PIXELS), atol=1e-5)


@pytest.mark.parametrize("scaler", [
    StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False),
    MinMaxScaler((-1, 1)),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("white", [1, 255])
def test_what_a_scaler_does_to_pixels_becomes_part_of_the_model(scaler, white):
    X = PIXELS * (white / 255)
    model = fitted(make_pipeline(scaler, mlp()), X)
    net = exchange.load(skops.dumps(model), Told(white=white))
    np.testing.assert_allclose(model.predict_proba(X), net.predict_proba(PIXELS), atol=1e-5)


@pytest.mark.parametrize("white", [1, 255])
def test_whether_pixels_went_to_1_or_255_is_seen_by_a_scaler(white):
    X = PIXELS * (white / 255)
    model = fitted(make_pipeline(StandardScaler(), mlp()), X)
    net = exchange.load(skops.dumps(model))
    np.testing.assert_allclose(model.predict_proba(X), net.predict_proba(PIXELS), atol=1e-5)


@pytest.mark.parametrize(("model", "y", "fault"), [
    (LogisticRegression(), LABELS, "holds 'LogisticRegression': an MLPClassifier is read"),
    (MLPRegressor(hidden_layer_sizes=(5,), max_iter=3), LABELS, "holds 'MLPRegressor'"),
    (make_pipeline(PCA(5), mlp()), LABELS, "holds 'PCA'.*coefs_ and intercepts_"),
    (mlp(), np.eye(3, dtype=int)[LABELS], "answers by 'logistic', 3 at once"),
    (make_pipeline(MinMaxScaler(clip=True), mlp()), LABELS, "clip=True"),
], ids=["other", "regressor", "projection", "labels", "clip"])  # fmt: skip
def test_what_is_no_such_network_is_named(model, y, fault):
    with pytest.raises(FormatError, match=f"skops: .*{fault}"):
        exchange.load(skops.dumps(fitted(model, PIXELS / 255, y)))


def test_a_network_that_was_never_fitted_is_told_so():
    with pytest.raises(FormatError, match="coefs_ is no list"):
        exchange.load(skops.dumps(mlp()))


# Damage ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(skops.dumps(fitted(mlp(), PIXELS / 255)))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return stream.getvalue()


def test_what_a_schema_names_is_neither_imported_nor_called(members, monkeypatch):
    schema = json.loads(members["schema.json"])
    held = schema["content"]["content"]
    held["solver"] = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode",
                      "content": "touch /tmp/x"}  # fmt: skip
    called = []
    monkeypatch.setattr("os.system", called.append)
    net = exchange.load(zipped(members | {"schema.json": json.dumps(schema).encode()}))
    assert not called and 3 == net.classes


def test_an_array_that_is_not_there_is_missed(members):
    schema = json.loads(members["schema.json"])
    schema["content"]["content"]["coefs_"]["content"][0]["file"] = "../a.npy"
    with pytest.raises(FormatError, match=r"coefs_\[0\] lies in '../a.npy', which is not in"):
        exchange.load(zipped(members | {"schema.json": json.dumps(schema).encode()}))


def test_arrays_of_numbers_for_names_alone_are_weights_of_a_plain_npz(members):
    arrays = {name: raw for name, raw in members.items() if name != "schema.json"}
    with pytest.raises(EngineError, match="skops: .*weights|holds|alone"):
        exchange.load(zipped(arrays))


def test_a_schema_changed_at_random_ends_in_a_network_or_in_a_refusal(members):
    from random import Random

    from tests.fuzzing.damage import as_text, odd_json

    schema, rng, read = json.loads(members["schema.json"]), Random(1), 0
    kept = "activation coefs_ intercepts_ out_activation_ classes_".split()
    inner = schema["content"]["content"]
    schema["content"]["content"] = {name: inner[name] for name in kept}  # more hits in a test
    for _ in range(300):
        said = as_text(odd_json(rng, schema))
        try:
            read += bool(exchange.load(zipped(members | {"schema.json": said})))
        except EngineError:
            continue
    assert 0 < read < 300
