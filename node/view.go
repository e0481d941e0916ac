package node

import (
	"context"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
)

// View is what the node shows at one moment. Nothing in it changes.
type View struct {
	State  *coop.State   // nil while this computer has no record of the co-op
	Me     member.Member // zero while it is not admitted
	Device record.Key
	Joined bool
	Known  bool // what is held can be shown: this node is in the co-op, or was
	Now    time.Time
	Peers  []Peer
	Cards  []Card // newcomers at this node's door
	Hidden int    // cards for recoveries there that are not shown, since too many are for one person
	Events []Event
	Addrs  []string
	Broken error // why nothing can be written now; nil: it can
	NotIn  error // why this computer has no place in the co-op, where it has none
	Clock  Clock // what should be said about this computer's clock

	Waits   string // what a newcomer waits for, as it was last told
	ShutOut string // who closed the door on this node, and why; "": nobody since it was let in

	Tellers       []Teller
	TellersNeeded int    // how many of them must talk to each other
	OutOfReach    string // which tellers lack where too few can be reached; "": enough can
	Advice        string // what should be done about the tellers; "": nothing
	Stuck         string // what to do if those should be lost who cannot be reached now; "": no need
}

// Peer is a node this one is connected to.
type Peer struct {
	replica.Peer
	Name       string // of the device's owner, "" if unknown
	DeviceName string
	Addr       string
}

// Card is a join or recovery card that a newcomer shows at this node's door.
type Card struct {
	Card  member.Card
	Bytes []byte
	Seen  time.Time
	Words func() string // see WordsOf; the first call takes some 10 ms

	wants   string // what who shows it wants
	command string // that does it
	session replica.SessionID
	who     string     // is to be recovered
	root    record.Key // of who is to be recovered, when the card was first seen
}

// Event is something that happened at this node, for the log.
type Event struct {
	Time    time.Time
	Text    string
	Trouble bool // a peer did what no honest one does, or brought too much
}

// View returns what the node shows now.
func (n *Node) View(ctx context.Context) (v View, err error) {
	err = n.ask(ctx, func() { v = n.view() })
	return v, err
}

func (n *Node) view() View {
	v := View{
		Device: n.cfg.Home.Device().Public(), Joined: n.replica.Joined(), Now: n.cfg.Now(),
		Events: slices.Clone(n.told), Broken: n.writable(), NotIn: n.notIn(), Waits: n.door.Waits, ShutOut: n.door.ShutOut,
	}
	kept := n.cfg.Home.Secrets().Kept
	v.Known = v.Joined || kept.Back && n.reaches(kept.Anchors)
	n.lookAtClock()
	if v.Clock = n.shownClock; n.network != nil {
		v.Addrs = n.network.Addrs()
	}
	switch {
	case v.Broken != nil:
	case n.fork != nil:
		v.Broken = n.forked()
	case n.unsigned != nil:
		v.Broken = n.unsigned
	}
	if n.coop.History().Len() > 0 {
		v.State = n.coop.State()
		me, err := v.State.People.Author(v.Device)
		if v.Me = me; err != nil && v.Broken == nil && v.State.People.Devices.Has(v.Device) {
			v.Broken = n.out(err)
		}
		v.Tellers, v.TellersNeeded, v.OutOfReach = n.tellers(v.State), n.tellersNeeded(), n.outOfReach(v.State)
		if v.Me.ID != (record.ID{}) {
			v.Advice, v.Stuck = n.advice(v.State, v.Me), n.stuck(v.State, v.Me)
		}
	}
	for _, p := range n.replica.Peers() {
		v.Peers = append(v.Peers, n.peer(v.State, p))
	}
	if v.State != nil {
		v.Cards, v.Hidden = shownCards(n.waiting(v.State))
	}
	return v
}

func (n *Node) peer(s *coop.State, p replica.Peer) Peer {
	out := Peer{Peer: p}
	if n.network != nil {
		out.Addr = n.network.Addr(p.Session)
	}
	if s == nil {
		return out
	}
	if d, ok := s.People.Devices.Get(p.Device); ok {
		out.DeviceName = d.Name
		if m, ok := s.People.Members.Get(d.Member); ok {
			out.Name = m.Name
		}
	}
	return out
}

// Todo is what waits for this member.
type Todo struct {
	Vote    []proposal.Proposal // open, and they have not voted
	Confirm []ledger.Payment    // to accept or to pay
	Admit   []Card              // newcomers whom they may admit, and members to be recovered
}

// Todo returns what waits for this member.
func (v View) Todo() (t Todo) {
	if v.State == nil || v.Me.ID == (record.ID{}) {
		return t
	}
	for _, p := range v.State.Proposals.Proposals.All() {
		if _, voted := v.State.Proposals.Voted(p.ID, v.Me.ID); p.Status == proposal.StatusOpen && !voted && slices.Contains(p.Voters, v.Me.ID) {
			t.Vote = append(t.Vote, p)
		}
	}
	for _, p := range v.State.Ledger.Pending(v.Me.ID) {
		if answerer(p) == v.Me.ID {
			t.Confirm = append(t.Confirm, p)
		}
	}
	for _, c := range v.Cards {
		if v.Me.Holds(member.Sponsor) || c.Recovers() && v.Me.Status == member.StatusMember {
			t.Admit = append(t.Admit, c)
		}
	}
	return t
}

// answerer is who is to answer a payment or request.
func answerer(p ledger.Payment) record.ID {
	if p.Asked {
		return p.From
	}
	return p.To
}

// Entry is one record, for the log of the co-op.
type Entry struct {
	Place   int // in this node's order of admission, counted from 1
	ID      record.ID
	Kind    string
	Author  string // name of the device's owner
	Device  string
	Time    time.Time // as the author's clock said
	Minuted bool
	Problem string // why it has no effect; "": it has
}

// Log returns up to most records after a place in this node's order of
// admission.
func (n *Node) Log(ctx context.Context, after, most int) (entries []Entry, err error) {
	err = n.ask(ctx, func() {
		h := n.coop.History()
		if h.Len() == 0 {
			return
		}
		s := n.coop.State()
		problems := s.Problems()
		for i := after; i < h.Len() && len(entries) < most; i++ {
			at := h.At(history.Ref(i))
			e := Entry{Place: i + 1, ID: at.ID, Kind: at.Kind, Time: time.UnixMilli(at.Time), Minuted: n.coop.Minutes().Minuted(history.Ref(i))}
			if m, ok := s.People.Person(at.Owner); ok {
				e.Author = m.Name
			}
			if d, ok := s.People.Devices.Get(at.Device); ok {
				e.Device = d.Name
			}
			if p, ok := problems.Get(at.ID); ok {
				e.Problem = p.Reason
			}
			entries = append(entries, e)
		}
	})
	return entries, err
}

// Follow returns a channel that receives when records came or were written,
// until ctx ends.
func (n *Node) Follow(ctx context.Context) (<-chan struct{}, error) {
	c := make(chan struct{}, 1)
	err := n.ask(ctx, func() { n.followers[c] = struct{}{} })
	context.AfterFunc(ctx, func() {
		_ = n.ask(context.Background(), func() { delete(n.followers, c) })
	})
	return c, err
}

func (n *Node) wakeFollowers() {
	for c := range n.followers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// accuse says what a peer did that no honest one does.
func (n *Node) accuse(text string) {
	n.say(text)
	n.told[len(n.told)-1].Trouble = true
}

// eventsMost is how many events are remembered for people; the log has all.
const eventsMost = 100

// say tells people something: what was told before comes to the end, so that a
// peer that goes on and on hides nothing else.
func (n *Node) say(text string) {
	n.cfg.Log.Info(text)
	n.told = slices.DeleteFunc(slices.Clone(n.told), func(e Event) bool { return e.Text == text })
	n.told = append(n.told, Event{Time: n.cfg.Now(), Text: text})
	if len(n.told) > eventsMost {
		n.told = n.told[len(n.told)-eventsMost:]
	}
}
