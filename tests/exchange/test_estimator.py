"""scikit-learn takes `NetworkClassifier` for one of its own, and so do joblib and Dask."""

from __future__ import annotations

import copy
import io
import os
import types

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", "1.6", reason="scikit-learn 1.6 or newer is not installed")

import joblib  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from nnengine import Network, kernels, load  # noqa: E402
from nnengine.data import synthetic  # noqa: E402
from nnengine.errors import ConfigError, EngineError  # noqa: E402
from nnengine.estimator import NetworkClassifier  # noqa: E402

GRID = {
    "hidden": [(), (16,), (16, 8)],
    "learning_rate": [0.001, 0.01],
    "optimizer": ["adam", "momentum"],
    "batch_size": [32, None],
}  # 24 settings


@pytest.fixture(scope="module")
def digits():
    """Return 400 digits as bytes (n, 28, 28), and their classes."""
    data = synthetic.digits(400, seed=1)
    return data.images, data.labels


@pytest.fixture(scope="module")
def flat(digits):
    """Return the same, each a row."""
    return digits[0].reshape(400, -1), digits[1]


def quick(**settings) -> NetworkClassifier:
    return NetworkClassifier(**{"hidden": (16,), "epochs": 15, "random_state": 0} | settings)


@parametrize_with_checks([NetworkClassifier()])  # none is expected to fail
def test_a_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "names", [list("abcdefghij"), [*range(-4, 6)], [n * 2.0 for n in range(10)]]
)
def test_classes_are_what_y_had(flat, names):
    y = np.array(names)[flat[1]]
    made = quick(learning_rate=0.01).fit(flat[0], y)
    np.testing.assert_array_equal(np.unique(y), made.classes_)
    assert y.dtype == made.predict(flat[0]).dtype
    assert made.score(flat[0], y) > 0.9


def test_bytes_floats_and_images_of_the_same_digits_make_the_same_answers(digits):
    images, labels = digits
    expected = quick().fit(images, labels)
    assert ((28, 28), 1 / 255) == (expected.network_.image_shape, expected.network_.input_scale)
    for X in (images.reshape(400, -1), images / 255, images.astype(np.float32) / np.float32(255)):
        made = quick().fit(X, labels)
        assert np.float32 == made.predict_proba(X).dtype
        np.testing.assert_allclose(
            expected.predict_proba(images), made.predict_proba(X), atol=1e-5
        )  # fmt: skip


def test_answers_are_those_of_the_network_which_can_be_kept(flat, tmp_path):
    X, y = flat
    made = quick().fit(X, y)
    made.network_.save(tmp_path / "digits.npz")
    kept = load(tmp_path / "digits.npz")
    assert 15 * 4 == kept.trained_steps and 0 == kept.training[-1]["config"]["l2"]
    np.testing.assert_array_equal(kept.predict_proba(X), made.predict_proba(X))
    np.testing.assert_allclose(
        np.log(kept.predict_proba(X)), made.predict_log_proba(X), rtol=1e-3, atol=1e-5
    )  # fmt: skip


def test_layers_as_text_learn_windows(digits):
    made = quick(hidden="conv 4 5x5, pool 2, dense 16", learning_rate=0.01).fit(*digits)
    assert "conv 4 5x5, pool 2, dense 16" == made.network_.description
    assert made.score(*digits) > 0.9
    rows = clone(made).set_params(image_shape=(28, 28)).fit(digits[0].reshape(400, -1), digits[1])
    np.testing.assert_array_equal(rows.predict_proba(digits[0]), made.predict_proba(digits[0]))


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_there_may_be_more_classes_than_bytes_can_tell(kind):
    X, y = np.random.default_rng(0).integers(0, 256, (900, 20)).astype(kind), np.arange(900) % 300
    made = quick(hidden=(64,), input_scale=1 / 255, learning_rate=0.01, epochs=60).fit(X, y)
    assert (900, 300) == made.predict_proba(X).shape
    assert made.score(X, y) > 0.5  # of chance one in 300


def test_partial_fit_learns_a_pass_at_a_time_and_wants_all_classes_at_first(flat):
    X, y = flat
    made = quick(learning_rate=0.01)
    for start in range(0, 400, 100):
        classes = np.arange(10) if start == 0 else None
        made.partial_fit(X[start : start + 100], y[start : start + 100], classes)
    before = made.score(X, y)
    for _ in range(20):
        made.partial_fit(X, y)
    assert 24 == made.n_iter_ == len(made.loss_curve_)
    assert made.score(X, y) > max(before, 0.95)
    with pytest.raises(EngineError, match="none of the 10 classes"):
        made.partial_fit(X[:3], [1, 2, 11])


def test_class_weight_is_a_weight_of_every_example_of_a_class(flat):
    X, y = flat
    shares = {0: 3.0, 1: 0.5}
    expected = quick().fit(X, y, sample_weight=np.array([shares.get(c, 1.0) for c in y]))
    found = quick(class_weight=shares).fit(X, y)
    np.testing.assert_array_equal(expected.predict_proba(X), found.predict_proba(X))
    few = np.r_[np.flatnonzero(y == 0)[:4], np.flatnonzero(y == 1)]
    balanced = quick(class_weight="balanced").fit(X[few], y[few])
    by_hand = len(few) / 2 / np.array([4, (y == 1).sum()])[(y[few] == 1).astype(int)]
    same = quick().fit(X[few], y[few], sample_weight=by_hand)
    np.testing.assert_allclose(same.predict_proba(X), balanced.predict_proba(X), atol=1e-5)


def test_early_stopping_ends_with_the_best_weights_on_what_was_held_out(flat):
    made = quick(early_stopping=True, patience=3, learning_rate=0.05, epochs=100).fit(*flat)
    curve = made.validation_curve_
    assert made.n_iter_ == len(curve) < 100
    assert min(curve) == curve[-4] < curve[-1]
    full = quick(learning_rate=0.05, epochs=made.n_iter_ - 3, early_stopping=True).fit(*flat)
    np.testing.assert_array_equal(full.network_.theta, made.network_.theta)


def test_a_copy_by_pickle_answers_alike_and_learns_on_alike(flat):
    X, y = flat
    made = quick(hidden=(16, 8)).partial_fit(X, y, np.arange(10))
    stream = io.BytesIO()
    joblib.dump(made, stream)
    stream.seek(0)
    for other in (joblib.load(stream), copy.deepcopy(made)):
        np.testing.assert_array_equal(made.predict_proba(X), other.predict_proba(X))
        expected = copy.deepcopy(made).partial_fit(X, y).predict_proba(X)
        np.testing.assert_array_equal(expected, other.partial_fit(X, y).predict_proba(X))


def inside(thing, seen: set[int]):
    """Yield whatever an object holds, its attributes' attributes and so on; not what classes do."""
    if id(thing) in seen or isinstance(thing, (str, bytes, int, float, np.ndarray)):
        return
    seen.add(id(thing))
    yield thing
    parts = list(thing.values()) if isinstance(thing, dict) else []
    parts += list(thing) if isinstance(thing, (list, tuple, set)) else []
    for part in [*parts, *getattr(thing, "__dict__", {}).values()]:
        if not isinstance(part, type | types.ModuleType):
            yield from inside(part, seen)


def test_no_attribute_is_a_compiled_function_and_keys_do_not_depend_on_the_process(flat):
    made = quick().fit(*flat)
    assert not [thing for thing in inside(vars(made), set()) if hasattr(thing, "py_func")]
    assert joblib.hash(made) == joblib.hash(copy.deepcopy(made))
    with joblib.parallel_config("loky", n_jobs=2):
        (there,) = joblib.Parallel()([joblib.delayed(_hash_of_fit)(flat)])
    assert joblib.hash(made.network_) == there


def _hash_of_fit(data) -> str:
    return joblib.hash(quick().fit(*data).network_)


def test_metadata_routing_hands_on_weights_and_pandas_gets_columns_with_names(flat):
    X, y = flat
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with sklearn.config_context(enable_metadata_routing=True):
        made = quick().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, made)
        pipeline.fit(X / 255, y, sample_weight=np.linspace(0.5, 1, 400))
    hidden = pipeline[-1].set_output(transform="pandas").transform(pipeline[:-1].transform(X / 255))
    assert isinstance(hidden, pandas.DataFrame)
    assert ["networkclassifier0", "networkclassifier15"] == [hidden.columns[0], hidden.columns[-1]]
    network = pipeline[-1].network_
    logits = hidden.to_numpy() @ network.layers[-1].weights + network.layers[-1].biases
    np.testing.assert_allclose(
        network.logits(pipeline[:-1].transform(X / 255).astype(np.float32)), logits, atol=1e-4
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"hidden": (0,)}, "give widths above zero"),
        ({"hidden": "conv 4"}, "where there should be a window"),
        ({"image_shape": (5, 5)}, "does not hold 784 features"),
        ({"class_weight": "rare"}, "give None, 'balanced' or a dict"),
        ({"optimizer": "lbfgs"}, "optimizer"),
        ({"input_scale": 0}, "a number above zero"),
        ({"learning_rate": 1e30, "optimizer": "sgd"}, "try a learning rate"),
        ({"early_stopping": True, "validation_fraction": 2}, "lies between 0 and 1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_when_it_is_used(flat, settings, fault):
    with pytest.raises(ConfigError, match=fault):
        quick(**settings).fit(*flat)


def test_it_learns_what_mlpclassifier_learns_with_the_same_settings(flat):
    X, y = flat
    ours = NetworkClassifier((32,), epochs=20, batch_size=50, random_state=0).fit(X[:300], y[:300])
    theirs = MLPClassifier((32,), alpha=0, batch_size=50, max_iter=20, random_state=0)
    with pytest.warns(UserWarning, match="iterations"):
        theirs.fit(X[:300] / 255, y[:300])
    assert ours.score(X[300:], y[300:]) >= theirs.score(X[300:] / 255, y[300:]) - 0.05
    assert ours.loss_curve_[-1] == pytest.approx(theirs.loss_curve_[-1], rel=0.5)


# Searches on several processes ----------------------------------------------------------------


def searched(search, data) -> np.ndarray:
    """Return the mean scores of a search, one for each candidate."""
    return search.fit(*data).cv_results_["mean_test_score"]


def grid() -> GridSearchCV:
    return GridSearchCV(quick(epochs=3), GRID, cv=2)


def halving() -> HalvingRandomSearchCV:
    made = quick(learning_rate=0.01)
    ranges = {"hidden": [(8,), (16,), (32,)], "learning_rate": [0.001, 0.003, 0.01, 0.03]}
    return HalvingRandomSearchCV(
        made, ranges, resource="epochs", max_resources=9, min_resources=1, cv=2, random_state=0
    )


@pytest.fixture(scope="module")
def alone(flat):
    """Return the scores of both searches in one process."""
    return {make: searched(make(), flat) for make in (grid, halving)}


@pytest.mark.parametrize("make", [grid, halving])
def test_a_search_on_two_processes_of_loky_finds_the_same_scores(flat, alone, make):
    with joblib.parallel_config("loky", n_jobs=2):
        np.testing.assert_array_equal(alone[make], searched(make(), flat))


@pytest.fixture(scope="module")
def cluster():
    """Return a client of two Dask processes of one thread each.

    Dask tells its workers OMP_NUM_THREADS=1, unless whoever starts them was told another number.
    """
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)
        made = distributed.LocalCluster(**settings, dashboard_address=None)
    with made, distributed.Client(made) as client:
        yield client


@pytest.mark.parametrize("make", [grid, halving])
@pytest.mark.timeout(600)
def test_a_search_on_a_cluster_of_two_dask_processes_finds_the_same_scores(
    cluster, flat, alone, make
):
    with joblib.parallel_config("dask"):
        np.testing.assert_array_equal(alone[make], searched(make(), flat))


def test_dask_names_equal_classifiers_alike(cluster, flat):
    tokenize = pytest.importorskip("dask.base").tokenize
    there = cluster.submit(_token_of_fit, flat).result()
    assert tokenize(quick().fit(*flat).network_) == there
    assert tokenize(quick()) == cluster.submit(tokenize, quick()).result()


def _token_of_fit(data) -> str:
    from dask.base import tokenize

    return tokenize(quick().fit(*data).network_)


def test_workers_of_joblib_and_dask_keep_to_the_threads_they_may_use(cluster):
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        found = joblib.Parallel()(joblib.delayed(_threads)() for _ in range(2))
    assert [1, 1] == found
    assert {1} == set(cluster.run(_threads).values())


def _threads() -> int:
    assert os.environ.get("OMP_NUM_THREADS"), "nobody told this worker"
    return kernels.workers.threads()


def test_a_network_of_a_search_is_at_home_in_the_engine(flat):
    best = GridSearchCV(quick(epochs=3), {"hidden": [(8,), (16,)]}, cv=2).fit(*flat)
    assert isinstance(best.best_estimator_.network_, Network)
