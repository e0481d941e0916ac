package document

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"coop/crdt/history"
	"coop/crdt/record"
)

// saved is one document as WriteTo writes it: which records stand in it, by
// their places in this node's order of admission, and their sizes.
type saved struct {
	_       struct{} `cbor:",toarray"`
	Schema  string
	Created savedEdit
	Edits   []savedEdit // after the record that made it
}

type savedEdit struct {
	_        struct{} `cbor:",toarray"`
	Ref      uint32
	LenBytes uint32
	Chars    uint32
}

func save(ref history.Ref, s size) savedEdit {
	return savedEdit{Ref: uint32(ref), LenBytes: uint32(s.lenBytes), Chars: uint32(s.chars)}
}

func (e savedEdit) size() size { return size{int(e.LenBytes), int(e.Chars)} }

// WriteTo writes which records stand in which document, for a cache of this
// node: Read then need not judge them again. It means nothing to other nodes.
func (l *Library) WriteTo(w io.Writer) (n int64, err error) {
	write := func(v any) bool {
		var k int
		k, err = w.Write(record.Marshal(v))
		n += int64(k)
		return err == nil
	}
	if !write(uint64(len(l.docs))) {
		return n, err
	}
	for _, created := range slices.Sorted(maps.Keys(l.docs)) {
		if !write(l.save(created)) {
			return n, err
		}
	}
	return n, nil
}

func (l *Library) save(created history.Ref) saved {
	k := l.docs[created]
	s := saved{Schema: k.schema.Name, Created: save(created, k.size), Edits: []savedEdit{}}
	if k.edits == nil {
		return s
	}
	upTo := make([]size, len(k.edits.chains))
	for i, e := range k.edits.all {
		if i > 0 {
			s.Edits = append(s.Edits, save(e.ref, e.upTo.minus(upTo[e.chain])))
		}
		upTo[e.chain] = e.upTo
	}
	return s
}

// Read fills an empty library, whose history holds the records, from what
// WriteTo wrote and returns the bytes behind it. An error means that the cache
// is damaged, or of other records, and must be thrown away.
func (l *Library) Read(b []byte) (rest []byte, err error) {
	var n uint64
	if b, err = record.UnmarshalFirst(b, &n); err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	for range n {
		var s saved
		if b, err = record.UnmarshalFirst(b, &s); err != nil {
			return nil, fmt.Errorf("documents: %w", err)
		}
		if err := l.load(s); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (l *Library) load(s saved) error {
	i := slices.IndexFunc(l.schemas, func(schema Schema) bool { return schema.Name == s.Schema })
	if i < 0 || !l.isA(KindCreate, s.Created) {
		return fmt.Errorf("documents: record %d made none called %q", s.Created.Ref, s.Schema)
	}
	created := history.Ref(s.Created.Ref)
	l.docs[created] = &kept{schema: &l.schemas[i], size: s.Created.size()}
	if len(s.Edits) == 0 {
		return nil
	}
	g := newEdits(l.h, created, s.Created.size())
	for _, e := range s.Edits {
		if !l.isA(KindEdit, e) {
			return fmt.Errorf("documents: record %d is no edit", e.Ref)
		}
		g.add(history.Ref(e.Ref), e.size())
	}
	l.docs[created].edits = g
	return nil
}

func (l *Library) isA(kind string, e savedEdit) bool {
	return int64(e.Ref) < int64(l.h.Len()) && l.h.At(history.Ref(e.Ref)).Kind == kind
}
