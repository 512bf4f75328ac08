package mux

import (
	"context"
	"fmt"
	"sync"

	"omnistreams.dev/omni"
)

// Open is Session.Open for items of type T.
func Open[T any](ctx context.Context, s *Session, metadata []byte, codec omni.Codec[T]) (*omni.Consumer[T], error) {
	checkCodec(codec)
	c, err := s.Open(ctx, metadata)
	if err != nil {
		return nil, err
	}
	return Encode(c, codec), nil
}

// Call is Session.Call for questions of type Q and answers of type A.
func Call[Q, A any](ctx context.Context, s *Session, metadata []byte, q omni.Codec[Q], a omni.Codec[A]) (*Duplex[Q, A], error) {
	checkCodec(q)
	checkCodec(a)
	d, err := s.Call(ctx, metadata)
	if err != nil {
		return nil, err
	}
	return &Duplex[Q, A]{Out: Encode(d.Out, q), In: Decode(d.In, a), metadata: d.metadata}, nil
}

// As returns the items of an incoming stream as type T.
func As[T any](in *Incoming, codec omni.Codec[T]) *omni.Producer[T] {
	return Decode(in.producer, codec)
}

// Reply is Incoming.Reply for items of type T.
func Reply[T any](ctx context.Context, in *Incoming, metadata []byte, codec omni.Codec[T]) (*omni.Consumer[T], error) {
	checkCodec(codec)
	c, err := in.Reply(ctx, metadata)
	if err != nil {
		return nil, err
	}
	return Encode(c, codec), nil
}

// Encode returns the end that writes items of type T to c, without a
// goroutine. An item that cannot be encoded is an error of its Write, and the
// stream goes on.
func Encode[T any](c *omni.Consumer[[]byte], codec omni.Codec[T]) *omni.Consumer[T] {
	checkCodec(codec)
	sink := c.Sink()
	w, _ := sink.(*writeEnd)
	return omni.NewConsumer(&encoder[T]{Sink: sink, end: w, codec: codec})
}

// encoder is a Sink of T on one of bytes. All but Write are the same.
type encoder[T any] struct {
	omni.Sink[[]byte]
	end   *writeEnd // the same, if it is a stream of a session: saves a copy
	codec omni.Codec[T]
}

// scratch keeps slices that items are encoded into.
var scratch = sync.Pool{New: func() any { return new(make([]byte, headerSize, smallestBuffer)) }}

// Write implements omni.Sink.
func (e *encoder[T]) Write(ctx context.Context, v T) error {
	buf := scratch.Get().(*[]byte)
	frame, err := e.codec.Append((*buf)[:headerSize], v)
	if err != nil {
		scratch.Put(buf)
		return fmt.Errorf("mux: encoding an item: %w", err)
	}
	if e.end == nil {
		err = e.Sink.Write(ctx, append([]byte(nil), frame[headerSize:]...))
		scratch.Put(buf)
		return err
	}
	kept, err := e.end.writeFrame(ctx, frame)
	if !kept {
		*buf = frame
		scratch.Put(buf)
	}
	return err
}

// Decode returns the end that reads p's items as type T, without a goroutine.
// An item that cannot be decoded cancels the stream with that error.
func Decode[T any](p *omni.Producer[[]byte], codec omni.Codec[T]) *omni.Producer[T] {
	checkCodec(codec)
	// A ctx that cannot end: the stream's own calls have theirs.
	return omni.Map(context.Background(), p, func(item []byte) (v T, err error) {
		if v, err = codec.Decode(item); err != nil {
			err = fmt.Errorf("mux: decoding an item: %w", err)
		}
		return v, err
	})
}

// checkCodec panics before anything is opened that would be left open.
func checkCodec[T any](codec omni.Codec[T]) {
	if codec == nil {
		panic("mux: a nil codec")
	}
}
