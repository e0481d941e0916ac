package node_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"coop/crdt/listing"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/nodetest"
	"coop/node/store"
)

const day = 24 * time.Hour

// wrong awaits that a node doubts its clock and says why, or with "" that it does not.
func wrong(t *testing.T, h *nodetest.House, why string) {
	t.Helper()
	h.Await("what it says of its clock: "+why, func(v node.View) bool {
		return v.Clock.Blocked == (why != "") && strings.Contains(v.Clock.Text, why)
	})
}

// TestClock: a teller whose clock may be wrong closes no poll and gives nothing an
// end, until the clocks agree or its person says that it is right.
func TestClock(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora")
	poll := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "Apples or pears", Days: 20}))
	status := func() proposal.Status {
		p, _ := ana.See().State.Proposals.Proposals.Get(poll)
		return p.Status
	}
	meet := func() { street.Meet(ana, others[0], others[1], others[2]) }
	nodetest.AwaitSame(append(others, ana)...)
	street.Part(ana)
	for _, o := range others {
		street.Part(o)
	}
	ana.Sleep(30 * day)
	wrong(t, ana, "when it was last asked")
	meet()
	wrong(t, ana, "most others'")
	ana.Reopen()
	wrong(t, ana, "most others'") // it has not forgotten
	street.Part(others[0])
	others[0].Sleep(30 * day)
	street.Meet(ana, others[0])
	ana.Await("Bo", func(v node.View) bool { return len(v.Peers) == 1 && v.Peers[0].Live })
	wrong(t, ana, "most others'") // one alone who agrees may lie
	street.Part(ana)
	others[0].Sleep(-30 * day)
	street.Meet(ana, others[0])

	tomorrow := ana.Now().Add(day).UnixMilli()
	_, err := ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Soup", Expires: tomorrow})
	refuse(t, err, "refused", "coop clock ok")
	_, err = ana.Invite(t.Context(), 1, 0, false)
	refuse(t, err, "refused", "coop clock ok")
	_, err = ana.OpenProposal(t.Context(), node.Proposal{Title: "Soup or bread"})
	refuse(t, err, "refused", "coop clock ok")
	_, err = ana.CloseProposal(t.Context(), poll.String())
	refuse(t, err, "refused", "coop clock ok")
	must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Soup"}))
	if got := status(); got != proposal.StatusOpen {
		t.Fatalf("by a clock that nobody's agrees with, the poll is %v", got)
	}

	if err := ana.ClockOK(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrong(t, ana, "")
	ana.Await("the poll is closed", func(node.View) bool { return status() != proposal.StatusOpen })
	street.Part(ana)
	meet()
	ana.Await("all", func(v node.View) bool { return len(v.Peers) == 3 })
	wrong(t, ana, "") // what its person said holds

	street.Part(ana)
	ana.Sleep(-30 * day)
	wrong(t, ana, "it was later already")
	meet()
	wrong(t, ana, "") // set right, and they agree
	street.Part(ana)
	wrong(t, ana, "")
	_, err = ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Soup", Expires: ana.Now().Add(-time.Hour).UnixMilli()})
	refuse(t, err, "invalid", "nobody would see it")
}

// TestOneLiarsClock: the clock of one person stops nobody, and is shown where only one
// or two others are there.
func TestOneLiarsClock(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora")
	bo := others[0]
	for _, h := range others {
		street.Part(h)
	}
	bo.Sleep(400 * day)
	street.Meet(ana, bo)
	ana.Await("Bo's time", func(v node.View) bool { return strings.Contains(v.Clock.Text, "and Bo's ") && !v.Clock.Blocked })
	street.Meet(ana, others[1], others[2])
	street.Meet(bo, others[1], others[2])
	ana.Await("nothing to say", func(v node.View) bool { return v.Clock == node.Clock{} })
	wrong(t, bo, "most others'")
}

// TestClocksOfAssociates: a sponsor lets in as many associates as they like, so the
// clocks of many stop no member.
func TestClocksOfAssociates(t *testing.T) {
	street, ana, others := willow(t, false, "Bo", "Chi", "Dora")
	for _, h := range others {
		street.Part(h)
		h.Sleep(30 * day)
	}
	street.Meet(append(others, ana)...)
	ana.Await("all", func(v node.View) bool {
		return len(v.Peers) == 3 && !slices.ContainsFunc(v.Peers, func(p node.Peer) bool { return !p.Live })
	})
	if v := ana.See(); v.Clock.Blocked || !strings.Contains(v.Clock.Text, "see which of them is right") {
		t.Errorf("Ana is told %q", v.Clock.Text)
	}
	must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false))
}

// TestClockBeforeAll: a clock that was never set says so.
func TestClockBeforeAll(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	ana.Close()
	ana.Sleep(time.Until(time.Unix(1000, 0)))
	ana.Reopen()
	wrong(t, ana, "before there were co-ops")
	_, err := ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Soup", Expires: ana.Now().Add(7 * day).UnixMilli()})
	refuse(t, err, "refused", "before there were co-ops")
	if err := ana.ClockOK(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrong(t, ana, "")
}

// TestClockIsKeptAtTimes: what others' clocks are ahead by a little more or less is not
// written to the disk each time they say it.
func TestClockIsKeptAtTimes(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi", "Dora")
	nodetest.AwaitSame(append(others, ana)...)
	kept := func() string {
		ana.Await("all", func(v node.View) bool {
			live := slices.DeleteFunc(v.Peers, func(p node.Peer) bool { return !p.Live })
			return len(live) == len(others)
		})
		return string(must[[]byte](t)(ana.Store.Small("clock")))
	}
	before := kept()
	for _, h := range others {
		street.Part(h)
		h.Sleep(3 * time.Second)
	}
	street.Meet(ana, others[0], others[1], others[2])
	if kept() != before {
		t.Error("it was written because others' clocks are three seconds ahead")
	}
}

// TestClockOfANewcomer: somebody at the door, who knows nobody, hears that their clock
// differs from that of the computer they stand at.
func TestClockOfANewcomer(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, time.Hour, false)).Code
	bo := nodetest.Join(t, street, code, "Bo")
	ana.Sleep(3 * time.Hour) // the code has ended there: Bo waits for a sponsor
	street.Meet(ana, bo)
	v := bo.Await("a word about the clock", func(v node.View) bool { return v.Clock.Text != "" })
	if want := "the other computer's "; v.Clock.Blocked || !strings.Contains(v.Clock.Text, want) {
		t.Errorf("Bo is told %q (blocked: %t), want %q", v.Clock.Text, v.Clock.Blocked, want)
	}
}

// warnings is a log of which the warnings are kept.
type warnings struct {
	slog.Handler
	all *[]string
}

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	*w.all = append(*w.all, r.Message)
	return nil
}

// TestClockOnAFullDisk: on a disk that cannot be written the clock is compared and not
// kept, and all can be read as ever.
func TestClockOnAFullDisk(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	ana.Close()
	home := must[*keys.Home](t)(keys.Open(filepath.Dir(ana.Home.StoreDir())))
	defer home.Close()
	fixed := must[*store.Store](t)(store.OpenFixed(home.StoreDir(), store.ErrFull))
	defer fixed.Close()
	var said []string
	began, hours := ana.Now(), atomic.Int64{}
	hours.Store(1) // so much later is noted where it can be
	n := must[*node.Node](t)(node.Open(node.Config{
		Home: home, Store: fixed, Now: func() time.Time { return began.Add(time.Duration(hours.Load()) * time.Hour) },
		Log: slog.New(warnings{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}), &said}),
	}))
	for range 3 {
		if v := must[node.View](t)(n.View(t.Context())); v.Me.Name != "Ana" || !errors.Is(v.Broken, store.ErrFull) {
			t.Errorf("got %q, %v", v.Me.Name, v.Broken)
		}
		hours.Add(1)
	}
	if err := n.Close(); err != nil || len(said) > 0 {
		t.Errorf("%v; warnings: %q", err, said)
	}
}
