package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/record"
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

// asks says what who shows a card wants, and the command that does it.
func (n *Node) asks(s *coop.State, c member.Card) string {
	if c.Recovers == (record.ID{}) {
		yes := ""
		why := doubts(s, c)
		if why != nil {
			yes = " --yes"
		}
		return fmt.Sprintf("%s wants to join%s   coop member admit %s%s", c.Name, strings.Join(append([]string{""}, why...), "; "), c.Device.Short(), yes)
	}
	m, _ := s.People.Members.Get(c.Recovers)
	return fmt.Sprintf("somebody says to be %s, whose keys are lost: ask %[1]s whether their card is %s   %s", m.Name, c.Device.Short(), n.newKeys(s, m, c.Device))
}

// newKeys is the command that proposes the new keys of a card for somebody. Who
// keeps the minutes gives up the seat in the same decision.
func (n *Node) newKeys(s *coop.State, m member.Member, card record.Key) string {
	command := `coop proposal open --title "New keys"`
	if s.People.IsTeller(m.ID) {
		others := n.suggest(s, but(m.ID))
		if others == nil {
			return noTellers
		}
		command += " --effect " + tellersEffect(others)
	}
	return fmt.Sprintf("%s --effect recover:%s,%s", command, typedName(s, m), card.Short())
}
