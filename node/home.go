package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/text"
	"coop/node/keys"
	"coop/sync/replica"
	"coop/sync/wire"
)

// FoundAs is what a person types to found a co-op.
type FoundAs struct {
	Name    string
	As      string
	Device  string // the name of this computer; "": its host name
	Purpose string
	Units   []string
}

// random32 returns 32 bytes nobody can guess.
func random32() (b [32]byte) {
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // the machine has no randomness: nothing here can be done safely
	}
	return b
}

// Found makes a co-op in an empty home: its keys, and the founding record as
// the first of the home's store. It returns the 24 words of the root key.
func Found(home *keys.Home, append func(*record.Record) error, in FoundAs, now time.Time) (words string, err error) {
	units, err := parseUnits(in.Units)
	if err != nil {
		return "", err
	}
	return found(home, append, member.Founding{Name: in.Name, Purpose: in.Purpose, Units: units}, keys.NewPhrase(), in.As, in.Device, now)
}

// found makes a co-op on terms to which it adds the founder, who has this phrase.
func found(home *keys.Home, append func(*record.Record) error, terms member.Founding, phrase keys.Phrase, as, computer string, now time.Time) (words string, err error) {
	device, root := record.NewPrivate(random32()), phrase.Root()
	terms.Nonce = random32()
	terms.Founders = []member.Founder{{Name: text.NFC(as), Root: root.Public(), Device: device.Public(), DeviceName: deviceName(computer)}}
	body, err := member.NewFounding(terms, []member.FounderSig{terms.Sign(root, device)})
	if err != nil {
		return "", invalid("%v", err)
	}
	r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound, Time: now.UnixMilli()}, body, device)
	if err != nil {
		return "", err
	}
	secrets := keys.Secrets{Coop: r.ID, Device: device.Seed(), Transport: random32(), Network: random32(), Words: phrase.String(), Kept: keys.Kept{Joined: true}}
	if err := home.Create(secrets); err != nil {
		return "", err
	}
	if err := append(r); err != nil {
		return "", errors.Join(err, home.Discard())
	}
	return phrase.String(), nil
}

// parseUnits reads "hour" or "euro:2", the number being decimals: 2 unless said
// otherwise.
func parseUnits(typed []string) (units []member.Unit, err error) {
	if len(typed) == 0 {
		typed = []string{"hour"}
	}
	for _, t := range typed {
		u := member.Unit{Scale: 2}
		if _, err := fmt.Sscanf(t, "%d", new(int)); err == nil {
			return nil, invalid("unit %q begins with a digit: write a word such as hour", t)
		}
		for i, c := range t {
			if c == ':' {
				if _, err := fmt.Sscanf(t[i+1:], "%d", &u.Scale); err != nil {
					return nil, invalid("unit %q: after the colon stands how many decimals it has", t)
				}
				t = t[:i]
				break
			}
		}
		u.Code = t
		units = append(units, u)
	}
	return units, nil
}

func deviceName(name string) string {
	if name != "" {
		return name
	}
	if host, err := os.Hostname(); err == nil && host != "" && len(host) <= member.MaxNameLen {
		return host
	}
	return "computer"
}

// replicaConfig says who this node is.
func (n *Node) replicaConfig() (replica.Config, error) {
	home := n.cfg.Home
	key, secrets := home.Device(), home.Secrets()
	transportKey := record.NewPrivate(secrets.Transport)
	transport := wire.TransportIdentity(transportKey.Public())
	c := replica.Config{
		Coop: n.coop, CoopID: secrets.Coop, Key: key, Forked: n.fork != nil, Device: key.Public(), Transport: transport, TransportKey: transportKey, Secret: secrets.Network,
		Card: secrets.Card, Agent: n.cfg.Agent, Random: newRandom(n.cfg.Seed),
		Load:  func(ref history.Ref) (*record.Record, error) { return n.cfg.Store.Record(int(ref)) },
		Stage: func() (replica.Area, error) { return n.cfg.Store.Stage() }, StagedMost: n.cfg.StagedMost,
	}
	c.ShowSig = key.Sign(record.DomainTransport, wire.TransportClaim(secrets.Coop, transport))
	invite, err := invited(home)
	switch {
	case err != nil:
		return c, err
	case invite != nil:
		own, notOwn := member.ParseDeviceCard(c.Card)
		c.Joined = func(held *coop.Coop) bool {
			return holds(held, *invite) && (held.Stands(key.Public()) || notOwn == nil && held.MayAdd(own))
		}
	case !n.reaches(secrets.Kept.Anchors):
		c.Joined = func(held *coop.Coop) bool { return n.refilled(held, secrets.Kept.Anchors) }
	}
	n.joined = c.Joined == nil
	return c, nil
}

// reaches reports whether what is held goes as far as the anchors that the home
// keeps. If it does not the store was lost or put back: this node shows and serves
// no more than a newcomer until its peers have brought what is missing.
func (n *Node) reaches(anchors []record.ID) bool {
	if n.coop.History().Len() == 0 {
		return false
	}
	if len(anchors) == 0 {
		return true
	}
	_, held := n.coop.History().Find(anchors[len(anchors)-1])
	return held
}

// refilled reports whether a co-op is the one that this node was in, as far as it
// had come then: somebody could show another past by the keys of former tellers.
func (n *Node) refilled(held *coop.Coop, anchors []record.ID) bool {
	if held.History().Len() == 0 || len(anchors) == 0 {
		return held.History().Len() > 0
	}
	return holds(held, member.Invite{Leader: anchors[len(anchors)-1], Anchors: anchorsHash(anchors)})
}

// invited returns the invite of a newcomer; nil of a home that has joined, or
// whose person founded.
func invited(home *keys.Home) (*member.Invite, error) {
	if home.Secrets().Kept.Joined {
		return nil, nil
	}
	invite, err := member.ParseInvite(home.Secrets().Invite)
	if err != nil {
		return nil, fmt.Errorf("the invite this home was made with: %w", err)
	}
	return &invite, nil
}

// holds reports whether a co-op is the one an invite named, as far as it had
// come then: the same anchors and the same final leader. Whoever shows a
// newcomer another past cannot show that.
func holds(c *coop.Coop, invite member.Invite) bool {
	if c.History().Len() == 0 {
		return false
	}
	leader, ok := c.History().Find(invite.Leader)
	if !ok || !c.Minutes().Minuted(leader) {
		return false
	}
	anchors := c.Minutes().Anchors()
	for n := range len(anchors) + 1 {
		if anchorsHash(anchors[:n]) == invite.Anchors {
			return true
		}
	}
	return false
}

func anchorsHash(anchors []record.ID) [32]byte {
	return record.DomainAnchors.Hash(record.Marshal(anchors))
}

// Invited is an invite code, and until when and how often it can be used.
type Invited struct {
	ID      record.ID
	Code    string
	Uses    int
	Expires time.Time
}

// Invite makes a code: with its record, for people who want to join; without,
// for a further computer of this member, whom only this node lets in.
func (n *Node) Invite(ctx context.Context, uses int, lasts time.Duration, device bool) (out Invited, err error) {
	if uses < 1 || uses > member.MaxUses {
		return out, invalid("an invite is for 1 to %d people, not %d", member.MaxUses, uses)
	}
	var code member.Invite
	build := func(a author) error {
		if err := n.trustClock(); err != nil {
			return err
		}
		code = n.newCode(ctx, a, lasts)
		if made, ok := a.coop.People().Invites.Get(code.Key().Public()); ok {
			code.Expires = made.Expires // it was said before
		}
		out.Expires = time.UnixMilli(code.Expires)
		if device {
			code.Member, code.Root = a.me.ID, a.me.Root
		}
		return code.Check()
	}
	if device {
		err = n.do(ctx, func() error {
			a, err := n.author()
			if err != nil {
				return err
			}
			if !n.HasWords() {
				return &Refused{"the 24 words are no longer on this computer: make the code on the one that has them"}
			}
			if err := build(a); err != nil {
				return err
			}
			return n.cfg.Home.AddDeviceInvite(keys.DeviceInvite{Key: code.Key().Public(), Expires: code.Expires})
		})
	} else {
		out.ID, err = n.write(ctx, func(a author) (statement, error) {
			if err := build(a); err != nil {
				return statement{}, err
			}
			return statement{member.KindInvite, member.NewInvite(code.Key().Public(), uint32(uses), code.Expires)}, nil
		})
		if err == nil && code.Coop == (record.ID{}) { // nothing was written, for it was said before
			err = n.do(ctx, func() error { return build(author{coop: n.coop, now: n.cfg.Now().UnixMilli()}) })
		}
	}
	out.Code, out.Uses = code.String(), uses
	return out, err
}

// newCode is an invite to this co-op as it stands, for a newcomer. Lasts is 0 for
// as long as the bylaws say.
func (n *Node) newCode(ctx context.Context, a author, lasts time.Duration) member.Invite {
	s := a.coop.State()
	if lasts == 0 {
		lasts = time.Duration(s.People.Bylaws.Number(member.InviteDays)) * 24 * time.Hour
	}
	return member.Invite{
		Coop: s.People.Coop, CoopName: s.People.Name, Seed: n.seed(ctx), Secret: n.cfg.Home.Secrets().Network, Addrs: n.inviteAddrs(),
		Anchors: anchorsHash(a.coop.Minutes().Anchors()), Leader: s.Last, Agreement: s.People.Agreement,
		Expires: time.UnixMilli(a.now).Add(lasts).UnixMilli(),
	}
}

// inviteAddrs are the addresses an invite carries: few, so that it fits a QR
// code.
func (n *Node) inviteAddrs() []string {
	if n.network == nil {
		return nil
	}
	addrs := n.network.Addrs()
	return addrs[:min(len(addrs), member.MaxAddrs)]
}

// remember keeps the addresses of a peer that let us in, to find it again.
func (n *Node) remember(id replica.SessionID) {
	if n.network == nil {
		return
	}
	if err := n.cfg.Home.RememberPeer(n.network.PeerAddrs(id)); err != nil {
		n.cfg.Log.Warn("a peer's addresses were not remembered", "error", err)
	}
}

// KnownAddrs returns the addresses at which peers may be found: those of the
// invite and those remembered.
func (n *Node) KnownAddrs() []string {
	addrs := n.cfg.Home.PeerAddrs()
	if invite, err := member.ParseInvite(n.cfg.Home.Secrets().Invite); err == nil {
		addrs = append(addrs, invite.Addrs...)
	}
	return addrs
}

// HasWords reports whether the root key is on this computer.
func (n *Node) HasWords() bool { return n.cfg.Home.Secrets().Words != "" }

// Words returns the 24 words of this person's root key, for the person alone.
func (n *Node) Words(ctx context.Context) (words string, err error) {
	err = n.ask(ctx, func() { words = n.cfg.Home.Secrets().Words })
	if err == nil && words == "" {
		err = &Refused{"the 24 words are no longer on this computer: they are on paper, or on the computer where you began"}
	}
	return words, err
}

// ForgetWords takes the root key off this computer.
func (n *Node) ForgetWords(ctx context.Context) error { return n.do(ctx, n.cfg.Home.ForgetWords) }

// event deals with what the replica reports.
func (n *Node) event(e replica.Event) {
	switch e.Kind {
	case replica.EventCard:
		n.card(e)
	case replica.EventDoorClosed:
		n.part(e.Device)
		if !e.Theirs {
			n.say(fmt.Sprintf("closed the door on %s: %s", n.deviceText(e.Device), e.Text))
			return
		}
		who := "somebody of the co-op"
		if n.replica.Joined() {
			who = n.deviceText(e.Device)
		}
		shut := door{ShutOut: fmt.Sprintf("%s closed the door on this computer: %s", who, e.Text)}
		n.say(shut.ShutOut)
		if !n.welcomeElsewhere(e.Session) {
			n.atDoor(shut)
		}
	case replica.EventWaiting:
		n.atDoor(door{Waits: e.Text})
	case replica.EventForked:
		n.keepFork(e.Proof)
	case replica.EventCopied:
		n.copied()
	case replica.EventTooNew:
		n.say("a peer runs a newer version of coop: " + e.Text)
	case replica.EventDropped:
		text := fmt.Sprintf("%s offered %d records of computers that nobody in the co-op answers for; they were not taken", n.deviceText(e.Device), e.Count)
		if e.Text == "" {
			n.say(text) // nobody covered them yet
		} else {
			n.accuse(text + "; " + e.Text)
		}
	case replica.EventGarbage:
		n.accuse(fmt.Sprintf("%s sent what cannot be read, or what nobody asked for: its program is another one, or broken (%s)", n.deviceText(e.Device), e.Text))
	case replica.EventGap:
		n.accuse(fmt.Sprintf("%s sent records and left out others that they build on: %s", n.deviceText(e.Device), e.Text))
	case replica.EventWelcome:
		n.atDoor(door{})
		n.remember(e.Session)
		n.cfg.Log.Debug("connected", "peer", n.deviceText(e.Device))
	case replica.EventPulled:
		n.pulled()
		n.remember(e.Session) // by now the peer has told all its addresses
		n.cfg.Log.Debug("pulled", "peer", n.deviceText(e.Device), "records", e.Count)
	default:
		n.cfg.Log.Debug("replica", "event", e.Kind, "text", e.Text)
	}
}

// door is the last word of the doors that this node stood at; zero once it was
// let in somewhere.
type door struct {
	_       struct{} `cbor:",toarray"`
	Waits   string   // what a newcomer waits for
	ShutOut string   // who closed the door, and why
}

const doorName = "door"

// atDoor notes what this node was told at a door, and keeps it, so that its person
// can look it up also when no node runs.
func (n *Node) atDoor(d door) {
	if d == n.door {
		return
	}
	n.door = d
	if err := n.cfg.Store.SetSmall(doorName, record.Marshal(d)); err != nil {
		n.cfg.Log.Warn("what was said at the door is not kept", "error", err)
	}
}

// welcomeElsewhere reports whether this node is let in by another peer than that of a
// session, or as a newcomer stands at its open door. Who closes theirs may only not
// have heard of the invite, or not mean well.
func (n *Node) welcomeElsewhere(id replica.SessionID) bool {
	return slices.ContainsFunc(n.replica.Peers(), func(p replica.Peer) bool {
		return p.Session != id && (p.Live || !n.replica.Joined() && p.Waits != "")
	})
}

// readDoor reads what this node was told before it was stopped.
func (n *Node) readDoor() error {
	b, err := n.cfg.Store.Small(doorName)
	if b == nil || err != nil {
		return err
	}
	return record.Unmarshal(b, &n.door)
}

func (n *Node) deviceText(device record.Key) string {
	if device == (record.Key{}) {
		return "a stranger"
	}
	if n.coop.History().Len() > 0 {
		people := n.coop.People()
		if d, ok := people.Devices.Get(device); ok {
			m, _ := people.Members.Get(d.Member)
			return m.Name + "'s " + d.Name
		}
	}
	return "device " + device.Short()
}

// card remembers a newcomer at the door. Another computer of this person, with
// a code that this node made, gets its device card at once.
func (n *Node) card(e replica.Event) {
	if req, err := member.ParseDeviceRequest(e.Card); err == nil {
		n.grant(req)
		return
	}
	card, err := member.ParseCard(e.Card)
	if err != nil {
		return
	}
	c := n.cards[e.Device]
	if !bytes.Equal(c.Bytes, e.Card) { // also who took another code meanwhile, with the keys it had
		m, _ := n.coop.People().Members.Get(card.Recovers)
		c = Card{Card: card, Bytes: e.Card, root: m.Root, Words: sync.OnceValue(func() string { return keys.CardWords(card.Root, card.Device) })}
		c = n.asking(n.coop.State(), c)
		n.say(c.wants + "   " + c.command)
	}
	c.Seen, c.session = n.cfg.Now(), e.Session
	n.cards[e.Device] = c
	n.dropCards()
}

// dropCards forgets the cards for recoveries whose sessions are over, which take no
// code to show, and the oldest of too many others.
func (n *Node) dropCards() {
	open := map[replica.SessionID]bool{}
	for _, p := range n.replica.Peers() {
		open[p.Session] = true
	}
	var joins []Card
	for device, c := range n.cards {
		switch {
		case !c.Recovers():
			joins = append(joins, c)
		case !open[c.session]:
			delete(n.cards, device)
		}
	}
	if len(joins) > cardsMost {
		delete(n.cards, slices.MinFunc(joins, earlier).Card.Device)
	}
}

func earlier(a, b Card) int {
	return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.session, b.session), a.Card.Device.Compare(b.Card.Device))
}

// waiting returns the cards that still ask for something, the longest here first.
func (n *Node) waiting(s *coop.State) []Card {
	cards := n.undecided(s)
	for i, c := range cards {
		cards[i] = n.asking(s, c)
	}
	slices.SortFunc(cards, earlier)
	return cards
}

// undecided returns the cards at the door but those of who is in, and those of who has
// other keys since.
func (n *Node) undecided(s *coop.State) (cards []Card) {
	n.dropCards()
	for device, c := range n.cards {
		if m, _ := s.People.Members.Get(c.Card.Recovers); !s.People.Devices.Has(device) && m.Root == c.root {
			cards = append(cards, c)
		}
	}
	return cards
}

const (
	cardsMost       = 64 // newcomers with a code that are remembered at the door
	recoveriesShown = 4  // cards for the recovery of one person
)

// shownCards leaves out what is too much for one person, and says how many cards that
// are. Whoever was put out can show any number, in any member's name, and hold a place
// with each; so the true one need not be among those shown, and is found by its words.
func shownCards(all []Card) (shown []Card, hidden int) {
	of := map[record.ID]int{}
	for _, c := range all {
		if who := c.Card.Recovers; c.Recovers() {
			if of[who]++; of[who] > recoveriesShown {
				hidden++
				continue
			}
		}
		shown = append(shown, c)
	}
	return shown, hidden
}

func (n *Node) grant(req member.DeviceRequest) {
	words := n.cfg.Home.Secrets().Words
	phrase, err := keys.ParsePhrase(words)
	if err != nil || n.unsigned != nil || n.fork != nil {
		return // nothing can be signed here: the code stays good
	}
	for _, inv := range n.cfg.Home.DeviceInvites() {
		if n.trustClock() != nil {
			return // whether it has ended cannot be said
		}
		if n.cfg.Now().UnixMilli() > inv.Expires {
			continue
		}
		card, err := req.Grant(n.coop.History().Coop(), inv.Key, phrase.Root())
		if err != nil {
			continue
		}
		if err := n.cfg.Home.DropDeviceInvite(inv.Key); err != nil {
			n.cfg.Log.Error("device code not struck off", "error", err)
			return
		}
		if _, err := n.replica.Write(n.cfg.Now(), member.KindDeviceAdd, card.Encode()); err != nil {
			n.say("your other computer could not be added: " + err.Error())
		}
		return
	}
}

// findCard returns the card of a newcomer at this node's door, by its words, by name
// or by the beginning of its id.
func (n *Node) findCard(typed string) (Card, error) {
	all := n.waiting(n.coop.State())
	if words, ok := keys.ParseCardWords(typed); ok {
		if i := slices.IndexFunc(all, func(c Card) bool { return c.Words() == words }); i >= 0 {
			return all[i], nil
		}
		return Card{}, &NotFound{fmt.Sprintf("no card with the words %q is shown at this node: were they heard rightly? The computer that shows them must be on, and connected", words)}
	}
	return oneCard(typed, all, func(c Card) member.Card { return c.Card })
}

// oneCard returns the card that a name or the beginning of its id means. Two with
// one name are told apart by the id.
func oneCard[T any](typed string, cards []T, card func(T) member.Card) (found T, err error) {
	typed = strings.TrimSpace(typed)
	var ids []string
	for _, t := range cards {
		c := card(t)
		if text.Same(c.Name, typed) || len(typed) >= minPrefix && strings.HasPrefix(c.Device.String(), strings.ToLower(typed)) {
			found = t
			ids = append(ids, c.Device.Short())
		}
	}
	switch len(ids) {
	case 0:
		return found, &NotFound{fmt.Sprintf("nobody called %q waits at this node: `coop member waiting` shows who does", typed)}
	case 1:
		return found, nil
	}
	return found, &NotFound{fmt.Sprintf("%d cards are meant by %q: say which, %s", len(ids), typed, strings.Join(ids, " or "))}
}

// Admit admits a newcomer at the door, or, where this member is no sponsor,
// carries the card to the co-op so that a sponsor can. Who could be taken for
// somebody else, or was here before, comes in only if this member knows and wants it.
func (n *Node) Admit(ctx context.Context, typed string, sure bool) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		c, err := n.findCard(typed)
		if !a.me.Holds(member.Sponsor) {
			return statement{member.KindIntroduce, c.Bytes}, err
		}
		s := statement{member.KindAdmit, c.Bytes}
		if _, byWords := keys.ParseCardWords(typed); byWords && err != nil {
			return s, err
		} else if !byWords && (err != nil || n.permit(a, s) != nil) { // whose name they are is not meant
			carried := slices.Collect(maps.Values(maps.Collect(a.coop.State().People.Waiting.All())))
			w, none := oneCard(typed, carried, func(w member.Waiting) member.Card { return w.Card })
			if none != nil {
				return s, err
			}
			c.Card, s.body = w.Card, w.Card.Encode()
		}
		if why := doubts(a.coop.State(), c.Card); why != nil && !sure {
			return s, &Refused{fmt.Sprintf("%s\nif you know who it is and want it: coop member admit %s --yes", strings.Join(why, "\n"), c.Card.Device.Short())}
		}
		return s, nil
	})
}

// Leave takes this member out of the co-op, whose name they typed to show that
// they mean it.
func (n *Node) Leave(ctx context.Context, name string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		people := a.coop.People()
		if name != people.Name {
			return statement{}, invalid("to leave, type the name of the co-op: %q", people.Name)
		}
		if people.IsTeller(a.me.ID) {
			return statement{}, &Refused{"you keep the minutes, and cannot leave before others do in your place: " + changeTellers(n.suggest(a.coop.State(), but(a.me.ID)))}
		}
		return statement{member.KindLeave, nil}, nil
	})
}

// Sync asks for news: from all peers, from one by its owner's name, or from an
// address.
func (n *Node) Sync(ctx context.Context, peer string) error {
	v, err := n.View(ctx)
	if err != nil {
		return err
	}
	asked := false
	err = n.do(ctx, func() error {
		for _, p := range v.Peers {
			if peer == "" || p.Name == peer || p.Addr == peer {
				n.replica.Pull(p.Session)
				asked = true
			}
		}
		return nil
	})
	if err != nil || asked || peer == "" {
		return err
	}
	if n.network == nil {
		return &Refused{"no node runs on this home: start it with `coop up`"}
	}
	if peer[0] != '/' {
		return &NotFound{fmt.Sprintf("no node of %q is connected: `coop peers` shows who is; or give an address as `coop peers` there shows it", peer)}
	}
	if err := n.network.Dial(ctx, peer); err != nil {
		if ctx.Err() == nil && strings.Contains(peer, "/p2p/") {
			return &Unreachable{err.Error()}
		}
		return invalid("%v", err)
	}
	return n.awaitLive(ctx, peer)
}

// meetMax is how long a call waits for a peer that was reached to let us in.
const meetMax = 5 * time.Second

// awaitLive returns when the peer at an address is in session with this node.
func (n *Node) awaitLive(ctx context.Context, addr string) error {
	_, id, _ := strings.Cut(addr, "/p2p/")
	for end := time.Now().Add(meetMax); ; {
		v, err := n.View(ctx)
		if err != nil {
			return err
		}
		for _, p := range v.Peers {
			if p.Live && strings.HasSuffix(p.Addr, id) {
				return nil
			}
		}
		if time.Now().After(end) {
			return &Refused{cmp.Or(v.ShutOut, "the other computer was reached but did not let this one in")}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
