package document_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"coop/crdt/document"
	"coop/crdt/record"
)

func TestOps(t *testing.T) {
	base := []document.Op{document.Put("title", "Äpfel"), document.Splice("text", 0, 0, "añ😀b"), document.ListInsert("tags", 0, "x"), document.ListInsert("tags", 1, "z")}
	for _, c := range []struct {
		name string
		ops  []document.Op
		want string
	}{
		{"nothing changed but a price", []document.Op{document.PutInt("price", -3)}, `Äpfel -3 false "añ😀b" [x z]`},
		{"positions are code points", []document.Op{document.Splice("text", 3, 1, "é")}, `Äpfel 0 false "añ😀é" [x z]`},
		{"an emoji is one", []document.Op{document.Splice("text", 2, 1, "")}, `Äpfel 0 false "añb" [x z]`},
		{"a family is several", []document.Op{document.Splice("text", 0, 4, "👨‍👩‍👧!"), document.Splice("text", 1, 4, "")}, `Äpfel 0 false "👨!" [x z]`},
		{"at the end", []document.Op{document.Splice("text", 4, 0, "c"), document.ListInsert("tags", 2, "e")}, `Äpfel 0 false "añ😀bc" [x z e]`},
		{"one op after the other", []document.Op{document.Splice("text", 0, 4, ""), document.Splice("text", 0, 0, "new"), document.Splice("text", 3, 0, "er")}, `Äpfel 0 false "newer" [x z]`},
		{"list", []document.Op{document.ListInsert("tags", 1, "y"), document.ListDelete("tags", 0)}, `Äpfel 0 false "añ😀b" [y z]`},
		{"put and delete", []document.Op{document.PutBool("open", true), document.Delete("title"), document.Delete("place")}, ` 0 true "añ😀b" [x z]`},
		{"put an empty string", []document.Op{document.Put("title", "")}, ` 0 false "añ😀b" [x z]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2)
			doc := w.create(0, base...)
			w.mustEdit(0, doc, c.ops...)
			v := w.value(0, doc)
			got := fmt.Sprintf("%s %d %v %q %v", v.Text("title"), v.Int("price"), v.Bool("open"), v.Text("text"), v.List("tags"))
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			sameAsAutomerge(t, w.nodes[0], doc)
		})
	}
}

func TestGetters(t *testing.T) {
	w := newWorld(t, 2)
	v := w.value(0, w.create(0, document.Put("title", ""), document.PutInt("price", 7)))
	if !v.Has("title") || !v.Has("price") || v.Has("open") || v.Has("text") || v.Has("no such") {
		t.Error("Has is wrong about what is set")
	}
	if v.Text("price") != "" || v.Int("title") != 0 || v.List("text") != nil || v.Bool("price") || v.Text("no such") != "" {
		t.Error("a getter answers for a field of another type")
	}
	if v.Schema != "page" || v.Owner != member(0) || v.Edited != v.Created {
		t.Errorf("schema %s, owner %s, created %d, edited %d", v.Schema, v.Owner.Short(), v.Created, v.Edited)
	}
	if (document.Value{}).Text("title") != "" {
		t.Error("the zero value says something")
	}
}

// TestValuesStay holds that a value that was handed out never changes.
func TestValuesStay(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0, document.PutInt("price", 1), document.ListInsert("tags", 0, "b"), document.ListInsert("tags", 1, "c"))
	var values []document.Value
	var said [][]byte
	for _, op := range []document.Op{
		document.ListInsert("tags", 0, "a"), document.PutInt("price", 2), document.ListDelete("tags", 1),
		document.ListInsert("tags", 1, "d"), document.ListDelete("tags", 0), document.Splice("text", 0, 0, "x"),
	} {
		v := w.value(0, doc)
		values, said = append(values, v), append(said, v.Encode())
		w.mustEdit(0, doc, op)
	}
	for i, v := range values {
		if !bytes.Equal(v.Encode(), said[i]) {
			t.Errorf("value %d changed to %v", i, v)
		}
	}
}

// TestVoid holds that one bad op voids all of a record, and which ops are bad.
func TestVoid(t *testing.T) {
	long := strings.Repeat("é", 21)
	good := document.PutInt("price", 9)
	for _, c := range []struct {
		name string
		by   int
		op   document.Op
		want string
	}{
		{"no such field", 0, document.Put("@schema", "x"), "no field"},
		{"another type", 0, document.PutInt("place", 1), "not of the type"},
		{"a text is not put", 0, document.Put("text", "x"), "not of the type"},
		{"a text is not deleted", 0, document.Delete("text"), "not of the type"},
		{"a list is not deleted", 0, document.Delete("tags"), "not of the type"},
		{"a scalar is not spliced", 0, document.Splice("place", 0, 0, "x"), "not of the type"},
		{"another's field", 1, document.Put("title", "x"), "only the member who made it"},
		{"another's field, deleted", 1, document.Delete("title"), "only the member who made it"},
		{"string too long", 0, document.Put("place", long), "21 characters, more than 20"},
		{"item too long", 0, document.ListInsert("tags", 0, long), "21 characters, more than 10"},
		{"text too long", 0, document.Splice("text", 0, 0, strings.Repeat("x", 201)), "length of 203, more than 200"},
		{"splice beyond the end", 0, document.Splice("text", 3, 0, "x"), "ends before"},
		{"splice takes too much", 0, document.Splice("text", 1, 2, "x"), "ends before"},
		{"splice at a huge position", 0, document.Splice("text", -1, 0, "x"), "ends before"},
		{"splice takes a huge number", 0, document.Splice("text", 0, -1, "x"), "would have come and gone"},
		{"insert beyond the end", 0, document.ListInsert("tags", 2, "x"), "ends before"},
		{"delete beyond the end", 0, document.ListDelete("tags", 1), "ends before"},
		{"empty splice", 0, document.Splice("text", 0, 0, ""), "changes nothing"},
		{"unknown verb", 0, document.Op{Verb: 99, Field: "price"}, "verb 99"},
		{"no verb", 0, document.Op{Field: "price"}, "verb 0"},
		{"boolean of two", 0, document.Op{Verb: document.VerbPutBool, Field: "open", Int: 2}, "not 0 or 1"},
		{"something unused", 0, document.Op{Verb: document.VerbDelete, Field: "place", Text: "x"}, "does not use"},
		{"another thing unused", 0, document.Op{Verb: document.VerbPutInt, Field: "price", At: 1}, "does not use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 3)
			doc := w.create(0, document.Splice("text", 0, 0, "ab"), document.ListInsert("tags", 0, "x"))
			w.sync()
			before := w.value(c.by, doc).Encode()
			version := w.nodes[c.by].lib.Version(doc)
			e := document.Edit{Doc: doc, Ops: []document.Op{good, c.op}}
			err := w.nodes[c.by].lib.CheckEdit(member(c.by), e)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("CheckEdit says %v, want %q", err, c.want)
			}
			err = w.edit(c.by, doc, good, c.op)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Add says %v, want %q", err, c.want)
			}
			if got := w.value(c.by, doc).Encode(); !bytes.Equal(got, before) {
				t.Errorf("a void record changed the document")
			}
			if got := w.nodes[c.by].lib.Version(doc); !slices.Equal(got, version) {
				t.Errorf("a void record is in the version")
			}
			w.mustEdit(c.by, doc, good) // with the void one in its past
			if got := w.value(c.by, doc).Int("price"); got != 9 {
				t.Errorf("after a good edit the price is %d, want 9", got)
			}
			rec := w.sign(0, document.KindCreate, document.Create{Schema: "page", Ops: []document.Op{c.op}}.Encode())
			if _, err := w.nodes[0].add(rec); err == nil && c.by == 0 {
				t.Errorf("a document was made with it")
			}
		})
	}
}

func TestOwnerHasSeveralDevices(t *testing.T) {
	w := newWorld(t, 3) // devices 0 and 2 are of member 0
	doc := w.create(0, document.Put("title", "one"))
	w.sync()
	w.mustEdit(2, doc, document.Put("title", "two"))
	if got := w.value(2, doc).Text("title"); got != "two" {
		t.Errorf("title is %q, want two", got)
	}
}

func TestTooManyItems(t *testing.T) {
	w := newWorld(t, 3)
	doc := w.create(0)
	for i := range 5 {
		w.mustEdit(0, doc, document.ListInsert("tags", i, "x"))
	}
	w.sync()
	for n := range 3 { // five each, together seven or eight
		w.mustEdit(n, doc, document.ListInsert("tags", 0, "y"))
	}
	if err := w.edit(0, doc, document.ListInsert("tags", 0, "z")); err == nil {
		t.Error("a seventh item was taken")
	}
	w.sync()
	if got := len(w.value(0, doc).List("tags")); got != 8 {
		t.Errorf("%d items, want the 8 that came together", got)
	}
	if err := w.edit(0, doc, document.ListDelete("tags", 0), document.ListInsert("tags", 0, "z"), document.ListInsert("tags", 0, "z")); err == nil {
		t.Error("more items were taken than there were")
	}
	w.mustEdit(0, doc, document.ListDelete("tags", 0), document.ListInsert("tags", 0, "z"))
	w.mustEdit(0, doc, document.ListDelete("tags", 0))
}

func TestBodies(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0)
	good := document.Edit{Doc: doc, Ops: []document.Op{document.PutInt("price", 1)}}
	for _, c := range []struct {
		name string
		kind string
		body []byte
		want string
	}{
		{"garbage", document.KindEdit, []byte("garbage"), "body"},
		{"something behind", document.KindEdit, append(good.Encode(), 0), "body"},
		{"no ops", document.KindEdit, document.Edit{Doc: doc}.Encode(), "changes nothing"},
		{"too many ops", document.KindEdit, document.Edit{Doc: doc, Ops: slices.Repeat(good.Ops, document.MaxOps+1)}.Encode(), "257 ops"},
		{"no such document", document.KindEdit, document.Edit{Doc: record.ID{9}, Ops: good.Ops}.Encode(), "not there"},
		{"a record that made none", document.KindEdit, document.Edit{Doc: w.founding.ID, Ops: good.Ops}.Encode(), "not there"},
		{"no such schema", document.KindCreate, document.Create{Schema: "pages"}.Encode(), "no documents called"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.nodes[0].add(w.sign(0, c.kind, c.body))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if got := len(w.nodes[0].lib.History(doc)); got != 1 {
		t.Errorf("%d records stand, want 1", got)
	}
}

// TestNotInPast holds that a document is judged in the past of the edit, not by
// what happens to be here.
func TestNotInPast(t *testing.T) {
	w := newWorld(t, 2)
	first := w.create(0)
	w.sync()
	doc := w.create(0)
	rec := w.sign(1, document.KindEdit, document.Edit{Doc: doc, Ops: []document.Op{document.PutInt("price", 1)}}.Encode())
	if _, err := w.nodes[0].add(rec); err == nil {
		t.Error("an edit that has not seen its document stands")
	}
	w.nodes[1].add(rec)
	// Bo splices where only Ana's later text reaches.
	w.mustEdit(0, first, document.Splice("text", 0, 0, "abc"))
	rec = w.sign(1, document.KindEdit, document.Edit{Doc: first, Ops: []document.Op{document.Splice("text", 3, 0, "d")}}.Encode())
	if _, err := w.nodes[0].add(rec); err == nil || !strings.Contains(err.Error(), "ends before") {
		t.Errorf("an edit was judged by what is not in its past: %v", err)
	}
}

func TestVoidCreate(t *testing.T) {
	w := newWorld(t, 2)
	rec := w.sign(0, document.KindCreate, document.Create{Schema: "page", Ops: []document.Op{document.Put("nothing", "")}}.Encode())
	if doc, err := w.nodes[0].add(rec); err == nil || doc != rec.ID {
		t.Errorf("got %v, %v", doc, err)
	}
	if _, ok := w.nodes[0].lib.Value(rec.ID); ok {
		t.Error("a void record made a document")
	}
	if err := w.edit(0, rec.ID, document.PutInt("price", 1)); err == nil {
		t.Error("a document that was never made was changed")
	}
	if _, err := w.nodes[0].lib.Save(rec.ID); err == nil {
		t.Error("a document that was never made was saved")
	}
	if l := w.nodes[0].lib; l.Version(rec.ID) != nil || l.History(rec.ID) != nil || l.Heads(rec.ID) != nil || l.Conflicts(rec.ID) != nil {
		t.Error("a document that was never made has a history")
	}
}

func TestHollow(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0)
	rec := w.sign(0, document.KindEdit, document.Edit{Doc: doc, Ops: []document.Op{document.PutInt("price", 1)}}.Encode())
	if _, err := w.nodes[0].add(rec.Erase()); err == nil || !strings.Contains(err.Error(), "not here") {
		t.Errorf("a hollow record: %v", err)
	}
	w.mustEdit(0, doc, document.PutBool("open", true))
	if v := w.value(0, doc); v.Int("price") != 0 || !v.Bool("open") {
		t.Errorf("price %d, open %v", v.Int("price"), v.Bool("open"))
	}
}

func TestMaxEdits(t *testing.T) {
	w := newWorld(t, 3)
	doc := w.create(0)
	w.sync()
	for range document.MaxEdits - 1 {
		w.mustEdit(0, doc, document.PutInt("price", 1))
	}
	if err := w.edit(0, doc, document.PutInt("price", 2)); err == nil || !strings.Contains(err.Error(), "10000 edits") {
		t.Errorf("one more: %v", err)
	}
	// Counted in the edit's past: Bo, who has seen none, may.
	w.mustEdit(1, doc, document.PutInt("price", 3))
	w.nodes[0].pull(w.nodes[1])
	if got := len(w.nodes[0].lib.History(doc)); got != document.MaxEdits+1 {
		t.Errorf("%d edits stand, want one more than %d", got, document.MaxEdits)
	}
	w.sync()
	if err := w.edit(1, doc, document.PutInt("price", 4)); err == nil {
		t.Error("Bo has seen all now, and edits on")
	}
}

func TestMaxBytes(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0)
	w.sync()
	ops := slices.Repeat([]document.Op{document.Put("place", strings.Repeat("\U0010ffff", 20))}, 250)
	size := len(document.Edit{Doc: doc, Ops: ops}.Encode())
	for i := range document.MaxLenBytes / size {
		if err := w.edit(0, doc, ops...); err != nil {
			t.Fatalf("edit %d: %v", i, err)
		}
	}
	if err := w.edit(0, doc, ops...); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("one more: %v", err)
	}
	w.mustEdit(1, doc, ops...)
	w.mustEdit(0, doc, document.PutInt("price", 1))
}

func TestMaxChars(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0)
	w.sync()
	const half = 32 << 10
	for range document.MaxChars / half / 2 {
		w.mustEdit(0, doc, document.Splice("notes", 0, 0, strings.Repeat("x", half)))
		w.mustEdit(0, doc, document.Splice("notes", 0, half, ""))
	}
	if err := w.edit(0, doc, document.Splice("notes", 0, 0, "x")); err == nil || !strings.Contains(err.Error(), "characters") {
		t.Errorf("one more: %v", err)
	}
	w.mustEdit(0, doc, document.PutInt("price", 1))
	w.mustEdit(1, doc, document.Splice("notes", 0, 0, "x"))
}

func TestValueAt(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0, document.Splice("text", 0, 0, "one"))
	other := w.create(0)
	w.sync()
	lib := w.nodes[0].lib
	first := lib.Version(doc)
	w.mustEdit(0, doc, document.Splice("text", 3, 0, " two"))
	ana := lib.Version(doc)
	w.mustEdit(1, doc, document.Splice("text", 0, 0, "zero "))
	bo := w.nodes[1].lib.Version(doc)
	w.sync()
	both := lib.Version(doc)
	w.mustEdit(0, doc, document.Splice("text", 0, 12, "all new"))
	for _, c := range []struct {
		name    string
		version []record.ID
		want    string
	}{
		{"first", first, "one"},
		{"hers", ana, "one two"},
		{"his", bo, "zero one"},
		{"both", both, "zero one two"},
		{"both, and what both have seen", append(slices.Clone(both), first...), "zero one two"},
		{"now", lib.Version(doc), "all new"},
	} {
		v, err := lib.ValueAt(doc, c.version)
		if err != nil || v.Text("text") != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, v.Text("text"), err, c.want)
		}
	}
	if len(both) != 2 {
		t.Errorf("the version of both has %d heads, want 2", len(both))
	}
	for _, c := range []struct {
		name    string
		doc     record.ID
		version []record.ID
	}{
		{"no edit", doc, nil},
		{"unknown", doc, []record.ID{{9}}},
		{"of another document", doc, lib.Version(other)},
		{"no document", record.ID{9}, first},
		{"not an edit", doc, []record.ID{w.founding.ID}},
	} {
		if v, err := lib.ValueAt(c.doc, c.version); err == nil {
			t.Errorf("%s: got %+v", c.name, v)
		}
	}
}

func TestConflicts(t *testing.T) {
	w := newWorld(t, 3)
	doc := w.create(0, document.PutInt("price", 1), document.Put("place", "here"))
	w.sync()
	w.mustEdit(0, doc, document.PutInt("price", 5), document.PutInt("price", 2), document.Put("place", "there"), document.PutBool("open", true))
	w.mustEdit(1, doc, document.PutInt("price", 3), document.Delete("place"), document.PutBool("open", true))
	w.mustEdit(2, doc, document.Splice("text", 0, 0, "x"))
	w.sync()
	show := func(n int) (out []string) {
		for _, c := range w.nodes[n].lib.Conflicts(doc) {
			line := c.Field
			for _, change := range c.Changes {
				line += fmt.Sprintf(" %s:%d/%d%s", w.nodes[n].h.At(change.Edit).Owner.Short()[1:2], change.Op.Verb, change.Op.Int, change.Op.Text)
			}
			out = append(out, line)
		}
		return out
	}
	got := show(0)
	if len(got) != 2 || !strings.HasPrefix(got[0], "price") || !strings.HasPrefix(got[1], "place") {
		t.Fatalf("conflicts %v, want price and place", got)
	}
	if !strings.Contains(got[0], "/2") || !strings.Contains(got[0], "/3") || strings.Contains(got[0], "/5") {
		t.Errorf("price: %s, want 2 and 3", got[0])
	}
	if !slices.Equal(got, show(1)) {
		t.Errorf("another node says %v, want %v", show(1), got)
	}
	shown := w.value(0, doc)
	if p := shown.Int("price"); p != 2 && p != 3 || shown.Text("place") != "there" {
		t.Errorf("shown are %d, %q", p, shown.Text("place"))
	}
	w.mustEdit(0, doc, document.PutInt("price", 4))
	if got := show(0); len(got) != 1 || !strings.HasPrefix(got[0], "place") {
		t.Errorf("after a price that has both in its past: %v", got)
	}
	w.mustEdit(0, doc, document.Delete("place"))
	if got := show(0); got != nil {
		t.Errorf("after all was settled: %v", got)
	}
}

// TestManyBranches has more devices write apart than branches are kept.
func TestManyBranches(t *testing.T) {
	w := newWorld(t, 36)
	doc := w.create(0, document.Splice("text", 0, 0, "-"))
	w.sync()
	for i := range 3 {
		for n := range w.nodes {
			w.mustEdit(n, doc, document.Splice("text", 1+i, 0, string(rune('A'+n))))
		}
	}
	w.sync()
	r := newReplica(t, w.keys, w.founding)
	for _, rec := range w.nodes[5].records[1:] {
		r.add(rec)
		r.lib.Value(doc)
		if ref, ok := r.h.Find(doc); ok && r.lib.Branches(ref) > 32 {
			t.Fatalf("%d branches are open", r.lib.Branches(ref))
		}
	}
	if got, want := r.said([]record.ID{doc}), w.nodes[0].said([]record.ID{doc}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if text := w.value(0, doc).Text("text"); len(text) != 109 || !strings.Contains(text, "KKK") {
		t.Errorf("text is %q: an edit is lost or torn", text)
	}
}

// TestBounded holds that the documents in Automerge are bounded in number and
// in bytes, whatever is looked at.
func TestBounded(t *testing.T) {
	w := newWorld(t, 1)
	lib := w.nodes[0].lib
	for range 200 {
		lib.Heads(w.create(0, document.PutInt("price", 1)))
	}
	if n, _ := lib.Live(); n != 128 {
		t.Errorf("%d documents are live, want 128", n)
	}
	for range 10 {
		lib.Heads(w.create(0, document.Splice("notes", 0, 0, strings.Repeat("x", 40_000))))
	}
	if n, lenBytes := lib.Live(); n == 0 || n == 128 || lenBytes > 64<<20 {
		t.Errorf("%d documents are live with %d bytes", n, lenBytes)
	}
}

func TestSnapshot(t *testing.T) {
	w := newWorld(t, 3)
	doc, plain := w.create(0, document.Splice("text", 0, 0, "abc")), w.create(0)
	w.sync()
	for n := range w.nodes {
		w.mustEdit(n, doc, document.Splice("text", n, 0, "xy"), document.PutInt("price", int64(n)))
	}
	w.sync()
	r := w.nodes[0]
	var b bytes.Buffer
	if _, err := r.lib.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := r.said([]record.ID{doc, plain})
	snapshot := slices.Clone(b.Bytes())
	restore := func(b []byte) error {
		r.lib = document.NewLibrary(r.h, r.body, []document.Schema{page})
		rest, err := r.lib.Read(b)
		if err == nil && len(rest) > 0 {
			t.Errorf("%d bytes are left", len(rest))
		}
		return err
	}
	if err := restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if got := r.said([]record.ID{doc, plain}); got != want {
		t.Errorf("restored\n%s\nwant\n%s", got, want)
	}
	b.Reset()
	if _, err := r.lib.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), snapshot) {
		t.Errorf("what was restored is written differently, %v", err)
	}
	w.mustEdit(0, doc, document.Splice("text", 0, 9, ""))
	w.sync()
	if got, want := r.said([]record.ID{doc, plain}), w.nodes[2].said([]record.ID{doc, plain}); got != want {
		t.Errorf("restored and edited\n%s\nwant\n%s", got, want)
	}
	for i := range snapshot {
		restore(snapshot[:i]) // must not panic
		bad := slices.Clone(snapshot)
		bad[i] ^= 0xff
		restore(bad)
	}
}
