package document

import (
	"slices"

	"coop/crdt/history"
	"coop/crdt/record"
)

// Conflict is a String, Int or Bool that people changed at the same time. The
// document shows one of what they put; they should be told of the others.
type Conflict struct {
	Field   string
	Changes []Change // at least two, not all alike, by (depth, id)
}

// Change is what one edit did to a field in the end: a put or a delete.
type Change struct {
	Edit history.Ref
	Op   Op
}

// Conflicts returns, in the order of the schema, the fields of a document whose
// last changes do not have one another in their past. A conflict ends with the
// next change that has all of them in its past. It reads all edits of a document
// that was ever edited at the same time, and nothing of others.
func (l *Library) Conflicts(doc record.ID) []Conflict {
	d, ok := l.find(doc)
	if !ok || d.line {
		return nil
	}
	last := make([][]Change, len(d.schema.Fields))
	for _, ref := range l.History(doc) {
		for _, op := range l.ops(ref) {
			at := d.schema.index(op.Field)
			last[at] = slices.DeleteFunc(last[at], func(c Change) bool { return l.h.InPast(c.Edit, ref) })
			last[at] = append(last[at], Change{ref, op})
		}
	}
	var conflicts []Conflict
	for i, f := range d.schema.Fields {
		alike := !slices.ContainsFunc(last[i], func(c Change) bool { return c.Op != last[i][0].Op })
		if f.Type.scalar() && !alike {
			conflicts = append(conflicts, Conflict{f.Name, last[i]})
		}
	}
	return conflicts
}
