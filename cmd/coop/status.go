package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coop/node/keys"
	"coop/ui/api"
)

func statusCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Who you are, how the node is, and what waits for you", GroupID: "node", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var s api.Status
		if err := t.get(c.Context(), "/v1/status", &s); err != nil {
			return err
		}
		return t.answer(s, func() { t.showStatus(s) })
	}}
}

// admitsMost is how many cards at the door status shows: somebody who was put out can
// show any number.
const admitsMost = 8

func (t *terminal) showStatus(s api.Status) {
	if s.Clock != nil {
		fmt.Fprintf(t.out, "! %s\n", line(s.Clock.Text))
	}
	if s.Broken != "" {
		fmt.Fprintf(t.out, "! %s\n", line(s.Broken))
		t.fields("next", s.Hint)
	}
	if !s.Joined && s.Coop != "" {
		fmt.Fprintln(t.out, line(s.Coop))
		t.fields("computer", s.DeviceName, "you", "nobody with this computer any more; what it holds can still be read", "shut out", s.ShutOut)
		return
	}
	if !s.Joined {
		if s.Broken == "" {
			fmt.Fprintln(t.out, "not admitted yet")
		}
		if s.Broken == "" && s.Waits == "" && s.ShutOut == "" && len(s.Peers) == 0 {
			s.Waits = "somebody of the co-op; leave `coop up` running, or say `coop join` again"
		}
		t.fields("waits for", s.Waits, "shut out", s.ShutOut, "card", sameWords(s.CardWords), "device", s.Device)
		if s.ShutOut != "" {
			t.note("  %s", anotherCode)
		}
		return
	}
	fmt.Fprintf(t.out, "%s\n", line(s.Coop))
	t.fields("you", fmt.Sprintf("%s, %s", s.Member, strings.Join(append([]string{s.Standing}, s.Offices...), ", ")),
		"computer", s.DeviceName, "sync", t.syncWord(s), "records", fmt.Sprintf("%d, of them %d in the minutes", s.Records, s.Minuted))
	if s.Standing == "resting" {
		t.fields("resting", "you were silent, so proposals do not count you; your next vote, payment or proposal makes you vote again")
	}
	if s.Provisional > 0 {
		waiting := count(s.Provisional, "act") + " not in the minutes yet"
		if s.Waiting != "" { // else they came into the minutes meanwhile
			waiting += "; the first " + s.Waiting
		}
		t.fields("waiting", waiting)
	}
	for _, b := range s.Balances {
		t.fields("balance", fmt.Sprintf("%s %s, can pay %s", b.Balance, b.Unit, b.Available))
	}
	if s.OutOfReach != "" && len(s.Balances) > 0 {
		t.fields("offline", s.OutOfReach+": the bylaws limit what you can pay until then")
	}
	heads := make([]string, len(s.Heads))
	for i, h := range s.Heads {
		heads[i] = h.Short()
	}
	t.fields("co-op", s.CoopID, "heads", strings.Join(heads, " "), "digest", s.Digest, "succeeds", s.Succeeds)
	for _, p := range s.ToVote {
		if p.Over {
			t.fields("over", fmt.Sprintf("%s  %s   %s", p.ID.Short(), p.Title, timeOver))
			continue
		}
		t.fields("vote", fmt.Sprintf("%s  %s   coop vote %s yes|no|abstain", p.ID.Short(), p.Title, p.ID.Short()), "careful", unseats(p))
	}
	for _, p := range s.ToConfirm {
		t.toConfirm(p)
	}
	for _, d := range s.Gone {
		t.fields("gone", fmt.Sprintf("%s, owing %s", d.Who, strings.Join(d.Owes, " and ")))
	}
	most := min(len(s.ToAdmit), admitsMost)
	for _, n := range s.ToAdmit[:most] {
		t.fields("admit", n.Asks)
	}
	if more := len(s.ToAdmit) - most + s.Hidden; more > 0 {
		t.fields("admit", count(more, "more card")+"   coop member waiting")
	}
	t.fields("advice", s.Advice)
	if s.Trouble > 0 {
		t.fields("trouble", fmt.Sprintf("%s went wrong or %s cheated   coop trouble", count(s.Trouble, "thing"), oneOr(s.Trouble, "was", "were")))
	}
	for _, r := range s.Reseatings {
		if len(r.Took) > 0 {
			fmt.Fprintf(t.out, "! %s: coop tellers shows which\n", reseated(r))
		}
	}
	if s.Words {
		t.fields("words", "your 24 words are still on this computer: write them on paper (`coop words show`), then `coop words forget`")
	}
}

// toConfirm shows a payment to take, or a request to pay: never as if one were
// the other.
func (t *terminal) toConfirm(p api.Payment) {
	id := p.ID.Short()
	if p.Asked {
		t.fields("pay?", fmt.Sprintf("%s asks for %s %s%s   coop accept %s pays it, coop decline %s", p.To, p.Amount, p.Unit, noted(p.Note), id, id))
		return
	}
	t.fields("confirm", fmt.Sprintf("%s %s from %s%s   coop accept %s", p.Amount, p.Unit, p.From, noted(p.Note), id))
}

// syncWord says how this node is, in one of a few words.
func (t *terminal) syncWord(s api.Status) string {
	live, equal, left := 0, 0, uint64(0)
	for _, p := range s.Peers {
		if p.Live {
			live++
			left += p.Receiving
			if p.Equal {
				equal++
			}
		}
	}
	switch {
	case live == 0 && s.ShutOut != "":
		return "alone: " + line(s.ShutOut)
	case live == 0 && s.Broken != "": // nothing is saved
		return map[bool]string{true: "alone: nobody reachable", false: "no node runs here"}[t.running()]
	case live == 0 && !t.running():
		return "no node runs here; what you do is saved, and shared when `coop up` runs"
	case live == 0:
		return "alone: nobody reachable; all you do is saved here and shared when somebody is"
	case left > 0:
		return fmt.Sprintf("syncing, %d records left", left)
	case equal == live:
		return fmt.Sprintf("up to date with %s", count(live, "peer"))
	}
	return fmt.Sprintf("syncing with %d of %d peers", live-equal, live)
}

func clockCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "clock", Short: "This computer's clock, where others' say otherwise", GroupID: "node"}
	c.AddCommand(&cobra.Command{
		Use: "ok", Short: "Say that this computer's clock is right", Args: args(cobra.NoArgs),
		Long: "Says that this computer's clock is right although most others' differ by an hour or\nmore, or it showed a later time before, or nothing for long. Until then, or until the\nclocks agree, the node closes no proposal and gives nothing an end: `coop status`.",
		RunE: func(c *cobra.Command, _ []string) error {
			var out api.Made
			if err := t.post(c.Context(), "/v1/clock/ok", struct{}{}, &out); err != nil {
				return err
			}
			return t.answer(map[string]any{"v": api.Version}, func() { t.note("✓ this computer goes by its clock: %s", t.when(t.now())) })
		},
	})
	return c
}

func peersCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "peers", Short: "Whom this node is connected to, and its own addresses", GroupID: "node", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		if !t.running() {
			return notRunning()
		}
		var s api.Status
		if err := t.get(c.Context(), "/v1/status", &s); err != nil {
			return err
		}
		return t.answer(struct {
			V     int        `json:"v"`
			Peers []api.Peer `json:"peers"`
			Addrs []string   `json:"addrs"`
		}{api.Version, s.Peers, s.Addrs}, func() {
			var rows [][]string
			for _, p := range s.Peers {
				rows = append(rows, []string{line(p.Member), line(p.Device), peerState(p), t.when(p.Heard), p.Addr})
			}
			t.table([]string{"WHO", "DEVICE", "STATE", "HEARD", "WHERE"}, rows)
			for _, a := range s.Addrs {
				t.note("  reach this node at %s", a)
			}
		})
	}}
}

func peerState(p api.Peer) string {
	switch {
	case !p.Live:
		return "at the door"
	case p.Receiving > 0:
		return fmt.Sprintf("sending us %d records", p.Receiving)
	case p.Equal:
		return "the same records"
	}
	return "syncing"
}

func logCmd(t *terminal) *cobra.Command {
	var follow bool
	c := &cobra.Command{Use: "log", Short: "All records, in the order in which they came here", GroupID: "node", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		if follow {
			if !t.running() {
				return notRunning()
			}
			return t.follow(c.Context())
		}
		var out api.Log
		if err := t.get(c.Context(), "/v1/log", &out); err != nil {
			return err
		}
		return t.answer(out, func() {
			var rows [][]string
			for _, e := range out.Entries {
				rows = append(rows, t.logRow(e))
			}
			t.table([]string{"ID", "WHEN", "WHO", "DEVICE", "WHAT", "", ""}, rows)
		})
	}}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until interrupted")
	return c
}

func (t *terminal) logRow(e api.LogEntry) []string {
	state := map[bool]string{true: "in the minutes", false: "not in the minutes yet"}[e.Minuted]
	return []string{t.id(e.ID.String()), t.when(e.Time), line(e.Author), line(e.Device), e.Kind, state, line(e.Problem)}
}

// followed is one entry of a log that is followed.
type followed struct {
	V int `json:"v"`
	api.LogEntry
}

func (t *terminal) follow(ctx context.Context) error {
	client, done, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	return client.Follow(ctx, 0, func(e api.LogEntry) error {
		return t.answer(followed{api.Version, e}, func() { fmt.Fprintln(t.out, tabbed(t.logRow(e))) })
	})
}

func syncCmd(t *terminal) *cobra.Command {
	var wait bool
	var atMost time.Duration
	c := &cobra.Command{
		Use: "sync [PEER|ADDR]", Short: "Ask peers for news now", GroupID: "node", Args: args(cobra.MaximumNArgs(1)),
		Long: "Asks all connected peers for news, or one: by a member's name, or by an address as\n`coop peers` on that computer shows it. Nodes sync by themselves; this does it now.",
		RunE: func(c *cobra.Command, a []string) error {
			if !t.running() {
				return notRunning()
			}
			in := api.SyncIn{}
			if len(a) == 1 {
				in.Peer = a[0]
			}
			out, err := t.syncOnce(c.Context(), in, wait, atMost)
			if err != nil {
				return err
			}
			return t.answer(out, func() {
				if out.Peers == 0 {
					t.note("! no peer is connected: is another computer of the co-op on, and on this network?")
					t.note("  next: or by an address, as `coop peers` there shows it: coop sync ADDR")
					return
				}
				t.note("✓ %s; with the same records as this node: %d", count(out.Peers, "peer"), out.Equal)
			})
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "until at least one peer is there and all hold the same records")
	c.Flags().DurationVar(&atMost, "timeout", time.Minute, "how long --wait waits")
	return c
}

// syncOnce asks for news, and with wait goes on until all are equal.
func (t *terminal) syncOnce(ctx context.Context, in api.SyncIn, wait bool, atMost time.Duration) (out api.Synced, err error) {
	end := t.now().Add(atMost)
	for {
		if err = t.post(ctx, "/v1/sync", in, &out); err != nil || !wait || out.Peers > 0 && out.Equal == out.Peers {
			return out, err
		}
		if t.now().After(end) {
			return out, &pendingError{fmt.Sprintf("after %s this node is with %s, and %d of them hold the same records: is another computer of the co-op on, and on this network?", atMost, count(out.Peers, "peer"), out.Equal)}
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func notRunning() error {
	return &api.Error{Code: api.CodeUnavailable, Message: "no node runs on this home", Hint: "start it with `coop up`"}
}

func downCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "down", Short: "Stop the node of this home", GroupID: "node", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		if !t.running() {
			return notRunning()
		}
		var out api.Made
		if err := t.post(c.Context(), "/v1/down", struct{}{}, &out); err != nil {
			return err
		}
		if err := t.awaitDown(c.Context()); err != nil {
			return err
		}
		return t.answer(map[string]any{"v": api.Version}, func() { t.note("✓ stopped") })
	}}
}

// awaitDown returns when the node that was asked to stop has let go of its home.
func (t *terminal) awaitDown(ctx context.Context) error {
	dir, err := t.homeDir()
	if err != nil {
		return err
	}
	for {
		home, err := keys.Open(dir)
		if err == nil {
			return home.Close()
		}
		if !errors.Is(err, keys.ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
