package mux

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestModelCopies: a copy is the state that its course leads to when it is
// played again, makes the same moves into the same states with the same bytes,
// and leaves the original as it was. So a side's next state and message are a
// function of what it is and what it is told.
func TestModelCopies(t *testing.T) {
	for i, sc := range scenarios {
		for n := range 8 {
			r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			w := sc.world()
			var course []move
			for range r.IntN(40) {
				moves := w.moves()
				if len(moves) == 0 {
					break
				}
				m := moves[r.IntN(len(moves))]
				w.do(m)
				course = append(course, m)
			}
			again := sc.world()
			for _, m := range course {
				again.do(m)
			}
			first, second := w.copied(), w.copied()
			before := w.text()
			if !bytes.Equal(first.text(), before) || !bytes.Equal(again.text(), before) {
				t.Fatalf("%s, walk %d: the course, its copy and its repetition differ after %v", sc.name, n, course)
			}
			for moves := first.moves(); len(moves) > 0; moves = first.moves() {
				m := moves[r.IntN(len(moves))]
				first.do(m)
				second.do(m)
				if !bytes.Equal(first.text(), second.text()) {
					t.Fatalf("%s, walk %d: two copies differ after %v, then %v", sc.name, n, course, m)
				}
			}
			if !bytes.Equal(w.text(), before) {
				t.Fatalf("%s, walk %d: what a copy did changed the original", sc.name, n)
			}
		}
	}
}

func (w *world) copied() *world {
	made := *w
	for i, s := range w.sides {
		made.sides[i] = copySide(s)
	}
	return &made
}

// text is the canonical text of both sides and what is on the wire.
func (w *world) text() []byte {
	return append(canonical(w.sides[0]), canonical(w.sides[1])...)
}

// TestModelCannotCopy: what cannot be copied is not passed over.
func TestModelCannotCopy(t *testing.T) {
	side := scenarios[0].world().sides[0]
	side.e.ended.first = make(chan struct{}, 1)
	wantPanic(t, "a channel", func() { copySide(side) })
	side.e.ended.first = nil
	side.e.sending.head = new(link[outgoing])
	wantPanic(t, "a link in no queue", func() { copySide(side) })
	wantPanic(t, "a pointer", func() { flatten(struct{ at uintptr }{}) })
}

// flatten copies what is no side.
func flatten[T any](v T) {
	var c copier
	c.own(reflect.ValueOf(&v).Elem())
}

// engineTypes are those whose methods are the state machines: of a session, of
// the halves of its streams, and what these are made of.
var engineTypes = []string{"engine", "outgoing", "incoming", "call", "queue", "window", "shutdown", "budget",
	"pinger", "waiters", "buffers", "message", "frame", "hello", "handed", "recycler", "signal", "latch"}

// engineImports are what files with such methods may use. Of time that is
// Duration, of fmt the text of errors; others there may be in a file that
// serves the session too, and no engine method may name them.
var engineImports = []string{"encoding/binary", "fmt", "io", "math", "math/bits", "sync/atomic", "time", "unicode/utf8",
	"cmp", "errors", "maps", "slices", "strings", "omnistreams.dev/omni"}

// TestEngineIsPure: the engine does no I/O, reads no clock, starts no goroutine,
// takes no lock, waits for nothing and keeps nothing outside of itself.
func TestEngineIsPure(t *testing.T) {
	fset := token.NewFileSet()
	globals := map[string]bool{}
	files := map[string]*ast.File{}
	names, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		must(t, err)
		files[name] = file
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					for _, id := range spec.(*ast.ValueSpec).Names {
						globals[id.Name] = true
					}
				}
			}
		}
	}
	methods := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		imports := importsOf(files[name])
		for _, d := range files[name].Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !isEngines(fn) {
				continue
			}
			methods++
			for _, what := range impure(fn, imports, globals) {
				t.Errorf("%s: %s: %s", fset.Position(fn.Pos()), fn.Name.Name, what)
			}
		}
	}
	if methods < 100 {
		t.Errorf("only %d methods were looked at: where is the engine?", methods)
	}
}

// importsOf is what a file imports, by the name it has there.
func importsOf(file *ast.File) map[string]string {
	imports := map[string]string{}
	for _, im := range file.Imports {
		path, _ := strconv.Unquote(im.Path.Value)
		name := path[strings.LastIndex(path, "/")+1:]
		if im.Name != nil {
			name = im.Name.Name
		}
		imports[name] = path
	}
	return imports
}

// isEngines says whether fn is a method of the engine's types.
func isEngines(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return false
	}
	t := fn.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if g, ok := t.(*ast.IndexExpr); ok {
		t = g.X
	}
	id, ok := t.(*ast.Ident)
	return ok && slices.Contains(engineTypes, id.Name)
}

// impure lists what a state machine may not do.
func impure(fn *ast.FuncDecl, imports map[string]string, globals map[string]bool) (found []string) {
	// A signal and a latch are made of channels. They send only into one that
	// has room and take only what is there, so they do not wait.
	channels := fn.Name.Name == "fire" || fn.Name.Name == "leave"
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "starts a goroutine")
		case *ast.SendStmt:
			if !channels {
				found = append(found, "sends")
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && !channels {
				found = append(found, "receives")
			}
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			path := imports[id.Name]
			switch {
			case path == "":
			case !slices.Contains(engineImports, path):
				found = append(found, "uses "+path)
			case path == "time" && n.Sel.Name != "Duration":
				found = append(found, "uses time."+n.Sel.Name)
			case path == "fmt" && n.Sel.Name != "Sprintf" && n.Sel.Name != "Errorf":
				found = append(found, "uses fmt."+n.Sel.Name)
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if id, ok := left.(*ast.Ident); ok && n.Tok == token.ASSIGN && globals[id.Name] {
					found = append(found, "changes "+id.Name)
				}
			}
		}
		return true
	})
	return found
}
