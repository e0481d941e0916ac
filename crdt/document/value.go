package document

import (
	"slices"
	"unicode/utf8"

	"coop/crdt/history"
	"coop/crdt/record"
)

// Value is what a document says in one version. It never changes.
type Value struct {
	Schema  string
	Owner   record.ID   // the member who made the document
	Created history.Ref // the record that made it
	Edited  history.Ref // the last of its edits, by (depth, id); Created if there is none

	schema *Schema
	cells  []cell // by place in the schema
}

// cell holds what a field says.
type cell struct {
	set   bool // of a scalar
	num   int64
	text  string // valid UTF-8
	items []string
}

func newValue(s *Schema, owner record.ID, created history.Ref) Value {
	return Value{Schema: s.Name, Owner: owner, Created: created, Edited: created, schema: s, cells: make([]cell, len(s.Fields))}
}

func (v Value) cell(field string, types ...Type) cell {
	if v.schema != nil {
		if i := v.schema.index(field); i >= 0 && slices.Contains(types, v.schema.Fields[i].Type) {
			return v.cells[i]
		}
	}
	return cell{}
}

// Text returns a String or Text, "" if the field is not set or of another type.
func (v Value) Text(field string) string { return v.cell(field, String, Text).text }

// Int returns an Int, 0 if the field is not set or of another type.
func (v Value) Int(field string) int64 { return v.cell(field, Int).num }

// Bool returns a Bool, false if the field is not set or of another type.
func (v Value) Bool(field string) bool { return v.cell(field, Bool).num != 0 }

// List returns a StringList, empty if the field is of another type. It must not
// be changed.
func (v Value) List(field string) []string { return v.cell(field, StringList).items }

// Has reports whether a scalar field is set.
func (v Value) Has(field string) bool { return v.cell(field, String, Int, Bool).set }

// Encode returns the one encoding of what v says: schema, owner, and per field
// in the order of the schema [set, integer, text, items]. It holds nothing that
// differs between nodes with the same records.
func (v Value) Encode() []byte {
	type field struct {
		_     struct{} `cbor:",toarray"`
		Set   bool
		Int   int64
		Text  string
		Items []string
	}
	type value struct {
		_      struct{} `cbor:",toarray"`
		Schema string
		Owner  record.ID
		Fields []field
	}
	w := value{Schema: v.Schema, Owner: v.Owner}
	for _, c := range v.cells {
		w.Fields = append(w.Fields, field{Set: c.set, Int: c.num, Text: c.text, Items: c.items})
	}
	return record.Marshal(w)
}

// after returns what v says after ops that were judged. v stays as it is.
func (v Value) after(ops []Op) Value {
	v.cells = slices.Clone(v.cells)
	v.run(ops)
	return v
}

// run runs ops that were judged on a value that nobody has seen yet.
func (v Value) run(ops []Op) {
	for i := range ops {
		v.cells[v.schema.index(ops[i].Field)].run(&ops[i])
	}
}

func (c *cell) run(op *Op) {
	switch op.Verb {
	case VerbPutString, VerbPutInt, VerbPutBool:
		*c = cell{set: true, num: op.Int, text: op.Text}
	case VerbDelete:
		*c = cell{}
	case VerbListInsert:
		c.items = slices.Insert(slices.Clone(c.items), int(op.At), op.Text)
	case VerbListDelete:
		c.items = slices.Delete(slices.Clone(c.items), int(op.At), int(op.At)+1)
	case VerbSplice:
		from := offset(c.text, int(op.At))
		to := from + offset(c.text[from:], int(op.Del))
		c.text = c.text[:from] + op.Text + c.text[to:]
	}
}

// offset returns where in s, in bytes, character n begins.
func offset(s string, n int) int {
	for at := range s {
		if n == 0 {
			return at
		}
		n--
	}
	return len(s)
}

// lenOf returns the length of a Text in characters, of a StringList in items.
func (v Value) lenOf(field int) int {
	if v.schema.Fields[field].Type == StringList {
		return len(v.cells[field].items)
	}
	return utf8.RuneCountInString(v.cells[field].text)
}
