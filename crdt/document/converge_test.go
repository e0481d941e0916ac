package document_test

import (
	"math/rand/v2"
	"testing"

	"github.com/automerge/automerge-go"

	"coop/crdt/document"
	"coop/crdt/record"
)

// TestConverge lets several devices edit at random, meeting now and then, and
// then holds that every order of arrival, with caches dropped in between or not,
// gives the same documents to the last byte, and the same Automerge changes.
func TestConverge(t *testing.T) {
	worlds := 40
	if testing.Short() {
		worlds = 10
	}
	voids, concurrent, stood := 0, 0, 0
	for seed := range uint64(worlds) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w, docs := randomWorld(t, rng)
		want := w.nodes[0].said(docs)
		for i, n := range w.nodes {
			if got := n.said(docs); got != want {
				t.Fatalf("seed %d: device %d says\n%s\nand device 0\n%s", seed, i, got, want)
			}
		}
		for range 3 {
			r := newReplica(t, w.keys, w.founding)
			for _, rec := range shuffled(rng, w.nodes[0].records) {
				r.add(rec)
				disturb(rng, r, docs)
			}
			if got := r.said(docs); got != want {
				t.Fatalf("seed %d: in another order\n%s\nwant\n%s", seed, got, want)
			}
		}
		voids += len(w.nodes[0].errs)
		for _, doc := range docs {
			stood += len(w.nodes[0].lib.History(doc))
			if len(w.nodes[0].lib.Conflicts(doc)) > 0 {
				concurrent++
			}
			sameAsAutomerge(t, w.nodes[0], doc)
			versions(t, w, doc)
		}
	}
	t.Logf("%d edits stood, %d void, %d documents with conflicts", stood, voids, concurrent)
	if voids == 0 || concurrent == 0 {
		t.Errorf("the worlds are too tame: %d void, %d with conflicts", voids, concurrent)
	}
}

// randomWorld has up to five devices, up to three documents, and ends with all
// devices holding everything.
func randomWorld(t *testing.T, rng *rand.Rand) (*world, []record.ID) {
	w := newWorld(t, 2+rng.IntN(4))
	var docs []record.ID
	for range 1 + rng.IntN(3) {
		docs = append(docs, w.create(rng.IntN(len(w.nodes)), document.Splice("text", 0, 0, "start"), document.Put("place", "here")))
	}
	w.sync()
	for range 40 {
		n := rng.IntN(len(w.nodes))
		if rng.IntN(4) == 0 {
			w.nodes[n].pull(w.nodes[rng.IntN(len(w.nodes))])
		}
		doc := docs[rng.IntN(len(docs))]
		v := w.value(n, doc)
		var ops []document.Op
		for range 1 + rng.IntN(2) {
			ops = append(ops, randomOp(rng, v))
		}
		w.edit(n, doc, ops...)
		disturb(rng, w.nodes[n], docs)
	}
	w.sync()
	return w, docs
}

// disturb does what must change nothing.
func disturb(rng *rand.Rand, r *replica, docs []record.ID) {
	doc := docs[rng.IntN(len(docs))]
	switch rng.IntN(8) {
	case 0:
		r.lib.DropCaches()
	case 1:
		r.lib.DropOldest()
	case 2:
		r.lib.Heads(doc)
	case 3:
		r.lib.Value(doc)
	}
}

// sameAsAutomerge holds that what a document says is what its export says.
func sameAsAutomerge(t *testing.T, r *replica, doc record.ID) {
	t.Helper()
	v, _ := r.lib.Value(doc)
	file, err := r.lib.Save(doc)
	if err != nil {
		t.Fatal(err)
	}
	am, err := automerge.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{"title": "", "price": int64(0), "open": false, "place": "", "text": "", "notes": "", "tags": []any{}}
	for k, val := range am.Root().Interface().(map[string]any) {
		got[k] = val
	}
	tags := []any{}
	for _, s := range v.List("tags") {
		tags = append(tags, s)
	}
	want := map[string]any{
		"@schema": "page", "title": v.Text("title"), "price": v.Int("price"), "open": v.Bool("open"), "place": v.Text("place"),
		"text": v.Text("text"), "notes": v.Text("notes"), "tags": tags,
	}
	if !equal(got, want) {
		t.Fatalf("the export says\n%q\nthe document\n%q", got, want)
	}
	changes, err := am.Changes()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(changes), len(r.lib.History(doc)); got != want {
		t.Fatalf("%d changes of %d edits", got, want)
	}
	for _, c := range changes {
		id, err := record.ParseID(c.Message())
		if err != nil || c.Timestamp().UnixMilli() != 0 || c.ActorSeq() != 1 {
			t.Fatalf("change %q of %d ms, seq %d: %v", c.Message(), c.Timestamp().UnixMilli(), c.ActorSeq(), err)
		}
		if _, ok := r.h.Find(id); !ok {
			t.Fatalf("change names %s, which is no record", id.Short())
		}
	}
}

// versions holds that each version a device ever had reads the same on another.
func versions(t *testing.T, w *world, doc record.ID) {
	t.Helper()
	r := newReplica(t, w.keys, w.founding)
	last := w.nodes[len(w.nodes)-1].lib
	for i, rec := range w.nodes[0].records[1:] {
		r.add(rec)
		now, ok := r.lib.Value(doc)
		if !ok || i%3 > 0 {
			continue
		}
		was, err := last.ValueAt(doc, r.lib.Version(doc))
		if err != nil {
			t.Fatal(err)
		}
		if string(was.Encode()) != string(now.Encode()) {
			t.Fatalf("version %v read later says %+v, then it said %+v", r.lib.Version(doc), was, now)
		}
		if a, b := r.h.ID(now.Edited), w.nodes[len(w.nodes)-1].h.ID(was.Edited); a != b {
			t.Fatalf("edited last by %s, then by %s", b.Short(), a.Short())
		}
	}
}

func equal(a, b map[string]any) bool {
	return string(record.Marshal(sorted(a))) == string(record.Marshal(sorted(b)))
}

func sorted(m map[string]any) []any {
	var out []any
	for _, k := range []string{"@schema", "title", "price", "open", "place", "text", "notes", "tags"} {
		out = append(out, m[k])
	}
	return append(out, len(m))
}

// TestLineIsAutomerge holds that documents that are shown without Automerge say
// what Automerge would say.
func TestLineIsAutomerge(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t, 2)
		doc := w.create(0, document.Put("title", "a\x00b"), document.ListInsert("tags", 0, ""))
		sameAsAutomerge(t, w.nodes[0], doc)
		w.nodes[0].lib.DropCaches()
		for i := range 30 {
			w.sync()
			w.edit(i%2, doc, randomOp(rng, w.value(i%2, doc)), randomOp(rng, w.value(i%2, doc)))
			if ref, _ := w.nodes[i%2].h.Find(doc); w.nodes[i%2].lib.IsLive(ref) {
				t.Fatalf("seed %d: a document that nobody edited at the same time is in Automerge", seed)
			}
		}
		w.sync()
		sameAsAutomerge(t, w.nodes[0], doc)
	}
}

// TestForkedDevice holds that the edits of a device that forked, both of which
// others may have built on, are merged like those of two devices.
func TestForkedDevice(t *testing.T) {
	w := newWorld(t, 3)
	doc := w.create(0, document.Splice("text", 0, 0, "ab"))
	w.sync()
	heads := w.nodes[1].h.Heads()
	body := func(s string) []byte {
		return document.Edit{Doc: doc, Ops: []document.Op{document.Splice("text", 1, 0, s)}}.Encode()
	}
	one := w.signOn(1, heads, document.KindEdit, body("1"))
	two := w.signOn(1, heads, document.KindEdit, body("2"))
	w.nodes[0].add(one)
	w.nodes[2].add(two)
	w.mustEdit(0, doc, document.Splice("text", 2, 0, "x"))
	w.mustEdit(2, doc, document.Splice("text", 2, 0, "y"))
	w.sync()
	want := w.nodes[0].said([]record.ID{doc})
	for i, n := range w.nodes {
		n.lib.DropCaches()
		if got := n.said([]record.ID{doc}); got != want {
			t.Errorf("device %d says\n%s\nwant\n%s", i, got, want)
		}
	}
	if got := len(w.nodes[0].lib.History(doc)); got != 5 {
		t.Errorf("%d edits stand, want 5", got)
	}
}
