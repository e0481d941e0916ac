package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"coop/crdt/record"
)

// Marker is the last record this device signed (Seq 0: none yet), and where: the
// machine and the file it was noted in. A copy of a home has another file, and so does one put
// back from a backup.
type Marker struct {
	Seq   uint64
	ID    record.ID
	place [32]byte
}

// Verdict is what the marker says about the store.
type Verdict uint8

const (
	MarkerOK      Verdict = iota
	MarkerBehind          // the store lacks the last record: it was put back from a backup, or the whole disk was
	MarkerUnasked         // this machine was started anew since the last mark: had its disk been put back, nothing here would tell
	MarkerMoved           // this home was copied or put back, or is on another machine, or another one of this device was used here, or its marker is lost: the original may sign more
)

const (
	markerFile = "marker"
	markerLen  = 8 + 32 + 32 + sha256.Size
)

func (m Marker) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, m.Seq)
	b = append(append(b, m.ID[:]...), m.place[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeMarker(b []byte) (Marker, bool) {
	if len(b) != markerLen || sha256.Sum256(b[:markerLen-sha256.Size]) != [32]byte(b[markerLen-sha256.Size:]) {
		return Marker{}, false
	}
	return Marker{binary.BigEndian.Uint64(b), record.ID(b[8:40]), [32]byte(b[40:72])}, true
}

// Mark notes the last record this device signed, or that came back from a peer;
// an older one than is noted is passed over. It is not synced, but for the first time: after a power
// cut it may be behind the store, never ahead of what was signed.
func (h *Home) Mark(seq uint64, id record.ID) error {
	f, err := h.openMarker()
	if err != nil {
		return fmt.Errorf("marker cannot be written: %w", err)
	}
	if m, ok := h.Marked(); ok && m.Seq > seq {
		return nil
	}
	m := Marker{seq, id, h.place}
	if _, err := f.WriteAt(m.encode(), 0); err != nil {
		return fmt.Errorf("marker cannot be written: %w", err)
	}
	if h.marked == nil {
		err = errors.Join(f.Truncate(markerLen), f.Sync(), syncDir(h.dir))
	}
	h.marked = &m
	return errors.Join(err, h.testify(m))
}

// testify has the witness know the marker. Where there can be none, every start is
// one that nothing vouches for.
func (h *Home) testify(m Marker) error {
	if w := h.openWitness(); w != nil {
		return w.write(m)
	}
	return nil
}

func (h *Home) openWitness() *witness {
	if h.witness == nil && h.Device() != nil {
		h.witness, _ = openWitness(h.Device().Public())
	}
	return h.witness
}

// Marked returns the last marker, false if there is none or it is torn.
func (h *Home) Marked() (Marker, bool) {
	if h.marked == nil {
		b, err := readOwn(h.path(markerFile))
		if err != nil {
			return Marker{}, false
		}
		m, ok := decodeMarker(b)
		if !ok {
			return m, false
		}
		h.marked = &m
	}
	return *h.marked, true
}

// Unmark forgets the last marker: the next Mark may note an older record.
func (h *Home) Unmark() error {
	if h.marker != nil {
		h.marker.Close()
	}
	h.marker, h.marked, h.place = nil, nil, [32]byte{}
	if err := os.Remove(h.path(markerFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("marker cannot be removed: %w", err)
	}
	return nil
}

// CheckMarker compares the marker and the witness with the store, which holds the
// records for which holds says so. After any verdict but MarkerOK nothing may be
// signed before peers had nothing newer to tell, and after MarkerMoved, whatever they
// tell, before the person insists; then Mark. Last is the seq of the last record that
// this home knows it signed.
func (h *Home) CheckMarker(holds func(record.ID) bool) (v Verdict, last uint64) {
	if h.Empty() {
		return MarkerOK, 0 // nothing was signed here yet
	}
	m, ok := h.Marked()
	seen, witnessed := h.openWitness().read()
	switch {
	case !ok, m.place != h.placeNow(), witnessed && m.place != seen.place:
		return MarkerMoved, m.Seq
	case m.Seq > 0 && !holds(m.ID), seen.Seq > 0 && !holds(seen.ID):
		return MarkerBehind, max(m.Seq, seen.Seq)
	case !witnessed:
		return MarkerUnasked, m.Seq
	}
	return MarkerOK, m.Seq
}

// placeNow names where the marker is now; zeros if that cannot be known.
func (h *Home) placeNow() [32]byte {
	if h.marker != nil {
		return h.place
	}
	f, err := openOwn(h.path(markerFile), os.O_RDONLY) // also on a disk that cannot be written
	if err != nil {
		return [32]byte{}
	}
	defer f.Close()
	return placeOf(f)
}

func (h *Home) openMarker() (*os.File, error) {
	if h.marker != nil {
		return h.marker, nil
	}
	f, err := openOwn(h.path(markerFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	h.marker, h.place = f, placeOf(f)
	return f, nil
}

// placeOf names this machine and a file, as far as they can be named: the
// machine by its id (Linux), the file as fileOf does. The hash tells neither.
func placeOf(f *os.File) [32]byte {
	id, _ := os.ReadFile("/etc/machine-id")
	return sha256.Sum256(append(append([]byte("coop machine "), id...), fileOf(f)...))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
