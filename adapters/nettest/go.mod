module omnistreams.dev/adapters/nettest

go 1.26.0

require (
	golang.org/x/net v0.58.0
	omnistreams.dev v0.0.0
)

require (
	golang.org/x/sync v0.24.0 // indirect
	nhooyr.io/websocket v1.8.17 // indirect
)

replace omnistreams.dev => ../..
