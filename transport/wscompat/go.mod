module omnistreams.dev/transport/wscompat

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	nhooyr.io/websocket v1.8.17
	omnistreams.dev v0.0.0
)

replace omnistreams.dev => ../..
