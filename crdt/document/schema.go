package document

import (
	"fmt"
	"unicode/utf8"
)

// Type is the type of a field.
type Type uint8

// The types. String, Int and Bool are scalars: one value, put as a whole. Text
// is written together, character by character; it and StringList are there from
// the start, empty.
const (
	String Type = iota + 1
	Int
	Bool
	Text
	StringList
)

func (t Type) scalar() bool { return t == String || t == Int || t == Bool }

// Access says who may change a field.
type Access uint8

// Whoever makes a document owns it, and writes all of it then.
const (
	ByOwner  Access = iota + 1 // devices of the member who made the document
	ByAnyone                   // any device
)

// Field is one field of a schema.
type Field struct {
	Name     string
	Type     Type
	MaxLen   int // characters of a String, a Text or one item. Several who write at once may pass it together; then the text can only be shortened
	MaxItems int // items of a StringList, likewise
	Write    Access
}

// Schema is the shape of a kind of document. What a schema says is part of the
// protocol: records are judged by it. Scalars may be added to one later; a Text
// or StringList needs a schema of another name, since documents have theirs from
// the start.
type Schema struct {
	Name   string
	Fields []Field
}

// index returns the place of a field, or -1. Schemas have few fields.
func (s *Schema) index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// judge says why the ops of one record must not run, or nil. lenOf tells how
// long a Text or StringList, by its place in the schema, is before the ops; it
// is asked only where that matters.
func (s *Schema) judge(ops []Op, byOwner bool, lenOf func(field int) int) error {
	was := make([]int, len(s.Fields)) // -1 where not asked for
	now := make([]int, len(s.Fields))
	for i := range was {
		was[i] = -1
	}
	for i := range ops {
		op := &ops[i]
		at := s.index(op.Field)
		if at < 0 {
			return fmt.Errorf("a %s has no field %q", s.Name, op.Field)
		}
		f := &s.Fields[at]
		if err := f.admits(op, byOwner); err != nil {
			return err
		}
		if f.Type.scalar() {
			continue
		}
		if was[at] < 0 {
			was[at] = lenOf(at)
			now[at] = was[at]
		}
		n, err := f.after(op, now[at])
		if err != nil {
			return err
		}
		now[at] = n
	}
	for i := range s.Fields {
		if f := &s.Fields[i]; now[i] > was[i] && now[i] > f.max() {
			return fmt.Errorf("%s would have a length of %d, more than %d: shorten it", f.Name, now[i], f.max())
		}
	}
	return nil
}

// max is the greatest length of a Text in characters, of a StringList in items.
func (f *Field) max() int {
	if f.Type == StringList {
		return f.MaxItems
	}
	return f.MaxLen
}

// admits judges what of an op does not depend on the state of the document.
func (f *Field) admits(op *Op, byOwner bool) error {
	switch {
	case f.Write == ByOwner && !byOwner:
		return fmt.Errorf("only the member who made it may change %s", f.Name)
	case op.Verb == VerbDelete && !f.Type.scalar(), op.Verb != VerbDelete && f.Type != verbs[op.Verb].on:
		return fmt.Errorf("%s is not of the type that was written", f.Name)
	case op.Verb == VerbPutString || op.Verb == VerbListInsert:
		if n := utf8.RuneCountInString(op.Text); n > f.MaxLen {
			return fmt.Errorf("%s would have %d characters, more than %d: shorten it", f.Name, n, f.MaxLen)
		}
	}
	return nil
}

// after returns the length of a Text or StringList after an op.
func (f *Field) after(op *Op, n int) (int, error) {
	at, del := int(op.At), int(op.Del)
	switch {
	case op.Verb == VerbListInsert && at <= n:
		return n + 1, nil
	case op.Verb == VerbListDelete && at < n:
		return n - 1, nil
	case op.Verb == VerbSplice && at <= n && del <= n-at:
		return n - del + utf8.RuneCountInString(op.Text), nil
	}
	return 0, fmt.Errorf("%s ends before position %d", f.Name, at+del)
}
