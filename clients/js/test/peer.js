// A WebSocket in memory, and the peer at its other end, which says what a test wants it to say.
import assert from "node:assert/strict";
import { decode, encode } from "../omnistreams.js";

/** Lets everything happen that can happen without waiting for time or input. */
export async function settle(rounds = 8) {
  for (let i = 0; i < rounds; i++) await new Promise((done) => setImmediate(done));
}

/** What a session is given: the shape of a WebSocket. */
export class Socket extends EventTarget {
  readyState = 1;
  bufferedAmount = 0;
  sent = []; // messages
  closedWith = undefined;

  send(message) {
    assert.equal(this.readyState, 1, "send after close");
    this.sent.push(message);
  }

  close(code) {
    if (this.readyState > 1) return;
    this.closedWith = code;
    this.end();
  }

  /** The other end closes, or the line is cut. */
  end() {
    if (this.readyState > 1) return;
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }

  /** A message comes. */
  come(bytes) {
    if (this.readyState > 1) return;
    const data = typeof bytes == "string" ? bytes : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  comeFrames(...frames) {
    this.come(encode(frames));
  }

  /** The frames that were sent and not looked at. */
  frames = [];
  first = true;
  take() {
    for (const message of this.sent.splice(0)) {
      assert.ok(message.length <= 65536 || [...decode(message, 2 ** 24, this.first)].length == 1, "a message that is too long");
      for (const f of decode(message, 2 ** 24, this.first)) this.frames.push(f);
      this.first = false;
    }
    return this.frames;
  }
}

/** A peer's HELLO. */
export function hello(fields = {}) {
  return { type: 0, stream: 0, version: 1, maxItem: 1024, streams: 8, items: 16, bytes: 65536, metadata: new Uint8Array(0), ...fields };
}
