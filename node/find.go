package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/coop"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/table"
	"coop/crdt/text"
)

// Treasury is what people call the account of the co-op itself.
const Treasury = member.Treasury

// minPrefix is how much of an id a person must type: fewer characters would
// soon name two things.
const minPrefix = 4

// The commands that show what there is, with ids.
const (
	listMembers   = "coop member list"
	listListings  = "coop listing list --all"
	listProposals = "coop proposal list"
)

// findByID returns the row whose id begins with what a person typed. List is the
// command that shows what there is.
func findByID[V any](t table.Table[record.ID, V], what, list, typed string) (V, error) {
	var found V
	typed = strings.ToLower(strings.TrimSpace(typed))
	if len(typed) < minPrefix {
		return found, &NotFound{fmt.Sprintf("%q is too short for the id of a %s: type at least %d characters of it, as `%s` shows it", typed, what, minPrefix, list)}
	}
	found, n := beginning(t, typed)
	switch n {
	case 0:
		return found, &NotFound{fmt.Sprintf("there is no %s %s: `%s` shows what there is", what, typed, list)}
	case 1:
		return found, nil
	}
	return found, &NotFound{fmt.Sprintf("%d %ss begin with %s: type more of the id", n, what, typed)}
}

// beginning returns how many ids begin with typed, and a row of such an id.
func beginning[V any](t table.Table[record.ID, V], typed string) (found V, n int) {
	for id, v := range t.All() {
		if strings.HasPrefix(id.String(), typed) {
			found = v
			n++
		}
	}
	return found, n
}

// FindMember returns the person whom a name or the beginning of an id means. A whole
// id means its owner. What is one person's name and begins another's id means
// neither, for nobody shall get what was meant for the other. Those who are gone count
// by name only where nobody else has the name.
func FindMember(s *coop.State, typed string) (member.Member, error) {
	typed = strings.TrimSpace(typed)
	found := called(s.People, typed)
	for id, m := range s.People.Members.All() {
		if beginsID(id, typed) && !slices.ContainsFunc(found, func(f member.Member) bool { return f.ID == id }) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		if a, ok := findAwaited(s, typed); ok {
			return member.Member{}, &NotFound{fmt.Sprintf("%s is awaited and has not come to %s yet: send them an invite", a.Name, s.People.Name)}
		}
		return member.Member{}, &NotFound{fmt.Sprintf("nobody in %s is called %q: `coop member list` shows who is there", s.People.Name, typed)}
	case 1:
		return found[0], nil
	}
	all := fmt.Sprintf("%d people are meant by %q: use an id, such as %s", len(found), typed, found[0].ID.Short())
	for _, m := range found[:min(len(found), maxTold)] {
		all += "\n  " + tellApart(s, m)
	}
	return member.Member{}, &NotFound{all}
}

// maxTold is how many people of one name are told apart in a message.
const maxTold = 5

// called returns who has a name: who is there, or if nobody is, who is gone.
func called(people *member.State, name string) (found []member.Member) {
	var gone []member.Member
	for _, m := range people.Members.All() {
		switch {
		case !text.Same(m.Name, name):
		case m.Gone():
			gone = append(gone, m)
		default:
			found = append(found, m)
		}
	}
	if found == nil {
		return gone
	}
	return found
}

// beginsID reports whether a person typed enough of an id, in whatever case.
func beginsID(id record.ID, typed string) bool {
	return len(typed) >= minPrefix && strings.HasPrefix(id.String(), strings.ToLower(typed))
}

// FindAccount returns whose account a name means: a person's or the co-op's.
func FindAccount(s *coop.State, typed string) (record.ID, error) {
	if text.Same(strings.TrimSpace(typed), Treasury) {
		return s.People.Coop, nil
	}
	m, err := FindMember(s, typed)
	if a, ok := findAwaited(s, typed); ok && err != nil {
		return a.ID, nil
	}
	return m.ID, err
}

// findAwaited returns the one person who has not come yet whom a name or the
// beginning of an id means.
func findAwaited(s *coop.State, typed string) (found member.Awaited, ok bool) {
	n := 0
	for _, a := range s.People.Awaited.All() {
		if text.Same(a.Name, strings.TrimSpace(typed)) {
			found = a
			n++
		}
	}
	if n == 0 {
		a, err := findByID(s.People.Awaited, "person", listMembers, typed)
		return a, err == nil
	}
	return found, n == 1
}

// FindListing returns the listing whose id begins with what a person typed.
func FindListing(s *coop.State, typed string) (listing.Listing, error) {
	return findByID(s.Listings, "listing", listListings, typed)
}

// FindProposal returns the proposal whose id begins with what a person typed.
func FindProposal(s *coop.State, typed string) (proposal.Proposal, error) {
	return findByID(s.Proposals.Proposals, "proposal", listProposals, typed)
}

// FindText returns the draft of a proposal whose id begins with what a person
// typed.
func FindText(s *coop.State, typed string) (proposal.Text, error) {
	return findByID(s.Texts, "draft", listProposals, typed)
}

// FindPayment returns the payment or request whose id begins with what a person
// typed.
func FindPayment(s *coop.State, typed string) (ledger.Payment, error) {
	return findByID(s.Ledger.Payments, "payment", "coop ledger", typed)
}

// findAbout returns the listing or the proposal a payment or comment is about.
func findAbout(s *coop.State, typed string) (record.ID, error) {
	l, noListing := FindListing(s, typed)
	p, noProposal := FindProposal(s, typed)
	typed = strings.ToLower(strings.TrimSpace(typed))
	_, listings := beginning(s.Listings, typed)
	_, proposals := beginning(s.Proposals.Proposals, typed)
	switch {
	case noListing == nil && proposals == 0:
		return l.ID, nil
	case noProposal == nil && listings == 0:
		return p.ID, nil
	case listings+proposals > 1 && len(typed) >= minPrefix:
		return record.ID{}, &NotFound{fmt.Sprintf("%d listings and proposals begin with %s: type more of the id", listings+proposals, typed)}
	}
	return record.ID{}, &NotFound{fmt.Sprintf("there is no listing and no proposal %s: `%s` and `%s` show what there is", typed, listListings, listProposals)}
}

// Export returns a document as a standard Automerge file, with its whole
// history: a listing, or a text by its own id or its proposal's.
func (n *Node) Export(ctx context.Context, typed string) (id record.ID, file []byte, err error) {
	asked := n.ask(ctx, func() {
		if id, err = findDocument(n.coop.State(), typed); err == nil {
			if n.coop.Library().Version(id) == nil {
				err = &NotFound{"the text that this proposal names is not here: it may come with the next sync, or its author named none"}
				return
			}
			file, err = n.coop.Library().Save(id)
		}
	})
	return id, file, cmp.Or(asked, err)
}

// Evidence returns a file with which others check what the minutes say, without
// this node: see coop.Audit.
func (n *Node) Evidence(ctx context.Context, subject string) (file []byte, err error) {
	err = n.ask(ctx, func() { file = n.coop.Evidence(subject) })
	return file, err
}

func findDocument(s *coop.State, typed string) (record.ID, error) {
	if l, err := FindListing(s, typed); err == nil {
		return l.ID, nil
	}
	if t, err := FindText(s, typed); err == nil {
		return t.ID, nil
	}
	p, err := FindProposal(s, typed)
	if err != nil {
		return record.ID{}, &NotFound{fmt.Sprintf("there is no listing and no text %s: `%s` and `%s` show what there is", typed, listListings, listProposals)}
	}
	if p.Doc == (record.ID{}) {
		return record.ID{}, &NotFound{"that proposal has no text"}
	}
	return p.Doc, nil
}

// InOrder sorts records: what answers another stands below it.
func (n *Node) InOrder(ctx context.Context, ids []record.ID) error {
	return n.ask(ctx, func() {
		h := n.coop.History()
		depth := func(id record.ID) uint64 {
			if ref, ok := h.Find(id); ok {
				return h.At(ref).Depth
			}
			return 0
		}
		slices.SortFunc(ids, func(a, b record.ID) int { return cmp.Or(cmp.Compare(depth(a), depth(b)), a.Compare(b)) })
	})
}
