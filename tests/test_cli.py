"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnengine
from nnengine import Network, cli, kernels, write_idx
from nnengine.cli.progress import FetchProgress, Progress
from nnengine.data import catalogue
from nnengine.data.synthetic import digits
from nnengine.storage import modelfile
from nnengine.training import Progressed, StepFinished
from tests.mirror import serving

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def files(stripes, tmp_path, monkeypatch) -> list[str]:
    """IDX files of the stripes in the working folder: images and labels."""
    images, labels = stripes
    monkeypatch.chdir(tmp_path)
    write_idx("images.gz", images)
    write_idx("labels", labels)
    return ["images.gz", "labels"]


def fault(result: tuple[int, str, str]) -> str:
    """Return the one line on standard error of a command that failed as it should."""
    status, out, err = result
    assert (2, "") == (status, out)
    assert err.startswith("nnengine: ") and err.endswith("\n") and 1 == err.count("\n")
    return err


# train


def test_train_prints_one_json_object_with_the_promised_keys(files, run):
    status, out, err = run(
        "train",
        *files,
        "--test",
        *files,
        "--layers",
        "64,8,3",
        "--epochs",
        20,
        "--batch-size",
        30,
        "--json",
    )
    result = json.loads(out)
    assert (0, "") == (status, err)
    assert (200, 20, [64, 8, 3]) == (result["iterations"], result["epochs"], result["layers"])
    assert kernels.name == result["kernels"]
    assert result["train_accuracy"] > 0.9 and result["seconds"] > 0
    assert result["train_accuracy"] == result["test_accuracy"]  # the same images


def test_why_kernels_are_slower_than_they_could_be_is_said(files, run, monkeypatch):
    monkeypatch.setattr(kernels, "remark", lambda: "Numba 9 is not as known.")
    _, out, _ = run("train", *files, "--iterations", 3, "--out", "small.npz")
    assert "  Numba 9 is not as known." in out.splitlines()
    _, out, _ = run("evaluate", "small.npz", *files)
    assert "Numba 9 is not as known." in out.splitlines()
    _, out, _ = run("train", *files, "--iterations", 3, "--json")
    assert "Numba 9 is not as known." == json.loads(out)["kernels_remark"]


def test_train_without_test_images_says_null(files, run):
    _, out, _ = run("train", *files, "--iterations", 3, "--json")
    assert json.loads(out)["test_accuracy"] is None


def test_train_follows_every_option(files, run):
    options = {
        "layers": "64,7,5,3",
        "iterations": 6,
        "batch-size": "all",
        "optimizer": "momentum",
        "momentum": 0.5,
        "learning-rate": 0.02,
        "activation": "tanh",
        "init": "glorot",
        "seed": 4,
        "dtype": "float64",
        "out": "deep.npz",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    assert 0 == run("train", *files, *flags)[0]
    actual = nnengine.load("deep.npz")
    expected = Network.build(
        [64, 7, 5, 3], activation="tanh", initializer="glorot", rng=4, dtype=np.float64
    )
    config = nnengine.TrainingConfig(
        iterations=6,
        batch_size=None,
        optimizer="momentum",
        momentum=0.5,
        learning_rate=0.02,
        seed=4,
    )
    data = nnengine.Dataset(nnengine.Idx3("images.gz"), nnengine.Idx1("labels"))
    for _ in nnengine.training(expected, data, config):
        pass
    np.testing.assert_array_equal(expected.theta, actual.theta)
    assert expected.activations == actual.activations
    assert config.as_dict() == actual.training[0]["config"]


def test_train_distorts_and_lets_the_rate_fall_as_told_and_info_says_so(files, run):
    flags = ["--epochs", 2, "--augment", "shift=2,rotation=10", "--schedule", "cosine"]
    status, out, _ = run("train", *files, *flags, "--layers", "64,3", "--out", "a.npz", "--json")
    expected = nnengine.Augmentation(shift=2, rotation=10)
    config = json.loads(out)["config"]
    assert (0, "cosine") == (status, config["schedule"])
    assert expected.as_dict() == config["augmentation"]
    assert config == nnengine.load("a.npz").training[0]["config"]
    words = "rate falling along a cosine, images moved by up to 2 px, turned by up to 10°"
    assert words in run("info", "a.npz")[1]


def test_train_measures_as_many_training_images_as_told_and_says_so(files, run):
    flags = ["--iterations", 2, "--train-sample", 50, "--test", *files, "--out", "a.npz"]
    out = run("train", *files, *flags)[1].splitlines()
    assert out[1].endswith(" (50 images at most)") and out[2].split()[0] == "test"
    assert "images at most" not in out[2]
    assert 50 == nnengine.load("a.npz").training[0]["config"]["train_sample"]
    assert re.search(r"train accuracy [\d.]+% \(50 images at most\)", run("info", "a.npz")[1])


def test_train_knows_the_presets_and_none_is_null(files, run):
    for name in ("gentle", "strong"):
        _, out, _ = run("train", *files, "--iterations", 2, "--augment", name, "--json")
        expected = nnengine.augment.PRESETS[name].as_dict()
        assert expected == json.loads(out)["config"]["augmentation"]
    _, out, _ = run("train", *files, "--iterations", 2, "--json")
    assert None is json.loads(out)["config"]["augmentation"]


def test_the_distorted_run_of_the_command_line_is_the_engines_own(files, run):
    run("train", *files, "--layers", "64,3", "--epochs", 2, "--augment", "strong", "--out", "a.npz")
    data = nnengine.Dataset(nnengine.Idx3("images.gz"), nnengine.Idx1("labels"))
    expected = Network.build([64, 3], rng=0)
    config = nnengine.TrainingConfig(epochs=2, augmentation=nnengine.augment.STRONG)
    for _ in nnengine.training(expected, data, config):
        pass
    np.testing.assert_array_equal(expected.theta, nnengine.load("a.npz").theta)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("wild", "'wild' is not known: give none, gentle, strong, or amounts such as shift=2"),
        ("shift=far", "shift is 'far': write a number, as in shift=0.5"),
        ("rotation=200", "rotation is 200: give a number from 0 to 180"),
    ],
)
def test_an_augmentation_that_cannot_be_is_one_line(files, run, how, message):
    assert message in fault(run("train", *files, "--augment", how))


def test_the_seed_decides_weights_and_shuffling(files, run):
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        run("train", *files, "--epochs", 1, "--seed", seed, "--out", f"{name}.npz")
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()
    assert Path("a.npz").read_bytes() != Path("c.npz").read_bytes()


def test_layers_may_be_text_and_their_model_says_so(files, run):
    text = "conv 4 3x3, norm, pool 2, dropout 0.1, dense 8"
    flags = ["--layers", text, "--epochs", 3, "--optimizer", "adam", "--learning-rate", 0.01]
    status, out, _ = run("train", *files, *flags, "--out", "a.npz")
    assert 0 == status and out.startswith(f"{text}, ")
    status, out, _ = run("info", "a.npz")
    assert 0 == status and f"model {text}, " in out
    status, out, _ = run("evaluate", "a.npz", *files, "--json")
    assert 0 == status and json.loads(out)["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("64,x,3", "layers: 'x' where there should be one of dense, conv"),
        ("64,0,3", "a width of 0"),
        ("conv 4 9x9", "8x8 pixels before 'conv 4 9x9'"),
    ],
)
def test_layers_that_cannot_be_are_refused(files, run, layers, words):
    status, out, err = run("train", *files, "--layers", layers)
    assert (2, "") == (status, out)
    assert words in err.splitlines()[0] and 3 == len(err.splitlines())


def test_a_fault_in_layers_is_pointed_at(files, run):
    status, out, err = run("train", *files, "--layers", "conv 4 3x3, pol 2")
    assert (2, "") == (status, out)
    first, text, mark = err.splitlines()
    assert first.startswith("nnengine: layers: 'pol' where there should be one of dense, conv")
    assert ("  conv 4 3x3, pol 2", "              ^^^") == (text, mark)


def test_without_layers_it_is_the_originals_shape(files, run):
    _, out, _ = run("train", *files, "--iterations", 1, "--json")
    assert [64, 10, 3] == json.loads(out)["layers"]


def test_the_summary_for_people_is_short(files, run):
    status, out, err = run("train", *files, "--epochs", 2, "--out", "a.nnm")
    assert (0, "") == (status, err)
    assert 3 == out.count("\n") and "64-10-3" in out and "accuracy" in out and "a.nnm" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--layers", "784,10,3"], "begins with 784.*8x8 pixels.*begin with 64"),
        (["--layers", "64,10,10"], "ends with 10.*3 classes.*end with 3"),
        (["--epochs", "0"], "epochs is 0"),
        (["--epochs", "1", "--iterations", "1"], "not allowed with"),
        (["--batch-size", "some"], "invalid batch size value"),
        (["--learning-rate", "nan"], "learning_rate"),
        (["--momentum", "1"], "momentum is 1"),
        (["--train-sample", "0"], "train_sample is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--activation", "swish"], "choose from.*relu"),
        (["--out", "model.h5"], r"\.npz"),
        (["--out", "none/model.npz"], "none/model.npz: No such file"),
        (["--out", "."], "ending"),
        (["--out", "a.nnm", "--activation", "tanh"], "uses tanh"),
        (["--test", "images.gz", "none"], "none: No such file"),
        (["--test", "labels", "images.gz"], "swapped"),
        (["--what"], "unrecognized|unrecognised"),
    ],
)
def test_a_wrong_setting_is_one_line_and_no_training(files, run, monkeypatch, flags, message):
    monkeypatch.setattr(cli.train, "training", None)
    assert re.search(message, fault(run("train", *files, *flags)))


def test_a_folder_that_cannot_be_written_to_is_noticed_before_training(files, run, monkeypatch):
    monkeypatch.setattr(cli.train, "training", None)
    Path("model.npz").mkdir()
    assert "directory" in fault(run("train", *files, "--out", "model.npz"))


def test_bad_data_are_one_line_with_the_files_name(files, run):
    Path("page.gz").write_text("<html>not found</html>")
    assert "page.gz: not an IDX file" in fault(run("train", "page.gz", "labels"))
    assert "swapped" in fault(run("train", "labels", "images.gz"))
    assert "No such file" in fault(run("train", "none", "labels"))
    fault(run("train", ".", "labels"))


def test_divergence_keeps_the_last_good_weights(files, run):
    said = fault(
        run(
            "train",
            *files,
            "--learning-rate",
            "1e30",
            "--iterations",
            200,
            "--batch-size",
            "all",
            "--out",
            "a.npz",
        )
    )
    assert "diverged" in said and "learning rate" in said and "a.npz" in said
    network = nnengine.load("a.npz")
    assert np.isfinite(network.theta).all() and "diverged" == network.training[0]["outcome"]


def test_divergence_without_out_says_that_nothing_was_saved(files, run):
    assert "nothing was saved" in fault(run("train", *files, "--learning-rate", "1e30"))


# Ctrl-C


def test_ctrl_c_keeps_the_weights_of_the_last_whole_step(files, run, monkeypatch):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    seen, before = [], signal.getsignal(signal.SIGINT)

    class Pressed(Progress):
        def show(self, event):
            super().show(event)
            if isinstance(event, StepFinished) and event.step == 7:
                seen.append(event)
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(cli.train, "Progress", Pressed)
    status, out, err = run(
        "train", *files, "--batch-size", "all", "--iterations", 9999, "--out", "a.npz"
    )
    assert (130, "", 1) == (status, out, len(seen))
    assert "nnengine: interrupted after 7 iterations; " in err and "a.npz" in err
    run("train", *files, "--batch-size", "all", "--iterations", 7, "--out", "b.npz")
    expected, actual = nnengine.load("b.npz"), nnengine.load("a.npz")
    np.testing.assert_array_equal(expected.theta, actual.theta)
    assert before is signal.getsignal(signal.SIGINT)


def spawn(*arguments: str, **options) -> subprocess.Popen:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, "-m", "nnengine", *arguments], env=environment, **pipes | options
    )


def test_ctrl_c_at_a_real_terminal(files):
    """The process has a terminal for its bar; Ctrl-C comes once the bar has shown a step."""
    pytest.importorskip("tqdm")
    termios = pytest.importorskip("termios")
    terminal, theirs = os.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    process = spawn("train", *files, "--iterations", "100000000", "--out", "a.npz", stderr=theirs)
    os.close(theirs)
    seen = _read_until(terminal, "accuracy")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    seen += _read_until(terminal, "a.npz")
    os.close(terminal)
    assert (130, "") == (process.returncode, out)
    assert " of 100,000,000" in seen and "nnengine: interrupted after" in seen
    assert (64, 10, 3) == nnengine.load("a.npz").sizes


def _read_until(terminal: int, word: str) -> str:
    """Return what comes from the terminal up to a word, its end, or a minute of silence."""
    seen = ""
    while word not in seen and select.select([terminal], [], [], 60)[0]:
        try:
            seen += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # Linux says so when the other side is closed
            break
    return seen


# training on from a model


@pytest.fixture
def model(files, run) -> str:
    run("train", *files, "--epochs", 20, "--out", "model.npz")
    return "model.npz"


@pytest.mark.parametrize("form", ["model.npz", "model.onnx", "model.safetensors", "model.h5"])
def test_a_network_of_any_library_is_trained_on_from_where_it_stood(files, model, run, form):
    if form.endswith("h5"):
        pytest.importorskip("h5py")
    if form != model:
        run("export", model, form)
    more = ("--epochs", 1, "--batch-size", 30, "--learning-rate", 0.01, "--json")
    status, out, _ = run("train", *files, "--from", form, *more, "--out", "more.npz")
    assert 0 == status and [64, 10, 3] == json.loads(out)["layers"]
    before, after = nnengine.load(model), nnengine.load("more.npz")
    stepped = np.abs(after.theta - before.theta).max()
    assert 0 < stepped < 0.05
    assert before.class_names == after.class_names


@pytest.mark.parametrize(
    ("said", "option"),
    [
        (("--layers", "64-10-3"), "--layers"),
        (("--activation", "tanh"), "--activation"),
        (("--initializer", "glorot"), "--initializer"),
        (("--dtype", "float64"), "--dtype"),
    ],
)
def test_what_a_network_brings_with_it_cannot_be_said_anew(files, model, run, said, option):
    assert f"{option} is part of the network" in fault(run("train", *files, "--from", model, *said))


def test_a_network_that_the_images_do_not_fit_is_refused_before_any_step(files, model, run):
    said = fault(run("train", "digits", "--from", model))
    assert "784 pixels" in said and "64 inputs" in said


# evaluate and predict


def test_evaluate_counts_what_was_taken_for_what(files, model, run, stripes):
    status, out, _ = run("evaluate", model, *files, "--json")
    result = json.loads(out)
    answers = nnengine.load(model).predict(stripes[0])
    expected = np.zeros((3, 3), int)
    for label, answer in zip(stripes[1], answers, strict=True):
        expected[label, answer] += 1
    assert (0, 300) == (status, result["count"])
    assert expected.tolist() == result["confusion"]
    assert np.trace(expected) / 300 == result["accuracy"]


def test_evaluate_prints_a_table_of_aligned_columns(files, model, run):
    _, out, _ = run("evaluate", model, *files)
    table = out.splitlines()[3:]
    assert "accuracy" in out.splitlines()[0] and "recall" in table[0] and "precision" in table[-1]
    assert 1 == len({len(line) for line in table[:-1]})


def test_a_class_that_never_occurs_has_no_recall(model, run, stripes):
    images, labels = stripes
    write_idx("some", images[labels < 2])
    write_idx("their", labels[labels < 2])
    _, out, _ = run("evaluate", model, "some", "their", "--json")
    assert json.loads(out)["recall"][2] is None


def test_predict_gives_the_answers_to_the_chosen_images(files, model, run, stripes):
    expected = nnengine.load(model).predict(stripes[0])
    for index, chosen in (
        ("2:9", slice(2, 9)),
        (":4", slice(4)),
        ("296:", slice(296, None)),
        ("5", slice(5, 6)),
        ("=-1", slice(-1, None)),
        ("=-3:", slice(-3, None)),
    ):
        flag = [f"--index{index}"] if index.startswith("=") else ["--index", index]
        _, out, _ = run("predict", model, files[0], *flag, "--json")
        result = json.loads(out)
        assert expected[chosen].tolist() == result["predictions"]
        assert all(1 / 3 <= share <= 1 for share in result["probabilities"])
    _, out, _ = run("predict", model, files[0], "--json")
    assert 300 == json.loads(out)["count"]


def test_predict_draws_the_images_when_they_are_few(files, model, run):
    _, few, _ = run("predict", model, files[0], "--index", "0:2")
    _, many, _ = run("predict", model, files[0], "--index", "0:20")
    assert 2 * (1 + 4) == few.count("\n") and 20 == many.count("\n")


@pytest.mark.parametrize("index", ["300:", "5:5", "300", "9:2"])
def test_predict_refuses_to_choose_nothing(files, model, run, index):
    said = fault(run("predict", model, files[0], "--index", index))
    assert "300, numbered from 0 to 299" in said


def test_a_malformed_index_is_refused(files, model, run):
    for index in ("a", "1:2:3", ""):
        assert "invalid index value" in fault(run("predict", model, files[0], "--index", index))


def test_a_model_for_other_images_is_refused(files, run):
    Network.build([9, 4, 3]).save("small.npz")
    assert "fit a network with 9 inputs" in fault(run("evaluate", "small.npz", *files))
    assert "fit a network with 9 inputs" in fault(run("predict", "small.npz", files[0]))


def test_data_given_as_a_model_are_recognised(files, run):
    assert "IDX file of labels, not a model" in fault(run("evaluate", "labels", *files))


# info and convert


def test_info_describes_idx_files_by_their_header(files, run, stripes):
    _, out, _ = run("info", "images.gz", "--json")
    facts = json.loads(out)
    assert (2051, [300, 8, 8], True) == (facts["magic"], facts["shape"], facts["gzip"])
    assert "00 00 08 03 00 00 01 2c 00 00 00 08 00 00 00 08" == facts["header"]
    _, out, _ = run("info", "labels")
    counts = ", ".join(f"{label}: {(stripes[1] == label).sum()}" for label in range(3))
    assert "300 labels" in out and counts in out


def test_info_describes_models_and_how_they_were_trained(model, run):
    _, out, _ = run("info", model)
    assert "64-10-3" in out and "sgd at 0.1, batches of 64, seed 0" in out
    _, out, _ = run("info", model, "--json")
    assert [64, 10, 3] == json.loads(out)["sizes"]


def test_info_on_a_training_record_without_most_of_its_fields_does_not_fail(run, tmp_path):
    network = Network.build([4, 2])
    network.training = ({"config": {}}, {"history": {"val_accuracy": []}})
    network.save(tmp_path / "odd.npz")
    assert 0 == run("info", tmp_path / "odd.npz")[0]


def test_info_finds_a_truncated_file(files, run):
    Path("short").write_bytes(Path("labels").read_bytes()[:-10])
    assert "290 labels" in fault(run("info", "short"))


def test_info_describes_tables_arrays_and_folders(tables, run, stripes):
    status, out, _ = run("info", "train.csv")
    assert (0, True) == (
        status,
        out.startswith("train.csv: CSV table\n  train   240 images of 8x8"),
    )
    facts = json.loads(run("info", ".", "--json")[1])
    assert ("CSV tables", [240, 60]) == (
        facts["kind"],
        [facts["parts"][part]["count"] for part in ("train", "test")],
    )
    np.save("images.npy", stripes[0])
    facts = json.loads(run("info", "images.npy", "--json")[1])
    assert {"images": {"count": 300, "shape": [8, 8]}} == facts["parts"]
    np.save("weights.npy", np.full((3, 4), np.nan))
    assert "an .nnm model is one float64 vector" in fault(run("info", "weights.npy"))


def test_images_and_labels_may_be_files_of_several_formats(files, model, run, stripes):
    np.save("images.npy", stripes[0])
    np.savez("labels.npz", y=stripes[1])
    _, expected, _ = run("evaluate", model, *files, "--json")
    for pair in (["images.npy", "labels.npz"], ["images.npy", files[1]], [files[0], "labels.npz"]):
        assert expected == run("evaluate", model, *pair, "--json")[1]
    answers = [run("predict", model, name, "--json")[1] for name in (files[0], "images.npy")]
    assert answers[0] == answers[1]
    said = fault(run("evaluate", model, "labels.npz", files[1]))
    assert "labels.npz: holds labels and no images: give the images" in said
    np.savez("both.npz", x=stripes[0], y=stripes[1])
    said = fault(run("evaluate", model, "both.npz", files[1]))
    assert "both.npz: holds images with their labels: give it alone" in said


def test_convert_goes_there_and_back_without_losing_a_weight(model, run):
    status, out, _ = run("convert", model, "b.nnm")
    assert 0 == status and "left behind" in out and "training records" in out
    _, out, _ = run("convert", "b.nnm", "c.npz", "--json")
    assert [] == json.loads(out)["left_behind"]
    run("convert", "c.npz", "d.nnm")
    assert Path("b.nnm").read_bytes() == Path("d.nnm").read_bytes()
    expected, actual = nnengine.load(model), nnengine.load("c.npz")
    np.testing.assert_array_equal(expected.theta, actual.theta)


def test_convert_refuses_what_the_target_cannot_hold(run, tmp_path):
    Network.build([6, 5, 4, 3]).save(tmp_path / "a.npz")
    assert "has 4 layers" in fault(run("convert", tmp_path / "a.npz", tmp_path / "b.nnm"))
    assert not (tmp_path / "b.nnm").exists()


# data sets by name


@pytest.fixture
def named(files, stripes, tmp_path, monkeypatch) -> Path:
    """A data set called "bands": the stripes to train on, the last 90 of them to test with."""
    images, labels = stripes
    folder = tmp_path / "sets" / "bands"
    folder.mkdir(parents=True)
    published = []
    for name, array in (
        ("train-images-idx3-ubyte", images),
        ("train-labels-idx1-ubyte", labels),
        ("t10k-images-idx3-ubyte", images[-90:]),
        ("t10k-labels-idx1-ubyte", labels[-90:]),
    ):
        write_idx(folder / name, array)
        data = (folder / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        published.append(catalogue.Published(f"{name}.gz", len(data), len(data), digest))
    bands = catalogue.Entry(
        name="bands",
        title="Bands",
        summary="A bright band.",
        makers="these tests",
        source="nowhere",
        licence="none",
        images=(300, 90),
        class_names=("top", "middle", "bottom"),
        mirrors=("http://127.0.0.1:9/nobody",),
        folders=("bands",),
        files=tuple(published),
    )
    monkeypatch.setitem(catalogue.ENTRIES, "bands", bands)
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("NNENGINE_DATA", str(tmp_path / "sets"))
    monkeypatch.delenv("NNENGINE_MIRROR", raising=False)
    return folder


def without_seconds(out: str) -> dict[str, object]:
    result = json.loads(out)
    return {name: result[name] for name in result if "second" not in name}


def test_train_on_a_name_is_train_on_its_files_measured_with_its_test_files(named, run):
    train = [named / "train-images-idx3-ubyte", named / "train-labels-idx1-ubyte"]
    test = [named / "t10k-images-idx3-ubyte", named / "t10k-labels-idx1-ubyte"]
    options = ["--epochs", 5, "--json"]
    _, expected, _ = run("train", *train, "--test", *test, *options)
    status, actual, err = run("train", "bands", *options)
    assert (0, "") == (status, err)
    assert without_seconds(expected) == without_seconds(actual)
    assert json.loads(actual)["test_accuracy"] is not None


def test_a_network_trained_on_a_name_knows_the_names_of_its_classes(named, run):
    run("train", "bands", "--epochs", 20, "--out", "model.npz")
    assert ("top", "middle", "bottom") == nnengine.load("model.npz").class_names
    _, out, _ = run("predict", "model.npz", "bands", "--index", "0:5", "--json")
    assert 5 == json.loads(out)["count"]


PAIR = ["images.gz", "labels"]


@pytest.mark.parametrize(
    ("words", "data", "test"),
    [
        (["bands"], "bands", "bands"),
        (PAIR, "files", None),
        (["--json", *PAIR], "files", None),
        (["images.gz", "--json", "labels"], "files", None),
        ([*PAIR, "--test", *PAIR], "files", "files"),
        (["--test", *PAIR, *PAIR], "files", "files"),
        (["--test", *PAIR, "--json", *PAIR], "files", "files"),
        ([*PAIR, "--test", "bands"], "files", "bands"),
        (["bands", "--test", *PAIR], "bands", "files"),
        (["bands", "--test", "bands"], "bands", "bands"),
        (["--test", "bands", "bands"], "bands", "bands"),
        (["--test", "bands", *PAIR], "files", "bands"),
        (["--test", *PAIR, "bands"], "bands", "files"),
        (["--test", "bands", "--epochs", "1", *PAIR], "files", "bands"),
    ],
)
def test_data_may_be_given_in_any_order_by_files_or_names(
    named, run, monkeypatch, words, data, test
):
    seen = []

    def watch(network, data, config, test, state):
        seen.append((data, test))
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.train, "training", watch)
    assert 130 == run("train", *words)[0]
    (found, measured), counts = seen[0], {"bands": 90, "files": 300}
    assert 300 == len(found) and ("bands" if data == "bands" else "") == found.name
    assert counts.get(test) == (None if measured is None else len(measured))


def test_one_word_is_a_name_even_where_a_file_is_called_so(named, run):
    Path("bands").write_text("not data")
    assert 0 == run("train", "bands", "--epochs", 1, "--out", "model.npz")[0]
    assert 0 == run("predict", "model.npz", "bands", "--index", 0)[0]
    assert "bands: not an IDX file" in fault(run("predict", "model.npz", "./bands"))
    assert "bands: not an IDX file" in fault(run("train", "bands", "labels"))


@pytest.fixture
def tables(stripes, tmp_path, monkeypatch) -> Path:
    """The stripes as CSV tables, in the folder the commands run in."""
    images, labels = stripes
    for name, part in (("train", slice(0, 240)), ("test", slice(240, None))):
        rows = np.column_stack([labels[part], images[part].reshape(-1, 64)]).tolist()
        text = "\n".join(",".join(map(str, row)) for row in rows)
        (tmp_path / f"{name}.csv").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_file_or_folder_that_holds_images_and_labels_is_enough(tables, run):
    options = ["--epochs", 20, "--json"]
    status, out, err = run("train", "train.csv", "--test", "test.csv", *options, "--out", "m.npz")
    assert (0, "") == (status, err)
    apart = json.loads(out)
    assert apart["test_accuracy"] > 0.9
    (tables / "both").mkdir()
    for name in ("train.csv", "test.csv"):
        (tables / "both" / name).write_bytes((tables / name).read_bytes())
    together = json.loads(run("train", "both", *options)[1])
    assert apart["test_accuracy"] == together["test_accuracy"]
    _, out, _ = run("evaluate", "m.npz", "test.csv", "--json")
    assert apart["test_accuracy"] == json.loads(out)["accuracy"]
    _, out, _ = run("predict", "m.npz", "test.csv", "--json")
    assert 60 == json.loads(out)["count"]


def test_what_was_changed_on_the_way_is_said_on_standard_error(stripes, run, tmp_path):
    images, labels = stripes
    np.savez(tmp_path / "s.npz", x=images / 255, y=labels)
    status, _, err = run("train", tmp_path / "s.npz", "--epochs", 1, "--json")
    assert 0 == status
    assert err.endswith("s.npz: Pixels were fractions from 0 to 1: stretched to 0 to 255.\n")


def test_evaluate_by_name_uses_the_test_images(named, model, run, stripes):
    _, out, _ = run("evaluate", model, "bands", "--json")
    expected = nnengine.load(model).predict(stripes[0][-90:]) == stripes[1][-90:]
    assert (90, expected.mean()) == (json.loads(out)["count"], json.loads(out)["accuracy"])


def test_predict_by_name_uses_the_test_images(named, model, run, stripes):
    _, out, _ = run("predict", model, "bands", "--json")
    expected = nnengine.load(model).predict(stripes[0][-90:])
    assert expected.tolist() == json.loads(out)["predictions"]


def test_a_test_set_of_more_classes_is_refused(named, run, stripes):
    images, labels = stripes
    write_idx("two", images[labels < 2])
    write_idx("of-two", labels[labels < 2])
    said = fault(run("train", "two", "of-two", "--test", "bands"))
    assert "bands has 3 classes, the data to train on 2" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bonds"], "no data set is called 'bonds'.*digits, mnist.*did you mean bands"),
        (["images.gz"], "images.gz is a file by itself: .*labels"),
        (["a", "b", "c"], "IMAGES LABELS or one of digits.*got a b c"),
        (["bands", "--test", "a", "b", "c"], "--test takes .* got a b c"),
        (["bands", "--test", "bonds"], "no data set is called 'bonds'"),
    ],
)
def test_wrong_words_for_data_are_one_line(named, run, words, message):
    assert re.search(message, fault(run("train", *words)))


def test_without_the_data_and_a_network_it_is_one_line(named, run, monkeypatch):
    monkeypatch.delenv("NNENGINE_DATA")
    for words in (["train", "bands"], ["fetch", "bands"], ["fetch", "bands", "--json"]):
        said = fault(run(*words))
        assert "bands could not be fetched" in said and "no network" in said and "digits" in said


# fetch


def test_fetch_alone_lists_the_sets_and_where_they_lie(named, run, monkeypatch):
    monkeypatch.setattr(catalogue, "NAMES", ("digits", "bands", "kmnist"))
    status, out, _ = run("fetch", "--json")
    rows = json.loads(out)["sets"]
    assert (0, ["digits", "bands", "kmnist"]) == (status, [row["name"] for row in rows])
    assert [True, False, False] == [row["built_in"] for row in rows]
    assert [None, str(named), None] == [row["where"] for row in rows]
    _, out, _ = run("fetch")
    assert "built in" in out and str(named) in out and "to be fetched (21.2 MB)" in out


def test_fetch_fetches_what_is_missing_and_checks_what_is_here(named, run, monkeypatch, tmp_path):
    files = {f"bands/{path.name}.gz": path for path in named.iterdir()}
    with serving(files) as mirror:
        monkeypatch.setenv("NNENGINE_MIRROR", mirror.url)
        _, out, _ = run("fetch", "bands", "digits")
        assert f"bands: {named} (here already, checked)" in out and "digits: built in" in out
        assert [] == mirror.asked
        monkeypatch.delenv("NNENGINE_DATA")
        _, out, err = run("fetch", "bands", "--json")
        (row,) = json.loads(out)["sets"]
        assert (True, str(tmp_path / "cache" / "bands")) == (row["fetched"], row["where"])
        assert (4, "") == (len(mirror.asked), err)
        _, out, _ = run("fetch", "Bands", "--json")
        assert not json.loads(out)["sets"][0]["fetched"]
        assert 4 == len(mirror.asked)


def test_fetch_by_force_fills_the_cache_though_the_set_lies_elsewhere(
    named, run, monkeypatch, tmp_path
):
    with serving({f"bands/{path.name}.gz": path for path in named.iterdir()}) as mirror:
        monkeypatch.setenv("NNENGINE_MIRROR", mirror.url)
        _, out, _ = run("fetch", "bands", "--force")
    assert f"bands: {tmp_path / 'cache' / 'bands'} (fetched and checked)\n" == out
    assert "--force needs a name" in fault(run("fetch", "--force"))


def test_an_unknown_name_is_refused_before_anything_is_fetched(named, run, monkeypatch):
    monkeypatch.setattr(catalogue, "load", None)
    assert "no data set is called 'what'" in fault(run("fetch", "bands", "what"))


def test_two_processes_may_fetch_the_same_set_at_once(data_dir, tmp_path):
    """Both with the real files from a mirror here; each finds them whole, none leaves a part."""
    files = {f"mnist/{path.name}": path for path in (data_dir / "mnist").glob("*.gz")}
    with serving(files) as mirror:
        here = {"NNENGINE_MIRROR": mirror.url, "NNENGINE_DATA": "", "no_proxy": "*"}
        home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        environment = os.environ | here | home | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "nnengine", "fetch", "mnist", "--json"]
        both = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        rows = [json.loads(process.communicate(timeout=120)[0])["sets"][0] for process in both]
    assert [0, 0] == [process.returncode for process in both]
    (where,) = {row["where"] for row in rows}
    assert sorted(path.name for path in (data_dir / "mnist").glob("*.gz")) == sorted(
        os.listdir(where)
    )


# the frame


def test_help_is_no_fault(run):
    status, out, _ = run("--help")
    assert 0 == status and all(
        name in out for name in ("train", "evaluate", "predict", "convert", "fetch")
    )
    assert 0 == run("train", "--help")[0]


@pytest.fixture
def dark(tmp_path, monkeypatch) -> nnengine.Dataset:
    """Digits as dark.idx and turned.idx with labels.idx, and as tables, where commands run."""
    monkeypatch.chdir(tmp_path)
    data = digits(200, seed=6)
    nnengine.write_idx("dark.idx", 255 - data.images)
    nnengine.write_idx("turned.idx", data.images.transpose(0, 2, 1))
    nnengine.write_idx("labels.idx", data.labels)
    header = ",".join(f"pixel{i}" for i in range(784))
    rows = [",".join(map(str, image)) for image in data.images.reshape(200, -1).tolist()]
    Path("test.csv").write_text("\n".join([header, *rows]))
    return data


def test_images_that_look_wrong_are_said_and_put_right_where_asked_for(dark, run):
    short = ("labels.idx", "--epochs", "1", "--batch-size", "50", "--seed", "1")
    for name, option, said in (
        ("dark.idx", "--invert", "dark on light, while MNIST and drawings are light on dark"),
        ("turned.idx", "--turn", "rows and columns seem to be exchanged"),
    ):
        status, _, err = run("train", name, *short)
        assert 0 == status and said in err and f"{option} puts it right" in err
        status, _, err = run("train", name, *short, option, "--out", f"{name}.npz")
        assert 0 == status and "puts it right" not in err
    one, other = (nnengine.load(f"{name}.idx.npz") for name in ("dark", "turned"))
    np.testing.assert_array_equal(one.theta, other.theta)  # trained on the same images
    _, _, err = run("evaluate", "dark.idx.npz", "dark.idx", "labels.idx")
    assert "--invert puts it right" in err


def test_a_class_without_images_is_said(dark, run):
    nnengine.write_idx("from-1.idx", np.where(dark.labels == 0, 10, dark.labels).astype(np.uint8))
    _, _, err = run("train", "dark.idx", "from-1.idx", "--epochs", "1", "--batch-size", "50")
    assert "Labels begin at 1: class 0 has no image" in err


def test_images_without_labels_are_answered_into_a_table(dark, run):
    network = nnengine.shipped("original")
    modelfile.save(network, "model.npz")
    status, out, _ = run("predict", "model.npz", "test.csv", "--csv", "submission.csv", "--json")
    assert 0 == status and 200 == json.loads(out)["count"]
    rows = Path("submission.csv").read_text().splitlines()
    assert ["ImageId,Label", f"1,{network.predict(dark.images[:1])[0]}"] == rows[:2]
    assert 201 == len(rows) and rows[-1].startswith("200,")
    assert 0 == run("predict", "model.npz", "test.csv", "--csv", "one.csv", "--index", "3")[0]
    assert ["ImageId,Label", rows[4]] == Path("one.csv").read_text().splitlines()
    status, out, err = run("predict", "model.npz", "dark.idx", "--json")
    assert "--invert puts it right" in err
    _, again, err = run("predict", "model.npz", "dark.idx", "--invert", "--json")
    assert "puts it right" not in err
    expected = network.predict(dark.images).tolist()
    assert expected == json.loads(again)["predictions"]
    assert "the same file as test.csv" in fault(
        run("predict", "model.npz", "test.csv", "--csv", "test.csv")
    )


def test_the_version_is_told(run):
    assert (0, f"nnengine {nnengine.__version__}\n", "") == run("--version")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["train"], ["info"]])
def test_a_wrong_command_is_one_line(run, arguments):
    assert "--help" in fault(run(*arguments))


def test_no_memory_is_one_line(files, run, monkeypatch):
    def fail(*_, **how):
        raise MemoryError

    monkeypatch.setattr(cli.data.readers, "read", fail)
    assert "out of memory" in fault(run("train", *files))


def test_python_m_runs_it_quietly(files):
    process = spawn("train", *files, "--epochs", "1", "--json")
    out, err = process.communicate(timeout=120)
    assert (0, "") == (process.returncode, err)
    assert 5 == json.loads(out)["iterations"]


def test_a_reader_that_leaves_is_no_fault(files, model):
    process = spawn("predict", model, files[0])
    process.stdout.close()
    assert "" == process.stderr.read()
    assert cli.NO_READER == process.wait(timeout=120)


# progress


class _Terminal:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_with_loss_accuracy_speed_and_time_left(monkeypatch):
    pytest.importorskip("tqdm")
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(steps=4, images=400) as progress:
        progress.show(StepFinished(step=1, epoch=1.0, loss=0.25, accuracy=0.5, images=100))
        monkeypatch.setattr(progress, "_next", 0)
        progress.show(Progressed(step=1, done=90, total=100))  # of a measurement: no new images
        monkeypatch.setattr(progress, "_next", 0)
        progress.show(Progressed(step=2, done=60, total=100))
    assert "step 1 of 4" in terminal.text and "loss 0.2500, accuracy 50.0%" in terminal.text
    assert "160/400" in terminal.text and "190/400" not in terminal.text
    assert " images/s" in terminal.text and "<00:" in terminal.text


def test_without_tqdm_there_is_no_bar_and_no_fault(monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with Progress(steps=4, images=400) as progress:
        progress.show(StepFinished(step=1, epoch=1.0, loss=0.25, accuracy=0.5, images=100))
    assert ("", 1) == (terminal.text, progress.steps)


def test_a_terminal_gets_a_bar_of_bytes_that_may_go_back(monkeypatch):
    pytest.importorskip("tqdm")
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with FetchProgress() as progress:
        for done in (500_000, 250_000):
            monkeypatch.setattr(progress, "_drawn", 0)
            progress.show(done, 1_000_000, "images.gz")
    assert "images.gz:  50%" in terminal.text and "500k/1.00M" in terminal.text
    assert terminal.text.index("250k/1.00M") > terminal.text.index("500k/1.00M")


def test_nothing_to_fetch_draws_nothing(monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with FetchProgress() as progress:
        pass
    assert ("", False) == (terminal.text, progress.shown)


# the profile


def test_a_profile_says_where_the_time_went_and_only_where_it_is_asked_for(files, run):
    flags = ("train", *files, "--iterations", 3)
    _, out, _ = run(*flags, "--profile")
    assert "images/s" in out and "outside the kernels" in out and "pixels are not zero" in out
    assert "outside the kernels" not in run(*flags)[1]


def test_a_profile_in_json_holds_seconds_by_part(files, run):
    _, out, _ = run("train", *files, "--iterations", 3, "--profile", "--json")
    cost = json.loads(out)["cost"]
    assert {"preparing", "steps", "gradient", "optimizer", "measuring"} == set(cost["parts"])
    assert sum(cost["parts"].values()) <= cost["seconds"] + 1e-5


# app and site


@pytest.fixture
def started(monkeypatch) -> list[list[str]]:
    """What would have been run in place of this process."""
    commands = []
    monkeypatch.setattr(cli.app, "_become", commands.append)
    return commands


def test_the_app_is_streamlit_with_what_was_asked_for_and_its_own_options(started, run):
    given = ["--port", 8600, "--host", "::1", "--headless", "--theme.base=dark"]
    assert (0, "", "") == run("app", *given)
    assert [sys.executable, "-P", "-m", "streamlit", "run"] == started[0][:5]
    assert Path(started[0][5]).samefile(ROOT / "dashboard" / "server.py")
    assert [
        "--server.port=8600",
        "--server.address=::1",
        "--server.headless=true",
        "--theme.base=dark",
    ] == started[0][6:]


def test_the_app_answers_to_the_names_it_is_given(started, run):
    assert (0, "", "") == run("app", "--name", "digits.example.org", "--name", "localhost")
    assert [
        "--server.allowedHosts=digits.example.org",
        "--server.allowedHosts=localhost",
    ] == started[0][6:]


def test_an_option_that_neither_the_app_nor_streamlit_has_is_refused(started, run):
    assert "--prot" in fault(run("app", "--prot", 8600))
    assert [] == started


@pytest.mark.parametrize("command", ["app", "site"])
def test_without_its_packages_the_dashboard_names_the_way_out(command, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert "plotly is missing): pip install 'nnengine[dashboard]'" in fault(run(command))
