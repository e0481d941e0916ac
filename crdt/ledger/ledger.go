// Package ledger is the mutual credit of a co-op: accounts, payments, requests,
// credit limits and the treasury, in each unit the co-op counts in.
//
// Nothing is minted: every payment takes from one account what it gives to
// another, so the balances of a unit always add up to zero. An account may go
// below zero as far as its credit limit.
//
//   - A transfer is written by the payer and reserves its amount; the payee
//     accepts or declines it, the payer may cancel it while it is pending. It is
//     accepted at once where the payee has agreed beforehand: it pays a request of
//     theirs, fits a standing rule of theirs, gives back what they had paid, or
//     goes to the treasury.
//   - A request asks somebody for a payment. Who asks may withdraw it, who is
//     asked may decline it or pay exactly what it says, once.
//   - A reversal is a transfer by the payee back to the payer. It names the
//     payment, which stays as it is.
//   - The treasury is the account of the co-op itself. Anyone may pay it. It
//     pays nothing but instalments of budget lines, which only decisions make, and
//     by them alone it goes further below zero than it began.
//   - A co-op that succeeds another begins with the balances its founders signed.
//     Somebody who has not come yet has theirs under the id they will have.
//   - Somebody who left or was expelled neither pays nor is paid. What was on
//     its way to them is declined; what they had reserved for others stays, and
//     those others may still accept it.
//
// Each act is judged where it stands in the order, by the state there alone.
// Amounts are whole minor units of at most MaxAmount; floats appear nowhere.
package ledger

import (
	"cmp"
	"io"
	"strings"

	"coop/crdt/record"
	"coop/crdt/table"
)

// Limits of the ledger. They are constants of the protocol.
const (
	MaxAmount      = 1_000_000_000_000 // minor units: of a payment, a limit, a line; nine million of them fit an int64
	MaxNoteLen     = 500               // bytes; more belongs into a listing or a comment
	MaxWaiting     = 1000              // unanswered payments and requests of one author, so that nobody can bury another
	MaxAccepts     = 32                // clauses of somebody's standing rule, looked through at every payment to them
	MaxFrom        = 200               // people named in one clause
	MaxInstalments = 1200              // of a budget line: a hundred years of months
)

// AccountKey names an account: whose it is and what it counts in.
type AccountKey struct {
	_     struct{} `cbor:",toarray"`
	Unit  string
	Owner record.ID // a member, or the co-op for its treasury
}

// Compare orders accounts by unit, then by owner.
func (k AccountKey) Compare(o AccountKey) int {
	return cmp.Or(strings.Compare(k.Unit, o.Unit), k.Owner.Compare(o.Owner))
}

// Account is what somebody has in one unit. One that was never used is zero.
type Account struct {
	_        struct{} `cbor:",toarray"`
	Balance  int64    // minor units
	Reserved int64    // of it for pending payments; never below zero
	OwnLimit bool     // a decision gave this account a limit of its own,
	Limit    int64    // namely this
	Entries  uint64   // how many there are
}

// EntryKey names the entries of an account: 0, 1, 2 …
type EntryKey struct {
	_       struct{} `cbor:",toarray"`
	Account AccountKey
	Number  uint64
}

// Compare orders entries by account, then by number.
func (k EntryKey) Compare(o EntryKey) int {
	return cmp.Or(k.Account.Compare(o.Account), cmp.Compare(k.Number, o.Number))
}

// Entry is what an accepted payment did to one account. It never changes.
type Entry struct {
	_       struct{} `cbor:",toarray"`
	Payment record.ID
	Change  int64 // minor units
	Balance int64 // after it
}

// Status says how far a payment or a request has come.
type Status uint8

// The statuses. All but the first are final.
const (
	StatusPending   Status = iota + 1
	StatusAccepted         // paid
	StatusDeclined         // by whom it was for
	StatusCancelled        // by who began it
)

// String returns the word for a status.
func (s Status) String() string {
	words := [...]string{"unknown", "pending", "accepted", "declined", "cancelled"}
	if int(s) >= len(words) {
		s = 0
	}
	return words[s]
}

// Payment is a transfer, an instalment of the treasury, or a request for one.
// Once it is not pending it never changes.
type Payment struct {
	_        struct{} `cbor:",toarray"`
	ID       record.ID
	Number   uint64    // in the order of the co-op: 0, 1, 2 …
	Asked    bool      // a request: To asks From for it, and nothing moves or is reserved by it
	By       record.ID // who signed it: the payer, who asks, or a treasurer
	From, To record.ID // members, or the co-op for its treasury
	Unit     string
	Amount   int64 // minor units
	Note     string
	For      record.ID // a listing or a proposal; zero: none
	Request  record.ID // which it pays, or for an accepted request: the payment; zero: none
	Reverses record.ID // the payment it gives back; zero: none
	Time     int64     // unix milliseconds, as the author's clock said
	Status   Status
	Answer   string // what was said on accepting, declining or cancelling
}

func (p Payment) payer() AccountKey { return AccountKey{Unit: p.Unit, Owner: p.From} }
func (p Payment) payee() AccountKey { return AccountKey{Unit: p.Unit, Owner: p.To} }

// Answerer is who is to answer while it is pending: the payee, or who is asked
// to pay.
func (p Payment) Answerer() record.ID {
	if p.Asked {
		return p.From
	}
	return p.To
}

// WaitingKey names a pending payment or request from or to a member.
type WaitingKey struct {
	_      struct{} `cbor:",toarray"`
	Member record.ID
	ID     record.ID
}

// Compare orders what waits by member, then by id.
func (k WaitingKey) Compare(o WaitingKey) int {
	return cmp.Or(k.Member.Compare(o.Member), k.ID.Compare(o.ID))
}

// State is the ledger at one place in the order.
type State struct {
	Accounts table.Table[AccountKey, Account]
	Entries  table.Table[EntryKey, Entry]
	Payments table.Table[record.ID, Payment]
	Returned table.Table[record.ID, int64]  // minor units of a payment that came back by reversals
	Waiting  table.Table[WaitingKey, bool]  // what is pending, for both its people; true: this one began it
	Begun    table.Table[record.ID, uint32] // how much of what is pending a member began
	Rules    table.Table[record.ID, []Accept]
	Budgets  table.Table[BudgetKey, Budget]
}

// New returns an empty ledger.
func New() *State {
	return &State{
		Accounts: table.New[AccountKey, Account](), Entries: table.New[EntryKey, Entry](), Payments: table.New[record.ID, Payment](),
		Returned: table.New[record.ID, int64](), Waiting: table.New[WaitingKey, bool](), Begun: table.New[record.ID, uint32](),
		Rules: table.New[record.ID, []Accept](), Budgets: table.New[BudgetKey, Budget](),
	}
}

// Clone returns a copy in constant time; a change to one is not seen in the other.
func (s *State) Clone() *State {
	return &State{
		Accounts: s.Accounts.Clone(), Entries: s.Entries.Clone(), Payments: s.Payments.Clone(), Returned: s.Returned.Clone(),
		Waiting: s.Waiting.Clone(), Begun: s.Begun.Clone(), Rules: s.Rules.Clone(), Budgets: s.Budgets.Clone(),
	}
}

// WriteTo writes the ledger for the digest and for caches: equal ledgers write
// equal bytes.
func (s *State) WriteTo(w io.Writer) (n int64, err error) {
	for _, t := range []io.WriterTo{s.Accounts, s.Entries, s.Payments, s.Returned, s.Waiting, s.Begun, s.Rules, s.Budgets} {
		k, err := t.WriteTo(w)
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Read fills an empty ledger from what WriteTo wrote and returns the bytes
// behind it. An error, also that a unit does not add up to zero, means that the
// cache is damaged and must be thrown away.
func (s *State) Read(b []byte) (rest []byte, err error) {
	for _, read := range []func([]byte) ([]byte, error){s.Accounts.Read, s.Entries.Read, s.Payments.Read,
		s.Returned.Read, s.Waiting.Read, s.Begun.Read, s.Rules.Read, s.Budgets.Read} {
		if b, err = read(b); err != nil {
			return nil, err
		}
	}
	return b, s.addUp()
}
