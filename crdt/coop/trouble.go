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
	MaxEvidence = 10   // records of one trouble, and others like it that are named
)

// Trouble is something that was cheated, or that people who could not know of each
// other did, with the records that show it. What one person did of one kind is one
// trouble, that of the latest record, and so is what nobody's devices did; but each
// forked device of a person is one for itself. It is derived from what is held and
// stored nowhere.
type Trouble struct {
	ID       record.ID // a record that made it trouble; it is one of Evidence
	Kind     TroubleKind
	Device   record.Key
	Person   record.ID    // whose device it is; zero: nobody's
	Evidence []record.ID  // what counts, if anything does, stands before ID
	More     int          // further records of this kind and person, or without effect because of the fork
	Others   []record.ID  // some of them
	Reason   string       // the fold's; "" where nothing is without effect
	Tellers  []record.Key // TroubleTellers: who forked
}

// troubles gathers trouble.
type troubles struct {
	*Coop
	found  []Trouble
	forkOf map[record.Key]*fork // by the device
	single []single
}

// single is what one record did.
type single struct {
	kind     TroubleKind
	id       record.ID
	at       history.Ref
	reason   string
	evidence []record.ID // before the record itself
}

// Troubles returns what was cheated or went wrong, the latest first: at most
// MaxTroubles, and how many there are. It costs the problems, votes and payments
// there are.
func (c *Coop) Troubles() (found []Trouble, of int) {
	if c.h.Len() == 0 {
		return nil, 0
	}
	c.settle()
	t := &troubles{Coop: c, forkOf: map[record.Key]*fork{}}
	t.forks()
	t.problems()
	t.votes()
	t.group()
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

// add notes what one record did.
func (t *troubles) add(kind TroubleKind, id record.ID, reason string, evidence ...record.ID) {
	t.single = append(t.single, single{kind, id, t.ref(id), reason, evidence})
}

// show makes a trouble of what one record did.
func (t *troubles) show(s single) {
	t.found = append(t.found, Trouble{
		ID: s.id, Kind: s.kind, Device: t.h.At(s.at).Device, Person: t.person(s.at), Reason: s.reason, Evidence: s.evidence[:min(len(s.evidence), MaxEvidence)],
	})
}

// more counts a further record.
func (t *Trouble) more(id record.ID) {
	if t.More++; len(t.Others) < MaxEvidence {
		t.Others = append(t.Others, id)
	}
}

// person returns who is answerable for a record: the person of its device, or of the
// root that signed the card of a device which did not come to be theirs.
func (t *troubles) person(at history.Ref) record.ID {
	header := t.h.At(at)
	if d, ok := t.layer.People.Devices.Get(header.Device); ok {
		return d.Member
	}
	m, _ := t.layer.People.Person(header.Owner)
	return m.ID
}

// group makes one trouble of what one person did of one kind, the latest record first:
// no flood fills a screen, and what shows a trouble is looked for once.
func (t *troubles) group() {
	slices.SortFunc(t.single, func(a, b single) int { return t.compare(b.at, a.at) })
	type line struct {
		kind   TroubleKind
		person record.ID
	}
	lines := map[line]int{}
	for _, s := range t.single {
		l := line{s.kind, t.person(s.at)}
		if at, ok := lines[l]; ok {
			t.found[at].more(s.id)
			continue
		}
		lines[l] = len(t.found)
		if s.kind == TroubleInvite {
			s.evidence = t.admittedBy(s.id)
		}
		s.evidence = append(s.evidence, s.id)
		t.show(s)
	}
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

// fork is what a device signed in one slot, and where in found that is.
type fork struct {
	first, second record.ID
	in            int
}

// forks finds the devices that signed two records in one slot.
func (t *troubles) forks() {
	var devices []record.Key
	for _, tip := range t.h.Tips() {
		if device := t.h.At(tip).Device; t.forkOf[device] == nil && t.forked(device) {
			first, second := t.slot(device)
			t.forkOf[device] = &fork{first: first, second: second}
			devices = append(devices, device)
		}
	}
	slices.SortFunc(devices, func(a, b record.Key) int { return t.compare(t.ref(t.forkOf[b].second), t.ref(t.forkOf[a].second)) })
	var nobodys *fork // the first of those of nobody's devices: the others are shown with it
	for _, device := range devices {
		f := t.forkOf[device]
		at := t.ref(f.second)
		nobody := t.person(at) == record.ID{}
		if nobody && nobodys != nil {
			f.in = nobodys.in
			t.found[f.in].more(f.second)
			continue
		}
		if f.in = len(t.found); nobody {
			nobodys = f
		}
		p, _ := t.layer.Problems.Get(f.second)
		t.show(single{TroubleFork, f.second, at, p.Reason, []record.ID{f.first, f.second}})
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
		if f := t.forkOf[device]; f != nil {
			forked = append(forked, device)
			evidence = append(evidence, f.first, f.second)
		}
	}
	if len(forked) <= (len(tellers)-1)/3 {
		return
	}
	t.show(single{TroubleTellers, evidence[0], t.ref(evidence[0]), "", evidence})
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
	switch f := t.forkOf[p.Device]; {
	case f != nil:
		if p.Record != f.second {
			t.found[f.in].more(p.Record)
		}
	case out != nil && out.Error() == p.Reason && t.layer.People.Devices.Has(p.Device):
		t.add(TroubleGone, p.Record, p.Reason)
	case p.Kind == ledger.KindTransfer && strings.Contains(p.Reason, saysTooLittle):
		t.overspent(p)
	case p.Kind == member.KindAdmit && strings.Contains(p.Reason, saysUsedUp):
		t.add(TroubleInvite, p.Record, p.Reason)
	default:
		t.add(TroubleVoid, p.Record, p.Reason)
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
		if !paid.Asked && paid.From == payer.Member && paid.Unit == b.Unit && len(others) < MaxEvidence-1 && t.apart(id, p.Record) {
			others = append(others, id)
		}
	}
	if len(others) == 0 {
		t.add(TroubleVoid, p.Record, p.Reason)
		return
	}
	t.add(TroubleSpent, p.Record, p.Reason, others...)
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
					t.add(TroubleLate, v.ID, "")
				}
				continue
			}
			differs := func(later proposal.Vote) bool {
				return !later.Late && later.Option != v.Option && t.apart(v.ID, later.ID)
			}
			if k := slices.IndexFunc(b.Votes[i+1:], differs); k >= 0 {
				later := b.Votes[i+1+k].ID
				t.add(TroubleVotes, v.ID, "", later)
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
