// node onnxruntime_web.mjs MODULES FOLDER...: what onnxruntime-web answers (WASM), as answers.f32.
// Each folder has model.onnx, the bytes of images and their shape.json.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, ...folders] = process.argv.slice(2);
const ort = createRequire(`${modules}/`)("onnxruntime-web");
ort.env.wasm.numThreads = 1;
for (const folder of folders) {
  const read = (name) => readFileSync(join(folder, name));
  const session = await ort.InferenceSession.create(read("model.onnx"));
  const shape = JSON.parse(read("shape.json"));
  const pixels = new ort.Tensor("uint8", new Uint8Array(read("images")), shape);
  const { probabilities } = await session.run({ pixels });
  writeFileSync(join(folder, "answers.f32"), Float32Array.from(probabilities.data));
}
