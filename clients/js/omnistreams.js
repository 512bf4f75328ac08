// omnistreams: many streams over one connection, each with its own flow control.
//
//   application    open, call, accept, read, write        Session, Outgoing, Incoming, Call
//                         |            ^
//   session        queue and count, check and keep        createSession
//                         |            ^
//   frames             encode        decode
//                         v            |
//   connection     a WebSocket, or { readable, writable } of bytes
//
// The protocol is told in SPEC.md; "rule" in comments and errors is a rule there. Names
// that begin with _ are of this file alone, and get short in the minified module.

// ---------------------------------------------------------------- numbers

// The codes of FAIL and CLOSE, the types of frames, the kinds of OPEN (SPEC.md, rules 13 and 0).
const CANCELED = 1, PROTOCOL = 2, NO_CREDIT = 3, TOO_LARGE = 4, REFUSED = 5;
const INTERNAL = 6, TIMED_OUT = 7, SHUTTING_DOWN = 8, VERSION = 9;
const HELLO = 0, OPEN = 1, DATA = 2, END = 3, FAIL = 4, REQUEST = 5, CLOSE = 6, PING = 7, PONG = 8;
const ONE_WAY = 0, CALL = 1, ANSWER = 2;

const MAGIC = 0x4f4d4e49; // "OMNI"
const HEADER = 9; // type u8, stream u32, length u32
const MESSAGE = 65536; // every side takes messages of so many bytes
const METADATA = 16384;
const REASON = 1024;
const WORD = 2 ** 32;
const TURN = 16384; // what one stream sends before it is another's turn, in bytes
const AHEAD = 65536; // how many items a stream is granted at most beyond those taken
const BUFFERED = 262144; // what may wait in a WebSocket, in bytes
const POLL = 1; // a WebSocket does not say when it has sent, so it is asked, in ms
const SECOND = 1000;
const HELLO_LATE = 10; // seconds
const MESSAGE_LATE = 30; // for one message to come, or to go
const LINGER = 1000; // from FAIL on 0 to the end of the connection
const GOODBYE = 5000; // likewise, if the session ended in order

const ITERATE = Symbol.asyncIterator; // what for await calls
const { max } = Math, { assign } = Object, Bytes = Uint8Array;

// ---------------------------------------------------------------- errors

/** What the codes of FAIL and CLOSE mean (rule 13); from 256 on they are the application's. */
export const codes = {
  done: 0, canceled: 1, protocol: 2, noCredit: 3, tooLarge: 4,
  refused: 5, internal: 6, timedOut: 7, shuttingDown: 8, version: 9,
};

/** Why a stream or session ended: a code and a reason for people. */
export class OmniError extends Error {
  name = "OmniError";
  remote = false; // the peer said so
  lost = false; // the stream ended with its session, and not by itself

  constructor(code, reason = "", more) {
    super(`${reason || "broken off"} (code ${code})`, more);
    assign(this, more, { code: code >>> 0, reason }); // on the wire it is a u32
  }
}

/** Throws what is wrong with what the peer sent; the reason names the rule. */
const fault = (rule, what, code = PROTOCOL) => {
  throw new OmniError(code, `rule ${rule}: ${what}`);
};

/** What the peer's FAIL or CLOSE says. */
const remote = (code, reason) => new OmniError(code, reason, { remote: true });

const shuttingDown = () => new OmniError(SHUTTING_DOWN, "shutting down");

/** The code and reason that tell the peer of e. What other errors say is not the peer's business. */
const wireError = (e, code = CANCELED) => {
  if (e instanceof OmniError) return [e.code, e.reason];
  if (typeof e == "string") return [code, e];
  return [e ? { AbortError: CANCELED, TimeoutError: TIMED_OUT }[e.name] ?? INTERNAL : code];
};

// ---------------------------------------------------------------- frames
//
// A frame is an array here: type, stream, the rest of the payload, and the numbers
// before it. The rest is text if it is a reason, and bytes otherwise.

// The payload of each type: the sizes of its numbers in bytes, how long the rest may be, and
// whether it speaks of the session (0), of a stream (1) or of either.
const FORMS = [
  [[4, 1, 4, 4, 4, 4], METADATA, 0], // HELLO: magic, version, max_item, streams, items, bytes
  [[1, 4], METADATA, 1], // OPEN: kind, answers
  [[], Infinity, 1], // DATA: the receiver says how long
  [[]], // END
  [[4], REASON], // FAIL: code
  [[8, 8], 0, 1], // REQUEST: items, bytes
  [[4], REASON], // CLOSE: code
  [[4, 4], 0, 0], // PING: 8 bytes of any kind
  [[4, 4], 0, 0], // PONG
];

const utf8 = new TextEncoder();
const plain = new TextDecoder("utf-8", { ignoreBOM: true }); // a leading U+FEFF is part of the text
const toText = (bytes) => plain.decode(bytes);
const none = new Bytes(0);

/** The bytes of a number. What is set in a Uint8Array is cut to its lowest 8 bits. */
const big = (n, size) => {
  const bytes = [];
  for (; size; n /= 256) bytes[--size] = n;
  return bytes;
};

/** Arrays of bytes, one after the other. */
const join = (parts) => {
  const all = new Bytes(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** A reason in bytes, cut after the last whole rune that fits: encodeInto writes no other. */
const cut = (reason) => {
  const space = new Bytes(REASON);
  return space.subarray(0, utf8.encodeInto(reason + "", space).written);
};

/** A frame in two parts: header and numbers, and the rest. */
export const encode = (type, stream, rest, ...numbers) => {
  const body = rest instanceof Bytes ? rest : cut(rest);
  const fields = numbers.flatMap((n, i) => big(n, FORMS[type][0][i]));
  return [[type, ...big(stream, 4), ...big(fields.length + body.length, 4), ...fields], body];
};

/** The frames of a message, in order, until one is not in form (rule 9): that throws. */
export function* decode(message, maxItem, first) {
  let at = 0;
  const number = (size) => { // behind the message's end it is none
    let n = 0;
    while (size--) n = n * 256 + message[at++];
    return n;
  };
  const { length } = message;
  if (!length) fault(0, "empty message");
  while (at < length) {
    const type = number(1), stream = number(4), size = number(4), end = at + size;
    if (!(end <= length)) fault(0, "frame is cut");
    if (first && type) fault(1, "hello must come first");
    first = false;
    const [sizes, most, place] = FORMS[type] ?? [[], Infinity];
    const numbers = sizes.map(number), left = end - at, [a, b, longest, , items, bytes] = numbers;
    if (type == HELLO) { // these two come before all else, so that strangers are told what is wrong
      if (size > 3 && a != MAGIC) fault(1, "not this protocol", VERSION);
      if (size > 4 && !b) fault(1, "bad version", VERSION);
    }
    if (type > PONG && type < 128) fault(0, "unknown frame type");
    if (place == !stream) fault(0, "stream number does not suit the type");
    if (left < 0 || (left && !most)) fault(type ? 0 : 1, "wrong length");
    if (type == DATA && size > maxItem) fault(4, "item too long", TOO_LARGE);
    if (left > most) fault(9, "too long", TOO_LARGE);
    if (type == HELLO) {
      if (longest > 2 ** 24) fault(1, "bad hello");
      if (items && bytes < longest) fault(3, "items without bytes");
    }
    if (type == OPEN && (a > ANSWER || (a == ANSWER) == !b)) fault(0, "bad kind or answers");
    if (type == REQUEST && max(a, b) >= 2 ** 53) fault(2, "total too large");
    const rest = message.slice(at, at = end);
    yield [type, stream, type == FAIL || type == CLOSE ? toText(rest) : rest, ...numbers];
  }
}

// ---------------------------------------------------------------- promises

const ignore = () => {};

/** A promise to be settled elsewhere. That nobody looks at it is no error. */
const promised = () => {
  let settle;
  const p = new Promise((_resolve, _reject) => {
    settle = { _resolve, _reject };
  });
  p.catch(ignore);
  return assign(p, settle);
};

/** Promises that wait in line: each is kept with the value of `next`, as soon as that gives one: [value]. */
const line = (next) => {
  const waits = new Map();
  return {
    /** Joins the line; `item` is what next is given. */
    _wait(item) {
      const p = promised();
      waits.set(p, item);
      return p;
    },

    _serve() {
      for (const [p, item] of waits) {
        try {
          const found = next(item);
          if (!found) return;
          p._resolve(found[0]);
        } catch (e) {
          p._reject(e);
        }
        waits.delete(p);
      }
    },

    /** Leaves the line. */
    _leave(p, e) {
      waits.delete(p);
      p._reject(e);
    },
  };
};

/** Calls f with the reason when the signal is aborted; returns what ends the watch. */
const watch = (signal, f) => {
  const aborted = () => f(signal.reason);
  if (signal?.aborted) aborted();
  signal?.addEventListener("abort", aborted);
  return () => signal?.removeEventListener("abort", aborted);
};

// ---------------------------------------------------------------- streams

/** Bytes as they are, text in UTF-8, anything else as JSON. */
const toBytes = (value = "") => value?.byteLength >= 0
  ? new Bytes(value.buffer ?? value, value.byteOffset, value.byteLength)
  : utf8.encode(typeof value == "string" ? value : JSON.stringify(value));

const toMetadata = (value) => {
  const bytes = toBytes(value).slice();
  if (bytes.length > METADATA) throw new OmniError(TOO_LARGE, "metadata too long");
  return bytes;
};

/** A pipe into a stream: `encode` gives the items of a value, which is one itself if there is no encode. */
const sink = (stream, encode = (item) => [item]) => new WritableStream({
  start(controller) {
    stream.done.catch((e) => controller.error(e));
    watch(controller.signal, (e) => stream.abort(e));
  },
  async write(value) {
    try {
      for (const item of encode(value)) await stream.write(item);
    } catch (e) {
      stream.abort(e);
      throw e;
    }
  },
  close: () => stream.end(),
});

/** A pipe out of a stream, from which nothing is taken before it is read: `decode` gives the value of an item. */
const source = (stream, decode = (item) => item) => new ReadableStream({
  async pull(controller) {
    try {
      const { value, done } = await stream.read();
      done ? controller.close() : controller.enqueue(decode(value));
    } catch (e) {
      stream.cancel(e);
      throw e;
    }
  },
  cancel: (e) => stream.cancel(e),
}, { highWaterMark: 0 });

/** One end of a stream; totals are since the stream began. */
class Half {
  _number = 0; // taken when OPEN is given to the transport
  _moved = 0; // items accepted from the writer, or taken by the reader
  _movedBytes = 0;
  _queue = []; // items accepted and not given to the transport, or come and not taken
  _line = line((item) => this._next(item)); // the writes or reads that wait
  _over = ignore; // is called when the stream is dead; of a call: the answer, too
  opened = promised();

  /** _kind, _session, _side, _call, and the credit granted: _items and _bytes. */
  constructor(fields) {
    assign(this, fields);
  }

  _wait(item) {
    const p = this._line._wait(item);
    this._pump();
    return p;
  }

  _pump() {
    this._line._serve();
    this._session._kick();
  }

  /** The session has changed something. */
  _wake() {
    this._pump();
  }
}

/** What one side writes. `done` is kept when the reader has taken everything, broken when it left or the stream was lost. */
export class Outgoing extends Half {
  _queued = 0; // bytes in the queue
  done = promised();

  /** Writes an item; is kept as soon as there is credit for it. Its memory may be used again then. */
  write(item) {
    return this._wait(toBytes(item));
  }

  /** Ends the stream behind what was written. */
  end() {
    return this._wait();
  }

  _next(item) {
    return item ? this._session._write(this, item) : this._session._end(this);
  }

  /** Breaks the stream off: the reader gets the code and reason of an OmniError, after what was written. */
  abort(reason) {
    this._session._end(this, ...wireError(reason));
  }

  /** Breaks off a question and leaves its answer. */
  giveUp(reason) {
    this.abort(reason);
    this._answer?.cancel(reason);
  }

  /** The same for pipes. Its writer's `ready` waits for credit. */
  get writable() {
    return this._writable ??= sink(this);
  }
}

/** A question that goes out and its answer that comes in. */
export class Call extends Outgoing {
  get answer() {
    return this._answer;
  }

  get readable() {
    return this._answer.readable;
  }

  [ITERATE]() {
    return this._answer[ITERATE]();
  }
}

/** What one side reads. `opened` is kept when the stream is there: for the answer to a call that takes a while. */
export class Incoming extends Half {
  isCall = this._kind == CALL;
  metadata = none;

  /** Takes the next item: { value } or { done: true }. */
  read() {
    return this._wait();
  }

  _next() {
    return this._session._take(this);
  }

  /** Leaves: what comes is dropped, and the writer gets the code and reason of an OmniError. */
  cancel(reason) {
    this._leave(wireError(reason));
  }

  /** Turns the stream down, or leaves a call without an answer. */
  refuse(reason) {
    this._leave(wireError(reason, REFUSED), !this._answer);
  }

  _leave([code, text], refused) {
    this._session._leave(this, code || INTERNAL, text, refused); // 0 would say that everything was taken
    this._pump();
  }

  /** Opens the answer to a call. */
  reply(metadata) {
    if (!this.isCall || this._answer || this._refused) throw new TypeError("nothing to answer");
    return this._session._open(ANSWER, metadata, this);
  }

  /** The same for pipes. Nothing is taken before it is read. */
  get readable() {
    return this._readable ??= source(this);
  }

  /** for await: leaving the loop cancels. */
  async *[ITERATE]() {
    try {
      for (let r; !(r = await this.read()).done;) yield r.value;
    } finally {
      this.cancel();
    }
  }
}

// ---------------------------------------------------------------- connections
//
// Each gives the session whole messages, by receive(bytes), and takes whole messages.
// gone(cause) says that it is over, alive() that a part of a message came. _send's promise is kept when more may be sent;
// reading never waits for it (rule 11).

/** Anything in the shape of a browser's WebSocket: each message is one of its own. */
const overWebSocket = (socket, receive, gone) => {
  const on = (event, f) => socket.addEventListener(event, f);
  const close = (code) => {
    try {
      socket.close(code);
    } catch {
      socket.close(); // a browser's takes no code below 3000 but 1000
    }
  };
  socket.binaryType = "arraybuffer";
  on("error", gone);
  on("close", gone);
  on("message", ({ data }) => {
    if (typeof data != "string") return receive(new Bytes(data));
    close(1003);
    gone("a text message");
  });
  return {
    _close: close,
    _kill: () => socket.terminate?.(),
    async _send(message) {
      socket.send(message);
      while (socket.bufferedAmount > BUFFERED && socket.readyState == 1) await new Promise((done) => setTimeout(done, POLL));
    },
  };
};

/** A duplex stream of bytes: each message comes behind its length, u32. */
const overBytes = ({ readable, writable }, receive, gone, limit, alive) => {
  const reader = readable.getReader(), writer = writable.getWriter();
  const cancel = () => reader.cancel().catch(ignore);
  const connection = {
    _send: (message) => writer.write(message),
    _close: () => writer.close().then(cancel, cancel), // what was sent goes out first
    _kill() {
      writer.abort().catch(ignore);
      cancel();
    },
  };
  let chunk = none; // that came and was not looked at
  const take = async (n) => {
    const bytes = new Bytes(n);
    for (let at = 0; at < n;) {
      if (!chunk.length) {
        const { value, done } = await reader.read();
        if (done) throw new Error("end of file");
        chunk = value;
      }
      const piece = chunk.subarray(0, n - at);
      bytes.set(piece, at);
      at += piece.length;
      chunk = chunk.subarray(piece.length);
      connection._partial = true; // a message has begun
      if (at < n) alive();
    }
    return bytes;
  };
  const read = async () => {
    for (;;) {
      const length = (await take(4)).reduce((n, byte) => n * 256 + byte);
      if (length > limit) {
        receive({ length }); // is all that it takes to be too long
        for (;;) await take(MESSAGE); // and drop it
      }
      const message = await take(length);
      connection._partial = false;
      receive(message);
    }
  };
  read().catch(gone);
  return connection;
};

// ---------------------------------------------------------------- session
//
// One side of the protocol. Messages go in by receive and come out of pack; what
// a message says of numbers, credit, slots and ends takes effect when pack puts
// it in, which is just before the connection gets it (rule 2).
//
// The writer's half of what this side opened is called `out`, the reader's of what
// the peer did `s`. Both have _said, the opener's last word was given to the
// transport or has come, and _closed, so has the acceptor's CLOSE; with both the
// stream is dead. _error is how it ended, once the application may know. A call's
// _answer is the stream back, whose _call is the first. An answer to read is there
// before its OPEN comes.

const dead = (s) => s._said && s._closed;
const unanswered = (s) => s?._kind == CALL && !s._closed && !s._answer?._number;

/** Calls f once everything that can be done at once was done, so that one message takes it all. */
const later = globalThis.setImmediate ?? ((f) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    f();
  };
  port2.postMessage(0);
});

/** What a Session has: `first` is the number of its first stream, the other options are told in omnistreams.d.ts. */
function createSession(socket, {
  metadata, maxItem = 262144, maxStreams = 128, prefetch = 256, window = max(524288, 2 * maxItem), keepAlive = 15, first: next = 1,
} = {}) {
  const inRange = maxItem >= 0 && maxItem <= 2 ** 24 && window >= maxItem && window < WORD &&
    prefetch >= 0 && prefetch <= AHEAD && maxStreams >= 0 && maxStreams < WORD && keepAlive >= 1;
  if (!inRange) throw new RangeError("option out of range");
  const limit = max(MESSAGE, HEADER + maxItem); // of a message that comes, in bytes
  const startBytes = prefetch && window; // granted when a stream begins
  let peer; // the peer's HELLO
  let peerNext = 1; // the number of the peer's next stream
  const own = new Map(), theirs = new Map(); // streams that live, by number
  own._slots = theirs._slots = 0; // how many slots they take
  const waiting = new Set(); // streams without a slot
  const opening = new Set(); // streams with a slot, or without need of one, whose OPEN waits for its turn
  const sending = new Set(); // streams with items or a last word to send
  const replies = new Set(); // streams with REQUEST or CLOSE to send
  let parts = [], size = 0; // of the next message
  let itemsFirst; // in every second message, so that neither items nor control starve
  let pong; // the PING to answer
  let asked, pingDue; // the number of my PING without an answer; it waits
  let saidClose, saidEnd, saidFail; // my words were given to the transport
  let heardClose, heardEnd, heardFail; // the peer's
  let draining, farewell; // my CLOSE and FAIL on 0, as wanted: code and reason
  let over, error; // nothing lives any more, and why
  let kicked, flushing, dropped; // there may be something to send; it is sent; the connection is being closed
  let clock, deadline;
  let age = 0, silent = 0, going = 0, coming = 0; // in seconds: of the session, of the peer, of a message
  const ready = promised(), closed = promised();
  const streams = []; // that came and were not accepted
  const accepts = line(() => {
    if (streams.length) return streams.splice(0, 1);
    if (error) throw lost();
    if (over || draining || heardClose || heardEnd) return []; // no more will come
  });

  // ---- both halves

  const lost = () => new OmniError(INTERNAL, "session lost" + (error ? ": " + error.reason : ""), { lost: true, cause: error });

  /** Every stream that lives or is about to. */
  const all = () => [...own.values(), ...theirs.values(), ...waiting, ...opening];

  /** Forgets a stream if it is dead. A call and its answer hold one slot together. */
  const settle = (s) => {
    if (!dead(s)) return;
    s._side.delete(s._number);
    const call = s._call ?? s;
    if (!dead(call) || !dead(call._answer ?? call)) return;
    call._side._slots--;
    call._over();
    step();
  };

  /** The application learns how the stream ended. */
  const finish = (s, why) => {
    s._error ??= why;
    s.opened._reject(why);
    why ? s.done?._reject(why) : s.done._resolve();
    s._wake();
  };

  /** Nothing will come any more, of a call's answer neither, and there is nobody to tell. */
  const lose = (s, why) => {
    s._said ??= {};
    s._closed = true;
    finish(s, why);
    if (s._answer) lose(s._answer, why);
  };

  const rule8 = (s, spoken) => !s || spoken ? fault(8, s ? "after the last word" : "no such stream") : s;

  /** The stream to read or to write of this number, if it lives and the peer may still speak of it. */
  const reading = (stream, s = theirs.get(stream)) => rule8(s, s?._said);
  const writing = (stream, out = own.get(stream)) => rule8(out, out?._closed);

  /** Lets those in that have a slot, and fails those that will get none. */
  const step = () => {
    for (const out of waiting) {
      if (!(peer && own._slots < peer.streams) && !openError(out)) break; // those behind it wait, too
      waiting.delete(out);
      admit(out);
    }
    kick();
  };

  /** Lets a stream in, if there is no reason against it. */
  const admit = (out) => {
    const why = openError(out);
    if (why) return lose(out, why);
    if (!out._call) own._slots++;
    out._items = peer._items;
    out._bytes = peer._bytes;
    opening.add(out);
    out.opened._resolve();
  };

  // ---- the writer's half: _last is the code and reason of END or FAIL, which may still wait

  /** Opens a stream, or the answer to a call. */
  const open = (kind, metadata, call) => {
    const out = new (kind == CALL ? Call : Outgoing)({
      _session: ops, _side: own, _kind: kind, _call: call, _metadata: toMetadata(metadata),
    });
    if (kind == CALL) out._answer = newIn(ANSWER, out);
    if (call) {
      call._answer = out;
      admit(out);
      kick();
    } else waiting.add(out);
    return out;
  };

  const openError = (out) => {
    if (over) return lost();
    if (next == WORD) return new OmniError(NO_CREDIT, "out of numbers");
    if (out._call) return;
    if (heardClose) return heardClose;
    if (draining || saidEnd || (heardEnd && out._kind == CALL)) return shuttingDown();
  };

  /** Accepts an item, and returns []. Undefined means that there is no credit yet, or too much in the queue. */
  const write = (out, item) => {
    const { length } = item;
    if (out._error) throw out._error;
    if (out._last) throw new TypeError("stream has ended");
    if (length > peer.maxItem) throw new OmniError(TOO_LARGE, `longer than ${peer.maxItem} bytes`);
    if (out._moved >= out._items || out._movedBytes + length > out._bytes || (out._queued && out._queued + length > MESSAGE)) return;
    out._moved++;
    out._movedBytes += length;
    out._queued += length;
    out._queue.push(item.slice()); // the caller may use its memory again
    sending.add(out);
    return [];
  };

  /** END, or FAIL with a code. What was accepted before goes before it. */
  const end = (out, code, reason) => {
    if (!out._error && !out._last) {
      out._last = [code, reason];
      if (!waiting.delete(out)) sending.add(out); // who waits for a slot is known to nobody
      if (code >= 0) finish(out, new OmniError(code, reason));
    }
    return [];
  };

  // ---- the reader's half: _want is the total asked for, _got what came; _closing
  // is the code and reason of CLOSE, which may still wait: the application wants no
  // more; _refused says that it does not wait for an answer

  const newIn = (kind, call) => new Incoming({
    _session: ops, _side: theirs, _kind: kind, _call: call,
    _items: prefetch, _bytes: startBytes, _want: prefetch, _got: 0, _gotBytes: 0,
  });

  /** The next item as [{ value }], [{ done: true }] at the end, undefined if there is none yet. Throws how the stream failed. */
  const take = (s) => {
    const value = s._queue.shift();
    if (value) {
      s._moved++;
      s._movedBytes += value.length;
      ask(s, s._moved + prefetch);
    } else {
      if (!s._closing && !s._said) return ask(s, s._moved + (prefetch || 1));
      leave(s, 0);
      const why = s._error ?? s._said?._error;
      if (s._closing[0]) s._call?._signal?.throwIfAborted(); // it left before
      else if (why) throw why;
    }
    return [{ value, done: !value }];
  };

  /** Asks for items up to this total. */
  const ask = (s, total) => {
    s._want = max(s._want, Math.min(total, s._moved + AHEAD));
    const more = s._want - s._items;
    // Half a prefetch is worth a frame. So is any item if none is outstanding,
    // and rule 3: there is always room for one more item of any length.
    if ((more && (s._items == s._moved || more >= prefetch / 2)) ||
      (s._items > s._moved && s._bytes < s._movedBytes + maxItem)) replies.add(s);
  };

  /** The application is done with the stream. CLOSE of a call waits for its answer, unless there will be none. */
  const leave = (s, code, reason, refused) => {
    if (s._closing && !refused) return;
    // Two codes promise that no item was looked at.
    if (s._moved && (code == REFUSED || code == SHUTTING_DOWN)) code = CANCELED;
    s._queue = [];
    s._closing = [code, reason];
    s._refused = refused;
    replies.add(s);
  };

  // ---- the session

  /** Ends the session at once. The peer is told why. */
  const stop = (cause) => {
    const [code, reason] = wireError(cause);
    if (over) heardFail = true; // it has nothing left to say to us
    else endSession(new OmniError(...(farewell = [code || INTERNAL, reason]), { cause }));
    kick();
  };

  /** The session is over, in order if there is no error. What still lives is lost. */
  const endSession = (why) => {
    if (over) return;
    over = true;
    error = why;
    for (const s of all()) {
      lose(s, lost());
      (s._call ?? s)._over();
    }
    ready._reject(why);
    accepts._serve();
    deadline = setTimeout(drop, why ? LINGER : GOODBYE);
    kick();
  };

  // ---- what comes

  /** What a frame does, by its type; it comes as decode has it. */
  const handlers = {
    [HELLO](_, metadata, magic, version, maxItem, streams, items, bytes) {
      if (peer) fault(1, "second hello");
      ready._resolve(peer = { maxItem, streams, metadata, _items: items, _bytes: bytes });
    },

    [OPEN](stream, metadata, kind, answers) {
      if (heardEnd) fault(12, "open after end");
      if (stream != peerNext) fault(0, "stream number out of turn");
      const call = own.get(answers);
      if (kind == ANSWER && !unanswered(call)) fault(6, "no such call to answer");
      if (!call && theirs._slots++ >= maxStreams) fault(5, "too many streams", NO_CREDIT);
      const s = call?._answer ?? newIn(kind);
      peerNext++;
      s._number = stream;
      theirs.set(stream, s);
      s.opened._resolve(s.metadata = metadata);
      if (call) {
        if (s._closing) replies.add(s); // the caller has given up
        else ask(s, 0); // what was asked for before it had a number
      } else if (draining || heardClose || (saidEnd && kind == CALL)) s.refuse(shuttingDown());
      else {
        streams.push(s);
        accepts._serve();
      }
    },

    [DATA](stream, item) {
      const s = reading(stream);
      if (s._got++ >= s._items || (s._gotBytes += item.length) > s._bytes) fault(4, "no credit", NO_CREDIT);
      if (s._closing) return; // on its way when the reader left
      s._queue.push(item);
      s._wake();
    },

    [END](stream) {
      if (stream) return lastWord(stream, {});
      if (heardEnd) fault(12, "said twice");
      heardEnd = true;
      accepts._serve();
    },

    [FAIL](stream, reason, code) {
      const why = remote(code, reason);
      if (stream) return lastWord(stream, { _error: why });
      heardFail = true;
      if (code || all().length) endSession(why);
      else if (!saidEnd || !heardEnd) endSession(); // otherwise packSession does, with a goodbye
    },

    [REQUEST](stream, _, items, bytes) {
      const out = writing(stream);
      out._items = max(out._items, items);
      out._bytes = max(out._bytes, bytes);
      out._wake();
    },

    [CLOSE](stream, reason, code) {
      if (!stream) {
        if (heardClose || heardEnd) fault(12, "said twice");
        heardClose = remote(code || SHUTTING_DOWN, reason);
        return accepts._serve();
      }
      const out = writing(stream), why = code && remote(code, reason), noAnswer = unanswered(out);
      if (!code && (!out._said || noAnswer)) fault(7, "close 0 too early");
      out._closed = true;
      if (!out._said) { // drop what is not wanted any more; FAIL is the answer
        out._queue = [];
        out._last = [code];
        sending.add(out);
      }
      finish(out, why);
      if (noAnswer) lose(out._answer, why);
      settle(out);
    },

    [PING](_, rest, ...bytes) {
      pong = bytes;
    },

    [PONG](_, rest, high, low) { // it bears the PING's number
      if (asked && !high && low == asked) asked = silent = 0;
    },
  };

  /** END or FAIL of a stream. */
  const lastWord = (stream, said) => {
    const s = reading(stream);
    s._said = said;
    settle(s);
    s._wake();
  };

  /** Takes one message. A fault in it ends the session; the frames before it have counted. */
  const receive = (message) => {
    if (heardFail || farewell?.[0]) return; // read and drop
    coming = 0;
    try {
      if (message.length > limit) fault(9, "too long", TOO_LARGE);
      for (const [type, ...f] of decode(message, maxItem, !peer)) {
        if (type != PONG) silent = 0;
        handlers[type]?.(...f);
        if (heardFail) break;
      }
    } catch (e) {
      stop(e);
    }
    step();
  };

  // ---- what goes

  const give = (...frame) => {
    for (const part of encode(...frame)) {
      parts.push(part);
      size += part.length;
    }
  };

  /** FAIL or CLOSE; END if there is no code. */
  const giveWord = (type, stream, code, reason = "") =>
    code >= 0 ? give(type, stream, reason, code) : give(END, stream, none);

  /** Whether the message has room for an item, or for any other frame. */
  const fits = (length = METADATA + 5) => !size || size + HEADER + length <= MESSAGE;

  /** The next message, behind its length if the connection needs that; undefined if there is nothing to send. */
  const pack = () => {
    if (saidFail) return;
    if (peer && !over) {
      if ((itemsFirst = !itemsFirst)) packItems();
      packControl();
      packItems();
      packSession();
    }
    if (farewell) giveWord(FAIL, 0, ...farewell);
    saidFail = farewell;
    const message = size && join([big(size, socket.send ? 0 : 4), ...parts]);
    parts = [];
    going = size = 0;
    return message;
  };

  /** PONG, PING, OPEN, REQUEST and CLOSE. */
  const packControl = () => {
    if (!fits()) return;
    if (pong) give(PONG, 0, none, ...pong);
    if (pingDue) give(PING, 0, none, 0, pingDue);
    pong = pingDue = 0;
    for (const out of opening) {
      if (!fits()) return;
      opening.delete(out);
      own.set(out._number = next++, out);
      give(OPEN, out._number, out._metadata, out._kind, out._call?._number ?? 0);
      if (out._call) replies.add(out._call); // its CLOSE may go now
      if (next < WORD) continue;
      for (const s of theirs.values()) { // what was not answered cannot be any more (rule 13)
        if (unanswered(s)) leave(s, REFUSED, "out of numbers", true);
      }
      opening.forEach(admit); // none of them is
      opening.clear();
      step();
    }
    for (const s of replies) {
      if (!fits()) return;
      replies.delete(s);
      if (s._closed || !s._number) continue;
      if (s._closing) {
        if (s._refused || !unanswered(s)) {
          s._closed = true;
          giveWord(CLOSE, s._number, ...s._closing);
          settle(s);
        }
      } else if (!s._said) {
        s._items = s._want;
        s._bytes = s._movedBytes + window;
        give(REQUEST, s._number, none, s._items, s._bytes);
      }
    }
  };

  /** DATA, END and FAIL, each stream in its turn. */
  const packItems = () => {
    for (const out of sending) {
      const { _queue: queue, _number: number } = out;
      if (!number) continue; // its OPEN waits
      for (let turn = 0; queue.length && turn < TURN;) {
        const { length } = queue[0];
        if (!fits(length)) return;
        turn += HEADER + length;
        out._queued -= length;
        give(DATA, number, queue.shift());
      }
      if (!queue.length && out._last) {
        if (!fits()) return;
        giveWord(FAIL, number, ...out._last);
        out._said = true;
        settle(out);
      }
      sending.delete(out);
      if (queue.length) sending.add(out); // behind the others
      out._wake();
    }
  };

  /** The words on stream 0 (rule 12). */
  const packSession = () => {
    if (!fits()) return; // if there is room, no OPEN waits for some
    if (draining && !saidClose && !saidEnd) {
      saidClose = true;
      giveWord(CLOSE, 0, ...draining);
    }
    if (!saidEnd && (saidClose || heardClose || next == WORD) && ![...theirs.values()].some(unanswered)) {
      saidEnd = true;
      giveWord(END, 0);
    }
    if (saidEnd && heardEnd && !all().length) {
      farewell = [0];
      endSession();
    }
  };

  // ---- the connection

  const kick = () => {
    if (kicked) return;
    kicked = true;
    later(flush);
  };

  /** Sends all there is to send, a message at a time, as fast as the connection takes them. */
  const flush = async () => {
    kicked = false;
    if (flushing || !clock || dropped) return;
    flushing = true;
    try {
      for (let message; (message = pack());) await connection._send(message);
    } catch (cause) {
      gone(cause);
    }
    flushing = false;
    if (over && heardFail && (saidFail || !farewell)) drop(); // both sides have said their last word
  };

  /** Closes the connection; gone follows when it is closed. */
  const drop = () => {
    if (dropped) return;
    dropped = true;
    connection._close(/^rule /.test(farewell?.[1]) ? 1002 : 1000);
    clearTimeout(deadline);
    deadline = setTimeout(gone, LINGER);
  };

  /** The connection is closed. */
  const gone = (cause) => {
    dropped = heardFail = true;
    connection._kill(); // the other direction, too
    endSession(new OmniError(INTERNAL, "connection lost", { cause }));
    clearInterval(clock);
    clearTimeout(deadline);
    error ? closed._reject(error) : closed._resolve();
  };

  /** Looks for what is late. Seconds are counted, so a machine that slept finds nothing late at once. */
  const tick = () => {
    if (connection._partial) coming++;
    silent++;
    if (flushing) going++;
    const late = ++age == HELLO_LATE && !peer ? "1: hello"
      : coming >= MESSAGE_LATE ? "0: message"
      : going >= MESSAGE_LATE ? "11: sending"
      : silent > 2 * keepAlive ? "11: keepalive" : "";
    if (late) stop(new OmniError(TIMED_OUT, `rule ${late} timed out`));
    else if (peer && silent > keepAlive && !asked) {
      asked = pingDue = age; // its number
      kick();
    }
  };

  const started = () => {
    clock = setInterval(tick, SECOND);
    clock.unref?.(); // the connection keeps the process up, if anything does
    flush();
  };

  // ---- what the application calls

  const start = async (kind, metadata, { signal } = {}) => {
    const out = open(kind, metadata);
    out._signal = signal;
    out._over = watch(signal, (e) => out.giveUp(e));
    step();
    try {
      await out.opened;
      return out;
    } catch (e) {
      out._over();
      signal?.throwIfAborted();
      throw e;
    }
  };

  const ops = { _kick: kick, _open: open, _write: write, _end: end, _take: take, _ask: ask, _leave: leave }; // for streams
  give(HELLO, 0, toMetadata(metadata), MAGIC, 1, maxItem, maxStreams, prefetch, startBytes);

  const connection = (socket.send ? overWebSocket : overBytes)(socket, receive, gone, limit, () => {
    silent = 0; // a message that takes long to come is a sign of life
  });
  if (socket.readyState > 1) gone(); // and it will not say so again
  else if (socket.readyState == 0) socket.addEventListener("open", started);
  else started();

  return {
    /** Is kept with the peer's { maxItem, streams, metadata } when its HELLO came. */
    ready,

    /** Is kept when the session has ended in order, broken with an OmniError otherwise. */
    closed,

    /** Opens a one-way stream, as soon as the peer has a slot for it. */
    open: (metadata, options) => start(ONE_WAY, metadata, options),

    /** Opens a call. */
    call: (metadata, options) => start(CALL, metadata, options),

    /** The peer's next stream or call; undefined when no more will come. */
    accept({ signal } = {}) {
      const p = accepts._wait();
      const unwatch = watch(signal, (e) => accepts._leave(p, e));
      accepts._serve();
      return p.finally(unwatch);
    },

    /** Ends the session when the streams that live have ended. With the signal it does not wait for them. */
    shutdown({ reason, signal } = {}) {
      if (!over && !draining) {
        draining = [SHUTTING_DOWN, reason];
        for (const s of streams.splice(0)) s.refuse(shuttingDown());
        accepts._serve();
        step();
      }
      closed.catch(ignore).then(watch(signal, () => stop(new OmniError(SHUTTING_DOWN, "shutdown timed out"))));
      return closed;
    },

    /** Ends the session now; what lives is lost. */
    close(cause = "session closed") {
      stop(cause);
      return closed.catch(ignore);
    },
  };
}

/** One end of a connection. The two ends are equals. */
export class Session {
  constructor(socket, options) {
    assign(this, createSession(socket, options));
  }

  /** for await: every stream that the peer opens. */
  async *[ITERATE]() {
    for (let s; (s = await this.accept());) yield s;
  }
}

/** A session over a new WebSocket. Where there is no global one, say which: { WebSocket }. */
export const connect = (url, { WebSocket = globalThis.WebSocket, ...options } = {}) => {
  return new Session(new WebSocket(url, "omni.1"), options);
};

// ---------------------------------------------------------------- helpers

/**
 * Writes to one stream what another brings, as it is: items and end, failure or cancel with code and
 * reason. With `prefetch: 0` it takes as many items as are asked of `to`, and none in its own name.
 */
export const forward = (from, to) => {
  const session = from._session;
  return new Promise((resolve, reject) => {
    let item; // taken, and there is no credit for its bytes yet
    from._wake = to._wake = () => {
      try {
        session._ask(from, to._items);
        do {
          if (to._error) throw to._error;
          if (!item && (from._queue.length || from._said)) {
            const [{ value, done }] = session._take(from);
            item = value;
            if (done && from._closing[0]) throw new OmniError(...from._closing); // cancelled here
            if (done) resolve(to.end());
          }
        } while (item && to._session._write(to, item) && !(item = undefined));
      } catch (e) {
        reject(e);
        from.cancel(e);
        to.abort(e);
      }
      from._pump(); // they may be of two sessions
      to._pump();
    };
    from._wake();
  });
};

/** A stream or call whose items are values: `encode` gives the items of a value, `decode` the value of an item. */
const mapped = (stream, encode, decode) => {
  const from = stream.answer ?? stream;
  return { writable: stream.write && sink(stream, encode), readable: from.read && source(from, decode) };
};

/** Items as JSON values. */
export const json = (stream) => mapped(stream, (v) => [JSON.stringify(v)], (item) => JSON.parse(toText(item)));

/** Items as text. */
export const text = (stream) => mapped(stream, undefined, toText);

/** Bytes of any length, cut into items of at most `size`. */
export const bytes = (stream, size = 32768) => mapped(stream, function* (value) {
  const all = toBytes(value);
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
});

/** All that a stream still brings, joined. */
export const collect = async (stream) => {
  const parts = [];
  for await (const item of stream) parts.push(item);
  return join(parts);
};
