package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// webSession is the session of one page.
type webSession struct {
	*webServer
	*mux.Session
	stopping context.Context // what has no end of its own ends with it

	mu    sync.Mutex
	lanes map[uint32]*lane // that live, by the page's number

	looked struct { // the state as it was lately, encoded
		sync.Mutex
		at    time.Time
		state []byte
	}
}

// webHello is this side's metadata of HELLO.
type webHello struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Files   bool   `json:"files"` // there are some, and uploads are kept
}

// webPrefetch is how many items are kept asked for of the page's streams: few
// enough to be seen.
const webPrefetch = 32

// session serves one page to the end of its session, or drains when ctx ends.
func (s *webServer) session(ctx context.Context, conn transport.Conn) error {
	session, err := mux.New(conn, &mux.Options{
		Metadata: encode(webHello{Name: "omni", Version: version, Files: s.files != nil}),
		Prefetch: webPrefetch,
		Observer: &s.observer,
	})
	if err != nil {
		return err
	}
	ws := &webSession{webServer: s, Session: session, stopping: ctx, lanes: make(map[uint32]*lane)}
	var router mux.Router
	router.Handle("lane", ws.lane)
	router.Handle("control", ws.control)
	router.Handle("watch", ws.watch)
	router.Handle("files", ws.list)
	router.Handle("download", ws.download)
	router.Handle("upload", ws.upload)
	return session.Serve(ctx, router.Serve)
}

// webRequest is the metadata with which the page opens a stream. Members that
// do not belong to its name are ignored.
type webRequest struct {
	Name string  `json:"name"`
	ID   uint32  `json:"id"`   // names the stream to control and watch; not 0
	Up   bool    `json:"up"`   // a lane on which the page writes
	Size int64   `json:"size"` // of a lane's items, or of what is made up, in bytes
	Rate float64 `json:"rate"` // of a lane, items a second; see pace
	File string  `json:"file"` // a name in the directory of --files
}

// request reads that of a call with a number, and takes the number until the
// lane leaves. If there is something wrong the stream is refused, and the lane
// nil.
func (s *webSession) request(in *mux.Incoming) (req webRequest, l *lane) {
	err := json.Unmarshal(in.Metadata(), &req)
	switch {
	case err != nil:
		in.Refuse("its metadata is not that of this page")
	case !in.IsCall():
		in.Refuse("it must be a call")
	case req.ID == 0:
		in.Refuse("it has no number")
	default:
		l = s.enter(req)
		if l == nil {
			in.Refuse(fmt.Sprintf("there is a stream %d already", req.ID))
		}
	}
	return req, l
}

// enter registers a lane, unless its number is taken.
func (s *webSession) enter(req webRequest) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes[req.ID] != nil {
		return nil
	}
	up := req.Up || req.Name == "upload"
	l := &lane{id: req.ID, up: up, pace: newPace(req.Rate), stop: make(chan struct{})}
	if req.Name == "lane" {
		l.size = req.Size
	}
	s.lanes[req.ID] = l
	return l
}

func (s *webSession) leave(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lanes, l.id)
}

// named is a lane by its number, nil if it has gone.
func (s *webSession) named(id uint32) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes[id]
}

// webAnswer is the metadata of an answer: the number first, where watch finds it.
type webAnswer struct {
	ID   uint32 `json:"id"`
	File string `json:"file,omitempty"` // of a download
	Size int64  `json:"size,omitempty"` // likewise, in bytes
}

// nothingAsked reads the question of a call that has no items.
func nothingAsked(ctx context.Context, in *mux.Incoming) error {
	switch _, err := in.Producer().Next(ctx); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return failed("items where none belong")
}

// failed is an error that the page is told as it is.
func failed(reason string) error { return &omni.StreamError{Code: codeFailed, Reason: reason} }

// order is an item of the stream "control".
type order struct {
	ID   uint32   `json:"id"`   // of the lane
	Rate *float64 `json:"rate"` // how fast it goes on, items a second; see pace
	End  *struct {
		Code   omni.Code `json:"code"`
		Reason string    `json:"reason"`
	} `json:"end"` // break it off, as its writer or reader
}

// control takes the page's orders for the lanes: a mux.Handler.
func (s *webSession) control(ctx context.Context, in *mux.Incoming) error {
	stop := context.AfterFunc(s.stopping, func() { in.Producer().Cancel(omni.ErrShuttingDown) })
	defer stop()
	for item, err := range in.Producer().All(ctx) {
		if err != nil {
			return err
		}
		var o order
		if json.Unmarshal(item, &o) != nil {
			in.Producer().Cancel(failed("an order that is none")) // before the loop does
			return nil
		}
		l := s.named(o.ID)
		if l == nil {
			continue // its end and the order have crossed
		}
		if o.Rate != nil {
			l.pace.set(*o.Rate)
		}
		if o.End != nil {
			l.end(&omni.StreamError{Code: o.End.Code, Reason: o.End.Reason})
		}
	}
	return nil
}

// watchEvery is how often the page hears of the session, as long as it reads.
const watchEvery = 100 * time.Millisecond

// webState is an item of the stream "watch". Times are in seconds.
type webState struct {
	Now     float64     `json:"now"` // since the session began
	Ping    float64     `json:"ping"`
	Streams int         `json:"streams"` // that live, of both sides
	Stats   mux.Stats   `json:"stats"`
	Lanes   []laneState `json:"lanes"`
}

// laneState is one lane, from this side. Totals are since it began.
type laneState struct {
	ID      uint32  `json:"id"`
	Stream  uint32  `json:"stream"` // its number, in the space of the side that writes
	Granted uint64  `json:"granted"`
	Room    uint64  `json:"room"`  // items that there is credit for, in items and in bytes
	Moved   uint64  `json:"moved"` // written, or received if the page writes
	Taken   uint64  `json:"taken"` // read, if the page writes
	Bytes   uint64  `json:"bytes"`
	Waits   string  `json:"waits"` // as in mux.StreamState
	Stuck   bool    `json:"stuck"`
	Since   float64 `json:"since"`
}

// watch tells what the session looks like from here: a mux.Handler.
func (s *webSession) watch(ctx context.Context, in *mux.Incoming) error {
	if err := nothingAsked(ctx, in); err != nil {
		return err
	}
	out, err := in.Reply(ctx, nil)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var ping time.Duration
	for n := 0; ; n++ {
		if n%10 == 0 {
			if ping, err = s.Ping(ctx); err != nil {
				return err
			}
		}
		if err := out.Write(ctx, s.look(ping)); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-s.stopping.Done():
			return out.End()
		case <-out.Done(): // the page has left
			return out.Err()
		}
	}
}

// look is the state, taken anew if that was some time ago: however many watch,
// it costs no more.
func (s *webSession) look(ping time.Duration) []byte {
	s.looked.Lock()
	defer s.looked.Unlock()
	if now := time.Now(); now.Sub(s.looked.at) > watchEvery/2 {
		s.looked.at, s.looked.state = now, encode(s.state(ping))
	}
	return s.looked.state
}

// state is the session now.
func (s *webSession) state(ping time.Duration) webState {
	snap := s.Snapshot()
	state := webState{
		Now: snap.Age.Seconds(), Ping: ping.Seconds(), Streams: len(snap.Streams), Stats: snap.Stats, Lanes: []laneState{},
	}
	for _, st := range snap.Streams {
		var id uint32
		if st.Opened {
			// Of what this side opened there is only the beginning.
			if n, _ := fmt.Sscanf(string(st.Metadata), `{"id":%d`, &id); n == 0 {
				continue
			}
		} else {
			var req webRequest
			if json.Unmarshal(st.Metadata, &req) != nil {
				continue
			}
			id = req.ID
		}
		// The items of a lane go one way; the other is there too.
		l := s.named(id)
		if l == nil || l.up == st.Opened {
			continue
		}
		room := st.Items.Granted - st.Items.Moved
		if l.size > 0 {
			room = min(room, (st.Bytes.Granted-st.Bytes.Moved)/uint64(l.size))
		}
		state.Lanes = append(state.Lanes, laneState{
			ID: id, Stream: st.Number, Granted: st.Items.Granted, Room: room, Moved: st.Items.Moved, Taken: st.Items.Taken,
			Bytes: st.Bytes.Moved, Waits: st.Waits, Stuck: st.Stuck, Since: st.Since.Seconds(),
		})
	}
	return state
}
