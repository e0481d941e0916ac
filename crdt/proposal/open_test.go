package proposal_test

import (
	"slices"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// Ids of a world of five: members 0 to 4, associate 5.
var (
	makeMember = proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{who(5)}}
	office     = proposal.Effect{Kind: proposal.EffectOffice, Member: who(1), Name: member.Treasurer, On: true}
	expel      = proposal.Effect{Kind: proposal.EffectExpel, Member: who(1)}
	recover_   = proposal.Effect{Kind: proposal.EffectRecover, Member: who(1), Card: recoveryCard(who(1), coop)}
	rest       = proposal.Effect{Kind: proposal.EffectRest, Member: who(1)}
	limit      = proposal.Effect{Kind: proposal.EffectCreditLimit, Member: who(1), Unit: "hour", Amount: 500}
	budget     = proposal.Effect{Kind: proposal.EffectBudget, Member: who(1), Unit: "hour", Amount: 1200, Parts: 12, Days: 30, Text: "the cleaning"}
	budgetEnd  = proposal.Effect{Kind: proposal.EffectBudgetEnd, Proposal: who(9), Line: 2}
	bylaw      = proposal.Effect{Kind: proposal.EffectBylaw, Name: member.Quorum, Amount: 40}
	tellers    = proposal.Effect{Kind: proposal.EffectTellers, Keys: []record.Key{device(2), device(0)}}
)

func key(b byte) *record.Private { return record.NewPrivate([32]byte{b}) }

// recoveryCard is what somebody whose keys are lost signs with new ones.
func recoveryCard(who, coop record.ID) []byte {
	c, err := member.NewRecoveryCard(member.CardTerms{Coop: coop, Recovers: who, Name: "MB", DeviceName: "laptop"}, key(1), key(2))
	if err != nil {
		panic(err)
	}
	return c.Encode()
}

func TestRuleOfEffects(t *testing.T) {
	const none, o, g, c = "", "o", "g", "c"
	for _, test := range []struct {
		name    string
		effects []proposal.Effect
		may     string // the rules under which it may be opened
		least   proposal.Rule
	}{
		{"none", nil, o + g + c, proposal.Ordinary},
		{"members", []proposal.Effect{makeMember}, g + c, proposal.Governance},
		{"office", []proposal.Effect{office}, g + c, proposal.Governance},
		{"expel", []proposal.Effect{expel}, g + c, proposal.Governance},
		{"recover", []proposal.Effect{recover_}, g + c, proposal.Governance},
		{"credit limit", []proposal.Effect{limit}, g + c, proposal.Governance},
		{"budget", []proposal.Effect{budget}, g + c, proposal.Governance},
		{"end of a budget", []proposal.Effect{budgetEnd}, g + c, proposal.Governance},
		{"bylaw", []proposal.Effect{bylaw}, c, proposal.Constitutional},
		{"tellers", []proposal.Effect{tellers}, c, proposal.Constitutional},
		{"rest", []proposal.Effect{rest}, o, proposal.Ordinary},
		{"office, then bylaw", []proposal.Effect{office, bylaw}, c, proposal.Constitutional},
		{"bylaw, then office", []proposal.Effect{bylaw, office}, c, proposal.Constitutional},
		{"rest and office", []proposal.Effect{rest, office}, none, proposal.Governance},
		{"expel and office", []proposal.Effect{expel, office}, none, proposal.Governance},
		{"office and expel", []proposal.Effect{office, expel}, none, proposal.Governance},
		{"two expelled", []proposal.Effect{expel, {Kind: proposal.EffectExpel, Member: who(2)}}, none, proposal.Governance},
	} {
		t.Run(test.name, func(t *testing.T) {
			may := ""
			for _, rule := range []proposal.Rule{proposal.Ordinary, proposal.Governance, proposal.Constitutional} {
				if _, err := newWorld(t, 5, 1).tryOpen(0, body(rule, test.effects...)); err == nil {
					may += string(rule[:1])
				}
			}
			if may != test.may {
				t.Errorf("may be opened as %q, want %q", may, test.may)
			}
			if got := proposal.RuleFor(test.effects); got != test.least {
				t.Errorf("RuleFor: got %s, want %s", got, test.least)
			}
		})
	}
}

func TestOpenForm(t *testing.T) {
	good := func(rule proposal.Rule) *proposal.OpenBody { b := body(rule); return &b }
	with := func(e proposal.Effect, change func(*proposal.Effect)) *proposal.OpenBody {
		change(&e)
		b := body(proposal.RuleFor([]proposal.Effect{e}), e)
		return &b
	}
	change := func(f func(*proposal.OpenBody)) *proposal.OpenBody { b := good(proposal.Governance); f(b); return b }
	var many []record.ID
	var keys []record.Key
	for i := range 101 {
		many, keys = append(many, who(i)), append(keys, device(i))
	}
	for _, test := range []struct {
		name string
		body *proposal.OpenBody
		want string
	}{
		{"plain", good(proposal.Governance), ""},
		{"poll", good(proposal.Ordinary), ""},
		{"with text", change(func(b *proposal.OpenBody) { b.Doc, b.Version = who(7), []record.ID{who(8), who(9)} }), ""},
		{"no title", change(func(b *proposal.OpenBody) { b.Title = "" }), "title has 0"},
		{"longest title", change(func(b *proposal.OpenBody) { b.Title = strings.Repeat("ü", 120) }), ""},
		{"long title", change(func(b *proposal.OpenBody) { b.Title = strings.Repeat("ü", 121) }), "title has 121"},
		{"title of two lines", change(func(b *proposal.OpenBody) { b.Title = "a\nb" }), "one line"},
		{"title with a space", change(func(b *proposal.OpenBody) { b.Title = "a " }), "one line"},
		{"text without version", change(func(b *proposal.OpenBody) { b.Doc = who(7) }), "or neither"},
		{"version without text", change(func(b *proposal.OpenBody) { b.Version = many[:1] }), "or neither"},
		{"version out of order", change(func(b *proposal.OpenBody) { b.Doc, b.Version = who(7), []record.ID{who(9), who(8)} }), "sorted"},
		{"version twice", change(func(b *proposal.OpenBody) { b.Doc, b.Version = who(7), []record.ID{who(9), who(9)} }), "sorted"},
		{"longest version", change(func(b *proposal.OpenBody) { b.Doc, b.Version = who(7), many[:32] }), ""},
		{"long version", change(func(b *proposal.OpenBody) { b.Doc, b.Version = who(7), many[:33] }), "1 to 32"},
		{"no such rule", change(func(b *proposal.OpenBody) { b.Rule = "royal" }), "no rule"},
		{"poll that never closes", change(func(b *proposal.OpenBody) { b.Rule, b.ClosesAt = proposal.Ordinary, 0 }), "when it closes"},
		{"governance that never closes", change(func(b *proposal.OpenBody) { b.ClosesAt = 0 }), "when it closes"},
		{"poll that closes before time", change(func(b *proposal.OpenBody) { b.Rule, b.ClosesAt = proposal.Ordinary, -1 }), "when it closes"},
		{"poll that closes after time", change(func(b *proposal.OpenBody) { b.Rule, b.ClosesAt = proposal.Ordinary, record.MaxTime+1 }), "when it closes"},
		{"most effects", change(func(b *proposal.OpenBody) { b.Effects = slices.Repeat([]proposal.Effect{office}, 20) }), ""},
		{"many effects", change(func(b *proposal.OpenBody) { b.Effects = slices.Repeat([]proposal.Effect{office}, 21) }), "split"},
		{"no such effect", change(func(b *proposal.OpenBody) { b.Effects = []proposal.Effect{{Kind: "crown"}} }), "does not know"},

		{"effect with more", with(office, func(e *proposal.Effect) { e.Amount = 1 }), "more than"},
		{"expulsion with more", with(expel, func(e *proposal.Effect) { e.Members = many[:1] }), "more than"},
		{"nobody", with(makeMember, func(e *proposal.Effect) { e.Members = nil }), "0 people"},
		{"most people", with(makeMember, func(e *proposal.Effect) { e.Members = many[:100] }), "nobody of the co-op"}, // the form is fine
		{"many people", with(makeMember, func(e *proposal.Effect) { e.Members = many }), "101 people"},
		{"people out of order", with(makeMember, func(e *proposal.Effect) { e.Members = []record.ID{who(5), who(4)} }), "sorted"},
		{"somebody twice", with(makeMember, func(e *proposal.Effect) { e.Members = []record.ID{who(5), who(5)} }), "sorted"},
		{"stranger", with(makeMember, func(e *proposal.Effect) { e.Members = []record.ID{stranger} }), "nobody of the co-op"},
		{"stranger in office", with(office, func(e *proposal.Effect) { e.Member = stranger }), "nobody of the co-op"},
		{"no such office", with(office, func(e *proposal.Effect) { e.Name = "king" }), "no office"},
		{"expelled stranger", with(expel, func(e *proposal.Effect) { e.Member = stranger }), "nobody of the co-op"},
		{"resting stranger", with(rest, func(e *proposal.Effect) { e.Member = stranger }), "nobody of the co-op"},
		{"recovery without card", with(recover_, func(e *proposal.Effect) { e.Card = nil }), "bytes of the card"},
		{"card of another", with(recover_, func(e *proposal.Effect) { e.Card = recoveryCard(who(2), coop) }), "not for this person"},
		{"card of another co-op", with(recover_, func(e *proposal.Effect) { e.Card = recoveryCard(who(1), stranger) }), "not for this person"},
		{"card with a bad signature", with(recover_, func(e *proposal.Effect) { e.Card = slices.Clone(e.Card); e.Card[len(e.Card)-1] ^= 1 }), "did not sign"},
		{"long card", with(recover_, func(e *proposal.Effect) { e.Card = make([]byte, 2049) }), "bytes of the card"},
		{"limit 0", with(limit, func(e *proposal.Effect) { e.Amount = 0 }), ""},
		{"greatest limit", with(limit, func(e *proposal.Effect) { e.Amount = 1e12 }), ""},
		{"limit below 0", with(limit, func(e *proposal.Effect) { e.Amount = -1 }), "minor units"},
		{"great limit", with(limit, func(e *proposal.Effect) { e.Amount = 1e12 + 1 }), "minor units"},
		{"limit in no unit", with(limit, func(e *proposal.Effect) { e.Unit = "" }), "no unit"},
		{"end of a budget of somebody", with(budgetEnd, func(e *proposal.Effect) { e.Member = who(1) }), "says more"},
		{"budget of a proposal", with(budget, func(e *proposal.Effect) { e.Proposal = who(9) }), "says more"},
		{"budget 0", with(budget, func(e *proposal.Effect) { e.Amount = 0 }), "minor units"},
		{"great budget", with(budget, func(e *proposal.Effect) { e.Amount = 1e12 + 1 }), "minor units"},
		{"budget in another unit", with(budget, func(e *proposal.Effect) { e.Unit = "euro" }), "no unit"},
		{"budget in too many parts", with(budget, func(e *proposal.Effect) { e.Amount, e.Parts = 1e6, 1201 }), "instalments"},
		{"budget in parts of nothing", with(budget, func(e *proposal.Effect) { e.Amount, e.Parts = 11, 12 }), "instalments"},
		{"budget for a stranger", with(budget, func(e *proposal.Effect) { e.Member = stranger }), "nobody of the co-op"},
		{"budget of years", with(budget, func(e *proposal.Effect) { e.Days = 367 }), "days"},
		{"budget with a novel", with(budget, func(e *proposal.Effect) { e.Text = strings.Repeat("x", 1001) }), "its text"},
		{"no such clause", with(bylaw, func(e *proposal.Effect) { e.Name = "motto" }), "motto"},
		{"clause out of range", with(bylaw, func(e *proposal.Effect) { e.Amount = 101 }), "101"},
		{"no tellers", with(tellers, func(e *proposal.Effect) { e.Keys = nil }), "0 tellers"},
		{"most tellers", with(tellers, func(e *proposal.Effect) { e.Keys = keys[:10] }), "device"}, // the form is fine
		{"many tellers", with(tellers, func(e *proposal.Effect) { e.Keys = keys[:11] }), "11 tellers"},
		{"teller twice", with(tellers, func(e *proposal.Effect) { e.Keys = []record.Key{device(0), device(0)} }), "twice"},
		{"teller's device unknown", with(tellers, func(e *proposal.Effect) { e.Keys = []record.Key{{5}} }), "nobody of the co-op has the device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 5, 1)
			_, err := w.tryOpen(0, *test.body)
			wants(t, err, test.want)
		})
	}
}

func TestOpenWhoMay(t *testing.T) {
	for _, test := range []struct {
		name    string
		members int
		by      int
		effects []proposal.Effect
		prepare func(*world)
		want    string
	}{
		{"member", 5, 0, nil, nil, ""},
		{"alone", 1, 0, nil, nil, ""},
		{"associate", 5, 5, nil, nil, "no member"},
		{"resting", 5, 0, nil, func(w *world) { w.setStatus(0, member.StatusResting) }, "no member"},
		{"own expulsion", 5, 1, []proposal.Effect{expel}, nil, "leave the co-op"},
		{"expulsion, 3 remain", 4, 0, []proposal.Effect{expel}, nil, ""},
		{"expulsion, 2 remain", 3, 0, []proposal.Effect{expel}, nil, "at least 3"},
		{"expulsion, 2 remain of whom one rests", 4, 0, []proposal.Effect{expel}, func(w *world) { w.setStatus(2, member.StatusResting) }, "at least 3"},
		{"expulsion of an associate among 3", 3, 0, []proposal.Effect{{Kind: proposal.EffectExpel, Member: who(3)}}, nil, ""},
		{"expulsion of an associate among 2", 2, 0, []proposal.Effect{{Kind: proposal.EffectExpel, Member: who(2)}}, nil, ""},
		{"expulsion of one who rests, 2 remain", 3, 0, []proposal.Effect{expel}, func(w *world) { w.setStatus(1, member.StatusResting) }, "at least 3"},
		{"expulsion of who left", 5, 0, []proposal.Effect{expel}, func(w *world) { w.setStatus(1, member.StatusLeft) }, "nobody of the co-op"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.members, 1)
			if test.prepare != nil {
				test.prepare(w)
			}
			_, err := w.tryOpen(test.by, body(proposal.RuleFor(append(test.effects, office)), test.effects...))
			wants(t, err, test.want)
		})
	}
}

func TestElectorateIsFrozenAndSeen(t *testing.T) {
	w := newWorld(t, 5, 1)
	b := body(proposal.Governance)
	b.Electorate = member.Roll(proposal.Electorate(w.people, nil))
	raw := record.Marshal(b)
	w.setStatus(5, member.StatusMember)
	_, err := w.act(0, proposal.KindOpen, raw)
	wants(t, err, "membership changed since you looked: propose again")

	id := w.open(0, proposal.Governance)
	if got, want := w.get(id).Voters, []record.ID{who(0), who(1), who(2), who(3), who(4), who(5)}; !slices.Equal(got, want) {
		t.Errorf("voters: got %v, want %v", got, want)
	}
	w.setStatus(5, member.StatusAssociate) // they left, and came back
	wants(t, w.vote(5, id, proposal.Yes), "came back as an associate")
	old := w.get(id)
	next := w.open(0, proposal.Governance)
	wants(t, w.vote(5, next, proposal.Yes), "was not among those")
	if old.Electorate == w.get(next).Electorate || len(old.Voters) != 6 {
		t.Errorf("the electorate of an open proposal followed the membership")
	}
}

func TestExpelledDoesNotDecide(t *testing.T) {
	w := newWorld(t, 4, 1)
	id := w.open(0, proposal.Governance, expel)
	if p := w.get(id); len(p.Voters) != 3 || slices.Contains(p.Voters, who(1)) {
		t.Errorf("voters: got %v", p.Voters)
	}
	wants(t, w.vote(1, id, proposal.No), "was not among those")
	w.vote(0, id, proposal.Yes)
	w.is(id, proposal.StatusOpen)
	w.vote(2, id, proposal.Yes)
	w.is(id, proposal.StatusPassed)
}

func TestOpenLimit(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.s.Open.Put(who(0), proposal.MaxOpen-1)
	id := w.open(0, proposal.Governance)
	_, err := w.tryOpen(0, body(proposal.Governance))
	wants(t, err, "1000 open proposals")
	w.open(1, proposal.Governance)
	wants(t, w.withdraw(0, id), "")
	id = w.open(0, proposal.Governance)
	w.votes(id, "nn")
	w.open(0, proposal.Governance)
}

func TestOpenBodyForAuthor(t *testing.T) {
	w := newWorld(t, 5, 1)
	w.setStatus(0, member.StatusResting)
	raw, err := proposal.Open(w.people, who(0), body(proposal.Governance))
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := w.people.Members.Get(who(0)); m.Status != member.StatusResting {
		t.Errorf("Open woke the author in the state it was given")
	}
	w.people.Wake(who(0))
	_, err = w.act(0, proposal.KindOpen, raw)
	wants(t, err, "")
	_, err = proposal.Open(w.people, who(0), body("royal"))
	wants(t, err, "no rule")
	bad := body(proposal.Governance)
	bad.Title = "a\xff"
	_, err = proposal.Open(w.people, who(0), bad)
	wants(t, err, "UTF-8")
}

func TestIntroducesWhoIsToBeRecovered(t *testing.T) {
	b := body(proposal.Governance, office, recover_)
	r := &record.Record{Header: record.Header{Coop: coop, Kind: proposal.KindOpen}, Body: record.Marshal(b)}
	got := proposal.Introduces(r)
	if len(got) != 1 || got[0].Device != key(2).Public() || got[0].Root != key(1).Public() {
		t.Errorf("got %+v", got)
	}
	b.Title = ""
	r.Body = record.Marshal(b)
	if got := proposal.Introduces(r); got != nil {
		t.Errorf("what is no proposal introduces %+v", got)
	}
}
