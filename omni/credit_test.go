package omni

import (
	"testing"
	"testing/synctest"
)

// Three wait for demand, one of them for more than the others: it must not
// keep from a writer what is enough for that one.
func TestL6WaiterForMoreHoldsUpNobody(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		p, c := NewStream[int](pure)
		defer p.Cancel(nil)
		wrote := make(chan error, 2)
		writer := func() { wrote <- c.Write(bg, 1) }
		go writer()
		synctest.Wait() // it waits at the demand channel, those to come behind it
		go c.Sink().Credit(bg, 5)
		synctest.Wait()
		go writer()
		synctest.Wait()
		p.Request(2)
		synctest.Wait()
		if len(wrote) != 2 {
			t.Fatalf("two items were requested and %d written", len(wrote))
		}
	})
}
