package replica_test

import (
	"testing"
	"time"

	"coop/sync/wire"
)

// A newcomer that holds all its invite names, but heard no end.
func TestJoinsWithoutEnd(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.newcomer("Bo", ana.invite("code", 1, 0))
	w.pass(3 * time.Second)
	l := w.open(ana, bo)
	l.cut = func(from int, m wire.Message) bool {
		_, end := m.(wire.End)
		return end && from == 0
	}
	w.run()
	w.pass(3 * time.Minute)
	if len(bo.disk) != len(ana.disk) {
		t.Fatal("not all came")
	}
	if !bo.r.Joined() {
		t.Errorf("Bo holds all and has not joined")
	}
}
