// node tfjs_made.mjs MODULES FOLDER IMAGES: models as people make them in TensorFlow.js, each saved
// as it saves them, with its answers to 200 digits of 28x28, 0 to 255, as answers.f32.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, folder, images] = process.argv.slice(2);
const tf = createRequire(`${modules}/`)("@tensorflow/tfjs");
const { dense, dropout, flatten, conv2d, maxPooling2d, batchNormalization } = tf.layers;
const seeded = (seed) => tf.initializers.glorotUniform({ seed });
const input = tf.input({ shape: [28, 28, 1] });
const middle = tf.layers.leakyReLU({ alpha: 0.01 }).apply(
  conv2d({ filters: 4, kernelSize: 3, padding: "same", kernelInitializer: seeded(3) }).apply(input));
const models = {
  tutorial: tf.sequential({ layers: [
    conv2d({ inputShape: [28, 28, 1], filters: 6, kernelSize: 5, activation: "relu",
      kernelInitializer: seeded(1) }),
    maxPooling2d({ poolSize: 2, strides: 2 }), batchNormalization(), flatten(),
    dropout({ rate: 0.2 }),
    dense({ units: 10, activation: "softmax", kernelInitializer: seeded(2) }),
  ] }),
  functional: tf.model({ inputs: input, outputs: dense({ units: 10, activation: "softmax",
    kernelInitializer: seeded(4) }).apply(flatten().apply(maxPooling2d({ poolSize: 4 }).apply(middle))) }),
};
const pixels = tf.tensor(Float32Array.from(readFileSync(images)), [200, 28, 28, 1]);
for (const [name, model] of Object.entries(models)) {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  await model.save(tf.io.withSaveHandler(async (made) => {
    const { weightData, weightSpecs, ...rest } = made;
    const manifest = [{ paths: ["./model.weights.bin"], weights: weightSpecs }];
    writeFileSync(join(at, "model.json"), JSON.stringify({ ...rest, weightsManifest: manifest }));
    writeFileSync(join(at, "model.weights.bin"), new Uint8Array(weightData));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } };
  }));
  writeFileSync(join(at, "answers.f32"), model.predict(pixels.div(255)).dataSync());
}
