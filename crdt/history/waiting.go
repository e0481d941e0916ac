package history

import "coop/crdt/record"

// Limits of a Waiting buffer: it holds what gossip brought too early, and may
// lose it, because a pull brings it again.
const (
	MaxWaiting      = 1024
	MaxWaitingBytes = 8 << 20
)

// Waiting keeps records whose past is not there yet.
type Waiting struct {
	byMissing map[record.ID][]*record.Record
	order     []record.ID // ids waited for, oldest first
	count     int
	lenBytes  int
}

// NewWaiting returns an empty buffer.
func NewWaiting() *Waiting { return &Waiting{byMissing: map[record.ID][]*record.Record{}} }

// Len returns the number of records that wait.
func (w *Waiting) Len() int { return w.count }

// Put keeps a record until the missing one is there. When the buffer is full,
// all that wait for the id that was missed first are dropped together.
func (w *Waiting) Put(r *record.Record, missing record.ID) {
	for _, other := range w.byMissing[missing] {
		if other.ID == r.ID {
			return
		}
	}
	if _, ok := w.byMissing[missing]; !ok {
		w.order = append(w.order, missing)
	}
	w.byMissing[missing] = append(w.byMissing[missing], r)
	w.count++
	w.lenBytes += size(r)
	for w.count > MaxWaiting || w.lenBytes > MaxWaitingBytes {
		w.Ready(w.order[0])
	}
}

// Ready takes out and returns the records that waited for id.
func (w *Waiting) Ready(id record.ID) []*record.Record {
	rs, ok := w.byMissing[id]
	if !ok {
		return nil
	}
	delete(w.byMissing, id)
	for i, other := range w.order {
		if other == id {
			w.order = append(w.order[:i], w.order[i+1:]...)
			break
		}
	}
	w.count -= len(rs)
	for _, r := range rs {
		w.lenBytes -= size(r)
	}
	return rs
}

func size(r *record.Record) int { return len(r.Raw) + len(r.Sig) + len(r.Body) }
