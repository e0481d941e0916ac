package node

import (
	"fmt"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/ledger"
	"coop/crdt/lookalike"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/replica"
)

// Labels say what people are called wherever they could be taken for somebody else,
// and who of them is gone.
type Labels struct {
	state *coop.State
	alike lookalike.Names[member.Member] // nil until somebody is asked for
}

// NewLabels returns the labels of the people in a state.
func NewLabels(s *coop.State) *Labels { return &Labels{state: s} }

// Of returns what to call the owner of an account: the name, and behind it in
// brackets the beginning of the id, of who has the name of another or one that looks
// like it, and that they left or were expelled.
func (l *Labels) Of(id record.ID) string {
	name := NameOf(l.state, id)
	m, ok := l.state.People.Person(id)
	if !ok {
		return name
	}
	var marks []string
	if l.Alike(m) != nil {
		marks = append(marks, m.ID.Short())
	}
	if m.Gone() {
		marks = append(marks, m.Status.String())
	}
	if marks == nil {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(marks, ", "))
}

// Alike returns the other people who have a person's name, or one that looks like
// it. Who is gone is mistaken for nobody who is there.
func (l *Labels) Alike(m member.Member) (others []member.Member) {
	if l.alike == nil {
		l.alike = lookalike.Names[member.Member]{}
		for _, o := range l.state.People.Members.All() {
			l.alike.Add(o.Name, o)
		}
	}
	seen := map[record.ID]bool{m.ID: true}
	for _, o := range l.alike.Like(m.Name) {
		if !seen[o.ID] && (m.Gone() || !o.Gone()) {
			others = append(others, o)
		}
		seen[o.ID] = true
	}
	return others
}

// NameOf returns the name of the owner of an account.
func NameOf(s *coop.State, id record.ID) string {
	if id == s.People.Coop {
		return Treasury
	}
	if m, ok := s.People.Person(id); ok {
		return m.Name
	}
	if a, ok := s.People.Awaited.Get(id); ok {
		return a.Name
	}
	return id.Short()
}

// Owes returns what somebody's accounts are below zero, each with its unit.
func Owes(s *coop.State, id record.ID) (debts []string) {
	for _, u := range s.People.Units {
		if a := s.Ledger.Account(ledger.AccountKey{Unit: u.Code, Owner: id}); a.Balance < 0 {
			debts = append(debts, ledger.FormatAmount(-a.Balance, u)+" "+u.Code)
		}
	}
	return debts
}

// tellApart says of a person what others can tell them by who have the same name.
func tellApart(s *coop.State, m member.Member) string {
	text := fmt.Sprintf("%s: %s, %s since %s", m.ID.Short(), m.Name, m.Status, time.UnixMilli(m.Since).UTC().Format("2 January 2006"))
	if m.Gone() {
		text = fmt.Sprintf("%s: %s, %s", m.ID.Short(), m.Name, howGone(s, m))
	}
	if m.SponsoredBy != (record.ID{}) {
		text += ", let in by " + NameOf(s, m.SponsoredBy)
	}
	return text
}

// howGone says how somebody went, and what they left behind.
func howGone(s *coop.State, m member.Member) string {
	text := "left"
	if m.Status == member.StatusExpelled {
		text = "was expelled"
	}
	if debts := Owes(s, m.ID); debts != nil {
		text += ", owing " + names(debts)
	}
	return text
}

// doubts says what a sponsor should know of who shows a join card: whom they could
// be taken for, or who they were. None: they are new, and so is the name.
func doubts(s *coop.State, c member.Card) (all []string) {
	for _, m := range replica.Namesakes(s.People, c) {
		switch {
		case m.ID == s.People.Coop:
			all = append(all, fmt.Sprintf("%q looks like the name of the co-op's own account", c.Name))
		case m.Root == c.Root:
			all = append(all, fmt.Sprintf("%s is %s, who %s: the account is theirs again, and they come as an associate", c.Name, m.Name, howGone(s, m)))
		case m.Gone():
			all = append(all, fmt.Sprintf("%s of that name %s (%s): if this is them, their account comes back only with their 24 words, coop join - --old-words -",
				m.Name, howGone(s, m), m.ID.Short()))
		default:
			all = append(all, fmt.Sprintf("there is %s already (%s): ask whether this is somebody else, and who", m.Name, tellApart(s, m)))
		}
	}
	return all
}
