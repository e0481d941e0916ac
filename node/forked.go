package node

import (
	"errors"
	"slices"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node/keys"
)

// keepFork keeps the proof that this device signed two records in one slot: a peer
// that closed the door for that showed it, and the replica has checked it. The two may
// never come here as records, for nobody gives a forked device any; what it signs has
// no effect all the same, so it signs nothing more.
func (n *Node) keepFork(proof [2]*record.Record) {
	n.fork, n.unsigned = proof[:], nil
	err := n.cfg.Home.Keep(func(k *keys.Kept) { k.Fork = [][]byte{proof[0].Encode(), proof[1].Encode()} })
	if err != nil {
		n.cfg.Log.Warn("the proof that this device forked was not kept", "error", err)
	}
	n.say(n.forked().Error())
}

// readFork reads the proof, if there is one.
func (n *Node) readFork() error {
	for _, b := range n.cfg.Home.Secrets().Kept.Fork {
		r, err := record.Decode(b)
		if err != nil {
			return err
		}
		n.fork = append(n.fork, r)
	}
	return nil
}

// forked says why this device never signs again, or nil.
func (n *Node) forked() error {
	if n.fork == nil {
		return nil
	}
	if n.coop.History().Len() > 0 {
		people := n.coop.People()
		if d, ok := people.Devices.Get(n.cfg.Home.Device().Public()); ok {
			return n.out(people.Forked(d))
		}
	}
	return n.out(errors.New("this device signed two records in one slot: go on with another device"))
}

// Out says why this computer signs nothing any more, and how its person goes on;
// they do not where they are out themselves.
type Out struct {
	Refused
	Hint string
}

func (e *Out) Unwrap() error { return &e.Refused }

// out adds to why this device may not sign how its person goes on.
func (n *Node) out(why error) *Out {
	out := &Out{Refused: Refused{why.Error()}}
	if n.coop.History().Len() == 0 {
		return out
	}
	s := n.coop.State()
	d, ok := s.People.Devices.Get(n.cfg.Home.Device().Public())
	m, _ := s.People.Members.Get(d.Member)
	switch {
	case ok && m.Status == member.StatusLeft:
		out.Hint = "with the code of the invite, in this home: coop join -"
	case ok && m.Status == member.StatusExpelled:
		out.Hint = "if the co-op decides to readmit you: with the code of an invite, in this home: coop join -"
	case ok:
		out.Hint = AnotherComputer(typedName(s, m))
	}
	return out
}

// AnotherComputer says how a person goes on whose computer can sign no more.
func AnotherComputer(person string) string {
	return "from an empty home (coop --home NEW …). With another computer of yours: coop device invite there, then coop join - --as COMPUTER. " +
		"With the 24 words: a code from any member, then coop join - --as COMPUTER --words -. " +
		"With neither: a code from any member by coop member recover " + person
}

// ownFork is the trouble that the proof shows. If both records are held it is
// among what the co-op knows.
func (n *Node) ownFork() (coop.Trouble, bool) {
	device := n.cfg.Home.Device().Public()
	if _, _, held := n.coop.History().Fork(device); held || n.fork == nil || n.coop.History().Len() == 0 {
		return coop.Trouble{}, false
	}
	d, _ := n.coop.People().Devices.Get(device)
	a, b := n.fork[0].ID, n.fork[1].ID
	if _, held := n.coop.History().Find(b); held {
		a, b = b, a
	}
	return coop.Trouble{ID: b, Kind: coop.TroubleFork, Device: device, Person: d.Member, Evidence: []record.ID{a, b}}, true
}

// shown returns a record that is held, or that the proof shows.
func (n *Node) shown(id record.ID) (r *record.Record, held bool) {
	if ref, ok := n.coop.History().Find(id); ok {
		return n.load(ref), true
	}
	i := slices.IndexFunc(n.fork, func(r *record.Record) bool { return r.ID == id })
	return n.fork[i], false
}
