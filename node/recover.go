package node

import (
	"context"
	"fmt"
	"time"

	"coop/crdt/coop"
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
		code := n.newCode(a, 0)
		code.Member = who.ID
		out = Invited{Code: code.String(), Uses: 1, Expires: time.UnixMilli(code.Expires)}
		return code.Check()
	})
	return out, err
}

// Recovers reports whether it is the card of somebody whose keys are lost.
func (c Card) Recovers() bool { return c.Card.Recovers != (record.ID{}) }

// Asks says what who shows the card wants, and the command that does it.
func (c Card) Asks(s *coop.State) string {
	id := c.Card.Device.Short()
	if !c.Recovers() {
		return fmt.Sprintf("%s wants to join   coop member admit %s", c.Card.Name, id)
	}
	m, _ := s.People.Members.Get(c.Card.Recovers)
	return fmt.Sprintf(`somebody says to be %s, whose keys are lost: ask %s whether their card is %s   coop proposal open --title "New keys" --effect recover:%s,%s`,
		m.Name, m.Name, id, typedName(s, m), id)
}
