package jsgi_test

import (
	"io"
	"strings"
	"testing"

	"omnistreams.dev/adapters/jsgi"
)

// forbidden is a response that a rule forbids, and a part of what is said.
type forbidden struct {
	name string
	res  func() *jsgi.Response
	says string
}

func forbiddenResponses() []forbidden {
	with := func(status int, headers jsgi.Headers) func() *jsgi.Response {
		return func() *jsgi.Response {
			return &jsgi.Response{Status: status, Headers: headers, Body: jsgi.StringStream("body")}
		}
	}
	header := func(name string, values ...string) func() *jsgi.Response {
		return with(200, jsgi.Headers{name: values})
	}
	return []forbidden{
		{"status 0", with(0, nil), "status 0"},
		{"status 99", with(99, nil), "three digits"},
		{"status 1000", with(1000, nil), "three digits"},
		{"status -200", with(-200, nil), "three digits"},
		{"status 101", with(101, nil), "not a final one"},
		{"type with 1xx", with(100, jsgi.Headers{"content-type": {"text/plain"}}), `"content-type"`},
		{"type with 204", with(204, jsgi.Headers{"content-type": {"text/plain"}}), `"content-type"`},
		{"type with 304", with(304, jsgi.Headers{"content-type": {"text/plain"}}), `"content-type"`},
		{"length with 204", with(204, jsgi.Headers{"content-length": {"0"}}), `"content-length"`},
		{"length with 304", with(304, jsgi.Headers{"content-length": {"4"}}), `"content-length"`},
		{"no name", header("", "v"), "header name"},
		{"space in a name", header("a b", "v"), "header name"},
		{"colon in a name", header("a:", "v"), "header name"},
		{"line break in a name", header("a\r\nb", "v"), "header name"},
		{"upper case", header("X-Name", "v"), "header name"},
		{"digit first", header("1a", "v"), "header name"},
		{"dash last", header("a-", "v"), "header name"},
		{"underscore last", header("a_", "v"), "header name"},
		{"not ASCII", header("ä", "v"), "header name"},
		{"status as a header", header("status", "200"), "status"},
		{"connection", header("connection", "close"), "server's"},
		{"keep-alive", header("keep-alive", "timeout=1"), "server's"},
		{"proxy-connection", header("proxy-connection", "close"), "server's"},
		{"te", header("te", "trailers"), "server's"},
		{"transfer-encoding", header("transfer-encoding", "chunked"), "server's"},
		{"trailer", header("trailer", "x"), "server's"},
		{"upgrade", header("upgrade", "h2c"), "server's"},
		{"line break in a value", header("a", "v\r\nb: c"), "control character"},
		{"bare line feed", header("a", "v\nb"), "control character"},
		{"second value", header("a", "fine", "\x00"), "control character"},
		{"delete", header("a", "\x7f"), "control character"},
		{"no value", header("a"), "no value"},
		{"two types", header("content-type", "a/b", "c/d"), "2 values"},
		{"length in words", header("content-length", "four"), "number of bytes"},
		{"length with a sign", header("content-length", "+4"), "number of bytes"},
		{"two lengths", header("content-length", "4", "4"), "number of bytes"},
		{"length beyond numbers", header("content-length", "99999999999999999999"), "number of bytes"},
		{"no body", func() *jsgi.Response { return &jsgi.Response{Status: 405} }, "status 405 needs a Body"},
	}
}

// What the rules forbid is a clear 500 and a line in the log.
func TestForbiddenResponses(t *testing.T) {
	for _, c := range forbiddenResponses() {
		t.Run(c.name, func(t *testing.T) {
			g := serve(t, 1, reply(c.res), nil)
			res, body := g.do(t, "GET", "/", nil)
			if res.StatusCode != 500 || !strings.Contains(body, c.says) {
				t.Errorf("status %d, body %q, want %q in it", res.StatusCode, body, c.says)
			}
			if strings.Contains(body, "v\r\n") {
				t.Errorf("a value is told: %q", body)
			}
			if s := g.log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=ERROR") {
				t.Errorf("log %q", s)
			}
		})
	}
}

// A body whose length is not the one that was said never passes for a whole.
func TestContentLengthMustBeRight(t *testing.T) {
	for _, c := range []struct {
		name   string
		length string
		chunks []string
		ok     bool
	}{
		{"right", "10", []string{"01234", "56789"}, true},
		{"empty chunks", "3", []string{"", "012", ""}, true},
		{"zero", "0", nil, true},
		{"short", "10", []string{"01234", "5678"}, false},
		{"nothing", "10", nil, false},
		{"long by a chunk", "10", []string{"01234", "56789", "x"}, false},
		{"long by a chunk after the rest was sent", "16384", []string{strings.Repeat("0", 8192), strings.Repeat("1", 8192), "x"}, false},
		{"long within a chunk", "10", []string{"01234", "56789x"}, false},
		{"not zero", "0", []string{"x"}, false},
	} {
		app := reply(func() *jsgi.Response {
			var chunks [][]byte
			for _, s := range c.chunks {
				chunks = append(chunks, []byte(s))
			}
			return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"content-length": {c.length}}, Body: jsgi.SliceStream(chunks...)}
		})
		both(t, app, nil, func(t *testing.T, g *gateway) {
			res, err := g.client.Get(g.URL)
			var body []byte
			status := 0
			if err == nil {
				status = res.StatusCode
				body, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			log := g.log.String()
			if c.ok {
				if err != nil || status != 200 || string(body) != strings.Join(c.chunks, "") || log != "" {
					t.Errorf("%s: status %d, body %q, error %v, log %q", c.name, status, body, err, log)
				}
				return
			}
			if err == nil && status == 200 {
				t.Errorf("%s: the body %.20q passes for a whole", c.name, body)
			}
			if !strings.Contains(log, "content-length") {
				t.Errorf("%s: log %q", c.name, log)
			}
		})
	}
}

func TestResponsesWithoutABody(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		body   bool
	}{{"HEAD", 200, true}, {"GET", 204, true}, {"GET", 304, true}, {"GET", 204, false}, {"HEAD", 304, false}} {
		var body *jsgi.Stream[[]byte]
		app := reply(func() *jsgi.Response {
			body = nil
			r := &jsgi.Response{Status: c.status, Headers: jsgi.Headers{"x-a": {"b"}}}
			if c.body {
				body = jsgi.NewStream[[]byte](nil) // nothing writes to it, nobody closes it
				r.Body = body
			}
			if c.status == 200 {
				r.Headers["content-length"] = []string{"1000"}
			}
			return r
		})
		both(t, app, nil, func(t *testing.T, g *gateway) {
			res, got := g.do(t, c.method, "/", nil)
			if res.StatusCode != c.status || got != "" || res.Header.Get("X-A") != "b" {
				t.Errorf("status %d, header %v, body %q", res.StatusCode, res.Header, got)
			}
			if c.status == 200 && res.ContentLength != 1000 {
				t.Errorf("content-length %d", res.ContentLength)
			}
			if body != nil {
				<-body.Done() // its writer learns that nobody wants it
				wantErr(t, body.Err(), jsgi.ErrAnswered)
			}
			if s := g.log.String(); s != "" {
				t.Errorf("log %q", s)
			}
		})
	}
}

// After a response that was refused the connection goes on.
func TestConnectionIsKept(t *testing.T) {
	bad := true
	g := serve(t, 1, reply(func() *jsgi.Response {
		if bad = !bad; bad {
			return &jsgi.Response{Status: 1}
		}
		return text("ok")
	}), nil)
	closed := 0
	for range 4 {
		res, err := g.client.Get(g.URL)
		must(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		must(t, err)
		res.Body.Close()
		if res.Close {
			closed++
		}
	}
	if closed != 0 {
		t.Errorf("%d responses closed their connection", closed)
	}
}
