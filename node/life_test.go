package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// words are the 24 words of a house's person.
func words(h *nodetest.House) string { return h.Home.Secrets().Words }

// TestSeat: a teller's seat goes from one computer to another, by itself or by
// the root key, and with it the minutes.
func TestSeat(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	phone := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code, "phone")
	street.Meet(ana, phone)
	phone.Await("joined", joined)
	teller := func(h *nodetest.House, name string) {
		t.Helper()
		h.Await(name+" keeps the minutes", func(v node.View) bool {
			return len(v.State.Pending) == 0 && len(v.Tellers) == 1 && v.Tellers[0].Device.Name == name
		})
	}
	must[record.ID](t)(ana.PassSeat(t.Context(), "phone", ""))
	teller(phone, "phone")

	// Named as a teller again, Ana keeps the seat where it is.
	id := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "Tellers", Effects: []string{"tellers:Ana"}}))
	if p, _ := ana.See().State.Proposals.Proposals.Get(id); p.Effects[0].Keys[0] != phone.See().Device {
		t.Error("to name Ana as a teller moves her seat to another computer")
	}
	must[record.ID](t)(ana.CloseProposal(t.Context(), id.String()))
	must[record.ID](t)(ana.PassSeat(t.Context(), "laptop", "")) // by the root key, which is there
	teller(ana, "laptop")

	// The laptop is lost, and with it the only words on a computer.
	street.Part(ana)
	typed := words(ana)
	_, err := phone.RevokeDevice(t.Context(), node.Revocation{Device: "laptop", SeatTo: "phone"})
	refuse(t, err, "refused", "24 words")
	_, err = phone.RevokeDevice(t.Context(), node.Revocation{Device: "laptop", SeatTo: "phone", Words: strings.Repeat("abandon ", 23) + "art"})
	refuse(t, err, "refused", "not those of Ana")
	id = must[record.ID](t)(phone.RevokeDevice(t.Context(), node.Revocation{Device: "laptop", SeatTo: "phone", Words: typed}))
	text := must[string](t)(phone.Waits(t.Context(), id))
	if want := "waits for the only teller: your laptop last wrote "; !strings.HasPrefix(text, want) {
		t.Errorf("a seat passed by another computer: got %q, want %q", text, want)
	}
	phone.Sleep(3 * 24 * time.Hour)
	text = must[string](t)(phone.Waits(t.Context(), id))
	if want := "last wrote on " + phone.See().Tellers[0].Wrote.Local().Format("Monday 15:04"); !strings.Contains(text, want) {
		t.Errorf("three days later: got %q, want %q", text, want)
	}
	if phone.Sleep(30 * 24 * time.Hour); strings.Contains(must[string](t)(phone.Waits(t.Context(), id)), "day ") {
		t.Error("a day of the week says nothing after a month")
	}

	// It is found again: it minutes what it hears, its own end included.
	street.Meet(ana, phone)
	teller(phone, "phone")
	if text := must[string](t)(phone.Waits(t.Context(), id)); text != "" {
		t.Errorf("in the minutes, and it %s", text)
	}
}

// TestAlike: of two computers that are called alike, each is typed by its key, in
// what is advised too.
func TestAlike(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	for range 2 {
		phone := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code, "phone")
		street.Meet(ana, phone)
		phone.Await("joined", joined)
	}
	nodetest.AwaitSame(ana)
	people := ana.See().State.People
	keys := ana.See().Me.Devices
	for _, key := range keys {
		d, _ := people.Devices.Get(key)
		want := map[string]string{"laptop": "laptop", "phone": key.Short()}[d.Name]
		if got := node.TypedDevice(people, d); got != want {
			t.Errorf("of laptop, phone and phone, %s is typed %s, want %s", d.Name, got, want)
		}
	}
	_, err := ana.RevokeDevice(t.Context(), node.Revocation{Device: "laptop"})
	_, to, ok := strings.Cut(err.Error(), "coop device revoke laptop --seat-to ")
	if !ok {
		t.Fatalf("advice: %v", err)
	}
	_, err = ana.PassSeat(t.Context(), "phone", "")
	refuse(t, err, "not found", "2 of your computers are called")
	must[record.ID](t)(ana.PassSeat(t.Context(), to, ""))

	seat := func(typed string) error {
		_, err := ana.OpenProposal(t.Context(), node.Proposal{Title: "x", Effects: []string{"tellers:Ana/" + typed}})
		return err
	}
	refuse(t, seat("phone"), "not found", "2 computers of Ana are called phone: use a key from `coop member show Ana --json`, such as ")
	refuse(t, seat("car"), "not found", "Ana has no computer called car")
	refuse(t, seat(keys[2].Short()), "", "")

	// A name is free again where the other computer is out.
	must[record.ID](t)(ana.RevokeDevice(t.Context(), node.Revocation{Device: keys[1].Short(), SeatTo: "laptop"}))
	people = ana.See().State.People
	for i, want := range []string{"laptop", keys[1].Short(), "phone"} {
		d, _ := people.Devices.Get(keys[i])
		if got := node.TypedDevice(people, d); got != want {
			t.Errorf("once one phone is out, computer %d is typed %s, want %s", i, got, want)
		}
	}
}

// TestReturn: who has only their 24 words comes back with a computer that adds
// itself, and can do with it what the first could.
func TestReturn(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	typed := words(bo)
	bo.Close()
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code
	desk := nodetest.Return(t, street, code, typed, "desk")
	street.Part(chi)
	street.Meet(ana, desk)
	v := desk.Await("joined", joined)
	if v.Me.Name != "Bo" || v.Me.Status != member.StatusMember || len(v.Me.Devices) != 2 || !desk.HasWords() {
		t.Errorf("the desk is %s's, %s, with %d devices", v.Me.Name, v.Me.Status, len(v.Me.Devices))
	}
	nodetest.AwaitSame(ana, desk)

	// Chi has not heard of the desk.
	street.Part(desk)
	desk.Reopen()
	street.Meet(desk, chi)
	chi.Await("the desk is Bo's", func(v node.View) bool { return v.State.People.Stands(desk.See().Device) })
	must[record.ID](t)(desk.RevokeDevice(t.Context(), node.Revocation{Device: "laptop"}))
	street.Meet(ana, desk)
	nodetest.AwaitSame(ana, desk, chi)
	if n := len(ana.See().Cards); n > 0 {
		t.Errorf("%d cards wait at the door", n)
	}

	// Words of nobody, and of another than the code is for.
	_, err := node.Join(desk.Home, node.JoinAs{Code: code, As: "x", Words: "one two"}, ana.Now())
	refuse(t, err, "invalid", "24 words")
	mine := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code
	_, err = node.Join(desk.Home, node.JoinAs{Code: mine, As: "x", Words: typed}, ana.Now())
	refuse(t, err, "invalid", "somebody else")
	stranger := nodetest.Return(t, street, code, strings.Repeat("abandon ", 23)+"art", "x")
	street.Meet(ana, stranger)
	stranger.Await("a closed door", func(v node.View) bool {
		return len(v.Events) > 0 && strings.Contains(v.Events[len(v.Events)-1].Text, "nobody in it has these keys")
	})
}

// decide opens a proposal and lets people vote yes, each once they know of it.
func decide(t *testing.T, effects []string, voters ...*nodetest.House) {
	t.Helper()
	id := must[record.ID](t)(voters[0].OpenProposal(t.Context(), node.Proposal{Title: "Let us", Effects: effects}))
	for _, h := range voters {
		h.Await("the proposal", func(v node.View) bool { _, ok := v.State.Proposals.Proposals.Get(id); return ok })
		must[record.ID](t)(h.Vote(t.Context(), id.String(), "yes", ""))
	}
	nodetest.AwaitSame(voters...)
}

// TestReseatByWords: who came back with the 24 words after the minutes stood still
// signs by them for other tellers, and not without them.
func TestReseatByWords(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora")
	bo, chi, dora := others[0], others[1], others[2]
	ana.Close()
	chi.Close()
	back := func(who *nodetest.House, name string) *nodetest.House {
		code := must[node.Invited](t)(bo.RecoveryCode(t.Context(), name)).Code
		desk := nodetest.Return(t, street, code, words(who), "desk")
		street.Meet(bo, desk)
		desk.Await("in", joined)
		return desk
	}
	file := must[node.Reseat](t)(bo.ReplaceTellers(t.Context(), []string{"Bo"}, false, false)).File

	forgot := back(dora, "Dora")
	if err := forgot.ForgetWords(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := forgot.SignReseat(t.Context(), file, false)
	refuse(t, err, "refused", "your 24 words")

	r := must[node.Reseat](t)(back(chi, "Chi").SignReseat(t.Context(), file, false))
	if len(r.Signed) != 2 {
		t.Errorf("%d have signed, want Bo and Chi", len(r.Signed))
	}
	if r = must[node.Reseat](t)(dora.SignReseat(t.Context(), r.File, false)); r.ID == (record.ID{}) {
		t.Errorf("%d of %d have signed, and it is not done", len(r.Signed), r.Needs)
	}
	street.Meet(bo, dora)
	bo.Await("the minutes go on", func(v node.View) bool { return len(v.State.Pending) == 0 && v.State.Reseated == r.ID })
}

// TestReseatNotInTheMinutes: a computer that came while the minutes stand still
// cannot keep them, which is said by its name, and is not suggested.
func TestReseatNotInTheMinutes(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora")
	bo, chi := others[0], others[1]
	ana.Close()
	chi.Close()
	desk := nodetest.Return(t, street, must[node.Invited](t)(bo.RecoveryCode(t.Context(), "Chi")).Code, words(chi), "desk")
	street.Meet(bo, desk)
	desk.Await("in", joined)
	gone := must[record.ID](t)(desk.RevokeDevice(t.Context(), node.Revocation{Device: "laptop"}))
	bo.Await("the revocation", func(node.View) bool { return held(bo, gone) })
	_, err := bo.ReplaceTellers(t.Context(), []string{"Bo", "Chi"}, false, false)
	refuse(t, err, "refused", "Chi's desk is not in the minutes yet, so it cannot keep them: name others")
	bo.Sleep(time.Minute)
	_, typed, _ := strings.Cut(bo.See().Stuck, "3 of 4 members sign others into their place: coop tellers replace tellers.txt ")
	if typed != "Bo Dora --yes" && typed != "Dora Bo --yes" {
		t.Errorf("Bo is told %q", bo.See().Stuck)
	}
}

// TestRecoveryCards: of the cards that ask for one person's new keys a few are shown,
// and are gone with their sessions. The true one, which came last, is found by its
// words; nobody else has them.
func TestRecoveryCards(t *testing.T) {
	street, ana, others := willow(t, false, "Bo")
	others[0].Close()
	code := must[node.Invited](t)(ana.RecoveryCode(t.Context(), "Bo")).Code
	var desks []*nodetest.House
	spoken := map[string]bool{}
	for range 6 {
		desk := nodetest.Join(t, street, code, "Bo")
		street.Meet(ana, desk)
		desk.Await("a reason to wait", func(v node.View) bool { return v.Waits != "" })
		desks, spoken[desk.CardWords()] = append(desks, desk), true
	}
	if len(spoken) != len(desks) {
		t.Errorf("%d cards have %d different words: %v", len(desks), len(spoken), spoken)
	}
	v := ana.Await("all cards", func(v node.View) bool { return len(v.Cards)+v.Hidden == len(desks) })
	if len(v.Cards) != 4 || len(v.Todo().Admit) != 4 {
		t.Errorf("%d cards are shown", len(v.Cards))
	}
	for i, c := range v.Cards {
		if c.Card.Device != desks[i].See().Device || c.Words() != desks[i].CardWords() {
			t.Errorf("card %d is of device %s, with the words %q", i, c.Card.Device.Short(), c.Words())
		}
	}
	last := desks[len(desks)-1]
	typed := strings.ReplaceAll(strings.ToUpper(last.CardWords()), " ", "-")
	id := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "New keys", Effects: []string{"recover:Bo," + typed}}))
	p, _ := ana.See().State.Proposals.Proposals.Get(id)
	if card, err := member.ParseCard(p.Effects[0].Card); err != nil || card.Device != last.See().Device || node.WordsOf(p.Effects[0].Card) != last.CardWords() {
		t.Errorf("the words found the card of %s, %v", card.Device.Short(), err)
	}
	for _, desk := range desks {
		street.Part(desk)
	}
	ana.Await("no card", func(v node.View) bool { return len(v.Cards)+v.Hidden == 0 })
	_, err := ana.OpenProposal(t.Context(), node.Proposal{Title: "New keys", Effects: []string{"recover:Bo," + typed}})
	refuse(t, err, "not found", "no card with the words")
}

// TestRecover: who lost everything makes new keys, and is let in where the
// members decided on them.
func TestRecover(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	bo.Close()
	_, err := ana.RecoveryCode(t.Context(), "Zoe")
	refuse(t, err, "not found", "Zoe")
	code := must[node.Invited](t)(ana.RecoveryCode(t.Context(), "Bo")).Code
	desk := nodetest.Join(t, street, code, "Bo's new desk")
	if words(desk) == "" || words(desk) == words(bo) {
		t.Error("the desk has no words of its own")
	}
	street.Meet(ana, desk)
	v := ana.Await("a card", func(v node.View) bool { return len(v.Todo().Admit) == 1 })
	card := v.Cards[0]
	if asks := card.Asks(); !strings.Contains(asks, "--effect recover:Bo,"+card.Card.Device.Short()) || !strings.Contains(asks, desk.CardWords()) {
		t.Errorf("the card asks: %q", asks)
	}
	desk.Await("a reason to wait", func(v node.View) bool {
		return len(v.Peers) == 1 && strings.Contains(v.Peers[0].Waits, "the four words that this computer shows")
	})
	_, err = ana.Admit(t.Context(), card.Card.Device.Short(), false)
	refuse(t, err, "refused", "needs a proposal")

	decide(t, []string{"recover:Bo," + card.Card.Device.Short()}, ana, chi)
	if v := desk.Await("joined", joined); v.Me.Name != "Bo" || v.Me.Status != member.StatusMember || len(v.Me.Devices) != 1 {
		t.Errorf("the desk is %s's, %s, with %d devices", v.Me.Name, v.Me.Status, len(v.Me.Devices))
	}
	if n := len(ana.See().Cards); n > 0 {
		t.Errorf("%d cards wait at the door", n)
	}
	nodetest.AwaitSame(ana, chi, desk)
	must[record.ID](t)(desk.Pay(t.Context(), node.Payment{Who: "Ana", Amount: "1"}))

	// Who keeps the minutes gives up the seat first.
	lost := must[node.Invited](t)(chi.RecoveryCode(t.Context(), "Ana")).Code
	tablet := nodetest.Join(t, street, lost, "Ana's tablet")
	street.Meet(chi, tablet)
	v = chi.Await("a card", func(v node.View) bool { return len(v.Cards) == 1 })
	advised := effectsOf(v.Cards[0].Asks())
	effect := "recover:Ana," + v.Cards[0].Card.Device.Short()
	if len(advised) != 2 || advised[1] != effect {
		t.Errorf("of somebody who keeps the minutes, the card asks %q", v.Cards[0].Asks())
	}
	_, err = chi.OpenProposal(t.Context(), node.Proposal{Title: "x", Effects: []string{effect}})
	refuse(t, err, "refused", "Ana is a teller: decide on other tellers first")
	if got := effectsOf(err.Error()); !slices.Equal(got, advised) {
		t.Errorf("refused, it advises %q", got)
	}
	_, err = chi.OpenProposal(t.Context(), node.Proposal{Title: "x", Effects: advised})
	refuse(t, err, "", "")
}

// TestRecoverWhoAloneKeepsTheMinutes: without the computer that is lost nothing gets
// into the minutes, so no proposal is advised that would wait for ever.
func TestRecoverWhoAloneKeepsTheMinutes(t *testing.T) {
	for _, tt := range []struct {
		others []string
		want   string
	}{
		{[]string{"Bo", "Chi"}, "2 of 3 members sign others into their place: coop tellers replace tellers.txt "},
		{[]string{"Bo"}, "the co-op goes on anew: coop --home NEW found --from OLD-HOME"},
	} {
		street, ana, others := willow(t, true, tt.others...)
		ana.Close()
		bo := others[0]
		tablet := nodetest.Join(t, street, must[node.Invited](t)(bo.RecoveryCode(t.Context(), "Ana")).Code, "Ana's tablet")
		street.Meet(bo, tablet)
		v := bo.Await("a card", func(v node.View) bool { return len(v.Cards) == 1 && len(v.Peers) == len(others) })
		if asks := v.Cards[0].Asks(); !strings.Contains(asks, "in place of Ana") || !strings.Contains(asks, tt.want) || strings.Contains(asks, "coop proposal") {
			t.Errorf("with %v the card asks %q", tt.others, asks)
		}
	}
}

// TestOwnComputerLost: who lost the computer that alone keeps the minutes is told of
// it as of theirs, and not to reach themselves.
func TestOwnComputerLost(t *testing.T) {
	street, ana, others := willow(t, true, "Bo")
	typed := words(ana)
	desk := nodetest.Return(t, street, must[node.Invited](t)(others[0].RecoveryCode(t.Context(), "Ana")).Code, typed, "desk")
	ana.Close()
	street.Meet(others[0], desk)
	desk.Await("joined", joined)
	must[record.ID](t)(desk.RevokeDevice(t.Context(), node.Revocation{Device: "laptop", SeatTo: "desk", Words: typed}))
	v := desk.See()
	if !strings.Contains(v.Advice, ": your computer laptop should keep them") {
		t.Errorf("Ana is told %q", v.Advice)
	}
}

// effectsOf returns the effects in a command that is advised.
func effectsOf(advice string) []string { return strings.Split(advice, " --effect ")[1:] }

// TestRest: who is silent for a month can be set resting, is then in no
// electorate, and is a member again with the first act.
func TestRest(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	street.Part(chi)
	_, err := ana.OpenProposal(t.Context(), node.Proposal{Title: "x", Effects: []string{"rest:Chi"}, Days: 29})
	refuse(t, err, "invalid", "30 days")
	poll := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "Chi rests", Effects: []string{"rest:Chi"}}))
	for _, h := range []*nodetest.House{ana, bo} {
		h.Await("the poll", func(v node.View) bool { _, ok := v.State.Proposals.Proposals.Get(poll); return ok })
		must[record.ID](t)(h.Vote(t.Context(), poll.String(), "yes", ""))
	}
	status := func(h *nodetest.House, want member.Status) {
		t.Helper()
		h.Await("Chi is "+want.String(), func(v node.View) bool {
			m, _ := v.State.Minuted.People.Members.Get(chi.See().Me.ID)
			return m.Status == want
		})
	}
	nodetest.AwaitSame(ana, bo)
	street.Part(bo) // for a clock that jumps, no answer comes in time
	bo.Sleep(31 * 24 * time.Hour)
	ana.Sleep(29 * 24 * time.Hour)
	_, err = ana.CloseProposal(t.Context(), poll.String())
	refuse(t, err, "refused", "others have voted")
	status(ana, member.StatusMember)
	ana.Sleep(2 * 24 * time.Hour)
	street.Meet(ana, bo)
	status(bo, member.StatusResting) // Ana's node has closed the poll
	electorate := func(want int) {
		t.Helper()
		id := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "x", Effects: []string{"office:Bo,treasurer"}}))
		p, _ := ana.See().State.Proposals.Proposals.Get(id)
		if len(p.Voters) != want {
			t.Errorf("%d may vote, want %d", len(p.Voters), want)
		}
	}
	electorate(2)
	street.Meet(ana, chi)
	status(chi, member.StatusResting)
	must[record.ID](t)(chi.Pay(t.Context(), node.Payment{Who: "Ana", Amount: "1"}))
	status(ana, member.StatusMember)
	electorate(3)
}

// TestAdvice: three members with one teller are told what to type, and what they
// are told to type works.
func TestAdvice(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora Ann")
	bo := others[0]
	advice := func(h *nodetest.House) string { return h.See().Advice }
	text := advice(bo)
	if !strings.HasPrefix(text, "only Ana keeps the minutes: ") {
		t.Fatalf("advice: %q", text)
	}
	_, effect, ok := strings.Cut(text, " --effect ")
	if !ok || strings.ContainsAny(effect, " '\"") || !strings.HasPrefix(effect, "tellers:Ana,") || strings.Count(effect, ",") != 2 {
		t.Fatalf("advice: %q", text)
	}
	houses := append([]*nodetest.House{bo, ana}, others[1:]...)
	id := must[record.ID](t)(bo.OpenProposal(t.Context(), node.Proposal{Title: "x", Effects: []string{effect}}))
	if got := advice(bo); got != "" {
		t.Errorf("while that is decided: %q", got)
	}
	for _, h := range houses[:2] {
		h.Await("the proposal", func(v node.View) bool { _, ok := v.State.Proposals.Proposals.Get(id); return ok })
		must[record.ID](t)(h.Vote(t.Context(), id.String(), "no", ""))
	}
	nodetest.AwaitSame(houses...)

	decide(t, []string{"tellers:Ana,Bo"}, houses[:3]...)
	if got := advice(ana); !strings.HasPrefix(got, "Ana and Bo keep the minutes, and nothing becomes final without both") {
		t.Errorf("two tellers: %q", got)
	}
	decide(t, []string{"tellers:Ana,Bo,Chi"}, houses[:3]...)
	nodetest.AwaitSame(houses...)
	if got := advice(ana); got != "" {
		t.Errorf("three tellers: %q", got)
	}

	// Bo's computer breaks; the others go on for a month.
	bo.Close()
	left := []*nodetest.House{ana, others[1], others[2]}
	for _, h := range left {
		street.Part(h)
		h.Sleep(31 * 24 * time.Hour)
	}
	street.Meet(left...)
	paid := must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Chi", Amount: "1"}))
	ana.Await("in the minutes", func(v node.View) bool { return v.State.InMinutes(paid) })
	if got := advice(others[1]); !strings.HasPrefix(got, "Bo should keep the minutes and has written nothing for a month: ") || strings.Contains(got, ",Bo") {
		t.Errorf("a silent teller: %q", got)
	}
	_, err := ana.Leave(t.Context(), "Willow Street")
	refuse(t, err, "refused", "coop proposal open --title")

	// Chi's breaks too, so one of three tellers is left: no proposal helps now.
	others[1].Close()
	ana.Sleep(31 * 24 * time.Hour)
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Dora Ann", Amount: "1"}))
	anew := " only 2 can. Try to reach them, for with their 24 words they sign from a new computer too; if they are gone for good, the co-op goes on anew: coop --home NEW found --from OLD-HOME"
	why := "the minutes stand still, and no proposal can change that: Bo and Chi should keep them"
	if got := advice(ana); !strings.HasPrefix(got, why) || !strings.HasSuffix(got, "3 of 4 members must sign, and without "+eitherOrder(got, "Bo", "Chi")+anew) {
		t.Fatalf("two of three tellers are gone: %q", got)
	}

	// Dora, who is none, sees all three gone once something waited for a month.
	dora := others[2]
	dora.Await("what waits", func(v node.View) bool { return len(v.State.Pending) > 0 })
	ana.Close()
	dora.Sleep(32 * 24 * time.Hour)
	if got := advice(dora); !strings.Contains(got, ": Bo and Chi should keep them") {
		t.Errorf("Ana is missing since yesterday: %q", got)
	}
	dora.Sleep(31 * 24 * time.Hour)
	if got := advice(dora); !strings.Contains(got, ": Ana, Bo and Chi should keep them") || !strings.Contains(got, " only 1 can. ") {
		t.Errorf("all tellers are gone: %q", got)
	}
}

// eitherOrder returns "A and B", or "B and A" where a text says that.
func eitherOrder(text, a, b string) string {
	if other := b + " and " + a; strings.Contains(text, "without "+other) {
		return other
	}
	return a + " and " + b
}

// TestStandstill: where enough members are left to sign, they are told how many
// it takes and what to type, and that works.
func TestStandstill(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	decide(t, []string{"tellers:Ana,Bo"}, ana, bo)
	nodetest.AwaitSame(ana, bo, chi)
	bo.Close()
	street.Part(chi)
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Chi", Amount: "1"}))
	ana.Sleep(31 * 24 * time.Hour)
	chi.Sleep(31 * 24 * time.Hour)
	if got := ana.See().Advice; !strings.HasSuffix(got, "To put others in their place 2 of 3 members must sign, and without "+eitherOrder(got, "Bo", "Chi")+" only 1 can. "+
		"Try to reach them, for with their 24 words they sign from a new computer too; if they are gone for good, the co-op goes on anew: coop --home NEW found --from OLD-HOME") {
		t.Errorf("nobody else was heard of for a month: %q", got)
	}
	// Who is connected is there, also if they wrote nothing for long.
	street.Meet(ana, chi)
	ana.Await("Chi", func(v node.View) bool { return len(v.Peers) == 1 && v.Peers[0].Live })
	why, typed, ok := strings.Cut(ana.See().Advice, "; if they are gone for good, 2 of 3 members sign others into their place: coop tellers replace tellers.txt ")
	if !ok || !strings.Contains(why, ": Bo should keep them") || !strings.HasPrefix(typed, "Ana ") {
		t.Fatalf("one of two tellers is gone: %q", ana.See().Advice)
	}
	r := must[node.Reseat](t)(ana.ReplaceTellers(t.Context(), strings.Fields(strings.TrimSuffix(typed, " --yes")), false, false))
	if len(r.Signed) != 1 || len(r.Missing) != 2 || r.Needs != 2 {
		t.Errorf("what it said to type: signed by %d of %d, %d have not", len(r.Signed), r.Needs, len(r.Missing))
	}
}

// TestSuggested: who is there is named before who only wrote later, nobody whose
// computers are said to be lost, and as many as the text speaks of.
func TestSuggested(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora", "Eli")
	bo, chi, dora, eli := others[0], others[1], others[2], others[3]
	decide(t, []string{"tellers:Ana,Bo"}, append([]*nodetest.House{ana}, others...)...)
	must[record.ID](t)(eli.Pay(t.Context(), node.Payment{Who: "Ana", Amount: "1"}))
	nodetest.AwaitSame(ana, bo, chi, dora, eli)
	street.Part(eli)
	chi.Close()
	suggested := func(want string) {
		t.Helper()
		ana.Await("advice that ends with "+want, func(v node.View) bool { return strings.HasSuffix(v.Advice, want) })
	}
	suggested("; with three, any one may be away: coop proposal open --title \"Who keeps the minutes\" --effect tellers:Ana,Bo,Dora")

	// Eli says to have lost all, and Dora goes: Eli wrote after her all the same.
	desk := nodetest.Join(t, street, must[node.Invited](t)(ana.RecoveryCode(t.Context(), "Eli")).Code, "Eli's desk")
	street.Meet(ana, desk)
	ana.Await("a card", func(v node.View) bool { return len(v.Cards) == 1 })
	street.Part(dora)
	suggested("--effect tellers:Ana,Bo,Dora")

	// A month on, nobody else was heard of, until Dora is there again.
	street.Part(bo)
	for _, h := range []*nodetest.House{ana, bo, dora} {
		h.Sleep(31 * 24 * time.Hour)
	}
	street.Meet(ana, bo)
	paid := must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Bo", Amount: "1"}))
	ana.Await("in the minutes", func(v node.View) bool { return v.State.InMinutes(paid) })
	suggested("Ana and Bo keep the minutes, and nothing becomes final without both; with three, any one may be away, but too few others can be reached or wrote lately: ask them to run `coop up`")
	street.Meet(ana, dora)
	suggested("--effect tellers:Ana,Bo,Dora")
}

// TestSuggestedThroughOthers: who is there through others is named before who only wrote
// later, on each computer.
func TestSuggestedThroughOthers(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora", "Eli")
	bo, chi := others[0], others[1]
	for _, h := range others[2:] {
		h.Sleep(30 * time.Minute)
		must[record.ID](t)(h.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: h.Name}))
	}
	nodetest.AwaitSame(append([]*nodetest.House{ana}, others...)...)
	for _, h := range others {
		street.Part(h)
	}
	street.Meet(ana, bo)
	street.Meet(ana, chi)
	must[record.ID](t)(bo.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
	nodetest.AwaitSame(ana, bo, chi)
	must[record.ID](t)(chi.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Pears"}))
	nodetest.AwaitSame(ana, bo, chi)
	for _, h := range []*nodetest.House{ana, bo} {
		h.Await("advice", func(v node.View) bool { return strings.HasSuffix(v.Advice, "--effect tellers:Ana,Chi,Bo") })
	}
}

// TestStuck: where too few tellers can be reached, people are told what they can
// do should those be lost, and after a day without being asked.
func TestStuck(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora", "Eli", "Fay")
	bo, houses := others[0], append([]*nodetest.House{ana}, others...)
	decide(t, []string{"tellers:Ana,Bo,Chi"}, houses[:4]...)
	nodetest.AwaitSame(houses...)
	street.Part(ana)
	if v := ana.See(); v.Stuck != "" {
		t.Errorf("nothing waits, and it says %q", v.Stuck)
	}
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Dora", Amount: "1"}))
	if v := ana.See(); v.Stuck != "" {
		t.Errorf("who was just started says %q", v.Stuck)
	}
	ana.Sleep(time.Minute)
	v := ana.See()
	_, typed, ok := strings.Cut(v.Stuck, ": Bo and Chi cannot. Try to reach them; if they are gone for good, 4 of 6 members sign others into their place: coop tellers replace tellers.txt ")
	if !ok || v.Advice != "" {
		t.Fatalf("Ana alone is told %q, advice %q", v.Stuck, v.Advice)
	}
	ana.Sleep(23 * time.Hour)
	if got := ana.See().Advice; got != "" {
		t.Errorf("within a day the advice is %q", got)
	}
	ana.Sleep(2 * time.Hour)
	if v := ana.See(); v.Advice != v.Stuck || v.Stuck == "" {
		t.Errorf("after a day the advice is %q", v.Advice)
	}
	r, err := ana.ReplaceTellers(t.Context(), strings.Fields(strings.TrimSuffix(typed, " --yes")), false, false)
	if err != nil || len(r.Tellers) != 3 {
		t.Errorf("what it said to type, %q: %v", typed, err)
	}
	street.Meet(ana, bo)
	ana.Await("nothing to tell", func(v node.View) bool { return v.Stuck == "" && v.Advice == "" })

	// Ana and Chi are enough, and what waits does so for a moment: there is nothing to tell.
	street.Part(bo)
	street.Part(ana)
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Dora", Amount: "1"}))
	street.Meet(ana, others[1])
	ana.Await("Chi", func(v node.View) bool { return len(v.Peers) == 1 && v.Peers[0].Live })
	if v := ana.See(); v.Stuck != "" {
		t.Errorf("with Chi there it says %q", v.Stuck)
	}
}
