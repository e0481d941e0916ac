package replica_test

import (
	"testing"
	"time"

	"coop/crdt/record"
	"coop/sync/replica"
)

// TestPullsEnd has two nodes hold what the other may not take, and which they
// cannot cover, for they are locked: each hears in the other's pull that there is
// news, and does not ask for it again and again. Unlocked they cover it.
func TestPullsEnd(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	w.pass(3 * time.Second)
	chi.writeAny("note", nil)
	w.pass(3 * time.Second)
	for _, l := range w.lines {
		l.close()
	}
	for _, n := range []*node{ana, bo} { // Chi tells each another tale
		n.startWith(func(cfg *replica.Config) { cfg.Key = nil })
		c := chi.chain()
		p := w.call(n, "Chi", true).enter(chi.key)
		must(n.r.Gossip(n.now(), p.id, []*record.Record{c.next("note", []byte(n.name)), c.next("note", nil)}))
		n.commit()
		n.r.Disconnected(p.id)
	}
	l := w.dial(ana, bo)
	w.pass(30 * time.Second)
	pulls := 0
	for _, side := range l.said {
		for _, m := range side {
			if kinds(append(side[:0:0], m)) == "pull" {
				pulls++
			}
		}
	}
	if pulls > 8 {
		t.Errorf("%d pulls in half a minute", pulls)
	}
	for _, n := range []*node{ana, bo} {
		n.r.Unlock(n.key)
		n.commit()
	}
	w.pass(5 * time.Second)
	wantSame(t, ana, bo)
}
