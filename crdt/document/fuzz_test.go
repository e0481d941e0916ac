package document_test

import (
	"bytes"
	"testing"

	"coop/crdt/document"
	"coop/crdt/record"
)

func seeds() []document.Op {
	return []document.Op{
		document.Put("title", "x"), document.PutInt("price", -1), document.PutBool("open", true), document.Delete("place"),
		document.ListInsert("tags", 0, "a"), document.ListDelete("tags", 0), document.Splice("text", 0, 0, "añ😀"),
	}
}

func FuzzDecodeCreate(f *testing.F) {
	f.Add(document.Create{Schema: "page", Ops: seeds()}.Encode())
	f.Add(document.Create{}.Encode())
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := document.DecodeCreate(body)
		if err == nil && !bytes.Equal(c.Encode(), body) {
			t.Errorf("%x is accepted and encodes as %x", body, c.Encode())
		}
	})
}

func FuzzDecodeEdit(f *testing.F) {
	f.Add(document.Edit{Doc: record.ID{1}, Ops: seeds()}.Encode())
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := document.DecodeEdit(body)
		if err == nil && !bytes.Equal(e.Encode(), body) {
			t.Errorf("%x is accepted and encodes as %x", body, e.Encode())
		}
	})
}

// FuzzEdits gives ops to a document as edits made at the same time, and has
// Automerge run what stands: whatever stands must run.
func FuzzEdits(f *testing.F) {
	f.Add([]byte{6, 4, 0, 0, 9, 4, 6, 0, 0, 3}, []byte{6, 4, 2, 3, 1})
	f.Add([]byte{6, 4, 0, 5, 0}, []byte{6, 4, 5, 0, 2, 5, 6, 1, 0, 0})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		w := newWorld(t, 2)
		doc := w.create(0, document.Splice("text", 0, 0, "start"), document.ListInsert("tags", 0, "t"), document.ListInsert("tags", 1, "u"))
		w.sync()
		for n, data := range [][]byte{a, b, b, a} {
			w.edit(n%2, doc, opsFrom(data)...)
		}
		w.sync()
		sameAsAutomerge(t, w.nodes[0], doc)
		if got, want := w.nodes[1].said([]record.ID{doc}), w.nodes[0].said([]record.ID{doc}); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// opsFrom makes an op of each five bytes: verb, field, position, how much goes,
// and how much comes.
func opsFrom(data []byte) (ops []document.Op) {
	for ; len(data) >= 5; data = data[5:] {
		op := document.Op{Verb: document.Verb(data[0]%7 + 1), Field: page.Fields[int(data[1])%len(page.Fields)].Name}
		text := string([]rune("añ😀語\n\x00👍🏼e\u0301")[:data[4]%11])
		switch op.Verb {
		case document.VerbPutInt, document.VerbPutBool:
			op.Int = int64(data[2])
		case document.VerbPutString:
			op.Text = text
		case document.VerbListInsert:
			op.At, op.Text = uint32(data[2]), text
		case document.VerbListDelete:
			op.At = uint32(data[2])
		case document.VerbSplice:
			op.At, op.Del, op.Text = uint32(data[2]), uint32(data[3]), text
		}
		ops = append(ops, op)
	}
	return ops
}
