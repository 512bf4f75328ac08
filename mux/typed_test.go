package mux

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"omnistreams.dev/omni"
)

// intCodec writes numbers as JSON and can fail both ways.
type intCodec struct{}

var errNegative = errors.New("test: a negative number")

func TestTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		ctx := t.Context()
		go b.Serve(ctx, func(ctx context.Context, in *Incoming) error {
			c, err := Reply(ctx, in, nil, intCodec{})
			if err != nil {
				return err
			}
			sum, err := omni.Reduce(ctx, As(in, intCodec{}), 0, func(a, b int) (int, error) { return a + b, nil })
			if err != nil {
				return err
			}
			if err := c.Write(ctx, sum); err != nil {
				return err
			}
			return c.End()
		})
		d, err := Call(ctx, a, nil, intCodec{}, intCodec{})
		must(t, err)
		for _, v := range []int{40, 0, 2} {
			must(t, d.Out.Write(ctx, v))
		}
		wantIs(t, "what cannot be encoded", d.Out.Write(ctx, -1), errNegative)
		must(t, d.Out.End())
		if v, err := d.In.Next(ctx); v != 42 || err != nil {
			t.Fatal(v, err)
		}

		// What cannot be decoded cancels the stream; its writer is not told
		// more than that.
		c := noErr[*omni.Consumer[[]byte]](t)(a.Open(ctx, nil))
		must(t, c.Write(ctx, []byte("not a number")))
		<-c.Done()
		if err := c.Err(); err == nil {
			t.Fatal(err)
		}
	})
}

// TestTypedDecodeError is the error's two sides.
func TestTypedDecodeError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("x")))
		ints := Decode(in, intCodec{})
		_, err := ints.Next(t.Context())
		var syntax *json.SyntaxError
		if !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), "mux: ") {
			t.Fatal(err)
		}
		<-ints.Done()
		<-c.Done()
		var se *omni.StreamError
		if !errors.As(c.Err(), &se) || se.Code != omni.CodeInternal || se.Reason != "" {
			t.Fatalf("the writer is told %v", c.Err())
		}
		// Typed ends of a stream that is no session's work too.
		p, q := omni.NewStream[[]byte](nil)
		e := Encode(q, intCodec{})
		must(t, e.Write(t.Context(), 7))
		if v, err := Decode(p, intCodec{}).Next(t.Context()); v != 7 || err != nil {
			t.Fatal(v, err)
		}
	})
}

// TestTypedTooLarge: an encoded item that is too long fails alone, and memory
// that was lent to it is not mixed up with the next one's.
func TestTypedTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxItem: 10_000})
		c, in := streamPair(t, a, b)
		text := Encode(c, textCodec{})
		var long *TooLargeError
		if err := text.Write(t.Context(), strings.Repeat("x", 10_001)); !errors.As(err, &long) || long.Size != 10_001 {
			t.Fatal(err)
		}
		for i := range 20 {
			want := strings.Repeat(string(rune('a'+i)), 1+i*500)
			must(t, text.Write(t.Context(), want))
			wantItem(t, in, want)
		}
	})
}

type textCodec struct{}
