package mux

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// tcpPair returns two sessions at the ends of a connection over loopback.
func tcpPair(b testing.TB, opt *Options) (client, server *Session) {
	cc, cs := tcp(b)
	return start(b, transport.Frame(cc), opt), start(b, transport.Frame(cs), opt)
}

// readAll reads a stream to its end and returns how many items there were.
func readAll(ctx context.Context, p *omni.Producer[[]byte]) (n int, err error) {
	err = omni.ForEach(ctx, p, func([]byte) error { n++; return nil })
	return n, err
}

// BenchmarkStream moves items of several sizes over one stream, reused
// and kept.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		for _, how := range []string{"reused", "kept"} {
			b.Run(fmt.Sprintf("%s/%d", how, size), func(b *testing.B) {
				reuse := Reuse
				if how == "kept" {
					reuse = func(p *omni.Producer[[]byte]) *omni.Producer[[]byte] { return p }
				}
				client, server := tcpPair(b, nil)
				c, in := benchPair(b, client, server)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				go writeItems(b, c, size, b.N)
				if n, err := readAll(b.Context(), reuse(in)); err != nil || n != b.N {
					b.Fatal(n, err)
				}
				b.ReportMetric(float64(b.N)/float64(client.Stats().MessagesSent), "items/msg")
				b.ReportMetric(float64(b.N)/float64(server.Stats().MessagesSent), "items/req")
			})
		}
		b.Run(fmt.Sprintf("raw/%d", size), func(b *testing.B) {
			client, server := tcp(b)
			b.SetBytes(int64(size))
			done := make(chan struct{})
			go func() {
				defer close(done)
				buf := make([]byte, max(size, 64<<10))
				for {
					if _, err := server.Read(buf); err != nil {
						return
					}
				}
			}()
			buf := make([]byte, size)
			for range b.N {
				client.Write(buf)
			}
			client.Close()
			<-done
			server.Close()
		})
	}
}

func benchPair(b testing.TB, client, server *Session) (*omni.Consumer[[]byte], *omni.Producer[[]byte]) {
	c, err := client.Open(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	in, err := server.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return c, in.Producer()
}

func writeItems(b testing.TB, c *omni.Consumer[[]byte], size, n int) {
	item := make([]byte, size)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range n {
		if err := c.Write(ctx, item); err != nil {
			b.Error(err)
			return
		}
	}
	c.End()
}

// BenchmarkStreams moves items over 100 streams at once.
func BenchmarkStreams(b *testing.B) {
	const streams = 100
	for _, size := range []int{1 << 10, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := tcpPair(b, nil)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var all sync.WaitGroup
			var cs []*omni.Consumer[[]byte]
			var ps []*omni.Producer[[]byte]
			for range streams {
				c, p := benchPair(b, client, server)
				cs, ps = append(cs, c), append(ps, p)
			}
			b.ResetTimer()
			for i := range streams {
				n := (b.N + i) / streams
				all.Go(func() { writeItems(b, cs[i], size, n) })
				all.Go(func() {
					if got, err := readAll(b.Context(), Reuse(ps[i])); err != nil || got != n {
						b.Error(got, err)
					}
				})
			}
			all.Wait()
		})
	}
}

// BenchmarkPingPong sends an item and waits for its answer.
func BenchmarkPingPong(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		client, server := tcp(b)
		go func() {
			buf := make([]byte, 64)
			for {
				if _, err := io.ReadFull(server, buf); err != nil {
					return
				}
				server.Write(buf)
			}
		}()
		buf := make([]byte, 64)
		benchLatency(b, func() {
			client.Write(buf)
			io.ReadFull(client, buf)
		})
		client.Close()
	})
	b.Run("call", func(b *testing.B) {
		client, server := tcpPair(b, nil)
		d, err := client.Call(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			in, err := server.Accept(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			out, err := in.Reply(b.Context(), nil)
			if err != nil {
				b.Error(err)
				return
			}
			for v := range Reuse(in.Producer()).All(b.Context()) {
				if out.Write(b.Context(), v) != nil {
					return
				}
			}
		}()
		buf := make([]byte, 64)
		benchLatency(b, func() {
			if err := d.Out.Write(b.Context(), buf); err != nil {
				b.Fatal(err)
			}
			if _, err := d.In.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
		client.Close()
	})
}

// benchLatency reports the median of what f takes.
func benchLatency(b *testing.B, f func()) {
	took := make([]time.Duration, 0, b.N)
	for range 100 {
		f()
	}
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		f()
		took = append(took, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
}

// BenchmarkOpenClose opens streams that carry one item: one after the other,
// each waiting for its receipt, and by many at once.
func BenchmarkOpenClose(b *testing.B) {
	for _, openers := range []int{1, 16, 100} {
		for _, wait := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/wait=%v", openers, wait), func(b *testing.B) {
				client, server := tcpPair(b, nil)
				ctx := b.Context()
				served := make(chan struct{})
				go func() {
					defer close(served)
					var all sync.WaitGroup
					for {
						in, err := server.Accept(ctx)
						if err != nil {
							break
						}
						all.Go(func() {
							if n, err := readAll(ctx, in.Producer()); n != 1 || err != nil {
								b.Error(n, err)
							}
						})
					}
					all.Wait()
				}()
				var all sync.WaitGroup
				item := make([]byte, 64)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range openers {
					all.Go(func() {
						for range (b.N + i) / openers {
							c, err := client.Open(ctx, nil)
							if err != nil {
								b.Error(err)
								return
							}
							if err := c.Write(ctx, item); err != nil {
								b.Error(err)
								return
							}
							c.End()
							if wait {
								<-c.Done()
							}
						}
					})
				}
				all.Wait()
				if err := client.Shutdown(ctx); err != nil {
					b.Fatal(err)
				}
				<-served
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "streams/s")
				b.ReportMetric(float64(client.Stats().MessagesSent)/float64(b.N), "cmsgs")
				b.ReportMetric(float64(server.Stats().MessagesSent)/float64(b.N), "smsgs")
			})
		}
	}
}

// webSocketPair returns the ends of a WebSocket over loopback.
func webSocketPair(b testing.TB) (client, server transport.Conn) {
	l, err := transport.Listen(b.Context(), "ws://127.0.0.1:0/", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan transport.Conn)
	go func() {
		c, err := l.Accept(b.Context())
		if err != nil {
			b.Error(err)
		}
		accepted <- c
	}()
	if client, err = transport.Dial(b.Context(), l.URL(), nil); err != nil {
		b.Fatal(err)
	}
	return client, <-accepted
}

// BenchmarkWebSocket moves items from the server to the client, whose
// direction is not masked, and the other way; "messages" has one message for
// each item, without a session.
func BenchmarkWebSocket(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		for _, down := range []bool{true, false} {
			b.Run(fmt.Sprintf("down=%v/%d", down, size), func(b *testing.B) {
				from, to := webSocketPair(b)
				if down {
					from, to = to, from
				}
				client, server := start(b, from, nil), start(b, to, nil)
				c, in := benchPair(b, client, server)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				go writeItems(b, c, size, b.N)
				if n, err := readAll(b.Context(), Reuse(in)); err != nil || n != b.N {
					b.Fatal(n, err)
				}
			})
		}
		b.Run(fmt.Sprintf("messages/%d", size), func(b *testing.B) {
			to, from := webSocketPair(b)
			b.SetBytes(int64(size))
			go func() {
				msg := make([]byte, size)
				for range b.N {
					if err := from.Send(context.Background(), msg); err != nil {
						return
					}
				}
			}()
			for range b.N {
				if _, err := to.Recv(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			to.Close()
			from.Close()
		})
	}
}
