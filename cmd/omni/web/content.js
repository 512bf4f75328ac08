// Files on streams: bytes, and their SHA-256 as the last item. Memory holds a
// piece or two of a file, however long it is.

import { Hasher } from "./hasher.js";

const PIECE = 1 << 20; // read, hashed and kept at a time, in bytes
const ITEM = 60 << 10; // one fills a message
const HASH = 32;

/** Writes a file and ends the stream. `turns` is the pace in bytes, `moved` is told of each item. Returns the hash. */
export async function send(call, file, turns, moved) {
  const hasher = new Hasher();
  try {
    let next = read(file, 0);
    for (let from = 0; from < file.size; from += PIECE) {
      const piece = await next;
      next = read(file, from + PIECE);
      for (let at = 0; at < piece.length; at += ITEM) {
        const item = piece.subarray(at, at + ITEM);
        await turns.turn(item.length);
        await call.write(item);
        moved(item.length);
      }
      await hasher.add(piece);
    }
    const sum = await hasher.digest();
    await call.write(sum);
    await call.end();
    return sum;
  } finally {
    hasher.close();
  }
}

/** A piece of a file: one ahead of what is written, and no more. */
function read(file, from) {
  const piece = file.slice(from, from + PIECE).arrayBuffer().then((bytes) => new Uint8Array(bytes));
  piece.catch(() => {}); // it may not be wanted any more
  return piece;
}

/** Reads a file to its end, into `keep(piece)`, and compares the hash. Returns it. */
export async function receive(incoming, keep, turns, moved) {
  const hasher = new Hasher();
  let piece = new Uint8Array(PIECE), filled = 0, last; // of the length of a hash: it may be that
  const flush = async () => {
    const full = piece.subarray(0, filled);
    await keep(full);
    await hasher.add(filled == PIECE ? full : full.slice());
    piece = new Uint8Array(PIECE);
    filled = 0;
  };
  const take = async (bytes) => {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + PIECE - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled == PIECE) await flush();
    }
    moved(bytes.length);
  };
  try {
    for (let r, length = 1; ; length = r.value.length) {
      await turns.turn(length);
      r = await incoming.read();
      if (r.done) break;
      if (last) await take(last);
      last = r.value.length == HASH ? r.value : undefined;
      if (!last) await take(r.value);
    }
    if (!last) throw new Error("no SHA-256 came");
    await flush();
    const sum = await hasher.digest();
    if (sum.some((byte, i) => byte != last[i])) throw new Error("the SHA-256 does not match");
    return sum;
  } finally {
    hasher.close();
  }
}
