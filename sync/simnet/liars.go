package simnet

import (
	"fmt"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/wire"
)

// lie is what a liar does otherwise than an honest node.
type lie struct {
	name  string
	act   func(n *Node)                                      // what its person does, now and then
	wire  func(n, to *Node, m wire.Message, b []byte) []byte // what leaves in place of a message, now and then
	start func(n *Node)                                      // before its computer starts
	p     float64                                            // how often it acts when its person could; 0: 0.15
}

// lies are the liars. Those that fork are few enough among the tellers for the
// order to bear them, but where a world is captured: see Config.
var lies = []lie{
	// members
	{name: "signs two records in one slot, for one side and the other", act: equivocate},
	{name: "has two disks, and shows each side another branch", start: swapDisks},
	{name: "writes on top of the past, with a date of then", act: backdate},
	{name: "proposes and votes from a device forgotten since the first days", act: useForgottenDevice},
	{name: "votes twice, and after the close", act: voteTwice},
	{name: "spends what it has not", act: overspend},
	{name: "spends the same with each neighbour", act: spendTwice},
	{name: "makes credit with a friend", act: payInCircles},
	{name: "admits people who do not exist, who then decide", act: inventPeople},
	{name: "adds a device of its own after it was put out", act: addDevice},
	{name: "writes what nobody knows", act: writeNonsense},
	{name: "floods", act: flood},
	{name: "edits at old heads", act: editOldHeads},
	// tellers, where they have a seat
	{name: "signs two acks in one slot", act: forkAcks, p: 0.4},
	{name: "acks without what others wrote", act: censor},
	{name: "closes polls early", act: closeEarly},
	{name: "stalls, and skips rounds", act: stall, p: 0.5},
	// on the wire
	{name: "sends garbage", wire: sendGarbage},
	{name: "sends records without their past", wire: withhold},
	{name: "sends a bad signature first", wire: breakSignature},
	{name: "sends acts without bodies", wire: hollowOut},
	{name: "sends records from the future", wire: sendFuture},
	{name: "says it holds what it does not", wire: lieAboutTips},
	{name: "says that old history is all there is", wire: sendStale},
	{name: "sends what nobody may take, and more than may wait", wire: overfill},
}

// captor is how tellers lie who are too many for the order to bear: while the
// honest ones are apart, they show each camp another branch, see captive.
var captor = lie{name: "shows each camp another branch"}

// captive lets the people of one camp meet the liars, who have a disk for each.
func (w *World) captive(camp bool) (on []*Node) {
	for _, n := range w.nodes {
		if n.lie != nil && n.camp != camp {
			swapDisks(n)
			n.camp, n.asleep = camp, false
		}
		if n.camp = n.lie != nil && camp || n.lie == nil && n.no%2 == 1; n.camp == camp {
			on = append(on, n)
		}
	}
	return on
}

// often is how often a liar acts, of the times it could.
func (l *lie) often() float64 {
	if l.p > 0 {
		return l.p
	}
	return 0.15
}

// beLiars picks who lies, and how.
func (w *World) beLiars() {
	if w.cfg.Captured {
		for _, n := range w.nodes[1:3] {
			n.lie, n.honest = &captor, false
		}
		return
	}
	if w.cfg.Stolen {
		w.beRobbed()
		return
	}
	for range min(w.cfg.Liars, len(w.nodes)-2) {
		if n := w.nodes[1+w.IntN(len(w.nodes)-1)]; n.lie == nil {
			w.beLiar(n, w.IntN(len(lies)))
		}
	}
}

func (w *World) beLiar(n *Node, how int) {
	n.lie, n.honest = &lies[how], false
	w.trace("%s %s", n.name, n.lie.name)
}

// lying reports whether a device is a liar's.
func (w *World) lying(device record.Key) bool {
	return slices.ContainsFunc(w.nodes, func(n *Node) bool { return n.device() == device && n.lie != nil })
}

// bearable leaves out of a list of tellers the liars it could not bear.
func (w *World) bearable(tellers []record.Key) []record.Key {
	for {
		f := (len(tellers) - 1) / 3
		liars := 0
		i := slices.IndexFunc(tellers, func(t record.Key) bool {
			if w.lying(t) {
				liars++
			}
			return liars > f
		})
		if i < 0 {
			return tellers
		}
		tellers = slices.Delete(tellers, i, i+1)
	}
}

// forge signs a record whatever the rules say. Nobody gets it yet.
func (n *Node) forge(prev *record.Record, kind string, body []byte, parents ...*record.Record) *record.Record {
	h := record.Header{Coop: n.w.life.coop, Seq: prev.Seq + 1, Prev: prev.ID, Depth: prev.Depth, Kind: kind, Time: n.clock().UnixMilli()}
	return n.seal(h, body, n.key, parents...)
}

func (n *Node) seal(h record.Header, body []byte, key *record.Private, parents ...*record.Record) *record.Record {
	for _, p := range parents {
		if h.Depth = max(h.Depth, p.Depth); p.ID != h.Prev {
			h.Parents = append(h.Parents, p.ID)
		}
	}
	h.Depth++
	h.Parents = record.SortIDs(h.Parents)
	r, err := record.New(h, body, key)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	return r
}

// last returns the last record this device wrote, by what its node holds; nil if
// there is none, or the power went while it lied.
func (n *Node) last() *record.Record {
	if !n.up {
		return nil
	}
	if tips := n.coop.History().TipsOf(n.device()); len(tips) > 0 {
		return n.load(tips[0])
	}
	return nil
}

// tell gives records to some of a node's neighbours.
func (n *Node) tell(to func(i int) bool, rs ...*record.Record) {
	for i, l := range n.w.links {
		if c := l.conn; c != nil && (l.ends[0] == n || l.ends[1] == n) && to(i) {
			n.w.after(l.delay, func() { l.ends[1-c.side(n)].gossiped(c, rs) })
		}
	}
}

func (n *Node) tellAll(rs ...*record.Record) {
	n.tell(func(int) bool { return true }, rs...)
	if _, err := n.replica.Gossip(n.clock(), 0, rs); err != nil {
		n.w.trace("%s does not believe itself: %v", n.name, err)
	}
	n.commit()
}

func equivocate(n *Node) {
	kind, bodies := document.KindCreate, [][]byte{newOffer("Left"), newOffer("Right")}
	if p, ok := n.openProposal(); ok {
		kind = proposal.KindCast
		for i, option := range []proposal.Option{proposal.Yes, proposal.No} {
			bodies[i] = record.Marshal(proposal.CastBody{Proposal: p, Option: option})
		}
	}
	n.fork(kind, bodies...)
}

// fork signs records in one slot: each neighbour gets another.
func (n *Node) fork(kind string, bodies ...[]byte) {
	prev := n.last()
	if prev == nil {
		return
	}
	for k, body := range bodies {
		n.tell(func(i int) bool { return i%len(bodies) == k }, n.forge(prev, kind, body))
	}
}

func (n *Node) openProposal() (id record.ID, ok bool) {
	for p, state := range n.coop.State().Proposals.Proposals.All() {
		if state.Status == proposal.StatusOpen {
			id, ok = p, true
		}
	}
	return id, ok
}

func newOffer(title string) []byte {
	ops, err := listing.Draft{Kind: listing.Offer, Title: title}.Create()
	if err != nil {
		panic("simnet: " + err.Error())
	}
	return document.Create{Schema: listing.SchemaName, Ops: ops}.Encode()
}

// swapDisks lets a computer have two disks, and start with the one or the
// other: each goes on from where it was.
func swapDisks(n *Node) {
	if len(n.disk) < 3 {
		return
	}
	if n.otherDisk == nil {
		n.otherDisk = slices.Clone(n.disk)
	}
	n.disk, n.otherDisk = n.otherDisk, n.disk
	n.snapshot, n.anchors, n.marker, n.signed, n.synced = nil, nil, record.ID{}, 0, len(n.disk)
}

// backdate writes on top of nothing but its own last record, or one before:
// whatever happened since, its own removal too, is not in the past of that.
func backdate(n *Node) {
	prev := n.last()
	if prev == nil {
		return
	}
	h := record.Header{Coop: n.w.life.coop, Seq: prev.Seq + 1, Prev: prev.ID, Depth: prev.Depth, Kind: ledger.KindTransfer, Time: n.w.start.UnixMilli()}
	n.tellAll(n.seal(h, record.Marshal(ledger.TransferBody{To: n.w.life.coop, Unit: "hour", Amount: 100}), n.key))
}

// useForgottenDevice adds a device in the first days, which nobody hears of
// again until it proposes, and votes, on top of what was then.
func useForgottenDevice(n *Node) {
	device := n.w.key("forgotten" + n.name)
	if n.forgotten == nil {
		if !n.inside() {
			return
		}
		card, err := member.SignDeviceCard(member.DeviceTerms{Coop: n.w.life.coop, Root: n.person.root.Public(), Device: device.Public(), Name: "old laptop"}, n.person.root, device)
		if err != nil {
			panic("simnet: " + err.Error())
		}
		if id := n.write(member.KindDeviceAdd, card.Encode()); id != (record.ID{}) {
			ref, _ := n.coop.History().Find(id)
			n.forgotten, n.then = []*record.Record{n.load(ref)}, n.coop.State()
		}
		return
	}
	if n.w.round < 5 {
		return
	}
	me := member.MemberID(n.w.life.coop, n.person.root.Public())
	open := proposal.OpenBody{Version: []record.ID{}, Title: "As it was", ClosesAt: 1, Effects: []proposal.Effect{{Kind: proposal.EffectMembers, Members: []record.ID{me}}}}
	open.Rule = proposal.RuleFor(open.Effects)
	body, err := proposal.Open(n.then.People, me, open)
	if err != nil {
		body = record.Marshal(open) // it may not propose: it does
	}
	last := n.forgotten[len(n.forgotten)-1]
	h := record.Header{Coop: n.w.life.coop, Seq: uint64(len(n.forgotten)), Kind: proposal.KindOpen, Time: last.Time}
	if h.Seq > 1 {
		h.Prev = last.ID
	}
	opened := n.seal(h, body, device, last)
	h.Seq, h.Prev, h.Kind = h.Seq+1, opened.ID, proposal.KindCast
	cast := n.seal(h, record.Marshal(proposal.CastBody{Proposal: opened.ID, Option: proposal.Yes}), device, opened)
	n.forgotten = append(n.forgotten, opened, cast)
	n.tellAll(opened)
	n.tellAll(cast)
}

func voteTwice(n *Node) {
	for id := range n.coop.State().Proposals.Proposals.All() {
		if n.w.chance(0.5) {
			n.anyway(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes}))
			n.anyway(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.No}))
			return
		}
	}
}

// spendTwice pays all it has to somebody, and in the same slot to others: each
// neighbour sees another payment.
func spendTwice(n *Node) {
	var bodies [][]byte
	for id := range n.coop.State().People.Members.All() {
		bodies = append(bodies, record.Marshal(ledger.TransferBody{To: id, Unit: "hour", Amount: 5000}))
	}
	n.fork(ledger.KindTransfer, bodies...)
}

// payInCircles takes whatever comes, and pays it on at once, more than there is.
func payInCircles(n *Node) {
	s := n.coop.State()
	me := member.MemberID(n.w.life.coop, n.person.root.Public())
	n.anyway(ledger.KindRule, record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{{From: []record.ID{}, Unit: "hour", Max: 1_000_000}}}))
	for _, p := range s.Ledger.Pending(me) {
		n.anyway(ledger.KindAccept, record.Marshal(ledger.AnswerBody{ID: p.ID}))
	}
	for id := range s.People.Members.All() {
		for _, amount := range []int64{5000, 5001, 1_000_000} {
			n.anyway(ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: id, Unit: "hour", Amount: amount}))
		}
	}
}

// anyway writes without asking the rules first.
func (n *Node) anyway(kind string, body []byte) {
	if _, err := n.replica.Write(n.clock(), kind, body); err != nil {
		n.w.trace("%s cannot write %s: %v", n.name, kind, err)
	}
	n.commit()
}

func overspend(n *Node) {
	n.anyway(ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: n.w.life.coop, Unit: "hour", Amount: 1_000_000}))
	n.anyway(ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: n.w.life.coop, Unit: "hour", Amount: -5}))
}

func writeNonsense(n *Node) {
	kinds := []string{"future/thing", member.KindAdmit, member.KindDeviceAdd, member.KindSeatPass, proposal.KindOpen, proposal.KindCast,
		ledger.KindTransfer, ledger.KindRule, document.KindCreate, document.KindEdit, coop.KindAck}
	body := make([]byte, n.w.IntN(40))
	for i := range body {
		body[i] = byte(n.w.Uint32())
	}
	n.anyway(kinds[n.w.IntN(len(kinds))], body)
}

func flood(n *Node) {
	prev := n.last()
	if prev == nil {
		return
	}
	for range 30 {
		prev = n.forge(prev, document.KindCreate, newOffer("Spam"))
		n.tellAll(prev)
	}
}

func censor(n *Node) {
	if prev := n.last(); prev != nil {
		n.tellAll(n.forge(prev, coop.KindAck, nil))
	}
}

// forkAcks acks what it holds to some, and to others only itself.
func forkAcks(n *Node) {
	prev := n.last()
	if prev == nil || n.coop.Waiting() == 0 {
		return
	}
	var heads []*record.Record
	for _, ref := range n.coop.History().Heads()[:min(len(n.coop.History().Heads()), record.MaxParents)] {
		heads = append(heads, n.load(ref))
	}
	n.tell(func(i int) bool { return i%2 == 0 }, n.forge(prev, coop.KindAck, nil, heads...))
	n.tell(func(i int) bool { return i%2 == 1 }, n.forge(prev, coop.KindAck, nil))
}

// stall lets a device sign nothing for a while, and then go on.
func stall(n *Node) {
	n.locked = true // its person does nothing either
	n.replica.Unlock(nil)
	n.w.after(n.between(time.Second, time.Minute), func() {
		if n.up && n.locked {
			n.locked = false
			n.replica.Unlock(n.key)
		}
	})
}

// editOldHeads writes many edits of one text, each on top of its first version
// and its own last record.
func editOldHeads(n *Node) {
	prev := n.last()
	if prev == nil {
		return
	}
	for id := range n.coop.State().Texts.All() {
		ref, ok := n.coop.History().Find(id)
		if !ok {
			continue
		}
		first := n.load(ref)
		for range 5 {
			body := document.Edit{Doc: id, Ops: []document.Op{document.Splice("text", 0, 0, "x")}}.Encode()
			prev = n.forge(prev, document.KindEdit, body, first)
			n.tellAll(prev)
		}
		return
	}
}

func closeEarly(n *Node) {
	var ids []record.ID
	for _, p := range n.coop.OpenProposals() {
		ids = append(ids, p.ID)
	}
	if len(ids) > 0 {
		n.anyway(proposal.KindClose, record.Marshal(proposal.CloseBody{Proposals: ids}))
	}
}

func inventPeople(n *Node) {
	w := n.w
	i := member.Invite{Coop: w.life.coop, Seed: w.seed(fmt.Sprint("invented", w.count))}
	n.anyway(member.KindInvite, member.NewInvite(i.Key().Public(), 2, 0))
	for k := range 3 {
		root, device := w.key(fmt.Sprint("root", w.count, k)), w.key(fmt.Sprint("device", w.count, k))
		card, err := member.NewCard(member.CardTerms{Coop: i.Coop, Name: fmt.Sprint("X", w.count, k), DeviceName: "none"}, i.Key(), root, device)
		if err != nil {
			panic("simnet: " + err.Error())
		}
		n.anyway(member.KindAdmit, card.Encode())
		n.propose(card.Member(), device)
	}
}

// propose lets a device of somebody who was just admitted make them a member.
func (n *Node) propose(who record.ID, device *record.Private) {
	by := n.last()
	if by == nil {
		return
	}
	b := proposal.OpenBody{Version: []record.ID{}, Title: "Let me in", ClosesAt: 1, Effects: []proposal.Effect{{Kind: proposal.EffectMembers, Members: []record.ID{who}}}}
	b.Rule = proposal.RuleFor(b.Effects)
	h := record.Header{Coop: n.w.life.coop, Seq: 1, Kind: proposal.KindOpen, Time: n.clock().UnixMilli()}
	opened := n.seal(h, record.Marshal(b), device, by)
	h.Seq, h.Prev, h.Kind = 2, opened.ID, proposal.KindCast
	n.tellAll(opened)
	n.tellAll(n.seal(h, record.Marshal(proposal.CastBody{Proposal: opened.ID, Option: proposal.Yes}), device, opened))
}

// addDevice signs a device card with its root key and lets the new device write
// as its own first record.
func addDevice(n *Node) {
	w := n.w
	prev := n.last()
	if prev == nil || n.coop.Stands(n.device()) {
		return
	}
	device := w.key(fmt.Sprint("late", w.count))
	i := member.Invite{Coop: w.life.coop, Seed: w.seed("late"), Root: n.person.root.Public(), Member: member.MemberID(w.life.coop, n.person.root.Public())}
	req, err := member.NewDeviceRequest(i, "late", device)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	card, err := req.Grant(w.life.coop, i.Key().Public(), n.person.root)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	n.tellAll(n.seal(record.Header{Coop: w.life.coop, Seq: 1, Kind: member.KindDeviceAdd}, card.Encode(), device, prev))
}

func sendGarbage(n, _ *Node, _ wire.Message, b []byte) []byte {
	b = slices.Clone(b)
	switch n.w.IntN(3) {
	case 0:
		b = b[:n.w.IntN(len(b))]
	case 1:
		b[n.w.IntN(len(b))] ^= byte(1 + n.w.IntN(255))
	default:
		for i := range b {
			b[i] = byte(n.w.Uint32())
		}
	}
	return b
}

// altered sends records after a change to one of them.
func altered(n *Node, m wire.Message, b []byte, change func(rs []*record.Record, i int) []*record.Record) []byte {
	records, ok := m.(wire.Records)
	if !ok {
		return b
	}
	rs := change(slices.Clone(records.Records), n.w.IntN(len(records.Records)))
	if len(rs) == 0 {
		return b
	}
	return wire.Encode(wire.Records{Records: rs, Left: records.Left})
}

func withhold(n, _ *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record { return slices.Delete(rs, i, i+1) })
}

func breakSignature(n, _ *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record {
		bad := *rs[i]
		bad.Sig[n.w.IntN(len(bad.Sig))] ^= 1
		rs[i] = &bad
		return rs
	})
}

func hollowOut(n, _ *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record {
		rs[i] = rs[i].Erase()
		return rs
	})
}

func sendFuture(n, _ *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record {
		later := *rs[i]
		later.Raw = slices.Clone(later.Raw)
		later.Raw[1] = 2 // the version is the first item of the header
		rs[i] = &later
		return rs
	})
}

func lieAboutTips(n, _ *Node, m wire.Message, b []byte) []byte {
	invented := n.w.seed(fmt.Sprint("tip", n.w.count))
	switch m := m.(type) {
	case wire.Pull:
		m.Digest = invented
		if m.Tips = m.Tips[:n.w.IntN(len(m.Tips)+1)]; n.w.chance(0.5) {
			m.Tips = append(m.Tips, invented)
		}
		return wire.Encode(m)
	case wire.Have:
		m.IDs = append(m.IDs, invented)
		return wire.Encode(m)
	case wire.Hint:
		return wire.Encode(wire.Hint{Digest: invented})
	case wire.End:
		return wire.Encode(wire.End{Digest: invented})
	}
	return b
}

// sendStale tells a newcomer that what it was sent first is all there is.
func sendStale(n, to *Node, m wire.Message, b []byte) []byte {
	if records, ok := m.(wire.Records); ok && to.replica != nil && !to.replica.Joined() {
		return wire.Encode(wire.End{Digest: records.Records[0].ID})
	}
	return b
}

// overfill sends long records of a device that nobody knows.
func overfill(n, _ *Node, m wire.Message, b []byte) []byte {
	if _, ok := m.(wire.Records); !ok {
		return b
	}
	device, prev := n.w.key("nobody"), n.disk[0]
	var rs []*record.Record
	for i := range uint64(stagedMost/record.MaxBodyLen + 1) {
		h := record.Header{Coop: n.w.life.coop, Seq: i + 1, Kind: document.KindCreate}
		if i > 0 {
			h.Prev = prev.ID
		}
		prev = n.seal(h, make([]byte, record.MaxBodyLen), device, prev)
		rs = append(rs, prev)
	}
	return wire.Encode(wire.Records{Records: rs})
}
