package jsgi

// Pump joins two streams: what comes from one is written to the other, and the
// end and errors cross. When to has had enough, from is paused until to drains;
// a Cancel of to cancels from. Both belong to the pump from now on, save
// that more listeners may be added.
func Pump[T any](from, to *Stream[T]) {
	if from == nil || to == nil {
		panic("jsgi: Pump with a nil Stream")
	}
	pump(from, to, func(v T) (T, error) { return v, nil })
}

// Map returns the stream of f(v) for every v of s, joined to s as Pump does,
// on the queue of s. f runs on that queue and must not block. An error of f
// cancels s, and is how the returned stream breaks off. Of nil it returns nil: a
// response without a body stays so.
//
// A panic of f is one of a listener of s: for the streams of a request use
// Gateway.Map, which keeps it from ending the process.
func Map[T, U any](s *Stream[T], f func(v T) (U, error)) *Stream[U] {
	if f == nil {
		panic("jsgi: Map with a nil func")
	}
	if s == nil {
		return nil
	}
	to := NewStream[U](&Options{Queue: s.q})
	pump(s, to, f)
	return to
}

func pump[T, U any](from *Stream[T], to *Stream[U], f func(T) (U, error)) {
	to.AddListener(Listener[U]{
		Drain: from.Resume,
		Error: from.Cancel,
	})
	from.AddListener(Listener[T]{
		Data: func(v T) {
			u, err := f(v)
			if err != nil {
				from.Cancel(err)
				return
			}
			on, err := to.Write(u)
			switch {
			case err != nil:
				from.Cancel(err)
			case !on:
				hold(from, to)
			}
		},
		End:   to.Close,
		Error: to.CloseWithError,
	})
}

// hold pauses from until to drains.
func hold[T, U any](from *Stream[T], to *Stream[U]) {
	from.Pause()
	if !to.owes() {
		// On another queue, to has drained before the pause.
		from.Resume()
	}
}

// owes reports whether a drain event is still to come.
func (s *Stream[T]) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed
}

// SliceStream returns a stream that has vs buffered and is closed: the first
// listener to data gets them. vs belongs to it from now on. It starts no
// goroutine, and needs no bound, since nothing is added. For a response's body
// use Gateway.Slice.
func SliceStream[T any](vs ...T) *Stream[T] {
	s := NewStream[T](nil)
	s.items = vs
	s.closed = true
	s.scheduleLocked() // nobody else knows s yet: no lock is needed
	return s
}

// StringStream returns a stream of one item, the bytes of text, that is closed.
// Of an empty text it has none. For a response's body use Gateway.Text.
func StringStream(text string) *Stream[[]byte] {
	if text == "" {
		return SliceStream[[]byte]()
	}
	return SliceStream([]byte(text))
}
