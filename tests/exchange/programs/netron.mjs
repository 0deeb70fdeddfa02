// node netron.mjs NETRON FILE: the layers that Netron's own parser finds in a file, as JSON.
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [netron, file] = process.argv.slice(2);
const part = (name) => import(pathToFileURL(join(netron, `${name}.js`)));
const { ModelFactoryService } = await part("view");
const { BinaryStream } = await part("base");
const asset = async (name) => readFileSync(join(netron, name), "utf8");
const beside = (name) => new BinaryStream(new Uint8Array(readFileSync(join(dirname(file), name))));
const error = (fault) => { throw fault; };
const host = {
  environment: () => null, event() {}, exception: error, request: asset, asset,
  require: (id) => part(id.replace(/^\.\//, "")),
};
const model = await new ModelFactoryService(host).open({
  identifier: basename(file), entries: new Map(), stream: beside(basename(file)),
  request: async (name) => beside(name), fetch: async (name) => beside(name),
  require: host.require, asset, error,
});
const graph = (model.modules || model.graphs)[0];
const layers = graph.nodes.map((node) => ({
  type: node.type.name,
  arrays: (node.inputs || []).flatMap((one) => one.value)
    .filter((value) => value && value.initializer)
    .map((value) => value.initializer.type.shape.dimensions.map(Number)),
}));
console.log(JSON.stringify({ format: model.format, layers }));
