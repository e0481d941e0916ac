package node_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that what the tests closed leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
