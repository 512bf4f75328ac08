package report

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"omnistreams.dev/bench/harness"
)

// version returns the version of a module in this binary.
func version(module string) string {
	if module == "" {
		return runtime.Version()
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			return dep.Version
		}
	}
	return "not in this binary"
}

// peers returns the table of everything that others made: where it is from and
// which version ran.
func peers(results []harness.Result) string {
	type origin struct{ module, source string }
	seen := map[origin][]string{}
	for _, r := range results {
		for _, c := range r.Cases {
			if c.Source == "" {
				continue
			}
			o := origin{c.Module, c.Source}
			if !slices.Contains(seen[o], r.Group) {
				seen[o] = append(seen[o], r.Group)
			}
		}
	}
	var all []origin
	for o := range seen {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b origin) int {
		return cmp.Or(cmp.Compare(a.module, b.module), cmp.Compare(a.source, b.source))
	})
	t := &table{head: []string{"-module", "-version", "-source", "-in"}}
	for _, o := range all {
		name := o.module
		if name == "" {
			name = "standard library"
		}
		t.add(name, version(o.module), "<"+o.source+">", strings.Join(seen[o], ", "))
	}
	return t.String()
}
