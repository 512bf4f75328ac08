// What is late and what is in the way: HELLO, keepalive, a byte stream that stalls, a connection that takes nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OmniError, Session } from "omnistreams";
import { decode, encode, hello, mockTimers, settle, Socket } from "./peer.js";

const FAIL = 4, PING = 7, PONG = 8;

async function seconds(t, n) {
  for (let i = 0; i < n; i++) {
    t.mock.timers.tick(1000);
    await settle(2);
  }
}

test("HELLO is late after ten seconds", async (t) => {
  mockTimers(t);
  const socket = new Socket();
  const session = new Session(socket);
  await settle();
  await seconds(t, 9);
  assert.equal(socket.take().some((f) => f.type == FAIL), false);
  await seconds(t, 1);
  assert.deepEqual(socket.take().filter((f) => f.type == FAIL).map((f) => [f.stream, f.code]), [[0, 7]]);
  assert.equal(socket.readyState, 1); // it has a second to read that
  await seconds(t, 1);
  assert.equal(socket.closedWith, 1002);
  await assert.rejects(session.closed, { code: 7 });
  await assert.rejects(session.ready, OmniError);
});

test("a silent peer is asked after 15 seconds, and given up 15 seconds later", async (t) => {
  mockTimers(t);
  const socket = new Socket();
  const session = new Session(socket);
  await settle();
  socket.comeFrames(hello());
  await seconds(t, 16);
  const [ping, ...more] = socket.take().splice(0).filter((f) => f.type == PING);
  assert.deepEqual(more, []);
  socket.comeFrames({ type: PONG, stream: 0, payload: ping.payload }); // it lives
  await seconds(t, 16);
  assert.equal(socket.take().splice(0).filter((f) => f.type == PING).length, 1);
  for (let i = 0; i < 15; i++) { // a PONG that nobody asked for proves nothing
    socket.comeFrames({ type: PONG, stream: 0, payload: new Uint8Array(8).fill(9) });
    await seconds(t, 1);
  }
  assert.deepEqual(socket.take().map((f) => [f.type, f.code]), [[FAIL, 7]]);
  await seconds(t, 1);
  await assert.rejects(session.closed, { code: 7 });
});

test("a text message ends the connection with 1003", async () => {
  const socket = new Socket();
  const session = new Session(socket);
  await settle();
  socket.comeFrames(hello());
  socket.come("text");
  assert.equal(socket.closedWith, 1003);
  await assert.rejects(session.closed, OmniError);
});

test("a message one byte beyond the limit is an error, one at the limit is not", async () => {
  for (const [length, code] of [[300_000, undefined], [300_001, 4]]) {
    const socket = new Socket();
    new Session(socket, { maxItem: 300_000 - 9 });
    await settle();
    socket.comeFrames(hello());
    socket.comeFrames({ type: 200, stream: 0, payload: new Uint8Array(length - 9) });
    await settle();
    assert.equal(socket.take().find((f) => f.type == FAIL)?.code, code);
    socket.end();
  }
});

/** A session over bytes, and the other end of them. */
function overBytes(options) {
  const come = new TransformStream(), go = new TransformStream(undefined, undefined, { highWaterMark: 1000 });
  const session = new Session({ readable: come.readable, writable: go.writable }, options);
  return { session, writer: come.writable.getWriter(), reader: go.readable.getReader() };
}

function framed(...frames) {
  const bytes = encode(frames, 4);
  new DataView(bytes.buffer).setUint32(0, bytes.length - 4);
  return bytes;
}

test("bytes: messages in any pieces, lengths that are wrong", async () => {
  for (const [length, code] of [[0, 2], [65537, 4], [2 ** 32 - 1, 4]]) {
    const { session, writer, reader } = overBytes({ maxItem: 16 });
    for (const byte of framed(hello())) await writer.write(new Uint8Array([byte]));
    await session.ready;
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, length);
    await writer.write(head);
    let last;
    for (let r; !last && !(r = await reader.read()).done;) last = [...decode(r.value.subarray(4), 16)].find((f) => f.type == FAIL);
    assert.equal(last.code, code);
    await assert.rejects(session.closed, { code }); // within a second, though this end does not close
  }
});

test("bytes: a message that stalls is late after thirty seconds, however it trickles", async (t) => {
  mockTimers(t);
  const { session, writer, reader } = overBytes();
  await settle();
  await writer.write(framed(hello()));
  await writer.write(new Uint8Array([0, 0, 1, 0]));
  for (let i = 0; i < 30; i++) {
    await writer.write(new Uint8Array(1));
    await seconds(t, 1);
  }
  let last;
  for (let r; !last && !(r = await reader.read()).done;) last = [...decode(r.value.subarray(4), 16)].find((f) => f.type == FAIL);
  assert.deepEqual([last.code, last.reason], [7, "rule 0: message timed out"]);
  await seconds(t, 3);
  await assert.rejects(session.closed, { code: 7 });
});

test("bytes: a line that is always inside some message is not late, as long as they are completed", async (t) => {
  mockTimers(t);
  const { session, writer, reader } = overBytes();
  await settle();
  await writer.write(framed(hello()));
  const ping = framed({ type: PING, stream: 0, payload: new Uint8Array(8) });
  for (let i = 0, rest = ping.subarray(0, 0); i < 70; i++) {
    await writer.write(Buffer.concat([rest, ping.subarray(0, 9)]));
    rest = ping.subarray(9);
    await seconds(t, 1);
  }
  const seen = [];
  for (let r; seen.filter((type) => type == PONG).length < 69 && !(r = await reader.read()).done;) {
    for (const f of decode(r.value.subarray(4), 16)) seen.push(f.type);
  }
  assert.equal(seen.includes(FAIL), false);
  session.close();
  await seconds(t, 3);
  await session.closed.catch(() => {});
});

test("bytes: a message that takes long to come is a sign of life", async (t) => {
  mockTimers(t);
  const { session, writer } = overBytes({ keepAlive: 2 });
  await settle();
  await writer.write(framed(hello()));
  await writer.write(new Uint8Array([0, 0, 0, 9 + 20, 200, 0, 0, 0, 0, 0, 0, 0, 20]));
  for (let i = 0; i < 19; i++) {
    await writer.write(new Uint8Array(1));
    await seconds(t, 1);
  }
  const out = session.open(); // it would fail if the session were over
  await out;
  session.close();
  await seconds(t, 3);
});

test("bytes: a peer that dies inside a message is given up as soon as one that dies between messages", async (t) => {
  mockTimers(t);
  const { session, writer, reader } = overBytes({ keepAlive: 2 });
  await settle();
  await writer.write(framed(hello()));
  await writer.write(new Uint8Array([0, 0, 1, 0, 2]));
  await seconds(t, 6);
  let last;
  for (let r; !last && !(r = await reader.read()).done;) last = [...decode(r.value.subarray(4), 16)].find((f) => f.type == FAIL);
  assert.deepEqual([last.code, last.reason], [7, "rule 11: keepalive timed out"]);
  await seconds(t, 3);
  await assert.rejects(session.closed, { code: 7 });
});

test("bytes: a PONG that nobody asked for proves nothing there either", async (t) => {
  mockTimers(t);
  const { session, writer } = overBytes({ keepAlive: 2 });
  await settle();
  await writer.write(framed(hello()));
  for (let i = 0; i < 8; i++) {
    await writer.write(framed({ type: PONG, stream: 0, payload: new Uint8Array(8).fill(9) })).catch(() => {});
    await seconds(t, 1);
  }
  await assert.rejects(session.closed, { code: 7, reason: "rule 11: keepalive timed out" });
});

test("a connection that takes nothing for thirty seconds is given up, a slow one is not", async (t) => {
  mockTimers(t);
  const socket = new Socket();
  const session = new Session(socket, { keepAlive: Infinity });
  await settle();
  socket.comeFrames(hello({ items: 1000, bytes: 2 ** 30 }));
  const out = await session.open();
  const send = socket.send.bind(socket);
  socket.send = (message) => { // each message takes twenty seconds
    send(message);
    socket.bufferedAmount = 2 ** 20;
  };
  for (let n = 0; n < 600; n++) out.write(new Uint8Array(1000)).catch(() => {});
  for (let i = 0; i < 4; i++) {
    await seconds(t, 20);
    socket.bufferedAmount = 0;
  }
  assert.equal(socket.readyState, 1);
  assert.ok(socket.sent.length > 4, `${socket.sent.length} messages`);
  await seconds(t, 40);
  assert.equal(socket.readyState, 3);
  await assert.rejects(session.closed, { code: 7, reason: "rule 11: sending timed out" });
});

test("reading goes on while sending is blocked", async () => {
  const socket = new Socket();
  const session = new Session(socket);
  await settle();
  socket.bufferedAmount = 2 ** 20; // it takes nothing
  socket.comeFrames(hello({ items: 1000, bytes: 2 ** 30 }));
  const out = await session.open();
  let written = 0;
  const writing = (async () => {
    for (; written < 1000; written++) await out.write(new Uint8Array(1000));
  })();
  writing.catch(() => {});
  await settle();
  assert.ok(written < 140, `${written} items wait for a connection that takes none`);
  socket.comeFrames({ type: 1, stream: 1, kind: 0, answers: 0, metadata: new Uint8Array(0) }, { type: 2, stream: 1, payload: new Uint8Array(5) });
  const stream = await session.accept();
  assert.equal((await stream.read()).value.length, 5);
  socket.bufferedAmount = 0;
  await writing;
  socket.end();
  await assert.rejects(out.done, { lost: true });
});

test("the worked session, cut after every byte: never a clean end before END, and nothing hangs", async () => {
  const answer = [
    hello(), { type: 1, stream: 1, kind: 2, answers: 1, metadata: new Uint8Array(0) }, { type: 6, stream: 1, code: 0, reason: "" },
    { type: 2, stream: 1, payload: new Uint8Array([52, 50]) }, { type: 3, stream: 1 },
  ].map((f) => framed(f));
  const all = Buffer.concat(answer);
  for (let at = 0; at <= all.length; at++) {
    const { session, writer } = overBytes();
    const [greeting, rest] = [all.subarray(0, Math.min(at, answer[0].length)), all.subarray(Math.min(at, answer[0].length), at)];
    if (greeting.length) await writer.write(greeting);
    const asked = session.call().then(async (call) => {
      await call.write("2");
      await call.end();
      await settle();
      if (rest.length) await writer.write(rest);
      await settle();
      await writer.close();
      const items = [];
      for await (const item of call) items.push(Buffer.from(item).toString());
      return items;
    });
    if (at < answer[0].length) await writer.close();
    if (at < all.length) await assert.rejects(asked, { lost: true }, `cut after ${at}`);
    else await asked.then((items) => assert.deepEqual(items, ["42"]), (e) => assert.ok(e.lost));
    await assert.rejects(session.closed, OmniError);
  }
});

test("a stream that nobody reads stops no other, and long items do not keep control out", async () => {
  const [a, b] = pair();
  const from = new Session(a, { keepAlive: Infinity }), to = new Session(b, { keepAlive: Infinity });
  const stuck = await from.open("stuck");
  const stuckWriting = (async () => { for (;;) await stuck.write(new Uint8Array(50_000)); })();
  stuckWriting.catch(() => {});
  const first = await to.accept();
  assert.equal(Buffer.from(first.metadata).toString(), "stuck");
  const out = await from.open("moves");
  const writing = (async () => {
    for (let i = 0; i < 200; i++) await out.write(new Uint8Array(i % 2 ? 40_000 : 250_000));
    await out.end();
  })();
  const second = await to.accept();
  let n = 0;
  for await (const item of second) n += item.length;
  assert.equal(n, 29_000_000);
  await writing;
  await out.done;
  first.cancel(new OmniError(1, "enough"));
  await assert.rejects(stuckWriting, { code: 1, reason: "enough" });
  await Promise.all([from.shutdown(), to.shutdown()]);
});

/** Two sockets in memory that are joined. */
function pair() {
  const a = new Socket(), b = new Socket();
  for (const [x, y] of [[a, b], [b, a]]) {
    x.send = (message) => queueMicrotask(() => y.come(message));
    x.addEventListener("close", () => y.end());
  }
  return [a, b];
}
