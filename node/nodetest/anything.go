package nodetest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// Anything puts n records into the house's store while its node is off: random
// ones that are admissible, of every kind, with extreme values in every field, by
// the house's own device and by those of two others, on old heads and in forks.
// Only one in some has an effect; all others are Problems. It returns their ids.
func (h *House) Anything(seed uint64, n int) []record.ID {
	h.t.Helper()
	h.Close()
	h.openHome()
	a := &anything{Rand: rand.New(rand.NewPCG(seed, 1))}
	a.coop = coop.New(func(ref history.Ref) *record.Record { return a.records[ref] })
	for i := range h.Store.Count() {
		r, err := h.Store.Record(i)
		if err != nil {
			h.t.Fatal(err)
		}
		a.take(r)
	}
	stored := len(a.records)
	a.people(h.Home.Device())
	for len(a.records) < stored+n {
		kind := pick(a, kinds...)
		if kind == member.KindLeave && len(a.records) < stored+n*3/4 {
			continue // nothing of who left has an effect
		}
		a.write(pick(a, a.writers...), kind)
	}
	if err := h.Store.Append(a.records[stored:]); err != nil {
		h.t.Fatal(err)
	}
	h.start()
	return a.ids
}

// kinds are those that records can have, and two that nobody knows.
var kinds = []string{
	coop.KindAck, member.KindInvite, member.KindUninvite, member.KindIntroduce, member.KindAdmit, member.KindLeave,
	member.KindDeviceAdd, member.KindRevoke, member.KindSeatPass, member.KindReseat, proposal.KindOpen, proposal.KindWithdraw, proposal.KindCast,
	proposal.KindClose, ledger.KindTransfer, ledger.KindTransfer, ledger.KindAccept, ledger.KindDecline, ledger.KindCancel, ledger.KindRequest,
	ledger.KindRule, ledger.KindInstalment, document.KindCreate, document.KindCreate, document.KindEdit, "vote/guess", "-/0",
}

// anything is a co-op that is written by dice.
type anything struct {
	*rand.Rand
	coop    *coop.Coop
	records []*record.Record
	ids     []record.ID // of records and members
	members []record.ID
	keys    []record.Key
	invites []*record.Private
	writers []*record.Private
}

// take admits a record, if it is admissible.
func (a *anything) take(r *record.Record) bool {
	a.records = append(a.records, r)
	if _, fresh, err := a.coop.Add(r); err != nil || !fresh {
		a.records = a.records[:len(a.records)-1]
		return false
	}
	a.ids, a.keys = append(a.ids, r.ID), append(a.keys, r.Device)
	return true
}

// people admits two who trade, of whom the first becomes a member, so that some of
// what comes has an effect.
func (a *anything) people(founder *record.Private) {
	a.writers = []*record.Private{founder}
	id := a.coop.History().Coop()
	a.members = []record.ID{a.coop.People().OwnerOf(founder.Public())}
	for range 2 {
		invite, root, device := a.key(), a.key(), a.key()
		a.append(founder, member.KindInvite, member.NewInvite(invite.Public(), member.MaxUses, 0))
		card, err := member.NewCard(member.CardTerms{
			Coop: id, Invite: invite.Public(), Root: root.Public(), Device: device.Public(), Name: "=Bo+" + string(rune('`'+len(a.members))), DeviceName: "@1",
		}, invite, root, device)
		if err != nil {
			panic("nodetest: " + err.Error())
		}
		a.append(founder, member.KindAdmit, card.Encode())
		a.members = append(a.members, card.Member())
		a.writers, a.invites = append(a.writers, device), append(a.invites, invite)
	}
	a.ids = append(a.ids, a.members...)
	if a.open(founder, proposal.OpenBody{
		Title: "Be a member", Rule: proposal.Governance,
		Effects: []proposal.Effect{{Kind: proposal.EffectMembers, Members: a.members[1:2], Keys: []record.Key{}, Card: []byte{}}},
	}) {
		a.append(founder, proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: a.ids[len(a.ids)-1], Option: proposal.Yes}))
	}
	a.open(founder, proposal.OpenBody{Title: "Its text is not there", Rule: proposal.Ordinary, Doc: id, Version: []record.ID{id}})
}

// open opens a proposal that closes at once, if it may be opened.
func (a *anything) open(by *record.Private, b proposal.OpenBody) bool {
	b.ClosesAt = 1
	people := a.coop.People()
	body, err := proposal.Open(people, people.OwnerOf(by.Public()), b)
	if err == nil {
		a.append(by, proposal.KindOpen, body)
	}
	return err == nil
}

func (a *anything) key() *record.Private {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(a.Uint32())
	}
	k := record.NewPrivate(seed)
	a.keys = append(a.keys, k.Public())
	return k
}

// write writes a record of a kind, somewhere in the graph.
func (a *anything) write(by *record.Private, kind string) { a.append(by, kind, a.body(by, kind)) }

// append signs a record: mostly on top of all heads, at times on top of any others,
// and at times into a slot that is taken.
func (a *anything) append(by *record.Private, kind string, body []byte) {
	h := a.coop.History()
	head := record.Header{Coop: h.Coop(), Seq: 1, Kind: kind, Time: a.time()}
	parents := h.Heads()
	if a.chance(10) {
		parents = nil
		for range 1 + a.IntN(record.MaxParents+1) {
			parents = append(parents, history.Ref(a.IntN(h.Len())))
		}
	}
	if tips := h.TipsOf(by.Public()); len(tips) > 0 {
		prev := tips[a.IntN(len(tips))]
		if by != a.writers[0] && a.chance(300) { // the house's own device does not fork
			prev = h.Back(prev, uint64(a.IntN(3)))
		}
		if prev == history.None {
			return
		}
		head.Seq, head.Prev, head.Depth = h.At(prev).Seq+1, h.ID(prev), h.At(prev).Depth+1
	}
	for _, p := range parents[:min(len(parents), record.MaxParents)] {
		if id := h.ID(p); id != head.Prev {
			head.Parents, head.Depth = append(head.Parents, id), max(head.Depth, h.At(p).Depth+1)
		}
	}
	head.Parents = record.SortIDs(head.Parents)
	if r, err := record.New(head, body, by); err == nil && len(body) <= record.MaxBodyLen {
		a.take(r)
	}
}

func (a *anything) chance(oneIn int) bool { return a.IntN(oneIn) == 0 }

func pick[T any](a *anything, from ...T) T { return from[a.IntN(len(from))] }

func (a *anything) time() int64 {
	return pick(a, 0, 1, record.MaxTime, 1_800_000_000_000, 1_800_000_000_000+a.Int64N(1e10), a.Int64N(record.MaxTime))
}

// keyBody and passBody are those of package member, which does not show them.
type keyBody struct {
	_   struct{} `cbor:",toarray"`
	Key record.Key
}

type inviteBody struct {
	_       struct{} `cbor:",toarray"`
	Key     record.Key
	Uses    uint32
	Expires int64
}

type passBody struct {
	_        struct{} `cbor:",toarray"`
	From, To record.Key
	Revoke   bool
	RootSig  record.Sig
}

// body returns a body for a kind: at times one for another.
func (a *anything) body(by *record.Private, kind string) []byte {
	if a.chance(40) {
		kind = pick(a, kinds...)
	}
	switch kind {
	case member.KindInvite:
		return fill[inviteBody](a)
	case member.KindUninvite, member.KindRevoke:
		return fill[keyBody](a)
	case member.KindIntroduce, member.KindAdmit:
		return a.card()
	case member.KindDeviceAdd:
		root, device := a.key(), a.key()
		card, _ := member.SignDeviceCard(member.DeviceTerms{Coop: a.coop.History().Coop(), Root: root.Public(), Device: device.Public(), Name: a.text()}, root, device)
		return card.Encode()
	case member.KindSeatPass:
		return fill[passBody](a)
	case member.KindReseat:
		return fill[member.Reseat](a)
	case proposal.KindOpen:
		return a.proposal(by)
	case proposal.KindCast:
		return fill[proposal.CastBody](a)
	case proposal.KindWithdraw:
		return fill[proposal.NameBody](a)
	case proposal.KindClose:
		return record.Marshal(proposal.CloseBody{Proposals: []record.ID{pick(a, a.ids...)}})
	case ledger.KindTransfer:
		return a.transfer()
	case ledger.KindAccept, ledger.KindDecline, ledger.KindCancel:
		return fill[ledger.AnswerBody](a)
	case ledger.KindRequest:
		return fill[ledger.RequestBody](a)
	case ledger.KindRule:
		return fill[ledger.RuleBody](a)
	case ledger.KindInstalment:
		return fill[ledger.InstalmentBody](a)
	case document.KindCreate:
		schema := pick(a, listing.Schema(), listing.CommentSchema(), proposal.TextSchema())
		return document.Create{Schema: schema.Name, Ops: a.ops(schema)}.Encode()
	case document.KindEdit:
		return document.Edit{Doc: pick(a, a.ids...), Ops: a.ops(pick(a, listing.Schema(), listing.CommentSchema(), proposal.TextSchema()))}.Encode()
	}
	return []byte(a.text())
}

// transfer pays somebody, mostly as it can be done.
func (a *anything) transfer() []byte {
	var b ledger.TransferBody
	a.fill(reflect.ValueOf(&b).Elem())
	if !a.chance(3) {
		b.To, b.Unit, b.Amount = pick(a, a.members...), pick(a, "hour", "euro"), 1+a.Int64N(200)
		b.Request, b.Reverses = record.ID{}, pick(a, record.ID{}, record.ID{}, pick(a, a.ids...))
	}
	return record.Marshal(b)
}

// effects are some that can take place, and some that cannot.
func (a *anything) effects() (effects []proposal.Effect) {
	for range a.IntN(4) {
		var e proposal.Effect
		a.fill(reflect.ValueOf(&e).Elem())
		if !a.chance(3) {
			e = pick(a,
				proposal.Effect{Kind: proposal.EffectBylaw, Name: "quorum", Amount: a.Int64N(101)},
				proposal.Effect{Kind: proposal.EffectBylaw, Name: "purpose", Text: a.text() + "x"},
				proposal.Effect{Kind: proposal.EffectCreditLimit, Member: pick(a, a.members...), Unit: "hour", Amount: pick[int64](a, 0, proposal.MaxAmount)},
				proposal.Effect{Kind: proposal.EffectBudget, Member: pick(a, a.members...), Unit: "euro", Amount: pick[int64](a, 1, 100, proposal.MaxAmount),
					Parts: pick[uint32](a, 0, 1), Days: pick[uint32](a, 0, proposal.MaxPeriod), Text: a.text()},
				proposal.Effect{Kind: proposal.EffectBudgetEnd, Proposal: pick(a, a.ids...), Line: pick[uint32](a, 0, 1, 1<<32-1)},
				proposal.Effect{Kind: proposal.EffectOffice, Member: pick(a, a.members...), Name: pick(a, member.Sponsor, member.Treasurer), On: a.chance(2)},
			)
			e.Members, e.Keys, e.Card = []record.ID{}, []record.Key{}, []byte{}
		}
		effects = append(effects, e)
	}
	return effects
}

// card is one of a newcomer with a name that nobody asked about.
func (a *anything) card() []byte {
	invite, root, device := pick(a, a.invites...), a.key(), a.key()
	name := pick(a, a.text(), fmt.Sprintf("Chi %d", a.IntN(100)))
	t := member.CardTerms{Coop: a.coop.History().Coop(), Invite: invite.Public(), Root: root.Public(), Device: device.Public(), Name: name, DeviceName: a.text()}
	if a.chance(4) {
		t.Recovers, t.Invite = pick(a, a.ids...), record.Key{}
		card, _ := member.NewRecoveryCard(t, root, device)
		return card.Encode()
	}
	card, _ := member.NewCard(t, invite, root, device)
	return card.Encode()
}

// proposal opens what could be opened, but for its effects.
func (a *anything) proposal(by *record.Private) []byte {
	b := proposal.OpenBody{Version: []record.ID{}, Title: cmp.Or(strings.TrimSpace(a.text()), "T"), ClosesAt: max(a.time(), 1)}
	b.Effects = a.effects()
	b.Rule = proposal.RuleFor(b.Effects)
	if a.chance(4) {
		b.Doc = pick(a, a.ids...)
		b.Version = []record.ID{b.Doc}
	}
	me := a.coop.People().OwnerOf(by.Public())
	if body, err := proposal.Open(a.coop.People(), me, b); err == nil {
		return body
	}
	return record.Marshal(b)
}

// ops are some for the fields of a schema, with any value.
func (a *anything) ops(of document.Schema) (ops []document.Op) {
	for range 1 + a.IntN(5) {
		f := pick(a, of.Fields...)
		switch f.Type {
		case document.String:
			ops = append(ops, document.Put(f.Name, pick(a, a.text(), pick(a, a.ids...).String(), "offer", "need", "closed", "4.50 euro/kg", "2-3 hour")))
		case document.Int:
			ops = append(ops, document.PutInt(f.Name, a.number()))
		case document.StringList:
			ops = append(ops, document.ListInsert(f.Name, 0, a.text()))
		case document.Text:
			ops = append(ops, document.Splice(f.Name, 0, 0, a.text()+"x"))
		case document.Bool:
			ops = append(ops, document.PutBool(f.Name, a.chance(2)))
		}
	}
	return ops
}

// fill returns the encoding of a body with any values.
func fill[T any](a *anything) []byte {
	var v T
	a.fill(reflect.ValueOf(&v).Elem())
	return record.Marshal(v)
}

func (a *anything) fill(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *record.ID:
		*p = pick(a, pick(a, a.ids...), pick(a, a.ids...), pick(a, a.ids[:min(len(a.ids), 9)]...), record.ID{})
		return
	case *record.Key:
		*p = pick(a, pick(a, a.keys...), pick(a, a.keys...), record.Key{})
		return
	case *[]record.ID:
		for range a.IntN(4) {
			*p = append(*p, pick(a, a.ids...))
		}
		*p = slices.Concat([]record.ID{}, record.SortIDs(*p))
		return
	case *proposal.Option:
		*p = pick(a, proposal.Yes, proposal.No, proposal.Abstain, "maybe")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				a.fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), a.IntN(4), 4))
		for i := range v.Len() {
			a.fill(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(a.IntN(256)))
		}
	case reflect.String:
		v.SetString(a.text())
	case reflect.Bool:
		v.SetBool(a.chance(2))
	case reflect.Int64:
		v.SetInt(a.number())
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(uint64(pick[uint32](a, 0, 1, 2, 30, 1000, math.MaxUint32)) & (1<<v.Type().Bits() - 1))
	default:
		panic("nodetest: no values for " + v.Type().String())
	}
}

func (a *anything) number() int64 {
	return pick(a, 0, 1, 100, 1e12, 1<<53+1, record.MaxTime, record.MaxTime+1, -1, math.MaxInt64, math.MinInt64, a.Int64N(500), a.Int64N(500))
}

// text is a word that means something somewhere, or one that is hard to show.
func (a *anything) text() string {
	return pick(a,
		"hour", "euro", "hour", "euro", proposal.EffectMembers, proposal.EffectOffice, proposal.EffectExpel, proposal.EffectRest, proposal.EffectBudget,
		proposal.EffectBylaw, proposal.EffectCreditLimit, proposal.EffectTellers, member.Sponsor, member.Treasurer, "quorum", "poll-days", "credit-limit/hour",
		"", "x", "Ana", "treasury", " ", "\u202eevil\u202c", "A\u200bna", "a\tb\nc", "\x00", "\x1b[2J", "=1+1", "\"quoted\"; it's, so", "NaN", "null",
		"\ufeff\ufffe", "é́", "\u2028", strings.Repeat("语", 40), strings.Repeat("a", 300), strings.Repeat("\U0001F469\u200d", 60), "https://example.org/?a=b&c",
	)
}
