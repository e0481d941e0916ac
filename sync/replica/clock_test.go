package replica_test

import (
	"testing"
	"time"
)

// TestClock: peers know by how much each other's clocks are ahead, from the beginning
// and, some minutes later, also where one was set anew meanwhile.
func TestClock(t *testing.T) {
	w := newWorld(t, "Ana", "Bo")
	ana, bo := w.nodes[0], w.nodes[1]
	bo.skew = 3 * time.Hour
	w.dial(ana, bo)
	w.run()
	ahead := func(n *node, want time.Duration) {
		t.Helper()
		if p := n.r.Peers()[0]; !p.Timed || p.Ahead != want.Milliseconds() {
			t.Errorf("%s holds that the other's clock is %d ms ahead (said: %t), want %s", n.name, p.Ahead, p.Timed, want)
		}
	}
	ahead(ana, 3*time.Hour)
	ahead(bo, -3*time.Hour)
	bo.skew = -48 * time.Hour
	w.pass(6 * time.Minute)
	ahead(ana, -48*time.Hour)
	ahead(bo, 48*time.Hour)
}
