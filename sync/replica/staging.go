package replica

import (
	"fmt"

	"coop/crdt/record"
)

// maxStaged bounds what one pull may stage, in bytes of records: more than any
// honest peer has of records that do not stand, and less than hurts.
const maxStaged = 32 << 20

// staging holds, for the time of one pull, records that may not be taken yet,
// in the order in which they came.
type staging struct {
	byID     map[record.ID]*record.Record
	last     map[record.Key]*record.Record // of each device
	devices  []record.Key
	lenBytes int
	judged   uint64 // the fold by which all that is staged was judged last
}

func newStaging(judged uint64) *staging {
	return &staging{judged: judged, byID: map[record.ID]*record.Record{}, last: map[record.Key]*record.Record{}}
}

func (st *staging) count() int { return len(st.byID) }

func (st *staging) add(r *record.Record) error {
	if st.lenBytes += len(r.Raw) + len(r.Body) + len(r.Sig); st.lenBytes > maxStaged {
		return fmt.Errorf("peer sent more than %d MiB that this node may not take", maxStaged>>20)
	}
	st.byID[r.ID] = r
	if _, ok := st.last[r.Device]; !ok {
		st.devices = append(st.devices, r.Device)
	}
	st.last[r.Device] = r
	return nil
}

func (st *staging) remove(r *record.Record) {
	delete(st.byID, r.ID)
	st.lenBytes -= len(r.Raw) + len(r.Body) + len(r.Sig)
}

// withPast returns a staged record behind all that is staged of its past.
func (st *staging) withPast(r *record.Record) []*record.Record {
	var out []*record.Record
	done := map[record.ID]bool{}
	stack := []*record.Record{r}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		pending := false
		for _, id := range append([]record.ID{top.Prev}, top.Parents...) {
			if p, ok := st.byID[id]; ok && !done[id] {
				stack = append(stack, p)
				pending = true
			}
		}
		if pending {
			continue
		}
		stack = stack[:len(stack)-1]
		if !done[top.ID] {
			done[top.ID] = true
			out = append(out, top)
		}
	}
	return out
}

// lastOfDevices returns the last staged record of each device: if it may be
// taken, so may all before it.
func (st *staging) lastOfDevices() []*record.Record {
	var out []*record.Record
	for _, d := range st.devices {
		if r := st.last[d]; st.byID[r.ID] != nil {
			out = append(out, r)
		}
	}
	return out
}
