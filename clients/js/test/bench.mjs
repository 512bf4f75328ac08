// How fast items go to an echo and back: node test/bench.mjs ws://127.0.0.1:8080/ (or tcp://...), with `omni echo` there.
import { dial } from "./dial.js";

const [url, only = ""] = process.argv.slice(2);

async function echo(session, count, item, size) {
  const call = await session.call();
  const writing = (async () => {
    for (let i = 0; i < count; i++) await call.write(item);
    await call.end();
  })();
  let bytes = 0;
  for await (const { length } of call) bytes += length;
  await writing;
  if (bytes != count * size) throw new Error(`${bytes} bytes came back of ${count * size}`);
}

const parts = {
  "1 MiB items, 1 stream": [1, 400, 2 ** 20],
  "64 KiB items, 1 stream": [1, 4000, 2 ** 16],
  "64 B items, 1 stream": [1, 300_000, 64],
  "64 B items, 100 streams": [100, 3000, 64],
  "calls with one item of 64 B, one after the other": [0, 10_000, 64],
};
for (const [name, [streams, count, size]] of Object.entries(parts)) {
  if (!name.includes(only)) continue;
  const session = await dial(url, { maxItem: 2 ** 20 });
  const { maxItem } = await session.ready;
  const item = new Uint8Array(Math.min(size, maxItem)), begin = performance.now();
  if (streams) await Promise.all(Array.from({ length: streams }, () => echo(session, count, item, item.length)));
  else for (let i = 0; i < count; i++) await echo(session, 1, item, item.length);
  const seconds = (performance.now() - begin) / 1000, items = (streams || 1) * count;
  console.log(`${name}${item.length < size ? ` (of ${maxItem} B: the peer takes no longer ones)` : ""}: ` +
    `${Math.round(items / seconds)} items/s, ${(items * item.length / seconds / 1e6).toFixed(1)} MB/s each way`);
  await session.shutdown();
}
process.exit(0);
