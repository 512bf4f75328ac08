package main

import (
	"context"
	"io"
	"net"

	"github.com/hashicorp/yamux"
	libp2p "github.com/libp2p/go-yamux/v5"
	"github.com/xtaci/smux"
)

// A victim is a library under attack, at its default settings.
type victim struct {
	name, module string
	defaults     string // those that the attacks run into
	credit       bool   // its streams have any
	wire         func() wire
	session      func(c net.Conn, server bool) (session, error)
}

var victims = []victim{
	{"omnistreams", "omnistreams.dev", "128 streams, 64 items and 272 KiB of credit at first and windows that grow, 64 MiB for all streams, items of 256 KiB", true,
		func() wire { return &oursWire{} }, oursSession},
	{"yamux", "github.com/hashicorp/yamux", "256 streams not yet accepted, 256 KiB of credit per stream; its log is discarded", true,
		func() wire { return yamuxWire{} }, yamuxSession},
	{"libp2p yamux", "github.com/libp2p/go-yamux/v5", "256 streams not yet accepted, 1,000 in all, 256 KiB of credit per stream to begin with; its log is discarded", true,
		func() wire { return yamuxWire{} }, libp2pSession},
	{"smux", "github.com/xtaci/smux", "version 1 of its protocol, 1,024 streams not yet accepted, 4 MiB for all streams", false,
		func() wire { return smuxWire{} }, smuxSession},
}

// A session is one side of a multiplexed connection.
type session interface {
	accept() (stream, error) // the error says why the session is over
	open() (stream, error)
	dead() bool
	close()
}

// A stream is read and written; Close lets go of it, whatever its state.
type stream = io.ReadWriteCloser

// library is a session of one of the libraries, whose streams are alike.
type library[S stream] struct {
	acceptStream, openStream func() (S, error)
	isClosed                 func() bool
	closeAll                 func() error
}

func (l *library[S]) accept() (stream, error) { return l.acceptStream() }
func (l *library[S]) open() (stream, error)   { return l.openStream() }
func (l *library[S]) dead() bool              { return l.isClosed() }
func (l *library[S]) close()                  { l.closeAll() }

func yamuxSession(c net.Conn, server bool) (session, error) {
	cfg := yamux.DefaultConfig()
	cfg.LogOutput = io.Discard
	start := yamux.Client
	if server {
		start = yamux.Server
	}
	s, err := start(c, cfg)
	if err != nil {
		return nil, err
	}
	return &library[*yamux.Stream]{s.AcceptStream, s.OpenStream, s.IsClosed, s.Close}, nil
}

func libp2pSession(c net.Conn, server bool) (session, error) {
	cfg := libp2p.DefaultConfig()
	cfg.LogOutput = io.Discard
	start := libp2p.Client
	if server {
		start = libp2p.Server
	}
	s, err := start(c, cfg, nil)
	if err != nil {
		return nil, err
	}
	open := func() (*libp2p.Stream, error) { return s.OpenStream(context.Background()) }
	return &library[*libp2p.Stream]{s.AcceptStream, open, s.IsClosed, s.Close}, nil
}

func smuxSession(c net.Conn, server bool) (session, error) {
	start := smux.Client
	if server {
		start = smux.Server
	}
	s, err := start(c, nil)
	if err != nil {
		return nil, err
	}
	return &library[*smux.Stream]{s.AcceptStream, s.OpenStream, s.IsClosed, s.Close}, nil
}
