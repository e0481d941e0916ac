package store

import (
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// TestSynced: TestKill cannot notice that nothing is synced, because the page
// cache outlives a process that is killed. So this looks at what Badger is told.
func TestSynced(t *testing.T) {
	if !tuned(badger.DefaultOptions("")).SyncWrites {
		t.Error("Append returns before records are on the disk")
	}
}
