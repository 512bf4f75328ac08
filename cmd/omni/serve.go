package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"

	"github.com/spf13/cobra"
)

// serving is what the flags of omni serve say.
type serving struct {
	web   string // host:port
	files string // path of a directory, "" for none
}

// newServeCommand is omni serve.
func newServeCommand(std stdio) *cobra.Command {
	var flags serving
	cmd := &cobra.Command{
		Use:   "serve --web ADDR [flags]",
		Short: "Serve a web page that shows backpressure",
		Long: `Serve a web page that shows backpressure: streams between the page and this
process, over one WebSocket, each drawn live as items in flight against credit
granted. Pull down how fast one is read, and see its writer wait while the
others run on. The page also sends files here and fetches some.

ADDR is HOST:PORT; port 0 is any that is free. Whoever can reach that address
can open the page, and with --files read the regular files in DIR and add new
ones there, as large as the disk has room for. So use 127.0.0.1, unless all who
are on the network may do that. There is no TLS and no password. Pages of other
hosts cannot connect, and a request must name the host of ADDR, localhost, this
machine's name or an IP address.

Without --files what is downloaded is made up and what is uploaded is counted
and hashed, then dropped. With it an upload gets a name in DIR once it is whole
and verified, and never one that is taken; directories and symbolic links in DIR
are not offered.

It says where it listens on standard output. At SIGTERM or SIGINT it lets the
transfers that live come to their end, for ten seconds at most, and exits with 0.`,
		Example: `  omni serve --web 127.0.0.1:8080
  omni serve --web localhost:0 --files shared`,
		Args: cobra.NoArgs,
		RunE: started(func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd.Context(), (&display{}).output("serve", std, false))
		}),
	}
	cmd.Flags().StringVar(&flags.web, "web", "", "serve the page at `ADDR`, a host and a port")
	cmd.Flags().StringVar(&flags.files, "files", "", "offer the files in `DIR` and keep uploads there")
	_ = cmd.MarkFlagDirname("files")
	return cmd
}

// run serves until ctx ends, and drains then.
func (f *serving) run(ctx context.Context, out *output) error {
	host, port, err := splitAddr(f.web)
	if err != nil {
		return err
	}
	s := newWebServer(host)
	if f.files != "" {
		if err := s.keepFiles(f.files); err != nil {
			return usagef("--files: %w", err)
		}
		defer s.close()
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	if !isLoopback(host) {
		out.warn("", "anyone who can reach this address can use the page: 127.0.0.1 is for this machine alone")
	}
	leave := s.explainAtSignal(out)
	defer leave()
	out.listening(pageURL(host, l.Addr()))
	s.serve(ctx, l)
	return nil
}

// splitAddr checks ADDR.
func splitAddr(addr string) (host, port string, err error) {
	if addr == "" {
		return "", "", usagef("--web ADDR is needed")
	}
	host, port, err = net.SplitHostPort(addr)
	if err != nil {
		return "", "", usagef("--web %q is not HOST:PORT", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", usagef("--web %q has no port from 0 to 65535", addr)
	}
	return host, port, nil
}

// pageURL is what to open in a browser: host as it was given, or, if that is
// every address, the one of this machine.
func pageURL(host string, addr net.Addr) string {
	port := netip.MustParseAddrPort(addr.String()).Port()
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return fmt.Sprintf("http://%s/", net.JoinHostPort(host, strconv.Itoa(int(port))))
}

// explainAtSignal says who waits for whom at SIGUSR1, where there is one, until
// the function that it returns is called.
func (s *webServer) explainAtSignal(out *output) (leave func()) {
	asked := make(chan os.Signal, 1)
	if len(explainSignals) > 0 { // none would mean all
		signal.Notify(asked, explainSignals...)
	}
	over, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		for {
			select {
			case <-over:
				return
			case <-asked:
				out.explain("asked", s.observer.Snapshots())
			}
		}
	}()
	return func() {
		signal.Stop(asked)
		close(over)
		<-left
	}
}

// keepFiles makes dir the directory of downloads and uploads.
func (s *webServer) keepFiles(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return bare(err)
	}
	staging, err := newStaging(root)
	if err != nil {
		return errors.Join(bare(err), root.Close())
	}
	s.files, s.staging = root, staging
	return nil
}

// close removes what uploads left.
func (s *webServer) close() {
	_ = s.staging.Close()
	_ = s.files.Close()
}
