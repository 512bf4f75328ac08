package main

import (
	"context"
	"fmt"
	"html"
	"os"
	"runtime"
	"strings"

	"omnistreams.dev/adapters/jsgi"
)

func hello(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
	return &jsgi.Response{
		Status:  200,
		Headers: jsgi.Headers{"content-type": {"text/plain"}},
		Body:    r.JSGI.Text("Hello World\n"),
	}, nil
}

// echo answers with what it is sent, as it comes: the input is the body.
func echo(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
	kind := r.Headers.Get("content-type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"content-type": {kind}}, Body: r.Input}, nil
}

// rot13 is a middleware that turns the letters of a response's body.
func rot13(next jsgi.App) jsgi.App {
	turn := func(b []byte) ([]byte, error) {
		for i, c := range b {
			switch {
			case c >= 'a' && c <= 'z':
				b[i] = 'a' + (c-'a'+13)%26
			case c >= 'A' && c <= 'Z':
				b[i] = 'A' + (c-'A'+13)%26
			}
		}
		return b, nil
	}
	return func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		res, err := next.Call(ctx, r)
		if err != nil {
			return nil, err
		}
		res.Body = r.JSGI.Map(res.Body, turn) // a 204 has none, and keeps none
		return res, nil
	}
}

// form shows a form, and what was entered in it, with the events of a stream:
// the answer begins before the input has ended.
func form(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
	body := r.JSGI.Stream(nil)
	write := func(text string) {
		if on, err := body.Write([]byte(text)); err != nil || !on {
			r.Input.Pause() // until the body has drained
		}
	}
	body.AddListener(jsgi.Listener[[]byte]{Drain: r.Input.Resume})
	write("<!DOCTYPE html><title>form</title>\n" +
		"<form method=post><input name=text value=hello> <button>Send</button></form>\n<pre>")
	r.Input.AddListener(jsgi.Listener[[]byte]{
		Data: func(b []byte) { write(html.EscapeString(string(b))) },
		End: func() {
			write("</pre>\n")
			body.Close()
		},
		Error: body.CloseWithError,
	})
	fmt.Fprintln(os.Stderr, r.Method, r.URL)
	return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"content-type": {"text/html; charset=utf-8"}}, Body: body}, nil
}

// memory answers with the bytes of this process's heap that are in use, and,
// where the system says so, with the most memory that it has ever had.
func memory(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	most := 0
	status, _ := os.ReadFile("/proc/self/status") // there is none elsewhere
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "VmHWM: %d kB", &most)
	}
	return &jsgi.Response{
		Status:  200,
		Headers: jsgi.Headers{"content-type": {"text/plain"}},
		Body:    r.JSGI.Text(fmt.Sprintf("%d %d\n", m.HeapInuse, most<<10)),
	}, nil
}
