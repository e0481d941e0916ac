// Package coop folds the history of one co-op into its state: what people see.
//
// Contents (listings, comments, texts) need no order: each is recomputed from
// its own records when one of them arrives. Acts (joining, deciding, paying)
// are applied one after the other: first those in the minutes, which are
// final; then, on a copy, those that are not minuted yet, in a provisional
// order. The state is a function of the set of records held and of nothing
// else, so two nodes that hold the same records show the same state.
//
// The fold never fails. A record without effect leaves a Problem that says why.
//
// Here is also what crosses the subjects: a decision that passes takes effect
// where it passes, on members, offices, limits and budgets.
package coop

import (
	"slices"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/minutes"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// KindAck is the kind of a record that says only what its author has seen.
const KindAck = "ack"

// Source returns an admitted record with its body. It is this program's own
// store: a record that was admitted is there, or the program cannot go on.
type Source func(history.Ref) *record.Record

// Coop is one co-op as this node holds it. One goroutine uses it; the states
// it hands out may be read by others.
type Coop struct {
	load     Source
	h        *history.History
	library  *document.Library
	contents Contents

	lines   []*line
	*line                             // the last of lines
	reseats map[record.ID][]*reseat   // that are held, by what they replace; sorted by id
	unread  []Reseating               // those that cannot be read
	anchors map[record.ID][]record.ID // stored before, by the re-seating after which they come
	holds   map[record.ID]record.ID   // what is held behind such a one

	pending []history.Ref // not minuted, sorted by Before
	layer   *Acts         // minuted and pending
	lenient *Acts         // the same without removals; nil when there are none
	layered int           // how many of pending are in layer
	changed uint64        // counts what moved the fold
	folded  uint64        // counts the acts that were applied to the layer

	cardOf map[record.Key]record.Key // devices that came by a card of their own, to the root that signed it
	cards  map[record.Key]int        // how many came so, by root

	staleMinutes, staleLayer bool // something was added that they do not reflect

	adding   *record.Record // being folded: Source does not have it yet
	addingAs history.Ref
}

// New returns an empty co-op. The first record added must found it.
func New(load Source) *Coop {
	c := &Coop{
		load: load, h: history.New(history.Rules{Introduces: introduces, Content: document.IsContent}), contents: newContents(),
		cardOf: map[record.Key]record.Key{}, cards: map[record.Key]int{},
		line: &line{}, reseats: map[record.ID][]*reseat{}, anchors: map[record.ID][]record.ID{}, holds: map[record.ID]record.ID{},
	}
	c.library = document.NewLibrary(c.h, c.body, schemas())
	return c
}

func schemas() []document.Schema {
	return []document.Schema{listing.Schema(), listing.CommentSchema(), proposal.TextSchema()}
}

// introduces is what every kind of record introduces.
func introduces(r *record.Record) []history.Introduction {
	if r.Kind == proposal.KindOpen {
		return proposal.Introduces(r)
	}
	return member.Introduces(r)
}

func (c *Coop) body(ref history.Ref) ([]byte, bool) {
	r := c.adding
	if r == nil || ref != c.addingAs {
		r = c.load(ref)
	}
	return r.Body, !r.Hollow
}

// History returns the graph of the records. It must only be read.
func (c *Coop) History() *history.History { return c.h }

// Minutes returns the order of acts. It must only be read.
func (c *Coop) Minutes() *minutes.Minutes { return c.minutes }

// Library returns the documents. It must only be read.
func (c *Coop) Library() *document.Library { return c.library }

// Add admits a record and folds it. Errors are those of history.Admit; the
// record must be where Source finds it as soon as Add has returned.
func (c *Coop) Add(r *record.Record) (ref history.Ref, fresh bool, err error) {
	if c.h.Len() == 0 && r.Founding() {
		return c.found(r)
	}
	ref, fresh, err = c.h.Admit(r)
	if fresh {
		c.adding, c.addingAs = r, ref
		c.fold(ref)
		c.adding = nil
	}
	return ref, fresh, err
}

func (c *Coop) found(r *record.Record) (history.Ref, bool, error) {
	if _, err := member.Found(r); err != nil {
		return history.None, false, &history.Refused{Rule: "A8", Reason: err.Error()}
	}
	ref, fresh, err := c.h.Admit(r)
	if err != nil {
		return ref, fresh, err
	}
	return ref, true, c.begin(r, nil)
}

// founded returns what the founding record makes of the co-op.
func founded(r *record.Record) (*Acts, error) {
	people, err := member.Found(r)
	if err != nil {
		return nil, err
	}
	terms, err := member.ParseFounding(r.Body)
	if err != nil {
		return nil, err
	}
	return &Acts{People: people, Proposals: proposal.New(), Ledger: ledger.Found(r.ID, terms), Problems: newProblems()}, nil
}

// begin makes the state of the founding record, which the history holds. Anchors
// are those this node stored: what they decided is not decided anew.
func (c *Coop) begin(r *record.Record, anchors []record.ID) error {
	acts, err := founded(r)
	if err != nil {
		return err
	}
	c.keepStored(anchors)
	m := minutes.New(c.h, acts.People.Tellers, c.anchors[record.ID{}]...)
	c.holdStored(m, record.ID{})
	m.Add(history.Ref(c.h.Len() - 1))
	c.line = newLine(m, acts)
	c.lines = []*line{c.line}
	c.layer = c.minuted.clone()
	c.staleMinutes, c.staleLayer = true, true
	return nil
}

// fold gives one more record to the contents or the acts.
func (c *Coop) fold(ref history.Ref) {
	for _, l := range c.lines {
		l.minutes.Add(ref)
	}
	c.note(ref)
	c.noteCard(c.adding)
	c.foldContent(ref)
	c.insert(ref)
	c.staleMinutes, c.staleLayer = true, true
}

// foldContent gives a record to the documents, if it is a content.
func (c *Coop) foldContent(ref history.Ref) {
	if n := c.h.At(ref); document.IsContent(n.Kind) {
		c.contents.add(c.library, ref, n)
	}
}

// insert puts a record that is not minuted where it belongs in the provisional
// order. Where that is not the end, the layer is folded anew from the minutes.
func (c *Coop) insert(ref history.Ref) {
	at, _ := slices.BinarySearchFunc(c.pending, ref, c.compare)
	c.pending = slices.Insert(c.pending, at, ref)
	if at < c.layered {
		c.layered = -1
	}
}

func (c *Coop) compare(a, b history.Ref) int {
	switch {
	case a == b:
		return 0
	case c.h.Before(a, b):
		return -1
	}
	return 1
}

// settle lets the fold catch up with what was added.
func (c *Coop) settle() {
	if !c.staleLayer {
		return
	}
	c.settleMinutes()
	c.staleLayer = false
	c.changed++
	c.foldPending()
	c.layer.Ledger.CheckZero()
}

// settleMinutes lets only the minutes catch up. It costs what was minuted,
// where the provisional layer may have to be folded anew from its start.
func (c *Coop) settleMinutes() {
	if !c.staleMinutes {
		return
	}
	c.staleMinutes = false
	switch moved, anew := c.settleLines(); {
	case anew:
		c.pendAnew()
	case moved:
		c.pending = slices.DeleteFunc(c.pending, c.minutes.Minuted)
		c.layered = -1
	}
}

// pendAnew finds out anew what is not minuted: something was taken back.
func (c *Coop) pendAnew() {
	c.pending = c.pending[:0]
	for ref := range history.Ref(c.h.Len()) {
		if !c.minutes.Minuted(ref) {
			c.insert(ref)
		}
	}
	c.layered = -1
}

// Folded returns how many acts were applied to the provisional layer: what it has
// cost. Tests hold by it what a peer can make a node do.
func (c *Coop) Folded() uint64 { return c.folded }

// foldPending brings the provisional layer up to date.
func (c *Coop) foldPending() {
	if c.layered < 0 {
		c.layer, c.lenient, c.layered = c.minuted.clone(), nil, 0
	}
	for i := c.layered; i < len(c.pending); i++ {
		a := c.act(c.pending[i])
		c.folded++
		removed := c.layer.apply(a)
		if c.lenient != nil {
			c.lenient.apply(a)
		} else if removed {
			c.lenient = c.minuted.clone()
			c.lenient.People.Lenient = true
			for _, ref := range c.pending[:i+1] {
				c.lenient.apply(c.act(ref))
			}
		}
	}
	c.layered = len(c.pending)
}
