package simnet_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"coop/sync/simnet"
)

var seeds = flag.Int("seeds", 60, "how many simulated co-ops TestSeeds runs")
var first = flag.Uint64("first", 1, "the first seed of TestSeeds")

func config(seed uint64) simnet.Config {
	return simnet.Config{Seed: seed, Nodes: 4 + int(seed%5), Active: time.Minute * time.Duration(1+seed%4)}
}

func run(t *testing.T, cfg simnet.Config) simnet.Stats {
	t.Helper()
	if testing.Verbose() && *seeds == 1 {
		cfg.Trace = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	}
	w := simnet.New(cfg)
	if err := w.Run(); err != nil {
		t.Errorf("seed %d: %v", cfg.Seed, err)
	}
	return w.Stats
}

func TestSeeds(t *testing.T) {
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := run(t, config(seed))
			t.Logf("%+v", s)
		})
	}
}
