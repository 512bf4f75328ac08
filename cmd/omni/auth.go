package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"os"

	"omnistreams.dev/omni"
)

// hello is the JSON in the metadata of HELLO: who speaks, and the token. Only
// the side that connects sends the token, to whoever it reaches: TLS tells it
// who that is. The side that listens would give it to any stranger.
type hello struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Token   string `json:"token,omitempty"` // of the side that connects
}

const maxToken = 4 << 10 // bytes; HELLO holds 16 KiB in all

// readToken reads the file of --token-file: all of it but white space around.
func readToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", usagef("--token-file %s: %w", path, bare(err))
	}
	token := string(bytes.TrimSpace(data))
	switch {
	case token == "":
		return "", usagef("--token-file %s: there is no token in it", path)
	case len(token) > maxToken:
		return "", usagef("--token-file %s: a token is at most %d bytes long", path, maxToken)
	}
	return token, nil
}

// checkToken returns the check of the peer's HELLO: it must bear the same
// token. It is nil if there is none to compare with.
func checkToken(token string) func(metadata []byte) error {
	if token == "" {
		return nil
	}
	want := sha256.Sum256([]byte(token))
	return func(metadata []byte) error {
		var h hello
		_ = json.Unmarshal(metadata, &h) // what is not JSON has no token
		// The hashes are of one length, so the time tells nothing, not
		// even how long the token is.
		got := sha256.Sum256([]byte(h.Token))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			return nil
		}
		reason := "the token is not the right one"
		if h.Token == "" {
			reason = "a token is needed"
		}
		return &omni.StreamError{Code: omni.CodeRefused, Reason: reason}
	}
}
