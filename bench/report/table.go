package report

import (
	"strings"
	"unicode/utf8"
)

// table is rows of cells under a head. Columns whose name begins with a dash
// are aligned to the left, all others to the right, as figures are.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table as Markdown.
func (t *table) String() string {
	width := make([]int, len(t.head))
	for i, h := range t.head {
		width[i] = max(3, utf8.RuneCountInString(strings.TrimPrefix(h, "-")))
	}
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if t.left(i) {
				b.WriteString("| " + cell + pad + " ")
			} else {
				b.WriteString("| " + pad + cell + " ")
			}
		}
		b.WriteString("|\n")
	}
	var names, rule []string
	for i, h := range t.head {
		names = append(names, strings.TrimPrefix(h, "-"))
		dashes := strings.Repeat("-", width[i])
		if !t.left(i) {
			dashes = dashes[1:] + ":"
		}
		rule = append(rule, dashes)
	}
	line(names)
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

func (t *table) left(i int) bool { return strings.HasPrefix(t.head[i], "-") }
