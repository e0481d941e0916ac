package replica_test

import (
	"testing"
	"time"

	"coop/sync/replica"
)

// TestAdmitWhenUnlocked: the issuer's node is locked when the newcomer comes.
func TestAdmitWhenUnlocked(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	i := ana.invite("code", 1, 0)
	w.pass(3 * time.Second)
	ana.startWith(func(cfg *replica.Config) { cfg.Key = nil })
	bo := w.newcomer("Bo", i)
	l := w.dial(ana, bo)
	w.pass(3 * time.Second)
	ana.r.Unlock(ana.key)
	ana.commit()
	w.pass(3 * time.Minute)
	if !l.up || !bo.r.Joined() {
		t.Errorf("Bo was not let in: %v", bo.events)
	}
}
