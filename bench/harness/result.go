package harness

import "slices"

// Sample is what one round measured of one case.
type Sample struct {
	NsPerOp     float64
	AllocsPerOp float64
	BytesPerOp  float64
	// Extra has what the case reported by itself, by unit.
	Extra map[string]float64
}

// Value returns the figure that a Goal's Metric names, and whether there is one.
func (s Sample) Value(metric string) (float64, bool) {
	switch metric {
	case "":
		return s.NsPerOp, true
	case "allocs/op":
		return s.AllocsPerOp, true
	case "B/op":
		return s.BytesPerOp, true
	}
	v, ok := s.Extra[metric]
	return v, ok
}

// CaseResult is what all rounds measured of one case.
type CaseResult struct {
	Case
	// Samples has one entry per round, in order; fewer if the case failed.
	Samples []Sample
	// Failed is why the case has no result, or empty.
	Failed string
}

// values returns a metric of every round, or nothing if a round has none.
func (c *CaseResult) values(metric string) []float64 {
	if c.Failed != "" {
		return nil
	}
	var vs []float64
	for _, s := range c.Samples {
		v, ok := s.Value(metric)
		if !ok {
			return nil
		}
		vs = append(vs, v)
	}
	return vs
}

// Median returns the median over the rounds, and whether there is one.
func (c *CaseResult) Median(metric string) (float64, bool) {
	return median(c.values(metric))
}

// Spread returns the least and the greatest of the rounds.
func (c *CaseResult) Spread(metric string) (lo, hi float64, ok bool) {
	vs := c.values(metric)
	if len(vs) == 0 {
		return 0, 0, false
	}
	return slices.Min(vs), slices.Max(vs), true
}

// TimesAsFast returns how many times as fast as other c is: the median over
// the rounds of other / c within a round. That is steadier than the ratio of
// the medians, since what slows the machine for a second slows both.
func (c *CaseResult) TimesAsFast(other *CaseResult, metric string) (float64, bool) {
	a, b := c.values(metric), other.values(metric)
	if len(a) == 0 || len(a) != len(b) {
		return 0, false
	}
	var ratios []float64
	for i := range a {
		if a[i] <= 0 {
			return 0, false
		}
		ratios = append(ratios, b[i]/a[i])
	}
	return median(ratios)
}

// OfPublished returns the share of its published speed that c reaches here.
func (c *CaseResult) OfPublished() (float64, bool) {
	ns, ok := c.Median("")
	if !ok || c.Published == 0 {
		return 0, false
	}
	return c.Published / ns, true
}

// Result is what all rounds measured of one workload.
type Result struct {
	Workload
	// Cases shadows the workload's: the same order, with samples.
	Cases []CaseResult
}

// Find returns the case of that name, or nil.
func (r *Result) Find(name string) *CaseResult {
	for i := range r.Cases {
		if r.Cases[i].Name == name {
			return &r.Cases[i]
		}
	}
	return nil
}

// Best returns the best case of a kind by a metric, or nil if none has one.
func (r *Result) Best(kind Kind, metric string) *CaseResult {
	var best *CaseResult
	var least float64
	for i := range r.Cases {
		c := &r.Cases[i]
		if c.Kind != kind || c.Aside {
			continue
		}
		if v, ok := c.Median(metric); ok && (best == nil || v < least) {
			best, least = c, v
		}
	}
	return best
}

// median returns the middle of vs, or the mean of the two in the middle.
func median(vs []float64) (float64, bool) {
	if len(vs) == 0 {
		return 0, false
	}
	vs = slices.Sorted(slices.Values(vs))
	n := len(vs)
	return (vs[(n-1)/2] + vs[n/2]) / 2, true
}
