// The JavaScript side of the interop matrix, under Node; README.md, one folder up, is
// what all such programs do. It needs the package ws in clients/js/node_modules.
//
//   node peer.mjs serve tcp://127.0.0.1:0
//   node peer.mjs drive tcp://127.0.0.1:1234 [BYTES]
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";
import { Duplex } from "node:stream";
import { connect, OmniError, Session } from "../../clients/js/omnistreams.js";
import { serve } from "./handlers.mjs";
import { MAX_ITEM } from "./pattern.mjs";
import { greeting, PREFETCH, scenarios, WINDOW } from "./scenarios.mjs";

const { WebSocket, WebSocketServer } = createRequire(new URL("../../clients/js/package.json", import.meta.url))("ws");

class Plain extends WebSocket { // no compression is offered
  constructor(url, protocols) {
    super(url, protocols, { perMessageDeflate: false });
  }
}

const tell = (line) => console.log(JSON.stringify(line));

const options = (name) => ({ metadata: greeting(name), maxItem: MAX_ITEM, prefetch: PREFETCH, window: WINDOW });

/** Listens, and gives each connection to welcome; returns the server and its URL. */
async function listen(url, welcome) {
  const where = { host: url.hostname, port: Number(url.port) };
  if (url.protocol == "tcp:") {
    const server = net.createServer({ noDelay: true }, (socket) => welcome(Duplex.toWeb(socket)));
    server.listen(where);
    await once(server, "listening");
    return [server, `tcp://${url.hostname}:${server.address().port}`];
  }
  const handleProtocols = (offered) => offered.has("omni.1") && "omni.1";
  const server = new WebSocketServer({ ...where, perMessageDeflate: false, handleProtocols });
  server.on("connection", welcome);
  await once(server, "listening");
  return [server, `ws://${url.hostname}:${server.address().port}/`];
}

/** Serves whoever connects, until SIGTERM, and tells how each session ended. */
async function runServer(url) {
  const sessions = new Set();
  const [server, where] = await listen(url, async (connection) => {
    const session = new Session(connection, options("serve"));
    sessions.add(session);
    const ended = { peer: "", error: "" };
    session.ready.then((peer) => (ended.peer = new TextDecoder().decode(peer.metadata).replace(/\.+$/, "")), () => {});
    try {
      await serve(session);
      await session.closed;
    } catch (error) {
      ended.error = error.message;
    }
    sessions.delete(session);
    tell(ended);
  });
  tell({ listening: where });
  process.once("SIGTERM", async () => {
    server.close();
    await Promise.allSettled([...sessions].map((s) => s.shutdown({ signal: AbortSignal.timeout(10_000) })));
    process.exit(0);
  });
}

async function dial(url, name) {
  let session;
  if (url.protocol == "tcp:") {
    const socket = net.connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    await once(socket, "connect");
    session = new Session(Duplex.toWeb(socket), options(name));
  } else {
    session = connect(url, { WebSocket: Plain, ...options(name) });
  }
  serve(session).catch(() => {}); // the scenarios tell
  return session;
}

/** Runs all scenarios against a server, and tells how each went. */
async function drive(url, size) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    const result = { name, ok: true, error: "", bytes: 0, seconds: 0 };
    try {
      await one(url, size, scenario, result);
    } catch (error) {
      result.ok = false;
      result.error = error.message;
    }
    tell(result);
  }
}

/** Runs a scenario on a session of its own, which ends in order with it. */
async function one(url, size, scenario, result) {
  const session = await dial(url, result.name);
  const late = setTimeout(() => session.close(new OmniError(7, "a minute has passed")), 60_000);
  const began = performance.now();
  try {
    result.bytes = (await scenario({ session, size })) ?? 0;
    result.seconds = (performance.now() - began) / 1000;
    if (result.name != "abrupt") await session.shutdown();
  } finally {
    clearTimeout(late);
    session.close().catch(() => {});
  }
}

const [role, url, size = "1000000"] = process.argv.slice(2);
if (role == "serve") {
  await runServer(new URL(url));
} else {
  await drive(new URL(url), Number(size));
  process.exit(0);
}
