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
		var p pair[K, V]
		if b, err = record.UnmarshalFirst(b, &p); err != nil {
			return nil, fmt.Errorf("table: %w", err)
		}
		t.tree.Load(p)
	}
	if t.tree.Len() != int(n) {
		return nil, fmt.Errorf("table: %d keys, not %d", t.tree.Len(), n)
	}
	return b, nil
}
