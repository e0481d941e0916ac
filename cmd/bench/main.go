// Command bench measures a node as its members meet it: real nodes with real
// stores, over libp2p on loopback. It prints one JSON line a measurement, the
// median of some runs, and beside it what the same machine can do at most in
// the same run: the raw stream, gossip or fsync without a co-op on top. The
// ratio of the two says more than either, because machines differ.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"coop/crdt/listing"
	"coop/crdt/record"
	"coop/node"
	"coop/ui/api"
)

// result is one line.
type result struct {
	Work  string  `json:"work"`
	N     int     `json:"n,omitempty"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Raw   float64 `json:"raw,omitempty"` // what is possible at most, in the same unit
	Ratio float64 `json:"ratio,omitempty"`
	Runs  int     `json:"runs"`
}

// bench is where homes are, and how often to measure.
type bench struct {
	ctx  context.Context
	dir  string
	runs int
	only string
	nth  int
}

func main() {
	log.SetOutput(io.Discard)
	runs := flag.Int("runs", 3, "of which the median counts")
	only := flag.String("only", "", "one work, such as W1")
	large := flag.Bool("large", false, "W1 with 100,000 listings too")
	flag.Parse()
	if flag.NArg() > 0 {
		check(child(flag.Args()))
		return
	}
	dir, err := os.MkdirTemp("", "bench")
	check(err)
	defer os.RemoveAll(dir)
	b := &bench{ctx: context.Background(), dir: dir, runs: *runs, only: *only}
	sizes := []int{1000, 10000}
	if *large {
		sizes = append(sizes, 100000)
	}
	for _, n := range sizes {
		b.catchUp(n)
	}
	for _, w := range []struct {
		name string
		run  func()
	}{
		{"proposals", b.proposals}, {"W2", b.live}, {"W3", b.burst}, {"W4", b.difference}, {"W5", b.start}, {"W6", b.fanOut},
		{"minuted", b.minuted}, {"page", b.page},
	} {
		if b.wants(w.name) {
			w.run()
		}
	}
}

// check ends the program: there is nothing to go on with.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) wants(work string) bool { return b.only == "" || b.only == work }

// home returns a new folder.
func (b *bench) home() string {
	b.nth++
	return filepath.Join(b.dir, strconv.Itoa(b.nth))
}

// print prints the medians of what was measured. Without raw, or without a
// measure of it, there is no ratio.
func (b *bench) print(work string, n int, unit string, values, raw []float64) {
	r := result{Work: work, N: n, Unit: unit, Value: round(median(values)), Runs: len(values)}
	if m := median(raw); m > 0 {
		r.Raw, r.Ratio = round(m), round(median(values)/m)
	}
	check(json.NewEncoder(os.Stdout).Encode(r))
}

func median(values []float64) float64 { return quantile(values, 0.5) }

func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// round keeps three digits.
func round(v float64) float64 {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return v
}

func seconds(since time.Time) float64 { return time.Since(since).Seconds() }
func millis(since time.Time) float64  { return 1000 * seconds(since) }

// draft is a listing of about 400 bytes as a record.
func draft(i int) listing.Draft {
	return listing.Draft{
		Kind: listing.Offer, Title: fmt.Sprintf("Brown bread number %d", i), Category: "Bakery",
		Text:  "Sourdough of wheat and rye, baked on Fridays in the oven of the house. Tell me until Thursday how many you want, and fetch them from the kitchen.",
		Price: "2.20 hour", Place: "House 3",
	}
}

// write makes n listings, each with a write of its own, by so many writers at
// once, and returns how long each took, in milliseconds, of the first writer.
func write(ctx context.Context, n *node.Node, count, writers int) (took []float64) {
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := w; i < count; i += writers {
				began := time.Now()
				_, err := n.AddListing(ctx, draft(i))
				check(err)
				if w == 0 {
					took = append(took, millis(began))
				}
			}
		})
	}
	all.Wait()
	return took
}

// catchUp is W1: a newcomer receives what somebody wrote alone.
func (b *bench) catchUp(n int) {
	if !b.wants("W1") && !(n == 10000 && b.wants("append")) {
		return
	}
	a := b.found()
	defer a.close()
	took := write(b.ctx, a.node, n, 1)
	if n == 10000 {
		raw := a.rawWrites(500)
		b.print("own write", n, "ms", took[n-1000:], raw)
		b.print("append at 10k against 1k", n, "ms", took[n-1000:], took[500:1500])
	}
	if b.wants("W1") {
		b.newcomers("W1", n, a, n)
	}
}

// newcomers lets empty nodes, each a process of its own, join a node and hold so
// many listings, and prints what that took.
func (b *bench) newcomers(work string, n int, a *peer, listings int) {
	var all, first, wire, peak, disk, raw []float64
	for range b.runs {
		raw = append(raw, a.rawCatchUp(b.home()))
		dir := b.home()
		code := a.invite()
		var got caughtUp
		b.child(&got, "join", dir, code, strconv.Itoa(listings))
		records := float64(a.view().State.Records)
		all, first = append(all, got.All), append(first, got.First)
		wire, peak = append(wire, float64(got.Bytes)/records), append(peak, got.Peak)
		disk = append(disk, diskUse(dir))
	}
	b.print(work, n, "s", all, raw)
	b.print(work+" first", n, "s", first, nil)
	b.print(work+" wire a record", n, "B", wire, nil)
	b.print(work+" peak memory", n, "MB", peak, nil)
	b.print(work+" disk", n, "MB", disk, nil)
}

// proposals is W1 with acts: proposals with a text, and a vote on each.
func (b *bench) proposals() {
	const n = 1000
	a := b.found()
	defer a.close()
	began := time.Now()
	for i := range n {
		id, err := a.node.OpenProposal(b.ctx, node.Proposal{Title: fmt.Sprint("Proposal ", i), Text: "Shall we buy flour together?"})
		check(err)
		_, err = a.node.Vote(b.ctx, id.String(), "yes", "It is cheaper")
		check(err)
	}
	b.print("proposal and vote", n, "ms", []float64{millis(began) / n}, nil)
	b.newcomers("W1 proposals", n, a, 0)
}

// live is W2: from the write at one node until another shows it.
func (b *bench) live() {
	const n = 500
	var p50, p99, raw50, raw99 []float64
	for range b.runs {
		peers := b.group(2)
		var took []float64
		for i := range n {
			took = append(took, spread(b.ctx, peers, i))
		}
		raw := peers[0].rawGossip(n, 1)
		closeAll(peers)
		p50, p99 = append(p50, quantile(took, .5)), append(p99, quantile(took, .99))
		raw50, raw99 = append(raw50, quantile(raw, .5)), append(raw99, quantile(raw, .99))
	}
	b.print("W2 p50", n, "ms", p50, raw50)
	b.print("W2 p99", n, "ms", p99, raw99)
}

// spread writes a listing at the first peer and returns after how many
// milliseconds all the others show it.
func spread(ctx context.Context, peers []*peer, i int) float64 {
	began := time.Now()
	id, err := peers[0].node.AddListing(ctx, draft(i))
	check(err)
	for _, p := range peers[1:] {
		p.await(func(v node.View) bool { return v.State.Listings.Has(id) })
	}
	return millis(began)
}

// burst is W3: as fast as four people can, until the other has all.
func (b *bench) burst() {
	const n = 2000
	var took, raw []float64
	for range b.runs {
		peers := b.group(2)
		began := time.Now()
		write(b.ctx, peers[0].node, n, 4)
		peers[1].await(func(v node.View) bool { return v.State.Listings.Len() == n })
		took = append(took, seconds(began))
		raw = append(raw, peers[0].rawCatchUp(b.home()))
		closeAll(peers)
	}
	b.print("W3", n, "s", took, raw)
}

// difference is W4: two nodes that hold 10,000 listings write ten each, apart,
// and meet.
func (b *bench) difference() {
	const n, each = 10000, 10
	peers := b.group(2)
	defer closeAll(peers)
	for range n / 1000 {
		_, err := peers[0].node.ImportListings(b.ctx, drafts(1000))
		check(err)
	}
	same(peers)
	var took, kilobytes, raw []float64
	for range b.runs {
		for _, p := range peers {
			p.net.Stop()
			write(b.ctx, p.node, each, 1)
		}
		for _, p := range peers {
			p.online()
		}
		began := time.Now()
		check(peers[1].net.Dial(b.ctx, peers[0].net.Addrs()[0]))
		raw = append(raw, millis(began)) // connected: no node can be faster
		same(peers)
		took = append(took, millis(began))
		kilobytes = append(kilobytes, float64(peers[1].net.Sent.Load()+peers[1].net.Received.Load())/1000)
	}
	b.print("W4", n, "ms", took, raw)
	b.print("W4 wire", n, "kB", kilobytes, nil)
}

func drafts(n int) (all []listing.Draft) {
	for i := range n {
		all = append(all, draft(i))
	}
	return all
}

// start is W5: from the start of a process until it shows the first page.
func (b *bench) start() {
	const n = 10000
	a := b.found()
	for range n / 1000 {
		_, err := a.node.ImportListings(b.ctx, drafts(1000))
		check(err)
	}
	a.close()
	var took, memory, raw []float64
	for range b.runs {
		began := time.Now()
		var peak float64
		b.child(&peak, "read", a.dir)
		took, memory = append(took, millis(began)), append(memory, peak)
		began = time.Now()
		b.child(&peak, "open", a.dir)
		raw = append(raw, millis(began))
	}
	b.print("W5", n, "ms", took, raw)
	b.print("W5 memory", n, "MB", memory, nil)
}

// fanOut is W6: eight nodes, until all have what one writes.
func (b *bench) fanOut() {
	const nodes, n = 8, 200
	var p50, p99, burst, raw50, raw99 []float64
	for range b.runs {
		peers := b.group(nodes)
		var took []float64
		for i := range n {
			took = append(took, spread(b.ctx, peers, i))
		}
		began := time.Now()
		write(b.ctx, peers[0].node, n, 4)
		for _, p := range peers[1:] {
			p.await(func(v node.View) bool { return v.State.Listings.Len() == 2*n })
		}
		burst = append(burst, seconds(began))
		raw := peers[0].rawGossip(n, nodes-1)
		closeAll(peers)
		p50, p99 = append(p50, quantile(took, .5)), append(p99, quantile(took, .99))
		raw50, raw99 = append(raw50, quantile(raw, .5)), append(raw99, quantile(raw, .99))
	}
	b.print("W6 p50", n, "ms", p50, raw50)
	b.print("W6 p99", n, "ms", p99, raw99)
	b.print("W6 burst", n, "s", burst, nil)
}

// minuted measures from an act until it is in the minutes, with four tellers.
func (b *bench) minuted() {
	const tellers, n = 4, 30
	peers := b.group(tellers)
	defer closeAll(peers)
	b.seat(peers)
	var took []float64
	for i := range n {
		began := time.Now()
		id, err := peers[i%tellers].node.OpenProposal(b.ctx, node.Proposal{Title: fmt.Sprint("Proposal ", i)})
		check(err)
		peers[0].await(func(v node.View) bool { _, ok := v.State.Minuted.Proposals.Proposals.Get(id); return ok })
		took = append(took, millis(began))
	}
	raw := peers[0].rawGossip(100, 1)
	b.print("act to minuted p50, 4 tellers", n, "ms", took, []float64{5 * median(raw)}) // five hops
	b.print("act to minuted p99, 4 tellers", n, "ms", []float64{quantile(took, .99)}, nil)
}

// page measures what the list of all listings and a search in it take, with the
// JSON of the local interface.
func (b *bench) page() {
	const n = 10000
	a := b.found()
	defer a.close()
	for range n / 1000 {
		_, err := a.node.ImportListings(b.ctx, drafts(1000))
		check(err)
	}
	client := api.Direct(api.New(a.node, func() {}))
	var all, one []float64
	for i := range 20 {
		for path, took := range map[string]*[]float64{"/v1/listings": &all, fmt.Sprintf("/v1/listings?search=%d", 777+i): &one} {
			var out api.Listings
			began := time.Now()
			check(client.Get(b.ctx, path, &out))
			*took = append(*took, millis(began))
			if len(out.Listings) == 0 {
				check(fmt.Errorf("nothing found"))
			}
		}
	}
	b.print("list of all listings", n, "ms", all, nil)
	b.print("search", n, "ms", one, nil)
}

// child runs this program for one measurement and fills out with what it tells.
func (b *bench) child(out any, args ...string) {
	program, err := os.Executable()
	check(err)
	c := exec.CommandContext(b.ctx, program, args...)
	c.Stderr = os.Stderr
	answer, err := c.Output()
	check(err)
	check(json.Unmarshal(answer, out))
}

// caughtUp is what a newcomer's process tells.
type caughtUp struct {
	First, All float64 // seconds
	Bytes      int64
	Peak       float64 // megabytes of memory
}

// child is what a process does that is measured as a whole.
func child(args []string) error {
	ctx := context.Background()
	switch args[0] {
	case "open":
		if err := rawOpen(args[1]); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(peakMemory())
	case "read":
		p, err := openPeer(args[1])
		if err != nil {
			return err
		}
		p.online()
		if p.view().State.Listings.Len() == 0 {
			return fmt.Errorf("there are no listings")
		}
		p.close()
		return json.NewEncoder(os.Stdout).Encode(peakMemory())
	case "join":
		return joinAndTell(ctx, args[1], args[2], args[3])
	}
	return fmt.Errorf("unknown work %q", args[0])
}

func joinAndTell(ctx context.Context, dir, code, count string) error {
	want, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	p := joiner(dir, code, "Bo")
	began := time.Now()
	p.online()
	var out caughtUp
	p.await(func(v node.View) bool {
		if out.First == 0 && v.State != nil && v.State.Records > 1 {
			out.First = seconds(began)
		}
		return v.Joined && v.Me.ID != (record.ID{}) && v.State.Listings.Len() >= want
	})
	out.All, out.Bytes = seconds(began), p.net.Received.Load()
	p.close()
	out.Peak = peakMemory()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// peakMemory returns the megabytes this process held at most, 0 where the system
// does not tell. (What wait4 tells begins with what the parent held.)
func peakMemory() (megabytes float64) {
	b, _ := os.ReadFile("/proc/self/status")
	_, line, _ := strings.Cut(string(b), "VmHWM:")
	fmt.Sscan(line, &megabytes)
	return megabytes / 1024
}

func quietLog() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// diskUse returns the megabytes that the files of a home take.
func diskUse(dir string) float64 {
	var blocks int64
	check(filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				blocks += stat.Blocks
			}
		}
		return err
	}))
	return float64(blocks*512) / 1e6
}
