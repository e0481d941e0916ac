// Package nodetest runs real nodes for the tests of what stands above them: with
// their homes and stores in temporary folders, and a street in place of the
// network, which carries the frames of the real one through pipes.
package nodetest

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/store"
	"coop/sync/wire"
)

// waitMax bounds every wait for what nodes do by themselves.
const waitMax = 20 * time.Second

// House is where a member lives: a home on the disk and the node that runs on
// it.
type House struct {
	*node.Node
	Name  string
	Home  *keys.Home
	Store *store.Store

	Unlisted bool // from the next start of the node on

	t      testing.TB
	dir    string
	street *Street
	door   *door

	mu  sync.Mutex
	off time.Duration // guarded by mu
}

// Found returns the house of somebody who founded a co-op. It counts in hours
// unless other units are given.
func Found(t testing.TB, street *Street, who string, units ...string) *House {
	t.Helper()
	h := house(t, street, who)
	h.fill(func() (string, error) {
		founding := func(r *record.Record) error { return h.Store.Append([]*record.Record{r}) }
		return node.Found(h.Home, founding, node.FoundAs{Name: "Willow Street", As: who, Device: "laptop", Units: units}, h.Now())
	})
	return h
}

// Join returns the house of somebody who has a code and waits to be let in. For
// the code of a further device, who is the name of the device.
func Join(t testing.TB, street *Street, code, who string) *House {
	t.Helper()
	h := house(t, street, who)
	return join(h, node.JoinAs{Code: code, As: who, Device: "laptop"})
}

// JoinWith returns the house of somebody who types all this to join.
func JoinWith(t testing.TB, street *Street, in node.JoinAs) *House {
	t.Helper()
	return join(house(t, street, in.Device), in)
}

// Return returns the house of somebody who has a code and the 24 words, and no
// other computer.
func Return(t testing.TB, street *Street, code, words, device string) *House {
	t.Helper()
	return join(house(t, street, device), node.JoinAs{Code: code, As: device, Words: words})
}

func join(h *House, in node.JoinAs) *House {
	h.t.Helper()
	h.fill(func() (string, error) { return node.Join(h.Home, in, h.Now()) })
	return h
}

// JoinAgain gives a house that waits another code, and runs its node again.
func (h *House) JoinAgain(code string) error {
	h.t.Helper()
	h.Close()
	h.openHome()
	err := node.JoinAgain(h.Home, h.Store, node.JoinAs{Code: code}, h.Now())
	h.start()
	return err
}

func house(t testing.TB, street *Street, who string) *House {
	return &House{Name: who, t: t, dir: filepath.Join(t.TempDir(), who), street: street}
}

func (h *House) fill(fill func() (words string, err error)) {
	h.t.Helper()
	h.openHome()
	if _, err := fill(); err != nil {
		h.t.Fatal(err)
	}
	h.start()
	h.t.Cleanup(h.Close)
}

func (h *House) openHome() {
	h.t.Helper()
	var err error
	if h.Home, err = keys.Open(h.dir); err != nil {
		h.t.Fatal(err)
	}
	if h.Store, err = store.Open(h.Home.StoreDir()); err != nil {
		h.t.Fatal(err)
	}
}

// At has the house live on the home in another folder from the next Reopen on, and
// returns the folder it lived in.
func (h *House) At(dir string) (before string) {
	before, h.dir = h.dir, dir
	return before
}

// start runs the node on an open home.
func (h *House) start() {
	h.t.Helper()
	if err := h.open(); err != nil {
		h.t.Fatal(err)
	}
}

// Start opens the home of a house that is closed, and returns why its node does not
// start; then all is closed again.
func (h *House) Start() error {
	h.t.Helper()
	h.openHome()
	err := h.open()
	if err != nil {
		h.Store.Close()
		h.Home.Close()
	}
	return err
}

func (h *House) open() error {
	secret := h.Home.Secrets().Transport
	transport := wire.TransportIdentity(record.NewPrivate(secret).Public())
	n, err := node.Open(node.Config{
		Home: h.Home, Store: h.Store, Now: h.Now, Seed: sha256.Sum256(secret[:]), Log: slog.New(slog.DiscardHandler), Agent: "nodetest", Unlisted: h.Unlisted,
	})
	if err != nil {
		return err
	}
	h.Node, h.door = n, h.street.open(h.Name, n, transport)
	return n.Attach(h.door)
}

// Close stops the node as it is stopped in earnest. It may be called twice.
func (h *House) Close() {
	if h.Node == nil {
		return
	}
	h.door.Stop()
	if err := h.Node.Close(); err != nil {
		h.t.Errorf("%s's node closes: %v", h.Name, err)
	}
	h.Node = nil
	if err := h.Store.Close(); err != nil {
		h.t.Errorf("%s's store closes: %v", h.Name, err)
	}
	if err := h.Home.Close(); err != nil {
		h.t.Errorf("%s's home closes: %v", h.Name, err)
	}
}

// Reopen starts the node again on its home.
func (h *House) Reopen() {
	h.t.Helper()
	h.Close()
	h.openHome()
	h.start()
}

// Now is the house's clock: the real one, moved by Sleep.
func (h *House) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.off)
}

// Sleep moves the house's clock on.
func (h *House) Sleep(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.off += d
}

// See returns what the node shows.
func (h *House) See() node.View {
	h.t.Helper()
	v, err := h.View(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// Await waits until what a node shows is as it should be.
func (h *House) Await(what string, is func(node.View) bool) node.View {
	h.t.Helper()
	for end := time.Now().Add(waitMax); ; time.Sleep(5 * time.Millisecond) {
		v := h.See()
		if is(v) {
			return v
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s's node does not show within %s: %s\nevents: %v", h.Name, waitMax, what, v.Events)
		}
	}
}

// AwaitSame waits until houses hold the same records, all in the minutes or
// waiting for nobody who is here, and show the same state.
func AwaitSame(houses ...*House) {
	t := houses[0].t
	t.Helper()
	for end := time.Now().Add(waitMax); ; time.Sleep(5 * time.Millisecond) {
		if same(houses) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d houses do not come to hold the same records within %s", len(houses), waitMax)
		}
	}
}

func same(houses []*House) bool {
	first := houses[0].See()
	for _, h := range houses {
		v := h.See()
		if v.State == nil || first.State == nil || v.State.Digest() != first.State.Digest() || len(v.State.Pending) > 0 {
			return false
		}
	}
	return true
}

// RunDir has the homes of this process keep in a folder of their own what must not
// outlive the machine's run, and returns what removes it. For TestMain.
func RunDir() (remove func(code int)) {
	dir, err := os.MkdirTemp("", "run")
	if err == nil {
		err = os.Setenv("XDG_RUNTIME_DIR", dir)
	}
	if err != nil {
		panic(err)
	}
	return func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}
}
