package ledger

import (
	"errors"
	"fmt"
	"slices"

	"coop/crdt/record"
)

// The kinds of acts of the ledger. Each is signed by any device of its author.
const (
	KindTransfer   = "ledger/transfer"   // TransferBody, by the payer
	KindAccept     = "ledger/accept"     // AnswerBody, by the payee
	KindDecline    = "ledger/decline"    // AnswerBody, by the payee; of a request, by either
	KindCancel     = "ledger/cancel"     // AnswerBody, by who began the payment or the request
	KindRequest    = "ledger/request"    // RequestBody, by who wants to be paid
	KindRule       = "ledger/rule"       // RuleBody, by the payee
	KindInstalment = "ledger/instalment" // InstalmentBody, by a treasurer
)

// TransferBody pays somebody.
type TransferBody struct {
	_        struct{}  `cbor:",toarray"`
	To       record.ID // a member, or the co-op for its treasury
	Unit     string
	Amount   int64 // minor units, 1 to MaxAmount
	Note     string
	For      record.ID // a listing or a proposal; zero: none
	Request  record.ID // which this pays: the same people, unit and amount; zero: none
	Reverses record.ID // the payment this gives back, or part of it; zero: none
}

// RequestBody asks somebody for a payment.
type RequestBody struct {
	_      struct{}  `cbor:",toarray"`
	From   record.ID // who is to pay
	Unit   string
	Amount int64 // minor units, 1 to MaxAmount
	Note   string
	For    record.ID // a listing or a proposal; zero: none
}

// AnswerBody accepts, declines or cancels a payment or a request.
type AnswerBody struct {
	_    struct{} `cbor:",toarray"`
	ID   record.ID
	Note string
}

// RuleBody says which payments its author accepts beforehand. It replaces what
// they said before; without clauses they accept each payment by hand.
type RuleBody struct {
	_       struct{} `cbor:",toarray"`
	Accepts []Accept
}

// Accept is a clause of a standing rule.
type Accept struct {
	_    struct{}    `cbor:",toarray"`
	From []record.ID // sorted; empty: anyone
	Unit string
	Max  int64 // minor units of one payment, 1 to MaxAmount
}

// InstalmentBody pays part of a budget line out of the treasury. It names its
// number, so that of two treasurers who pay the same one while apart only the
// first does.
type InstalmentBody struct {
	_        struct{} `cbor:",toarray"`
	Proposal record.ID
	Line     uint32 // of the proposal: 0, 1, 2 …
	Number   uint32 // of the line: 1, 2, 3 …
	Amount   int64  // minor units, 1 to MaxAmount
	Note     string
}

// body is one of the above.
type body interface{ check() error }

// read decodes the body of a record and holds the rules that need no state.
func read(r *record.Record, b body) error {
	if err := record.Unmarshal(r.Body, b); err != nil {
		return fmt.Errorf("body of %s: %w", r.Kind, err)
	}
	return b.check()
}

func (b *TransferBody) check() error {
	if b.Request != (record.ID{}) && b.Reverses != (record.ID{}) {
		return errors.New("a payment that reverses another pays no request: write two")
	}
	return checkMoney(b.Amount, b.Note)
}

func (b *RequestBody) check() error { return checkMoney(b.Amount, b.Note) }

func (b *AnswerBody) check() error { return checkNote(b.Note) }

func (b *RuleBody) check() error {
	if len(b.Accepts) > MaxAccepts {
		return fmt.Errorf("a standing rule of %d clauses, more than %d", len(b.Accepts), MaxAccepts)
	}
	for _, a := range b.Accepts {
		if len(a.From) > MaxFrom {
			return fmt.Errorf("a clause names %d people, more than %d", len(a.From), MaxFrom)
		}
		if !slices.Equal(a.From, record.SortIDs(slices.Clone(a.From))) {
			return errors.New("the people of a clause are not sorted and unique")
		}
		if err := checkAmount(a.Max); err != nil {
			return err
		}
	}
	return nil
}

func (b *InstalmentBody) check() error { return checkMoney(b.Amount, b.Note) }

func checkMoney(amount int64, note string) error {
	if err := checkAmount(amount); err != nil {
		return err
	}
	return checkNote(note)
}

func checkAmount(n int64) error {
	if n < 1 || n > MaxAmount {
		return fmt.Errorf("an amount of %d minor units, not 1 to %d", n, int64(MaxAmount))
	}
	return nil
}

func checkNote(s string) error {
	if len(s) > MaxNoteLen {
		return fmt.Errorf("the note is %d bytes, more than %d: shorten it", len(s), MaxNoteLen)
	}
	return nil
}
