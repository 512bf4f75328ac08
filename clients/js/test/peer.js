// A WebSocket in memory, and the peer at its other end, which says what a test wants it to say.
import assert from "node:assert/strict";
import * as module from "omnistreams";

const MAGIC = 0x4f4d4e49;

// The fields of each type, in the order in which the module has them: the rest of the payload, and the numbers before it.
const FIELDS = [
  ["metadata", "magic", "version", "maxItem", "streams", "items", "bytes"], ["metadata", "kind", "answers"], ["payload"], ["nothing"],
  ["reason", "code"], ["nothing", "items", "bytes"], ["reason", "code"], ["nothing", "high", "low"], ["nothing", "high", "low"],
];

/** Frames, as objects, in one message, behind `lead` bytes that are left free. */
export function encode(frames, lead = 0) {
  const parts = frames.flatMap(({ type, stream, ...f }) => {
    if (type == 0) f.magic = MAGIC;
    if (type == 7 || type == 8) [f.high, f.low] = [0, 4].map((at) => Buffer.from(f.payload).readUInt32BE(at));
    const [rest, ...numbers] = (FIELDS[type] ?? ["payload"]).map((name) => f[name] ?? new Uint8Array(0));
    return module.encode(type, stream, rest, ...numbers);
  });
  const message = Buffer.concat([Buffer.alloc(lead), ...parts.map((part) => Uint8Array.from(part))]);
  return new Uint8Array(message);
}

/** The frames of a message as objects. */
export function* decode(message, maxItem, first) {
  for (const [type, stream, ...values] of module.decode(message, maxItem, first)) {
    const f = { type, stream };
    for (const [i, name] of (FIELDS[type] ?? ["payload"]).entries()) f[name] = values[i];
    if (type == 7 || type == 8) {
      f.payload = new Uint8Array(8);
      [f.high, f.low].forEach((n, i) => new DataView(f.payload.buffer).setUint32(4 * i, n));
    }
    yield f;
  }
}

/** Lets everything happen that can happen without waiting for time or input. */
export async function settle(rounds = 8) {
  for (let i = 0; i < rounds; i++) await new Promise((done) => setImmediate(done));
}

/** Time goes by only when the test says so. */
export function mockTimers(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => t.mock.timers.reset()); // Deno does not by itself
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
