package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path"
	"reflect"
	"time"
	"unicode/utf8"
)

// WebSocket is what a Conn needs of a WebSocket library's connection. *websocket.Conn of
// nhooyr.io/websocket is one, and that of its successor, github.com/coder/websocket; T and S are
// the library's types for the kind of a message and for a status code.
type WebSocket[T, S ~int] interface {
	Reader(ctx context.Context) (T, io.Reader, error) // ctx bounds the reader too
	Write(ctx context.Context, kind T, p []byte) error
	Close(code S, reason string) error // says code and waits for the answer
	CloseNow() error
	SetReadLimit(n int64) // below zero for none
}

// The kinds and codes of RFC 6455.
const (
	kindText   = 1
	kindBinary = 2

	statusGoodbye     = 1000
	statusUnsupported = 1003
	maxCloseReason    = 123 // bytes
)

// FromWebSocket makes a Conn of a connection of another WebSocket library; its type parameters are
// inferred:
//
//	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"omni.1"}})
//	...
//	conn := transport.FromWebSocket(ws)
//
// Each message is one binary message. A text message ends the Conn with status 1003. Only a peer
// that closes with 1000 gives io.EOF; another status is an error that names it. If a connection is
// cut between two fragments of a message, the libraries tell the first for the whole; the Conns of
// [Dial] and [Accept] see to it that they do not. The Conn owns ws from now on.
func FromWebSocket[T, S ~int](ws WebSocket[T, S]) Conn {
	if ws == nil {
		panic("transport: FromWebSocket of nil")
	}
	life, kill := context.WithCancel(context.Background())
	return newWebSocket(ws, life, kill, newPace())
}

// wsConn is a Conn on a WebSocket library's connection.
type wsConn[T, S ~int] struct {
	lifecycle
	limit
	*pace
	ws   WebSocket[T, S]
	life context.Context // of every read
	kill func()          // drops the connection without a word; may be called at any time

	sending   gate      // held while a Write runs
	one       [1][]byte // Send's only piece
	out       []byte    // pieces joined
	receiving gate      // held while a Reader is read; guards what follows

	buf     []byte    // of the last message
	rest    io.Reader // what is unread of a message that was refused
	recvErr error     // why nothing is handed out any more
	refused bool      // recvErr is about a message, the connection goes on
}

func newWebSocket[T, S ~int](ws WebSocket[T, S], life context.Context, kill func(), pace *pace) *wsConn[T, S] {
	// The limit is kept here, where it can be told apart from other errors and where the other half
	// of the connection can outlive it. Memory follows the bytes as they come.
	ws.SetReadLimit(-1)
	return &wsConn[T, S]{
		lifecycle: newLifecycle(), pace: pace, ws: ws, life: life, kill: kill,
		sending: make(gate, 1), receiving: make(gate, 1),
	}
}

func (c *wsConn[T, S]) Send(ctx context.Context, msg []byte) error {
	c.one[0] = msg
	err := c.SendBuffers(ctx, c.one[:])
	c.one[0] = nil
	return err
}

func (c *wsConn[T, S]) SendBuffers(ctx context.Context, bufs [][]byte) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	if _, err := total(bufs, math.MaxInt32); err != nil {
		return err
	}
	leave := c.outcome
	if ctx.Done() != nil {
		leave = c.breakOn(ctx, c.cut)
	}
	return leave(c.write(bufs))
}

func (c *wsConn[T, S]) write(bufs [][]byte) error {
	msg := bufs[0]
	if len(bufs) > 1 {
		c.out = c.out[:0]
		for _, b := range bufs {
			c.out = append(c.out, b...)
		}
		msg = c.out
		if cap(c.out) > keepBuffer {
			c.out = nil
		}
	}
	// The library loses a message that is written beside Close, and says nothing.
	if err := c.pass(c.sending); err != nil {
		return err
	}
	err := c.ws.Write(context.Background(), T(kindBinary), msg)
	<-c.sending
	if err != nil {
		return fmt.Errorf("transport: send: %w", err)
	}
	return nil
}

func (c *wsConn[T, S]) Recv(ctx context.Context) ([]byte, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	leave := c.outcome
	if ctx.Done() != nil {
		leave = c.breakOn(ctx, c.cut)
	}
	msg, err := c.read()
	if err = leave(err); err != nil {
		return nil, err
	}
	return msg, nil
}

func (c *wsConn[T, S]) read() ([]byte, error) {
	if err := c.pass(c.receiving); err != nil {
		return nil, err
	}
	defer func() { <-c.receiving }()
	if c.refused {
		c.drop()
	}
	if c.recvErr != nil {
		return nil, c.recvErr
	}
	if cap(c.buf) > keepBuffer {
		c.buf = nil
	}
	msg, err := c.next()
	c.whole()
	if err != nil {
		c.recvErr = c.explain(err)
		return nil, c.recvErr
	}
	return msg, c.state()
}

func (c *wsConn[T, S]) next() ([]byte, error) {
	kind, r, err := c.ws.Reader(c.life)
	if err != nil {
		return nil, err
	}
	if kind != T(kindBinary) {
		err := fmt.Errorf("transport: message of kind %d, not binary: closed with status %d", kind, statusUnsupported)
		c.rest = r
		<-c.receiving
		_ = c.breakWith(err, func() error { return c.goodbye(statusUnsupported, "binary messages only") })
		c.receiving <- struct{}{}
		return nil, err
	}
	limit := c.bytes()
	msg := c.buf[:0]
	for {
		c.part() // of a message that comes as one, too: its last byte is not known yet
		if len(msg) == cap(msg) {
			msg = append(make([]byte, 0, max(4<<10, 2*len(msg))), msg...)
		}
		// One byte beyond the limit shows that there is more.
		room := msg[len(msg):int(min(int64(cap(msg)), limit+1))]
		n, err := r.Read(room)
		msg = msg[:len(msg)+n]
		if int64(len(msg)) > limit {
			c.refused, c.rest = true, r
			return nil, &TooLongError{Size: int64(len(msg)), Limit: limit}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	// Where the connection is cut between two reads of a message, both libraries say io.EOF, as at
	// its end. But at the end they say it to a read of nothing, too.
	if _, err := r.Read(nil); err != io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	c.buf = msg
	if len(msg) == 0 {
		c.refused = true
		return nil, ErrEmpty
	}
	return msg, nil
}

// drop reads until the connection ends: see Conn.Recv.
func (c *wsConn[T, S]) drop() {
	for err := error(nil); err == nil; {
		if c.rest != nil {
			_, err = io.Copy(io.Discard, c.rest)
			c.rest = nil
			continue
		}
		_, c.rest, err = c.ws.Reader(c.life)
	}
	c.refused = false
}

// explain turns the library's error into what Recv promises.
func (c *wsConn[T, S]) explain(err error) error {
	if c.refused {
		return err
	}
	if code, reason, ok := closeStatus[S](err); ok {
		if code == statusGoodbye {
			return io.EOF
		}
		return &CloseError{Status: int(code), Reason: reason}
	}
	if errors.Is(err, io.EOF) {
		// The connection was cut, without a word. That is never a clean end.
		return fmt.Errorf("transport: receive: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("transport: receive: %w", err)
}

// closeStatus finds a library's error for the peer's status, a struct with the fields Code, of the
// library's own type, and Reason, without knowing the library.
func closeStatus[S ~int](err error) (code int, reason string, ok bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		c, r := v.FieldByName("Code"), v.FieldByName("Reason")
		if c.IsValid() && c.Type() == reflect.TypeFor[S]() && r.IsValid() && r.Kind() == reflect.String {
			return int(c.Int()), r.String(), true
		}
	}
	return 0, "", false
}

func (c *wsConn[T, S]) Close() error {
	return c.CloseStatus(statusGoodbye, "")
}

func (c *wsConn[T, S]) CloseStatus(code int, reason string) error {
	return c.close(func() error { return c.goodbye(code, reason) })
}

// headStart is what a reader has to be in the library before a Close.
const headStart = time.Millisecond

// goodbye is the closing handshake, for a second at most. It ends the connection in any case, and
// how that went is of no use to the caller: the peer may just have been faster.
func (c *wsConn[T, S]) goodbye(code int, reason string) error {
	timer := time.AfterFunc(closeTimeout, c.kill)
	defer timer.Stop()
	if len(reason) > maxCloseReason {
		for reason = reason[:maxCloseReason]; !utf8.ValidString(reason); {
			reason = reason[:len(reason)-1]
		}
	}
	// The library's Close would read until the peer answers, for five seconds. A reader of ours that
	// is there before it can be told to stop.
	there, left := make(chan struct{}), make(chan struct{})
	alone := false
	go func() {
		defer close(left)
		select {
		case c.receiving <- struct{}{}:
			alone = true
			close(there)
		default: // a Recv is
			close(there)
			c.receiving <- struct{}{}
		}
		c.drop()
		<-c.receiving
	}()
	<-there
	if alone {
		// It still has a few steps to go into the library, which does not
		// say when it is there. If Close should be faster all the same, it
		// takes the library's five seconds.
		time.Sleep(headStart)
	}
	c.sending <- struct{}{} // waits for the Write that runs
	_ = c.ws.Close(S(code), reason)
	<-c.sending
	<-left
	return nil
}

// cut ends the connection without a word.
func (c *wsConn[T, S]) cut() error {
	c.kill()
	_ = c.ws.CloseNow()
	return nil
}

// Accept makes a Conn of a WebSocket request, in an http.Handler. It chooses the subprotocol
// "omni.1" if the client offers it. If it returns an error, the client has been answered: 426 if
// the request is not for a WebSocket, 403 for a web page of a host that Options.Origins does not
// allow. The Conn outlives the handler. Nothing compresses.
//
// The handshake takes as long as the server's timeouts let it.
func Accept(w http.ResponseWriter, r *http.Request, opts *Options) (Conn, error) {
	o := opts.orDefault()
	if err := o.checkOrigins(); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}
	c, err := acceptWebSocket(w, r, o)
	if err != nil {
		return nil, fmt.Errorf("transport: accept: %w", err)
	}
	return c, nil
}

// checkOrigins finds a bad pattern before a request does.
func (o Options) checkOrigins() error {
	for _, p := range o.Origins {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("transport: Options.Origins: %q: %w", p, err)
		}
	}
	return nil
}

// Handler serves f the WebSockets that come to an http.Server, each on its request's goroutine, and
// closes each when f returns. See [Accept] for who is let in.
func Handler(opts *Options, f func(Conn)) http.Handler {
	if f == nil {
		panic("transport: Handler of nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, opts)
		if err != nil {
			return // the client was told
		}
		defer c.Close()
		f(c)
	})
}
