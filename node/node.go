// Package node is one member's node: the only loop, the only writer and the
// only clock. It owns the store and the replica of one co-op; people's commands,
// the network's messages and the ticks of time reach it as inputs, one after
// the other.
//
// What an input wrote or took is on the disk, in one synced batch, before
// anybody is told of it: neither the person who asked nor a peer.
//
//	input → replica → store (synced) → marker → answer, network, events
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/record"
	"coop/node/keys"
	"coop/node/store"
	"coop/sync/replica"
	"coop/sync/wire"
)

const (
	// inputsMost is how many inputs one commit may gather: they share an fsync.
	inputsMost = 256

	// snapshotEvery is how many records may be held beyond those a cached fold
	// covers, at least: what a start after a crash has to fold again. It grows with
	// what is held, so that a long catch-up does not write everything again and again.
	snapshotEvery = 2000

	// retryAfter is how often a node that cannot write, or not note that it may sign
	// again, looks whether it can.
	retryAfter = time.Second
)

// Network carries what the replica says to its peers, and finds them.
type Network interface {
	Ready(replica.SessionID)
	Close(replica.SessionID)
	Publish([]*record.Record)
	Dial(ctx context.Context, addr string) error
	Addrs() []string                         // under which this node can be reached, the most useful first
	PassedOn([]wire.AddrTerms)               // where other nodes say that they are: to call them
	PeerAddrs(id replica.SessionID) []string // under which a peer can be reached
	Addr(id replica.SessionID) string        // where a session's peer is
	Stop()
}

// Config is what a node is made of.
type Config struct {
	Home  *keys.Home
	Store *store.Store
	Now   func() time.Time
	Seed  [32]byte // for nonces and pauses
	Log   *slog.Logger
	Agent string

	Unlisted bool // nobody is told where this node is but who is connected to it

	StagedMost int64 // how much all devices of one person may have wait, in bytes; 0: StagedMost
}

// StagedMost is how much of what may not be taken one person may have wait on the
// disk, in bytes.
const StagedMost = replica.StagedMost

// Node is a running node. Its methods may be called by any goroutine.
type Node struct {
	cfg      Config
	replica  *replica.Replica
	coop     *coop.Coop
	inputs   chan input
	quit     chan struct{}
	stopped  chan struct{}
	network  Network   // set before it is used, by Attach; guarded by the loop
	attached time.Time // when that was

	// The rest belongs to the loop.
	after     []func(error)    // to call when what was handled is durable
	broken    error            // the store failed: nothing more is taken or written
	begun     bool             // the next commit has something to finish
	snapshot  int              // records the cached fold covers
	stored    []record.ID      // anchors that the home keeps
	joined    bool             // it was in its co-op, and holds what it held then
	unsigned  *Unsure          // this device may have signed more than is held; nil: nothing says so
	lastSeq   uint64           // while unsigned: up to which seq this home knows that it signed
	fork      []*record.Record // the proof that this device signed two records in one slot, hollow; nil: there is none
	cards     map[record.Key]Card
	cardWords func() string // see CardWords
	told      []Event
	door      door
	followers map[chan struct{}]struct{}

	clock       clock // of this computer, as far as is known
	keptClock   clock // in the store
	shownClock  Clock
	parted      map[record.Key]time.Time // when a session with a device last ended
	clockLooked int64                    // when it was last looked at, in unix milliseconds
	onces       onces
	places      places

	closing sync.Once
}

// input is something for the loop to do. Done, if any, is called once it is
// durable.
type input struct {
	do    func() error
	done  func(error)
	reads bool // it takes no record: a node that cannot write still does it
}

// ErrClosed says that the node is closed.
var ErrClosed = errors.New("the node is closed")

// Open starts the node on a home that has a co-op, or is joining one. The caller
// closes the store and the home after it has closed the node.
func Open(cfg Config) (*Node, error) {
	n := &Node{
		cfg: cfg, inputs: make(chan input, inputsMost), quit: make(chan struct{}), stopped: make(chan struct{}),
		cards: map[record.Key]Card{}, followers: map[chan struct{}]struct{}{}, parted: map[record.Key]time.Time{},
	}
	n.cardWords = sync.OnceValue(func() string { return WordsOf(cfg.Home.Secrets().Card) })
	if err := n.restore(); err != nil {
		return nil, err
	}
	if err := n.readFork(); err != nil {
		return nil, err
	}
	if err := n.readOnces(); err != nil {
		return nil, err
	}
	if err := n.checkCoop(); err != nil {
		return nil, err
	}
	rc, err := n.replicaConfig()
	if err != nil {
		return nil, err
	}
	if err := n.readDoor(); err != nil {
		return nil, err
	}
	n.replica = replica.New(rc)
	if err := n.checkMarker(); err != nil {
		return nil, err
	}
	if err := n.readClock(); err != nil {
		return nil, err
	}
	go n.loop()
	return n, nil
}

// checkCoop says that the records are those of another co-op than the secrets.
func (n *Node) checkCoop() error {
	if h := n.coop.History(); h.Len() > 0 && h.Coop() != n.cfg.Home.Secrets().Coop {
		return errors.New("the records of this home and its file secrets are of two different co-ops: put back the one or the other. Nothing was changed")
	}
	return nil
}

// load returns a record the node holds. One that cannot be read any more stops
// the node: it could not go on without lying.
func (n *Node) load(ref history.Ref) *record.Record {
	var r *record.Record
	var err error
	if n.replica != nil {
		r, err = n.replica.Load(ref)
	} else {
		r, err = n.cfg.Store.Record(int(ref))
	}
	if err != nil {
		panic(unreadable{err})
	}
	return r
}

type unreadable struct{ error }

// restore reads the store: the graph from the headers, the fold from the cache
// as far as it goes.
func (n *Node) restore() error {
	graph := func(admit func(*record.Record) error) error {
		return n.cfg.Store.Headers(func(pos int, raw store.Raw) error {
			r, err := raw.Record()
			if err == nil && coop.NeedsBody(r.Kind) {
				r, err = n.cfg.Store.Record(pos)
			}
			if err != nil {
				return err
			}
			return admit(r)
		})
	}
	n.stored = n.cfg.Home.Secrets().Kept.Anchors
	var err error
	if n.coop, n.snapshot, err = coop.Restore(n.load, n.cfg.Store.Cache(foldCache), n.stored, graph); err != nil {
		return fmt.Errorf("the records in this home cannot be read: %w", err)
	}
	return nil
}

const foldCache = "fold"

// keep has the home know what it must know without the store: that this node has
// joined, for should what its invite names ever be taken back it is a member's node
// all the same; and the anchors of epochs that the minutes reached, with which no
// later fold decides those anew. A node that is not in keeps what it knew before.
func (n *Node) keep() error {
	if !n.replica.Joined() || n.coop.History().Len() == 0 {
		return nil
	}
	anchors := n.coop.Minutes().Anchors()
	if n.joined && slices.Equal(anchors, n.stored) {
		return nil
	}
	n.joined, n.stored = true, anchors
	return n.cfg.Home.Keep(func(k *keys.Kept) { k.Joined, k.Back, k.Anchors = true, false, anchors })
}

// Close stops the loop after what was begun is durable, and saves the fold.
func (n *Node) Close() error {
	n.closing.Do(func() { close(n.quit) })
	<-n.stopped
	return n.broken
}

// loop is the one goroutine that touches the replica.
func (n *Node) loop() {
	defer close(n.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case in := <-n.inputs:
			n.handle(in)
			n.drain()
		case <-timer.C:
			n.handle(input{do: func() error { n.replica.Tick(n.cfg.Now()); return nil }})
		case <-n.quit:
			n.drain()
			n.commit()
			n.saveFold()
			n.keepAddrs()
			return
		}
		n.looked()
		if now := n.cfg.Now().UnixMilli(); abs(now-n.clockLooked) >= clockEvery.Milliseconds() {
			n.lookAtClock()
		}
		n.commit()
		left, waits := n.seeToAddrs()
		wait := n.replica.NextTick(n.cfg.Now()).Sub(n.cfg.Now())
		if waits {
			wait = min(wait, left)
		}
		if left, waits := n.looksFor(); waits {
			wait = min(wait, max(left, retryAfter))
		}
		if n.writable() != nil {
			wait = max(wait, retryAfter) // what is due cannot be done, and would be due again at once
		}
		timer.Reset(wait)
	}
}

// writable says why no record can be taken or written now, or nil. For want of
// room nothing is begun, so that all goes on by itself when there is room again.
func (n *Node) writable() error {
	if n.broken != nil {
		return n.broken
	}
	return n.cfg.Store.Room()
}

// drain handles what is queued, so that it shares one commit.
func (n *Node) drain() {
	for range inputsMost {
		select {
		case in := <-n.inputs:
			n.handle(in)
		default:
			return
		}
	}
}

// handle does one input. A record that cannot be read breaks the node, not the
// program.
func (n *Node) handle(in input) {
	var err error
	if !in.reads {
		err = n.writable()
	}
	if err == nil {
		n.begun = n.begun || !in.reads
		err = n.guard(in.do)
	}
	if in.done == nil {
		return
	}
	if err != nil {
		in.done(err)
		return
	}
	n.after = append(n.after, in.done)
}

func (n *Node) guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			u, ok := p.(unreadable)
			if !ok {
				panic(p)
			}
			n.fail(u.error)
			err = n.broken
		}
	}()
	return do()
}

func (n *Node) fail(err error) {
	n.broken = fmt.Errorf("this node stopped writing: %w", err)
	n.cfg.Log.Error("node stopped writing", "error", err)
}

// commit makes durable what was handled, and then tells everybody.
func (n *Node) commit() {
	var out replica.Output
	err := n.broken
	if err == nil && !n.begun {
		err = n.writable()
	}
	n.begun = false
	if err == nil {
		err = n.guard(func() error {
			out = n.replica.Take(n.cfg.Now())
			return nil
		})
	}
	if err == nil && len(out.Store) > 0 {
		if err = n.cfg.Store.Append(out.Store, n.onces.fresh...); err != nil {
			n.fail(err)
			err = n.broken
		} else {
			n.onces.fresh = nil
			n.mark(out.Store)
		}
	}
	if err == nil {
		if err = n.keep(); err != nil {
			n.fail(err)
			err = n.broken
		}
	}
	for _, done := range n.after {
		done(err)
	}
	n.after = nil
	if err != nil {
		return
	}
	n.tell(out)
	if len(out.Store) > 0 {
		n.wakeFollowers()
	}
	if len(out.Events) > 0 {
		n.commit()
	}
	if n.coop.History().Len()-n.snapshot >= max(snapshotEvery, n.snapshot/2) {
		n.saveFold()
	}
}

// tell hands the replica's output to the network and to people.
func (n *Node) tell(out replica.Output) {
	for _, e := range out.Events {
		n.event(e) // which may write: the next commit stores that
	}
	if n.network == nil {
		return
	}
	for _, rs := range batches(out.Gossip) {
		n.network.Publish(rs)
	}
	for _, id := range out.Ready {
		n.network.Ready(id)
	}
	for _, id := range out.Close {
		n.network.Close(id)
	}
	if out.Addrs {
		n.useAddrs()
	}
}

// batches joins own records into as few gossip messages as they fit.
func batches(groups [][]*record.Record) [][]*record.Record {
	var out [][]*record.Record
	lenBytes := 0
	for _, g := range groups {
		for _, r := range g {
			size := len(r.Raw) + len(r.Body) + 96
			if len(out) == 0 || len(out[len(out)-1]) == wire.MaxGossip || lenBytes+size > wire.MaxGossipLen {
				out, lenBytes = append(out, nil), 0
			}
			out[len(out)-1] = append(out[len(out)-1], r)
			lenBytes += size
		}
	}
	return out
}

// saveFold caches the fold, so that the next start need not repeat it.
func (n *Node) saveFold() {
	held := n.coop.History().Len()
	if held == 0 || held == n.snapshot || n.writable() != nil {
		return
	}
	if err := n.cfg.Store.PutCache(foldCache, n.coop.Snapshot()); err != nil {
		n.cfg.Log.Warn("the fold could not be cached", "error", err)
	}
	n.snapshot = held
}

// do runs f in the loop and returns when what it did is durable.
func (n *Node) do(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	return n.enqueue(ctx, input{do: f, done: func(err error) { done <- err }}, done)
}

// ask runs f, which takes no record, in the loop and returns as soon as it has.
func (n *Node) ask(ctx context.Context, f func()) error { return n.now(ctx, true, f) }

func (n *Node) now(ctx context.Context, reads bool, f func()) error {
	done := make(chan error, 1)
	return n.enqueue(ctx, input{reads: reads, do: func() error { f(); done <- nil; return nil }, done: func(err error) {
		select {
		case done <- err: // f did not come to its end
		default:
		}
	}}, done)
}

func (n *Node) enqueue(ctx context.Context, in input, done chan error) error {
	select {
	case n.inputs <- in:
	case <-n.stopped:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-n.stopped:
		select {
		case err := <-done:
			return err
		default:
			return ErrClosed
		}
	}
}

func newRandom(seed [32]byte) *rand.Rand { return rand.New(rand.NewChaCha8(seed)) }

// Attach gives the node its network, which must hand what comes in to this
// node's methods.
func (n *Node) Attach(network Network) error {
	return n.ask(context.Background(), func() {
		n.network, n.attached = network, n.cfg.Now()
		n.learnAddrs()
	})
}

// The methods below are what a network calls. See replica.Replica.

// Connected begins a session.
func (n *Node) Connected(id replica.SessionID, transport []byte, dialer bool) {
	_ = n.ask(context.Background(), func() { n.replica.Connected(n.cfg.Now(), id, transport, dialer) })
}

// Expects returns what a peer may say now.
func (n *Node) Expects(id replica.SessionID) (e wire.Expected) {
	_ = n.ask(context.Background(), func() { e = n.replica.Expects(id) })
	return e
}

// Message handles what a peer said and returns when that is durable. A node
// that cannot take records ends the session: a peer waits for no lost answer.
func (n *Node) Message(id replica.SessionID, m wire.Message) {
	replica.Check(m)
	err := n.do(context.Background(), func() error {
		switch m.(type) {
		case wire.Welcome, wire.Pull, wire.Clock:
			n.clockLooked = 0 // by now another clock may be known
		}
		n.replica.Message(n.cfg.Now(), id, m)
		return nil
	})
	if err != nil {
		_ = n.ask(context.Background(), func() { n.network.Close(id) })
	}
}

// Garbage closes a session whose peer does not speak the protocol.
func (n *Node) Garbage(id replica.SessionID, err error) {
	_ = n.ask(context.Background(), func() { n.replica.Garbage(id, err) })
}

// Next returns the next message for a session's peer. It waits until all it may
// hold is durable: a peer must never know a record that a crash can take back.
func (n *Node) Next(id replica.SessionID) (m wire.Message, ok bool) {
	err := n.do(context.Background(), func() error {
		m, ok = n.replica.Next(id)
		return nil
	})
	return m, ok && err == nil
}

// Gossip judges records a peer published.
func (n *Node) Gossip(id replica.SessionID, rs []*record.Record) (pass bool, err error) {
	if asked := n.now(context.Background(), false, func() {
		if n.replica.Welcome(id) {
			pass, err = n.replica.Gossip(n.cfg.Now(), id, rs)
		}
	}); asked != nil {
		return false, nil
	}
	return pass, err
}
