package node_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/nodetest"
	"coop/node/store"
)

// homeDir is the folder of a house's home.
func homeDir(h *nodetest.House) string { return filepath.Dir(h.Home.StoreDir()) }

// rollBack puts the disk of a house that is closed back to a backup of its home: the
// files stay those they were, only what is in them is old.
func rollBack(t *testing.T, h *nodetest.House, backup string) {
	t.Helper()
	putBack(t, h.Home.StoreDir(), filepath.Join(backup, "store"))
	for _, name := range []string{"marker", "secrets", "peers"} {
		b := must[[]byte](t)(os.ReadFile(filepath.Join(backup, name)))
		if err := os.WriteFile(filepath.Join(homeDir(h), name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startAnew forgets what does not outlive the run of a machine.
func startAnew(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "coop")); err != nil {
		t.Fatal(err)
	}
}

// TestStoreLost: whoever lost the store gets it back from the others, the founder
// too, and a home that keeps anchors waits for them; nothing is signed before.
func TestStoreLost(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	id := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "Tellers", Effects: []string{"tellers:Ana,Bo"}}))
	for _, h := range []*nodetest.House{ana, bo} { // two of three pass it: a third vote could come too late
		h.Await("the proposal", func(v node.View) bool { return v.State.Proposals.Proposals.Has(id) })
		must[record.ID](t)(h.Vote(t.Context(), id.String(), "yes", ""))
	}
	nodetest.AwaitSame(ana, bo, chi)
	must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)) // an act for the new tellers
	nodetest.AwaitSame(ana, bo, chi)

	for _, h := range []*nodetest.House{bo, ana} {
		kept := h.Home.Secrets().Kept
		if !kept.Joined || len(kept.Anchors) != 1 {
			t.Fatalf("%s's home keeps %v", h.Name, kept)
		}
		h.Close()
		if err := os.RemoveAll(h.Home.StoreDir()); err != nil {
			t.Fatal(err)
		}
		h.Reopen()
		var unsure *node.Unsure
		if v := h.See(); !errors.As(v.Broken, &unsure) || !strings.Contains(v.Broken.Error(), "not all there") || v.Joined {
			t.Errorf("%s without a store: %v, joined %v", h.Name, v.Broken, v.Joined)
		}
		refuse(t, h.TrustHome(t.Context()), "refused", "not back")
		h.Reopen() // also after another start
		street.Meet(ana, bo, chi)
		h.Await("it signs again", func(v node.View) bool { return v.Joined && v.Broken == nil && v.State.Records > 5 })
		if err := pears(t, h); err != nil {
			t.Errorf("%s, whose store was lost: %v", h.Name, err)
		}
		nodetest.AwaitSame(ana, bo, chi)
	}
	found, _, err := chi.Troubles(t.Context())
	forks := slices.ContainsFunc(found, func(f node.Trouble) bool { return f.Kind == coop.TroubleFork })
	if err != nil || forks { // a vote may come late
		t.Errorf("troubles: %v, %v", found, err)
	}
}

// TestRolledBack: a disk that is put back with all that is on it is noticed while the
// machine runs on, and after a start once a peer was asked.
func TestRolledBack(t *testing.T) {
	for _, anew := range []bool{false, true} {
		street, ana, others := willow(t, false, "Bo")
		bo := others[0]
		backup := filepath.Join(t.TempDir(), "backup")
		signsBehind(t, street, bo, ana, homeDir(bo), backup)
		rollBack(t, bo, backup)
		if anew {
			startAnew(t)
		}
		bo.Reopen()
		want := map[bool]string{false: "older than what this computer last signed", true: "was started anew"}[anew]
		var unsure *node.Unsure
		if err := pears(t, bo); !errors.As(err, &unsure) || !strings.Contains(err.Error(), want) {
			t.Fatalf("anew %v: before a peer was asked it writes, or says %v", anew, err)
		}
		street.Meet(ana, bo)
		if anew { // only the other knows of more: it might be another copy
			bo.Await("it has noticed", func(v node.View) bool { return v.Broken != nil && strings.Contains(v.Broken.Error(), "another copy") })
			if err := bo.TrustHome(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		bo.Await("it signs again", func(v node.View) bool { return v.Broken == nil })
		if err := pears(t, bo); err != nil {
			t.Error(err)
		}
		nodetest.AwaitSame(ana, bo)
		if found, _, err := ana.Troubles(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("anew %v: troubles: %v, %v", anew, found, err)
		}
	}
}

// TestAloneAfterStart: after the machine was started anew a device signs once a peer
// was asked, or none can be reached, and knows it at its next start.
func TestAloneAfterStart(t *testing.T) {
	street, ana, others := willow(t, false, "Bo")
	bo := others[0]
	bo.Close()
	startAnew(t)
	ana.Reopen()
	if v := ana.See(); v.Broken == nil {
		t.Fatal("it signs at once")
	}
	bo.Reopen()
	street.Meet(ana, bo)
	for _, h := range []*nodetest.House{ana, bo} {
		h.Await("it has asked", func(v node.View) bool { return v.Broken == nil })
	}
	bo.Close()
	startAnew(t)
	bo.Reopen()
	var unsure *node.Unsure
	if err := pears(t, bo); !errors.As(err, &unsure) || !strings.Contains(unsure.Hint, "coop up") {
		t.Fatalf("it writes before it has looked for somebody, or says %v", err)
	}
	bo.Sleep(16e9)
	must[node.View](t)(bo.View(t.Context())) // time is noticed at the next input
	bo.Await("it has looked for somebody", func(v node.View) bool { return v.Broken == nil })
	bo.Reopen()
	if err := pears(t, bo); err != nil {
		t.Errorf("at the next start: %v", err)
	}
}

// TestSignsNotYet: a device that may sign again and cannot note it, for a reason of the
// disk, tries again now and then, and keeps no processor busy.
func TestSignsNotYet(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	ana.Close()
	startAnew(t)
	home := must[*keys.Home](t)(keys.Open(homeDir(ana)))
	defer home.Close()
	s := must[*store.Store](t)(store.Open(home.StoreDir()))
	defer s.Close()
	var asked, ahead atomic.Int64
	now := func() time.Time {
		asked.Add(1)
		return time.Now().Add(time.Duration(ahead.Load()))
	}
	n := must[*node.Node](t)(node.Open(node.Config{Home: home, Store: s, Now: now, Log: slog.New(slog.DiscardHandler)}))
	defer n.Close()
	marker := filepath.Join(homeDir(ana), "marker")
	if err := errors.Join(os.Remove(marker), os.Mkdir(marker, 0o700), n.Attach(&gate{})); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(time.Minute)) // nobody can be reached
	must[node.View](t)(n.View(t.Context()))
	before := asked.Load()
	time.Sleep(500 * time.Millisecond)
	if v := must[node.View](t)(n.View(t.Context())); v.Broken == nil {
		t.Fatal("it signs, and has noted nothing")
	}
	if times := asked.Load() - before; times > 100 {
		t.Errorf("in half a second the loop asked for the time %d times", times)
	}
}

// TestMoved: a home that was copied is not trusted because a peer has nothing newer,
// only by its person; and of two that are used, the one that hears of the other signs
// nothing more.
func TestMoved(t *testing.T) {
	street, ana, others := willow(t, false, "Bo")
	bo := others[0]
	bo.Close()
	copied := filepath.Join(t.TempDir(), "copy")
	putBack(t, copied, homeDir(bo))
	original := bo.At(copied)
	bo.Reopen()
	street.Meet(ana, bo)
	v := bo.Await("a peer was asked", func(v node.View) bool {
		var unsure *node.Unsure
		return errors.As(v.Broken, &unsure) && strings.Contains(unsure.Hint, "knows of nothing that is not here")
	})
	if err := pears(t, bo); err == nil {
		t.Fatalf("a copy signs after a peer had nothing newer: %v", v.Broken)
	}
	if err := errors.Join(bo.TrustHome(t.Context()), pears(t, bo)); err != nil {
		t.Fatal(err)
	}
	nodetest.AwaitSame(ana, bo)

	// The original, on another machine, has never heard of the copy.
	bo.Close()
	startAnew(t)
	bo.At(original)
	bo.Reopen()
	if err := bo.TrustHome(t.Context()); err != nil {
		t.Fatal(err)
	}
	street.Meet(ana, bo)
	bo.Await("it hears of the copy", func(v node.View) bool { return v.Broken != nil && strings.Contains(v.Broken.Error(), "another copy") })
	if err := pears(t, bo); err == nil {
		t.Error("it signs after a record of its device came that it did not sign")
	}
	bo.Reopen()
	if err := pears(t, bo); err == nil {
		t.Error("it signs at the next start")
	}
	if found, _, err := ana.Troubles(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("troubles: %v, %v", found, err)
	}
}

// TestTwoHomes: of two homes of one device on one machine, the one that did not sign
// last is not trusted.
func TestTwoHomes(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	ana.Close()
	copied := filepath.Join(t.TempDir(), "copy")
	putBack(t, copied, homeDir(ana))
	original := ana.At(copied)
	ana.Reopen()
	if err := errors.Join(ana.TrustHome(t.Context()), pears(t, ana)); err != nil {
		t.Fatal(err)
	}
	ana.Close()
	ana.At(original)
	ana.Reopen()
	if err := pears(t, ana); err == nil || !strings.Contains(err.Error(), "was copied") { // no peer can clear that
		t.Errorf("after the copy has signed the original signs, or says %v", err)
	}
}

// TestTwoCoops: a home with the secrets of one co-op and the records of another says so.
func TestTwoCoops(t *testing.T) {
	street := nodetest.NewStreet()
	ana, bo := nodetest.Found(t, street, "Ana"), nodetest.Found(t, street, "Bo")
	ana.Close()
	bo.Close()
	putBack(t, ana.Home.StoreDir(), bo.Home.StoreDir())
	if err := ana.Start(); err == nil || !strings.Contains(err.Error(), "two different co-ops") {
		t.Errorf("it opens, or says %v", err)
	}
}
