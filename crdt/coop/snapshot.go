package coop

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/minutes"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// snapshotVersion changes whenever the form or the meaning of a snapshot does:
// one of another version is folded anew.
const snapshotVersion = 6

// snapshotHead is what stands before the tables of a snapshot.
type snapshotHead struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Records uint64 // how many records it covers
	Lines   []snapshotLine
}

type snapshotLine struct {
	_       struct{}  `cbor:",toarray"`
	By      record.ID // the re-seating that began it; zero: the founding did
	Minutes minutes.Snapshot
}

// Snapshot returns the fold as bytes, for a cache: what Restore needs to go on
// without folding everything again. It is no ground state and may be lost.
func (c *Coop) Snapshot() []byte {
	c.settle()
	var b bytes.Buffer
	head := snapshotHead{Version: snapshotVersion, Records: uint64(c.h.Len())}
	for _, l := range c.lines {
		head.Lines = append(head.Lines, snapshotLine{By: l.id(), Minutes: l.minutes.Snapshot()})
	}
	b.Write(record.Marshal(head))
	for _, l := range c.lines {
		l.minuted.writeTo(&b)
		l.opening.writeTo(&b)
	}
	c.contents.writeTo(&b)
	c.library.WriteTo(&b)
	return b.Bytes()
}

// NeedsBody reports whether Restored records of a kind must come with their
// body: the graph itself reads it.
func NeedsBody(kind string) bool {
	switch kind {
	case member.KindFound, member.KindAdmit, member.KindDeviceAdd, proposal.KindOpen:
		return true
	}
	return false
}

// Restore rebuilds a co-op from a snapshot and the records of the store, in the
// order in which they were admitted; records may come without bodies where
// NeedsBody does not ask for them. With a snapshot that is damaged, or of other
// records, it folds everything anew. Restored are as many records as the
// snapshot covers. Anchors are those Minutes().Anchors() returned before; they
// are ground state, to be kept apart from caches.
func Restore(load Source, snapshot []byte, anchors []record.ID, graph func(admit func(*record.Record) error) error) (c *Coop, restored int, err error) {
	c = New(load)
	err = graph(func(r *record.Record) error {
		_, _, err := c.h.Admit(r)
		if err == nil {
			c.noteCard(r)
		}
		return err
	})
	if err != nil || c.h.Len() == 0 {
		return c, 0, err
	}
	for ref := range history.Ref(c.h.Len()) {
		c.note(ref)
	}
	if restored, err = c.resume(snapshot, anchors); err != nil {
		if err := c.begin(load(0), anchors); err != nil {
			return nil, 0, err
		}
		restored = 0
	}
	for ref := range history.Ref(c.h.Len()) {
		switch {
		case int(ref) >= max(restored, 1):
			c.foldContent(ref)
			c.insert(ref)
		case !c.minutes.Minuted(ref):
			c.insert(ref)
		}
	}
	c.staleMinutes, c.staleLayer = true, true
	return c, restored, nil
}

// resume takes the fold from a snapshot. One that does not know all stored anchors
// is of no use: what those decided would be decided anew.
func (c *Coop) resume(b []byte, anchors []record.ID) (restored int, err error) {
	var head snapshotHead
	if b, err = record.UnmarshalFirst(b, &head); err != nil {
		return 0, err
	}
	if head.Version != snapshotVersion || len(head.Lines) == 0 || head.Records == 0 || head.Records > uint64(c.h.Len()) {
		return 0, errors.New("snapshot of another version or of other records")
	}
	contents, library := newContents(), document.NewLibrary(c.h, c.body, schemas())
	var lines []*line
	for i, h := range head.Lines {
		var l *line
		if l, b, err = c.readLine(h, b); err != nil {
			return 0, err
		}
		if i > 0 {
			l.below = lines[i-1]
		}
		lines = append(lines, l)
	}
	known := lines[len(lines)-1].minutes.Anchors()
	if len(anchors) > len(known) || !slices.Equal(anchors, known[:len(anchors)]) {
		return 0, errors.New("snapshot from before an anchor was stored")
	}
	if b, err = contents.read(b); err != nil {
		return 0, err
	}
	if b, err = library.Read(b); err != nil || len(b) > 0 {
		return 0, fmt.Errorf("snapshot of documents: %w", err)
	}
	c.lines, c.line, c.contents, c.library = lines, lines[len(lines)-1], contents, library
	c.layer, c.layered = c.minuted.clone(), -1
	return int(head.Records), nil
}

// readLine reads one line, without the one below.
func (c *Coop) readLine(head snapshotLine, b []byte) (l *line, rest []byte, err error) {
	m, err := minutes.Restore(c.h, head.Minutes)
	if err != nil {
		return nil, nil, err
	}
	minuted, b, err := readActs(b)
	if err != nil {
		return nil, nil, err
	}
	l = newLine(m, minuted)
	if l.opening, b, err = readActs(b); err != nil {
		return nil, nil, err
	}
	if l.by = c.reseat(head.By); l.by == nil && head.By != (record.ID{}) {
		return nil, nil, errors.New("snapshot of a re-seating that is not held")
	}
	return l, b, nil
}

func readActs(b []byte) (a *Acts, rest []byte, err error) {
	a = &Acts{People: member.New(), Proposals: proposal.New(), Ledger: ledger.New(), Problems: newProblems()}
	for _, read := range []func([]byte) ([]byte, error){a.People.Read, a.Proposals.Read, a.Ledger.Read, a.Problems.Read} {
		if b, err = read(b); err != nil {
			return nil, nil, err
		}
	}
	return a, b, nil
}

func (c Contents) read(b []byte) (rest []byte, err error) {
	for _, read := range []func([]byte) ([]byte, error){c.Listings.Read, c.Comments.Read, c.Texts.Read, c.Problems.Read} {
		if b, err = read(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}
