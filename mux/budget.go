package mux

// budget is the session's bound on what the peer may send before it is taken,
// in bytes, an item counting as its length + itemCharge. It has three parts:
//
//	set aside   a share for each stream that the peer may open
//	answers     a share for each call under way, taken by Call
//	windows     lent to streams that are read fast enough to use more
//
// Only the last two change; neither can use up the other, so a stream that is
// never read cannot keep a Call from starting.
type budget struct {
	share   int64 // of one stream
	answers int64 // free
	windows int64 // free
	freed   signal
}

func newBudget(cfg *config) budget {
	rest := cfg.budget - int64(cfg.streams)*cfg.share()
	b := budget{share: cfg.share(), answers: rest / 2, windows: rest - rest/2}
	if cfg.dialect != nil {
		b.answers, b.windows = 0, rest // there are no calls
	}
	return b
}

// takeAnswer takes a call's share for its answer, if there is one.
func (b *budget) takeAnswer() bool {
	if b.answers < b.share {
		return false
	}
	b.answers -= b.share
	return true
}

func (b *budget) giveAnswer() {
	b.answers += b.share
	b.freed.fire()
}
