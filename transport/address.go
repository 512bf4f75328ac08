package transport

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// address is a URL that has been checked for its scheme's rules.
type address struct {
	*url.URL
	path string // of a Unix socket
}

// parseAddress reads
//
//	ws://host[:port][/path]  wss://...  tcp://host:port  tls://host:port
//	unix:relative/path  unix:///absolute/path  stdio:
//
// and names the part that is wrong.
func parseAddress(raw string) (address, error) {
	fail := func(format string, args ...any) (address, error) {
		return address{}, fmt.Errorf("transport: URL %q: %s", redact(raw), fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The error of package url repeats the URL, which may hold a password.
		if e, ok := err.(*url.Error); ok {
			err = e.Err
		}
		if !strings.Contains(raw, "://") { // the error would be about a path
			return fail("no scheme, know ws, wss, tcp, tls, unix, stdio")
		}
		return fail("%v", err)
	}
	a := address{URL: u}
	switch u.Scheme {
	case "ws", "wss":
		if u.Hostname() == "" && u.Port() == "" {
			return fail("no host")
		}
		if u.Fragment != "" {
			return fail("a %s URL has no fragment", u.Scheme)
		}
		return a, nil
	case "tcp", "tls":
		if u.Port() == "" {
			return fail("no port, write %s://host:port", u.Scheme)
		}
		if u.Path != "" && u.Path != "/" {
			return fail("a %s URL has no path", u.Scheme)
		}
	case "unix":
		if u.Host != "" {
			return fail("host %q, write unix:relative/path or unix:///absolute/path", u.Host)
		}
		if a.path, err = url.PathUnescape(u.Opaque); err != nil {
			return fail("path: %v", err)
		}
		if a.path += u.Path; a.path == "" {
			return fail("no path")
		}
	case "stdio":
		if u.Host != "" || strings.Trim(u.Path, "/") != "" || u.Opaque != "" {
			return fail("stdio: takes nothing after the colon")
		}
	case "":
		return fail("no scheme, know ws, wss, tcp, tls, unix, stdio")
	default:
		return fail("unknown scheme %q, know ws, wss, tcp, tls, unix, stdio", u.Scheme)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fail("a %s URL has no user, query or fragment", u.Scheme)
	}
	return a, nil
}

// redact hides what of a URL may be secret, the user with the password and the query, even in what
// is no URL.
func redact(raw string) string {
	raw, query, ok := strings.Cut(raw, "?")
	if ok && query != "" {
		raw += "?..."
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	authority, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		rest = "..." + authority[i:] + rest[len(authority):]
	}
	return scheme + "://" + rest
}

// network is what package net calls it, and the address there.
func (a address) network() (network, addr string) {
	switch a.Scheme {
	case "unix":
		return "unix", a.path
	case "ws":
		return "tcp", net.JoinHostPort(a.Hostname(), orPort(a.Port(), "80"))
	case "wss":
		return "tcp", net.JoinHostPort(a.Hostname(), orPort(a.Port(), "443"))
	}
	return "tcp", net.JoinHostPort(a.Hostname(), a.Port())
}

func orPort(port, byDefault string) string {
	if port == "" {
		return byDefault
	}
	return port
}

// listening is the URL to dial, once the system has chosen the port. The host stays as it was
// given, since a certificate is for a name.
func (a address) listening(at net.Addr) string {
	if a.Scheme == "unix" {
		return a.String()
	}
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return a.String()
	}
	u := *a.URL
	if u.Hostname() != "" {
		host = u.Hostname()
	}
	u.Host = net.JoinHostPort(host, port)
	u.User = nil
	return u.String()
}
