package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// close keeps everybody else out of the folder, and then looks at all that is in
// it: who could write there before may have put links there, to have files of this
// user overwritten, or files of their own. Afterwards nobody else can.
func closeFolder(dir string) error {
	info, err := os.Stat(dir) // the folder itself may be reached by a link: whoever typed it meant that
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", dir)
	}
	if owner, ok := ownerOf(info); ok && owner != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to %s; work as that user, or use another --home", ErrForeign, dir, userText(owner))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("%w: others can open %s, which has mode %04o; run `chmod 700 %s`: %w", ErrForeign, dir, mode, dir, err)
		}
	}
	return filepath.WalkDir(dir+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // of a program that has the home open
		}
		if err == nil {
			err = checkOwn(filepath.Clean(path), info)
		}
		return err
	})
}

// checkOwn says why a thing in a home may be somebody else's doing, or nil.
func checkOwn(path string, info fs.FileInfo) error {
	why := ""
	owner, known := ownerOf(info)
	switch kind := info.Mode().Type(); {
	case kind == fs.ModeSymlink:
		why = "is a link"
	case kind&^(fs.ModeDir|fs.ModeSocket) != 0:
		why = "is neither a file nor a folder"
	case known && owner != os.Geteuid() && owner != 0: // root needs no tricks
		why = "belongs to " + userText(owner)
	case kind == 0 && linksOf(info) > 1:
		why = "is also somewhere else, under another name"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s %s. Nothing was read or written there: look at it and take it out of the home, or use another --home", ErrForeign, path, why)
}

func ownerOf(info fs.FileInfo) (uid int, known bool) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), true
	}
	return 0, false
}

func linksOf(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}

func userText(uid int) string { return "user " + strconv.Itoa(uid) }

// openOwn opens a file of a home without following a link, and without waiting for
// the other end should it be no file.
func openOwn(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = checkOwn(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func readOwn(path string) ([]byte, error) {
	f, err := openOwn(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// sumLine begins the last line of a sealed file, which has the SHA-256 of all
// before it.
const sumLine = "sha256 "

// seal adds the checksum to what a file shall hold.
func seal(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(b, sumLine+hex.EncodeToString(sum[:])+"\n"...)
}

var errSum = errors.New("something in it was changed: the checksum in its last line is that of another text")

// unseal returns what a sealed file holds.
func unseal(b []byte) ([]byte, error) {
	at := bytes.LastIndex(b, []byte(sumLine))
	if at < 0 {
		return nil, errors.New("its end, with the checksum, is not there")
	}
	if string(seal(bytes.Clone(b[:at]))) != strings.TrimRight(string(b), "\n")+"\n" {
		return nil, errSum
	}
	return b[:at], nil
}
