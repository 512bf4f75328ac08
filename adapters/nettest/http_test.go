package nettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"omnistreams.dev/adapters"
	"omnistreams.dev/adapters/internal/wires"
	"omnistreams.dev/mux"
)

// handler echoes bodies, sends as many bytes as it is asked for, and answers
// with the sum of a body.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(body) // the client sees if it is not all there
	})
	mux.HandleFunc("GET /bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.CopyN(w, content(), n) // as above
	})
	mux.HandleFunc("POST /sum", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	})
	return mux
}

// content returns bytes without an end, always the same.
func content() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// serveHTTP serves HTTP on the calls that come on b and returns a client of
// it that calls on a.
func serveHTTP(t *testing.T, a, b *mux.Session) *http.Client {
	t.Helper()
	l := adapters.NewListener(b)
	server := &http.Server{Handler: handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return adapters.DialConn(ctx, a, nil)
		},
		MaxIdleConnsPerHost: 8,
	}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown of the server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return &http.Client{Transport: tr}
}

// exchange returns the body of the answer to one request.
func exchange(client *http.Client, method, path string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequest(method, "http://peer"+path, body)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %s", res.Status, b)
	}
	return b, err
}

func TestHTTP(t *testing.T) {
	const large = 3 << 20 // several windows
	want := make([]byte, large)
	if _, err := io.ReadFull(content(), want); err != nil {
		t.Fatal(err)
	}
	for _, w := range wires.All() {
		t.Run(w.Name, func(t *testing.T) {
			a, b := w.Sessions(t, nil)
			client := serveHTTP(t, a, b)
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					body := fmt.Appendf(nil, "request %d", i)
					got, err := exchange(client, "POST", "/echo", bytes.NewReader(body))
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("echo of %q: %q, %v", body, got, err)
					}
				})
			}
			wg.Go(func() {
				got, err := exchange(client, "GET", "/bytes/"+strconv.Itoa(large), nil)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes down: got %d, %v", large, len(got), err)
				}
			})
			wg.Go(func() {
				// Without a length: chunked.
				body := struct{ io.Reader }{bytes.NewReader(want)}
				got, err := exchange(client, "POST", "/sum", body)
				if sum := fmt.Sprintf("%x", sha256.Sum256(want)); err != nil || string(got) != sum {
					t.Errorf("%d bytes up: sum %s, %v", large, got, err)
				}
			})
			wg.Wait()
		})
	}
}

// A client that gives up in the middle of a large answer leaves the session
// as it was: the next request is served.
func TestHTTPClientGivesUp(t *testing.T) {
	for _, w := range wires.All() {
		t.Run(w.Name, func(t *testing.T) {
			a, b := w.Sessions(t, nil)
			client := serveHTTP(t, a, b)
			for range 3 {
				res, err := client.Get("http://peer/bytes/100000000")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
					t.Error(err)
				}
				if err := res.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			if got, err := exchange(client, "POST", "/echo", bytes.NewReader([]byte("still"))); string(got) != "still" || err != nil {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}
