package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"omnistreams.dev/bench/harness"
)

// grpcPeer is https://github.com/grpc/grpc-go with bidirectional streams. Its
// messages are bytes as they are: no protobuf, one copy at the sender (which
// SendMsg may keep) and none at the reader, whose message is valid until the
// next; kept, it is copied to memory of its own, as generated code does with a
// field of bytes. Fixed windows as large as everyone's; its buffers of 32 KiB
// are as good as any.
func grpcPeer(kept bool) peer {
	p := peer{
		name: "gRPC", kind: harness.Peer,
		source: "https://github.com/grpc/grpc-go", module: "google.golang.org/grpc",
		connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
			return connectGRPC(tb, l, s, kept)
		},
	}
	if kept {
		p.name += ", kept"
	}
	return p
}

var grpcStream = grpc.StreamDesc{StreamName: "Stream", ServerStreams: true, ClientStreams: true}

func connectGRPC(tb testing.TB, l link, s settings, kept bool) (client, server muxer) {
	a, b := l.conns(tb)
	win := int32(window(s))
	srv := grpc.NewServer(
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.StaticStreamWindowSize(win), grpc.StaticConnWindowSize(4*win),
		grpc.MaxConcurrentStreams(uint32(max(1000, 2*s.streams))),
		grpc.WaitForHandlers(true),
	)
	sm := &grpcServer{srv: srv, kept: kept, streams: make(chan *grpcConn), quit: make(chan struct{}), served: make(chan struct{})}
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Bench", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, ClientStreams: true, Handler: sm.handle}},
	}, sm)
	go func() {
		defer close(sm.served)
		srv.Serve(newOneListener(b))
	}()
	dial := make(chan net.Conn, 1)
	dial <- a
	cc, err := grpc.NewClient("passthrough:///bench",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case c := <-dial:
				return c, nil
			default:
				return nil, errors.New("the one connection is gone")
			}
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
		grpc.WithStaticStreamWindowSize(win), grpc.WithStaticConnWindowSize(4*win),
	)
	if err != nil {
		tb.Fatal(err)
	}
	return &grpcClient{cc, kept}, sm
}

type grpcClient struct {
	cc   *grpc.ClientConn
	kept bool
}

func (m *grpcClient) open() (conn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	st, err := m.cc.NewStream(ctx, &grpcStream, "/bench.Bench/Stream")
	if err != nil {
		cancel()
		return nil, err
	}
	c := &grpcConn{st: st, end: st.CloseSend, kept: m.kept}
	c.free = func() { // the stream is over when its status has come
		for _, err := c.recv(); err == nil; {
			_, err = c.recv()
		}
		cancel()
	}
	return c, nil
}

func (m *grpcClient) accept() (conn, error) { return nil, errors.ErrUnsupported }
func (m *grpcClient) close()                { m.cc.Close() }

type grpcServer struct {
	srv     *grpc.Server
	kept    bool
	streams chan *grpcConn
	served  chan struct{}
	quit    chan struct{}
	once    sync.Once
}

// handle lends its stream to whoever accepts, until it is released.
func (m *grpcServer) handle(_ any, st grpc.ServerStream) error {
	released := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(released) }) }
	select {
	// Only the client ends its half of the streams here; the server's ends
	// with the stream.
	case m.streams <- &grpcConn{st: st, end: func() error { free(); return nil }, free: free, kept: m.kept}:
	case <-m.quit:
		return nil
	}
	select {
	case <-released:
	case <-st.Context().Done():
	}
	return nil
}

func (m *grpcServer) open() (conn, error) { return nil, errors.ErrUnsupported }

func (m *grpcServer) accept() (conn, error) {
	select {
	case c := <-m.streams:
		return c, nil
	case <-m.quit:
		return nil, net.ErrClosed
	}
}

func (m *grpcServer) close() {
	m.once.Do(func() { close(m.quit) })
	m.srv.Stop()
	<-m.served
}

type grpcConn struct {
	st interface {
		SendMsg(m any) error
		RecvMsg(m any) error
	}
	end  func() error
	free func()
	kept bool
	out  []byte
	in   message
}

// message is what was received, borrowed from gRPC's buffers.
type message struct{ buf mem.Buffer }

func (m *message) release() {
	if m.buf != nil {
		m.buf.Free()
		m.buf = nil
	}
}

func (c *grpcConn) send(item []byte) error {
	c.out = item
	err := c.st.SendMsg(&c.out)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // it means that the stream was ended by the other side
	}
	return err
}

func (c *grpcConn) flush() error { return nil }

func (c *grpcConn) recv() ([]byte, error) {
	c.in.release()
	if err := c.st.RecvMsg(&c.in); err != nil {
		return nil, err
	}
	item := c.in.buf.ReadOnlyData()
	if c.kept {
		item = append([]byte(nil), item...)
	}
	return item, nil
}

func (c *grpcConn) closeSend() error { return c.end() }

func (c *grpcConn) release() {
	c.in.release()
	c.free()
}

// rawCodec sends a *[]byte and receives a *message.
type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.Copy(*v.(*[]byte), mem.DefaultBufferPool())}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*message).buf = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}
