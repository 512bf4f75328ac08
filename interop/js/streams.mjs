// What handlers and scenarios do with streams.
import { isDeepStrictEqual } from "node:util";
import { Counter, items, wrong } from "./pattern.mjs";

const decoder = new TextDecoder();

/** Writes all items of a pattern and the end; returns the tally. */
export async function pour(out, pattern, wrote = () => {}) {
  const counter = new Counter(pattern);
  for (const item of items(pattern)) {
    await out.write(item);
    counter.add(item);
    wrote(counter);
  }
  await out.end();
  return counter.tally();
}

/** Reads n items of a pattern, or all and the end. */
export async function read(incoming, counter, n = Infinity) {
  for (; n > 0; n--) {
    const { value: item, done } = await incoming.read();
    if (done && n < Infinity) throw wrong(`the stream ends, and ${n} more items should come`);
    if (done) return counter.complete();
    try {
      counter.take(item);
    } catch (error) {
      incoming.cancel(error);
      throw error;
    }
  }
}

/** Reads a pattern to the end; returns the tally. */
export async function drain(incoming, pattern) {
  const counter = new Counter(pattern);
  await read(incoming, counter);
  return counter.tally();
}

/** Calls without items. */
export async function ask(session, about) {
  const call = await session.call(about);
  await call.end();
  return call;
}

/** Reads the end, and nothing before it. */
export async function readEnd(incoming) {
  const { value, done } = await incoming.read();
  if (!done) throw wrong(`instead of the end: ${value.length} bytes`);
}

/** Reads one tally and the end. */
export async function readTally(incoming) {
  const { value, done } = await incoming.read();
  if (done) throw wrong("the stream ends before the tally");
  await readEnd(incoming);
  return JSON.parse(decoder.decode(value));
}

export function same(saw, want) {
  if (!isDeepStrictEqual(saw, want)) throw wrong(`the other side saw ${JSON.stringify(saw)} instead of ${JSON.stringify(want)}`);
}

/** Writes a pattern to a sink that was called. */
export async function fill(call, pattern) {
  const sent = await pour(call, pattern);
  await call.done;
  same(await readTally(call.answer), sent);
}

/** Sends a pattern to the other side's sink, and checks what that says. */
export async function up(session, pattern) {
  await fill(await session.call({ name: "sink", ...pattern }), pattern);
}

/** Reads a pattern from the other side's source. */
export async function down(session, pattern) {
  const call = await ask(session, { name: "source", ...pattern });
  await drain(call.answer, pattern);
}

/** Sends a pattern and reads it again. */
export async function echo(session, metadata, pattern) {
  const call = await session.call(metadata);
  const answered = async () => {
    const got = decoder.decode(await call.answer.opened);
    if (got != metadata) throw wrong("the answer has other metadata than the call");
    await drain(call.answer, pattern);
  };
  await Promise.all([pour(call, pattern), answered()]);
}
