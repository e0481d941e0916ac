package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"coop/crdt/record"
	"coop/node/keys"
	"coop/node/store"
	"coop/sync/p2p"
	"coop/sync/replica"
	"coop/sync/wire"
)

// raw stands where a node would: what it is sent it stores, and it knows nothing
// of co-ops. It is the least that sync, signatures and disk cost.
type raw struct {
	dir   string
	store *store.Store
	net   *p2p.Net
	got   chan int // how many records came, once they are stored

	mu   sync.Mutex
	send []wire.Message
	live chan replica.SessionID
}

func newRaw(dir string, seed byte) *raw {
	s, err := store.Open(dir)
	check(err)
	r := &raw{dir: dir, store: s, got: make(chan int, 1<<16), live: make(chan replica.SessionID, 8)}
	r.net, err = p2p.New(context.Background(), p2p.Config{
		Seed: [32]byte{seed}, Secret: [32]byte{1}, Handler: r, Listen: []string{"127.0.0.1:0"}, Log: quietLog(), Addrs: func() []string { return nil },
	})
	check(err)
	check(r.net.Start())
	return r
}

func (r *raw) close() {
	r.net.Stop()
	r.store.Close()
	os.RemoveAll(r.dir)
}

// Connected and the methods below are a p2p.Handler's.
func (r *raw) Connected(id replica.SessionID, _ []byte, _ bool) {
	r.say(id, wire.Welcome{})
}

func (r *raw) say(id replica.SessionID, ms ...wire.Message) {
	r.mu.Lock()
	r.send = append(r.send, ms...)
	r.mu.Unlock()
	r.net.Ready(id)
}

func (r *raw) Message(id replica.SessionID, m wire.Message) {
	switch m := m.(type) {
	case wire.Welcome:
		r.live <- id
	case wire.Records:
		check(r.store.Append(m.Records))
		r.got <- len(m.Records)
	}
}

func (r *raw) Gossip(_ replica.SessionID, rs []*record.Record) (bool, error) {
	check(r.store.Append(rs))
	r.got <- len(rs)
	return true, nil
}

func (r *raw) Expects(replica.SessionID) wire.Expected {
	return wire.Expect(wire.Welcome{}, wire.Records{})
}
func (r *raw) Garbage(_ replica.SessionID, err error) { check(err) }
func (r *raw) Disconnected(replica.SessionID)         {}

func (r *raw) Next(replica.SessionID) (wire.Message, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.send) == 0 {
		return nil, false
	}
	m := r.send[0]
	r.send = r.send[1:]
	return m, true
}

// records returns all records of a peer.
func (p *peer) records() (rs []*record.Record) {
	for i := range p.store.Count() {
		r, err := p.store.Record(i)
		check(err)
		rs = append(rs, r)
	}
	return rs
}

// frames packs records as a node does.
func frames(rs []*record.Record) (ms []wire.Message) {
	for len(rs) > 0 {
		n, lenBytes := 0, 0
		for n < len(rs) && lenBytes < wire.RecordsLen {
			lenBytes += len(rs[n].Raw) + len(rs[n].Body) + len(rs[n].Sig)
			n++
		}
		ms, rs = append(ms, wire.Records{Records: rs[:n]}), rs[n:]
	}
	return ms
}

// rawCatchUp returns how many seconds all records of a peer need from one store
// to another: connected, streamed, checked, synced, but not folded.
func (p *peer) rawCatchUp(dir string) float64 {
	rs := p.records()
	a, b := newRaw(dir+"a", 1), newRaw(dir+"b", 2)
	defer a.close()
	defer b.close()
	began := time.Now()
	check(b.net.Dial(context.Background(), a.net.Addrs()[0]))
	a.say(<-a.live, frames(rs)...)
	if !b.await(len(rs), waitMax) {
		check(fmt.Errorf("raw: not all %d records came", len(rs)))
	}
	return seconds(began)
}

// await reports whether n records came in time.
func (r *raw) await(n int, atMost time.Duration) bool {
	for over := time.After(atMost); n > 0; {
		select {
		case k := <-r.got:
			n -= k
		case <-over:
			return false
		}
	}
	return true
}

// rawGossip returns how many milliseconds each of n records needs to be stored
// by one, published, and stored by so many others, who are all connected.
func (p *peer) rawGossip(n, others int) (took []float64) {
	rs := p.records()
	a := newRaw(p.dir+"raw0", 1)
	defer a.close()
	group := []*raw{a}
	for i := range others {
		b := newRaw(fmt.Sprint(p.dir, "raw", i+1), byte(i+2))
		defer b.close()
		for _, o := range group {
			check(b.net.Dial(context.Background(), o.net.Addrs()[0]))
			<-o.live
			<-b.live
		}
		group = append(group, b)
	}
	deaf := func(b *raw) bool { return len(b.got) == 0 } // gossip has not heard of it
	for some := slices.Clone(rs); slices.ContainsFunc(group[1:], deaf); time.Sleep(10 * time.Millisecond) {
		rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		a.net.Publish(some[:min(len(some), 6)]) // gossip says the same thing once
	}
	time.Sleep(100 * time.Millisecond) // the last of it is on its way
	for _, b := range group[1:] {
		for len(b.got) > 0 {
			<-b.got
		}
	}
	for i := range min(n, len(rs)) {
		began := time.Now()
		r := rs[len(rs)-1-i : len(rs)-i]
		check(a.store.Append(r))
		a.net.Publish(r)
		if awaitAll(group[1:]) { // gossip promises nothing: a node would pull
			took = append(took, millis(began))
		} else {
			fmt.Fprintln(os.Stderr, "raw: gossip lost a record")
		}
	}
	return took
}

// awaitAll reports whether one record came to all in time.
func awaitAll(group []*raw) bool {
	all := true
	for _, b := range group {
		all = b.await(1, time.Second) && all
	}
	return all
}

// rawWrites returns how many milliseconds each of n synced writes takes.
func (p *peer) rawWrites(n int) (took []float64) {
	rs := p.records()
	s, err := store.Open(p.dir + "raw")
	check(err)
	defer os.RemoveAll(p.dir + "raw")
	defer s.Close()
	for i := range min(n, len(rs)) {
		began := time.Now()
		check(s.Append(rs[i : i+1]))
		took = append(took, millis(began))
	}
	return took
}

// rawOpen is the least that a process does which shows a home: it opens the
// store and starts the network.
func rawOpen(dir string) error {
	home, err := keys.Open(dir)
	if err != nil {
		return err
	}
	defer home.Close()
	s, err := store.Open(home.StoreDir())
	if err != nil {
		return err
	}
	defer s.Close()
	r := &raw{store: s}
	r.net, err = p2p.New(context.Background(), p2p.Config{
		Seed: home.Secrets().Transport, Handler: r, Listen: []string{"127.0.0.1:0"}, Log: quietLog(), Addrs: func() []string { return nil },
	})
	if err == nil {
		err = r.net.Start()
		r.net.Stop()
	}
	return err
}
