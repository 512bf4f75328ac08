package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path"
	"strings"
	"time"

	"omnistreams.dev/clients/js"
	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// page is all that the browser loads but the client's module.
//
//go:embed web/*.html web/*.css web/*.js web/*.svg
var page embed.FS

const (
	webSessions  = 32               // pages at a time
	webConns     = 256              // connections at a time, theirs and those that load a page
	webTimeout   = 30 * time.Second // of one request; a WebSocket is free of it
	pageIsStrict = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)

// webServer is omni serve.
type webServer struct {
	hosts    []string      // names, in lower case, that a request may call this one
	files    *os.Root      // nil without --files
	staging  *staging      // of uploads, likewise
	slots    chan struct{} // taken by each session
	observer mux.Observer
}

func newWebServer(host string) *webServer {
	s := &webServer{hosts: []string{"localhost", strings.ToLower(host)}, slots: make(chan struct{}, webSessions)}
	if name, err := os.Hostname(); err == nil {
		s.hosts = append(s.hosts, strings.ToLower(name))
	}
	return s
}

// serve serves l until ctx ends, drains, and closes l. When it returns nothing
// of it is left running.
func (s *webServer) serve(ctx context.Context, l net.Listener) {
	srv := &http.Server{
		Handler:        s.handler(ctx),
		ReadTimeout:    webTimeout,
		WriteTimeout:   webTimeout,
		IdleTimeout:    webTimeout,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = srv.Serve(newLimitedListener(l, webConns)) // ends by Shutdown
	}()
	<-ctx.Done()
	for range cap(s.slots) { // the sessions drain by ctx; nobody gets a new one
		s.slots <- struct{}{}
	}
	timed, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if srv.Shutdown(timed) != nil {
		_ = srv.Close() // a page that somebody still reads
	}
	<-stopped
}

// handler serves the page and its WebSocket; ctx ends the sessions.
func (s *webServer) handler(ctx context.Context) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /streams", func(w http.ResponseWriter, r *http.Request) { s.streams(ctx, w, r) })
	routes.HandleFunc("GET /omnistreams.js", func(w http.ResponseWriter, r *http.Request) { asset(w, r, js.Module) })
	routes.HandleFunc("GET /{file...}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if name == "" {
			name = "index.html"
		}
		content, err := page.ReadFile("web/" + name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		asset(w, r, content)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pageIsStrict)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		if !s.isHost(r.Host) {
			// A stranger's name that was made to point here: its pages are
			// of the same origin as ours then.
			http.Error(w, "this is omni serve; call it by the address that it was given", http.StatusMisdirectedRequest)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

// isHost reports whether a request may call this server so. An IP address
// cannot be made to point elsewhere.
func (s *webServer) isHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	for _, name := range s.hosts {
		if name != "" && strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// asset answers with a file of the page.
func asset(w http.ResponseWriter, r *http.Request, content []byte) {
	name := path.Base(r.URL.Path)
	if name == "/" {
		name = "index.html"
	}
	w.Header().Set("Content-Type", contentType(name))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// contentType is given here since a system may think otherwise of .js.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// streams is the WebSocket: one session, until the page or ctx ends it.
func (s *webServer) streams(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		http.Error(w, fmt.Sprintf("%d pages are connected, and no more can be", cap(s.slots)), http.StatusServiceUnavailable)
		return
	}
	conn, err := transport.Accept(w, r, nil)
	if err != nil {
		return // the browser was told
	}
	// The page is told how its session ends, and nobody else needs to know.
	_ = s.session(ctx, conn)
}
