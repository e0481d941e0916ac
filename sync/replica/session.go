package replica

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/wire"
)

const (
	helloMax  = 10 * time.Second // for hello, proof and show together
	answerMax = time.Minute      // for the next part of the answer to a pull
	pullEvery = time.Minute      // how often a peer chosen at random is asked for news
)

type stage int

const (
	stageHello stage = iota // wants the peer's hello
	stageProof              // wants its proof
	stageShow               // wants its show
	stageDoor               // one of the two is not let in yet
	stageLive               // both may pull
)

// session is what is known of one peer while it is connected.
type session struct {
	id        SessionID
	dialer    bool
	transport []byte
	stage     stage
	nonce     [32]byte
	theirs    [32]byte
	deadline  time.Time // zero: nothing is waited for
	heard     time.Time

	ahead int64 // of this node's clock the peer's was, in milliseconds, when it last said its time
	timed bool  // it has said it

	ended bool            // it was sent all that this node holds, once
	addrs uint64          // up to which of the addresses that are passed on it was told
	lists int             // of addresses, that it sent since some were last passed on
	early []wire.AddrList // of devices that do not stand here yet

	device   record.Key
	agent    string
	code     [8]byte // how the key begins that a newcomer's card is about
	asking   bool    // it is asked how its device came to the co-op
	asks     bool    // it asks that of us
	card     []byte  // a newcomer's
	waits    string
	welcomed bool // we let it in
	welcome  bool // it let us in

	outbox  []wire.Message
	bye     *wire.Bye     // the last word, once the door is closed
	serving []history.Ref // what is still to be sent of the answer to its pull
	answer  bool          // an answer is being sent
	asked   *wire.Pull    // its pull, while we wait for have
	probed  []record.ID   // what we asked about
	pulling bool          // our pull is being answered
	began   time.Time     // when the peer was asked
	have    bool          // its question about our pull was answered
	again   bool          // pull once more when it is done
	got     int           // records taken in this pull
	left    uint64        // as the peer counts
	staging *staging      // records of this pull that may not be taken yet
	digest  [32]byte      // of its frontier, as it last said
	told    [32]byte      // of ours, as we last said

	// settled is the digest of ours, and the peer's, when our last pull was over. As
	// long as both are the same another brings nothing: what the peer holds and we do
	// not, we may not take.
	settled [2][32]byte
}

// Connected begins a session with a peer whose transport identity the
// connection has proved.
func (r *Replica) Connected(now time.Time, id SessionID, transport []byte, dialer bool) {
	s := &session{id: id, dialer: dialer, transport: transport, deadline: now.Add(helloMax), heard: now}
	for i := 0; i < len(s.nonce); i += 8 {
		binary.LittleEndian.PutUint64(s.nonce[i:], r.cfg.Random.Uint64())
	}
	r.sessions[id] = s
	r.send(s, wire.Hello{Version: wire.Version, Nonce: s.nonce, Time: clock(now)})
}

// Disconnected ends a session whose stream is gone.
func (r *Replica) Disconnected(id SessionID) {
	if s, ok := r.sessions[id]; ok {
		r.forget(s)
	}
}

func (r *Replica) forget(s *session) {
	r.endPull(s)
	delete(r.sessions, s.id)
}

// bye closes the door on a peer.
func (r *Replica) bye(s *session, reason string, evidence ...[]byte) {
	s.answer, s.serving = false, nil
	r.part(s, reason, evidence...)
}

// part closes the door on a peer once what is being sent in answer to its pull is
// sent.
func (r *Replica) part(s *session, reason string, evidence ...[]byte) {
	r.endPull(s)
	if len(reason) > wire.MaxReasonLen {
		reason = strings.ToValidUTF8(reason[:wire.MaxReasonLen], "")
	}
	if s.stage > stageShow || s.stage == stageShow && s.welcomed {
		s.bye = &wire.Bye{Reason: reason, Evidence: evidence}
	}
	r.event(Event{Kind: EventDoorClosed, Session: s.id, Device: s.device, Text: reason})
	r.out.Ready = append(r.out.Ready, s.id)
	r.out.Close = append(r.out.Close, s.id)
	s.stage = -1
	s.deadline = time.Time{}
}

func (r *Replica) event(e Event) { r.out.Events = append(r.out.Events, e) }

// Next returns the next message for a session's peer. The driver asks when the
// one before has left, so a slow peer holds up nobody else.
func (r *Replica) Next(id SessionID) (wire.Message, bool) {
	s, ok := r.sessions[id]
	if !ok {
		return nil, false
	}
	if len(s.outbox) > 0 {
		m := s.outbox[0]
		s.outbox = s.outbox[1:]
		return m, true
	}
	if m, ok := r.nextAddrs(s); ok {
		return m, true
	}
	m, err := r.nextRecords(s)
	if err != nil {
		r.bye(s, "this node cannot read its own store")
		return r.Next(s.id)
	}
	if m == nil && s.stage == -1 {
		r.forget(s)
		if s.bye != nil {
			return *s.bye, true
		}
	}
	return m, m != nil
}

// nextRecords goes on with the answer to a pull; it returns nil behind its end.
func (r *Replica) nextRecords(s *session) (wire.Message, error) {
	if !s.answer {
		return nil, nil
	}
	var rs []*record.Record
	lenBytes := 0
	for len(s.serving) > 0 && lenBytes < wire.RecordsLen {
		rec, err := r.Load(s.serving[0])
		if err != nil {
			return nil, err
		}
		rs = append(rs, rec)
		lenBytes += len(rec.Raw) + len(rec.Body) + len(rec.Sig)
		s.serving = s.serving[1:]
	}
	if len(rs) == 0 {
		s.answer, s.serving, s.ended = false, nil, true
		return wire.End{Digest: s.told}, nil // not what came since: that is news
	}
	return wire.Records{Records: rs, Left: uint64(len(s.serving))}, nil
}

// Message handles what a peer said. A peer that breaks the protocol is sent
// away; nothing it says is an error of this node.
func (r *Replica) Message(now time.Time, id SessionID, m wire.Message) {
	s, ok := r.sessions[id]
	if !ok || s.stage == -1 {
		return
	}
	s.heard = now
	if s.expects()&wire.Expect(m) == 0 {
		r.turnAway(s, wire.ErrUnexpected)
		return
	}
	s.compare(now, m)
	if err := r.handle(now, s, m); err != nil {
		r.turnAway(s, err)
	}
}

// Expects returns what a session's peer may say now. The driver asks before it reads
// a message, so that nobody makes it decode, or verify, what is not wanted.
func (r *Replica) Expects(id SessionID) wire.Expected {
	if s, ok := r.sessions[id]; ok && s.stage != -1 {
		return s.expects()
	}
	// What a peer says before our bye reaches it must not cut off the bye.
	return wire.Expect(wire.Welcome{}, wire.Wait{}, wire.Bye{})
}

func (s *session) expects() wire.Expected {
	switch s.stage {
	case stageHello:
		return wire.Expect(wire.Hello{})
	case stageProof:
		return wire.Expect(wire.Proof{})
	case stageShow:
		return wire.Expect(wire.Show{})
	case stageDoor, stageLive:
		return s.expectsInside()
	}
	return 0
}

// expectsInside is what may come behind the show: answers only where something was
// asked.
func (s *session) expectsInside() wire.Expected {
	e := wire.Expect(wire.Welcome{}, wire.Wait{}, wire.Bye{})
	if !s.asks {
		e |= wire.Expect(wire.Ask{})
	}
	if s.asking {
		e |= wire.Expect(wire.Vouch{})
	}
	if s.welcomed {
		e |= wire.Expect(wire.Hint{}, wire.Clock{})
	}
	if s.welcomed && s.lists < addrsHeard {
		e |= wire.Expect(wire.Addrs{})
	}
	if s.welcomed && !s.answer && s.asked == nil {
		e |= wire.Expect(wire.Pull{})
	}
	if len(s.probed) > 0 {
		e |= wire.Expect(wire.Have{})
	}
	if s.pulling {
		e |= wire.Expect(wire.Records{}, wire.End{})
	}
	if s.pulling && !s.have {
		e |= wire.Expect(wire.Probe{}) // a second question, and a third … would pile up answers nobody reads
	}
	return e
}

// turnAway closes the door on a peer, with the evidence if it forked.
func (r *Replica) turnAway(s *session, why error) { r.bye(s, why.Error(), evidence(why)...) }

// putOut closes the door on a peer that was let in and stands no longer. What it
// pulls it still gets: that is how its person comes to see why, where no reason
// of a few words says it.
func (r *Replica) putOut(s *session) {
	if s.asked != nil {
		known, _ := r.known(s.asked.Tips)
		r.serve(s, r.coop.History().Beyond(known))
	}
	why := r.whyOut(s.device)
	r.part(s, why.Error(), evidence(why)...)
}

// Garbage tells the replica that a peer sent what is no message, or a record
// that no version of this program may take.
func (r *Replica) Garbage(id SessionID, err error) {
	s, ok := r.sessions[id]
	if !ok || s.stage == -1 {
		return
	}
	if errors.Is(err, record.ErrTooNew) {
		r.event(Event{Kind: EventTooNew, Session: id, Device: s.device, Text: err.Error()})
	} else {
		r.event(Event{Kind: EventGarbage, Session: id, Device: s.device, Text: err.Error()})
	}
	r.bye(s, err.Error())
}

func (r *Replica) handle(now time.Time, s *session, m wire.Message) error {
	switch m := m.(type) {
	case wire.Hello:
		return r.handleHello(s, m)
	case wire.Proof:
		return r.handleProof(s, m)
	case wire.Show:
		s.stage, s.deadline = stageDoor, time.Time{}
		return r.handleShow(now, s, m)
	case wire.Welcome:
		s.welcome, s.waits = true, ""
		r.event(Event{Kind: EventWelcome, Session: s.id, Device: s.device})
		r.open(s)
		return nil
	case wire.Ask:
		return r.handleAsk(s, m)
	case wire.Vouch:
		return r.handleVouch(now, s, m)
	case wire.Wait:
		s.waits = m.Reason
		r.event(Event{Kind: EventWaiting, Session: s.id, Device: s.device, Text: m.Reason})
		return nil
	case wire.Bye:
		r.endPull(s)
		r.event(Event{Kind: EventDoorClosed, Session: s.id, Device: s.device, Theirs: true, Text: m.Reason})
		r.accused(s, m.Evidence)
		s.stage, s.answer = -1, false
		r.out.Close = append(r.out.Close, s.id)
		return nil
	case wire.Pull:
		return r.handlePull(s, m)
	case wire.Have:
		return r.handleHave(s, m)
	case wire.Probe:
		return r.handleProbe(s, m)
	case wire.Records:
		return r.handleRecords(now, s, m)
	case wire.End:
		return r.handleEnd(s, m)
	case wire.Clock:
		return nil
	case wire.Addrs:
		r.handleAddrs(now, s, m)
		return nil
	case wire.Hint:
		s.digest = m.Digest
		if m.Digest != r.coop.History().Digest() {
			r.pull(s.id)
		}
		return nil
	}
	return wire.ErrUnexpected
}

func (r *Replica) handleHello(s *session, m wire.Hello) error {
	if m.Version != wire.Version {
		return fmt.Errorf("peer speaks version %d of the protocol, this node version %d", m.Version, wire.Version)
	}
	s.theirs, s.stage = m.Nonce, stageProof
	r.send(s, wire.Proof{MAC: r.mac(s, r.cfg.Secret, s.dialer)})
	return nil
}

func (r *Replica) handleProof(s *session, m wire.Proof) error {
	if mac := r.mac(s, r.cfg.Secret, !s.dialer); !hmac.Equal(m.MAC[:], mac[:]) {
		return errors.New("peer does not know the co-op's network secret")
	}
	s.stage = stageShow
	r.send(s, r.show())
	return nil
}

// mac is what the dialer, or the other side, sends to prove that it knows a key,
// for this connection only: the network secret, or the key of a newcomer's code.
func (r *Replica) mac(s *session, key [32]byte, byDialer bool) (mac [32]byte) {
	own, peer := sha256.Sum256(r.cfg.Transport), sha256.Sum256(s.transport)
	parts := [][]byte{s.nonce[:], own[:], s.theirs[:], peer[:]}
	if byDialer != s.dialer {
		parts = [][]byte{s.theirs[:], peer[:], s.nonce[:], own[:]}
	}
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(record.DomainHello))
	h.Write([]byte{map[bool]byte{true: 1, false: 2}[byDialer]})
	h.Write(bytes.Join(parts, nil))
	return [32]byte(h.Sum(nil))
}

// show says which device this node is. Nothing else is said yet: the peer may be
// somebody who was put out, or has a code that is used up.
func (r *Replica) show() wire.Show {
	show := wire.Show{Device: r.cfg.Device, Sig: r.cfg.ShowSig, Agent: r.cfg.Agent}
	if !r.coop.Stands(r.cfg.Device) {
		key := cardKey(r.cfg.Card)
		copy(show.Code[:], key[:])
	}
	return show
}

// cardKey is the key that a newcomer's card is about, which those know who may let
// its device in: that of the invite, or the root key or the id of whoever comes
// with another computer. Zeros without a card.
func cardKey(card []byte) [32]byte {
	if c, err := member.ParseCard(card); err == nil {
		if c.Recovers != (record.ID{}) {
			return c.Recovers
		}
		return c.Invite
	}
	if req, err := member.ParseDeviceRequest(card); err == nil {
		return req.Root
	}
	own, _ := member.ParseDeviceCard(card)
	return own.Root
}

// ask asks a peer whose device nobody here knows how it came to the co-op. To a
// newcomer it proves that this node knows what their code or their card is about.
func (r *Replica) ask(now time.Time, s *session) error {
	var ask wire.Ask
	if s.code != ([8]byte{}) {
		key, ok := r.coop.People().KeyBeginning(s.code)
		if !ok {
			return errors.New("the co-op does not know this code, and nobody in it has these keys: ask a sponsor for a new invite")
		}
		ask.MAC = r.mac(s, key, s.dialer)
	}
	s.asking, s.deadline = true, now.Add(helloMax)
	r.send(s, ask)
	return nil
}

// handleAsk answers a newcomer's peer that proved to know what the card is about.
// Anybody else is answered once this node let them in: what vouches for a device
// has names in it.
func (r *Replica) handleAsk(s *session, m wire.Ask) error {
	s.asks = true
	if r.coop.Stands(r.cfg.Device) {
		if s.welcomed {
			r.send(s, r.vouch())
		}
		return nil
	}
	mac := r.mac(s, cardKey(r.cfg.Card), !s.dialer)
	if len(r.cfg.Card) == 0 || !hmac.Equal(m.MAC[:], mac[:]) {
		return errors.New("peer does not know the code that this node came with")
	}
	r.send(s, wire.Vouch{Card: r.cfg.Card})
	return nil
}

// vouch is how this node's device, which stands, came to the co-op.
func (r *Replica) vouch() wire.Vouch {
	var vouch wire.Vouch
	if r.ownCard != nil {
		vouch.Card = r.cfg.Card // nobody vouches for a device that added itself
	}
	lenBytes := len(vouch.Card)
	for _, ref := range r.coop.Introductions(r.cfg.Device) {
		rec, err := r.Load(ref)
		if err != nil || rec.Founding() || len(vouch.Vouch) == wire.MaxVouch {
			break
		}
		if lenBytes += len(rec.Encode()); lenBytes > wire.VouchLen {
			break
		}
		vouch.Vouch = append(vouch.Vouch, rec)
	}
	return vouch
}

// forkedError is the reason for a closed door that comes with its proof.
type forkedError struct{ evidence [][]byte }

func (e *forkedError) Error() string {
	return "this device signed two records in one slot: use another device"
}

func evidence(why error) [][]byte {
	var forked *forkedError
	if errors.As(why, &forked) {
		return forked.evidence
	}
	return nil
}

// accused looks at the evidence with which a peer closed the door. If it proves
// that this node's own device forked, here or where a copy of its key is, nothing
// is signed here any more: it would have no effect.
func (r *Replica) accused(s *session, evidence [][]byte) {
	if len(evidence) != 2 || r.cfg.Forked {
		return
	}
	var proof [2]*record.Record
	for i, b := range evidence {
		rec, err := record.Decode(b)
		if err != nil || rec.Device != r.cfg.Device || rec.CoopID() != r.coopID() || rec.Verify() != nil {
			return
		}
		proof[i] = rec.Erase()
	}
	if proof[0].Seq != proof[1].Seq || proof[0].ID == proof[1].ID {
		return
	}
	r.cfg.Forked = true
	r.event(Event{Kind: EventForked, Session: s.id, Device: s.device, Proof: proof})
}

// handleShow decides whether the peer may come in.
func (r *Replica) handleShow(now time.Time, s *session, m wire.Show) error {
	claim := wire.TransportClaim(r.coopID(), s.transport)
	if m.Device.Check() != nil || !m.Device.Verify(record.DomainTransport, claim, m.Sig) {
		return errors.New("the device did not sign for this connection")
	}
	s.device, s.agent, s.code = m.Device, m.Agent, m.Code
	if r.coop.History().Len() == 0 {
		// A newcomer holds nothing to judge by: whoever knows the network secret may give.
		r.letIn(s)
		return nil
	}
	if r.coop.Stands(m.Device) {
		r.letIn(s)
		return nil
	}
	if why := r.whyOut(m.Device); why != nil {
		return why
	}
	return r.ask(now, s)
}

// handleVouch decides whether a device that was not known may come in.
func (r *Replica) handleVouch(now time.Time, s *session, m wire.Vouch) error {
	s.asking, s.deadline = false, time.Time{}
	if s.welcomed {
		return nil // its device came to stand meanwhile
	}
	err := r.judge(s.device, m.Vouch)
	if err == nil {
		r.letIn(s)
		return nil
	}
	if len(m.Card) == 0 || s.card != nil || r.coop.Introduced(s.device) {
		return err
	}
	s.card, s.asking = m.Card, true // who is let in elsewhere meanwhile says so by another vouch
	return r.newcomer(now, s)
}

// Check verifies beforehand what the replica will ask about a message, outside the
// loop that has the replica: good signatures are remembered.
func Check(m wire.Message) {
	vouch, ok := m.(wire.Vouch)
	if !ok {
		return
	}
	for _, rec := range vouch.Vouch {
		member.Introduces(rec)
	}
	cardKey(vouch.Card)
}

// coopID is the co-op this node belongs to or wants to join; zeros before it is
// founded.
func (r *Replica) coopID() record.ID {
	if id := r.coop.History().Coop(); id != (record.ID{}) {
		return id
	}
	return r.cfg.CoopID
}

// judge says why a device may not come in, or nil. The records lead back from it
// one by one.
func (r *Replica) judge(device record.Key, vouch []*record.Record) error {
	for _, rec := range vouch {
		if rec.CoopID() != r.coopID() || rec.Device == device || !introduces(rec, device) {
			break
		}
		device = rec.Device
		if r.coop.Stands(device) {
			return nil
		}
		if why := r.whyOut(device); why != nil {
			return why
		}
	}
	return errors.New("this device is not known to the co-op: ask a member for an invite")
}

// whyOut says why a device that does not stand never will, nil if it is only
// unknown.
func (r *Replica) whyOut(device record.Key) error {
	if a, b, ok := r.coop.History().Fork(device); ok {
		return r.forked(a, b)
	}
	if r.coop.Introduced(device) {
		return errors.New(r.coop.WhyNot(device))
	}
	return nil
}

func (r *Replica) forked(a, b history.Ref) error {
	e := &forkedError{}
	for _, ref := range []history.Ref{a, b} {
		if rec, err := r.Load(ref); err == nil {
			e.evidence = append(e.evidence, rec.Erase().Encode())
		}
	}
	return e
}

// introduces reports whether a record introduces a device.
func introduces(rec *record.Record, device record.Key) bool {
	return slices.ContainsFunc(member.Introduces(rec), func(in history.Introduction) bool { return in.Device == device })
}

// letIn says welcome. A device has one session: the newest, for of an older one it
// may not know that it is dead.
func (r *Replica) letIn(s *session) {
	for _, id := range r.sessionIDs() {
		if old := r.sessions[id]; old != s && old.welcomed && old.stage != -1 && old.device == s.device {
			r.bye(old, "this device is connected anew")
		}
	}
	s.welcomed = true
	r.send(s, wire.Welcome{})
	if s.asks && r.coop.Stands(r.cfg.Device) {
		r.send(s, r.vouch())
	}
	r.open(s)
}

// open begins to pull once both sides said welcome.
func (r *Replica) open(s *session) {
	if s.welcomed && s.welcome && s.stage == stageDoor {
		s.stage = stageLive
		r.pull(s.id)
	}
}
