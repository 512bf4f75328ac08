// frames.json and malformed.json, at the decoder and at a session.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OmniError, Session } from "omnistreams";
import { decode, encode, hello, mockTimers, settle, Socket } from "./peer.js";
import { fromVector, plain, toVector, unhex, vectors } from "./vectors.js";

test("frames.json: each message is decoded and encoded", () => {
  const file = vectors("frames.json");
  for (const { name, hex, frames, decode_only, ...unknown } of file.messages) {
    assert.deepEqual(unknown, {});
    const message = unhex(hex);
    assert.deepEqual([...decode(message, file.max_item)].map(toVector), frames.map(plain), name);
    if (!decode_only) assert.deepEqual(encode(frames.map(fromVector)), message, name);
  }
});

const malformed = vectors("malformed.json");

test("malformed.json: the decoder finds what is wrong, and hands out the frames before it", () => {
  for (const { name, hex, phase, code, rule, good, ...unknown } of malformed.messages) {
    assert.deepEqual(unknown, {});
    let count = 0, error;
    try {
      const message = unhex(hex);
      if (message.length > 65536) { // a session looks at the length of a message before it looks into it
        error = new OmniError(4, "rule 9: ");
      }
      for (const f of error ? [] : decode(message, malformed.side.max_item, phase == "first message")) {
        // HELLO's place is the session's business.
        if (f.type == 0 && (count || phase != "first message")) throw new OmniError(2, "rule 1: second hello");
        count++;
      }
    } catch (e) {
      error = e;
    }
    assert.ok(error instanceof OmniError, name);
    assert.equal(error.code, code, name);
    assert.match(error.reason, /^rule \d+: /, `${name}, rule ${rule}`); // which rule need not agree
    assert.equal(count, good, name);
  }
});

test("malformed.json: a session answers with FAIL, once, and closes", async (t) => {
  mockTimers(t);
  for (const { name, hex, phase, code } of malformed.messages) {
    const socket = new Socket();
    const { max_item: maxItem, streams: maxStreams, items: prefetch, bytes: window } = malformed.side;
    const session = new Session(socket, { maxItem, maxStreams, prefetch, window });
    await settle(2);
    if (phase == "after hello") socket.comeFrames(hello());
    socket.come(unhex(hex));
    socket.comeFrames({ type: 7, stream: 0, payload: new Uint8Array(8) });
    await settle(2);
    const frames = socket.take();
    const last = frames.at(-1);
    assert.equal(last.type, 4, name);
    assert.equal(last.stream, 0, name);
    assert.equal(last.code, code, name);
    assert.ok(last.reason, name);
    assert.equal(socket.readyState, 1, name);
    t.mock.timers.tick(1000);
    assert.equal(socket.closedWith, 1002, name);
    await assert.rejects(session.closed, { code });
  }
});

test("every unknown type is an error, every ignored one is not", async () => {
  for (let type = 9; type < 256; type++) {
    const socket = new Socket();
    const session = new Session(socket, { keepAlive: Infinity });
    socket.comeFrames(hello());
    socket.comeFrames({ type, stream: type, payload: new Uint8Array(3) });
    await settle(3);
    const fails = socket.take().filter((f) => f.type == 4);
    assert.deepEqual(fails.map((f) => f.code), type < 128 ? [2] : [], `type ${type}`);
    socket.end();
    await session.closed.catch(() => {});
  }
});
