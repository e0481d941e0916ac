package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/record"
)

// Trouble is something that was cheated, or went wrong by somebody's doing, and
// since when, by the clock of its author.
type Trouble struct {
	coop.Trouble
	Time    time.Time
	Minuted bool
	Signed  []Signed // the evidence, where one trouble was asked for
	Further []Signed // others, likewise
}

// Signed is a record as its author signed it, and what became of it.
type Signed struct {
	*record.Record
	Held    bool   // false: a peer showed it, hollow, and this node does not hold it
	Batch   int    // of the minutes, see minutes.Place; 0: not in them yet
	Problem string // why it has no effect; "": it has
}

// Troubles returns what was cheated or went wrong, the latest first, and how many
// there are, should not all be shown.
func (n *Node) Troubles(ctx context.Context) (found []Trouble, of int, err error) {
	err = n.ask(ctx, func() {
		var all []coop.Trouble
		all, of = n.troubles()
		for _, t := range all {
			found = append(found, n.trouble(t))
		}
	})
	return found, of, err
}

func (n *Node) troubles() (found []coop.Trouble, of int) {
	found, of = n.coop.Troubles()
	if own, ok := n.ownFork(); ok {
		return append([]coop.Trouble{own}, found...), of + 1
	}
	return found, of
}

func (n *Node) trouble(t coop.Trouble) Trouble {
	ref, held := n.coop.History().Find(t.ID)
	if !held {
		r, _ := n.shown(t.ID)
		return Trouble{Trouble: t, Time: time.UnixMilli(r.Time)}
	}
	return Trouble{Trouble: t, Time: time.UnixMilli(n.coop.History().At(ref).Time), Minuted: n.coop.Minutes().Minuted(ref)}
}

// Trouble returns one trouble, by the beginning of its id, with the signed
// records that show it.
func (n *Node) Trouble(ctx context.Context, typed string) (found Trouble, err error) {
	typed = strings.ToLower(strings.TrimSpace(typed))
	if len(typed) < minPrefix {
		return found, &NotFound{fmt.Sprintf("%q is too short for the id of a trouble: type at least %d characters of it", typed, minPrefix)}
	}
	asked := n.ask(ctx, func() {
		all, _ := n.troubles()
		count := 0
		for _, t := range all {
			// One record may be trouble in two ways: the first tells of it.
			if begins(typed, t) && (count == 0 || t.ID != found.ID) {
				found, count = n.trouble(t), count+1
			}
		}
		switch {
		case count == 0:
			err = &NotFound{fmt.Sprintf("there is no trouble %s: `coop trouble` lists what there is", typed)}
		case count > 1:
			err = &NotFound{fmt.Sprintf("%d troubles begin with %s: type more of the id", count, typed)}
		default:
			found.Signed, found.Further = n.signed(found.Evidence), n.signed(found.Others)
		}
	})
	if asked != nil {
		err = asked
	}
	return found, err
}

// begins reports whether the id of a trouble, or of one like it that is shown with it,
// begins so.
func begins(typed string, t coop.Trouble) bool {
	return slices.ContainsFunc(append([]record.ID{t.ID}, t.Others...), func(id record.ID) bool { return strings.HasPrefix(id.String(), typed) })
}

// signed reads the records that show a trouble.
func (n *Node) signed(ids []record.ID) (all []Signed) {
	problems := n.coop.State().Problems()
	for _, id := range ids {
		r, held := n.shown(id)
		out := Signed{Record: r, Held: held}
		if held {
			ref, _ := n.coop.History().Find(id)
			p, _ := problems.Get(id)
			out.Batch, out.Problem = n.coop.Place(ref), p.Reason
		}
		all = append(all, out)
	}
	return all
}
