// A WebSocket that is listened to.

/** The same socket, in the shape that a session needs; `tap` is given each message. */
export function tapped(socket, tap) {
  return {
    get binaryType() {
      return socket.binaryType;
    },
    set binaryType(type) {
      socket.binaryType = type;
    },
    get readyState() {
      return socket.readyState;
    },
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    send(message) {
      tap.message(true, message);
      socket.send(message);
    },
    close(...code) {
      socket.close(...code);
    },
    addEventListener(event, listener) {
      socket.addEventListener(event, (e) => {
        if (event == "message" && typeof e.data != "string") tap.message(false, new Uint8Array(e.data));
        listener(e);
      });
    },
  };
}
