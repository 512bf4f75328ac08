package jsgi_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"omnistreams.dev/adapters/jsgi"
	"omnistreams.dev/omni"
)

// The writer goes on until Write says false, and again when drain comes.
func ExampleStream() {
	s := jsgi.NewStream[string](nil)
	words := []string{"pull", "not", "push"}
	more := func() {
		for len(words) > 0 {
			word := words[0]
			words = words[1:]
			if on, err := s.Write(word); err != nil || !on {
				return
			}
		}
		s.Close()
	}
	ended := make(chan struct{})
	s.AddListener(jsgi.Listener[string]{
		Data:  func(word string) { fmt.Println(word) },
		Drain: more,
		End:   func() { fmt.Println("end"); close(ended) },
	})
	more()
	<-ended
	// Output:
	// pull
	// not
	// push
	// end
}

// What a queue runs is a turn: events come after it.
func ExampleQueue_Go() {
	var q jsgi.Queue
	s := jsgi.NewStream[int](&jsgi.Options{Queue: &q})
	s.AddListener(jsgi.Listener[int]{Data: func(v int) { fmt.Println("data", v) }})
	q.Go(func() {
		fmt.Println(s.Write(1))
		fmt.Println(s.Write(2))
		s.Close()
	})
	<-s.Done()
	// Output:
	// true <nil>
	// false <nil>
	// data 1
	// data 2
}

// A stream as a Producer: it is paused while the loop is busy.
func ExampleFromStream() {
	ctx := context.Background()
	p := jsgi.FromStream(ctx, jsgi.SliceStream(1, 2, 3))
	squares := omni.Map(ctx, p, func(n int) (int, error) { return n * n, nil })
	for n, err := range squares.All(ctx) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}

// A stream as a Consumer: Write waits until the stream is ready.
func ExampleToStream() {
	ctx := context.Background()
	s := jsgi.NewStream[int](nil)
	ended := make(chan struct{})
	s.AddListener(jsgi.Listener[int]{
		Data: func(n int) { fmt.Println(n) },
		End:  func() { close(ended) },
	})
	c := jsgi.ToStream(ctx, s, nil)
	if err := omni.FromSlice(ctx, []int{1, 2, 3}).Pipe(ctx, c); err != nil {
		log.Fatal(err)
	}
	<-ended
	// Output:
	// 1
	// 2
	// 3
}

// get asks a handler for a path and prints the answer.
func get(h http.Handler, path string) {
	server := httptest.NewServer(h)
	defer server.Close()
	res, err := http.Get(server.URL + path)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(b), err)
}

func ExampleNewHandler() {
	hello := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		return &jsgi.Response{
			Status:  200,
			Headers: jsgi.Headers{"content-type": {"text/plain"}},
			Body:    r.JSGI.Text("Hello World, from " + r.PathInfo),
		}, nil
	}
	get(jsgi.NewHandler(hello, nil), "/here")
	// Output: 200 Hello World, from /here <nil>
}

// A promise is a func, or a channel, that has the response later.
func ExamplePromise() {
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		return jsgi.Promise(func(ctx context.Context) (*jsgi.Response, error) {
			// Here it may wait, for what else and for ctx.
			return &jsgi.Response{Status: 200, Body: r.JSGI.Text("later")}, nil
		}), nil
	}
	get(jsgi.NewHandler(app, nil), "/")
	// Output: 200 later <nil>
}

func ExampleChain() {
	// shout is a middleware that filters the body.
	shout := func(next jsgi.App) jsgi.App {
		return func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
			res, err := next.Call(ctx, r)
			if err != nil {
				return nil, err
			}
			res.Body = r.JSGI.Map(res.Body, func(b []byte) ([]byte, error) {
				return []byte(strings.ToUpper(string(b))), nil
			})
			return res, nil
		}
	}
	// found answers other paths by itself.
	found := func(next jsgi.App) jsgi.App {
		return func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
			if r.PathInfo != "/" {
				return &jsgi.Response{Status: 404, Body: r.JSGI.Text("nothing here")}, nil
			}
			return next(ctx, r)
		}
	}
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		return &jsgi.Response{Status: 200, Body: r.JSGI.Text("hello")}, nil
	}
	h := jsgi.NewHandler(jsgi.Chain(shout, found)(app), nil)
	get(h, "/")
	get(h, "/elsewhere")
	// Output:
	// 200 HELLO <nil>
	// 404 NOTHING HERE <nil>
}
