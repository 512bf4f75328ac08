// The types of omnistreams.js. Times are in seconds, sizes in bytes.

/** What the codes of FAIL and CLOSE mean; from 256 on they are the application's. */
export const codes: {
  readonly done: 0; readonly canceled: 1; readonly protocol: 2; readonly noCredit: 3; readonly tooLarge: 4;
  readonly refused: 5; readonly internal: 6; readonly timedOut: 7; readonly shuttingDown: 8; readonly version: 9;
};

/** Why a stream or session ended. An own one, given to abort, cancel or refuse, is told to the peer. */
export class OmniError extends Error {
  constructor(code: number, reason?: string, more?: { remote?: boolean; lost?: boolean; cause?: unknown });
  readonly code: number;
  readonly reason: string;
  /** The peer said so. */
  readonly remote: boolean;
  /** The stream ended with its session and not by itself: what was not finished may not have arrived. */
  readonly lost: boolean;
}

/** Bytes that came, in memory of their own: Uint8Array<ArrayBuffer> where TypeScript tells the two kinds apart. */
export type Bytes = ReturnType<Uint8Array["slice"]>;

/** Bytes as they are; text in UTF-8. */
export type Item = Uint8Array | ArrayBuffer | ArrayBufferView | string;

/** An item, or anything else that JSON can say, as JSON. */
export type Metadata = Item | object;

/** What is needed of a WebSocket: a browser's, Deno's, Bun's, that of the package ws. */
export interface WebSocketShape {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Bytes): void;
  close(code?: number): void;
  addEventListener(event: any, listener: (event: any) => void): void;
}

/** A duplex stream of bytes: Deno's TCP connections, Duplex.toWeb(socket) of Node and Bun. */
export interface ByteStream {
  readonly readable: { getReader(): any };
  readonly writable: { getWriter(): any };
}

export interface SessionOptions {
  /** The application's word to the peer: a name, a token. At most 16 KiB. */
  metadata?: Metadata;
  /** The longest item that is accepted, at most 16 MiB. Default 256 KiB. */
  maxItem?: number;
  /** How many of the peer's streams may live at a time, answers apart. Default 128. */
  maxStreams?: number;
  /** How many items are kept asked for on every stream that comes in, at most 65,536. Default 256. 0: none before they are read. */
  prefetch?: number;
  /** How many bytes are granted beyond those that were read, at least maxItem. Default 512 KiB, or twice maxItem. */
  window?: number;
  /** How long a peer may be silent before it is asked for a sign of life, and again before it is given up. At least 1. Default 15 s. */
  keepAlive?: number;
}

export interface Signal {
  /**
   * Ends what was begun when it is aborted: what waits fails with its reason, and so does reading the answer of a call;
   * the peer is told (code 1, 7 if the reason is a TimeoutError, that of an OmniError, 6 otherwise).
   */
  signal?: AbortSignal;
}

/** What one side writes. */
export class Outgoing {
  protected constructor();
  /** Is kept when the reader has taken everything; broken with an OmniError when it left or the stream was lost. */
  readonly done: Promise<void>;
  /**
   * Writes an item; is kept when there is credit for it, and its memory may be used again. One that is
   * longer than the peer takes fails with code 4, and the stream goes on.
   */
  write(item: Item): Promise<void>;
  /** Ends the stream behind what was written. Whether it arrived is told by `done`. */
  end(): Promise<void>;
  /** Breaks off: what was accepted still arrives, then the code and reason of an OmniError. */
  abort(reason?: unknown): void;
  /** The same for pipes: its writer's `ready` waits for credit. Here an item that is too long breaks off. */
  readonly writable: WritableStream<Item>;
}

/** What one side reads. Reading is what asks the writer for more. */
export class Incoming implements AsyncIterable<Bytes> {
  protected constructor();
  /** It wants an answer: reply or refuse. */
  readonly isCall: boolean;
  readonly metadata: Bytes;
  /** Is kept with the metadata when the stream is there; that of an answer takes a while. */
  readonly opened: Promise<Bytes>;
  read(): Promise<{ value: Bytes; done: false } | { value: undefined; done: true }>;
  /** Leaves: what comes is dropped, reading is at its end, and the writer gets the code and reason of an OmniError. */
  cancel(reason?: unknown): void;
  /** Turns the stream down, or leaves a call without an answer. Text is the reason, with code 5. */
  refuse(reason?: string | Error): void;
  /** Opens the answer to a call. */
  reply(metadata?: Metadata): Outgoing;
  /** The same for pipes. Nothing is taken before it is read. */
  readonly readable: ReadableStream<Bytes>;
  /** Leaving the loop cancels. */
  [Symbol.asyncIterator](): AsyncGenerator<Bytes, void, void>;
}

/** A question that goes out, and its answer that comes in. */
export class Call extends Outgoing implements AsyncIterable<Bytes> {
  readonly answer: Incoming;
  /** That of the answer. */
  readonly readable: ReadableStream<Bytes>;
  [Symbol.asyncIterator](): AsyncGenerator<Bytes, void, void>;
  /** Aborts the question and cancels the answer. */
  giveUp(reason?: unknown): void;
}

export interface Peer {
  readonly maxItem: number;
  readonly streams: number;
  readonly metadata: Bytes;
}

/** One end of a connection. The two ends are equals: either opens streams to the other. */
export class Session implements AsyncIterable<Incoming> {
  constructor(connection: WebSocketShape | ByteStream, options?: SessionOptions);
  /** Is kept when the peer has said who it is. */
  readonly ready: Promise<Peer>;
  /** Is kept when the session has ended in order; broken with an OmniError otherwise. */
  readonly closed: Promise<void>;
  /** Opens a one-way stream, as soon as the peer has a slot for it. */
  open(metadata?: Metadata, options?: Signal): Promise<Outgoing>;
  /** Opens a call, as soon as the peer has a slot for it. */
  call(metadata?: Metadata, options?: Signal): Promise<Call>;
  /** The peer's next stream or call; undefined when no more will come. */
  accept(options?: Signal): Promise<Incoming | undefined>;
  [Symbol.asyncIterator](): AsyncGenerator<Incoming, void, void>;
  /** Ends the session when the streams that live have ended; is what `closed` is. The signal cuts what still lives. */
  shutdown(options?: { reason?: string } & Signal): Promise<void>;
  /** Ends the session now. What lives is lost. */
  close(error?: Error | string): Promise<void>;
}

/** A session over a new WebSocket; where there is no global one, say which. */
export function connect(url: string | URL, options?: SessionOptions & { WebSocket?: new (url: any, protocol: any) => WebSocketShape }): Session;

/**
 * Passes on all that a stream brings: items, end, failure; and the other way what is asked for, and a cancel. Whoever
 * cancels `from` meanwhile breaks `to` off. Is broken with what ended it, if that was no end.
 */
export function forward(from: Incoming, to: Outgoing): Promise<void>;

/** The ends of a stream or call, as a pair of pipes of values. */
export type Values<S, In, Out = In> =
  (S extends { writable: any } ? { writable: WritableStream<In> } : {}) &
  (S extends { readable: any } ? { readable: ReadableStream<Out> } : {});

/** Items as JSON values. */
export function json<T = any, S extends Outgoing | Incoming = Call>(stream: S): Values<S, T>;
/** Items as text. */
export function text<S extends Outgoing | Incoming>(stream: S): Values<S, string>;
/** Bytes of any length, cut into items of at most `size`, by default 32 KiB. */
export function bytes<S extends Outgoing | Incoming>(stream: S, size?: number): Values<S, Item, Bytes>;
/** All that a stream still brings, joined. */
export function collect(stream: AsyncIterable<Uint8Array>): Promise<Bytes>;
