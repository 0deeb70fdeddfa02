"""Hostile names, harmless in themselves: what would become something else if a page let it."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from PIL import Image

from nnengine import Network

# Each names what it would make: a host under .example that nobody has, a colour, a formula.
TEXTS = (
    "![p](https://picture.example/p.png)",
    "[l](https://link.example/)",
    "https://address.example/x",
    "www.address.example",
    "mail@address.example",
    "<a href='https://tag.example'>t</a>",
    "<img src='https://tag.example/i.png'>",
    "&#104;ttps&#58;//entity.example",
    ":material/home: :tada: :streamlit:",
    ":red[warning] :blue-badge[b]",
    "$\\alpha^2$ $$x$$",
    "`code` **bold** ~~gone~~",
    "one\n\n# two\n\n    three",
    "left\u202egnp.\u05d0\u05d1",
    "%{y} &lt;b&gt; a -> b",
    "long" * 100,
    "control\x1b[31m and lost\udc80",
)
# As parts of a zip's paths: without slashes, and letters that a zip can hold.
CLASSES = ("www.address.example", "mail@address.example", ":red[c]", "<b>c<b>", "$c$ `c` **c**")
ALL = " ".join(TEXTS)
WRITTEN = ALL.encode("utf-8", "replace").decode()  # as a file or a browser can hold it
MAKING = tuple(text for text in TEXTS if not text.startswith("long"))  # something, if let


def network(names=TEXTS, said: str = ALL) -> Network:
    """Return a small untrained network of images of 28 pixels a side whose classes are called so,
    with a record that says such things as well."""
    made = Network.build([784, 6, len(names)], rng=1, class_names=names, image_shape=(28, 28))
    note = {"outcome": said[:200], "steps": 3, "config": {"remark": said}, "kernels": TEXTS[0]}
    made.training = (note,)
    return made


def pictures() -> bytes:
    """Return a zip of folders of pictures, a class each."""
    out = io.BytesIO()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(out, "w") as archive:
        for place, name in enumerate(CLASSES):
            for number in range(12):
                image = rng.integers(0, 60, (28, 28)).astype(np.uint8)
                image[4 * place : 4 * place + 5, 4:24] += 150
                png = io.BytesIO()
                Image.fromarray(image).save(png, "PNG")
                archive.writestr(f"{name}/{number}.png", png.getvalue())
    return out.getvalue()
