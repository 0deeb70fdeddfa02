"""Checking: what a check of the probe costs in Pyodide, part by part, without a page around it.

    python benchmarks/checking.py

Seconds of the processor in Node, which a busy machine changes little, each part in the order in
which a tab comes to it; the second time what is remembered is there. Needs Node, and the pieces
that `python -m dashboard.web gather` fetches. A page around it: `python benchmarks/tab.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dashboard.web import gather  # noqa: E402

IN_NODE = """
const [pyodide, root] = process.argv.slice(1);
const { loadPyodide } = await import(`${pyodide}/pyodide.mjs`);
const py = await loadPyodide({ packageCacheDir: pyodide });
await py.loadPackage("numpy", { messageCallback() {} });
py.FS.mkdirTree(root);
py.FS.mount(py.FS.filesystems.NODEFS, { root }, root);
py.globals.set("root", root);
py.globals.set("spent", () => { const { user, system } = process.cpuUsage();
                                return (user + system) / 1e6; });
py.runPython(`import sys
sys.path.insert(0, root)
sys.dont_write_bytecode = True
from benchmarks.checking import measure
measure(spent)`);
"""


def measure(spent) -> None:
    """Print what each part takes; `spent` returns the processor's seconds until now."""

    def timed(what: str, act) -> object:
        begun = spent()
        made = act()
        print(f"  {what}: {spent() - begun:.2f} s")
        return made

    def modules() -> None:
        import nnengine.homework.lessons  # noqa: F401

    timed("modules", modules)
    from nnengine.homework import lessons, reading
    from nnengine.homework.catalogue import CATALOGUE
    from nnengine.homework.checking import check
    from nnengine.homework.formulas import Terms
    from nnengine.homework.handing import npz
    from nnengine.homework.probe import probe

    timed("probe", probe)
    (mistake,) = (m for m in CATALOGUE if m.name == "softmax_over_images")
    right, wrong, unknown = lessons.broken(), lessons.broken([mistake]), lessons.broken()
    unknown["dW2"] = unknown["dW2"] * 3.7
    data = npz(right)
    for time in ("first", "again"):
        timed(f"file read, {time}", lambda: reading.read(data, "mine.npz"))
        timed(f"right step, {time}", lambda: check(right))
        timed(f"known mistake, {time}", lambda: check(wrong))
        timed(
            f"trained with it and without, {time}", lambda: lessons.effect_of((mistake,), Terms())
        )
        timed(f"unknown mistake, {time}", lambda: check(unknown))


def main() -> None:
    """Measure in Node."""
    pyodide = gather.gather(gather.cache(), print) / "pyodide"
    command = ["node", "--input-type=module", "-e", IN_NODE, str(pyodide), str(ROOT)]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
