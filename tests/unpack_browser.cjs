// Unpacks the Chromium that npm installed below a folder: FOLDER/chromium, and libraries in FOLDER/lib.
const { createReadStream, createWriteStream } = require("node:fs");
const { execFileSync } = require("node:child_process");
const { join } = require("node:path");
const { pipeline } = require("node:stream/promises");
const { createBrotliDecompress } = require("node:zlib");

const folder = process.argv[2];
const packed = join(folder, "node_modules/@sparticuz/chromium/bin");

async function unpack(name, target) {
  const file = createWriteStream(target, { mode: 0o755 });
  await pipeline(createReadStream(join(packed, name)), createBrotliDecompress(), file);
}

(async () => {
  await unpack("al2023.tar.br", join(folder, "libraries.tar"));
  execFileSync("tar", ["-xf", join(folder, "libraries.tar"), "-C", folder]);
  await unpack("chromium.br", join(folder, "chromium"));
})();
