// Random programs on two sessions that are joined in memory, checked from the middle of the wire and from both ends.
// OMNI_SEED and OMNI_SEEDS say which and how many; a failure names its seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OmniError, Session } from "omnistreams";
import { Random, Wire } from "./wire.js";

const first = Number(process.env.OMNI_SEED ?? 1), count = Number(process.env.OMNI_SEEDS ?? 300);

test(`random programs, seeds ${first} to ${first + count - 1}`, { timeout: 150_000 }, async () => {
  for (let seed = first; seed < first + count; seed++) {
    let late;
    const tooLong = new Promise((_, reject) => {
      late = setTimeout(() => reject(new Error("it hangs")), 20_000);
    });
    try {
      await Promise.race([program(new Random(seed)), tooLong]);
    } catch (e) {
      e.message = `seed ${seed}: ${e.message}`;
      throw e;
    } finally {
      clearTimeout(late);
    }
  }
});

/** One program: what is opened, what it carries and how it ends is all in the plans, by the number in OPEN's metadata. */
async function program(random) {
  const wire = new Wire(random), plans = [], results = [];
  const sessions = wire.sockets.map((socket) => {
    const maxItem = random.below(random.chance(0.2) ? 200_000 : 2000), prefetch = random.below(9);
    return new Session(socket, {
      maxItem, prefetch, maxStreams: 1 + random.below(8), window: maxItem + random.below(5000), keepAlive: Infinity,
    });
  });
  const served = sessions.map((session) => serve(random, session, plans, results));
  const peers = await Promise.all(sessions.map((session) => session.ready));
  const opened = [0, 1].flatMap((side) => Array.from({ length: random.below(12) }, () => {
    const plan = newPlan(random, peers[side].maxItem, peers[1 - side].maxItem);
    return ask(random, sessions[side], plans.push(plan) - 1, plan, results);
  }));
  const cut = random.chance(0.2) && wire.cutAfter(random.below(60));
  await Promise.all(opened);
  const [ended] = await Promise.all([Promise.allSettled(sessions.map((s) => s.shutdown())), ...served]);
  if (wire.fault) throw wire.fault;
  if (!cut) {
    assert.deepEqual(ended.map((end) => end.reason), [undefined, undefined]);
    wire.allDead();
  }
  for (const { id, writer, reader } of results.filter(Boolean)) check(id, writer, reader, cut);
}

/** What goes one way: the items, how the writer ends, how many items the reader takes before it leaves. */
function newWay(random, maxItem) {
  const items = Array.from({ length: random.below(20) }, () => random.bytes(random.below(maxItem + 1)));
  return {
    items,
    abort: random.chance(0.2) ? new OmniError(400 + random.below(50), "abort") : undefined,
    leave: random.chance(0.2) ? random.below(items.length + 1) : Infinity,
    why: new OmniError(500 + random.below(50), "leave"),
  };
}

function newPlan(random, there, back) {
  const plan = { call: random.chance(0.5), question: newWay(random, there) };
  if (plan.call && random.chance(0.2)) plan.refuse = new OmniError(600, "no answer");
  else if (plan.call) plan.answer = newWay(random, back);
  return plan;
}

/** The opener's part. */
async function ask(random, session, id, plan, results) {
  const result = (way) => results[2 * id + way] ??= { id: 2 * id + way };
  let out;
  try {
    out = await session[plan.call ? "call" : "open"](String(id));
  } catch (e) {
    assert.ok(e.lost, String(e)); // there is always a slot in the end
    return;
  }
  await Promise.all([
    write(random, out, plan.question).then((end) => { result(0).writer = { ...end, plan: plan.question, refuse: plan.refuse }; }),
    plan.call && read(random, out.answer, plan.answer).then((end) => { result(1).reader = { ...end, refuse: plan.refuse }; }),
  ]);
}

/** The acceptor's part. */
async function serve(random, session, plans, results) {
  const running = [];
  try {
    for await (const stream of session) running.push(answer(random, stream, plans, results));
  } catch (e) {
    assert.ok(e.lost, String(e));
  }
  await Promise.all(running);
}

async function answer(random, stream, plans, results) {
  const id = Number(Buffer.from(stream.metadata).toString()), plan = plans[id];
  const result = (way) => results[2 * id + way] ??= { id: 2 * id + way };
  assert.equal(stream.isCall, plan.call);
  await random.pause();
  if (plan.refuse) {
    stream.refuse(plan.refuse);
    return;
  }
  await Promise.all([
    read(random, stream, plan.question).then((end) => { result(0).reader = end; }),
    plan.call && write(random, stream.reply(), plan.answer).then((end) => { result(1).writer = { ...end, plan: plan.answer }; }),
  ]);
}

async function write(random, out, { items, abort }) {
  let accepted = 0;
  try {
    for (const item of items) {
      await out.write(item);
      accepted++;
      await random.pause();
    }
    abort ? out.abort(abort) : await out.end();
  } catch { // done says why
  }
  return out.done.then(() => ({ accepted }), (error) => ({ accepted, error }));
}

async function read(random, stream, way) {
  const items = [];
  for (;;) {
    if (items.length == way?.leave) {
      stream.cancel(way.why);
      assert.equal((await stream.read()).done, true);
      return { items, left: way.why };
    }
    try {
      const { value, done } = await stream.read();
      if (done) {
        assert.equal((await stream.read()).done, true); // nothing comes after the end
        return { items, clean: true };
      }
      items.push(value);
    } catch (error) {
      await assert.rejects(stream.read(), error); // and nothing else after it
      return { items, error };
    }
    await random.pause();
  }
}

/** Compares what the ends of one way have seen. */
function check(id, writer, reader, cut) {
  if (reader?.refuse || writer?.refuse) { // the call was not answered: the caller learns it at both its ends
    const error = (reader ?? writer).error;
    assert.ok(error, `${id}: refused, and no error`);
    if (!error.lost && error.remote) assert.deepEqual([error.code, error.reason], [600, "no answer"], `way ${id}`);
    return;
  }
  if (!writer || !reader) { // it came too late to be accepted
    assert.ok(writer ? writer.error : !reader.clean, `way ${id} has one end`);
    return;
  }
  const { plan, accepted, error } = writer, { items, clean, left } = reader;
  const name = `way ${id}: ${accepted} of ${plan.items.length} accepted, ${items.length} read, writer ${error}, reader ${reader.error}`;
  assert.ok(items.length <= accepted + 1, name); // the last write may not know yet that it was kept
  items.forEach((item, i) => assert.deepEqual(item, new Uint8Array(plan.items[i]), name));
  if (clean) assert.ok(!plan.abort && items.length == plan.items.length, name);
  if (!error) assert.ok(clean, name); // the receipt says that all was taken
  if (cut && (error?.lost || reader.error?.lost)) return;
  if (clean) assert.equal(error, undefined, name);
  else if (left) assert.ok(error == plan.abort || [left.code, plan.abort?.code].includes(error.code), name);
  else assert.deepEqual([reader.error.code, reader.error.reason, reader.error.remote], [plan.abort.code, "abort", true], name);
}
