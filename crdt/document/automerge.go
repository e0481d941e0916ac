package document

import (
	"cmp"
	"encoding/hex"
	"runtime"
	"slices"
	"time"

	"github.com/automerge/automerge-go"

	"coop/crdt/record"
)

// This file is all that touches Automerge. Automerge ends the process when it is
// given bytes it does not expect, so it is given none: only typed ops that were
// judged, and changes that this process made from them. Its memory is freed by
// finalizers and its documents lock one another, so everything here stays on the
// goroutine that calls.

// Bounds on Automerge documents. Go's collector does not see their memory.
const (
	// maxLive bounds how many documents are live: 128 that people edit together
	// are more than a co-op has open at once.
	maxLive = 128
	// maxLiveBytes bounds what they take together, by estimate.
	maxLiveBytes = 64 << 20
	// maxGarbageBytes is how much is dropped, by estimate, before the collector
	// is called.
	maxGarbageBytes = 32 << 20
	// maxBranches bounds how many old versions of one document are kept open:
	// one for each device that writes apart from the others, and one that they
	// start from. Two stay whatever they take: with less, each edit would fork.
	maxBranches = 32
	minBranches = 2

	// What an edit takes in Automerge and what each character, measured.
	editBytes = 1536
	charBytes = 420
)

// What the ways to an old version cost, measured, in microseconds: cloning a
// document and forking it as it once was, for each edit or three characters in
// it, and applying one more edit.
const (
	cloneCost = 2
	forkCost  = 12
	applyCost = 40
)

// schemaKey is where the name of its schema stands in an Automerge document. No
// field has this name.
const schemaKey = "@schema"

// live is a document in Automerge: all its edits, and some old versions to which
// the next concurrent edit is likely to be applied.
type live struct {
	schema   *Schema
	main     branch
	branches []*branch // the one used last is first
	hashes   []automerge.ChangeHash
	size     size // of all edits
	garbage  *int // see Library
}

// branch is an Automerge document and the edits in it.
type branch struct {
	am   *automerge.Doc
	seen clock
	own  bool // an edit was made on it, and its author's next is likely to be
}

// run executes the next edit on the version it was made on. Every node gets the
// same change from it: it depends on the edit and its past alone.
func (v *live) run(g *edits, id record.ID, ops []Op) {
	e := int32(len(v.hashes))
	past := g.before(e)
	b := v.at(g, past)
	if b != &v.main && !b.own { // others will start from here, too
		am, err := b.am.Fork()
		must(err)
		b = v.keep(&branch{am: am, own: true})
	}
	v.hashes = append(v.hashes, b.commit(v.schema, id, ops))
	if b != &v.main {
		b.seen = slices.Clone(past)
		b.seen[g.all[e].chain]++
		_, err := v.main.am.Merge(b.am)
		must(err)
	}
	v.size = v.size.plus(sizeOf(nil, ops))
	*v.garbage += editBytes
}

// at returns the document as it stood in a version, all of whose edits have
// run: itself if it has no others, else a branch made or moved there, whichever
// is cheaper. It is valid until the next call.
func (v *live) at(g *edits, want clock) *branch {
	n := want.count()
	if n == len(v.hashes) {
		return &v.main
	}
	deepest := slices.MaxFunc(g.ends(want), func(a, b int32) int {
		return cmp.Compare(g.h.At(g.all[a].ref).Depth, g.h.At(g.all[b].ref).Depth)
	})
	forked := g.seenBy(g.all[deepest].ref)
	chars := v.size.chars / 3
	cost := forkCost*(forked.count()+chars) + applyCost*(n-forked.count())
	var b *branch
	for _, old := range v.branches {
		c := applyCost * (n - old.seen.count())
		if !old.own {
			c += cloneCost * (n + chars)
		}
		if old.seen.within(want) && c < cost {
			b, cost = old, c
		}
	}
	if b == nil {
		// At one head: with several, the binding may free what it still reads.
		am, err := v.main.am.Fork(v.hashes[deepest])
		must(err)
		b = &branch{am: am, seen: forked}
	}
	v.keep(b)
	for _, e := range g.between(b.seen, want) {
		// One by one: a change out of a list brings the whole list along.
		change, err := v.main.am.Change(v.hashes[e])
		must(err)
		must(b.am.Apply(change))
	}
	b.seen = want
	return b
}

// keep puts a branch first and drops those that are too many or too large.
func (v *live) keep(b *branch) *branch {
	v.branches = slices.DeleteFunc(v.branches, func(old *branch) bool { return old == b })
	v.branches = slices.Insert(v.branches, 0, b)
	for n := len(v.branches); n > maxBranches || n > minBranches && v.lenBytes() > maxLiveBytes; n-- {
		*v.garbage += v.lenBytes() / (n + 1)
		v.branches = slices.Delete(v.branches, n-1, n)
	}
	return b
}

// lenBytes estimates what v takes of memory.
func (v *live) lenBytes() int {
	return (editBytes*len(v.hashes) + charBytes*v.size.chars) * (1 + len(v.branches))
}

// commit executes the ops of one edit.
func (b *branch) commit(s *Schema, id record.ID, ops []Op) automerge.ChangeHash {
	actor := record.DomainActor.Hash(id[:])
	must(b.am.SetActorID(hex.EncodeToString(actor[:16])))
	root := b.am.RootMap()
	if len(b.am.Heads()) == 0 {
		layOut(root, s)
	}
	for i := range ops {
		run(root, &ops[i])
	}
	zero := time.Unix(0, 0)
	hash, err := b.am.Commit(id.String(), automerge.CommitOptions{Time: &zero, AllowEmpty: true})
	must(err)
	return hash
}

// layOut makes the Text and StringList fields of a new document, so that there
// is one of each for ever.
func layOut(root *automerge.Map, s *Schema) {
	must(root.Set(schemaKey, s.Name))
	for _, f := range s.Fields {
		switch f.Type {
		case Text:
			text := automerge.NewText("")
			must(root.Set(f.Name, text))
			runtime.KeepAlive(text)
		case StringList:
			must(root.Set(f.Name, automerge.NewList()))
		}
	}
}

func run(root *automerge.Map, op *Op) {
	switch op.Verb {
	case VerbPutString:
		must(root.Set(op.Field, op.Text))
	case VerbPutInt:
		must(root.Set(op.Field, op.Int))
	case VerbPutBool:
		must(root.Set(op.Field, op.Int == 1))
	case VerbDelete:
		must(root.Delete(op.Field))
	case VerbListInsert:
		must(get(root, op.Field).List().Insert(int(op.At), op.Text))
	case VerbListDelete:
		must(get(root, op.Field).List().Delete(int(op.At)))
	case VerbSplice:
		text := get(root, op.Field).Text()
		must(text.Splice(int(op.At), int(op.Del), op.Text))
		runtime.KeepAlive(text) // the binding forgets to
	}
}

func get(root *automerge.Map, field string) *automerge.Value {
	v, err := root.Get(field)
	must(err)
	return v
}

// lenOf returns the length of a Text in characters, of a StringList in items.
func (b *branch) lenOf(f *Field) int {
	v := get(b.am.RootMap(), f.Name)
	if f.Type == StringList {
		return v.List().Len()
	}
	text := v.Text()
	defer runtime.KeepAlive(text)
	return text.Len()
}

// read fills the cells of v with what the document says.
func (b *branch) read(v Value) {
	root := b.am.RootMap()
	for i, f := range v.schema.Fields {
		v.cells[i] = readCell(get(root, f.Name), f.Type)
	}
}

func readCell(v *automerge.Value, t Type) (c cell) {
	if v.IsVoid() {
		return c
	}
	switch t {
	case String:
		c = cell{set: true, text: v.Str()}
	case Int:
		c = cell{set: true, num: v.Int64()}
	case Bool:
		c.set = true
		if v.Bool() {
			c.num = 1
		}
	case Text:
		text := v.Text()
		s, err := text.Get()
		must(err)
		runtime.KeepAlive(text)
		c.text = s
	case StringList:
		items, err := v.List().Values()
		must(err)
		for _, item := range items {
			c.items = append(c.items, item.Str())
		}
	}
	return c
}

// must holds that Automerge does what was judged to be possible.
func must(err error) {
	if err != nil {
		panic("document: automerge: " + err.Error())
	}
}

// liveOf returns a document in Automerge, with all its edits run. It may drop
// others; what it returns is valid until the next call.
func (l *Library) liveOf(d document) *live {
	v, ok := l.lives.Get(d.created)
	if !ok {
		v = &live{schema: d.schema, main: branch{am: automerge.New()}, garbage: &l.garbage}
		l.lives.Add(d.created, v)
	}
	for _, e := range d.all[len(v.hashes):] {
		v.run(d.edits, l.h.ID(e.ref), l.ops(e.ref))
	}
	l.collect()
	return v
}

// collect drops the documents not used for longest while all take too much, and
// calls the collector when enough was dropped.
func (l *Library) collect() {
	lenBytes := 0
	for _, v := range l.lives.Values() {
		lenBytes += v.lenBytes()
	}
	for lenBytes > maxLiveBytes && l.lives.Len() > 1 {
		_, v, _ := l.lives.RemoveOldest()
		lenBytes -= v.lenBytes()
	}
	if l.garbage > maxGarbageBytes {
		l.garbage = 0
		runtime.GC()
	}
}
