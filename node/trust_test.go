package node_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// TestWrongInvite: a newcomer whose invite names another past than it is given
// does not join, although it was admitted and holds all there is.
func TestWrongInvite(t *testing.T) {
	for name, change := range map[string]func(*member.Invite){
		"another leader":  func(i *member.Invite) { i.Leader = record.ID{1} },
		"other anchors":   func(i *member.Invite) { i.Anchors = [32]byte{1} },
		"as it was given": func(*member.Invite) {},
	} {
		t.Run(name, func(t *testing.T) {
			street := nodetest.NewStreet()
			ana := nodetest.Found(t, street, "Ana")
			invite := must[member.Invite](t)(member.ParseInvite(must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code))
			before := invite
			change(&invite)
			bo := nodetest.Join(t, street, invite.String(), "Bo")
			street.Meet(ana, bo)
			v := bo.Await("all is pulled", func(v node.View) bool {
				return v.Me.ID != record.ID{} && len(v.Peers) == 1 && v.Peers[0].Equal && v.State.Records > 2
			})
			if invite.Leader == before.Leader && invite.Anchors == before.Anchors {
				bo.Await("joined", joined)
				return
			}
			if err := pears(t, ana); err != nil {
				t.Fatal(err)
			}
			v = bo.Await("more is pulled", func(w node.View) bool { return w.State.Records > v.State.Records && w.Peers[0].Equal })
			if err := pears(t, bo); v.Joined || !errors.Is(err, node.ErrNotAdmitted) {
				t.Errorf("joined: %v; it writes, or says %v", v.Joined, err)
			}
		})
	}
}

// TestStaysJoined: who has joined is a member's node, also if what its invite
// names were not in the minutes any more.
func TestStaysJoined(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code
	bo := nodetest.Join(t, street, code, "Bo")
	street.Meet(ana, bo)
	bo.Await("joined", joined)
	bo.Close()

	other := must[member.Invite](t)(member.ParseInvite(code))
	other.Leader = record.ID{1}
	path := filepath.Join(filepath.Dir(bo.Home.StoreDir()), "secrets")
	b := must[[]byte](t)(os.ReadFile(path))
	if !bytes.Contains(b, []byte(code)) {
		t.Fatal("the invite is not where it was")
	}
	b = bytes.ReplaceAll(b[:bytes.LastIndex(b, []byte("sha256 "))], []byte(code), []byte(other.String()))
	if err := os.WriteFile(path, fmt.Appendf(b, "sha256 %x\n", sha256.Sum256(b)), 0o600); err != nil {
		t.Fatal(err)
	}
	bo.Reopen()
	if err := pears(t, bo); err != nil {
		t.Error(err)
	}
}

// pears writes something and returns why that could not be.
func pears(t *testing.T, h *nodetest.House) error {
	t.Helper()
	_, err := h.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Pears"})
	return err
}

// putBack replaces what is in a folder of a house that is closed.
func putBack(t *testing.T, dir, backup string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// signsBehind makes a backup of a folder of a house, has the house sign something
// that another comes to hold, and closes it.
func signsBehind(t *testing.T, street *nodetest.Street, h, other *nodetest.House, dir, backup string) {
	t.Helper()
	h.Close()
	putBack(t, backup, dir)
	h.Reopen()
	if err := pears(t, h); err != nil {
		t.Fatal(err)
	}
	street.Meet(other, h)
	nodetest.AwaitSame(other, h)
	h.Close()
}

// TestMarker: a store that was put back from a backup signs nothing before a peer
// has brought what the device had signed since; a whole home that was put back,
// where that was more than its own marker knows, does once its person says so.
func TestMarker(t *testing.T) {
	for _, whole := range []bool{false, true} {
		street, ana, others := willow(t, false, "Bo")
		bo := others[0]
		dir, backup := bo.Home.StoreDir(), filepath.Join(t.TempDir(), "backup")
		if whole {
			dir = filepath.Dir(dir)
		}
		signsBehind(t, street, bo, ana, dir, backup)
		putBack(t, dir, backup)
		bo.Reopen()

		var unsure *node.Unsure
		if err := pears(t, bo); !errors.As(err, &unsure) {
			t.Fatalf("whole %v: before a peer was asked it writes, or says %v", whole, err)
		}
		street.Meet(ana, bo)
		if !whole {
			bo.Await("it signs again", func(v node.View) bool { return v.Broken == nil })
			if err := pears(t, bo); err != nil {
				t.Error(err)
			}
			nodetest.AwaitSame(ana, bo)
			continue
		}
		bo.Await("it has noticed the other", func(v node.View) bool {
			return v.Broken != nil && strings.Contains(v.Broken.Error(), "another copy of this home has signed")
		})
		if err := pears(t, bo); !errors.As(err, &unsure) || !strings.Contains(unsure.Hint, "coop device trust --yes") {
			t.Fatalf("it writes after another copy has, or says %v", err)
		}
		bo.Reopen()
		street.Meet(ana, bo)
		for range 2 { // the second comes after the end of the first pull
			if err := pears(t, ana); err != nil {
				t.Fatal(err)
			}
			nodetest.AwaitSame(ana, bo)
		}
		if err := pears(t, bo); !errors.As(err, &unsure) {
			t.Fatalf("after another start it writes, or says %v", err)
		}
		if err := errors.Join(bo.TrustHome(t.Context()), pears(t, bo)); err != nil {
			t.Errorf("what it says to do: %v", err)
		}
		nodetest.AwaitSame(ana, bo)
		bo.Reopen()
		if err := pears(t, bo); err != nil {
			t.Errorf("after it was trusted and started again: %v", err)
		}
	}
}

// TestMarkerLags: a marker that a power cut took the last of names at the next
// start again what the store holds, so that a store put back later is noticed.
func TestMarkerLags(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	path := filepath.Join(filepath.Dir(ana.Home.StoreDir()), "marker")
	if err := pears(t, ana); err != nil {
		t.Fatal(err)
	}
	before := must[[]byte](t)(os.ReadFile(path))
	if err := pears(t, ana); err != nil {
		t.Fatal(err)
	}
	last, _ := ana.Home.Marked()
	ana.Close()
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	ana.Reopen()
	if m, ok := ana.Home.Marked(); !ok || m.ID != last.ID {
		t.Errorf("the marker names seq %d, the store ends with %d", m.Seq, last.Seq)
	}
}

// TestAnchors: with the first batch of an epoch the home keeps its anchor.
func TestAnchors(t *testing.T) {
	_, ana, others := willow(t, true, "Bo")
	id := must[record.ID](t)(ana.OpenProposal(t.Context(), node.Proposal{Title: "Two tellers", Effects: []string{"tellers:Ana,Bo"}}))
	for _, h := range []*nodetest.House{ana, others[0]} {
		h.Await("the proposal", func(v node.View) bool { return v.State.Proposals.Proposals.Has(id) })
		must[record.ID](t)(h.Vote(t.Context(), id.String(), "yes", ""))
	}
	nodetest.AwaitSame(ana, others[0])
	must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)) // an act for the new tellers
	nodetest.AwaitSame(ana, others[0])
	stored := ana.Home.Secrets().Kept.Anchors
	if epochs := ana.See().State.Epochs; len(epochs) != 2 || len(stored) != 1 || stored[0] != epochs[1] {
		t.Errorf("stored are the anchors %v, of the epochs %v", stored, epochs)
	}
}

// TestGossipOfAStranger: what a peer publishes that was not let in is not taken,
// whoever wrote it.
func TestGossipOfAStranger(t *testing.T) {
	street, ana, others := willow(t, false, "Bo")
	bo := others[0]
	street.Part(bo)
	if err := pears(t, bo); err != nil {
		t.Fatal(err)
	}
	r := must[*record.Record](t)(bo.Store.Record(bo.Store.Count() - 1))
	before := ana.See().State.Records
	pass, err := ana.Gossip(1<<40, []*record.Record{r})
	if after := ana.See().State.Records; pass || err != nil || after != before {
		t.Errorf("passed on: %v, %v; %d records were taken", pass, err, after-before)
	}
}

// TestForkShown: a copy of a home that was used beside another learns at a closed
// door that its device forked, shows that, signs nothing more, and knows it at the
// next start.
func TestForkShown(t *testing.T) {
	street, ana, others := willow(t, false, "Bo")
	bo := others[0]
	dir, before, after := filepath.Dir(bo.Home.StoreDir()), filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	signsBehind(t, street, bo, ana, dir, before)
	putBack(t, after, dir)

	putBack(t, dir, before)
	bo.Reopen()
	if err := errors.Join(bo.TrustHome(t.Context()), pears(t, bo)); err != nil {
		t.Fatal(err)
	}
	street.Meet(ana, bo)
	ana.Await("Ana holds the fork", func(node.View) bool {
		_, of, err := ana.Troubles(t.Context())
		return err == nil && of == 1
	})
	bo.Close()

	putBack(t, dir, after)
	bo.Reopen()
	if _, of, err := bo.Troubles(t.Context()); err != nil || of > 0 {
		t.Fatalf("before it meets anybody the first copy shows trouble, or %v", err)
	}
	street.Meet(ana, bo)
	for _, when := range []string{"told", "started again"} {
		bo.Await("it knows that its device forked", func(v node.View) bool {
			return v.Broken != nil && strings.Contains(v.Broken.Error(), "signed two records in one slot")
		})
		var refused *node.Refused
		if err := pears(t, bo); !errors.As(err, &refused) {
			t.Errorf("%s: it writes, or says %v", when, err)
		}
		if err := bo.TrustHome(t.Context()); !errors.As(err, &refused) {
			t.Errorf("%s: it can be trusted, or says %v", when, err)
		}
		found, of, err := bo.Troubles(t.Context())
		if err != nil || of != 1 || len(found) != 1 || found[0].Kind != coop.TroubleFork {
			t.Fatalf("%s: the trouble shown is %v of %d, %v", when, found, of, err)
		}
		shown := must[node.Trouble](t)(bo.Trouble(t.Context(), found[0].ID.String()))
		if len(shown.Signed) != 2 || shown.Signed[0].Seq != shown.Signed[1].Seq || shown.Signed[0].ID == shown.Signed[1].ID {
			t.Errorf("%s: the records shown are no fork", when)
		}
		if shown.Signed[1].Held || !shown.Signed[1].Hollow {
			t.Errorf("%s: the record that is not here is shown as if it were", when)
		}
		bo.Close()
		bo.Reopen()
	}
}

// TestCodeKept: where nothing can be signed, a code for another computer is not
// struck off: it is good once the home is trusted.
func TestCodeKept(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code
	if err := pears(t, ana); err != nil {
		t.Fatal(err)
	}
	dir, moved := filepath.Dir(ana.Home.StoreDir()), filepath.Join(t.TempDir(), "moved")
	ana.Close()
	putBack(t, moved, dir)
	putBack(t, dir, moved)
	ana.Reopen()
	phone := nodetest.Join(t, street, code, "phone")
	street.Meet(ana, phone)
	phone.Await("a reason to wait", func(v node.View) bool { return v.Waits != "" })
	street.Part(phone)
	if err := ana.TrustHome(t.Context()); err != nil {
		t.Fatal(err)
	}
	street.Meet(ana, phone)
	phone.Await("joined", joined)
}
