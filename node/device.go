package node

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/text"
	"coop/node/keys"
)

// Revocation is what a person types to take one of their devices out.
type Revocation struct {
	Device string
	SeatTo string // which other one gets its teller's seat in the same act; "": it has none
	Words  string // as for PassSeat
	Here   bool   // they mean it should it be this very computer
}

// RevokeDevice takes one of this member's devices out.
func (n *Node) RevokeDevice(ctx context.Context, r Revocation) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		from, err := ownDevice(a, r.Device)
		if err != nil {
			return statement{}, err
		}
		seated := slices.Contains(a.coop.People().Tellers, from.Key)
		switch {
		case r.SeatTo != "" && !seated:
			return statement{}, &Refused{fmt.Sprintf("%s does not keep the minutes: revoke it without passing a seat", from.Name)}
		case r.SeatTo == "" && seated:
			return statement{}, &Refused{fmt.Sprintf("%s keeps the minutes, so another of your computers must take over in the same step: %s", from.Name, seatAdvice(a.coop.People(), a.me, from))}
		case from.Key == n.cfg.Home.Device().Public() && !r.Here:
			return statement{}, invalid("%s is this very computer: nothing it signs would count any more, and that cannot be undone. To take it out, say --yes; `coop device list` shows the others", from.Name)
		case seated:
			return n.passSeat(a, from, r.SeatTo, r.Words, true)
		}
		return statement{member.KindRevoke, member.NewRevoke(from.Key)}, nil
	})
}

// PassSeat lets another of this member's devices keep the minutes in place of
// the one that does. Words are the 24 words of the root key; "" where that one
// is this computer, or has them.
func (n *Node) PassSeat(ctx context.Context, to, words string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		for _, key := range a.me.Devices {
			if people := a.coop.People(); slices.Contains(people.Tellers, key) {
				from, _ := people.Devices.Get(key)
				return n.passSeat(a, from, to, words, false)
			}
		}
		return statement{}, &Refused{"none of your computers keeps the minutes, so there is no seat to pass"}
	})
}

func (n *Node) passSeat(a author, from member.Device, to, words string, revoke bool) (statement, error) {
	next, err := ownDevice(a, to)
	if err != nil {
		return statement{}, err
	}
	var root *record.Private
	if from.Key != n.cfg.Home.Device().Public() {
		if root, err = n.root(a.me, words); err != nil {
			return statement{}, err
		}
	}
	return statement{member.KindSeatPass, a.coop.People().NewSeatPass(from.Key, next.Key, revoke, root)}, nil
}

// root returns the root key of this member, of the words that were typed or of
// those on this computer.
func (n *Node) root(me member.Member, words string) (*record.Private, error) {
	if words == "" {
		words = n.cfg.Home.Secrets().Words
	}
	if words == "" {
		return nil, &Refused{"only your 24 words can speak for another computer of yours, and they are not on this one: type them with --words -"}
	}
	phrase, err := keys.ParsePhrase(words)
	if err != nil {
		return nil, invalid("%v", err)
	}
	root := phrase.Root()
	if root.Public() != me.Root {
		return nil, &Refused{fmt.Sprintf("these 24 words are not those of %s", me.Name)}
	}
	return root, nil
}

// ownDevice returns a device of the author that is not revoked: see devicesCalled.
func ownDevice(a author, typed string) (member.Device, error) {
	found := devicesCalled(a.coop.People(), a.me, typed)
	switch len(found) {
	case 0:
		return member.Device{}, &NotFound{fmt.Sprintf("you have no computer called %q in use: `coop device list` shows them", typed)}
	case 1:
		return found[0], nil
	}
	return member.Device{}, &NotFound{fmt.Sprintf("%d of your computers are called %q: use a key from `coop device list --json`, such as %s", len(found), typed, found[0].Key.Short())}
}

// devicesCalled returns the devices of a person that are not revoked and that a
// name, or the beginning of a key, means.
func devicesCalled(people *member.State, m member.Member, typed string) (found []member.Device) {
	for _, key := range m.Devices {
		d, _ := people.Devices.Get(key)
		if !d.Revoked && (text.Same(d.Name, typed) || len(typed) >= minPrefix && strings.HasPrefix(key.String(), strings.ToLower(typed))) {
			found = append(found, d)
		}
	}
	return found
}

// TypedDevice is how a person types a device of theirs in a command that they
// copy: by its key where they have two that are called so.
func TypedDevice(people *member.State, d member.Device) string {
	m, _ := people.Members.Get(d.Member)
	if found := devicesCalled(people, m, d.Name); len(found) != 1 || found[0].Key != d.Key {
		return d.Key.Short()
	}
	return typable(d.Name, d.Key.Short())
}

// seatAdvice says how to revoke a device that has a teller's seat.
func seatAdvice(people *member.State, me member.Member, from member.Device) string {
	for _, key := range me.Devices {
		if d, _ := people.Devices.Get(key); key != from.Key && people.Stands(key) {
			return fmt.Sprintf("coop device revoke %s --seat-to %s", TypedDevice(people, from), TypedDevice(people, d))
		}
	}
	return "you have no other, so first let one join (`coop device invite`), or the co-op decide on other tellers"
}
