// Answers every call with its own metadata and items, as `omni echo` does:
//
//   node examples/echo.mjs ws://127.0.0.1:8080/     WebSocket (needs `npm install ws`)
//   node examples/echo.mjs tcp://127.0.0.1:9000     TCP
//
// It says on standard output where it listens; port 0 is any that is free.
import net from "node:net";
import { Duplex } from "node:stream";
import { forward, Session } from "omnistreams";

/** Serves one connection to its end. */
async function echo(connection) {
  const session = new Session(connection, { prefetch: 0 }); // asks only for what is asked of the answer
  sessions.add(session);
  try {
    for await (const stream of session) {
      if (!stream.isCall) stream.refuse("echo answers calls, and this is a one-way stream");
      else forward(stream, stream.reply(stream.metadata)).catch(() => {}); // both ends know
    }
    await session.closed;
  } catch (e) {
    console.error(e.message);
  }
  sessions.delete(session);
}

const sessions = new Set();
const url = new URL(process.argv[2] ?? "ws://127.0.0.1:0/");
const where = { host: url.hostname, port: Number(url.port) };
let server;
if (url.protocol == "tcp:") {
  server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => echo(Duplex.toWeb(socket)));
  server.listen(where, () => console.log(`listening on tcp://${url.hostname}:${server.address().port}`));
} else {
  const { WebSocketServer } = await import("ws");
  server = new WebSocketServer({
    ...where,
    perMessageDeflate: false, // the protocol does without
    handleProtocols: (offered) => offered.has("omni.1") && "omni.1",
  });
  server.on("connection", (socket) => echo(socket));
  server.on("listening", () => console.log(`listening on ws://${url.hostname}:${server.address().port}/`));
}

// What lives comes to its end, for ten seconds at most.
for (const name of ["SIGTERM", "SIGINT"]) {
  process.once(name, async () => {
    server.close();
    await Promise.allSettled([...sessions].map((s) => s.shutdown({ signal: AbortSignal.timeout(10_000) })));
    process.exit(0);
  });
}
