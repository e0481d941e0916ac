package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node/keys"
)

// RecoveryCode makes a code with which somebody who lost all their computers and
// their 24 words asks for new keys. The co-op decides: a code alone gives nothing.
func (n *Node) RecoveryCode(ctx context.Context, typed string) (out Invited, err error) {
	err = n.do(ctx, func() error {
		a, err := n.author()
		if err != nil {
			return err
		}
		who, err := FindMember(a.coop.State(), typed)
		if err != nil {
			return err
		}
		if who.Gone() {
			return &Refused{fmt.Sprintf("%s is no longer in the co-op: to come back, they need an invite", who.Name)}
		}
		if err := n.trustClock(); err != nil {
			return err
		}
		code := n.newCode(ctx, a, 0)
		code.Member = who.ID
		out = Invited{Code: code.String(), Uses: 1, Expires: time.UnixMilli(code.Expires)}
		return code.Check()
	})
	return out, err
}

// Recovers reports whether it is the card of somebody whose keys are lost.
func (c Card) Recovers() bool { return c.Card.Recovers != (record.ID{}) }

// asking completes a card by what who shows it wants, and by the command that does it.
func (n *Node) asking(s *coop.State, c Card) Card {
	if !c.Recovers() {
		yes, why := "", doubts(s, c.Card)
		if why != nil {
			yes = " --yes"
		}
		c.wants = strings.Join(append([]string{c.Card.Name + " wants to join"}, why...), "; ")
		c.command = "coop member admit " + c.Card.Device.Short() + yes
		return c
	}
	m, _ := s.People.Members.Get(c.Card.Recovers)
	c.who = m.Name
	c.wants = fmt.Sprintf("somebody says to be %s, whose keys are lost", m.Name)
	c.command = n.newKeys(s, m, c.Card.Device)
	return c
}

// Asks says what who shows the card wants, what to compare, and the command that does
// it.
func (c Card) Asks() string {
	if c.Recovers() {
		return fmt.Sprintf("%s: ask %s by voice whether the words of their card are %q   %s", c.wants, c.who, c.Words(), c.command)
	}
	return fmt.Sprintf("%s; the words of the card are %q   %s", c.wants, c.Words(), c.command)
}

// WordsOf returns the four words of a join or recovery card, for people to compare by
// voice; "" of any other. It takes some 10 ms.
func WordsOf(card []byte) string {
	c, err := member.ParseCard(card)
	if err != nil {
		return ""
	}
	return keys.CardWords(c.Root, c.Device)
}

// CardWords returns the words of the card that this computer shows at doors: see
// WordsOf.
func (n *Node) CardWords() string { return n.cardWords() }

// newKeys is the command that proposes the new keys of a card for somebody. Who
// keeps the minutes gives up the seat in the same decision.
func (n *Node) newKeys(s *coop.State, m member.Member, card record.Key) string {
	command := `coop proposal open --title "New keys"`
	if s.People.IsTeller(m.ID) {
		if away := n.awayOf(s, m); len(s.Minuted.People.Tellers)-len(away) < n.tellersNeeded() {
			return fmt.Sprintf("no decision takes effect before others keep the minutes in place of %s. ", m.Name) + n.replaceTellers(s, away)
		}
		others := n.suggest(s, but(m.ID))
		if others == nil {
			return noTellers
		}
		command += " --effect " + tellersEffect(others)
	}
	return fmt.Sprintf("%s --effect recover:%s,%s", command, typedName(s, m), card.Short())
}

// awayOf are the computers with which somebody keeps the minutes and that cannot be
// reached.
func (n *Node) awayOf(s *coop.State, m member.Member) (away []record.Key) {
	for _, t := range n.tellers(s) {
		if t.Device.Member == m.ID && !t.Reached {
			away = append(away, t.Device.Key)
		}
	}
	return away
}
