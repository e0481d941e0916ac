// Package replica is one node's part in a co-op without its input and output:
// what it asks its peers, what it sends them, which records it takes, and what
// an honest node writes by itself, and when. It reads no clock, opens no socket
// and no file; time comes with every call and what is to be done comes out of
// Take. The node drives it over the network, the simulator by a seed.
//
// # A session
//
// With each peer there is one session at a time, on one stream:
//
//	hello, proof    both prove that they know the co-op's network secret: an
//	                HMAC over both nonces and both ends. A stranger learns nothing.
//	show            each names its device, with the device's signature over the
//	                transport key the connection proves.
//	ask, vouch      who does not know the other's device asks how it came to the
//	                co-op: by these records, or a newcomer by a card.
//	welcome         each lets the other in, or says what it waits for, or closes.
//	pull …          then either may pull at any time: "send me what you have
//	                beyond these tips".
//
// A pull is answered with records, parents first, and end. Where the answering
// node cannot tell how much of a device's chain the other has, it first asks:
// probe names its own records 1, 2, 4 … places behind its tips, have says which
// of them are known. A hint tells a peer that there is news.
//
// # What is taken
//
// A record from a peer is taken (held, folded, served) if its device stands, or
// it is the founding record, or it is a device card of a person who is in the
// co-op, or a record that may be taken came along and has it in its past. All
// else waits in a staging area, outside memory, and is dropped with the end of the
// pull. After a flood the peer is asked again later each time, and may stage more.
// A node that holds records of a device that does not stand, and that nobody's
// standing device has in its past, covers them with an ack of its own.
package replica

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/wire"
)

// SessionID names a session. The driver chooses it and never uses it twice.
type SessionID uint64

// Config is what a replica is made from.
type Config struct {
	Coop      *coop.Coop
	CoopID    record.ID                                 // the co-op that this node is of, or wants to join; also while it holds nothing
	Load      func(history.Ref) (*record.Record, error) // a stored record, with its body
	Key       *record.Private                           // the device's key; nil while it is locked: nothing is written
	Forked    bool                                      // a peer proved that the device forked: nothing is ever written
	Transport []byte                                    // this node's own transport identity, as its peers see it
	Secret    [32]byte                                  // the network secret
	Card      []byte                                    // what a newcomer shows: a join or recovery card, a device request, or a device card of its own; nil otherwise
	Agent     string                                    // shown to peers, such as "coop 0.1.0"
	Device    record.Key                                // the public part of Key, known also while it is locked
	ShowSig   record.Sig                                // the device's signature over Transport, see wire.TransportClaim
	Joined    func(*coop.Coop) bool                     // whether a newcomer has all its invite names; nil if it is none
	Random    *rand.Rand                                // for nonces and pauses; seeded from the system, or by a simulator

	Stage      func() (Area, error) // an empty area for what a pull stages; nil: in memory
	StagedMost int64                // what the pulls from one person may stage, in bytes; 0: StagedMost

	TransportKey *record.Private // whose identity Transport is; nil: this node takes no part in passing addresses on
}

// Output is what a replica wants done, in this order.
type Output struct {
	Store  []*record.Record   // must be durable before anything below happens; in order of admission
	Gossip [][]*record.Record // own records to publish
	Ready  []SessionID        // sessions for which Next has something
	Close  []SessionID        // sessions to close once Next has nothing more
	Events []Event            // what a person or a log should be told
	Addrs  bool               // other addresses are known than before: see Replica.Addrs
}

// EventKind says what an Event is about.
type EventKind int

// The kinds of events.
const (
	EventDoorClosed EventKind = iota + 1 // a peer was sent away, or sent us away
	EventWaiting                         // we are a newcomer and a peer asks us to wait
	EventWelcome                         // a peer let us in
	EventCard                            // a newcomer showed a card that this node does not admit by itself
	EventPulled                          // a pull is complete
	EventDropped                         // records of devices that do not stand were not taken
	EventTooNew                          // a peer sent records of a newer version
	EventDuty                            // this node could not write what it owes
	EventGap                             // a peer answered a pull with records whose past it left out
	EventGarbage                         // a peer sent what is no message, or a record nobody may take
	EventForked                          // a peer proved that this device signed two records in one slot: it signs no more
	EventCopied                          // a peer had a record of this device that this node did not sign: it is locked
)

// Event is something a person or a log should be told.
type Event struct {
	Kind    EventKind
	Session SessionID
	Device  record.Key
	Count   int               // of records, where that says something
	Card    []byte            // with EventCard
	Theirs  bool              // with EventDoorClosed: it is the peer's door
	Proof   [2]*record.Record // with EventForked: both, hollow
	Text    string
}

// Replica is the state machine. One goroutine uses it.
type Replica struct {
	cfg      Config
	coop     *coop.Coop
	sessions map[SessionID]*session
	waiting  *history.Waiting
	out      Output
	unstored []*record.Record // admitted, not yet handed out by Take
	stored   int              // records handed out by Take or there from the start
	duty     duty
	addrs    addrs
	floods   map[record.ID]*flood  // by the person of the peer
	shared   map[record.ID]*shared // by the person of peers that answer a pull now
	joined   bool
	ownCard  *member.DeviceCard // that this device came with, if it adds itself; else nil
}

// New returns a replica of what the co-op holds. If that is nothing, the node
// is a newcomer, and cfg.Card and cfg.Joined say how it gets in.
func New(cfg Config) *Replica {
	if cfg.Stage == nil {
		cfg.Stage = func() (Area, error) { return &memory{}, nil }
	}
	if cfg.StagedMost == 0 {
		cfg.StagedMost = StagedMost
	}
	r := &Replica{
		cfg: cfg, coop: cfg.Coop, sessions: map[SessionID]*session{}, waiting: history.NewWaiting(), floods: map[record.ID]*flood{}, shared: map[record.ID]*shared{},
		stored: cfg.Coop.History().Len(), joined: cfg.Joined == nil,
		addrs: addrs{known: map[record.Key]addrList{}, ofOne: map[record.ID]int{}},
	}
	if card, err := member.ParseDeviceCard(cfg.Card); err == nil {
		r.ownCard = &card
	}
	r.checkJoined()
	return r
}

// Coop returns the co-op as this node holds it.
func (r *Replica) Coop() *coop.Coop { return r.coop }

// Joined reports whether this node shows and serves what it holds: always, but
// for a newcomer that does not yet hold what its invite names.
func (r *Replica) Joined() bool { return r.joined }

// Unlock gives the replica its device's key; nil takes it away.
func (r *Replica) Unlock(key *record.Private) { r.cfg.Key = key }

// signs reports whether this node can sign now.
func (r *Replica) signs() bool { return r.cfg.Key != nil && !r.cfg.Forked }

// Load returns an admitted record with its body.
func (r *Replica) Load(ref history.Ref) (*record.Record, error) {
	if i := int(ref) - r.stored; i >= 0 {
		return r.unstored[i], nil
	}
	return r.cfg.Load(ref)
}

// Take returns what is to be done since the last Take. It first lets the fold
// catch up and sees to what this node owes the co-op.
func (r *Replica) Take(now time.Time) Output {
	r.settle(now)
	for r.coop.Changed() != r.duty.seen {
		r.settle(now) // what this node wrote by itself is news too, and may be a reason to write
	}
	out := r.out
	out.Store = r.unstored
	r.stored += len(r.unstored)
	r.unstored, r.out = nil, Output{}
	return out
}

// Found makes the first record of a new co-op.
func (r *Replica) Found(founding *record.Record) error {
	_, err := r.admit(founding)
	return err
}

// Write signs and admits a record of this node's own device, with all it holds in its
// past: where there are more heads than a record can name, acks come before it. It is
// durable once what the next Take returns is stored; only then may it be acknowledged.
func (r *Replica) Write(now time.Time, kind string, body []byte) (*record.Record, error) {
	for len(r.otherHeads()) > record.MaxParents && !r.addsItself() {
		if _, err := r.sign(now, coop.KindAck, nil); err != nil {
			return nil, err
		}
	}
	return r.sign(now, kind, body)
}

// sign signs and admits the next record of this node's own device.
func (r *Replica) sign(now time.Time, kind string, body []byte) (*record.Record, error) {
	h, err := r.header(now, kind)
	if err != nil {
		return nil, err
	}
	rec, err := record.New(h, body, r.cfg.Key)
	if err != nil {
		return nil, err
	}
	if _, err := r.admit(rec); err != nil {
		return nil, fmt.Errorf("own record: %w", err)
	}
	r.out.Gossip = append(r.out.Gossip, []*record.Record{rec})
	return rec, nil
}

// LockedError says that the device's key is not there to sign with.
type LockedError struct{}

func (LockedError) Error() string { return "this device is locked: unlock it to sign" }

// header returns the header of the next record of this device.
func (r *Replica) header(now time.Time, kind string) (record.Header, error) {
	h := r.coop.History()
	switch {
	case r.cfg.Forked:
		return record.Header{}, &forkedError{}
	case r.cfg.Key == nil:
		return record.Header{}, LockedError{}
	case !r.joined:
		return record.Header{}, fmt.Errorf("this computer has not joined yet: it can write once it is admitted")
	case !r.coop.Stands(r.cfg.Device) && !r.addsItself():
		return record.Header{}, fmt.Errorf("this device is not, or no longer, part of the co-op: %s", r.coop.WhyNot(r.cfg.Device))
	}
	head := record.Header{Coop: h.Coop(), Seq: 1, Kind: kind, Time: now.UnixMilli()}
	prev := history.None
	if tips := h.TipsOf(r.cfg.Device); len(tips) == 1 {
		prev = tips[0]
		at := h.At(prev)
		head.Seq, head.Prev, head.Depth = at.Seq+1, at.ID, at.Depth
	}
	for _, p := range r.parents(prev) {
		head.Parents = append(head.Parents, h.ID(p))
		head.Depth = max(head.Depth, h.At(p).Depth)
	}
	head.Parents = record.SortIDs(head.Parents)
	head.Depth++
	return head, nil
}

// parents returns the heads that the next record names beside prev, the deepest ones
// if it cannot name all. A first record has what introduces its device, or the root that
// signed its card, in its past in any case.
func (r *Replica) parents(prev history.Ref) []history.Ref {
	h, heads := r.coop.History(), r.otherHeads()
	if len(heads) <= record.MaxParents {
		return heads
	}
	slices.SortStableFunc(heads, func(a, b history.Ref) int { return cmp.Compare(h.At(b).Depth, h.At(a).Depth) })
	by, ok := h.IntroducedBy(r.cfg.Device)
	if !ok && r.ownCard != nil {
		by, ok = h.RootIntroducedBy(r.ownCard.Root)
	}
	if ok && prev == history.None {
		i := slices.IndexFunc(heads, func(p history.Ref) bool { return h.InPast(by, p) })
		heads[0], heads[i] = heads[i], heads[0]
	}
	return heads[:record.MaxParents]
}

// otherHeads returns the heads that are not of this device.
func (r *Replica) otherHeads() []history.Ref {
	h := r.coop.History()
	return slices.DeleteFunc(h.Heads(), func(p history.Ref) bool { return h.At(p).Device == r.cfg.Device })
}

// admit adds a record this node takes. The fold may read it back at once, so it
// stands where Load finds it before it is added.
func (r *Replica) admit(rec *record.Record) (fresh bool, err error) {
	if id := r.coopID(); id != (record.ID{}) && rec.CoopID() != id {
		return false, &history.Refused{Rule: "A3", Reason: "it belongs to another co-op"}
	}
	r.unstored = append(r.unstored, rec)
	_, fresh, err = r.coop.Add(rec)
	if !fresh {
		r.unstored = r.unstored[:len(r.unstored)-1]
	}
	return fresh, err
}

// Gossip judges records that a welcome peer published and takes those it may.
// Err says that the message breaks the protocol and must not be passed on;
// pass is false where it should not be passed on for now.
func (r *Replica) Gossip(now time.Time, from SessionID, rs []*record.Record) (pass bool, err error) {
	pass = true
	for _, rec := range rs {
		if err := r.gossiped(now, from, rec); err != nil {
			switch e := err.(type) {
			case *history.Refused:
				return false, err
			case *history.Missing:
				r.waiting.Put(rec, e.IDs[0])
				r.pull(from)
			}
			pass = false
		}
	}
	return pass, nil
}

var errNotTaken = fmt.Errorf("its device does not stand")

func (r *Replica) gossiped(now time.Time, from SessionID, rec *record.Record) error {
	if _, ok := r.coop.History().Find(rec.ID); ok {
		return nil
	}
	if r.coop.History().Len() == 0 || !r.joined {
		r.pull(from)
		return errNotTaken
	}
	if !r.coop.Takeable(rec) {
		return errNotTaken
	}
	if _, err := r.admit(rec); err != nil {
		return err
	}
	r.heard(rec)
	return nil
}

// Tick lets time pass: it closes sessions that are late and does what is due.
func (r *Replica) Tick(now time.Time) {
	for _, id := range r.sessionIDs() {
		if s := r.sessions[id]; !s.deadline.IsZero() && !now.Before(s.deadline) {
			r.bye(s, "no answer in time")
		}
	}
	r.endPauses(now)
	r.tellTime(now)
	r.passAddrs(now)
	if at := r.duty.hintAt; !at.IsZero() && !now.Before(at) {
		r.duty.hintAt = time.Time{}
		r.hint()
	}
	if due(r.duty.nextPull, now, pullEvery) {
		r.duty.nextPull = now.Add(pullEvery)
		r.pullFromSomebody()
	}
}

// sessionIDs returns the sessions in a fixed order, so that a simulation
// repeats itself.
func (r *Replica) sessionIDs() []SessionID {
	ids := make([]SessionID, 0, len(r.sessions))
	for id := range r.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (r *Replica) pullFromSomebody() {
	var live []SessionID
	for _, id := range r.sessionIDs() {
		if r.sessions[id].stage == stageLive {
			live = append(live, id)
		}
	}
	if len(live) > 0 {
		r.pull(live[r.cfg.Random.IntN(len(live))])
	}
}

// Peers describes the sessions, in the order in which they began.
func (r *Replica) Peers() []Peer {
	var peers []Peer
	for _, id := range r.sessionIDs() {
		s := r.sessions[id]
		peers = append(peers, Peer{
			Session: id, Transport: s.transport, Device: s.device, Live: s.stage == stageLive, Heard: s.heard,
			Ahead: s.ahead, Timed: s.timed, Agent: s.agent, Equal: s.digest == r.coop.History().Digest(), Left: s.left, Waits: s.waits,
		})
	}
	return peers
}

// Peer is what is known of a session.
type Peer struct {
	Session   SessionID
	Transport []byte
	Device    record.Key // zero until it showed itself
	Agent     string
	Live      bool      // both sides said welcome
	Heard     time.Time // when it last said anything
	Equal     bool      // by what it last said, it holds the same records
	Left      uint64    // records it is still sending us
	Waits     string    // why it makes us wait
	Timed     bool      // it said what its clock says
	Ahead     int64     // by how many milliseconds its clock is ahead of this node's
}

// Welcome reports whether a session's peer was let in: only then is its gossip
// listened to.
func (r *Replica) Welcome(id SessionID) bool {
	s, ok := r.sessions[id]
	return ok && s.welcomed && s.stage >= stageDoor
}

// send queues a message on a session.
func (r *Replica) send(s *session, m wire.Message) {
	s.outbox = append(s.outbox, m)
	r.out.Ready = append(r.out.Ready, s.id)
}
