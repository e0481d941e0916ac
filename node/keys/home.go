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
//	store/    the records, see package store
//	node.sock the node's local interface, while it runs
package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

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
	ErrDamaged = errors.New("the secrets are damaged")
)

const (
	secretsFile = "secrets"
	peersFile   = "peers"
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
}

// String keeps the words out of logs.
func (Secrets) String() string { return "(secrets)" }

// DeviceInvite is a code this node made for another computer of its person.
type DeviceInvite struct {
	Key     record.Key `json:"key"`
	Expires int64      `json:"expires"` // unix milliseconds
}

// Home is an open home. One program has it open at a time. One goroutine
// changes it; Secrets and what reads them may be called by any.
type Home struct {
	dir  string
	lock *flock.Flock

	mu      sync.RWMutex
	secrets Secrets         // guarded by mu
	device  *record.Private // of the secrets; guarded by mu
	empty   bool            // likewise

	marker *os.File // nil until it is needed
	place  [32]byte // of the open marker
	marked *Marker  // what is in it, nil if unknown
}

// Open opens the home in dir, which it makes if it is not there. Errors wrap
// ErrLocked while another program has it open, ErrExposed and ErrDamaged. An
// empty home is no error: see Empty.
func Open(dir string) (*Home, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("home %s cannot be made: %w", dir, err)
	}
	h := &Home{dir: dir, lock: flock.New(filepath.Join(dir, lockFile))}
	ok, err := h.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("home %s cannot be locked: %w", dir, err)
	}
	if !ok {
		return nil, h.lockedBy()
	}
	// Who holds the lock is told to whoever does not get it; nothing depends on it.
	_ = os.WriteFile(h.path(lockFile), []byte(strconv.Itoa(os.Getpid())), 0o600)
	if err := h.read(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Home) lockedBy() error {
	pid, _ := os.ReadFile(h.path(lockFile))
	return fmt.Errorf("%w by process %s: a node runs on %s already; stop it with `coop down`, or use another --home", ErrLocked, bytes.TrimSpace(pid), h.dir)
}

// Close lets other programs open the home.
func (h *Home) Close() error {
	var err error
	if h.marker != nil {
		err = errors.Join(h.marker.Sync(), h.marker.Close())
	}
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
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		h.empty = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("secrets cannot be read: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; run `chmod 600 %s`, and revoke this device if they may have read it", ErrExposed, path, mode, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("secrets cannot be read: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(&h.secrets)
	if s := h.secrets; err == nil && (s.Coop == record.ID{} || s.Device == Secret{} || s.Transport == Secret{} || s.Network == Secret{}) {
		err = errors.New("a key is not there")
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w; without them this device cannot sign: join from an empty home as another device, and revoke this one", ErrDamaged, path, err)
	}
	h.device = record.NewPrivate(h.secrets.Device)
	return nil
}

// Create fills an empty home. Errors wrap ErrExists where it has a co-op.
func (h *Home) Create(s Secrets) error {
	if !h.Empty() {
		return fmt.Errorf("%w: use another --home for another co-op", ErrExists)
	}
	return errors.Join(h.write(s), h.Mark(0, record.ID{}))
}

// Discard empties a home again whose co-op came to nothing: nobody was told of
// these keys.
func (h *Home) Discard() error {
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
	// The new file grows up in the home: the system's folder for temporary files
	// is no place for secrets.
	err = renameio.WriteFile(h.path(secretsFile), append(b, '\n'), 0o600, renameio.WithTempDir(h.dir))
	if err == nil {
		err = syncDir(h.dir)
	}
	if err != nil {
		return fmt.Errorf("secrets cannot be written: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets, h.device, h.empty = s, record.NewPrivate(s.Device), false
	return nil
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

// ForgetWords takes the root key off this computer.
func (h *Home) ForgetWords() error {
	s := h.Secrets()
	s.Words = ""
	return h.write(s)
}

// TakeCode gives the home of a newcomer another code and the card that goes with
// it. Its keys stay.
func (h *Home) TakeCode(invite string, network Secret, card []byte) error {
	s := h.Secrets()
	s.Invite, s.Network, s.Card = invite, network, card
	return h.write(s)
}

// SetPort remembers the port this node listens on.
func (h *Home) SetPort(port int) error {
	s := h.Secrets()
	s.Port = port
	return h.write(s)
}

// DeviceInvites returns the codes for further computers that were not used.
func (h *Home) DeviceInvites() []DeviceInvite { return h.Secrets().DeviceInvites }

// AddDeviceInvite remembers a code for a further computer.
func (h *Home) AddDeviceInvite(i DeviceInvite) error {
	s := h.Secrets()
	if slices.ContainsFunc(s.DeviceInvites, func(has DeviceInvite) bool { return has.Key == i.Key }) {
		return nil
	}
	s.DeviceInvites = append(slices.Clone(s.DeviceInvites), i)
	return h.write(s)
}

// DropDeviceInvite strikes off a code that was used.
func (h *Home) DropDeviceInvite(key record.Key) error {
	s := h.Secrets()
	s.DeviceInvites = slices.DeleteFunc(slices.Clone(s.DeviceInvites), func(i DeviceInvite) bool { return i.Key == key })
	return h.write(s)
}

// PeerAddrs returns the remembered addresses of peers, the newest last.
func (h *Home) PeerAddrs() []string {
	b, err := os.ReadFile(h.path(peersFile))
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
	return renameio.WriteFile(h.path(peersFile), []byte(strings.Join(all, "\n")+"\n"), 0o600, renameio.WithTempDir(h.dir))
}
