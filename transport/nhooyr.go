//lint:file-ignore SA1019 nhooyr.io/websocket works and is maintained under another name; FromWebSocket takes either.

package transport

import "nhooyr.io/websocket"

// All that this package uses of its WebSocket library. The rest of the package knows the names below.
type (
	wsDialOptions   = websocket.DialOptions
	wsAcceptOptions = websocket.AcceptOptions
	wsLibraryConn   = websocket.Conn
)

var (
	wsDial   = websocket.Dial
	wsAccept = websocket.Accept
)
