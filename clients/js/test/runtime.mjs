// A program for any runtime: what the README shows, against the echo whose addresses are given, each way that the
// runtime can connect. It prints a line for each.
import { collect, connect, json, OmniError, Session } from "omnistreams";

const runtime = globalThis.Deno ? "deno" : globalThis.Bun ? "bun" : "node";

async function dial(url) {
  if (url.startsWith("ws:")) {
    if (globalThis.WebSocket) return connect(url);
    const { default: WebSocket } = await import("ws"); // Node 20 has none
    return connect(url, { WebSocket });
  }
  const { hostname, port } = new URL(url);
  if (globalThis.Deno) return new Session(await Deno.connect({ hostname, port: Number(port) }));
  const [{ connect: open }, { Duplex }] = await Promise.all([import("node:net"), import("node:stream")]);
  const socket = open(Number(port), hostname);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return new Session(Duplex.toWeb(socket));
}

function expect(what, got, want) {
  if (got !== want) throw new Error(`${what}: got ${got}, want ${want}`);
}

/** The example. */
async function words(session) {
  const call = await session.call({ name: "echo" });
  const writing = (async () => {
    for (const word of ["pull", "not", "push"]) await call.write(word);
    await call.end();
  })();
  const got = [];
  for await (const item of call) got.push(new TextDecoder().decode(item));
  await writing;
  await call.done;
  expect("words", got.join(" "), "pull not push");
}

/** Three million bytes that wait for their reader. */
async function bulk(session) {
  const call = await session.call();
  let written = 0;
  const writing = (async () => {
    for (; written < 3000; written++) await call.write(new Uint8Array(1000).fill(written));
    await call.end();
  })();
  const { value } = await call.answer.read();
  expect("the first item", value.length, 1000);
  for (let before; before !== written;) { // until nothing moves any more
    before = written;
    await new Promise((done) => setTimeout(done, 100));
  }
  expect("the writer waits", written < 3000, true);
  expect("bytes", value.length + (await collect(call)).length, 3_000_000);
  await writing;
}

/** Web streams: values in, values out, then the writer breaks off. */
async function pipes(session) {
  const call = await session.call(), { writable, readable } = json(call);
  const writer = writable.getWriter(), reader = readable.getReader();
  await writer.ready;
  await writer.write({ n: 1 });
  expect("value", (await reader.read()).value.n, 1);
  await writer.abort(new OmniError(300, "enough"));
  const error = await reader.read().then(() => undefined, (e) => e);
  expect("error", `${error?.code} ${error?.reason}`, "300 enough");
}

for (const url of (globalThis.Deno?.args ?? process.argv.slice(2))) {
  const session = await dial(url);
  for (const part of [words, bulk, pipes]) await part(session);
  const stop = new AbortController();
  const call = await session.call(undefined, { signal: stop.signal });
  stop.abort();
  await call.done.catch((e) => expect("code", e.code, 1));
  await session.shutdown({ reason: "bye" });
  console.log(`${runtime} over ${new URL(url).protocol}//: all well`);
}
