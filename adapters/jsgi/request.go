package jsgi

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// newRequest is r as JSGI has it, without its streams, for an application that
// is mounted at script. It reports false if the path is not below that.
func newRequest(r *http.Request, script string) (*Request, bool) {
	path := sentPath(r)
	if !strings.HasPrefix(path, "/") {
		path = "" // OPTIONS * and CONNECT have none
	}
	rest, ok := strings.CutPrefix(path, script)
	if !ok || rest != "" && rest[0] != '/' {
		return nil, false
	}
	q := &Request{
		URL:         r.RequestURI,
		Method:      r.Method,
		ScriptName:  script,
		PathInfo:    rest,
		QueryString: r.URL.RawQuery,
		Scheme:      "http",
		Version:     [2]int{r.ProtoMajor, r.ProtoMinor},
		Headers:     make(Headers, len(r.Header)+1),
		RemoteAddr:  r.RemoteAddr,
		Env:         map[string]any{},
		JSGI: Gateway{
			Version:     [2]int{0, 3},
			Ext:         map[string][2]int{"stream": {0, 1}},
			Multithread: true,
		},
	}
	for name, values := range r.Header {
		q.Headers[strings.ToLower(name)] = values
	}
	port := "80"
	if r.TLS != nil {
		q.Scheme, port = "https", "443"
	}
	if r.Host != "" {
		q.Headers["host"] = []string{r.Host} // net/http takes it out
	}
	q.Host, q.Port = hostPort(r, port)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		q.RemoteAddr = host
	}
	return q, true
}

// sentPath returns the path as the client has sent it. What a handler before this
// one has changed, and a target with a host, is encoded anew.
func sentPath(r *http.Request) string {
	sent, _, _ := strings.Cut(r.RequestURI, "?")
	if path, err := url.PathUnescape(sent); err == nil && path == r.URL.Path {
		return sent
	}
	return r.URL.EscapedPath()
}

// hostPort returns what the client has asked for, or else the server's own.
func hostPort(r *http.Request, port string) (string, string) {
	host := r.Host
	if host == "" {
		host = "localhost"
		if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && addr.String() != "" {
			host = addr.String()
		}
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host = h
		if p != "" {
			port = p
		}
	}
	if in, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(in, "]") // an IPv6 address without a port
	}
	if host == "" {
		host = "localhost"
	}
	return host, port
}
