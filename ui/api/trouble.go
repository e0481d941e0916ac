package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/node"
)

type (
	// Troubles lists what was cheated, or went wrong by somebody's doing, the
	// latest first.
	Troubles struct {
		V        int         `json:"v"`
		Troubles []Trouble   `json:"troubles"`
		Total    int         `json:"total"` // more than are listed, if there are too many
		Peers    []PeerEvent `json:"peers"` // what peers did to this node since it started
	}

	Trouble struct {
		ID       record.ID `json:"id"`
		Kind     string    `json:"kind"`
		Member   string    `json:"member"`
		Device   string    `json:"device"`
		Time     time.Time `json:"time"` // by the author's clock
		Minuted  bool      `json:"minuted"`
		What     string    `json:"what"`
		Means    string    `json:"means"`
		Do       string    `json:"do"`
		Reason   string    `json:"reason,omitempty"` // why it has no effect
		More     int       `json:"more"`             // further records of this kind and person, or without effect because of the fork
		Evidence []Signed  `json:"evidence,omitempty"`
		Others   []Signed  `json:"others,omitempty"` // the latest of those further ones, where one trouble was asked for
	}

	// Signed is a record as it was signed. Anybody can check it: the signature is
	// that of Device over "coop/1 record\0" and the header, which has the SHA-256 of
	// the body.
	Signed struct {
		ID        record.ID  `json:"id"`
		Kind      string     `json:"kind"`
		Member    string     `json:"member"`
		Device    string     `json:"device"`
		Key       record.Key `json:"key"`
		Seq       uint64     `json:"seq"`
		Time      time.Time  `json:"time"`
		Held      bool       `json:"held"`  // false: a peer showed it to this node, without its body, as proof
		Batch     int        `json:"batch"` // of the minutes; 0: not in them yet
		Says      string     `json:"says"`
		Problem   string     `json:"problem,omitempty"`
		Header    []byte     `json:"header"`
		Signature []byte     `json:"signature"`
		Body      []byte     `json:"body"`
	}

	PeerEvent struct {
		Time time.Time `json:"time"`
		Text string    `json:"text"`
	}
)

func (s *Server) troubles(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	found, of, err := s.node.Troubles(r.Context())
	out := Troubles{V: Version, Troubles: []Trouble{}, Total: of, Peers: []PeerEvent{}}
	for _, t := range found {
		out.Troubles = append(out.Troubles, v.trouble(t))
	}
	for _, e := range v.Events {
		if e.Trouble {
			out.Peers = append(out.Peers, PeerEvent{e.Time.UTC(), e.Text})
		}
	}
	return out, err
}

func (s *Server) trouble(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	t, err := s.node.Trouble(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := v.trouble(t)
	for _, signed := range t.Signed {
		e := v.signed(signed)
		if t.Kind == coop.TroubleLate {
			e.Problem = "it came after the decision" // the rules allow it, and it does not count
		}
		out.Evidence = append(out.Evidence, e)
	}
	for _, signed := range t.Further {
		out.Others = append(out.Others, v.signed(signed))
	}
	return struct {
		V int `json:"v"`
		Trouble
	}{Version, out}, nil
}

func (v shown) trouble(t node.Trouble) Trouble {
	out := Trouble{ID: t.ID, Kind: string(t.Kind), Time: t.Time.UTC(), Minuted: t.Minuted, Reason: t.Reason, More: t.More}
	if out.Member, out.Device = v.deviceOf(t.Device); t.Person != (record.ID{}) {
		out.Member = v.name(t.Person) // also of a computer that did not come to be theirs
	}
	out.What, out.Means, out.Do = v.words(t, out)
	if !t.Minuted && (t.Kind == coop.TroubleFork || t.Kind == coop.TroubleSpent || t.Kind == coop.TroubleInvite) {
		out.Means += " Not all of this is in the minutes yet: until it is, which of them counts can change."
	}
	return out
}

// nobody is whose a device is that the co-op does not know.
const nobody = "nobody"

// deviceOf returns whose a device is, and its name.
func (v shown) deviceOf(key record.Key) (member, name string) {
	d, ok := v.State.People.Devices.Get(key)
	if !ok {
		return nobody, key.Short()
	}
	return v.name(d.Member), d.Name
}

// words says what happened, what it means and what to do.
func (v shown) words(t node.Trouble, out Trouble) (what, means, do string) {
	who, computer := out.Member, computerOf(out.Member, out.Device)
	switch t.Kind {
	case coop.TroubleTellers:
		var names []string
		for _, key := range t.Tellers {
			name, _ := v.deviceOf(key)
			names = append(names, name)
		}
		all := len(v.State.People.Tellers)
		return fmt.Sprintf("%d of the %d computers that keep the minutes signed two different records under the same number: %s", len(names), all, strings.Join(names, ", ")),
			"Those who keep the minutes told different people different things. " + bear(all) + " So what was final for some may have been taken back. Where two orders of events are left, all computers go on with the same one.",
			"Look through what was paid and decided of late: coop ledger, coop proposal list. Then let other computers keep the minutes: coop status says what to type."
	case coop.TroubleFork:
		return computer + " signed two different records under the same number",
			"A computer numbers what it signs, so that nobody can be told one thing and somebody else another. In the order of the minutes the first of these two counts, and so does what the computer signed that comes before the second. The second has no effect, and neither has anything of the computer that comes after it; nobody takes more from it. All members see both records.",
			v.afterFork(t.Device)
	case coop.TroubleSpent:
		return who + " made a payment for which another one left too little",
			"The two were made apart, on computers that did not know of both. The one that comes first in the minutes counts. The other had no effect: nothing was taken from " + who + " and nobody got it.",
			"Whoever was not paid, ask " + who + " to pay again when they can. How much may be paid while apart is in the bylaws: offline-limit."
	case coop.TroubleInvite:
		return who + " admitted somebody by an invite that was used up",
			"The code was used more often than it may be, by people who did not know of each other. The first uses in the minutes count; this one let nobody in.",
			"If you want the person in, give them a code of their own: coop invite"
	case coop.TroubleVotes:
		return who + " voted differently from two computers",
			"The two votes were given apart, on computers that did not know of both. The one that comes later in the minutes counts.",
			who + " can say which they mean, by voting again while the proposal is open."
	case coop.TroubleLate:
		return who + " voted after the decision, and could not know of it", "What decided was not on their computer when they voted. The vote is shown as late and does not count.",
			"Nothing; should it have made a difference, propose anew."
	case coop.TroubleGone:
		return computer + " went on writing after it was put out",
			"What it wrote has no effect, whatever date it bears: " + t.Reason + ".",
			"Nothing, unless it was written before they knew: then somebody who is in the co-op can do it instead."
	}
	return computer + " wrote something that has no effect", "Why not: " + t.Reason + ".", "If it was meant, do it again in a way that is allowed."
}

// computerOf is what people call a device: "Bo's desk".
func computerOf(who, name string) string {
	if who == nobody {
		return "a computer of nobody in the co-op, " + name + ","
	}
	return who + "'s " + name
}

// bear says how many of those who keep the minutes may lie.
func bear(tellers int) string {
	liars := (tellers - 1) / 3
	if liars == 0 {
		return fmt.Sprintf("With %d of them the minutes can be relied on only while none does that; with four, one may.", tellers)
	}
	return fmt.Sprintf("With %d of them the minutes can be relied on while no more than %d do that.", tellers, liars)
}

// afterFork says what to do about a device that is out because it forked.
func (v shown) afterFork(key record.Key) string {
	d, ok := v.State.People.Devices.Get(key)
	if !ok {
		return "Nothing: it is a computer of nobody in the co-op."
	}
	do := fmt.Sprintf("Ask %s. A copy of a home, or a backup, may have been used beside it; or its key was stolen; or it was meant to cheat. %[1]s goes on with another computer", v.name(d.Member))
	if d.Revoked {
		return do + "; this one was taken out."
	}
	return do + ", and takes this one out there: coop device revoke " + node.TypedDevice(v.State.People, d)
}

func (v shown) signed(s node.Signed) Signed {
	out := Signed{
		ID: s.ID, Kind: s.Kind, Key: s.Record.Device, Seq: s.Seq, Time: time.UnixMilli(s.Record.Time).UTC(), Held: s.Held, Batch: s.Batch,
		Says: v.says(s.Record), Problem: s.Problem, Header: s.Raw, Signature: s.Sig[:], Body: s.Body,
	}
	out.Member, out.Device = v.deviceOf(s.Record.Device)
	return out
}

// says says in words what a record does, or wants to do.
func (v shown) says(r *record.Record) string {
	if r.Hollow {
		return "is a " + r.Kind + "; what it says is not here"
	}
	subject, _, _ := strings.Cut(r.Kind, "/")
	if words := map[string]func(*record.Record) string{
		"ledger": v.saysOfMoney, "proposal": v.saysOfDecision, "vote": v.saysOfDecision,
		"member": v.saysOfPeople, "device": v.saysOfPeople, "doc": v.saysOfContent,
	}[subject]; words != nil {
		if s := words(r); s != "" {
			return s
		}
	}
	switch r.Kind {
	case coop.KindAck:
		return "says which records it has seen, and nothing else"
	case member.KindSeatPass:
		return "lets another computer of theirs keep the minutes"
	}
	return "is a " + r.Kind + " that this version cannot read"
}

func (v shown) saysOfMoney(r *record.Record) string {
	switch r.Kind {
	case ledger.KindTransfer:
		var b ledger.TransferBody
		if record.Unmarshal(r.Body, &b) == nil {
			return fmt.Sprintf("pays %s %s to %s%s", v.amount(b.Amount, b.Unit), b.Unit, v.name(b.To), noted(b.Note))
		}
	case ledger.KindRequest:
		var b ledger.RequestBody
		if record.Unmarshal(r.Body, &b) == nil {
			return fmt.Sprintf("asks %s for %s %s%s", v.name(b.From), v.amount(b.Amount, b.Unit), b.Unit, noted(b.Note))
		}
	case ledger.KindAccept, ledger.KindDecline, ledger.KindCancel:
		var b ledger.AnswerBody
		if record.Unmarshal(r.Body, &b) == nil {
			_, verb, _ := strings.Cut(r.Kind, "/")
			return fmt.Sprintf("%ss the payment %s%s", verb, b.ID.Short(), noted(b.Note))
		}
	case ledger.KindRule:
		return "says which payments are accepted beforehand"
	case ledger.KindInstalment:
		var b ledger.InstalmentBody
		if record.Unmarshal(r.Body, &b) == nil {
			return fmt.Sprintf("pays instalment %d of line %d of %s out of the treasury%s", b.Number, b.Line, v.proposalName(b.Proposal), noted(b.Note))
		}
	}
	return ""
}

func (v shown) saysOfDecision(r *record.Record) string {
	var open proposal.OpenBody
	var cast proposal.CastBody
	var name proposal.NameBody
	switch {
	case r.Kind == proposal.KindOpen && record.Unmarshal(r.Body, &open) == nil:
		return fmt.Sprintf("proposes %q", open.Title)
	case r.Kind == proposal.KindCast && record.Unmarshal(r.Body, &cast) == nil:
		return fmt.Sprintf("votes %s on %s%s", cast.Option, v.proposalName(cast.Proposal), noted(cast.Reason))
	case r.Kind == proposal.KindWithdraw && record.Unmarshal(r.Body, &name) == nil:
		return "withdraws " + v.proposalName(name.Proposal)
	case r.Kind == proposal.KindClose && record.Unmarshal(r.Body, &name) == nil:
		return "says that the time is over for " + v.proposalName(name.Proposal)
	}
	return ""
}

func (v shown) proposalName(id record.ID) string {
	if p, ok := v.State.Proposals.Proposals.Get(id); ok {
		return fmt.Sprintf("%q", p.Title)
	}
	return "the proposal " + id.Short()
}

func (v shown) saysOfPeople(r *record.Record) string {
	switch r.Kind {
	case member.KindInvite:
		return "makes an invite"
	case member.KindUninvite:
		return "takes an invite back"
	case member.KindIntroduce, member.KindAdmit:
		if card, err := member.ParseCard(r.Body); err == nil {
			return map[bool]string{true: "admits ", false: "introduces "}[r.Kind == member.KindAdmit] + card.Name
		}
	case member.KindLeave:
		return "leaves the co-op"
	case member.KindDeviceAdd:
		if card, err := member.ParseDeviceCard(r.Body); err == nil {
			return fmt.Sprintf("adds the computer %q", card.Name)
		}
	case member.KindRevoke:
		return "takes a computer out"
	}
	return ""
}

func (v shown) saysOfContent(r *record.Record) string {
	if c, err := document.DecodeCreate(r.Body); r.Kind == document.KindCreate && err == nil {
		return "writes the " + c.Schema + titled(c.Ops)
	}
	if e, err := document.DecodeEdit(r.Body); r.Kind == document.KindEdit && err == nil {
		return "changes " + e.Doc.Short() + titled(e.Ops)
	}
	return ""
}

// titled returns the title, or else the beginning of a text, that ops write.
func titled(ops []document.Op) string {
	for _, op := range ops {
		if op.Text != "" && (op.Field == "title" || op.Field == "text") {
			return fmt.Sprintf(" %q", first(op.Text, 60))
		}
	}
	return ""
}

func noted(note string) string {
	if note == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", first(note, 60))
}

// first returns the first characters of a text.
func first(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
