package document

import "coop/crdt/history"

// DropCaches forgets everything a Library can build again.
func (l *Library) DropCaches() {
	l.values.Purge()
	l.lives.Purge()
}

// DropOldest forgets a few of the things that were not used for longest.
func (l *Library) DropOldest() {
	l.values.RemoveOldest()
	l.lives.RemoveOldest()
}

// Live returns how many documents there are in Automerge, and the estimate of
// what they take.
func (l *Library) Live() (n, lenBytes int) {
	for _, v := range l.lives.Values() {
		lenBytes += v.lenBytes()
	}
	return l.lives.Len(), lenBytes
}

// IsLive reports whether a document is in Automerge.
func (l *Library) IsLive(created history.Ref) bool { return l.lives.Contains(created) }

// Branches returns how many old versions of a live document are open.
func (l *Library) Branches(created history.Ref) int {
	v, ok := l.lives.Peek(created)
	if !ok {
		return 0
	}
	return len(v.branches)
}
