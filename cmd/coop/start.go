package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/store"
	"coop/sync/p2p"
	"coop/ui/api"
)

// homeDir is the folder of this co-op on this computer.
func (t *terminal) homeDir() (string, error) {
	if t.home != "" {
		return t.home, nil
	}
	if dir := t.getenv("COOP_HOME"); dir != "" {
		return dir, nil
	}
	data := t.getenv("XDG_DATA_HOME")
	if data == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no home folder is known (%w): set COOP_HOME", err)
		}
		data = filepath.Join(user, ".local", "share")
	}
	return filepath.Join(data, "coop", "default"), nil
}

// running reports whether a node of this home listens on its socket.
func (t *terminal) running() bool {
	dir, err := t.homeDir()
	return err == nil && runs(dir)
}

func runs(dir string) bool {
	c, err := net.Dial("unix", keys.Socket(dir))
	if err == nil {
		c.Close()
	}
	return err == nil
}

// connect returns a client of the node of this home: of the one that runs, or
// of one in this process, without a network, until done is called. One on a disk that
// cannot be written only reads.
func (t *terminal) connect(ctx context.Context) (client *api.Client, done func(), err error) {
	dir, err := t.homeDir()
	if err != nil {
		return nil, nil, err
	}
	var p parts
	up := false
	err = inTurn(ctx, dir, func() (err error) {
		if up = runs(dir); !up {
			p, err = t.openParts(dir, store.OpenFixed)
		}
		return err
	})
	switch {
	case up || errors.Is(err, keys.ErrLocked) && runs(dir): // it came meanwhile
		return api.Dial(keys.Socket(dir)), func() {}, nil
	case err != nil:
		return nil, nil, err
	}
	return api.Direct(api.New(p.node, func() {})), p.close, nil
}

// lockMax is how long a command waits for others that have the home open, each for
// a moment, or for a node that is just starting.
const lockMax = 20 * time.Second

func openInTurn(ctx context.Context, dir string) (home *keys.Home, err error) {
	err = inTurn(ctx, dir, func() error {
		home, err = keys.Open(dir)
		return err
	})
	return home, err
}

// inTurn opens a home that another command may have open for a moment. It does not
// wait for a node that runs.
func inTurn(ctx context.Context, dir string, open func() error) error {
	for end := time.Now().Add(lockMax); ; {
		err := open()
		if !errors.Is(err, keys.ErrLocked) || runs(dir) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (t *terminal) get(ctx context.Context, path string, out any) error {
	client, done, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	return client.Get(ctx, path, out)
}

func (t *terminal) post(ctx context.Context, path string, in, out any) error {
	client, done, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	if t.once != "" {
		ctx = api.WithOnce(ctx, t.once)
	}
	return client.Post(ctx, path, in, out)
}

// make posts what makes a record and answers with its id.
func (t *terminal) make(ctx context.Context, path string, in any, did string, next ...string) error {
	return t.makeSaying(ctx, path, in, func(api.Made) string { return did }, next...)
}

// makeSaying is make where what was done is said by what came of it.
func (t *terminal) makeSaying(ctx context.Context, path string, in any, did func(api.Made) string, next ...string) error {
	var m api.Made
	if err := t.post(ctx, path, in, &m); err != nil {
		return err
	}
	return t.made(m, did(m), next...)
}

// parts are what a node is made of; close ends them in the right order.
type parts struct {
	home  *keys.Home
	store *store.Store
	node  *node.Node
}

func (p parts) close() {
	if p.node != nil {
		p.node.Close()
	}
	if p.store != nil {
		p.store.Close()
	}
	p.home.Close()
}

// openParts opens a home that has a co-op. A store whose disk cannot be written is
// opened by fixed.
func (t *terminal) openParts(dir string, fixed func(dir string, why error) (*store.Store, error)) (p parts, err error) {
	if _, err := os.Stat(dir); err != nil {
		return p, noCoop(dir)
	}
	if p.home, err = keys.Open(dir); err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			p.close()
			p = parts{}
		}
	}()
	if p.home.Empty() {
		return p, withoutCoop(dir, p.home)
	}
	if p.store, err = t.openStore(p.home, fixed); err != nil {
		return p, err
	}
	cfg := node.Config{
		Home: p.home, Store: p.store, Now: t.now, Log: t.logger(), Agent: "coop " + version, StagedMost: t.staging << 20, Unlisted: t.unlisted,
	}
	if _, err := rand.Read(cfg.Seed[:]); err != nil {
		return p, err
	}
	p.node, err = node.Open(cfg)
	return p, err
}

func (t *terminal) openStore(home *keys.Home, fixed func(dir string, why error) (*store.Store, error)) (*store.Store, error) {
	s, err := store.Open(home.StoreDir())
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) {
		if s, err = fixed(home.StoreDir(), err); err == nil {
			t.note("! this home is only read: %v", s.Fixed())
		}
	}
	return s, err
}

// notFixed is for a node that runs: it could take nothing from anybody.
func notFixed(_ string, why error) (*store.Store, error) { return nil, why }

// withoutCoop says why an empty home has no co-op: there never was one, or its
// secrets are lost.
func withoutCoop(dir string, home *keys.Home) error {
	if _, err := os.Stat(home.StoreDir()); err != nil {
		return noCoop(dir)
	}
	s, err := store.Open(home.StoreDir())
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Count() > 0 {
		return keys.Missing(dir)
	}
	return noCoop(dir)
}

func noCoop(dir string) error {
	return &api.Error{Code: api.CodeUnavailable, Message: "there is no co-op in " + dir, Hint: `begin with: coop found --name "Willow Street" --as Ana, or: coop join - --as Bo`}
}

// logger writes what happens at the node to standard error.
func (t *terminal) logger() *slog.Logger {
	level := slog.LevelWarn
	switch t.getenv("COOP_LOG") {
	case "debug":
		level = slog.LevelDebug
	case "info":
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: level}))
}

func foundCmd(t *terminal) *cobra.Command {
	var in node.FoundAs
	var from string
	var yes bool
	c := &cobra.Command{
		Use: "found --name NAME --as YOU", Short: "Make a co-op, with you as its first member", GroupID: "start", Args: args(cobra.NoArgs),
		Long: `Makes a co-op, with you as its first member.

If too many tellers of your co-op are gone for good, found a new one in another home,
with --from and the old home. It takes along name, purpose, units, bylaws, and all
people with their balances, as the old home shows them; you keep your 24 words. Without
--yes it only shows what the new co-op would begin with. The others join with an invite
and --from. The old home stays as it is.`,
		Example: `coop found --name "Willow Street" --as Ana --unit hour --unit euro
coop --home new found --from OLD-HOME --yes`,
		RunE: func(c *cobra.Command, _ []string) error {
			if from != "" {
				return t.refound(c.Context(), in, from, yes)
			}
			if yes {
				return usage("--yes is for a co-op that goes on from another: say --from OLD-HOME")
			}
			if in.Name == "" || in.As == "" {
				return usage("say how the co-op is called, with --name, and you, with --as")
			}
			return t.begin(c.Context(), func(home *keys.Home, s *store.Store) (string, error) {
				return node.Found(home, func(r *record.Record) error { return s.Append([]*record.Record{r}) }, in, t.now())
			}, func(home *keys.Home) string { return home.Secrets().Coop.String() },
				in.Name+" is founded", "coop up", "in another terminal: coop invite")
		},
	}
	fs := c.Flags()
	fs.StringVar(&in.Name, "name", "", "of the co-op; with --from, if it shall have another than the old one")
	fs.StringVar(&in.As, "as", "", "your name")
	fs.StringVar(&in.Device, "device", "", "name of this computer (default: its host name)")
	fs.StringVar(&in.Purpose, "purpose", "", "what the co-op is for")
	fromFlag(c, &from, "take along people and balances")
	fs.BoolVar(&yes, "yes", false, "with --from: the new co-op shall begin as it was shown")
	fs.StringArrayVar(&in.Units, "unit", nil, "what it counts in, such as hour or euro; may be given many times; hour:2 has two decimals (default: hour)")
	return c
}

// begin fills a home that is empty, or never got into its co-op, and shows the 24
// words, once.
func (t *terminal) begin(ctx context.Context, fill func(*keys.Home, *store.Store) (words string, err error), id func(*keys.Home) string, did string, next ...string) error {
	dir, err := t.homeDir()
	if err != nil {
		return err
	}
	home, err := openInTurn(ctx, dir)
	if err != nil {
		return err
	}
	defer home.Close()
	s, err := store.Open(home.StoreDir())
	if err != nil {
		return err
	}
	defer s.Close()
	if home.Empty() && s.Count() > 0 {
		return keys.Missing(dir)
	}
	words, err := fill(home, s)
	if errors.Is(err, keys.ErrExists) {
		return hintedError{fmt.Errorf("%w: %s", keys.ErrExists, dir), "use another --home for another co-op"}
	}
	if err != nil {
		return asTyped(err)
	}
	return t.answer(map[string]any{"v": api.Version, "id": id(home), "words": words, "home": dir}, func() {
		if t.quiet {
			fmt.Fprintln(t.out, id(home))
			return
		}
		fmt.Fprintf(t.err, "✓ %s\n", did)
		t.showWords(words)
		t.next(strings.NewReplacer(), next)
	})
}

// asTyped turns the node's errors about what was typed into those of the
// terminal, where no API stands between.
func asTyped(err error) error {
	var wrong *node.Invalid
	var refused *node.Refused
	var out *node.Out
	switch {
	case errors.As(err, &out):
		return &api.Error{Code: api.CodeRefused, Message: out.Reason, Hint: out.Hint}
	case errors.As(err, &wrong):
		return usage("%s", wrong.Reason)
	case errors.As(err, &refused):
		return &api.Error{Code: api.CodeRefused, Message: refused.Reason}
	}
	return err
}

func (t *terminal) showWords(words string) {
	if words == "" {
		return
	}
	fmt.Fprintln(t.err, "\n  Write these 24 words on paper. With them you add computers and come back if all are lost.")
	fmt.Fprintln(t.err, "  Whoever has them is you.")
	fmt.Fprintf(t.out, "%s\n", words)
	fmt.Fprintln(t.err, "\n  They also stay on this computer, for `coop words show`, until you say: coop words forget")
}

func wordsCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "words", Short: "The 24 words of your root key", GroupID: "people"}
	c.AddCommand(&cobra.Command{Use: "show", Short: "Show the words, to write them on paper", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var out api.Words
		if err := t.get(c.Context(), "/v1/words", &out); err != nil {
			return err
		}
		return t.answer(out, func() { fmt.Fprintln(t.out, out.Words) })
	}})
	c.AddCommand(&cobra.Command{Use: "forget", Short: "Take the words off this computer, once they are on paper", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var out api.Made
		if err := t.post(c.Context(), "/v1/words/forget", struct{}{}, &out); err != nil {
			return err
		}
		return t.answer(map[string]any{"v": api.Version}, func() { t.note("✓ the words are no longer on this computer") })
	}})
	return c
}

// network are the flags of a command that runs the network.
type network struct {
	listen []string
	noMDNS bool
}

func (f *network) bind(t *terminal, c *cobra.Command) {
	c.Flags().StringArrayVar(&f.listen, "listen", nil, "address to listen on, host:port or a multiaddr; may be given many times (default: all, on a port chosen once)")
	c.Flags().BoolVar(&f.noMDNS, "no-mdns", false, "neither announce this node on the local network nor look for others there")
	c.Flags().BoolVar(&t.unlisted, "unlisted", false, "do not have members pass on to each other where this computer is; who is connected to it sees that all the same")
}

func upCmd(t *terminal) *cobra.Command {
	var f network
	c := &cobra.Command{
		Use: "up", Short: "Run the node until it is stopped", GroupID: "start", Args: args(cobra.NoArgs),
		Long: "Runs the node in the foreground: it syncs with the other members' nodes and answers\nthe other commands. It prints a line that begins with \"ready\". Stop it with Ctrl-C\nor `coop down`; what was acknowledged is on the disk.",
		RunE: func(c *cobra.Command, _ []string) error {
			if t.staging < 1 || t.staging > 1<<20 {
				return usage("--staging is 1 to %d MiB, not %d", 1<<20, t.staging)
			}
			dir, err := t.homeDir()
			if err != nil {
				return err
			}
			return t.serve(c.Context(), dir, f, func(s *served) error {
				if err := t.ready(s, dir); err != nil {
					return err
				}
				return t.watch(s)
			})
		},
	}
	f.bind(t, c)
	c.Flags().Int64Var(&t.staging, "staging", node.StagedMost>>20, "how much of what may not be taken one person may have wait on this disk, in MiB")
	return c
}

// ready says that the node runs, and where it can be reached.
func (t *terminal) ready(s *served, dir string) error {
	addrs, alone := s.net.Addrs(), s.net.Unreachable()
	return t.answer(map[string]any{"v": api.Version, "ready": true, "home": dir, "addrs": addrs, "unreachable": alone}, func() {
		for _, a := range addrs {
			t.note("  listening on %s", a)
		}
		if alone != "" {
			t.note("! %s", alone)
		}
		if v, err := s.node.View(s.stopped); err == nil && v.Clock.Text != "" {
			t.note("! %s", line(v.Clock.Text))
		}
		fmt.Fprintf(t.out, "ready %s\n", dir)
	})
}

// watchEvery is how often `coop up` looks whether something stops this computer from
// taking part, or does so no more.
const watchEvery = 2 * time.Second

// watch says until the node stops what keeps this computer from taking part, and
// that it is over: who sits before `coop up` would wait without knowing for what.
func (t *terminal) watch(s *served) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	said := ""
	for {
		v, err := s.node.View(s.stopped)
		if err != nil {
			return nil // the node stops
		}
		is, hint := hindered(v)
		if is != said && is != "" {
			t.note("! %s", is)
			if hint != "" {
				t.note("  next: %s", hint)
			}
		}
		if is == "" && said != "" {
			t.note("✓ you are in %s, as %s, and this computer signs", v.State.People.Name, v.Me.Status)
		}
		said = is
		select {
		case <-tick.C:
		case <-s.stopped.Done():
			return nil
		}
	}
}

// hindered says what keeps a computer from taking part, and what to do; "" if nothing.
func hindered(v node.View) (why, hint string) {
	err := v.Broken
	if err == nil && (!v.Joined || v.Me.ID == (record.ID{})) {
		err = v.NotIn
	}
	if err == nil {
		return "", ""
	}
	e := api.AsError(err)
	if errors.Is(err, node.ErrNotAdmitted) && v.ShutOut != "" {
		return v.ShutOut, anotherCode
	}
	return e.Message, e.Hint
}

func joinCmd(t *terminal) *cobra.Command {
	var f network
	var in node.JoinAs
	var from, words, oldWords string
	var wait time.Duration
	c := &cobra.Command{
		Use: "join -|CODE --as YOU", Short: "Join a co-op with a code somebody gave you", GroupID: "start", Args: args(cobra.MaximumNArgs(1)),
		Long: "Joins with a code, and waits until this computer is admitted. With - the code is read from\nstandard input, or asked for: on the command line all users of this computer can see it.\nIt can be stopped and\ngone on with at any time, by `coop join` without a code or by `coop up`. Is the code used\nup meanwhile, say `coop join` with another here: keys, words and name stay. If the code\nis for another computer of yours, --as is the name of the computer.\n\nIf you are in the co-op and have none of your computers any more, ask any member\nfor a code (coop member recover YOU) and join with your 24 words: --words -, and --as is\nthe name of this computer.\n\nIf the co-op goes on from another that you were in, say --from and the old home: you keep\nyour name and 24 words, so your account is yours; your open listings are brought along, and\nyou are told where your old home says otherwise than the founder's. Without the old home,\nsay --old-words -.\n\nIf you left, an invite brings you back, in the home that you left: your words, name and\naccount are yours again. From another home, say --old-words -.",
		RunE: func(c *cobra.Command, a []string) error {
			dir, err := t.homeDir()
			if err != nil {
				return err
			}
			var old *node.Old
			if from != "" {
				if old, err = t.readOld(c.Context(), from); err != nil {
					return err
				}
			}
			if len(a) == 1 {
				if in.Code, err = t.codeFrom(a[0]); err != nil {
					return err
				}
				if in.Words, err = t.wordsFrom(words); err != nil {
					return err
				}
				if in.Kept, err = t.wordsFrom(oldWords); err != nil {
					return err
				}
				if err := t.enter(c.Context(), in, old); err != nil {
					return err
				}
			}
			if wait == 0 && c.Flags().Changed("wait") {
				return hintedError{&pendingError{"not admitted yet: nobody was asked"}, "go on with coop join, or with coop up"}
			}
			return t.serve(c.Context(), dir, f, func(s *served) error {
				err := t.awaitAdmission(s, wait)
				switch {
				case err == nil && old != nil:
					err = t.arrived(s, old, from)
				case err == nil && in.Kept != "":
					err = t.recognised(s)
				}
				return err
			})
		},
	}
	f.bind(t, c)
	fromFlag(c, &from, "come with your account and listings")
	c.Flags().StringVar(&in.As, "as", "", "your name, or that of this computer")
	c.Flags().StringVar(&in.Device, "device", "", "name of this computer (default: its host name)")
	wordsFlag(c, &words, "words")
	wordsFlag(c, &oldWords, "old-words")
	atMostOne(c, "words", "old-words", "from")
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait; 0s: not at all, only get ready (default: until interrupted)")
	return c
}

// codeFrom returns the code that was typed; with "-" the next line of standard input,
// of which the rest is left to others.
func (t *terminal) codeFrom(typed string) (string, error) {
	if typed != "-" {
		return typed, nil
	}
	if f, ok := t.in.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		fmt.Fprintln(t.err, "Type or paste the code, on one line:")
	}
	var code []byte
	for b := make([]byte, 1); len(code) < 2*member.MaxInviteLen; {
		if _, err := io.ReadFull(t.in, b); err != nil || b[0] == '\n' {
			break
		}
		code = append(code, b[0])
	}
	if len(strings.TrimSpace(string(code))) == 0 {
		return "", usage("there is no code in standard input")
	}
	return string(code), nil
}

// anotherCode is what to do where the door was closed on a newcomer. It may have been
// for the name or the keys: then the reason says what to do.
const anotherCode = "if it is about the code: this home goes on with another, coop join -"

// sameWords says what the words of this computer's card are for; "" of none.
func sameWords(words string) string {
	if words == "" {
		return ""
	}
	return fmt.Sprintf("%q; whoever lets you in sees the same four words: tell them by voice", words)
}

// awaitAdmission tells what a newcomer waits for until it is let in.
func (t *terminal) awaitAdmission(s *served, wait time.Duration) error {
	var over <-chan time.Time
	if wait > 0 {
		over = time.After(wait)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	said, hint, compared := "", "", false
	for {
		v, err := s.node.View(s.stopped)
		if err != nil {
			return err
		}
		if v.Joined && v.Me.ID != (record.ID{}) {
			t.note("✓ you are in %s, as %s", v.State.People.Name, v.Me.Status)
			t.next(strings.NewReplacer(), []string{"coop up"})
			return nil
		}
		waits := "waiting for somebody of the co-op on this network or at the addresses of the code. You can leave this open."
		if v.Waits != "" {
			waits = "waiting: " + v.Waits
		}
		for _, p := range v.Peers {
			if p.Left > 0 {
				waits = fmt.Sprintf("receiving, %d records left", p.Left)
			}
		}
		hint = ""
		if n := len(v.Events); n > 0 {
			if waits = v.Events[n-1].Text; waits == v.ShutOut {
				hint = anotherCode
			}
		}
		if waits != said {
			t.note("  %s", waits)
			said = waits
		}
		if v.Waits != "" && !compared {
			compared = true
			if words := sameWords(s.node.CardWords()); words != "" {
				t.note("  card: %s", words)
			}
		}
		select {
		case <-tick.C:
		case <-over:
			return hintedError{&pendingError{"not admitted yet; " + said}, hint}
		case <-s.stopped.Done():
			return context.Canceled
		}
	}
}

// served is a node that runs, with its network and its local interface.
type served struct {
	parts
	net     *p2p.Net
	stopped context.Context // ends when the node is asked to stop
}

// serve runs a node and calls during while it runs.
func (t *terminal) serve(ctx context.Context, dir string, f network, during func(*served) error) error {
	var p parts
	err := inTurn(ctx, dir, func() (err error) {
		p, err = t.openParts(dir, notFixed)
		return err
	})
	if err != nil {
		return err
	}
	defer p.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &served{parts: p, stopped: ctx}
	if s.net, err = t.startNetwork(ctx, p, f); err != nil {
		return err
	}
	defer s.net.Stop()
	listener, err := api.Listen(keys.Socket(dir))
	if err != nil {
		return err
	}
	calls, endCalls := context.WithCancel(context.Background())
	server := &http.Server{
		Handler: api.New(p.node, stop), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return calls },
	}
	server.RegisterOnShutdown(endCalls) // those who follow the log would never leave
	go server.Serve(listener)
	defer func() {
		closing, done := context.WithTimeout(context.Background(), 2*time.Second)
		defer done()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	}()
	return during(s)
}

// startNetwork listens where the flags say, or on the port this home has
// always had.
func (t *terminal) startNetwork(ctx context.Context, p parts, f network) (*p2p.Net, error) {
	secrets := p.home.Secrets()
	listen, err := t.listenOn(p.home, f)
	if err != nil {
		return nil, err
	}
	net, err := p2p.New(ctx, p2p.Config{
		Seed: secrets.Transport, Secret: secrets.Network, Handler: p.node, Listen: listen, MDNS: !f.noMDNS, Log: t.logger(),
		Addrs: p.node.KnownAddrs,
	})
	if errors.Is(err, p2p.ErrAddr) {
		return nil, usage("%v", err)
	}
	if err != nil {
		return nil, err
	}
	if err = p.node.Attach(net); err == nil {
		err = net.Start()
	}
	if err != nil {
		net.Stop()
		return nil, err
	}
	return net, nil
}

func (t *terminal) listenOn(home *keys.Home, f network) ([]string, error) {
	if len(f.listen) > 0 {
		return f.listen, nil
	}
	port := home.Secrets().Port
	if port == 0 {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			return nil, err
		}
		port = l.Addr().(*net.TCPAddr).Port
		l.Close()
		if err := home.SetPort(port); err != nil {
			return nil, err
		}
	}
	return []string{fmt.Sprintf("0.0.0.0:%d", port), fmt.Sprintf("[::]:%d", port)}, nil
}
