package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// namePipe is the name of the call that omni pipe makes: its items are stdin
// of the side that connected, those of its answer stdin of the other.
const namePipe = "pipe"

// pipeItem is the most that is read from stdin at a time, in bytes.
const pipeItem = 32 << 10

// newPipeCommand is omni pipe.
func newPipeCommand(std stdio) *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "pipe [flags]",
		Short: "Connect standard input and output with those of another omni pipe",
		Long: `Connect standard input and output with those of another omni pipe, as netcat
does: what one reads the other writes, both ways over one call. The end of
standard input is passed on, and what the other side still has to say is
written after it; omni pipe ends when both sides have. It serves one
connection. Where it listens is told on standard error.
` + dialectHelp + `The side that connects opens a stream, the other one answers with one of the
same metadata. Breaking off one direction ends the connection.

` + urlHelp + `
  Not stdio: here, since standard input and output are what is connected.`,
		Example: `  omni pipe -l tcp://127.0.0.1:9000 >copy
  omni pipe -c tcp://127.0.0.1:9000 <original`,
		Args: cobra.NoArgs,
		RunE: started(func(cmd *cobra.Command, args []string) error {
			if err := conn.prepare(""); err != nil {
				return err
			}
			if conn.usesStdout() {
				return usagef("stdio: is what pipe connects, so it cannot be the connection too")
			}
			out := (&display{}).output("pipe", std, true)
			return pipe(cmd.Context(), &conn, std, out)
		}),
	}
	conn.register(cmd)
	return cmd
}

// pipe connects and copies until both sides have ended.
func pipe(ctx context.Context, conn *connection, std stdio, out *output) error {
	defer conn.attend(out)()
	defer conn.guests.Wait()
	s, err := conn.one(ctx, conn.options(mux.Options{MaxStreams: 1}), out, "other side")
	if err != nil {
		return err
	}
	// Shutdown waits until the other side has taken everything.
	err = pipeSession(ctx, s, conn, std)
	switch {
	case err == nil:
		err = s.Shutdown(ctx)
	case errors.As(err, new(localError)):
		_ = s.Close()
		return err
	}
	_ = s.Close()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return broken(s, err, "other side")
	}
	return nil
}

// pipeSession makes or takes the call and copies.
func pipeSession(ctx context.Context, s *mux.Session, conn *connection, std stdio) error {
	most, err := s.MaxItem(ctx)
	if err != nil {
		return err
	}
	buf := make([]byte, min(pipeItem, most)) // for what stdin says
	if conn.npm() {
		return pipeOneWay(ctx, s, conn.connect != "", std, buf)
	}
	// Who connects is the one who calls; it makes no other difference.
	if conn.connect != "" {
		call, err := s.Call(ctx, mux.RouteMetadata(namePipe))
		if err != nil {
			return err
		}
		return copyBoth(ctx, std, buf, call.Out, call.In)
	}
	in, err := acceptPipe(ctx, s)
	if err != nil {
		return err
	}
	answer, err := in.Reply(ctx, in.Metadata())
	if err != nil {
		return err
	}
	return copyBoth(ctx, std, buf, answer, in.Producer())
}

// pipeOneWay is pipeSession with two streams instead of a call. Who connects
// opens the first.
func pipeOneWay(ctx context.Context, s *mux.Session, first bool, std stdio, buf []byte) (err error) {
	var out *omni.Consumer[[]byte]
	if first {
		if out, err = s.Open(ctx, mux.RouteMetadata(namePipe)); err != nil {
			return err
		}
	}
	in, err := s.Accept(ctx)
	if err != nil {
		return err
	}
	if !first {
		if out, err = s.Open(ctx, in.Metadata()); err != nil {
			return err
		}
	}
	return copyBoth(ctx, std, buf, out, in.Producer())
}

// acceptPipe takes the call of an omni pipe, and refuses what else comes.
func acceptPipe(ctx context.Context, s *mux.Session) (*mux.Incoming, error) {
	for {
		in, err := s.Accept(ctx)
		if err != nil {
			return nil, err
		}
		var about struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(in.Metadata(), &about) == nil && about.Name == namePipe && in.IsCall() {
			return in, nil
		}
		in.Refuse("omni pipe takes one call, named pipe")
	}
}

// localError is about stdin or stdout, not about the connection.
type localError struct{ error }

// Unwrap returns the error.
func (e localError) Unwrap() error { return e.error }

// copyBoth copies stdin to out and in to stdout. An error of one breaks off
// the other. A read of stdin that nothing ends is left behind.
func copyBoth(ctx context.Context, std stdio, buf []byte, out *omni.Consumer[[]byte], in *omni.Producer[[]byte]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for item, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			if _, err := std.out.Write(item); err != nil {
				return localError{fmt.Errorf("standard output: %w", bare(err))}
			}
		}
		return nil
	})
	g.Go(func() error {
		// The reader of stdin ends after its read, or with the process.
		fail := make(chan error, 1)
		go func() { fail <- readInto(ctx, std.in, buf, out) }()
		select {
		case err := <-fail:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-out.Done():
			// The other side wants no more. Unless it said why, its own
			// end decides.
			return out.Err()
		}
	})
	err := g.Wait()
	// The other side is told why, as far as it may know.
	if err != nil {
		out.Cancel(err)
		in.Cancel(err)
	}
	return err
}

// readInto writes what it reads, as soon as it comes: a line that somebody
// types must not wait for a full item. The end of from is the end of out.
func readInto(ctx context.Context, from io.Reader, buf []byte, out *omni.Consumer[[]byte]) error {
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := out.Write(ctx, buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return out.End()
		}
		if err != nil {
			return localError{fmt.Errorf("standard input: %w", bare(err))}
		}
	}
}
