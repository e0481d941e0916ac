package keys

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// fileOf names a file by its inode and by when that was made: a file that is put
// back where another was removed often gets the same inode again.
func fileOf(f *os.File) (name []byte) {
	var s unix.Statx_t
	if unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &s) == nil {
		for _, n := range []uint64{s.Ino, uint64(s.Btime.Sec), uint64(s.Btime.Nsec)} {
			name = binary.BigEndian.AppendUint64(name, n)
		}
	}
	return name
}
