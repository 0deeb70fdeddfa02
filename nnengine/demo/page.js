// Page: the sheet, the answer, the curves and the weights.
(() => {
  const $ = (id) => document.getElementById(id);
  const given = JSON.parse($("network").textContent);
  const bytes = Uint8Array.from(atob(given.theta), (c) => c.charCodeAt(0));
  const network = engine.network(given, bytes);
  const guard = given.guard && engine.network(given.guard,
    Uint8Array.from(atob(given.guard.theta), (c) => c.charCodeAt(0)));
  const [height, width] = given.shape, names = given.names;
  const depth = network.layers[0].before[2]; // 3 of who looks at colours; a drawing is grey
  const PEN = 18, STEP = 7, MOST_BARS = 12, MOST_TILES = 60;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function make(tag, text = "", className = "") {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }
  function percent(share) {
    if (share >= 0.995 && share < 1) return "> 99 %";
    if (share > 0 && share < 0.005) return "< 1 %";
    return `${Math.round(100 * share)} %`;
  }

  // The sheet ----------------------------------------------------------------------------

  const pad = $("pad"), sheet = document.createElement("canvas");
  sheet.width = sheet.height = pad.width;
  const ink = sheet.getContext("2d", { willReadFrequently: true }), shown = pad.getContext("2d");
  let strokes = [], current = null, cursor = null, asked = false;

  function paint() {
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, sheet.width, sheet.height);
    Object.assign(ink, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    for (const stroke of strokes) {
      ink.beginPath();
      ink.moveTo(...stroke[0]);
      for (const point of stroke.slice(1)) ink.lineTo(...point);
      const [x, y] = stroke[stroke.length - 1];
      ink.lineTo(x + 0.01, y); // a line without any length is not drawn: a dot would be lost
      ink.stroke();
    }
    shown.drawImage(sheet, 0, 0);
    if (cursor) {
      shown.strokeStyle = current ? "#6cc7c2" : "#fff";
      shown.lineWidth = 2;
      shown.beginPath();
      shown.arc(...cursor, PEN / 2 + 2, 0, 7);
      shown.stroke();
    }
    $("undo").disabled = $("clear").disabled = !strokes.length;
    if (!asked) { asked = true; requestAnimationFrame(ask); }
  }

  function begin(point) { current = [point]; strokes.push(current); paint(); }
  function go(point) { current.push(point); paint(); }
  function clear() { strokes = []; current = null; paint(); }
  function undo() { strokes.pop(); current = null; paint(); }

  function place(event) {
    const box = pad.getBoundingClientRect(), scale = pad.width / pad.clientWidth;
    return [(event.clientX - box.left - pad.clientLeft) * scale,
      (event.clientY - box.top - pad.clientTop) * scale];
  }
  pad.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    pad.setPointerCapture(event.pointerId);
    cursor = null;
    begin(place(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (!current || cursor || !event.isPrimary) return;
    const missed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    (missed.length ? missed : [event]).forEach((one) => current.push(place(one)));
    paint();
  });
  for (const end of ["pointerup", "pointercancel"])
    pad.addEventListener(end, () => { if (!cursor) { current = null; paint(); } });

  pad.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (way) {
      const step = event.shiftKey ? 3 * STEP : STEP;
      cursor = (cursor || [140, 140]).map((v, i) => Math.min(Math.max(v + step * way[i], 0), 280));
      current ? go(cursor) : paint();
    } else if (event.key === " ") {
      cursor = cursor || [140, 140];
      if (current) { current = null; paint(); } else begin(cursor);
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
    else return;
    event.preventDefault();
  });
  pad.addEventListener("focus", () => {
    if (pad.matches(":focus-visible") && !current) { cursor = cursor || [140, 140]; paint(); }
  });
  pad.addEventListener("blur", () => { cursor = current = null; paint(); });
  $("clear").onclick = clear;
  $("undo").onclick = undo;

  // The answer ---------------------------------------------------------------------------

  // What is on the sheet. Firefox that resists fingerprinting tells stripes of a canvas: where what it
  // tells is not what was drawn, the strokes are drawn here, by how far pixels lie within them.
  function told() {
    const { data } = ink.getImageData(0, 0, sheet.width, sheet.height);
    const found = engine.grey(data, sheet.height, sheet.width), own = covered();
    const apart = own.d.reduce((sum, v, i) => sum + Math.abs(v - found.d[i]), 0) / own.d.length;
    return apart < 12 ? found : own;
  }

  function covered() {
    const made = engine.plane(sheet.height, sheet.width), r = PEN / 2;
    for (const stroke of strokes) stroke.forEach(([x1, y1], k) => {
      const [x0, y0] = stroke[Math.max(k - 1, 0)], dx = x1 - x0, dy = y1 - y0;
      const first = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - r - 1));
      const end = (a, b, most) => Math.min(most, Math.ceil(Math.max(a, b) + r + 1));
      for (let y = first(y0, y1); y < end(y0, y1, made.h); y++)
        for (let x = first(x0, x1); x < end(x0, x1, made.w); x++) {
          const px = x + 0.5 - x0, py = y + 0.5 - y0, i = y * made.w + x;
          const t = Math.min(Math.max((px * dx + py * dy) / (dx * dx + dy * dy || 1), 0), 1);
          const cover = Math.min(r + 0.5 - Math.hypot(px - t * dx, py - t * dy), 1);
          if (255 * cover > made.d[i]) made.d[i] = Math.round(255 * cover);
        }
    });
    return made;
  }

  // The drawing, framed in 28 by 28 as the guard knows digits, and as the network sees it.
  function look() {
    const framed = engine.toImage(told());
    return [framed, framed && (height === 28 && width === 28 ? framed : engine.fit(framed, height, width))];
  }

  // Whether the guard takes it for none of the digits: by the log odds of its last class.
  function strange(framed) {
    if (!guard || !framed) return false;
    const shares = guard.answer(framed.d).pop(), none = shares[shares.length - 1];
    return Math.log(none / (1 - none)) > given.guard.line;
  }

  function ask() {
    asked = false;
    const [framed, image] = look();
    const outputs = image && network.answer(spread(image.d));
    see(image);
    say(outputs && outputs[outputs.length - 1], strange(framed));
    glow(outputs);
  }

  // The same for red, green and blue.
  const spread = (d) => (depth < 2 ? d : Float64Array.from({ length: depth * d.length }, (_, i) => d[Math.floor(i / depth)]));

  function see(image) {
    const canvas = $("seen"), pen = canvas.getContext("2d");
    canvas.width = width;
    canvas.height = height;
    pen.fillRect(0, 0, width, height);
    canvas.setAttribute("aria-label", `What the network sees: ${image
      ? `your drawing as light on dark, ${height} by ${width} pixels` : "nothing yet"}`);
    if (!image) return;
    const pixels = pen.createImageData(width, height);
    image.d.forEach((v, i) => pixels.data.set([v, v, v, 255], 4 * i));
    pen.putImageData(pixels, 0, 0);
  }

  function say(shares, none) {
    const answer = $("answer"), bars = $("bars");
    const order = names.map((_, i) => i);
    if (shares) order.sort((a, b) => shares[b] - shares[a] || a - b);
    const best = shares ? order[0] : -1;
    const listed = names.length > MOST_BARS ? order.slice(0, MOST_BARS) : names.map((_, i) => i);
    const words = shares ? `${names[best]}, ${percent(shares[best])}${none ? ", none" : ""}` : "";
    if (answer.dataset.words !== words || !answer.firstChild) {
      answer.dataset.words = words;
      answer.replaceChildren(...(shares && none
        ? [make("b", "This looks like none of my digits", "long"),
          make("span", `Made to choose, it says ${names[best]}, ${percent(shares[best])}. Of real digits, too, ` +
            `${(100 * given.guard.price).toFixed(1)} % are refused: draw it again if it is one.`)]
        : shares ? [make("b", names[best], names[best].length > 2 ? "long" : ""), make("span", percent(shares[best]))]
        : [make("span", "The sheet is blank. Draw a digit, and the answer appears here as you draw.")]));
    }
    bars.replaceChildren(...listed.map((i) => {
      const bar = make("div", "", i === best ? "bar best" : "bar"), track = make("div", "", "track");
      const fill = make("div", "", "fill");
      fill.style.width = shares ? `${(100 * shares[i]).toFixed(2)}%` : "0";
      track.append(fill);
      bar.append(make("span", names[i]), track, make("span", shares ? percent(shares[i]) : ""));
      return bar;
    }));
  }

  // The weights --------------------------------------------------------------------------

  const STOPS = {
    light: ["10305c", "2563a8", "6fa5d6", "c0d8ec", "f5f2ec", "f6d2b3", "e9995d", "c4561a", "75290a"],
    dark: ["c9e6ff", "74b5f2", "3d7fc2", "2b4a6b", "2b2824", "63402a", "b96731", "f29c58", "ffdcb8"],
  };
  function colour(share) {
    const stops = STOPS[dark.matches ? "dark" : "light"];
    const at = Math.min(Math.max((share + 1) / 2, 0), 1) * (stops.length - 1);
    const i = Math.min(Math.floor(at), stops.length - 2), rest = at - i;
    return [0, 2, 4].map((k) => {
      const [a, b] = [stops[i], stops[i + 1]].map((stop) => parseInt(stop.slice(k, k + 2), 16));
      return Math.round(a + (b - a) * rest);
    });
  }

  // 99.5 % of the weights are within it: the largest of all would leave the rest pale.
  function limit(weights) {
    const sizes = Float64Array.from(weights, Math.abs).sort();
    return sizes[Math.floor(0.995 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
  }

  function picture(canvas, values, h, w, most, shade = (i) => colour(values(i) / most)) {
    canvas.width = w;
    canvas.height = h;
    const pen = canvas.getContext("2d"), pixels = pen.createImageData(w, h);
    for (let i = 0; i < h * w; i++) pixels.data.set([...shade(i), 255], 4 * i);
    pen.putImageData(pixels, 0, 0);
  }

  const weighing = network.layers.filter((layer) => layer.weights);
  const [first] = weighing, single = weighing.length === 1, looks = first.kind === "conv";
  const unitNames = single ? names
    : Array.from({ length: first.units }, (_, i) => `${looks ? "Map" : "Unit"} ${i + 1}`);
  const drawn = [];
  let tiles = [];

  function strongest() {
    const strength = (j) => {
      let sum = 0;
      for (let i = 0; i < first.inputs; i++) sum += first.weights[i * first.units + j] ** 2;
      return sum;
    };
    const all = Array.from({ length: first.units }, (_, j) => j);
    if (all.length <= MOST_TILES) return all;
    const found = new Map(all.map((j) => [j, strength(j)]));
    return all.sort((a, b) => found.get(b) - found.get(a)).slice(0, MOST_TILES);
  }

  function showUnits() {
    const [high, wide] = looks ? first.window : first.before, deep = first.before[2];
    const weight = (i, k, j) => first.weights[(i * deep + k) * first.units + j];
    const mean = (i, j) => {
      let sum = 0;
      for (let k = 0; k < deep; k++) sum += weight(i, k, j);
      return sum / deep;
    };
    const most = limit(first.weights), labels = unitNames;
    const tinted = depth === 3 && first === network.layers[0];
    $("tinted").hidden = !tinted;
    $("plain").hidden = tinted;
    const tint = (j) => tinted ? (i) => [0, 1, 2].map((k) => 127.5 + 127.5 * weight(i, k, j) / most) : undefined;
    tiles = strongest().map((j) => {
      const tile = make("div", "", "tile"), canvas = make("canvas"), track = make("div", "", "track");
      const fill = make("div", "", "fill");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Incoming weights of ${single ? "class " : ""}${labels[j]}`);
      track.append(fill);
      tile.append(canvas, make("span", labels[j]), track);
      $("units").append(tile);
      drawn.push(() => picture(canvas, (i) => mean(i, j), high, wide, most, tint(j)));
      return { j, fill };
    });
    if (first.units > tiles.length) {
      $("more-units").hidden = false;
      $("more-units").textContent =
        `The ${tiles.length} with the strongest weights, of ${first.units.toLocaleString("en")}.`;
    }
  }

  // Of a map what counts is its strongest place.
  function glow(outputs) {
    const values = outputs ? outputs[network.layers.indexOf(first)] : [], strength = new Float64Array(first.units);
    values.forEach((v, i) => { strength[i % first.units] = Math.max(strength[i % first.units], Math.abs(v)); });
    const most = strength.reduce((a, b) => Math.max(a, b), 1e-12);
    for (const { j, fill } of tiles) fill.style.width = `${(100 * strength[j] / most).toFixed(1)}%`;
    for (const again of maps) again(outputs);
  }

  // What layers of maps make of the drawing, a picture a map.
  const maps = [];
  function showMaps() {
    network.layers.forEach(({ kind, window: [kh, kw], after: [h, w, channels] }, n) => {
      if (!["conv", "pool", "average"].includes(kind)) return;
      const figure = make("figure", "", "matrix"), row = make("div", "", "maps");
      const words = { conv: `windows of ${kh} × ${kw}`, pool: `the largest of ${kh} × ${kw}`, average: `means of ${kh} × ${kw}` };
      figure.append(make("figcaption", `Your drawing after ${words[kind]}: ${channels} maps of ${h} × ${w}`), row);
      const canvases = Array.from({ length: Math.min(channels, MOST_TILES) }, (_, j) => {
        const canvas = make("canvas");
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `Map ${j + 1} after ${words[kind]}`);
        row.append(canvas);
        return canvas;
      });
      let found = null;
      const show = () => {
        const most = found ? found.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-12) : 1;
        canvases.forEach((canvas, j) =>
          picture(canvas, (i) => (found ? found[i * channels + j] : 0), h, w, most));
      };
      maps.push((outputs) => { found = outputs && outputs[n]; show(); });
      drawn.push(show);
      $("layers").append(figure);
    });
  }

  function showLayers() {
    weighing.slice(1).forEach(({ kind, inputs, units, weights }, n) => {
      const figure = make("figure", "", "matrix"), row = make("div"), canvas = make("canvas");
      const last = n + 2 === weighing.length;
      const target = last ? "classes" : kind === "conv" ? "maps" : "units";
      const one = kind === "conv" ? "number of a window" : weighing[n].kind === "conv" ? "number" : "unit";
      const all = one.replace(/^\w+/, "$&s");
      const most = limit(weights), cell = Math.max(1, Math.min(24, Math.floor(960 / Math.max(units, inputs))));
      figure.append(make("figcaption", `Layer ${n + 2}: ${inputs} ${all} to ${units} ${target}`));
      figure.append(make("p", `A column for each ${one}, a row for each of the ${target}.`, "quiet"));
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Weights from ${inputs} ${all} to ${units} ${target}`);
      canvas.style.width = `${inputs * cell}px`;
      canvas.style.height = `${units * (last && units <= MOST_BARS ? Math.max(cell, 18) : cell)}px`;
      if (last && units <= MOST_BARS) {
        const list = make("ol");
        list.append(...names.map((name) => make("li", name)));
        row.append(list);
      }
      row.append(canvas);
      figure.append(row);
      $("layers").append(figure);
      drawn.push(() => picture(canvas,
        (i) => weights[(i % inputs) * units + Math.floor(i / inputs)], units, inputs, most));
    });
  }

  // The curves ---------------------------------------------------------------------------

  function svg(tag, attributes, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text) made.textContent = text;
    return made;
  }

  // Round values, three to five of them, between two.
  function ticks(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find((k) => k * power >= rough * 0.999);
    const [from, to] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
    return Array.from({ length: to - from + 1 }, (_, k) => (from + k) * step + 0);
  }

  function chart(metric, title) {
    const W = 480, H = 260, left = 52, right = 12, top = 10, bottom = 40, steps = given.curves.step;
    const sides = ["train", "val"].map((side) => [side, given.curves[`${side}_${metric}`]])
      .filter(([, values]) => values && values.some((v) => v !== null));
    const known = sides.flatMap(([, values]) => values.filter((v) => v !== null));
    let low = Math.min(...known), high = Math.max(...known);
    if (metric === "loss") low = 0;
    if (high - low < 1e-3) [low, high] = [low - 0.05, high + 0.05];
    if (metric === "accuracy") high = high > 0.5 ? 1 : high;
    const last = steps[steps.length - 1], from = Math.min(steps[0], last - 1);
    const x = (step) => left + ((step - from) / (last - from)) * (W - left - right);
    const y = (v) => top + (1 - (v - low) / (high - low)) * (H - top - bottom);
    const word = (v) => (metric === "accuracy" ? `${+(100 * v).toFixed(2)} %` : `${+v.toPrecision(3)}`);
    const said = sides.map(([side, values]) => {
      const end = values.filter((v) => v !== null).pop();
      return `${side === "val" ? "validation" : "training"} ${metric === "accuracy"
        ? `${(100 * end).toFixed(2)} %` : end.toFixed(4)}`;
    });
    const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "chart", role: "img",
      "aria-label": `${title} by step, at the end: ${said.join(", ")}` });
    for (const v of ticks(low, high)) {
      drawing.append(svg("line", { x1: left, x2: W - right, y1: y(v), y2: y(v), class: "grid" }));
      drawing.append(svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, word(v)));
    }
    for (const step of ticks(from, last))
      drawing.append(svg("text", { x: Math.min(x(step), W - 20), y: H - bottom + 18, "text-anchor": "middle" },
        step.toLocaleString("en")));
    drawing.append(svg("text", { x: (left + W - right) / 2, y: H - 4, "text-anchor": "middle" }, "step"));
    for (const [side, values] of sides) {
      const points = steps.map((step, i) => [step, values[i]]).filter(([, v]) => v !== null);
      if (points.length > 1)
        drawing.append(svg("polyline", { class: `line ${side}`,
          points: points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join(" ") }));
      else drawing.append(svg("circle", { class: `dot ${side}`, cx: x(points[0][0]), cy: y(points[0][1]), r: 4 }));
    }
    const figure = make("figure"), key = make("div", "", "key");
    sides.forEach(([side], i) => key.append(make("span", said[i], side)));
    figure.append(make("figcaption", title), drawing, key);
    return figure;
  }

  function showCurves() {
    if (!given.curves) { $("no-curves").hidden = false; return; }
    $("curves").append(chart("accuracy", "Accuracy"), chart("loss", "Loss"));
  }

  const colours = () => drawn.forEach((again) => again());
  showCurves();
  showUnits();
  showMaps();
  showLayers();
  colours();
  dark.addEventListener("change", colours);
  $("in-grey").hidden = depth < 2;
  if (given.unreadable) {
    $("unreadable").hidden = false;
    $("unreadable").textContent = given.unreadable;
    document.querySelector(".desk").hidden = true;
  } else {
    paint();
  }
})();
