package api

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/text"
	"coop/node"
)

// shown is a view from which answers are made.
type shown struct {
	node.View
	ctx  context.Context
	node *node.Node

	labels *node.Labels // nil while there is no co-op
}

func (s *Server) show(r *http.Request, v node.View) shown {
	return shown{v, r.Context(), s.node, node.NewLabels(v.State)}
}

// view returns what the node shows. An answer about the co-op needs one.
func (s *Server) view(r *http.Request) (shown, error) {
	v, err := s.node.View(r.Context())
	if err == nil && (v.State == nil || !v.Known) {
		err = v.NotIn
	}
	return s.show(r, v), err
}

func (s *Server) status(r *http.Request) (any, error) {
	v, err := s.node.View(r.Context())
	if err != nil {
		return nil, err
	}
	out := Status{V: Version, Device: v.Device.String(), Joined: v.Joined && v.Me.ID != (record.ID{}), Addrs: list(v.Addrs), Words: s.node.HasWords()}
	sh := s.show(r, v)
	out.Peers = sh.peers()
	for _, e := range v.Events {
		out.Events = append(out.Events, e.Time.UTC().Format(time.RFC3339)+" "+e.Text)
	}
	if out.Waits, out.ShutOut = v.Waits, v.ShutOut; !out.Joined {
		out.CardWords = s.node.CardWords()
	}
	if v.Broken != nil {
		e := AsError(v.Broken)
		out.Broken, out.Hint = e.Message, e.Hint
	}
	if v.Clock != (node.Clock{}) {
		out.Clock = &Clock{v.Clock.Text, v.Clock.Blocked}
	}
	if v.State != nil && v.Joined {
		sh.fillStatus(&out)
		if _, out.Trouble, err = s.node.Troubles(r.Context()); err != nil {
			return nil, err
		}
	}
	out.Offices, out.Heads, out.Tellers, out.Problems = list(out.Offices), list(out.Heads), list(out.Tellers), list(out.Problems)
	out.ToVote, out.ToConfirm, out.ToAdmit = list(out.ToVote), list(out.ToConfirm), list(out.ToAdmit)
	out.Balances, out.Events, out.Reseatings = list(out.Balances), list(out.Events), list(out.Reseatings)
	out.Gone = list(out.Gone)
	return out, nil
}

func (v shown) fillStatus(out *Status) {
	s := v.State
	out.Coop, out.CoopID = s.People.Name, s.People.Coop.String()
	if from := s.People.Succeeds.Coop; from != (record.ID{}) {
		out.Succeeds = from.String()
	}
	out.Records, out.Heads, out.Minuted, out.Provisional = s.Records, s.Heads, s.Order, len(s.Pending)
	digest := s.Digest()
	out.Digest = hex.EncodeToString(digest[:])
	if v.Me.ID != (record.ID{}) {
		out.Member, out.MemberID = v.Me.Name, v.Me.ID.String()
		out.Standing, out.Offices = v.Me.Status.String(), v.Me.Offices
		out.Balances = v.balances(v.Me.ID)
	}
	if d, ok := s.People.Devices.Get(v.Device); ok {
		out.DeviceName = d.Name
	}
	out.Tellers, out.Reseatings = v.tellers(), v.reseatings()
	if len(s.Pending) > 0 {
		out.Waiting = v.waits(s.Pending[0])
		if out.Waiting != "" && v.Stuck != "" {
			out.Waiting += "; should they be gone for good: coop tellers"
		}
	}
	out.Advice, out.OutOfReach = v.Advice, v.OutOfReach
	out.Problems = v.problems()
	todo := v.Todo()
	for _, p := range todo.Vote {
		out.ToVote = append(out.ToVote, v.proposal(p))
	}
	for _, p := range todo.Confirm {
		out.ToConfirm = append(out.ToConfirm, v.payment(p))
	}
	if out.ToAdmit = v.newcomers(todo.Admit); v.Me.Status == member.StatusMember {
		out.Hidden = v.Hidden
	}
	for _, m := range s.People.Members.All() {
		if !m.Gone() {
			continue
		}
		if debts := node.Owes(s, m.ID); debts != nil {
			out.Gone = append(out.Gone, Debt{v.name(m.ID), m.ID, debts})
		}
	}
}

// problems lists the records without effect, those of one author and kind as one.
func (v shown) problems() (out []Problem) {
	type line struct {
		author record.ID
		kind   string
	}
	lines := map[line]int{}
	for _, p := range v.State.Problems().All() {
		d, _ := v.State.People.Devices.Get(p.Device)
		l := line{d.Member, p.Kind}
		if at, ok := lines[l]; ok {
			out[at].More++
			continue
		}
		lines[l] = len(out)
		out = append(out, Problem{Record: p.Record, Kind: p.Kind, Author: v.name(d.Member), Reason: p.Reason})
	}
	return out
}

// name returns what people call somebody, or the treasury: see node.Labels.
func (v shown) name(id record.ID) string { return v.labels.Of(id) }

func (s *Server) peers(r *http.Request) (any, error) {
	v, err := s.node.View(r.Context())
	return Peers{Version, s.show(r, v).peers()}, err
}

func (v shown) peers() []Peer {
	out := []Peer{}
	for _, p := range v.Peers {
		out = append(out, Peer{p.Name, p.DeviceName, p.Addr, p.Live, p.Heard.UTC(), p.Equal, p.Left, p.Waits, p.Agent})
	}
	return out
}

func (s *Server) members(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	out := Members{V: Version, Members: []Member{}}
	for _, m := range v.State.People.Members.All() {
		out.Members = append(out.Members, v.member(m))
	}
	for _, a := range v.State.People.Awaited.All() {
		out.Members = append(out.Members, Member{ID: a.ID, Name: a.Name, Standing: "awaited", Offices: []string{}, Devices: []Device{}})
	}
	slices.SortStableFunc(out.Members, func(a, b Member) int { return text.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *Server) member(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	m, err := node.FindMember(v.State, r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	return struct {
		V int `json:"v"`
		Member
	}{Version, v.member(m)}, nil
}

func (v shown) member(m member.Member) Member {
	out := Member{ID: m.ID, Name: m.Name, Standing: m.Status.String(), Offices: list(m.Offices), Devices: []Device{}}
	if m.SponsoredBy != (record.ID{}) {
		out.Sponsor = v.name(m.SponsoredBy)
	}
	if out.Since = timeOrNone(m.Since); m.Gone() {
		out.Owes = node.Owes(v.State, m.ID)
	}
	for _, o := range v.labels.Alike(m) {
		out.Alike = append(out.Alike, o.ID)
	}
	for _, key := range m.Devices {
		d := v.device(key)
		out.Teller = out.Teller || d.Teller
		out.Devices = append(out.Devices, d)
	}
	return out
}

func (v shown) device(key record.Key) Device {
	d, _ := v.State.People.Devices.Get(key)
	out := Device{Name: d.Name, Key: key, State: "in use", Teller: slices.Contains(v.State.Minuted.People.Tellers, key), Here: key == v.Device}
	switch {
	case d.Forked:
		out.State = "forked"
	case d.Revoked:
		out.State = "revoked"
	}
	return out
}

func (s *Server) devices(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	return Devices{Version, v.member(v.Me).Devices}, nil
}

func (s *Server) newcomers(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	return Newcomers{Version, v.newcomers(v.Cards), v.Hidden}, nil
}

func (v shown) newcomers(cards []node.Card) []Newcomer {
	out := []Newcomer{}
	for _, c := range cards {
		n := Newcomer{ID: c.Card.Device.Short(), Name: c.Card.Name, Device: c.Card.DeviceName, Seen: c.Seen.UTC(), Words: c.Words(), Asks: c.Asks()}
		if c.Recovers() {
			n.Of = v.name(c.Card.Recovers)
		}
		out = append(out, n)
	}
	return out
}

func (s *Server) listings(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	query := listing.NewQuery(q.Get("search"), q.Get("category"))
	out := Listings{V: Version, Listings: []Listing{}}
	for _, l := range v.State.Listings.All() {
		mine := v.mine(l.Owner)
		over := l.Status == listing.Closed || l.Expired(v.Now.UnixMilli())
		if over && q.Get("all") == "" || q.Get("mine") != "" && !mine || !query.Match(l) {
			continue
		}
		out.Listings = append(out.Listings, v.listing(l))
	}
	slices.SortStableFunc(out.Listings, func(a, b Listing) int { return strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)) })
	return out, nil
}

func (s *Server) document(r *http.Request) (any, error) {
	id, file, err := s.node.Export(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return Document{V: Version, ID: id, Automerge: file}, nil
}

func (s *Server) listing(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	l, err := node.FindListing(v.State, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := v.listing(l)
	if out.Comments, err = v.comments(l.ID); err != nil {
		return nil, err
	}
	return struct {
		V int `json:"v"`
		Listing
	}{Version, out}, nil
}

func (v shown) listing(l listing.Listing) Listing {
	return Listing{
		ID: l.ID, Kind: string(l.Kind), Status: string(l.Status), Title: l.Title, Text: l.Text, Category: l.Category, Tags: list(l.Tags),
		Price: l.Price.String(), Quantity: l.Quantity, Place: l.Place, Code: l.Code, List: l.List, Expires: timeOrNone(l.Expires), Owner: v.name(l.Owner), OwnerID: l.Owner, Mine: v.mine(l.Owner),
	}
}

// mine reports whether a content's owner is this node's person.
func (v shown) mine(owner record.ID) bool {
	m, ok := v.State.People.Person(owner)
	return ok && m.ID == v.Me.ID
}

func (v shown) comments(about record.ID) ([]Comment, error) {
	var ids []record.ID
	for id, c := range v.State.Comments.All() {
		if c.About == about {
			ids = append(ids, id)
		}
	}
	err := v.node.InOrder(v.ctx, ids)
	out := make([]Comment, len(ids))
	for i, id := range ids {
		c, _ := v.State.Comments.Get(id)
		out[i] = Comment{c.ID, v.name(c.Owner), c.Owner, c.Text}
	}
	return out, err
}

func (s *Server) proposals(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	out := Proposals{V: Version, Proposals: []Proposal{}, Drafts: []Draft{}}
	named := map[record.ID]bool{}
	for _, p := range v.State.Proposals.Proposals.All() {
		named[p.Doc] = true
		out.Proposals = append(out.Proposals, v.proposal(p))
	}
	for _, t := range v.State.Texts.All() {
		if !named[t.ID] {
			out.Drafts = append(out.Drafts, Draft{t.ID, t.Title, t.Text, v.name(t.Owner), t.Owner})
		}
	}
	slices.SortStableFunc(out.Proposals, func(a, b Proposal) int { return a.Opened.Compare(b.Opened) })
	return out, nil
}

func (s *Server) draft(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	typed := r.PathValue("id")
	if p, err := node.FindProposal(v.State, typed); err == nil {
		typed = p.Doc.String()
	}
	t, err := node.FindText(v.State, typed)
	return struct {
		V int `json:"v"`
		Draft
	}{Version, Draft{t.ID, t.Title, t.Text, v.name(t.Owner), t.Owner}}, err
}

func (s *Server) proposal(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	p, err := node.FindProposal(v.State, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := v.proposal(p)
	text, unread, err := s.node.TextOf(r.Context(), p)
	if err != nil {
		return nil, err
	}
	out.fillText(text, unread)
	out.fillWords(p)
	v.fillVotes(&out, p)
	if out.Comments, err = v.comments(p.ID); err != nil {
		return nil, err
	}
	return struct {
		V int `json:"v"`
		Proposal
	}{Version, out}, nil
}

func (p *Proposal) fillText(text string, unread error) {
	p.Text = text
	if unread != nil {
		p.TextUnread = unread.Error()
	}
}

func (v shown) proposal(p proposal.Proposal) Proposal {
	out := Proposal{
		ID: p.ID, Title: p.Title, Rule: string(p.Rule), Status: string(p.Status), Author: v.name(p.Author), AuthorID: p.Author, Effects: []Effect{},
		Opened: time.UnixMilli(p.Opened).UTC(), ClosesAt: timeOrNone(p.ClosesAt), Electorate: len(p.Voters), Needed: proposal.Needed(p.Rule, len(p.Voters)),
		Yes: p.Count.Yes, No: p.Count.No, Abstain: p.Count.Abstain,
	}
	out.Over = p.TimeOver(v.Now.UnixMilli())
	if t, ok := v.State.Proposals.Tally(v.State.People, p.ID); ok {
		out.Members, out.YesOfThem = t.There.Members, t.There.Count.Yes
	}
	if p.Doc != (record.ID{}) {
		out.TextID = p.Doc.String()
	}
	for i, e := range p.Effects {
		shown := Effect{Text: v.effect(e)}
		if i < len(p.Failed) {
			shown.Failed = p.Failed[i]
		}
		out.Effects = append(out.Effects, shown)
	}
	minuted, ok := v.State.Minuted.Proposals.Proposals.Get(p.ID)
	out.Minuted = ok && minuted.Status == p.Status
	if !out.Minuted {
		act := p.ID
		if ok {
			act = p.Decided
		}
		out.Waits = v.waits(act)
	}
	if v.node != nil { // an auditor has none; one that is stopping says nothing
		out.Unseats, _ = v.node.Unseats(v.ctx, p)
	}
	return out
}

// fillWords says which words to compare before one votes on new keys. It takes some
// 10 ms for each card.
func (p *Proposal) fillWords(of proposal.Proposal) {
	for i, e := range of.Effects {
		if e.Kind == proposal.EffectRecover {
			p.Effects[i].Words = node.WordsOf(e.Card)
		}
	}
}

func (v shown) fillVotes(out *Proposal, p proposal.Proposal) {
	for _, voter := range p.Voters {
		ballot, ok := v.State.Proposals.Ballots.Get(proposal.BallotKey{Proposal: p.ID, Voter: voter})
		if !ok {
			out.Silent = append(out.Silent, v.name(voter))
			continue
		}
		for i, vote := range ballot.Votes {
			replaced := slices.ContainsFunc(ballot.Votes[i+1:], func(next proposal.Vote) bool { return next.Late == vote.Late })
			out.Votes = append(out.Votes, Vote{
				Member: v.name(voter), MemberID: voter, Option: string(vote.Option), Reason: vote.Reason,
				Time: time.UnixMilli(vote.Time).UTC(), Late: vote.Late, Replaced: replaced, Waits: v.waits(vote.ID),
			})
		}
	}
}

// effect says in words what a proposal changes.
func (v shown) effect(e proposal.Effect) string {
	who := v.name(e.Member)
	switch e.Kind {
	case proposal.EffectMembers:
		var names []string
		for _, id := range e.Members {
			names = append(names, v.name(id))
		}
		return "makes members of " + strings.Join(names, ", ")
	case proposal.EffectOffice:
		if e.On {
			return who + " becomes " + e.Name
		}
		return who + " is " + e.Name + " no longer"
	case proposal.EffectExpel:
		return "expels " + who
	case proposal.EffectReadmit:
		return "lets " + who + " come back, if somebody admits them"
	case proposal.EffectRecover:
		return "gives " + who + " new keys, " + cardText(e.Card)
	case proposal.EffectRest:
		return "sets " + who + " resting"
	case proposal.EffectCreditLimit:
		return fmt.Sprintf("%s may go %s %s below zero", who, v.amount(e.Amount, e.Unit), e.Unit)
	case proposal.EffectBudget:
		text := fmt.Sprintf("the treasury may pay %s %s %s for %s", who, v.amount(e.Amount, e.Unit), e.Unit, e.Text)
		if e.Parts > 0 {
			text += fmt.Sprintf(", in %d parts, %d days apart", e.Parts, e.Days)
		}
		return text
	case proposal.EffectBudgetEnd:
		return v.budgetEnd(ledger.BudgetKey{Proposal: e.Proposal, Line: e.Line})
	case proposal.EffectBylaw:
		if e.Text != "" {
			return fmt.Sprintf("bylaw %s becomes %q", e.Name, e.Text)
		}
		return fmt.Sprintf("bylaw %s becomes %d", e.Name, e.Amount)
	case proposal.EffectTellers:
		var names []string
		for _, key := range e.Keys {
			d, _ := v.State.People.Devices.Get(key)
			names = append(names, v.name(d.Member)+"/"+d.Name)
		}
		return "the tellers are " + strings.Join(names, ", ")
	}
	return e.Kind
}

// budgetEnd says which budget line is to end, and what that leaves unpaid.
func (v shown) budgetEnd(k ledger.BudgetKey) string {
	b, ok := v.State.Ledger.Budgets.Get(k)
	if !ok {
		return fmt.Sprintf("ends line %d of the budget of %s, which is not there", k.Line, k.Proposal.Short())
	}
	p, _ := v.State.Proposals.Proposals.Get(k.Proposal)
	return fmt.Sprintf("ends the budget for %s of %q (%s, line %d): of %s %s were %s paid, and no more will be", v.name(b.Line.Payee), p.Title, k.Proposal.Short(), k.Line,
		v.amount(b.Line.Total, b.Line.Unit), b.Line.Unit, v.amount(b.Paid, b.Line.Unit))
}

// cardText names the card of a recovery, for people to compare.
func cardText(card []byte) string {
	c, err := member.ParseCard(card)
	if err != nil {
		return "of a bad card"
	}
	return "those of card " + c.Device.Short() + ": vote yes only if they told you its four words themselves, by voice"
}

func (v shown) amount(n int64, unit string) string {
	u, _ := v.State.People.Unit(unit)
	return ledger.FormatAmount(n, u)
}

// waits says what an act that is not in the minutes waits for, "" if it is by now.
// Of a node that is stopping nobody hears which tellers that are.
func (v shown) waits(id record.ID) string {
	if v.State.InMinutes(id) {
		return ""
	}
	text, err := v.node.Waits(v.ctx, id)
	if err != nil {
		return "waits for those who keep the minutes"
	}
	return text
}

// ledger answers with one person's account, or with all.
func (s *Server) ledger(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	who := record.ID{}
	if name := r.URL.Query().Get("who"); name != "" {
		if who, err = node.FindAccount(v.State, name); err != nil {
			return nil, err
		}
	}
	return v.ledger(who), nil
}

// ledger returns the accounts and payments of one owner, or with zeros of all.
func (v shown) ledger(who record.ID) Ledger {
	out := Ledger{V: Version, Balances: []Balance{}, Payments: []Payment{}, Budgets: []Budget{}}
	if who != (record.ID{}) {
		out.Balances = v.balances(who)
	} else {
		for _, m := range v.State.People.Members.All() {
			out.Balances = append(out.Balances, v.balances(m.ID)...)
		}
		for id := range v.State.People.Awaited.All() {
			out.Balances = append(out.Balances, v.balances(id)...)
		}
		out.Balances = append(out.Balances, v.balances(v.State.People.Coop)...)
	}
	var all []ledger.Payment
	for _, p := range v.State.Ledger.Payments.All() {
		if who == (record.ID{}) || p.From == who || p.To == who {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b ledger.Payment) int { return int(int64(a.Number) - int64(b.Number)) })
	back := map[record.ID][]string{}
	for _, p := range v.State.Ledger.Payments.All() {
		if p.Reverses != (record.ID{}) {
			back[p.Reverses] = append(back[p.Reverses], p.ID.String())
		}
	}
	for _, p := range all {
		shown := v.payment(p)
		shown.ReversedBy = back[p.ID]
		out.Payments = append(out.Payments, shown)
	}
	for key, b := range v.State.Ledger.Budgets.All() {
		if who == (record.ID{}) || who == b.Line.Payee || who == v.State.People.Coop {
			out.Budgets = append(out.Budgets, v.budget(key, b))
		}
	}
	return out
}

func (v shown) budget(key ledger.BudgetKey, b ledger.Budget) Budget {
	amount := func(n int64) string { return v.amount(n, b.Line.Unit) }
	p, _ := v.State.Proposals.Proposals.Get(key.Proposal)
	return Budget{
		Proposal: key.Proposal, Line: key.Line, For: p.Title, To: v.name(b.Line.Payee), Unit: b.Line.Unit,
		Total: amount(b.Line.Total), Paid: amount(b.Paid), Left: amount(b.Left()), Next: amount(b.Next()),
		Part: b.Part(), Parts: b.Line.Instalments, Days: b.Line.PeriodDays, Ended: b.Ended,
	}
}

// standing answers with what this node's person accepts beforehand.
func (s *Server) standing(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	out := Standing{V: Version, Rules: []Accept{}}
	clauses, _ := v.State.Ledger.Rules.Get(v.Me.ID)
	for _, c := range clauses {
		rule := Accept{Max: v.amount(c.Max, c.Unit), Unit: c.Unit, From: []string{}}
		for _, id := range c.From {
			rule.From = append(rule.From, v.name(id))
		}
		out.Rules = append(out.Rules, rule)
	}
	return out, nil
}

func (v shown) balances(who record.ID) []Balance {
	out := []Balance{}
	for _, u := range v.State.People.Units {
		key := ledger.AccountKey{Unit: u.Code, Owner: who}
		a := v.State.Ledger.Account(key)
		out = append(out, Balance{
			Who: v.name(who), ID: who, Standing: v.standing(who), Unit: u.Code, Balance: ledger.FormatAmount(a.Balance, u), Reserved: ledger.FormatAmount(a.Reserved, u),
			Limit:     ledger.FormatAmount(v.State.Ledger.Limit(v.State.People, key), u),
			Available: ledger.FormatAmount(v.CanPay(key), u),
			Awaited:   v.State.People.Awaited.Has(who),
		})
	}
	return out
}

// standing returns the word for the status of the owner of an account; "" of the
// treasury and of who is awaited.
func (v shown) standing(who record.ID) string {
	if m, ok := v.State.People.Members.Get(who); ok {
		return m.Status.String()
	}
	return ""
}

func (v shown) payment(p ledger.Payment) Payment {
	out := Payment{
		ID: p.ID, Asked: p.Asked, From: v.name(p.From), FromID: p.From, To: v.name(p.To), ToID: p.To, Amount: v.amount(p.Amount, p.Unit), Unit: p.Unit, Note: p.Note,
		Time: time.UnixMilli(p.Time).UTC(), Status: p.Status.String(),
	}
	link := func(to *string, id record.ID) {
		if id != (record.ID{}) {
			*to = id.String()
		}
	}
	link(&out.For, p.For)
	link(&out.Reverses, p.Reverses)
	if link(&out.Pays, p.Request); p.Asked {
		out.Pays, out.PaidBy = "", out.Pays
	}
	if back, ok := v.State.Ledger.Returned.Get(p.ID); ok {
		out.Returned = v.amount(back, p.Unit)
	}
	minuted, ok := v.State.Minuted.Ledger.Payments.Get(p.ID)
	out.Minuted = ok && minuted.Status == p.Status
	if !out.Minuted {
		out.Waits = cmp.Or(v.waits(p.ID), "the answer is not in the minutes yet")
	}
	return out
}

func timeOrNone(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

// list makes an empty list of none, so that JSON has [] and not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
