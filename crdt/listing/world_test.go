package listing_test

import (
	"testing"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/listing"
	"coop/crdt/record"
)

// Devices of a world: two of one member, one of another.
const (
	anaHome = iota
	anaAway
	bo
	numDevices
)

// world is a co-op with real records, in which documents are made and edited.
type world struct {
	t       require
	h       *history.History
	library *document.Library
	bodies  [][]byte
	keys    []*record.Private
	tips    map[record.Key]record.ID
	coop    record.ID
}

// member returns whose device it is.
func member(device int) record.ID {
	if device == bo {
		return record.ID{2}
	}
	return record.ID{1}
}

func newWorld(t require) *world {
	w := &world{t: t, tips: map[record.Key]record.ID{}}
	for device := range numDevices {
		w.keys = append(w.keys, record.NewPrivate([32]byte{byte(device + 1)}))
	}
	w.h = history.New(history.Rules{Content: document.IsContent, Introduces: func(r *record.Record) (out []history.Introduction) {
		for device := range numDevices {
			if r.Founding() {
				out = append(out, history.Introduction{Member: member(device), Device: w.keys[device].Public()})
			}
		}
		return out
	}})
	body := func(ref history.Ref) ([]byte, bool) { return w.bodies[ref], true }
	w.library = document.NewLibrary(w.h, body, []document.Schema{listing.Schema(), listing.CommentSchema()})
	w.coop = w.write(anaHome, "coop/found", nil)
	return w
}

// write admits a record of a device that has seen what the device wrote and,
// beyond that, parents.
func (w *world) write(device int, kind string, body []byte, parents ...record.ID) record.ID {
	w.t.Helper()
	key := w.keys[device].Public()
	header := record.Header{Coop: w.coop, Kind: kind, Seq: 1, Depth: 1, Prev: w.tips[key]}
	see := func(id record.ID) uint64 {
		ref, _ := w.h.Find(id)
		n := w.h.At(ref)
		header.Depth = max(header.Depth, n.Depth+1)
		return n.Seq
	}
	if header.Prev != (record.ID{}) {
		header.Seq = see(header.Prev) + 1
	} else if w.h.Len() > 0 {
		parents = append(parents, w.coop)
	}
	for _, id := range parents {
		if id != header.Prev {
			see(id)
			header.Parents = append(header.Parents, id)
		}
	}
	header.Parents = record.SortIDs(header.Parents)
	r, err := record.New(header, body, w.keys[device])
	if err != nil {
		w.t.Fatalf("record: %v", err)
	}
	if _, _, err := w.h.Admit(r); err != nil {
		w.t.Fatalf("admit: %v", err)
	}
	w.bodies = append(w.bodies, body)
	w.tips[key] = r.ID
	return r.ID
}

// create makes a document and returns its id.
func (w *world) create(device int, schema string, ops []document.Op) record.ID {
	w.t.Helper()
	id := w.write(device, document.KindCreate, document.Create{Schema: schema, Ops: ops}.Encode())
	if err := w.add(id); err != nil {
		w.t.Fatalf("create: %v", err)
	}
	return id
}

// edit changes a document as the device, and what it has seen, knows it.
func (w *world) edit(device int, doc record.ID, ops []document.Op, parents ...record.ID) error {
	w.t.Helper()
	return w.add(w.write(device, document.KindEdit, document.Edit{Doc: doc, Ops: ops}.Encode(), append(parents, doc)...))
}

func (w *world) add(id record.ID) error {
	ref, _ := w.h.Find(id)
	_, err := w.library.Add(ref)
	return err
}

func (w *world) value(doc record.ID) document.Value {
	w.t.Helper()
	v, ok := w.library.Value(doc)
	if !ok {
		w.t.Fatalf("no document")
	}
	return v
}

// newListing makes the document of a draft.
func (w *world) newListing(d listing.Draft) record.ID {
	w.t.Helper()
	ops, err := d.Create()
	if err != nil {
		w.t.Fatalf("create: %v", err)
	}
	return w.create(anaHome, listing.SchemaName, ops)
}

// show returns what is shown of a listing.
func (w *world) show(doc record.ID) listing.Listing {
	w.t.Helper()
	return listing.FromValue(doc, w.value(doc))
}

// apply runs ops that were made without error.
func (w *world) apply(doc record.ID, ops []document.Op, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("ops: %v", err)
	}
	if err := w.edit(anaHome, doc, ops); err != nil {
		w.t.Fatalf("edit: %v", err)
	}
}

// rye is a listing with something in every field.
func rye() listing.Draft {
	return listing.Draft{
		Kind: listing.Offer, Title: "Rye bread", Text: "Baked on Friday.\n\nBring a bag.", Category: "Bread & Bakery", Tags: []string{"organic", "fresh"},
		Price: "2.20 euro/kg", Quantity: "20 kg", Place: "Willow Street", Expires: 1000, Status: listing.Open,
	}
}

var _ require = (*testing.T)(nil)
