package conform

import "io"

// offer is a header with the subprotocol in it.
const offer = "Sec-WebSocket-Protocol: other, omni.1"

// web is a case of what "Transports" in SPEC.md says about WebSockets.
func web(id, title, must string, run func(*peer)) Case {
	c := kept(id, title, must, run)
	c.Rule = "transports"
	return c
}

// upgradeCases is how a WebSocket begins.
func upgradeCases() []Case {
	return []Case{
		web("W1", "the subprotocol omni.1 is offered among others", "it is chosen", func(p *peer) {
			w := p.webSocket(offer)
			defer w.conn.Close()
			if got := w.reply.Header.Get("Sec-WebSocket-Protocol"); got != "omni.1" {
				p.fail("transports", "the subprotocol chosen is %q", got)
			}
		}),
		web("W2", "no subprotocol is offered", "none is chosen, and that is no error: HELLO comes", func(p *peer) {
			w := p.webSocket()
			defer w.conn.Close()
			if got := w.reply.Header.Get("Sec-WebSocket-Protocol"); got != "" {
				p.fail("transports", "the subprotocol chosen is %q", got)
			}
			w.wantFrame(tHello)
		}),
		web("W3", "compression is offered", "it is not negotiated", func(p *peer) {
			w := p.webSocket(offer, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
			defer w.conn.Close()
			if got := w.reply.Header.Get("Sec-WebSocket-Extensions"); got != "" {
				p.fail("transports", "the extensions chosen are %q", got)
			}
		}),
	}
}

// webCases is what is sent over a WebSocket, and how it ends.
func webCases() []Case {
	return []Case{
		web("W4", "a text message", "the WebSocket is closed with status 1003", func(p *peer) {
			w := p.webSocket(offer)
			defer w.conn.Close()
			w.send(wsFinal|wsBinary, message(roomy.frame()))
			w.send(wsFinal|wsText, []byte("text"))
			w.wantStatus(1003)
		}),
		web("W5", "a message without bytes", "FAIL on 0 with code 2, and the WebSocket is closed with status 1002", func(p *peer) {
			w := p.webSocket(offer)
			defer w.conn.Close()
			w.send(wsFinal|wsBinary, message(roomy.frame()))
			w.send(wsFinal|wsBinary, nil)
			f := w.wantFrame(tFail)
			if f.form() != nil || f.stream != 0 || f.word().code != codeProtocol {
				p.fail("0", "an empty message is answered by %v", f)
			}
			w.wantStatus(1002)
		}),
		web("W6", "a message in four fragments", "it is one message", func(p *peer) {
			w := p.webSocket(offer)
			defer w.conn.Close()
			msg := message(roomy.frame(), pingFrame(6))
			w.send(wsBinary, msg[:3])
			w.send(wsContinue, msg[3:20])
			w.send(wsContinue, nil)
			w.send(wsContinue|wsFinal, msg[20:])
			w.wantFrame(tPong)
		}),
		web("W7", "a session that ends with both goodbyes", "the WebSocket is closed with status 1000", func(p *peer) {
			if !p.web {
				p.skip("this transport is no WebSocket")
			}
			p.least(1, 0)
			p.echo("")
			p.bye()
			if p.ended != io.EOF {
				p.fail("transports", "the WebSocket ends with: %v", p.ended)
			}
		}),
	}
}
