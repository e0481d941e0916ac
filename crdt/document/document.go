// Package document holds the documents of a co-op: listings, comments, texts of
// proposals, built from the typed edits of its members.
//
// A doc/create record makes a document, doc/edit records change it. What they
// carry are typed ops (put, delete, insert into and delete from a list, splice a
// text), and a schema says which fields there are, how large, and who may change
// them. A record is judged once, as a whole, in its own past: one bad op, and
// nothing of it counts. A later edit that has such a record in its past is
// judged without it.
//
// People edit at the same time, so Automerge merges: every node runs each edit
// on the document as it stood in the edit's past and gets the same changes,
// whatever the order in which edits arrive. Where nothing was edited at the same
// time there is nothing to merge, and what the document says follows from the
// ops alone; Automerge is not asked then. A test holds that both say the same.
//
// No byte from a peer reaches Automerge, no other package imports it, and a
// Library belongs to one goroutine.
package document

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"coop/crdt/history"
	"coop/crdt/record"
)

// Limits of one document, counted in the past of each edit and with it. They
// bound what building it in Automerge costs: about a second, and 70 MB.
const (
	MaxEdits    = 10_000  // records, 1.5 KB each in Automerge
	MaxLenBytes = 1 << 20 // of the bodies of its records
	MaxChars    = 1 << 17 // put into its texts or taken out, 420 bytes each in Automerge
)

// maxValues bounds the values kept ready: a few pages of listings.
const maxValues = 4096

// Source returns the body of an admitted record, false if it is hollow. It must
// go on returning the body of a record that stood when it was added.
type Source func(history.Ref) ([]byte, bool)

// Library is all the documents of a co-op. It is not safe for concurrent use:
// also what only reads may build and drop documents inside.
type Library struct {
	h       *history.History
	source  Source
	schemas []Schema
	docs    map[history.Ref]*kept
	values  *simplelru.LRU[history.Ref, Value]
	lives   *simplelru.LRU[history.Ref, *live]
	garbage int // bytes of Automerge dropped since the collector ran, by estimate
}

// kept is what a library always keeps of a document. It must be small.
type kept struct {
	schema *Schema
	size   size   // of the record that made it
	edits  *edits // nil while there is no other edit
}

// document is one document of a library. The record that made it names it.
type document struct {
	created history.Ref
	schema  *Schema
	*edits
}

var errUnknown = errors.New("there is no such document")

// NewLibrary returns an empty library of documents of the given schemas.
func NewLibrary(h *history.History, source Source, schemas []Schema) *Library {
	l := &Library{h: h, source: source, schemas: slices.Clone(schemas), docs: map[history.Ref]*kept{}}
	l.values = newLRU[Value](maxValues, nil)
	l.lives = newLRU(maxLive, func(_ history.Ref, v *live) { l.garbage += v.lenBytes() })
	return l
}

func newLRU[V any](size int, dropped func(history.Ref, V)) *simplelru.LRU[history.Ref, V] {
	lru, err := simplelru.NewLRU(size, dropped)
	if err != nil {
		panic("document: " + err.Error())
	}
	return lru
}

// Add takes in a record of a content kind that was just admitted: each once, in
// the order of admission. It returns the document that the record makes or
// changes, zeros if it names none. An error says, for people, why nothing of the
// record counts.
func (l *Library) Add(ref history.Ref) (record.ID, error) {
	n := l.h.At(ref)
	body, ok := l.source(ref)
	switch {
	case !ok:
		return record.ID{}, errors.New("its body is not here")
	case n.Kind == KindCreate:
		return n.ID, l.create(ref, n.Owner, body)
	case n.Kind == KindEdit:
		return l.edit(ref, n.Owner, body)
	}
	return record.ID{}, fmt.Errorf("%s is not a kind of content", n.Kind)
}

func (l *Library) create(ref history.Ref, owner record.ID, body []byte) error {
	c, err := DecodeCreate(body)
	if err != nil {
		return err
	}
	s, err := l.judgeCreate(c)
	if err != nil {
		return err
	}
	v := newValue(s, owner, ref)
	v.run(c.Ops)
	l.values.Add(ref, v)
	l.docs[ref] = &kept{schema: s, size: sizeOf(body, c.Ops)}
	return nil
}

func (l *Library) judgeCreate(c Create) (*Schema, error) {
	i := slices.IndexFunc(l.schemas, func(s Schema) bool { return s.Name == c.Schema })
	if i < 0 {
		return nil, fmt.Errorf("there are no documents called %q", c.Schema)
	}
	return &l.schemas[i], l.schemas[i].judge(c.Ops, true, func(int) int { return 0 })
}

func (l *Library) edit(ref history.Ref, writer record.ID, body []byte) (record.ID, error) {
	e, err := DecodeEdit(body)
	if err != nil {
		return record.ID{}, err
	}
	d, ok := l.find(e.Doc)
	if !ok || !l.h.InPast(d.created, ref) {
		return e.Doc, errors.New("it changes a document that was not there when it was written")
	}
	added := sizeOf(body, e.Ops)
	if err := l.judgeEdit(d, d.seenBy(ref), writer, e.Ops, added); err != nil {
		return e.Doc, err
	}
	v, ok := l.values.Peek(d.created)
	l.values.Remove(d.created)
	d.add(ref, added)
	l.docs[d.created].edits = d.edits
	if ok && d.line {
		v = v.after(e.Ops)
		v.Edited = ref
		l.values.Add(d.created, v)
	}
	return e.Doc, nil
}

// judgeEdit judges an edit that has this version of the document in its past.
func (l *Library) judgeEdit(d document, past clock, writer record.ID, ops []Op, added size) error {
	const advice = "copy it into a new one and go on there"
	with := d.sizeOf(past).plus(added)
	switch {
	case past.count() >= MaxEdits:
		return fmt.Errorf("the document has %d edits, which is all it may have: %s", MaxEdits, advice)
	case with.lenBytes > MaxLenBytes:
		return fmt.Errorf("the document and its edits would be more than %d bytes: %s", MaxLenBytes, advice)
	case with.chars > MaxChars:
		return fmt.Errorf("more than %d characters would have come and gone in the document: %s", MaxChars, advice)
	}
	byOwner := writer == l.h.At(d.created).Owner
	return d.schema.judge(ops, byOwner, func(field int) int {
		if d.line && past.count() == len(d.all) {
			return l.value(d).lenOf(field)
		}
		return l.liveOf(d).at(d.edits, past).lenOf(&d.schema.Fields[field])
	})
}

// CheckCreate says why a record with this body would not count, or nil. Ask
// before signing.
func (l *Library) CheckCreate(c Create) error {
	c, err := DecodeCreate(c.Encode())
	if err == nil {
		_, err = l.judgeCreate(c)
	}
	return err
}

// CheckEdit says why a record with this body, written by a member who has seen
// all that is here, would not count, or nil. Ask before signing.
func (l *Library) CheckEdit(writer record.ID, e Edit) error {
	body := e.Encode()
	e, err := DecodeEdit(body)
	if err != nil {
		return err
	}
	d, ok := l.find(e.Doc)
	if !ok {
		return errUnknown
	}
	return l.judgeEdit(d, d.now(), writer, e.Ops, sizeOf(body, e.Ops))
}

// find returns a document. The graph of one that was never edited is made anew
// each time, to keep the many such small.
func (l *Library) find(id record.ID) (document, bool) {
	created, _ := l.h.Find(id)
	k, ok := l.docs[created]
	if !ok {
		return document{}, false
	}
	d := document{created, k.schema, k.edits}
	if d.edits == nil {
		d.edits = newEdits(l.h, created, k.size)
	}
	return d, true
}

// ops returns the ops of a record that stands.
func (l *Library) ops(ref history.Ref) []Op {
	var (
		c       Create
		e       Edit
		err     error
		body, _ = l.source(ref)
	)
	if l.h.At(ref).Kind == KindCreate {
		c, err = DecodeCreate(body)
	} else {
		e, err = DecodeEdit(body)
	}
	if err != nil {
		panic(fmt.Sprintf("document: the body of %s stood and is gone: %v", l.h.ID(ref).Short(), err))
	}
	return append(c.Ops, e.Ops...)
}

// Value returns what a document says now, and whether there is one.
func (l *Library) Value(doc record.ID) (Value, bool) {
	created, _ := l.h.Find(doc)
	if v, ok := l.values.Get(created); ok {
		return v, true
	}
	d, ok := l.find(doc)
	if !ok {
		return Value{}, false
	}
	return l.value(d), true
}

func (l *Library) value(d document) Value {
	v, ok := l.values.Get(d.created)
	if !ok {
		v = l.valueAt(d, d.now())
		l.values.Add(d.created, v)
	}
	return v
}

// valueAt returns what a version of a document says: by its ops where they form
// a line, else by Automerge.
func (l *Library) valueAt(d document, version clock) Value {
	v := newValue(d.schema, l.h.At(d.created).Owner, d.created)
	list := d.between(nil, version)
	if d.line || d.inLine(list) {
		for _, e := range list {
			v.run(l.ops(d.all[e].ref))
		}
	} else {
		l.liveOf(d).at(d.edits, version).read(v)
	}
	ends := d.refs(d.ends(version))
	v.Edited = ends[len(ends)-1]
	return v
}

// ValueAt returns what a document said in a version that Version named.
func (l *Library) ValueAt(doc record.ID, version []record.ID) (Value, error) {
	d, ok := l.find(doc)
	switch {
	case !ok:
		return Value{}, errUnknown
	case len(version) == 0:
		return Value{}, errors.New("the version names no edit")
	}
	seen := make(clock, len(d.chains))
	for _, id := range version {
		ref, ok := l.h.Find(id)
		if !ok {
			return Value{}, fmt.Errorf("the version names %s, which is not here yet: sync first", id.Short())
		}
		past := d.seenBy(ref)
		if !slices.ContainsFunc(d.ends(past), func(e int32) bool { return d.all[e].ref == ref }) {
			return Value{}, fmt.Errorf("the version names %s, which is not an edit of the document", id.Short())
		}
		seen.join(past)
	}
	return l.valueAt(d, seen), nil
}

// Version returns the ids of a document's edits that no other of its edits has
// in its past, sorted: they name exactly what it says now. It is nil if there is
// no such document.
func (l *Library) Version(doc record.ID) []record.ID {
	d, ok := l.find(doc)
	if !ok {
		return nil
	}
	ids := make([]record.ID, len(d.heads))
	for i, e := range d.heads {
		ids[i] = l.h.ID(d.all[e].ref)
	}
	return record.SortIDs(ids)
}

// History returns the records that stand in a document, the one that made it
// first, by (depth, id); nil if there is no such document.
func (l *Library) History(doc record.ID) []history.Ref {
	d, ok := l.find(doc)
	if !ok {
		return nil
	}
	return d.refs(d.between(nil, d.now()))
}

// Heads returns the hashes of the Automerge changes that name what a document
// says now, in hex, sorted; nil if there is no such document. Nodes with the
// same records have the same.
func (l *Library) Heads(doc record.ID) []string {
	d, ok := l.find(doc)
	if !ok {
		return nil
	}
	var heads []string
	for _, h := range l.liveOf(d).main.am.Heads() {
		heads = append(heads, h.String())
	}
	slices.Sort(heads)
	return heads
}

// Save returns a document in the format of Automerge, with its whole history.
// The message of each change is the id of the record it was made from. It is an
// error if there is no such document.
func (l *Library) Save(doc record.ID) ([]byte, error) {
	d, ok := l.find(doc)
	if !ok {
		return nil, errUnknown
	}
	return l.liveOf(d).main.am.Save(), nil
}
