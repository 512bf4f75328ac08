// Package js holds the JavaScript client's module, for Go programs that serve
// it to their own pages.
package js

import _ "embed"

// Module is omnistreams.js, an ES module without imports. It is not to be
// changed.
//
//go:embed omnistreams.js
var Module []byte
