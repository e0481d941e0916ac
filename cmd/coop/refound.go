package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/store"
	"coop/ui/api"
)

// fromFlag names the home of the old co-op, from which somebody goes on.
func fromFlag(c *cobra.Command, from *string, does string) {
	c.Flags().StringVar(from, "from", "", "home of the co-op that this one goes on from: "+does)
}

// readOld reads the co-op of another home of this computer.
func (t *terminal) readOld(ctx context.Context, dir string) (*node.Old, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, &api.Error{Code: api.CodeNotFound, Message: "there is no home " + dir, Hint: "name the folder of the old co-op, which `coop up` prints behind \"ready\""}
	}
	home, err := openInTurn(ctx, dir)
	if errors.Is(err, keys.ErrLocked) {
		return nil, hintedError{err, "the node of the old co-op must not run meanwhile: coop --home " + dir + " down"}
	}
	if err != nil {
		return nil, err
	}
	defer home.Close()
	if home.Empty() {
		return nil, &api.Error{Code: api.CodeNotFound, Message: "there is no co-op in " + dir}
	}
	s, err := t.openStore(home, store.OpenFixed)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	old, err := node.ReadOld(home, s)
	return old, asTyped(err)
}

// keptWords returns the 24 words somebody goes on with. Where the old home does
// not have them they are typed.
func (t *terminal) keptWords(old *node.Old) (words string, err error) {
	if !old.HasWords() {
		if words, err = t.wordsFrom("-"); err != nil {
			return "", err
		}
	}
	words, err = old.Words(words)
	return words, asTyped(err)
}

// refound founds the co-op that succeeds an old one, or shows what it would begin
// with.
func (t *terminal) refound(ctx context.Context, in node.FoundAs, from string, yes bool) error {
	if len(in.Units) > 0 {
		return usage("the units of the old co-op stay: say --from without --unit")
	}
	old, err := t.readOld(ctx, from)
	if err != nil {
		return err
	}
	if was := old.State.People.Name; in.Name != "" && in.Name != was {
		t.note("! the new co-op is called %s, the old one %s: tell the others, who know it by its name", line(in.Name), line(was))
	}
	if !yes {
		p, err := preview(old, in.Name)
		if err != nil {
			return asTyped(err)
		}
		if err := t.answer(p, func() { t.preview(p) }); err != nil {
			return err
		}
		return hintedError{usage("nothing is founded yet"), "if the new co-op shall begin so, say it again with --yes"}
	}
	words, err := t.keptWords(old)
	if err != nil {
		return err
	}
	err = t.begin(ctx, func(home *keys.Home, s *store.Store) (string, error) {
		return "", node.Refound(home, func(r *record.Record) error { return s.Append([]*record.Record{r}) }, old, in, words, t.now())
	}, func(home *keys.Home) string { return home.Secrets().Coop.String() }, "the co-op is founded anew; your 24 words stay the same")
	if err != nil {
		return err
	}
	if err := t.bringListings(ctx, old, from); err != nil {
		return err
	}
	t.next(strings.NewReplacer(), []string{"coop up", "for each of the others: coop invite; they say: coop join - --from THEIR-OLD-HOME"})
	return nil
}

// enter fills the home of a newcomer with keys and a card, or gives one that waits
// another code. Who comes from an old co-op keeps name and words.
func (t *terminal) enter(ctx context.Context, in node.JoinAs, old *node.Old) (err error) {
	if old != nil {
		in.As = cmp.Or(in.As, old.Me.Name)
		if in.Kept, err = t.keptWords(old); err != nil {
			return err
		}
	}
	return t.begin(ctx, func(home *keys.Home, s *store.Store) (string, error) {
		if home.Empty() {
			return node.Join(home, in, t.now())
		}
		return "", node.JoinAgain(home, s, in, t.now())
	}, func(home *keys.Home) string { return home.Secrets().Coop.String() }, "this computer has its keys")
}

// bring makes the person's listings of the old co-op anew in this one.
func (t *terminal) bring(ctx context.Context, old *node.Old) (out api.Made, err error) {
	in := api.ListingsIn{Listings: []api.ListingIn{}}
	for _, d := range old.Drafts(t.now()) {
		kind := string(d.Kind)
		in.Listings = append(in.Listings, api.ListingIn{Kind: &kind, Title: &d.Title, Text: &d.Text, Category: &d.Category, Tags: &d.Tags,
			Price: &d.Price, Quantity: &d.Quantity, Place: &d.Place, Code: &d.Code, List: &d.List, Expires: &d.Expires})
	}
	err = t.post(ctx, "/v1/listings/bring", in, &out)
	return out, err
}

func (t *terminal) importFrom(ctx context.Context, from string) error {
	old, err := t.readOld(ctx, from)
	if err != nil {
		return err
	}
	out, err := t.bring(ctx, old)
	if err != nil {
		return err
	}
	return t.imported(out)
}

// bringListings is bring where it comes after what was asked for.
func (t *terminal) bringListings(ctx context.Context, old *node.Old, from string) error {
	out, err := t.bring(ctx, old)
	if err != nil {
		return hintedError{fmt.Errorf("this computer has its keys, but your listings were not brought: %w", err), "bring them later: coop listing import --from " + from}
	}
	t.note("✓ %s of yours brought", count(len(out.IDs), "listing"))
	return nil
}

// arrived tells somebody who was let in whether their co-op was taken along as
// they know it, and brings their listings.
func (t *terminal) arrived(s *served, old *node.Old, from string) error {
	f, err := s.node.Founding(s.stopped)
	if err != nil {
		return err
	}
	differs, err := old.Differs(f)
	if err != nil {
		return asTyped(err)
	}
	for _, l := range differs {
		t.note("! %s", l)
	}
	switch {
	case len(differs) == 0:
		t.note("✓ everybody has here what your old home says")
	case f.Succeeds.Frontier == old.State.Frontier:
		t.note("! your old home holds the same records as the founders': ask them why")
	default:
		t.note("! your old home holds other records than the founders': that may be why")
	}
	return t.bringListings(s.stopped, old, from)
}

// recognised tells somebody who came with words of an old co-op where they belong
// to nobody in it. That can be known only inside: the founding record is there.
func (t *terminal) recognised(s *served) error {
	f, err := s.node.Founding(s.stopped)
	if err != nil {
		return err
	}
	v, err := s.node.View(s.stopped)
	taken := func(o member.Opening) bool { return member.MemberID(v.State.People.Coop, o.Root) == v.Me.ID }
	if err != nil || f.Succeeds.Coop == (record.ID{}) || slices.ContainsFunc(f.Opening, taken) {
		return err
	}
	t.note("! these 24 words belong to nobody whom %s took along from the old co-op: you are here as somebody new", line(f.Name))
	t.note("  next: if you should be one of them, say coop member leave, and join from an empty home with the right words or --from OLD-HOME")
	return nil
}

// succession is what a co-op that succeeds another would begin with.
type succession struct {
	V           int         `json:"v"`
	Name        string      `json:"name"`
	Succeeds    record.ID   `json:"succeeds"`
	Records     int         `json:"records"`     // of the old co-op that this home holds
	Provisional int         `json:"provisional"` // acts among them that are not in the minutes, and count
	People      []successor `json:"people"`
	Treasury    successor   `json:"treasury"`
	Gone        []successor `json:"gone"` // whose accounts the treasury takes
	LeftOut     leftOut     `json:"left_out"`
}

type successor struct {
	Name     string   `json:"name"`
	Standing string   `json:"standing"`
	Balances []amount `json:"balances"`
}

type amount struct {
	Balance string `json:"balance"`
	Unit    string `json:"unit"`
}

type leftOut struct {
	Unanswered int `json:"unanswered"` // payments and requests
	Open       int `json:"open"`       // proposals
	Budgets    int `json:"budgets"`    // lines that are not paid out
	Limits     int `json:"limits"`     // accounts with a limit of their own
	Offices    int `json:"offices"`    // of others than the founder
}

// preview is what a co-op of this name, "" for the old one, would begin with.
func preview(old *node.Old, name string) (out succession, err error) {
	f, err := old.Terms()
	if err != nil {
		return out, err
	}
	s := old.State
	out = succession{V: api.Version, Name: cmp.Or(name, f.Name), Succeeds: s.People.Coop, Records: s.Records, Provisional: len(s.Pending),
		People: []successor{}, Gone: []successor{}, LeftOut: leftOut(old.LeftOut())}
	rest := make([]int64, len(f.Units))
	for _, p := range f.Opening {
		standing := member.StatusAssociate
		if p.Member {
			standing = member.StatusMember
		}
		one := successor{p.Name, standing.String(), amounts(f.Units, p.Balances)}
		if p.Root == old.Me.Root {
			one.Standing = "founder"
		}
		out.People = append(out.People, one)
		for i, n := range p.Balances {
			rest[i] -= n
		}
	}
	slices.SortStableFunc(out.People, func(a, b successor) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	out.Treasury = successor{node.Treasury, "", amounts(f.Units, rest)}
	for id, m := range s.People.Members.All() {
		balances, some := make([]int64, len(f.Units)), false
		for i, u := range f.Units {
			balances[i] = s.Ledger.Account(ledger.AccountKey{Unit: u.Code, Owner: id}).Balance
			some = some || balances[i] != 0
		}
		if m.Gone() && some {
			out.Gone = append(out.Gone, successor{m.Name, m.Status.String(), amounts(f.Units, balances)})
		}
	}
	return out, nil
}

func amounts(units []member.Unit, balances []int64) []amount {
	out := make([]amount, len(units))
	for i, u := range units {
		out[i] = amount{ledger.FormatAmount(balances[i], u), u.Code}
	}
	return out
}

func (t *terminal) preview(p succession) {
	head, rows := []string{"NAME", "BEGINS AS"}, [][]string{}
	for _, s := range append(p.People, p.Treasury) {
		row := []string{line(s.Name), s.Standing}
		for _, b := range s.Balances {
			row = append(row, b.Balance+" "+b.Unit)
		}
		rows = append(rows, row)
	}
	for _, b := range p.Treasury.Balances {
		head = append(head, strings.ToUpper(b.Unit))
	}
	t.table(head, rows)
	for _, s := range p.Gone {
		t.note("  %s %s: their account goes to the treasury (%s)", line(s.Name), s.Standing, joinAmounts(s.Balances))
	}
	t.note("  taken from the %s this home holds, %s among them that the minutes do not have", count(p.Records, "record"), count(p.Provisional, "act"))
	left := ""
	for _, l := range []struct {
		n  int
		of string
	}{{p.LeftOut.Unanswered, "unanswered payment"}, {p.LeftOut.Open, "open proposal"}, {p.LeftOut.Budgets, "budget line"},
		{p.LeftOut.Limits, "own credit limit"}, {p.LeftOut.Offices, "office"}} {
		if l.n > 0 {
			left += count(l.n, l.of) + ", "
		}
	}
	t.note("  left out: %scomments and drafts; listings come with their owners", left)
}

func joinAmounts(all []amount) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.Balance + " " + a.Unit
	}
	return strings.Join(texts, ", ")
}
