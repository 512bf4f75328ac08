package adapters_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"omnistreams.dev/adapters"
	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// sessions returns the two ends of a session inside this process. Elsewhere
// they come from transport.Dial and transport.Listen.
func sessions() (client, server *mux.Session) {
	x, y := transport.Pair()
	client, err := mux.New(x, nil)
	if err != nil {
		log.Fatal(err)
	}
	if server, err = mux.New(y, nil); err != nil {
		log.Fatal(err)
	}
	return client, server
}

func ExampleNewReader() {
	ctx := context.Background()
	p := omni.FromSlice(ctx, [][]byte{[]byte("Hello, "), []byte("wor"), []byte("ld")})
	b, err := io.ReadAll(adapters.NewReader(ctx, p))
	fmt.Printf("%s %v\n", b, err)
	// Output: Hello, world <nil>
}

func ExampleNewWriter() {
	ctx := context.Background()
	p, c := omni.NewStream[[]byte](nil)
	w := adapters.NewWriter(ctx, c, &adapters.WriterOptions{ItemSize: 5})
	fmt.Fprint(w, "Hello, world")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	for item, err := range p.All(ctx) {
		fmt.Printf("%q %v\n", item, err)
	}
	// Output:
	// "Hello" <nil>
	// ", wor" <nil>
	// "ld" <nil>
}

// From one io end to the other, with a stage between: nothing is read before
// the writer has room for it.
func ExampleFromReader() {
	ctx := context.Background()
	p := adapters.FromReader(ctx, strings.NewReader("hello, world\n"), 0)
	upper := omni.Map(ctx, p, func(b []byte) ([]byte, error) {
		return []byte(strings.ToUpper(string(b))), nil
	})
	out := adapters.ToWriter(ctx, os.Stdout)
	if err := upper.Pipe(ctx, out); err != nil {
		log.Fatal(err)
	}
	<-out.Done() // everything is written
	// Output: HELLO, WORLD
}

func ExampleLines() {
	ctx := context.Background()
	lines := adapters.Lines(ctx, strings.NewReader("one\ntwo\r\nthree"), 0)
	out := adapters.ToLines(ctx, os.Stdout)
	if err := omni.Take(ctx, lines, 2).Pipe(ctx, out); err != nil {
		log.Fatal(err)
	}
	<-out.Done()
	// Output:
	// one
	// two
}

func ExampleFromChan() {
	ctx := context.Background()
	ch := make(chan int, 3)
	for i := range 3 {
		ch <- i
	}
	close(ch)
	fmt.Println(omni.Collect(ctx, adapters.FromChan(ctx, ch)))
	// Output: [0 1 2] <nil>
}

// A channel cannot say why it was closed; stop does.
func ExampleToChan() {
	ctx := context.Background()
	p, c := omni.NewStream[string](nil)
	c.Write(ctx, "all there is")
	c.Cancel(&omni.StreamError{Code: omni.CodeApplication, Reason: "out of paper"})

	ch, stop := adapters.ToChan(ctx, p)
	for s := range ch {
		fmt.Println(s)
	}
	fmt.Println(stop())
	// Output:
	// all there is
	// omni: code 256: "out of paper"
}

// A typed stream over a session.
func ExampleJSON() {
	ctx := context.Background()
	client, server := sessions()
	defer client.Close()
	defer server.Close()
	type point struct{ X, Y int }

	c, err := mux.Open(ctx, client, nil, adapters.JSON[point]())
	if err != nil {
		log.Fatal(err)
	}
	c.Write(ctx, point{1, 2})
	c.Write(ctx, point{3, 4})
	c.End()

	in, err := server.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(omni.Collect(ctx, mux.As(in, adapters.JSON[point]())))
	// Output: [{1 2} {3 4}] <nil>
}

func ExampleBinary() {
	codec := adapters.Binary[netip.Addr]()
	b, _ := codec.Append(nil, netip.MustParseAddr("192.0.2.1"))
	addr, err := codec.Decode(b)
	fmt.Println(b, addr, err)
	// Output: [192 0 2 1] 192.0.2.1 <nil>
}

// net/http over a session: no port is opened, and either side may serve.
func ExampleNewListener() {
	client, server := sessions()
	defer client.Close()
	defer server.Close()

	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "you asked for %s", r.URL.Path)
	})}
	go web.Serve(adapters.NewListener(server))
	defer web.Close()

	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return adapters.DialConn(ctx, client, nil)
	}}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get("http://peer/tea")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)
	// Output: you asked for /tea <nil>
}

// A conversation on one call: CloseWrite says that the question is complete,
// and the answer still comes.
func ExampleDialConn() {
	client, server := sessions()
	defer client.Close()
	defer server.Close()

	conn, err := adapters.DialConn(context.Background(), client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "how long is this?")
	conn.CloseWrite()

	peer, err := adapters.NewListener(server).Accept()
	if err != nil {
		log.Fatal(err)
	}
	question, _ := io.ReadAll(peer)
	fmt.Fprintf(peer, "%d bytes", len(question))
	peer.Close()

	answer, err := io.ReadAll(conn)
	fmt.Println(string(answer), err)
	// Output: 17 bytes <nil>
}
