// Answers every call with its own metadata and items, as `omni echo` does:
//
//   node examples/echo.mjs ws://127.0.0.1:8080/     WebSocket (needs `npm install ws`)
//   node examples/echo.mjs tcp://127.0.0.1:9000     TCP
//
// It takes any number of addresses, and says on standard output where it listens, in their
// order; port 0 is any that is free.
import { once } from "node:events";
import net from "node:net";
import { Duplex } from "node:stream";
import { forward, Session } from "omnistreams";

const sessions = new Set();

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

/** A server that is about to listen. */
async function serve({ protocol, hostname: host, port }) {
  if (protocol == "tcp:") {
    const server = net.createServer({ noDelay: true }, (socket) => echo(Duplex.toWeb(socket)));
    return server.listen({ host, port: Number(port) });
  }
  const { WebSocketServer } = await import("ws");
  const server = new WebSocketServer({
    host, port: Number(port),
    perMessageDeflate: false, // the protocol does without
    handleProtocols: (offered) => offered.has("omni.1") && "omni.1",
  });
  return server.on("connection", (socket) => echo(socket));
}

const servers = [];

// What lives comes to its end, for ten seconds at most.
for (const name of ["SIGTERM", "SIGINT"]) {
  process.once(name, async () => {
    for (const server of servers) server.close();
    await Promise.allSettled([...sessions].map((s) => s.shutdown({ signal: AbortSignal.timeout(10_000) })));
    process.exit(0);
  });
}

for (const address of process.argv.slice(2)) {
  const url = new URL(address);
  const server = await serve(url);
  servers.push(server);
  await once(server, "listening");
  console.log(`listening on ${url.protocol}//${url.hostname}:${server.address().port}${url.pathname}`);
}
