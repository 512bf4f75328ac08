package mux

import (
	"encoding/binary"
	"io"
	"reflect"
	"slices"
	"unsafe"

	"omnistreams.dev/omni"
)

// canonical is the text of all of a side that can matter to what happens from
// now on, or to a check: two sides with the same text are one state of the
// search. Like the copies it goes by the structure of the types, so a new field
// counts unless it is left out below, with the reason why it may be.
func canonical(s *simSide) []byte {
	c := canon{met: make(map[unsafe.Pointer]int)}
	c.pointer(reflect.ValueOf(s))
	return c.text
}

// canon writes values. Pointers count by the order in which they are met.
type canon struct {
	text []byte
	met  map[unsafe.Pointer]int
}

// leftOut are fields, by name or by type and name, that never matter.
var leftOut = map[string]bool{
	// What is counted for people: the engine never looks at it.
	"stats": true, "counters": true, "seen": true,

	"engine.cfg":    true, // the same all the time
	"engine.lively": true, // for the session's keepalive
	"engine.now":    true, // a model has no time: always 0
	"engine.turn":   true, // see turn
	"engine.bufs":   true, // spare memory
	"simSide.m":     true, // the message before, which has gone

	// What only a Snapshot looks at.
	"incoming.turn": true, "outgoing.dataGiven": true, "outgoing.name": true,

	// Positions behind elements that are spent, which list leaves out.
	"outgoing.first": true, "incoming.next": true,

	// What decides whether a window widens. In these small worlds none may,
	// since firstWindow is the widest; checkReaders sees to that.
	"engine.roundTrip": true, "window.waits": true, "window.tookItems": true, "window.tookBytes": true,
	"window.since": true, "window.markItems": true, "window.markBytes": true, "window.markAt": true,

	// Which side it is: the owner's.
	"simWriter.side": true, "simReader.side": true,
}

// idle are fields that do not matter any more at some time: whatever reads
// them, in the engine and in the checks, looks before at what is asked here.
var idle = map[string]func(at unsafe.Pointer) bool{
	// Credit is for items, and none is written after the last word.
	"outgoing.grantItems": outgoingSpoken,
	"outgoing.grantBytes": outgoingSpoken,
	// Nothing is granted once there are no readers or no items.
	"incoming.wantItems": func(at unsafe.Pointer) bool {
		in := (*incoming)(at)
		return in.finished || in.peerLast != noWord
	},
	// No item is held against its credit after the last word.
	"incoming.grantItems": incomingEnded,
	"incoming.grantBts":   incomingEnded,
	"incoming.gotBytes":   incomingEnded,
	// It has become err.
	"incoming.lastErr": func(at unsafe.Pointer) bool { return (*incoming)(at).finished },
	// They are on the wire.
	"incoming.closeCode":   incomingClosed,
	"incoming.closeReason": incomingClosed,
	// They will not be written.
	"simWriter.left": func(at unsafe.Pointer) bool {
		wr := (*simWriter)(at)
		return wr.ended || wr.stopped || wr.o.finished
	},
}

func outgoingSpoken(at unsafe.Pointer) bool {
	o := (*outgoing)(at)
	return o.finished || o.last != noWord
}

func incomingEnded(at unsafe.Pointer) bool { return (*incoming)(at).peerLast != noWord }

func incomingClosed(at unsafe.Pointer) bool { return (*incoming)(at).closeGiven }

// special are fields that are not written as they are.
var special = map[string]func(c *canon, at unsafe.Pointer){
	// How many turns ago a stream was packed: enqueue asks whether it was more
	// than one, and nothing is queued after the last word was given.
	"outgoing.turn": func(c *canon, at unsafe.Pointer) {
		if o := (*outgoing)(at); !o.lastGiven {
			c.num(min(o.e.turn-o.turn, 2))
		}
	},
}

// role is what becomes of one field of a struct.
type role struct {
	name    string
	leftOut bool
	idle    func(at unsafe.Pointer) bool
	special func(c *canon, at unsafe.Pointer)
}

var roles = map[reflect.Type][]role{}

func rolesOf(t reflect.Type) []role {
	if rs, ok := roles[t]; ok {
		return rs
	}
	rs := make([]role, t.NumField())
	for i := range rs {
		name := t.Field(i).Name
		full := t.Name() + "." + name
		rs[i] = role{full, leftOut[name] || leftOut[full], idle[full], special[full]}
	}
	roles[t] = rs
	return rs
}

func (c *canon) num(ns ...uint64) {
	for _, n := range ns {
		c.text = binary.AppendUvarint(c.text, n)
	}
}

func (c *canon) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			c.num(1)
		} else {
			c.num(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.num(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		c.num(v.Uint())
	case reflect.String:
		c.num(uint64(v.Len()))
		c.text = append(c.text, v.String()...)
	case reflect.Interface:
		c.iface(v)
	case reflect.Pointer:
		c.pointer(v)
	case reflect.Slice, reflect.Array:
		c.list(v)
	case reflect.Map:
		c.table(v)
	case reflect.Struct:
		c.fields(v)
	case reflect.Func, reflect.Chan: // what they are made of is not state; nobody waits
	default:
		panic("BUG: no canonical form of " + v.Type().String())
	}
}

func (c *canon) fields(v reflect.Value) {
	for i, r := range rolesOf(v.Type()) {
		switch {
		case r.leftOut:
		case r.special != nil:
			r.special(c, v.Addr().UnsafePointer())
		case r.idle != nil && r.idle(v.Addr().UnsafePointer()):
			c.num(0)
		default:
			if r.idle != nil {
				c.num(1)
			}
			c.value(open(v.Field(i)))
		}
	}
}

// iface writes an error as what programs can tell it by; there are no other
// interfaces.
func (c *canon) iface(v reflect.Value) {
	if v.IsNil() {
		c.num(0)
		return
	}
	err, ok := v.Interface().(error)
	if !ok {
		panic("BUG: no canonical form of a " + v.Elem().Type().String())
	}
	c.err(err)
}

// err writes an error. Its reason is for people.
func (c *canon) err(err error) {
	switch se, ok := err.(*omni.StreamError); {
	case err == io.EOF:
		c.num(1)
	case ok && se == nil:
		c.num(0)
	case ok && se.Remote:
		c.num(2, uint64(se.Code))
	case ok:
		c.num(3, uint64(se.Code))
	default:
		c.num(4)
		c.value(reflect.ValueOf(err.Error()))
	}
}

func (c *canon) pointer(v reflect.Value) {
	switch {
	case shapeOf(v.Type()).fault:
		c.err(v.Interface().(error))
		return
	case v.IsNil():
		c.num(0)
		return
	case shapeOf(v.Type().Elem()).inside:
		c.pointer(open(v.Elem().FieldByName("stream")))
		return
	}
	if n, ok := c.met[v.UnsafePointer()]; ok {
		c.num(uint64(n) + 2)
		return
	}
	c.met[v.UnsafePointer()] = len(c.met)
	c.num(1)
	c.value(v.Elem())
}

// list writes a slice or an array. Elements that are nil slices are spent.
func (c *canon) list(v reflect.Value) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		c.num(uint64(v.Len()))
		c.text = append(c.text, v.Bytes()...)
		return
	}
	spent := 0
	for spent < v.Len() && v.Index(spent).Kind() == reflect.Slice && v.Index(spent).IsNil() {
		spent++
	}
	c.num(uint64(v.Len() - spent))
	for i := spent; i < v.Len(); i++ {
		c.value(v.Index(i))
	}
}

// table writes a map by the order of its keys, which are stream numbers.
func (c *canon) table(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return int(int64(a.Uint()) - int64(b.Uint())) })
	c.num(uint64(len(keys)))
	for _, k := range keys {
		c.num(k.Uint())
		c.value(v.MapIndex(k))
	}
}
