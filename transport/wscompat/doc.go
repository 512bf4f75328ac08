// Package wscompat tests that the two WebSocket libraries of one descent, nhooyr.io/websocket and
// its successor github.com/coder/websocket, meet through [transport.FromWebSocket], which imports
// neither. It is a module of its own so that package transport depends on one of them only.
package wscompat
