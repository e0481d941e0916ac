package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"coop/crdt/record"
)

// witness is a second marker of a device, outside the home and on no disk: what puts
// a disk back, marker and all, does not put that back. The time since the machine was
// started is part of its name, so it counts for no other. It names the place of the
// home that signed, which shows where two homes of one device are used.
type witness struct{ file *os.File }

// runDir is where the witnesses of this user's homes are, in memory where that can
// be.
func runDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "coop")
	}
	dir := os.TempDir()
	if info, err := os.Stat(memoryDir); err == nil && info.IsDir() {
		dir = memoryDir
	}
	return filepath.Join(dir, fmt.Sprintf("coop-%d", os.Getuid()))
}

// openWitness opens the witness of a device, and makes it if it is not there.
func openWitness(device record.Key) (*witness, error) {
	boot := bootID()
	if boot == "" {
		return nil, errors.New("this machine does not say when it was started")
	}
	dir := runDir()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if owner, _ := ownerOf(info); !info.IsDir() || owner != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s is no folder of yours alone", ErrForeign, dir)
	}
	name := sha256.Sum256(append([]byte("coop witness "+boot), device[:]...))
	f, err := openOwn(filepath.Join(dir, hex.EncodeToString(name[:16])), os.O_RDWR|syscall.O_CREAT)
	if err != nil {
		return nil, err
	}
	return &witness{f}, nil
}

// read returns what was marked since the machine was started, false if nothing was.
func (w *witness) read() (Marker, bool) {
	b := make([]byte, markerLen)
	if w == nil {
		return Marker{}, false
	}
	if _, err := w.file.ReadAt(b, 0); err != nil {
		return Marker{}, false
	}
	return decodeMarker(b)
}

func (w *witness) write(m Marker) error {
	_, err := w.file.WriteAt(m.encode(), 0)
	return err
}

func (w *witness) close() {
	if w != nil {
		w.file.Close()
	}
}
