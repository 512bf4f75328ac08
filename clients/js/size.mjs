// Prints how long the module is, minified and compressed, and fails above 12 KB; with a file name it
// writes the minified module there instead. Names that begin with _ are of the module alone: they get short.
import { renameSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const LIMIT = 12_000; // bytes, minified
const { outputFiles: [{ contents }] } = buildSync({
  entryPoints: [fileURLToPath(new URL("omnistreams.js", import.meta.url))],
  bundle: true, minify: true, format: "esm", target: "es2022", mangleProps: /^_/, write: false,
});
console.log(`${contents.length} bytes minified, ${gzipSync(contents).length} gzipped (limit ${LIMIT})`);
const [, , file] = process.argv;
if (file) {
  writeFileSync(`${file}.${process.pid}`, contents); // whoever reads it meanwhile gets a whole one
  renameSync(`${file}.${process.pid}`, file);
} else if (contents.length > LIMIT) process.exitCode = 1;
