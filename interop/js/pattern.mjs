// The items that streams of the matrix carry: README.md, one folder up, says how they are made.
import { createHash } from "node:crypto";
import { OmniError } from "../../clients/js/omnistreams.js";

const PERIOD = 65521; // bytes after which the content repeats
const LONGEST = 32749; // of the sizes that are drawn
export const MAX_ITEM = 256 << 10; // the longest item that each peer accepts

/** Makes the generator that all peers implement alike: xorshift32. */
function draws(x) {
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Has room for an item of any length that begins anywhere in the period. */
const content = (() => {
  const once = new Uint8Array(PERIOD);
  const next = draws(0x4f4d4e49);
  for (let i = 0; i < PERIOD; i++) once[i] = next() >>> 24;
  const copies = 2 + Math.floor(MAX_ITEM / PERIOD);
  const all = Buffer.alloc(copies * PERIOD);
  for (let i = 0; i < copies; i++) all.set(once, i * PERIOD);
  return all;
})();

/** Yields the items of a pattern, to be read only. */
export function* items({ seed, bytes, size }) {
  const next = draws(Math.imul(seed, 2654435761));
  for (let at = 0; at < bytes;) {
    let length = size;
    if (!length) {
      const x = next();
      length = x % 16 == 0 ? 0 : 1 + ((x >>> 4) % LONGEST);
    }
    length = Math.min(length, bytes - at);
    const from = ((seed % PERIOD) * 7919 + at) % PERIOD;
    at += length;
    yield content.subarray(from, from + length);
  }
}

/** Counts and digests the items that pass one end of a stream, and checks them. */
export class Counter {
  items = 0;
  bytes = 0;
  #hash = createHash("sha256");
  #pattern;
  #due;

  constructor(pattern) {
    this.#pattern = pattern;
    this.#due = items(pattern);
  }

  /** Counts an item that was read; throws if it is not the one that is due. */
  take(item) {
    const { value: due, done } = this.#due.next();
    if (done) throw wrong(`item ${this.items} of ${item.length} bytes comes behind the last`);
    if (item.length != due.length) throw wrong(`item ${this.items} has ${item.length} bytes instead of ${due.length}`);
    if (due.compare(item) != 0) throw wrong(`item ${this.items} has other bytes than it should`);
    this.add(item);
  }

  /** Counts an item that was written. */
  add(item) {
    this.items++;
    this.bytes += item.length;
    this.#hash.update(item);
  }

  /** Throws if items are missing. */
  complete() {
    if (this.bytes < this.#pattern.bytes) throw wrong(`the stream ends after ${this.bytes} of ${this.#pattern.bytes} bytes`);
  }

  /** What sink and last answer; with an error, how the stream broke off. */
  tally(error) {
    return {
      items: this.items,
      bytes: this.bytes,
      code: error ? (error.code ?? 6) : 0,
      reason: error?.reason ?? "",
      sha256: this.#hash.copy().digest("hex"),
    };
  }
}

/** What a stream ends with that is not as it should be. */
export function wrong(reason) {
  return new OmniError(256, reason);
}
