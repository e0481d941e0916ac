package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

const (
	// tellersWanted is how many tellers a co-op should have as soon as it has so
	// many members: with three, one may be away or lost.
	tellersWanted = 3

	// silentAfter is how long a teller may write nothing, while others do, before
	// people are told.
	silentAfter = 30 * 24 * time.Hour

	// awayAfter is how long an act may wait for tellers who cannot be reached before
	// people are told by themselves: to be apart for hours is nothing to speak of.
	awayAfter = 24 * time.Hour

	// findMax is how long a node that was just started looks for its peers before it
	// says that they cannot be reached.
	findMax = 10 * time.Second
)

// Teller is a device that has a teller's seat by the minutes.
type Teller struct {
	Device    member.Device
	Name      string // of its person
	called    string // as in a sentence: "Bo", "Bo's desk" of one who has several, "your desk"
	Here      bool   // it is this computer
	Connected bool
	Reached   bool      // see Node.reached
	Wrote     time.Time // its latest record that is here, as its own clock said; zero: none is
}

func (n *Node) tellers(s *coop.State) []Teller {
	var all []Teller
	for _, key := range s.Minuted.People.Tellers {
		d, _ := s.People.Devices.Get(key)
		own := n.cfg.Home.Device().Public()
		t := Teller{Device: d, Name: NameOf(s, d.Member), Here: key == own, Connected: n.connected(key), Wrote: n.wrote(key)}
		t.Reached = n.reached(key)
		t.called = t.Name
		me, _ := s.People.Devices.Get(own)
		if m, _ := s.People.Members.Get(d.Member); d.Member == me.Member {
			t.called = "your " + d.Name
		} else if len(m.Devices) > 1 {
			t.called = t.Name + "'s " + d.Name
		}
		all = append(all, t)
	}
	return all
}

// tellersNeeded is how many tellers must talk to each other for an act to get
// into the minutes.
func (n *Node) tellersNeeded() int {
	m := n.coop.Minutes()
	return m.Status(m.Last()).Needs
}

// wrote is the time of the latest record of a device, zero if there is none.
func (n *Node) wrote(device record.Key) (at time.Time) {
	h := n.coop.History()
	for _, tip := range h.TipsOf(device) {
		if t := time.UnixMilli(h.At(tip).Time); t.After(at) {
			at = t
		}
	}
	return at
}

// Waits says in words what an act that is not in the minutes waits for; "" for
// one that is, and for what is no record here.
func (n *Node) Waits(ctx context.Context, id record.ID) (text string, err error) {
	err = n.ask(ctx, func() {
		ref, held := n.coop.History().Find(id)
		if !held || n.coop.Minutes().Minuted(ref) {
			return
		}
		w := n.coop.Minutes().Status(ref)
		needs := w.Needs
		var others []string
		for _, t := range n.tellers(n.coop.State()) {
			if t.Here {
				needs--
				continue
			}
			others = append(others, t.text(slices.Contains(w.SeenBy, t.Device.Key), n.cfg.Now()))
		}
		text = waitsFor(needs, w.Of, others)
	})
	return text, err
}

// waitsFor says how many other tellers something needs, and where they are. This
// computer is not among them: what it can do as a teller it does by itself.
func waitsFor(needs, tellers int, others []string) string {
	who := ""
	switch {
	case needs == 0:
		return "waits for this computer, which alone keeps the minutes"
	case tellers == 1:
		who = "the only teller"
	case len(others) == 1:
		who = "the other teller"
	case needs == len(others):
		who = "all of"
	case needs == 1:
		who = "one of"
	default:
		who = fmt.Sprintf("%d of", needs)
	}
	return fmt.Sprintf("waits for %s: %s", who, strings.Join(others, ", "))
}

// text says whether a teller has seen something, and where they are.
func (t Teller) text(seen bool, now time.Time) string {
	has := map[bool]string{true: " has it and"}[seen]
	switch {
	case t.Connected && seen:
		return t.called + " has it"
	case t.Connected:
		return t.called + " is connected"
	case t.Reached && seen:
		return t.called + " has it and can be reached through others"
	case t.Reached:
		return t.called + " can be reached through others"
	case t.Wrote.IsZero():
		return t.called + " has written nothing yet"
	}
	return t.called + has + " last wrote " + day(t.Wrote, now)
}

// day writes when something was, for people.
func day(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	midnight := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	switch days := midnight(now).Sub(midnight(at)) / (24 * time.Hour); {
	case days == 0:
		return "today at " + at.Format("15:04")
	case days > 0 && days < 7:
		return "on " + at.Format("Monday 15:04")
	}
	return "on " + at.Format("2 January 2006")
}

// advice says what should be done about the tellers, with the command to type;
// "" if nothing.
func (n *Node) advice(s *coop.State, me member.Member) string {
	people := s.People
	votes := slices.Contains(people.Voters(), me.ID)
	if gone := n.gone(s, me); votes && len(s.Minuted.People.Tellers)-len(gone) < n.tellersNeeded() {
		return n.standstill(s, gone)
	}
	var out, silent, fine []string
	for _, key := range people.Tellers {
		d, _ := people.Devices.Get(key)
		name := NameOf(s, d.Member)
		switch {
		case !people.Stands(key) && d.Member == me.ID:
			return fmt.Sprintf("your computer %s keeps the minutes and can sign no more: %s", d.Name, seatAdvice(people, me, d))
		case !people.Stands(key):
			out = append(out, name)
		case n.silent(s, key):
			silent = append(silent, name)
		default:
			fine = append(fine, name)
		}
	}
	if stuck := n.stuck(s, me); stuck != "" {
		// A proposal would wait as well.
		if n.cfg.Now().Sub(n.waitingSince(s)) <= awayAfter {
			return ""
		}
		return stuck
	}
	if !votes || deciding(s) {
		return ""
	}
	why, typed := "", n.suggest(s, but())
	switch {
	case out != nil:
		why = fmt.Sprintf("the computer with which %s kept the minutes can sign no more; unless another of theirs takes the seat", names(out))
	case silent != nil:
		why = fmt.Sprintf("%s should keep the minutes and has written nothing for a month", names(silent))
	case len(fine) < tellersWanted && len(people.Voters()) >= tellersWanted:
		why = map[int]string{
			1: "only %s keeps the minutes: without that computer nothing becomes final; with three, any one may be away",
			2: "%s keep the minutes, and nothing becomes final without both; with three, any one may be away",
		}[len(fine)]
		why = fmt.Sprintf(why, names(fine))
		if len(typed) < tellersWanted {
			return why + ", but too few others can be reached or wrote lately: ask them to run `coop up`"
		}
	default:
		return ""
	}
	return why + ": " + changeTellers(typed)
}

// gone returns the names of those who have a seat by the minutes, and can sign no
// more or are silent; for whom it is said, that of the computer.
func (n *Node) gone(s *coop.State, me member.Member) (names []string) {
	for _, key := range s.Minuted.People.Tellers {
		if !s.People.Stands(key) || n.silent(s, key) {
			d, _ := s.People.Devices.Get(key)
			name := NameOf(s, d.Member)
			if d.Member == me.ID {
				name = "your computer " + d.Name
			}
			names = append(names, name)
		}
	}
	return names
}

// standstill says what to do where too few tellers are left to minute anything,
// a proposal for other tellers included.
func (n *Node) standstill(s *coop.State, gone []string) string {
	return fmt.Sprintf("the minutes stand still, and no proposal can change that: %s should keep them, and can sign no more or wrote nothing for a month. ", names(gone)) + n.replaceTellers(s, nil)
}

// stuck says what to do if those tellers should be gone for good who cannot be
// reached now, where acts wait for them; "" where there is no need, or this member
// has no say in it.
func (n *Node) stuck(s *coop.State, me member.Member) string {
	if n.network == nil || n.cfg.Now().Sub(n.attached) < findMax || len(s.Pending) == 0 || n.reachable() || !slices.Contains(s.People.Voters(), me.ID) {
		return ""
	}
	var away []string
	var devices []record.Key
	for _, t := range n.tellers(s) {
		if !t.Reached {
			away, devices = append(away, t.called), append(devices, t.Device.Key)
		}
	}
	return fmt.Sprintf("too few who keep the minutes can be reached from here, so nothing becomes final: %s cannot. ", names(away)) + n.replaceTellers(s, devices)
}

// replaceTellers says what to do about tellers who may be lost: the command that
// puts others in their place or, where too few are left to sign that, how the co-op
// goes on without it. Away are the devices of tellers that cannot be reached.
func (n *Node) replaceTellers(s *coop.State, away []record.Key) string {
	voters := s.Minuted.People.Voters()
	needs := member.ReseatNeeds(len(voters))
	lost := n.lost(s, voters, away)
	if left := len(voters) - len(lost); left < needs {
		return fmt.Sprintf("To put others in their place %d of %d members must sign, and without %s only %d can. Try to reach them, for with their 24 words they sign from a new computer too; if they are gone for good, the co-op goes on anew: coop --home NEW found --from OLD-HOME", needs, len(voters), names(lost), left)
	}
	typed := n.suggest(s, func(d member.Device) bool {
		return !slices.Contains(away, d.Key) && s.Minuted.People.CheckTellers([]record.Key{d.Key}) == nil
	})
	if typed == nil {
		return "Try to reach them"
	}
	return fmt.Sprintf("Try to reach them; if they are gone for good, %d of %d members sign others into their place: coop tellers replace tellers.txt %s --yes", needs, len(voters), strings.Join(typed, " "))
}

// lost returns the names of those who have no computer that is known to be there:
// all are put out, silent, or away.
func (n *Node) lost(s *coop.State, who []record.ID, away []record.Key) (lost []string) {
	for _, id := range who {
		m, _ := s.People.Members.Get(id)
		there := func(key record.Key) bool {
			return s.People.Stands(key) && n.heard(s, key) && !slices.Contains(away, key)
		}
		if !slices.ContainsFunc(m.Devices, there) {
			lost = append(lost, m.Name)
		}
	}
	return lost
}

// waitingSince is when the first act was signed that waits for the minutes, by its
// author's clock; now, if none waits.
func (n *Node) waitingSince(s *coop.State) time.Time {
	if len(s.Pending) > 0 {
		h := n.coop.History()
		if ref, held := h.Find(s.Pending[0]); held {
			return time.UnixMilli(h.At(ref).Time)
		}
	}
	return n.cfg.Now()
}

// silent reports whether another device has written nothing for long, while
// tellers have, or while an act waited for the minutes.
func (n *Node) silent(s *coop.State, key record.Key) bool {
	last := n.wrote(key)
	if key == n.cfg.Home.Device().Public() || n.cfg.Now().Sub(last) <= silentAfter {
		return false
	}
	if n.cfg.Now().Sub(n.waitingSince(s)) > silentAfter {
		return true
	}
	return !last.IsZero() && slices.ContainsFunc(s.People.Tellers, func(k record.Key) bool {
		return n.wrote(k).Sub(last) > silentAfter
	})
}

// heard reports whether a device can be thought to be there: it wrote lately, or it
// is reached and no teller, who would have written.
func (n *Node) heard(s *coop.State, key record.Key) bool {
	return !n.silent(s, key) || n.reached(key) && !slices.Contains(s.People.Tellers, key)
}

// deciding reports whether a proposal for other tellers is open.
func deciding(s *coop.State) bool {
	for _, p := range s.Proposals.Proposals.All() {
		if p.Status == proposal.StatusOpen && slices.ContainsFunc(p.Effects, func(e proposal.Effect) bool { return e.Kind == proposal.EffectTellers }) {
			return true
		}
	}
	return false
}

// Unseats returns the names of those tellers whom an open proposal would put out of
// their seats although a re-seating put them there that its author had not seen.
func (n *Node) Unseats(ctx context.Context, p proposal.Proposal) (names []string, err error) {
	err = n.ask(ctx, func() {
		s, h := n.coop.State(), n.coop.History()
		opened, held := h.Find(p.ID)
		reseated, is := h.Find(s.Reseated)
		if p.Status != proposal.StatusOpen || !held || !is || h.InPast(reseated, opened) {
			return
		}
		for _, e := range p.Effects {
			for _, key := range s.Minuted.People.Tellers {
				if d, _ := s.People.Devices.Get(key); e.Kind == proposal.EffectTellers && !slices.Contains(e.Keys, key) {
					names = append(names, NameOf(s, d.Member))
				}
			}
		}
	})
	return names, err
}

// candidate is the computer with which somebody could keep the minutes.
type candidate struct {
	key   record.Key
	typed string // in an effect
	seat  int
	there bool // see Node.reached
	wrote time.Time
}

// compare puts first who is a teller, then who is there, then who wrote last.
func (c candidate) compare(o candidate) int {
	absent := func(c candidate) int { return map[bool]int{false: 1}[c.there] }
	return cmp.Or(cmp.Compare(c.seat, o.seat), cmp.Compare(absent(c), absent(o)), o.wrote.Compare(c.wrote), c.key.Compare(o.key))
}

// suggest returns who could be tellers, as typed in an effect, each with the best
// of those of their computers that fit.
func (n *Node) suggest(s *coop.State, fits func(member.Device) bool) (typed []string) {
	var all []candidate
	for _, m := range s.People.Members.All() {
		if own := n.candidates(s, m, fits); len(own) > 0 {
			all = append(all, slices.MinFunc(own, candidate.compare))
		}
	}
	slices.SortFunc(all, candidate.compare)
	for _, c := range all[:min(len(all), max(tellersWanted, len(s.People.Tellers)))] {
		typed = append(typed, c.typed)
	}
	return typed
}

// but fits all computers but those of some people.
func but(who ...record.ID) func(member.Device) bool {
	return func(d member.Device) bool { return !slices.Contains(who, d.Member) }
}

// candidates returns the computers with which a member could keep the minutes: not
// those of which nothing was heard for long, nor any that is not there while a card
// at the door says that all are lost.
func (n *Node) candidates(s *coop.State, m member.Member, fits func(member.Device) bool) (all []candidate) {
	usual, _ := tellerDevice(s.People, m)
	lost := n.saysLost(s, m)
	for _, key := range m.Devices {
		d, _ := s.People.Devices.Get(key)
		there := n.reached(key)
		if m.Status != member.StatusMember || !s.People.Stands(key) || !fits(d) || !n.heard(s, key) || lost && !there {
			continue
		}
		c := candidate{key: key, typed: typedName(s, m), seat: len(s.People.Tellers), there: there, wrote: n.wrote(key)}
		if key != usual {
			c.typed += "/" + TypedDevice(s.People, d)
		}
		if i := slices.Index(s.People.Tellers, key); i >= 0 {
			c.seat = i
		}
		all = append(all, c)
	}
	return all
}

// saysLost reports whether a recovery card for a member waits at the door.
func (n *Node) saysLost(s *coop.State, m member.Member) bool {
	return slices.ContainsFunc(n.undecided(s), func(c Card) bool { return c.Card.Recovers == m.ID })
}

// changeTellers is the command that proposes other tellers.
func changeTellers(typed []string) string {
	if typed == nil {
		return noTellers
	}
	return `coop proposal open --title "Who keeps the minutes" --effect ` + tellersEffect(typed)
}

// tellersEffect is the effect that seats other tellers, as it is typed.
func tellersEffect(typed []string) string { return "tellers:" + strings.Join(typed, ",") }

// noTellers says what to do where nobody else can keep the minutes.
const noTellers = "make somebody a member first who can keep the minutes"

// tellerDevice returns the device with which a member is or would be a teller:
// the one that has a seat, or the first, among those that stand.
func tellerDevice(people *member.State, m member.Member) (key record.Key, ok bool) {
	for _, k := range m.Devices {
		if people.Stands(k) && (!ok || slices.Contains(people.Tellers, k)) {
			key, ok = k, true
		}
	}
	return key, ok
}

// typedName is how somebody is typed in a command that people copy.
func typedName(s *coop.State, m member.Member) string {
	if found, err := FindMember(s, m.Name); err != nil || found.ID != m.ID {
		return m.ID.Short()
	}
	return typable(m.Name, m.ID.Short())
}

// typable is a name as typed on a command line that people copy, or the id where
// a shell could read more in the name.
func typable(name, id string) string {
	odd := func(c rune) bool { return c != '-' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }
	if strings.ContainsFunc(name, odd) || strings.HasPrefix(name, "-") {
		return id
	}
	return name
}

// names joins names: "Ana", "Ana and Bo", "Ana, Bo and Chi".
func names(all []string) string {
	last := len(all) - 1
	if last < 1 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:last], ", ") + " and " + all[last]
}
