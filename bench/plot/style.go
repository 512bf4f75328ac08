package plot

import (
	"image/color"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"omnistreams.dev/bench/harness"
)

// style is how a line looks. One library has one color and one mark, whichever
// way it is used; the ways differ in the dashes.
type style struct {
	color  color.Color
	shape  draw.GlyphDrawer
	width  vg.Length
	dashes []vg.Length
}

// Colors that those who see fewer can tell apart, after Okabe and Ito. A strong
// red is kept for ours, and grays are for the limits.
var (
	oursColor  = color.RGBA{R: 205, G: 25, B: 25, A: 255}
	limitColor = color.RGBA{R: 125, G: 125, B: 125, A: 255}
	peerColors = []color.RGBA{
		{R: 0, G: 114, B: 178, A: 255}, {R: 0, G: 158, B: 115, A: 255}, {R: 230, G: 159, B: 0, A: 255},
		{R: 204, G: 121, B: 167, A: 255}, {R: 86, G: 180, B: 233, A: 255}, {R: 110, G: 80, B: 30, A: 255},
		{R: 90, G: 60, B: 170, A: 255},
	}
	shapes = []draw.GlyphDrawer{
		draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.SquareGlyph{}, draw.RingGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{},
	}
)

// stylesOf returns the style of each line. What stands before the comma of a
// name is the library, what follows is the way it is used.
func stylesOf(lines []series) []style {
	styles := make([]style, len(lines))
	number := map[string]int{}
	for i, l := range lines {
		library, way, _ := strings.Cut(l.name, ", ")
		if _, known := number[library]; !known && l.kind == harness.Peer {
			number[library] = len(number)
		}
		n := number[library]
		s := style{color: peerColors[n%len(peerColors)], shape: shapes[n%len(shapes)], width: 1.4}
		switch l.kind {
		case harness.Ours:
			s = style{color: oursColor, shape: draw.CircleGlyph{}, width: 3}
		case harness.Limit:
			s = style{color: limitColor, shape: draw.CrossGlyph{}, width: 1.2}
		}
		s.dashes = dashes(l.kind, way)
		styles[i] = s
	}
	return styles
}

// dashes tells the ways of one library apart. What holds items back until a
// batch is full is dashed: those lines promise less than the others.
func dashes(kind harness.Kind, way string) []vg.Length {
	switch {
	case way == "batched by hand":
		return []vg.Length{5, 3}
	case way == "" && kind == harness.Limit:
		return []vg.Length{1.5, 2.5}
	case way != "" && kind == harness.Ours:
		return []vg.Length{9, 3}
	}
	return nil
}

func (s style) apply(line *plotter.Line, points *plotter.Scatter) {
	line.Color, line.Width, line.Dashes = s.color, s.width, s.dashes
	points.Color, points.Shape, points.Radius = s.color, s.shape, 1.6+s.width/2
}
