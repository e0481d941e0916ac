package p2p

import (
	"bytes"
	"log/slog"
	"testing"
)

// TestQuiet: what libp2p warns of does not reach people, nor by a logger that it
// derives from the one it was given.
func TestQuiet(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(quiet{slog.NewTextHandler(&out, nil)})
	for _, l := range []*slog.Logger{log, log.With("logger", "net/identify"), log.WithGroup("net")} {
		l.Warn("failed to identify peer")
		if out.Len() > 0 {
			t.Errorf("a warning was written: %s", &out)
		}
		l.Error("the disk is full")
		if out.Len() == 0 {
			t.Error("an error was not written")
		}
		out.Reset()
	}
}
