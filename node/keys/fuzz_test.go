package keys_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coop/node/keys"
)

// put writes a file of a home.
func put(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzMarker: whatever the file holds, what is read from it is what was written
// there, or nothing; and a new mark heals it.
func FuzzMarker(f *testing.F) {
	dir := f.TempDir()
	h := open(f, dir)
	h.Mark(9, id(9))
	h.Close()
	whole, err := os.ReadFile(filepath.Join(dir, "marker"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		h := open(t, dir)
		if err := h.Create(secrets()); err != nil {
			t.Fatal(err)
		}
		h.Close()
		put(t, dir, "marker", b)
		h = open(t, dir)
		m, ok := h.Marked()
		if ok && !bytes.Contains(b, m.ID[:]) {
			t.Errorf("%x names %s", b, m.ID)
		}
		if ok {
			return
		}
		if err := h.Mark(3, id(3)); err != nil {
			t.Fatal(err)
		}
		h.Close()
		if m, ok := open(t, dir).Marked(); !ok || m.Seq != 3 {
			t.Errorf("after %x was written over: %v, %v", b, m, ok)
		}
	})
}

// FuzzSecrets: a home opens with secrets that are whole, or says that they are
// damaged, and leaves the file as it is.
func FuzzSecrets(f *testing.F) {
	whole, err := json.Marshal(secrets())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := sealed(text)
		dir := t.TempDir()
		put(t, dir, "secrets", b)
		h, err := keys.Open(dir)
		if err == nil {
			if s := h.Secrets(); h.Device() == nil || s.Network == (keys.Secret{}) || h.Empty() {
				t.Errorf("%q opened without a key", b)
			}
			h.Close()
		}
		if now, _ := os.ReadFile(filepath.Join(dir, "secrets")); !bytes.Equal(now, b) {
			t.Errorf("%q became %q", b, now)
		}
	})
}

// FuzzPeers: addresses that peers told, and whatever the file held before, stay
// few and short.
func FuzzPeers(f *testing.F) {
	f.Add("/ip4/127.0.0.1/tcp/4001/p2p/x", []byte("/ip4/10.0.0.1/tcp/1/p2p/y\n"))
	f.Add("/unix/a b", []byte{})
	f.Add(strings.Repeat("a ", 3000), bytes.Repeat([]byte("b\n"), 3000))
	f.Fuzz(func(t *testing.T, addr string, before []byte) {
		dir := t.TempDir()
		put(t, dir, "peers", sealed(before))
		h := open(t, dir)
		if err := h.RememberPeer([]string{addr, addr}); err != nil {
			t.Fatal(err)
		}
		old := h.PeerAddrs()
		if err := h.RememberPeer([]string{addr}); err != nil {
			t.Fatal(err)
		}
		if again := h.PeerAddrs(); len(again) > 1024 || len(again) > len(old) {
			t.Errorf("%q: %d addresses became %d", addr, len(old), len(again))
		}
	})
}
