package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// dialWebSocket goes through the browser, which sends no headers of ours and trusts whom it trusts.
// Its Close takes as long as the browser lets the handshake take.
func dialWebSocket(ctx context.Context, a address, o Options) (Conn, error) {
	if len(o.Header) > 0 || o.TLS != nil {
		return nil, errors.New("a browser takes neither Options.Header nor Options.TLS")
	}
	ws, err := wsDial(ctx, a.String(), &wsDialOptions{Subprotocols: o.subprotocols()})
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != subprotocol && !o.NoSubprotocol {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("the server does not speak the subprotocol %s", subprotocol)
	}
	return FromWebSocket(ws), nil
}

func acceptWebSocket(w http.ResponseWriter, _ *http.Request, _ Options) (Conn, error) {
	http.Error(w, http.StatusText(http.StatusNotImplemented), http.StatusNotImplemented)
	return nil, errors.New("a browser accepts no WebSockets")
}
