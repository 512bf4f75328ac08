module omnistreams.dev/hostile

go 1.26.0

require (
	github.com/hashicorp/yamux v0.1.2
	github.com/libp2p/go-yamux/v5 v5.1.0
	github.com/xtaci/smux v1.5.58
	omnistreams.dev v0.0.0
)

require (
	github.com/libp2p/go-buffer-pool v0.0.2 // indirect
	golang.org/x/sync v0.24.0 // indirect
	nhooyr.io/websocket v1.8.17 // indirect
)

replace omnistreams.dev => ../
