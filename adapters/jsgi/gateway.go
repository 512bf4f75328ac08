package jsgi

// Gateway is what a request says about the gateway that it came through.
type Gateway struct {
	Version [2]int            // of JSGI: {0, 3}
	Ext     map[string][2]int // the extensions and their versions: stream, {0, 1}
	// Error takes the application's words for the log. It goes to
	// HandlerOptions.Errors, or to HandlerOptions.Log, whether the stream is
	// paused or not.
	Error *Stream[[]byte]
	// Stream makes streams for this request: on its queue, where Input is too,
	// so that their listeners run one at a time; and canceled when the
	// client goes or the response is complete. A panic of their listeners
	// fails the request, as runtime.Goexit does; that of a stream made
	// elsewhere ends the process.
	Stream func(opt *Options) *Stream[[]byte]
	// Multithread says that requests are served at the same time, which is so;
	// Multiprocess, RunOnce and CGI that other processes serve them too, that
	// the process serves but one, and that it runs behind CGI, which is not so.
	Multithread, Multiprocess, RunOnce, CGI bool
}

// Text returns a stream of one item, the bytes of text, that is closed, as
// StringStream does, but made by Stream: for bodies.
func (g *Gateway) Text(text string) *Stream[[]byte] {
	if text == "" {
		return g.Slice()
	}
	return g.Slice([]byte(text))
}

// Slice returns a stream that has chunks buffered and is closed, as SliceStream
// does, but made by Stream.
func (g *Gateway) Slice(chunks ...[]byte) *Stream[[]byte] {
	s := g.make(len(chunks))
	for _, b := range chunks {
		_, _ = s.Write(b) // there is room for all; or it was canceled, and its reader is told
	}
	s.Close()
	return s
}

// Map is the func Map for the bodies of this request, wherever s was made: f runs
// on the request's queue, so its panic fails the request. Of nil, which is the
// Body of a 204, it returns nil.
func (g *Gateway) Map(s *Stream[[]byte], f func(b []byte) ([]byte, error)) *Stream[[]byte] {
	if s == nil || f == nil {
		return Map(s, f) // which says what is wrong
	}
	own := g.make(0)
	Pump(s, own)
	return Map(own, f)
}

// make is Stream, also for a Gateway that no gateway has made.
func (g *Gateway) make(buffer int) *Stream[[]byte] {
	opt := &Options{Buffer: buffer}
	if g.Stream == nil {
		return NewStream[[]byte](opt)
	}
	return g.Stream(opt)
}
