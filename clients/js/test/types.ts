// Is compiled and not run: what TypeScript makes of the types.
import net from "node:net";
import { Duplex } from "node:stream";
import WebSocket from "ws";
import { bytes, Call, codes, collect, connect, forward, Incoming, json, OmniError, Outgoing, Session, text } from "omnistreams";
import type { Bytes, ByteStream, Item, Metadata, SessionOptions, Signal, Values, WebSocketShape } from "omnistreams";

export async function caller(signal: AbortSignal): Promise<string[]> {
  const session = connect("ws://127.0.0.1:8080/", { WebSocket, maxItem: 1024 });
  const { metadata }: { metadata: Uint8Array } = await session.ready;
  const call = await session.call({ name: "upper" }, { signal });
  await call.write("hello");
  await call.write(metadata);
  await call.end();
  const words: string[] = [];
  for await (const item of call) words.push(new TextDecoder().decode(item));
  const pair = json<{ n: number }>(await session.call());
  const writer = pair.writable.getWriter();
  await writer.ready;
  await writer.write({ n: 1 });
  // @ts-expect-error: another type of value
  await writer.write({ m: 1 });
  const { value } = await pair.readable.getReader().read();
  if (value) words.push(value.n.toFixed());
  await session.shutdown({ reason: "bye", signal });
  return words;
}

export async function acceptor(socket: net.Socket): Promise<void> {
  const session = new Session(Duplex.toWeb(socket), { prefetch: 0 });
  for await (const stream of session) {
    if (!stream.isCall) {
      stream.refuse(new OmniError(codes.refused, "no"));
      const oneWay = text(stream);
      const line: ReadableStreamReadResult<string> = await oneWay.readable.getReader().read();
      void line;
      // @ts-expect-error: nobody writes to what comes in
      void oneWay.writable;
      continue;
    }
    const answer = stream.reply(stream.metadata);
    await forward(stream, answer);
    await answer.done.catch((e: OmniError) => e.lost);
    await new Blob(["x"]).stream().pipeTo(bytes(answer, 100).writable as WritableStream<any>);
  }
  const one: Incoming | undefined = await session.accept();
  if (one) await collect(one);
  // @ts-expect-error: a session needs a connection
  new Session();
}

/** What comes may be given to whatever takes bytes, and streams to whatever takes streams. */
export async function giver(session: Session): Promise<void> {
  const call: Call = await session.call(["list"], { signal: AbortSignal.timeout(1000) });
  for await (const item of call) {
    new Blob([item]);
    await crypto.subtle.digest("SHA-256", item);
  }
  new Response(await collect(call.answer));
  const out: Outgoing = call, item: Item = new DataView(new ArrayBuffer(1)), metadata: Metadata = new ArrayBuffer(1);
  const through: Values<Call, string> = text(call);
  const words: ReadableStream<string> = new Blob(["x"]).stream().pipeThrough(new TextDecoderStream()).pipeThrough(through);
  const decoded: ReadableStream<string> = (await session.call(metadata)).readable.pipeThrough(new TextDecoderStream());
  const numbers: WritableStream<number> = json<number, Outgoing>(out).writable;
  await out.write(item);
  const read = await call.answer.read();
  const value: Bytes | undefined = read.value;
  void [words, decoded, numbers, value];
  const e = new OmniError(300, "enough", { cause: read });
  call.giveUp(e);
  const [code, reason, flags]: [number, string, boolean[]] = [e.code, e.reason, [e.remote, e.lost]];
  void [code, reason, flags];
  const shape: WebSocketShape = new globalThis.WebSocket("ws://127.0.0.1/"), stream: ByteStream = new TransformStream();
  const options: SessionOptions & Signal = { keepAlive: 5 };
  await Promise.all([new Session(shape, options).close("text"), new Session(stream).close(e)]);
  // @ts-expect-error: streams come from sessions
  new Outgoing();
}
