package simnet_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"coop/sync/simnet"
)

var seeds = flag.Int("seeds", 60, "how many simulated co-ops TestSeeds runs")
var first = flag.Uint64("first", 1, "the first seed of TestSeeds")
var days = flag.Int("days", 5, "how long people meet now and then")
var fault = flag.String("fault", "", "a bug to plant, see fault.go")
var minimise = flag.Int("minimise", 0, "in so many runs, make the seed -first shorter and keep it under testdata/regress")

// TestMain trades memory for time: a world is small, and makes much garbage.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// config is the co-op of a seed: of three, one has no liars; of ten, one has
// tellers of whom too many lie, one loses too many, in one the keys of tellers of the
// first days are stolen, and two are streets where each knows one neighbour.
func config(seed uint64) simnet.Config {
	c := simnet.Config{Seed: seed, Nodes: 5 + int(seed%4), Active: time.Minute * time.Duration(1+seed%3), Days: *days, Fault: simnet.Fault(*fault), Street: seed%5 == 3}
	switch {
	case seed%10 == 7:
		c.Captured = true
	case seed%10 == 4:
		c.Lost = true
	case seed%10 == 1:
		c.Stolen, c.Nodes = true, max(6, c.Nodes)
	case seed%3 == 0:
		c.Idle = true
	default:
		c.Liars = 1 + int(seed%3)
	}
	return c
}

// TestSeeds runs co-ops of 5 to 8 nodes. With one seed and -v it tells what
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
					t.Errorf("seed %d: %v\nsee it with: go test ./sync/simnet -v -run Seeds -seeds 1 -days %d -first %[1]d\n"+
						"make it short and keep it with: go test ./sync/simnet -v -run Minimise -minimise 200 -days %[3]d -first %[1]d", seed, err, *days)
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
		"weeks apart": sum.Camps, "old disks": sum.Old, "records on sticks": sum.Carried, "payments": sum.Payments, "minutes that differed": sum.Differed, "re-seatings": sum.Reseated, "first days rewritten": sum.Rewritten,
		"meetings of who was only told of": sum.Told,
	} {
		if n == 0 {
			t.Errorf("no %s in %d seeds: the simulation is too tame", what, *seeds)
		}
	}
}

// TestPlantedBug holds that the simulator finds bugs, each by a rule that speaks
// of it. It begins with a seed that found it, to save time.
func TestPlantedBug(t *testing.T) {
	for fault, found := range map[simnet.Fault]struct {
		seed uint64
		by   []simnet.Rule
	}{
		simnet.ServeBeforeStore: {3, []simnet.Rule{simnet.RuleForks}},
		simnet.SkipSync:         {1, []simnet.Rule{simnet.RuleForks, simnet.RuleLost, simnet.RuleMinutes}},
		simnet.SignAfterRestore: {1, []simnet.Rule{simnet.RuleForks}},
		simnet.MixUpRecords:     {7, []simnet.Rule{simnet.RuleStates, simnet.RuleMinutes, simnet.RuleUndone, simnet.RuleSpeech}},
		simnet.TakeAnything:     {10, []simnet.Rule{simnet.RuleFlood}},
		simnet.BearTooMuch:      {1, []simnet.Rule{simnet.RuleMinutes, simnet.RuleUndone}},
		simnet.DeafNode:         {3, []simnet.Rule{simnet.RuleSets}},
		simnet.ForgetAnchors:    {41, []simnet.Rule{simnet.RuleStates, simnet.RuleSets, simnet.RuleMinutes, simnet.RuleUndone}},
		simnet.LazyTellers:      {2, []simnet.Rule{simnet.RuleMinuted}},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			for seed := found.seed; seed < found.seed+40; seed++ {
				cfg := config(seed)
				cfg.Fault = fault
				cfg.Captured, cfg.Stolen = fault == simnet.BearTooMuch, fault == simnet.ForgetAnchors
				var broken *simnet.Broken
				if errors.As(simnet.New(cfg).Run(), &broken) {
					t.Logf("found with seed %d: %v", seed, broken)
					if !slices.Contains(found.by, broken.Rule) {
						t.Errorf("found by %q", broken.Rule)
					}
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

// kept is a run that broke a rule once. One of a planted bug must break it
// still, all others must not.
type kept struct {
	simnet.Config
	Broken simnet.Broken
}

const regress = "testdata/regress"

// TestMinimise makes a run that fails short.
func TestMinimise(t *testing.T) {
	cfg, runs := config(*first), *minimise
	if runs == 0 { // show that it works, with a planted bug
		cfg, runs = simnet.Config{Seed: 1, Nodes: 5, Active: time.Minute, Days: 1, Fault: simnet.SkipSync}, 30
	}
	w := simnet.New(cfg)
	_ = w.Run()
	least, broken := simnet.Minimise(cfg, runs)
	if broken == nil {
		t.Fatalf("seed %d breaks nothing", cfg.Seed)
	}
	t.Logf("%d things happened, of which %d are enough: %v\n%v", len(w.Happened), len(least.Only), broken, least.Only)
	if *minimise == 0 {
		if len(least.Only) > len(w.Happened)/4 {
			t.Errorf("of %d things that happened %d are left", len(w.Happened), len(least.Only))
		}
		return
	}
	b, err := json.MarshalIndent(kept{least, *broken}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(regress, fmt.Sprintf("%d.json", cfg.Seed))
	if err := errors.Join(os.MkdirAll(regress, 0o755), os.WriteFile(name, append(b, '\n'), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Logf("kept as %s", name)
}

// TestRegress runs what broke a rule once.
func TestRegress(t *testing.T) {
	names, err := filepath.Glob(regress + "/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("nothing is kept: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var k kept
		if err := json.Unmarshal(b, &k); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var broken *simnet.Broken
		errors.As(simnet.New(k.Config).Run(), &broken)
		switch {
		case k.Fault == simnet.NoFault && broken != nil:
			t.Errorf("%s: %v", name, broken)
		case k.Fault != simnet.NoFault && (broken == nil || broken.Rule != k.Broken.Rule):
			t.Errorf("%s: %v, where it was: %v", name, broken, &k.Broken)
		}
	}
}
