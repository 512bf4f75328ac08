// Package adapters joins streams to the rest of Go: to io, net, channels and
// the encodings.
//
// You write to a Consumer and read from a Producer (see package omni). Streams
// of byte slices and streams of bytes differ in one thing only: the one has
// items, the other does not. What turns one into the other keeps the bytes,
// their order, the end and the error, and forgets where the items were.
//
//	you have               and want                      use
//	a Producer of []byte   an io.Reader                  NewReader
//	a Consumer of []byte   an io.Writer                  NewWriter
//	an io.Reader           a Producer of []byte          FromReader
//	an io.Writer           a Consumer of []byte          ToWriter
//	an io.Reader           a Producer of its lines       Lines
//	an io.Writer           a Consumer of lines           ToLines
//	a call, or two streams a net.Conn                    NewConn
//	a Session              to call as net.Dial does      DialConn
//	a Session              its calls as a net.Listener   NewListener
//	a channel              a Producer                    FromChan
//	a Producer             a channel                     ToChan
//	items of a type        a Codec, for mux.Open & Co.   JSON, Binary, String,
//	                                                     Bytes, Gob
//	an evented stream      a Producer or a Consumer      package jsgi
//
// Iterators need no adapter: omni.FromSeq and Producer.All are in omni.
//
// The first four are each other's mirror. NewReader and NewWriter are called:
// they start no goroutine, and work while somebody reads or writes. FromReader
// and ToWriter do the calling, each on a goroutine of its own, which ends with
// its stream:
//
//	io.Writer <- ToWriter <- stream <- NewWriter <- your Write
//	io.Reader -> FromReader -> stream -> NewReader -> your Read
//
// All of them obey the demand of the other side: nobody reads a file faster
// than the stream's reader takes it.
//
// The ctx of a constructor belongs to the whole stream and cancels it, with
// its cause, when it ends. A Conn has deadlines instead, which end one call
// and harm nothing.
package adapters
