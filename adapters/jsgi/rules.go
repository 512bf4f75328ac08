package jsgi

import (
	"fmt"
	"net/http"
	"strconv"
)

// ruleError is a response that breaks a rule. It never holds a header's value,
// so it may be told to the client.
type ruleError string

func (e ruleError) Error() string { return "jsgi: the response breaks a rule: " + string(e) }

func broken(format string, args ...any) error { return ruleError(fmt.Sprintf(format, args...)) }

// checkResponse says which rule of JSGI 0.3 or of HTTP r breaks. It returns the
// value of content-length, -1 if there is none.
func checkResponse(r *Response) (length int64, err error) {
	if r.Status < 100 || r.Status > 999 {
		return -1, broken("the status %d has not three digits", r.Status)
	}
	for name, values := range r.Headers {
		if err := checkHeader(name, values); err != nil {
			return -1, err
		}
	}
	if !hasBody(r.Status) {
		for _, name := range []string{"content-type", "content-length"} {
			if _, ok := r.Headers[name]; ok {
				return -1, broken("a response with status %d has a header %q", r.Status, name)
			}
		}
	}
	switch {
	case r.Status < 200:
		// net/http sends these by itself, before the final response.
		return -1, broken("the status %d is not a final one", r.Status)
	case r.Body == nil && hasBody(r.Status):
		return -1, broken("a response with status %d needs a Body; it is nil (an empty StringStream is one)", r.Status)
	}
	return contentLength(r.Headers)
}

// hasBody reports whether a response with that status has a body.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

func contentLength(h Headers) (int64, error) {
	values, ok := h["content-length"]
	if !ok {
		return -1, nil
	}
	if len(values) != 1 || values[0] == "" || values[0][0] == '+' || values[0][0] == '-' {
		return -1, broken("content-length is not a number of bytes")
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return -1, broken("content-length is not a number of bytes")
	}
	return n, nil
}

// forHop are the headers between the server and its peer, which the server
// sends by itself. Trailers JSGI has none.
var forHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "te": true,
	"trailer": true, "transfer-encoding": true, "upgrade": true,
}

func checkHeader(name string, values []string) error {
	switch {
	case name == "status":
		return broken("status is not a header")
	case forHop[name]:
		return broken("the header %q is the server's", name)
	case !validName(name):
		return broken("the header name %q: only lower-case letters, digits, - and _, a letter first and no - or _ last", name)
	case len(values) == 0:
		return broken("the header %q has no value", name)
	case len(values) > 1 && name == "content-type":
		return broken("the header %q has %d values", name, len(values))
	}
	for _, v := range values {
		for i := range len(v) {
			if v[i] < ' ' || v[i] == 0x7f {
				return broken("a value of the header %q has the control character %q", name, v[i])
			}
		}
	}
	return nil
}

func validName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z':
		case i == 0:
			return false
		case '0' <= c && c <= '9':
		case c == '-' || c == '_':
			if i == len(name)-1 {
				return false
			}
		default:
			return false
		}
	}
	return name != ""
}
