package node

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/text"
	"coop/node/keys"
	"coop/node/store"
)

// JoinAs is what a person types to join.
type JoinAs struct {
	Code   string
	As     string // their name; of a code for another computer of theirs, or with Words, that of the computer
	Device string // the name of this computer; "": its host name
	Words  string // of somebody who is in the co-op and has no other computer; "" otherwise
	Kept   string // words that a newcomer has already: if the co-op awaits them, their account is theirs
}

// Join prepares an empty home to join with an invite: its keys and the card it
// will show. It returns the words of a new root key; who has words already, or
// another computer, gets none.
func Join(home *keys.Home, in JoinAs, now time.Time) (words string, err error) {
	if in.As == "" {
		return "", invalid("say your name with --as")
	}
	invite, err := readCode(in.Code, now)
	if err != nil {
		return "", err
	}
	if in.Kept != "" && (invite.ForDevice() || invite.ForRecovery()) {
		return "", invalid("this code is for somebody who is in %s already: join with nothing but the code and --as", invite.CoopName)
	}
	key := record.NewPrivate(random32())
	card, words, err := newCard(invite, in, key)
	if err != nil {
		return "", invalid("%v", err)
	}
	err = home.Create(keys.Secrets{
		Coop: invite.Coop, Device: key.Seed(), Transport: random32(), Network: invite.Secret, Invite: invite.String(), Words: words, Card: card,
	})
	if in.Words != "" || in.Kept != "" {
		words = "" // they have them
	}
	return words, err
}

// readCode reads a code that holds at this time.
func readCode(code string, now time.Time) (member.Invite, error) {
	invite, err := member.ParseInvite(code)
	if err != nil {
		return invite, invalid("%v", err)
	}
	if invite.Expires != 0 && now.UnixMilli() > invite.Expires {
		return invite, &Refused{fmt.Sprintf("this invite to %s ended on %s: ask for a new one", invite.CoopName, time.UnixMilli(invite.Expires).Format("2 January 2006"))}
	}
	return invite, nil
}

// newCard signs the card with which a device comes to the co-op, and returns the
// words of its person; "" where they are on another computer.
func newCard(invite member.Invite, in JoinAs, key *record.Private) (card []byte, words string, err error) {
	in.As = text.NFC(in.As)
	switch {
	case in.Words != "":
		return ownCard(invite, in, key)
	case invite.ForDevice():
		req, err := member.NewDeviceRequest(invite, in.As, key)
		return req.Encode(), "", err
	}
	phrase := keys.NewPhrase()
	if in.Kept != "" {
		if phrase, err = keys.ParsePhrase(in.Kept); err != nil {
			return nil, "", err
		}
	}
	terms := member.CardTerms{Coop: invite.Coop, Name: in.As, DeviceName: deviceName(in.Device), Agreement: invite.Agreement}
	var c member.Card
	if terms.Recovers = invite.Member; invite.ForRecovery() {
		c, err = member.NewRecoveryCard(terms, phrase.Root(), key)
	} else {
		c, err = member.NewCard(terms, invite.Key(), phrase.Root(), key)
	}
	return c.Encode(), phrase.String(), err
}

// ownCard signs the card with which a computer adds itself, by the words of its
// person. They stay on it, as on a first computer.
func ownCard(invite member.Invite, in JoinAs, key *record.Private) (card []byte, words string, err error) {
	phrase, err := keys.ParsePhrase(in.Words)
	if err != nil {
		return nil, "", err
	}
	root := phrase.Root()
	if invite.ForDevice() && invite.Root != root.Public() {
		return nil, "", errors.New("the code is for a computer of somebody else than these 24 words")
	}
	c, err := member.SignDeviceCard(member.DeviceTerms{Coop: invite.Coop, Name: in.As}, root, key)
	return c.Encode(), phrase.String(), err
}

// JoinAgain gives a home that nobody let in yet another code of its co-op. The keys
// stay: should somebody have admitted them by the first code after all, it is the
// same person who comes, and no words are lost.
func JoinAgain(home *keys.Home, s *store.Store, in JoinAs, now time.Time) error {
	before, err := invited(home)
	if err != nil {
		return err
	}
	if before == nil {
		return comeBack(home, s, in, now)
	}
	invite, err := readCode(in.Code, now)
	switch {
	case err != nil:
		return err
	case before.Coop != invite.Coop:
		other := invite.CoopName
		if other == before.CoopName {
			other = "another co-op of that name, such as one that goes on from it"
		}
		return &Refused{fmt.Sprintf("this home has keys for %s, and the code is for %s: use another --home", before.CoopName, other)}
	}
	if in, err = asBefore(home.Secrets(), in); err != nil {
		return err
	}
	if in.Words == "" && (before.ForDevice() != invite.ForDevice() || before.ForRecovery() != invite.ForRecovery()) {
		return &Refused{"this home has keys for a code of another kind: join from an empty home, with another --home"}
	}
	if in.Words == "" && before.Member != invite.Member {
		return &Refused{"this home has keys for a code of somebody else: join from an empty home, with another --home"}
	}
	card, _, err := newCard(invite, in, home.Device())
	if err != nil {
		return invalid("%v", err)
	}
	if err := home.TakeCode(invite.String(), invite.Secret, card); err != nil {
		return err
	}
	return s.SetSmall(doorName, record.Marshal(door{})) // what was said there was about the other code
}

// comeBack gives the home of somebody who left, or was expelled, another device and
// another card, of the same person: what it had signs no more. What it holds stays.
func comeBack(home *keys.Home, s *store.Store, in JoinAs, now time.Time) error {
	n, err := readHome(home, s)
	if err != nil {
		return err
	}
	if n.coop.History().Len() == 0 {
		return keys.ErrExists
	}
	people := n.coop.People()
	d, _ := people.Devices.Get(home.Device().Public())
	me, _ := people.Members.Get(d.Member)
	if err := n.mayComeBack(me, in); err != nil {
		return err
	}
	invite, err := readCode(in.Code, now)
	switch {
	case err != nil:
		return err
	case invite.Coop != people.Coop:
		return &Refused{fmt.Sprintf("this home is of %s, and the code is for %s: use another --home", people.Name, invite.CoopName)}
	case invite.ForDevice() || invite.ForRecovery():
		return &Refused{fmt.Sprintf("this code is for somebody who is in %s: to come back, ask a sponsor for an invite", people.Name)}
	}
	in.Kept = cmp.Or(in.Kept, in.Words, home.Secrets().Words)
	if in.Words = ""; in.Kept == "" {
		return &Refused{"your 24 words are no longer on this computer: type them, coop join - --old-words -"}
	}
	phrase, err := keys.ParsePhrase(in.Kept)
	if err != nil {
		return invalid("%v", err)
	}
	if phrase.Root().Public() != me.Root {
		return &Refused{fmt.Sprintf("these 24 words are not those of %s in %s: only with them the account is theirs again", me.Name, people.Name)}
	}
	in.As = cmp.Or(in.As, me.Name)
	key := record.NewPrivate(random32())
	card, words, err := newCard(invite, in, key)
	if err != nil {
		return invalid("%v", err)
	}
	err = home.Renew(func(s *keys.Secrets) {
		s.Device, s.Transport, s.Network = key.Seed(), random32(), invite.Secret
		s.Invite, s.Card, s.Words, s.DeviceInvites = invite.String(), card, words, nil
		s.Kept = keys.Kept{Back: true, Anchors: s.Kept.Anchors, Reseat: s.Kept.Reseat}
	})
	if err != nil {
		return err
	}
	return s.SetSmall(doorName, record.Marshal(door{}))
}

// mayComeBack says why the person of this home has no need of another device, or
// cannot have it here, or nil. Who is put out is told so at the door, and gets no
// record of it: so whoever types the words may come that a door was closed on.
func (n *Node) mayComeBack(me member.Member, in JoinAs) error {
	minuted, _ := n.coop.State().Minuted.People.Members.Get(me.ID)
	_, out := n.coop.People().Author(n.cfg.Home.Device().Public())
	switch {
	case me.Status == member.StatusLeft && !minuted.Gone() && n.door.ShutOut == "":
		return &Refused{fmt.Sprintf("nobody has heard yet that %s left, as far as this home knows: %s, until it says that somebody closed the door", me.Name, leaveUp)}
	case me.Gone():
		return nil
	case n.fork != nil:
		return n.forked()
	case out != nil && me.ID != (record.ID{}):
		return n.out(out)
	case n.door.ShutOut == "":
		return keys.ErrExists
	case in.Kept == "":
		return &Refused{fmt.Sprintf("this home has a co-op already, where you are in as far as it knows; but %s. If you are not in any more, come back with your 24 words: coop join - --old-words -", n.door.ShutOut)}
	}
	return nil
}

// asBefore completes what is typed with another code by the card that the home
// has. Its person stays the same, so other words are refused.
func asBefore(secrets keys.Secrets, in JoinAs) (JoinAs, error) {
	words := cmp.Or(in.Words, in.Kept, secrets.Words)
	in.Words, in.Kept = "", ""
	var root record.Key
	if req, err := member.ParseDeviceRequest(secrets.Card); err == nil {
		in.As = cmp.Or(in.As, req.Name)
		if words == "" {
			return in, nil
		}
	} else if own, err := member.ParseDeviceCard(secrets.Card); err == nil {
		in.As, in.Words, root = cmp.Or(in.As, own.Name), words, own.Root
	} else if card, err := member.ParseCard(secrets.Card); err == nil {
		in.As, in.Device, in.Kept, root = cmp.Or(in.As, card.Name), cmp.Or(in.Device, card.DeviceName), words, card.Root
	}
	if words == "" {
		return in, &Refused{"the 24 words of this home are no longer on this computer: type them (--old-words -), or join from an empty home, with another --home"}
	}
	phrase, err := keys.ParsePhrase(words)
	if err != nil {
		return in, invalid("%v", err)
	}
	if phrase.Root().Public() != root {
		return in, &Refused{"this home has keys that go with other 24 words: join from an empty home, with another --home"}
	}
	return in, nil
}
