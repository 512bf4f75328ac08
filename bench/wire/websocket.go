package wire

import (
	"omnistreams.dev/bench/harness"
	"omnistreams.dev/bench/wire/messages"
)

// webSockets are streams over a WebSocket, beside the messages of several
// libraries as they are: one stream, one message for each item.
func webSockets() []harness.Workload {
	var all []harness.Workload
	for _, n := range []int{64, 1 << 10, 64 << 10} {
		w := harness.Workload{
			Group: "mux", Name: "WebSocket, one stream, " + size(n), Bytes: n,
			About: "One op is one message, from the WebSocket's server to its client. yamux and smux run over coder's NetConn, " +
				"ours over transport.Listen and Dial. The limits are bare WebSocket messages, and our own TCP figure.",
		}
		for _, p := range []peer{ours, oursReused, yamuxPeer(false), yamuxPeer(true), smuxPeer(false), smuxPeer(true)} {
			w.Cases = append(w.Cases, p.does(overWebSocket, settings{}, oneStream(n)))
		}
		if n != 1<<10 {
			w.Cases = append(w.Cases, messages.Cases(n)...)
		}
		tcp := ours.does(overTCP, settings{}, oneStream(n))
		tcp.Name, tcp.Kind = "omnistreams over TCP", harness.Limit
		w.Cases = append(w.Cases, tcp)
		switch n {
		case 64:
			w.Goals = []harness.Goal{{Against: tcp.Name, Reach: 1.0 / 3, Note: "at most 3 times our TCP figure"}}
		case 64 << 10:
			w.Goals = []harness.Goal{
				{Case: oursReused.name, Against: messages.Nhooyr, Reach: 0.75},
				{Case: ours.name, Against: messages.Nhooyr, Reach: 0.75, Note: "ours gives each item memory of its own"},
			}
		}
		if n != 1<<10 {
			quick(&w, "yamux, batched by hand", "smux, batched by hand", messages.Nhooyr, "gws", tcp.Name)
		}
		all = append(all, w)
	}
	return all
}
