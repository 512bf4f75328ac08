// Against the real thing: `omni echo` as the peer, and examples/echo.mjs as the peer of `omni pipe`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { bytes, collect, json, OmniError, text } from "omnistreams";
import { dial } from "./dial.js";
import { encode, hello } from "./peer.js";
import { omni, skip } from "./omni.js";
import { echo, start } from "./tools.js";

const echoes = [
  ["omni echo", "ws", omni, ["echo", "-l", "ws://127.0.0.1:0/"]],
  ["omni echo", "tcp", omni, ["echo", "-l", "tcp://127.0.0.1:0"]],
  ["echo.mjs", "ws", process.execPath, [echo, "ws://127.0.0.1:0/"]],
  ["echo.mjs", "tcp", process.execPath, [echo, "tcp://127.0.0.1:0"]],
];

for (const [name, transport, command, args] of echoes) {
  test(`${name} over ${transport}`, { timeout: 60_000, skip: command ? false : skip }, async (t) => {
    const { child, url } = await start(command, args);
    const session = await dial(url);
    const peer = await session.ready;

    await t.test("a call and its answer, metadata and all", async () => {
      const call = await session.call({ name: "greeting" });
      assert.deepEqual(JSON.parse(Buffer.from(await call.answer.opened)), { name: "greeting" });
      await call.write("hello");
      await call.write("");
      await call.end();
      const items = [];
      for await (const item of call) items.push(Buffer.from(item).toString());
      assert.deepEqual(items, ["hello", ""]);
      await call.done;
    });

    await t.test("ten thousand items, one after the other", async () => {
      const call = await session.call();
      const writer = call.writable.getWriter();
      const writing = (async () => {
        for (let i = 0; i < 10_000; i++) {
          await writer.ready;
          writer.write(`item ${i}`).catch(() => {});
        }
        await writer.close();
      })();
      let i = 0;
      for await (const item of call.readable) assert.equal(Buffer.from(item).toString(), `item ${i++}`);
      assert.equal(i, 10_000);
      await writing;
      await call.done;
    });

    await t.test("items of every length", async () => {
      const call = await session.call();
      const lengths = [0, 1, 65535, 65536, 65537, 200_000, peer.maxItem, 0, 100_000, peer.maxItem, 7];
      const writing = (async () => {
        for (const n of lengths) await call.write(new Uint8Array(n).fill(n));
        await call.end();
      })();
      const got = [];
      for await (const item of call) {
        assert.ok(item.every((byte) => byte == item.length % 256));
        got.push(item.length);
      }
      assert.deepEqual(got, lengths);
      await writing;

      const other = await session.call(); // one byte too many: nothing is sent, and the stream goes on
      await assert.rejects(other.write(new Uint8Array(peer.maxItem + 1)), { code: 4, remote: false });
      await other.write("x");
      await other.end();
      assert.equal((await collect(other)).length, 1);
    });

    await t.test("many calls at a time, more than there are slots", async () => {
      const answers = await Promise.all(Array.from({ length: 300 }, async (_, i) => {
        const call = await session.call();
        await call.write(`call ${i}`);
        await call.end();
        return Buffer.from(await collect(call)).toString();
      }));
      answers.forEach((answer, i) => assert.equal(answer, `call ${i}`));
    });

    await t.test("helpers: JSON, text, bytes", async () => {
      const a = json(await session.call());
      const w = a.writable.getWriter();
      w.write({ n: 1 });
      w.write([null, "zwei"]);
      w.close();
      const values = [];
      for await (const v of a.readable) values.push(v);
      assert.deepEqual(values, [{ n: 1 }, [null, "zwei"]]);

      const b = text(await session.call());
      new Blob(["größe\n"]).stream().pipeThrough(new TextDecoderStream()).pipeTo(b.writable);
      let all = "";
      for await (const part of b.readable) all += part;
      assert.equal(all, "größe\n");

      const million = new Uint8Array(1_000_000).map((_, i) => i * 7);
      const c = await session.call();
      const cut = bytes(c, 30_000);
      const writing = new Blob([million]).stream().pipeTo(cut.writable);
      assert.deepEqual(await collect(cut.readable), million);
      await writing;
    });

    await t.test("a slow reader stops the writer", async () => {
      const call = await session.call();
      let written = 0;
      const writing = (async () => {
        for (; written < 20_000; written++) await call.write(new Uint8Array(1000));
        await call.end();
      })();
      let before;
      do { // until nothing moves any more
        before = written;
        await new Promise((done) => setTimeout(done, 200));
      } while (written > before);
      assert.ok(written < 10_000, `${written} items went out though nobody read`);
      let read = 0;
      for await (const item of call) read += item.length;
      assert.equal(read, 20_000_000);
      await writing;
    });

    await t.test("codes and reasons go both ways", async () => {
      const a = await session.call();
      await a.write("x");
      a.abort(new OmniError(300, "enough of this"));
      assert.equal((await a.answer.read()).value.length, 1);
      await assert.rejects(a.answer.read(), { code: 300, reason: "enough of this", remote: true, lost: false });

      const b = await session.call();
      await b.write("x");
      await b.answer.read();
      b.answer.cancel(new OmniError(301, "no more"));
      await assert.rejects(b.done, { code: 301, reason: "no more", remote: true });

      const c = await session.open({ name: "one way" });
      await assert.rejects(c.done, { code: 5, remote: true });
      await assert.rejects(async () => { for (;;) await c.write("x"); }, { code: 5 });
    });

    await t.test("an aborted signal ends a call", async () => {
      const stop = new AbortController();
      const call = await session.call(undefined, { signal: stop.signal });
      const reading = call.answer.read();
      stop.abort();
      await assert.rejects(reading, { name: "AbortError" });
      await assert.rejects(call.done, { code: 1 });
      await assert.rejects(session.call(undefined, { signal: AbortSignal.abort() }), { name: "AbortError" });
    });

    await t.test("shutdown waits for what lives", async () => {
      const call = await session.call();
      await call.write("last");
      const ended = session.shutdown({ reason: "bye" });
      await call.end();
      assert.equal(Buffer.from(await collect(call)).toString(), "last");
      await ended;
      await assert.rejects(session.call(), OmniError);
      assert.equal(await session.accept(), undefined);
    });

    await t.test("a session that is cut loses its streams", async () => {
      const session = await dial(url);
      const call = await session.call();
      await call.write("x");
      assert.equal((await call.answer.read()).done, false);
      const reading = call.answer.read();
      const exit = new Promise((done) => child.once("exit", done));
      child.kill("SIGKILL");
      await assert.rejects(reading, { lost: true });
      await assert.rejects(call.done, { lost: true });
      await assert.rejects(session.closed, OmniError);
      await exit;
    });
  });
}

for (const transport of ["ws://127.0.0.1:0/", "tcp://127.0.0.1:0"]) {
  test(`omni pipe connects to echo.mjs at ${transport}`, { timeout: 30_000, skip }, async () => {
    const { child, url } = await start(process.execPath, [echo, transport]);
    const input = Buffer.alloc(5_000_000, "omnistreams ");
    const output = execFileSync(omni, ["pipe", "-c", url], { input, maxBuffer: 10_000_000 });
    assert.ok(output.equals(input));
    const exit = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    assert.equal(await exit, 0);
  });
}

/** HELLO as it goes over TCP. */
function greeting() {
  const message = Buffer.from(encode([hello()], 4));
  message.writeUInt32BE(message.length - 4);
  return message;
}

test("a peer that ends its socket after HELLO is gone within a second", { timeout: 20_000 }, async () => {
  const server = net.createServer((socket) => socket.resume().end(greeting())).listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = await dial(`tcp://127.0.0.1:${server.address().port}`);
  await session.ready;
  const ready = performance.now();
  await assert.rejects(session.closed, OmniError);
  assert.ok(performance.now() - ready < 1000);
  server.close();
});

test("echo.mjs closes within a second when its peer has ended", { timeout: 20_000 }, async () => {
  const { child, url } = await start(process.execPath, [echo, "tcp://127.0.0.1:0"], { stderr: "ignore" });
  const socket = net.connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
  socket.write(greeting());
  await once(socket, "data"); // its HELLO
  const ended = performance.now();
  socket.end();
  await once(socket, "end");
  assert.ok(performance.now() - ended < 1000);
  child.kill("SIGTERM");
});
