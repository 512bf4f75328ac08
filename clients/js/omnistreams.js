// omnistreams: many streams over one connection, each with its own flow control.
//
//   application    open, call, accept, read, write        Session, Incoming, Outgoing, Call
//                         |            ^
//   protocol       queue and count, check and keep        Engine: no I/O, no clock, no promises
//                         |            ^
//   messages           encode        decode               frames
//                         v            |
//   connection     a WebSocket, or { readable, writable } of bytes
//
// The protocol is told in SPEC.md; "rule" in comments and errors is a rule there.

// Names that begin with _ are of this file alone; the minified module has shorter ones.

// ---------------------------------------------------------------- numbers

// The codes of FAIL and CLOSE, the types of frames, the kinds of OPEN (SPEC.md, rules 13 and 0).
const CANCELED = 1, PROTOCOL = 2, NO_CREDIT = 3, TOO_LARGE = 4, REFUSED = 5;
const INTERNAL = 6, TIMED_OUT = 7, SHUTTING_DOWN = 8, VERSION = 9;
const HELLO = 0, OPEN = 1, DATA = 2, END = 3, FAIL = 4, REQUEST = 5, CLOSE = 6, PING = 7, PONG = 8;
const ONE_WAY = 0, CALL = 1, ANSWER = 2;

const HEADER = 9; // type u8, stream u32, length u32
const MESSAGE = 65536; // every side takes messages of so many bytes
const METADATA = 16384;
const REASON = 1024;
const WORD = 0x100000000; // 2^32
const TURN = 16384; // what one stream sends before it is another's turn, in bytes
const AHEAD = 65536; // how many items a stream is granted at most beyond those taken
const BUFFERED = 262144; // what may wait in a WebSocket, in bytes
const POLL = 4; // a WebSocket does not say when it has sent, so it is asked, in ms
const SECOND = 1000;
const HELLO_LATE = 10; // seconds
const MESSAGE_LATE = 30; // for one message to come, or to go
const LINGER = 1000; // from FAIL on 0 to the end of the connection
const GOODBYE = 5000; // likewise, if the session ended in order

// ---------------------------------------------------------------- errors

/** What the codes of FAIL and CLOSE mean (rule 13); from 256 on they are the application's. */
export const codes = Object.freeze({
  done: 0, canceled: 1, protocol: 2, noCredit: 3, tooLarge: 4,
  refused: 5, internal: 6, timedOut: 7, shuttingDown: 8, version: 9,
});

/** Why a stream or session ended: a code and a reason for people. */
export class OmniError extends Error {
  name = "OmniError";

  /** remote: the peer said so. lost: the stream ended with its session, and not by itself. */
  constructor(code, reason = "", { remote = false, lost = false, cause } = {}) {
    super(`${reason || "broken off"} (code ${code})`, { cause });
    Object.assign(this, { code, reason, remote, lost });
  }
}

/** Throws what is wrong with what the peer sent; the reason names the rule. */
function fault(rule, what, code = PROTOCOL) {
  throw new OmniError(code, `rule ${rule}: ${what}`);
}

/** What the peer's FAIL or CLOSE says. */
const remote = ({ code, reason }) => new OmniError(code, reason, { remote: true });

const shuttingDown = () => new OmniError(SHUTTING_DOWN, "shutting down");

/** The code and reason that tell the peer of e. What other errors say is not the peer's business. */
function wireError(e) {
  if (e instanceof OmniError) return [e.code, e.reason];
  if (typeof e == "string") return [CANCELED, e];
  return [!e || e.name == "AbortError" ? CANCELED : e.name == "TimeoutError" ? TIMED_OUT : INTERNAL];
}

// ---------------------------------------------------------------- frames

const MAGIC = [79, 77, 78, 73]; // "OMNI"

// The least and the greatest length of each type's payload; one number where it is fixed. DATA's
// greatest is the receiver's max_item.
const LENGTHS = [[21, 21 + METADATA], [5, 5 + METADATA], [0], 0, [4, 4 + REASON], 16, [4, 4 + REASON], 8, 8];

const utf8 = new TextEncoder();
const plain = new TextDecoder("utf-8", { ignoreBOM: true }); // a leading U+FEFF is part of the text

/** The bytes of numbers, 32 bits each. Setting a Uint8Array takes the lowest 8 of each. */
const words = (...numbers) => numbers.flatMap((n) => [n >>> 24, n >>> 16, n >>> 8, n]);

/** Arrays of bytes, one after the other. */
function join(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A reason in bytes, cut after the last whole rune that fits: encodeInto writes no other. */
function cut(reason = "") {
  const space = new Uint8Array(REASON);
  return space.subarray(0, utf8.encodeInto(reason, space).written);
}

/** The payload of a frame, from the fields that decode hands out. */
function payload({ type, version, maxItem, streams, items, bytes, metadata, kind, answers, code, reason, payload }) {
  if (type == HELLO) return join(MAGIC, [version], words(maxItem, streams, items, bytes), metadata);
  if (type == OPEN) return join([kind], words(answers), metadata);
  if (type == FAIL || type == CLOSE) return join(words(code), cut(reason));
  if (type == REQUEST) return words(items / WORD, items, bytes / WORD, bytes); // u64 each
  return payload ?? [];
}

/** Frames as one message, behind `lead` bytes that are left free. */
export function encode(frames, lead = 0) {
  return join(new Uint8Array(lead), ...frames.flatMap((f) => {
    const bytes = payload(f);
    return [[f.type], words(f.stream, bytes.length), bytes];
  }));
}

/** The frames of a message, in order, until one is not in form (rule 9): that throws. */
export function* decode(message, maxItem, first) {
  const { length } = message, view = new DataView(message.buffer, message.byteOffset, length);
  if (!length) fault(0, "empty message");
  for (let at = 0, end; at < length; at = end) {
    const body = at + HEADER;
    end = body > length ? WORD : body + view.getUint32(at + 5);
    if (end > length) fault(0, "frame is cut");
    const f = { type: message[at], stream: view.getUint32(at + 1), payload: message.subarray(body, end) };
    if (first && f.type != HELLO) fault(1, "hello must come first");
    first = false;
    if (f.type < 128) parse(f, (i) => view.getUint32(body + i), maxItem);
    yield f;
  }
}

/** Checks a frame's form and adds the fields of its type. */
function parse(f, u32, maxItem) {
  const { type, stream, payload } = f, { length } = payload;
  if (type == HELLO) { // these two come before all else, so that strangers are told what is wrong
    if (length > 3 && MAGIC.some((byte, i) => byte != payload[i])) fault(1, "not this protocol", VERSION);
    if (length > 4 && !payload[4]) fault(1, "bad version", VERSION);
  }
  if (type > PONG) fault(0, "unknown frame type");
  // END, FAIL and CLOSE speak of the session or of a stream.
  if (type == OPEN || type == DATA || type == REQUEST ? !stream : stream && (type == HELLO || type > CLOSE)) {
    fault(0, "stream number does not suit the type");
  }
  const [least, greatest = maxItem] = LENGTHS[type].length ? LENGTHS[type] : [LENGTHS[type], Infinity];
  if (length < least || (length > least && greatest > WORD)) type ? fault(0, "wrong length") : fault(1, "bad hello");
  if (length > greatest) type == DATA ? fault(4, "item too long", TOO_LARGE) : fault(9, "too long", TOO_LARGE);
  if (type == HELLO) {
    f.version = payload[4];
    [f.maxItem, f.streams, f.items, f.bytes] = [5, 9, 13, 17].map(u32);
    f.metadata = payload.slice(21);
    if (f.maxItem > 2 ** 24) fault(1, "bad hello");
    if (f.items && f.bytes < f.maxItem) fault(3, "items without bytes");
  } else if (type == OPEN) {
    [f.kind] = payload;
    f.answers = u32(1);
    f.metadata = payload.slice(5);
    if (f.kind > ANSWER || (f.kind == ANSWER) != f.answers > 0) fault(0, "bad kind or answers");
  } else if (type == FAIL || type == CLOSE) {
    f.code = u32(0);
    f.reason = plain.decode(payload.subarray(4));
  } else if (type == REQUEST) {
    [f.items, f.bytes] = [0, 8].map((i) => u32(i) * WORD + u32(i + 4));
    if (Math.max(f.items, f.bytes) >= 2 ** 53) fault(2, "total too large");
  }
}

// ---------------------------------------------------------------- engine
//
// One side of the protocol. Messages go in by receive and come out of pack; what
// a message says of numbers, credit, slots and ends takes effect when pack puts
// it in, which is just before the transport gets it (rule 2).
//
// A stream is an object here: the writer's half of what this side opened (`out`),
// the reader's of what the peer did (`s`). Both have _said, the opener's last word
// was given to the transport or has come, and _closed, so has the acceptor's
// CLOSE; with both the stream is dead. A call's _answer is the stream back, whose
// _call is the first. An answer to read is there before its OPEN comes.

const ignore = () => {};
const dead = (s) => s._said && s._closed;

/** A half, with what both have; totals are since the stream began. */
function newHalf(kind, metadata, call, more) {
  return {
    _kind: kind, _metadata: metadata, _call: call,
    _number: 0, // taken when OPEN is given to the transport
    _items: 0, // granted
    _bytes: 0,
    _moved: 0, // items accepted from the writer, or taken by the reader
    _movedBytes: 0,
    _queue: [], // items accepted and not given to the transport, or come and not taken
    _wake: ignore, // something has changed
    _over: ignore, // the stream is dead; of a call: the answer too
    ...more,
  };
}

/**
 * my: maxItem, streams, items, bytes and metadata as in HELLO; prefetch, the items kept asked for;
 * window, the bytes granted beyond those taken; first, the number of the first stream. host is told
 * what happens: _ready(peer), _incoming(s), _stopped(refuse) if no more will be incoming, _ended(error).
 */
function createEngine(my, host) {
  let peer; // the peer's HELLO
  let next = my.first, peerNext = 1; // the numbers of the next streams
  const own = new Map(), theirs = new Map(); // streams that live, by number
  let ownSlots = 0, theirSlots = 0; // slots in use: of the peer's, of mine
  const waiting = new Set(); // opens without a slot
  const opening = new Set(); // those whose OPEN waits for its turn
  const sending = new Set(); // streams with items or a last word to send
  const replies = new Set(); // streams with REQUEST or CLOSE to send
  let crowded; // a long item needs a message of its own
  let pong, pingDue, pings = 0, ponged = 0; // the PING to answer; mine: wanted and answered
  let alive; // something came that proves it
  let greeted, saidClose, saidEnd, saidFail; // my words were given to the transport
  let heardClose, heardEnd, heardFail; // the peer's
  let draining, farewell; // my CLOSE and FAIL on 0, as wanted
  let over, error; // nothing lives any more, and why

  // ---- both halves

  const lost = () => new OmniError(INTERNAL, "session lost" + (error ? ": " + error.reason : ""), { lost: true, cause: error });

  /** No stream lives. */
  const idle = () => !(own.size + theirs.size + opening.size + waiting.size);

  const unanswered = (s) => s._kind == CALL && !s._closed && !s._answer?._number;

  /** Forgets a stream if it is dead. A call and its answer hold one slot together. */
  function settle(s) {
    if (!dead(s)) return;
    (s._mine ? own : theirs).delete(s._number);
    const first = s._call ?? s, answer = first._answer;
    if (!dead(first) || (answer?._number && !dead(answer))) return;
    first._mine ? ownSlots-- : theirSlots--;
    first._over();
    admit();
  }

  /** Checks that a stream lives and that the side which spoke of it may still speak. */
  function living(s, spoken) {
    if (!s || spoken) fault(8, s ? "after the last word" : "no such stream");
    return s;
  }

  // ---- the writer's half: _last is END or FAIL as a frame that may still wait,
  // _finished says that the application was told the end, _error how

  /** Opens a stream, or the answer to a call. It is admitted when it has a slot. */
  function open(kind, metadata, call) {
    const why = openError(kind);
    if (why) throw why;
    const out = newHalf(kind, metadata, call, { _mine: true, _engine: engine, _queued: 0 });
    if (kind == CALL) out._answer = newIn(ANSWER, [], out);
    if (call) call._answer = out;
    waiting.add(out);
    admit();
    return out;
  }

  function openError(kind) {
    if (over) return lost();
    if (kind == ANSWER) return;
    if (next == WORD) return new OmniError(NO_CREDIT, "stream numbers ran out");
    if (heardClose) return remote({ ...heardClose, code: heardClose.code || SHUTTING_DOWN });
    if (draining || saidEnd || (heardEnd && kind == CALL)) return shuttingDown();
  }

  /** Lets those in that have a slot, and fails those that will get none. */
  function admit() {
    if (!peer || over) return;
    for (const out of waiting) {
      const why = openError(out._kind), slot = out._kind != ANSWER;
      if (!why && slot && ownSlots >= peer.streams) continue;
      waiting.delete(out);
      if (why) finish(out, why);
      else {
        if (slot) ownSlots++;
        out._admitted = true;
        out._items = peer.items;
        out._bytes = peer.bytes;
        opening.add(out);
        out._wake();
      }
    }
  }

  /** Accepts an item. False means that there is no credit yet, or too much in the queue. */
  function write(out, item) {
    const { length } = item;
    if (out._error) throw out._error;
    if (out._last) throw new TypeError("the stream has ended");
    if (peer && length > peer.maxItem) throw new OmniError(TOO_LARGE, `${length} bytes: the peer takes ${peer.maxItem}`);
    if (!out._admitted || out._moved >= out._items || out._movedBytes + length > out._bytes) return false;
    if (out._queued && out._queued + length > MESSAGE) return false;
    out._moved++;
    out._movedBytes += length;
    out._queued += length;
    out._queue.push(item.slice()); // the caller may use its memory again
    sending.add(out);
    return true;
  }

  /** END, or FAIL with a code. What was accepted before goes before it. */
  function end(out, code, reason) {
    if (out._finished || out._last) return;
    const failed = code >= 0;
    out._last = { type: failed ? FAIL : END, code, reason };
    sending.add(out);
    if (failed || waiting.has(out)) finish(out, new OmniError(code, reason));
    if (waiting.delete(out)) sending.delete(out); // nobody knows it yet
  }

  function finish(out, why) {
    if (out._finished) return;
    out._finished = true;
    out._error = why;
    out._wake();
  }

  /** The peer's CLOSE. */
  function onClose(out, f) {
    const { code } = f;
    if (!code && (!out._said || (out._kind == CALL && !out._answer._number))) fault(7, "close 0 too early");
    out._closed = true;
    const why = code ? remote(f) : undefined;
    if (!out._said) { // drop what is not wanted any more; FAIL is the answer
      out._queue = [];
      out._queued = 0;
      out._last = { type: FAIL, code };
      sending.add(out);
    }
    finish(out, why);
    if (out._kind == CALL && !out._answer._number) fail(out._answer, why);
    settle(out);
  }

  // ---- the reader's half: _want is the total asked for, _got what came; _left says
  // that the application wants no more, _closing is CLOSE as a frame that may still
  // wait, and _refused that it does not wait for an answer

  function newIn(kind, metadata, call) {
    const { items, bytes } = my;
    return newHalf(kind, metadata, call, { _engine: engine, _items: items, _bytes: bytes, _want: items, _got: 0, _gotBytes: 0 });
  }

  /** The next item; undefined if there is none yet, null at the end. Throws how the stream failed. */
  function take(s) {
    if (s._queue.length) {
      const item = s._queue.shift();
      s._moved++;
      s._movedBytes += item.length;
      ask(s, s._moved + my.prefetch);
      return item;
    }
    if (s._left) return null;
    if (!s._said) return ask(s, s._moved + Math.max(my.prefetch, 1));
    leave(s, 0);
    if (s._said.error) throw s._said.error;
    return null;
  }

  /** The total of items to grant now. */
  const target = (s) => Math.max(s._items, Math.min(s._want, s._moved + AHEAD));

  /** Asks for items up to this total. */
  function ask(s, total) {
    s._want = Math.max(s._want, total);
    const more = target(s) - s._items;
    // Half a prefetch is worth a frame. So is any item if none is outstanding,
    // and rule 3: there is always room for one more item of any length.
    if ((more && (s._items == s._moved || more >= my.prefetch / 2)) ||
      (s._items > s._moved && s._bytes < s._movedBytes + my.maxItem)) replies.add(s);
  }

  /** The application is done with the stream. CLOSE of a call waits for its answer, unless there will be none. */
  function leave(s, code, reason, refused) {
    if (s._closed || (s._closing && !refused)) return;
    // Two codes promise that no item was looked at.
    if (s._moved && (code == REFUSED || code == SHUTTING_DOWN)) code = CANCELED;
    s._left = true;
    s._queue = [];
    s._closing = { type: CLOSE, code, reason };
    s._refused = refused;
    const answer = s._answer;
    if (refused && answer && !answer._number) { // it was to be opened
      opening.delete(answer);
      sending.delete(answer);
      finish(answer, new OmniError(code, reason));
    }
    replies.add(s);
  }

  /** Nothing will come any more, and there is nobody to tell. */
  function fail(s, error) {
    s._said = { error };
    s._closed = true;
    s._wake();
  }

  function onOpen({ stream, kind, answers, metadata }) {
    if (heardEnd) fault(12, "open after end");
    if (stream != peerNext) fault(0, "stream number out of turn");
    const call = own.get(answers);
    let s;
    if (kind == ANSWER) {
      if (call?._kind != CALL || call._closed || call._answer._number) fault(6, "no such call to answer");
      s = call._answer;
      s._metadata = metadata;
    } else {
      if (theirSlots >= my.streams) fault(5, "too many streams", NO_CREDIT);
      theirSlots++;
      s = newIn(kind, metadata);
    }
    peerNext++;
    s._number = stream;
    theirs.set(stream, s);
    if (kind == ANSWER) {
      if (s._closing) replies.add(s); // the caller has given up
      else ask(s, 0); // what was asked for before it had a number
      s._wake();
    } else if (draining || heardClose || (saidEnd && kind == CALL)) leave(s, SHUTTING_DOWN, "shutting down", true);
    else host._incoming(s);
  }

  function onData(s, item) {
    if (s._got >= s._items || s._gotBytes + item.length > s._bytes) fault(4, "no credit", NO_CREDIT);
    s._got++;
    s._gotBytes += item.length;
    if (s._left) return; // on its way when the reader left
    s._queue.push(item.slice()); // a small item must not keep the whole message in memory
    s._wake();
  }

  function onLastWord(s, f) {
    s._said = f;
    if (f.type == FAIL) f.error = remote(f);
    settle(s);
    s._wake();
  }

  // ---- the session

  /** Begins the graceful end (rule 12). */
  function shutdown(reason) {
    if (over || draining) return;
    draining = { reason };
    admit();
    host._stopped(true);
  }

  /** Ends the session at once. The peer is told why. */
  function stop(why) {
    if (over) heardFail = true; // it has nothing left to say to us
    else {
      farewell = why;
      endSession(why);
    }
  }

  /** The session is over, in order if there is no error. What still lives is lost. */
  function endSession(why) {
    if (over) return;
    over = true;
    error = why;
    for (const out of [...own.values(), ...opening, ...waiting]) {
      finish(out, lost());
      if (out._kind == CALL && !out._answer._number) fail(out._answer, lost());
      (out._call ?? out)._over();
    }
    for (const s of theirs.values()) {
      fail(s, lost());
      (s._call ?? s)._over();
    }
    host._ended(why);
  }

  function onSessionWord(f) {
    if (f.type == FAIL) {
      heardFail = true;
      if (f.code || !idle()) return endSession(remote(f));
      if (saidEnd && heardEnd && !over) farewell = { code: 0 };
      return endSession();
    }
    if (heardEnd || (f.type == CLOSE && heardClose)) fault(12, "said twice");
    f.type == END ? heardEnd = true : heardClose = f;
    host._stopped(); // the opens that wait fail in admit
  }

  // ---- what comes

  const limit = Math.max(MESSAGE, HEADER + my.maxItem); // of a message, in bytes

  /** Takes one message. A fault in it ends the session; the frames before it have counted. */
  function receive(message) {
    if (heardFail || farewell?.code) return; // read and drop
    try {
      if (message.length > limit) fault(9, "too long", TOO_LARGE);
      for (const f of decode(message, my.maxItem, !peer)) {
        frame(f);
        if (heardFail) break;
      }
    } catch (e) {
      if (!(e instanceof OmniError)) throw e;
      stop(e);
    }
    admit();
  }

  function frame(f) {
    const { type, stream, payload } = f, mine = own.get(stream), s = theirs.get(stream);
    if (type != PONG) alive = true;
    if (type == HELLO) {
      if (peer) fault(1, "second hello");
      peer = f;
      host._ready(f);
    } else if (type == OPEN) onOpen(f);
    else if (type == DATA) onData(living(s, s?._said), payload);
    else if (type == PING) pong = payload.slice();
    else if (type == PONG) {
      // It bears the PING's number, and answers all older ones too. Numbers are small here.
      const n = payload.reduce((sum, byte) => sum * 256 + byte, 0);
      if (n > ponged && n <= pings) {
        ponged = n;
        alive = true;
      }
    } else if (type > PONG) return; // for experiments
    else if (!stream) onSessionWord(f);
    else if (type == REQUEST) {
      const out = living(mine, mine?._closed);
      out._items = Math.max(out._items, f.items);
      out._bytes = Math.max(out._bytes, f.bytes);
      out._wake();
    } else type == CLOSE ? onClose(living(mine, mine?._closed), f) : onLastWord(living(s, s?._said), f);
  }

  // ---- what goes

  /** The next message, behind `lead` free bytes; undefined if there is nothing to send. */
  function pack(lead) {
    const frames = [];
    let size = 0;
    const fits = (length) => !size || size + HEADER + length <= MESSAGE;
    const give = (type, stream, f, length = REASON + 4) => {
      frames.push({ ...f, type, stream });
      size += HEADER + length;
    };
    if (saidFail) return;
    if (!greeted) give(HELLO, 0, { ...my, version: 1 });
    greeted = true;
    if (peer && !over) {
      if (crowded) packItems(fits, give); // a long item, which the others kept out before
      if (!size) {
        packControl(fits, give);
        packItems(fits, give);
        packSession(fits, give);
      }
    }
    if (farewell) give(FAIL, 0, farewell);
    saidFail = farewell;
    if (size) return encode(frames, lead);
  }

  /** PONG, PING, OPEN, REQUEST and CLOSE. */
  function packControl(fits, give) {
    if (pong) give(PONG, 0, { payload: pong }, 8);
    if (pingDue) give(PING, 0, { payload: words(0, pings) }, 8);
    pong = pingDue = undefined;
    for (const out of opening) {
      const { _kind: kind, _metadata: metadata, _call: call } = out, length = 5 + metadata.length;
      if (!fits(length)) return;
      if (next == WORD) break;
      opening.delete(out);
      own.set(out._number = next++, out);
      give(OPEN, out._number, { kind, metadata, answers: call ? call._number : 0 }, length);
      if (call) replies.add(call); // its CLOSE may go now
      if (next == WORD) exhaust();
    }
    for (const s of replies) {
      if (!fits(REASON + 4)) return;
      replies.delete(s);
      if (s._closed || !s._number) continue;
      if (s._closing) {
        if (s._refused || !unanswered(s)) {
          s._closed = true;
          give(CLOSE, s._number, s._closing);
          settle(s);
        }
      } else if (!s._said) {
        const items = s._items = target(s), bytes = s._bytes = Math.max(s._bytes, s._movedBytes + my.window);
        give(REQUEST, s._number, { items, bytes }, 16);
      }
    }
  }

  /** DATA, END and FAIL, each stream in its turn. */
  function packItems(fits, give) {
    let given = crowded = false;
    for (const out of sending) {
      const { _queue: queue, _number: number, _last: last } = out;
      if (!number) continue; // its OPEN waits
      for (let turn = 0; queue.length && turn < TURN;) {
        const { length } = queue[0];
        crowded = !given && !fits(length); // then it goes before control next time
        if (!fits(length)) return;
        given = true;
        turn += HEADER + length;
        out._queued -= length;
        give(DATA, number, { payload: queue.shift() }, length);
      }
      if (!queue.length && last) {
        if (!fits(REASON + 4)) return;
        give(last.type, number, last);
        out._said = true;
        settle(out);
      }
      sending.delete(out);
      if (queue.length) sending.add(out); // behind the others
      out._wake();
    }
  }

  /** The words on stream 0 (rule 12). */
  function packSession(fits, give) {
    if (!fits(3 * REASON) || opening.size) return;
    if (draining && !saidClose && !saidEnd) {
      saidClose = true;
      give(CLOSE, 0, { ...draining, code: SHUTTING_DOWN });
    }
    if (!saidEnd && (saidClose || heardClose || next == WORD) && ![...theirs.values()].some(unanswered)) {
      saidEnd = true;
      give(END, 0, {}, 0);
    }
    if (saidEnd && heardEnd && idle()) {
      farewell = { code: 0 };
      endSession();
    }
  }

  /** The numbers have run out: what was not answered cannot be any more (rule 13). */
  function exhaust() {
    for (const s of theirs.values()) {
      if (unanswered(s)) leave(s, s._moved ? INTERNAL : REFUSED, "stream numbers ran out", true);
    }
    admit();
  }

  const engine = {
    _host: host, _limit: limit,
    _open: open, _write: write, _end: end, _take: take, _ask: ask, _leave: leave,
    _receive: receive, _pack: pack, _shutdown: shutdown, _stop: stop,

    /** Both sides have said their last word. */
    _parted: () => over && heardFail && (saidFail || !farewell),

    /** The connection is closed. Returns what was wrong. */
    _cut(cause) {
      heardFail = true;
      endSession(new OmniError(INTERNAL, "connection lost", { cause }));
      return error;
    },

    /** Whether the peer may still open streams for this side; throws if the session is lost. */
    _mayCome() {
      if (over && error) throw lost();
      return !(over || draining || heardClose || heardEnd);
    },

    /** Whether something came since the last time. */
    _lively() {
      const was = alive;
      alive = false;
      return was;
    },

    /** Sends a PING, unless one is on its way. */
    _ping() {
      if (pings > ponged) return;
      pings++;
      pingDue = true;
    },

  };
  return engine;
}

// ---------------------------------------------------------------- connections
//
// Each gives the session whole messages and takes whole messages. It tells of
// _started(), _message(bytes), _gone(cause) and _stop(error). _send's promise is
// kept when more may be sent; reading never waits for it (rule 11).

/** Anything in the shape of a browser's WebSocket: each message is one of its own. */
function overWebSocket(socket, tell) {
  const on = (event, f) => socket.addEventListener(event, f);
  const close = (code) => {
    try {
      socket.close(code);
    } catch {
      socket.close(); // a browser's takes no code below 3000 but 1000
    }
  };
  socket.binaryType = "arraybuffer";
  on("open", tell._started);
  on("error", (e) => tell._gone(e.error ?? e));
  on("close", () => tell._gone());
  on("message", ({ data }) => {
    if (typeof data != "string") return tell._message(new Uint8Array(data));
    close(1003);
    tell._gone("a text message");
  });
  if (socket.readyState == 1) queueMicrotask(tell._started);
  return {
    _lead: 0,
    _close: close,
    _kill: () => socket.terminate?.(),
    async _send(message) {
      socket.send(message);
      while (socket.bufferedAmount > BUFFERED && socket.readyState == 1) await new Promise((done) => setTimeout(done, POLL));
    },
  };
}

/** A duplex stream of bytes: each message comes behind its length, u32. */
function overBytes({ readable, writable }, tell) {
  const reader = readable.getReader(), writer = writable.getWriter();
  const cancel = () => reader.cancel().catch(ignore);
  const connection = {
    _lead: 4,
    _moved: false, // bytes came
    _partial: false, // a message has begun
    _send(message) {
      message.set(words(message.length - 4));
      return writer.write(message);
    },
    _close: () => writer.close().catch(ignore).then(cancel), // what was sent goes out first
    _kill() {
      writer.abort().catch(ignore);
      cancel();
    },
  };
  const read = async () => {
    let part = new Uint8Array(4), filled = 0, body, chunk, stopped;
    while (!(chunk = await reader.read()).done) {
      connection._moved = true;
      for (let rest = chunk.value; rest.length && !stopped;) {
        const n = Math.min(part.length - filled, rest.length);
        part.set(rest.subarray(0, n), filled);
        rest = rest.subarray(n);
        filled += n;
        connection._partial = true;
        if (filled < part.length) break;
        filled = 0;
        const length = body ? 0 : part.reduce((sum, byte) => sum * 256 + byte, 0);
        if ((stopped = length > tell._limit)) tell._stop(new OmniError(TOO_LARGE, "rule 9: too long"));
        else {
          connection._partial = length > 0;
          if (!length) tell._message(body ? part : new Uint8Array(0)); // it is whole, and empty if there is no body
          body = length > 0;
          part = new Uint8Array(length || 4);
        }
      }
    }
  };
  queueMicrotask(tell._started);
  read().catch((e) => e).then((cause) => {
    connection._kill(); // the other direction, too
    tell._gone(cause);
  });
  return connection;
}

// ---------------------------------------------------------------- streams

/** A promise to be settled elsewhere. That nobody looks at it is no error. */
function promised() {
  const p = {};
  p._promise = new Promise((resolve, reject) => {
    p._resolve = resolve;
    p._reject = reject;
  });
  p._promise.catch(ignore);
  return p;
}

/** Does first what waits first, until f returns undefined. */
function serve(queue, f) {
  for (let p; (p = queue[0]); queue.shift()) {
    try {
      const value = f(p);
      if (value === undefined) return;
      p._resolve(value);
    } catch (e) {
      p._reject(e);
    }
  }
}

function wait(queue, more) {
  const p = { ...promised(), ...more };
  queue.push(p);
  return p;
}

/** Calls f with the reason when the signal is aborted; returns what ends the watch. */
function watch(signal, f) {
  signal?.throwIfAborted();
  const aborted = () => f(signal.reason);
  signal?.addEventListener("abort", aborted);
  return () => signal?.removeEventListener("abort", aborted);
}

/** Bytes as they are, text in UTF-8, anything else as JSON. */
function toBytes(value = "") {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return utf8.encode(typeof value == "string" ? value : JSON.stringify(value));
}

function toMetadata(value) {
  const bytes = toBytes(value).slice();
  if (bytes.length > METADATA) throw new OmniError(TOO_LARGE, "metadata is too long");
  return bytes;
}

/** A pipe from which nothing is taken before it is read. */
const source = (read, cancel) => new ReadableStream({
  async pull(controller) {
    const { value, done } = await read();
    done ? controller.close() : controller.enqueue(value);
  },
  cancel,
}, { highWaterMark: 0 });

/** A pipe into which nothing is written after `broken` is. */
const sink = (broken, write, close, abort) => new WritableStream({
  start: (controller) => void broken.catch((e) => controller.error(e)),
  write, close, abort,
});

/** What one side writes. */
export class Outgoing {
  _writes = []; // that wait for credit, in order; one without an item is the end
  _done = promised();

  constructor(half) {
    this._half = half;
    half._wake = () => this._pump();
  }

  /** Is kept when the reader has taken everything, broken when it left or the stream was lost. */
  get done() {
    return this._done._promise;
  }

  /** Writes an item; is kept as soon as there is credit for it. Its memory may be used again then. */
  write(item) {
    return this._queue(toBytes(item));
  }

  /** Ends the stream behind what was written. */
  end() {
    return this._queue();
  }

  _queue(item) {
    const p = wait(this._writes, { _item: item });
    if (p == this._writes[0]) this._pump();
    return p._promise;
  }

  /** Breaks the stream off: the reader gets the code and reason of an OmniError, after what was written. */
  abort(reason) {
    this._half._engine._end(this._half, ...wireError(reason));
    this._pump();
  }

  _pump() {
    const { _half: half, _done: done } = this, engine = half._engine;
    serve(this._writes, ({ _item: item }) => {
      if (item) return engine._write(half, item) ? null : undefined;
      engine._end(half);
      return null;
    });
    if (half._finished) half._error ? done._reject(half._error) : done._resolve();
    engine._host._kick();
  }

  /** The same for pipes. Its writer's `ready` waits for credit. */
  get writable() {
    return this._writable ??= sink(this.done, async (item, { signal }) => {
      const unwatch = watch(signal, (e) => this.abort(e));
      try {
        await this.write(item);
      } catch (e) {
        this.abort(e);
        throw e;
      } finally {
        unwatch();
      }
    }, () => this.end(), (e) => this.abort(e));
  }
}

/** What one side reads. */
export class Incoming {
  _reads = []; // that wait for an item, in order
  _opened = promised();

  constructor(half) {
    this._half = half;
    half._wake = () => this._pump();
    this._pump();
  }

  get isCall() {
    return this._half._kind == CALL;
  }

  get metadata() {
    return this._half._metadata;
  }

  /** Is kept when the stream is there: for the answer to a call that takes a while. */
  get opened() {
    return this._opened._promise;
  }

  /** Takes the next item: { value } or { done: true }. */
  read() {
    const p = wait(this._reads);
    this._pump();
    return p._promise;
  }

  _pump() {
    const half = this._half, engine = half._engine;
    if (half._number) this._opened._resolve(half._metadata);
    else if (half._said) this._opened._reject(half._said.error);
    serve(this._reads, () => {
      const value = engine._take(half);
      return value === null ? { value: undefined, done: true } : value && { value, done: false };
    });
    engine._host._kick();
  }

  /** Leaves: what comes is dropped, and the writer gets the code and reason of an OmniError. */
  cancel(reason) {
    this._leave(wireError(reason));
  }

  /** Turns the stream down, or leaves a call without an answer. */
  refuse(reason = "") {
    this._leave(typeof reason == "string" ? [REFUSED, reason] : wireError(reason), true);
  }

  _leave([code, text], refused) {
    this._half._engine._leave(this._half, code || INTERNAL, text, refused); // 0 would say that everything was taken
    this._pump();
  }

  /** Opens the answer to a call. */
  reply(metadata) {
    const half = this._half;
    if (!this.isCall || half._answer || half._refused) throw new TypeError("no call that waits for an answer");
    const out = new Outgoing(half._engine._open(ANSWER, toMetadata(metadata), half));
    out._pump();
    return out;
  }

  /** The same for pipes. Nothing is taken before it is read. */
  get readable() {
    return this._readable ??= source(() => this.read(), (e) => this.cancel(e));
  }

  /** for await: leaving the loop cancels. */
  async *[Symbol.asyncIterator]() {
    try {
      for (let r; !(r = await this.read()).done;) yield r.value;
    } finally {
      this.cancel();
    }
  }
}

/** A question that goes out and its answer that comes in. */
export class Call extends Outgoing {
  constructor(half) {
    super(half);
    this.answer = new Incoming(half._answer);
  }

  get readable() {
    return this.answer.readable;
  }

  [Symbol.asyncIterator]() {
    return this.answer[Symbol.asyncIterator]();
  }

  /** Breaks off the question and leaves the answer. */
  giveUp(reason) {
    this.abort(reason);
    this.answer.cancel(reason);
  }
}

// ---------------------------------------------------------------- session

/** Calls f once everything that can be done at once was done, so that one message takes it all. */
const later = globalThis.setImmediate ?? ((f) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    f();
  };
  port2.postMessage(0);
});

/** One end of a connection. The two ends are equals. */
export class Session {
  constructor(socket, {
    metadata, maxItem = 262144, maxStreams = 128, prefetch = 256, window = Math.max(524288, maxItem), keepAlive = 15, first = 1,
  } = {}) {
    const inRange = maxItem >= 0 && maxItem <= 2 ** 24 && window >= maxItem && window < WORD &&
      prefetch >= 0 && prefetch <= AHEAD && maxStreams >= 0 && maxStreams < WORD;
    if (!inRange) throw new RangeError("maxItem, maxStreams, prefetch or window is out of range");
    const ready = promised(), closed = promised();
    const streams = []; // that came and were not accepted
    const accepts = []; // accepts that wait
    let kicked, flushing, dropped, clock, deadline;
    let age = 0, silent = 0, going = 0, coming = 0; // in seconds

    const kick = () => {
      if (kicked) return;
      kicked = true;
      later(() => {
        kicked = false;
        flush();
      });
    };

    const hand = () => serve(accepts, () => {
      if (streams.length) return streams.shift();
      return engine._mayCome() ? undefined : null;
    });

    const stop = (error) => {
      engine._stop(error);
      kick();
    };

    /** Sends all there is to send, a message at a time, as fast as the connection takes them. */
    const flush = async () => {
      if (flushing || !clock || dropped) return;
      flushing = true;
      try {
        for (let message; (message = engine._pack(connection._lead));) {
          await connection._send(message);
          going = 0;
        }
      } catch (cause) {
        connection._kill();
        gone(cause);
      }
      flushing = false;
      if (engine._parted()) drop();
    };

    /** Looks for what is late. Ticks are counted, so a machine that slept finds nothing late at once. */
    const tick = () => {
      silent = engine._lively() || connection._moved ? 0 : silent + 1;
      going = flushing ? going + 1 : 0;
      coming = connection._partial ? coming + 1 : 0;
      age++;
      connection._moved = false;
      const late = age == HELLO_LATE && !peer ? "1: hello"
        : coming >= MESSAGE_LATE ? "0: message"
        : going >= MESSAGE_LATE ? "11: sending"
        : silent >= 2 * keepAlive ? "11: keepalive" : "";
      if (late) stop(new OmniError(TIMED_OUT, `rule ${late} timed out`));
      else if (peer && silent >= keepAlive) {
        engine._ping();
        kick();
      }
    };

    /** Closes the connection; gone follows when it is closed. */
    const drop = () => {
      if (dropped) return;
      dropped = true;
      connection._close(broken ? 1002 : 1000);
      clearTimeout(deadline);
      deadline = setTimeout(() => {
        connection._kill();
        gone();
      }, LINGER);
    };

    /** The connection is closed. */
    const gone = (cause) => {
      dropped = true;
      const error = engine._cut(cause);
      clearInterval(clock);
      clearTimeout(deadline);
      error ? closed._reject(error) : closed._resolve();
    };

    let peer, broken;
    const engine = createEngine({
      maxItem, streams: maxStreams, items: prefetch, bytes: prefetch && window, metadata: toMetadata(metadata),
      prefetch, window, first,
    }, {
      _kick: kick,
      _ready: (hello) => ready._resolve(peer = hello),
      _incoming(half) {
        streams.push(new Incoming(half));
        hand();
      },
      _stopped(refuse) {
        if (refuse) for (const s of streams.splice(0)) s.refuse(shuttingDown());
        hand();
      },
      _ended(error) {
        broken = /^rule /.test(error?.reason) && !error.remote;
        ready._reject(error ?? shuttingDown());
        hand();
        deadline = setTimeout(drop, error ? LINGER : GOODBYE);
        kick();
      },
    });

    const connection = (socket.send ? overWebSocket : overBytes)(socket, {
      _limit: engine._limit,
      _started() {
        clock = setInterval(tick, SECOND);
        clock.unref?.(); // the connection keeps the process up, if anything does
        flush();
      },
      _message(message) {
        engine._receive(message);
        kick();
      },
      _stop: stop,
      _gone: gone,
    });

    const open = async (kind, metadata, { signal } = {}) => {
      signal?.throwIfAborted();
      const half = engine._open(kind, toMetadata(metadata));
      const handle = new (kind == CALL ? Call : Outgoing)(half);
      half._over = watch(signal, (e) => kind == CALL ? handle.giveUp(e) : handle.abort(e));
      const pump = half._wake;
      kick();
      if (!half._admitted) await new Promise((resolve) => {
        half._wake = () => {
          pump();
          resolve();
        };
      });
      half._wake = pump;
      if (half._admitted) return handle;
      half._over();
      signal?.throwIfAborted();
      throw half._error;
    };

    Object.assign(this, {
      /** Is kept with the peer's { maxItem, streams, metadata } when its HELLO came. */
      ready: ready._promise,

      /** Is kept when the session has ended in order, broken with an OmniError otherwise. */
      closed: closed._promise,

      /** Opens a one-way stream, as soon as the peer has a slot for it. */
      open: (metadata, options) => open(ONE_WAY, metadata, options),

      /** Opens a call. */
      call: (metadata, options) => open(CALL, metadata, options),

      /** The peer's next stream or call; undefined when no more will come. */
      async accept({ signal } = {}) {
        let p;
        const unwatch = watch(signal, (e) => {
          accepts.splice(accepts.indexOf(p), 1);
          p._reject(e);
        });
        p = wait(accepts);
        hand();
        return await p._promise.finally(unwatch) ?? undefined;
      },

      /** Ends the session when the streams that live have ended. With the signal it does not wait for them. */
      shutdown({ reason, signal } = {}) {
        const late = () => stop(new OmniError(SHUTTING_DOWN, "shutdown took too long"));
        engine._shutdown(reason);
        kick();
        if (signal?.aborted) late();
        else closed._promise.catch(ignore).then(watch(signal, late));
        return closed._promise;
      },

      /** Ends the session now; what lives is lost. */
      close(cause = "session closed") {
        const [code, reason] = wireError(cause);
        stop(new OmniError(code || INTERNAL, reason, { cause }));
        return closed._promise.catch(ignore);
      },
    });
  }

  /** for await: every stream that the peer opens. */
  async *[Symbol.asyncIterator]() {
    for (let s; (s = await this.accept());) yield s;
  }
}

/** A session over a new WebSocket. Where there is no global one, say which: { WebSocket }. */
export function connect(url, { WebSocket = globalThis.WebSocket, ...options } = {}) {
  return new Session(new WebSocket(url, "omni.1"), options);
}

// ---------------------------------------------------------------- helpers

/**
 * Writes to one stream what another brings, as it is: items and end, failure or cancel with code and
 * reason. With `prefetch: 0` it takes as many items as are asked of `to`, and none in its own name.
 */
export function forward(from, to) {
  const half = from._half, out = to._half, engine = half._engine;
  return new Promise((resolve, reject) => {
    let item; // taken, and there is no credit for its bytes yet
    half._wake = out._wake = () => {
      try {
        engine._ask(half, out._items);
        do {
          if (out._finished) throw out._error;
          if (!item && (half._queue.length ? out._moved < out._items : half._said)) item = engine._take(half);
          if (item === null) {
            to.end();
            resolve();
          }
        } while (item && out._engine._write(out, item) && !(item = undefined));
      } catch (e) {
        from.cancel(e);
        to.abort(e);
        reject(e);
      }
      to._pump();
    };
    half._wake();
  });
}

/** A stream or call whose items are values: `encode` gives the items of a value, `decode` the value of an item. */
function mapped({ writable, readable }, encode, decode) {
  const both = {};
  if (writable) {
    const writer = writable.getWriter();
    both.writable = sink(writer.closed, async (value) => {
      for (const item of encode(value)) await writer.write(item);
    }, () => writer.close(), (e) => writer.abort(e));
  }
  if (readable) {
    const reader = readable.getReader();
    both.readable = source(async () => {
      const { value, done } = await reader.read();
      return { done, value: done ? value : decode(value) };
    }, (e) => reader.cancel(e));
  }
  return both;
}

/** Items as JSON values. */
export const json = (stream) => mapped(stream, (v) => [JSON.stringify(v)], (item) => JSON.parse(plain.decode(item)));

/** Items as text. */
export const text = (stream) => mapped(stream, (v) => [v], (item) => plain.decode(item));

/** Bytes of any length, cut into items of at most `size`. */
export const bytes = (stream, size = 32768) => mapped(stream, function* (value) {
  const all = toBytes(value);
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
}, (item) => item);

/** All that a stream still brings, joined. */
export async function collect(stream) {
  const parts = [];
  for await (const item of stream) parts.push(item);
  return join(...parts);
}
