package table

import (
	"fmt"

	"coop/crdt/record"
)

// Read fills an empty table from what WriteTo wrote and returns the bytes
// behind it. It is for caches this node wrote itself: an error means that the
// cache is damaged and must be thrown away.
func (t Table[K, V]) Read(b []byte) (rest []byte, err error) {
	var n uint64
	if b, err = record.UnmarshalFirst(b, &n); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	for range n {
		p := new(pair[K, V])
		if b, err = record.UnmarshalFirst(b, p); err != nil {
			return nil, fmt.Errorf("table: %w", err)
		}
		t.tree.load(p.item())
	}
	if t.tree.len() != int(n) {
		return nil, fmt.Errorf("table: %d keys, not %d", t.tree.len(), n)
	}
	return b, nil
}
