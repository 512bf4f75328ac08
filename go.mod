module omnistreams.dev

go 1.26.0

require (
	golang.org/x/sync v0.24.0
	nhooyr.io/websocket v1.8.17
	pgregory.net/rapid v1.3.0
)
