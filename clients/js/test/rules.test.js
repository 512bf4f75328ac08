// What the vectors do not ask: each test is a case that went unnoticed when the code was broken on purpose.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, forward, json, OmniError, Session } from "omnistreams";
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

test("rule 13: when the numbers run out, what was let in and has none fails with code 3", async () => {
  const socket = new Socket();
  const session = new Session(socket, { keepAlive: Infinity, first: 2 ** 32 - 1 });
  socket.comeFrames(hello());
  await session.ready;
  const [last, oneWay, call] = await Promise.all([session.open(), session.open(), session.call()]);
  const read = call.answer.read();
  await settle();
  await assert.rejects(oneWay.done, { code: 3 });
  await assert.rejects(call.done, { code: 3 });
  await assert.rejects(read, { code: 3 });
  await assert.rejects(session.open(), { code: 3 });
  assert.deepEqual(socket.take().splice(0).map((f) => [f.type, f.stream]), [[0, 0], [1, 2 ** 32 - 1], [END, 0]]);
  await last.write(one);
  await settle();
  assert.deepEqual(socket.take().map((f) => [f.type, f.stream]), [[DATA, 2 ** 32 - 1]]);
  socket.end();
});

test("an accept that is aborted when it has a stream takes nobody else's place", async () => {
  const { socket, session } = await started();
  const stop = new AbortController();
  const first = session.accept({ signal: stop.signal }), second = session.accept();
  socket.comeFrames(open(1));
  stop.abort();
  assert.equal((await first).isCall, false);
  socket.comeFrames(open(2));
  assert.equal((await second).isCall, false);

  const third = session.accept({ signal: AbortSignal.abort() });
  socket.comeFrames(open(3));
  await assert.rejects(third, { name: "AbortError" });
  assert.equal((await session.accept()).isCall, false); // the third stream waits for the next
  socket.end();
});

test("a value that cannot be decoded cancels the stream, one that cannot be written breaks it off", async () => {
  const { socket, session } = await started();
  socket.comeFrames(open(1), { type: DATA, stream: 1, payload: new Uint8Array([123]) });
  await assert.rejects(json(await session.accept()).readable.getReader().read(), SyntaxError);
  const writer = json(await session.open()).writable.getWriter();
  await assert.rejects(writer.write("x".repeat(2000)), { code: 4 });
  await settle();
  const words = socket.take().filter((f) => f.type == CLOSE || f.type == FAIL);
  assert.deepEqual(words.map((f) => [f.type, f.stream, f.code]), [[CLOSE, 1, 6], [FAIL, 1, 4]]);
  socket.end();
});

test("collect joins any number of items", async () => {
  async function* items() {
    for (let i = 0; i < 300_000; i++) yield one;
  }
  assert.equal((await collect(items())).length, 300_000);
});

test("a WebSocket that is closed already is a session that is lost", async () => {
  const socket = new Socket();
  socket.end();
  const session = new Session(socket);
  await assert.rejects(session.closed, OmniError);
  await assert.rejects(session.call(), { lost: true });
});

test("a WebSocket that was closed before the session began is noticed at once, though it says nothing", async () => {
  const socket = new Socket();
  socket.end();
  socket.send = () => {}; // a real one drops what comes too late
  const session = new Session(socket);
  await Promise.race([assert.rejects(session.closed, { reason: "connection lost" }), settle(20).then(() => assert.fail("not noticed"))]);
  await assert.rejects(session.ready, OmniError);
});

test("the memory of an item may be used again once it is written", async () => {
  const { socket, session } = await started();
  const out = await session.open(), item = new Uint8Array([1, 2, 3]);
  await out.write(item);
  item.fill(9);
  await settle();
  assert.deepEqual(socket.take().find((f) => f.type == DATA).payload, new Uint8Array([1, 2, 3]));
  socket.end();
});

test("an open that waits its turn goes before the end of the session", async () => {
  const { socket, session } = await started();
  const opens = Array.from({ length: 6 }, () => session.open(new Uint8Array(16384)));
  const ended = session.shutdown();
  for (const out of await Promise.all(opens)) out.end();
  await settle();
  const words = socket.take().map((f) => (f.stream ? f.type : 100 + f.type));
  assert.deepEqual(words.filter((word) => word != END), [1, 1, 1, 1, 1, 1, 100 + CLOSE, 100 + END]);
  socket.end();
  await assert.rejects(ended, OmniError);
});

test("forward: asks for what is asked, within bounds, and passes on how either end ends", async () => {
  const from = new Socket(), to = new Socket();
  const options = { keepAlive: Infinity, prefetch: 0 };
  const source = new Session(from, options), target = new Session(to, options);
  from.comeFrames(hello());
  to.comeFrames(hello({ items: 2 ** 32 - 1, bytes: 2 ** 32 - 1 }));
  from.comeFrames(open(1), open(2));
  const passed = [];
  for (let i = 0; i < 2; i++) passed.push(forward(await source.accept(), await target.open()));
  await settle();
  const asked = from.take().splice(0).filter((f) => f.type == 5);
  assert.deepEqual(asked.map((f) => [f.stream, f.items]), [[1, 65536], [2, 65536]]);
  from.comeFrames(data(1), { type: FAIL, stream: 1, code: 300, reason: "broken" });
  await assert.rejects(passed[0], { code: 300, reason: "broken", remote: true });
  to.comeFrames({ type: CLOSE, stream: 2, code: 301, reason: "enough" });
  await assert.rejects(passed[1], { code: 301, reason: "enough", remote: true });
  await settle();
  const there = to.take().filter((f) => f.stream && f.type != 1).map((f) => [f.type, f.stream, f.code]);
  assert.deepEqual(there, [[DATA, 1, undefined], [FAIL, 1, 300], [FAIL, 2, 301]]);
  assert.deepEqual(from.take().filter((f) => f.type == CLOSE).map((f) => [f.stream, f.code, f.reason]), [[1, 0, ""], [2, 301, "enough"]]);
  from.end();
  to.end();
});

test("forward: a stream that was cancelled on the way is no clean end", async () => {
  const { socket, session } = await started();
  socket.comeFrames(open(1), data(1));
  const from = await session.accept(), to = await session.open();
  const passed = forward(from, to);
  await settle();
  from.cancel(new OmniError(300, "stop"));
  await settle();
  socket.comeFrames({ type: FAIL, stream: 1, code: 300, reason: "" });
  await assert.rejects(passed, { code: 300, reason: "stop", remote: false });
  await settle();
  const there = socket.take().filter((f) => [DATA, END, FAIL].includes(f.type)).map((f) => [f.type, f.stream, f.code, f.reason]);
  assert.deepEqual(there, [[DATA, 1, undefined, undefined], [FAIL, 1, 300, "stop"]]);
  socket.end();
});

test("an aborted signal is no clean end of the answer", async () => {
  const { socket, session } = await started();
  const stop = new AbortController(), why = new Error("not needed");
  const calls = await Promise.all([1, 2, 3].map(() => session.call("", { signal: stop.signal })));
  await settle();
  for (const answers of [1, 2, 3]) socket.comeFrames({ type: 1, stream: answers, kind: 2, answers, metadata: none }, data(answers));
  socket.comeFrames({ type: END, stream: 3 });
  const pieces = calls.map((call) => call.answer);
  const all = [collect(pieces[0]), new Response(pieces[1].readable).bytes?.() ?? collect(pieces[1].readable)];
  assert.deepEqual(await pieces[2].read(), { value: one, done: false });
  assert.deepEqual(await pieces[2].read(), { value: undefined, done: true });
  await settle();
  stop.abort(why);
  for (const bytes of all) await assert.rejects(bytes, why);
  await assert.rejects(pieces[0].read(), why);
  assert.deepEqual(await pieces[2].read(), { value: undefined, done: true }); // it had come to its end
  for (const call of calls) await assert.rejects(call.done, { code: 6 });
  socket.end();
});

test("an abort is never a clean end, and breaks nothing else, whatever its code and reason", async () => {
  const { socket, session } = await started();
  const errors = [new OmniError(-1, "x"), new OmniError(), new OmniError(NaN, 7), new OmniError("300", null), new OmniError(301, {})];
  for (const e of errors) (await session.open()).abort(e);
  await settle();
  const words = socket.take().filter((f) => f.type != 1).map((f) => [f.type, f.code, f.reason]);
  assert.deepEqual(words, [
    [FAIL, 2 ** 32 - 1, "x"], [FAIL, 0, ""], [FAIL, 0, "7"], [FAIL, 300, "null"], [FAIL, 301, "[object Object]"],
  ]);
  assert.deepEqual(errors.map((e) => e.code), [2 ** 32 - 1, 0, 0, 300, 301]);
  socket.end();
});

test("options that cannot work are told at once", () => {
  for (const wrong of [{ keepAlive: 0 }, { keepAlive: NaN }, { maxItem: 2 ** 24 + 1 }, { maxItem: 10, window: 9 }, { prefetch: 65537 }, { maxStreams: -1 }]) {
    assert.throws(() => new Session(new Socket(), wrong), RangeError);
  }
});

test("opens that wait for a slot cost the others next to nothing", { timeout: 120_000 }, async () => {
  const { socket, session } = await started({ streams: 1 });
  const begin = performance.now(), first = await session.open();
  const waiting = Array.from({ length: 100_000 }, () => session.open());
  for (let i = 0; i < 20_000; i++) socket.comeFrames({ type: 5, stream: 1, items: 16 + i, bytes: 65536 });
  first.abort();
  socket.end();
  for (const end of await Promise.allSettled(waiting)) assert.ok(end.reason.lost);
  assert.ok(performance.now() - begin < 15_000); // a minute if each is looked at for each frame
});

test("nothing is left behind at a signal", async () => {
  const { socket, session } = await started();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  signal.addEventListener = (...args) => { listeners++; addEventListener.apply(signal, args); };
  signal.removeEventListener = (...args) => { listeners--; removeEventListener.apply(signal, args); };
  const accepted = session.accept({ signal }), out = await session.open("", { signal }), call = await session.call("", { signal });
  assert.equal(listeners, 3);
  socket.comeFrames(open(1));
  await accepted;
  await settle();
  assert.equal(listeners, 2);
  out.abort();
  call.giveUp();
  await settle();
  socket.comeFrames({ type: CLOSE, stream: 1, code: 1, reason: "" }, { type: CLOSE, stream: 2, code: 1, reason: "" });
  await settle();
  assert.equal(listeners, 0);
  await session.call("", { signal });
  const ended = session.shutdown({ signal });
  socket.end();
  await assert.rejects(ended, OmniError);
  await settle();
  assert.equal(listeners, 0);
});
