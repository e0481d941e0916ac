package coop

import (
	"io"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/listing"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/table"
)

// Contents is what the documents say, one row a document.
type Contents struct {
	Listings table.Table[record.ID, listing.Listing]
	Comments table.Table[record.ID, listing.Comment]
	Texts    table.Table[record.ID, proposal.Text]
	Problems table.Table[record.ID, Problem]
}

func newContents() Contents {
	return Contents{
		Listings: table.New[record.ID, listing.Listing](), Comments: table.New[record.ID, listing.Comment](),
		Texts: table.New[record.ID, proposal.Text](), Problems: newProblems(),
	}
}

func (c Contents) clone() Contents {
	return Contents{c.Listings.Clone(), c.Comments.Clone(), c.Texts.Clone(), c.Problems.Clone()}
}

func (c Contents) writeTo(w io.Writer) {
	write(w, c.Listings)
	write(w, c.Comments)
	write(w, c.Texts)
	write(w, c.Problems)
}

// add gives a content record to the documents and shows its document anew.
func (c Contents) add(library *document.Library, ref history.Ref, n history.Node) {
	doc, err := library.Add(ref)
	if err != nil {
		c.Problems.Put(n.ID, Problem{Record: n.ID, Kind: n.Kind, Device: n.Device, Reason: err.Error()})
		return
	}
	v, ok := library.Value(doc)
	if !ok {
		return
	}
	switch v.Schema {
	case listing.SchemaName:
		c.Listings.Put(doc, listing.FromValue(doc, v))
	case listing.CommentSchemaName:
		c.Comments.Put(doc, listing.CommentFromValue(doc, v))
	case proposal.TextSchemaName:
		c.Texts.Put(doc, proposal.TextFromValue(doc, v))
	}
}
