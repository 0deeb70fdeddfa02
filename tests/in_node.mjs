// Runs pytest in Pyodide: node in_node.mjs PYODIDE ROOT PACKAGES [pytest's arguments]
const [pyodide, root, packages, ...given] = process.argv.slice(2);
const { loadPyodide } = await import(`${pyodide}/pyodide.mjs`);

const py = await loadPyodide({ packageCacheDir: pyodide });
await py.loadPackage("numpy", { messageCallback() {} });
for (const folder of [root, packages]) {
  py.FS.mkdirTree(folder);
  py.FS.mount(py.FS.filesystems.NODEFS, { root: folder }, folder);
}
py.globals.set("folders", py.toPy([root, packages]));
py.globals.set("given", py.toPy(given));
py.globals.set("long", "NNENGINE_LONG" in process.env);
process.exitCode = py.runPython(`
import os, sys
sys.path[:0] = folders
sys.dont_write_bytecode = True
if long:
    os.environ["NNENGINE_LONG"] = "1"
os.chdir(folders[0])
import pytest
int(pytest.main(given))
`);
