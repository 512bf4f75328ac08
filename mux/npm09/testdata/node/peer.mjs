// A peer that uses the published package, for the tests beside it.
//
//   node peer.mjs connect URL  ROLE
//   node peer.mjs listen  ROLE          prints the URL first
//
// ROLE is echo, which answers every conduit with one of the same metadata and
// content, or drive, which has its own conduits answered like that, checks
// what comes back, and prints "ok" at the end.
import { WebSocket, WebSocketServer } from 'ws';
import { Multiplexer, WebSocketTransport } from 'omnistreams';

const bytes = (s) => new TextEncoder().encode(s);
const text = (b) => (b === undefined ? '' : new TextDecoder().decode(b));

function check(ok, what) {
  if (!ok) throw new Error(what);
}

// echo answers what the peer opens.
function echo(mux) {
  mux.onControlMessage((m) => mux.sendControlMessage(m));
  mux.onConduit((producer, metadata) => {
    const consumer = mux.createConduit(metadata);
    check(consumer !== null, 'no number is left for an answer');
    producer.pipe(consumer);
  });
}

// send writes items within credit and ends.
function send(mux, metadata, items) {
  const consumer = mux.createConduit(bytes(metadata));
  check(consumer !== null, 'no number is left');
  let next = 0;
  let credit = 0;
  consumer.onRequest((n) => {
    credit += n;
    for (; credit > 0 && next < items.length; credit--) consumer.write(items[next++]);
    if (next === items.length && items.length > 0) {
      next++;
      consumer.end();
    }
  });
  if (items.length === 0) consumer.end();
  return consumer;
}

// Answers hands the answers that come to whoever waits for their metadata, at
// once: the package forgets what comes before there is a callback for it.
class Answers {
  constructor(mux) {
    this.waiting = new Map();
    mux.onConduit((producer, metadata) => {
      const take = this.waiting.get(text(metadata));
      check(take !== undefined, `an answer "${text(metadata)}" that nobody waits for`);
      this.waiting.delete(text(metadata));
      take(producer);
    });
  }

  to(metadata, take) {
    return new Promise((resolve, reject) => {
      this.waiting.set(metadata, (producer) => take(producer).then(resolve, reject));
    });
  }
}

// receive reads to the end, requesting a window at a time, and checks.
function receive(producer, items, window) {
  return new Promise((resolve, reject) => {
    let got = 0;
    producer.onData((data) => {
      if (text(data) !== text(items[got])) reject(new Error(`item ${got}: got "${text(data)}", want "${text(items[got])}"`));
      if (++got % window === 0) producer.request(window);
    });
    producer.onEnd(() => (got === items.length ? resolve() : reject(new Error(`${got} items, not ${items.length}`))));
    producer.request(window);
  });
}

async function roundTrip(mux, answers, metadata, items, window) {
  const answer = answers.to(metadata, (producer) => receive(producer, items, window));
  send(mux, metadata, items);
  await answer;
}

const numbered = (n, of) => Array.from({ length: n }, (_, i) => bytes(`${of}:${i}`));

async function drive(mux) {
  const answers = new Answers(mux);
  for (const window of [1, 255]) {
    await Promise.all(Array.from({ length: 50 }, (_, i) =>
      roundTrip(mux, answers, `many ${i}`, numbered(300, i), window)));
  }
  console.log('conduits');

  for (let i = 0; i < 600; i++) await roundTrip(mux, answers, `reuse ${i}`, numbered(2, i), 255);
  console.log('numbers');

  await roundTrip(mux, answers, 'empty', [new Uint8Array(0), bytes('x'), new Uint8Array(0)], 255);
  await roundTrip(mux, answers, 'nothing', [], 255);
  await roundTrip(mux, answers, '', numbered(3, 'no metadata'), 255);
  console.log('empty');

  await roundTrip(mux, answers, 'long', numbered(50000, 'm'), 255);
  console.log('messages');

  for (let i = 0; i < 5; i++) {
    const first = answers.to(`stop ${i}`, (producer) => new Promise((resolve) => {
      producer.onData(() => resolve(producer));
      producer.request(1);
    }));
    const consumer = send(mux, `stop ${i}`, numbered(100000, 's'));
    const stopped = new Promise((resolve) => consumer.onTermination(resolve));
    (await first).terminate();
    await stopped;
  }
  console.log('termination');

  const control = new Promise((resolve) => mux.onControlMessage(resolve));
  mux.sendControlMessage(bytes('out of band'));
  check(text(await control) === 'out of band', 'the control message is another');
  console.log('control');
  console.log('ok');
}

async function serve(ws, role) {
  const mux = new Multiplexer(new WebSocketTransport(ws));
  ws.addEventListener('close', () => setTimeout(() => process.exit(0), 10));
  if (role === 'echo') {
    echo(mux);
    return;
  }
  await drive(mux);
  ws.close();
}

process.on('unhandledRejection', (err) => { throw err; });

const [, , how, ...rest] = process.argv;
if (how === 'connect') {
  const [url, role] = rest;
  const ws = new WebSocket(url);
  ws.addEventListener('open', () => serve(ws, role));
} else {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
    console.log(`ws://127.0.0.1:${server.address().port}/omnistreams`);
  });
  server.on('connection', (ws) => serve(ws, rest[0]));
}
