package transport_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"omnistreams.dev/transport"
)

func ExamplePair() {
	a, b := transport.Pair()
	ctx := context.Background()

	go func() {
		defer a.Close()
		a.Send(ctx, []byte("one"))
		a.Send(ctx, []byte("two"))
	}()

	for {
		msg, err := b.Recv(ctx)
		if err == io.EOF {
			break
		}
		fmt.Println(string(msg), err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

func ExampleFrame() {
	here, there := net.Pipe()
	conn := transport.Frame(here)
	go func() {
		conn.Send(context.Background(), []byte("hello"))
		conn.Close()
	}()

	wire, _ := io.ReadAll(there)
	fmt.Printf("%q\n", wire)
	// Output: "\x00\x00\x00\x05hello"
}

func ExampleListen() {
	ctx := context.Background()
	l, err := transport.Listen(ctx, "ws://localhost:0/omni", nil) // any free port
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()

	go func() {
		conn, err := l.Accept(ctx)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			msg, err := conn.Recv(ctx)
			if err != nil {
				return // io.EOF: the client has said goodbye
			}
			conn.Send(ctx, msg)
		}
	}()

	conn, err := transport.Dial(ctx, l.URL(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	conn.Send(ctx, []byte("echo"))
	msg, err := conn.Recv(ctx)
	fmt.Println(string(msg), err)
	// Output: echo <nil>
}
