package keys_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"coop/crdt/record"
	"coop/node/keys"
)

func open(t testing.TB, dir string) *keys.Home {
	t.Helper()
	h, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func secrets() keys.Secrets {
	return keys.Secrets{
		Coop: record.ID{1}, Device: keys.Secret{2}, Transport: keys.Secret{3}, Network: keys.Secret{4},
		Words: paper, Invite: "coop1…", Card: []byte{5, 6}, Port: 4711,
		Kept: keys.Kept{Joined: true, Anchors: []record.ID{{7}}, Copied: true, Reseat: []byte{8}, Fork: [][]byte{{9}, {10}}},
	}
}

// filled returns the folder of a home that has a co-op and is closed.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	h := open(t, dir)
	if err := errors.Join(h.Create(secrets()), h.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "home")
	t.Setenv("TMPDIR", t.TempDir())
	h := open(t, dir)
	if !h.Empty() {
		t.Fatal("a new home is not empty")
	}
	if err := h.Create(secrets()); err != nil {
		t.Fatal(err)
	}
	if err := h.Create(secrets()); !errors.Is(err, keys.ErrExists) {
		t.Errorf("second Create: %v, want ErrExists", err)
	}
	invites := []keys.DeviceInvite{{Key: record.Key{7}, Expires: 8}, {Key: record.Key{9}, Expires: 10}}
	for _, i := range invites {
		if err := h.AddDeviceInvite(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(h.DropDeviceInvite(record.Key{7}), h.SetPort(4712), h.ForgetWords()); err != nil {
		t.Fatal(err)
	}
	h.Close()

	want := secrets()
	want.DeviceInvites, want.Port, want.Words = invites[1:], 4712, ""
	h = open(t, dir)
	if got := h.Secrets(); h.Empty() || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("secrets are %#v, want %#v", got, want)
	}
	if h.Device().Public() != record.NewPrivate([32]byte{2}).Public() {
		t.Error("the device's key is another")
	}
	info, err := os.Stat(filepath.Join(dir, "secrets"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the secrets is %v, %v, want 0600", info.Mode(), err)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "secrets"))
	if bytes.Contains(b, []byte("meadow")) {
		t.Error("the words are still in the file")
	}
	for _, d := range []string{dir, os.TempDir()} {
		files, _ := os.ReadDir(d)
		for _, f := range files {
			if !slices.Contains([]string{"secrets", "lock", "marker"}, f.Name()) {
				t.Errorf("%s was left in %s", f.Name(), d)
			}
		}
	}
}

// TestChangedAtOnce: of changes that are made at the same time none is lost. The port
// is chosen while the node's loop may already keep something.
func TestChangedAtOnce(t *testing.T) {
	h := open(t, t.TempDir())
	if err := h.Create(secrets()); err != nil {
		t.Fatal(err)
	}
	const each = 20
	var changes sync.WaitGroup
	for first := range 2 {
		changes.Go(func() {
			for i := range each {
				if err := h.AddDeviceInvite(keys.DeviceInvite{Key: record.Key{byte(first), byte(i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	changes.Wait()
	if got := len(h.DeviceInvites()); got != 2*each {
		t.Errorf("the home has %d of %d codes", got, 2*each)
	}
}

// TestNotCreated: a home that could not be filled is empty, and can be filled later.
func TestNotCreated(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir)
	if err := os.Mkdir(filepath.Join(dir, "marker"), 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	if err := h.Create(secrets()); err == nil {
		t.Fatal("it was created without a marker")
	}
	if !h.Empty() {
		t.Error("the home is not empty")
	}
	if err := h.Create(secrets()); err != nil {
		t.Errorf("filled later: %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := secrets()
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(verb+verb+verb, s, &s, s.Device); strings.Contains(got, "meadow") || strings.Contains(got, "2 0 0") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestDamagedSecrets(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, "secrets")
	whole, _ := os.ReadFile(path)
	text := whole[:bytes.LastIndex(whole, []byte("sha256 "))]
	for name, b := range map[string][]byte{
		"empty":             {},
		"cut":               whole[:len(whole)/2],
		"zeros":             make([]byte, len(whole)),
		"null":              []byte("null"),
		"no device key":     sealed(bytes.Replace(text, []byte(`"0200`), []byte(`"0000`), 1)),
		"short key":         sealed(bytes.Replace(text, []byte(`"0200`), []byte(`"02`), 1)),
		"an unknown field":  sealed(bytes.Replace(text, []byte(`"port"`), []byte(`"harbour"`), 1)),
		"no network secret": sealed(bytes.Replace(text, []byte(`"0400`), []byte(`"0000`), 1)),
		"a digit changed":   bytes.Replace(whole, []byte(`"0200`), []byte(`"0210`), 1),
		"no checksum":       text,
		"half a checksum":   whole[:len(whole)-9],
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(b, whole) {
				t.Fatal("nothing is damaged")
			}
			os.WriteFile(path, b, 0o600)
			if _, err := keys.Open(dir); !errors.Is(err, keys.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v, want ErrDamaged with the file", err)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, b) {
				t.Error("Open changed the file")
			}
		})
	}
}

// sealed adds to a text the line that says it is whole.
func sealed(b []byte) []byte { return fmt.Appendf(bytes.Clone(b), "sha256 %x\n", sha256.Sum256(b)) }

// TestMissingSecrets: a home whose secrets are gone is not taken for an empty one.
func TestMissingSecrets(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, "secrets")
	whole, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(dir); !errors.Is(err, keys.ErrMissing) || !strings.Contains(err.Error(), "put this one file back") {
		t.Errorf("Open: %v, want ErrMissing and what to do", err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, dir)
	if err := h.Discard(); err != nil || !h.Empty() {
		t.Fatal(err)
	}
	h.Close()
	if !open(t, dir).Empty() {
		t.Error("what was discarded is not empty")
	}
}

// TestForeign: what somebody else may have put into a home is neither read nor written.
func TestForeign(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim.txt")
	for name, prepare := range map[string]func(path string) error{
		"a link":       func(path string) error { return os.Symlink(victim, path) },
		"another name": func(path string) error { return os.Link(victim, path) },
		"a pipe":       func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a file of somebody else": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o666), os.Lchown(path, 65534, 65534))
		},
	} {
		for _, file := range []string{"lock", "secrets", "marker", "peers", "node.sock", "store", "store/count"} {
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := prepare(filepath.Join(dir, file)); errors.Is(err, fs.ErrPermission) {
				continue // it takes root to give a file away
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Open(dir); !errors.Is(err, keys.ErrForeign) || !strings.Contains(err.Error(), filepath.Join(dir, file)) {
				t.Errorf("%s is %s: Open says %v", file, name, err)
			}
			if b, _ := os.ReadFile(victim); string(b) != "precious" {
				t.Errorf("%s is %s: the other file was changed to %q", file, name, b)
			}
		}
	}
}

// TestFolder: others are kept out of the folder of a home, and nobody works in that of
// somebody else.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0o777, 0o770, 0o755, 0o710} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		open(t, dir).Close()
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("from mode %o it became %v, %v", mode, info.Mode(), err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	open(t, link).Close() // whoever typed the name meant that
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Skip("it takes root to give a folder away")
	}
	if _, err := keys.Open(dir); !errors.Is(err, keys.ErrForeign) || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("the folder of somebody else: %v", err)
	}
}

func TestExposed(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, "secrets")
	for _, mode := range []os.FileMode{0o604, 0o640, 0o602, 0o660, 0o666} {
		os.Chmod(path, mode)
		_, err := keys.Open(dir)
		if !errors.Is(err, keys.ErrExposed) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v, want ErrExposed and what to do", mode, err)
		}
	}
	os.Chmod(path, 0o600)
	open(t, dir)
}

// TestMain lets the test binary hold a home as another process.
func TestMain(m *testing.M) {
	if dir := os.Getenv("KEYS_CHILD"); dir != "" {
		if _, err := keys.Open(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("open")
		os.Stdin.Read(make([]byte, 1)) // until the parent is done
		os.Exit(0)
	}
	run, err := os.MkdirTemp("", "run")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_RUNTIME_DIR", run)
	code := m.Run()
	os.RemoveAll(run)
	os.Exit(code)
}

func TestLocked(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "KEYS_CHILD="+dir)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		t.Fatal(err)
	}
	for range 2 {
		_, err = keys.Open(dir)
		if !errors.Is(err, keys.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d:", cmd.Process.Pid)) || !strings.Contains(err.Error(), "coop down") {
			t.Errorf("Open: %v, want ErrLocked with process %d", err, cmd.Process.Pid)
		}
	}
	in.Close()
	cmd.Wait()
	open(t, dir).Close()
	open(t, dir)
}

func TestPeers(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir)
	if got := h.PeerAddrs(); len(got) != 0 {
		t.Errorf("addresses of a new home: %v", got)
	}
	for _, addrs := range [][]string{{"/a", "/b"}, {"/c"}, {"/a", "/" + strings.Repeat("x", 300)}, {}} {
		if err := h.RememberPeer(addrs); err != nil {
			t.Fatal(err)
		}
	}
	h.Close()
	h = open(t, dir)
	if got := h.PeerAddrs(); !slices.Equal(got, []string{"/b", "/c", "/a"}) {
		t.Errorf("addresses are %v, want the newest last and the long one forgotten", got)
	}
	var many []string
	for i := range 1030 {
		many = append(many, fmt.Sprint("/", i))
	}
	if err := os.WriteFile(filepath.Join(dir, "peers"), []byte("/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := h.PeerAddrs(); len(got) != 0 {
		t.Errorf("of a file without its checksum: %v", got)
	}
	h.RememberPeer(many)
	if got := h.PeerAddrs(); len(got) != 1024 || got[1023] != "/1029" {
		t.Errorf("%d addresses, want the newest 1024", len(got))
	}
}
