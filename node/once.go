package node

import (
	"context"
	"crypto/sha256"
	"fmt"

	"coop/crdt/history"
	"coop/crdt/record"
	"coop/node/store"
)

// oncesMost is how many wishes a node remembers: the last ones. An older one that
// is said again is done again.
const oncesMost = 4096

// Once makes what is written with a context a wish of its own: said again with
// the same token it is not done again, and answered with the same records, also
// by a node that was killed meanwhile. Wish tells wishes apart: one token cannot
// mean two of them.
func Once(ctx context.Context, token, wish [32]byte) context.Context {
	return context.WithValue(ctx, onceKey{}, &said{token: token, wish: wish})
}

type onceKey struct{}

// said is a wish that is being done. What it takes may be written in steps, each
// with a token of its own.
type said struct {
	token, wish [32]byte
	steps       byte
}

// step returns the token of the next step.
func (s *said) step() [32]byte {
	s.steps++
	return sha256.Sum256(append(s.token[:], s.steps))
}

// once is a wish, and the records that came of it: so many from the first on.
type once struct {
	_      struct{} `cbor:",toarray"`
	Number uint64   // of all wishes of this home: 0, 1, 2 …
	Token  [32]byte
	Wish   [32]byte
	First  record.ID
	Count  int
}

// slot is where it lies in the store: in the place of the oldest.
func (o once) slot() string { return fmt.Sprintf("once-%04d", o.Number%oncesMost) }

// onces are the wishes that this node remembers. They belong to the loop.
type onces struct {
	next    uint64
	by      map[[32]byte]once // by token
	numbers map[uint64][32]byte
	fresh   []store.Small // to be stored with the records that came of them
}

// readOnces reads the wishes that the store has.
func (n *Node) readOnces() error {
	n.onces = onces{by: map[[32]byte]once{}, numbers: map[uint64][32]byte{}}
	for slot := range uint64(oncesMost) {
		b, err := n.cfg.Store.Small(once{Number: slot}.slot())
		if b == nil || err != nil {
			return err
		}
		var o once
		if err := record.Unmarshal(b, &o); err != nil {
			return fmt.Errorf("what was wished in this home cannot be read: %w", err)
		}
		n.onces.add(o)
	}
	return nil
}

func (all *onces) add(o once) {
	if o.Number >= oncesMost {
		old := o.Number - oncesMost
		delete(all.by, all.numbers[old])
		delete(all.numbers, old)
	}
	all.by[o.Token], all.numbers[o.Number] = o, o.Token
	all.next = max(all.next, o.Number+1)
}

// once writes, unless the wish of the context was done before. Either way it
// returns the records that came of it.
func (n *Node) once(ctx context.Context, write func() ([]record.ID, error)) ([]record.ID, error) {
	wish, ok := ctx.Value(onceKey{}).(*said)
	if !ok {
		return write()
	}
	o := once{Token: wish.step(), Wish: wish.wish}
	if done, ok := n.onces.by[o.Token]; ok {
		if done.Wish != o.Wish {
			return nil, invalid("what makes this count once was said with something else before: take another word")
		}
		return n.came(done), nil
	}
	ids, err := write()
	if err != nil || len(ids) == 0 {
		return ids, err
	}
	o.Number, o.First, o.Count = n.onces.next, ids[0], len(ids)
	n.onces.add(o)
	n.onces.fresh = append(n.onces.fresh, store.Small{Name: o.slot(), Value: record.Marshal(o)})
	return ids, nil
}

// came returns the records that came of a wish. They were admitted one behind
// the other.
func (n *Node) came(o once) (ids []record.ID) {
	h := n.coop.History()
	first, ok := h.Find(o.First)
	for i := 0; ok && i < o.Count; i++ {
		ids = append(ids, h.ID(first+history.Ref(i)))
	}
	return ids
}

// seed is the secret of an invite code: the same for a wish that is said again.
func (n *Node) seed(ctx context.Context) [32]byte {
	wish, ok := ctx.Value(onceKey{}).(*said)
	if !ok {
		return random32()
	}
	secret := n.cfg.Home.Secrets().Transport
	return sha256.Sum256(append(append([]byte("coop/1 once\x00"), secret[:]...), wish.token[:]...))
}
