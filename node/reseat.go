package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node/keys"
)

// reseatMagic is the first line of the file that members pass around until
// enough of them have signed a re-seating.
const reseatMagic = "coop/1 reseat\n"

// Reseat is a re-seating that members are signing.
type Reseat struct {
	File    []byte // to hand on
	Tellers []record.Key
	Signed  []record.ID // members whose signature counts
	Missing []record.ID // members who have not signed yet
	Needs   int
	ID      record.ID // of the record, once enough had signed; zero: not yet
}

// ReplaceTellers makes a re-seating with these tellers, NAME or NAME/DEVICE, and
// signs it. While the tellers can be reached they are to be changed by a
// decision, unless force is set. Again signs although this node signed another,
// which its person knows will never be finished.
func (n *Node) ReplaceTellers(ctx context.Context, names []string, force, again bool) (Reseat, error) {
	return n.reseat(ctx, again, true, func(a author) (member.Reseat, error) {
		if !force && n.reachable() {
			return member.Reseat{}, &Refused{"enough tellers can be reached from here, so the minutes do not stand still: change them by a proposal"}
		}
		s := a.coop.State()
		keys, err := findSeats(s, names)
		return member.Reseat{After: s.Last, Replaces: s.Reseated, Tellers: keys}, err
	})
}

// SignReseat adds this person's signature to a re-seating that somebody handed
// on. As soon as enough have signed, the record is written.
func (n *Node) SignReseat(ctx context.Context, file []byte, again bool) (Reseat, error) {
	return n.reseat(ctx, again, true, readReseat(file))
}

// ReadReseat returns what a re-seating says, and signs nothing.
func (n *Node) ReadReseat(ctx context.Context, file []byte) (Reseat, error) {
	return n.reseat(ctx, false, false, readReseat(file))
}

func readReseat(file []byte) func(author) (member.Reseat, error) {
	return func(author) (r member.Reseat, err error) {
		body, ok := bytes.CutPrefix(file, []byte(reseatMagic))
		if ok {
			if body, err = base64.StdEncoding.DecodeString(string(bytes.TrimSpace(body))); err == nil {
				r, err = member.ParseReseat(body)
			}
		}
		if !ok || err != nil {
			return r, invalid("this is not a file of `coop tellers replace`, or it is damaged")
		}
		return r, nil
	}
}

func (n *Node) reseat(ctx context.Context, again, sign bool, build func(author) (member.Reseat, error)) (out Reseat, err error) {
	err = n.do(ctx, func() error {
		a, err := n.author()
		if err != nil {
			return err
		}
		r, err := build(a)
		if err == nil {
			err = checkReseat(a, r)
		}
		if err != nil {
			return err
		}
		if sign {
			if r, err = n.signReseat(a, r, again); err != nil {
				return err
			}
		}
		out = reseatOf(a, r)
		if !sign || len(out.Signed) < out.Needs {
			return nil
		}
		s := statement{member.KindReseat, r.Encode()}
		if err := n.permit(a, s); err != nil {
			return err
		}
		written, err := n.replica.Write(n.cfg.Now(), s.kind, s.body)
		if err == nil {
			out.ID = written.ID
		}
		return err
	})
	return out, err
}

// checkReseat says why nobody should sign a re-seating as this node sees it: it
// would take back what is final, or could not count.
func checkReseat(a author, r member.Reseat) error {
	s := a.coop.State()
	done := func(o coop.Reseating) bool {
		return o.Reason == "" && o.After == r.After && o.Replaces == r.Replaces && slices.Equal(o.Tellers, r.Tellers)
	}
	switch {
	case slices.ContainsFunc(s.Reseatings, done):
		return &Refused{"enough members have signed this, and it is done: `coop tellers` shows it"}
	case r.After != s.Last:
		return &Refused{"by what this node holds the minutes go on elsewhere than this file says: sync with whoever made it, or make a new one"}
	case r.Replaces != s.Reseated:
		return &Refused{"other tellers were put in place since this file was made: make a new one if they stand still too"}
	}
	for _, key := range r.Tellers {
		if d, ok := s.People.Devices.Get(key); ok && !s.Minuted.People.Devices.Has(key) {
			return &Refused{fmt.Sprintf("%s's %s is not in the minutes yet, so it cannot keep them: name others", NameOf(s, d.Member), d.Name)}
		}
	}
	if err := s.Minuted.People.CheckTellers(r.Tellers); err != nil {
		return &Refused{err.Error()}
	}
	return nil
}

// signReseat signs one re-seating, and no other that goes on from the same line
// unless its person says so: two that both count would take back each other's
// minutes.
func (n *Node) signReseat(a author, r member.Reseat, again bool) (member.Reseat, error) {
	key, err := n.reseatKey(a)
	if err != nil {
		return r, err
	}
	b := n.cfg.Home.Secrets().Kept.Reseat
	before, err := member.ParseReseat(b)
	if b != nil && err != nil {
		return r, fmt.Errorf("what this computer signed before cannot be read: %w", err)
	}
	same := before.After == r.After && slices.Equal(before.Tellers, r.Tellers)
	if b != nil && before.Replaces == r.Replaces && !same && !again {
		return r, &Refused{"this computer signed other tellers before. If enough sign both, the one takes back what was minuted by the other. Only if nobody will finish that one: --again"}
	}
	terms := r
	terms.Sigs = nil
	if err := n.cfg.Home.Keep(func(k *keys.Kept) { k.Reseat = terms.Encode() }); err != nil {
		return r, err
	}
	return r.Signed(a.coop.History().Coop(), a.me.ID, key), nil
}

// reseatKey returns the key with which this computer signs for its person: its
// own, or the root where the computer came while nothing got into the minutes.
func (n *Node) reseatKey(a author) (*record.Private, error) {
	people, device := a.coop.State().Minuted.People, n.cfg.Home.Device()
	switch {
	case people.Consents(a.me.ID, device.Public()):
		return device, nil
	case !people.Consents(a.me.ID, a.me.Root):
		return nil, &Refused{fmt.Sprintf("only members sign who vote, by what is in the minutes: %s does not", a.me.Name)}
	case !n.HasWords():
		return nil, &Refused{"this computer is not in the minutes yet, and your 24 words, which could speak for it, are not on it: sign on another computer of yours"}
	}
	return n.root(a.me, "")
}

func reseatOf(a author, r member.Reseat) Reseat {
	people := a.coop.State().Minuted.People
	file := append([]byte(reseatMagic), base64.StdEncoding.EncodeToString(r.Encode())...)
	out := Reseat{File: append(file, '\n'), Tellers: r.Tellers, Needs: member.ReseatNeeds(len(people.Voters()))}
	for _, s := range r.Sigs {
		if people.Consents(s.Member, s.Key) && r.Verify(people.Coop, s) {
			out.Signed = append(out.Signed, s.Member)
		}
	}
	out.Missing = slices.DeleteFunc(people.Voters(), func(id record.ID) bool { return slices.Contains(out.Signed, id) })
	return out
}

// Reseatings returns the re-seatings that count, in the order in which each went
// on from the one before.
func Reseatings(s *coop.State) []coop.Reseating {
	var counts []coop.Reseating
	var at record.ID
	for {
		i := slices.IndexFunc(s.Reseatings, func(r coop.Reseating) bool { return r.Reason == "" && r.Replaces == at })
		if i < 0 {
			return counts
		}
		counts, at = append(counts, s.Reseatings[i]), s.Reseatings[i].Record
	}
}
