// What both sides of a session serve.
import { forward, OmniError } from "../../clients/js/omnistreams.js";
import { Counter, items, wrong } from "./pattern.mjs";
import { down, readEnd, up } from "./streams.mjs";

/** Serves a session until no more streams come. */
export async function serve(session) {
  const records = new Map();
  for await (const incoming of session) handle(session, records, incoming).catch(() => {}); // the other side tells
}

async function handle(session, records, incoming) {
  const about = named(incoming.metadata);
  const handler = about && Object.hasOwn(handlers, about.name) && handlers[about.name];
  if (!handler) return incoming.refuse(about ? "there is no such name here" : 'the metadata is not a JSON object with a "name"');
  const to = { session, incoming, about, record: (id) => recordOf(records, id) };
  try {
    await handler(to);
  } catch (error) {
    // What the handler left open ends with why it failed.
    incoming.cancel(error);
    if (to.out) to.out.abort(error);
    else if (incoming.isCall) incoming.refuse(error);
    throw error;
  }
}

/** Parses metadata; undefined if it has no name. */
function named(metadata) {
  try {
    const about = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(metadata));
    if (typeof about?.name == "string" && !Array.isArray(about)) return about;
  } catch {
    return undefined;
  }
}

/** What a session knows of one of its streams, which may not have begun. */
function recordOf(records, id) {
  let record = records.get(id);
  if (!record) {
    record = { tally: new Counter({}).tally() };
    record.going = new Promise((resolve) => (record.go = resolve));
    record.over = new Promise((resolve) => (record.end = resolve));
    if (id) records.set(id, record);
  }
  return record;
}

/** What a stream is told to end with. */
function told(about) {
  return new OmniError(about.code ?? 0, about.reason ?? "");
}

const handlers = {
  /** Answers with what it is sent. */
  async echo(to) {
    to.out = to.incoming.reply(to.incoming.metadata);
    await forward(to.incoming, to.out);
  },

  /** Reads all, checks it, and answers with a tally. */
  async sink(to) {
    const { incoming, about } = to;
    const record = to.record(about.id);
    const counter = new Counter(about);
    let cause;
    try {
      if (incoming.isCall) to.out = incoming.reply();
      await drainChecked(to, record, counter);
    } catch (error) {
      cause = error;
    }
    record.tally = counter.tally(cause);
    record.end();
    if (cause && counter.items != about.cancel) throw cause;
    if (to.out) await answer(to, record.tally);
  },

  /** Answers with the items of a pattern. */
  async source(to) {
    const record = to.record(to.about.id);
    const counter = new Counter(to.about);
    let cause;
    try {
      await pourTold(to, record, counter);
    } catch (error) {
      cause = error;
    }
    record.tally = counter.tally(cause);
    record.end();
    if (cause) throw cause;
  },

  /** Lets a sink that stands still read on. */
  async go(to) {
    await readEnd(to.incoming);
    to.record(to.about.id).go();
    to.out = to.incoming.reply();
    await to.out.end();
  },

  /** Tells of another stream of the session. */
  async last(to) {
    await readEnd(to.incoming);
    const record = to.record(to.about.id);
    if (to.about.wait) await record.over;
    to.out = to.incoming.reply();
    await answer(to, record.tally);
  },

  /** Shuts the session down. */
  async leave(to) {
    await readEnd(to.incoming);
    to.out = to.incoming.reply();
    await to.out.end();
    to.session.shutdown().catch(() => {}); // the session's end tells
  },

  /** Sends a stream to the other side and has one sent from there. */
  async back(to) {
    await readEnd(to.incoming);
    const { seed, bytes } = to.about;
    await up(to.session, { seed, bytes }).catch((error) => { throw wrong(`up: ${error.message}`); });
    await down(to.session, { seed, bytes }).catch((error) => { throw wrong(`down: ${error.message}`); });
    to.out = to.incoming.reply();
    await to.out.end();
  },
};

async function answer(to, tally) {
  await to.out.write(JSON.stringify(tally));
  await to.out.end();
}

/** Reads for sink. Throws what ended the stream if that was not its clean end. */
async function drainChecked({ incoming, about, out }, record, counter) {
  for (;;) {
    const { value: item, done } = await incoming.read();
    if (done) return counter.complete();
    counter.take(item);
    record.tally = { ...record.tally, items: counter.items, bytes: counter.bytes };
    if (counter.items == about.stop) {
      await out.write("still");
      await record.going;
    }
    if (counter.items == about.cancel) {
      const why = told(about);
      incoming.cancel(why);
      throw why;
    }
  }
}

/** Writes for source, until the reader is through. Throws what ended the stream if that was not its clean end. */
async function pourTold(to, record, counter) {
  await readEnd(to.incoming);
  to.out = to.incoming.reply();
  for (const item of items(to.about)) {
    await to.out.write(item);
    counter.add(item);
    record.tally = { ...record.tally, items: counter.items, bytes: counter.bytes };
    if (counter.items == to.about.fail) {
      const why = told(to.about);
      to.out.abort(why);
      throw why;
    }
  }
  await to.out.end();
  await to.out.done;
}
