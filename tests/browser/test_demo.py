"""The page of one's own in a real browser, opened as a file: the engine's answers, any hand."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import nnengine
from nnengine import Dataset, Network, TrainingConfig, demo, read_idx, training
from nnengine.analysis import novelty
from nnengine.data import framing, pen, synthetic
from tests.browser.strokes import FALSIFIES, SEVEN, Stroke, draw_on, places_on

PIXELS = "Array.from(document.getElementById('{}').getContext('2d').getImageData(0, 0, {}).data)"
SHEET, SEEN = PIXELS.format("pad", "280, 280"), PIXELS.format("seen", "{}, {}")
# The program's own pieces, given an image of bytes, or a sheet of grey.
ANSWER = """images => {
  const given = JSON.parse(document.getElementById("network").textContent);
  const bytes = Uint8Array.from(atob(given.theta), (c) => c.charCodeAt(0));
  const network = engine.network(given, bytes);
  const raw = Uint8Array.from(atob(images), (c) => c.charCodeAt(0));
  const size = given.layers[0].before.reduce((a, b) => a * b);
  return Array.from({ length: raw.length / size }, (_, i) =>
    Array.from(network.answer(raw.subarray(i * size, (i + 1) * size)).pop()));
}"""
STRANGE = """images => {
  const { guard } = JSON.parse(document.getElementById("network").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const network = engine.network(guard, bytes(guard.theta)), raw = bytes(images);
  return Array.from({ length: raw.length / 784 }, (_, i) => {
    const [...shares] = network.answer(raw.subarray(784 * i, 784 * (i + 1))).pop();
    return Math.log(shares[10] / (1 - shares[10]));
  });
}"""
FRAME = """sheets => {
  const raw = Uint8Array.from(atob(sheets), (c) => c.charCodeAt(0)), size = 280 * 280;
  return Array.from({ length: raw.length / size }, (_, i) => {
    const sheet = engine.plane(280, 280);
    sheet.d.set(raw.subarray(i * size, (i + 1) * size));
    const image = engine.toImage(sheet);
    return image && Array.from(image.d);
  });
}"""


@pytest.fixture
def open_demo(browser, tmp_path):
    """Open a network's page from a file; a test that ends with faults or requests has failed."""
    contexts, faults = [], []

    def open_page(network: Network, *, width: int = 1280, scheme: str = "light", **more) -> Page:
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(demo.page(network, "Mine", **more), encoding="utf-8")
        phone = {"is_mobile": True, "has_touch": True} if width < 500 else {}
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **phone
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and faults.append(m.text))
        asked = (file.as_uri(), "data:")
        page.on("request", lambda r: r.url.startswith(asked) or faults.append(r.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [] == faults


def draw(page: Page, stroke: Stroke) -> None:
    """Draw a stroke on the sheet, and wait until it has been answered."""
    draw_on(page.locator("#pad"), stroke)
    settle(page)


def settle(page: Page) -> None:
    """Wait until what was drawn has been answered."""
    page.evaluate("new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))")


def pixels(flat: list[int], height: int, width: int) -> np.ndarray:
    """Return the pixels of a canvas, RGBA uint8 (height, width, 4)."""
    return np.array(flat, np.uint8).reshape(height, width, 4)


def seen(page: Page, height: int = 28, width: int = 28) -> np.ndarray:
    return pixels(page.evaluate(SEEN.format(width, height)), height, width)[..., 0]


def sheet(page: Page) -> np.ndarray:
    """Return what is on the sheet, RGBA as the dashboard's canvas gives it."""
    return pixels(page.evaluate(SHEET), 280, 280)


def packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.uint8).tobytes()).decode()


def first_word(page: Page) -> str:
    return page.locator("#answer b").inner_text()


@pytest.mark.parametrize("name", ["original", "drawing"])
def test_a_shipped_network_answers_mnist_images_as_the_engine_does(open_demo, mnist_files, name):
    images = read_idx(mnist_files["test_images"])[:500]
    network = nnengine.shipped(name)
    found = open_demo(network).evaluate(ANSWER, packed(images))
    assert 1e-5 > np.abs(network.predict_proba(images) - np.array(found)).max()


@pytest.mark.parametrize(
    ("activation", "dtype"),
    [("tanh", np.float64), ("sigmoid", np.float32), ("leaky_relu", np.float32)],
)
def test_every_kind_of_network_answers_as_the_engine_does(open_demo, activation, dtype):
    network = Network.build(
        [64, 12, 9, 5], activation=activation, rng=4, dtype=dtype, input_scale=0.01
    )
    network.theta += np.random.default_rng(1).normal(0, 0.3, network.theta.size).astype(dtype)
    images = np.random.default_rng(0).integers(0, 256, (50, 64)).astype(np.uint8)
    found = open_demo(network).evaluate(ANSWER, packed(images))
    assert 1e-5 > np.abs(network.predict_proba(images) - np.array(found)).max()


@pytest.mark.parametrize(
    "layers",
    [
        "conv 4 5x3 pad 1, pool 2, conv 6 3x3 stride 2, norm, flatten, dense 7",
        "norm, conv 3 3x3, norm, average 2x3, dropout 0.4, conv 5 2x2 pad 1",
        "pool 3 stride 2, dense 9",
    ],
)
def test_networks_of_maps_answer_as_the_engine_does_and_show_what_they_make(open_demo, layers):
    network = Network.build(layers, image_shape=(14, 16), classes=4, activation="tanh", rng=3)
    rng = np.random.default_rng(1)
    network.theta += rng.normal(0, 0.1, network.theta.size).astype(np.float32)
    for place in (name for name in network.parameters() if name.startswith("variances")):
        network.parameters()[place][:] = rng.uniform(0.5, 2, network.parameters()[place].shape)
    images = rng.integers(0, 256, (40, 14, 16)).astype(np.uint8)
    page = open_demo(network)
    found = page.evaluate(ANSWER, packed(images))
    assert 1e-5 > np.abs(network.predict_proba(images) - np.array(found)).max()
    draw(page, SEVEN)
    count = sum(spec.units or 1 for spec in network.specs if spec.kind == "conv")
    assert page.locator(".maps canvas").count() >= count
    assert page.evaluate(
        "[...document.querySelectorAll('.maps canvas')].some((one) => new Set(one.getContext('2d')"
        ".getImageData(0, 0, one.width, one.height).data).size > 8)"
    )


def strokes_of_people(data_dir) -> np.ndarray:
    """Return sheets, uint8 (120, 280, 280): people's strokes, small and large, thin and bold."""
    file = data_dir / "pendigits" / "pendigits-orig.tra.gz"
    if not file.exists():
        pytest.skip("no strokes: pendigits-orig.tra.gz is not among the data")
    digits, _ = pen.read_unipen(file)
    sheets, rng = [], np.random.default_rng(0)
    for n, i in enumerate(rng.choice(len(digits), 120, replace=False)):
        points = np.concatenate(digits[i])
        low, extent = points.min(axis=0), np.ptp(points, axis=0).max()
        size, width = (70, 150, 230)[n % 3], (18, 8, 40, 18)[n % 4]
        corner = rng.uniform(20, 270 - size, 2)
        strokes = [(stroke - low) * size / extent + corner for stroke in digits[i]]
        sheets.append(pen.draw(strokes, pen_px=width))
    return np.stack(sheets)


def test_people_s_strokes_are_framed_as_the_engine_frames_them(open_demo, data_dir):
    """A grey level of 255 may fall to the other side of a half: the engine adds in 32 bits."""
    sheets = strokes_of_people(data_dir)
    network = nnengine.shipped("drawing")
    page = open_demo(network)
    found = np.array(page.evaluate(FRAME, packed(sheets))).reshape(-1, 28, 28)
    expected = framing.to_images(sheets)
    apart = np.abs(found - expected.astype(int)).reshape(len(sheets), -1)
    assert 1 >= apart.max()
    assert 3 >= np.count_nonzero(apart)
    same = apart.max(axis=1) == 0
    answers = np.array(page.evaluate(ANSWER, packed(found)))
    assert 1e-5 > np.abs(network.predict_proba(expected) - answers)[same].max()


def test_a_picture_without_ink_and_ink_on_paper_are_told_apart(open_demo):
    page = open_demo(nnengine.shipped("original"))
    blank = np.zeros((280, 280), np.uint8)
    dark_on_light = 255 - pen.draw([np.array([(80, 60), (200, 60), (130, 220)])])
    empty, seven = page.evaluate(FRAME, packed(np.stack([blank, dark_on_light])))
    assert empty is None
    expected = framing.to_image(dark_on_light)
    assert 1 >= np.abs(np.array(seven).reshape(28, 28) - expected.astype(int)).max()


def test_a_seven_drawn_with_the_mouse_is_answered_as_the_engine_answers_it(open_demo):
    network = nnengine.shipped("original")
    page = open_demo(network)
    draw(page, SEVEN)
    image = framing.to_image(sheet(page))
    assert 1 >= np.abs(seen(page) - image.astype(int)).max()
    shares = page.evaluate(ANSWER, packed(seen(page)))[0]
    assert 1e-5 > np.abs(network.predict_proba(seen(page))[0] - shares).max()
    assert "7" == first_word(page)
    widths = [float(bar.get_attribute("style").split(":")[1].strip(" %;")) / 100
              for bar in page.locator("#bars .fill").all()]  # fmt: skip
    assert widths == pytest.approx(shares, abs=6e-5)


def test_a_browser_that_falsifies_what_is_on_a_canvas_is_answered_by_the_strokes(open_demo):
    page = open_demo(nnengine.shipped("original"))
    page.evaluate(FALSIFIES)
    draw(page, SEVEN)
    assert "7" == first_word(page)


def test_a_network_of_other_images_sees_the_drawing_at_their_size(open_demo):
    network = Network.build([10 * 14, 6, 3], rng=1, image_shape=(10, 14))
    page = open_demo(network)
    draw(page, SEVEN)
    expected = framing.fit(framing.to_image(sheet(page)), (10, 14))
    assert 1 >= np.abs(seen(page, 10, 14) - expected.astype(int)).max()


def test_a_fresh_page_invites_to_draw_and_clear_brings_that_back(open_demo):
    page = open_demo(nnengine.shipped("original"))
    invitation = page.get_by_text("The sheet is blank.")
    expect(invitation).to_be_visible()
    expect(page.get_by_role("button", name="Clear")).to_be_disabled()
    draw(page, SEVEN)
    expect(invitation).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(invitation).to_be_visible()
    draw(page, SEVEN)
    draw(page, [(0.3, 0.5), (0.6, 0.5)])
    page.get_by_role("button", name="Clear").click()
    expect(invitation).to_be_visible()
    assert not seen(page).any()


def test_a_single_press_leaves_a_dot(open_demo):
    page = open_demo(nnengine.shipped("original"))
    page.locator("#pad").click()
    settle(page)
    assert seen(page).any()


def test_a_one_is_drawn_with_keys_alone(open_demo):
    page = open_demo(nnengine.shipped("drawing"))
    page.keyboard.press("Tab")
    assert "pad" == page.evaluate("document.activeElement.id")
    for _ in range(10):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")  # the pen is lifted: this draws nothing
    settle(page)
    assert "1" == first_word(page)
    page.keyboard.press("Delete")
    expect(page.get_by_text("The sheet is blank.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_finger_draws_on_a_phone_and_nothing_is_wider_than_it(open_demo, scheme):
    page = open_demo(nnengine.shipped("original"), width=390, scheme=scheme)
    places = places_on(page.locator("#pad"), SEVEN)
    client = page.context.new_cdp_session(page)
    touch = "Input.dispatchTouchEvent"
    client.send(
        touch, {"type": "touchStart", "touchPoints": [dict(zip("xy", places[0], strict=True))]}
    )
    for (x1, y1), (x2, y2) in zip(places, places[1:], strict=False):
        for k in range(1, 9):
            at = {"x": x1 + (x2 - x1) * k / 8, "y": y1 + (y2 - y1) * k / 8}
            client.send(touch, {"type": "touchMove", "touchPoints": [at]})
    client.send(touch, {"type": "touchEnd", "touchPoints": []})
    settle(page)
    assert "7" == first_word(page)
    assert 390 == page.evaluate("document.documentElement.scrollWidth")
    assert 0 == page.evaluate("scrollY")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert {"light": "rgb(251, 250, 247)", "dark": "rgb(26, 24, 22)"}[scheme] == background


def test_the_curves_of_the_record_are_drawn_and_said(open_demo, stripes):
    network = Network.build([64, 6, 3], rng=2)
    data = Dataset(*stripes)
    for _ in training(network, data, TrainingConfig(epochs=3, batch_size=16), data):
        pass
    page = open_demo(network)
    history = network.training[-1]["history"]
    last = f"{100 * history['val_accuracy'][-1]:.2f} %"
    chart = page.get_by_role("img", name=f"Accuracy by step, at the end: training {last}")
    expect(chart).to_be_visible()
    assert 2 == chart.locator("polyline").count()
    points = chart.locator("polyline").first.get_attribute("points").split()
    assert len(history["step"]) == len(points)
    expect(page.get_by_text("No curves are on record")).to_be_hidden()


def test_a_network_without_a_record_says_that_there_are_no_curves(open_demo):
    page = open_demo(nnengine.shipped("original"))
    expect(page.get_by_text("No curves are on record for this network.")).to_be_visible()


def test_every_unit_s_picture_shows_its_strongest_weight_in_the_right_place(open_demo):
    network = Network.build([64, 2, 3], rng=2)
    weights = network.layers[0].weights
    weights[:] = 0
    weights[3 * 8 + 5, 0], weights[7 * 8 + 1, 1] = 2.0, -2.0
    page = open_demo(network)
    for unit, (y, x, warm) in enumerate([(3, 5, True), (7, 1, False)]):
        pixels = np.array(json.loads(page.evaluate(
            "n => JSON.stringify(Array.from(document.querySelectorAll('#units canvas')[n]"
            ".getContext('2d').getImageData(0, 0, 8, 8).data))", unit
        ))).reshape(8, 8, 4)  # fmt: skip
        red_over_blue = pixels[..., 0] - pixels[..., 2]
        place = red_over_blue.argmax() if warm else red_over_blue.argmin()
        assert (y, x) == np.unravel_index(place, (8, 8))


@pytest.mark.parametrize("layers", ["dense 6", "conv 3 5x5, pool 2"])
def test_a_network_for_colours_sees_grey_and_shows_its_weights_in_colours(open_demo, layers):
    network = Network.build(layers, image_shape=(28, 28), channels=3, classes=4, rng=3)
    images = np.random.default_rng(1).integers(0, 256, (20, 28, 28, 3)).astype(np.uint8)
    page = open_demo(network)
    found = page.evaluate(ANSWER, packed(images))
    assert 1e-5 > np.abs(network.predict_proba(images) - np.array(found)).max()
    expect(page.get_by_text("looks at colours, and a drawing has none")).to_be_visible()
    expect(page.get_by_text("a middle grey is zero")).to_be_visible()
    draw(page, SEVEN)
    drawn = np.repeat(seen(page)[..., None], 3, axis=2)
    answer = network.class_names[int(network.predict(drawn[None])[0])]
    assert answer == first_word(page)
    window = network.layers[0].weights.reshape(-1, 3, network.specs[0].units)[..., 0]
    limit = np.sort(np.abs(network.layers[0].weights), axis=None)
    limit = limit[int(0.995 * (limit.size - 1))]
    wanted = np.clip(127.5 + 127.5 * window / limit, 0, 255)
    side = int(len(window) ** 0.5)
    shown = pixels(page.evaluate(
        "side => Array.from(document.querySelector('#units canvas').getContext('2d')"
        ".getImageData(0, 0, side, side).data)", side
    ), side, side)  # fmt: skip
    assert 1 >= np.abs(wanted - shown[..., :3].reshape(-1, 3)).max()


def test_a_network_that_reads_no_drawings_shows_the_rest(open_demo):
    page = open_demo(Network.build([12, 3]))
    expect(page.get_by_text("a drawing cannot be put into that shape")).to_be_visible()
    expect(page.locator("#pad")).to_be_hidden()
    assert 3 == page.locator("#units canvas").count()


def test_the_demo_of_the_network_in_hand_is_downloaded_and_answers(visit, open_demo, tmp_path):
    page = visit("/models")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download this demo").click()
    file = tmp_path / "downloaded.html"
    download.value.save_as(file)
    assert "drawing-network.html" == download.value.suggested_filename
    own = page.context.new_page()
    own.goto(file.as_uri())
    expect(own.get_by_role("heading", name="Drawing network")).to_be_visible()
    own.close()


def test_the_page_refuses_what_the_engine_refuses(open_demo):
    page = open_demo(nnengine.shipped("original"))
    noise = np.random.default_rng(1).integers(0, 256, (10, 28, 28), np.uint8)
    images = np.concatenate([synthetic.digits(40, seed=9).images, noise])
    found = page.evaluate(STRANGE, base64.b64encode(images.tobytes()).decode())
    # Far above the line, beyond e^37 to one, the page's share is 1 and its odds have no end.
    ours, theirs = np.minimum(novelty.strangeness(images), 30), np.minimum(found, 30)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    draw(page, SEVEN)
    expect(page.locator("#answer")).not_to_contain_text("none of my digits")
    for at in (0.15, 0.3, 0.45, 0.6, 0.75):
        draw(page, [(at, 0.1), (0.9 - at, 0.9)])
        draw(page, [(0.1, at), (0.9, 0.9 - at)])
    expect(page.locator("#answer")).to_contain_text("This looks like none of my digits")
    expect(page.locator("#answer")).to_contain_text("Made to choose, it says ")
