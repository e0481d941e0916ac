package nodetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"coop/crdt/record"
	"coop/node"
	"coop/sync/replica"
	"coop/sync/wire"
)

// Street is a network without sockets. Nodes on it are connected by Meet, or
// when one dials the other.
type Street struct {
	last  atomic.Uint64 // session id
	mu    sync.Mutex
	doors map[string]*door // by address; guarded by mu
}

// NewStreet returns a street without houses.
func NewStreet() *Street { return &Street{doors: map[string]*door{}} }

// door is one node's end of the street.
type door struct {
	street    *Street
	addr      string
	node      *node.Node
	transport []byte
	running   sync.WaitGroup

	mu       sync.Mutex
	ends     map[replica.SessionID]*end // guarded by mu
	isClosed bool                       // likewise
	told     []wire.AddrTerms           // likewise
}

// end is one side of a session.
type end struct {
	id      replica.SessionID
	door    *door
	other   *end
	pipe    net.Conn
	wake    chan struct{} // holds one
	gossip  chan []byte
	closing chan struct{}
	once    sync.Once
}

func (s *Street) open(name string, n *node.Node, transport []byte) *door {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &door{street: s, addr: address(name), node: n, transport: transport, ends: map[replica.SessionID]*end{}}
	s.doors[d.addr] = d
	return d
}

// address is that of the house of somebody.
func address(name string) string { return "/street/" + name + "/p2p/" + name }

// Meet connects houses, each with each.
func (s *Street) Meet(houses ...*House) {
	for i, h := range houses {
		for _, o := range houses[:i] {
			s.connect(h.door, o.door)
		}
	}
}

// Part cuts all connections of a house.
func (s *Street) Part(h *House) {
	for _, e := range h.door.all() {
		e.cut()
	}
	h.Await("nobody is connected", func(v node.View) bool { return len(v.Peers) == 0 })
}

func (s *Street) connect(a, b *door) {
	left, right := net.Pipe()
	x := &end{id: replica.SessionID(s.last.Add(1)), door: a, pipe: left}
	y := &end{id: replica.SessionID(s.last.Add(1)), door: b, pipe: right}
	x.other, y.other = y, x
	for _, e := range []*end{x, y} {
		e.wake, e.gossip, e.closing = make(chan struct{}, 1), make(chan []byte, 64), make(chan struct{})
		if !e.door.add(e) {
			left.Close()
			right.Close()
		}
	}
	for i, e := range []*end{x, y} {
		e.door.running.Add(2)
		e.door.node.Connected(e.id, e.other.door.transport, i == 0)
		go e.read()
		go e.write()
	}
}

func (d *door) add(e *end) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends[e.id] = e
	return !d.isClosed
}

func (d *door) all() (all []*end) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.ends {
		all = append(all, e)
	}
	return all
}

func (d *door) end(id replica.SessionID) *end {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ends[id]
}

// cut ends a session at once, on both sides.
func (e *end) cut() {
	for _, x := range []*end{e, e.other} {
		x.once.Do(func() { close(x.closing) })
		x.pipe.Close()
	}
}

func (e *end) read() {
	defer e.door.running.Done()
	defer func() {
		e.cut()
		e.door.node.Disconnected(e.id)
		e.door.mu.Lock()
		defer e.door.mu.Unlock()
		delete(e.door.ends, e.id)
	}()
	codec, err := wire.NewCodec()
	if err != nil {
		panic(err)
	}
	for {
		m, err := codec.ReadFrame(e.pipe, func() wire.Expected { return e.door.node.Expects(e.id) })
		if err != nil {
			if e.door.node.Expects(e.id) == 0 {
				_, _ = io.Copy(io.Discard, e.pipe) // said before it heard why the door closed
			}
			return
		}
		e.door.node.Message(e.id, m)
	}
}

func (e *end) write() {
	defer e.door.running.Done()
	codec, err := wire.NewCodec()
	if err != nil {
		panic(err)
	}
	for {
		for m, ok := e.door.node.Next(e.id); ok; m, ok = e.door.node.Next(e.id) {
			if _, err := codec.WriteFrame(e.pipe, m); err != nil {
				return
			}
		}
		select {
		case <-e.wake:
		case b := <-e.gossip:
			e.other.hear(b)
		case <-e.closing:
			for len(e.gossip) > 0 { // it was published before the door closed
				e.other.hear(<-e.gossip)
			}
			for m, ok := e.door.node.Next(e.id); ok; m, ok = e.door.node.Next(e.id) {
				if _, err := codec.WriteFrame(e.pipe, m); err != nil {
					return
				}
			}
			e.cut()
			return
		}
	}
}

// hear hands a node what a peer published.
func (e *end) hear(b []byte) {
	if rs, err := wire.DecodeGossip(b); err == nil {
		_, _ = e.door.node.Gossip(e.id, rs)
	}
}

// Ready, Close, Publish, Dial, Addrs, PassedOn, PeerAddrs, Addr and Stop are those of
// node.Network.

func (d *door) Ready(id replica.SessionID) {
	if e := d.end(id); e != nil {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

func (d *door) Close(id replica.SessionID) {
	if e := d.end(id); e != nil {
		e.once.Do(func() { close(e.closing) })
	}
}

// Publish reaches those who are connected; a peer who is slow misses it, and
// pulls.
func (d *door) Publish(rs []*record.Record) {
	b := wire.EncodeGossip(rs)
	for _, e := range d.all() {
		select {
		case e.gossip <- b:
		default:
		}
	}
}

func (d *door) Dial(_ context.Context, addr string) error {
	d.street.mu.Lock()
	other, ok := d.street.doors[addr]
	d.street.mu.Unlock()
	if !ok {
		return fmt.Errorf("nobody lives at %s", addr)
	}
	d.street.connect(d, other)
	return nil
}

func (d *door) Addrs() []string { return []string{d.addr} }

func (d *door) PassedOn(all []wire.AddrTerms) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = all
}

// Told returns where peers say that others are, by the devices of these.
func (h *House) Told() map[record.Key][]string {
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	told := map[record.Key][]string{}
	for _, t := range h.door.told {
		told[t.Device] = t.Addrs
	}
	return told
}

func (d *door) PeerAddrs(id replica.SessionID) []string { return []string{d.Addr(id)} }

func (d *door) Addr(id replica.SessionID) string {
	if e := d.end(id); e != nil {
		return e.other.door.addr
	}
	return ""
}

func (d *door) Stop() {
	d.mu.Lock()
	d.isClosed = true
	d.mu.Unlock()
	for _, e := range d.all() {
		e.cut()
	}
	d.running.Wait()
	d.street.mu.Lock()
	defer d.street.mu.Unlock()
	if d.street.doors[d.addr] == d {
		delete(d.street.doors, d.addr)
	}
}
