package report

import (
	"fmt"
	"math"
	"strconv"
)

// figure prints three digits, as many as the noise leaves meaningful, and never
// an exponent.
func figure(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0 || a < 0.0005:
		return "0"
	case a < 0.1:
		return fmt.Sprintf("%.3f", v)
	case a < 10:
		return fmt.Sprintf("%.2f", v)
	case a < 100:
		return fmt.Sprintf("%.1f", v)
	case a < 100_000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return scaled(v)
}

// scaled prints a large figure with k, M or G.
func scaled(v float64) string {
	switch a := math.Abs(v); {
	case a >= 0.9995e9:
		return figure(v/1e9) + " G"
	case a >= 0.9995e6:
		return figure(v/1e6) + " M"
	case a >= 0.9995e3:
		return figure(v/1e3) + " k"
	}
	return figure(v)
}

// times prints a ratio.
func times(v float64, ok bool) string {
	if !ok {
		return ""
	}
	return figure(v) + " ×"
}
