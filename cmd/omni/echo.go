package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"omnistreams.dev/mux"
	"omnistreams.dev/mux/npm09"
	"omnistreams.dev/transport"
)

// echoMaxItem bounds --max-item, and with it the window of a stream, which is
// 1 MiB or one item, whichever is more: so far the echo may lag behind. The
// items that it asks for are those that the other side asked for of the
// answer, none in its own name.
const echoMaxItem = 4 << 20

// controlWaits is how many bytes of control messages may wait to be echoed.
const controlWaits = 8 << 20

// newEchoCommand is omni echo.
func newEchoCommand(std stdio) *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "echo [flags]",
		Short: "Answer every call with what it sends",
		Long: `Answer every call with what it sends: the answer has the same metadata, the
same items in the same order, and the same end or failure; whoever cancels the
answer cancels the call. Items are taken only as fast as the answer is read.
An item longer than the caller takes fails the answer at once and cancels the
call, both with code 4. One-way streams are refused with code 5. Metadata are
passed on and not looked at. Any number of connections is served at a time, and
none disturbs another. It is there to test other programs against.
` + dialectHelp + `Every stream is then answered by a new one of the same metadata, and whoever
terminates that terminates the first; control messages are sent back.

It says where it listens on standard output, or on standard error if the
connection is stdio:. At SIGTERM or SIGINT it lets the streams that live come to
their end, for ten seconds at most, and exits with 0. A session that fails is told of
on standard error and, with stdio: or --connect, is exit code 1.

` + urlHelp,
		Example: `  omni echo -l tcp://127.0.0.1:0
  omni echo -l stdio:
  omni echo -c ws://127.0.0.1:8080/
  omni echo --dialect npm-0.9 -l ws://127.0.0.1:9001/omnistreams`,
		Args: cobra.NoArgs,
		RunE: started(func(cmd *cobra.Command, args []string) error {
			if err := conn.prepare(""); err != nil {
				return err
			}
			if conn.maxItem > echoMaxItem {
				return usagef("--max-item must be 1 to 4MiB here")
			}
			if len(conn.origins) > 0 && (conn.listen == "" || !strings.HasPrefix(conn.url.Scheme, "ws")) {
				return usagef("--origin goes with --listen at a ws:// or wss:// URL")
			}
			out := (&display{}).output("echo", std, conn.usesStdout())
			return echo(cmd.Context(), &conn, out)
		}),
	}
	conn.register(cmd)
	cmd.Flags().StringArrayVar(&conn.origins, "origin", nil, "let web pages of hosts that match `PATTERN` connect, such as localhost:*;\nwithout it only those of the host that they connect to")
	return cmd
}

// echo serves the sessions of a listener, or the one of a connection, until ctx
// ends, and drains them then.
func echo(ctx context.Context, conn *connection, out *output) error {
	defer conn.attend(out)()
	opt := conn.options(mux.Options{Prefetch: -1, Window: max(1<<20, int(conn.maxItem))}) // what is asked for is what is asked of the answer
	if conn.connect == "" {
		l, err := conn.bind(ctx)
		if err != nil {
			return err
		}
		defer l.Close()
		out.listening(l.URL())
		return echoAll(ctx, l, opt, conn.usesStdout(), out)
	}
	c, err := conn.dial(ctx)
	if err != nil {
		if errors.Is(err, errInterrupted) {
			return nil // there is nothing to drain
		}
		return err
	}
	return echoSession(ctx, c, opt)
}

// echoAll serves whoever connects, until ctx ends, and returns when all of them
// are through. A session that fails ends alone and is told of; it is the result
// only if there can be no other.
func echoAll(ctx context.Context, l *transport.Listener, opt *mux.Options, only bool, out *output) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		c, err := l.Accept(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			_ = l.Close() // before the sessions drain
			return nil
		case err != nil:
			return err
		case only:
			return echoSession(ctx, c, opt)
		}
		sessions.Go(func() {
			if err := echoSession(ctx, c, opt); err != nil {
				out.warn("", oneLine(err))
			}
		})
	}
}

// echoSession serves one connection to its end, which is its error.
func echoSession(ctx context.Context, c transport.Conn, opt *mux.Options) error {
	if opt.Dialect != nil {
		return echoNpm(ctx, c, opt)
	}
	s, err := mux.New(c, opt)
	if err != nil {
		return err
	}
	// After a signal all is well also if the other side did not let it come
	// to an end in time: all that can be done was done.
	if err := s.Serve(ctx, echoCall); err != nil && ctx.Err() == nil {
		return broken(s, err, "other side")
	}
	return nil
}

// echoCall answers one call: a mux.Handler.
func echoCall(ctx context.Context, in *mux.Incoming) error {
	if !in.IsCall() {
		in.Refuse("omni echo answers calls, and this is a one-way stream")
		return nil
	}
	out, err := in.Reply(ctx, in.Metadata())
	if err != nil {
		return err
	}
	// Pipe passes on all there is: the demand of the answer up, items and
	// end down, a failure or a cancel with its code and reason either way.
	return in.Producer().Pipe(ctx, out)
}

// echoNpm is echoSession in that dialect.
func echoNpm(ctx context.Context, c transport.Conn, opt *mux.Options) error {
	s, err := npm09.New(c, &npm09.Options{Options: *opt, Control: controlWaits})
	if err != nil {
		return err
	}
	echoed := make(chan struct{})
	go func() { // ends with the session
		defer close(echoed)
		echoControl(s)
	}()
	err = s.Serve(ctx, echoOneWay)
	<-echoed
	if err != nil && ctx.Err() == nil {
		return broken(s.Session, err, "other side")
	}
	return nil
}
