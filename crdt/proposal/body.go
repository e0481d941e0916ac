package proposal

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/text"
)

// The kinds of acts by which a co-op decides.
const (
	KindOpen     = "proposal/open"     // OpenBody, by a member
	KindWithdraw = "proposal/withdraw" // NameBody, by the proposal's author
	KindCast     = "vote/cast"         // CastBody, by any device of somebody of the electorate
	KindClose    = "vote/close"        // CloseBody, by a teller's device
)

// Option is what a vote says.
type Option string

// The options.
const (
	Yes     Option = "yes"
	No      Option = "no"
	Abstain Option = "abstain"
)

// OpenBody opens a proposal.
type OpenBody struct {
	_          struct{}    `cbor:",toarray"`
	Doc        record.ID   // the document with its text; zero: the title says it all
	Version    []record.ID // the records that name the version, sorted; empty if and only if Doc is zero
	Title      string
	Rule       Rule
	Effects    []Effect
	Electorate [32]byte // member.Roll of the Electorate that the author saw
	ClosesAt   int64    // unix milliseconds
}

// CastBody votes.
type CastBody struct {
	_        struct{} `cbor:",toarray"`
	Proposal record.ID
	Option   Option
	Reason   string
}

// NameBody withdraws a proposal.
type NameBody struct {
	_        struct{} `cbor:",toarray"`
	Proposal record.ID
}

// CloseBody says that the time of proposals is over.
type CloseBody struct {
	_         struct{}    `cbor:",toarray"`
	Proposals []record.ID // sorted, 1 to MaxClosed
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

func (b *OpenBody) check() error {
	if err := CheckTitle(b.Title); err != nil {
		return err
	}
	if (b.Doc == record.ID{}) != (len(b.Version) == 0) {
		return errors.New("a proposal names its text and the version of it, or neither")
	}
	if len(b.Version) > MaxVersion || !slices.Equal(b.Version, record.SortIDs(slices.Clone(b.Version))) {
		return fmt.Errorf("the version of the text is not 1 to %d records, sorted and unique", MaxVersion)
	}
	if b.ClosesAt < 1 || b.ClosesAt > record.MaxTime {
		return errors.New("a proposal says when it closes")
	}
	if !slices.Contains([]Rule{Ordinary, Governance, Constitutional}, b.Rule) {
		return fmt.Errorf("there is no rule %q: there are %s, %s and %s", b.Rule, Ordinary, Governance, Constitutional)
	}
	return checkEffects(b.Effects, b.Rule)
}

func (b *CastBody) check() error {
	if b.Option != Yes && b.Option != No && b.Option != Abstain {
		return fmt.Errorf("a vote is %s, %s or %s, not %q", Yes, No, Abstain, b.Option)
	}
	return checkText("the reason", b.Reason, 0, MaxReasonLen)
}

func (b *NameBody) check() error { return nil }

func (b *CloseBody) check() error {
	if n := len(b.Proposals); n < 1 || n > MaxClosed || !slices.Equal(b.Proposals, record.SortIDs(slices.Clone(b.Proposals))) {
		return fmt.Errorf("it does not name 1 to %d proposals, sorted and unique", MaxClosed)
	}
	return nil
}

func checkText(what, s string, low, high int) error {
	if n := utf8.RuneCountInString(s); n < low || n > high {
		return fmt.Errorf("%s has %d characters, not %d to %d", what, n, low, high)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", what)
	}
	return nil
}

// CheckTitle says why a text cannot be the title of a proposal, or nil.
func CheckTitle(title string) error {
	if err := checkText("the title", title, 1, MaxTitleLen); err != nil {
		return err
	}
	if err := text.CheckLine(title); err != nil {
		return fmt.Errorf("the title: %w", err)
	}
	return nil
}

// Open returns the body of the record by which a member opens a proposal, with
// the hash of its electorate as people has it. It errs where the form is wrong;
// State.Apply judges the rest.
func Open(people *member.State, by record.ID, b OpenBody) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	people = people.Clone()
	people.Wake(by) // as opening it will
	b.Electorate = member.Roll(Electorate(people, b.Effects))
	return record.Marshal(b), nil
}
