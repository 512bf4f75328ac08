package plot

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
)

// sizeTicks marks the sizes that were measured.
func sizeTicks(lines []series) plot.Ticker {
	var sizes []float64
	for _, l := range lines {
		for _, p := range l.points {
			sizes = append(sizes, p.X)
		}
	}
	slices.Sort(sizes)
	var ticks plot.ConstantTicks
	for _, s := range slices.Compact(sizes) {
		ticks = append(ticks, plot.Tick{Value: s, Label: sizeLabel(s)})
	}
	return ticks
}

func sizeLabel(bytes float64) string {
	if bytes >= 1024 {
		return fmt.Sprintf("%g KiB", bytes/1024)
	}
	return fmt.Sprintf("%g B", bytes)
}

// decadeTicks marks 1, 2 and 5 of every power of ten.
type decadeTicks struct{}

// Ticks implements plot.Ticker.
func (decadeTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for exp := math.Floor(math.Log10(lo)); exp <= math.Ceil(math.Log10(hi)); exp++ {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * math.Pow(10, exp); v >= lo && v <= hi {
				ticks = append(ticks, plot.Tick{Value: v, Label: rateLabel(v)})
			}
		}
	}
	return ticks
}

func rateLabel(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%g M", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%g k", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}
