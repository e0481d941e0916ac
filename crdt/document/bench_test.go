package document_test

import (
	"strings"
	"testing"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/record"
)

func listingOps() []document.Op {
	return []document.Op{
		document.Put("title", "Apples"), document.PutInt("price", 450), document.PutBool("open", true),
		document.Put("place", "Willow Street 5"), document.ListInsert("tags", 0, "fruit"), document.ListInsert("tags", 1, "autumn"),
		document.Splice("notes", 0, 0, strings.Repeat("Fresh from the garden. ", 12)),
	}
}

// timed admits records and then times only what the library does.
func timed(b *testing.B, w *world, records []*record.Record, look bool) {
	b.Helper()
	for b.Loop() {
		b.StopTimer()
		r := &replica{t: b, h: history.New(rules(w.keys)), errs: map[record.ID]string{}}
		r.lib = document.NewLibrary(r.h, r.body, []document.Schema{page})
		var refs []history.Ref
		for _, rec := range records {
			ref, _, err := r.h.Admit(rec)
			if err != nil {
				b.Fatal(err)
			}
			r.records = append(r.records, rec)
			if document.IsContent(rec.Kind) {
				refs = append(refs, ref)
			}
		}
		b.StartTimer()
		for _, ref := range refs {
			doc, err := r.lib.Add(ref)
			if err != nil {
				b.Fatal(err)
			}
			if look {
				r.lib.Value(doc)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(records)-1), "µs/record")
}

// BenchmarkCreate folds 10,000 listings that nobody edited.
func BenchmarkCreate(b *testing.B) {
	w := newWorld(b, 1)
	for range 10_000 {
		w.create(0, listingOps()...)
	}
	timed(b, w, w.nodes[0].records, true)
}

// BenchmarkSequential folds 2,000 edits, one after the other, of one document.
func BenchmarkSequential(b *testing.B) {
	w := newWorld(b, 2)
	doc := w.create(0, listingOps()...)
	for i := range 2_000 {
		w.mustEdit(0, doc, document.PutInt("price", int64(i)), document.Splice("notes", i%100, 1, "word"))
	}
	timed(b, w, w.nodes[0].records, true)
}

// BenchmarkConcurrent folds edits that two devices made apart, 1,000 each, as
// they would arrive together.
func BenchmarkConcurrent(b *testing.B) { concurrent(b, 2, 1_000, true) }

// BenchmarkConcurrentUnread is the same without looking at the document.
func BenchmarkConcurrentUnread(b *testing.B) { concurrent(b, 2, 1_000, false) }

// BenchmarkConcurrentEight is the same with eight devices.
func BenchmarkConcurrentEight(b *testing.B) { concurrent(b, 8, 250, true) }

func concurrent(b *testing.B, devices, edits int, look bool) {
	w := newWorld(b, devices)
	doc := w.create(0, listingOps()...)
	w.sync()
	records := w.nodes[0].records
	for i := range edits {
		for n := range devices {
			w.mustEdit(n, doc, document.PutInt("price", int64(i)), document.Splice("notes", i%100, 1, "word"))
			records = append(records, w.nodes[n].records[len(w.nodes[n].records)-1])
		}
	}
	timed(b, w, records, look)
}
