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

var days = flag.Int("days", 5, "how long people meet now and then")

// config is the co-op of a seed: of three, one has no liars.
func config(seed uint64) simnet.Config {
	c := simnet.Config{Seed: seed, Nodes: 4 + int(seed%5), Active: time.Minute * time.Duration(1+seed%3), Days: *days}
	if seed%3 == 0 {
		c.Idle = true
	} else {
		c.Liars = int(seed % 4)
	}
	return c
}

// TestSeeds runs co-ops of 4 to 8 nodes. With one seed and -v it tells what
// happens.
func TestSeeds(t *testing.T) {
	total := make(chan simnet.Stats, *seeds)
	t.Run("seed", func(t *testing.T) {
		for seed := *first; seed < *first+uint64(*seeds); seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				cfg := config(seed)
				if testing.Verbose() && *seeds == 1 {
					cfg.Trace = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
				}
				w := simnet.New(cfg)
				if err := w.Run(); err != nil {
					t.Errorf("seed %d: %v\nsee it with: go test ./sync/simnet -v -run Seeds -seeds 1 -first %[1]d", seed, err)
				}
				total <- w.Stats
			})
		}
	})
	close(total)
	var sum simnet.Stats
	for s := range total {
		sum = sum.Add(s)
	}
	t.Logf("%d seeds from %d: %+v", *seeds, *first, sum)
	if *seeds < 50 {
		return
	}
	// A run in which nothing happens proves nothing.
	for what, n := range map[string]int{
		"power cuts": sum.Cuts, "partitions": sum.Partitions, "epochs": sum.Epochs - *seeds, "problems": sum.Problems, "removals": sum.Removed,
		"forks": sum.Forks, "dropped records": sum.Dropped, "polls": sum.Polls, "decisions": sum.Passed, "meetings": sum.Meetings, "lies": sum.Lies,
	} {
		if n == 0 {
			t.Errorf("no %s in %d seeds: the simulation is too tame", what, *seeds)
		}
	}
}

// TestPlantedBug holds that the simulator finds a node that breaks its word.
func TestPlantedBug(t *testing.T) {
	for name, fault := range map[string]simnet.Fault{"serve before store": simnet.ServeBeforeStore, "lose the last record": simnet.LoseLastRecord} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 40; seed++ {
				cfg := config(seed)
				cfg.Fault = fault
				if err := simnet.New(cfg).Run(); err != nil {
					t.Logf("found with seed %d: %v", seed, err)
					return
				}
			}
			t.Error("40 seeds did not find it")
		})
	}
}

// TestRepeats holds that a seed gives the same run each time: without that, a
// failure could not be looked at.
func TestRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		runs := [2]simnet.Stats{}
		for i := range runs {
			w := simnet.New(config(seed))
			if err := w.Run(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			runs[i] = w.Stats
		}
		if runs[0] != runs[1] {
			t.Errorf("seed %d gave %+v and then %+v", seed, runs[0], runs[1])
		}
	}
}
