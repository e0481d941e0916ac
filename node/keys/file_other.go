//go:build !linux

package keys

import (
	"encoding/binary"
	"os"
	"syscall"
)

// fileOf names a file by its inode.
func fileOf(f *os.File) (name []byte) {
	if info, err := f.Stat(); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			name = binary.BigEndian.AppendUint64(name, uint64(stat.Ino))
		}
	}
	return name
}
