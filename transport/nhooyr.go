//lint:file-ignore SA1019 nhooyr.io/websocket works and goes on under another name; FromWebSocket takes either.

package transport

import (
	"context"
	"net/http"

	"nhooyr.io/websocket"
)

// All that this package uses of its WebSocket library is in this file.

type (
	wsDialOptions   = websocket.DialOptions
	wsAcceptOptions = websocket.AcceptOptions
)

type wsLibraryConn interface {
	WebSocket[websocket.MessageType, websocket.StatusCode]
	Subprotocol() string
}

func wsDial(ctx context.Context, url string, o *wsDialOptions) (wsLibraryConn, error) {
	ws, _, err := websocket.Dial(ctx, url, o)
	if err != nil {
		return nil, err // not a nil *websocket.Conn
	}
	return ws, nil
}

func wsAccept(w http.ResponseWriter, r *http.Request, o *wsAcceptOptions) (wsLibraryConn, error) {
	ws, err := websocket.Accept(w, r, o)
	if err != nil {
		return nil, err
	}
	return ws, nil
}
