// Two sockets in memory that are joined by a wire with somebody in the middle, who checks what the sides say.
import assert from "node:assert/strict";
import { decode, Socket } from "./peer.js";

const HELLO = 0, OPEN = 1, DATA = 2, END = 3, FAIL = 4, REQUEST = 5, CLOSE = 6;

/** Numbers that follow from a seed. */
export class Random {
  constructor(seed) {
    this.state = seed;
  }

  /** Below 2^32: xorshift after a multiplicative start. */
  next() {
    let x = (this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0);
    x ^= x >>> 16;
    x = Math.imul(x, 0x45d9f3b) >>> 0;
    return (x ^ (x >>> 15)) >>> 0;
  }

  below(n) {
    return this.next() % n;
  }

  chance(p) {
    return this.next() < p * 2 ** 32;
  }

  bytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 97) bytes[at] = this.next();
    return bytes;
  }

  /** Lets others go on for a while, or does not. */
  async pause() {
    for (let n = this.chance(0.5) ? 0 : this.below(6); n > 0; n--) await new Promise((done) => setImmediate(done));
  }
}

/** Messages come after a while, in order. Each is looked at when it is sent, before the other side can know it. */
export class Wire {
  sockets = [new Socket(), new Socket()];
  hellos = [];
  streams = [new Map(), new Map()]; // of each side
  messages = 0;

  constructor(random) {
    this.sockets.forEach((socket, side) => {
      const other = this.sockets[1 - side];
      let before = Promise.resolve();
      const after = (f) => {
        before = before.then(() => random.pause()).then(f);
      };
      socket.send = (message) => {
        try {
          this.see(side, message);
        } catch (e) {
          this.fault ??= e;
        }
        after(() => other.come(message));
        if (++this.messages == this.cutAt) this.cut();
      };
      socket.addEventListener("close", () => after(() => other.end()));
    });
  }

  /** Cuts the connection after so many messages more. */
  cutAfter(n) {
    this.cutAt = this.messages + n + 1;
    return true;
  }

  cut() {
    for (const socket of this.sockets) setImmediate(() => socket.end());
  }

  see(side, message) {
    const other = 1 - side, own = this.streams[side], theirs = this.streams[other];
    const of = (streams, f, said) => {
      const s = streams.get(f.stream);
      assert.ok(s && !s[said], `side ${side}: type ${f.type} for stream ${f.stream}`);
      return s;
    };
    for (const f of decode(message, this.hellos[other]?.maxItem ?? 0, !this.hellos[side])) {
      if (f.type == HELLO) this.hellos[side] = f;
      else if (f.type == OPEN) {
        assert.equal(f.stream, own.size + 1);
        own.set(f.stream, { items: this.hellos[other].items, bytes: this.hellos[other].bytes, sent: 0, sentBytes: 0 });
      } else if (f.type == DATA) {
        const s = of(own, f, "said");
        s.sent++;
        s.sentBytes += f.payload.length;
        assert.ok(s.sent <= s.items && s.sentBytes <= s.bytes, `side ${side}: stream ${f.stream} has no credit`);
      } else if (f.type == REQUEST) {
        const s = of(theirs, f, "closed");
        s.items = Math.max(s.items, f.items);
        s.bytes = Math.max(s.bytes, f.bytes);
      } else if (f.stream && (f.type == END || f.type == FAIL)) of(own, f, "said").said = true;
      else if (f.stream && f.type == CLOSE) of(theirs, f, "closed").closed = true;
    }
  }

  /** Both sides have said their last word on every stream. */
  allDead() {
    for (const streams of this.streams) {
      for (const [number, s] of streams) assert.ok(s.said && s.closed, `stream ${number} lives`);
    }
  }
}
