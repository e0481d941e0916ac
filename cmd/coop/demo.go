package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

// priceList is the price list of a small food co-op: facts from the sample data
// of Foodsoft (github.com/foodcoops/foodsoft, db/seeds/small.en.seeds.rb).
//
//go:embed demo/price-list.csv
var priceList []byte

// demoMax bounds every wait of the demo.
const demoMax = 20 * time.Second

func demoCmd(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Watch three people found a co-op, here, in under a minute", GroupID: "start", Args: args(cobra.NoArgs),
		Long: "Plays a story with four real nodes on this computer, in a folder that is deleted\nafterwards: three people found a co-op, trade and decide, are cut apart, go on alone,\nmeet again, and hold the same state to the last byte.",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			out := t.out
			if t.json {
				out = t.err
			}
			d, err := newDemo(c.Context(), out)
			if err != nil {
				return err
			}
			defer d.end()
			defer func() {
				if p := recover(); p != nil {
					failure, ok := p.(demoFailure)
					if !ok {
						panic(p)
					}
					err = failure.error
				}
			}()
			return t.answer(d.story(), func() {})
		},
	}
}

// demoFailure unwinds the story where something did not go as told.
type demoFailure struct{ error }

// demo is the stage: homes in a temporary folder, and nodes that run.
type demo struct {
	ctx     context.Context
	out     io.Writer
	dir     string
	program string
	running map[string]*exec.Cmd
}

func newDemo(ctx context.Context, out io.Writer) (*demo, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "coop-demo-")
	if err != nil {
		return nil, err
	}
	return &demo{ctx, out, dir, program, map[string]*exec.Cmd{}}, nil
}

// end stops what runs and leaves nothing behind.
func (d *demo) end() {
	for home := range d.running {
		d.stop(home)
	}
	os.RemoveAll(d.dir)
}

func (d *demo) fail(format string, args ...any) {
	if d.ctx.Err() != nil {
		panic(demoFailure{d.ctx.Err()})
	}
	panic(demoFailure{fmt.Errorf("the demo failed: "+format, args...)})
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "\n"+format+"\n", args...) }

func (d *demo) command(home string, args ...string) *exec.Cmd {
	c := exec.CommandContext(d.ctx, d.program, append([]string{"--home", filepath.Join(d.dir, home)}, args...)...)
	c.Env = append(os.Environ(), "COOP_LOG=", "XDG_RUNTIME_DIR="+d.dir) // what homes keep in memory goes too
	return c
}

// try runs a command of somebody and returns its two outputs.
func (d *demo) try(home string, args ...string) (out, errs string, err error) {
	c := d.command(home, args...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	err = c.Run()
	return strings.TrimSpace(o.String()), strings.TrimSpace(e.String()), err
}

// show prints a command as somebody types it.
func (d *demo) show(home string, args []string) {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = strings.TrimPrefix(a, d.dir+"/")
		if line, more, ok := strings.Cut(shown[i], "\n"); ok && more != "" {
			shown[i] = line + " …"
		}
		if len(shown[i]) > 90 {
			shown[i] = shown[i][:24] + "…"
		}
		if strings.Contains(shown[i], " ") {
			shown[i] = "'" + shown[i] + "'"
		}
	}
	fmt.Fprintf(d.out, "  %s$ coop %s\n", home, strings.Join(shown, " "))
}

// run shows a command and what it answers, and returns what it printed.
func (d *demo) run(home string, args ...string) string {
	d.show(home, args)
	out, errs, err := d.try(home, args...)
	if err != nil {
		d.fail("%s could not: coop %s: %v\n%s", home, strings.Join(args, " "), err, errs)
	}
	for l := range strings.SplitSeq(errs, "\n") {
		if strings.HasPrefix(l, "✓") {
			fmt.Fprintf(d.out, "    %s\n", l)
		}
	}
	return out
}

// refused shows a command that the co-op does not let pass.
func (d *demo) refused(home string, args ...string) {
	d.show(home, args)
	_, errs, err := d.try(home, args...)
	if err == nil {
		d.fail("%s could: coop %s", home, strings.Join(args, " "))
	}
	for l := range strings.SplitSeq(errs, "\n") {
		if strings.HasPrefix(l, "✗") {
			fmt.Fprintf(d.out, "    %s\n", l)
		}
	}
}

// read fills v with the JSON answer to a command.
func (d *demo) read(home string, v any, args ...string) {
	out, errs, err := d.try(home, append(args, "--json")...)
	if err == nil {
		err = json.Unmarshal([]byte(out), v)
	}
	if err != nil {
		d.fail("%s: coop %s: %v %s", home, strings.Join(args, " "), err, errs)
	}
}

func (d *demo) status(home string) (s api.Status) {
	d.read(home, &s, "status")
	return s
}

// until waits for something that the nodes do by themselves.
func (d *demo) until(what string, done func() bool) {
	for end := time.Now().Add(demoMax); !done(); {
		if time.Now().After(end) || d.ctx.Err() != nil {
			d.fail("%s did not happen within %s", what, demoMax)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// up starts somebody's node on a port of loopback and waits until it is ready.
// A node starts on another port each time: those that were cut apart do not
// find each other by what they remember.
func (d *demo) up(home string) {
	c := d.command(home, "up", "--listen", freePort(), "--no-mdns")
	c.Stderr = &bytes.Buffer{}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	out, err := c.StdoutPipe()
	if err != nil {
		d.fail("%v", err)
	}
	if err := c.Start(); err != nil {
		d.fail("%v", err)
	}
	d.running[home] = c
	if l, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(l, "ready") {
		d.fail("%s's node did not start: %v %s", home, err, c.Stderr)
	}
}

// freePort returns an address of loopback that nobody listens on.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

// stop ends somebody's node as a person would.
func (d *demo) stop(home string) {
	c, ok := d.running[home]
	if !ok {
		return
	}
	delete(d.running, home)
	// A process that is gone already cannot be told to go.
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
}

// connect lets one node call another.
func (d *demo) connect(from, to string) {
	d.run(from, "sync", d.status(to).Addrs[0])
	d.until(from+" and "+to+" meeting", func() bool {
		return slices.ContainsFunc(d.status(from).Peers, func(p api.Peer) bool { return p.Live })
	})
}

// equal waits until the nodes show the same state, and returns its digest.
func (d *demo) equal(homes ...string) string {
	digest := ""
	d.until("the same state on "+strings.Join(homes, ", "), func() bool {
		first := d.status(homes[0])
		digest = first.Digest
		return !slices.ContainsFunc(homes, func(h string) bool {
			s := d.status(h)
			return s.Digest != digest || s.Provisional > 0
		})
	})
	return digest
}

// join brings somebody in with a code.
func (d *demo) join(home, code, as string) {
	d.run(home, "join", code, "--as", as, "--wait", demoMax.String(), "--listen", freePort(), "--no-mdns")
	d.up(home)
}

// vote lets people vote yes, and waits until all know.
func (d *demo) vote(id string, homes ...string) {
	for _, h := range homes {
		d.until(h+" hearing of the proposal", func() bool {
			_, _, err := d.try(h, "proposal", "show", id)
			return err == nil
		})
		d.run(h, "vote", id[:8], "yes")
	}
	d.until("the decision", func() bool {
		var p api.Proposal
		d.read(homes[0], &p, "proposal", "show", id)
		return p.Status == "passed"
	})
}

func (d *demo) balances(home string) {
	var l api.Ledger
	d.read(home, &l, "ledger")
	for _, b := range l.Balances {
		if b.Unit == "hour" {
			fmt.Fprintf(d.out, "      %-9s %8s %s\n", b.Who, b.Balance, b.Unit)
		}
	}
}

// told is how the story ended.
type told struct {
	V     int        `json:"v"`
	Nodes []toldNode `json:"nodes"`
}

type toldNode struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Records int    `json:"records"`
}

// story is the demo, step by step.
func (d *demo) story() told {
	d.found()
	d.trade()
	text := d.decide()
	d.apart(text)
	return d.meet(text)
}

func (d *demo) found() {
	d.say("1. Ana founds a food co-op on her computer. There is no server.")
	d.run("ana", "found", "--name", "Willow Street", "--as", "Ana", "--device", "laptop", "--unit", "hour", "--unit", "euro")
	d.up("ana")

	d.say("2. She invites Bo and Chi, each on a computer of their own.")
	code := d.run("ana", "invite", "--uses", "2")
	d.join("bo", code, "Bo")
	d.join("chi", code, "Chi")

	d.say("   The invite is used up. Somebody who finds the paper stands before a closed door.")
	d.refused("mallory", "join", code, "--as", "Mallory", "--wait", "3s", "--listen", freePort(), "--no-mdns")

	d.say("3. Bo and Chi are associates. A decision makes them members, and all three tellers, who keep the minutes.")
	id := d.run("ana", "member", "propose", "Bo", "Chi")
	d.vote(id, "ana")
	d.equal("ana", "bo", "chi")
	id = d.run("ana", "proposal", "open", "--title", "Three tellers; pay up to 50 hours offline", "--effect", "tellers:Ana,Bo,Chi", "--effect", "bylaw:offline-limit/hour=50")
	d.vote(id, "ana", "bo")

	d.say("4. Bo adds his phone: a second computer, a key of its own, the same person.")
	code = d.run("bo", "device", "invite")
	d.join("phone", code, "phone")
	d.equal("ana", "bo", "chi", "phone")
}

func (d *demo) trade() {
	d.say("5. Ana offers what the co-op's suppliers sell: a real price list, warts and all.")
	path := filepath.Join(d.dir, "price-list.csv")
	if err := os.WriteFile(path, priceList, 0o600); err != nil {
		d.fail("%v", err)
	}
	d.run("ana", "listing", "import", path, "--unit", "euro")
	d.run("bo", "listing", "add", "--need", "--title", "A cargo bike for Saturday", "--price", "2 hour")
	d.equal("ana", "bo", "chi", "phone")
	var found api.Listings
	d.read("chi", &found, "listing", "list", "--search", "bread walnuts")
	fmt.Fprintf(d.out, "  chi$ coop listing list --search 'bread walnuts'\n")
	for _, l := range found.Listings {
		fmt.Fprintf(d.out, "      %-36s %-18s %s\n", l.Title, l.Price, l.Owner)
	}

	d.say("6. Chi pays Bo for two hours of work. Bo accepts; the tellers put it into the minutes.")
	id := d.run("chi", "pay", "Bo", "2", "--note", "shelves")
	d.until("Bo hearing of the payment", func() bool { return len(d.status("bo").ToConfirm) == 1 })
	d.run("bo", "accept", id[:8])
	d.equal("ana", "bo", "chi", "phone")
	d.balances("ana")
}

func (d *demo) decide() (text string) {
	d.say("7. They begin to write a text together.")
	text = d.run("ana", "proposal", "draft", "--title", "Delivery days", "--text", "We deliver bread.\nWe deliver vegetables.\nWe rest on Sunday.\n")
	d.run("ana", "accept", "--always", "100")
	d.equal("ana", "bo", "chi", "phone")
	return text
}

func (d *demo) apart(text string) {
	d.say("8. The street loses its network. Ana and Bo's laptop are in one house, Chi and Bo's phone in another.")
	for _, h := range []string{"ana", "bo", "chi", "phone"} {
		d.stop(h)
	}
	for _, h := range []string{"ana", "bo", "chi", "phone"} {
		d.up(h)
	}
	d.connect("bo", "ana")
	d.connect("phone", "chi")

	d.say("9. All go on working. All three change the same text, and listings of their own.")
	d.run("ana", "proposal", "edit", text, "--text", "We deliver bread on Monday.\nWe deliver vegetables.\nWe rest on Sunday.\n")
	d.until("Bo reading Ana's change", func() bool {
		var t api.Draft
		d.read("bo", &t, "proposal", "show", text)
		return strings.Contains(t.Text, "Monday")
	})
	d.run("bo", "proposal", "edit", text, "--text", "We deliver bread on Monday.\nWe deliver vegetables on Thursday.\nWe rest on Sunday.\n")
	d.run("chi", "proposal", "edit", text, "--text", "We deliver bread.\nWe deliver vegetables.\nWe rest on Sunday, all of us.\n")
	d.run("ana", "listing", "add", "--offer", "--title", "Eggs from my hens", "--price", "3 euro/dozen")
	d.run("chi", "listing", "add", "--offer", "--title", "Sewing lessons", "--price", "1 hour")

	d.say("10. Bo and Chi pay Ana. And Bo spends his whole limit twice: here and, by his phone, there.")
	d.run("chi", "pay", "Ana", "3", "--note", "eggs")
	d.run("bo", "pay", "Ana", "52", "--note", "roof, from the laptop")
	d.run("phone", "pay", "Chi", "50", "--note", "sewing machine, from the phone")
	d.equal("ana", "bo")
	fmt.Fprintln(d.out, "   In Ana's house two of three tellers meet: there it is in the minutes. In Chi's it waits:")
	for _, p := range d.payments("chi") {
		if !p.Minuted {
			fmt.Fprintf(d.out, "      %s pays %s %s %s: %s\n", p.From, p.To, p.Amount, p.Unit, p.Waits)
		}
	}
}

func (d *demo) payments(home string) []api.Payment {
	var l api.Ledger
	d.read(home, &l, "ledger")
	return l.Payments
}

func (d *demo) meet(text string) told {
	d.say("11. The houses meet again.")
	d.connect("chi", "ana")
	digest := d.equal("ana", "bo", "chi", "phone")

	var t api.Draft
	d.read("chi", &t, "proposal", "show", text)
	fmt.Fprintln(d.out, "   No edit is lost:")
	for l := range strings.SplitSeq(strings.TrimSpace(t.Text), "\n") {
		fmt.Fprintf(d.out, "      %s\n", l)
	}
	for _, word := range []string{"Monday", "Thursday", "all of us"} {
		if !strings.Contains(t.Text, word) {
			d.fail("the text lost %q", word)
		}
	}

	fmt.Fprintln(d.out, "   Of the two payments that Bo could not both afford, one has no effect, and both sides see why:")
	for _, h := range []string{"ana", "chi"} {
		problems := d.status(h).Problems
		if len(problems) != 1 || problems[0].Author != "Bo" {
			d.fail("%s sees %d problems, not one of Bo's", h, len(problems))
		}
		fmt.Fprintf(d.out, "      %s sees: %s\n", h, problems[0].Reason)
	}
	fmt.Fprintln(d.out, "   The balances add up to zero:")
	d.balances("phone")

	d.say("12. The digests of the whole state:")
	end := told{V: api.Version}
	for _, h := range []string{"ana", "bo", "chi", "phone"} {
		s := d.status(h)
		if s.Digest != digest {
			d.fail("%s has another state", h)
		}
		fmt.Fprintf(d.out, "      %-6s %s  %d records\n", h, s.Digest, s.Records)
		end.Nodes = append(end.Nodes, toldNode{h, s.Digest, s.Records})
	}
	d.say("The same to the last byte, and nobody's server was asked.")
	return end
}
