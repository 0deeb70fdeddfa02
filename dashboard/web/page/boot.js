// Boot: fetches what the app needs and says how far that is, starts Python, and steps aside.
"use strict";
(() => {
  const site = JSON.parse(document.getElementById("site").textContent);
  const home = new URL("./", location.href);
  const opening = document.getElementById("opening");
  const bar = opening.querySelector(".bar");
  const say = (id, text) => { document.getElementById(id).textContent = text; };
  const STEPS = 0.6; // of the bar belong to fetching, the rest to starting Python
  // What stlite tells while it starts, as visitors understand it, and how far that is.
  const STAGES = {
    "Loading Pyodide.": ["Starting Python", 0.62],
    "Mounting files.": ["Starting Python", 0.72],
    "Installing packages.": ["Unpacking packages", 0.75],
    "Loading streamlit package.": ["Starting the app", 0.85],
    "Booting up the Streamlit server.": ["Starting the app", 0.92],
  };

  function show(share) {
    document.getElementById("done").style.width = `${(100 * share).toFixed(1)}%`;
    bar.setAttribute("aria-valuenow", Math.round(100 * share));
  }

  function fail(what, why, again = true) {
    bar.hidden = true;
    say("stage", what);
    document.getElementById("stage").className = "fault";
    say("detail", why);
    if (!again || opening.querySelector("button")) return;
    const button = document.createElement("button");
    button.textContent = "Try again";
    button.onclick = () => location.reload();
    document.getElementById("detail").after(button);
  }

  // A module with one exception tag and one i64 -> what Python's own module is built with.
  const SAMPLE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
    10, 8, 1, 6, 0, 6, 64, 25, 11, 11]);

  function missing() {
    if (location.protocol === "file:")
      return "It was opened as a file. Put the folder on a web host, or serve it on this machine: " +
        "python -m http.server --bind 127.0.0.1";
    const lacks = [
      ["WebAssembly", typeof WebAssembly === "object"],
      ["workers", typeof Worker === "function"],
      ["64-bit numbers", typeof BigInt64Array === "function"],
      ["streams", typeof ReadableStream === "function"],
      ["WebAssembly exceptions", typeof WebAssembly === "object" && WebAssembly.validate(SAMPLE)],
    ].filter(([, there]) => !there).map(([name]) => name);
    return lacks.length && `It lacks ${lacks.join(", ")}. Chrome, Edge, Firefox and Safari have ` +
      "had them for some years: update yours, or open this page in another. In Safari's Lockdown " +
      "Mode they are switched off.";
  }

  const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

  // Everything is asked for at once, which a browser does six at a time; what has come stays in
  // its cache, where the worker finds it. Bytes are counted as they arrive.
  async function fetchAll() {
    const total = site.fetches.reduce((sum, [, size]) => sum + size, 0);
    const under = new Set();
    let done = 0;
    const one = async ([path, size]) => {
      const name = path.split("/").pop().split("?")[0];
      under.add(name);
      let came = 0;
      const response = await fetch(new URL(path, home), { credentials: "same-origin" });
      if (!response.ok) throw new Error(`${name}: the host answered ${response.status}`);
      const reader = response.body.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        came += part.value.length;
        done += part.value.length;
        tell();
      }
      done += size - came;
      under.delete(name);
    };
    const tell = () => {
      show(STEPS * Math.min(done / total, 1));
      say("stage", "Fetching");
      const [name] = under;
      say("detail", `${megabytes(done)} of ${megabytes(total)} MB${name ? ` · ${name}` : ""}`);
    };
    const tried = async (item) => { try { await one(item); } catch { await one(item); } };
    await Promise.all(site.fetches.map(tried));
  }

  // What this browser has kept of earlier visits. One page at a time keeps: two would overwrite
  // each other. A page that is loaded anew waits a moment for the one it follows.
  const database = `nnengine ${home.pathname}`;

  async function isTheOnlyOne() {
    if (!navigator.locks) return true;
    let held;
    const got = new Promise((resolve) => { held = resolve; });
    const signal = AbortSignal.timeout ? AbortSignal.timeout(3000) : undefined;
    const options = signal ? { signal } : { ifAvailable: true };
    navigator.locks.request(database, options, (lock) => {
      held(Boolean(lock));
      return lock && new Promise(() => {}); // for as long as the page is there
    }).catch(() => held(false));
    return got;
  }

  const answered = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error || new Error("blocked"));
  });

  async function readKept() {
    const kept = { records: [], fault: null };
    if (!(await isTheOnlyOne()))
      return { ...kept, fault: "the app is open in another tab, which keeps what is done there" };
    try {
      const opened = indexedDB.open(database, 1);
      opened.onupgradeneeded = () => opened.result.createObjectStore("kept");
      const found = await Promise.race([answered(opened), new Promise((_, reject) =>
        setTimeout(() => reject(new Error("no answer")), 5000))]);
      const shelf = found.transaction("kept").objectStore("kept");
      const [keys, values] = await Promise.all([
        answered(shelf.getAllKeys()), answered(shelf.getAll())]);
      found.close();
      kept.records = keys.map((key, i) => [String(key), values[i]])
        .filter(([, value]) => value instanceof Uint8Array);
    } catch {
      kept.fault = "it gives this page no storage, as in private windows";
    }
    return kept;
  }

  // The app finds as files what the page knows: where it is, and what was kept.
  function asFiles({ records, fault }) {
    const files = {};
    const kept = records.map(([key, data], i) => {
      files[`kept/${i}`] = { data };
      return [key, `kept/${i}`];
    });
    const told = { home: home.href, hosts: site.data, database, kept, fault };
    files["site.json"] = { data: JSON.stringify(told) };
    return files;
  }

  // What was asked for when a static host had no such page; see 404.html.
  function asked() {
    let page = "";
    try {
      page = sessionStorage.getItem("nnengine.page") || "";
      sessionStorage.removeItem("nnengine.page");
    } catch {}
    return page || location.search + location.hash;
  }

  async function start(kept) {
    const page = asked();
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("stlite.css", new URL(site.stlite, home)).href;
    document.head.prepend(style);
    const { mount } = await import(new URL("stlite.js", new URL(site.stlite, home)).href);
    const controller = mount({
      entrypoint: "dashboard/app.py",
      files: asFiles(kept),
      archives: [{ url: new URL(site.app, home).href, format: "zip", options: {} }],
      prebuiltPackageNames: site.packages.map((name) =>
        name.includes("/") ? new URL(name, home).href : name),
      pyodideUrl: site.pyodide ? new URL(site.pyodide, home).href : undefined,
      disableProgressToasts: true,
      // Looking after a page that brought modules whether any source has changed took 0.25 s.
      streamlitConfig: { "server.fileWatcherType": "none" },
    }, document.getElementById("root"));
    // stlite took the page's path as its own; only now may the address name a page.
    if (page) history.replaceState(null, "", new URL(page, home));
    const kernel = controller._kernel;
    bringDownloads(kernel);
    kernel.addEventListener("loadProgress", ({ detail }) => {
      const [words, share] = STAGES[detail] || [];
      if (!words) return;
      say("stage", words);
      say("detail", "");
      show(share);
    });
    kernel.addEventListener("loadError", ({ detail }) =>
      fail("The app could not be started", String(detail && detail.message || detail)));
    await drawn();
    opening.remove();
    prepare();
  }

  // What the elements of other pages need is fetched and read while nobody waits, one piece at a
  // time: asked for when such a page is first opened, each would come a round trip after it.
  async function prepare() {
    const idle = window.requestIdleCallback || ((then) => setTimeout(then, 200));
    for (const name of site.elements) {
      await new Promise((then) => idle(then));
      await import(new URL(name, new URL(site.stlite, home)).href).catch(() => {}); // asked for again
    }
  }

  // A download that is made only when asked for gets an address that leads nowhere: what is meant
  // lies in the worker. The check beforehand and the link are both sent there.
  function bringDownloads(kernel) {
    const nowhere = "https://stlite.invalid/";
    const ask = (url) => kernel.sendHttpRequest(
      { method: "GET", path: url.slice(url.indexOf("/media/")), headers: {}, body: "" });
    const fetched = window.fetch;
    window.fetch = async (what, options) => {
      const url = String((what && what.url) || what);
      if (!url.startsWith(nowhere)) return fetched(what, options);
      const { statusCode, headers, body } = await ask(url);
      return new Response(body, { status: statusCode, headers });
    };
    const click = HTMLAnchorElement.prototype.click;
    HTMLAnchorElement.prototype.click = function () {
      if (!this.href.startsWith(nowhere)) return click.call(this);
      ask(this.href).then(({ headers, body }) => {
        const said = headers.get("Content-Disposition") || "";
        const [, coded] = said.match(/filename\*=UTF-8''([^;]+)/i) || [];
        const [, plain] = said.match(/filename="?([^";]+)"?/i) || [];
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([body], { type: headers.get("Content-Type") }));
        link.download = coded ? decodeURIComponent(coded) : plain || "download";
        click.call(link);
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      });
    };
  }

  // The first page is there when it has a heading, or says what went wrong.
  function drawn() {
    return new Promise((resolve) => {
      const look = () => document.querySelector(
        '#root .stMain h1, #root [data-testid="stException"]') && (watcher.disconnect(), resolve());
      const watcher = new MutationObserver(look);
      watcher.observe(document.getElementById("root"), { childList: true, subtree: true });
      look();
    });
  }

  const why = missing();
  if (why) return fail("This browser cannot run the app", why, false);
  const kept = readKept();
  const fetched = fetchAll().catch((error) => { throw { fetching: error }; });
  Promise.all([kept, fetched]).then(([found]) => start(found)).catch((error) => {
    const lost = error && error.fetching;
    if (lost) fail("A part of the app could not be fetched", `${lost.message}. Is the network there?`);
    else fail("The app could not be started", String(error && error.message || error));
  });
})();
