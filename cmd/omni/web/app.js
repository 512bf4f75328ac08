// The page: one session, what is open on it, and what the server says of it.

import { Session, json } from "./omnistreams.js";
import { count, explain, millis, size } from "./format.js";
import { Files } from "./files.js";
import { Frames } from "./frames.js";
import { Lane } from "./lanes.js";
import { Rate } from "./rate.js";
import { announce, write } from "./row.js";
import { tapped } from "./tap.js";

// Few items ahead, so that they can be seen, and bytes for as many.
const PREFETCH = 32, MAX_ITEM = 1 << 16, WINDOW = PREFETCH * MAX_ITEM;
const LATE = 500; // ms for a call to go out

const FIRST = [
  { rate: 100, size: 1024 },
  { rate: 250, size: 4096 },
  { rate: 1000, size: 1024 },
  { rate: 40, size: 16384 },
  { rate: -1, size: 4096, reads: 500 },
  { rate: 100, size: 4096, up: true },
];

const byId = (id) => document.getElementById(id);
const lanes = new Set();
const frames = new Frames();
const files = new Files();
let made = 0; // lanes
let last = 0; // the number of the stream opened last: a number names one for good
let to; // the session that lives
let seen; // what the server said last
let drawn; // a frame to draw in was asked for
const down = new Rate(), up = new Rate();

/** A lane more. It opens with the session. */
function add(settings) {
  const lane = new Lane(++made, settings, (gone) => lanes.delete(gone));
  lanes.add(lane);
  lane.use(to);
  return lane;
}

/** Says how the session is, and whether it can be had again. */
function tell(state, text) {
  document.body.dataset.session = state;
  write(byId("state"), text);
  byId("connect").hidden = state != "lost";
}

async function connect() {
  tell("connecting", "connecting");
  frames.reset();
  const url = new URL("streams", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = tapped(new WebSocket(url, "omni.1"), frames);
  const session = new Session(socket, { prefetch: PREFETCH, window: WINDOW, maxItem: MAX_ITEM });
  session.closed.then(() => over("Session ended: the server has shut down"), (error) => over(`Session lost: ${explain(error)}`));
  session.accept().then(ending, () => {}); // the server opens nothing by itself, until it opens nothing any more
  let peer;
  try {
    peer = await session.ready;
  } catch {
    const answer = await fetch("streams").catch(() => {}); // a WebSocket does not say why it was turned down
    if (answer?.status == 503 && !to) tell("lost", await answer.text());
    return; // over tells of the rest
  }
  /** Makes a call; says so where it can be read if that has to wait for another stream to end. */
  const call = async (metadata, options, word) => {
    const late = setTimeout(() => write(word, `waiting for one of ${count(peer.streams)} streams`), LATE);
    try {
      return await session.call(metadata, options);
    } finally {
      clearTimeout(late);
    }
  };
  const orders = json(await session.open({ name: "control" })).writable.getWriter();
  orders.closed.catch(() => {}); // it ends with the session
  to = { session, id: () => ++last, order: (o) => orders.write(o).catch(() => {}), call };
  tell("open", "connected");
  down.clear();
  up.clear();
  for (const lane of lanes) lane.use(to);
  files.use(to, JSON.parse(new TextDecoder().decode(peer.metadata)));
  watch(session).catch(() => {}); // likewise
}

/** The server shuts down: it waits until the page has read what is under way. */
function ending() {
  tell("ending", "the server shuts down");
  for (const lane of lanes) lane.hurry();
}

/** The session is over. What lived on it is lost. */
function over(why) {
  to = undefined;
  tell("lost", why);
  for (const figure of ["streams", "down", "up", "ping"]) write(byId(`sum-${figure}`), "–");
  for (const lane of lanes) lane.use();
  files.use();
}

/** Reads what the server says of the session, ten times a second. */
async function watch(session) {
  const call = await session.call({ name: "watch" });
  await call.end();
  for await (const item of call) {
    seen = JSON.parse(new TextDecoder().decode(item));
    down.add(seen.now, seen.stats.bytes_sent);
    up.add(seen.now, seen.stats.bytes_received);
    const figures = new Map(seen.lanes.map((lane) => [lane.id, lane]));
    for (const lane of [...lanes, ...files.running]) {
      if (figures.has(lane.id)) lane.see(figures.get(lane.id), seen.now);
    }
    drawn ||= requestAnimationFrame(draw);
  }
}

function draw() {
  drawn = 0;
  if (!to) return;
  for (const lane of lanes) lane.draw();
  for (const transfer of files.running) transfer.draw();
  write(byId("sum-streams"), count(seen.streams));
  write(byId("sum-down"), `${size(seen.stats.bytes_sent)}, ${size(down.perSecond)}/s`);
  write(byId("sum-up"), `${size(seen.stats.bytes_received)}, ${size(up.perSecond)}/s`);
  write(byId("sum-ping"), millis(seen.ping));
}

byId("connect").addEventListener("click", connect);
byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const lane = add({ up: !!form.get("up"), size: +form.get("size"), rate: +form.get("rate") });
  announce(`Lane ${lane.number} added`);
});

FIRST.forEach(add);
connect();
