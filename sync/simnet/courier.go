package simnet

import (
	"bytes"
	"io"
	"time"

	"coop/crdt/record"
	"coop/sync/bundle"
)

// file is a bundle that somebody carried to a computer.
type file struct {
	b       []byte
	from    *Node
	damaged bool // on the way
	bare    bool // holds what its sender could not cover
}

// couriers lets a person fill a stick for somebody, now and then, and read those
// that others brought.
func (w *World) couriers(n *Node, d time.Duration) {
	if n.chance(0.04) {
		w.after(n.between(0, d), func() { w.happen(n.name+" fills a stick", func() { n.fillStick() }) })
	}
	if len(n.mail) > 0 {
		w.after(n.between(0, d), func() { w.happen(n.name+" reads a stick", func() { n.readStick() }) })
	}
}

// fillStick writes all a node holds, or what lacks on another computer as far as
// its person noted some time ago, and carries it there.
func (n *Node) fillStick() {
	to := n.w.nodes[n.w.IntN(len(n.w.nodes))]
	if !n.up || to == n || to.coop == nil {
		return
	}
	var noted []record.ID
	if h := to.coop.History(); n.w.chance(0.7) {
		for _, tip := range h.Tips() {
			noted = append(noted, h.ID(tip))
		}
	}
	e, err := n.replica.Export(noted)
	if err != nil {
		return // a newcomer has nothing to give
	}
	var b bytes.Buffer
	if _, err := bundle.Write(&b, e); err != nil {
		n.w.fail(RuleSpeech, "%s cannot write a bundle: %v", n.name, err)
	}
	f := file{b: b.Bytes(), from: n, bare: !n.covers()}
	if f.damaged = n.w.chance(0.3) || n.lie != nil && n.lie.wire != nil; f.damaged {
		f.b = sendGarbage(n, to, nil, f.b)
	}
	to.mail = append(to.mail, f)
}

// readStick reads the bundle that came first. What is wrong with it is known
// when it is seen; what was good before that stays.
func (n *Node) readStick() {
	if !n.up || len(n.mail) == 0 {
		return
	}
	f := n.mail[0]
	n.mail = n.mail[1:]
	taken, err := n.take(bytes.NewReader(f.b))
	n.w.Stats.Carried += taken
	if err == nil || f.damaged || f.from.lie != nil || n.lie != nil { // a liar may not take what puts it out
		return
	}
	if answered := !f.bare && n.up && n.coop.Stands(f.from.device()); answered { // for all that is in it
		n.w.fail(RuleSpeech, "%s cannot read the bundle of %s: %v", n.name, f.from.name, err)
	}
}

func (n *Node) take(from io.Reader) (taken int, err error) {
	r, err := bundle.NewReader(from)
	if err != nil {
		return 0, err
	}
	i, err := n.replica.Import(r.Head())
	if err != nil {
		return 0, err
	}
	for n.up {
		m, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = i.Message(n.clock(), m)
		}
		n.commit()
		if err != nil && n.misses(r.Head().Assumes) {
			return i.Taken(), nil // it went on from what is not here: no wonder
		}
		if err != nil {
			return i.Taken(), err
		}
	}
	return i.Taken(), nil
}

// misses reports whether the node does not hold one of some records.
func (n *Node) misses(ids []record.ID) bool {
	for _, id := range ids {
		if _, held := n.coop.History().Find(id); !held {
			return true
		}
	}
	return false
}
