package node

import (
	"context"
	"errors"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/listing"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/text"
)

// AddListing makes a listing.
func (n *Node) AddListing(ctx context.Context, d listing.Draft) (record.ID, error) {
	return n.write(ctx, func(a author) (s statement, err error) {
		if d.Price, err = price(a.coop.State(), d.Price); err != nil {
			return s, err
		}
		return n.create(d)
	})
}

// ImportListings makes many listings with one fsync: all of them, or none.
func (n *Node) ImportListings(ctx context.Context, drafts []listing.Draft) ([]record.ID, error) {
	return n.writeAll(ctx, func(author) (all []statement, err error) {
		for _, d := range drafts {
			s, err := n.create(d)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, nil
	})
}

func (n *Node) create(d listing.Draft) (statement, error) {
	if err := n.mayEnd(d, listing.Draft{}); err != nil {
		return statement{}, err
	}
	ops, err := d.Create()
	if err != nil {
		return statement{}, invalid("%v", err)
	}
	return act(document.KindCreate, document.Create{Schema: listing.SchemaName, Ops: ops}), nil
}

// price reads a price as a person types it: a sign or a code of money stands for
// the unit of the co-op that it plainly means.
func price(s *coop.State, typed string) (string, error) {
	p, err := listing.Reader{Units: codes(s)}.Price(typed)
	if err != nil {
		return "", invalid("price: %v", err)
	}
	return p.String(), nil
}

// EditListing changes a listing of this member. Change is given what the
// listing says and returns what it shall say.
func (n *Node) EditListing(ctx context.Context, typed string, change func(listing.Draft) listing.Draft) (record.ID, error) {
	return n.editListing(ctx, typed, func(a author, v document.Value, l listing.Listing) (_ []document.Op, err error) {
		was := l.Draft()
		d := change(was)
		if d.Price != was.Price {
			if d.Price, err = price(a.coop.State(), d.Price); err != nil {
				return nil, err
			}
		}
		if err := n.mayEnd(d, was); err != nil {
			return nil, err
		}
		return listing.Edit(v, d)
	})
}

// mayEnd says why a listing cannot have the end that it is given.
func (n *Node) mayEnd(is, was listing.Draft) error {
	if is.Expires == 0 || is.Expires == was.Expires {
		return nil
	}
	if err := n.trustClock(); err != nil {
		return err
	}
	if now := n.cfg.Now().UnixMilli(); is.Expires < now-time.Minute.Milliseconds() {
		return invalid("it would have ended on %s, and it is %s: nobody would see it", stamp(is.Expires), stamp(now))
	}
	return nil
}

// CloseListing closes a listing of this member.
func (n *Node) CloseListing(ctx context.Context, typed string) (record.ID, error) {
	return n.editListing(ctx, typed, func(_ author, v document.Value, _ listing.Listing) ([]document.Op, error) { return listing.Close(v) })
}

// ReopenListing opens a closed listing of this member again.
func (n *Node) ReopenListing(ctx context.Context, typed string) (record.ID, error) {
	return n.editListing(ctx, typed, func(_ author, v document.Value, _ listing.Listing) ([]document.Op, error) { return listing.Reopen(v) })
}

func (n *Node) editListing(ctx context.Context, typed string, ops func(author, document.Value, listing.Listing) ([]document.Op, error)) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		l, err := FindListing(a.coop.State(), typed)
		if err != nil {
			return statement{}, err
		}
		return a.edit(l.ID, func(v document.Value) ([]document.Op, error) { return ops(a, v, l) })
	})
}

// edit returns the statement that changes a document.
func (a author) edit(doc record.ID, ops func(document.Value) ([]document.Op, error)) (statement, error) {
	v, ok := a.coop.Library().Value(doc)
	if !ok {
		return statement{}, &NotFound{"there is no document " + doc.Short()}
	}
	list, err := ops(v)
	if refused := new(Refused); errors.As(err, &refused) {
		return statement{}, err
	}
	if err != nil {
		return statement{}, invalid("%v", err)
	}
	if len(list) == 0 {
		return statement{}, invalid("%v", errNothingChanged)
	}
	return act(document.KindEdit, document.Edit{Doc: doc, Ops: list}), nil
}

// Comment says something about a listing or a proposal.
func (n *Node) Comment(ctx context.Context, typed, text string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		about, err := findAbout(a.coop.State(), typed)
		if err != nil {
			return statement{}, err
		}
		ops, err := listing.NewComment(about, text)
		if err != nil {
			return statement{}, invalid("%v", err)
		}
		return act(document.KindCreate, document.Create{Schema: listing.CommentSchemaName, Ops: ops}), nil
	})
}

// DraftProposal begins a text that all members may write along, to be proposed
// later.
func (n *Node) DraftProposal(ctx context.Context, title, body string) (record.ID, error) {
	return n.write(ctx, func(author) (statement, error) {
		title := text.Line(title)
		if err := proposal.CheckTitle(title); err != nil { // it is opened under this title, and cannot be changed
			return statement{}, invalid("%v", err)
		}
		return act(document.KindCreate, document.Create{Schema: proposal.TextSchemaName, Ops: proposal.NewText(title, body)}), nil
	})
}

// EditText changes the text of a draft or of a proposal. What was opened for
// votes stays the version it was.
func (n *Node) EditText(ctx context.Context, typed string, change func(string) string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		t, err := FindText(s, typed)
		if err != nil {
			p, notProposal := FindProposal(s, typed)
			if notProposal != nil {
				return statement{}, err
			}
			t.ID = p.Doc
		}
		return a.edit(t.ID, func(v document.Value) ([]document.Op, error) {
			was := v.Text("text")
			return document.Diff("text", was, change(was)), nil
		})
	})
}
