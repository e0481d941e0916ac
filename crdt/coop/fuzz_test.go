package coop_test

import (
	"runtime"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
)

// FuzzRestore gives any bytes as the cached fold: they are taken or thrown away,
// without a panic and without much memory, and the co-op is there.
func FuzzRestore(f *testing.F) {
	_, ds := found(f, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	ana.offer("Apples")
	ana.act(member.KindInvite, member.NewInvite(key("code").Public(), 2, 0))
	minute(ana, ben)
	f.Add([]byte{})
	f.Add(ana.c.Snapshot())
	held := ana.held
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		graph := func(admit func(*record.Record) error) error {
			for _, r := range held {
				if err := admit(r); err != nil {
					return err
				}
			}
			return nil
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, n, err := coop.Restore(func(ref history.Ref) *record.Record { return held[ref] }, snapshot, nil, graph)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20+uint64(256*len(snapshot)) {
			t.Errorf("a snapshot of %d bytes takes %d of memory", len(snapshot), took)
		}
		if err != nil || n > len(held) || c.History().Len() != len(held) {
			t.Errorf("%d of %d records restored: %v", n, len(held), err)
		}
	})
}
