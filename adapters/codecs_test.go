package adapters_test

import (
	"bytes"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"omnistreams.dev/adapters"
	"omnistreams.dev/omni"
)

type point struct {
	X, Y int
	Name string
	Next *point
	Tags map[string][]byte
}

// roundTrip encodes v behind a prefix, which must stay, and decodes it again.
func roundTrip[T any](t *testing.T, codec omni.Codec[T], v T) T {
	t.Helper()
	b, err := codec.Append([]byte("prefix"), v)
	must(t, err)
	data, ok := bytes.CutPrefix(b, []byte("prefix"))
	if !ok {
		t.Fatalf("%T: Append(prefix) = %q", codec, b)
	}
	got, err := codec.Decode(data)
	must(t, err)
	return got
}

func wantSame[T any](t *testing.T, codec omni.Codec[T], vs ...T) {
	t.Helper()
	for _, v := range vs {
		if got := roundTrip(t, codec, v); !reflect.DeepEqual(got, v) {
			t.Errorf("%T: %#v comes back as %#v", codec, v, got)
		}
	}
}

func TestCodecsRoundTrip(t *testing.T) {
	points := []point{{}, {X: -1, Y: 1 << 30, Name: "a\x00é\n<>", Next: &point{X: 2}, Tags: map[string][]byte{"k": {0, 255}}}}
	wantSame(t, adapters.Bytes(), []byte("abc"), []byte{})
	wantSame(t, adapters.String(), "", "abc", "\xff\x00")
	wantSame(t, adapters.JSON[point](), points...)
	wantSame(t, adapters.JSON[*point](), nil, &points[1])
	wantSame[any](t, adapters.JSON[any](), nil, "a", 1.5, []any{true})
	wantSame(t, adapters.Gob[point](), points...)
	wantSame(t, adapters.Gob[*point](), nil, &points[1])
	wantSame(t, adapters.Gob[int](), 0, math.MinInt)
	wantSame(t, adapters.Gob[[]string](), nil, []string{"", "a"})
	wantSame(t, adapters.Binary[netip.Addr](), netip.Addr{}, netip.MustParseAddr("2001:db8::1%eth0"))
	wantSame(t, adapters.Binary[time.Time](), time.Unix(1, 2).UTC())
}

func TestBytesCodecCopiesNothing(t *testing.T) {
	data := []byte("abc")
	got, err := adapters.Bytes().Decode(data)
	if err != nil || &got[0] != &data[0] {
		t.Errorf("Decode = %q, %v, or a copy", got, err)
	}
	if got := roundTrip(t, adapters.Bytes(), nil); got == nil || len(got) != 0 {
		t.Errorf("nil comes back as %#v", got)
	}
}

// old has only a MarshalBinary.
type old struct{ s string }

func (o *old) MarshalBinary() ([]byte, error) {
	if o.s == "bad" {
		return nil, errTest
	}
	return []byte(o.s), nil
}

func (o *old) UnmarshalBinary(b []byte) error {
	o.s = string(b)
	if o.s == "worse" {
		return errTest
	}
	return nil
}

// appender has an AppendBinary too, which goes first.
type appender struct{ old }

func (a *appender) AppendBinary(b []byte) ([]byte, error) {
	if a.s == "bad" {
		return nil, errTest
	}
	return append(b, a.s+"!"...), nil
}

func TestBinaryCodec(t *testing.T) {
	wantSame(t, adapters.Binary[old](), old{""}, old{"abc"})
	if got := roundTrip(t, adapters.Binary[appender](), appender{old{"abc"}}); got.s != "abc!" {
		t.Errorf("%q: AppendBinary was not used", got.s)
	}
}

// An error leaves dst as it was and gives no half an item.
func TestCodecErrors(t *testing.T) {
	wantFails(t, adapters.JSON[float64](), math.NaN(), `1 2`, ``, `"a"`)
	wantFails(t, adapters.JSON[point](), point{}, `{"X":1,"Y":"a"}`, `{"X":1`)
	wantFails(t, adapters.JSON[chan int](), make(chan int), `1`)
	wantFails(t, adapters.Gob[chan int](), make(chan int), "\x00")
	good, err := adapters.Gob[int]().Append(nil, 7)
	must(t, err)
	wantFails(t, adapters.Gob[func()](), func() {}, string(good[:len(good)-1]))
	wantFails[any](t, adapters.Gob[any](), struct{ X chan int }{}, string(good)+"\x00", string(good)+string(good))
	wantFails(t, adapters.Binary[old](), old{"bad"}, "worse")
	wantFails(t, adapters.Binary[appender](), appender{old{"bad"}}, "worse")
	if _, err := adapters.Gob[int]().Decode(append(good, 0)); err == nil {
		t.Error("gob: a byte after the item is no error")
	}
}

// wantFails checks that bad cannot be encoded (unless T can) and data not be
// decoded.
func wantFails[T any](t *testing.T, codec omni.Codec[T], bad T, data ...string) {
	t.Helper()
	if b, err := codec.Append([]byte("prefix"), bad); err == nil {
		if _, isPoint := any(bad).(point); !isPoint {
			t.Errorf("%T: %v is encoded as %q", codec, bad, b)
		}
	} else if string(b) != "prefix" {
		t.Errorf("%T: after an error dst is %q", codec, b)
	}
	for _, d := range data {
		v, err := codec.Decode([]byte(d))
		if err == nil {
			t.Errorf("%T: %q is decoded as %v", codec, d, v)
		}
		if !reflect.ValueOf(&v).Elem().IsZero() {
			t.Errorf("%T: %v comes with error %v", codec, v, err)
		}
	}
}

func FuzzCodecsDecode(f *testing.F) {
	p := point{X: 1, Name: "a", Next: &point{}, Tags: map[string][]byte{"k": nil}}
	for _, b := range [][]byte{
		encoded(f, adapters.JSON[point](), p), encoded(f, adapters.Gob[point](), p),
		encoded(f, adapters.Binary[netip.Addr](), netip.MustParseAddr("::1%x")), {}, []byte("abc\xff"),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		decodeAgain(t, adapters.Bytes(), data)
		decodeAgain(t, adapters.String(), data)
		decodeAgain(t, adapters.JSON[point](), data)
		decodeAgain(t, adapters.JSON[any](), data)
		decodeAgain(t, adapters.Gob[point](), data)
		decodeAgain(t, adapters.Binary[netip.Addr](), data)
	})
}

func encoded[T any](f *testing.F, codec omni.Codec[T], v T) []byte {
	b, err := codec.Append(nil, v)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// decodeAgain decodes data; what comes out of it must survive a round trip.
func decodeAgain[T any](t *testing.T, codec omni.Codec[T], data []byte) {
	v, err := codec.Decode(bytes.Clone(data))
	if err != nil {
		return
	}
	b, err := codec.Append(nil, v)
	if err != nil {
		t.Fatalf("%T: decoded %q to %#v, which cannot be encoded: %v", codec, data, v, err)
	}
	again, err := codec.Decode(b)
	if err != nil {
		t.Fatalf("%T: decoded %q, and not %q: %v", codec, data, b, err)
	}
	// The bytes need not be those that came (spaces, the order of a map), but
	// a second round changes nothing. Gob's maps come in any order.
	if c, err := codec.Append(nil, again); err != nil || len(c) != len(b) {
		t.Fatalf("%T: %q becomes %q, %v", codec, b, c, err)
	}
}

func FuzzCodecsRoundTrip(f *testing.F) {
	f.Add("a", int64(1), []byte("b"))
	f.Fuzz(func(t *testing.T, s string, n int64, b []byte) {
		if b == nil {
			b = []byte{}
		}
		wantSame(t, adapters.Bytes(), b)
		wantSame(t, adapters.String(), s)
		p := point{X: int(int32(n)), Name: s, Next: &point{Y: 1}, Tags: map[string][]byte{s: b}}
		got := roundTrip(t, adapters.Gob[point](), p)
		if got.X != p.X || got.Name != s || got.Next.Y != 1 || !bytes.Equal(got.Tags[s], b) {
			t.Errorf("gob: %#v comes back as %#v", p, got)
		}
		if j := roundTrip(t, adapters.JSON[[]byte](), b); !bytes.Equal(j, b) {
			t.Errorf("JSON: %q comes back as %q", b, j)
		}
		wantSame(t, adapters.Binary[old](), old{"x" + s})
	})
}
