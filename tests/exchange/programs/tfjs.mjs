// node tfjs.mjs MODULES FOLDER...: what TensorFlow.js answers to a layers model, as answers.f32.
// Each folder has model.json, its shards, the bytes of images and their shape.json.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, ...folders] = process.argv.slice(2);
const tf = createRequire(`${modules}/`)("@tensorflow/tfjs");
for (const folder of folders) {
  const read = (name) => readFileSync(join(folder, name));
  const said = JSON.parse(read("model.json"));
  const [{ paths, weights }] = said.weightsManifest;
  const model = await tf.loadLayersModel(tf.io.fromMemory({
    modelTopology: said.modelTopology, weightSpecs: weights,
    weightData: new Uint8Array(Buffer.concat(paths.map(read))).buffer,
  }));
  const x = tf.tensor(Float32Array.from(read("images")), JSON.parse(read("shape.json")));
  const found = tf.tidy(() => model.predict(x, { batchSize: 1000 })).dataSync();
  writeFileSync(join(folder, "answers.f32"), found);
}
