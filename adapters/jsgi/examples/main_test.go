package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestExamples(t *testing.T) {
	s := httptest.NewServer(server().Handler)
	defer s.Close()
	for _, c := range []struct{ path, send, want string }{
		{"/hello", "", "Hello World\n"},
		{"/echo", "to and fro", "to and fro"},
		{"/rot13", "Uryyb Jbeyq", "Hello World"},
		{"/form", "text=<hello>", "\n<pre>text=&lt;hello&gt;</pre>\n"},
		{"/form", strings.Repeat("0123456789", 1e5), strings.Repeat("0123456789", 1e5) + "</pre>\n"},
	} {
		res, err := http.Post(s.URL+c.path, "text/plain", strings.NewReader(c.send))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !strings.HasSuffix(string(b), c.want) {
			t.Errorf("%s: status %d, error %v, body %.100q, want %.100q", c.path, res.StatusCode, err, b, c.want)
		}
	}
}
