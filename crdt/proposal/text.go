package proposal

import (
	"coop/crdt/document"
	"coop/crdt/record"
)

// The text of a proposal is a document. What is voted on is the version that
// the proposal names, whatever is written into the document later.
const (
	TextSchemaName = "proposal"
	MaxTextLen     = 50_000 // characters: a set of bylaws of thirty pages
)

// TextSchema is the shape of such a document: any member may write along.
func TextSchema() document.Schema {
	return document.Schema{Name: TextSchemaName, Fields: []document.Field{
		{Name: "title", Type: document.String, MaxLen: MaxTitleLen, Write: document.ByOwner},
		{Name: "text", Type: document.Text, MaxLen: MaxTextLen, Write: document.ByAnyone},
	}}
}

// Text is what such a document says.
type Text struct {
	_     struct{} `cbor:",toarray"`
	ID    record.ID
	Owner record.ID // who made it
	Title string
	Text  string // Markdown
}

// TextFromValue reads a document of TextSchema.
func TextFromValue(id record.ID, v document.Value) Text {
	return Text{ID: id, Owner: v.Owner, Title: v.Text("title"), Text: v.Text("text")}
}

// NewText returns the ops that make such a document.
func NewText(title, text string) []document.Op {
	return append([]document.Op{document.Put("title", title)}, document.Diff("text", "", text)...)
}

// EditText returns the ops by which a document says a new title and text. Who
// does not own it must leave the title as it is.
func EditText(v document.Value, title, text string) []document.Op {
	var ops []document.Op
	if title != v.Text("title") {
		ops = append(ops, document.Put("title", title))
	}
	return append(ops, document.Diff("text", v.Text("text"), text)...)
}
