package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"omnistreams.dev/mux"
	"omnistreams.dev/mux/npm09"
	"omnistreams.dev/transport"
)

// connection is what the flags say about the other side and the way there.
// Every command has them.
type connection struct {
	listen, connect string        // URLs, one of them empty after prepare
	cert, key, ca   string        // paths of PEM files
	insecure        bool          // the server may be anybody
	tokenFile       string        // path
	maxItem         sizeFlag      // bytes
	keepAlive       time.Duration // of silence, before and after asking
	dialect         string        // "" for the own protocol
	explain         bool
	origins         []string // of web pages that may connect, besides this host's

	// Set by prepare.
	url    *url.URL    // of listen or connect
	token  string      // "" for none
	tlsCfg *tls.Config // nil unless the URL is of wss or tls

	guests   sync.WaitGroup // introductions under way; wait before the end
	observer mux.Observer   // of all sessions
}

const (
	dialTimeout    = 30 * time.Second
	defaultMaxItem = 256 << 10
	mostMaxItem    = 16 << 20
	mostStreams    = 128
	itemBudget     = 32 << 20 // bytes that the peer's streams may fill with one item each
)

var schemes = []string{"ws", "wss", "tcp", "tls", "unix", "stdio"}

// urlHelp is the part of the help that says what a URL is.
const urlHelp = `URLs:
  ws://HOST:PORT/PATH   WebSocket             wss://...  the same over TLS
  tcp://HOST:PORT       a TCP connection      tls://...  the same over TLS
  unix:PATH             a Unix socket         stdio:     standard input and output
  Port 0 listens on any port that is free.
  Where each side is to check the other, give both TLS certificates.`

// register adds the flags to a command, with completion for their values.
func (c *connection) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&c.listen, "listen", "l", "", "wait at `URL` for the other side")
	f.StringVarP(&c.connect, "connect", "c", "", "connect to the other side at `URL`")
	f.StringVar(&c.cert, "tls-cert", "", "this side's certificate chain, a PEM `FILE`")
	f.StringVar(&c.key, "tls-key", "", "the certificate's private key, a PEM `FILE`")
	f.StringVar(&c.ca, "tls-ca", "", "PEM `FILE` of the authorities to trust instead of the system's;\nwith --listen, clients need a certificate of theirs")
	f.BoolVar(&c.insecure, "insecure", false, "connect to whoever has any certificate at all")
	f.StringVar(&c.tokenFile, "token-file", "", "`FILE` with a secret: the side that connects shows it to whoever it\nreaches (know by TLS who that is), the one that listens compares it")
	c.maxItem = defaultMaxItem
	f.Var(&c.maxItem, "max-item", "longest item to accept, up to 16MiB; above 256KiB fewer\nstreams may be open at a time")
	c.registerDialect(cmd)
	f.DurationVar(&c.keepAlive, "keepalive", 15*time.Second, "ask a silent other side whether it is there after this `TIME`;\nit is given up when it has not answered after as long again")
	f.BoolVar(&c.explain, "explain", false, explainFlag)
	for _, name := range []string{"listen", "connect"} {
		_ = cmd.RegisterFlagCompletionFunc(name, completeURL)
	}
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca"} {
		_ = cmd.MarkFlagFilename(name, "pem", "crt", "cer", "key")
	}
	_ = cmd.MarkFlagFilename("token-file")
}

// completeURL offers the beginnings of URLs to the shell, which goes on without
// a space behind them.
func completeURL(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"ws://127.0.0.1:", "wss://", "tcp://127.0.0.1:", "tls://", "unix:", "stdio:"},
		cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// prepare checks the flags and reads the files that they name. fallback is
// the URL to listen at if there is none, "" if one must be given.
func (c *connection) prepare(fallback string) (err error) {
	if c.listen == "" && c.connect == "" {
		c.listen = fallback
	}
	switch {
	case c.listen != "" && c.connect != "":
		return usagef("--listen and --connect exclude each other")
	case c.listen == "" && c.connect == "":
		return usagef("either --listen URL or --connect URL is needed")
	case c.maxItem < 1 || c.maxItem > mostMaxItem:
		return usagef("--max-item must be 1 to 16MiB")
	case c.keepAlive <= 0:
		return usagef("--keepalive must be more than 0")
	}
	if err := c.checkDialect(); err != nil {
		return err
	}
	if c.url, err = checkURL(c.listen+c.connect, c.listen != ""); err != nil {
		return err
	}
	if c.tokenFile != "" {
		if c.token, err = readToken(c.tokenFile); err != nil {
			return err
		}
	}
	if c.npm() && c.url.Scheme != "ws" && c.url.Scheme != "wss" {
		return usagef("--dialect %s is spoken over WebSocket: use ws:// or wss://", dialectNpm)
	}
	c.tlsCfg, err = c.tls()
	return err
}

// checkURL finds every mistake in a URL, so that it is told before anything is
// done. What the URL may hold of a password is not repeated.
func checkURL(raw string, listen bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil && !strings.Contains(raw, "://") {
		return nil, usagef("that is not a URL: it begins with none of ws://, wss://, tcp://, tls://, unix: and stdio:")
	}
	if err != nil {
		return nil, usagef("that is not a URL: %w", errors.Unwrap(err))
	}
	fail := func(why string) (*url.URL, error) {
		return nil, usagef("%q %s", u.Redacted(), why)
	}
	web := u.Scheme == "ws" || u.Scheme == "wss"
	switch {
	case !slices.Contains(schemes, u.Scheme):
		return fail("is not a URL of ws://, wss://, tcp://, tls://, unix: or stdio:")
	case u.Fragment != "" || !web && u.RawQuery != "" || u.ForceQuery:
		return fail("has a ? or # where none belongs")
	case u.User != nil && (listen || !web):
		return fail("has a user where none belongs")
	case u.Scheme == "stdio" && u.String() != "stdio:" && u.String() != "stdio://":
		return fail("has something after stdio:")
	case u.Scheme == "unix" && u.Host != "":
		return fail("has a host: write unix:relative/path or unix:///absolute/path")
	case u.Scheme == "unix" && u.Opaque+u.Path == "":
		return fail("has no path: write unix:PATH")
	case u.Scheme == "unix" || u.Scheme == "stdio":
		return u, nil
	case web && u.Host == "":
		return fail("has no host")
	case !web && u.Port() == "":
		return fail("has no port: write " + u.Scheme + "://HOST:PORT")
	case !web && strings.Trim(u.Path, "/") != "":
		return fail("has a path where none belongs")
	}
	if u.Port() == "" {
		return u, nil
	}
	switch n, err := strconv.ParseUint(u.Port(), 10, 16); {
	case err != nil:
		return fail("has a port beyond 65535")
	case n == 0 && !listen:
		return fail("has the port 0, at which nobody listens")
	}
	return u, nil
}

// tls is the configuration for wss and tls, nil for the other schemes.
func (c *connection) tls() (*tls.Config, error) {
	if c.url.Scheme != "wss" && c.url.Scheme != "tls" {
		if c.cert+c.key+c.ca != "" || c.insecure {
			return nil, usagef("a %s: URL has no TLS to set: use wss:// or tls://", c.url.Scheme)
		}
		return nil, nil
	}
	// What would be ignored is an error: a user who gives a flag about
	// security relies on it.
	switch {
	case (c.cert == "") != (c.key == ""):
		return nil, usagef("--tls-cert and --tls-key go together")
	case c.listen != "" && c.cert == "":
		return nil, usagef("to listen at a %s:// URL takes --tls-cert and --tls-key", c.url.Scheme)
	case c.insecure && (c.listen != "" || c.ca != ""):
		return nil, usagef("--insecure goes with --connect, and not with --tls-ca")
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.insecure}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, usagef("--tls-cert, --tls-key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, usagef("--tls-ca %s: %w", c.ca, bare(err))
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usagef("--tls-ca %s: there is no certificate in it", c.ca)
		}
		// The same flag says on either side whom to believe, and so a
		// listener that has one asks its clients to prove who they are.
		if c.listen != "" {
			cfg.ClientCAs, cfg.ClientAuth = pool, tls.RequireAndVerifyClientCert
		} else {
			cfg.RootCAs = pool
		}
	}
	return cfg, nil
}

// usesStdout reports whether stdout carries the connection.
func (c *connection) usesStdout() bool { return c.url.Scheme == "stdio" }

// warning is what the user should know about who can connect, "" if nothing.
func (c *connection) warning() string {
	switch scheme := c.url.Scheme; {
	case scheme == "unix" || scheme == "stdio" || isLoopback(c.url.Hostname()):
		return ""
	// The other side's certificate says nothing about who connects to us.
	case c.npm() && c.listen != "" && (c.tlsCfg == nil || c.tlsCfg.ClientCAs == nil):
		return "anyone who can reach this address can connect: listen at wss:// with --tls-ca to ask for client certificates"
	case c.listen != "" && c.token == "" && (c.tlsCfg == nil || c.tlsCfg.ClientCAs == nil):
		return "anyone who can reach this address can connect: set --token-file, or --tls-ca to ask for client certificates"
	case c.token != "" && (c.tlsCfg == nil || c.insecure):
		return "the token can be read on its way: use wss:// or tls:// with a certificate that is verified"
	}
	return ""
}

// isLoopback reports whether host is this machine, reached from this machine
// alone. No host at all is every address.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// options are the session's: base with what the flags say.
func (c *connection) options(base mux.Options) *mux.Options {
	// Anybody can connect to the side that listens, so it must not say the
	// token: it compares what comes. Whom this side has dialed, TLS says.
	me := hello{Name: "omni", Version: version}
	if c.connect != "" {
		me.Token = c.token
	} else {
		base.CheckPeer = checkToken(c.token)
	}
	base.Metadata = encode(me)
	if c.npm() {
		base.Metadata, base.CheckPeer, base.Dialect = nil, nil, npm09.Dialect
	}
	base.MaxItem = int(c.maxItem)
	if base.MaxStreams == 0 {
		// One item of each stream always has a place: longer ones, fewer
		// streams, so that the bound of the memory stays.
		base.MaxStreams = min(mostStreams, itemBudget/int(c.maxItem))
	}
	base.KeepAlive, base.KeepAliveTimeout = c.keepAlive, c.keepAlive
	base.Observer = &c.observer
	return &base
}

// dial connects to the other side. If ctx ends first it returns the cause.
func (c *connection) dial(ctx context.Context) (transport.Conn, error) {
	// A host that answers nothing at all would otherwise take minutes.
	timed, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := transport.Dial(timed, c.connect, &transport.Options{TLS: c.tlsCfg, NoSubprotocol: c.npm()})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return conn, err
}

// bind listens for the other side.
func (c *connection) bind(ctx context.Context) (*transport.Listener, error) {
	return transport.Listen(ctx, c.listen, &transport.Options{TLS: c.tlsCfg, NoSubprotocol: c.npm(), Origins: c.origins})
}
