package harness

// Verdict is how a goal came out.
type Verdict struct {
	Goal
	// Subject and Other are the names of the cases that were compared;
	// Other is empty for a figure that stands by itself.
	Subject, Other string
	// Measured is the ratio or the figure; it counts only if Known.
	Measured float64
	Known    bool
}

// Met says whether the goal is reached, and whether its stretch is.
func (v Verdict) Met() (reach, stretch bool) {
	if !v.Known {
		return false, false
	}
	if v.Against == "" {
		return v.Measured <= v.Reach, v.Stretch > 0 && v.Measured <= v.Stretch
	}
	return v.Measured >= v.Reach, v.Stretch > 0 && v.Measured >= v.Stretch
}

// Verdicts returns the outcome of every goal, in order.
func (r *Result) Verdicts() []Verdict {
	var vs []Verdict
	for _, g := range r.Goals {
		vs = append(vs, r.judge(g))
	}
	return vs
}

func (r *Result) judge(g Goal) Verdict {
	v := Verdict{Goal: g, Subject: g.Case, Other: g.Against}
	if g.Case == "" {
		for _, c := range r.Workload.Cases {
			if c.Kind == Ours {
				v.Subject = c.Name
				break
			}
		}
	}
	subject := r.Find(v.Subject)
	if subject == nil {
		return v
	}
	var other *CaseResult
	switch g.Against {
	case "":
		v.Measured, v.Known = subject.Median(g.Metric)
		return v
	case BestPeer:
		other = r.Best(Peer, g.Metric)
	default:
		other = r.Find(g.Against)
	}
	if other == nil {
		return v
	}
	v.Other = other.Name
	v.Measured, v.Known = subject.TimesAsFast(other, g.Metric)
	return v
}
