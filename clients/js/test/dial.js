import { once } from "node:events";
import net from "node:net";
import { Duplex } from "node:stream";
import { connect, Session } from "omnistreams";
import WebSocket from "ws";

/** A session over a new connection. */
export async function dial(url, options) {
  if (url.startsWith("ws:")) {
    class Plain extends WebSocket { // no compression is offered
      constructor(url, protocol) {
        super(url, protocol, { perMessageDeflate: false });
      }
    }
    return connect(url, { WebSocket: Plain, ...options });
  }
  const socket = net.connect({ host: new URL(url).hostname, port: Number(new URL(url).port), noDelay: true });
  await once(socket, "connect");
  return new Session(Duplex.toWeb(socket), options);
}
