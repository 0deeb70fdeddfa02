"""The first five minutes by keyboard alone: a digit, a network of one's own, one pixel's way."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

import nnengine
from dashboard.present.follow import number
from nnengine.analysis import explainback
from nnengine.analysis.explain import trace
from nnengine.data import catalogue
from tests.browser.conftest import OPENED_S, note_console, note_foreign, settle
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import answered, draw
from tests.browser.test_walk import go

PATIENCE_MS = 90_000  # a run on a busy machine, in a tab
MOST_STOPS = 60  # of the Tab key, from one thing to the next that somebody wants
# What has the focus, wherever it lies: what it is to a screen reader, and what it says.
FOCUSED = """() => {
  let e = document.activeElement;
  while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  const role = e.getAttribute("role") || e.tagName.toLowerCase();
  return { role, name: e.getAttribute("aria-label") || e.innerText || e.value || "",
           said: e.getAttribute("aria-valuetext") || e.value || "" };
}"""


@pytest.fixture(params=["server", "site"])
def page(request, lonely) -> Iterator[Page]:
    """A new visitor's page on either host; a test that ends with a fault of it has failed."""
    address = request.getfixturevalue(request.param)
    context = lonely.new_context(viewport={"width": 1280, "height": 900})
    page, faults = context.new_page(), []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.faults = faults
    page.on("console", lambda line: note_console(page, line.text))
    page.on("request", lambda asked: note_foreign(page, asked.url, address))
    page.goto(f"{address}/")
    title = page.get_by_role("heading", name=re.compile("^Draw a digit"))
    expect(title).to_be_visible(timeout=OPENED_S * 1000)
    settle(page)
    yield page
    assert 0 == page.get_by_test_id("stException").count()
    context.close()
    assert [] == faults


def focused(page: Page) -> str:
    """Return role and name of what has the focus, in one line."""
    found = page.evaluate(FOCUSED)
    return f"{found['role']} {' '.join(found['name'].split())}"


def said(page: Page) -> str:
    """Return the value that what has the focus says, in words."""
    return page.evaluate(FOCUSED)["said"]


def tab_to(page: Page, wanted: str, key: str = "Tab") -> None:
    """Press Tab until what has the focus is what is wanted, as `focused` says it."""
    passed = []
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        passed.append(focused(page))
        if re.search(wanted, passed[-1]):
            return
    pytest.fail(f"the Tab key does not come to {wanted!r}: {passed}")


def press(page: Page, *keys: str) -> None:
    """Press keys where the focus is, which is to be there still when the page has answered."""
    held = focused(page)
    for key in keys:
        page.keyboard.press(key)
    settle(page, pause_ms=700)  # what moves is told to the page when it has come to rest
    assert held == focused(page)


def leads(page: Page, wanted: str, to: str) -> None:
    """Go to a link or button by the Tab key, and by Enter to the page that it leads to."""
    tab_to(page, wanted)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=to, exact=True)).to_be_visible()
    settle(page)


def opens(page: Page, name: str) -> str:
    """Go to a number by the Tab key, open it with Enter, and return what it then says."""
    tab_to(page, f"^summary {name}")
    press(page, "Enter")
    shown = page.evaluate("document.activeElement.parentElement.innerText")
    assert ".py:" in shown  # the line of the engine that computes it
    return " ".join(shown.split())


def place(page: Page) -> dict[str, int]:
    """Return where on its way the page is, as its address says."""
    found = re.findall(r"(image|pixel|layer|unit|label)=(\d+)", page.url)
    return {name: int(value) for name, value in found}


def network_in_hand(page: Page, folder) -> nnengine.Network:
    """Return the network that the page shows, by way of its own download."""
    go(page, "Models")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download .nnm").click()
    download.value.save_as(folder / "mine.nnm")
    return nnengine.load(folder / "mine.nnm")


def test_from_a_drawn_digit_to_a_gradient_no_mouse_is_needed_after_the_drawing(page, tmp_path):
    draw(page, SEVEN)
    answered(page, "7")
    expect(page.locator(".nn-scenes-stage section.on h2")).to_contain_text("Your digit")
    settle(page)
    heard = page.locator(".nn-heard")
    for n, title in enumerate(("One unit of 400", "All units answer", "It answers 7, and"), 2):
        page.keyboard.press("ArrowRight")
        expect(heard).to_contain_text(f"{n} of 4: {title}")

    leads(page, "^button .*Train on the built-in digits", "Train")
    tab_to(page, "^button Start training")
    page.keyboard.press("Enter")
    finished = page.get_by_role("status").filter(has_text="Finished")
    expect(finished.first).to_be_visible(timeout=PATIENCE_MS)
    settle(page, pause_ms=1000)
    assert "button Start training" == focused(page)  # not lost to what was drawn meanwhile

    leads(page, "^a Follow", "Follow")
    tab_to(page, "^radio Images")
    page.keyboard.press("ArrowRight")
    press(page, "Space")
    assert "radio Misread ones" == focused(page)
    tab_to(page, "^combobox Image")
    misread = re.fullmatch(r"([\d,]+): is (\d), answered (\d)", said(page))
    assert misread and int(misread[1].replace(",", "")) == place(page)["image"]

    tab_to(page, "^slider Pixel")
    press(page, "ArrowDown", "ArrowDown", "ArrowRight")
    pixel = said(page)
    forwards = {"x": opens(page, "x, row")}
    tab_to(page, "^slider Unit")
    press(page, "ArrowRight", "ArrowRight")
    unit = said(page)
    forwards |= {name: opens(page, name) for name in ("z", "answer a", "probability of")}
    forwards["loss"] = opens(page, "loss")
    backwards = {name: opens(page, name) for name in ("delta of the sum", "gradient of the weight")}
    tab_to(page, "^combobox Optimizer")
    tab_to(page, "^input Learning rate$")
    page.keyboard.press("Control+a")
    page.keyboard.type("0.05")
    press(page, "Enter")
    corrected = number(0.05 * (1 - 0.999) ** 0.5 / (1 - 0.9))  # as Adam's first step has it
    page.locator("details", has_text=f"rate {corrected}").wait_for(state="attached")
    backwards["step"] = opens(page, "weight behind the step")
    at = place(page)

    network, (_, digits) = network_in_hand(page, tmp_path), catalogue.load("digits")
    image, label = digits.images[at["image"]], int(digits.labels[at["image"]])
    way = trace(network, image)
    back, terms = explainback.back(way, label), way.unit(at["layer"], at["unit"])
    row, column = divmod(at["pixel"], 28)
    assert f"Row {row}, column {column}: byte {image[row, column]}" == pixel
    assert number(terms.answer) == unit.split(": ")[1]
    softmax = way.softmax(label)
    assert (str(label), str(int(softmax.probabilities.argmax()))) == (misread[2], misread[3])
    shown = number(float(way.inputs[at["pixel"]]))
    assert forwards["x"].startswith(f"x, row {row}, column {column} = {shown} ")
    assert forwards["z"].startswith(f"z = {number(terms.total)} ")
    assert forwards["answer a"].startswith(f"answer a = {number(terms.answer)} ")
    best = number(float(softmax.probabilities.max()))
    assert forwards["probability of"].startswith(f"probability of {misread[3]} = {best} ")
    assert forwards["loss"].startswith(f"loss = {number(softmax.loss)} ")
    delta = number(back.unit(at["layer"], at["unit"]).delta)
    assert f"dL/dz = {delta} " in backwards["delta of the sum"]
    inside = at["pixel"] * network.layers[0].weights.shape[1] + at["unit"]
    chosen = explainback.number_of(network, 0, "weights", inside)
    gradient = number(float(back.gradient[chosen]))
    assert f" = {gradient} " in backwards["gradient of the weight"]
    moved = explainback.step(back, "adam", 0.05)  # as the quick recipe has it
    assert f"step = {number(float(moved.after[chosen]))} " in backwards["step"]
