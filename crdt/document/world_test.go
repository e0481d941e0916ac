package document_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/record"
)

// page has a field of every type, for its owner and for everybody.
var page = document.Schema{Name: "page", Fields: []document.Field{
	{Name: "title", Type: document.String, MaxLen: 20, Write: document.ByOwner},
	{Name: "price", Type: document.Int, Write: document.ByAnyone},
	{Name: "open", Type: document.Bool, Write: document.ByAnyone},
	{Name: "place", Type: document.String, MaxLen: 20, Write: document.ByAnyone},
	{Name: "text", Type: document.Text, MaxLen: 200, Write: document.ByAnyone},
	{Name: "notes", Type: document.Text, MaxLen: 2_000_000, Write: document.ByAnyone},
	{Name: "tags", Type: document.StringList, MaxLen: 10, MaxItems: 6, Write: document.ByAnyone},
}}

func member(n int) record.ID { return record.ID{1, byte(n)} }

// rules let the founding record introduce every device of a test: device n
// belongs to member n, but the last one to member 0.
func rules(keys []*record.Private) history.Rules {
	return history.Rules{
		Introduces: func(r *record.Record) (in []history.Introduction) {
			if !r.Founding() {
				return nil
			}
			for i, k := range keys {
				owner := member(i)
				if i == len(keys)-1 {
					owner = member(0)
				}
				in = append(in, history.Introduction{Member: owner, Device: k.Public()})
			}
			return in
		},
		Content: document.IsContent,
	}
}

// replica is what one node holds.
type replica struct {
	t       testing.TB
	h       *history.History
	lib     *document.Library
	records []*record.Record
	errs    map[record.ID]string
}

func newReplica(t testing.TB, keys []*record.Private, founding *record.Record) *replica {
	r := &replica{t: t, h: history.New(rules(keys)), errs: map[record.ID]string{}}
	r.lib = document.NewLibrary(r.h, r.body, []document.Schema{page})
	r.add(founding)
	return r
}

func (r *replica) body(ref history.Ref) ([]byte, bool) {
	return r.records[ref].Body, !r.records[ref].Hollow
}

func (r *replica) add(rec *record.Record) (record.ID, error) {
	r.t.Helper()
	ref, fresh, err := r.h.Admit(rec)
	if err != nil {
		r.t.Fatalf("admitting: %v", err)
	}
	if !fresh || !document.IsContent(rec.Kind) {
		if fresh {
			r.records = append(r.records, rec)
		}
		return record.ID{}, nil
	}
	r.records = append(r.records, rec)
	doc, err := r.lib.Add(ref)
	if err != nil {
		r.errs[rec.ID] = err.Error()
	}
	return doc, err
}

// pull adds what other has and r has not.
func (r *replica) pull(other *replica) {
	for _, rec := range other.records {
		r.add(rec)
	}
}

// world is some devices, each with a replica of its own.
type world struct {
	t        testing.TB
	keys     []*record.Private
	founding *record.Record
	nodes    []*replica
}

func newWorld(t testing.TB, devices int) *world {
	w := &world{t: t}
	for i := range devices {
		w.keys = append(w.keys, record.NewPrivate([32]byte{byte(i), byte(i >> 8), 7}))
	}
	founding, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: "coop/found"}, nil, w.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	w.founding = founding
	for range devices {
		w.nodes = append(w.nodes, newReplica(t, w.keys, founding))
	}
	return w
}

// sign makes a record by device n on top of all its replica holds.
func (w *world) sign(n int, kind string, body []byte) *record.Record {
	w.t.Helper()
	return w.signOn(n, w.nodes[n].h.Heads(), kind, body)
}

// signOn makes a record by device n with the given heads.
func (w *world) signOn(n int, heads []history.Ref, kind string, body []byte) *record.Record {
	w.t.Helper()
	h := w.nodes[n].h
	header := record.Header{Coop: w.founding.ID, Seq: 1, Kind: kind}
	if tips := h.TipsOf(w.keys[n].Public()); len(tips) > 0 {
		tip := h.At(tips[0])
		header.Seq, header.Prev, header.Depth = tip.Seq+1, tip.ID, tip.Depth
	}
	for _, ref := range heads {
		node := h.At(ref)
		header.Depth = max(header.Depth, node.Depth)
		if node.ID != header.Prev {
			header.Parents = append(header.Parents, node.ID)
		}
	}
	header.Depth++
	header.Parents = record.SortIDs(header.Parents)
	rec, err := record.New(header, body, w.keys[n])
	if err != nil {
		w.t.Fatal(err)
	}
	return rec
}

// create lets device n make a document.
func (w *world) create(n int, ops ...document.Op) record.ID {
	w.t.Helper()
	rec := w.sign(n, document.KindCreate, document.Create{Schema: "page", Ops: ops}.Encode())
	if _, err := w.nodes[n].add(rec); err != nil {
		w.t.Fatalf("create: %v", err)
	}
	return rec.ID
}

// edit lets device n edit a document on top of all it holds.
func (w *world) edit(n int, doc record.ID, ops ...document.Op) error {
	w.t.Helper()
	rec := w.sign(n, document.KindEdit, document.Edit{Doc: doc, Ops: ops}.Encode())
	named, err := w.nodes[n].add(rec)
	if err == nil && named != doc {
		w.t.Errorf("Add names %s, want %s", named.Short(), doc.Short())
	}
	return err
}

func (w *world) mustEdit(n int, doc record.ID, ops ...document.Op) {
	w.t.Helper()
	if err := w.edit(n, doc, ops...); err != nil {
		w.t.Fatalf("edit: %v", err)
	}
}

// sync lets all devices have what any has.
func (w *world) sync() {
	for range 2 {
		for i := range w.nodes {
			w.nodes[(i+1)%len(w.nodes)].pull(w.nodes[i])
		}
	}
}

func (w *world) value(n int, doc record.ID) document.Value {
	w.t.Helper()
	v, ok := w.nodes[n].lib.Value(doc)
	if !ok {
		w.t.Fatalf("device %d has no document %s", n, doc.Short())
	}
	return v
}

// said is all a replica can tell of its documents, in a form to compare.
func (r *replica) said(docs []record.ID) string {
	var b strings.Builder
	for _, doc := range docs {
		v, ok := r.lib.Value(doc)
		if !ok {
			fmt.Fprintf(&b, "%s: none\n", doc.Short())
			continue
		}
		fmt.Fprintf(&b, "%s: %x\n heads %v\n version %v\n edited %v\n history", doc.Short(), v.Encode(), r.lib.Heads(doc), r.lib.Version(doc), r.h.ID(v.Edited))
		for _, ref := range r.lib.History(doc) {
			fmt.Fprintf(&b, " %s", r.h.ID(ref).Short())
		}
		for _, c := range r.lib.Conflicts(doc) {
			fmt.Fprintf(&b, "\n conflict %s", c.Field)
			for _, change := range c.Changes {
				fmt.Fprintf(&b, " %s:%v", r.h.ID(change.Edit).Short(), change.Op)
			}
		}
		b.WriteString("\n")
	}
	ids := make([]record.ID, 0, len(r.errs))
	for id := range r.errs {
		ids = append(ids, id)
	}
	for _, id := range record.SortIDs(ids) {
		fmt.Fprintf(&b, "void %s: %s\n", id.Short(), r.errs[id])
	}
	return b.String()
}

// shuffled returns all records but the founding one, which is the first, in a
// random order with parents first.
func shuffled(rng *rand.Rand, records []*record.Record) []*record.Record {
	left := slices.Clone(records[1:])
	done := map[record.ID]bool{{}: true, records[0].ID: true}
	var out []*record.Record
	for len(left) > 0 {
		i := rng.IntN(len(left))
		r := left[i]
		ready := done[r.Prev] && !slices.ContainsFunc(r.Parents, func(p record.ID) bool { return !done[p] })
		if ready {
			done[r.ID] = true
			out = append(out, r)
			left = slices.Delete(left, i, i+1)
		}
	}
	return out
}

const alphabet = "ab é😀語\n"

func randomText(rng *rand.Rand, n int) string {
	runes := []rune(alphabet)
	var b strings.Builder
	for range n {
		b.WriteRune(runes[rng.IntN(len(runes))])
	}
	return b.String()
}

// randomOp returns an op that is mostly right for a document that says v.
func randomOp(rng *rand.Rand, v document.Value) document.Op {
	upTo := func(n int) int {
		if rng.IntN(60) == 0 {
			n += 3 // sometimes beyond the end
		}
		return rng.IntN(n + 1)
	}
	switch rng.IntN(12) {
	case 0:
		return document.Put("title", randomText(rng, rng.IntN(4)))
	case 1:
		return document.PutInt("price", rng.Int64N(4)-1)
	case 2:
		return document.PutBool("open", rng.IntN(2) == 0)
	case 3:
		return document.Put("place", randomText(rng, rng.IntN(4)))
	case 4:
		return document.Delete([]string{"title", "price", "open", "place"}[rng.IntN(4)])
	case 5, 6:
		return document.ListInsert("tags", upTo(len(v.List("tags"))), randomText(rng, rng.IntN(4)))
	case 7:
		return document.ListDelete("tags", upTo(max(0, len(v.List("tags"))-1)))
	}
	n := len([]rune(v.Text("text")))
	at := upTo(n)
	return document.Splice("text", at, min(upTo(n-min(at, n)), 6), randomText(rng, 1+rng.IntN(5)))
}
