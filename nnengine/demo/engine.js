// Engine: the network and the framing of drawings, as nnengine computes them.
"use strict";
const engine = (() => {
  const SIZE = 28, SIDE = 20, MIN_CONTRAST = 20, FAINT = 0.05, FAINT_SMALL = 0.01, SPECK = 0.1;
  const THINNEST = 1.9, THICKEST = 3.8, BLOB = 8, FINE = 4;
  const LUMA = [0.299, 0.587, 0.114].map(Math.fround);

  // Half to even, as NumPy and Python round.
  function rint(x) {
    const floor = Math.floor(x), rest = x - floor;
    return rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 ? floor + 1 : floor;
  }
  const clip = (x, low, high) => Math.min(Math.max(x, low), high);

  // A plane is {h, w, d}: rows one after the other.
  const plane = (h, w) => ({ h, w, d: new Float64Array(h * w) });

  function median(values) {
    const sorted = Float64Array.from(values).sort(), middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  function extremes(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
    return [low, high];
  }

  // Opaque RGBA pixels of a canvas -> a plane of grey, 0 to 255.
  function grey(pixels, h, w) {
    const made = plane(h, w);
    for (let i = 0; i < h * w; i++)
      made.d[i] = Math.fround(pixels[4 * i] * LUMA[0] + pixels[4 * i + 1] * LUMA[1] +
        pixels[4 * i + 2] * LUMA[2]);
    return made;
  }

  function isLight(p, middle) {
    const border = [];
    for (let x = 0; x < p.w; x++) border.push(p.d[x], p.d[(p.h - 1) * p.w + x]);
    for (let y = 1; y < p.h - 1; y++) border.push(p.d[y * p.w], p.d[y * p.w + p.w - 1]);
    for (const part of [border, p.d]) {
      let light = 0, dark = 0;
      for (const v of part) { if (v > middle) light++; else if (v < middle) dark++; }
      if (light !== dark) return light > dark;
    }
    return false;
  }

  // How much ink each pixel carries, 0 to 1; the noise of its ground is silenced.
  function inkOf(p) {
    const made = plane(p.h, p.w);
    let [low, high] = extremes(p.d);
    if (high - low < MIN_CONTRAST) return made;
    let middle = (low + high) / 2, values = p.d;
    if (isLight(p, middle)) {
      values = values.map((v) => 255 - v);
      [middle, high] = [255 - middle, 255 - low];
    }
    const paper = values.filter((v) => v <= middle);
    const ground = median(paper), range = high - ground;
    const spread = median(paper.map((v) => Math.abs(v - ground))) / range;
    const least = spread > 0 ? Math.min(7 * spread, 0.5) : 0;
    for (let i = 0; i < values.length; i++) {
      const ink = Math.fround(clip((values[i] - ground) / range, 0, 1));
      made.d[i] = ink < least ? 0 : ink;
    }
    return made;
  }

  // For each of m pixels: where its share of n begins, and the weights from there on.
  function shares(n, m) {
    const made = [];
    for (let j = 0; j < m; j++) {
      const weights = [];
      let first = 0;
      const add = (i, weight) => {
        if (!weights.length) first = i;
        weights.push(Math.fround(weight));
      };
      if (m > n) {
        const centre = clip(((j + 0.5) * n) / m - 0.5, 0, n - 1);
        for (let i = Math.floor(centre); i <= Math.min(Math.floor(centre) + 1, n - 1); i++)
          add(i, Math.max(1 - Math.abs(centre - i), 0));
      } else {
        const [from, to] = [(j * n) / m, ((j + 1) * n) / m];
        for (let i = Math.floor(from); i < Math.min(Math.ceil(to), n); i++)
          add(i, ((clip(to - i, 0, 1) - clip(from - i, 0, 1)) * m) / n);
      }
      made.push({ first, weights });
    }
    return made;
  }

  // Exact area averages where it shrinks, linear between pixels where it grows.
  function resample(p, h, w) {
    const rows = shares(p.h, h), columns = shares(p.w, w);
    const tall = plane(h, p.w), made = plane(h, w);
    rows.forEach(({ first, weights }, y) => {
      for (let x = 0; x < p.w; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * p.d[(first + k) * p.w + x];
        tall.d[y * p.w + x] = sum;
      }
    });
    columns.forEach(({ first, weights }, x) => {
      for (let y = 0; y < h; y++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * tall.d[y * p.w + first + k];
        made.d[y * w + x] = Math.fround(sum);
      }
    });
    return made;
  }

  function fitted(p, side = SIDE) {
    const longest = Math.max(p.h, p.w);
    return [p.h, p.w].map((n) => Math.max(1, rint((n * side) / longest)));
  }

  function cut(p, top, bottom, left, right) {
    const made = plane(bottom - top, right - left);
    for (let y = top; y < bottom; y++)
      made.d.set(p.d.subarray(y * p.w + left, y * p.w + right), (y - top) * made.w);
    return made;
  }

  // First and last row and column that hold more than `least`; null where none does.
  function reach(p, least) {
    let top = p.h, bottom = -1, left = p.w, right = -1;
    for (let y = 0; y < p.h; y++)
      for (let x = 0; x < p.w; x++)
        if (p.d[y * p.w + x] > least) {
          top = Math.min(top, y); bottom = y;
          left = Math.min(left, x); right = Math.max(right, x);
        }
    return bottom < 0 ? null : [top, bottom, left, right];
  }

  function cropped(p, least) {
    const found = reach(p, least);
    if (!found) return plane(0, 0);
    const [top, bottom, left, right] = found;
    return cut(p, top, bottom + 1, left, right + 1);
  }

  // The part that holds the drawing, specks outside it left behind.
  function trim(ink) {
    ink = cropped(ink, FAINT_SMALL);
    if (Math.max(ink.h, ink.w) > SIZE) ink = cropped(ink, FAINT);
    while (Math.max(ink.h, ink.w) > SIZE) {
      const cells = resample(ink, ...fitted(ink));
      const [top, bottom, left, right] = reach(cells, Math.fround(SPECK * extremes(cells.d)[1]));
      const [high, wide] = [ink.h / cells.h, ink.w / cells.w];
      const inner = cropped(cut(ink,
        Math.max(0, Math.trunc((top - 1) * high)), Math.min(ink.h, Math.ceil((bottom + 2) * high)),
        Math.max(0, Math.trunc((left - 1) * wide)), Math.min(ink.w, Math.ceil((right + 2) * wide)),
      ), FAINT);
      if (inner.h === ink.h && inner.w === ink.w) break;
      ink = inner;
    }
    return ink;
  }

  // Twice the area of the strokes over the length of their outline.
  function penWidth(ink) {
    const at = (y, x) => (y < 0 || x < 0 || y >= ink.h || x >= ink.w ? 0 : ink.d[y * ink.w + x]);
    let area = 0, outline = 0;
    for (const v of ink.d) area += v;
    for (let y = -1; y <= ink.h; y++)
      for (let x = -1; x <= ink.w; x++)
        outline += Math.hypot((at(y + 1, x) - at(y - 1, x)) / 2, (at(y, x + 1) - at(y, x - 1)) / 2);
    return (2 * area) / outline;
  }

  // Grey erosion by a disc with a soft edge: strokes lose `radius` on each side.
  function thinner(ink, radius, outside = 0) {
    const far = Math.ceil(radius + 0.5), made = { ...ink, d: ink.d.slice() };
    for (let dy = -far; dy <= far; dy++)
      for (let dx = -far; dx <= far; dx++) {
        const edge = Math.hypot(dx, dy) - radius + 0.5;
        if (edge >= 1) continue;
        const add = Math.fround(Math.max(edge, 0));
        for (let y = 0; y < ink.h; y++)
          for (let x = 0; x < ink.w; x++) {
            const [v, u] = [y + dy, x + dx];
            const there = v < 0 || u < 0 || v >= ink.h || u >= ink.w ? outside : ink.d[v * ink.w + u];
            const i = y * ink.w + x, seen = Math.fround(there + add);
            if (seen < made.d[i]) made.d[i] = seen;
          }
      }
    return made;
  }

  function withFittingPen(ink) {
    const side = SIDE * FINE, fine = resample(ink, ...fitted(ink, side)), pen = penWidth(fine);
    const wanted = clip(pen / FINE, THINNEST, THICKEST);
    if (wanted === pen / FINE || pen / FINE > BLOB) return ink;
    const r = (SIDE * pen - wanted * side) / (SIDE - wanted) / 2;
    let changed;
    if (r > 0) changed = thinner(fine, r);
    else { // thicker ink is thinner paper
      const pad = Math.ceil(1 - r), paper = plane(fine.h + 2 * pad, fine.w + 2 * pad);
      paper.d.fill(1);
      for (let y = 0; y < fine.h; y++)
        for (let x = 0; x < fine.w; x++)
          paper.d[(y + pad) * paper.w + x + pad] = Math.fround(1 - fine.d[y * fine.w + x]);
      changed = thinner(paper, -r, 1);
      changed.d = changed.d.map((v) => Math.fround(1 - v));
    }
    changed = cropped(changed, FAINT);
    return changed.d.length ? changed : ink;
  }

  // Where the ink begins along one axis, so that its centre of mass is in the middle.
  function start(small, across) {
    const n = across ? small.w : small.h;
    let total = 0, weight = 0;
    for (let y = 0; y < small.h; y++)
      for (let x = 0; x < small.w; x++) {
        const v = small.d[y * small.w + x];
        total += v * (2 * (across ? x : y) + 1);
        weight += 2 * v;
      }
    return clip(SIZE / 2 - Math.floor(total / weight), 0, SIZE - n);
  }

  // A plane of grey -> the 28 x 28 image that MNIST's makers would have made, or null for a
  // blank sheet.
  function toImage(drawn) {
    let ink = trim(inkOf(drawn));
    if (!ink.d.length) return null;
    if (Math.max(ink.h, ink.w) > SIZE) ink = withFittingPen(ink);
    const small = resample(ink, ...fitted(ink)), scale = Math.fround(255 / extremes(small.d)[1]);
    small.d = small.d.map((v) => rint(Math.fround(v * scale)));
    const top = start(small, false), left = start(small, true), image = plane(SIZE, SIZE);
    for (let y = 0; y < small.h; y++)
      for (let x = 0; x < small.w; x++)
        image.d[(top + y) * SIZE + left + x] = small.d[y * small.w + x];
    return image;
  }

  const fit = (image, h, w) => {
    const made = resample(image, h, w);
    made.d = made.d.map(rint);
    return made;
  };

  const ACTIVATIONS = {
    relu: (z) => Math.max(z, 0),
    leaky_relu: (z) => (z > 0 ? z : 0.01 * z),
    tanh: Math.tanh,
    sigmoid: (z) => 1 / (1 + Math.exp(-z)),
    identity: (z) => z,
  };

  // What a layer makes of numbers x, (height, width, channels) in a row; an activation follows.
  const SUMS = {
    dense({ units, weights, biases }, x) {
      const z = Float64Array.from(biases);
      for (let i = 0; i < x.length; i++)
        if (x[i]) for (let j = 0; j < units; j++) z[j] += x[i] * weights[i * units + j];
      return z;
    },
    conv(layer, x) {
      const { before: [h, w, c], window: [kh, kw], stride, pad, units, weights, biases } = layer;
      const [oh, ow] = layer.after, z = new Float64Array(oh * ow * units);
      for (let place = 0; place < oh * ow; place++) {
        const top = Math.floor(place / ow) * stride - pad, left = (place % ow) * stride - pad;
        const at = place * units;
        z.set(biases, at);
        for (let k = 0; k < kh * kw; k++) {
          const row = top + Math.floor(k / kw), column = left + (k % kw);
          if (row < 0 || row >= h || column < 0 || column >= w) continue;
          for (let m = 0; m < c; m++) {
            const v = x[(row * w + column) * c + m], from = (k * c + m) * units;
            if (v) for (let j = 0; j < units; j++) z[at + j] += v * weights[from + j];
          }
        }
      }
      return z;
    },
    pool: (layer, x) => pooled(layer, x, -Infinity, Math.max),
    average(layer, x) {
      const share = 1 / (layer.window[0] * layer.window[1]);
      return pooled(layer, x, 0, (sum, v) => sum + v * share);
    },
    norm({ before: [, , c], arrays: [scales, shifts, means, variances] }, x) {
      return x.map((v, i) => (v - means[i % c]) / Math.sqrt(variances[i % c] + 1e-5)
        * scales[i % c] + shifts[i % c]);
    },
    dropout: (_, x) => x.slice(), // in training alone
    flatten: (_, x) => x.slice(),
  };

  function pooled({ before: [, w, c], after: [oh, ow], window: [kh, kw], stride }, x, first, join) {
    const found = new Float64Array(oh * ow * c).fill(first);
    for (let i = 0; i < found.length; i++) {
      const place = Math.floor(i / c), top = Math.floor(place / ow) * stride, left = (place % ow) * stride;
      for (let k = 0; k < kh * kw; k++) {
        const at = (top + Math.floor(k / kw)) * w + left + (k % kw);
        found[i] = join(found[i], x[at * c + (i % c)]);
      }
    }
    return found;
  }

  // A number of 16 bits: sign, five bits of exponent, ten of fraction.
  function half(bits) {
    const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  }

  // The numbers of a network are laid out as theta is: of layer after layer, array after array.
  function network({ layers: described, scale, dtype }, bytes) {
    const kind = dtype === "float64" ? Float64Array : Float32Array;
    const view = new DataView(bytes.buffer, bytes.byteOffset), width = { float16: 2, float64: 8 }[dtype] || 4;
    const theta = new kind(bytes.length / width);
    const read = { 2: (at) => half(view.getUint16(at, true)), 4: view.getFloat32.bind(view), 8: view.getFloat64.bind(view) }[width];
    for (let i = 0; i < theta.length; i++) theta[i] = read(i * width, true);
    let at = 0;
    const layers = described.map((one) => {
      const arrays = one.numbers.map((count) => theta.subarray(at, (at += count)));
      const [weights, biases] = "norm" === one.kind ? [] : arrays, units = one.after[2];
      return { ...one, arrays, weights, biases, units, inputs: weights ? weights.length / units : 0 };
    });
    // Returns what every layer answers to an image of bytes; the last are probabilities.
    function answer(pixels) {
      let x = Float64Array.from(pixels, (v) => v * scale);
      const outputs = layers.map((layer) => {
        x = SUMS[layer.kind](layer, x);
        if (layer.activation !== "identity") x.forEach((z, i) => { x[i] = ACTIVATIONS[layer.activation](z); });
        return x;
      });
      outputs.push(softmax(outputs.pop()));
      return outputs;
    }
    return { layers, answer };
  }

  function softmax(z) {
    const most = z.reduce((a, b) => Math.max(a, b)), odds = z.map((v) => Math.exp(v - most));
    const sum = odds.reduce((a, b) => a + b);
    return odds.map((v) => v / sum);
  }

  return { grey, toImage, fit, network, plane };
})();
