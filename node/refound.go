package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/node/keys"
	"coop/node/store"
)

// Old is the co-op of a home of this computer, from which its person goes on to
// the one that succeeds it. It is read and never written.
type Old struct {
	State *coop.State
	Me    member.Member
	words string // "": not in the home
}

// ReadOld reads the co-op of an open home, on which no node runs. The person must
// still be in it.
func ReadOld(home *keys.Home, s *store.Store) (*Old, error) {
	old := &Old{words: home.Secrets().Words}
	n, err := readHome(home, s)
	if err != nil {
		return nil, err
	}
	invite, err := invited(home)
	if err != nil {
		return nil, err
	}
	if n.coop.History().Len() > 0 && (invite == nil || holds(n.coop, *invite)) {
		old.State = n.coop.State()
	}
	if old.State != nil {
		d, _ := old.State.People.Devices.Get(home.Device().Public())
		old.Me, _ = old.State.People.Members.Get(d.Member)
	}
	switch {
	case old.Me.ID == record.ID{}:
		return nil, &Refused{"the computer of that home was never admitted to its co-op: nothing goes on from there"}
	case old.Me.Gone():
		return nil, &Refused{fmt.Sprintf("%s is not in %s any more: nothing goes on from there", old.Me.Name, old.State.People.Name)}
	}
	return old, nil
}

// readHome returns the node of an open home, to be read: it does not run.
func readHome(home *keys.Home, s *store.Store) (*Node, error) {
	n := &Node{cfg: Config{Home: home, Store: s, Log: slog.New(slog.DiscardHandler)}}
	err := n.guard(func() error { return errors.Join(n.restore(), n.readFork(), n.readDoor()) })
	return n, err
}

// HasWords reports whether the 24 words are in the old home; else they must be
// typed.
func (o *Old) HasWords() bool { return o.words != "" }

// Words returns the 24 words of the person: those of the home, else those typed.
func (o *Old) Words(typed string) (string, error) {
	p, err := keys.ParsePhrase(cmp.Or(o.words, typed))
	if err != nil {
		return "", invalid("%v", err)
	}
	if p.Root().Public() != o.Me.Root {
		return "", invalid("these 24 words are not those of %s in %s", o.Me.Name, o.State.People.Name)
	}
	return p.String(), nil
}

// Terms returns what a co-op that succeeds this one begins with: its name,
// purpose, units and bylaws, and all people who are in it with their balances, as
// this home shows them.
func (o *Old) Terms() (member.Founding, error) {
	people := o.State.People
	f := member.Founding{
		Name: people.Name, Purpose: people.Bylaws.Text(member.Purpose), Units: people.Units, Agreement: people.Agreement,
		Bylaws:   slices.DeleteFunc(slices.Clone(people.Bylaws), func(s member.Setting) bool { return s.Name == member.Purpose }),
		Succeeds: member.Succession{Coop: people.Coop, Frontier: o.State.Frontier},
	}
	for _, m := range people.Members.All() {
		if m.Gone() {
			continue
		}
		opening := member.Opening{Name: m.Name, Root: m.Root, Member: m.Status != member.StatusAssociate}
		for _, u := range people.Units {
			n := o.State.Ledger.Account(ledger.AccountKey{Unit: u.Code, Owner: m.ID}).Balance
			if n > member.MaxOpening || n < -member.MaxOpening {
				return f, &Refused{fmt.Sprintf("%s has %s %s, more than an account can begin with", m.Name, ledger.FormatAmount(n, u), u.Code)}
			}
			opening.Balances = append(opening.Balances, n)
		}
		f.Opening = append(f.Opening, opening)
	}
	slices.SortFunc(f.Opening, func(a, b member.Opening) int { return a.Root.Compare(b.Root) })
	return f, nil
}

// Refound makes, in an empty home, the co-op that succeeds the old one. The
// founder keeps their 24 words. What is not given of in stays as it was; the
// units do.
func Refound(home *keys.Home, append func(*record.Record) error, old *Old, in FoundAs, words string, now time.Time) error {
	phrase, err := keys.ParsePhrase(words)
	if err != nil {
		return invalid("%v", err)
	}
	terms, err := old.Terms()
	if err != nil {
		return err
	}
	terms.Name, terms.Purpose = cmp.Or(in.Name, terms.Name), cmp.Or(in.Purpose, terms.Purpose)
	_, err = found(home, append, terms, phrase, cmp.Or(in.As, old.Me.Name), in.Device, now)
	return err
}

// LeftOut counts what of a co-op is not taken along.
type LeftOut struct {
	Unanswered int // payments and requests
	Open       int // proposals
	Budgets    int // lines that are not paid out
	Limits     int // accounts with a limit of their own
	Offices    int // of others than the founder
}

// LeftOut returns what is not taken along.
func (o *Old) LeftOut() (n LeftOut) {
	for _, p := range o.State.Ledger.Payments.All() {
		if p.Status == ledger.StatusPending {
			n.Unanswered++
		}
	}
	for _, p := range o.State.Proposals.Proposals.All() {
		if p.Status == proposal.StatusOpen {
			n.Open++
		}
	}
	for _, b := range o.State.Ledger.Budgets.All() {
		if b.Left() > 0 {
			n.Budgets++
		}
	}
	for _, a := range o.State.Ledger.Accounts.All() {
		if a.OwnLimit {
			n.Limits++
		}
	}
	for _, m := range o.State.People.Members.All() {
		if m.ID != o.Me.ID {
			n.Offices += len(m.Offices)
		}
	}
	return n
}

// Drafts returns the person's listings that hold at a time, as they would type
// them again.
func (o *Old) Drafts(now time.Time) (drafts []listing.Draft) {
	for _, l := range o.State.Listings.All() {
		owner, _ := o.State.People.Person(l.Owner)
		if owner.ID == o.Me.ID && l.Status == listing.Open && !l.Expired(now.UnixMilli()) {
			drafts = append(drafts, l.Draft())
		}
	}
	return drafts
}

// Differs says where the opening of a co-op is other than this home would have
// it, a line a person; nothing if both say the same.
func (o *Old) Differs(f member.Founding) (lines []string, err error) {
	if f.Succeeds.Coop != o.State.People.Coop {
		return []string{fmt.Sprintf("%s does not succeed %s: nothing was taken along", f.Name, o.State.People.Name)}, nil
	}
	want, err := o.Terms()
	if err != nil {
		return nil, err
	}
	here, there := opened(f), opened(want)
	for _, p := range append(f.Opening, want.Opening...) {
		if a, b := here[p.Root], there[p.Root]; a != b {
			lines = append(lines, fmt.Sprintf("%s begins here as %s; by your old home it would be %s", p.Name, cmp.Or(a, "nobody"), cmp.Or(b, "nobody")))
		}
		delete(here, p.Root)
		delete(there, p.Root)
	}
	return lines, nil
}

// opened says in words what each person of an opening has.
func opened(f member.Founding) map[record.Key]string {
	all := map[record.Key]string{}
	for _, p := range f.Opening {
		text := member.StatusAssociate.String()
		if p.Member {
			text = member.StatusMember.String()
		}
		for i, u := range f.Units {
			text += fmt.Sprintf(", %s %s", ledger.FormatAmount(p.Balances[i], u), u.Code)
		}
		all[p.Root] = text
	}
	return all
}

// Founding returns what the founders of the co-op signed.
func (n *Node) Founding(ctx context.Context) (f member.Founding, err error) {
	asked := n.do(ctx, func() error {
		if !n.replica.Joined() || n.coop.History().Len() == 0 {
			return ErrNotAdmitted
		}
		f, err = member.ParseFounding(n.load(0).Body)
		return err
	})
	return f, asked
}

// BringListings makes those of the listings that this member does not have
// already, word for word, open or closed: so it may be asked again.
func (n *Node) BringListings(ctx context.Context, drafts []listing.Draft) ([]record.ID, error) {
	return n.writeAll(ctx, func(a author) (all []statement, err error) {
		s := a.coop.State()
		has := map[string]bool{}
		for _, l := range s.Listings.All() {
			if owner, _ := s.People.Person(l.Owner); owner.ID == a.me.ID {
				has[wording(l.Draft())] = true
			}
		}
		for _, d := range drafts {
			if has[wording(d)] {
				continue
			}
			has[wording(d)] = true
			ops, err := d.Create()
			if err != nil {
				return nil, invalid("%q: %v", d.Title, err)
			}
			all = append(all, act(document.KindCreate, document.Create{Schema: listing.SchemaName, Ops: ops}))
		}
		return all, nil
	})
}

// wording is all that a listing says but whether it is open.
func wording(d listing.Draft) string {
	d.Status = listing.Open
	return fmt.Sprintf("%#v", d)
}
