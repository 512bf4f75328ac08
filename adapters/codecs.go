package adapters

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"

	"omnistreams.dev/omni"
)

// Bytes is the codec of byte slices: the item is its own encoding. Decode
// copies nothing. A nil slice comes out as an empty one.
func Bytes() omni.Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

func (bytesCodec) Decode(data []byte) ([]byte, error) {
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// String is the codec of strings: their bytes, whatever they are.
func String() omni.Codec[string] { return stringCodec{} }

type stringCodec struct{}

func (stringCodec) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }
func (stringCodec) Decode(data []byte) (string, error)          { return string(data), nil }

// JSON is the codec of encoding/json: each item is one JSON value, which every
// language reads. Decode refuses anything after the value.
func JSON[T any]() omni.Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("adapters: %w", err)
	}
	return append(dst, b...), nil
}

func (jsonCodec[T]) Decode(data []byte) (v T, err error) {
	if err := json.Unmarshal(data, &v); err != nil {
		var zero T
		return zero, fmt.Errorf("adapters: %w", err)
	}
	return v, nil
}

// Gob is the codec of encoding/gob, for Go on both sides. Each item stands
// alone and so carries the description of its type with it, which makes gob
// slow and long here: JSON or Binary is the better choice unless the type asks
// for gob. Like the package itself it is not for bytes from strangers. The
// item travels as the only field, V, of a struct, so that a nil pointer is an
// item too.
func Gob[T any]() omni.Codec[T] { return gobCodec[T]{} }

type gobCodec[T any] struct{}

// gobItem is what is encoded: gob panics on a nil pointer that is not a field.
type gobItem[T any] struct{ V T }

func (gobCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	if err := gob.NewEncoder(buf).Encode(gobItem[T]{v}); err != nil {
		return dst, fmt.Errorf("adapters: %w", err)
	}
	return buf.Bytes(), nil
}

// errTrailing says that an item is longer than what it encodes.
var errTrailing = errors.New("gob: data after the item")

func (gobCodec[T]) Decode(data []byte) (T, error) {
	var item gobItem[T]
	in := bytes.NewReader(data)
	err := gob.NewDecoder(in).Decode(&item)
	if err == nil && in.Len() > 0 {
		err = errTrailing
	}
	if err != nil {
		var zero T
		return zero, fmt.Errorf("adapters: %w", err)
	}
	return item.V, nil
}

// Binary is the codec of types that encode themselves: T or *T has a
// MarshalBinary, or better an AppendBinary with it, and *T an UnmarshalBinary.
// Only T need be given: Binary[netip.Addr](). What T accepts after its
// encoding is its own affair.
func Binary[T any, P interface {
	*T
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}]() omni.Codec[T] {
	return binaryCodec[T, P]{}
}

type binaryCodec[T any, P interface {
	*T
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}] struct{}

func (binaryCodec[T, P]) Append(dst []byte, v T) ([]byte, error) {
	if a, ok := any(P(&v)).(encoding.BinaryAppender); ok {
		out, err := a.AppendBinary(dst)
		if err != nil {
			return dst, fmt.Errorf("adapters: %w", err)
		}
		return out, nil
	}
	b, err := P(&v).MarshalBinary()
	if err != nil {
		return dst, fmt.Errorf("adapters: %w", err)
	}
	return append(dst, b...), nil
}

func (binaryCodec[T, P]) Decode(data []byte) (T, error) {
	var v T
	if err := P(&v).UnmarshalBinary(data); err != nil {
		var zero T
		return zero, fmt.Errorf("adapters: %w", err)
	}
	return v, nil
}
