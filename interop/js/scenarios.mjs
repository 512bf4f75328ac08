// What a drive does, in this order.
import { OmniError } from "../../clients/js/omnistreams.js";
import { Counter, items, MAX_ITEM, wrong } from "./pattern.mjs";
import { ask, down, drain, echo, fill, pour, read, readEnd, readTally, same } from "./streams.mjs";

export const MAX_METADATA = 16 << 10;
export const PREFETCH = 64; // items that each peer lets come ahead of a reader
export const WINDOW = 512 << 10; // the same in bytes

const STREAMS = 100;
const TAKEN = 10; // items before a reader stands still, or cancels
const ECHO = JSON.stringify({ name: "echo" });
const ENDLESS = { seed: 400, bytes: 50_000_000 }; // nobody reads it to the end
const BECAUSE = "genug – もう十分 ✋";

/** The reasons of a writer that breaks off: the second is cut after the last whole rune within 1,024 bytes. */
const REASONS = [
  { code: 2 ** 32 - 1, reason: "kaputt – 壊れた ✗", received: "kaputt – 壊れた ✗" },
  { code: 256, reason: "x" + "ü".repeat(600), received: "x" + "ü".repeat(511) },
];

/** What a slow reader gets: one pattern that the window's items stop, and one that its bytes do. */
const SLOW = [{ seed: 300, bytes: 200_000, size: 100 }, { seed: 301, bytes: 8_000_000, size: 30_000 }];

const range = (n) => [...Array(n).keys()];

/** The metadata of HELLO. */
export function greeting(name) {
  return `interop ${name} `.padEnd(MAX_METADATA, ".");
}

/** Asks what the other side saw of a stream, with wait once that is over. */
async function last(session, id, wait) {
  return readTally((await ask(session, { name: "last", id, wait })).answer);
}

/** Gives the error that a promise is broken with. */
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof OmniError) return error;
    throw error;
  }
  throw wrong("there should be an error");
}

/** Checks that an error is the other side's, with code and reason. */
async function broken(promise, code, reason) {
  const error = await failure(promise);
  if (!error.remote || error.code != code || error.reason != reason) {
    throw wrong(`instead of code ${code}, "${reason}" of the other side: ${error.message}`);
  }
}

async function refused(promise, what) {
  const error = await failure(promise);
  if (!error.remote || error.code != 5) throw wrong(`${what}: ${error.message}`);
}

/** Waits until a writer has used up the least window, and moves no more during ten calls. */
async function stuck(session, { size }, written) {
  const least = Math.min(PREFETCH, Math.floor(MAX_ITEM / size));
  const most = TAKEN + Math.min(PREFETCH, Math.floor(WINDOW / size));
  for (let before = 0, still = 0; still < 10;) {
    await echo(session, ECHO, { seed: 4, bytes: 10 });
    const now = await written();
    if (now > most) throw wrong(`${now} items of ${size} bytes are written though the reader took ${TAKEN}: at most ${most} should be`);
    still = now < least || now != before ? 0 : still + 1;
    before = now;
  }
}

/** Writes until the stream is canceled as about says. */
async function canceled(out, about) {
  let written = 0;
  await broken(pour(out, about, (counter) => (written = counter.items)), about.code, about.reason);
  if (written < TAKEN || written > TAKEN + PREFETCH) throw wrong(`${written} items were written to a reader that took ${TAKEN}`);
  await broken(out.done, about.code, about.reason);
}

function stopped(about, saw) {
  if (saw.items != TAKEN || saw.code != about.code || saw.reason != about.reason) {
    throw wrong(`the reader that canceled saw ${JSON.stringify(saw)}`);
  }
}

/** Checks how a stream ended for the server. */
async function sawEnd(session, id, items, code, reason) {
  const saw = await last(session, id, true);
  if (saw.items != items || saw.code != code || saw.reason != reason) {
    throw wrong(`the server saw ${JSON.stringify(saw)} instead of ${items} items, code ${code}, "${reason}"`);
  }
}

/** Writes so many items, then fails. */
async function breakOff(out, many, { code, reason }) {
  let n = 0;
  for (const item of items(ENDLESS)) {
    if (n++ == many) break;
    await out.write(item);
  }
  out.abort(new OmniError(code, reason));
}

/** Makes calls until one fails since the session is shutting down. */
async function noMore(session) {
  try {
    for (;;) await echo(session, ECHO, { seed: 4, bytes: 10 });
  } catch (error) {
    if (error.code != 8) throw error;
  }
}

/** Ways in which streams break off, after so many items. */
const CHURN = [
  /** An answer is canceled. */
  async (session, many) => {
    const call = await ask(session, { name: "source", ...ENDLESS });
    await read(call.answer, new Counter(ENDLESS), many);
    call.answer.cancel(new OmniError(303, BECAUSE));
  },
  /** The server cancels a one-way stream. */
  async (session, many) => {
    const about = { name: "sink", cancel: many, code: 304, reason: BECAUSE, ...ENDLESS };
    await broken(pour(await session.open(about), ENDLESS), about.code, about.reason);
  },
  /** A call is given up at once. */
  async (session) => {
    const call = await session.call({ name: "source", ...ENDLESS });
    call.giveUp(new OmniError(305, BECAUSE));
  },
  /** A question is broken off. */
  async (session, many) => {
    const call = await session.call({ name: "sink", ...ENDLESS });
    await breakOff(call, many, { code: 306, reason: BECAUSE });
    await broken(call.answer.read(), 306, BECAUSE);
  },
];

export const scenarios = {
  /** The other side has said who it is, in metadata of the greatest length. */
  async hello({ session }) {
    const { metadata } = await session.ready;
    if (new TextDecoder().decode(metadata) != greeting("serve")) throw wrong(`HELLO has ${metadata.length} bytes of metadata`);
    await echo(session, ECHO, { seed: 4, bytes: 10 });
  },

  /** What is sent comes back. */
  async echo({ session }) {
    await echo(session, ECHO, { seed: 1, bytes: 1_000_000 });
  },

  /** More at once than there are slots. */
  async calls({ session }) {
    await Promise.all(range(300).map((i) => echo(session, ECHO, { seed: 1 + i, bytes: 1000, size: 97 })));
  },

  /** Items of the greatest length pass, and a longer one fails alone. */
  async long({ session }) {
    const pattern = { seed: 2, bytes: 3 * MAX_ITEM + 1, size: MAX_ITEM };
    const call = await session.call({ name: "sink", ...pattern });
    const error = await failure(call.write(new Uint8Array(MAX_ITEM + 1)));
    if (error.code != 4) throw wrong(`an item of ${MAX_ITEM + 1} bytes: ${error.message}`);
    await fill(call, pattern);
    await down(session, pattern);
  },

  /** Metadata of the greatest length passes, and longer it fails alone. */
  async metadata({ session }) {
    const about = { name: "echo", reason: "" };
    about.reason = "m".repeat(MAX_METADATA - JSON.stringify(about).length);
    const metadata = JSON.stringify(about);
    const error = await failure(session.call(metadata + " "));
    if (error.code != 4) throw wrong(`metadata of ${metadata.length + 1} bytes: ${error.message}`);
    await echo(session, metadata, { seed: 3, bytes: 1000 });
  },

  /** The writer gets a receipt. */
  async "one-way"({ session }) {
    await Promise.all(range(10).map(async (i) => {
      const about = { name: "sink", id: `one-way ${i}`, seed: 10 + i, bytes: 100_000 };
      const out = await session.open(about);
      const sent = await pour(out, about);
      await out.done;
      same(await last(session, about.id, true), sent);
    }));
  },

  /** So many streams at once to the server, all open before the first item goes out. */
  async "hundred-up"({ session, size }) {
    const pattern = (i) => ({ seed: 100 + i, bytes: size });
    const calls = await Promise.all(range(STREAMS).map((i) => session.call({ name: "sink", ...pattern(i) })));
    await Promise.all(calls.map((call, i) => fill(call, pattern(i))));
    return STREAMS * size;
  },

  /** So many from the server, all asked for before the first item is read. */
  async "hundred-down"({ session, size }) {
    const source = (i) => ({ name: "source", id: `down ${i}`, seed: 200 + i, bytes: size });
    const calls = await Promise.all(range(STREAMS).map((i) => ask(session, source(i))));
    await Promise.all(calls.map(async (call, i) => {
      const got = await drain(call.answer, source(i));
      same(await last(session, source(i).id, true), got);
    }));
    return STREAMS * size;
  },

  /** While the server's reader stands still, this writer gets no further than the window, and other calls go on. */
  async "slow-up"({ session }) {
    for (const pattern of SLOW) {
      const about = { name: "sink", id: `slow-up ${pattern.seed}`, stop: TAKEN, ...pattern };
      const call = await session.call(about);
      let written = 0;
      const writing = pour(call, pattern, (counter) => (written = counter.items));
      writing.catch(() => {}); // it is waited for below, if all is well
      const { value } = await call.answer.read();
      if (new TextDecoder().decode(value) != "still") throw wrong("the reader does not stand still");
      await stuck(session, pattern, () => written);
      await readEnd((await ask(session, { name: "go", id: about.id })).answer);
      const sent = await writing;
      same(await readTally(call.answer), sent);
    }
  },

  /** The same with this reader and the server's writer. */
  async "slow-down"({ session }) {
    for (const pattern of SLOW) {
      const about = { name: "source", id: `slow-down ${pattern.seed}`, ...pattern };
      const call = await ask(session, about);
      const counter = new Counter(pattern);
      await read(call.answer, counter, TAKEN);
      await stuck(session, pattern, async () => (await last(session, about.id, false)).items);
      await read(call.answer, counter);
      same(await last(session, about.id, true), counter.tally());
    }
  },

  /** The server cancels what it reads, of a call and of a one-way stream, and the writer here is told why. */
  async "cancel-up"({ session }) {
    const about = { name: "sink", cancel: TAKEN, code: 300, reason: BECAUSE, ...ENDLESS };
    const call = await session.call(about);
    await canceled(call, about);
    stopped(about, await readTally(call.answer));
    about.id = "cancel-up";
    await canceled(await session.open(about), about);
    stopped(about, await last(session, about.id, true));
  },

  /** This side cancels an answer, and the server's writer is told why. */
  async "cancel-down"({ session }) {
    const call = await ask(session, { name: "source", id: "cancel-down", ...ENDLESS });
    await read(call.answer, new Counter(ENDLESS), TAKEN);
    call.answer.cancel(new OmniError(301, BECAUSE));
    const saw = await last(session, "cancel-down", true);
    if (saw.items < TAKEN || saw.items > TAKEN + PREFETCH || saw.code != 301 || saw.reason != BECAUSE) {
      throw wrong(`the writer whose reader canceled saw ${JSON.stringify(saw)}`);
    }
  },

  /** This side gives up a call that has no answer yet. */
  async "give-up"({ session }) {
    const call = await session.call({ name: "source", id: "give-up", ...ENDLESS });
    call.giveUp(new OmniError(302, BECAUSE));
    await sawEnd(session, "give-up", 0, 302, BECAUSE);
  },

  /** This side breaks off what it writes; the server reads what came before, then why. */
  async "fail-up"({ session }) {
    for (const [i, why] of REASONS.entries()) {
      const id = `fail-up ${i}`;
      const call = await session.call({ name: "sink", id, ...ENDLESS });
      await breakOff(call, TAKEN, why);
      await sawEnd(session, id, TAKEN, why.code, why.received);
      await broken(call.answer.read(), why.code, why.received); // the sink breaks off its answer with what it saw
      await breakOff(await session.open({ name: "sink", id: `${id} one-way`, ...ENDLESS }), TAKEN, why);
      await sawEnd(session, `${id} one-way`, TAKEN, why.code, why.received);
    }
  },

  /** The server breaks off what it writes. */
  async "fail-down"({ session }) {
    for (const [i, { code, reason, received }] of REASONS.entries()) {
      const call = await ask(session, { name: "source", id: `fail-down ${i}`, fail: TAKEN, code, reason, ...ENDLESS });
      await read(call.answer, new Counter(ENDLESS), TAKEN);
      await broken(call.answer.read(), code, received);
    }
  },

  /** Names that nobody serves, and metadata without one, are refused. */
  async refuse({ session }) {
    for (const metadata of ['{"name":"nobody"}', '{"Name":"echo"}', '{"name":7}', '["name"]', "not JSON", ""]) {
      const call = await session.call(metadata);
      await refused(call.answer.read(), `a call of ${metadata}`);
      await refused(pour(call, ENDLESS), `the question of ${metadata}`);
      await refused((await session.open(metadata)).done, `a stream of ${metadata}`);
    }
  },

  /** Streams that break off in all ways and at all times, more than there are slots, leave nothing behind. */
  async churn({ session }) {
    await Promise.all(range(400).map((i) => CHURN[i % CHURN.length](session, 1 + (i % 19))));
    await echo(session, ECHO, { seed: 4, bytes: 10 });
  },

  /** The server opens streams to this side. */
  async back({ session }) {
    await readEnd((await ask(session, { name: "back", seed: 500, bytes: 1_000_000 })).answer);
  },

  /** A stream that lives when it begins comes to its end, a new one is not opened, and both sides say goodbye. */
  async shutdown({ session }) {
    const pattern = { seed: 600, bytes: 1_000_000 };
    const call = await ask(session, { name: "source", ...pattern });
    const counter = new Counter(pattern);
    await read(call.answer, counter, 1);
    const over = session.shutdown();
    await noMore(session);
    await read(call.answer, counter);
    await over;
  },

  /** The same when the server begins it. */
  async leave({ session }) {
    const pattern = { seed: 601, bytes: 1_000_000 };
    const call = await ask(session, { name: "source", ...pattern });
    const counter = new Counter(pattern);
    await read(call.answer, counter, 1);
    await readEnd((await ask(session, { name: "leave" })).answer);
    await noMore(session);
    await read(call.answer, counter);
    await session.closed;
  },

  /** Of a session that is broken off the server tells otherwise. */
  async abrupt({ session }) {
    const call = await ask(session, { name: "source", ...ENDLESS });
    const counter = new Counter(ENDLESS);
    await read(call.answer, counter, 1);
    await session.close();
    const error = await failure(read(call.answer, counter));
    if (!error.lost) throw wrong(`a stream of a session that was closed: ${error.message}`);
  },
};
