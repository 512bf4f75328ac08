// Package plot draws the figure of the README.
package plot

import (
	"bytes"
	"cmp"
	"errors"
	"image/color"
	"os"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"omnistreams.dev/bench/harness"
)

// series is one line: a contender over the sizes.
type series struct {
	name   string
	kind   harness.Kind
	points plotter.XYs // x is the size in bytes, y items per second
}

// work is how the names of the workloads begin that are drawn; a comma keeps
// out those of one stream beside another.
const work = "TCP, one stream, "

// The size of the figure, and of the part at the right that the legend has.
// Inside the plot it would hide lines.
const (
	width, height = 26 * vg.Centimeter, 15 * vg.Centimeter
	legendWidth   = 7.4 * vg.Centimeter
)

// ItemsPerSecond writes an SVG of items/s against the size of an item, both
// logarithmic, from the workloads over TCP with one stream. A contender has
// the same name in all of them.
func ItemsPerSecond(path string, results []harness.Result) error {
	lines := collect(results)
	if len(lines) == 0 {
		return errors.New("no results over TCP to draw")
	}
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text = "One stream over TCP on loopback, both ends on the same cores"
	p.Title.TextStyle.Font.Size = 14
	p.Title.Padding = 4
	axis(&p.X, "size of an item")
	axis(&p.Y, "items per second")
	p.X.Tick.Marker = sizeTicks(lines)
	p.Y.Tick.Marker = decadeTicks{}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{235}, color.Gray{225}
	p.Add(grid)
	legend := plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.Padding = 4
	legend.ThumbnailWidth = 1.1 * vg.Centimeter
	legend.TextStyle.Font.Size = 11
	// Ours are drawn last, on top of the others.
	styles := stylesOf(lines)
	for i := range slices.Backward(lines) {
		line, points, err := plotter.NewLinePoints(lines[i].points)
		if err != nil {
			return err
		}
		styles[i].apply(line, points)
		p.Add(line, points)
	}
	for i, l := range lines {
		line, points := new(plotter.Line), new(plotter.Scatter)
		styles[i].apply(line, points)
		legend.Add(" "+l.name, line, points)
	}
	return save(path, p, legend)
}

// save draws the plot at the left and the legend at the right.
func save(path string, p *plot.Plot, legend plot.Legend) error {
	canvas := vgsvg.New(width, height)
	all := draw.New(canvas)
	all.FillPolygon(color.White, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}}) // it must do on a dark page, too
	p.BackgroundColor = nil
	p.Draw(draw.Crop(all, 10, -legendWidth, 8, -8))
	legend.Draw(draw.Crop(all, width-legendWidth+12, 0, 0, -36))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	// Whoever lacks the font gets one with letters of the same width.
	family := []byte("font-family:Liberation Sans")
	return os.WriteFile(path, bytes.ReplaceAll(svg.Bytes(), family, append(family, ", Arial, Helvetica, sans-serif"...)), 0o644)
}

func axis(a *plot.Axis, label string) {
	a.Label.Text = label
	a.Label.TextStyle.Font.Size = 12
	a.Label.Padding = 6
	a.Tick.Label.Font.Size = 11
	a.Scale = plot.LogScale{}
}

// collect returns ours, then the peers, then the limits, each from the fastest
// at its smallest item to the slowest, as their lines begin.
func collect(results []harness.Result) []series {
	byName := map[string]*series{}
	var all []*series
	for _, r := range results {
		if r.Bytes <= 0 || !strings.HasPrefix(r.Name, work) {
			continue
		}
		for i := range r.Cases {
			c := &r.Cases[i]
			ns, ok := c.Median("")
			if !ok || ns <= 0 {
				continue
			}
			s := byName[c.Name]
			if s == nil {
				s = &series{name: c.Name, kind: c.Kind}
				byName[c.Name], all = s, append(all, s)
			}
			s.points = append(s.points, plotter.XY{X: float64(r.Bytes), Y: 1e9 / ns})
		}
	}
	var lines []series
	for _, s := range all {
		slices.SortFunc(s.points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		lines = append(lines, *s)
	}
	slices.SortStableFunc(lines, func(a, b series) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(b.points[0].Y, a.points[0].Y))
	})
	return lines
}
