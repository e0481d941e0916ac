package simnet

import (
	"fmt"
	"slices"

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
	act   func(n *Node)                                  // what its person does, now and then
	wire  func(n *Node, m wire.Message, b []byte) []byte // what leaves in place of a message, now and then
	start func(n *Node)                                  // before its computer starts
}

var lies = []lie{
	{name: "signs two records in one slot", act: equivocate},
	{name: "shows each side another branch", start: swapDisks},
	{name: "writes from the past", act: backdate},
	{name: "spends what it has not", act: overspend},
	{name: "writes what nobody knows", act: writeNonsense},
	{name: "floods", act: flood},
	{name: "acks without what others wrote", act: censor},
	{name: "closes polls early", act: closeEarly},
	{name: "admits people who do not exist", act: inventPeople},
	{name: "adds a device of its own after it was put out", act: addDevice},
	{name: "sends garbage", wire: sendGarbage},
	{name: "sends records without their past", wire: withhold},
	{name: "sends a bad signature first", wire: breakSignature},
	{name: "sends acts without bodies", wire: hollowOut},
	{name: "sends records from the future", wire: sendFuture},
	{name: "says it holds what it does not", wire: lieAboutTips},
}

// beLiars picks who lies, and how.
func (w *World) beLiars() {
	for range min(w.cfg.Liars, len(w.nodes)-2) {
		n := w.nodes[1+w.rand.IntN(len(w.nodes)-1)]
		if n.lie == nil {
			n.lie, n.honest = &lies[w.rand.IntN(len(lies))], false
			w.trace("%s %s", n.person.name, n.lie.name)
		}
	}
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
func (n *Node) forge(prev *record.Record, kind string, body []byte) *record.Record {
	h := record.Header{Coop: n.w.life.coop, Seq: prev.Seq + 1, Prev: prev.ID, Depth: prev.Depth + 1, Kind: kind, Time: n.clock().UnixMilli()}
	r, err := record.New(h, body, n.key)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	return r
}

// last returns the last record this device wrote, by what its node holds.
func (n *Node) last() *record.Record {
	if tips := n.coop.History().TipsOf(n.device()); len(tips) > 0 {
		return n.load(tips[0])
	}
	return nil
}

// tell gives records to a node's own replica and to some of its neighbours.
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
		n.w.trace("%s does not believe itself: %v", n.person.name, err)
	}
	n.commit()
}

func equivocate(n *Node) {
	prev := n.last()
	if prev == nil {
		return
	}
	kind, bodies := document.KindCreate, [][]byte{newOffer("Left"), newOffer("Right")}
	for id, p := range n.coop.State().Proposals.Proposals.All() {
		if p.Status == proposal.StatusOpen {
			kind = proposal.KindCast
			for i, option := range []proposal.Option{proposal.Yes, proposal.No} {
				bodies[i] = record.Marshal(proposal.CastBody{Proposal: id, Option: option})
			}
		}
	}
	n.tell(func(i int) bool { return i%2 == 0 }, n.forge(prev, kind, bodies[0]))
	n.tell(func(i int) bool { return i%2 == 1 }, n.forge(prev, kind, bodies[1]))
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
	n.snapshot, n.anchors = nil, nil
}

// backdate writes on top of nothing but its own last record: whatever happened
// since, its own removal too, is not in the past of that.
func backdate(n *Node) {
	if prev := n.last(); prev != nil {
		n.tellAll(n.forge(prev, ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: n.w.life.coop, Unit: "hour", Amount: 100})))
	}
}

// anyway writes without asking the rules first.
func (n *Node) anyway(kind string, body []byte) {
	if _, err := n.replica.Write(n.clock(), kind, body); err != nil {
		n.w.trace("%s cannot write %s: %v", n.person.name, kind, err)
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
	body := make([]byte, n.w.rand.IntN(40))
	for i := range body {
		body[i] = byte(n.w.rand.Uint32())
	}
	n.anyway(kinds[n.w.rand.IntN(len(kinds))], body)
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

func closeEarly(n *Node) {
	for _, p := range n.coop.OpenPolls() {
		n.anyway(proposal.KindClose, record.Marshal(proposal.NameBody{Proposal: p.ID}))
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
	}
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
	h := record.Header{Coop: w.life.coop, Seq: 1, Parents: []record.ID{prev.ID}, Depth: prev.Depth + 1, Kind: member.KindDeviceAdd}
	r, err := record.New(h, card.Encode(), device)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	n.tellAll(r)
}

func sendGarbage(n *Node, _ wire.Message, b []byte) []byte {
	b = slices.Clone(b)
	switch n.w.rand.IntN(3) {
	case 0:
		b = b[:n.w.rand.IntN(len(b))]
	case 1:
		b[n.w.rand.IntN(len(b))] ^= byte(1 + n.w.rand.IntN(255))
	default:
		for i := range b {
			b[i] = byte(n.w.rand.Uint32())
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
	rs := change(slices.Clone(records.Records), n.w.rand.IntN(len(records.Records)))
	if len(rs) == 0 {
		return b
	}
	return wire.Encode(wire.Records{Records: rs, Left: records.Left})
}

func withhold(n *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record { return slices.Delete(rs, i, i+1) })
}

func breakSignature(n *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record {
		bad := *rs[i]
		bad.Sig[n.w.rand.IntN(len(bad.Sig))] ^= 1
		rs[i] = &bad
		return rs
	})
}

func hollowOut(n *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record {
		rs[i] = rs[i].Erase()
		return rs
	})
}

func sendFuture(n *Node, m wire.Message, b []byte) []byte {
	return altered(n, m, b, func(rs []*record.Record, i int) []*record.Record {
		later := *rs[i]
		later.Raw = slices.Clone(later.Raw)
		later.Raw[1] = 2 // the version is the first item of the header
		rs[i] = &later
		return rs
	})
}

func lieAboutTips(n *Node, m wire.Message, b []byte) []byte {
	invented := n.w.seed(fmt.Sprint("tip", n.w.count))
	switch m := m.(type) {
	case wire.Pull:
		m.Digest = invented
		if m.Tips = m.Tips[:n.w.rand.IntN(len(m.Tips)+1)]; n.w.chance(0.5) {
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

// liveLie lets a liar do what it does, where there is an opportunity.
func (n *Node) liveLie() {
	if n.lie == nil || n.lie.act == nil || !n.up || n.coop.History().Len() == 0 || !n.w.chance(0.15) {
		return
	}
	n.w.Stats.Lies++
	n.w.trace("%s lies: %s", n.person.name, n.lie.name)
	n.lie.act(n)
}
