package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/bundle"
	"coop/sync/replica"
	"coop/sync/wire"
)

var now = time.Unix(1_800_000_000, 0)

// node is a computer without a network.
type node struct {
	t    testing.TB
	disk []*record.Record
	coop *coop.Coop
	r    *replica.Replica
}

func key(what string) *record.Private {
	return record.NewPrivate([32]byte([]byte(fmt.Sprintf("%-32s", what))))
}

// founders returns the nodes of the two who founded a co-op.
func founders(t testing.TB, name string) (a, b *node) {
	t.Helper()
	terms := member.Founding{Name: name, Units: []member.Unit{{Code: "hour", Scale: 2}}}
	var sigs []member.FounderSig
	for _, who := range []string{"ada", "bo"} {
		terms.Founders = append(terms.Founders, member.Founder{Name: who, Root: key("root of " + who).Public(), Device: key(who).Public(), DeviceName: "laptop"})
	}
	for _, who := range []string{"ada", "bo"} {
		sigs = append(sigs, terms.Sign(key("root of "+who), key(who)))
	}
	body, err := member.NewFounding(terms, sigs)
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, body, key("ada"))
	if err != nil {
		t.Fatal(err)
	}
	a, b = newNode(t, "ada", nil), newNode(t, "bo", nil)
	for _, n := range []*node{a, b} {
		if err := n.r.Found(r); err != nil {
			t.Fatal(err)
		}
		n.commit()
	}
	return a, b
}

func newNode(t testing.TB, who string, joined func(*coop.Coop) bool) *node {
	n := &node{t: t}
	n.coop = coop.New(func(ref history.Ref) *record.Record {
		r, err := n.r.Load(ref)
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
	n.r = replica.New(replica.Config{
		Coop: n.coop, Key: key(who), Device: key(who).Public(), Joined: joined, Random: rand.New(rand.NewPCG(1, 2)),
		Load: func(ref history.Ref) (*record.Record, error) { return n.disk[ref], nil },
	})
	return n
}

func (n *node) commit() replica.Output {
	out := n.r.Take(now)
	n.disk = append(n.disk, out.Store...)
	return out
}

// offer writes listings.
func (n *node) offer(count int) {
	for i := range count {
		ops, err := listing.Draft{Kind: listing.Offer, Title: fmt.Sprint("Apples ", i), Text: strings.Repeat("fresh ", 300)}.Create()
		if err != nil {
			n.t.Fatal(err)
		}
		if _, err := n.r.Write(now, document.KindCreate, document.Create{Schema: listing.SchemaName, Ops: ops}.Encode()); err != nil {
			n.t.Fatal(err)
		}
		n.commit()
	}
}

func (n *node) tips() (ids []record.ID) {
	for _, ref := range n.coop.History().Tips() {
		ids = append(ids, n.coop.History().ID(ref))
	}
	return ids
}

// bundle writes one of what the node holds beyond some tips.
func (n *node) bundle(assumed ...record.ID) []byte {
	n.t.Helper()
	e, err := n.r.Export(assumed)
	if err != nil {
		n.t.Fatal(err)
	}
	left := e.Left()
	var b bytes.Buffer
	if count, err := bundle.Write(&b, e); err != nil || count != left {
		n.t.Fatalf("%d of %d records written, %v", count, left, err)
	}
	return b.Bytes()
}

// read imports a bundle as a node does, message by message.
func (n *node) read(b []byte) (taken int, err error) {
	r, err := bundle.NewReader(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	i, err := n.r.Import(r.Head())
	if err != nil {
		return 0, err
	}
	for {
		m, err := r.Next()
		if err == io.EOF {
			return i.Taken(), nil
		}
		if err == nil {
			err = i.Message(now, m)
		}
		n.commit()
		if err != nil {
			return i.Taken(), err
		}
	}
}

func (n *node) wantAsMany(other *node) {
	n.t.Helper()
	if n.coop.History().Digest() != other.coop.History().Digest() || n.coop.State().Digest() != other.coop.State().Digest() {
		n.t.Errorf("%d records here and %d there, or another state", n.coop.History().Len(), other.coop.History().Len())
	}
}

func TestCarried(t *testing.T) {
	a, b := founders(t, "Willow Street")
	a.offer(400) // of several frames
	if taken, err := b.read(a.bundle()); err != nil || taken != 400 {
		t.Fatalf("took %d records, %v", taken, err)
	}
	b.wantAsMany(a)
	if taken, err := b.read(a.bundle()); err != nil || taken != 0 {
		t.Errorf("took %d records a second time, %v", taken, err)
	}
	b.offer(3)
	a.offer(2)
	if taken, err := a.read(b.bundle(a.tips()...)); err != nil || taken != 3 {
		t.Errorf("took %d of 3 new records, %v", taken, err)
	}
	if taken, err := b.read(a.bundle(b.tips()...)); err != nil || taken != 2 {
		t.Errorf("took %d of 2 new records back, %v", taken, err)
	}
	b.wantAsMany(a)
}

// TestCutOff holds that a bundle may break off anywhere: what came before
// stays, and a whole copy brings the rest.
func TestCutOff(t *testing.T) {
	a, _ := founders(t, "Willow Street")
	a.offer(400)
	whole := a.bundle()
	for _, n := range []int{0, 3, 100, len(whole) / 2, len(whole) - 1} {
		_, b := founders(t, "Willow Street")
		taken, err := b.read(whole[:n])
		if err == nil || n >= len(whole)/2 && (!errors.Is(err, bundle.ErrCut) || taken == 0) {
			t.Errorf("of %d bytes of %d, %d records were taken, %v", n, len(whole), taken, err)
		}
		if rest, err := b.read(whole); err != nil || taken+rest != 400 {
			t.Errorf("after %d records the whole bundle brought %d, %v", taken, rest, err)
		}
		b.wantAsMany(a)
	}
}

// TestDamaged holds that no changed byte is taken for something else. (That no
// byte of a record can be changed is tested where records are.)
func TestDamaged(t *testing.T) {
	a, _ := founders(t, "Willow Street")
	a.offer(2)
	whole := a.bundle()
	for i := 0; i < len(whole); i += 7 {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		_, b := founders(t, "Willow Street")
		if _, err := b.read(changed); err == nil && b.coop.History().Digest() != a.coop.History().Digest() {
			t.Errorf("byte %d changed, and the bundle was read to its end with other records", i)
		}
		if n := b.coop.History().Len(); n > 3 {
			t.Errorf("byte %d changed: %d records", i, n)
		}
	}
	if _, err := bundle.NewReader(strings.NewReader("a letter")); err == nil || !strings.Contains(err.Error(), "no bundle") {
		t.Errorf("a letter: %v", err)
	}
	_, b := founders(t, "Willow Street")
	if _, err := b.read(append(bytes.Clone(whole), 0)); err == nil || !strings.Contains(err.Error(), "behind its end") {
		t.Errorf("a byte behind the end: %v", err)
	}
}

func TestOfNoUse(t *testing.T) {
	a, b := founders(t, "Willow Street")
	other, _ := founders(t, "Elm Street")
	if _, err := a.read(other.bundle()); err == nil || !strings.Contains(err.Error(), "another co-op") {
		t.Errorf("a bundle of another co-op: %v", err)
	}
	a.offer(1)
	tips := a.tips()
	a.offer(1)
	if taken, err := b.read(a.bundle(tips...)); err == nil || taken != 0 || !strings.Contains(err.Error(), "not here") {
		t.Errorf("a bundle that goes on from what is not here: %d, %v", taken, err)
	}
	newcomer := newNode(t, "cleo", func(*coop.Coop) bool { return false })
	if _, err := newcomer.r.Export(nil); err == nil {
		t.Error("a newcomer gives away what it holds")
	}
}

// TestTakenAsFromAPull holds that who brings a file is trusted no more than a
// peer: records of a device that does not stand are not taken.
func TestTakenAsFromAPull(t *testing.T) {
	a, b := founders(t, "Willow Street")
	founding := a.disk[0].ID
	i := member.Invite{Coop: founding, Seed: [32]byte{1}}
	if _, err := b.r.Write(now, member.KindInvite, member.NewInvite(i.Key().Public(), 1, 0)); err != nil {
		t.Fatal(err)
	}
	b.commit()
	card, err := member.NewCard(member.CardTerms{Coop: founding, Name: "X", DeviceName: "none"}, i.Key(), key("root of x"), key("x"))
	if err != nil {
		t.Fatal(err)
	}
	// A record of somebody who was never admitted, carried behind good ones.
	stranger, err := record.New(record.Header{Coop: founding, Seq: 1, Depth: 2, Parents: []record.ID{founding}, Kind: member.KindIntroduce}, card.Encode(), key("x"))
	if err != nil {
		t.Fatal(err)
	}
	b.offer(1)
	var file bytes.Buffer
	codec, err := wire.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []wire.Message{
		wire.Bundle{Coop: founding, Assumes: []record.ID{}}, wire.Records{Records: b.disk[1:]}, wire.Records{Records: []*record.Record{stranger}},
		wire.End{},
	} {
		if _, err := codec.WriteFrame(&file, m); err != nil {
			t.Fatal(err)
		}
	}
	if taken, err := a.read(file.Bytes()); err != nil || taken != 2 {
		t.Errorf("took %d records, %v", taken, err)
	}
	if _, held := a.coop.History().Find(stranger.ID); held {
		t.Error("a stranger's record was taken from a bundle")
	}
	forged := *stranger
	forged.Sig[0] ^= 1
	file.Reset()
	for _, m := range []wire.Message{wire.Bundle{Coop: founding, Assumes: []record.ID{}}, wire.Records{Records: []*record.Record{&forged}}} {
		if _, err := codec.WriteFrame(&file, m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.read(file.Bytes()); err == nil || !strings.Contains(err.Error(), "bad signature") {
		t.Errorf("a forged record: %v", err)
	}
}

// FuzzReader holds that foreign bytes neither stop the reader nor are read
// without an end.
func FuzzReader(f *testing.F) {
	a, _ := founders(f, "Willow Street")
	a.offer(2)
	f.Add(a.bundle())
	f.Add(a.bundle(a.tips()...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := bundle.NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		for range len(b) {
			if _, err = r.Next(); err != nil {
				break
			}
		}
		if err == nil {
			t.Error("the bundle has more messages than bytes")
		}
		if _, again := r.Next(); again != err {
			t.Errorf("after %v came %v", err, again)
		}
	})
}
