package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
)

const (
	// clockOff is by how much two clocks may differ without a word: a node closes a
	// poll so much too early or too late without harm.
	clockOff = time.Hour

	// clockPersons is how many members it takes to speak against this node's clock:
	// among three the one in the middle is honest, or beside one who is. Associates do
	// not count: one sponsor lets in as many as they like.
	clockPersons = 3

	// clockGap is how long this node may not have run, and its clock is believed where
	// there is nobody to ask: after a longer time it may as well be wrong by that much.
	clockGap = 7 * 24 * time.Hour

	// clockEvery is how often the node looks at its clock. What it shows is kept again
	// when the latest time has gone on by keptEvery, or what others are ahead has
	// changed by keptAhead.
	clockEvery = time.Second
	keptEvery  = 10 * time.Minute
	keptAhead  = time.Minute

	clockName = "clock"
)

// clockFloor is a time at which there was no co-op of this program yet.
var clockFloor = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// clock is what is kept of this computer's clock. Times are in unix milliseconds.
type clock struct {
	_      struct{} `cbor:",toarray"`
	Latest int64    // the latest time that it showed and that was believed; 0: none yet
	Apart  bool     // when enough others were last there, most of their clocks said otherwise
	Ahead  int64    // and were ahead by so much
	Agreed int64    // so much ahead they may be: this computer's person said that theirs is right
}

// Clock is what should be said about this computer's clock.
type Clock struct {
	Text    string // "": nothing
	Blocked bool   // it may be wrong: nothing is done that it decides
}

// readClock reads what is kept of the clock. A home that kept nothing yet knows from
// its own records what it showed.
func (n *Node) readClock() error {
	b, err := n.cfg.Store.Small(clockName)
	if err != nil {
		return err
	}
	if b != nil {
		err = record.Unmarshal(b, &n.clock)
	} else if at := n.wrote(n.cfg.Home.Device().Public()).UnixMilli(); at >= clockFloor {
		n.clock.Latest = at
	}
	n.keptClock = n.clock
	n.lookAtClock()
	return err
}

// lookAtClock compares this computer's clock with what it showed before and with the
// clocks of others, and has the replica keep from what a wrong one decides.
func (n *Node) lookAtClock() {
	now := n.cfg.Now().UnixMilli()
	n.clockLooked = now
	others := n.clocks()
	if agree := n.clock.compare(others); agree && now >= clockFloor {
		n.clock.Latest = now
	} else if !n.clock.Apart && n.ownDoubt(now) == "" {
		n.clock.Latest = max(n.clock.Latest, now)
	}
	c := n.doubtClock(now, others)
	if c.Blocked && c.Blocked != n.shownClock.Blocked {
		n.say(c.Text)
	}
	n.shownClock = c
	n.replica.DoubtClock(c.Blocked)
	n.keepClock()
}

// compare judges this computer's clock by those of others, and reports whether they
// agree. Fewer than enough never speak against it, for one of them may lie; all of them
// together speak for it, but one alone not against what most said before.
func (c *clock) compare(others []otherClock) (agree bool) {
	if voices := members(others); len(voices) >= clockPersons {
		c.Ahead = middle(voices)
		if !off(c.Ahead) {
			c.Agreed = 0
		}
		c.Apart = off(c.Ahead - c.Agreed)
		return !c.Apart
	}
	if len(others) == 0 || slices.ContainsFunc(others, func(o otherClock) bool { return off(o.ahead) }) {
		return false
	}
	c.Apart = c.Apart && len(others) == 1
	return !c.Apart
}

// keepClock keeps what changed, but not each second that passes or that others' clocks
// differ by: to keep is to wait for the disk.
func (n *Node) keepClock() {
	was := n.keptClock
	if passed := n.clock.Latest - was.Latest; 0 <= passed && passed < keptEvery.Milliseconds() {
		was.Latest = n.clock.Latest
	}
	if abs(n.clock.Ahead-was.Ahead) < keptAhead.Milliseconds() {
		was.Ahead = n.clock.Ahead
	}
	if was == n.clock || n.writable() != nil {
		return
	}
	n.keptClock = n.clock // also where it fails: it is tried again with what changes next, not at each look
	if err := n.cfg.Store.SetSmall(clockName, record.Marshal(n.clock)); err != nil {
		n.cfg.Log.Warn("what this computer's clock showed is not kept", "error", err)
	}
}

// doubtClock says what should be said about the clock.
func (n *Node) doubtClock(now int64, others []otherClock) Clock {
	here := stamp(now)
	why := n.ownDoubt(now)
	if n.clock.Apart {
		why = fmt.Sprintf("this computer's clock says %s, and most others' %s", here, stamp(now+n.clock.Ahead))
	}
	if why != "" {
		return Clock{why + ": until they agree it closes no proposal and gives nothing an end. Set it right, or if it is right: coop clock ok", true}
	}
	if len(members(others)) < clockPersons {
		for _, o := range others {
			if off(o.ahead - n.clock.Agreed) {
				return Clock{Text: fmt.Sprintf("this computer's clock says %s, and %s's %s: see which of them is right", here, o.name, stamp(now+o.ahead))}
			}
		}
	}
	return Clock{}
}

// ownDoubt says what speaks against the clock without a look at any other.
func (n *Node) ownDoubt(now int64) string {
	latest := n.clock.Latest
	switch {
	case now < clockFloor && (latest == 0 || latest >= clockFloor):
		return fmt.Sprintf("this computer's clock says %s, before there were co-ops of this kind", stamp(now))
	case off(latest-now) && latest > now:
		return fmt.Sprintf("this computer's clock says %s, and it was later already: %s", stamp(now), stamp(latest))
	case latest != 0 && now-latest > clockGap.Milliseconds():
		return fmt.Sprintf("this computer's clock says %s, and when it was last asked %s", stamp(now), stamp(latest))
	}
	return ""
}

// otherClock is the clock of another computer that is connected.
type otherClock struct {
	name   string
	ahead  int64 // of this computer's, in milliseconds
	member bool  // of somebody whom the members decided on
}

// members returns the clocks of members.
func members(others []otherClock) []otherClock {
	return slices.DeleteFunc(slices.Clone(others), func(o otherClock) bool { return !o.member })
}

// clocks returns the clocks of those who are connected, one for each person: of who
// has several computers there, that which agrees best. The most behind come first. A
// newcomer knows no persons: all count as one.
func (n *Node) clocks() (all []otherClock) {
	best := map[record.ID]otherClock{}
	for _, p := range n.replica.Peers() {
		id, o := record.ID{}, otherClock{name: "the other computer", ahead: p.Ahead}
		if n.coop.History().Len() > 0 {
			d, known := n.coop.People().Devices.Get(p.Device)
			if !p.Live || !known {
				continue
			}
			m, _ := n.coop.People().Members.Get(d.Member)
			id, o.name, o.member = m.ID, m.Name, m.Status == member.StatusMember || m.Status == member.StatusResting
		}
		if old, ok := best[id]; p.Timed && (!ok || abs(o.ahead) < abs(old.ahead)) {
			best[id] = o
		}
	}
	all = slices.Collect(maps.Values(best))
	slices.SortFunc(all, func(a, b otherClock) int {
		if a.ahead != b.ahead {
			return map[bool]int{true: -1, false: 1}[a.ahead < b.ahead]
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

// middle returns by how much the clock in the middle is ahead; of two in the middle
// that which agrees better.
func middle(sorted []otherClock) int64 {
	low, high := sorted[(len(sorted)-1)/2].ahead, sorted[len(sorted)/2].ahead
	if abs(low) < abs(high) {
		return low
	}
	return high
}

func off(ms int64) bool { return abs(ms) >= clockOff.Milliseconds() }

func abs(ms int64) int64 { return max(ms, -ms) }

func stamp(ms int64) string { return time.UnixMilli(ms).Local().Format("2 January 2006 15:04") }

// ClockOK notes that this computer's person says that its clock is right.
func (n *Node) ClockOK(ctx context.Context) error {
	return n.do(ctx, func() error {
		n.clock.Latest, n.clock.Apart = n.cfg.Now().UnixMilli(), false
		n.clock.Agreed = n.clock.Ahead
		others := n.clocks()
		if voices := members(others); len(voices) > 0 {
			others = voices
		}
		if len(others) > 0 {
			n.clock.Agreed = middle(others)
		}
		n.lookAtClock()
		return nil
	})
}

// trustClock says why nothing can be done now that this computer's clock decides.
func (n *Node) trustClock() error {
	n.lookAtClock()
	if n.shownClock.Blocked {
		return &Refused{n.shownClock.Text}
	}
	return nil
}
