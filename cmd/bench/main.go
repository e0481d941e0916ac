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

// bench is where homes are, and how often and how much to measure.
type bench struct {
	ctx     context.Context
	dir     string
	runs    int
	small   bool
	nth     int
	printed []string // the names of the lines of the work that is on
}

// work is something a node does that is measured, and the lines that come of it.
type work struct {
	name  string
	run   func(*bench)
	lines []string
}

var works = []work{
	{"W1", func(b *bench) { b.catchUp(b.size(1000)) }, caughtUpLines("W1")},
	{"W1 10k", func(b *bench) { b.catchUp(b.size(10000)) }, caughtUpLines("W1")},
	{"append", (*bench).appends, []string{"own write", "append at 10k against 1k"}},
	{"proposals", (*bench).proposals, append([]string{"proposal and vote"}, caughtUpLines("W1 proposals")...)},
	{"W2", (*bench).live, []string{"W2 p50", "W2 p99"}},
	{"W3", (*bench).burst, []string{"W3"}},
	{"W4", (*bench).difference, []string{"W4", "W4 wire"}},
	{"W5", (*bench).start, []string{"W5", "W5 memory"}},
	{"W6", (*bench).fanOut, []string{"W6 p50", "W6 p99", "W6 burst"}},
	{"minuted", (*bench).minuted, []string{"act to minuted p50, 4 tellers", "act to minuted p99, 4 tellers"}},
	{"page", (*bench).page, []string{"list of all listings", "search"}},
}

// large is a work too long to be in every run.
var large = work{"W1 100k", func(b *bench) { b.catchUp(b.size(100000)) }, caughtUpLines("W1")}

// caughtUpLines are the lines that newcomers prints.
func caughtUpLines(name string) []string {
	return []string{name, name + " first", name + " wire a record", name + " peak memory", name + " disk"}
}

// workMost is how long a work may take in small, on a slow and busy machine.
const workMost = 2 * time.Minute

func main() {
	log.SetOutput(io.Discard)
	runs := flag.Int("runs", 3, "of which the median counts")
	only := flag.String("only", "", "one work, such as W2")
	withLarge := flag.Bool("large", false, "W1 with 100,000 listings too")
	small := flag.Bool("small", false, "every work with a few items: shows that it runs, measures nothing")
	flag.Parse()
	if flag.NArg() > 0 {
		check(child(flag.Args()))
		return
	}
	dir, err := os.MkdirTemp("", "bench")
	check(err)
	defer os.RemoveAll(dir)
	check(os.Setenv("XDG_RUNTIME_DIR", dir)) // what homes keep in memory goes too
	b := &bench{ctx: context.Background(), dir: dir, runs: *runs, small: *small}
	all := works
	if *withLarge {
		all = append(all, large)
	}
	ran := false
	for _, w := range all {
		if *only == "" || *only == w.name {
			b.measure(w)
			ran = true
		}
	}
	if !ran {
		check(fmt.Errorf("there is no work %q", *only))
	}
}

// measure does a work. One that prints other lines than it should, or in small takes
// too long, ends the program: a measurement that is missing must not go unseen.
func (b *bench) measure(w work) {
	if b.small {
		late := time.AfterFunc(workMost, func() { check(fmt.Errorf("%s took more than %s", w.name, workMost)) })
		defer late.Stop()
	}
	b.printed = nil
	w.run(b)
	if !slices.Equal(b.printed, w.lines) {
		check(fmt.Errorf("%s printed %q, not %q", w.name, b.printed, w.lines))
	}
}

// size is how many items a work has that measures n.
func (b *bench) size(n int) int {
	if b.small {
		return max(n/500, 4)
	}
	return n
}

// check ends the program: there is nothing to go on with.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

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
	b.printed = append(b.printed, work)
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
	a := b.found()
	defer a.close()
	write(b.ctx, a.node, n, 1)
	b.newcomers("W1", n, a, n)
}

// appends measures what one own write takes, and whether that grows with what is
// held.
func (b *bench) appends() {
	n := b.size(10000)
	a := b.found()
	defer a.close()
	took := write(b.ctx, a.node, n, 1)
	last := took[n-n/10:]
	b.print("own write", n, "ms", last, a.rawWrites(b.size(500)))
	b.print("append at 10k against 1k", n, "ms", last, took[n/20:n/20+n/10])
}

// newcomers lets empty nodes, each a process of its own, join a node and hold so
// many listings, and prints what that took.
func (b *bench) newcomers(work string, n int, a *peer, listings int) {
	var all, first, wire, peak, disk, raw []float64
	for i := range b.runs {
		raw = append(raw, a.rawCatchUp(b.home()))
		dir := b.home()
		code := a.invite()
		var got caughtUp
		b.child(&got, "join", dir, code, fmt.Sprint("Bo ", i), strconv.Itoa(listings))
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
	n := b.size(1000)
	a := b.found()
	defer a.close()
	began := time.Now()
	for i := range n {
		id, err := a.node.OpenProposal(b.ctx, node.Proposal{Title: fmt.Sprint("Proposal ", i), Text: "Shall we buy flour together?"})
		check(err)
		_, err = a.node.Vote(b.ctx, id.String(), "yes", "It is cheaper")
		check(err)
	}
	b.print("proposal and vote", n, "ms", []float64{millis(began) / float64(n)}, nil)
	b.newcomers("W1 proposals", n, a, 0)
}

// live is W2: from the write at one node until another shows it.
func (b *bench) live() {
	n := b.size(500)
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
	n := b.size(2000)
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
	const each = 10
	n := b.size(10000)
	peers := b.group(2)
	defer closeAll(peers)
	b.fill(peers[0], n)
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

// fill makes n listings with few writes.
func (b *bench) fill(p *peer, n int) {
	all := make([]listing.Draft, n)
	for i := range all {
		all[i] = draft(i)
	}
	for part := range slices.Chunk(all, 1000) {
		_, err := p.node.ImportListings(b.ctx, part)
		check(err)
	}
}

// start is W5: from the start of a process until it shows the first page.
func (b *bench) start() {
	n := b.size(10000)
	a := b.found()
	b.fill(a, n)
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
	const nodes = 8
	n := b.size(200)
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
	const tellers = 4
	n := b.size(30)
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
	raw := peers[0].rawGossip(b.size(100), 1)
	b.print("act to minuted p50, 4 tellers", n, "ms", took, []float64{5 * median(raw)}) // five hops
	b.print("act to minuted p99, 4 tellers", n, "ms", []float64{quantile(took, .99)}, nil)
}

// page measures what the list of all listings and a search in it take, with the
// JSON of the local interface.
func (b *bench) page() {
	n := b.size(10000)
	a := b.found()
	defer a.close()
	b.fill(a, n)
	client := api.Direct(api.New(a.node, func() {}))
	var all, one []float64
	for i := range 20 {
		for path, took := range map[string]*[]float64{"/v1/listings": &all, fmt.Sprintf("/v1/listings?search=%d", (777+i)%n): &one} {
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
		return joinAndTell(ctx, args[1], args[2], args[3], args[4])
	}
	return fmt.Errorf("unknown work %q", args[0])
}

func joinAndTell(ctx context.Context, dir, code, name, count string) error {
	want, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	p := joiner(dir, code, name)
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
