package coop

import (
	"cmp"
	"slices"
	"strings"

	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// TroubleKind says what went wrong by somebody's doing.
type TroubleKind string

// The kinds of trouble.
const (
	TroubleTellers TroubleKind = "tellers" // more tellers forked than the minutes bear
	TroubleFork    TroubleKind = "fork"    // a device signed two records in one slot
	TroubleSpent   TroubleKind = "spent"   // a payment for which another, made elsewhere, left too little
	TroubleInvite  TroubleKind = "invite"  // somebody was admitted by an invite that was used up elsewhere
	TroubleVotes   TroubleKind = "votes"   // one person's votes on one proposal that know nothing of each other
	TroubleLate    TroubleKind = "late"    // a vote after a decision that its author could not know of
	TroubleGone    TroubleKind = "gone"    // acts of a device or person that was put out
	TroubleVoid    TroubleKind = "void"    // another record without effect
)

// Limits of what is shown, so that no flood hides it.
const (
	MaxTroubles = 1000 // the latest
	MaxEvidence = 10   // records of one trouble
)

// Trouble is something that was cheated, or that people who could not know of each
// other did, with the records that show it. It is derived from what is held and
// stored nowhere.
type Trouble struct {
	ID       record.ID // a record that made it trouble; it is one of Evidence
	Kind     TroubleKind
	Device   record.Key
	Person   record.ID    // whose device it is; zero: nobody's
	Evidence []record.ID  // what counts, if anything does, stands before ID
	More     int          // further records without effect for the same reason
	Reason   string       // the fold's; "" where nothing is without effect
	Tellers  []record.Key // TroubleTellers: who forked
}

// troubles gathers trouble.
type troubles struct {
	*Coop
	found   []Trouble
	grouped map[record.Key]int // forked devices and those put out, to their place in found
}

// Troubles returns what was cheated or went wrong, the latest first: at most
// MaxTroubles, and how many there are. It costs the problems, votes and payments
// there are.
func (c *Coop) Troubles() (found []Trouble, of int) {
	if c.h.Len() == 0 {
		return nil, 0
	}
	c.settle()
	t := &troubles{Coop: c, grouped: map[record.Key]int{}}
	t.forks()
	t.problems()
	t.votes()
	slices.SortStableFunc(t.found, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), c.compare(t.ref(b.ID), t.ref(a.ID)))
	})
	return t.found[:min(len(t.found), MaxTroubles)], len(t.found)
}

// rank puts first what endangers what is final.
func (t Trouble) rank() int {
	if t.Kind == TroubleTellers {
		return 1
	}
	return 0
}

func (t *troubles) add(kind TroubleKind, id record.ID, reason string, evidence ...record.ID) {
	device := t.h.At(t.ref(id)).Device
	d, _ := t.layer.People.Devices.Get(device)
	t.found = append(t.found, Trouble{
		ID: id, Kind: kind, Device: device, Person: d.Member, Reason: reason, Evidence: evidence[:min(len(evidence), MaxEvidence)],
	})
}

// ref finds what is held for sure.
func (t *troubles) ref(id record.ID) history.Ref {
	ref, ok := t.h.Find(id)
	if !ok {
		panic("coop: the fold speaks of a record that is not held")
	}
	return ref
}

// apart reports whether neither of two records has the other in its past.
func (t *troubles) apart(a, b record.ID) bool {
	return !t.h.InPast(t.ref(a), t.ref(b)) && !t.h.InPast(t.ref(b), t.ref(a))
}

// forks finds the devices that signed two records in one slot.
func (t *troubles) forks() {
	seen := map[record.Key]bool{}
	for _, tip := range t.h.Tips() {
		device := t.h.At(tip).Device
		if seen[device] || !t.forked(device) {
			continue
		}
		seen[device] = true
		first, second := t.slot(device)
		reason := ""
		if p, ok := t.layer.Problems.Get(second); ok {
			reason = p.Reason
		}
		t.grouped[device] = len(t.found)
		t.add(TroubleFork, second, reason, first, second)
	}
	t.forkedTellers()
}

// slot returns the two records by which the fold found out that a device forked,
// the one that counts first.
func (t *troubles) slot(device record.Key) (first, second record.ID) {
	d, ok := t.layer.People.Devices.Get(device)
	if !ok {
		d, _ = t.layer.People.Strangers.Get(device)
	}
	at := t.ref(d.Second)
	seq := t.h.At(at).Seq
	for _, tip := range t.h.TipsOf(device) {
		last := t.h.At(tip).Seq
		if last < seq {
			continue
		}
		other := t.h.Back(tip, last-seq)
		if other == at {
			continue
		}
		if first = t.h.ID(other); !t.layer.Problems.Has(first) {
			break
		}
	}
	return first, d.Second
}

// forkedTellers finds out whether more tellers forked than the minutes bear.
func (t *troubles) forkedTellers() {
	epochs := t.minutes.Epochs()
	tellers := epochs[len(epochs)-1].Tellers
	var forked []record.Key
	var evidence []record.ID
	for _, device := range tellers {
		if at, ok := t.grouped[device]; ok {
			forked = append(forked, device)
			evidence = append(evidence, t.found[at].Evidence...)
		}
	}
	if len(forked) <= (len(tellers)-1)/3 {
		return
	}
	t.add(TroubleTellers, evidence[0], "", evidence...)
	t.found[len(t.found)-1].Tellers = forked
}

// problems sorts the records without effect by why that is so.
func (t *troubles) problems() {
	for _, p := range t.layer.Problems.All() {
		t.problem(p)
	}
	for _, p := range t.contents.Problems.All() {
		t.problem(p)
	}
}

// What the reasons of these problems say; the tests hold it.
const (
	saysTooLittle = " has available (balance "
	saysUsedUp    = " was used up ("
)

func (t *troubles) problem(p Problem) {
	_, out := t.layer.People.Author(p.Device)
	at, grouped := t.grouped[p.Device]
	switch {
	case grouped:
		if t.found[at].ID != p.Record {
			t.found[at].More++
		}
	case out != nil && out.Error() == p.Reason && t.layer.People.Devices.Has(p.Device):
		t.grouped[p.Device] = len(t.found)
		t.add(TroubleGone, p.Record, p.Reason, p.Record)
	case p.Kind == ledger.KindTransfer && strings.Contains(p.Reason, saysTooLittle):
		t.overspent(p)
	case p.Kind == member.KindAdmit && strings.Contains(p.Reason, saysUsedUp):
		t.add(TroubleInvite, p.Record, p.Reason, append(t.admittedBy(p.Record), p.Record)...)
	default:
		t.add(TroubleVoid, p.Record, p.Reason, p.Record)
	}
}

// overspent shows with a payment that had no effect those that left too little:
// of the same person, in the same unit, and made without knowing of it.
func (t *troubles) overspent(p Problem) {
	var b ledger.TransferBody
	if record.Unmarshal(t.load(t.ref(p.Record)).Body, &b) != nil {
		return
	}
	payer, _ := t.layer.People.Devices.Get(p.Device)
	var others []record.ID
	for id, paid := range t.layer.Ledger.Payments.All() {
		if !paid.Asked && paid.From == payer.Member && paid.Unit == b.Unit && t.apart(id, p.Record) {
			others = append(others, id)
		}
	}
	if len(others) == 0 {
		t.add(TroubleVoid, p.Record, p.Reason, p.Record)
		return
	}
	others = others[:min(len(others), MaxEvidence-1)]
	t.add(TroubleSpent, p.Record, p.Reason, append(others, p.Record)...)
}

// admittedBy returns the admissions that used the invite of another one.
func (t *troubles) admittedBy(id record.ID) (others []record.ID) {
	invite := func(id record.ID) record.Key {
		card, _ := member.ParseCard(t.load(t.ref(id)).Body)
		return card.Invite
	}
	want := invite(id)
	for _, m := range t.layer.People.Members.All() {
		if m.SponsoredBy != (record.ID{}) && invite(m.Admitted) == want && len(others) < MaxEvidence-1 {
			others = append(others, m.Admitted)
		}
	}
	return others
}

// votes finds the votes that came late without their author's fault, and those of one person that cannot both
// be meant. Who votes when the time is over by their own clock was told so.
func (t *troubles) votes() {
	for key, b := range t.layer.Proposals.Ballots.All() {
		p, _ := t.layer.Proposals.Proposals.Get(key.Proposal)
		for i, v := range b.Votes {
			if v.Late {
				if v.Time < p.ClosesAt && !t.knewDecided(p, v.ID) {
					t.add(TroubleLate, v.ID, "", v.ID)
				}
				continue
			}
			differs := func(later proposal.Vote) bool {
				return !later.Late && later.Option != v.Option && t.apart(v.ID, later.ID)
			}
			if k := slices.IndexFunc(b.Votes[i+1:], differs); k >= 0 {
				later := b.Votes[i+1+k].ID
				t.add(TroubleVotes, v.ID, "", later, v.ID)
			}
		}
	}
}

// knewDecided reports whether a vote has in its past what decided its proposal: the
// act by which it was decided, and all votes that count.
func (t *troubles) knewDecided(p proposal.Proposal, vote record.ID) bool {
	at := t.ref(vote)
	knew := func(act record.ID) bool { return t.h.InPast(t.ref(act), at) }
	return knew(p.Decided) && !slices.ContainsFunc(p.Voters, func(voter record.ID) bool {
		v, voted := t.layer.Proposals.Voted(p.ID, voter)
		return voted && !knew(v.ID)
	})
}
