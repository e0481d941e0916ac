package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"coop/crdt/listing"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/store"
	"coop/ui/api"
)

// harm is where the tests below do harm to homes: a folder with a short path,
// because a home holds a socket, and the program.
type harm struct {
	t       *testing.T
	dir     string
	program string
}

// TestHarm does to a node what computers do: ends it at any instant, damages
// its files, fills its disk, turns its clock, copies its home.
func TestHarm(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	program := filepath.Join(t.TempDir(), "coop")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, c := range []struct {
		name string
		test func(harm)
	}{
		{"killed", harm.killed},
		{"paid once", harm.paidOnce},
		{"damaged", harm.damaged},
		{"full", harm.full},
		{"clock", harm.clock},
		{"copied", harm.copied},
		{"copied while the other goes on", harm.copiedTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "harm")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			c.test(harm{t, dir, program})
		})
	}
}

func (h harm) home(name string) string { return filepath.Join(h.dir, name) }

// try runs a command on a home and returns its outputs and exit status.
func (h harm) try(home string, args ...string) (out, errs string, status int) {
	h.t.Helper()
	c := exec.Command(h.program, append([]string{"--home", h.home(home)}, args...)...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	c.Run()
	return strings.TrimSpace(o.String()), strings.TrimSpace(e.String()), c.ProcessState.ExitCode()
}

// coop is try for what must succeed.
func (h harm) coop(home string, args ...string) string {
	h.t.Helper()
	out, errs, status := h.try(home, args...)
	if status != 0 {
		h.t.Fatalf("%s: coop %s: exit status %d\n%s", home, strings.Join(args, " "), status, errs)
	}
	return out
}

func (h harm) status(home string) (s api.Status) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.coop(home, "status", "--json")), &s); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// up runs a node on loopback until it is stopped, or killed, or the test ends.
func (h harm) up(home string) *exec.Cmd {
	h.t.Helper()
	return h.upWith(home)
}

func (h harm) upWith(home string, flags ...string) *exec.Cmd {
	h.t.Helper()
	c := exec.Command(h.program, append([]string{"--home", h.home(home), "up", "--listen", "127.0.0.1:0", "--no-mdns"}, flags...)...)
	errs := &bytes.Buffer{}
	c.Stderr = errs
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if h.t.Failed() {
			h.t.Logf("%s said:\n%s", home, errs)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "ready") {
		c.Wait()
		h.t.Fatalf("%s is not ready: %q\n%s", home, line, errs)
	}
	return c
}

func (h harm) client(home string) *api.Client { return api.Dial(keys.Socket(h.home(home))) }

// until waits for something that nodes do by themselves.
func (h harm) until(what string, done func() bool) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

// found makes a co-op of Ana with some listings, and stops.
func (h harm) found(home string, listings int) {
	h.t.Helper()
	h.coop(home, "found", "--name", "Willow Street", "--as", "Ana")
	csv := "kind,title\n"
	for i := range listings {
		csv += fmt.Sprintf("offer,Bread %d\n", i)
	}
	file := h.home(home + ".csv")
	if err := os.WriteFile(file, []byte(csv), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if listings > 0 {
		h.coop(home, "listing", "import", file)
	}
}

// pair is a co-op of Ana, on a, and Bo, on b, whose nodes both run.
func (h harm) pair() (a, b *exec.Cmd) {
	h.t.Helper()
	h.found("a", 0)
	a = h.up("a")
	h.coop("b", "join", h.coop("a", "invite"), "--as", "Bo", "--listen", "127.0.0.1:0", "--no-mdns", "--wait", "20s")
	b = h.up("b")
	h.equal("a", "b")
	at := h.status("b").Addrs[0]
	h.until("a remembers where b is now", func() bool { // a takes another port at each start: b cannot find it
		known, _ := os.ReadFile(filepath.Join(h.home("a"), "peers"))
		return strings.Contains(string(known), at)
	})
	return a, b
}

// equal waits until two nodes show the same state.
func (h harm) equal(a, b string) {
	h.t.Helper()
	var sa, sb api.Status
	defer func() {
		if h.t.Failed() {
			h.t.Logf("%s %d %+v %v\n%s %d %+v %v", a, sa.Records, sa.Peers, sa.Events, b, sb.Records, sb.Peers, sb.Events)
		}
	}()
	h.until(a+" and "+b+" show the same", func() bool {
		sa, sb = h.status(a), h.status(b)
		return sa.Digest == sb.Digest
	})
}

// acked are the ids that a node acknowledged.
type acked struct {
	mu  sync.Mutex
	ids []record.ID
}

// write makes listings, comments and invites, which are acts, as fast as the
// node takes them, until it does not answer any more.
func (k *acked) write(c *api.Client, worker int) {
	offer, title, about := "offer", fmt.Sprintf("Bread of oven %d", worker), record.ID{}
	for i := 0; ; i++ {
		var m struct{ ID record.ID }
		var err error
		switch {
		case i%4 == 1:
			err = c.Post(context.Background(), "/v1/comments/"+about.String(), api.TextIn{Text: "Still warm"}, &m)
		case i%8 == 6:
			err = c.Post(context.Background(), "/v1/invites", api.InviteIn{Uses: 1}, &m)
		default:
			err = c.Post(context.Background(), "/v1/listings", api.ListingIn{Kind: &offer, Title: &title}, &m)
			about = m.ID
		}
		if err != nil {
			return
		}
		k.mu.Lock()
		k.ids = append(k.ids, m.ID)
		k.mu.Unlock()
	}
}

const (
	kills   = 15
	writers = 4
)

// killed kills a node that writes at full speed, again and again.
func (h harm) killed() {
	seed := uint64(time.Now().UnixNano())
	h.t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	a, b := h.pair()
	var k acked
	for round := range kills {
		if round > 0 {
			a = h.up("a")
		}
		h.holds("a", &k)
		var writing sync.WaitGroup
		for i := range writers {
			writing.Go(func() { k.write(h.client("a"), i) })
		}
		time.Sleep(time.Duration(20+random.IntN(600)) * time.Millisecond)
		a.Process.Kill()
		a.Wait()
		writing.Wait()
	}
	h.t.Logf("%d records acknowledged", len(k.ids))
	if len(k.ids) < 10*kills {
		h.t.Fatalf("only %d records were acknowledged: this tested nothing", len(k.ids))
	}
	h.up("a")
	h.equal("a", "b")
	h.holds("a", &k)
	h.holds("b", &k)
	h.coop("a", "down")
	b.Process.Signal(syscall.SIGTERM)
	b.Wait()
	h.oneChain("a")
	h.oneChain("b")
}

// paidOnce kills a node in the middle of payments, and says each of them again
// with its word until it is answered: each is made once.
func (h harm) paidOnce() {
	h.found("a", 0)
	paid, again := 0, 0
	for round := range kills {
		a := h.up("a")
		time.AfterFunc(time.Duration(5+7*round)*time.Millisecond, func() { a.Process.Kill() })
		for alive := true; alive; {
			ctx := api.WithOnce(context.Background(), fmt.Sprintf("pay %d", paid))
			err := h.client("a").Post(ctx, "/v1/payments", api.PaymentIn{Who: "treasury", Amount: "0.01"}, new(api.Made))
			if alive = err == nil; alive {
				paid++
			} else {
				again++
			}
		}
		a.Wait()
	}
	h.up("a")
	var l api.Ledger
	if err := h.client("a").Get(context.Background(), "/v1/ledger", &l); err != nil {
		h.t.Fatal(err)
	}
	// The last one may have been done without an answer.
	if n := len(l.Payments); n != paid && n != paid+1 {
		h.t.Errorf("%d payments were made of %d", n, paid)
	}
	h.t.Logf("%d payments, %d said again", paid, again)
}

// holds checks that a node holds what was acknowledged, and knows of nothing wrong.
func (h harm) holds(home string, k *acked) {
	h.t.Helper()
	var log api.Log
	if err := h.client(home).Get(context.Background(), "/v1/log", &log); err != nil {
		h.t.Fatal(err)
	}
	held := map[record.ID]bool{}
	for _, e := range log.Entries {
		held[e.ID] = true
		if e.Problem != "" {
			h.t.Errorf("%s: %s has no effect: %s", home, e.Kind, e.Problem)
		}
	}
	for _, id := range k.ids {
		if !held[id] {
			h.t.Fatalf("%s lost %s, which was acknowledged", home, id)
		}
	}
	s := h.status(home)
	if len(s.Problems) > 0 || s.Broken != "" {
		h.t.Errorf("%s: problems %v, broken %q", home, s.Problems, s.Broken)
	}
	for _, e := range s.Events {
		if strings.Contains(e, "slot") || strings.Contains(e, "door") {
			h.t.Errorf("%s: %s", home, e)
		}
	}
}

// oneChain checks that each device in a store wrote one record a slot, each
// upon the one before.
func (h harm) oneChain(home string) {
	h.t.Helper()
	s, err := store.Open(filepath.Join(h.home(home), "store"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	last := map[record.Key]*record.Record{}
	err = s.Headers(func(pos int, raw store.Raw) error {
		r, err := raw.Record()
		if err != nil {
			return err
		}
		seq, prev := uint64(1), record.ID{}
		if l := last[r.Device]; l != nil {
			seq, prev = l.Seq+1, l.ID
		}
		if r.Seq != seq || r.Prev != prev {
			h.t.Errorf("%s: record %d has seq %d upon %s, want %d upon %s", home, pos, r.Seq, r.Prev.Short(), seq, prev.Short())
		}
		last[r.Device] = r
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
}

// flip changes a bit in the middle, cut takes the second half away.
func flip(b []byte) []byte {
	b[len(b)/2] ^= 4
	return b
}

func cut(b []byte) []byte { return b[:len(b)/2] }

// damaged damages one file after the other of a home whose node was killed, and
// of one that was stopped. The node either works and shows all, or says which
// file is damaged, and deletes nothing.
func (h harm) damaged() {
	const listings = 3000
	h.found("stopped", listings)
	h.found("killed", 0)
	running := h.up("killed")
	h.coop("killed", "listing", "import", h.home("stopped.csv"))
	running.Process.Kill()
	running.Wait()
	refused := 0
	for _, home := range []string{"stopped", "killed"} {
		for _, file := range filesOf(h.t, h.home(home)) {
			for name, damage := range map[string]func([]byte) []byte{"flip": flip, "cut": cut} {
				refused += h.damage(home, file, name, damage, listings)
			}
		}
	}
	if refused < 4 {
		h.t.Errorf("%d damages were noticed: most of the files matter", refused)
	}
}

// filesOf returns the files in a folder with something in them, by their paths
// in it. Badger's lock and its value log, which has only a head, are no data.
func filesOf(t *testing.T, dir string) (files []string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if ext := filepath.Ext(path); err == nil && info.Size() > 0 && ext != ".vlog" && d.Name() != "LOCK" {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// damage damages a file in a copy of a home, and returns 1 if that was refused.
func (h harm) damage(home, file, how string, damage func([]byte) []byte, listings int) int {
	copied := h.copyHome(home, "x")
	defer os.RemoveAll(copied)
	path := filepath.Join(copied, file)
	whole, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	broken := damage(slices.Clone(whole))
	if bytes.Equal(bytes.TrimRight(broken, "\x00"), bytes.TrimRight(whole, "\x00")) {
		return 0 // zeros behind the end of a log
	}
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		h.t.Fatal(err)
	}
	before := filesOf(h.t, copied)
	what := fmt.Sprintf("%s of %s/%s", how, home, file)
	out, errs, status := h.try("x", "listing", "list", "--quiet")
	switch {
	case status == 0 && strings.Count(out, "\n")+1 == listings:
		return 0
	case status == 0:
		h.t.Errorf("%s: %d of %d listings are shown, and nothing is said", what, strings.Count(out, "\n")+1, listings)
	case status != 1 || !strings.Contains(errs, "damaged") || strings.Contains(errs, "goroutine"):
		h.t.Errorf("%s: exit status %d, want 1 and what is damaged:\n%s", what, status, errs)
	case !strings.Contains(errs, copied) || !strings.Contains(errs, "join from an empty home") && !strings.Contains(errs, "Nothing was deleted"):
		h.t.Errorf("%s: does not say where and what to do:\n%s", what, errs)
	}
	after := filesOf(h.t, copied)
	for _, f := range before {
		kept := slices.ContainsFunc(after, func(a string) bool { return filepath.Base(a) == filepath.Base(f) })
		if !kept && filepath.Base(f) != "lock" {
			h.t.Errorf("%s: %s was deleted", what, f)
		}
	}
	return 1
}

// copyHome copies a home to another name.
func (h harm) copyHome(from, to string) string {
	if out, err := exec.Command("cp", "-a", "--sparse=always", h.home(from), h.home(to)).CombinedOutput(); err != nil {
		h.t.Fatalf("cp: %v %s", err, out)
	}
	return h.home(to)
}

// full fills the disk below a running node, and makes room again.
func (h harm) full() {
	disk := h.home("d")
	if err := os.Mkdir(disk, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := mountSmall(disk, "160m"); err != nil {
		h.t.Skipf("this machine mounts no small disk: %v", err)
	}
	h.t.Cleanup(func() { unmount(disk) })
	if err := os.Mkdir(filepath.Join(disk, "a"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(disk, "a"), h.home("a")); err != nil {
		h.t.Fatal(err)
	}
	a, _ := h.pair()
	kept := h.coop("a", "listing", "add", "--offer", "--title", "Kept", "--quiet")

	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 80<<20), 0o600); err != nil {
		h.t.Fatal(err)
	}
	spent := cpuTime(h.t, a)
	time.Sleep(2 * time.Second) // in which what is due cannot be done: the node waits for room
	if spent = cpuTime(h.t, a) - spent; spent > 500*time.Millisecond {
		h.t.Errorf("a node with a full disk worked %s in two seconds", spent)
	}
	for _, running := range []bool{true, false} {
		if !running {
			a.Process.Kill()
			a.Wait()
		}
		_, errs, status := h.try("a", "listing", "add", "--offer", "--title", "Lost")
		if status != 1 || !strings.Contains(errs, "disk is full") || !strings.Contains(errs, "make room") {
			h.t.Errorf("running %v: on a full disk: exit status %d: %s", running, status, errs)
		}
		if got := h.coop("a", "listing", "list", "--quiet"); got != kept {
			h.t.Errorf("running %v: on a full disk are the listings %q, want %q alone", running, got, kept)
		}
	}
	h.up("a")
	brought := h.coop("b", "listing", "add", "--offer", "--title", "Of Bo", "--quiet")
	h.until("the node says that the disk is full", func() bool { return strings.Contains(h.status("a").Broken, "disk is full") })

	if err := os.Remove(ballast); err != nil {
		h.t.Fatal(err)
	}
	h.until("the same node writes when there is room again", func() bool {
		_, _, status := h.try("a", "listing", "add", "--offer", "--title", "Again")
		return status == 0
	})
	h.equal("a", "b")
	if list := h.coop("a", "listing", "list"); !strings.Contains(list, kept) || !strings.Contains(list, brought) || strings.Contains(list, "Lost") {
		h.t.Errorf("after there was room again the listings are\n%s", list)
	}
	h.coop("a", "down")
	h.oneChain("a")
}

// cpuTime returns how long a process has worked.
func cpuTime(t *testing.T, c *exec.Cmd) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// clock turns the clock of a node years back and forth while it writes.
func (h harm) clock() {
	home, err := keys.Open(h.home("a"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer home.Close()
	s, err := store.Open(home.StoreDir())
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = node.Found(home, func(r *record.Record) error { return s.Append([]*record.Record{r}) }, node.FoundAs{Name: "Willow Street", As: "Ana"}, now)
	if err != nil {
		h.t.Fatal(err)
	}
	for i, at := range []int{2026, 1970, 2400, 1999, 2026} {
		now = time.Date(at, 1, 1, 0, 0, 0, 0, time.UTC)
		clock := now
		n, err := node.Open(node.Config{Home: home, Store: s, Now: func() time.Time { return clock }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			h.t.Fatalf("in %d: %v", at, err)
		}
		id, err := n.AddListing(h.t.Context(), listing.Draft{Kind: listing.Offer, Title: fmt.Sprint("Of ", at)})
		if err != nil {
			h.t.Errorf("a listing in %d: %v", at, err)
		}
		// What has an end is not written by a clock that cannot be right.
		doubted := at < 2026 || i == 4
		_, err = n.OpenProposal(h.t.Context(), node.Proposal{Title: fmt.Sprint("In ", at), Text: "Shall we?"})
		if refused := err != nil && strings.Contains(err.Error(), "this computer's clock says"); err != nil && !refused || refused != doubted {
			h.t.Errorf("a proposal in %d: %v", at, err)
		}
		if _, err := n.Comment(h.t.Context(), id.String(), "Yes"); err != nil {
			h.t.Errorf("a comment in %d: %v", at, err)
		}
		v, err := n.View(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		for _, p := range v.State.Problems().All() {
			h.t.Errorf("in %d %s has no effect: %s", at, p.Kind, p.Reason)
		}
		if len(v.Events) > 0 != doubted || v.State.Order != v.State.Records {
			h.t.Errorf("in %d: events %v, %d of %d records in the minutes", at, v.Events, v.State.Order, v.State.Records)
		}
		n.Close()
	}
}

// copied copies a home to where no other copy is used any more.
func (h harm) copied() {
	h.pair()
	h.coop("a", "listing", "add", "--offer", "--title", "Eggs")
	h.equal("a", "b")
	h.coop("a", "down")
	h.copyHome("a", "c")

	for range 2 { // it stays so
		_, errs, status := h.try("c", "listing", "add", "--offer", "--title", "Milk")
		if status != 1 || !strings.Contains(errs, "was copied") || !strings.Contains(errs, "coop device trust") {
			h.t.Fatalf("a copy wrote alone, or does not say why not: exit status %d: %s", status, errs)
		}
	}
	if got := h.coop("c", "listing", "list"); !strings.Contains(got, "Eggs") {
		h.t.Errorf("a copy does not show the listings: %s", got)
	}
	if _, errs, status := h.try("c", "device", "trust"); status != 2 || !strings.Contains(errs, "--yes") {
		h.t.Errorf("a copy is trusted without a word: exit status %d: %s", status, errs)
	}
	h.copyHome("c", "e")

	h.up("c")
	h.until("a peer was asked", func() bool { return strings.Contains(h.status("c").Hint, "knows of nothing that is not here") })
	if _, errs, status := h.try("c", "listing", "add", "--offer", "--title", "Milk"); status != 1 {
		h.t.Errorf("a copy writes because a peer has nothing newer: exit status %d: %s", status, errs)
	}
	h.coop("c", "device", "trust", "--yes")
	h.coop("c", "listing", "add", "--offer", "--title", "Milk")
	h.equal("c", "b")

	h.coop("e", "device", "trust", "--yes")
	h.coop("e", "listing", "add", "--offer", "--title", "Flour")
}

// copiedTwice goes on with a home after a copy was made, and then with the copy.
func (h harm) copiedTwice() {
	h.pair()
	h.coop("a", "down")
	h.copyHome("a", "c")
	h.up("a")
	h.coop("a", "listing", "add", "--offer", "--title", "Eggs")
	h.equal("a", "b")
	h.coop("a", "down")
	h.up("c")
	h.equal("c", "b")
	h.until("the copy notices the other", func() bool {
		_, errs, status := h.try("c", "listing", "add", "--offer", "--title", "Milk")
		return status == 1 && strings.Contains(errs, "another copy of this home has signed")
	})
	h.coop("c", "down")
	h.oneChain("c")
}
