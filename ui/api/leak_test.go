package api_test

import (
	"testing"

	"go.uber.org/goleak"

	"coop/node/nodetest"
)

// TestMain holds that what the tests closed leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(nodetest.RunDir())) }
