package replica

import (
	"errors"
	"fmt"
	"time"

	"coop/crdt/record"
	"coop/sync/wire"
)

// Export is a bundle on its way out: what a peer that holds certain records
// would be sent, for a file. It holds what it says at the moment it began; what
// is admitted later is not in it.
type Export struct {
	r    *Replica
	head *wire.Bundle // not handed out yet
	s    session
}

// Export begins a bundle of all this node holds beyond some records, which the
// reader is assumed to have; none: of everything. Those this node does not know
// are left out: it cannot tell what their authors had seen. A newcomer has
// nothing to give: it does not know yet whether what it holds is the co-op.
func (r *Replica) Export(assumed []record.ID) (*Export, error) {
	h := r.coop.History()
	if h.Len() == 0 || !r.joined {
		return nil, errors.New("this computer has not joined yet: it has nothing to give away")
	}
	refs, _ := r.known(assumed)
	refs = refs[:min(len(refs), wire.MaxTips)]
	head := &wire.Bundle{Coop: h.Coop(), Assumes: record.SortIDs(r.ids(refs, len(refs)))}
	return &Export{r: r, head: head, s: session{answer: true, serving: h.Beyond(refs)}}, nil
}

// Left returns how many records are still to come.
func (e *Export) Left() int { return len(e.s.serving) }

// Next returns the next message of the bundle: first its Bundle, then Records,
// at last End. After that it returns nil. An error means that this node cannot
// read its own store.
func (e *Export) Next() (wire.Message, error) {
	if e.head != nil {
		m := *e.head
		e.head = nil
		return m, nil
	}
	return e.r.nextRecords(&e.s)
}

// Import is a bundle on its way in. Its records are taken as those of a pull
// are, and as durable: what was taken before it broke off stays, and to import
// it again goes on from there.
type Import struct {
	r    *Replica
	s    *session // of nobody: it is not among the sessions
	head wire.Bundle
}

// Import begins to take a bundle. An error means that it is of no use here.
func (r *Replica) Import(head wire.Bundle) (*Import, error) {
	if id := r.coopID(); head.Coop != id {
		return nil, errors.New("this bundle is of another co-op")
	}
	return &Import{r: r, s: &session{pulling: true, staging: newStaging(r.cfg.Stage, r.cfg.StagedMost, &shared{}, r.coop.Changed())}, head: head}, nil
}

// Message takes the next message of the bundle, Records or End. With an End, or
// an error, the import is over.
func (i *Import) Message(now time.Time, m wire.Message) error {
	err := i.message(now, m)
	if err == nil {
		return nil
	}
	i.s.pulling = false
	i.r.endPull(i.s)
	if _, all := i.r.known(i.head.Assumes); !all {
		return fmt.Errorf("this bundle goes on from records that are not here: %w", err)
	}
	return err
}

func (i *Import) message(now time.Time, m wire.Message) error {
	if !i.s.pulling {
		return wire.ErrUnexpected
	}
	switch m := m.(type) {
	case wire.Records:
		return i.r.handleRecords(now, i.s, m)
	case wire.End:
		return i.r.handleEnd(i.s, m)
	}
	return wire.ErrUnexpected
}

// Taken returns how many records were taken so far.
func (i *Import) Taken() int { return i.s.got }
