package api_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/node/nodetest"
	"coop/ui/api"
)

// What is said again with the same token is done once, and answered alike; also by
// a node that was started anew.
func TestOnce(t *testing.T) {
	h := nodetest.Found(t, nodetest.NewStreet(), "Ana", "hour")
	s := serve(t, h)
	say := func(token, path, in string, out any) error {
		return s.client.Post(api.WithOnce(t.Context(), token), path, strings.NewReader(in), out)
	}
	type wish struct{ path, in string }
	wishes := []wish{
		{"/v1/payments", `{"who":"treasury","amount":"1"}`},
		{"/v1/listings", `{"kind":"offer","title":"Eggs"}`},
		{"/v1/listings/import", "title,kind\nBread,offer\nMilk,offer\n"},
		{"/v1/drafts", `{"title":"Tea","text":"At five"}`},
		{"/v1/proposals", `{"title":"Tea at five"}`},
		{"/v1/proposals", `{"title":"Tea at six","text":"Why not","effects":["bylaw:quorum=40"]}`},
		{"/v1/standing", `{"max":"5"}`},
		{"/v1/invites", `{"uses":2}`},
		{"/v1/invites", `{"uses":1,"device":true}`},
	}
	type answer struct {
		api.Made
		Code string `json:"code"`
	}
	first := make([]answer, len(wishes))
	for round := range 3 {
		if round == 2 {
			h.Reopen()
			s = serve(t, h)
		}
		for i, w := range wishes {
			var got answer
			if err := say("word"+strconv.Itoa(i), w.path, w.in, &got); err != nil {
				t.Fatalf("round %d: %s: %v", round, w.path, err)
			}
			if round == 0 {
				first[i] = got
				continue
			}
			if got.ID != first[i].ID || len(got.IDs) != len(first[i].IDs) || len(got.IDs) > 0 && got.IDs[1] != first[i].IDs[1] {
				t.Errorf("round %d: %s answers %s, first %s", round, w.path, got.ID, first[i].ID)
			}
			if w.path == "/v1/invites" && keyOf(t, got.Code) != keyOf(t, first[i].Code) {
				t.Errorf("round %d: another code was made", round)
			}
		}
	}
	if l := ask[api.Ledger](t, s, "/v1/ledger"); len(l.Payments) != 1 {
		t.Errorf("%d payments were made of one", len(l.Payments))
	}
	if l := ask[api.Listings](t, s, "/v1/listings"); len(l.Listings) != 3 {
		t.Errorf("%d listings were made of 3", len(l.Listings))
	}
	if p := ask[api.Proposals](t, s, "/v1/proposals"); len(p.Proposals) != 2 || len(p.Drafts) != 1 {
		t.Errorf("%d proposals and %d drafts were made, want 2 and 1", len(p.Proposals), len(p.Drafts))
	}
	err := say("word0", "/v1/payments", `{"who":"treasury","amount":"2"}`, new(api.Made))
	if codeOf(t, err) != api.CodeUsage {
		t.Errorf("the same word with another amount: got %v", err)
	}
	if err := say(strings.Repeat("x", api.MaxOnceLen+1), "/v1/payments", `{}`, new(api.Made)); codeOf(t, err) != api.CodeUsage {
		t.Errorf("a word that is too long: got %v", err)
	}
	if err := say("two\nlines", "/v1/payments", `{}`, new(api.Made)); codeOf(t, err) != api.CodeUsage || !strings.Contains(err.Error(), "letters") {
		t.Errorf("a word that cannot be sent: got %v", err)
	}
	if err := say("word0", "/v1/requests", `{"who":"treasury","amount":"1"}`, new(api.Made)); codeOf(t, err) != api.CodeRefused {
		t.Errorf("what was refused: got %v", err)
	}
	one, other := s.make(t, "/v1/payments", wishes[0].in), s.make(t, "/v1/payments", wishes[0].in)
	if one == other {
		t.Error("two payments that nobody tied to each other were taken for one")
	}
}

// Two clicks at the same time are one wish.
func TestOnceAtOnce(t *testing.T) {
	s := serve(t, nodetest.Found(t, nodetest.NewStreet(), "Ana", "hour"))
	ctx := api.WithOnce(context.Background(), "click")
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			var m api.Made
			if err := s.client.Post(ctx, "/v1/payments", strings.NewReader(`{"who":"treasury","amount":"1"}`), &m); err != nil {
				t.Error(err)
			}
			ids <- m.ID.String()
		}()
	}
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Errorf("got %s and %s", first, id)
		}
	}
	if l := ask[api.Ledger](t, s, "/v1/ledger"); len(l.Payments) != 1 {
		t.Errorf("%d payments were made of one", len(l.Payments))
	}
}

// keyOf returns the key by which people come in with a code.
func keyOf(t *testing.T, code string) string {
	t.Helper()
	invite, err := member.ParseInvite(code)
	if err != nil {
		t.Fatal(err)
	}
	return invite.Key().Public().String()
}
