"""Draw page: a drawing in, an answer out, and a lesson where the answer was wrong."""

from __future__ import annotations

import base64
import io
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import nnengine
from dashboard import state
from dashboard.present import answers, strokes
from dashboard.present.outside import plain
from dashboard.present.words import share
from dashboard.runs.recipe import Recipe
from dashboard.store.networks import Entry
from dashboard.store.picturefile import read_picture
from dashboard.store.visits import Kept
from nnengine import Dataset, FormatError, Network, TrainingConfig, read_idx, training
from nnengine.analysis.calibration import fit_temperature, tempered
from nnengine.data import pen, readers
from nnengine.data.framing import fit, to_image
from nnengine.data.synthetic import digits
from tests.pages import click, component, idx, new_visit, open_page, words


def a_stroke() -> np.ndarray:
    """A light bar on a black pad, RGBA (280, 280, 4)."""
    pixels = np.zeros((280, 280, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[40:240, 130:150, :3] = 255
    return pixels


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def visitor(network: Network):
    visit = new_visit({})
    visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    return visit


def draw(at, pixels: np.ndarray):
    """Put pixels on the pad, as the canvas would send them."""
    data = "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
    raw = {"version": "4.4.0", "objects": [], "background": "#000000"}
    at.session_state["drawing-pad-0"] = {
        "drawing": {"raw": raw, "data": data}, "backgroundFit": None,
    }  # fmt: skip
    return at.run()


@pytest.fixture
def network() -> Network:
    return Network.build([784, 12, 10], rng=4)


@pytest.fixture(scope="module")
def reader() -> Network:
    """A network that reads the built-in digits, as a stand-in for those that are shipped."""
    network = Network.build([784, 32, 10], rng=2)
    config = TrainingConfig(epochs=3, optimizer="adam", learning_rate=0.003)
    for _ in training(network, digits(3_000, seed=0), config):
        pass
    return network.snapshot()


@pytest.fixture(autouse=True)
def shipped(monkeypatch, reader):
    """Ship two stand-ins with the engine."""
    other = Network.build([784, 10, 10], rng=1).snapshot()
    both = {"drawing": reader, "original": other}
    monkeypatch.setattr(nnengine, "shipped", both.__getitem__)


def test_a_fresh_visitor_is_answered_by_the_network_that_comes_with_the_engine(reader):
    at = draw(open_page("draw"), a_stroke())
    assert not at.exception
    expected = reader.predict(to_image(a_stroke()))[0]
    assert f">{expected}</div>" in words(at)
    assert "Drawing network (built in)" in at.selectbox[0].options


def test_an_installation_that_ships_no_network_leads_on(nothing_ships):
    at = open_page("draw")
    assert not at.exception
    assert {"Start a run", "Restore a model"} <= {link.proto.label for link in at.get("page_link")}


def test_a_drawing_gets_the_answer_the_engine_gives(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert not at.exception
    p = network.predict_proba(to_image(a_stroke()))[0]
    first, second = np.argsort(-p)[:2]
    said = words(at)
    assert f">{first}</div>" in said
    assert f"<b>{answers.sureness(p[first]).capitalize()}</b><br>{share(p[first])}<br>" in said
    assert f"next {second}, {share(p[second])}" in said


def a_crowded_sheet() -> np.ndarray:
    """Three digits of three across and three down, RGBA (280, 280, 4)."""
    nine = digits(9, seed=5).images.repeat(3, 1).repeat(3, 2).reshape(3, 3, 84, 84)
    pixels = np.zeros((280, 280, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[14:266, 14:266, :3] = nine.transpose(0, 2, 1, 3).reshape(252, 252, 1)
    return pixels


def test_what_looks_like_none_of_the_digits_is_not_given_a_sure_answer(reader):
    said = words(draw(open_page("draw"), a_crowded_sheet()))
    assert "This looks like none of my digits" in said
    would = reader.predict(to_image(a_crowded_sheet()))[0]
    assert f"Made to choose, it says {would}, " in said
    assert "Real digits are refused, too: " in said
    said = words(draw(open_page("draw"), a_stroke()))
    assert "none of my digits" not in said and "Real digits" not in said


def test_after_a_refusal_the_page_asks_whether_it_is_a_digit_and_offers_to_keep_no_answer(reader):
    refused = draw(open_page("draw"), a_crowded_sheet())
    assert "Is it a digit all the same?" in words(refused)
    assert not [button for button in refused.button if button.label.startswith("Keep this")]
    buttons = [one for one in refused.button if (one.key or "").startswith("draw.tell.")]
    assert {"secondary"} == {button.proto.type for button in buttons}
    answered = draw(open_page("draw"), a_stroke())
    assert "Is it right?" in words(answered)
    assert [button for button in answered.button if button.label.startswith("Keep this")]


def test_an_empty_pad_is_not_answered(network):
    at = open_page("draw", visitor(network))
    assert "The network answers" not in words(at)
    assert "The sheet is blank" in words(at)
    assert "no answer yet" in words(at)


def test_what_the_network_sees_stands_beside_the_drawing(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert "What the network sees" in component(at, "draw.seen")["label"]


def test_a_sheet_that_a_browser_falsifies_is_drawn_anew_from_its_strokes():
    """As the canvas tells a stroke: a path of a start, curves with their bends, and an end."""
    path = [["M", 40, 60], ["Q", 40, 60, 120, 60], ["Q", 200, 60, 160, 150], ["L", 120, 240]]
    told = {"objects": [{"type": "path", "path": path, "strokeWidth": 18}]}
    bend = np.array([(120, 60), (152.5, 65.625), (170, 82.5), (172.5, 110.625), (160, 150)])
    points = np.concatenate([[(40, 60)], bend, [(120, 240)]])
    true = np.repeat(pen.draw([points])[..., None], 4, axis=2)
    true[..., 3] = 255
    stripes = np.full((280, 280, 4), 255, np.uint8)
    stripes[:, ::2, :3] = 90
    found = strokes.as_drawn(stripes, told)
    assert np.abs(true.astype(int) - found).mean() < 0.5
    assert np.array_equal(to_image(true), to_image(found))
    assert true is strokes.as_drawn(true, told)
    for nothing in (None, {}, {"objects": [{"path": [["M", 1]]}, 3, {"path": 7}]}):
        assert stripes is strokes.as_drawn(stripes, nothing)


def test_the_drawing_is_kept_across_pages(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    at.switch_page("views/models.py").run()
    at.switch_page("views/draw.py").run()
    assert "The network answers" in words(at)


def test_a_network_for_other_images_says_which_drawings_it_reads():
    at = open_page("draw", visitor(Network.build([6, 3], image_shape=(2, 3))))
    assert not at.exception
    assert "a drawing cannot be put into that shape" in words(at)


def test_a_picture_file_is_answered_in_place_of_the_canvas(network):
    at = open_page("draw", visitor(network))
    next(g for g in at.get("button_group") if "Picture file" in str(g.proto)).set_value(
        "Picture file"
    ).run()
    at.file_uploader[0].set_value(("seven.png", png(255 - a_stroke()[..., :3]), "image/png")).run()
    assert not at.exception
    assert "The network answers" in words(at)


def test_a_file_that_is_no_picture_is_told_so(network):
    at = open_page("draw", visitor(network))
    next(g for g in at.get("button_group") if "Picture file" in str(g.proto)).set_value(
        "Picture file"
    ).run()
    at.file_uploader[0].set_value(("notes.txt", b"hello", "text/plain")).run()
    assert "notes.txt: not a PNG or JPEG picture" in words(at)


def test_a_blank_picture_is_told_to_be_blank(network):
    at = open_page("draw", visitor(network))
    next(g for g in at.get("button_group") if "Picture file" in str(g.proto)).set_value(
        "Picture file"
    ).run()
    assert "Choose a picture" in words(at)
    sheet = png(np.full((90, 90), 250, np.uint8))
    at.file_uploader[0].set_value(("sheet.png", sheet, "image/png")).run()
    assert "Nothing stands out in this picture" in words(at)


def test_a_cleared_pad_forgets_the_drawing_for_good(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    click(at, "Clear")
    assert "The network answers" not in words(at)
    at.switch_page("views/models.py").run()
    at.switch_page("views/draw.py").run()
    assert "The network answers" not in words(at)


def test_a_network_for_images_of_another_size_gets_the_drawing_at_that_size():
    network = Network.build([64, 5, 3], rng=1, image_shape=(8, 8))
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert [8, 8] == component(at, "draw.seen")["shape"]
    expected = network.predict(fit(to_image(a_stroke()), (8, 8)))[0]
    assert f">{expected}</div>" in words(at)


def test_the_canvas_has_words_for_those_who_cannot_see_it():
    label = component(open_page("draw"), "drawing-pad-name")["label"]
    assert "Drawing area" in label and "Picture file" in label


@pytest.mark.parametrize("raw", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 50])
def test_pictures_that_cannot_be_read_raise_format_errors_alone(raw):
    with pytest.raises(FormatError, match="picture.png"):
        read_picture("picture.png", raw)


def test_a_picture_that_declares_more_pixels_than_are_read_is_refused_unread():
    raw = bytearray(png(np.zeros((4, 4), np.uint8)))
    raw[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height in the header
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    with pytest.raises(FormatError, match="big.png: .* pixels"):
        read_picture("big.png", bytes(raw))


def test_sixteen_bits_a_pixel_and_transparency_are_read():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(file, "PNG")
    assert [0, 255] == read_picture("deep.png", file.getvalue())[0, :, 0].tolist()
    clear = np.zeros((2, 2, 4), np.uint8)
    assert (2, 2, 4) == read_picture("clear.png", png(clear)).shape


def test_a_photograph_on_its_side_is_set_upright():
    file, tag = io.BytesIO(), Image.Exif()
    tag[0x0112] = 6  # orientation: to be turned a quarter
    Image.fromarray(np.zeros((10, 30, 3), np.uint8)).save(file, "JPEG", exif=tag)
    assert (30, 10) == read_picture("phone.jpg", file.getvalue()).shape[:2]


def test_a_large_photograph_is_read_small():
    assert max(read_picture("big.png", png(np.zeros((3000, 10, 3), np.uint8))).shape) <= 1024


# How sure --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "word"),
    [(1.0, "almost certain"), (0.986, "almost certain"), (0.9, "sure"), (0.71, "fairly sure"),
     (0.5, "unsure"), (0.494, "guessing"), (0.1, "guessing")],
)  # fmt: skip
def test_certainty_has_words_that_agree_with_the_percent_beside_them(share, word):
    assert word == answers.sureness(share)


def test_a_restored_network_says_that_its_certainty_is_only_claimed(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert "Certainty is what this network claims" in words(at)


def test_a_run_is_as_sure_as_its_held_out_images_allow():
    train, held_out = digits(400, seed=3), digits(300, seed=4)
    network = Network.build([784, 16, 10], rng=5)
    config = TrainingConfig(epochs=30, optimizer="adam", learning_rate=0.01)
    for _ in training(network, train, config, held_out):
        pass
    files = {
        "train-images": idx(train.images), "train-labels": idx(train.labels),
        "test-images": idx(held_out.images), "test-labels": idx(held_out.labels),
    }  # fmt: skip
    visit = new_visit(files)
    visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    at = draw(open_page("draw", visit), a_stroke())
    t = fit_temperature(network.logits(held_out), held_out.labels)
    assert f"set by 300 held-out images (temperature {t:.2f})" in words(at)
    p = tempered(network, t).predict_proba(to_image(a_stroke()))[0]
    assert f"<br>{share(p.max())}<br>" in words(at)


def test_a_run_is_calibrated_by_the_share_it_held_out_and_taught_with_the_rest():
    visit, registry = new_visit({}), state.registry()
    recipe = Recipe(hidden=(16,), epochs=1, batch_size=64, validation=0.1)
    parts = registry.shelf.split(registry.library.built_in().train, 0.1)
    run = registry.scheduler.start(recipe, *parts, owner=visit.owner, run_id=visit.reserved)
    registry.add_run(visit, run)
    for _ in range(600):
        if run.ended:
            break
        time.sleep(0.05)
    at = open_page("draw", visit)
    at.selectbox[0].select(f"run:{run.id}").run()
    draw(at, a_stroke())
    assert "set by 1,200 held-out images" in words(at)
    tell(at, wrong_for(run.snapshot))
    assert not at.exception
    assert "1 of 1" == at.metric[0].value
    assert plain("2,000 test images (Built-in digits)") == at.metric[1].label
    assert "Run, taught (yours)" in at.selectbox[0].options
    assert parts[0].digest == visit.networks.in_hand(None).network.training[-1]["data_digest"]


def test_data_that_come_later_set_the_certainty_of_a_network_that_held_them_out(network):
    held_out = digits(300, seed=4)
    record = {"validation_digest": held_out.digest, "steps": 1}
    network.training = (record,)
    visit = visitor(network)
    at = draw(open_page("draw", visit), a_stroke())
    assert "Certainty is what this network claims" in words(at)
    images, labels = idx(held_out.images), idx(held_out.labels)
    shelf = state.registry().shelf
    visit.files += [shelf.load("train-images", images), shelf.load("train-labels", labels)]
    visit.files += [shelf.load("test-images", images), shelf.load("test-labels", labels)]
    at.run()
    assert "set by 300 held-out images" in words(at)


def test_a_shipped_network_says_what_was_measured_of_its_certainty(monkeypatch):
    sets = {"one": {"calibration_error": 0.0021}, "other": {"calibration_error": 0.0084}}
    card = {"temperature": 0.98, "measured": sets}
    monkeypatch.setattr(state, "card", lambda name: card if name == "drawing" else {})
    at = draw(open_page("draw"), a_stroke())
    assert "2 sets of images it had not seen, it is off by 0.2 to 0.8 points" in words(at)


# Teaching --------------------------------------------------------------------------------


def tell(at, name: str):
    """Press the button of the digit that was drawn."""
    place = next(b for b in at.button if b.key == f"draw.tell.{name}")
    return place.click().run()


def wrong_for(network: Network) -> str:
    """Return a digit that the network does not take the stroke for."""
    return str((network.predict(to_image(a_stroke()))[0] + 4) % 10)


def test_a_wrong_answer_is_taught_and_then_right(reader):
    at = draw(open_page("draw"), a_stroke())
    name = wrong_for(reader)
    tell(at, name)
    assert not at.exception
    assert f">{name}</div>" in words(at)
    assert ("1 of 1", "0 of 1 before") == (at.metric[0].value, at.metric[0].delta)
    assert "2,000 test images" in at.metric[1].label
    assert "before" in at.metric[1].delta
    assert "Drawing network, taught (yours)" in at.selectbox[0].options


def test_undo_brings_the_original_back_and_takes_the_drawing_away(reader):
    at = draw(open_page("draw"), a_stroke())
    before = words(at)
    tell(at, wrong_for(reader))
    click(at, "Undo this lesson")
    assert not at.exception
    assert f">{reader.predict(to_image(a_stroke()))[0]}</div>" in before
    assert f">{reader.predict(to_image(a_stroke()))[0]}</div>" in words(at)
    assert "None yet" in words(at)
    assert not at.metric


def test_the_original_stays_beside_the_taught_network(reader):
    at = draw(open_page("draw"), a_stroke())
    before = reader.theta.copy()
    tell(at, wrong_for(reader))
    np.testing.assert_array_equal(before, reader.theta)
    assert "Drawing network (built in)" in at.selectbox[0].options


def test_a_right_answer_is_kept_and_nothing_is_taught(reader):
    at = draw(open_page("draw"), a_stroke())
    right = str(reader.predict(to_image(a_stroke()))[0])
    click(at, f"Keep this {right}")
    assert f"Kept among my digits as {right}" in words(at)
    assert [f"{right} ✓"] == component(at, "draw.mine")["captions"]
    assert not at.metric


def test_a_network_that_nothing_would_remind_of_what_it_knows_is_not_taught(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    tell(at, wrong_for(network))
    assert not at.exception
    assert "would forget what it knows" in words(at)


def test_a_network_of_many_classes_is_told_from_a_list():
    names = [f"letter {i}" for i in range(26)]
    network = Network.build([784, 5, 26], rng=1, class_names=names)
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert not at.exception
    assert names == next(s for s in at.selectbox if s.label == "It is").options
    answer = names[network.predict(to_image(a_stroke()))[0]]
    click(at, "Say so")
    assert [f"{answer} ✓"] == component(at, "draw.mine")["captions"]


# My digits -------------------------------------------------------------------------------


def keeper(*names: str):
    """Return a visitor who keeps drawings of these names, all different."""
    visit = new_visit({})
    for i, name in enumerate(names, 1):
        image = np.zeros((28, 28), np.uint8)
        image[4:24, 4 + i] = 255
        visit.mine.append(Kept(i, image, name))
    visit.kept = len(names)
    return visit


def test_my_digits_stand_newest_first_with_marks(reader):
    visit = keeper("3", "5")
    at = open_page("draw", visit)
    said = reader.predict(np.stack([one.image for one in visit.mine[::-1]]))
    expected = [
        f"{one.name} ✓" if one.name == str(i) else f"{one.name} ✗ {i}"
        for one, i in zip(visit.mine[::-1], said, strict=True)
    ]
    assert expected == component(at, "draw.mine")["captions"]


def test_one_of_my_digits_is_deleted_and_the_others_stay():
    visit = keeper("3", "5", "8")
    at = open_page("draw", visit)
    assert next(b for b in at.button if b.key == "draw.delete").disabled
    at.session_state["nn.memory"] = {**at.session_state["nn.memory"], "draw.chosen": 2}
    at.run()
    click(at, "Delete this 5")
    assert ["3", "8"] == [one.name for one in visit.mine]


def test_all_my_digits_are_deleted_together():
    visit = keeper("3", "5")
    click(open_page("draw", visit), "Delete all of them")
    assert [] == visit.mine


def test_my_digits_are_there_after_a_reload():
    visit = keeper("3", "5")
    open_page("draw", visit)
    again = open_page("draw", visit)
    assert 2 == len(component(again, "draw.mine")["captions"])


def test_drawings_of_other_classes_are_kept_without_a_mark():
    at = open_page("draw", keeper("3", "Bag"))
    bag, three = component(at, "draw.mine")["captions"]
    assert "Bag" == bag
    assert three.startswith("3 ")
    assert "1 of other classes" in words(at)


def test_the_download_is_a_pair_of_idx_files(tmp_path):
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28).astype(np.uint8)
    raw = readers.idx_files({"my-digits": Dataset(images, [7, 0, 9])})
    assert raw == readers.idx_files({"my-digits": Dataset(images, [7, 0, 9])})
    zipfile.ZipFile(io.BytesIO(raw)).extractall(tmp_path)
    np.testing.assert_array_equal(images, read_idx(tmp_path / "my-digits-images-idx3-ubyte.gz"))
    np.testing.assert_array_equal([7, 0, 9], read_idx(tmp_path / "my-digits-labels-idx1-ubyte.gz"))


# Side by side ----------------------------------------------------------------------------


def test_several_networks_answer_the_same_drawing(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    asked = at.multiselect[0]
    assert ["shipped:drawing", "shipped:original"] == asked.value
    asked.select("file:mine.npz").run()
    assert not at.exception
    assert 3 == words(at).count('class="nn-above">answers<')


def test_no_more_than_four_networks_stand_side_by_side(network):
    assert 4 == open_page("draw", visitor(network)).multiselect[0].proto.max_selections


def test_a_network_that_is_gone_leaves_its_place(network):
    visit = visitor(network)
    at = open_page("draw", visit)
    at.multiselect[0].select("file:mine.npz").run()
    visit.networks.let_go("file:mine.npz")
    at.run()
    assert not at.exception
    assert ["shipped:drawing", "shipped:original"] == at.multiselect[0].value


def test_a_picture_of_sixteen_bits_is_brought_to_eight_in_strips():
    """Whole, 25 million pixels were 200 MB as wide numbers beside what Pillow holds."""
    wide = np.zeros((5000, 5000), np.uint16)
    wide[1000:2000] = 65535
    stream = io.BytesIO()
    Image.fromarray(wide).save(stream, "PNG")
    del wide
    tracemalloc.start()
    pixels = read_picture("wide.png", stream.getvalue())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (1024, 1024, 3) == pixels.shape
    assert (0, 255) == (pixels[0, 0, 0], pixels[300, 0, 0])
    assert peak < 90 * 10**6


def test_a_picture_that_unpacks_to_too_much_is_refused_before_it_is():
    stream = io.BytesIO()
    Image.new("RGBA", (6000, 6000)).save(stream, "PNG")
    with pytest.raises(FormatError, match="take 144 MB unpacked, more than the 100 MB"):
        read_picture("large.png", stream.getvalue())


@pytest.fixture
def looking() -> Network:
    return Network.build(
        "conv 3 5x5, norm, pool 2, dense 8", rng=4, image_shape=(28, 28), classes=10
    )


def test_a_drawing_is_shown_on_its_way_through_the_layers(looking):
    at = open_page("draw", visitor(looking))
    assert "What each layer makes of it" not in {box.label for box in at.expander}
    draw(at, a_stroke())
    assert not at.exception
    assert "What each layer makes of it" in {box.label for box in at.expander}
    for layer, side in ((1, 24), (2, 12)):
        shown = component(at, f"draw.maps.{layer}")
        assert (3, [side, side]) == (len(shown["labels"]), shown["shape"])


def test_a_network_with_maps_is_taught_like_any_other():
    layers = "conv 4 5x5 stride 2, pool 2, dense 24"
    network = Network.build(layers, rng=4, image_shape=(28, 28), classes=10)
    config = TrainingConfig(epochs=4, optimizer="adam", learning_rate=0.01)
    for _ in training(network, digits(1_000, seed=0), config):
        pass
    at = draw(open_page("draw", visitor(network)), a_stroke())
    tell(at, wrong_for(network))
    assert not at.exception and not at.error
    assert "before" in at.metric[0].delta
    assert "mine.npz, taught (yours)" in at.selectbox[0].options
