package main_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coop/crdt/record"
	"coop/ui/api"
)

// onStreet is a place for some nodes that run.
func onStreet(t *testing.T) harm {
	t.Helper()
	if testing.Short() {
		t.Skip("short")
	}
	return harm{t, shortDir(t), program(t)}
}

// join lets somebody join the co-op of a home and runs their node.
func (h harm) join(at, home, who string) *exec.Cmd {
	h.t.Helper()
	h.coop(home, "join", h.coop(at, "invite"), "--as", who, "--listen", "127.0.0.1:0", "--no-mdns", "--wait", "20s")
	return h.up(home)
}

// meet connects nodes at once, each with each: they pass on to each other where they
// are, but that takes a moment, and a node takes another port at each start.
func (h harm) meet(home string, others ...string) {
	h.t.Helper()
	for _, other := range others {
		if other != home {
			h.coop(home, "sync", h.status(other).Addrs[0])
		}
	}
}

// writeBoth makes contents and acts until it is told to stop or the node is gone.
func (k *acked) writeBoth(c *api.Client, whom string, enough context.Context) {
	offer, title := "offer", "Bread"
	for i := 0; enough.Err() == nil; i++ {
		var m struct{ ID record.ID }
		var err error
		if i%2 == 0 {
			err = c.Post(context.Background(), "/v1/listings", api.ListingIn{Kind: &offer, Title: &title}, &m)
		} else {
			err = c.Post(context.Background(), "/v1/requests", api.PaymentIn{Who: whom, Amount: "1"}, &m)
		}
		if err != nil {
			return
		}
		k.mu.Lock()
		k.ids = append(k.ids, m.ID)
		k.mu.Unlock()
		time.Sleep(10 * time.Millisecond) // else it is the disk that is tested
	}
}

// TestFiveNodes kills nodes at random, and starts them again, while all write:
// nothing that was acknowledged is lost, all come to hold the same, and no device
// forks.
func TestFiveNodes(t *testing.T) {
	t.Parallel()
	h := onStreet(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := []string{"Ana", "Bo", "Chi", "Dee", "Eva"}
	h.found("Ana", 0)
	running := map[string]*exec.Cmd{"Ana": h.up("Ana")}
	for _, who := range names[1:] {
		running[who] = h.join("Ana", who, who)
	}
	h.meet("Bo", "Chi", "Dee", "Eva")
	var k acked
	for range 6 {
		enough, stop := context.WithCancel(context.Background())
		var writing sync.WaitGroup
		for i, who := range names {
			writing.Go(func() { k.writeBoth(h.client(who), names[(i+1)%len(names)], enough) })
		}
		time.Sleep(time.Duration(50+random.IntN(300)) * time.Millisecond)
		killed := random.Perm(len(names))[:1+random.IntN(2)]
		for _, i := range killed {
			running[names[i]].Process.Kill()
		}
		stop()
		writing.Wait()
		for _, i := range killed {
			running[names[i]].Wait()
			running[names[i]] = h.up(names[i])
		}
		for _, i := range killed {
			h.meet(names[i], names...)
		}
	}
	t.Logf("%d records acknowledged", len(k.ids))
	if len(k.ids) < 60 {
		t.Errorf("only %d records were acknowledged: this tested nothing", len(k.ids))
	}
	for _, who := range names[1:] {
		h.equal("Ana", who)
	}
	for _, who := range names {
		h.holds(who, &k)
	}
	for _, who := range names {
		h.coop(who, "down")
		running[who].Wait()
		h.oneChain(who)
	}
}

// newerProgram builds the program as it may be one day: it reads what there is,
// writes new documents in version 2 of the protocol, and withdraws proposals by a
// kind of act that is not known today.
func newerProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replaced := map[string]string{}
	for file, change := range map[string][]string{
		"crdt/record/record.go": {
			"h.Version = Version", `if h.Version = 1; h.Kind == "doc/create" { h.Version = Version }`,
			"Version      = 1", "Version      = 2",
			"case h.Version != Version:", "case h.Version != 1 && h.Version != Version:",
		},
		"crdt/proposal/body.go": {`"proposal/withdraw"`, `"proposal/retract"`},
		"crdt/coop/snapshot.go": {"const snapshotVersion = ", "const snapshotVersion = 1000 + "}, // other rules: all is folded anew
	} {
		source := read(t, file)
		for i := 0; i < len(change); i += 2 {
			if strings.Count(source, change[i]) != 1 {
				t.Fatalf("%s does not say %q once", file, change[i])
			}
			source = strings.Replace(source, change[i], change[i+1], 1)
		}
		path, err := filepath.Abs(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		replaced[path] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(replaced[path], []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "coop")
	if out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay"), "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// TestOlderAmongNewer: Ana runs a program that is newer than that of Bo and Chi.
// They tell their people to update, lose nothing and go on; once they have, all
// is there.
func TestOlderAmongNewer(t *testing.T) {
	t.Parallel()
	h := onStreet(t)
	newer := h
	newer.program = newerProgram(t)
	newer.found("Ana", 0)
	newer.up("Ana")
	bo := h.join("Ana", "Bo", "Bo")
	chi := h.join("Ana", "Chi", "Chi")
	h.meet("Bo", "Chi")
	kept := h.coop("Bo", "listing", "add", "--offer", "--title", "Eggs", "--quiet")
	h.equal("Bo", "Chi")
	newer.equal("Ana", "Bo")

	// An act of a kind that the old program does not know is a problem, which says what to do.
	id := newer.coop("Ana", "proposal", "open", "--title", "A picnic", "--quiet")
	newer.coop("Ana", "proposal", "close", id)
	for _, who := range []string{"Bo", "Chi"} {
		h.until(who+" is told of an act that is unknown", func() bool {
			s := h.status(who)
			return len(s.Problems) == 1 && strings.Contains(s.Problems[0].Reason, "update coop")
		})
	}
	h.coop("Bo", "listing", "add", "--offer", "--title", "Flour", "--quiet")
	h.until("all hold the same records", func() bool {
		a, b, c := h.status("Ana").Records, h.status("Bo").Records, h.status("Chi").Records
		return a == b && b == c
	})

	// A record of a later version is not taken.
	before := h.status("Bo").Records
	late := newer.coop("Ana", "listing", "add", "--offer", "--title", "From the future", "--quiet")
	h.until("the old ones tell their people to update", func() bool {
		told := func(e string) bool { return strings.Contains(e, "newer version") && strings.Contains(e, "update coop") }
		return slices.ContainsFunc(h.status("Bo").Events, told) && slices.ContainsFunc(h.status("Chi").Events, told)
	})
	if got := h.status("Bo").Records; got < before {
		t.Errorf("%d records are left of %d", got, before)
	}
	more := h.coop("Bo", "listing", "add", "--offer", "--title", "Milk", "--quiet")
	h.equal("Bo", "Chi")
	if list := h.coop("Chi", "listing", "list", "--quiet"); !strings.Contains(list, kept) || !strings.Contains(list, more) || strings.Contains(list, late) {
		t.Errorf("Chi shows %s", list)
	}

	for who, running := range map[string]*exec.Cmd{"Bo": bo, "Chi": chi} {
		h.coop(who, "down")
		running.Wait()
		newer.up(who)
		newer.meet(who, "Ana")
	}
	for _, who := range []string{"Bo", "Chi"} {
		newer.equal("Ana", who)
		s := newer.status(who)
		if list := newer.coop(who, "listing", "list", "--quiet"); !strings.Contains(list, late) || !strings.Contains(list, more) || len(s.Problems) > 0 {
			t.Errorf("%s, updated, shows %s and the problems %v", who, list, s.Problems)
		}
	}
}

// TestMesh: nodes of which each knows one neighbour only come to be connected each with
// each, for addresses are passed on; so the co-op goes on when the one they all knew is
// gone, also after a start. Who does not want to be passed on is found by nobody.
func TestMesh(t *testing.T) {
	t.Parallel()
	h := onStreet(t)
	h.found("Ana", 0)
	ana := h.up("Ana")
	names := []string{"Bo", "Chi", "Dora"}
	running := map[string]*exec.Cmd{}
	for _, who := range names {
		running[who] = h.join("Ana", who, who)
	}
	names = append(names, "Ana")
	live := func(who string) (live int) {
		for _, p := range h.status(who).Peers {
			if p.Live {
				live++
			}
		}
		return live
	}
	for _, who := range names {
		h.until(who+" is connected with all", func() bool { return live(who) == len(names)-1 })
	}
	ana.Process.Kill()
	ana.Wait()
	h.coop("Bo", "down")
	running["Bo"].Wait()
	h.up("Bo")
	for _, who := range names[:3] {
		h.until(who+" is connected with two, Ana being gone", func() bool { return live(who) == 2 })
	}
	h.coop("Dora", "listing", "add", "--offer", "--title", "Eggs", "--quiet")
	h.equal("Bo", "Dora")
	at, _, _ := strings.Cut(h.status("Dora").Addrs[0], "/p2p/")
	kept := func() bool {
		b, err := os.ReadFile(filepath.Join(h.home("Chi"), "addresses"))
		return err == nil && strings.Contains(string(b), at)
	}
	h.until("Chi's home keeps where Dora is", kept)
	h.coop("Dora", "down")
	running["Dora"].Wait()
	h.upWith("Dora", "--unlisted")
	h.until("Chi's home forgets where Dora is", func() bool { return !kept() })
}
