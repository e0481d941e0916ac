package node_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/nodetest"
	"coop/node/store"
	"coop/sync/wire"
)

// kind names what kind of error it is.
func kind(err error) string {
	var (
		refused  *node.Refused
		notFound *node.NotFound
		invalid  *node.Invalid
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return "refused"
	case errors.As(err, &notFound):
		return "not found"
	case errors.As(err, &invalid):
		return "invalid"
	}
	return err.Error()
}

// refuse fails the test unless err is of a kind and says a word.
func refuse(t *testing.T, err error, want, word string) {
	t.Helper()
	if kind(err) != want || err != nil && !strings.Contains(err.Error(), word) {
		t.Errorf("got the error %v (%s), want one that is %q and says %q", err, kind(err), want, word)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func joined(v node.View) bool { return v.Joined && v.Me.ID != record.ID{} }

// willow returns Ana's house, who founded a co-op, and those of others, who
// joined. Unless they are to be associates, they are members.
func willow(t *testing.T, members bool, others ...string) (street *nodetest.Street, ana *nodetest.House, houses []*nodetest.House) {
	t.Helper()
	street = nodetest.NewStreet()
	ana = nodetest.Found(t, street, "Ana", "hour", "euro")
	houses = []*nodetest.House{ana}
	for _, who := range others {
		code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code
		h := nodetest.Join(t, street, code, who)
		houses = append(houses, h)
		street.Meet(houses...)
		h.Await("joined", joined)
		for _, o := range houses[1:] {
			street.Part(o)
		}
	}
	street.Meet(houses...)
	if members && len(others) > 0 {
		id := must[record.ID](t)(ana.ProposeMembers(t.Context(), others))
		must[record.ID](t)(ana.Vote(t.Context(), id.String(), "yes", ""))
	}
	nodetest.AwaitSame(houses...)
	return street, ana, houses[1:]
}

func TestFound(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana", "hour", "euro:3")
	v := ana.See()
	if v.Me.Name != "Ana" || v.Me.Status != member.StatusMember || v.State.People.Name != "Willow Street" || v.State.Records != 1 {
		t.Errorf("got %s, %s of %s with %d records", v.Me.Name, v.Me.Status, v.State.People.Name, v.State.Records)
	}
	if u, ok := v.State.People.Unit("euro"); !ok || u.Scale != 3 {
		t.Errorf("unit euro: got %+v", u)
	}
	if !ana.HasWords() {
		t.Error("the words are not there")
	}
	if err := ana.ForgetWords(t.Context()); err != nil || ana.HasWords() {
		t.Errorf("forgetting the words: %v, they are there: %v", err, ana.HasWords())
	}
	_, err := ana.Invite(t.Context(), 1, 0, true)
	refuse(t, err, "refused", "24 words")
	if v := ana.See(); v.State.Records != 1 {
		t.Errorf("%d records although nothing was signed", v.State.Records)
	}
}

func TestJoin(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, false))
	if code.Uses != 1 || code.Expires.Sub(ana.Now()).Round(time.Minute) != time.Hour {
		t.Errorf("invite: got %d uses until %s", code.Uses, code.Expires)
	}
	for _, uses := range []int{0, -1, member.MaxUses + 1} {
		_, err := ana.Invite(t.Context(), uses, 0, false)
		refuse(t, err, "invalid", "1 to 1000")
	}

	bo := nodetest.Join(t, street, code.Code, "Bo")
	_, err := bo.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"})
	if !errors.Is(err, node.ErrNotAdmitted) {
		t.Errorf("writing before the admission: got %v", err)
	}
	street.Meet(ana, bo)
	v := bo.Await("joined", joined)
	if v.Me.Status != member.StatusAssociate || v.Me.Name != "Bo" {
		t.Errorf("got %s, %s", v.Me.Name, v.Me.Status)
	}
	nodetest.AwaitSame(ana, bo)
	_, err = bo.Invite(t.Context(), 1, 0, false)
	refuse(t, err, "refused", "Bo is not a sponsor")

	// The code was for one.
	cleo := nodetest.Join(t, street, code.Code, "Cleo")
	street.Meet(ana, cleo)
	cleo.Await("the door is closed on who comes second", func(v node.View) bool {
		return len(v.Events) > 0 && strings.Contains(v.Events[len(v.Events)-1].Text, "used up")
	})
	if cleo.See().Joined {
		t.Error("Cleo joined with a code that was used up")
	}

	bo.Reopen()
	if v := bo.See(); !joined(v) || v.Me.Status != member.StatusAssociate {
		t.Errorf("after a restart Bo is %q", v.Me.Name)
	}
	street.Meet(ana, bo)
	nodetest.AwaitSame(ana, bo)
}

// TestJoinOfAnotherPast: a newcomer who is let in, and is shown another past than
// the invite names, does not join.
func TestJoinOfAnotherPast(t *testing.T) {
	for name, change := range map[string]func(*member.Invite){
		"other anchors":  func(i *member.Invite) { i.Anchors[0] ^= 1 },
		"another leader": func(i *member.Invite) { i.Leader[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			street := nodetest.NewStreet()
			ana := nodetest.Found(t, street, "Ana")
			code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false))
			invite := must[member.Invite](t)(member.ParseInvite(code.Code))
			change(&invite)
			bo := nodetest.Join(t, street, invite.String(), "Bo")
			street.Meet(ana, bo)
			bo.Await("all that Ana has", func(v node.View) bool {
				return v.State != nil && v.Me.ID != record.ID{} && len(v.Peers) == 1 && v.Peers[0].Equal
			})
			// What comes by a second pull comes after the end of the first.
			must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
			if v := bo.Await("the listing", func(v node.View) bool { return v.State.Listings.Len() == 1 }); v.Joined {
				t.Error("Bo joined")
			}
		})
	}
}

// TestJoinLate: a code that has ended is admitted by nobody by itself, and not
// even tried where the newcomer's clock says so.
func TestJoinLate(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, false)).Code
	bo := nodetest.Join(t, street, code, "Bo")
	ana.Sleep(2 * time.Hour)
	street.Meet(ana, bo)
	ana.Await("Bo at the door", func(v node.View) bool { return len(v.Cards) == 1 && len(v.Todo().Admit) == 1 })
	if joined(bo.See()) {
		t.Fatal("Bo was admitted by a code that has ended")
	}
	_, err := ana.Admit(t.Context(), "Zoe", false)
	refuse(t, err, "not found", "Zoe")
	must[record.ID](t)(ana.Admit(t.Context(), "Bo", false)) // a sponsor may, if they say so
	bo.Await("joined", joined)

	if _, err := node.Join(bo.Home, node.JoinAs{Code: code, As: "Bo"}, ana.Now()); kind(err) != "refused" {
		t.Errorf("joining with a code that has ended: got %v", err)
	}
}

// TestJoinAgain: who was not let in takes another code and keeps keys, words and
// name. Was the first code good after all, it is one person who comes.
func TestJoinAgain(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	first := must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, false)).Code
	bo, cleo := nodetest.Join(t, street, first, "Bo"), nodetest.Join(t, street, first, "Cleo")
	ana.Sleep(2 * time.Hour)
	street.Meet(ana, bo)
	bo.Await("a reason to wait", func(v node.View) bool { return strings.Contains(v.Waits, "sponsor") })
	street.Part(bo)
	if bo.Reopen(); !strings.Contains(bo.See().Waits, "sponsor") {
		t.Errorf("after a restart Bo waits for %q", bo.See().Waits)
	}
	must[record.ID](t)(ana.Admit(t.Context(), "Bo", false)) // of which Bo does not hear
	street.Meet(ana, cleo)
	cleo.Await("a closed door", func(v node.View) bool { return strings.Contains(v.ShutOut, "used up") })

	second := must[node.Invited](t)(ana.Invite(t.Context(), 2, 0, false)).Code
	for _, h := range []*nodetest.House{bo, cleo} {
		device, words := h.See().Device, words(h)
		if err := h.JoinAgain(second); err != nil {
			t.Fatal(err)
		}
		if v := h.See(); v.Waits != "" || v.ShutOut != "" {
			t.Errorf("of the first code is left: %q, %q", v.Waits, v.ShutOut)
		}
		street.Meet(ana, h)
		v := h.Await("joined", joined)
		if v.Me.Name != h.Name || v.Device != device || h.Home.Secrets().Words != words {
			t.Errorf("%s came as %s, or with other keys", h.Name, v.Me.Name)
		}
		if err := h.JoinAgain(second); !errors.Is(err, keys.ErrExists) {
			t.Errorf("a code for who is in: got %v", err)
		}
	}
	if n := ana.See().State.People.Members.Len(); n != 3 {
		t.Errorf("%d people, want 3", n)
	}
	if err := ana.JoinAgain(second); !errors.Is(err, keys.ErrExists) {
		t.Errorf("a code for who founded: got %v", err)
	}
}

// TestJoinAgainAsAnother: keys that were shown for one person are shown for no other.
func TestJoinAgainAsAnother(t *testing.T) {
	street, ana, others := willow(t, false, "Bo", "Chi")
	bo, chi := others[0], others[1]
	recovery := func(who string) string { return must[node.Invited](t)(ana.RecoveryCode(t.Context(), who)).Code }
	device := func(h *nodetest.House) string { return must[node.Invited](t)(h.Invite(t.Context(), 1, 0, true)).Code }
	for _, codes := range [][2]string{{device(bo), device(chi)}, {recovery("Bo"), recovery("Chi")}} {
		h := nodetest.Join(t, street, codes[0], "desk")
		refuse(t, h.JoinAgain(codes[1]), "refused", "somebody else")
		refuse(t, h.JoinAgain(codes[0]), "", "")
	}
}

// TestTwoDoors: who waits at one door is not shut out because another is closed,
// where the invite is not known yet.
func TestTwoDoors(t *testing.T) {
	street, ana, others := willow(t, false, "Chi")
	street.Part(others[0])
	bo := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, false)).Code, "Bo")
	ana.Sleep(2 * time.Hour)
	street.Meet(ana, bo)
	bo.Await("a reason to wait", func(v node.View) bool { return v.Waits != "" })
	street.Meet(others[0], bo)
	v := bo.Await("a closed door", func(v node.View) bool { return len(v.Events) > 0 })
	if v.ShutOut != "" || !strings.Contains(v.Waits, "sponsor") {
		t.Errorf("Bo waits for %q, shut out: %q", v.Waits, v.ShutOut)
	}
}

// TestJoinAgainBeforeASponsor: who must wait for a sponsor with the second code as
// well is admitted by that, also where the first card was seen or carried before.
func TestJoinAgainBeforeASponsor(t *testing.T) {
	for _, carried := range []bool{false, true} {
		street, ana, others := willow(t, false, "Chi")
		chi := others[0]
		code := func() string { return must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, false)).Code }
		first, second := code(), code()
		nodetest.AwaitSame(ana, chi)
		bo, cleo := nodetest.Join(t, street, first, "Bo"), nodetest.Join(t, street, first, "Cleo")
		ana.Sleep(2 * time.Hour)
		atDoor := func(h *nodetest.House) {
			street.Meet(h, bo)
			h.Await("Bo at the door", func(v node.View) bool { return len(v.Cards) == 1 && len(v.Peers) > 1 })
			bo.Await("a reason to wait", func(v node.View) bool { return v.Waits != "" })
		}
		if carried {
			atDoor(chi)
			must[record.ID](t)(chi.Admit(t.Context(), "Bo", false))
			ana.Await("the card", func(v node.View) bool { return v.State.People.Waiting.Len() == 1 })
		} else {
			atDoor(ana)
		}
		street.Part(bo)
		street.Meet(ana, cleo)
		ana.Await("Cleo at the door", func(v node.View) bool { _, err := ana.Admit(t.Context(), "Cleo", false); return err == nil })

		if err := bo.JoinAgain(second); err != nil {
			t.Fatal(err)
		}
		street.Meet(ana, bo)
		bo.Await("a reason to wait", func(v node.View) bool { return v.Waits != "" })
		if _, err := ana.Admit(t.Context(), "Bo", false); err != nil {
			t.Errorf("carried %v: with the second code: %v", carried, err)
		}
	}
}

func TestFurtherDevice(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code
	phone := nodetest.Join(t, street, code, "phone")
	street.Meet(ana, phone)
	v := phone.Await("joined", joined)
	if v.Me.ID != ana.See().Me.ID || len(v.Me.Devices) != 2 {
		t.Errorf("the phone is %s's with %d devices", v.Me.Name, len(v.Me.Devices))
	}
	nodetest.AwaitSame(ana, phone)
	must[record.ID](t)(phone.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))

	// The code was struck off with its use.
	other := nodetest.Join(t, street, code, "tablet")
	street.Meet(ana, other)
	other.Await("a reason to wait", func(v node.View) bool { return len(v.Peers) == 1 && v.Peers[0].Waits != "" })
	if joined(other.See()) {
		t.Error("a code let in two computers")
	}

	// And it has an end.
	late := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, true)).Code, "clock")
	ana.Sleep(61 * time.Minute)
	street.Meet(ana, late)
	late.Await("a reason to wait", func(v node.View) bool { return len(v.Peers) == 1 && v.Peers[0].Waits != "" })
	if d := ana.See().Me.Devices; len(d) != 2 { // what lets it in is written before it is asked to wait
		t.Errorf("a code that had ended let a computer in: Ana has %d", len(d))
	}

	_, err := phone.RevokeDevice(t.Context(), node.Revocation{Device: "toaster"})
	refuse(t, err, "not found", "toaster")
	_, err = phone.RevokeDevice(t.Context(), node.Revocation{Device: "laptop"})
	refuse(t, err, "refused", "coop device revoke laptop --seat-to phone")
	_, err = phone.RevokeDevice(t.Context(), node.Revocation{Device: "phone"})
	refuse(t, err, "invalid", "this very computer")
	must[record.ID](t)(ana.RevokeDevice(t.Context(), node.Revocation{Device: "phone"}))
	phone.Await("revoked", func(v node.View) bool { return !v.State.People.Stands(v.Device) })
	_, err = phone.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Pears"})
	refuse(t, err, "refused", "revoked")
}

func TestListings(t *testing.T) {
	_, ana, others := willow(t, false, "Bo")
	bo := others[0]
	draft := listing.Draft{Kind: listing.Offer, Title: "Apples", Price: "2 hour"}
	id := must[record.ID](t)(ana.AddListing(t.Context(), draft))
	nodetest.AwaitSame(ana, bo)
	retitle := func(d listing.Draft) listing.Draft { d.Title = "Red apples"; return d }
	edit := func(h *nodetest.House, typed string, f func(listing.Draft) listing.Draft) error {
		_, err := h.EditListing(t.Context(), typed, f)
		return err
	}
	refuse(t, edit(bo, id.String(), retitle), "refused", "only the member who made it")
	refuse(t, edit(ana, id.String(), func(d listing.Draft) listing.Draft { return d }), "invalid", "nothing is different")
	refuse(t, edit(ana, id.String(), func(d listing.Draft) listing.Draft { d.Price = "-1 hour"; return d }), "invalid", "below zero")
	refuse(t, edit(ana, id.String()[:3], retitle), "not found", "too short")
	refuse(t, edit(ana, "2222", retitle), "not found", "no listing 2222")
	refuse(t, edit(ana, id.String()[:6], retitle), "", "")
	_, err := ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer})
	refuse(t, err, "invalid", "title")
	_, err = bo.CloseListing(t.Context(), id.String())
	refuse(t, err, "refused", "only the member who made it")
	must[record.ID](t)(ana.CloseListing(t.Context(), id.String()))
	_, err = ana.CloseListing(t.Context(), id.String())
	refuse(t, err, "invalid", "closed already")
	nodetest.AwaitSame(ana, bo)
	if l, _ := bo.See().State.Listings.Get(id); l.Title != "Red apples" || l.Status != listing.Closed {
		t.Errorf("Bo sees %q, %s", l.Title, l.Status)
	}
	must[record.ID](t)(ana.ReopenListing(t.Context(), id.String()))
	must[record.ID](t)(bo.Comment(t.Context(), id.String(), "how many?"))
	_, err = bo.Comment(t.Context(), "2222", "how many?")
	refuse(t, err, "not found", "2222")
	_, err = bo.Comment(t.Context(), id.String(), "")
	refuse(t, err, "invalid", "")

	nodetest.AwaitSame(ana, bo) // or Bo's comment comes in between
	before := ana.See().State.Records
	_, err = ana.ImportListings(t.Context(), []listing.Draft{draft, {Kind: listing.Need}})
	refuse(t, err, "invalid", "title")
	if n := ana.See().State.Records; n != before {
		t.Errorf("%d records were written by an import that failed", n-before)
	}
	drafts := make([]listing.Draft, 300)
	for i := range drafts {
		drafts[i] = draft
	}
	ids := must[[]record.ID](t)(ana.ImportListings(t.Context(), drafts))
	nodetest.AwaitSame(ana, bo)
	if n := bo.See().State.Listings.Len(); len(ids) != 300 || n != 301 {
		t.Errorf("imported %d, Bo sees %d", len(ids), n)
	}
}

func TestMoney(t *testing.T) {
	_, ana, others := willow(t, true, "Bo", "Cleo")
	bo, cleo := others[0], others[1]
	pay := func(h *nodetest.House, p node.Payment) record.ID {
		t.Helper()
		id := must[record.ID](t)(h.Pay(t.Context(), p))
		nodetest.AwaitSame(ana, bo, cleo)
		return id
	}
	balance := func(h *nodetest.House, want int64) {
		t.Helper()
		nodetest.AwaitSame(ana, bo, cleo)
		v := ana.See()
		for k, a := range v.State.Ledger.Accounts.All() {
			if k.Owner == h.See().Me.ID && k.Unit == "hour" && a.Balance != want {
				t.Errorf("%s has %d, want %d", h.Name, a.Balance, want)
			}
		}
	}
	bad := []struct {
		name       string
		p          node.Payment
		kind, word string
	}{
		{"nobody", node.Payment{Who: "Zoe", Amount: "1"}, "not found", "Zoe"},
		{"themselves", node.Payment{Who: "Bo", Amount: "1"}, "refused", "nobody pays themselves"},
		{"too much", node.Payment{Who: "Ana", Amount: "50.01"}, "refused", "more than the 50.00 hour"},
		{"nothing", node.Payment{Who: "Ana", Amount: "0"}, "invalid", "above zero"},
		{"less than nothing", node.Payment{Who: "Ana", Amount: "-1"}, "invalid", ""},
		{"a word", node.Payment{Who: "Ana", Amount: "much"}, "invalid", "much"},
		{"too fine", node.Payment{Who: "Ana", Amount: "0.001"}, "invalid", ""},
		{"another unit", node.Payment{Who: "Ana", Amount: "1", Unit: "gold"}, "not found", "gold"},
		{"for nothing known", node.Payment{Who: "Ana", Amount: "1", For: "abcd"}, "not found", "abcd"},
		{"a long note", node.Payment{Who: "Ana", Amount: "1", Note: strings.Repeat("x", 501)}, "refused", "500"},
	}
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			_, err := bo.Pay(t.Context(), test.p)
			refuse(t, err, test.kind, test.word)
		})
	}

	gift := pay(bo, node.Payment{Who: "ana", Amount: "12.50"})
	balance(bo, 0)
	_, err := bo.Accept(t.Context(), gift.String(), "")
	refuse(t, err, "refused", "only Ana can accept")
	_, err = ana.Cancel(t.Context(), gift.String(), "")
	refuse(t, err, "refused", "only Bo can cancel")
	must[record.ID](t)(ana.Accept(t.Context(), gift.String(), "thanks"))
	balance(bo, -1250)
	_, err = ana.Decline(t.Context(), gift.String(), "")
	refuse(t, err, "refused", "accepted already")
	_, err = ana.Accept(t.Context(), "2222", "")
	refuse(t, err, "not found", "2222")

	declined := pay(bo, node.Payment{Who: "Cleo", Amount: "1"})
	must[record.ID](t)(cleo.Decline(t.Context(), declined.String(), ""))
	cancelled := pay(bo, node.Payment{Who: "Cleo", Amount: "2"})
	must[record.ID](t)(bo.Cancel(t.Context(), cancelled.String(), ""))
	balance(bo, -1250)

	asked := must[record.ID](t)(cleo.Request(t.Context(), node.Payment{Who: "Bo", Amount: "3"}))
	_, err = cleo.Request(t.Context(), node.Payment{Who: "treasury", Amount: "3"})
	refuse(t, err, "refused", "budget line")
	nodetest.AwaitSame(ana, bo, cleo)
	if todo := bo.See().Todo(); len(todo.Confirm) != 1 || todo.Confirm[0].ID != asked {
		t.Errorf("Bo has %d to confirm", len(todo.Confirm))
	}
	must[record.ID](t)(bo.Accept(t.Context(), asked.String(), ""))
	balance(bo, -1550)
	balance(cleo, 300)

	_, err = ana.Reverse(t.Context(), gift.String(), "13", "")
	refuse(t, err, "refused", "12.50 hour")
	must[record.ID](t)(ana.Reverse(t.Context(), gift.String(), "2.50", ""))
	must[record.ID](t)(ana.Reverse(t.Context(), gift.String(), "", ""))
	balance(bo, -300)
	_, err = ana.Reverse(t.Context(), gift.String(), "", "")
	refuse(t, err, "refused", "0.00 hour, what is left")
	_, err = cleo.Reverse(t.Context(), declined.String(), "", "")
	refuse(t, err, "refused", "only what was accepted")

	must[record.ID](t)(cleo.AcceptAlways(t.Context(), []node.Standing{{Max: "5", From: []string{"Bo"}}}))
	nodetest.AwaitSame(ana, bo, cleo)
	pay(bo, node.Payment{Who: "Cleo", Amount: "5"})
	balance(cleo, 800)
	pay(bo, node.Payment{Who: "treasury", Amount: "1"})
	balance(bo, -900)
}

func TestDecide(t *testing.T) {
	_, ana, others := willow(t, true, "Bo", "Cleo")
	bo, cleo := others[0], others[1]
	all := []*nodetest.House{ana, bo, cleo}
	open := func(p node.Proposal) record.ID {
		t.Helper()
		id := must[record.ID](t)(bo.OpenProposal(t.Context(), p))
		nodetest.AwaitSame(all...)
		return id
	}
	bad := []struct {
		name       string
		p          node.Proposal
		kind, word string
	}{
		{"no title", node.Proposal{}, "invalid", "title"},
		{"an effect without a colon", node.Proposal{Title: "x", Effects: []string{"expel"}}, "invalid", "KIND:DETAILS"},
		{"an effect there is not", node.Proposal{Title: "x", Effects: []string{"crown:Bo"}}, "invalid", "cannot be read"},
		{"an effect for nobody", node.Proposal{Title: "x", Effects: []string{"expel:Zoe"}}, "not found", "Zoe"},
		{"a bylaw there is not", node.Proposal{Title: "x", Effects: []string{"bylaw:tea=1"}}, "invalid", "tea"},
		{"a bylaw beyond its bounds", node.Proposal{Title: "x", Effects: []string{"bylaw:quorum=101"}}, "invalid", "101"},
		{"the wrong rule", node.Proposal{Title: "x", Effects: []string{"bylaw:quorum=1"}, Rule: "governance"}, "invalid", "constitutional"},
		{"a rule there is not", node.Proposal{Title: "x", Rule: "loud"}, "invalid", "loud"},
		{"an expulsion by too few", node.Proposal{Title: "x", Effects: []string{"expel:Cleo"}}, "refused", "at least 3"},
		{"a budget line for nothing", node.Proposal{Title: "x", Effects: []string{"budget:Bo,10 hour, ,2,7"}}, "invalid", "what the money is for"},
		{"a budget line of an unclear amount", node.Proposal{Title: "x", Effects: []string{"budget:Bo,12,50,roof"}}, "invalid", "unclear"},
		{"too many details", node.Proposal{Title: "x", Effects: []string{"expel:Bo,Cleo"}}, "invalid", "write expel:NAME"},
		{"too few details", node.Proposal{Title: "x", Effects: []string{"budget:Bo,10 hour"}}, "invalid", "write budget:NAME,AMOUNT UNIT,FOR"},
		{"an office that they have", node.Proposal{Title: "x", Effects: []string{"office:Bo,-treasurer"}}, "refused", "Bo"},
		{"a longer time than tellers leave it", node.Proposal{Title: "x", Days: 366, Effects: []string{"office:Bo,treasurer"}}, "invalid", "1 to 365 days"},
		{"less than a day", node.Proposal{Title: "x", Days: -1}, "invalid", "-1"},
		{"a draft there is not", node.Proposal{Draft: "2222"}, "not found", "2222"},
		{"a device there is not", node.Proposal{Title: "x", Effects: []string{"tellers:Bo/toaster"}}, "not found", "toaster"},
	}
	before := bo.See().State.Records
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			test.p.Text = "why"
			if test.p.Draft != "" {
				test.p.Text = ""
			}
			_, err := bo.OpenProposal(t.Context(), test.p)
			refuse(t, err, test.kind, test.word)
		})
	}
	if n := bo.See().State.Records; n != before {
		t.Errorf("%d records were written by proposals that were refused", n-before)
	}

	id := open(node.Proposal{Title: "A roof", Text: "It rains.", Effects: []string{"budget:Cleo,10 hour,the roof", "office:Cleo,treasurer"}})
	if todo := cleo.See().Todo(); len(todo.Vote) != 1 || todo.Vote[0].ID != id {
		t.Errorf("Cleo has %d to vote on", len(todo.Vote))
	}
	_, err := cleo.Vote(t.Context(), id.String(), "maybe", "")
	refuse(t, err, "invalid", "maybe")
	_, err = cleo.Vote(t.Context(), "2222", "yes", "")
	refuse(t, err, "not found", "2222")
	must[record.ID](t)(bo.Vote(t.Context(), id.String(), "no", ""))
	must[record.ID](t)(bo.Vote(t.Context(), id.String(), "yes", "after all"))
	_, err = bo.PayInstalment(t.Context(), id.String(), 0, "", "", true)
	refuse(t, err, "not found", "no budget line 0")
	must[record.ID](t)(cleo.Vote(t.Context(), id.String(), "yes", ""))
	nodetest.AwaitSame(all...)
	p, _ := ana.See().State.Minuted.Proposals.Proposals.Get(id)
	if p.Status != "passed" || p.Failed[0]+p.Failed[1] != "" {
		t.Errorf("got %s, %v", p.Status, p.Failed)
	}
	if text, unread, err := ana.TextOf(t.Context(), p); text != "It rains." || unread != nil || err != nil {
		t.Errorf("text: got %q, %v, %v", text, unread, err)
	}
	must[record.ID](t)(bo.EditText(t.Context(), id.String(), func(s string) string { return s + " And snows." }))
	nodetest.AwaitSame(all...)
	if text, unread, err := ana.TextOf(t.Context(), p); text != "It rains." || unread != nil || err != nil {
		t.Errorf("text after an edit: got %q, %v, %v", text, unread, err)
	}
	_, err = bo.PayInstalment(t.Context(), id.String(), 0, "", "", true)
	refuse(t, err, "refused", "Bo is no treasurer")
	must[record.ID](t)(cleo.PayInstalment(t.Context(), id.String(), 0, "4", "", true))
	must[record.ID](t)(cleo.PayInstalment(t.Context(), id.String(), 0, "", "", true))
	_, err = cleo.PayInstalment(t.Context(), id.String(), 0, "", "", true)
	if err == nil {
		t.Error("a line that is spent was paid again")
	}
	nodetest.AwaitSame(all...)
	treasury := ana.See().State.Ledger
	for k, a := range treasury.Accounts.All() {
		if k.Unit == "hour" && k.Owner == ana.See().State.People.Coop && a.Balance != -1000 {
			t.Errorf("the treasury has %d", a.Balance)
		}
	}

	// A poll is over when the teller's clock says so.
	poll := open(node.Proposal{Title: "Tea?", Days: 2})
	must[record.ID](t)(bo.Vote(t.Context(), poll.String(), "yes", ""))
	_, err = cleo.CloseProposal(t.Context(), poll.String())
	refuse(t, err, "refused", "only its author")
	nodetest.AwaitSame(all...)
	if p, _ := ana.See().State.Proposals.Proposals.Get(poll); p.Status != "open" {
		t.Errorf("before its time the poll is %s", p.Status)
	}
	ana.Sleep(49 * time.Hour)
	must[record.ID](t)(bo.AddListing(t.Context(), listing.Draft{Kind: listing.Need, Title: "Tea"})) // something that wakes Ana's node
	ana.Await("the poll is closed", func(v node.View) bool {
		p, _ := v.State.Proposals.Proposals.Get(poll)
		return p.Status == "passed"
	})
	withdrawn := open(node.Proposal{Title: "Coffee?"})
	must[record.ID](t)(bo.CloseProposal(t.Context(), withdrawn.String()))
	if p, _ := bo.See().State.Proposals.Proposals.Get(withdrawn); p.Status != "withdrawn" {
		t.Errorf("the poll of its author is %s", p.Status)
	}
}

// TestOfflineLimit: who does not reach enough tellers pays only so much before
// the minutes confirm it.
func TestOfflineLimit(t *testing.T) {
	street, ana, others := willow(t, true, "Bo")
	bo := others[0]
	street.Part(bo)
	pay := func(amount string) error {
		_, err := bo.Pay(t.Context(), node.Payment{Who: "Ana", Amount: amount})
		return err
	}
	refuse(t, pay("10.01"), "refused", "before the minutes confirm it")
	refuse(t, pay("6"), "", "")
	refuse(t, pay("4.01"), "refused", "of which 6.00 hour waits")
	refuse(t, pay("4"), "", "")
	refuse(t, pay("0.01"), "refused", "before the minutes confirm it")
	if n := len(bo.See().State.Pending); n != 2 {
		t.Errorf("%d acts are provisional, want 2", n)
	}
	_, err := ana.Pay(t.Context(), node.Payment{Who: "Bo", Amount: "40"}) // the only teller is never offline
	refuse(t, err, "", "")
	street.Meet(ana, bo)
	nodetest.AwaitSame(ana, bo)
	refuse(t, pay("40"), "", "")
	nodetest.AwaitSame(ana, bo)
	street.Part(bo)
	refuse(t, pay("0.01"), "refused", "more than the 0.00 hour")
}

// TestRestart: what was there is there again, from the cache or without it.
func TestRestart(t *testing.T) {
	_, ana, others := willow(t, true, "Bo")
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Bo", Amount: "1"}))
	must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
	nodetest.AwaitSame(ana, others[0])
	others[0].Close()
	want := ana.See().State
	check := func(how string) {
		t.Helper()
		if got := ana.See().State; got.Digest() != want.Digest() || got.Records != want.Records {
			t.Errorf("%s: %d records make another state than %d did", how, got.Records, want.Records)
		}
	}
	ana.Reopen()
	check("restarted")
	cache := func(change func(*store.Store)) {
		t.Helper()
		ana.Close()
		s, err := store.Open(ana.Home.StoreDir())
		if err != nil {
			t.Fatal(err)
		}
		change(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		ana.Reopen()
	}
	// A cache that was changed shows that the start believes it.
	cache(func(s *store.Store) {
		b := s.Cache("fold")
		if !bytes.Contains(b, []byte("Willow Street")) {
			t.Fatal("the node saved no fold when it closed")
		}
		if err := s.PutCache("fold", bytes.ReplaceAll(b, []byte("Willow Street"), []byte("Poplar Street"))); err != nil {
			t.Fatal(err)
		}
	})
	if name := ana.See().State.People.Name; name != "Poplar Street" {
		t.Errorf("the fold was not taken from the cache: the co-op is called %q", name)
	}
	cache(func(s *store.Store) {
		if err := s.DeleteCache("fold"); err != nil {
			t.Fatal(err)
		}
	})
	check("without a cache")
	cache(func(s *store.Store) {
		if err := s.PutCache("fold", []byte("nonsense")); err != nil {
			t.Fatal(err)
		}
	})
	check("with a damaged cache")
	id := must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Pears"}))
	want = ana.See().State
	ana.Reopen()
	check("after more was written")
	if _, ok := ana.See().State.Listings.Get(id); !ok {
		t.Error("a listing is gone")
	}
}

// spy is a network that looks whether what a node says is on its disk.
type spy struct {
	node.Network
	t     *testing.T
	h     *nodetest.House
	heard chan record.ID
}

func (s *spy) Addrs() []string { return nil }

func (s *spy) PassedOn([]wire.AddrTerms) {}

func (s *spy) Publish(rs []*record.Record) {
	for _, r := range rs {
		if !held(s.h, r.ID) {
			s.t.Errorf("%s was published before it was on the disk", r.Kind)
		}
		s.heard <- r.ID
	}
}

// held reports whether a house's disk holds a record.
func held(h *nodetest.House, id record.ID) bool {
	for pos := h.Store.Count() - 1; pos >= 0; pos-- {
		if r, err := h.Store.Record(pos); err == nil && r.ID == id {
			return true
		}
	}
	return false
}

// TestDurable: a record is on the disk before anybody is told of it.
func TestDurable(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	s := &spy{t: t, h: ana, heard: make(chan record.ID, 100)}
	if err := ana.Attach(s); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		id := must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
		if !held(ana, id) {
			t.Error("a record was acknowledged before it was on the disk")
		}
		if m, ok := ana.Home.Marked(); !ok || m.ID != id {
			t.Errorf("the marker names seq %d, not the record that was acknowledged", m.Seq)
		}
		if got := <-s.heard; got != id {
			t.Errorf("published %s, want %s", got.Short(), id.Short())
		}
	}
}

// TestBroken: what cannot be stored is not acknowledged, not published, and
// stops the node from writing, but not from showing.
func TestBroken(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	s := &spy{t: t, h: ana, heard: make(chan record.ID, 100)}
	if err := ana.Attach(s); err != nil {
		t.Fatal(err)
	}
	must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
	<-s.heard
	n := ana.Node
	if err := ana.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := n.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Pears"}); err == nil {
			t.Error("a record was acknowledged that cannot be stored")
		}
	}
	v, err := n.View(t.Context())
	if err != nil || v.Broken == nil {
		t.Errorf("the node shows: %v, broken: %v", err, v.Broken)
	}
	if len(s.heard) > 0 {
		t.Error("a record was published that cannot be stored")
	}
	if err := n.Close(); err == nil {
		t.Error("the node closes as if nothing had been wrong")
	}
	ana.Node = nil
	ana.Home.Close()
}

// TestClosed: a node that is closed says so, and a caller that gave up is let go.
func TestClosed(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ana.View(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up: got %v", err)
	}
	n := ana.Node
	ana.Close()
	if _, err := n.View(t.Context()); !errors.Is(err, node.ErrClosed) {
		t.Errorf("View: got %v", err)
	}
	if _, err := n.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}); !errors.Is(err, node.ErrClosed) {
		t.Errorf("AddListing: got %v", err)
	}
}

// TestLog follows what comes and what is written.
func TestLog(t *testing.T) {
	_, ana, others := willow(t, false, "Bo")
	ctx, cancel := context.WithCancel(t.Context())
	news, err := ana.Follow(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := must[record.ID](t)(others[0].AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
	<-news
	nodetest.AwaitSame(ana, others[0])
	entries := must[[]node.Entry](t)(ana.Log(t.Context(), 0, 1000))
	last := entries[len(entries)-1]
	if last.ID != id || last.Author != "Bo" || last.Kind != "doc/create" || last.Place != len(entries) || last.Problem != "" {
		t.Errorf("last entry: got %+v", last)
	}
	if first := entries[0]; first.Kind != member.KindFound || !first.Minuted || first.Author != "Ana" {
		t.Errorf("first entry: got %+v", first)
	}
	if two := must[[]node.Entry](t)(ana.Log(t.Context(), 1, 2)); len(two) != 2 || two[0].Place != 2 {
		t.Errorf("two entries from the second on: got %+v", two)
	}
	if none := must[[]node.Entry](t)(ana.Log(t.Context(), 1000, 2)); len(none) != 0 {
		t.Errorf("entries behind the last: got %+v", none)
	}
	cancel()
}

// TestSync asks for news, and leaves out who should be left out.
func TestSync(t *testing.T) {
	street, ana, others := willow(t, false, "Bo")
	bo := others[0]
	street.Part(bo)
	must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
	refuse(t, bo.Sync(t.Context(), ""), "", "")
	refuse(t, bo.Sync(t.Context(), "Ana"), "not found", "no node of \"Ana\"")
	if err := bo.Sync(t.Context(), "/street/Zoe/p2p/Zoe"); err == nil {
		t.Error("nobody answered and no error")
	}
	refuse(t, bo.Sync(t.Context(), ana.See().Addrs[0]), "", "")
	nodetest.AwaitSame(ana, bo)
	refuse(t, bo.Sync(t.Context(), "Ana"), "", "")

	must[record.ID](t)(bo.Leave(t.Context(), "Willow Street"))
	ana.Await("Bo has left", func(v node.View) bool {
		m, _ := v.State.Minuted.People.Members.Get(bo.See().Me.ID)
		return m.Status == member.StatusLeft || m.ID == record.ID{}
	})
}
