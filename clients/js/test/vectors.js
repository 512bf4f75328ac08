// Reads the golden vectors; the notation is told in testdata/vectors/README.md.
import { readFileSync } from "node:fs";

export const types = ["HELLO", "OPEN", "DATA", "END", "FAIL", "REQUEST", "CLOSE", "PING", "PONG"];

/** Where the fields of a frame are bytes, and where they have another name here. */
const BYTES = ["metadata", "item", "payload"];
const NAMES = { max_item: "maxItem", item: "payload" };

// The fields of each type, besides type and stream.
const FIELDS = {
  HELLO: ["version", "max_item", "streams", "items", "bytes", "metadata"],
  OPEN: ["kind", "answers", "metadata"],
  DATA: ["item"], END: [], FAIL: ["code", "reason"], REQUEST: ["items", "bytes"],
  CLOSE: ["code", "reason"], PING: ["payload"], PONG: ["payload"],
};

export function vectors(file) {
  return JSON.parse(readFileSync(new URL(`../../../testdata/vectors/${file}`, import.meta.url), "utf8"));
}

/** The bytes that tokens of hex stand for: "00 61*3". */
export function unhex(tokens) {
  const parts = tokens.split(" ").filter(Boolean).map((token) => {
    const [, digits, times = "1"] = /^((?:[0-9a-f]{2})+)(?:\*(\d+))?$/.exec(token) ?? fail(`token ${token}`);
    return Buffer.alloc(digits.length / 2 * Number(times), Buffer.from(digits, "hex"));
  });
  return new Uint8Array(Buffer.concat(parts));
}

function fail(what) {
  throw new Error(`unknown ${what}`);
}

/** A frame of the vectors as the module has it. */
export function fromVector(v) {
  const named = types.indexOf(v.type);
  const fields = FIELDS[v.type] ?? ["payload"];
  const f = { type: named < 0 ? Number(v.type) : named };
  for (const [name, value] of Object.entries(v)) {
    if (name == "type") continue;
    if (name != "stream" && !fields.includes(name)) fail(`field ${name} of ${v.type}`);
    f[NAMES[name] ?? name] = BYTES.includes(name) ? unhex(value) : value;
  }
  return f;
}

/** A frame of the module as the vectors have it, with bytes in plain hex. */
export function toVector(f) {
  const type = types[f.type] ?? String(f.type);
  const v = { type, stream: f.stream };
  for (const name of FIELDS[type] ?? ["payload"]) {
    const value = f[NAMES[name] ?? name];
    v[name] = BYTES.includes(name) ? Buffer.from(value).toString("hex") : value;
  }
  return v;
}

/** A wanted frame with its bytes in plain hex. */
export function plain(v) {
  return Object.fromEntries(Object.entries(v).map(([name, value]) =>
    [name, BYTES.includes(name) ? Buffer.from(unhex(value)).toString("hex") : value]));
}
