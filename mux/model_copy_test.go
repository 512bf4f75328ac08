package mux

import (
	"reflect"
	"strings"
	"unsafe"
)

// The search branches by copying: one side of a world with its engine, deep,
// by the structure of its types. So a field that is added to the engine is
// copied without a word here, and one of a kind that cannot be copied panics.

// copySide returns a copy of s that shares nothing with it but what nobody
// ever changes.
func copySide(s *simSide) *simSide {
	c := copier{copies: make(map[unsafe.Pointer]reflect.Value)}
	v := reflect.ValueOf(s)
	return c.pointer(v).Interface().(*simSide)
}

type copier struct {
	copies map[unsafe.Pointer]reflect.Value // pointers, by what they were
}

var (
	errorType = reflect.TypeFor[error]()

	// Of these one serves all copies: nobody changes them once they are made.
	sharedTypes = map[reflect.Type]bool{
		reflect.TypeFor[*config]():   true,
		reflect.TypeFor[[]simPlan](): true,
	}
	// These begin anew: spare memory and the message before, which was handed
	// over byte for byte.
	freshTypes = map[reflect.Type]bool{
		reflect.TypeFor[buffers](): true,
		reflect.TypeFor[message](): true,
	}
)

// shape is what copies and canonical forms ask about a type.
type shape struct {
	flat  bool  // values hold nothing that a copy would share
	fault bool  // an error
	deep  []int // of a struct: the fields that are not flat

	// A pointer to a value of it is one into the struct that its field stream
	// points to, as that of a queue to a link is.
	inside bool
}

var shapes = map[reflect.Type]*shape{}

func shapeOf(t reflect.Type) *shape {
	if sh := shapes[t]; sh != nil {
		return sh
	}
	sh := &shape{fault: t.Implements(errorType)}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if !shapeOf(t.Field(i).Type).flat {
				sh.deep = append(sh.deep, i)
			}
		}
		sh.flat = len(sh.deep) == 0
		sh.inside = strings.HasPrefix(t.Name(), "link[")
	case reflect.Array:
		sh.flat = shapeOf(t.Elem()).flat
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64, reflect.Func:
		sh.flat = true
	default:
		sh.flat = reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64
	}
	shapes[t] = sh
	return sh
}

// open returns v, a field or element that can be addressed, without the mark
// of one that is not exported.
func open(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}

// pointer returns the copy of what v points to, which is made once.
func (c *copier) pointer(v reflect.Value) reflect.Value {
	if v.IsNil() || shapeOf(v.Type()).fault {
		return v
	}
	old := v.UnsafePointer()
	if shapeOf(v.Type().Elem()).inside {
		stream := open(v.Elem().FieldByName("stream"))
		if stream.IsNil() {
			panic("BUG: a link that is in no queue is pointed to")
		}
		offset := uintptr(old) - stream.Pointer()
		return reflect.NewAt(v.Type().Elem(), unsafe.Add(c.pointer(stream).UnsafePointer(), offset))
	}
	if made, ok := c.copies[old]; ok {
		if made.Type() != v.Type() {
			panic("BUG: a pointer into " + made.Type().String() + ", of type " + v.Type().String())
		}
		return made
	}
	made := reflect.New(v.Type().Elem())
	c.copies[old] = made
	made.Elem().Set(v.Elem())
	c.own(made.Elem())
	return made
}

// own makes v, a copy that still shares what it points to, independent.
func (c *copier) own(v reflect.Value) {
	t := v.Type()
	switch {
	case sharedTypes[t]:
		return
	case freshTypes[t]:
		v.SetZero()
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(c.pointer(v))
	case reflect.Slice:
		c.slice(v)
	case reflect.Map:
		c.table(v)
	case reflect.Struct:
		for _, i := range shapeOf(t).deep {
			c.own(open(v.Field(i)))
		}
	case reflect.Array:
		for i := 0; i < v.Len() && !shapeOf(t).flat; i++ {
			c.own(v.Index(i))
		}
	case reflect.Interface:
		// Errors are never changed, and io.EOF is told by its address.
		if !v.IsNil() && !shapeOf(v.Elem().Type()).fault {
			panic("BUG: no copy of " + t.String() + " with a " + v.Elem().Type().String())
		}
	case reflect.Chan:
		if !v.IsNil() { // nobody waits in a model, so nobody has made one
			panic("BUG: no copy of " + t.String())
		}
	default:
		if !shapeOf(t).flat {
			panic("BUG: no copy of " + t.String())
		}
	}
}

// slice copies a slice with its capacity, by which the engine decides whether
// a frame goes into a segment that is there.
func (c *copier) slice(v reflect.Value) {
	if v.IsNil() {
		return
	}
	made := reflect.MakeSlice(v.Type(), v.Len(), v.Cap())
	reflect.Copy(made, v)
	if !shapeOf(v.Type().Elem()).flat {
		for i := range made.Len() {
			c.own(made.Index(i))
		}
	}
	v.Set(made)
}

func (c *copier) table(v reflect.Value) {
	if v.IsNil() {
		return
	}
	made := reflect.MakeMapWithSize(v.Type(), v.Len())
	for it := v.MapRange(); it.Next(); {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(it.Value())
		c.own(value)
		made.SetMapIndex(it.Key(), value)
	}
	v.Set(made)
}
