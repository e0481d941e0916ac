package coop_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/ledger"
)

// TestAudit has an auditor come to the same state from the records alone, and
// refuse them after any change.
func TestAudit(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	paid := ana.pay(ben.id(), 1200)
	ben.pull(ana).act(ledger.KindAccept, answer(paid))
	minute(ana, ben)
	sync(w.desks...)

	file := ana.c.Evidence("ledger")
	subject, audited, err := coop.Audit(file)
	if err != nil || subject != "ledger" {
		t.Fatalf("got %q, %v", subject, err)
	}
	equal(t, "the state", audited.State().Digest(), ana.c.State().Digest())
	equal(t, "what is in the minutes", audited.State().Minuted.Ledger.Payments.Len(), 1)

	head := bytes.IndexByte(file, '\n') + 1
	head += bytes.IndexByte(file[head:], '\n') + 1
	for i := head; i < len(file); i += 7 {
		changed := slices.Clone(file)
		changed[i] ^= 1 << (i % 8)
		if _, _, err := coop.Audit(changed); err == nil {
			t.Fatalf("byte %d of %d was changed, and nobody saw", i, len(file))
		}
	}
	for name, b := range map[string][]byte{
		"empty": nil, "no records": file[:head], "no subject": file[:head-1], "another format": []byte("PK\x03\x04"),
		"cut off": file[:len(file)-1], "half a length": file[:head+2], "twice": append(slices.Clone(file), file[head:]...),
		"the founding left out": append(slices.Clone(file[:head]), file[len(file)/2:]...),
	} {
		if _, _, err := coop.Audit(b); err == nil || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzAudit(f *testing.F) {
	f.Add([]byte("coop/1 evidence\nledger\n\x00\x00\x00\x01\x80"))
	_, ds := found(f, "Ana")
	f.Add(ds[0].c.Evidence("ledger"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, c, err := coop.Audit(b); err == nil && c.State().Records == 0 {
			t.Error("nothing was proved")
		}
	})
}
