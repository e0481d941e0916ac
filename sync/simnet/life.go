package simnet

import (
	"fmt"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// life is what people know and nodes do not.
type life struct {
	coop   record.ID
	seed   [32]byte           // of the last invite
	typed  map[record.ID]rune // by the record that typed it
	letter rune               // the next to be typed: each is typed once
}

// begin decides which nodes found the co-op, and which are somebody's second.
func (w *World) begin() (founders []*Node) {
	w.life.typed, w.life.letter = map[record.ID]rune{}, 0x4e00
	count := 1
	switch {
	case w.cfg.fourFound():
		count = 4
	case w.chance(0.5):
		count = 2 + w.IntN(min(4, len(w.nodes)-2))
	}
	var devices []record.Key
	for _, n := range w.nodes[:count] {
		devices = append(devices, n.device())
	}
	if !w.cfg.fourFound() {
		devices = w.bearable(devices)
	}
	for i, n := range w.nodes {
		switch {
		case slices.Contains(devices, n.device()):
			founders = append(founders, n)
		case i > 1 && w.chance(0.3):
			n.person = w.nodes[1+w.IntN(i)].person
		}
	}
	return founders
}

// join gives a newcomer a code, and another if that came to nothing.
func (w *World) join(n *Node) {
	if w.quiet || len(n.disk) > 0 {
		return
	}
	w.after(n.between(20*time.Second, time.Minute), func() { w.join(n) })
	w.happen(n.name+" asks to join", func() { w.ask(n) })
}

func (w *World) ask(n *Node) {
	by := w.sponsor(n)
	if by == nil {
		return
	}
	s := by.coop.State()
	i := member.Invite{Coop: w.life.coop, CoopName: s.People.Name, Seed: w.seed(fmt.Sprint("invite", w.count)), Secret: w.secret, Leader: s.Last}
	if n.person != n.own {
		w.joinDevice(n, by, i)
		return
	}
	if w.life.seed != ([32]byte{}) && w.chance(0.15) {
		i.Seed = w.life.seed // a code that somebody else has, too
	} else if by.write(member.KindInvite, member.NewInvite(i.Key().Public(), 1, 0)) == (record.ID{}) {
		return
	}
	w.life.seed = i.Seed
	card, err := member.NewCard(member.CardTerms{Coop: i.Coop, Name: n.person.name, DeviceName: "laptop"}, i.Key(), n.person.root, n.key)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	n.invited(i, card.Encode())
}

// sponsor returns a node whose person may invite, and that a newcomer can
// reach, or nil.
func (w *World) sponsor(n *Node) *Node {
	var can []*Node
	for _, l := range w.links {
		for i, by := range l.ends {
			if l.ends[1-i] != n || !by.inside() {
				continue
			}
			if m, _ := by.coop.People().Author(by.device()); n.person != n.own && by.person == n.person || n.person == n.own && m.Holds(member.Sponsor) {
				can = append(can, by)
			}
		}
	}
	if len(can) == 0 {
		return nil
	}
	return can[w.IntN(len(can))]
}

// joinDevice invites a further computer of somebody who is inside.
func (w *World) joinDevice(n, by *Node, i member.Invite) {
	m, ok := by.coop.People().Person(member.MemberID(w.life.coop, n.person.root.Public()))
	if !ok || m.Gone() {
		return
	}
	i.Member, i.Root = m.ID, m.Root
	req, err := member.NewDeviceRequest(i, "phone", n.key)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	n.person.codes = append(n.person.codes, i.Key().Public())
	n.invited(i, req.Encode())
}

func (n *Node) invited(i member.Invite, card []byte) {
	n.invite, n.card = &i, card
	if n.up {
		n.powerCut()
		return
	}
	n.start()
}

// cardShown is a person looking at a card that a newcomer shows at their node.
func (w *World) cardShown(n *Node, card []byte) {
	if w.quiet {
		return
	}
	if req, err := member.ParseDeviceRequest(card); err == nil {
		for _, code := range n.person.codes {
			if c, err := req.Grant(w.life.coop, code, n.person.root); err == nil && n.up && !n.coop.Introduced(c.Device) {
				n.write(member.KindDeviceAdd, c.Encode())
			}
		}
		return
	}
	switch {
	case w.chance(0.5):
		n.write(member.KindAdmit, card)
	case w.chance(0.3):
		n.write(member.KindIntroduce, card)
	}
}

// inside reports whether a node runs and its device may act.
func (n *Node) inside() bool {
	return n.up && !n.locked && n.replica.Joined() && n.coop.History().Len() > 0 && n.coop.Stands(n.device()) && n.coop.People().Stands(n.device())
}

// live lets a person do something, again and again.
func (w *World) live(n *Node) {
	if w.quiet {
		return
	}
	w.after(n.between(100*time.Millisecond, w.pace), func() { w.live(n) })
	if n.lie != nil && n.lie.act != nil && n.up && n.coop.History().Len() > 0 && n.chance(n.lie.often()) {
		w.happen(n.name+" lies", func() {
			w.Stats.Lies++
			n.lie.act(n)
		})
	}
	if n.inside() {
		w.happen(n.name+" acts", func() { w.act(n) })
	}
}

func (w *World) act(n *Node) {
	s := n.coop.State()
	me, _ := s.People.Author(n.device())
	switch k := w.IntN(100); {
	case k < 12:
		w.offer(n)
	case k < 20:
		w.editListing(n, s, me)
	case k < 35:
		w.editText(n, s, me)
	case k < 50:
		w.pay(n, s, me)
	case k < 62:
		w.answer(n, s, me)
	case k < 80:
		w.vote(n, s, me)
	case k < 95:
		w.propose(n, s, me)
	default:
		w.manage(n, s, me)
	}
}

func (w *World) offer(n *Node) {
	ops, err := listing.Draft{Kind: listing.Offer, Title: fmt.Sprint("Apples ", w.count), Price: "4.50 euro/kg", Tags: []string{"fruit"}}.Create()
	if err != nil {
		panic("simnet: " + err.Error())
	}
	n.write(document.KindCreate, document.Create{Schema: listing.SchemaName, Ops: ops}.Encode())
}

func (w *World) editListing(n *Node, s *coop.State, me member.Member) {
	for id, l := range s.Listings.All() {
		if l.Owner != me.ID || w.chance(0.5) {
			continue
		}
		d := l.Draft()
		d.Quantity, d.Text = fmt.Sprint(w.IntN(100)), d.Text+"\nfresh"
		v, _ := n.coop.Library().Value(id)
		if ops, err := listing.Edit(v, d); err == nil && len(ops) > 0 {
			n.write(document.KindEdit, document.Edit{Doc: id, Ops: ops}.Encode())
		}
		return
	}
	if ops, err := listing.NewComment(w.life.coop, "hello"); err == nil {
		n.write(document.KindCreate, document.Create{Schema: listing.CommentSchemaName, Ops: ops}.Encode())
	}
}

// editText types one letter, which nobody else types, into a text that all
// write together: in the end it must stand there once.
func (w *World) editText(n *Node, s *coop.State, me member.Member) {
	letter := w.life.letter
	w.life.letter++
	for id, t := range s.Texts.All() {
		if w.chance(0.3) && s.Texts.Len() > 1 {
			continue
		}
		ops := []document.Op{document.Splice("text", w.IntN(len([]rune(t.Text))+1), 0, string(letter))}
		w.life.typed[n.write(document.KindEdit, document.Edit{Doc: id, Ops: ops}.Encode())] = letter
		return
	}
	n.write(document.KindCreate, document.Create{Schema: proposal.TextSchemaName, Ops: proposal.NewText("House rules", "Be kind.")}.Encode())
}

// somebody returns another person of the co-op.
func (w *World) somebody(s *coop.State, me member.Member) member.Member {
	other := me
	n := 0
	for id, m := range s.People.Members.All() {
		if id == me.ID || m.Gone() {
			continue
		}
		if n++; w.IntN(n) == 0 {
			other = m
		}
	}
	return other
}

func (w *World) pay(n *Node, s *coop.State, me member.Member) {
	to := w.somebody(s, me)
	b := ledger.TransferBody{To: to.ID, Unit: "hour", Amount: 1 + w.Int64N(4000)}
	switch {
	case to.ID == me.ID || w.chance(0.1):
		b.To = w.life.coop
	case w.chance(0.2):
		n.write(ledger.KindRequest, record.Marshal(ledger.RequestBody{From: to.ID, Unit: "hour", Amount: b.Amount}))
		return
	case w.chance(0.1):
		n.write(ledger.KindRule, record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{{From: []record.ID{}, Unit: "hour", Max: 2000}}}))
		return
	}
	n.write(ledger.KindTransfer, record.Marshal(b))
}

func (w *World) answer(n *Node, s *coop.State, me member.Member) {
	for _, p := range s.Ledger.Pending(me.ID) {
		switch {
		case p.Asked && p.From == me.ID:
			n.write(ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: p.To, Unit: p.Unit, Amount: p.Amount, Request: p.ID}))
		case p.By == me.ID && w.chance(0.1):
			n.write(ledger.KindCancel, record.Marshal(ledger.AnswerBody{ID: p.ID}))
		case p.To == me.ID && !p.Asked && w.chance(0.8):
			n.write(ledger.KindAccept, record.Marshal(ledger.AnswerBody{ID: p.ID}))
		case p.To == me.ID && !p.Asked:
			n.write(ledger.KindDecline, record.Marshal(ledger.AnswerBody{ID: p.ID}))
		default:
			continue
		}
		return
	}
}

func (w *World) vote(n *Node, s *coop.State, me member.Member) {
	for id, p := range s.Proposals.Proposals.All() {
		if _, voted := s.Proposals.Voted(id, me.ID); p.Status != proposal.StatusOpen || voted && w.chance(0.9) {
			continue
		}
		option := proposal.Yes
		if w.chance(0.1) {
			option = proposal.No
		}
		n.write(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: option}))
	}
}

func (w *World) propose(n *Node, s *coop.State, me member.Member) {
	b := proposal.OpenBody{Version: []record.ID{}, Title: "Let us", Effects: []proposal.Effect{}}
	for id := range s.Texts.All() {
		b.Doc, b.Version = id, n.coop.Library().Version(id)
	}
	var associates []record.ID
	var devices []record.Key
	for id, m := range s.People.Members.All() {
		switch m.Status {
		case member.StatusAssociate:
			associates = append(associates, id)
		case member.StatusMember:
			if d := m.Devices[w.IntN(len(m.Devices))]; s.People.Stands(d) && w.chance(0.7) && len(devices) < 5 {
				devices = append(devices, d)
			}
		}
	}
	w.Shuffle(len(devices), func(i, j int) { devices[i], devices[j] = devices[j], devices[i] })
	devices = slices.DeleteFunc(devices, func(d record.Key) bool { return w.robbed(d) })
	devices = w.bearable(devices)
	who := w.somebody(s, me)
	add := func(e proposal.Effect) { b.Effects = append(b.Effects, e) }
	switch k := w.IntN(10); {
	case k < 5 && len(associates) > 0:
		add(proposal.Effect{Kind: proposal.EffectMembers, Members: associates})
	case k < 6 && len(devices) > 0 && !w.cfg.fourTellers():
		add(proposal.Effect{Kind: proposal.EffectTellers, Keys: devices})
	case k < 7 && who.Status == member.StatusMember && !who.Holds(member.Sponsor):
		add(proposal.Effect{Kind: proposal.EffectOffice, Member: who.ID, Name: member.Sponsor, On: true})
	case k < 8 && who.Name != "A" && w.chance(0.3):
		add(proposal.Effect{Kind: proposal.EffectExpel, Member: who.ID})
	case k < 9:
		add(proposal.Effect{Kind: proposal.EffectCreditLimit, Member: who.ID, Unit: "hour", Amount: w.Int64N(9000)})
		add(proposal.Effect{Kind: proposal.EffectBudget, Member: who.ID, Unit: "hour", Amount: 1000})
	}
	b.Rule, b.ClosesAt = proposal.RuleFor(b.Effects), n.clock().Add(w.between(5*time.Second, 3*24*time.Hour)).UnixMilli()
	if body, err := proposal.Open(s.People, me.ID, b); err == nil {
		id := n.write(proposal.KindOpen, body)
		if id != (record.ID{}) && n.up && w.chance(0.8) {
			n.write(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes}))
		}
	}
}

// manage is what happens seldom: devices are revoked, seats passed, people leave.
func (w *World) manage(n *Node, s *coop.State, me member.Member) {
	other := me.Devices[w.IntN(len(me.Devices))]
	switch {
	case n.no == 0 || me.Name == "A":
		for k := range s.People.Invites.All() {
			if w.chance(0.1) {
				n.write(member.KindUninvite, member.NewUninvite(k))
				return
			}
		}
	case other != n.device() && w.chance(0.5) && !w.cfg.fourTellers():
		n.write(member.KindSeatPass, s.People.NewSeatPass(n.device(), other, w.chance(0.5), nil))
	case other != n.device() && w.chance(0.3):
		n.write(member.KindRevoke, member.NewRevoke(other))
	case w.chance(0.15):
		n.write(member.KindLeave, nil)
	}
}

// permit asks the rules, as a node does before it signs.
func (n *Node) permit(kind string, body []byte) error {
	me, err := n.coop.People().Author(n.device())
	if err != nil {
		return err
	}
	switch kind {
	case document.KindCreate:
		c, err := document.DecodeCreate(body)
		if err != nil {
			return err
		}
		return n.coop.Library().CheckCreate(c)
	case document.KindEdit:
		e, err := document.DecodeEdit(body)
		if err != nil {
			return err
		}
		return n.coop.Library().CheckEdit(me.ID, e)
	}
	return n.coop.Try(n.device(), kind, body)
}

// part cuts the network for a while, again and again.
func (w *World) part() {
	if w.calm {
		return
	}
	w.after(w.between(5*time.Second, 70*time.Second), w.part)
	w.happen("partition", w.cutSome)
}

// cutSome cuts it into two, or one way here and there, or a single computer off.
func (w *World) cutSome() {
	w.Stats.Partitions++
	side := make([]bool, len(w.nodes))
	alone := w.IntN(len(w.nodes))
	mode := w.IntN(4)
	for i := range side {
		side[i] = mode == 0 && i == alone || mode == 1 && w.chance(0.5)
	}
	for _, l := range w.links {
		l.cut = [2]bool{}
		apart := side[l.ends[0].no] != side[l.ends[1].no]
		oneWay := mode == 2 && w.chance(0.4)
		l.cut[w.IntN(2)] = apart || oneWay
		if apart {
			l.cut = [2]bool{true, true}
		}
	}
}

// records returns all that a co-op holds, in the order of admission.
func records(c *coop.Coop, load func(history.Ref) *record.Record) []*record.Record {
	rs := make([]*record.Record, c.History().Len())
	for i := range rs {
		rs[i] = load(history.Ref(i))
	}
	return rs
}
