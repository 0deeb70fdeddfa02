"""Strokes: digits as shares of a sheet's sides, and a mouse that draws them."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Locator

Stroke = list[tuple[float, float]]
# As Firefox's resistFingerprinting has it: whoever asks what is on a canvas is told stripes.
FALSIFIES = """(() => {
  const stripes = (data) => data.forEach((_, i) => {
    data[i] = i % 4 === 3 ? 255 : (i * 73) % 251;
  });
  const read = CanvasRenderingContext2D.prototype.getImageData;
  CanvasRenderingContext2D.prototype.getImageData = function (...where) {
    const found = read.apply(this, where);
    stripes(found.data);
    return found;
  };
  const told = HTMLCanvasElement.prototype.toDataURL;
  HTMLCanvasElement.prototype.toDataURL = function (...how) {
    const other = document.createElement("canvas"), pen = other.getContext("2d");
    [other.width, other.height] = [this.width, this.height];
    const found = pen.createImageData(this.width, this.height);
    stripes(found.data);
    pen.putImageData(found, 0, 0);
    return told.apply(other, how);
  };
})()"""
SEVEN: Stroke = [(0.28, 0.2), (0.72, 0.2), (0.42, 0.85)]
ODD: Stroke = [(0.3, 0.25), (0.65, 0.2), (0.5, 0.5), (0.75, 0.5), (0.35, 0.5), (0.45, 0.85)]


def places(box: Sequence[float], stroke: Stroke) -> list[tuple[float, float]]:
    """Return where a stroke goes on a sheet whose box is (left, top, width, height), in pixels."""
    left, top, width, height = box
    return [(left + x * width, top + y * height) for x, y in stroke]


def places_on(sheet: Locator, stroke: Stroke) -> list[tuple[float, float]]:
    """Return where a stroke goes on a sheet in the page, in pixels of the window."""
    box = sheet.bounding_box()
    return places([box[side] for side in ("x", "y", "width", "height")], stroke)


def draw_on(sheet: Locator, stroke: Stroke) -> None:
    """Draw a stroke with the mouse."""
    mouse, (first, *others) = sheet.page.mouse, places_on(sheet, stroke)
    mouse.move(*first)
    mouse.down()
    for place in others:
        mouse.move(*place, steps=8)
    mouse.up()
