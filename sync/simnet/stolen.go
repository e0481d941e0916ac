package simnet

import (
	"slices"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/record"
)

// thief has the device keys of tellers of the first days, who were followed by
// others since. robbed are those tellers. They do as others do, but for the keys.
var (
	thief  = lie{name: "rewrites the first days with the stolen keys of the tellers of then", act: rewritePast, p: 0.4}
	robbed = lie{name: "has lost the device's key to a thief"}
)

// rewrittenRounds is how many rounds a thief makes: some waves.
const rewrittenRounds = 15

// beRobbed makes three of the first four tellers the robbed, as many as order
// anything, and the next to come the thief.
func (w *World) beRobbed() {
	for _, n := range w.nodes[1:4] {
		n.lie, n.honest = &robbed, false
	}
	w.nodes[4].lie, w.nodes[4].honest = &thief, false
}

// rewritePast goes on from where the robbed did not know yet who follows them,
// as if nobody did, and gives that to all as its own past. Nobody has reason to
// keep to what was minuted but that they stored who followed.
func rewritePast(n *Node) {
	w := n.w
	if !n.inside() || !w.followed() {
		return
	}
	tips := n.before(n.anchors[0])
	if tips == nil {
		return
	}
	var forged []*record.Record
	for round := range rewrittenRounds {
		made := slices.Clone(tips)
		for i, o := range w.nodes[1:4] {
			kind, body := coop.KindAck, []byte(nil)
			if round == 0 {
				kind, body = ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: w.life.coop, Unit: "hour", Amount: 1 + w.Int64N(4000)})
			}
			made[i] = o.forge(tips[i], kind, body, tips...)
		}
		tips, forged = made, append(forged, made...)
	}
	for _, r := range forged {
		if err := n.replica.Found(r); err != nil { // which asks nobody whether the device stands
			w.fail(RuleSpeech, "%s does not take what it forged: %v", n.name, err)
		}
	}
	n.anyway(coop.KindAck, nil)
	w.Stats.Rewritten++
	for _, o := range w.nodes {
		o.backup, o.careless = 0, false // an older disk would not have stored who followed
	}
}

// before returns the last records of the robbed that do not have a record in
// their past, or nil if one has none.
func (n *Node) before(id record.ID) (rs []*record.Record) {
	h := n.coop.History()
	ref, _ := h.Find(id)
	for _, o := range n.w.nodes[1:4] {
		var last *record.Record
		for i, r := range n.disk {
			if r.Device == o.device() && (last == nil || r.Seq > last.Seq) && !h.InPast(ref, history.Ref(i)) {
				last = r
			}
		}
		if last == nil {
			return nil
		}
		rs = append(rs, last)
	}
	return rs
}

// followed reports whether all hold minutes of tellers who followed the robbed.
func (w *World) followed() bool {
	if !w.nodes[0].whole() {
		return false
	}
	for _, n := range w.nodes {
		if len(n.anchors) == 0 && (n.invite != nil || len(n.disk) > 0) {
			return false
		}
	}
	tellers := w.nodes[0].coop.People().Tellers
	return !slices.ContainsFunc(w.nodes[1:4], func(n *Node) bool { return slices.Contains(tellers, n.device()) })
}

// robbed reports whether a device's key was stolen: nobody elects it.
func (w *World) robbed(device record.Key) bool {
	return slices.ContainsFunc(w.nodes, func(n *Node) bool { return n.lie == &robbed && n.device() == device })
}
