package main

import (
	"context"

	"github.com/spf13/cobra"

	"omnistreams.dev/mux"
	"omnistreams.dev/mux/npm09"
	"omnistreams.dev/omni"
)

// dialectNpm is what --dialect calls package npm09's.
const dialectNpm = "npm-0.9"

// dialectHelp is the part of the help of a command that says what is different
// with --dialect.
const dialectHelp = `
With --dialect npm-0.9 the other side is a program that uses omnistreams 0.9 of
npm, or another omni with the same flag, over ws: or wss:. It is shown no token
and asked for no sign of life.
`

// registerDialect adds the flag to a command.
func (c *connection) registerDialect(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.dialect, "dialect", "", "`NAME` of the protocol to speak instead of the own: npm-0.9")
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions([]string{dialectNpm}, cobra.ShellCompDirectiveNoFileComp))
}

// npm reports whether the connection speaks that dialect.
func (c *connection) npm() bool { return c.dialect == dialectNpm }

// checkDialect finds what cannot go together with it.
func (c *connection) checkDialect() error {
	switch {
	case c.dialect != "" && !c.npm():
		return usagef("--dialect must be %s", dialectNpm)
	case c.npm() && c.tokenFile != "":
		return usagef("--token-file: with --dialect %s nothing can be shown or compared", dialectNpm)
	}
	return nil
}

// callOneWay stands for a call where there is none: a stream whose answer is
// that it was sent.
func callOneWay(ctx context.Context, s *mux.Session, metadata []byte) (*mux.Duplex[[]byte, []byte], error) {
	out, err := s.Open(ctx, metadata)
	if err != nil {
		return nil, err
	}
	return &mux.Duplex[[]byte, []byte]{
		Out: omni.NewConsumer[[]byte](endOnly{out.Sink()}),
		In:  omni.FromSlice[[]byte](ctx, nil),
	}, nil
}

// endOnly is a stream that cannot be broken off without its session. It is
// ended instead, where the other side notices that something is missing: a
// file is not whole without its SHA-256.
type endOnly struct{ omni.Sink[[]byte] }

// Cancel implements omni.Sink.
func (e endOnly) Cancel(error) { _ = e.End() }

// answerNobody stands for the answer to such a stream.
func answerNobody() *omni.Consumer[[]byte] {
	_, c := omni.NewStream[[]byte](nil)
	return c
}

// echoOneWay answers a stream with one of the same metadata: a mux.Handler.
func echoOneWay(ctx context.Context, in *mux.Incoming) error {
	out, err := in.Session().Open(ctx, in.Metadata())
	if err != nil {
		return err
	}
	return npm09.Terminating(in.Producer()).Pipe(ctx, out)
}

// echoControl sends back every control message until the session is over.
func echoControl(s *npm09.Session) {
	for {
		msg, err := s.ReadControl(context.Background())
		if err != nil || s.WriteControl(context.Background(), msg) != nil {
			return
		}
	}
}
