package mux

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// readVectors reads one of the files, and fails on fields that are not known.
func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "testdata", "vectors", name))
	must(t, err)
	defer file.Close()
	d := json.NewDecoder(file)
	d.DisallowUnknownFields()
	d.UseNumber()
	must(t, d.Decode(into))
}

// vbytes are bytes in the files' notation: tokens of hex, perhaps repeated.
type vbytes []byte

func (v *vbytes) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	var err error
	*v, err = parseTokens(s)
	return err
}

func parseTokens(s string) ([]byte, error) {
	all := []byte{}
	for _, token := range strings.Fields(s) {
		digits, times, repeated := strings.Cut(token, "*")
		part, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		n := 1
		if repeated {
			if n, err = strconv.Atoi(times); err != nil {
				return nil, err
			}
		}
		all = append(all, bytes.Repeat(part, n)...)
	}
	return all, nil
}

// vframe is a frame in the files' notation. Numbers are json.Number.
type vframe map[string]any

func (v vframe) number(t testing.TB, field string) uint64 {
	t.Helper()
	n, ok := v[field].(json.Number)
	if !ok {
		t.Fatalf("frame %v: no number %q", v, field)
	}
	u, err := strconv.ParseUint(n.String(), 10, 64)
	must(t, err)
	return u
}

func (v vframe) text(t testing.TB, field string) string {
	t.Helper()
	s, ok := v[field].(string)
	if !ok {
		t.Fatalf("frame %v: no text %q", v, field)
	}
	return s
}

func (v vframe) bytes(t testing.TB, field string) []byte {
	t.Helper()
	b, err := parseTokens(v.text(t, field))
	must(t, err)
	return b
}

// fields are those of each type, besides type and stream.
var vectorFields = map[string][]string{
	"HELLO": {"version", "max_item", "streams", "items", "bytes", "metadata"},
	"OPEN":  {"kind", "answers", "metadata"},
	"DATA":  {"item"}, "END": {}, "FAIL": {"code", "reason"}, "CLOSE": {"code", "reason"},
	"REQUEST": {"items", "bytes"}, "PING": {"payload"}, "PONG": {"payload"},
}

// typ is the frame's type by name or number.
func (v vframe) typ(t testing.TB) frameType {
	t.Helper()
	name := v.text(t, "type")
	if i := slices.Index(frameNames[:], name); i >= 0 {
		return frameType(i)
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 128 || n > 255 {
		t.Fatalf("frame %v: unknown type", v)
	}
	return frameType(n)
}

// encode writes the frame with the functions that the engine uses.
func (v vframe) encode(t testing.TB, b []byte) []byte {
	t.Helper()
	typ, stream := v.typ(t), uint32(v.number(t, "stream"))
	fields := vectorFields[typ.String()]
	if typ >= frameIgnored {
		fields = []string{"payload"}
	}
	for name := range v {
		if name != "type" && name != "stream" && !slices.Contains(fields, name) {
			t.Fatalf("frame %v: unknown field %q", v, name)
		}
	}
	switch typ {
	case frameHello:
		h := hello{version: uint8(v.number(t, "version")), maxItem: uint32(v.number(t, "max_item")),
			streams: uint32(v.number(t, "streams")), items: uint32(v.number(t, "items")),
			bytes: uint32(v.number(t, "bytes")), metadata: v.bytes(t, "metadata")}
		return h.append(b)
	case frameOpen:
		return appendOpen(b, stream, uint8(v.number(t, "kind")), uint32(v.number(t, "answers")), v.bytes(t, "metadata"))
	case frameData:
		item := v.bytes(t, "item")
		return append(appendHeader(b, frameData, stream, len(item)), item...)
	case frameEnd:
		return appendHeader(b, frameEnd, stream, 0)
	case frameFail, frameClose:
		return appendReason(b, typ, stream, omni.Code(v.number(t, "code")), v.text(t, "reason"))
	case frameRequest:
		return appendTotals(b, stream, v.number(t, "items"), v.number(t, "bytes"))
	}
	payload := v.bytes(t, "payload")
	return append(appendHeader(b, typ, stream, len(payload)), payload...)
}

// decodeVector reads a frame with the functions that the engine uses.
func decodeVector(f frame) (vframe, *omni.StreamError) {
	v := vframe{"type": f.typ.String(), "stream": number(f.stream)}
	switch f.typ {
	case frameHello:
		h, bad := parseHello(f)
		v["version"], v["max_item"], v["streams"] = number(h.version), number(h.maxItem), number(h.streams)
		v["items"], v["bytes"], v["metadata"] = number(h.items), number(h.bytes), string(h.metadata)
		return v, bad
	case frameOpen:
		kind, answers, metadata, bad := parseOpen(f.payload)
		v["kind"], v["answers"], v["metadata"] = number(kind), number(answers), string(metadata)
		return v, bad
	case frameData:
		v["item"] = string(f.payload)
	case frameEnd:
	case frameFail, frameClose:
		code, reason, bad := parseReason(f.typ, f.payload)
		v["code"], v["reason"] = number(code), reason
		return v, bad
	case frameRequest:
		items, bytes, bad := parseTotals(f.payload)
		v["items"], v["bytes"] = number(items), number(bytes)
		return v, bad
	default:
		v["payload"] = string(f.payload)
		if f.typ >= frameIgnored {
			v["type"] = strconv.Itoa(int(f.typ))
		}
	}
	return v, nil
}

func number[N ~uint8 | ~uint32 | ~uint64](n N) json.Number {
	return json.Number(strconv.FormatUint(uint64(n), 10))
}

// plain has bytes in place of the notation, for comparing.
func (v vframe) plain(t testing.TB) vframe {
	p := vframe{}
	for name, value := range v {
		switch name {
		case "metadata", "item", "payload":
			value = string(v.bytes(t, name))
		}
		p[name] = value
	}
	return p
}

func TestVectorsFrames(t *testing.T) {
	var file struct {
		Protocol int
		About    string
		MaxItem  int `json:"max_item"`
		Messages []struct {
			Name       string
			Hex        vbytes
			Frames     []vframe
			DecodeOnly bool `json:"decode_only"`
		}
	}
	readVectors(t, "frames.json", &file)
	for _, row := range file.Messages {
		t.Run(row.Name, func(t *testing.T) {
			rest := []byte(row.Hex)
			for _, want := range row.Frames {
				f, after, bad := cutFrame(rest)
				if bad != nil {
					t.Fatal(bad)
				}
				got, bad := decodeVector(f)
				if bad != nil {
					t.Fatal(bad)
				}
				if !reflect.DeepEqual(got, want.plain(t)) {
					t.Fatalf("decoded %.200v, want %.200v", got, want)
				}
				rest = after
			}
			if len(rest) > 0 {
				t.Fatalf("%d bytes are left", len(rest))
			}
			var msg []byte
			for _, f := range row.Frames {
				msg = f.encode(t, msg)
			}
			if !row.DecodeOnly && !bytes.Equal(msg, row.Hex) {
				t.Fatalf("encoded %.200x, want %.200x", msg, []byte(row.Hex))
			}
		})
	}
}

// vside is the side under test.
type vside struct {
	MaxItem  uint32 `json:"max_item"`
	Streams  uint32
	Items    uint32
	Bytes    uint32
	Metadata vbytes
	OwnNext  uint32 `json:"own_next"`
}

// config sets the side up as the files demand: pure pull, no keepalive.
func (v *vside) config(t testing.TB) *config {
	cfg, err := newConfig(&Options{Prefetch: -1, KeepAlive: 1000 * time.Hour, Metadata: v.Metadata})
	must(t, err)
	cfg.maxItem, cfg.streams, cfg.items, cfg.bytes = v.MaxItem, v.Streams, v.Items, v.Bytes
	return cfg
}

func TestVectorsMalformed(t *testing.T) {
	var file struct {
		Protocol int
		About    string
		Side     vside
		Messages []struct {
			Name, Phase string
			Hex         vbytes
			Code        omni.Code
			Rule, Good  int
		}
	}
	readVectors(t, "malformed.json", &file)
	greeting := wHello(16, 4, 4, 64, "")
	for _, row := range file.Messages {
		late := row.Phase == "after hello"
		if !late && row.Phase != "first message" {
			t.Fatalf("unknown phase %q", row.Phase)
		}
		t.Run(row.Phase+"/"+row.Name, func(t *testing.T) {
			cfg := file.Side.config(t)
			e := newEngine(cfg)
			if late {
				e.receive(join(greeting))
			}
			good, bad := decodeCounting(e, row.Hex)
			if bad == nil || bad.Code != row.Code || good != row.Good {
				t.Fatalf("got %d good frames and %v, want %d and code %d", good, bad, row.Good, row.Code)
			}
			// Before HELLO the reason asks who the peer is, whatever it sent.
			if rule := fmt.Sprintf("rule %d: ", row.Rule); late && !strings.HasPrefix(bad.Reason, rule) {
				t.Errorf("the reason %q does not begin with %q", bad.Reason, rule)
			}
			synctest.Test(t, func(t *testing.T) {
				s, p := meet(t, file.Side.config(t))
				if late {
					p.send(greeting)
				}
				if len(row.Hex) == 0 {
					return // a message of no bytes cannot be sent over this transport
				}
				p.sendBytes(row.Hex)
				p.wantFail("malformed", row.Code)
				<-s.Done()
			})
		})
	}
}

// decodeCounting is engine.receive, counting the frames that were in order.
func decodeCounting(e *engine, msg []byte) (good int, bad *omni.StreamError) {
	if len(msg) == 0 {
		e.receive(msg)
		return 0, e.farewell
	}
	if limit := max(minMessage, headerSize+int(e.cfg.maxItem)); len(msg) > limit {
		return 0, fault(9, omni.CodeTooLarge, "the transport's limit") // of Limiter
	}
	for len(msg) > 0 {
		f, rest, bad := cutFrame(msg)
		if bad == nil {
			bad = e.frame(f)
		}
		if bad != nil {
			return good, bad
		}
		good++
		msg = rest
	}
	return good, nil
}

// TestVectorNotation checks the runner's own reading of bytes.
func TestVectorNotation(t *testing.T) {
	got, err := parseTokens("00 61*3 0102")
	if err != nil || string(got) != "\x00aaa\x01\x02" {
		t.Fatalf("%q %v", got, err)
	}
	if binary.BigEndian.Uint16(got[4:]) != 0x0102 {
		t.Fatal("order")
	}
}
