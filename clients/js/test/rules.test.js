// What the vectors do not ask: each test is a case that went unnoticed when the code was broken on purpose.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OmniError, Session } from "../omnistreams.js";
import { hello, settle, Socket } from "./peer.js";

const DATA = 2, END = 3, FAIL = 4, CLOSE = 6, PING = 7;
const none = new Uint8Array(0), one = new Uint8Array([1]);
const open = (stream, kind = 0) => ({ type: 1, stream, kind, answers: 0, metadata: none });
const data = (stream) => ({ type: DATA, stream, payload: one });

/** A session whose peer has said HELLO, and what it has sent so far is taken. */
async function started(fields) {
  const socket = new Socket();
  const session = new Session(socket, { keepAlive: Infinity });
  socket.comeFrames(hello(fields));
  await settle();
  socket.take().splice(0);
  return { socket, session };
}

test("rule 7: a stream of which an item was taken is not refused, but canceled", async () => {
  const { socket, session } = await started();
  socket.comeFrames(open(1), data(1), open(2));
  const taken = await session.accept(), untouched = await session.accept();
  await taken.read();
  taken.refuse("too late");
  untouched.refuse("no");
  await settle();
  const closes = socket.take().filter((f) => f.type == CLOSE);
  assert.deepEqual(closes.map((f) => [f.stream, f.code, f.reason]), [[1, 1, "too late"], [2, 5, "no"]]);
  socket.end();
});

test("rule 7: nothing comes to a reader that has left", async () => {
  const { socket, session } = await started();
  socket.comeFrames(open(1), data(1));
  const stream = await session.accept();
  stream.cancel();
  socket.comeFrames(data(1));
  assert.deepEqual(await stream.read(), { done: true, value: undefined });
  socket.end();
});

test("rule 12: END that was not looked at before the cut is no clean end", async () => {
  const { socket, session } = await started();
  socket.comeFrames(open(1), data(1), { type: END, stream: 1 });
  const stream = await session.accept();
  socket.end();
  assert.deepEqual(await stream.read(), { done: false, value: one });
  await assert.rejects(stream.read(), { lost: true });
});

test("rule 12: no CLOSE on 0 after END on 0", async () => {
  const { socket, session } = await started();
  const out = await session.open();
  socket.comeFrames({ type: CLOSE, stream: 0, code: 8, reason: "" });
  await settle();
  const ended = session.shutdown();
  await settle();
  await out.end();
  await settle();
  assert.deepEqual(socket.take().splice(0).map((f) => [f.type, f.stream]), [[1, 1], [END, 0], [END, 1]]);
  socket.comeFrames({ type: CLOSE, stream: 1, code: 0, reason: "" }, { type: END, stream: 0 });
  await settle();
  assert.deepEqual(socket.take().map((f) => [f.type, f.stream, f.code]), [[FAIL, 0, 0]]);
  socket.comeFrames({ type: FAIL, stream: 0, code: 0, reason: "" });
  await ended;
  assert.equal(socket.closedWith, 1000);
});

test("a long item does not wait for ever behind short frames", async () => {
  const { socket, session } = await started({ maxItem: 100_000, bytes: 100_000 });
  const out = await session.open();
  await settle();
  const send = socket.send.bind(socket);
  let n = 0;
  socket.send = (message) => { // with each message there is a PING to answer
    send(message);
    if (n++ < 50) socket.comeFrames({ type: PING, stream: 0, payload: new Uint8Array(8) });
  };
  socket.comeFrames({ type: PING, stream: 0, payload: new Uint8Array(8) });
  await out.write(new Uint8Array(100_000));
  await settle();
  const at = socket.take().findIndex((f) => f.type == DATA);
  assert.ok(at >= 0 && at < 6, `DATA was frame ${at}`);
  socket.end();
});

test("slots: opens wait for one, and an aborted one gets none", async () => {
  const { socket, session } = await started({ streams: 1 });
  const first = await session.open("a");
  const stop = new AbortController();
  const second = session.open("b", { signal: stop.signal });
  const third = session.open("c");
  await settle();
  stop.abort();
  await assert.rejects(second, { name: "AbortError" });
  await first.end();
  await settle();
  socket.comeFrames({ type: CLOSE, stream: 1, code: 0, reason: "" });
  await third;
  await first.done;
  await settle();
  const opens = socket.take().filter((f) => f.type == 1);
  assert.deepEqual(opens.map((f) => [f.stream, Buffer.from(f.metadata).toString()]), [[1, "a"], [2, "c"]]);
  socket.end();
});

test("WritableStream: ready waits for credit, the peer's CLOSE breaks it off, abort does not hang", async () => {
  const { socket, session } = await started({ items: 1 });
  const out = await session.open();
  const writer = out.writable.getWriter();
  await writer.ready;
  await writer.write(one);
  const second = writer.write(one);
  second.catch(() => {});
  let ready = false;
  writer.ready.then(() => { ready = true; }, () => {});
  await settle();
  assert.equal(ready, false);
  socket.comeFrames({ type: 5, stream: 1, items: 2, bytes: 65536 });
  await second;
  await writer.ready;
  const third = writer.write(one);
  const aborted = writer.abort(new OmniError(300, "enough"));
  await assert.rejects(third);
  await aborted;
  await settle();
  const fail = socket.take().find((f) => f.type == FAIL);
  assert.deepEqual([fail.stream, fail.code, fail.reason], [1, 300, "enough"]);

  const other = (await session.open()).writable.getWriter();
  await settle();
  socket.comeFrames({ type: CLOSE, stream: 2, code: 301, reason: "no more" });
  await assert.rejects(other.closed, { code: 301, reason: "no more", remote: true });
  socket.end();
});
