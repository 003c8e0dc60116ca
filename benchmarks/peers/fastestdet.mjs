// FastestDet in Node, behind lines of JSON: node fastestdet.mjs MODEL.onnx NAMES.txt
// Found beside node_modules with onnxruntime-web and pngjs.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const ort = require("onnxruntime-web");
const { PNG } = require("pngjs");
const [model, list] = process.argv.slice(2);
const names = readFileSync(list, "utf8").split("\n").map((one) => one.trim()).filter(Boolean);
const SIDE = 352, CELLS = 22;
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model));

function input({ data, width, height }) {
  const values = new Float32Array(3 * SIDE * SIDE);
  const place = (at, from) => Math.min(Math.max(((at + 0.5) * from) / SIDE - 0.5, 0), from - 1);
  for (let y = 0; y < SIDE; y++) {
    const v = place(y, height), top = Math.floor(v), below = Math.min(top + 1, height - 1);
    for (let x = 0; x < SIDE; x++) {
      const u = place(x, width), left = Math.floor(u), right = Math.min(left + 1, width - 1);
      for (let c = 0; c < 3; c++) {
        const at = (row, column) => data[4 * (row * width + column) + 2 - c];
        const upper = at(top, left) * (1 - u + left) + at(top, right) * (u - left);
        const lower = at(below, left) * (1 - u + left) + at(below, right) * (u - left);
        values[(c * SIDE + y) * SIDE + x] = (upper * (1 - v + top) + lower * (v - top)) / 255;
      }
    }
  }
  return new ort.Tensor("float32", values, [1, 3, SIDE, SIDE]);
}

function overlap([a, b, c, d], [e, f, g, h]) {
  const inner = Math.max(0, Math.min(c, g) - Math.max(a, e)) * Math.max(0, Math.min(d, h) - Math.max(b, f));
  return inner / ((c - a) * (d - b) + (g - e) * (h - f) - inner);
}

async function found(png) {
  const image = PNG.sync.read(Buffer.from(png, "base64"));
  const [output] = Object.values(await session.run({ [session.inputNames[0]]: input(image) }));
  const at = (channel, cell) => output.data[channel * CELLS * CELLS + cell];
  const boxes = [];
  for (let cell = 0; cell < CELLS * CELLS; cell++) {
    let best = 0;
    for (let one = 1; one < names.length; one++) if (at(5 + one, cell) > at(5 + best, cell)) best = one;
    const score = at(0, cell) ** 0.6 * at(5 + best, cell) ** 0.4;
    if (score < 0.35) continue;
    const x = ((cell % CELLS) + Math.tanh(at(1, cell))) / CELLS;
    const y = (Math.floor(cell / CELLS) + Math.tanh(at(2, cell))) / CELLS;
    const sigmoid = (value) => 1 / (1 + Math.exp(-value));
    const w = sigmoid(at(3, cell)) / 2, h = sigmoid(at(4, cell)) / 2;
    const box = [x - w, y - h, x + w, y + h];
    boxes.push({ box: box.map((one, i) => one * (i % 2 ? image.height : image.width)), label: names[best], score });
  }
  boxes.sort((a, b) => b.score - a.score);
  const kept = [];
  for (const one of boxes)
    if (!kept.some((other) => other.label === one.label && overlap(other.box, one.box) > 0.45)) kept.push(one);
  return { boxes: kept };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, images } = JSON.parse(line);
  const predictions = [];
  for (const one of images) predictions.push(await found(one.png));
  console.log(JSON.stringify({ id, predictions }));
}
