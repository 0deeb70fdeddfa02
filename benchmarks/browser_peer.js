// The same network in TensorFlow.js: softmax cross-entropy, batches drawn anew, Adam or plain steps.
async function peer(backend, task, count) {
  if (backend === "wasm") tf.wasm.setWasmPaths("tensorflow/");
  await tf.setBackend(backend);
  const images = tf.tensor2d(await floats("train-images"), [60000, 784]);
  const labels = tf.tensor1d(await bytes("train-labels"), "int32");
  const hidden = task === "mini" ? 128 : 10;
  const truths = tf.oneHot(labels, 10);
  const start = (n, m) => tf.variable(tf.randomNormal([n, m], 0, Math.sqrt(2 / n), "float32", 7));
  const [w1, b1] = [start(784, hidden), tf.variable(tf.zeros([hidden]))];
  const [w2, b2] = [start(hidden, 10), tf.variable(tf.zeros([10]))];
  const optimiser = task === "mini" ? tf.train.adam(0.001) : tf.train.sgd(0.1);
  const order = tf.util.createShuffledIndices(60000);
  const step = (x, y) => {
    const cost = optimiser.minimize(() => {
      const a = tf.relu(tf.add(tf.matMul(x, w1), b1));
      return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(a, w2), b2));
    }, true);
    return cost.dataSync()[0];
  };
  const batch = (n) => tf.tidy(() => {
    if (task === "full") return step(images, truths);
    const rows = tf.tensor1d(new Int32Array(order.slice(n * 128, (n + 1) * 128)), "int32");
    return step(tf.gather(images, rows), tf.gather(truths, rows));
  });
  batch(0); // once, so that nothing is compiled while the clock runs
  const started = performance.now();
  let loss = 0;
  for (let n = 1; n <= count; n++) loss = batch(n);
  const seconds = (performance.now() - started) / 1000 / count;
  tf.disposeVariables();
  tf.dispose([images, labels, truths]);
  return { seconds: task === "mini" ? (seconds * 60000) / 128 : seconds, steps: count, loss };
}

async function bytes(name) {
  return new Uint8Array(await (await fetch(`data/${name}`)).arrayBuffer());
}

async function floats(name) {
  const raw = await bytes(name);
  const found = new Float32Array(raw.length);
  for (let n = 0; n < raw.length; n++) found[n] = raw[n] / 255;
  return found;
}
