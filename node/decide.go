package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"coop/crdt/amount"
	"coop/crdt/coop"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/text"
)

// Proposal is what a person types to open a proposal.
type Proposal struct {
	Title   string
	Text    string
	Draft   string   // a text begun with DraftProposal, in place of Title and Text
	Effects []string // see Effects
	Rule    string   // "": the one that asks for the fewest votes
	Days    int      // it stays open so long; 0: as the bylaws say
}

// Effects says how effects are typed, one a line, for help texts.
const Effects = `members:NAME,NAME          associates become members
office:NAME,OFFICE         gives the office of sponsor, treasurer or moderator
office:NAME,-OFFICE        takes it
expel:NAME                 puts somebody out
readmit:NAME               lets somebody who was expelled come back, with an invite
rest:NAME                  sets a silent member resting
recover:NAME,CARD          new keys for somebody who lost theirs (CARD: its four words with
                           hyphens between, or see coop member waiting)
credit-limit:NAME,AMOUNT UNIT
budget:NAME,AMOUNT UNIT,FOR[,PARTS,DAYS]
                           the treasury may pay NAME, all as needed or in PARTS every DAYS,
                           no more than one part at once; FOR may have commas
budget-end:PROPOSAL[,LINE]
                           nothing more is paid of the budget line that PROPOSAL made
bylaw:CLAUSE=VALUE         changes a clause, such as quorum=40 or credit-limit/hour=80
tellers:NAME,NAME          who keeps the minutes, NAME or NAME/DEVICE`

// OpenProposal opens a proposal. With a text it first writes the document, so
// that the proposal names that very version.
func (n *Node) OpenProposal(ctx context.Context, p Proposal) (record.ID, error) {
	if p.Draft != "" && p.Text != "" {
		return record.ID{}, invalid("a draft has its text already: change that, or leave the draft out")
	}
	if p.Text != "" {
		if err := n.wouldOpen(ctx, p); err != nil {
			return record.ID{}, err
		}
		id, err := n.DraftProposal(ctx, p.Title, p.Text)
		if err != nil {
			return record.ID{}, err
		}
		p.Draft = id.String()
	}
	return n.write(ctx, func(a author) (statement, error) { return n.opening(a, p) })
}

// wouldOpen says why a proposal cannot be opened, before its text is written: a
// refused proposal leaves no draft behind.
func (n *Node) wouldOpen(ctx context.Context, p Proposal) error {
	return n.do(ctx, func() error {
		a, err := n.author()
		if err != nil {
			return err
		}
		s, err := n.opening(a, p)
		if err != nil {
			return err
		}
		return n.permit(a, s)
	})
}

// opening returns the statement that opens a proposal, with the text as it now
// stands in its draft.
func (n *Node) opening(a author, p Proposal) (statement, error) {
	s := a.coop.State()
	d := proposal.OpenBody{Title: text.Line(p.Title), Rule: proposal.Rule(p.Rule)}
	if p.Draft != "" {
		draft, err := FindText(s, p.Draft)
		if err != nil {
			return statement{}, err
		}
		d.Doc, d.Version = draft.ID, a.coop.Library().Version(draft.ID)
		if d.Title == "" {
			d.Title = text.Line(draft.Title)
		}
	}
	for _, typed := range p.Effects {
		e, err := n.effect(s, typed)
		if err != nil {
			return statement{}, err
		}
		d.Effects = append(d.Effects, e)
	}
	if err := n.inVain(a, d.Effects); err != nil {
		return statement{}, err
	}
	if d.Rule == "" {
		d.Rule = proposal.RuleFor(d.Effects)
	}
	if err := n.trustClock(); err != nil {
		return statement{}, err
	}
	days, err := openDays(s.People, p.Days, d)
	if err != nil {
		return statement{}, err
	}
	d.ClosesAt = a.now + days*int64(24*time.Hour/time.Millisecond)
	body, err := proposal.Open(s.People, a.me.ID, d)
	if err != nil {
		return statement{}, invalid("%v", err)
	}
	return statement{proposal.KindOpen, body}, nil
}

// openDays is how long a proposal stays open: as its author types, or else as the
// bylaws say, and never shorter or longer than tellers leave it open.
func openDays(people *member.State, typed int, d proposal.OpenBody) (int64, error) {
	least, usual := people.Bylaws.Number(member.ShortestDays), people.Bylaws.Number(member.ProposalDays)
	if d.Rule == proposal.Ordinary {
		usual = people.Bylaws.Number(member.PollDays)
	}
	rests := slices.ContainsFunc(d.Effects, func(e proposal.Effect) bool { return e.Kind == proposal.EffectRest })
	if rests {
		least = proposal.RestDays
	}
	switch {
	case typed == 0:
		return max(usual, least), nil
	case rests && int64(typed) < least:
		return 0, invalid("who may be set resting has %d days to stir: a poll about it stays open so long, not %d", least, typed)
	case int64(typed) < least || typed > proposal.MaxDays:
		return 0, invalid("a proposal stays open for %d to %d days, not %d", least, proposal.MaxDays, typed)
	}
	return int64(typed), nil
}

// inVain refuses effects that could not take place as things stand: people should
// not vote on them in vain.
func (n *Node) inVain(a author, effects []proposal.Effect) error {
	for i, why := range a.coop.TryEffects(effects) {
		e := effects[i]
		switch {
		case why == nil:
		case e.Kind == proposal.EffectMembers:
			return &Refused{strings.ReplaceAll(why.Error(), "\n", "; ") + ": propose only associates, whom `coop member list` shows"}
		case e.Kind == proposal.EffectExpel && a.coop.People().IsTeller(e.Member):
			return &Refused{why.Error() + ": " + changeTellers(n.suggest(a.coop.State(), but(e.Member)))}
		case e.Kind == proposal.EffectRecover && a.coop.People().IsTeller(e.Member):
			m, _ := a.coop.People().Members.Get(e.Member)
			card, err := member.ParseCard(e.Card)
			if err != nil {
				return invalid("%v", err)
			}
			return &Refused{why.Error() + ": " + n.newKeys(a.coop.State(), m, card.Device)}
		default:
			return &Refused{why.Error()}
		}
	}
	return nil
}

// ProposeMembers opens the proposal that makes associates members.
func (n *Node) ProposeMembers(ctx context.Context, names []string) (record.ID, error) {
	return n.OpenProposal(ctx, Proposal{Title: membersTitle(names), Effects: []string{"members:" + strings.Join(names, ",")}})
}

// membersTitle names as many as a title has room for.
func membersTitle(names []string) string {
	if len(names) == 1 {
		return "Make " + names[0] + " a member"
	}
	title := "Make " + strings.Join(names, ", ") + " members"
	for left := len(names) - 1; utf8.RuneCountInString(title) > proposal.MaxTitleLen; left-- {
		title = fmt.Sprintf("Make %s and %d more members", strings.Join(names[:left], ", "), len(names)-left)
	}
	return title
}

// Vote votes on a proposal, or changes this member's vote.
func (n *Node) Vote(ctx context.Context, typed, option, reason string) (record.ID, error) {
	if o := proposal.Option(option); o != proposal.Yes && o != proposal.No && o != proposal.Abstain {
		return record.ID{}, invalid("a vote is yes, no or abstain, not %q", option)
	}
	return n.write(ctx, func(a author) (statement, error) {
		p, err := FindProposal(a.coop.State(), typed)
		if err != nil {
			return statement{}, err
		}
		return act(proposal.KindCast, proposal.CastBody{Proposal: p.ID, Option: proposal.Option(option), Reason: text.Line(reason)}), nil
	})
}

// CloseProposal writes, for a teller, that a poll's time is over; for its author
// it withdraws a proposal that is still open.
func (n *Node) CloseProposal(ctx context.Context, typed string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		p, err := FindProposal(s, typed)
		if err != nil {
			return statement{}, err
		}
		device := n.cfg.Home.Device().Public()
		held := n.replica.HeldSince(p.ID, n.cfg.Now()).UnixMilli()
		if p.MayClose(s.People, device, held, a.now) == nil {
			if err := n.trustClock(); err != nil {
				return statement{}, err
			}
			return act(proposal.KindClose, proposal.NameBody{Proposal: p.ID}), nil
		}
		return act(proposal.KindWithdraw, proposal.NameBody{Proposal: p.ID}), nil
	})
}

// TextOf returns the exact text a proposal was opened with, or why that cannot be
// read: no rule keeps a member from opening one with a text that is not there.
func (n *Node) TextOf(ctx context.Context, p proposal.Proposal) (text string, unread, err error) {
	err = n.ask(ctx, func() { text, unread = TextIn(n.coop, p) })
	return text, unread, err
}

// TextIn is TextOf for a co-op without a node.
func TextIn(c *coop.Coop, p proposal.Proposal) (text string, unread error) {
	if p.Doc == (record.ID{}) {
		return "", nil
	}
	v, err := c.Library().ValueAt(p.Doc, p.Version)
	if err != nil {
		return "", err
	}
	return v.Text("text"), nil
}

// effect reads one effect as a person types it.
func (n *Node) effect(s *coop.State, typed string) (e proposal.Effect, err error) {
	kind, rest, ok := strings.Cut(typed, ":")
	if !ok || rest == "" {
		return e, invalid("effect %q is not KIND:DETAILS. There are:\n%s", typed, Effects)
	}
	form := effectForm(kind)
	if form == "" {
		return e, invalid("effect %q cannot be read. There are:\n%s", typed, Effects)
	}
	args := strings.Split(rest, ",")
	for i := range args {
		args[i] = strings.TrimSpace(args[i])
	}
	switch kind {
	case proposal.EffectMembers:
		return n.membersEffect(s, args)
	case proposal.EffectTellers:
		keys, err := findSeats(s, args)
		return proposal.Effect{Kind: kind, Keys: keys}, err
	case proposal.EffectBylaw:
		return bylawEffect(s, rest)
	case proposal.EffectBudgetEnd:
		return budgetEndEffect(s, args)
	}
	who, err := FindMember(s, args[0])
	if err != nil {
		return e, err
	}
	_, details, _ := strings.Cut(rest, ",")
	switch {
	case slices.Contains([]string{proposal.EffectExpel, proposal.EffectReadmit, proposal.EffectRest}, kind) && len(args) == 1:
		return proposal.Effect{Kind: kind, Member: who.ID}, nil
	case kind == proposal.EffectOffice && len(args) == 2:
		office, taken := strings.CutPrefix(args[1], "-")
		return proposal.Effect{Kind: kind, Member: who.ID, Name: office, On: !taken}, nil
	case kind == proposal.EffectRecover && len(args) == 2:
		card, err := n.findCard(args[1])
		return proposal.Effect{Kind: kind, Member: who.ID, Card: card.Bytes}, err
	case kind == proposal.EffectCreditLimit && len(args) > 1:
		u, amount, err := amountOf(s, details, "")
		return proposal.Effect{Kind: kind, Member: who.ID, Unit: u.Code, Amount: amount}, err
	case kind == proposal.EffectBudget && len(args) > 2:
		return budgetEffect(s, who, details)
	}
	return e, invalid("effect %q has too few details or too many: write %s", typed, form)
}

// effectForm returns how an effect of a kind is typed, "" if there is none.
func effectForm(kind string) string {
	for line := range strings.Lines(Effects) {
		if form, _, _ := strings.Cut(line, "  "); strings.HasPrefix(form, kind+":") {
			return strings.TrimSpace(form)
		}
	}
	return ""
}

func (n *Node) membersEffect(s *coop.State, names []string) (e proposal.Effect, err error) {
	var ids []record.ID
	for _, name := range names {
		m, err := FindMember(s, name)
		if err != nil {
			return e, err
		}
		ids = append(ids, m.ID)
	}
	return proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(ids)}, nil
}

// findSeats reads tellers as NAME or NAME/DEVICE.
func findSeats(s *coop.State, names []string) (keys []record.Key, err error) {
	for _, typed := range names {
		name, device, _ := strings.Cut(typed, "/")
		m, err := FindMember(s, name)
		if err != nil {
			return nil, err
		}
		key, err := findSeat(s, m, device)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// findSeat returns the device with which somebody is to be a teller: the one that
// is typed, see devicesCalled, or else that of tellerDevice.
func findSeat(s *coop.State, m member.Member, typed string) (record.Key, error) {
	if typed == "" {
		key, ok := tellerDevice(s.People, m)
		if !ok {
			return key, &NotFound{fmt.Sprintf("%s has no computer that could keep the minutes: `coop member show %s` shows them", m.Name, typedName(s, m))}
		}
		return key, nil
	}
	found := slices.DeleteFunc(devicesCalled(s.People, m, typed), func(d member.Device) bool { return !s.People.Stands(d.Key) })
	switch len(found) {
	case 0:
		return record.Key{}, &NotFound{fmt.Sprintf("%s has no computer called %s that could keep the minutes: `coop member show %s` shows them", m.Name, typed, typedName(s, m))}
	case 1:
		return found[0].Key, nil
	}
	return record.Key{}, &NotFound{fmt.Sprintf("%d computers of %s are called %s: use a key from `coop member show %s --json`, such as %s", len(found), m.Name, typed, typedName(s, m), found[0].Key.Short())}
}

func bylawEffect(s *coop.State, typed string) (e proposal.Effect, err error) {
	clause, value, ok := strings.Cut(typed, "=")
	if !ok {
		return e, invalid("a bylaw is changed by CLAUSE=VALUE, such as quorum=40")
	}
	e = proposal.Effect{Kind: proposal.EffectBylaw, Name: clause}
	number, _, err := amount.Read(value, amount.Unknown)
	if unclear := (*amount.Unclear)(nil); errors.As(err, &unclear) {
		return e, invalid("%v", err)
	}
	if e.Amount, err = strconv.ParseInt(number, 10, 64); err != nil {
		e.Amount, e.Text = 0, value
	}
	if err := s.People.CheckClause(clause, e.Amount, e.Text); err != nil {
		return e, invalid("%v", err)
	}
	return e, nil
}

// budgetEffect reads AMOUNT UNIT,FOR[,PARTS,DAYS]. The amount may have a decimal comma,
// and what it is for any commas: two whole numbers at the end are parts and days.
func budgetEffect(s *coop.State, payee member.Member, typed string) (e proposal.Effect, err error) {
	amount, purpose, err := cutAmount(s, typed)
	if err != nil {
		return e, err
	}
	u, total, err := amountOf(s, amount, "")
	if err != nil {
		return e, err
	}
	e = proposal.Effect{Kind: proposal.EffectBudget, Member: payee.ID, Unit: u.Code, Amount: total}
	if args := strings.Split(purpose, ","); len(args) > 2 {
		parts, badParts := strconv.ParseUint(strings.TrimSpace(args[len(args)-2]), 10, 32)
		days, badDays := strconv.ParseUint(strings.TrimSpace(args[len(args)-1]), 10, 32)
		if badParts == nil && badDays == nil {
			e.Parts, e.Days, purpose = uint32(parts), uint32(days), strings.Join(args[:len(args)-2], ",")
		}
	}
	if e.Text = text.Line(purpose); e.Text == "" {
		return e, invalid("say what the money is for: budget:%s,%s,FOR", payee.Name, amount)
	}
	return e, nil
}

// budgetEndEffect reads PROPOSAL[,LINE]. A proposal that made one line needs no LINE.
func budgetEndEffect(s *coop.State, args []string) (e proposal.Effect, err error) {
	p, err := FindProposal(s, args[0])
	if err != nil {
		return e, err
	}
	e = proposal.Effect{Kind: proposal.EffectBudgetEnd, Proposal: p.ID}
	if len(args) == 1 && s.Ledger.Budgets.Has(ledger.BudgetKey{Proposal: p.ID, Line: 1}) {
		return e, invalid("proposal %s made several budget lines: say which, as `coop ledger` shows them: budget-end:%[1]s,LINE", p.ID.Short())
	}
	if len(args) > 1 {
		n, err := strconv.ParseUint(args[1], 10, 32)
		if err != nil || len(args) > 2 {
			return e, invalid("%q is no budget line: write budget-end:%s,LINE, as `coop ledger` shows it", strings.Join(args[1:], ","), p.ID.Short())
		}
		e.Line = uint32(n)
	}
	return e, nil
}

// cutAmount cuts an amount with its unit from what stands behind it. "12,50 euro,rent"
// is 12.50 euro for rent; "12,50,rent" may be 12.50 or 12.
func cutAmount(s *coop.State, typed string) (amount, rest string, err error) {
	first, rest, _ := strings.Cut(typed, ",")
	decimals, behind, more := strings.Cut(rest, ",")
	whole := first + "," + decimals
	if _, _, err := amountOf(s, whole, ""); err != nil || !more {
		return first, rest, nil
	}
	if namedUnit(s, whole) == "" {
		return "", "", invalid("%q is unclear: with a point it is an amount, %s.%s, and with a unit too, %s UNIT", whole, first, decimals, whole)
	}
	return whole, behind, nil
}
