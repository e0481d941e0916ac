package proposal_test

import (
	"slices"
	"strings"
	"testing"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// paper is a history of two members' devices with a library of proposals.
type paper struct {
	t       *testing.T
	keys    [2]*record.Private
	tips    [2]*record.Record // of each device
	last    *record.Record
	records []*record.Record
	history *history.History
	library *document.Library
}

func newPaper(t *testing.T) *paper {
	p := &paper{t: t, keys: [2]*record.Private{key(1), key(2)}}
	p.history = history.New(history.Rules{Content: document.IsContent, Introduces: func(r *record.Record) (all []history.Introduction) {
		for i, k := range p.keys {
			if r.Founding() {
				all = append(all, history.Introduction{Member: who(i), Device: k.Public()})
			}
		}
		return all
	}})
	p.library = document.NewLibrary(p.history, func(ref history.Ref) ([]byte, bool) { return p.records[ref].Body, true },
		[]document.Schema{proposal.TextSchema()})
	p.write(0, "coop/found", nil)
	return p
}

// write lets a device write a record that has all before it in its past, and
// returns it and what the library says of it.
func (p *paper) write(by int, kind string, body []byte) (*record.Record, error) {
	p.t.Helper()
	h := record.Header{Seq: 1, Depth: 1, Kind: kind}
	if p.last != nil {
		h.Coop, h.Depth = p.records[0].ID, p.last.Depth+1
		if tip := p.tips[by]; tip != nil {
			h.Seq, h.Prev = tip.Seq+1, tip.ID
		}
		if p.last.ID != h.Prev {
			h.Parents = []record.ID{p.last.ID}
		}
	}
	r, err := record.New(h, body, p.keys[by])
	if err != nil {
		p.t.Fatal(err)
	}
	ref, _, err := p.history.Admit(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.records, p.tips[by], p.last = append(p.records, r), r, r
	if !document.IsContent(kind) {
		return r, nil
	}
	_, err = p.library.Add(ref)
	return r, err
}

func (p *paper) text(id record.ID) proposal.Text {
	p.t.Helper()
	v, ok := p.library.Value(id)
	if !ok {
		p.t.Fatalf("no document %s", id.Short())
	}
	return proposal.TextFromValue(id, v)
}

func TestTextIsWrittenTogether(t *testing.T) {
	p := newPaper(t)
	made, err := p.write(0, document.KindCreate, document.Create{Schema: proposal.TextSchemaName, Ops: proposal.NewText("A shed", "Let us build.")}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	id := made.ID
	edit := func(by int, title, text string) error {
		v, _ := p.library.Value(id)
		_, err := p.write(by, document.KindEdit, document.Edit{Doc: id, Ops: proposal.EditText(v, title, text)}.Encode())
		return err
	}
	version := p.library.Version(id)
	wants(t, edit(1, "A shed", "Let us build one in May."), "")
	wants(t, edit(0, "A wooden shed", "Let us build one in May."), "")
	wants(t, edit(1, "A palace", "Let us build one in May."), "only the member who made it")
	want := proposal.Text{ID: id, Owner: who(0), Title: "A wooden shed", Text: "Let us build one in May."}
	if got := p.text(id); got != want {
		t.Errorf("text: got %+v, want %+v", got, want)
	}
	v, err := p.library.ValueAt(id, version)
	if got := proposal.TextFromValue(id, v); err != nil || got.Text != "Let us build." || slices.Equal(version, p.library.Version(id)) {
		t.Errorf("the version before: got %+v, %v", got, err)
	}
}

func TestTextLimits(t *testing.T) {
	create := func(p *paper, title, text string) error {
		_, err := p.write(0, document.KindCreate, document.Create{Schema: proposal.TextSchemaName, Ops: proposal.NewText(title, text)}.Encode())
		return err
	}
	p := newPaper(t)
	wants(t, create(p, strings.Repeat("ü", proposal.MaxTitleLen), strings.Repeat("x", proposal.MaxTextLen)), "")
	wants(t, create(p, strings.Repeat("ü", proposal.MaxTitleLen+1), ""), "title")
	wants(t, create(p, "t", strings.Repeat("x", proposal.MaxTextLen+1)), "text")
}
