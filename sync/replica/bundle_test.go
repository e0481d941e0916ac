package replica_test

import (
	"strings"
	"testing"

	"coop/sync/wire"
)

// TestImportIsOver holds that after an error, and after its end, nothing more
// is taken of a bundle.
func TestImportIsOver(t *testing.T) {
	w := newWorld(t, "ada", "bo")
	ada, bo := w.nodes[0], w.nodes[1]
	first := ada.writeAny("future/thing", nil)
	second := ada.writeAny("future/thing", nil)
	for name, m := range map[string]wire.Message{"a gap": records(second), "the end": wire.End{}, "no part of a bundle": wire.Hint{}, "no records": records()} {
		i := must(bo.r.Import(wire.Bundle{Coop: w.coop, Assumes: nil}))
		err := i.Message(bo.now(), m)
		if (err == nil) != (name == "the end") {
			t.Errorf("%s: %v", name, err)
		}
		if err := i.Message(bo.now(), records(first)); err == nil {
			t.Errorf("after %s a record was taken", name)
		}
	}
	if _, err := bo.r.Import(wire.Bundle{}); err == nil || !strings.Contains(err.Error(), "another co-op") {
		t.Errorf("a bundle of no co-op: %v", err)
	}
	if len(bo.r.Peers()) != 0 {
		t.Error("a bundle is a session with a peer")
	}
}
