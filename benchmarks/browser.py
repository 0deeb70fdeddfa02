"""Browser: training in a tab, beside one core of this machine, NumPy in the tab and TensorFlow.js.

    python benchmarks/browser.py [--json FILE] [--only engine] [--data FOLDER]

An epoch of 784-128-10 on MNIST's 60,000 images, batches of 128, Adam; and an iteration of the
original's full batch, 784-10-10. Steps alone are timed. The tab is Chromium's, with Pyodide; the
machine's core runs the same lines with the same kernels. TensorFlow.js comes from npm and is timed
over fewer steps, which stand for the rest. Needs Chromium, playwright, npm, and what
`python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import machine  # noqa: E402

from dashboard.web import build, gather, pieces, serve, wheels  # noqa: E402
from nnengine import read_idx  # noqa: E402
from nnengine.kernels.wasm import ahead_of_time  # noqa: E402
from tests.browser.conftest import FLAGS, find_browser  # noqa: E402
from tests.conftest import find_data  # noqa: E402

TENSORFLOW = {
    "@tensorflow/tfjs@4.22.0": ["tf.min.js"],
    "@tensorflow/tfjs-backend-wasm@4.22.0": [
        "tf-backend-wasm.min.js",
        "tfjs-backend-wasm-simd.wasm",
        "tfjs-backend-wasm.wasm",
    ],
}
PAGE = """<!doctype html><meta charset="utf-8"><title>Browser benchmark</title>
<script src="tensorflow/tf.min.js"></script>
<script src="tensorflow/tf-backend-wasm.min.js"></script>
<script src="browser_peer.js"></script><p>Measuring.</p>"""
START = """async () => {
  const { loadPyodide } = await import("./pyodide/pyodide.mjs");
  const py = window.py = await loadPyodide();
  await py.loadPackage("numpy");
  py.unpackArchive(await (await fetch("app.zip")).arrayBuffer(), "zip");
  for (const name of ["train-images", "train-labels"]) py.FS.writeFile(name, await bytes(name));
  return py.runPython(`
import numpy as np
from browser_tasks import measure
from nnengine import kernels
images = np.fromfile("train-images", np.uint8).reshape(60000, 28, 28)
labels = np.fromfile("train-labels", np.uint8)
f"{kernels.name}: {kernels.reason}"`);
}"""
NATIVE = """
import json, sys
sys.path[:0] = {paths}
from browser_tasks import measure
from nnengine import read_idx
images, labels = (read_idx(path) for path in {files})
print(json.dumps([measure(images, labels, "numba", *task) for task in {tasks}]))
"""
# Task, rounds, iterations of a full batch.
OURS = [("mini", 5, 0), ("full", 3, 24)]
NUMPY = [("mini", 1, 0), ("full", 1, 3)]
PEERS = [("wasm", {"mini": 60, "full": 4}), ("cpu", {"mini": 6, "full": 1})]


def tensorflow(folder: Path) -> None:
    """Put what pages load of TensorFlow.js into a folder, from npm once a machine."""
    kept = gather.cache().with_name("tensorflow-4.22.0")
    if not kept.is_dir():
        with tempfile.TemporaryDirectory(dir=kept.parent) as place:
            made = Path(place) / "made"
            made.mkdir()
            for package, files in TENSORFLOW.items():
                with gather.npm(Path(place), package) as archive:
                    for name in files:
                        raw = archive.extractfile(f"package/dist/{name}").read()
                        (made / name).write_bytes(raw)
            made.rename(kept)
    shutil.copytree(kept, folder)


def site(folder: Path, data: list[Path]) -> None:
    """Make the folder that Chromium is served: Pyodide, the engine, the data, the peer."""
    ahead_of_time.make()
    gathered = gather.gather(gather.cache(), print)
    (folder / "pyodide").mkdir()
    for name in (*pieces.CORE, *(name for name in pieces.COMPILED if name.startswith("numpy"))):
        shutil.copy(gathered / "pyodide" / name, folder / "pyodide" / name)
    own = {k: v for k, v in build.sources().items() if k.startswith("nnengine/")}
    tasks = HERE / "browser_tasks.py"
    (folder / "app.zip").write_bytes(wheels.zipped({**own, tasks.name: tasks.read_bytes()}))
    (folder / "data").mkdir()
    for name, file in zip(("train-images", "train-labels"), data, strict=True):
        read_idx(file).tofile(folder / "data" / name)
    shutil.copy(HERE / "browser_peer.js", folder)
    (folder / "index.html").write_text(PAGE)


def native(data: list[Path]) -> list[dict]:
    """Return what one core of this machine takes, in a process of its own."""
    code = NATIVE.format(
        paths=[str(HERE.parent), str(HERE)], files=list(map(str, data)), tasks=OURS
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "NNENGINE_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return json.loads(done.stdout)


def in_tab(page: Page, back_end: str, tasks: list) -> list[dict]:
    """Return what a back end takes in the tab."""
    code = f"""
import json
json.dumps([measure(images, labels, "{back_end}", *task) for task in {tasks}])"""
    return json.loads(page.evaluate("(code) => py.runPython(code)", code))


def measured(page: Page, data: list[Path], engine_only: bool) -> dict[str, list[dict]]:
    """Return seconds of an epoch and of an iteration, by who takes them."""
    found = {"native": native(data)}
    print(page.evaluate(START))
    found["wasm"] = in_tab(page, "wasm", OURS)
    found["numpy"] = in_tab(page, "numpy", NUMPY)
    for back_end, steps in () if engine_only else PEERS:
        ask = f"([task, count]) => peer('{back_end}', task, count)"
        found[f"tensorflow-{back_end}"] = [page.evaluate(ask, list(s)) for s in steps.items()]
    return found


NAMES = {
    "native": "nnengine, numba, one core, no browser",
    "wasm": "nnengine, WebAssembly",
    "numpy": "nnengine, NumPy in Pyodide",
    "tensorflow-wasm": "TensorFlow.js 4.22, WASM",
    "tensorflow-cpu": "TensorFlow.js 4.22, CPU",
}


def table(found: dict[str, list[dict]]) -> str:
    """Return the figures as a table in Markdown; how many times as long as our kernels in a tab."""
    lines = ["| who | epoch, batch 128 | times ours | full-batch iteration | times ours |"]
    lines.append("| --- | --- | --- | --- | --- |")
    ours = [result["seconds"] for result in found["wasm"]]
    for name, (mini, full) in found.items():
        ratios = [r["seconds"] / mine for r, mine in zip((mini, full), ours, strict=True)]
        lines.append(
            f"| {NAMES[name]} | {mini['seconds']:.3f} s | {ratios[0]:.2f} "
            f"| {full['seconds'] * 1000:.1f} ms | {ratios[1]:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--only", choices=["engine"], help="leave TensorFlow.js out")
    parser.add_argument("--data", type=Path, default=find_data(), help="a folder with mnist/*.gz")
    given = parser.parse_args()
    if given.data is None:
        parser.error("no MNIST: name a folder that holds mnist/*.gz with --data")
    kinds = ("images-idx3", "labels-idx1")
    data = [given.data / "mnist" / f"train-{kind}-ubyte.gz" for kind in kinds]
    facts = machine.facts()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        site(folder, data)
        tensorflow(folder / "tensorflow")
        with serve.server(folder) as host:
            threading.Thread(target=host.serve_forever, daemon=True).start()
            chromium = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            page = chromium.new_page()
            page.goto(f"http://127.0.0.1:{host.server_port}/index.html")
            facts["browser"] = chromium.version
            found = measured(page, data, given.only == "engine")
            chromium.close()
            host.shutdown()
    facts["load_after"] = machine.load()
    print(f"Chromium {facts['browser']}; {machine.in_words(facts)}\n\n{table(found)}")
    if given.json:
        given.json.write_text(json.dumps({"machine": facts, "seconds": found}, indent=1))


if __name__ == "__main__":
    main()
