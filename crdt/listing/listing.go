// Package listing is what members offer and need, and what they say about it:
// the schemas of those documents, the edits that make and change them, what is
// shown of them, how they are searched, and their way in and out of CSV files.
//
// A document is shown whatever stands in it: what makes no sense there (a price
// that is none, a comment about nothing) is shown as text or as absent, never as
// an error. What a person types is checked before it becomes a record.
package listing

import (
	"slices"

	"coop/crdt/document"
	"coop/crdt/record"
	"coop/crdt/text"
)

// The names of the schemas.
const (
	SchemaName        = "listing"
	CommentSchemaName = "comment"
)

// Limits in characters (Unicode code points), so that a whole listing fits one
// record in every script, and a list of them a page. They are constants of the
// protocol.
const (
	MaxTitleLen    = 200
	MaxTextLen     = 10_000
	MaxCategoryLen = 100
	MaxPriceLen    = 200
	MaxQuantityLen = 100
	MaxPlaceLen    = 200
	MaxCodeLen     = 64
	MaxListLen     = 100
	MaxTagLen      = 60
	MaxTags        = 20 // tags
	MaxCommentLen  = 10_000

	maxWordLen = 16 // of a kind or status, with room for new ones
	aboutLen   = 52 // the text form of an id
)

// MaxExpires is the last moment at which a listing can expire, in unix milliseconds.
const MaxExpires = record.MaxTime

// Kind says which way a listing goes.
type Kind string

// The kinds of listing.
const (
	Offer Kind = "offer"
	Need  Kind = "need"
)

// Status says whether a listing still holds.
type Status string

// The statuses of a listing.
const (
	Open   Status = "open"
	Closed Status = "closed"
)

// Schema returns the schema of a listing. Only its owner's devices may write.
func Schema() document.Schema {
	s := document.Schema{Name: SchemaName}
	for _, f := range fields {
		s.Fields = append(s.Fields, document.Field{Name: f.name, Type: f.typ, MaxLen: f.maxLen, Write: document.ByOwner})
	}
	s.Fields = append(s.Fields,
		document.Field{Name: "tags", Type: document.StringList, MaxLen: MaxTagLen, MaxItems: MaxTags, Write: document.ByOwner},
		document.Field{Name: "expires", Type: document.Int, Write: document.ByOwner})
	return s
}

// CommentSchema returns the schema of a comment. Only its owner's devices may write.
func CommentSchema() document.Schema {
	return document.Schema{Name: CommentSchemaName, Fields: []document.Field{
		{Name: "about", Type: document.String, MaxLen: aboutLen, Write: document.ByOwner},
		{Name: "text", Type: document.Text, MaxLen: MaxCommentLen, Write: document.ByOwner},
	}}
}

// Listing is what is shown of a listing, the same on every node. Text is as it
// stands in the document; title and the like are made one line.
type Listing struct {
	_        struct{} `cbor:",toarray"`
	ID       record.ID
	Owner    record.ID // the member
	Kind     Kind
	Status   Status
	Title    string
	Text     string // Markdown
	Category string
	Tags     []string
	Price    Price
	Quantity string
	Place    string
	Expires  int64  // unix milliseconds, 0: never; shown to people, read by no rule
	Code     string // by which its list names it
	List     string // the price list it is of; "": none
}

// FromValue returns what is shown of the listing whose document is v.
func FromValue(id record.ID, v document.Value) Listing {
	l := Listing{
		ID: id, Owner: v.Owner, Kind: Offer, Status: Open,
		Title:    clean(v.Text("title")),
		Text:     v.Text("text"),
		Category: clean(v.Text("category")),
		Tags:     distinct(v.List("tags")),
		Price:    readPrice(v.Text("price")),
		Quantity: clean(v.Text("quantity")),
		Place:    clean(v.Text("place")),
		Code:     clean(v.Text("code")),
		List:     clean(v.Text("list")),
	}
	if v.Text("kind") == string(Need) {
		l.Kind = Need
	}
	if v.Text("status") == string(Closed) {
		l.Status = Closed
	}
	if ms := v.Int("expires"); ms > 0 && ms <= MaxExpires {
		l.Expires = ms
	}
	return l
}

// Expired reports whether l is over at a time, in unix milliseconds.
func (l Listing) Expired(now int64) bool { return l.Expires != 0 && l.Expires <= now }

// Comment is what is shown of a comment.
type Comment struct {
	_     struct{} `cbor:",toarray"`
	ID    record.ID
	Owner record.ID // the member
	About record.ID // zeros if the document names nothing
	Text  string    // Markdown
}

// CommentFromValue returns what is shown of the comment whose document is v.
func CommentFromValue(id record.ID, v document.Value) Comment {
	about, err := record.ParseID(v.Text("about"))
	if err != nil {
		about = record.ID{}
	}
	return Comment{ID: id, Owner: v.Owner, About: about, Text: v.Text("text")}
}

// clean makes one line of s.
func clean(s string) string { return text.Line(s) }

// distinct returns the tags cleaned, in their order, without empty ones and
// those that differ from an earlier one in case or accents only.
func distinct(tags []string) (out []string) {
	var seen []string
	for _, t := range tags {
		t = clean(t)
		if f := Fold(t); t != "" && !slices.Contains(seen, f) {
			out, seen = append(out, t), append(seen, f)
		}
	}
	return out
}
