package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	err := victimMain()
	if errors.Is(err, errNoVictim) {
		err = attackAll(os.Args[1:])
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

var errNoVictim = errors.New("this process is no victim")

// victimMain is the main function of a victim's process.
func victimMain() error {
	parts := strings.Split(os.Getenv(victimEnv), "/")
	if len(parts) != 3 {
		return errNoVictim
	}
	grace, err := time.ParseDuration(parts[2])
	if err != nil {
		return err
	}
	v := slices.IndexFunc(victims, func(v victim) bool { return v.name == parts[0] })
	a := slices.IndexFunc(attacks, func(a attack) bool { return a.name == parts[1] })
	if v < 0 || a < 0 {
		return fmt.Errorf("no such victim or attack: %q", parts)
	}
	return beVictim(victims[v], attacks[a], grace, os.Stdin, os.Stdout)
}

// attackAll runs every attack on every victim and prints the table.
func attackAll(args []string) error {
	f := flag.NewFlagSet("hostile", flag.ContinueOnError)
	only := f.String("run", "", "regular expression on victim/attack; others are left out")
	out := f.String("out", "", "file that the report is written to as well")
	duration := f.Duration("for", time.Second, "how long an attack lasts, 5s at most")
	if err := f.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if f.NArg() > 0 || *duration < 50*time.Millisecond || *duration > 5*time.Second {
		return errors.New("want -for between 50ms and 5s, and no arguments besides flags")
	}
	s := settings{duration: *duration, grace: 500 * time.Millisecond}
	runs := map[string]*run{}
	for _, a := range attacks {
		for _, v := range victims {
			name := v.name + "/" + a.name
			if !pattern.MatchString(name) || !a.fits(v) {
				continue
			}
			r, err := attackOne(v, a, s)
			if err != nil {
				return err
			}
			runs[name] = r
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, r.cell())
		}
	}
	doc := document(s, victims, attacks, runs)
	fmt.Print(doc)
	if *out != "" {
		return os.WriteFile(*out, []byte(doc), 0o644)
	}
	return nil
}
