package replica_test

import (
	"errors"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/sync/replica"
)

// TestCopied: a record of this very device that a peer brings was signed by a copy of its
// key. From then on this node signs nothing, acks neither, and says so once; what others
// wrote it takes as ever.
func TestCopied(t *testing.T) {
	w := newWorld(t, "Ana", "Bo")
	ana, bo := w.nodes[0], w.nodes[1]
	copied := ana.chain().next(coop.KindAck, nil)
	if len(ana.heard(replica.EventCopied)) > 0 {
		t.Fatal("before anything came")
	}
	bo.hears(copied)
	note := bo.writeAny("note", nil)
	ana.hears(copied, note)
	if got := ana.heard(replica.EventCopied); len(got) != 1 {
		t.Errorf("said %d times, want once", len(got))
	}
	var locked replica.LockedError
	if _, err := ana.r.Write(ana.now(), "note", nil); !errors.As(err, &locked) {
		t.Errorf("Ana signs, or says %v", err)
	}
	own := ana.count(coop.KindAck)
	w.dial(ana, bo)
	w.pass(5 * time.Minute)
	if !ana.holds(copied) || !ana.holds(note) || ana.count(coop.KindAck) != own {
		t.Errorf("Ana holds both: %t, %t; she wrote %d acks after", ana.holds(copied), ana.holds(note), ana.count(coop.KindAck)-own)
	}
}
