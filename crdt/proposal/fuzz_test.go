package proposal_test

import (
	"bytes"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// FuzzApply gives foreign bytes to every kind: no panic, a Problem changes
// nothing, and what is accepted is the one encoding of what it says.
func FuzzApply(f *testing.F) {
	w := newWorld(f, 5, 3)
	governance, poll := w.open(0, proposal.Governance), w.open(0, proposal.Ordinary)
	kinds := []string{proposal.KindOpen, proposal.KindWithdraw, proposal.KindCast, proposal.KindClose}
	for _, e := range []proposal.Effect{makeMember, office, expel, recover_, rest, limit, budget, budgetEnd, bylaw, tellers} {
		b := body(proposal.RuleFor([]proposal.Effect{e}), e)
		b.Electorate = member.Roll(proposal.Electorate(w.people, b.Effects))
		f.Add(uint8(0), uint8(0), record.Marshal(b))
	}
	for i, id := range []record.ID{governance, poll, stranger} {
		f.Add(uint8(1), uint8(0), record.Marshal(proposal.NameBody{Proposal: id}))
		f.Add(uint8(2), uint8(i), record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes, Reason: "ü"}))
		f.Add(uint8(3), uint8(i), record.Marshal(proposal.CloseBody{Proposals: []record.ID{id}}))
	}
	f.Add(uint8(3), uint8(0), []byte{0x80})
	f.Fuzz(func(t *testing.T, kind, by uint8, raw []byte) {
		w := w.clone(t)
		k := kinds[int(kind)%len(kinds)]
		_, err := w.act(int(by)%6, k, raw) // holds that a Problem changes nothing
		proposal.Introduces(&record.Record{Header: record.Header{Kind: k}, Body: raw})
		if err != nil {
			return
		}
		var again []byte
		switch k {
		case proposal.KindOpen:
			again = encodeAgain[proposal.OpenBody](t, raw)
		case proposal.KindClose:
			again = encodeAgain[proposal.CloseBody](t, raw)
		case proposal.KindCast:
			again = encodeAgain[proposal.CastBody](t, raw)
		default:
			again = encodeAgain[proposal.NameBody](t, raw)
		}
		if !bytes.Equal(raw, again) {
			t.Errorf("%s: accepted %x, which is %x", k, raw, again)
		}
	})
}

func encodeAgain[B any](t *testing.T, raw []byte) []byte {
	var b B
	if err := record.Unmarshal(raw, &b); err != nil {
		t.Errorf("accepted %x: %v", raw, err)
	}
	return record.Marshal(b)
}
