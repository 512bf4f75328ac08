// Files on streams: bytes, and their SHA-256 as the last item. Memory holds a
// few pieces of a file, however long it is.

import { Hasher } from "./hasher.js";

const ITEM = 60 << 10; // one fills a message
const HASH = 32;

/** Writes a file and ends the stream. `turns` is the pace in bytes, `moved` is told of each item. Returns the hash. */
export async function send(call, file, turns, moved) {
  const hasher = new Hasher(), read = reader(file, hasher);
  try {
    for (let next = read.piece(), piece; (piece = await next).length;) {
      next = read.piece();
      for (let at = 0; at < piece.length; at += ITEM) {
        const item = piece.subarray(at, at + ITEM);
        await turns.turn(item.length);
        await call.write(item);
        moved(item.length);
      }
      hasher.add(piece);
    }
    const sum = await hasher.digest();
    await call.write(sum);
    await call.end();
    return sum;
  } finally {
    read.close();
    hasher.close();
  }
}

/** A file in pieces, into memory of the hasher's; an empty one is the end. */
function reader(file, hasher) {
  const chunks = file.stream().getReader();
  let rest = new Uint8Array(); // of a chunk that did not fit
  const fill = async () => {
    const piece = new Uint8Array(await hasher.space());
    for (let filled = 0; ;) {
      const part = rest.subarray(0, piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled == piece.length) return piece;
      const { value, done } = await chunks.read();
      if (done) return piece.subarray(0, filled);
      rest = value;
    }
  };
  return {
    piece() {
      const piece = fill();
      piece.catch(() => {}); // it may not be wanted any more
      return piece;
    },
    close: () => chunks.cancel().catch(() => {}),
  };
}

/** Reads a file to its end, into `keep(piece)`, and compares the hash. Returns it. */
export async function receive(incoming, keep, turns, moved) {
  const hasher = new Hasher();
  let piece = new Uint8Array(await hasher.space()), filled = 0, last; // of the length of a hash: it may be that
  const flush = async () => {
    const full = piece.subarray(0, filled);
    await keep(full);
    hasher.add(full);
    piece = new Uint8Array(await hasher.space());
    filled = 0;
  };
  const take = async (bytes) => {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled == piece.length) await flush();
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
