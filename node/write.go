package node

import (
	"context"
	"errors"
	"fmt"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/member"
	"coop/crdt/record"
)

// Refused says that the co-op's rules speak against what somebody wanted to
// do. Nothing was signed.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

// NotFound says that there is nothing, or more than one thing, of a name.
type NotFound struct{ What string }

func (e *NotFound) Error() string { return e.What }

// Unreachable says that no peer answered at an address.
type Unreachable struct{ Reason string }

func (e *Unreachable) Error() string { return e.Reason }

// ErrNotAdmitted says that this computer is not in the co-op yet.
var ErrNotAdmitted = errors.New("this computer has not been admitted to the co-op yet")

// Invalid says what is wrong with what a person typed.
type Invalid struct{ Reason string }

func (e *Invalid) Error() string { return e.Reason }

func invalid(format string, args ...any) error { return &Invalid{fmt.Sprintf(format, args...)} }

// author is what a write is made from: the co-op as it stands, and who writes.
type author struct {
	coop *coop.Coop
	me   member.Member
	now  int64 // unix milliseconds
}

// statement is a record to be signed.
type statement struct {
	kind string
	body []byte
}

func act(kind string, body any) statement { return statement{kind, record.Marshal(body)} }

// write builds a statement on the co-op as it stands, asks the rules, signs it
// and returns its id once it is durable.
func (n *Node) write(ctx context.Context, build func(author) (statement, error)) (id record.ID, err error) {
	ids, err := n.writeAll(ctx, func(a author) ([]statement, error) {
		s, err := build(a)
		return []statement{s}, err
	})
	if err != nil {
		return record.ID{}, err
	}
	return ids[0], nil
}

// writeAll is write for many statements that do not depend on one another. They
// share an fsync; either all are signed or none.
func (n *Node) writeAll(ctx context.Context, build func(author) ([]statement, error)) (ids []record.ID, err error) {
	err = n.do(ctx, func() error {
		ids, err = n.once(ctx, func() ([]record.ID, error) { return n.sign(build) })
		return err
	})
	return ids, err
}

// sign signs and admits statements, if the rules allow all of them.
func (n *Node) sign(build func(author) ([]statement, error)) (ids []record.ID, err error) {
	a, err := n.author()
	if err != nil {
		return nil, err
	}
	statements, err := build(a)
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		if err := n.permit(a, s); err != nil {
			return nil, err
		}
	}
	for _, s := range statements {
		r, err := n.replica.Write(n.cfg.Now(), s.kind, s.body)
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// author returns who writes on this node.
func (n *Node) author() (author, error) {
	if !n.replica.Joined() || n.coop.History().Len() == 0 {
		return author{}, n.notIn()
	}
	if err := n.forked(); err != nil {
		return author{}, err
	}
	if n.unsigned != nil {
		return author{}, n.unsigned
	}
	me, err := n.coop.People().Author(n.cfg.Home.Device().Public())
	if err != nil {
		return author{}, n.out(err)
	}
	return author{coop: n.coop, me: me, now: n.cfg.Now().UnixMilli()}, nil
}

// notIn says why this computer has no place in the co-op: it never had one, or the
// records that say so are lost.
func (n *Node) notIn() error {
	if n.unsigned != nil {
		return n.unsigned
	}
	return ErrNotAdmitted
}

// permit says why a statement would have no effect.
func (n *Node) permit(a author, s statement) error {
	var err error
	switch s.kind {
	case document.KindCreate:
		var c document.Create
		if c, err = document.DecodeCreate(s.body); err == nil {
			err = n.coop.Library().CheckCreate(c)
		}
		if err != nil {
			return invalid("%v", err) // nobody's rights are asked for what is new
		}
	case document.KindEdit:
		var e document.Edit
		if e, err = document.DecodeEdit(s.body); err == nil {
			err = n.coop.Library().CheckEdit(n.owner(), e)
		}
	default:
		err = n.coop.Try(n.cfg.Home.Device().Public(), s.kind, s.body)
	}
	if err != nil {
		return &Refused{err.Error()}
	}
	return nil
}

// owner is under which id the history knows the person of this device: that of
// the member, but for a device that came with a recovery.
func (n *Node) owner() record.ID {
	h := n.coop.History()
	if tips := h.TipsOf(n.cfg.Home.Device().Public()); len(tips) > 0 {
		return h.At(tips[0]).Owner
	}
	return n.coop.People().OwnerOf(n.cfg.Home.Device().Public())
}

var errNothingChanged = errors.New("nothing is different from what it says already")
