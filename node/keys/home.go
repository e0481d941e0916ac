// Package keys keeps what of a co-op must stay on this computer: the device's
// key, the transport key, the network secret, and the 24 words of the root key
// for as long as the person leaves them here.
//
// A home is one folder of one co-op:
//
//	lock      held while a program has the home open; names its process
//	secrets   0600: everything Secrets has, written as a whole and synced
//	marker    the last record this device signed, outside the store
//	peers     addresses of peers, to find them again
//	addresses where the co-op's nodes say that they are, as they signed it
//	store/    the records, see package store
//	node.sock the node's local interface, while it runs
//
// With what stands beside store/, a store that is lost is filled again by the other
// members' nodes. Each of these files has a checksum. A home is its user's alone:
// see closeFolder. What the marker says is also kept outside the home, see witness.
package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"coop/crdt/record"
)

// What can be wrong with a home. The text of an error that wraps one of these
// says what to do.
var (
	ErrLocked  = errors.New("this home is in use")
	ErrExists  = errors.New("this home has a co-op already")
	ErrExposed = errors.New("others on this computer can read the secrets")
	ErrForeign = errors.New("this home is not yours alone")
	ErrDamaged = errors.New("the file secrets is damaged")
	ErrMissing = errors.New("the file secrets is missing")
)

const (
	secretsFile = "secrets"
	peersFile   = "peers"
	addrsFile   = "addresses"
	lockFile    = "lock"

	maxPeerAddrs = 1024 // a few for each device of a large co-op
	maxAddrLen   = 256  // bytes; real ones have less than 150
)

// Secret is 32 bytes that only this computer knows, or only the co-op. Printing
// it does not show it.
type Secret [32]byte

func (s Secret) String() string { return "(secret)" }

// MarshalText writes 64 hexadecimal digits.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(s[:])), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Secret) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(s) {
		return errors.New("a secret is not 64 hexadecimal digits")
	}
	*s = Secret(b)
	return nil
}

// Secrets is what a home keeps to itself.
type Secrets struct {
	Coop          record.ID      `json:"coop"`
	Device        Secret         `json:"device"`    // secret bytes of the device's key
	Transport     Secret         `json:"transport"` // of the transport key
	Network       Secret         `json:"network"`   // the co-op's network secret
	Words         string         `json:"words"`     // of the root key; "": not on this computer
	Invite        string         `json:"invite"`    // the code this home was made with; "": it founded
	Card          []byte         `json:"card"`      // the join card that goes with it
	DeviceInvites []DeviceInvite `json:"device_invites"`
	Port          int            `json:"port"` // chosen once, so that firewalls can be told
	Kept          Kept           `json:"kept"`
}

// Kept is what a node must still know should its store be lost, or put back from
// a backup: it is no secret, but is kept like one.
type Kept struct {
	Joined  bool        `json:"joined"`  // the node is in its co-op
	Back    bool        `json:"back"`    // its person was in it, is gone, and asks to come back
	Anchors []record.ID `json:"anchors"` // of the minutes, as they were last known
	Copied  bool        `json:"copied"`  // another copy of this home has signed
	Reseat  []byte      `json:"reseat"`  // the terms of the re-seating this node signed, encoded; nil: none
	Fork    [][]byte    `json:"fork"`    // the two records, encoded, that prove that this device forked; nil: there is no such proof
}

// String keeps the words out of logs.
func (Secrets) String() string { return "(secrets)" }

// DeviceInvite is a code this node made for another computer of its person.
type DeviceInvite struct {
	Key     record.Key `json:"key"`
	Expires int64      `json:"expires"` // unix milliseconds
}

// Home is an open home. One program has it open at a time. Any goroutine may read
// and change the secrets; one alone marks and remembers peers.
type Home struct {
	dir  string
	lock *flock.Flock

	changing sync.Mutex // held from reading the secrets to writing them

	mu      sync.RWMutex
	secrets Secrets         // guarded by mu
	device  *record.Private // of the secrets; guarded by mu
	empty   bool            // likewise

	marker  *os.File // nil until it is needed
	place   [32]byte // of the open marker
	marked  *Marker  // what is in it, nil if unknown
	witness *witness // nil until it is needed
}

// Open opens the home in dir, which it makes if it is not there. Errors wrap
// ErrLocked while another program has it open, ErrForeign, ErrExposed, ErrDamaged
// and ErrMissing. An empty home is no error: see Empty.
func Open(dir string) (*Home, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("home %s cannot be made: %w", dir, err)
	}
	if err := closeFolder(dir); err != nil {
		return nil, err
	}
	h := &Home{dir: dir, lock: flock.New(filepath.Join(dir, lockFile), flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))}
	ok, err := h.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("home %s cannot be locked: %w", dir, err)
	}
	if !ok {
		return nil, h.lockedBy()
	}
	h.sayWho()
	if err := h.read(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// sayWho tells whoever does not get the lock who holds it; nothing depends on it.
// What stands there is written over, not cut off first: who reads meanwhile finds a
// number.
func (h *Home) sayWho() {
	if f, err := openOwn(h.path(lockFile), os.O_WRONLY); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%-10d\n", os.Getpid()), 0)
		f.Close()
	}
}

func (h *Home) lockedBy() error {
	by := "another program"
	if pid, err := readOwn(h.path(lockFile)); err == nil && len(bytes.TrimSpace(pid)) > 0 {
		by = "process " + string(bytes.TrimSpace(pid))
	}
	return fmt.Errorf("%w by %s: a node runs on %s already; stop it with `coop down`, or use another --home", ErrLocked, by, h.dir)
}

// Close lets other programs open the home.
func (h *Home) Close() error {
	var err error
	if h.marker != nil {
		err = errors.Join(h.marker.Sync(), h.marker.Close())
	}
	h.witness.close()
	return errors.Join(err, h.lock.Unlock())
}

func (h *Home) path(name string) string { return filepath.Join(h.dir, name) }

// StoreDir is where the home's store is.
func (h *Home) StoreDir() string { return h.path("store") }

// Socket is where a node of the home in dir listens.
func Socket(dir string) string { return filepath.Join(dir, "node.sock") }

// Empty reports whether the home has no co-op yet.
func (h *Home) Empty() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.empty
}

func (h *Home) read() error {
	path := h.path(secretsFile)
	f, err := openOwn(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		h.empty = true
		return h.missing()
	}
	if err != nil {
		return fmt.Errorf("secrets cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("secrets cannot be read: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; run `chmod 600 %s`, and revoke this device if they may have read it", ErrExposed, path, mode, path)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("secrets cannot be read: %w", err)
	}
	if err := decodeSecrets(b, &h.secrets); err != nil {
		return fmt.Errorf("%w: %s: %w. %s", ErrDamaged, path, err, withoutSecrets)
	}
	h.device = record.NewPrivate(h.secrets.Device)
	return nil
}

// missing says that a home whose secrets are not there had some, or nil.
func (h *Home) missing() error {
	if _, err := os.Lstat(h.path(markerFile)); err == nil {
		return Missing(h.dir)
	}
	return nil
}

// Missing is the error of a home in dir that has no secrets and is not empty.
func Missing(dir string) error {
	return fmt.Errorf("%w from %s, where there is a home of a co-op. %s", ErrMissing, dir, withoutSecrets)
}

// withoutSecrets is what to do in a home whose secrets are lost.
const withoutSecrets = "Without its key this device cannot sign: put this one file back from a copy, also an old one; " +
	"or join from an empty home as another device, and revoke this one. Nothing was deleted"

func decodeSecrets(b []byte, s *Secrets) error {
	b, err := unseal(b)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(s)
	if err == nil && (s.Coop == record.ID{} || s.Device == Secret{} || s.Transport == Secret{} || s.Network == Secret{}) {
		err = errors.New("a key is not there")
	}
	return err
}

// Create fills an empty home. Errors wrap ErrExists where it has a co-op; after any
// other the home is empty again.
func (h *Home) Create(s Secrets) error {
	if !h.Empty() {
		return fmt.Errorf("%w: use another --home for another co-op", ErrExists)
	}
	if err := h.write(s); err != nil {
		return err
	}
	if err := h.Mark(0, record.ID{}); err != nil {
		return errors.Join(err, h.Discard())
	}
	return nil
}

// Renew changes what a home keeps to itself to that of another device, which has
// signed nothing yet.
func (h *Home) Renew(change func(*Secrets)) error {
	if err := h.change(change); err != nil {
		return err
	}
	h.witness.close()
	h.witness = nil
	if err := h.Unmark(); err != nil {
		return err
	}
	return h.Mark(0, record.ID{})
}

// Discard empties a home again whose co-op came to nothing: nobody was told of
// these keys.
func (h *Home) Discard() error {
	if err := h.Unmark(); err != nil {
		return err
	}
	if err := os.Remove(h.path(secretsFile)); err != nil {
		return fmt.Errorf("secrets cannot be removed: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets, h.device, h.empty = Secrets{}, nil, true
	return nil
}

// write replaces the secrets as a whole: a crash leaves the old or the new.
func (h *Home) write(s Secrets) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	if err := h.replace(secretsFile, append(b, '\n')); err != nil {
		return fmt.Errorf("secrets cannot be written: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets, h.device, h.empty = s, record.NewPrivate(s.Device), false
	return nil
}

// replace writes a sealed file anew. The new one grows up in the home: the system's
// folder for temporary files is no place for secrets.
func (h *Home) replace(name string, b []byte) error {
	if err := renameio.WriteFile(h.path(name), seal(b), 0o600, renameio.WithTempDir(h.dir)); err != nil {
		return err
	}
	return syncDir(h.dir)
}

// Secrets returns what the home keeps. Its slices must not be changed.
func (h *Home) Secrets() Secrets {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.secrets
}

// Device returns the device's key, nil in an empty home.
func (h *Home) Device() *record.Private {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.device
}

// change replaces the secrets by what change makes of them, one change after the
// other.
func (h *Home) change(change func(*Secrets)) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	s := h.Secrets()
	change(&s)
	return h.write(s)
}

// ForgetWords takes the root key off this computer.
func (h *Home) ForgetWords() error { return h.change(func(s *Secrets) { s.Words = "" }) }

// TakeCode gives the home of a newcomer another code and the card that goes with
// it. Its keys stay.
func (h *Home) TakeCode(invite string, network Secret, card []byte) error {
	return h.change(func(s *Secrets) { s.Invite, s.Network, s.Card = invite, network, card })
}

// SetPort remembers the port this node listens on.
func (h *Home) SetPort(port int) error { return h.change(func(s *Secrets) { s.Port = port }) }

// Keep changes what the home keeps for the node.
func (h *Home) Keep(change func(*Kept)) error {
	return h.change(func(s *Secrets) { change(&s.Kept) })
}

// DeviceInvites returns the codes for further computers that were not used.
func (h *Home) DeviceInvites() []DeviceInvite { return h.Secrets().DeviceInvites }

// AddDeviceInvite remembers a code for a further computer.
func (h *Home) AddDeviceInvite(i DeviceInvite) error {
	if slices.ContainsFunc(h.DeviceInvites(), func(has DeviceInvite) bool { return has.Key == i.Key }) {
		return nil
	}
	return h.change(func(s *Secrets) { s.DeviceInvites = append(slices.Clone(s.DeviceInvites), i) })
}

// DropDeviceInvite strikes off a code that was used.
func (h *Home) DropDeviceInvite(key record.Key) error {
	return h.change(func(s *Secrets) {
		used := func(i DeviceInvite) bool { return i.Key == key }
		s.DeviceInvites = slices.DeleteFunc(slices.Clone(s.DeviceInvites), used)
	})
}

// PeerAddrs returns the remembered addresses of peers, the newest last; none if the
// file is damaged, for wrong ones only cost time.
func (h *Home) PeerAddrs() []string {
	b, err := readOwn(h.path(peersFile))
	if err == nil {
		b, err = unseal(b)
	}
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// RememberPeer remembers addresses of a peer. What does not fit any more, the
// oldest, is forgotten.
func (h *Home) RememberPeer(addrs []string) error {
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a string) bool { return len(a) > maxAddrLen || !slices.Equal(strings.Fields(a), []string{a}) })
	old := h.PeerAddrs()
	all := slices.DeleteFunc(slices.Clone(old), func(a string) bool { return slices.Contains(addrs, a) })
	all = append(all, addrs...)
	all = all[max(0, len(all)-maxPeerAddrs):]
	if slices.Equal(all, old) {
		return nil
	}
	return h.replace(peersFile, []byte(strings.Join(all, "\n")+"\n"))
}

// Addresses returns what SetAddresses kept; nothing if the file is damaged, for peers
// bring it again.
func (h *Home) Addresses() (lists [][]byte) {
	b, err := readOwn(h.path(addrsFile))
	if err == nil {
		b, err = unseal(b)
	}
	if err != nil || record.Unmarshal(b, &lists) != nil {
		return nil
	}
	return lists
}

// SetAddresses keeps where nodes say that they are, in place of what was kept.
func (h *Home) SetAddresses(lists [][]byte) error {
	if slices.EqualFunc(lists, h.Addresses(), bytes.Equal) {
		return nil
	}
	return h.replace(addrsFile, record.Marshal(lists))
}
