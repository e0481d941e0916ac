package ledger

import (
	"fmt"
	"iter"
	"math"
	"math/bits"

	"coop/crdt/member"
	"coop/crdt/record"
)

// maxBalance bounds balances on both sides of zero, in minor units, so that no
// sum of a balance, a limit and a reserve leaves an int64.
const maxBalance = 1 << 62

// Treasury returns the key of the co-op's own account.
func Treasury(people *member.State, unit string) AccountKey {
	return AccountKey{Unit: unit, Owner: people.Coop}
}

// Found returns the ledger a co-op begins with: each person of the opening has
// their balances, also before they come, and the treasury has what makes each
// unit add up to zero.
func Found(coop record.ID, f member.Founding) *State {
	s := New()
	begin := func(unit string, owner record.ID, balance int64) {
		if balance != 0 {
			s.Accounts.Put(AccountKey{Unit: unit, Owner: owner}, Account{Balance: balance})
		}
	}
	for i, u := range f.Units {
		sum := int64(0)
		for _, o := range f.Opening {
			begin(u.Code, member.MemberID(coop, o.Root), o.Balances[i])
			sum = mustAdd(sum, o.Balances[i])
		}
		begin(u.Code, coop, -sum)
	}
	return s
}

// Account returns an account, which is zero if it was never used.
func (s *State) Account(k AccountKey) Account {
	a, _ := s.Accounts.Get(k)
	return a
}

// Limit returns how far below zero an account may go by its owner's own acts,
// in minor units: what a decision gave this account, else 0 for an associate
// and what the bylaws say now for a member. It is 0 for the treasury, which
// pays by budget lines alone, and for who is gone.
func (s *State) Limit(people *member.State, k AccountKey) int64 {
	m, ok := people.Members.Get(k.Owner)
	if !ok || m.Gone() {
		return 0
	}
	if a := s.Account(k); a.OwnLimit {
		return a.Limit
	}
	if m.Status == member.StatusAssociate {
		return 0
	}
	return people.CreditLimit(k.Unit)
}

// Available returns what the owner of an account can pay now, in minor units.
// It is below zero where a limit was lowered under what was used.
func (s *State) Available(people *member.State, k AccountKey) int64 {
	a := s.Account(k)
	return mustAdd(a.Balance, mustAdd(s.Limit(people, k), -a.Reserved))
}

// SetLimit gives an account a limit of its own, 0 to MaxAmount minor units, as
// a decision says. A limit under what is used already undoes nothing: the owner
// pays again once they are above it.
func (s *State) SetLimit(people *member.State, who record.ID, unit string, limit int64) error {
	if limit < 0 || limit > MaxAmount {
		return fmt.Errorf("a credit limit of %d minor units, not 0 to %d", limit, int64(MaxAmount))
	}
	if _, err := unitOf(people, unit); err != nil {
		return err
	}
	if err := checkPerson(people, who); err != nil {
		return err
	}
	k := AccountKey{Unit: unit, Owner: who}
	a := s.Account(k)
	a.OwnLimit, a.Limit = true, limit
	s.Accounts.Put(k, a)
	return nil
}

// Statement walks the entries of an account in order, from the one with a
// number on, each with its payment.
func (s *State) Statement(k AccountKey, from uint64) iter.Seq2[Entry, Payment] {
	return func(yield func(Entry, Payment) bool) {
		for at, e := range s.Entries.From(EntryKey{Account: k, Number: from}) {
			p, _ := s.Payments.Get(e.Payment)
			if at.Account != k || !yield(e, p) {
				return
			}
		}
	}
}

// Provisional returns how much a member has paid or reserved in a unit by
// payments that are in s and not in the minutes, in minor units. The ledger s
// must have grown out of minuted.
func (s *State) Provisional(minuted *State, who record.ID, unit string) int64 {
	k, sum := AccountKey{Unit: unit, Owner: who}, int64(0)
	count := func(p Payment) {
		if p.Asked || p.payer() != k || minuted.Payments.Has(p.ID) {
			return
		}
		next, ok := add(sum, p.Amount)
		if !ok {
			next = math.MaxInt64
		}
		sum = next
	}
	for _, p := range s.Statement(k, minuted.Account(k).Entries) {
		count(p)
	}
	for _, p := range s.Pending(who) {
		count(p)
	}
	return sum
}

// Offline says why a member should not pay an amount now although the ledger
// would let them: with what they have paid already and the minutes do not hold
// (provisional, minor units) it is more than the bylaws allow. Nodes ask this
// before they write a payment whose way into the minutes is not open; it is no
// rule of the fold.
func Offline(people *member.State, who record.ID, unit string, amount, provisional int64) error {
	u, err := unitOf(people, unit)
	if err != nil {
		return err
	}
	if amount <= OfflineLeft(people, unit, provisional) {
		return nil
	}
	limit := people.OfflineLimit(unit)
	return fmt.Errorf("%s is more than %s may pay before the minutes confirm it: the bylaws allow %s, of which %s waits to be confirmed; pay less, or wait until the node meets the tellers",
		show(amount, u), nameOf(people, who), show(limit, u), show(provisional, u))
}

// OfflineLeft is how much of a unit the bylaws let a member pay now beyond what the
// minutes do not hold of theirs already (provisional), in minor units; never below 0.
func OfflineLeft(people *member.State, unit string, provisional int64) int64 {
	return max(0, people.OfflineLimit(unit)-provisional)
}

// CheckZero panics if the balances of a unit do not add up to zero or an
// account has reserved less than nothing: then this program is wrong.
func (s *State) CheckZero() {
	if err := s.addUp(); err != nil {
		panic("ledger: " + err.Error())
	}
}

// addUp is CheckZero as an error. Its sums have 128 bits: no sum of balances
// can wrap around to zero.
func (s *State) addUp() error {
	unit, high, low := "", uint64(0), uint64(0)
	for k, a := range s.Accounts.All() {
		if a.Reserved < 0 {
			return fmt.Errorf("account %s in %s has reserved %d", k.Owner.Short(), k.Unit, a.Reserved)
		}
		if k.Unit != unit && high|low != 0 {
			break
		}
		var carry uint64
		low, carry = bits.Add64(low, uint64(a.Balance), 0)
		high, _ = bits.Add64(high, uint64(a.Balance>>63), carry)
		unit = k.Unit
	}
	if high|low != 0 {
		return fmt.Errorf("the balances in %s do not add up to zero", unit)
	}
	return nil
}

// reserve sets aside what a pending payment will take, or with a negative
// amount frees it again.
func (s *State) reserve(k AccountKey, amount int64) {
	a := s.Account(k)
	a.Reserved = mustAdd(a.Reserved, amount)
	s.Accounts.Put(k, a)
}

// checkRoom says why an account cannot change by an amount, whatever its limit.
func (s *State) checkRoom(people *member.State, k AccountKey, change int64) error {
	if sum, ok := add(s.Account(k).Balance, change); !ok || sum > maxBalance || sum < -maxBalance {
		return fmt.Errorf("the account of %s in %s cannot hold so much", nameOf(people, k.Owner), k.Unit)
	}
	return nil
}

func (s *State) post(k AccountKey, payment record.ID, change int64) {
	a := s.Account(k)
	a.Balance = mustAdd(a.Balance, change)
	s.Entries.Put(EntryKey{Account: k, Number: a.Entries}, Entry{Payment: payment, Change: change, Balance: a.Balance})
	a.Entries++
	s.Accounts.Put(k, a)
}

// add returns the sum of two numbers, unless it does not fit.
func add(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (sum > a) == (b > 0)
}

// mustAdd is add where the rules keep the sum far from the edge.
func mustAdd(a, b int64) int64 {
	sum, ok := add(a, b)
	if !ok {
		panic(fmt.Sprintf("ledger: %d and %d are too much", a, b))
	}
	return sum
}
