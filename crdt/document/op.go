package document

import (
	"errors"
	"fmt"

	"coop/crdt/record"
)

// Kinds of the records that make and change documents. They are all the
// contents there are: no other kind may be without its body.
const (
	KindCreate = "doc/create"
	KindEdit   = "doc/edit"
)

// IsContent reports whether records of a kind are contents, not acts.
func IsContent(kind string) bool { return kind == KindCreate || kind == KindEdit }

// MaxOps bounds the ops of one record, and so what one signature can make every
// node compute. Diff returns at most half as many.
const MaxOps = 256

// Verb is what an op does.
type Verb uint8

// The verbs. Scalars are put and deleted as a whole; of what several people put
// at the same time, Automerge shows one. Lists and texts are changed in places,
// and what several people do at the same time is all done.
const (
	VerbPutString  Verb = iota + 1 // Field becomes Text
	VerbPutInt                     // Field becomes Int
	VerbPutBool                    // Field becomes Int != 0, which is 0 or 1
	VerbDelete                     // Field is no longer set; it need not have been
	VerbListInsert                 // Text becomes the item at At, which is at most the number of items
	VerbListDelete                 // the item at At goes
	VerbSplice                     // at At, Del characters go and Text comes
)

// Op is one typed change to one field. Ops of a record run one after the other:
// positions count as the ops before left it. A character is a Unicode code
// point. What a verb does not use is zero.
type Op struct {
	_     struct{} `cbor:",toarray"`
	Verb  Verb
	Field string
	At    uint32
	Del   uint32
	Int   int64
	Text  string
}

// Put sets a string.
func Put(field, s string) Op { return Op{Verb: VerbPutString, Field: field, Text: s} }

// PutInt sets an integer.
func PutInt(field string, n int64) Op { return Op{Verb: VerbPutInt, Field: field, Int: n} }

// PutBool sets a boolean.
func PutBool(field string, b bool) Op {
	op := Op{Verb: VerbPutBool, Field: field}
	if b {
		op.Int = 1
	}
	return op
}

// Delete unsets a string, integer or boolean.
func Delete(field string) Op { return Op{Verb: VerbDelete, Field: field} }

// ListInsert puts an item before the one at position at, or at the end.
func ListInsert(field string, at int, item string) Op {
	return Op{Verb: VerbListInsert, Field: field, At: uint32(at), Text: item}
}

// ListDelete takes out the item at position at.
func ListDelete(field string, at int) Op {
	return Op{Verb: VerbListDelete, Field: field, At: uint32(at)}
}

// Splice takes del characters out of a text at position at and puts s there.
func Splice(field string, at, del int, s string) Op {
	return Op{Verb: VerbSplice, Field: field, At: uint32(at), Del: uint32(del), Text: s}
}

// verbs says what fields a verb changes (VerbDelete any scalar), and what parts
// of an op it reads.
var verbs = [...]struct {
	on                 Type
	at, del, num, text bool
}{
	VerbPutString:  {on: String, text: true},
	VerbPutInt:     {on: Int, num: true},
	VerbPutBool:    {on: Bool, num: true},
	VerbDelete:     {},
	VerbListInsert: {on: StringList, at: true, text: true},
	VerbListDelete: {on: StringList, at: true},
	VerbSplice:     {on: Text, at: true, del: true, text: true},
}

// check holds what is true of an op in any document.
func (op *Op) check() error {
	if op.Verb == 0 || int(op.Verb) >= len(verbs) {
		return fmt.Errorf("verb %d is unknown", op.Verb)
	}
	u := verbs[op.Verb]
	switch {
	case !u.at && op.At != 0, !u.del && op.Del != 0, !u.num && op.Int != 0, !u.text && op.Text != "":
		return errors.New("op carries what its verb does not use")
	case op.Verb == VerbPutBool && op.Int != 0 && op.Int != 1:
		return fmt.Errorf("boolean is %d, not 0 or 1", op.Int)
	case op.Verb == VerbSplice && op.Del == 0 && op.Text == "":
		return errors.New("splice changes nothing")
	}
	return nil
}

func checkOps(ops []Op) error {
	if len(ops) > MaxOps {
		return fmt.Errorf("%d ops, more than %d", len(ops), MaxOps)
	}
	for i := range ops {
		if err := ops[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// Create is the body of a doc/create record: a new document, named by the id of
// the record.
type Create struct {
	_      struct{} `cbor:",toarray"`
	Schema string
	Ops    []Op
}

// Edit is the body of a doc/edit record.
type Edit struct {
	_   struct{} `cbor:",toarray"`
	Doc record.ID
	Ops []Op // at least one
}

// Encode returns the one encoding of c.
func (c Create) Encode() []byte { return record.Marshal(c) }

// Encode returns the one encoding of e.
func (e Edit) Encode() []byte { return record.Marshal(e) }

// DecodeCreate reads the body of a doc/create record and checks what needs no
// schema and no document.
func DecodeCreate(body []byte) (Create, error) {
	var c Create
	if err := record.Unmarshal(body, &c); err != nil {
		return Create{}, fmt.Errorf("body: %w", err)
	}
	return c, checkOps(c.Ops)
}

// DecodeEdit reads the body of a doc/edit record and checks what needs no
// schema and no document.
func DecodeEdit(body []byte) (Edit, error) {
	var e Edit
	if err := record.Unmarshal(body, &e); err != nil {
		return Edit{}, fmt.Errorf("body: %w", err)
	}
	if len(e.Ops) == 0 {
		return Edit{}, errors.New("edit changes nothing")
	}
	return e, checkOps(e.Ops)
}
