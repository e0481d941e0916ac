package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/store"
	"coop/sync/p2p"
)

// peer is a node with its home, its store and its network.
type peer struct {
	dir   string
	home  *keys.Home
	store *store.Store
	node  *node.Node
	net   *p2p.Net // nil: offline
}

// openPeer opens the node of a home that has a co-op, or joins one, offline.
func openPeer(dir string) (p *peer, err error) {
	p = &peer{dir: dir}
	if p.home, err = keys.Open(dir); err != nil {
		return nil, err
	}
	return p, p.open()
}

func (p *peer) open() (err error) {
	if p.store, err = store.Open(p.home.StoreDir()); err != nil {
		return err
	}
	cfg := node.Config{Home: p.home, Store: p.store, Now: time.Now, Log: quietLog(), Agent: "bench"}
	if _, err := rand.Read(cfg.Seed[:]); err != nil {
		return err
	}
	p.node, err = node.Open(cfg)
	return err
}

// found founds a co-op.
func (b *bench) found() *peer {
	dir := b.home()
	home, err := keys.Open(dir)
	check(err)
	s, err := store.Open(home.StoreDir())
	check(err)
	_, err = node.Found(home, func(r *record.Record) error { return s.Append([]*record.Record{r}) }, node.FoundAs{Name: "Willow Street", As: "Ana"}, time.Now())
	check(err)
	check(s.Close())
	p := &peer{dir: dir, home: home}
	check(p.open())
	return p
}

// joiner prepares a node that will join with a code.
func joiner(dir, code, name string) *peer {
	home, err := keys.Open(dir)
	check(err)
	_, err = node.Join(home, node.JoinAs{Code: code, As: name}, time.Now())
	check(err)
	p := &peer{dir: dir, home: home}
	check(p.open())
	return p
}

// online starts the network of a peer.
func (p *peer) online() {
	secrets := p.home.Secrets()
	var err error
	p.net, err = p2p.New(context.Background(), p2p.Config{
		Seed: secrets.Transport, Secret: secrets.Network, Handler: p.node, Listen: []string{"127.0.0.1:0"}, Log: quietLog(), Addrs: p.node.KnownAddrs,
	})
	check(err)
	check(p.node.Attach(p.net))
	check(p.net.Start())
}

// invite returns a code for one more person, who finds this peer online.
func (p *peer) invite() string {
	if p.net == nil {
		p.online()
	}
	invited, err := p.node.Invite(context.Background(), 1, time.Hour, false)
	check(err)
	return invited.Code
}

func (p *peer) close() {
	if p.net != nil {
		p.net.Stop()
	}
	p.node.Close()
	p.store.Close()
	p.home.Close()
}

func closeAll(peers []*peer) {
	for _, p := range peers {
		p.close()
	}
}

func (p *peer) view() node.View {
	v, err := p.node.View(context.Background())
	check(err)
	return v
}

// waitMax is how long anything measured here may take.
const waitMax = 2 * time.Minute

// await returns as soon as what a peer shows is as wanted.
func (p *peer) await(wanted func(node.View) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	news, err := p.node.Follow(ctx)
	check(err)
	for tick := time.NewTicker(10 * time.Millisecond); !wanted(p.view()); {
		select {
		case <-news:
		case <-tick.C: // what no record tells, such as being let in
		case <-ctx.Done():
			check(fmt.Errorf("%s did not come to it in %s", p.dir, waitMax))
		}
	}
}

// same waits until all peers hold the same records.
func same(peers []*peer) {
	want := func() [32]byte { return peers[0].view().State.Frontier }
	for _, p := range peers[1:] {
		p.await(func(v node.View) bool { return v.State != nil && v.State.Frontier == want() })
	}
}

// group founds a co-op of so many people, who are all connected to each other.
func (b *bench) group(n int) []*peer {
	peers := []*peer{b.found()}
	for i := 1; i < n; i++ {
		p := joiner(b.home(), peers[0].invite(), fmt.Sprint("Bo ", i))
		p.online()
		p.await(func(v node.View) bool { return v.Joined && v.Me.ID != (record.ID{}) })
		for _, q := range peers[1:] {
			check(p.net.Dial(b.ctx, q.net.Addrs()[0]))
		}
		peers = append(peers, p)
	}
	same(peers)
	for _, p := range peers {
		p.await(func(v node.View) bool {
			live := 0
			for _, q := range v.Peers {
				if q.Live {
					live++
				}
			}
			return live == n-1
		})
	}
	return peers
}

// seat makes all peers members and tellers.
func (b *bench) seat(peers []*peer) {
	decide := func(members int, effect string) {
		id, err := peers[0].node.OpenProposal(b.ctx, node.Proposal{Title: "Go on", Effects: []string{effect}})
		check(err)
		for _, p := range peers[:members] {
			p.await(func(v node.View) bool { return v.State.Proposals.Proposals.Has(id) })
			if _, err := p.node.Vote(b.ctx, id.String(), "yes", ""); err != nil {
				break // it passed already
			}
		}
	}
	tellers := "tellers:Ana"
	for i := range peers[1:] {
		name := fmt.Sprint("Bo ", i+1)
		decide(i+1, "members:"+name)
		peers[0].await(func(v node.View) bool {
			m, err := node.FindMember(v.State, name)
			return err == nil && m.Status == member.StatusMember
		})
		tellers += "," + name
	}
	decide(len(peers), tellers)
	for _, p := range peers {
		p.await(func(v node.View) bool { return len(v.State.Minuted.People.Tellers) == len(peers) })
	}
}
