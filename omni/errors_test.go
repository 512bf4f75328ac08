package omni

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestSentinels(t *testing.T) {
	sentinels := []error{ErrCanceled, ErrProtocol, ErrNoCredit, ErrTooLarge, ErrRefused, ErrInternal, ErrTimeout, ErrShuttingDown, ErrVersion}
	for i, sentinel := range sentinels {
		se := &StreamError{Code: Code(i + 1), Reason: "why", Remote: true, Cause: errBoom}
		err := fmt.Errorf("wrapped: %w", se)
		for j, other := range sentinels {
			if errors.Is(err, other) != (i == j) {
				t.Errorf("errors.Is(%v, %v) = %v", err, other, i != j)
			}
		}
		if !errors.Is(err, errBoom) || errors.Is(sentinel, se) {
			t.Errorf("%v: wrong cause, or a sentinel is what has more than a code", err)
		}
	}
	if errors.Is(ErrCanceled, (*StreamError)(nil)) || errors.Is(ErrCanceled, ErrEnded) {
		t.Error("ErrCanceled is what it is not")
	}
}

func TestErrorText(t *testing.T) {
	for _, tc := range []struct {
		err  *StreamError
		want string
	}{
		{&StreamError{Code: CodeCanceled}, `omni: canceled`},
		{&StreamError{Code: CodeRefused, Reason: "no\nway\x1b[31m", Remote: true}, `omni: refused (by the peer): "no\nway\x1b[31m"`},
		{&StreamError{Code: CodeApplication + 4, Cause: errBoom}, `omni: code 260: boom`},
		{&StreamError{Code: CodeDone}, `omni: done`},
		{&StreamError{Code: 1<<32 - 1}, `omni: code 4294967295`},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

type multi []error // an error that == panics on

func (m multi) Error() string { return "several" }

func TestAsStreamError(t *testing.T) {
	own := &StreamError{Code: 300, Reason: "mine"}
	for _, tc := range []struct {
		err  error
		want Code
	}{
		{nil, CodeCanceled},
		{context.Canceled, CodeCanceled},
		{fmt.Errorf("x: %w", context.Canceled), CodeCanceled},
		{context.DeadlineExceeded, CodeTimeout},
		{errBoom, CodeInternal},
		{multi{errBoom}, CodeInternal},
		{fmt.Errorf("x: %w", own), 300},
		{errors.Join(context.Canceled, own), 300},
	} {
		got := AsStreamError(tc.err)
		if got == nil || got.Code != tc.want || got.Remote {
			t.Fatalf("AsStreamError(%v) = %v, want code %v", tc.err, got, tc.want)
		}
		if got.Code != 300 && (got.Reason != "" || fmt.Sprint(got.Cause) != fmt.Sprint(tc.err)) {
			t.Errorf("AsStreamError(%v) = %+v: tells too much, or lost the cause", tc.err, *got)
		}
		if tc.want == 300 && got != own {
			t.Errorf("AsStreamError(%v) is another one", tc.err)
		}
	}
}

func TestCancelCause(t *testing.T) {
	for _, tc := range []struct{ err, want error }{
		{nil, ErrCanceled}, {io.EOF, io.ErrUnexpectedEOF}, {errBoom, errBoom},
	} {
		if got := cancelCause(tc.err); got != tc.want {
			t.Errorf("cancelCause(%v) = %v, want %v", tc.err, got, tc.want)
		}
	}
	if got := cancelCause(multi{}); got.Error() != "several" {
		t.Errorf("got %v", got)
	}
}

// Causes reach the other end as they are: the same value.
func TestCausesKeepTheirIdentity(t *testing.T) {
	bubble(t, "uncomparable", func(t *testing.T) {
		p, c := NewStream[int](nil)
		m := Map(bg, p, func(v int) (int, error) { return v, nil })
		c.Cancel(multi{errBoom})
		_, err := m.Next(bg)
		var got multi
		if !errors.As(err, &got) || len(got) != 1 {
			t.Fatalf("got %v", err)
		}
	})
}
