package simnet

import (
	"errors"
	"slices"
)

// Minimise looks for less that breaks the same rule as a run of cfg does: it
// leaves out more and more of what happened, in at most so many runs, and
// returns the least that still broke it, with how. It returns nil if nothing
// breaks.
//
// What is left need not break it in the same way: to leave out one thing moves
// what follows from it. But it is shorter to read.
func Minimise(cfg Config, runs int) (Config, *Broken) {
	least, broken := breaks(cfg)
	if broken == nil {
		return cfg, nil
	}
	cfg.Only = least
	for size := len(cfg.Only); size > 0; size /= 2 {
		for at := 0; at < len(cfg.Only) && runs > 0; runs-- {
			less := cfg
			less.Only = slices.Delete(slices.Clone(cfg.Only), at, min(at+size, len(cfg.Only)))
			if happened, b := breaks(less); b != nil && b.Rule == broken.Rule {
				cfg.Only, broken = happened, b
			} else {
				at += size
			}
		}
	}
	return cfg, broken
}

// breaks runs a world and returns how it breaks, and what happened until then.
func breaks(cfg Config) (happened []string, b *Broken) {
	w := New(cfg)
	if !errors.As(w.Run(), &b) {
		return nil, nil
	}
	for _, name := range w.Happened {
		if w.only == nil || w.only[name] {
			happened = append(happened, name)
		}
	}
	return happened, b
}
