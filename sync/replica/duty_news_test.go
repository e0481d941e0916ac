package replica_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/sync/replica"
)

// TestDutyIsNews: what a node writes by itself, when its time has come, is told
// to its peers like anything else, also where gossip does not bring it.
func TestDutyIsNews(t *testing.T) {
	for seed := range 12 {
		w, ana, chi, _, last := uncovered(t)
		chi.startWith(func(cfg *replica.Config) { cfg.Random = rand.New(rand.NewPCG(uint64(seed), 0)) })
		w.dial(ana, chi)
		began := w.now
		w.pass(30 * time.Second)
		if chi.count(coop.KindAck) == 0 {
			t.Fatal("no cover")
		}
		if !ana.holds(last) {
			t.Errorf("seed %d: Ana does not hold what Chi covered, after %v", seed, w.now.Sub(began))
		}
	}
}
