// sessions.json: each script is run with a session and a peer in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OmniError, Session } from "omnistreams";
import { encode, mockTimers, settle, Socket } from "./peer.js";
import { fromVector, plain, toVector, types, unhex, vectors } from "./vectors.js";

for (const { name, rules, why, side, steps, ...unknown } of vectors("sessions.json").scripts) {
  test(`session: ${name}`, async (t) => {
    assert.deepEqual(unknown, {});
    mockTimers(t);
    const runner = new Runner(t, side);
    for (const [i, step] of steps.entries()) {
      try {
        await runner.step(step);
      } catch (e) {
        e.message = `step ${i}, ${JSON.stringify(step)}: ${e.message}`;
        throw e;
      }
    }
    runner.socket.end();
    await settle();
    await runner.session.closed.catch(() => {});
  });
}

class Runner {
  handles = {};
  pings = [];
  sentClose = false;
  letGo = new Set(); // streams of the peer that the side has closed

  constructor(t, { max_item, streams, items, bytes, metadata, own_next = 1, ...unknown }) {
    assert.deepEqual(unknown, {});
    this.t = t;
    this.socket = new Socket();
    this.session = new Session(this.socket, {
      maxItem: max_item, maxStreams: streams, prefetch: items, window: Math.max(bytes, max_item), metadata: unhex(metadata),
      keepAlive: Infinity, first: own_next,
    });
  }

  async step(step) {
    const [key] = Object.keys(step);
    assert.equal(typeof this[key], "function", `unknown step ${key}`);
    await settle();
    await this[key](step[key], step);
  }

  peer(frames) {
    for (const f of frames) {
      if (f.type == "PING") this.pings.push(plain(f).payload);
      if (f.type == "CLOSE" && !f.stream) this.sentClose = true;
    }
    this.socket.come(encode(frames.map(fromVector)));
  }

  peer_hex(bytes) {
    this.socket.come(unhex(bytes));
  }

  cut() {
    this.socket.end();
  }

  want(frames) {
    for (const f of frames) this.next([f]);
  }

  want_any(frames) {
    for (const left = [...frames]; left.length;) left.splice(left.indexOf(this.next(left)), 1);
  }

  /** Takes the next frame that is not ignored, and returns which of the wanted ones it is. */
  next(wanted) {
    for (;;) {
      const f = this.socket.take().shift();
      assert.ok(f, `nothing came, want ${JSON.stringify(wanted)}`);
      const found = wanted.find((v) => this.matches(plain(v), toVector(f)));
      if (found) {
        if (f.type == 6) this.letGo.add(f.stream);
        return found;
      }
      assert.ok(this.ignored(f), `got ${JSON.stringify(toVector(f))}, want ${JSON.stringify(wanted)}`);
    }
  }

  matches(v, got) {
    return Object.entries(v).every(([name, value]) => {
      if (name == "code_not") return got.code !== undefined && got.code != value;
      if (name.endsWith("_min")) return got[name.slice(0, -4)] >= value;
      return got[name] === value;
    });
  }

  ignored(f) {
    const type = types[f.type];
    return type == "PING" || f.type >= 128 || (type == "REQUEST" && !this.letGo.has(f.stream)) ||
      (type == "PONG" && this.pings.includes(toVector(f).payload)) || (type == "CLOSE" && !f.stream && this.sentClose);
  }

  idle() {
    for (const f of this.socket.take().splice(0)) assert.ok(this.ignored(f), `got ${JSON.stringify(toVector(f))}, want nothing`);
  }

  async want_error({ code, rule }) {
    const frames = this.socket.take().splice(0);
    const fail = frames.pop();
    assert.deepEqual([fail?.type, fail?.stream, fail?.code], [4, 0, code]);
    assert.match(fail.reason, new RegExp(`^rule ${rule}: .`));
    await this.closed();
  }

  /** The side closes within two seconds, and sends nothing more. */
  async closed() {
    this.t.mock.timers.tick(2000);
    await settle();
    this.idle();
    assert.equal(this.socket.readyState, 3, "the side has not closed");
  }

  async app(operation, step) {
    await Operations[operation](this, this.handles[step.on], step);
    await settle();
  }

  async see(outcome, step) {
    await settle();
    await Outcomes[outcome](this.handles[step.on], step);
  }
}
/** A stream or call under a name: what is done to it is done in order. */
class Handle {
  last = Promise.resolve();
  opened = undefined; // how open has failed

  then_(f) {
    this.last = this.last.then(f);
    this.last.catch(() => {});
  }
}

const cause = ({ code, reason = "" }) => new OmniError(code, reason);

const Operations = {
  open: (r, _, { as, metadata }) => opens(r, as, () => r.session.open(unhex(metadata))),
  call: (r, _, { as, metadata }) => opens(r, as, () => r.session.call(unhex(metadata))),
  write: (r, h, { item, too_long }) => h.then_(() => {
    const written = h.out.write(unhex(item));
    return too_long ? assert.rejects(written, { code: 4 }) : written;
  }),
  end: (r, h) => h.then_(() => h.out.end()),
  fail: (r, h, step) => h.then_(() => h.out.abort(cause(step))),
  give_up: (r, h, step) => h.then_(() => h.out.giveUp(cause(step))),
  async accept(r, _, { as, kind, metadata }) {
    const stream = await r.session.accept();
    assert.equal(stream.isCall, kind == 1);
    assert.deepEqual(stream.metadata, unhex(metadata));
    r.handles[as] = Object.assign(new Handle(), { in: stream });
  },
  async answer(r, h, { as, metadata }) {
    assert.deepEqual(await h.out.answer.opened, unhex(metadata));
    r.handles[as] = Object.assign(new Handle(), { in: h.out.answer });
  },
  reply(r, h, { as, metadata }) {
    r.handles[as] = Object.assign(new Handle(), { out: h.in.reply(unhex(metadata)) });
  },
  read: (r, h) => {
    h.reading ??= h.in.read();
    h.reading.catch(() => {}); // the outcome is looked at later
  },
  refuse: (r, h, step) => h.in.refuse(cause(step)),
  cancel: (r, h, step) => h.in.cancel(cause(step)),
  shutdown: (r, _, { reason }) => { r.session.shutdown({ reason }).catch(() => {}); },
};

function opens(r, as, open) {
  const h = r.handles[as] = new Handle();
  h.then_(async () => {
    try {
      h.out = await open();
    } catch (e) {
      h.failed = e;
    }
  });
}

/** Takes the outcome of the read that is pending, or of a new one. */
function reading(h) {
  const read = h.reading ?? h.in.read();
  h.reading = undefined;
  return read;
}

/** The error that an end of a stream learns. */
async function errorOf(h) {
  if (h.failed) return h.failed;
  try {
    await (h.out ? h.out.done : reading(h));
  } catch (e) {
    return e;
  }
}

const Outcomes = {
  async item(h, { item }) {
    assert.deepEqual(await reading(h), { done: false, value: unhex(item) });
  },
  async end(h) {
    assert.deepEqual(await reading(h), { done: true, value: undefined });
  },
  async error(h, { code, reason }) {
    const e = await errorOf(h);
    assert.ok(e instanceof OmniError, String(e));
    assert.deepEqual([e.code, e.reason, e.lost, e.remote], [code, reason, false, true]);
  },
  done: (h) => h.out.done,
  async lost(h) {
    const e = await errorOf(h);
    assert.ok(e instanceof OmniError && e.lost, String(e));
  },
};
