// Package jsgi is the evented stream of the JSGI extension "stream", version
// 0.1, and a gateway that runs JSGI applications on net/http.
//
// A Stream is both ends in one: what is written to it comes out as data events,
// later, on an event queue. It carries backpressure by answers instead of by
// waiting: a Write that returns false asks its writer to wait for the drain
// event, and Pause asks the stream to hold what comes.
//
//	          Write, Close                   data, end
//	writer  ----------------> Stream[T] ----------------> reader
//	        <----------------           <----------------
//	          false, drain                 Pause, Resume
//
//	             a stream                  a stream
//	client =====> Input ----> application ----> Body =====> client
//	       TCP   (paused when it is slow)   (false when the client is)
//
// An application is a func from a request to a response:
//
//	func echo(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
//		return &jsgi.Response{
//			Status:  200,
//			Headers: jsgi.Headers{"content-type": {"text/plain"}},
//			Body:    r.Input, // as it comes, none of it held
//		}, nil
//	}
//
//	h := jsgi.NewHandler(echo, &jsgi.HandlerOptions{ScriptName: "/echo"})
//	http.Handle("/echo", h) // or ServeMux redirects this one to the other
//	http.Handle("/echo/", h)
//
// The folder examples has more that run. For streams of this module, FromStream
// makes a Producer of a Stream and ToStream a Consumer: pause and resume become
// credit, drain becomes demand. Pump and Map join streams to each other,
// StringStream and SliceStream make one of what is there. An application has Text,
// Slice and Map in Request.JSGI: those are of the request's queue, where a panic
// fails the request and not the process.
//
// # Turns
//
// JavaScript defers an event until the running code has returned. Goroutines
// have no such moment, so here it is defined: a stream fires its events on its
// Queue, one event a turn, and never inside a call of its methods. Code
// that runs on the queue (a listener, or a func given to Queue.Go) is a turn,
// and sees no event of the queue's streams before it returns; for other
// goroutines each call is a turn of its own. Streams of one request share a
// queue. Listeners must not block: they hold up the others on their queue.
//
// Two streams on different queues run at the same time. Between a false and the
// Pause that answers it, the other stream may have drained already, and its
// Resume be wasted. Pump, Map and the two bridges see to that; code of your own
// that joins streams should have them on one queue.
//
// # Memory
//
// A chunk belongs to the stream from Write on, and then to its listeners. It is
// not copied, so the writer must not change it, and several listeners
// share it. What a stream holds is bounded by Options.Buffer; a writer that
// ignores false meets ErrFull there. After a true one more Write is taken, whatever
// the bound.
//
// # Statements
//
// What a stream does, by the numbers under which this project has taken the
// proposal apart; TestS01 to TestS39 try them (there is no S36). Where the proposal is silent, or
// its first implementation differs from it, the choice is this:
//
//	S01  required  Write on an idle stream is true; nothing fires before the turn ends.
//	               Idle: listened to, not paused, nothing waiting or being fired.
//	S02  required  A second Write in the turn is false; order is kept; one drain at last.
//	S03  differs   Drain comes when the buffer empties. What went on at once never was
//	               in it, so a drain means that some Write returned false, and the
//	               other way round.
//	S04  silent    One event a turn: each item, drain and end.
//	S05  required  Write on a paused stream is false.
//	S06  required  Resume: what waits comes in order, none of it inside Resume, then drain.
//	S07  silent    Pause and resume events are deferred like all others, so that no two
//	               listeners run at a time.
//	S08  silent    They are fired when the state has changed: a Write in a pause listener
//	               is false, in a resume listener true if nothing waits.
//	S09  differs   True means passed on: the item comes even if Pause follows in the turn.
//	               If its only listener is removed, no listener hears it: it waits for
//	               the next one (S25), and Writes until then are false.
//	S10  required  Pause in a data listener stops the data after it.
//	S11  silent    Pauses do not nest. A call that changes nothing fires nothing.
//	S12  required  End is not fired inside Close.
//	S13  required  Data, then drain if one is owed, then end.
//	S14  required  Write after Close fails at once, with ErrClosed; what was written comes.
//	S15  silent    Pause holds data only: a paused stream that is closed and empty ends.
//	S16  required  One that is not empty ends after Resume, behind its data.
//	S17  differs   End is fired once, whatever follows: Close,
//	S19  differs   Pause and Resume,
//	S20  differs   or a Close in a drain listener.
//	S18  silent    Two Closes in one turn are one.
//	S21  differs   What a drain listener writes before it closes comes before end.
//	S22  differs   A promised drain comes, when the buffer is next empty; only Cancel takes
//	               its place, with an error event. Until it has come, Write is false.
//	S23  required  A Write in a data listener is not fired inside it. It is false, since the
//	               stream is busy.
//	S24  silent    All data listeners get an item, in the order of AddListener, whatever
//	               the first of them does (short of a panic). End and error come to
//	               each in a turn of its own, a panic of another notwithstanding.
//	S25  silent    With no data listener items wait for one, and count as buffered.
//	               A listener that comes after the end is told of it; see Listener.
//	S26  silent    There is no encoding: chunks have a type.
//	S27  required  Every value is an item, nil and zero too.
//	S28  silent    Pause and Resume in one turn lose and double nothing.
//	S29  silent    Pause in a drain listener does not hold back end (as S15).
//	S30  silent    A panic in a listener is not recovered and ends the process; on the
//	               queue of a request it breaks that stream off and fails the request,
//	               whose other listeners are told. runtime.Goexit ends its turn alone,
//	               and fails the request likewise.
//	S31  silent    One drain for all Writes that were false since the last one.
//	S32  required  A Write in a drain listener is taken, and comes later.
//	S33  silent    The buffer has a bound, Options.Buffer, and ErrFull says so.
//	S34  silent    Streams of one queue take turns.
//	S35  silent    A chain of streams keeps order and ends once.
//	S37  differs   A Write between the last data and its drain is false; that drain comes
//	               after it.
//	S38  silent    Resume on a stream that is not paused does nothing.
//	S39  silent    A Write in an end listener fails, as any after Close.
//
// Beyond the proposal are CloseWithError, Cancel and the error event: a stream
// that was cut must not look like one that has ended.
//
// # Rules
//
// The gateway keeps to JSGI 0.3, and refuses with status 500 and a line in the
// log: a status of other than three digits, and one below 200, which is not a
// final one; content-type or content-length with 1xx, 204 and 304; names that
// are not lower-case letters, digits, "-" and "_", with a letter first and
// neither of the two last; a header "status"; control characters in values; a
// content-length that is no number; no body, save with 204 and 304. The headers that
// concern one connection (connection, transfer-encoding and so on) are
// the server's and refused too, and so is trailer: JSGI has no trailers, and
// those of a request are dropped. An HTTP/1.0 client without a content-length
// cannot be told that a response was cut.
package jsgi
